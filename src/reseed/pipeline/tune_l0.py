"""A common L0: the penalty of each method that leaves so many atoms active (docs/mathematics.md, eq. 130).

L0 falls as the penalty grows: a value is sought between one that leaves too many atoms active and one that leaves too
few, several candidates at once, evenly on a logarithmic scale. No agreement is measured here.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
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
from reseed.spec import Arm, Study, TunedL0

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from reseed.trajectory import Trajectory

__all__ = ["FORMAT_VERSION", "TOLERANCE", "L0Tuning", "PenaltyTrial", "Search", "tune_l0"]

FORMAT_VERSION = 2
"""Of tuning.json. 1: of learning rates, as `tune` writes it. 2: of penalties."""

TOLERANCE = 0.05
"""How far L0 may be from what was asked, as a share of it."""

CANDIDATES = 4  # penalties of one method that are trained side by side
RATIO = 10 ** (2 / 3)  # between two of them, while too few or too many atoms are active with all that were tried
MOST_ROUNDS = 8
FLAT = 0.01  # candidates whose L0 differs by a smaller share say that penalties beyond them change nothing


@dataclass(frozen=True)
class PenaltyTrial:
    """One run with one penalty."""

    penalty: float
    status: str
    """`finished` or `diverged`."""
    l0: float | None = None
    """Active atoms per held-out token at the last step; None where the run diverged, like the rest."""
    r2: float | None = None
    """Held-out R², in (-inf, 1]; None where nothing varies, too."""
    alive: float | None = None
    """Fraction of atoms that fire on the held-out tokens."""


@dataclass(frozen=True)
class Search:
    """One method and its trials."""

    arms: tuple[str, ...]
    """The arms that have this method; the first was trained."""
    kind: str
    setting: str
    """The setting that is its penalty."""
    own: float
    """The value of it to begin around."""
    target: float
    """The L0 that is sought."""
    trials: tuple[PenaltyTrial, ...] = ()
    """By penalty, ascending."""

    @property
    def known(self) -> tuple[tuple[float, float], ...]:
        """Penalty and L0 of the finished trials."""
        return tuple((trial.penalty, trial.l0) for trial in self.trials if trial.l0 is not None)

    @property
    def chosen(self) -> PenaltyTrial | None:
        """The trial whose L0 is nearest to the target, where that is within the tolerance (eq. 130)."""
        off = {trial: abs(trial.l0 / self.target - 1) for trial in self.trials if trial.l0 is not None}
        nearest = min(off, key=lambda trial: off[trial], default=None)
        return nearest if nearest is not None and off[nearest] <= TOLERANCE else None

    def candidates(self) -> tuple[float, ...]:
        """The penalties to try next, ascending; none where one is chosen, or no other would lead there."""
        if self.chosen is not None:
            return ()
        if not self.trials:
            middle = (CANDIDATES - 1) / 2
            return _rounded(self.own * RATIO ** (i - middle) for i in range(CANDIDATES))
        known = self.known
        between = next(((a, b) for (a, more), (b, less) in pairwise(known) if more > self.target > less), None)
        if between is not None:
            low, high = between
            steps = (low * (high / low) ** (i / (CANDIDATES + 1)) for i in range(1, CANDIDATES + 1))
            return tuple(each for each in dict.fromkeys(_rounded(steps)) if low < each < high)
        l0s = [l0 for _, l0 in known]
        if known and l0s[-1] > self.target:
            fell = l0s[-1] < (1 - FLAT) * max(l0s)  # before it does, penalties are too small to be felt
            larger = (known[-1][0] * RATIO**i for i in range(1, CANDIDATES + 1))
            return () if fell and _flat(l0s[-CANDIDATES:]) else _rounded(larger)
        smaller = (self.trials[0].penalty / RATIO**i for i in range(CANDIDATES, 0, -1))
        return () if _flat(l0s[:CANDIDATES]) else _rounded(smaller)

    def with_trials(self, found: Sequence[PenaltyTrial]) -> Search:
        """The same with more trials."""
        trials = tuple(sorted((*self.trials, *found), key=lambda trial: trial.penalty))
        return Search(self.arms, self.kind, self.setting, self.own, self.target, trials)


@dataclass(frozen=True)
class L0Tuning:
    """What the penalties showed, and the study with the chosen ones."""

    preprocess: str
    searches: tuple[Search, ...]
    study: Study | None
    """None where no penalty of some method led to the L0 that was asked for."""
    left_alone: tuple[str, ...] = ()
    """What is said of the arms whose methods have no penalty."""

    def table(self) -> str:
        """One line per method and penalty, as text."""
        lines = [f"{'penalty':>10}  {'L0':>7}  {'R²':>6}  {'alive':>6}"]
        for search in self.searches:
            lines += [f"{search.kind} ({', '.join(search.arms)}), {search.setting}"]
            lines += [_line(trial, search) for trial in search.trials]
        if self.left_alone:
            lines.append(f"left as they are: {', '.join(self.left_alone)}")
        return "\n".join(lines)

    def refusals(self) -> tuple[str, ...]:
        """Of each method without a penalty that leads there, what was reached."""
        return tuple(_refusal(search) for search in self.searches if search.chosen is None)


@stopping.noticed()
def tune_l0(study: Study, out: Path, *, l0: float, preprocess: str | None = None, quiet: bool = False) -> L0Tuning:
    """Find the penalty of each method at which `l0` atoms are active per held-out token, within 5 %.

    Arms whose methods differ at most in the penalty are tuned once, on the first of them; arms whose methods have none
    are left as they are. What is trained already is not trained again; `tuning.json` in `out` holds the outcome.

    Args:
        study: its arms, activations and recipe.
        out: the folder of the runs.
        l0: active atoms per token.
        preprocess: the preprocessing to tune under; by default `centre` where the study has it, else its first.
        quiet: no progress bars.

    Raises:
        SpecError: no method has a penalty, an L0 or a preprocessing that are not allowed, a folder that holds a study,
            or sizes that do not suit the activations.
        ActivationsError: the activations are missing, damaged or too few.
        Interrupted: Ctrl-C, SIGTERM or SIGHUP; every run is saved first.
    """
    name = preprocessing_of(study, preprocess)
    groups = grouped(study, lambda method: method.penalty)
    _check(study, groups, l0)
    check_folder(out)
    check_place(out)
    searches = tuple(_begun(arms, l0) for arms in groups)
    with (
        reading(study, (name,), quiet=quiet) as (activations, (seen,)),
        trained_in(out, study, seen, quiet=quiet) as (folder, trained),
    ):
        for _ in range(MOST_ROUNDS):
            wanted = [
                {
                    penalty: first_run(
                        study,
                        with_setting(arms[0], search.setting, penalty),
                        preprocess=name,
                        activations=activations.fingerprint,
                    )
                    for penalty in search.candidates()
                }
                for arms, search in zip(groups, searches, strict=True)
            ]
            if not any(wanted):
                break
            trained([spec for runs in wanted for spec in runs.values()])
            searches = tuple(
                search.with_trials([_trial(penalty, folder.run(spec.id)) for penalty, spec in runs.items()])
                for search, runs in zip(searches, wanted, strict=True)
            )
        folder.sums.write_json(out / "tuning.json", _document(name, l0, searches))
    left_alone = tuple(_left_alone(arm, l0) for arm in study.arms if arm.method.penalty is None)
    return L0Tuning(name, searches, _tuned(study, searches, name), left_alone)


def _check(study: Study, groups: Sequence[Sequence[Arm]], l0: float) -> None:
    if not 0 < l0 < math.inf:
        raise SpecError(f"--l0 {l0:g}: the active atoms per token that are sought, a number above 0")
    if not groups:
        raise SpecError(
            f"no method of {', '.join(arm.name for arm in study.arms)} has a penalty: k says how many atoms are "
            "active, or all of them are"
        )
    small = next((arms[0] for arms in groups if arms[0].method.n_atoms < l0), None)
    if small is not None:
        raise SpecError(f"--l0 {l0:g}: {small.name} has {small.method.n_atoms:,} atoms")


def _begun(arms: Sequence[Arm], l0: float) -> Search:
    """A search around the arm's own penalty, or its default where that is 0."""
    method = arms[0].method
    setting = method.penalty or ""
    default = type(method).model_fields[setting].default
    own = getattr(method, setting) or (default if isinstance(default, float) and default else 1.0)
    return Search(tuple(arm.name for arm in arms), method.kind, setting, own, l0)


def _trial(penalty: float, run: Trajectory) -> PenaltyTrial:
    if not run.finished:
        return PenaltyTrial(penalty, "diverged")
    last = run.metrics.row(-1, named=True)
    r2 = None if math.isnan(last["r2"]) else last["r2"]
    return PenaltyTrial(penalty, "finished", last["l0"], r2, last["alive"])


def _flat(l0s: Sequence[float]) -> bool:
    """Whether neighbouring penalties leave as many atoms active as each other."""
    return len(l0s) == CANDIDATES and max(l0s) <= (1 + FLAT) * min(l0s)


def _rounded(penalties: Iterable[float]) -> tuple[float, ...]:
    return tuple(float(f"{each:.{DIGITS}g}") for each in penalties)


def _left_alone(arm: Arm, l0: float) -> str:
    """An arm without a penalty, and how many active atoms it has where a setting `k` says so."""
    k = getattr(arm.method, "k", None)
    if k is None:
        return f"{arm.name} (neither a penalty nor k)"
    return f"{arm.name} (k = {k:g}{'' if k == l0 else f', not {l0:g}'})"


def _tuned(study: Study, searches: Sequence[Search], preprocess: str) -> Study | None:
    """The study with the chosen penalties, and in each arm how they were chosen."""
    by_arm = {name: search for search in searches for name in search.arms}
    arms = []
    for arm in study.arms:
        search = by_arm.get(arm.name)
        if search is None:
            arms.append(arm)
            continue
        if (trial := search.chosen) is None:
            return None
        record = TunedL0(
            preprocess=preprocess,
            setting=search.setting,
            l0=search.target,
            penalties=tuple(each.penalty for each in search.trials),
        )
        arms.append(with_setting(arm, search.setting, trial.penalty).model_copy(update={"tuned_l0": record}))
    return study.model_copy(update={"arms": tuple(arms)})


def _document(preprocess: str, l0: float, searches: Sequence[Search]) -> dict[str, object]:
    methods = [
        {
            "arms": search.arms,
            "kind": search.kind,
            "setting": search.setting,
            "trials": [asdict(trial) for trial in search.trials],
            "chosen": search.chosen.penalty if search.chosen else None,
        }
        for search in searches
    ]
    return {"format_version": FORMAT_VERSION, "preprocess": preprocess, "l0": l0, "methods": methods}


def _line(trial: PenaltyTrial, search: Search) -> str:
    if trial.l0 is None or trial.alive is None:
        return f"{trial.penalty:>10g}  {trial.status}"
    r2 = "none" if trial.r2 is None else rounded(trial.r2, 3)
    mark = "  chosen" if trial == search.chosen else ""
    return f"{trial.penalty:>10g}  {rounded(trial.l0, 1):>7}  {r2:>6}  {percent(trial.alive):>6}{mark}"


def _refusal(search: Search) -> str:
    """What the trials reached: the L0 on both sides of what was sought, or the end of it."""
    arms = ", ".join(search.arms)
    sought = f"L0 = {search.target:g} within {percent(TOLERANCE)}"
    if not search.known:
        return f"all trials of {arms} diverged: lower its learning rate"
    over = min((each for each in search.known if each[1] > search.target), key=lambda each: each[1], default=None)
    under = max((each for each in search.known if each[1] < search.target), key=lambda each: each[1], default=None)
    reached = " and ".join(f"{l0:.3g} at {penalty:g}" for penalty, l0 in filter(None, (over, under)))
    nearest = min((l0 for _, l0 in search.known), key=lambda l0: abs(math.log(max(l0, 1e-9) / search.target)))
    return f"no {search.setting} of {arms} led to {sought}: L0 was {reached}; try --l0 {nearest:.3g}"
