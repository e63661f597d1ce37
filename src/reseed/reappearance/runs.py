"""The runs whose features are looked for in each other: of one recipe, started apart, at their last step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from reseed._support.brief import brief_repr
from reseed.interop.spaces import Raw
from reseed.reappearance.document import Born, Recorded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from reseed.comparison.opened import Opened
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
    groups: tuple[int, ...] = ()
    """Sizes of the groups of atoms of dictionaries within one another (Matryoshka)."""
    reads_raw: bool = False
    """Whether its atoms live where activations do, up to a shift."""
    along: Mapping[int, Callable[[], Float[Tensor, "atoms d_model"]]] = field(default_factory=dict)
    """Its atoms at the steps that are on disk, read when they are asked for; empty for a dictionary alone."""
    record: Recorded | None = None
    """What its source says of it; None for random directions."""
    files: tuple[Path, ...] = ()
    """What was read."""

    __repr__ = brief_repr


@dataclass(frozen=True)
class Recipe:
    """Independent runs of one recipe, and runs of it on rows without structure."""

    name: str
    runs: tuple[Run, ...]
    null: tuple[Run, ...]
    """Empty where there are none."""
    sign: Sign
    determined: bool = False
    """Whether what the method learns depends on the activations alone: its atoms then stand in one order."""
    left_out: tuple[str, ...] = ()
    """Runs that were born as another one was, and say nothing about independent ones."""
    files: tuple[Path, ...] = ()
    """What was read beside the runs."""
    matched: Mapping[tuple[int, int], KeptMatching] = field(default_factory=dict)
    """Matchings of two of the runs that are known already, the earlier run first."""
    births: Mapping[tuple[int, int], Born] = field(default_factory=dict)
    """Birth tests of two of the runs, likewise."""

    @property
    def read(self) -> Iterator[tuple[str, Path]]:
        """Every file that was read, after what it is of."""
        yield from (("study", path) for path in self.files)
        yield from ((run.label, path) for run in (*self.runs, *self.null) for path in run.files)


def of_sides(
    name: str,
    sides: Sequence[Side],
    null: Sequence[Side],
    sign: Sign,
    *,
    matched: Mapping[tuple[int, int], KeptMatching] | None = None,
    births: Mapping[tuple[int, int], Born] | None = None,
) -> Recipe:
    """Dictionaries that were trained elsewhere; codes count only where all of them make some."""
    with_codes = all(side.seen is not None for side in sides)
    null_codes = with_codes and all(side.seen is not None for side in null)
    return Recipe(
        name=name,
        runs=tuple(_of_side(side, side.opened.label, with_codes=with_codes) for side in sides),
        null=tuple(_of_side(side, f"null {i}", with_codes=null_codes, null=True) for i, side in enumerate(null, 1)),
        sign=sign,
        matched=matched or {},
        births=births or {},
    )


def _of_side(side: Side, label: str, *, with_codes: bool, null: bool = False) -> Run:
    codes = side.seen.codes if with_codes and side.seen is not None else None
    dictionary = side.dictionary
    raw = isinstance(dictionary.space, Raw) and dictionary.skip is None
    n_atoms, d_model = dictionary.atoms.shape
    record = Recorded(
        run=label,
        null=null,
        format=dictionary.format,
        n_atoms=n_atoms,
        d_model=d_model,
        step=dictionary.step,
        seed=dictionary.seed,
        about=dict(dictionary.about),
    )
    return Run(
        label,
        dictionary.atoms,
        dictionary.encoder,
        codes,
        whole=lambda: dictionary,
        groups=dictionary.groups,
        reads_raw=raw,
        along={step: partial(_atoms_at, side.opened, step) for step in side.opened.steps},
        record=record,
        files=dictionary.paths,
    )


def _atoms_at(opened: Opened, step: int) -> Float[Tensor, "atoms d_model"]:
    return opened.at(step).atoms
