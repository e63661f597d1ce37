"""Who was born identical to whom, found from the step-0 atoms and never from the dice."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from reseed.statistics import BORN_IDENTICAL

__all__ = ["init_groups"]


def init_groups(
    born_apart: Mapping[tuple[int, int], float], born: Sequence[Float[Tensor, "atoms d_model"]]
) -> list[int]:
    """The init group of each run: runs whose step-0 dictionaries are identical up to the order of their rows.

    Equal fingerprints first, then a matched distance below 1e-6 (docs/mathematics.md, eq. 38), which also joins
    dictionaries that differ only in the norms of their atoms.

    Args:
        born_apart: matched distance at step 0 of every pair of runs (i, j) with i < j.
        born: the step-0 dictionary of every run.
    """
    prints = [_fingerprint(atoms) for atoms in born]
    groups: list[int] = []
    for j in range(len(born)):
        same = (i for i in range(j) if prints[i] == prints[j] or born_apart[i, j] < BORN_IDENTICAL)
        first = next(same, None)
        groups.append(groups[first] if first is not None else max(groups, default=-1) + 1)
    return groups


def _fingerprint(atoms: Float[Tensor, "atoms d_model"]) -> bytes:
    rows = sorted(row.tobytes() for row in atoms.contiguous().numpy())
    return hashlib.sha256(b"".join(rows)).digest()
