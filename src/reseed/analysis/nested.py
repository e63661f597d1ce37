"""Dictionaries within one another (Matryoshka), as comparing measures them (docs/mathematics.md, eq. 105).

The first n_1 atoms of a run are a dictionary that reconstructs on its own, and so are its first n_2: each is matched
with that of the other run as if it stood alone.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from reseed.matching import match

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.trajectory import RunRecord

__all__ = ["columns_of", "nested_agreement", "nested_sizes"]


def nested_sizes(record: RunRecord) -> tuple[int, ...]:
    """Atoms of every nested dictionary but the largest, which has all; () where there are none."""
    return tuple(accumulate(record.groups[:-1]))


def columns_of(sizes: Sequence[int]) -> tuple[str, ...]:
    """Where a table of pairs has their matched agreement."""
    return tuple(f"nested.{size}" for size in sizes)


def nested_agreement(
    a: Float[Tensor, "atoms d_model"], b: Float[Tensor, "atoms d_model"], record: RunRecord
) -> dict[str, float]:
    """The matched agreement of each of them, by its column."""
    sizes = nested_sizes(record)
    found = (match(a[:size], b[:size], sign=record.sign).agreement for size in sizes)
    return dict(zip(columns_of(sizes), found, strict=True))
