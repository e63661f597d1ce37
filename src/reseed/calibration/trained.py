"""Small studies that are really trained, on planted activations: seconds each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from reseed.activations.synthetic import planted
from reseed.calibration.folders import passing_folder
from reseed.calibration.results import Rate
from reseed.methods import TopK
from reseed.pipeline.run import run
from reseed.spec import Arm, Dice, Floors, Study, Thresholds, Training
from reseed.starts import Start
from reseed.verdict import CLAIMS

if TYPE_CHECKING:
    from pathlib import Path

    from reseed.findings import Findings

__all__ = ["noise_claims", "train_study"]


def train_study(
    folder: Path,
    rows: Float[Tensor, "tokens d_model"],
    *arms: Arm,
    steps: int,
    batch_size: int = 128,
    **settings: Any,  # noqa: ANN401 (fields of Study)
) -> Findings:
    """The findings of a study on these activations, trained and judged in `folder` like any other.

    Args:
        folder: where activations and study go.
        rows: the activations.
        arms: at least one.
        steps: updates per run.
        batch_size: tokens per update.
        settings: other fields of `Study`; by default centred, three starts of two runs.
    """
    np.save(folder / "rows.npy", rows.numpy())
    known: dict[str, Any] = {"preprocess": ("centre",), "floors": Floors(kmeans_steps=5)}
    training = Training(steps=steps, batch_size=batch_size, evenly=1, device="cpu")
    study = Study(activations=str(folder / "rows.npy"), arms=arms, training=training, **known | settings)
    return run(study, folder / "study", quiet=True)


def noise_claims(repeats: int) -> Rate:
    """How often dictionaries of pure noise, 32 atoms in 16 dimensions, are said to stabilize or to converge.

    R² is not asked for: noise has nothing to reconstruct, and `not fitted` would hide the question.
    """
    arm = Arm(name="topk", method=TopK(n_atoms=32, k=3, learning_rate=1e-2), start=Start(kind="random"))
    claimed = 0
    for repeat in range(repeats):
        rows = planted(1000, 16, n_atoms=32, active=0, noise=1.0, rolled=repeat).rows
        with passing_folder() as folder:
            settings: dict[str, Any] = {"thresholds": Thresholds(min_r2=-1.0), "dice": Dice(replicate=repeat)}
            findings = train_study(folder, rows, arm, steps=150, batch_size=64, **settings)
        claimed += findings.conditions[0].verdict.outcome in CLAIMS
    return Rate("trained on pure noise, 3 starts: false claims", claimed / repeats, repeats, most=0.05)
