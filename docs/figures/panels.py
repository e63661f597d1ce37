"""Panels of W(t) and B(t) with bands and the strictest floor, one for each condition."""  # noqa: INP001 (a folder of scripts)

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import svg

from reseed._support.numbers import rounded
from reseed.report.called import floor_title

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reseed.findings import ConditionFindings, Curve

PANEL = (284, 160)
LINE = 13  # from one name to the next
WIDTH, FIRST, APART = 800, 88, 252  # of the picture; from its top to the first panel; from panel to panel


def draw_panels(title: str, shown: Sequence[tuple[ConditionFindings, str, str]]) -> str:
    """A picture of conditions, two in a row, each with a heading and a line below it."""
    marks = [mark for place, (found, head, said) in enumerate(shown) for mark in _panel(found, head, said, place)]
    return svg.document(WIDTH, 41 + APART * math.ceil(len(shown) / 2), title, [*_key(), *marks])


def _key() -> list[str]:
    return [
        svg.line((40, 24), (64, 24), "within", width=2.5),
        svg.text((70, 28), "W: runs born identical"),
        svg.line((240, 24), (264, 24), "between", width=2.5),
        svg.text((270, 28), "B: runs that started apart"),
        svg.line((460, 24), (484, 24), "floor", width=1.5, dash="5 4"),
        svg.text((490, 28), "strictest floor"),
    ]


def _panel(found: ConditionFindings, head: str, said: str, place: int) -> Iterator[str]:
    left, top = 44 + 384 * (place % 2), FIRST + APART * (place // 2)
    last = found.steps[-1]
    yield svg.text((left, top - 26), head, look="strong")
    yield svg.text((left, top - 10), said, look="muted small")
    for level in (0, 0.5, 1):
        yield svg.line((left, _y(level, top)), (left + PANEL[0], _y(level, top)), "rule")
        yield svg.text((left - 8, _y(level, top) + 4), f"{level:g}", look="muted small", anchor="end")
    for step in (0, *(10**power for power in range(math.ceil(math.log10(last)))), last):
        yield svg.text((_x(step, left, last), top + PANEL[1] + 16), f"{step:,}", look="muted small", anchor="middle")
    yield svg.text((left + PANEL[0] / 2, top + PANEL[1] + 32), "step", look="muted small", anchor="middle")
    agreement = found.measures["agreement"]
    floor, curves = agreement.floor, {"between": agreement.between.curve, "within": agreement.within.curve}
    level = _y(floor.value, top)
    yield svg.line((left, level), (left + PANEL[0], level), "floor", width=1.5, dash="5 4")
    for relation, curve in curves.items():
        yield from _drawn(curve, relation, left, top)
    named = [(floor.value, f"{floor_title(floor)} {rounded(floor.value)}", "floor")]
    for letter, relation in (("W", "within"), ("B", "between")):
        value = curves[relation].value[-1]
        named.append((value, f"{letter} {rounded(value)}", relation))
    yield from _names(named, left + PANEL[0] + 5, top)


def _drawn(curve: Curve, relation: str, left: float, top: float) -> Iterator[str]:
    xs = [_x(step, left, curve.steps[-1]) for step in curve.steps]
    upper = [(x, _y(min(high, 1.0), top)) for x, high in zip(xs, curve.high, strict=True)]
    lower = [(x, _y(low, top)) for x, low in zip(xs, curve.low, strict=True)]
    yield svg.area([*upper, *reversed(lower)], f"{relation}-band")
    yield svg.curve([(x, _y(value, top)) for x, value in zip(xs, curve.value, strict=True)], relation)


def _names(named: list[tuple[float, str, str]], x: float, top: float) -> Iterator[str]:
    """What ends where, beside the ends; names that would touch are moved apart."""
    above = -math.inf
    for value, words, colour in sorted(named, reverse=True):
        above = max(_y(value, top) + 4, above + LINE)
        yield svg.text((x, above), words, look="small" if colour == "floor" else "strong small", colour=colour)


def _x(step: float, left: float, last: int) -> float:
    return left + PANEL[0] * math.log1p(step) / math.log1p(last)


def _y(agreement: float, top: float) -> float:
    return top + PANEL[1] * (1 - agreement)
