"""The isotropic floor along the number of dimensions, and what random dictionaries measure."""  # noqa: INP001 (a folder of scripts)

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import svg

from reseed.dice import roll
from reseed.floors import isotropic, isotropic_atoms
from reseed.matching import match

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH, HEIGHT = 590, 380
LEFT, TOP, ACROSS, DOWN = 56, 52, 470, 270
DIMENSIONS = tuple(2**power for power in range(4, 13))  # 16 to 4,096
RATIOS = (1, 4, 32)
MOST_ATOMS = 512  # of the dictionaries that are drawn and matched
HIGHEST = 0.7


def draw() -> str:
    """The picture."""
    marks = [*_axes(), *(mark for ratio in RATIOS for mark in _ratio(ratio))]
    return svg.document(WIDTH, HEIGHT, "The isotropic floor by dimensions and dictionary size", marks)


def _ratio(ratio: int) -> Iterator[str]:
    points = [(_x(d), _y(isotropic(d, ratio * d))) for d in DIMENSIONS]
    yield svg.curve(points, "floor", width=1.75)
    words = "n = d" if ratio == 1 else f"n = {ratio} d"
    lower = 13 * (1 - RATIOS.index(ratio))  # the curves come too close for their names
    yield svg.text((points[-1][0] + 8, points[-1][1] + 4 + lower), words, look="small")
    for d in (d for d in DIMENSIONS if ratio * d <= MOST_ATOMS):
        yield svg.dot((_x(d), _y(_measured(d, ratio * d))), "between")


def _measured(d_model: int, n_atoms: int) -> float:
    """The matched agreement of two dictionaries of random directions."""
    a, b = (isotropic_atoms(n_atoms, d_model, rolled=roll("init", "picture", side)) for side in ("a", "b"))
    return match(a, b).agreement


def _axes() -> Iterator[str]:
    yield svg.line((LEFT, 22), (LEFT + 24, 22), "floor", width=1.75)
    yield svg.text((LEFT + 30, 26), "isotropic floor, exact")
    yield svg.dot((LEFT + 196, 22), "between")
    yield svg.text((LEFT + 206, 26), "matched agreement of two random dictionaries")
    for level in (0, 0.2, 0.4, 0.6):
        yield svg.line((LEFT, _y(level)), (LEFT + ACROSS, _y(level)), "rule")
        yield svg.text((LEFT - 8, _y(level) + 4), f"{level:g}", look="muted small", anchor="end")
    for d in DIMENSIONS[::2]:
        yield svg.text((_x(d), TOP + DOWN + 18), f"{d:,}", look="muted small", anchor="middle")
    yield svg.text((LEFT + ACROSS / 2, TOP + DOWN + 38), "d_model", look="muted small", anchor="middle")


def _x(d_model: float) -> float:
    first, last = (math.log(d) for d in (DIMENSIONS[0], DIMENSIONS[-1]))
    return LEFT + ACROSS * (math.log(d_model) - first) / (last - first)


def _y(agreement: float) -> float:
    return TOP + DOWN * (1 - agreement / HIGHEST)
