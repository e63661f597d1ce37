"""`python -m reseed` is `reseed`: the process and its signals; the command line itself is in `cli`."""

from reseed._support import stopping

__all__ = ["main"]


def main() -> None:
    """Run the command line in a process of its own, which signals can stop from here on."""
    stopping.own()
    from reseed.cli import main as run_command  # noqa: PLC0415 (it takes a while, in which signals come as well)

    try:
        run_command()
    finally:
        stopping.deaf()


if __name__ == "__main__":
    main()
