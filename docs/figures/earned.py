"""What runs from independent starts earn on language-model activations, beside structureless rows."""  # noqa: INP001 (a folder of scripts)

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import svg

from reseed.report.words import CLASSES
from reseed.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDED = Path(__file__).parents[1] / "assets/findings.json"
SEEN = {"none": "uncentred", "centre": "centred", "standardise": "standardised"}
CALLED = {
    "topk-random": "TopK, random",
    "topk-kmeans": "TopK, k-means",
    "relu-random": "ReLU, random",
    "ra1-kmeans": "RA-TopK, k-means",
}
WIDTH, TOP, ROW, BETWEEN = 908, 96, 27, 26
LEFT, PANEL, AXIS, GAP = 140, 256, 168, 8  # the names; a panel, of which this much is its axis; from there to the word


def draw() -> str:
    """A row for each arm of each layer, a panel for each preprocessing."""
    studies = json.loads(RECORDED.read_text(encoding="utf-8"))["studies"]
    height = TOP + len(studies) * (len(CALLED) * ROW + BETWEEN) + 16
    marks = [*_key()]
    for column, seen in enumerate(SEEN.values()):
        marks += _axis(LEFT + PANEL * column, seen, height - 24)
    for place, study in enumerate(studies):
        marks += _layer(study, TOP + place * (len(CALLED) * ROW + BETWEEN))
    title = "Agreement of runs from independent starts, from step 0 to the end, beside the same on structureless rows"
    return svg.document(WIDTH, height, title, marks)


def _key() -> Iterator[str]:
    yield svg.text((24, 26), "Runs from independent starts: agreement at step 0 → at the end", look="strong")
    yield svg.line((24, 45), (64, 45), "ink", width=2)
    yield svg.dot((64, 45), "ink", radius=4)
    yield svg.text((74, 49), "on the activations, coloured by the verdict", look="small")
    yield svg.line((326, 45), (366, 45), "floor")
    yield svg.box((365, 40), (2, 10), "floor")
    yield svg.text((376, 49), "on rows with the same mean, covariance and lengths, and nothing else", look="small")


def _axis(left: float, seen: str, bottom: float) -> Iterator[str]:
    yield svg.text((left, TOP - 22), seen, look="strong small")
    for level in (0, 0.5, 1):
        x = left + AXIS * level
        yield svg.line((x, TOP - 14), (x, bottom), "rule")
        yield svg.text((x, bottom + 14), f"{level:g}".lstrip("0") or "0", look="muted small", anchor="middle")


def _layer(study: dict[str, Any], top: float) -> Iterator[str]:
    name = "SmolLM2" if "Smol" in study["model"] else "MiniLM"
    yield svg.text((16, top + 4), f"{name}, layer {study['layer']}", look="strong small")
    found = {(each["arm"], each["preprocess"]): each for each in study["conditions"]}
    for row, (arm, called) in enumerate(CALLED.items()):
        y = top + BETWEEN - 4 + ROW * row
        yield svg.text((16, y + 4), called, look="small")
        for column, preprocess in enumerate(SEEN):
            yield from _condition(found[arm, preprocess], LEFT + PANEL * column, y)


def _condition(found: dict[str, Any], left: float, y: float) -> Iterator[str]:
    born, last = (left + AXIS * found[end][0] for end in ("between at step 0", "between"))
    null_born, null_last = (left + AXIS * found["surrogate"][end][0] for end in ("born", "last"))
    colour = f"{CLASSES[Outcome(found['outcome'])]}-accent"
    yield svg.line((null_born, y + 7), (null_last, y + 7), "floor")
    yield svg.box((null_last - 1, y + 2), (2, 10), "floor")
    yield svg.line((born, y), (last, y), colour, width=2)
    yield svg.dot((last, y), colour, radius=4)
    yield svg.text((left + AXIS + GAP, y + 4), found["outcome"], look="small")
