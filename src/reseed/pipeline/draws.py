"""Drawing untrained dictionaries of activations: by the recipes of `FLOORS`, on the training side."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from reseed.floors import FLOORS
from reseed.training.untrained import Untrained

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from reseed.activations import Preprocessed
    from reseed.spec import Study
    from reseed.trajectory import StudyFolder

__all__ = ["draw_of_activations", "n_draws"]


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
    """Untrained dictionaries of every size in the study, each from rolls of the dice that no run makes.

    What is there already by the same recipe is not drawn again; what is not asked for any more is removed.
    """
    read = study.training.steps * study.training.batch_size
    source = Untrained(seen, study.dice.replicate, read, study.floors.kmeans_steps)
    wanted = _wanted(study)
    folder.forget_draws(seen.name, keep=wanted)

    def draw_one(one: tuple[int, str, int]) -> None:
        n_atoms, name, number = one
        kind = FLOORS[name]
        make = kind.draw
        if make is not None:
            path, policy = folder.draw_path(seen.name, *one), kind.policy + kind.told(source, n_atoms)
            folder.remember_draw(path, policy, source.recipe, lambda: make(source, n_atoms, number))
        advance(1)

    list(pool.map(draw_one, wanted))


def _wanted(study: Study) -> list[tuple[int, str, int]]:
    """Number of atoms, floor and draw."""
    sizes = sorted({arm.method.n_atoms for arm in study.arms})
    drawn = [kind.name for kind in FLOORS.values() if kind.draw is not None]
    return list(product(sizes, drawn, range(study.floors.draws)))
