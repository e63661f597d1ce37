"""Two findings of the same activations, quantity by quantity: what fell by more than its error.

A change is new less old. The two are independent as far as anybody knows, so their squared errors add up; degrees of
freedom are Welch's and Satterthwaite's. All changes are looked at together, so their intervals hold together: each is
at 1 - (1 - level) / changes, after Bonferroni. Findings that differ by chance alone are said to have fallen in fewer
than one comparison out of 1 / (1 - level), however many conditions they have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.special import stdtrit

from reseed.errors import SpecError
from reseed.requirements.quantities import quantities
from reseed.thresholds import LEVEL

if TYPE_CHECKING:
    from reseed.findings import ConditionFindings, Findings, Interval

__all__ = ["Change", "Changes", "changes"]

COMPARED = ("between", "within", "gain", "r2", "alive")
"""The quantities of which less is worse."""
EXACT = 1e-6  # what a matching is exact to: less is no change
RECIPE = ("kind", "start_kind", "n_atoms", "d_model")


@dataclass(frozen=True)
class Change:
    """One quantity of one condition, before and now."""

    condition: str
    quantity: str
    old: Interval
    new: Interval
    low: float
    """Lower end of the interval of `new - old`; nan where one of the two has no error."""
    high: float
    """Upper end."""

    @property
    def difference(self) -> float:
        """New less old; nan where either is not defined."""
        return self.new.value - self.old.value

    @property
    def lost(self) -> bool:
        """Whether it was defined and is not any more."""
        return math.isnan(self.new.value) and not math.isnan(self.old.value)

    @property
    def fell(self) -> bool:
        """Whether it is lower by more than the error of both, or lost."""
        return self.lost or (self.difference < -EXACT and self.high < 0)


@dataclass(frozen=True)
class Changes:
    """What became of every quantity that both findings have."""

    level: float
    """At which all intervals hold together."""
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    """What could not be compared, and what else is not the same."""

    @property
    def falls(self) -> tuple[Change, ...]:
        """Those that fell."""
        return tuple(change for change in self.changes if change.fell)


def changes(new: Findings, old: Findings) -> Changes:
    """What became of `old` in `new`.

    Raises:
        SpecError: they are of other activations, or have no condition in common.
    """
    before, now = ({each.name: each for each in findings.conditions} for findings in (old, new))
    prints = [str(findings.activations.get("fingerprint", "unknown")) for findings in (old, new)]
    if prints[0] != prints[1]:
        raise SpecError(
            f"the two studies are of different activations (fingerprints {prints[0][:12]} before, {prints[1][:12]} "
            "now) and cannot be compared: run both on the same"
        )
    both = [name for name in before if name in now]
    if not both:
        raise SpecError(
            f"the two studies have no condition in common: {', '.join(before)} before, {', '.join(now)} now; give "
            "conditions that are to be compared the same name"
        )
    pairs = [pair for name in both for pair in _pairs(before[name], now[name])]
    tested = sum(_error(a, b) is not None for _, _, a, b in pairs)
    level = _level(new)
    one = 1 - (1 - level) / max(1, tested)
    notes = (
        *(f"{name} was there before and is not now" for name in before if name not in now),
        *(f"{name} is new" for name in now if name not in before),
        *(note for name in both for note in _differences(before[name], now[name])),
        *(
            f"{name}: {quantity} has no error, so nothing is said about its change"
            for name, quantity, a, b in pairs
            if _error(a, b) is None and not math.isnan(b.value)
        ),
    )
    return Changes(level, tuple(_change(*pair, level=one) for pair in pairs), notes)


def _pairs(before: ConditionFindings, now: ConditionFindings) -> list[tuple[str, str, Interval, Interval]]:
    """What was defined before, with what it is now."""
    old, new = quantities(before), quantities(now)
    return [
        (before.name, name, old[name], new.get(name, _nothing(old[name])))
        for name in COMPARED
        if name in old and not math.isnan(old[name].value)
    ]


def _nothing(like: Interval) -> Interval:
    nothing = dict.fromkeys(("value", "standard_error", "low", "high"), math.nan)
    return like.model_copy(update={**nothing, "n_units": 0, "reason": "it is not measured any more"})


def _change(condition: str, quantity: str, old: Interval, new: Interval, *, level: float) -> Change:
    error = _error(old, new)
    half = math.nan if error is None else _half_width(*error, level=level)
    difference = new.value - old.value
    return Change(condition, quantity, old, new, difference - half, difference + half)


def _error(old: Interval, new: Interval) -> tuple[float, float] | None:
    """The standard error of new - old and its degrees of freedom; None where either has no error."""
    squares = [each.standard_error**2 for each in (old, new)]
    degrees = [each.n_units - 1 for each in (old, new)]
    if not all(map(math.isfinite, squares)) or min(degrees) < 1:
        return None
    spread = sum(square**2 / free for square, free in zip(squares, degrees, strict=True))
    return math.sqrt(sum(squares)), (sum(squares) ** 2 / spread if spread else float(sum(degrees)))


def _half_width(error: float, degrees: float, *, level: float) -> float:
    return float(stdtrit(degrees, (1 + level) / 2)) * error


def _level(findings: Findings) -> float:
    said = (findings.study.get("thresholds") or {}).get("level", LEVEL)
    return float(said) if isinstance(said, (int, float)) and 0 < said < 1 else LEVEL


def _differences(before: ConditionFindings, now: ConditionFindings) -> list[str]:
    """What is not the same about a condition of one name, its word among it."""
    changed = [
        f"{field} was {getattr(before, field)} and is {getattr(now, field)}"
        for field in RECIPE
        if getattr(before, field) != getattr(now, field)
    ]
    if before.verdict.outcome != now.verdict.outcome:
        changed.append(f"it was {before.verdict.outcome} and is {now.verdict.outcome}")
    return [f"{before.name}: {said}" for said in changed]
