"""`python -m reseed` is `reseed`."""

from reseed.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
