"""Drawing dictionaries of activations, references of what is trained: by the recipes of `FLOORS`, on the training side.

K-means of centred activations is that of raw ones, moved: what commutes with shifts and one factor is drawn of centred
activations, where float32 has the most to spare, and moved to where a preprocessing puts it. A study that has `centre`
among others draws it once.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from reseed.activations import preprocessed
from reseed.floors import FLOORS
from reseed.training.untrained import Untrained

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from reseed.activations import Preprocessed
    from reseed.spec import Study
    from reseed.trajectory import Draw, StudyFolder

__all__ = ["CENTRED", "draw_of_activations", "n_draws"]

CENTRED = "centre"
"""The preprocessing whose draws are moved to others."""


def n_draws(study: Study) -> int:
    """How many dictionaries `draw_of_activations` draws for each preprocessing."""
    return len(_wanted(study))


def draw_of_activations(
    study: Study,
    folder: StudyFolder,
    seen: Preprocessed,
    pool: Executor,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Dictionaries of every size in the study, each from rolls of the dice that no run makes.

    What is there already by the same recipe is not drawn again; what is not asked for any more is removed.
    """
    source = _source(study, seen)
    wanted = _wanted(study)
    folder.forget_draws(seen.name, keep=wanted)

    def draw_one(one: tuple[int, str, int]) -> None:
        _remembered(study, folder, source, one)
        advance(1)

    list(pool.map(draw_one, wanted))


def _source(study: Study, seen: Preprocessed) -> Untrained:
    read = study.training.steps * study.training.batch_size
    return Untrained(seen, study.dice.replicate, read, study.floors.kmeans_steps)


def _remembered(study: Study, folder: StudyFolder, source: Untrained, one: tuple[int, str, int]) -> Draw:
    """One draw, made and written where the study does not have it yet."""
    n_atoms, name, number = one
    kind, seen = FLOORS[name], source.activations
    is_moved = kind.commutes and seen.preprocess.keeps_shapes and seen.name != CENTRED

    def make() -> Float[Tensor, "atoms d_model"]:
        if kind.draw is None:
            raise ValueError(f"{name} is not drawn from activations")
        if not is_moved:
            return kind.draw(source, n_atoms, number)
        centred = _source(study, preprocessed(seen.activations, CENTRED))
        kept = _remembered(study, folder, centred, one) if CENTRED in study.preprocess else None
        atoms = kind.draw(centred, n_atoms, number) if kept is None else kept.atoms
        return (atoms + centred.activations.preprocess.shift - seen.preprocess.shift) * seen.preprocess.linear

    path, policy = folder.draw_path(seen.name, *one), kind.policy + kind.told(source, n_atoms)
    return folder.remember_draw(path, policy, source.recipe, make)


def _wanted(study: Study) -> list[tuple[int, str, int]]:
    """Number of atoms, floor and draw."""
    sizes = sorted({arm.method.n_atoms for arm in study.arms})
    drawn = [kind.name for kind in FLOORS.values() if kind.draw is not None]
    return list(product(sizes, drawn, range(study.floors.draws)))
