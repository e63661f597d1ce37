"""What the words of a verdict mean where a study does not say otherwise."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LEVEL", "Limits"]

LEVEL = 0.95
"""Confidence of every interval."""


@dataclass(frozen=True)
class Limits:
    """The thresholds between one word and another; see `reseed.spec.Thresholds` for what they mean."""

    min_r2: float = 0.3
    margin: float = 0.03
    convergent: float = 0.9
    frozen_retention: float = 0.98
    memory: float = 0.5
