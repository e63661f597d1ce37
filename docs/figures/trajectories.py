"""Four pairs of curves W(t) and B(t): real runs on planted activations, judged by reseed."""  # noqa: INP001 (a folder of scripts)

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from panels import draw_panels
from planted import D_MODEL, planted, structureless
from safetensors.torch import save_file

from reseed.methods import ReLU, TopK
from reseed.spec import Arm, Study, Training
from reseed.starts import Start

if TYPE_CHECKING:
    from torch import Tensor

    from reseed.findings import ConditionFindings

STEPS, TOKENS = 1000, 8000

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
    shown = [(found[name], str(found[name].verdict.outcome), SAID[name]) for name in SAID]
    return draw_panels("Agreement along training in four small studies", shown)


def _conditions(folder: Path, activations: Tensor, arms: tuple[str, ...]) -> dict[str, ConditionFindings]:
    save_file({"activations": activations}, folder / f"{arms[0]}.safetensors")
    study = Study(
        activations=str(folder / f"{arms[0]}.safetensors"),
        preprocess=("centre",),
        arms=tuple(ARMS[name] for name in arms),
        starts=4,
        training=Training(steps=STEPS, batch_size=256, evenly=10, device="cpu"),
    )
    return {found.arm: found for found in reseed.run(study, folder / arms[0], quiet=True).conditions}
