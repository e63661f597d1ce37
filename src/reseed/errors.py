"""What can go wrong, and where it came from.

    ReseedError
    ├── SpecError          a study, an arm or a start that is not allowed          (also a ValueError)
    ├── ActivationsError   activations that are missing, malformed or damaged      (also a ValueError)
    ├── DictionaryError    a dictionary that is missing, malformed or of another width     (also a ValueError)
    ├── TrajectoryError    a study folder that is missing, damaged or of another format version
    ├── MemoryShortError   memory that is not enough for what is being done        (also a MemoryError)
    └── MissingExtraError  an optional part that is not installed                  (also an ImportError)

Every message says what was given, what is allowed and what to do. The command line prints it on one line and exits
with code 1. Wrong shapes and types of arguments in Python raise plain `ValueError` and `TypeError`.
"""

from __future__ import annotations

__all__ = [
    "ActivationsError",
    "DictionaryError",
    "MemoryShortError",
    "MissingExtraError",
    "ReseedError",
    "SpecError",
    "TrajectoryError",
]


class ReseedError(Exception):
    """Any error that reseed raises on purpose."""


class SpecError(ReseedError, ValueError):
    """A study, an arm or a start that is not allowed."""


class ActivationsError(ReseedError, ValueError):
    """Activations that are missing, malformed or damaged."""


class DictionaryError(ReseedError, ValueError):
    """A dictionary that is missing, malformed or of another width."""


class TrajectoryError(ReseedError):
    """A study folder that is missing, damaged or of another format version."""


class MemoryShortError(ReseedError, MemoryError):
    """Memory, or that of a GPU, is not enough for what is being done."""


class MissingExtraError(ReseedError, ImportError):
    """An optional part of reseed is needed and not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: run  pip install 'reseed[{extra}]'")
