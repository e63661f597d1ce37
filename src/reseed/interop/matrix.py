"""A bare matrix whose rows are atoms: a file, a run's last snapshot, or a tensor."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from reseed._support.guard import is_plain_matrix
from reseed._support.tensors import FORMATS, read_tensor
from reseed.errors import DictionaryError
from reseed.interop._base import LoadedDictionary, Reader, Source

__all__ = ["MATRIX"]

_NAMES = ("atoms", "W_dec")  # of the dictionary in our snapshots, and in files of SAELens; atoms are rows in both


def _recognises(source: Source) -> bool:
    if isinstance(source, Tensor):
        return True
    path = _file(source)
    return path.is_file() and path.suffix in FORMATS


def _file(source: str | Path) -> Path:
    """The file itself, or the last snapshot in the folder of a run."""
    path = Path(source).expanduser()
    if not path.is_dir():
        return path
    return max(path.glob("step-*.safetensors"), key=lambda file: (len(file.name), file.name), default=path)


def _read(source: Source) -> LoadedDictionary:
    if isinstance(source, Tensor):
        return LoadedDictionary(_checked(source.detach(), "the tensor").cpu(), name="tensor", source="tensor")
    path = _file(source)
    try:
        tensor = read_tensor(path, _NAMES)
    except ValueError as error:
        raise DictionaryError(str(error)) from error
    return LoadedDictionary(_checked(tensor, str(path)), name=str(source), source=str(path))


def _checked(atoms: Tensor, name: str) -> Float[Tensor, "atoms d_model"]:
    if not is_plain_matrix(atoms) or 0 in atoms.shape or atoms.shape[1] == 1:
        raise DictionaryError(
            f"{name} holds {atoms.dtype} of shape {tuple(atoms.shape)}: "
            "a dictionary is a matrix of floats (n_atoms, d_model) with d_model at least 2"
        )
    broken = (~atoms.isfinite()).any(dim=1).nonzero()
    if len(broken):
        raise DictionaryError(f"{name}, atom {int(broken[0])} holds NaN or infinity: save the dictionary again")
    if not atoms.any():
        raise DictionaryError(f"{name} holds zero atoms only: they have no direction to compare")
    return atoms if atoms.dtype == torch.float64 else atoms.float()


MATRIX = Reader(
    name="matrix",
    title="bare matrix",
    meaning="a .npy file, a .safetensors file, or the folder of a run with snapshots",
    recognises=_recognises,
    read=_read,
)
