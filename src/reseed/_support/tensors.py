"""One tensor out of a file that holds nothing executable."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

__all__ = ["FORMATS", "read_tensor"]

FORMATS = (".npy", ".safetensors")
"""The files that can be read, by the ends of their names."""


def read_tensor(path: Path, names: Sequence[str]) -> Tensor:
    """Map the tensor of a .npy file into memory, or that of a .safetensors file with one of `names`, or its only one.

    Raises ValueError if the file is of another format, damaged, or holds several tensors of other names.
    """
    if path.suffix not in FORMATS:
        raise ValueError(f"{path} is not one of {', '.join(FORMATS)}: convert it to one of them")
    return _read_npy(path) if path.suffix == ".npy" else _read_safetensors(path, names)


def _read_npy(path: Path) -> Tensor:
    try:
        # "c" is copy on write: torch asks for memory that it may write to, the file stays as it is
        return torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))
    except (ValueError, TypeError, EOFError, OSError) as error:
        raise ValueError(f"{path} cannot be read as a .npy matrix of floats ({error}): save it again") from error


def _read_safetensors(path: Path, names: Sequence[str]) -> Tensor:
    try:
        with safe_open(path, framework="pt") as file:
            keys = list(file.keys())
            known = [name for name in names if name in keys]
            if not known and len(keys) != 1:
                raise ValueError(f"{path} holds {len(keys)} tensors: call the one to read {names[0]!r}")
            return file.get_tensor((known or keys)[0])
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read as safetensors ({error}): save or copy it again") from error
