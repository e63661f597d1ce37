"""Where a dictionary starts."""

from reseed.starts.start import Start, StartPoint, check_start, draw, draw_points, points_identity

__all__ = ["Start", "StartPoint", "check_start", "draw", "draw_points", "points_identity"]
