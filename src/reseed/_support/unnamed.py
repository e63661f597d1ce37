"""A matrix that may be larger than memory: in a file that has no name, so that nothing of it is left when it is let go.

Its place on the disk is taken beforehand, for a mapped file that the disk has no room for ends the process.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

__all__ = ["unnamed"]

_ZEROS = bytes(1 << 22)


def unnamed(rows: int, columns: int, folder: Path | None) -> Float32[Tensor, "rows columns"]:
    """A matrix to be written, in memory, or in a file on the disk of `folder` for as long as the matrix is used.

    Raises:
        OSError: the folder does not exist, or its disk is full.
    """
    if folder is None:
        return torch.empty(rows, columns)
    with tempfile.TemporaryFile(dir=folder) as file:
        _take(file.fileno(), 4 * rows * columns)
        return torch.from_numpy(np.memmap(file, dtype=np.float32, mode="r+", shape=(rows, columns)))


def _take(file: int, n_bytes: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, n_bytes)
        return
    for start in range(0, n_bytes, len(_ZEROS)):  # macOS
        os.write(file, _ZEROS[: n_bytes - start])
