"""CPU time against atoms or points, from the measured curves of `benchmarks/growth.py`."""  # noqa: INP001 (a folder of scripts)

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import svg

from reseed._support.numbers import rounded

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH, HEIGHT = 700, 380
LEFT, TOP, ACROSS, DOWN = 60, 30, 420, 290
SHOWN = {"atoms": "within", "match": "between", "kmeans": "plain"}
"""Curves along atoms or points, and their colours."""
WORDS = {"atoms": "training step, d 256, atoms", "match": "matching, d 768, atoms", "kmeans": "k-means step, points"}
LINE = 16  # from one name to the next


def draw() -> str:
    """The picture."""
    measured = json.loads((Path(__file__).parents[1] / "assets/scale.json").read_text(encoding="utf-8"))
    return svg.document(WIDTH, HEIGHT, "CPU time against atoms or points", _marks([measured[name] for name in SHOWN]))


def _marks(curves: list[dict[str, Any]]) -> Iterator[str]:
    points = [[(point[curve["axis"]], point["cpu_seconds"]) for point in curve["points"]] for curve in curves]
    counts = sorted({count for curve in points for count, _ in curve})
    seconds = [taken for curve in points for _, taken in curve]
    low, high = math.floor(math.log10(min(seconds))), math.ceil(math.log10(max(seconds)))

    def at(count: float, taken: float) -> svg.Point:
        x = math.log(count / counts[0]) / math.log(counts[-1] / counts[0])
        return LEFT + ACROSS * x, TOP + DOWN * (1 - (math.log10(taken) - low) / (high - low))

    for power in range(low, high + 1):
        y = at(counts[0], 10.0**power)[1]
        yield svg.line((LEFT, y), (LEFT + ACROSS, y), "rule")
        yield svg.text((LEFT - 8, y + 4), f"{10.0**power:g} s", look="muted small", anchor="end")
    for count in counts:
        yield svg.text((at(count, 1)[0], TOP + DOWN + 20), f"{count:,}", look="muted small", anchor="middle")
    yield svg.text((LEFT + ACROSS / 2, TOP + DOWN + 40), "atoms or points", look="muted small", anchor="middle")
    drawn = sorted(zip(SHOWN.items(), curves, points, strict=True), key=lambda one: -one[2][-1][1])
    above = -math.inf
    for (name, colour), curve, along in drawn:
        places = [at(*point) for point in along]
        yield svg.curve(places, colour)
        yield from (svg.dot(place, colour) for place in places)
        above = max(places[-1][1] + 4, above + LINE)
        words = f"{WORDS[name]}: slope {rounded(curve['slopes']['cpu_seconds'])}"
        yield svg.text((LEFT + ACROSS + 10, above), words, look="small", colour=colour)
