"""What the measurements on a GPU share: where they were made, planted activations made there, and files of figures."""

import json
import time
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["DEVICE", "planted_on_device", "seconds_since", "where", "write"]

DEVICE = "cuda"


def where() -> dict[str, str]:
    """The device and the versions that decide how fast it is."""
    import triton  # noqa: PLC0415 (where there is a GPU there is Triton)

    device, cuda = torch.cuda.get_device_name(), torch.version.cuda or ""
    return {"device": device, "torch": torch.__version__, "cuda": cuda, "triton": triton.__version__}


def write(path: Path | None, figures: dict[str, Any]) -> None:
    """The figures beside where they were made, as JSON."""
    if path is not None:
        path.write_text(json.dumps({**where(), **figures}, indent=1) + "\n", encoding="utf-8")


def seconds_since(begun: float) -> float:
    """Wall time since then, once the device has done what it was told."""
    torch.cuda.synchronize()
    return time.perf_counter() - begun


def planted_on_device(
    n_tokens: int, d_model: int, *, n_atoms: int, active: int, roll: int = 0
) -> Float[Tensor, "tokens d_model"]:
    """Sparse sums of planted unit atoms with exponential codes, a little noise and a mean, made where they are read.

    At a root mean square distance of 1 to their mean, as `benchmarks/training.py` has them.
    """
    chance = torch.Generator(DEVICE).manual_seed(roll)
    atoms = torch.randn(n_atoms, d_model, generator=chance, device=DEVICE)
    atoms /= atoms.norm(dim=1, keepdim=True)
    rows = torch.randn(n_tokens, d_model, generator=chance, device=DEVICE) * (0.1 / d_model**0.5)
    for part in rows.split(8192):
        chosen = torch.randint(n_atoms, (len(part), active), generator=chance, device=DEVICE)
        codes = torch.empty(len(part), active, device=DEVICE).exponential_(generator=chance)
        part.add_(torch.einsum("tk,tkd->td", codes, atoms[chosen]))
    rows /= (rows - rows.mean(0)).square().sum(1).mean().sqrt()
    return rows
