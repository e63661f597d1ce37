"""The checker that jaxtyping's import hook puts around every function of reseed; see conftest.py."""

from typing import Any, Self, get_args

from beartype import beartype


def checked(function):
    """beartype, but for `Self`, which it cannot read on a bare function."""
    hints = function.__annotations__
    function.__annotations__ = {name: Any if Self in (hint, *get_args(hint)) else hint for name, hint in hints.items()}
    return beartype(function)
