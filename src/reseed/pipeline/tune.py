"""The learning rate of each method, chosen on held-out reconstruction alone (docs/mathematics.md, section 7).

One run per method and rate, from one start, by the study's own recipe. No agreement is measured here, so that the
choice cannot favour it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from reseed._support import stopping
from reseed._support.numbers import percent, rounded
from reseed.errors import SpecError
from reseed.pipeline.session import check_place, reading
from reseed.pipeline.trials import (
    DIGITS,
    check_folder,
    first_run,
    grouped,
    preprocessing_of,
    trained_in,
    with_setting,
)
from reseed.spec import Arm, RunSpec, Study, Tuned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from reseed.methods import Method
    from reseed.trajectory import StudyFolder, Trajectory

__all__ = ["FACTORS", "FORMAT_VERSION", "Choice", "Trial", "Tuning", "tune"]

FORMAT_VERSION = 1
"""Of tuning.json. 1: first version; where it is of penalties, `tune_l0` has the second."""

FACTORS = (0.3, 1.0, 3.0)
"""What each method's learning rate is multiplied by, unless asked otherwise."""


@dataclass(frozen=True)
class Trial:
    """One run at one learning rate."""

    learning_rate: float
    status: str
    """`finished` or `diverged`."""
    r2: float | None = None
    """Held-out R² at the last step, in (-inf, 1]; None where the run diverged, like the rest, or nothing varies."""
    l0: float | None = None
    """Active atoms per held-out token."""
    alive: float | None = None
    """Fraction of atoms that fire on the held-out tokens."""


@dataclass(frozen=True)
class Choice:
    """One method and its trials."""

    arms: tuple[str, ...]
    """The arms that have this method; the first was trained."""
    kind: str
    trials: tuple[Trial, ...]
    """By learning rate, ascending."""

    @property
    def chosen(self) -> Trial | None:
        """The finished trial with the highest R², the lowest rate among equals; None where all diverged."""
        fits = [trial.r2 for trial in self.trials if trial.r2 is not None]
        return next((trial for trial in self.trials if fits and trial.r2 == max(fits)), None)

    @property
    def at_edge(self) -> bool:
        """Whether the best rate is the lowest or the highest of several: a better one may lie beyond."""
        return len(self.trials) > 1 and self.chosen in {self.trials[0], self.trials[-1]}


@dataclass(frozen=True)
class Tuning:
    """What a grid of learning rates showed, and the study with the chosen ones."""

    preprocess: str
    choices: tuple[Choice, ...]
    study: Study | None
    """None where no rate of some method led to a finite R²."""
    left_alone: tuple[str, ...] = ()
    """The arms whose methods have no learning rate."""

    def table(self) -> str:
        """One line per method and rate, as text."""
        lines = [f"{'rate':>10}  {'R²':>6}  {'L0':>7}  {'alive':>6}"]
        for choice in self.choices:
            lines += [f"{choice.kind} ({', '.join(choice.arms)})", *(_line(trial, choice) for trial in choice.trials)]
        if self.left_alone:
            lines.append(f"left alone, without a learning rate to choose: {', '.join(self.left_alone)}")
        return "\n".join(lines)

    def advice(self, factors: Sequence[float]) -> tuple[str, ...]:
        """What to try next where the best rate is at the edge of the grid of `factors`, or there is none."""
        return tuple(_advice(choice, sorted(factors)) for choice in self.choices if choice.at_edge or not choice.chosen)


@stopping.noticed()
def tune(
    study: Study,
    out: Path,
    *,
    factors: Sequence[float] = FACTORS,
    preprocess: str | None = None,
    quiet: bool = False,
) -> Tuning:
    """Train every method once per learning rate, and choose each method's rate on held-out R².

    Arms whose methods differ at most in the learning rate are tuned once, on the first of them; arms whose methods have
    none are left alone. What is trained already is not trained again; `tuning.json` in `out` holds the outcome.

    Args:
        study: its arms, activations and recipe.
        out: the folder of the runs.
        factors: what each method's own learning rate is multiplied by.
        preprocess: the preprocessing to tune under; by default `centre` where the study has it, else its first.
        quiet: no progress bars.

    Raises:
        SpecError: no method has a learning rate, factors or a preprocessing that are not allowed, a folder that holds a
            study, or sizes that do not suit the activations.
        ActivationsError: the activations are missing, damaged or too few.
        Interrupted: Ctrl-C, SIGTERM or SIGHUP; every run is saved first.
    """
    name = preprocessing_of(study, preprocess)
    _check(factors)
    check_folder(out)
    check_place(out)
    groups = grouped(study, _rate_of)
    if not groups:
        raise SpecError(f"no method of {', '.join(arm.name for arm in study.arms)} has a learning rate to tune")
    left_alone = tuple(arm.name for arm in study.arms if arm.method.peak_rate is None)
    with reading(study, (name,), quiet=quiet) as (activations, (seen,)):
        grids = [
            _grid(study, arms[0], factors, preprocess=name, activations=activations.fingerprint) for arms in groups
        ]
        with trained_in(out, study, seen, quiet=quiet) as (folder, trained):
            trained([spec for grid in grids for spec in grid.values()])
            choices = tuple(_choice(arms, grid, folder) for arms, grid in zip(groups, grids, strict=True))
            folder.sums.write_json(out / "tuning.json", _document(name, choices))
    return Tuning(name, choices, _tuned(study, choices, name), left_alone)


def _rate_of(method: Method) -> str | None:
    return None if method.peak_rate is None else "learning_rate"


def _check(factors: Sequence[float]) -> None:
    if not factors or any(not 0 < factor < float("inf") for factor in factors) or len(set(factors)) < len(factors):
        raise SpecError(
            f"--rates {','.join(f'{factor:g}' for factor in factors)}: positive numbers, each once, that the learning "
            "rate of each method is multiplied by, such as 0.3,1,3"
        )


def _grid(
    study: Study, arm: Arm, factors: Sequence[float], *, preprocess: str, activations: str
) -> dict[float, RunSpec]:
    """The first run of the first start at every learning rate, ascending."""
    own = arm.method.peak_rate or math.nan
    rates = (float(f"{own * factor:.{DIGITS}g}") for factor in sorted(factors))
    return {
        rate: first_run(study, _at_rate(arm, rate), preprocess=preprocess, activations=activations) for rate in rates
    }


def _at_rate(arm: Arm, rate: float) -> Arm:
    return with_setting(arm, "learning_rate", rate)


def _choice(arms: Sequence[Arm], grid: Mapping[float, RunSpec], folder: StudyFolder) -> Choice:
    trials = tuple(_trial(rate, folder.run(spec.id)) for rate, spec in grid.items())
    return Choice(tuple(arm.name for arm in arms), arms[0].method.kind, trials)


def _trial(rate: float, run: Trajectory) -> Trial:
    if not run.finished:
        return Trial(rate, "diverged")
    last = run.metrics.row(-1, named=True)
    r2 = None if math.isnan(last["r2"]) else last["r2"]
    return Trial(rate, "finished", r2, last["l0"], last["alive"])


def _tuned(study: Study, choices: Sequence[Choice], preprocess: str) -> Study | None:
    """The study with the chosen rates, and in each arm how they were chosen."""
    by_arm = {name: choice for choice in choices for name in choice.arms}
    arms = []
    for arm in study.arms:
        choice = by_arm.get(arm.name)
        if choice is None:
            arms.append(arm)
            continue
        if (trial := choice.chosen) is None:
            return None
        tuned = Tuned(preprocess=preprocess, rates=tuple(each.learning_rate for each in choice.trials))
        arms.append(_at_rate(arm, trial.learning_rate).model_copy(update={"tuned": tuned}))
    return study.model_copy(update={"arms": tuple(arms)})


def _document(preprocess: str, choices: Sequence[Choice]) -> dict[str, object]:
    methods = [asdict(each) | {"chosen": each.chosen.learning_rate if each.chosen else None} for each in choices]
    return {"format_version": FORMAT_VERSION, "preprocess": preprocess, "methods": methods}


def _line(trial: Trial, choice: Choice) -> str:
    if trial.r2 is None or trial.l0 is None or trial.alive is None:
        said = "R² undefined" if trial.status == "finished" else trial.status
        return f"{trial.learning_rate:>10g}  {said}"
    mark = "  chosen" if trial == choice.chosen else ""
    numbers = f"{rounded(trial.r2, 3):>6}  {rounded(trial.l0, 1):>7}  {percent(trial.alive):>6}"
    return f"{trial.learning_rate:>10g}  {numbers}{mark}"


def _advice(choice: Choice, factors: Sequence[float]) -> str:
    arms = ", ".join(choice.arms)
    if choice.chosen is None:
        lower = ",".join(f"{factor / 10:g}" for factor in factors)
        return f"no learning rate of {arms} led to a finite R²: try lower ones, such as --rates {lower}"
    lowest = choice.chosen == choice.trials[0]
    ratio = factors[1] / factors[0] if lowest else factors[-1] / factors[-2]
    beyond = factors[0] / ratio if lowest else factors[-1] * ratio
    wider = ",".join(f"{factor:g}" for factor in ([beyond, *factors] if lowest else [*factors, beyond]))
    return (
        f"the best learning rate of {arms} is the {'lowest' if lowest else 'highest'} of the grid, and a better one "
        f"may lie beyond: try --rates {wider} --force"
    )
