"""Draw the pictures of the documentation into docs/assets:  python docs/figures  [name ...]."""  # noqa: INP001 (a folder of scripts)

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from reseed._support.files import write_text

ASSETS = Path(__file__).parents[1] / "assets"
EXACT = ("common_mean", "dice", "earned", "findings", "floors", "growth", "words")
"""Pictures of exact computations or committed figures, made in seconds; a test compares them with those committed."""
MEASURED = ("trajectories",)
"""Pictures of training runs, which differ in the last digits between machines."""


def main(names: tuple[str, ...]) -> None:
    """Draw some pictures, or all of them."""
    for name in names or (*EXACT, *MEASURED):
        write_text(ASSETS / f"{name}.svg", import_module(name).draw())


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
