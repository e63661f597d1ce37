"""Audit two methods on activations whose true atoms are known; takes seconds.

Prints each verdict, and how many of the planted atoms each run found.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from safetensors.torch import save_file

import reseed
from reseed.activations.synthetic import planted
from reseed.methods import ReLU, TopK
from reseed.trajectory import StudyFolder

TOKENS, D_MODEL, N_ATOMS, ACTIVE = 3000, 32, 16, 2
FOUND = 0.95  # cosine from which a planted atom counts as found


def audit(activations: Path) -> reseed.Study:
    """Two methods from random starts."""
    random = reseed.Start(kind="random")
    return reseed.Study(
        name="planted atoms",
        activations=str(activations),
        preprocess=("centre",),
        arms=(
            reseed.Arm(name="relu", method=ReLU(n_atoms=N_ATOMS, learning_rate=3e-2), start=random),
            reseed.Arm(name="topk", method=TopK(n_atoms=N_ATOMS, k=ACTIVE, learning_rate=1e-2), start=random),
        ),
        training=reseed.Training(steps=150, batch_size=128, evenly=4),
    )


def main() -> None:
    """Run the audit in a temporary folder."""
    tokens, atoms, _ = planted(TOKENS, D_MODEL, n_atoms=N_ATOMS, active=ACTIVE, noise=0.1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        save_file({"activations": tokens}, folder / "activations.safetensors")
        findings = reseed.run(audit(folder / "activations.safetensors"), folder / "study", quiet=True)
        for name, verdict in findings.verdicts.items():
            print(f"{name}: {verdict.outcome}. {verdict.sentence}")
            for run in StudyFolder.open(folder / "study").runs(name):
                found = reseed.match(run.snapshots[run.steps[-1]].atoms, atoms).cosines > FOUND
                print(f"  {run.id}: {int(found.sum())} of {N_ATOMS} planted atoms")


if __name__ == "__main__":
    main()
