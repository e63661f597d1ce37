"""Where a companion measure says otherwise than the matched agreement. Pure: nothing is measured, read or printed here.

Two measures are held against the strictest of the nulls that both of them have, each against its own value of it: a
null that only one has would make them differ by that alone (docs/mathematics.md, eq. 49).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseed._support.numbers import interval, rounded
from reseed.verdict.sentences import with_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reseed.statistics import Estimate
    from reseed.verdict.evidence import MeasureEvidence, Null

__all__ = ["disagreements"]


def disagreements(
    cosine: MeasureEvidence, companions: Mapping[str, MeasureEvidence], *, margin: float
) -> tuple[str, ...]:
    """One sentence for each companion that contradicts the matched agreement.

    It does where B(T) of one is beyond its null and that of the other below its own, with their whole intervals and the
    errors of their nulls; or where one gain is more than `margin` and the other less than -`margin`, with their whole
    intervals. What is undefined contradicts nothing.

    Args:
        cosine: what the matched agreement says.
        companions: those that may contradict it, by name; all of them are asked, in this order.
        margin: the smallest difference that matters, in raw agreement.
    """
    said = (_disagreement(cosine, companion, margin) for companion in companions.values())
    return tuple(sentence for sentence in said if sentence)


def _disagreement(cosine: MeasureEvidence, companion: MeasureEvidence, margin: float) -> str:
    called = companion.title[0].upper() + companion.title[1:]
    names = {null.name for null in cosine.nulls} & {null.name for null in companion.nulls}
    here, there = (_strictest(each.nulls, names) for each in (companion, cosine))
    if here and there and _side(here) * _side(there) < 0:
        return (
            f"{called} says otherwise: between starts it is {_against(companion, here)}, while the matched agreement "
            f"is {_against(cosine, there)}."
        )
    if _turn(cosine, margin) * _turn(companion, margin) < 0:
        return (
            f"{called} says otherwise: between starts it {_went(companion.gain)}, while the matched agreement "
            f"{_went(cosine.gain)}."
        )
    return ""


def _strictest(nulls: Sequence[Null], names: set[str]) -> Null | None:
    return max((null for null in nulls if null.name in names), key=lambda null: null.value, default=None)


def _side(null: Null) -> int:
    """1: the whole interval of B(T) is beyond the null; -1: below it; 0: neither."""
    return (null.adjusted.low > 0) - (null.adjusted.high < 0)


def _turn(evidence: MeasureEvidence, margin: float) -> int:
    """1: the gain is surely more than the margin; -1: surely a loss of more; 0: neither."""
    return (evidence.gain.low > margin) - (evidence.gain.high < -margin)


def _against(evidence: MeasureEvidence, null: Null) -> str:
    where = "beyond" if _side(null) > 0 else "below"
    return f"{with_interval(evidence.between)}, {where} what {null.gives} give ({rounded(null.value)})"


def _went(gain: Estimate) -> str:
    low, high = sorted((abs(gain.low), abs(gain.high)))
    return f"{'rose' if gain.value > 0 else 'fell'} by {rounded(abs(gain.value))} {interval(low, high)}"
