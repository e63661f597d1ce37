"""reseed: whether independently trained dictionaries agree, came to agree, or were born agreeing.

The public names are loaded when they are first used: `import reseed` costs neither torch nor plotly.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reseed.matching import Matching, match

__version__ = "0.1.0"

_HOMES = {
    "Matching": "reseed.matching",
    "floors": "reseed.floors",
    "match": "reseed.matching",
}

__all__ = ["Matching", "__version__", "floors", "match"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'reseed' has no attribute {name!r}; it has {', '.join(__all__)}")
    module = import_module(_HOMES[name])
    return getattr(module, name, module)


def __dir__() -> list[str]:
    return sorted(__all__)
