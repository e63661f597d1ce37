"""What mean, covariance and lengths of real layers are, for the families that verdicts are tried on.

    python benchmarks/layers.py STORE ... > src/reseed/calibration/layers.json

A store is what `reseed collect` wrote. Of each: the variances of the strongest principal directions, and how long rows
are in these, whitened.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from reseed import open_activations
from reseed.calibration.families import D_MODEL

LEVELS = (0.0, *(n / 100 for n in range(1, 100)), 0.995, 0.999, 1.0)
DIGITS = 5


def lengths(store: Path) -> dict[str, Any]:
    """The strongest directions of one layer."""
    activations = open_activations(store)
    moments = activations.moments
    variances, directions = torch.linalg.eigh(moments.covariance)
    variances, directions = variances[-D_MODEL:].flip(0), directions[:, -D_MODEL:].flip(1)
    rows = torch.cat(list(activations.blocks())).double()
    radii = ((rows - moments.mean) @ directions / variances.sqrt()).norm(dim=1)
    return {
        "model": activations.about["model"],
        "layer": activations.about["layer"],
        "tokens": activations.n_tokens,
        "variances": [round(share, DIGITS) for share in (variances / moments.covariance.trace()).tolist()],
        "levels": LEVELS,
        "lengths": [round(radius, DIGITS) for radius in radii.quantile(torch.tensor(LEVELS).double()).tolist()],
    }


if __name__ == "__main__":
    print("[" + ",\n".join(json.dumps(lengths(Path(store))) for store in sys.argv[1:]) + "]")
