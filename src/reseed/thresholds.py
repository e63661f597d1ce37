"""What the words of a verdict mean, when a feature comes back, and how far a study may say otherwise."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field, field_validator

from reseed._support.settings import NEUTRAL, Settings

__all__ = ["LEVEL", "FeatureRule", "Limits", "Look", "Thresholds"]

LEVEL = 0.95
"""Confidence of every interval."""


class FeatureRule(Settings):
    """When a feature of a run comes back in another one: its one-to-one partner there passes both thresholds.

    Where codes are not known the first alone decides, as in @paulo2025sparse.
    """

    cosine: float = Field(default=0.7, ge=-1.0, le=1.0)
    """The least cosine of the two atoms."""
    code: float = Field(default=0.5, ge=-1.0, le=1.0)
    """The least correlation of their codes over held-out tokens; -1: cosines alone decide."""


class Limits(Settings):
    """The thresholds between one word and another."""

    min_r2: float = Field(default=0.3, le=1.0)
    """A condition with a run below this held-out R² is `not fitted`: its agreement means nothing."""
    margin: float = Field(default=0.03, gt=0.0, lt=1.0)
    """The smallest difference that matters, in raw agreement."""
    convergent: float = Field(default=0.9, gt=0.0, le=1.0)
    """Independent starts end at the same dictionary: (A - null) / (1 - null) of at least this."""
    frozen_retention: float = Field(default=0.98, gt=0.0, le=1.0)
    """Atoms that still point where they started: mean cosine with their own step 0 of at least this."""
    memory: float = Field(default=0.5, gt=0.0, lt=1.0)
    """A start is remembered that still explains at least this share of the difference at step 0."""


class Look(Settings):
    """One look at the words of a study that gets more starts."""

    starts: int = Field(ge=1)
    """How many starts it has then."""
    error: float = Field(gt=0.0, lt=0.5)
    """The error that is spent there, of each condition: its intervals have a confidence of 1 - error."""


class Thresholds(Limits):
    """What the words of a verdict mean."""

    level: float = Field(default=LEVEL, gt=0.5, lt=1.0)
    """Confidence of every interval."""
    holm: Annotated[bool, NEUTRAL] = False
    """Whether 1 - level is the error of all conditions of the study together (Holm), not of each condition alone: then
    a condition that would be called stabilizing or convergent by itself may be inconclusive among many."""
    looks: Annotated[tuple[Look, ...], NEUTRAL] = ()
    """The looks at a study that gets more starts: those that `reseed run --until settled` plans, or those that nobody
    planned, where starts were added after the words had been read. At each of them the error that is spent there takes
    the place of 1 - level; all errors together are that of the whole."""

    @field_validator("looks")
    @classmethod
    def _grows(cls, looks: tuple[Look, ...]) -> tuple[Look, ...]:
        if any(later.starts <= earlier.starts for earlier, later in pairwise(looks)):
            raise ValueError(f"has looks at {', '.join(str(look.starts) for look in looks)} starts: each needs more")
        if sum(look.error for look in looks) >= 1:
            raise ValueError("spends an error of 1 or more: looks so many times at so little confidence say nothing")
        return looks

    @property
    def limits(self) -> Limits:
        """The thresholds between one word and another, alone."""
        return Limits(**{name: getattr(self, name) for name in Limits.model_fields})

    def at(self, starts: int) -> Thresholds:
        """Those of the look at a study with so many starts: its level is what that look spends."""
        error = next((look.error for look in self.looks if look.starts == starts), 1 - self.level)
        return self.model_copy(update={"level": 1 - error})

    @property
    def error(self) -> float:
        """How often, at most, a condition (with `holm` a study) in which nothing is to be found is said to have it."""
        return sum(look.error for look in self.looks) if self.looks else 1 - self.level
