"""Four pairs of curves W(t) and B(t): real runs on planted activations, judged by reseed."""  # noqa: INP001

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import svg
from planted import D_MODEL, planted, structureless
from safetensors.torch import save_file

from reseed.methods import ReLU, TopK
from reseed.numbers import rounded
from reseed.report.words import FLOORS
from reseed.spec import Arm, Study, Training
from reseed.starts import Start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from reseed.findings import ConditionFindings, Curve

WIDTH, HEIGHT = 780, 545
PANEL = (284, 160)
STEPS, TOKENS = 1000, 8000
TICKS = (0, 1, 10, 100, 1000)

RANDOM, KMEANS = Start(kind="random"), Start(kind="kmeans")
SIZE = {"n_atoms": D_MODEL, "decoder_bias": False}
ARMS = {
    "relu": Arm(name="relu", method=ReLU(n_atoms=D_MODEL, learning_rate=3e-3), start=RANDOM),
    "topk": Arm(name="topk", method=TopK(k=3, learning_rate=3e-3, **SIZE), start=RANDOM),
    "still": Arm(name="still", method=TopK(k=3, learning_rate=1e-6, **SIZE), start=KMEANS),
    "noise": Arm(name="noise", method=TopK(k=4, learning_rate=1e-3, **SIZE), start=KMEANS),
}
SAID = {
    "relu": "ReLU from random starts, planted atoms",
    "topk": "TopK from random starts, planted atoms",
    "noise": "TopK from k-means starts, no structure to find",
    "still": "TopK from k-means, learning rate far too low",
}


def draw() -> str:
    """The picture; trains 32 small runs, about a minute."""
    with tempfile.TemporaryDirectory() as folder:
        found = _conditions(Path(folder), planted(TOKENS), ("relu", "topk", "still"))
        found |= _conditions(Path(folder), structureless(TOKENS), ("noise",))
    marks = [mark for place, name in enumerate(SAID) for mark in _panel(found[name], SAID[name], place)]
    return svg.document(WIDTH, HEIGHT, "Agreement along training in four small studies", [*_key(), *marks])


def _conditions(folder: Path, activations: Tensor, arms: tuple[str, ...]) -> dict[str, ConditionFindings]:
    save_file({"activations": activations}, folder / f"{arms[0]}.safetensors")
    study = Study(
        activations=str(folder / f"{arms[0]}.safetensors"),
        preprocess=("centre",),
        arms=tuple(ARMS[name] for name in arms),
        starts=4,
        training=Training(steps=STEPS, batch_size=256, evenly=10, device="cpu"),
    )
    return {found.arm: found for found in study.run(folder / arms[0], quiet=True).conditions}


def _key() -> list[str]:
    return [
        svg.line((40, 24), (64, 24), "within", width=2.5),
        svg.text((70, 28), "W: runs born identical"),
        svg.line((240, 24), (264, 24), "between", width=2.5),
        svg.text((270, 28), "B: runs that started apart"),
        svg.line((460, 24), (484, 24), "floor", width=1.5, dash="5 4"),
        svg.text((490, 28), "strictest floor"),
    ]


def _panel(found: ConditionFindings, said: str, place: int) -> Iterator[str]:
    left, top = 44 + 384 * (place % 2), 88 + 252 * (place // 2)
    yield svg.text((left, top - 26), str(found.verdict.outcome), look="strong")
    yield svg.text((left, top - 10), said, look="muted small")
    for level in (0, 0.5, 1):
        yield svg.line((left, _y(level, top)), (left + PANEL[0], _y(level, top)), "rule")
        yield svg.text((left - 8, _y(level, top) + 4), f"{level:g}", look="muted small", anchor="end")
    for step in TICKS:
        yield svg.text((_x(step, left), top + PANEL[1] + 16), f"{step:,}", look="muted small", anchor="middle")
    yield svg.text((left + PANEL[0] / 2, top + PANEL[1] + 32), "step", look="muted small", anchor="middle")
    floor = next(floor for floor in found.floors if floor.name == found.strictest)
    yield svg.line(
        (left, _y(floor.value, top)), (left + PANEL[0], _y(floor.value, top)), "floor", width=1.5, dash="5 4"
    )
    yield svg.text((left + 4, _y(floor.value, top) - 5), f"{FLOORS[floor.name]} {rounded(floor.value)}", look="small")
    for relation in ("between", "within"):
        yield from _drawn(found.curves[relation], relation, left, top)


def _drawn(curve: Curve, relation: str, left: float, top: float) -> Iterator[str]:
    xs = [_x(step, left) for step in curve.steps]
    upper = [(x, _y(min(high, 1.0), top)) for x, high in zip(xs, curve.high, strict=True)]
    lower = [(x, _y(low, top)) for x, low in zip(xs, curve.low, strict=True)]
    yield svg.area([*upper, *reversed(lower)], f"{relation}-band")
    yield svg.curve([(x, _y(value, top)) for x, value in zip(xs, curve.value, strict=True)], relation)
    letter = {"within": "W", "between": "B"}[relation]
    nudge = -3 if relation == "within" else 11
    end = (left + PANEL[0] + 5, _y(curve.value[-1], top) + nudge)
    yield svg.text(end, f"{letter} {rounded(curve.value[-1])}", look="strong small", colour=relation)


def _x(step: float, left: float) -> float:
    return left + PANEL[0] * math.log1p(step) / math.log1p(STEPS)


def _y(agreement: float, top: float) -> float:
    return top + PANEL[1] * (1 - agreement)
