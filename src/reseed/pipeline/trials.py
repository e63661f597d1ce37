"""Runs that only choose a setting: one of each candidate, from the first start, by the study's own recipe."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from reseed._support import progress
from reseed._support.files import canonical_json
from reseed._support.mistakes import shown
from reseed._support.threads import workers
from reseed.activations import PREPROCESSINGS
from reseed.errors import SpecError
from reseed.pipeline.session import device_of
from reseed.training import Context, train
from reseed.trajectory import StudyFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from reseed.activations import Preprocessed
    from reseed.methods import Method
    from reseed.spec import Arm, RunSpec, Study

__all__ = ["DIGITS", "check_folder", "first_run", "grouped", "preprocessing_of", "trained_in", "with_setting"]

DIGITS = 6  # of a candidate: .3 x .001 is .0003


def preprocessing_of(study: Study, asked: str | None) -> str:
    """The preprocessing to choose under: by default `centre` where the study has it, else its first.

    Raises:
        SpecError: there is no such preprocessing.
    """
    name = ("centre" if "centre" in study.preprocess else study.preprocess[0]) if asked is None else asked
    if name not in PREPROCESSINGS:
        raise SpecError(f"--preprocess {shown(name)}: choose from {', '.join(PREPROCESSINGS)}")
    return name


def check_folder(out: Path) -> None:
    """Refuse a folder that holds a study.

    Raises:
        SpecError: it does.
    """
    if (out / "manifest.json").exists():
        raise SpecError(f"{out} holds a study: choose another --out for the runs that only tune")


def grouped(study: Study, setting_of: Callable[[Method], str | None]) -> list[list[Arm]]:
    """Arms by method, whatever the value of the setting that is chosen; without those that have no such setting."""
    groups: dict[str, list[Arm]] = {}
    for arm in study.arms:
        if (setting := setting_of(arm.method)) is not None:
            key = canonical_json(arm.method.model_dump(mode="json", exclude={setting}))
            groups.setdefault(key, []).append(arm)
    return list(groups.values())


def with_setting(arm: Arm, setting: str, value: float) -> Arm:
    """The arm with another value of one setting of its method."""
    return arm.model_copy(update={"method": arm.method.model_copy(update={setting: value})})


def first_run(study: Study, arm: Arm, *, preprocess: str, activations: str) -> RunSpec:
    """The first run of the first start of an arm, which reads as many tokens as in the study."""
    alone = study.model_copy(update={"arms": (arm,), "preprocess": (preprocess,)})
    condition = alone.conditions[0].model_copy(update={"split": study.split})
    return condition.run(0, 0, activations=activations)


@contextmanager
def trained_in(
    out: Path, study: Study, seen: Preprocessed, *, quiet: bool
) -> Iterator[tuple[StudyFolder, Callable[[Sequence[RunSpec]], None]]]:
    """A folder of its own, and what trains runs in it side by side; those that are there already are left alone."""
    folder, device = StudyFolder(out), torch.device(device_of(study.training.device))
    with (
        folder.alone(),
        workers(study.training.threads) as pool,
        progress.bar(quiet=quiet) as show,
    ):
        folder.clear_remains()
        folder.check(pool.map)
        context = Context.of_one(seen, folder, device, pool)

        def trained(specs: Sequence[RunSpec]) -> None:
            steps = len(specs) * study.training.steps
            train(specs, context, advance=show(f"tune @{seen.name}", steps, f"steps of {len(specs)} runs"))

        yield folder, trained
        folder.sums.settle()
