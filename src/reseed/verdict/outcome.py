"""The words that a verdict can be."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Judgement", "Outcome"]


class Outcome(StrEnum):
    """What can be said about one condition."""

    CONVERGENT = "convergent"
    """Runs that started apart end as the same dictionary."""
    STABILIZING = "stabilizing"
    """Runs that started apart came together, beyond every floor, without becoming one dictionary."""
    INHERITED = "inherited"
    """The runs agree as far as they were born alike."""
    FROZEN = "frozen"
    """The atoms are still where they were born: there is nothing that training made agree."""
    DIVERGING = "diverging"
    """The runs end further apart than they started."""
    UNSTABLE = "unstable"
    """Independent starts agree no more than the floor."""
    NOT_FITTED = "not fitted"
    """A run reconstructs too little for its agreement to mean anything."""
    NOT_TESTABLE = "not testable"
    """There are too few runs to compare."""
    INCONCLUSIVE = "inconclusive"
    """The intervals are too wide for any of these."""


@dataclass(frozen=True)
class Judgement:
    """An outcome, the sentence that states it with its numbers, and what would change it."""

    outcome: Outcome
    sentence: str
    would_change: str
