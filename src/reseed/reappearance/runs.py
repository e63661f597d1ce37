"""The runs whose features are looked for in each other: of one recipe, started apart, at their last step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from reseed._support.brief import brief_repr
from reseed.interop.spaces import Raw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.comparison.pairs import Side
    from reseed.interop import LoadedDictionary
    from reseed.matching import KeptMatching, Sign
    from reseed.measures import StandardCodes

__all__ = ["Recipe", "Run", "of_sides"]


@dataclass(frozen=True)
class Run:
    """One dictionary, and its codes of held-out tokens."""

    label: str
    atoms: Float[Tensor, "atoms d_model"]
    encoder: Float[Tensor, "atoms d_in"] | None
    """None where it has none of its own."""
    codes: StandardCodes | None
    """None where they are not known."""
    whole: Callable[[], LoadedDictionary]
    """All of it, read when it is asked for."""
    reads_raw: bool = False
    """Whether its atoms live where activations do, up to a shift."""

    __repr__ = brief_repr


@dataclass(frozen=True)
class Recipe:
    """Independent runs of one recipe, and runs of it on rows without structure."""

    name: str
    runs: tuple[Run, ...]
    null: tuple[Run, ...]
    """Empty where there are none."""
    sign: Sign
    left_out: tuple[str, ...] = ()
    """Runs that were born as another one was, and say nothing about independent ones."""
    matched: Mapping[tuple[int, int], KeptMatching] = field(default_factory=dict)
    """Matchings of two of the runs that are known already, the earlier run first."""


def of_sides(
    name: str,
    sides: Sequence[Side],
    null: Sequence[Side],
    sign: Sign,
    *,
    matched: Mapping[tuple[int, int], KeptMatching] | None = None,
) -> Recipe:
    """Dictionaries that were trained elsewhere; codes count only where all of them make some."""
    with_codes = all(side.seen is not None for side in sides)
    null_codes = with_codes and all(side.seen is not None for side in null)
    return Recipe(
        name=name,
        runs=tuple(_of_side(side, with_codes=with_codes) for side in sides),
        null=tuple(_of_side(side, with_codes=null_codes) for side in null),
        sign=sign,
        matched=matched or {},
    )


def _of_side(side: Side, *, with_codes: bool) -> Run:
    codes = side.seen.codes if with_codes and side.seen is not None else None
    dictionary = side.dictionary
    raw = isinstance(dictionary.space, Raw) and dictionary.skip is None
    return Run(side.opened.label, dictionary.atoms, dictionary.encoder, codes, reads_raw=raw, whole=lambda: dictionary)
