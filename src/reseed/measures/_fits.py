"""Misuse that several measures refuse."""

from torch import Tensor

from reseed.matching import Matching

__all__ = ["check_fits"]


def check_fits(matching: Matching, a: Tensor, b: Tensor) -> None:
    """Raise ValueError for other dictionaries than the matched ones."""
    if (len(a), len(b)) != (matching.n_rows, matching.n_cols):
        raise ValueError(
            f"the matching is of {matching.n_rows} with {matching.n_cols} atoms, but {len(a)} and {len(b)} were given"
        )
