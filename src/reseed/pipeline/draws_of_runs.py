"""Drawing untrained dictionaries of what runs ended with: by the recipes of `FLOORS`, from the study folder alone."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from reseed.dice import roll
from reseed.floors import FLOORS, Ended

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reseed.trajectory import StudyFolder

__all__ = ["draw_of_runs"]


def draw_of_runs(folder: StudyFolder, condition: str, names: Mapping[str, str]) -> None:
    """Untrained dictionaries of what some runs ended with; needs the folder alone.

    Args:
        folder: a study.
        condition: the name of the condition of these runs.
        names: by id of a run, the name under which its dice are rolled.
    """
    kinds = [kind for kind in FLOORS.values() if kind.of_run is not None]
    for kind, (run_id, name) in product(kinds, names.items()):
        run, path = folder.run(run_id), folder.draw_of_run_path(condition, kind.name, run_id)
        if kind.of_run is None or path.exists():
            continue
        points = None if run.record.points is None else folder.points(run.record.points)
        rolled = roll("init", f"{kind.name} floor", name)
        atoms = kind.of_run(Ended(run.snapshots[run.steps[-1]].tensors, points, rolled))
        if atoms is not None:
            folder.remember_draw(path, kind.policy, {"run": run_id, "step": run.steps[-1]}, lambda made=atoms: made)
