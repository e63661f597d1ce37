"""What agreement is worth on some activations, or between two dictionaries (docs/mathematics.md, section 3)."""

from reseed.geometry.advice import recommendation
from reseed.geometry.document import (
    GEOMETRY_VERSION,
    DictionaryGeometry,
    Dimension,
    Floor,
    Geometry,
    PairGeometry,
    Standing,
    ViewGeometry,
)
from reseed.geometry.measuring import measure

__all__ = [
    "GEOMETRY_VERSION",
    "DictionaryGeometry",
    "Dimension",
    "Floor",
    "Geometry",
    "PairGeometry",
    "Standing",
    "ViewGeometry",
    "measure",
    "recommendation",
]
