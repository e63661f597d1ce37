"""A map of the verdict's words: where B(0) and B(T) lie, as the rules see it."""  # noqa: INP001 (a folder of scripts)

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import svg

from reseed.report.words import CLASSES
from reseed.spec import Thresholds
from reseed.statistics import Estimate, beyond, contrast
from reseed.verdict import SURROGATE, Evidence, MeasureEvidence, Null, Outcome, judge

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH, HEIGHT = 640, 474
LEFT, TOP = (56, 366), 84
CELL, COLUMNS, ROWS = (5, 7), 46, 48
LOWEST, STEP = 0.02, 0.02  # agreement at the lower left corner, and per cell
SURROGATE_ENDS, ERROR, N_STARTS = (0.15, 0.4), 0.004, 4
STRENGTH = {"convergent": 0.55, "stabilizing": 0.28, "inherited": 0.4, "diverging": 0.4, "unstable": 0.2}
TICKS = (0.2, 0.4, 0.6, 0.8)


def draw() -> str:
    """The picture: one panel where runs of one start stay together, one where they come apart."""
    marks = [
        *_panel(LEFT[0], "Runs of one start stay together", "W(T) = .98", within=0.98),
        *_panel(LEFT[1], "Runs of one start come apart", "W(T) = B(T) + .02", within=None),
    ]
    return svg.document(WIDTH, HEIGHT, "Which word the rules give", marks)


def _panel(left: float, said: str, more: str, *, within: float | None) -> Iterator[str]:
    yield svg.text((left, 26), said, look="strong")
    yield svg.text((left, 44), more, look="muted")
    cells: dict[str, list[svg.Point]] = {}
    for row in range(ROWS):
        column, top = 0, TOP + CELL[1] * (ROWS - 1 - row)
        for word, equal in groupby(_word(_value(column), _value(row), within) for column in range(COLUMNS)):
            n_equal = len(list(equal))
            role = f"{CLASSES[Outcome(word)]}-accent"
            yield svg.box(
                (left + CELL[0] * column, top), (CELL[0] * n_equal, CELL[1]), role, opacity=STRENGTH.get(word, 0.12)
            )
            places = range(column, column + n_equal)
            cells.setdefault(word, []).extend((left + CELL[0] * place, top + CELL[1]) for place in places)
            column += n_equal
    yield from (_name(word, places) for word, places in cells.items() if len(places) > COLUMNS)
    yield from _axes(left)


def _name(word: str, cells: list[svg.Point]) -> str:
    """The word in the middle of its region: at the cell that is nearest to the mean of all of them."""
    mean = (sum(x for x, _ in cells) / len(cells), sum(y for _, y in cells) / len(cells))
    x, y = min(cells, key=lambda cell: (cell[0] - mean[0]) ** 2 + (cell[1] - mean[1]) ** 2)
    return svg.text((x, y + 4), word, look="strong small", anchor="middle")


def _axes(left: float) -> Iterator[str]:
    bottom = TOP + CELL[1] * ROWS
    for tick in TICKS:
        cells = (tick - LOWEST) / STEP
        yield svg.text((left - 6, bottom - CELL[1] * cells + 4), f"{tick:g}", look="muted small", anchor="end")
        if cells <= COLUMNS:
            at = (left + CELL[0] * cells, bottom + 16)
            yield svg.text(at, f"{tick:g}", look="muted small", anchor="middle")
    middle = left + CELL[0] * COLUMNS / 2
    yield svg.text((middle, bottom + 34), "B(0)", look="muted small", anchor="middle")
    yield svg.text((left, TOP - 10), "B(T)", look="muted small")
    zero = (left + CELL[0] * COLUMNS, bottom - CELL[1] * COLUMNS)
    yield svg.line((left, bottom), zero, "ink", dash="3 4")


def _word(first: float, last: float, within: float | None) -> str:
    """The word for these agreements between starts, each known to the same standard error."""
    within = min(1.0, last + 0.02) if within is None else max(within, last)
    between, born, contraction = _estimate(last), _estimate(first), _estimate((1 - last) / (1 - first), 1 / (1 - first))
    agreement = MeasureEvidence(
        title="matched agreement",
        within=_estimate(within),
        first=born,
        between=between,
        gain=_estimate(last - first),
        contraction=contraction,
        memory=(within - last) / (1 - first),
        halfway=0,
        late=_estimate(last - first),
        late_within=_estimate(within - 1),
        nulls=(_surrogate(born, between, contraction),),
    )
    evidence = Evidence(n_runs=2 * N_STARTS, init_groups=N_STARTS, r2=0.9, retention=0.8, agreement=agreement)
    return str(judge(evidence, Thresholds().limits).outcome)


def _surrogate(born: Estimate, between: Estimate, contraction: Estimate) -> Null:
    first, last = SURROGATE_ENDS
    known, own = _estimate(last), _estimate((1 - last) / (1 - first), 1 / (1 - first))
    return Null(
        name=SURROGATE,
        gives="structureless rows",
        value=last,
        standard_error=ERROR,
        adjusted=beyond(between, known),
        born=beyond(born, known),
        contraction=own.value,
        slower=contrast(contraction, own),
    )


def _estimate(value: float, scale: float = 1.0) -> Estimate:
    return Estimate(value, ERROR * scale, N_STARTS - 1.0, N_STARTS, "start")


def _value(cell: int) -> float:
    return LOWEST + STEP * (cell + 0.5)
