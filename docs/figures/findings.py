"""The published lead of archetypal dictionaries on language-model activations: born, and earned."""  # noqa: INP001 (a folder of scripts)

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import svg

from reseed._support.numbers import rounded

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDED = Path(__file__).parents[1] / "assets/findings.json"
SEEN = {"none": "uncentred", "centre": "centred", "standardise": "standardised"}
PARTS = {
    "gap": "lead at the end, as it would be published",
    "born": "born: there at step 0",
    "earned": "earned in training",
}
WIDTH, TOP, ROW, BAR = 800, 92, 66, 14
LEFT, RIGHT = 170, 760
SPAN = (-0.75, 1.0)


def draw() -> str:
    """One group of three bars for each layer and preprocessing."""
    studies = json.loads(RECORDED.read_text(encoding="utf-8"))["studies"]
    found = [(study, preprocess) for preprocess in SEEN for study in studies]
    marks = [*_key(), *_axis(len(found))]
    for place, (study, preprocess) in enumerate(found):
        marks += _group(study, preprocess, TOP + ROW * place)
    title = "RA-TopK from one k-means start, less TopK from random starts: difference in matched agreement"
    return svg.document(WIDTH, TOP + ROW * len(found) + 30, title, marks)


def _key() -> Iterator[str]:
    yield svg.text((24, 26), "RA-TopK sharing a k-means start, less TopK from random starts", look="strong")
    x = 24
    for part, said in PARTS.items():
        yield svg.box((x, 42), (18, 10), part)
        yield svg.text((x + 24, 51), said, look="small")
        x += 60 + 6.2 * len(said)


def _axis(n_groups: int) -> Iterator[str]:
    bottom = TOP + ROW * n_groups - 8
    for level in (-0.5, 0, 0.5, 1):
        yield svg.line((_x(level), TOP - 14), (_x(level), bottom), "floor" if not level else "rule")
        yield svg.text((_x(level), bottom + 18), _signed(level) if level else "0", look="muted small", anchor="middle")


def _group(study: dict[str, Any], preprocess: str, top: float) -> Iterator[str]:
    name = "SmolLM2" if "Smol" in study["model"] else "MiniLM"
    yield svg.text((24, top + 18), f"{name}, layer {study['layer']}", look="strong")
    yield svg.text((24, top + 34), SEEN[preprocess], look="muted small")
    for place, part in enumerate(PARTS):
        value, low, high = _published(study, preprocess)[part]
        y = top + place * (BAR + 3)
        yield svg.box((min(_x(0), _x(value)), y), (abs(_x(value) - _x(0)), BAR), part)
        yield svg.line((_x(low), y + BAR / 2), (_x(high), y + BAR / 2), "ink", width=1.25)
        beyond = max(value, high, 0) if value >= 0 else min(value, low)
        at = (_x(beyond) + (6 if value >= 0 else -6), y + BAR - 3)
        yield svg.text(at, _signed(value), look="small", anchor="start" if value >= 0 else "end")


def _published(study: dict[str, Any], preprocess: str) -> dict[str, list[float]]:
    """The comparison of the two arms, the archetypal one first whichever way round the study has it."""
    arms = ["ra1-kmeans", "topk-random"]
    found = next(
        each for each in study["comparisons"] if each["preprocess"] == preprocess and sorted(each["arms"]) == arms
    )
    if found["arms"] == arms:
        return found
    return {part: [-found[part][0], -found[part][2], -found[part][1]] for part in PARTS}


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{rounded(value)}"


def _x(value: float) -> float:
    return LEFT + (RIGHT - LEFT) * (value - SPAN[0]) / (SPAN[1] - SPAN[0])
