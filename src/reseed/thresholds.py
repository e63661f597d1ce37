"""What the words of a verdict mean, and within which limits a study may say otherwise."""

from __future__ import annotations

from pydantic import Field

from reseed._support.settings import Settings

__all__ = ["LEVEL", "Limits", "Thresholds"]

LEVEL = 0.95
"""Confidence of every interval."""


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


class Thresholds(Limits):
    """What the words of a verdict mean."""

    level: float = Field(default=LEVEL, gt=0.5, lt=1.0)
    """Confidence of every interval."""
