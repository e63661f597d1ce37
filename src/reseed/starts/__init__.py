"""Where a dictionary starts: one file per kind, and one line in `STARTS`."""

from reseed.starts._kind import Points, Rolls, StartKind
from reseed.starts.start import Start, check_start, draw, draw_points, points_identity, start_identity
from reseed.starts.table import STARTS

__all__ = [
    "STARTS",
    "Points",
    "Rolls",
    "Start",
    "StartKind",
    "check_start",
    "draw",
    "draw_points",
    "points_identity",
    "start_identity",
]
