"""What a reader of a comparison must know before believing its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseed._support.numbers import rounded
from reseed.comparison.trajectories import common_steps
from reseed.matching import zero_atoms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reseed.comparison.groups import Nulls
    from reseed.comparison.opened import Opened
    from reseed.comparison.pairs import Side

__all__ = ["about_dictionary", "about_nulls", "about_recipe", "about_steps"]


def about_dictionary(side: Side, *, looked: bool) -> Iterator[str]:
    """How it was read, and what is strange about it; `looked` where there are activations."""
    label, found = side.opened.label, side.dictionary
    yield from found.notes
    zero = int(zero_atoms(found.atoms).sum())
    if zero:
        yield f"{label}: {zero:,} of {len(found.atoms):,} atoms are zero: pairs of cosine 0"
    if looked and side.seen is None:
        yield f"{label} does not say how it makes codes: nothing is said of its codes"
    if side.seen is not None and side.seen.r2 < 0:
        yield (
            f"{label} reconstructs the held-out tokens worse than their mean does (R² {rounded(side.seen.r2)}): are "
            "these the activations that it was trained on, at the same scale?"
        )


def about_recipe(sides: Sequence[Side]) -> Iterator[str]:
    """That nothing tells whether bare matrices are runs of one recipe."""
    if sides[0].dictionary.rule is None and not any(side.dictionary.about for side in sides):
        yield (
            f"{', '.join(side.opened.label for side in sides)} are bare matrices of one size, taken for runs of one "
            "recipe: give each a --group where they are not"
        )


def about_nulls(nulls: Nulls, *, looked: bool) -> Iterator[str]:
    """What makes runs on rows without structure less of a null; `looked` where there are activations."""
    if nulls.code is None and looked:
        yield (
            "the runs on rows without structure make no codes of such rows here: agreement is of all atoms, and codes "
            "have no null"
        )
    if nulls.born_alike:
        yield (
            f"{nulls.born_alike} pairs of the runs on rows without structure share their indices: that null is too "
            "high; train them from starts of their own"
        )


def about_steps(runs: Sequence[Opened]) -> Iterator[str]:
    """Where the runs of one recipe are on disk at different steps."""
    of_steps = [run for run in runs if run.steps]
    if len(runs) == 1 or not of_steps:
        return
    common = common_steps(runs)
    if not common:
        alone = ", ".join(run.label for run in runs if not run.steps)
        why = f"{alone} has none" if alone else "they have fewer than two in common"
        yield f"nothing is said along training of {', '.join(run.label for run in of_steps)}, with steps on disk: {why}"
        return
    if {max(run.steps) for run in runs} != {common[-1]}:
        ends = ", ".join(f"{run.label} ends at step {max(run.steps):,}" for run in runs)
        yield (
            f"{ends}: the last step that all have, where their trajectory ends, is {common[-1]:,}; what is "
            "said of their last dictionaries is of different steps"
        )
