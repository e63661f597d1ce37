"""Which runs share which rolls: those of the default dice in a study of three starts with two runs each."""  # noqa: INP001 (a folder of scripts)

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import svg

from reseed.dice import DICE
from reseed.spec import Dice

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTS, RUNS = 3, 2
LEFT, TOP, CELL, ROW = 92, 74, 80, 34
WIDTH, HEIGHT = 740, 386
DECIDES = {
    "data": "which part is read",
    "init": "what else step 0 draws",
    "encoder": "a random encoder",
    "points": "activations looked at",
    "kmeans": "where k-means starts",
    "order": "order of the data",
    "resample": "replaced dead atoms",
}


def draw() -> str:
    """The picture; equal rolls are one box."""
    marks = [*_heads(), *(mark for row, die in enumerate(DICE) for mark in _row(row, die)), *_pairs()]
    return svg.document(WIDTH, HEIGHT, "Which runs share a roll of which die", marks)


def _columns() -> list[tuple[int, int]]:
    return [(start, run) for start in range(STARTS) for run in range(RUNS)]


def _heads() -> Iterator[str]:
    for start in range(STARTS):
        middle = LEFT + CELL * RUNS * (start + 0.5)
        yield svg.text((middle, 34), f"start {start}", look="strong", anchor="middle")
    for column, (_, run) in enumerate(_columns()):
        yield svg.text((LEFT + CELL * (column + 0.5), 56), f"run {run}", look="muted", anchor="middle")


def _row(row: int, die: str) -> Iterator[str]:
    top = TOP + ROW * row
    rolls = [Dice().rolls(start, run).get(die) for start, run in _columns()]
    yield svg.text((LEFT - 14, top + 17), die, look="strong", anchor="end")
    column = 0
    for _, equal in groupby(rolls):
        n_equal = len(list(equal))
        role = "within" if n_equal == RUNS else "between"
        yield svg.box((LEFT + CELL * column + 3, top), (CELL * n_equal - 6, ROW - 8), f"{role}-band", round_by=5)
        yield svg.text(
            (LEFT + CELL * (column + n_equal / 2), top + 17), "one roll" if n_equal > 1 else "own roll",
            look="small", anchor="middle",
        )  # fmt: skip
        column += n_equal
    yield svg.text((LEFT + CELL * column + 4, top + 17), DECIDES[die], look="muted small")


def _pairs() -> Iterator[str]:
    level = TOP + ROW * len(DICE) + 16
    for start in range(STARTS):
        a, b = LEFT + CELL * (RUNS * start + 0.5), LEFT + CELL * (RUNS * start + 1.5)
        yield svg.curve([(a, level - 6), (a, level), (b, level), (b, level - 6)], "within")
        yield svg.text(((a + b) / 2, level + 17), "born identical: W", look="small", anchor="middle", colour="within")
    a, b = LEFT + CELL * 0.5, LEFT + CELL * (RUNS * STARTS - 0.5)
    low = level + 28
    yield svg.curve([(a, low - 5), (a, low), (b, low), (b, low - 5)], "between")
    words = "any two runs of different starts started apart: B"
    yield svg.text(((a + b) / 2, low + 17), words, look="small", anchor="middle", colour="between")
