"""The ways to compute what `reseed.kernels` promises, and where and how each of them is tested."""

import os
from types import ModuleType
from typing import NamedTuple

import torch

from reseed.kernels import cpu, gpu, sparse

GPU = "cpu" if os.environ["TRITON_INTERPRET"] == "1" else "cuda"


class Implementation(NamedTuple):
    kernels: ModuleType
    dtype: torch.dtype
    device: str = "cpu"


ALL = {
    "sparse": Implementation(sparse, torch.float64),
    "cpu": Implementation(cpu, torch.float32),
    "gpu": Implementation(gpu, torch.float32, GPU),
}


def normal(*shape, roll, like=ALL["gpu"]):
    """Normal numbers that bfloat16 can hold, so that every implementation multiplies the same ones."""
    chance = torch.Generator().manual_seed(roll)
    return torch.randn(*shape, generator=chance).bfloat16().to(like.device, like.dtype)
