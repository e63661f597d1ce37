"""Tensors out of files that hold nothing executable."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from reseed._support.modules import load, names_in

__all__ = ["FORMATS", "Named", "read_all", "read_named", "read_tensor"]

FORMATS = (".npy", ".safetensors", ".pt")
"""The files that can be read, by the ends of their names."""

_LFS = b"version https://git-lfs"
_NPY = b"\x93NUMPY"
_HEAD = 64  # bytes that tell a file of another kind
_TOLD = 8  # names that a message lists


class Named(NamedTuple):
    """A tensor of a file, and what lies beside it."""

    name: str
    """Empty where the format has no names."""
    tensor: Tensor
    beside: dict[str, tuple[int, ...]]
    """The shapes of all tensors of the file, by name."""


def read_tensor(path: Path, names: Sequence[str], *, tensor: str | None = None) -> Tensor:
    """The tensor of `read_named`, alone."""
    return read_named(path, names, tensor=tensor).tensor


def read_named(path: Path, names: Sequence[str], *, tensor: str | None = None) -> Named:
    """Map the tensor of a file into memory, where its format can be mapped; the file stays as it is.

    Args:
        path: a .npy, .safetensors or .pt file.
        names: what the tensor may be called in a file of several, the likeliest first.
        tensor: what it is called, whatever `names` says.

    Raises ValueError if the file is missing, of another format or damaged, or holds several tensors of other names.
    """
    _check_kind(path)
    try:
        if path.suffix == ".npy":
            return _read_npy(path, tensor)
        return _read_pt(path, names, tensor) if path.suffix == ".pt" else _read_safetensors(path, names, tensor)
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read as safetensors ({error}): save or copy it again") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error}): copy it again") from error


def read_all(path: Path) -> dict[str, Any]:
    """Everything in a .safetensors, .npz, .pt or .pth file, by name, mapped into memory where its format can be.

    A .pt file may hold tables and settings beside tensors. Raises ValueError as `read_named` does.
    """
    _check_kind(path, formats=(".safetensors", ".npz", ".pt", ".pth"))
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        found = _load_npz(path) if path.suffix == ".npz" else _load_pt(path)
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read as safetensors ({error}): save or copy it again") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error}): copy it again") from error
    if not isinstance(found, Mapping):
        raise ValueError(  # noqa: TRY004 (of the file, not of an argument)
            f"{path} holds {type(found).__name__}, not tensors by name: save a state dict"
        )
    return {str(name): each for name, each in found.items()}


def _load_npz(path: Path) -> dict[str, Tensor]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    except (ValueError, TypeError, EOFError, BadZipFile, KeyError, MemoryError) as error:
        raise ValueError(f"{path} cannot be read as a .npz of floats ({_why(error)}): save it again") from error


def _read_safetensors(path: Path, names: Sequence[str], tensor: str | None) -> Named:
    with safe_open(path, framework="pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 (no mapping)
        name = _chosen(path, list(shapes), names, tensor)
        return Named(name, file.get_tensor(name), shapes)


def _check_kind(path: Path, formats: Sequence[str] = FORMATS) -> None:
    """ValueError, naming what a file is, unless it may be what its name says."""
    allowed = ", ".join(formats)
    if path.is_dir():
        raise ValueError(f"{path} is a folder: give one of its files ({allowed})")
    if not path.is_file():
        raise ValueError(f"{path} does not exist: give a folder, or a file that ends in {allowed}")
    if path.suffix not in formats:
        raise ValueError(f"{path} is not one of {allowed}: convert it to one of them")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(_LFS):
        raise ValueError(f"{path}: is this file whole? It looks like a Git LFS pointer: fetch it with  git lfs pull")
    if not head:
        raise ValueError(f"{path} is empty: save or copy it again")
    if path.suffix == ".npy" and not head.startswith(_NPY):
        raise ValueError(
            f"{path} is no .npy file, whatever its name says (it begins with {head[:8]!r}): write it with np.save"
        )


def _read_npy(path: Path, tensor: str | None) -> Named:
    if tensor is not None:
        raise ValueError(f"{path} holds one array without a name: leave out --tensor {tensor}")
    try:
        # "c" is copy on write: torch asks for memory that it may write to, the file stays as it is
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except (ValueError, TypeError, EOFError, SyntaxError, OverflowError, MemoryError) as error:
        raise ValueError(f"{path} cannot be read as a .npy matrix of floats ({_why(error)}): save it again") from error
    if array.dtype.kind == "V":
        raise ValueError(
            f"{path} holds {array.dtype}, which numpy has no numbers for (bfloat16?): save it with "
            ".astype(np.float32), or as .safetensors"
        )
    if not array.dtype.isnative:
        little = array.dtype.newbyteorder("<").str
        raise ValueError(f'{path} holds {array.dtype}, big-endian numbers: save it again with .astype("{little}")')
    try:
        return Named("", torch.from_numpy(array), {})
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{path} holds {array.dtype} of shape {array.shape}: save it again as np.ascontiguousarray(x, np.float32)"
        ) from error


def _why(error: Exception) -> str:
    told = str(error).splitlines()[0] if str(error) else type(error).__name__
    return "it holds Python objects" if "allow_pickle" in told or "Python objects" in told else told


def _load_pt(path: Path) -> Any:  # noqa: ANN401 (whatever was saved)
    try:
        return load(path)
    except (
        Exception
    ) as error:  # what torch raises for a damaged file, and for one that it does not load, is of many kinds
        named = names_in(path)
        what = f" ({_listed(named)})" if named else ", or is damaged"
        raise ValueError(
            f"{path} holds more than tensors{what}, and is not unpickled: save the one tensor as .safetensors, or of a "
            "module its state dict, torch.save(model.state_dict(), 'model.pt')"
        ) from error


def _read_pt(path: Path, names: Sequence[str], tensor: str | None) -> Named:
    found = _load_pt(path)
    if isinstance(found, Tensor) and tensor is None:
        return Named("", found, {})
    named = found.items() if isinstance(found, Mapping) else ()
    tensors = {str(name): each for name, each in named if isinstance(each, Tensor)}
    name = _chosen(path, list(tensors), names, tensor)
    return Named(name, tensors[name], {key: tuple(each.shape) for key, each in tensors.items()})


def _chosen(path: Path, keys: Sequence[str], names: Sequence[str], tensor: str | None) -> str:
    """Which tensor of a file is meant."""
    listed = _listed(keys)
    if tensor is not None:
        if tensor not in keys:
            raise ValueError(f"{path} holds no tensor {tensor!r}: choose from {listed or 'none'}")
        return tensor
    known = [name for name in names if name in keys]
    if not known and len(keys) != 1:
        raise ValueError(
            f"{path} holds {len(keys)} tensors ({listed or 'none'}): say which with --tensor, or call it {names[0]!r}"
        )
    return (known or list(keys))[0]


def _listed(names: Sequence[str]) -> str:
    """As many as a line holds."""
    return ", ".join(names[:_TOLD]) + (" ..." if len(names) > _TOLD else "")
