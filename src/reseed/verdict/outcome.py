"""The words that a verdict can be, and the reasons for those that have several."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["CLAIMS", "Judgement", "Outcome", "Reason", "settled"]


class Outcome(StrEnum):
    """What can be said about one condition."""

    CONVERGENT = "convergent"
    """Runs that started apart end as the same dictionary."""
    STABILIZING = "stabilizing"
    """Runs that started apart came together, further and faster than without structure, but not to one dictionary."""
    INHERITED = "inherited"
    """The runs agree as far as they were born alike, or because the activations leave their method one solution."""
    FROZEN = "frozen"
    """The atoms are still where they were born: there is nothing that training made agree."""
    DIVERGING = "diverging"
    """The runs end further apart than they started."""
    UNSTABLE = "unstable"
    """Runs that started apart did not come together, or not beyond what structureless activations give."""
    NOT_FITTED = "not fitted"
    """A run reconstructs too little for its agreement to mean anything."""
    NOT_TESTABLE = "not testable"
    """There are too few runs to compare."""
    INCONCLUSIVE = "inconclusive"
    """Nothing of this can be said with what is known."""


CLAIMS = (Outcome.CONVERGENT, Outcome.STABILIZING)
"""The words that say runs came together, which three starts and a null are needed for."""


class Reason(StrEnum):
    """Why a condition is unstable or inconclusive, or inherits its agreement from elsewhere than its start."""

    NONE = ""
    """The word has one reason only."""
    DETERMINED = "one solution whatever the start"
    """Inherited: what the method learns depends on the activations alone, and all runs read one sample of them."""
    NOT_TOGETHER = "did not come together"
    """Unstable: no gain beyond the margin."""
    ONLY_AS_FAR = "came together only as far as the null"
    """Unstable: the agreement at the end is not beyond its strictest null."""
    NO_FASTER = "came together no faster than the null"
    """Unstable: the recipe contracts rows without structure as much."""
    BORN_SO = "agreed beyond the null at step 0"
    """Unstable: no gain beyond the margin, from starts that were beyond the null already."""
    NO_SURROGATE = "no surrogate"
    """Inconclusive: whether structureless rows would give as much is not known."""
    NOT_IN_USE = "agrees in direction, not in use"
    """Inconclusive: code agreement is not beyond its null, or fell."""
    NO_ROOM = "no gain is possible"
    """Inconclusive: the runs agreed at step 0 already, to within the margin."""
    FEW_STARTS = "too few starts"
    """Inconclusive: of fewer than three starts none can be left out."""
    GAIN_OPEN = "whether they came together is open"
    """Inconclusive: the interval of the gain holds the margin."""
    NULL_OPEN = "whether beyond the null is open"
    """Inconclusive: what B(T) has beyond its strictest null may be nothing, or more than the margin."""
    PACE_OPEN = "whether faster than the null is open"
    """Inconclusive: kappa may be that of structureless rows, or not."""
    AMONG_MANY = "by itself, and not among all conditions"
    """Inconclusive: a word that would be claimed of this condition alone, with an error too large for so many."""


_OPEN_FOR_EVER = (Reason.NO_SURROGATE, Reason.NO_ROOM)


def settled(outcome: Outcome, because: Reason | str) -> bool:
    """Whether there is a word, or none that any number of starts would give."""
    return outcome != Outcome.INCONCLUSIVE or because in _OPEN_FOR_EVER


@dataclass(frozen=True)
class Judgement:
    """An outcome, the sentence that states it with its numbers, what would change it, and why it is that one."""

    outcome: Outcome
    sentence: str
    would_change: str
    because: Reason
