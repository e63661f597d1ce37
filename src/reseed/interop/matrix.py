"""A bare matrix of atoms: a file, a run's last snapshot, or a tensor.

Whether rows or columns are atoms follows from the tensor's name, or from biases beside it that are as long as one of
its sides; where neither tells, rows are atoms, and that is said where it may well be otherwise.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from reseed._support.tensors import FORMATS, read_named
from reseed.errors import DictionaryError
from reseed.interop._assemble import check_matrix
from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop._files import finite

__all__ = ["MATRIX"]

_ROWS = ("atoms", "W_dec", "w_dec", "W_D", "dictionary._weights")
"""What decoders (n_atoms, d_model) are called: by reseed, SAELens and sparsify, Gemma Scope 2, llamascopium,
overcomplete."""
_COLUMNS = ("decoder.weight", "decoder_linear.weight")
"""What decoders (d_model, n_atoms) are called, as linear layers are: by dictionary_learning, OpenAI, Goodfire."""
_AS_LONG_AS_ATOMS = ("b_enc", "b_E", "threshold", "thresholds", "encoder.bias", "latent_bias", "b_gate", "b_mag")
_AS_LONG_AS_D_MODEL = ("b_dec", "b_D", "decoder.bias", "decoder_bias", "pre_bias", "bias")

_Shapes = Mapping[str, tuple[int, ...]]


class _Layout(NamedTuple):
    """How a tensor is read."""

    columns: bool
    """Whether its columns are the atoms."""
    note: str = ""
    """What to say about that."""


def _recognises(source: Source) -> bool:
    if isinstance(source, Tensor):
        return True
    path = _file(source)
    return path.suffix in FORMATS and path.exists()


def _file(source: str | Path) -> Path:
    """The file itself, or the last snapshot in the folder of a run."""
    path = Path(source).expanduser()
    if not path.is_dir():
        return path
    return max(path.glob("step-*.safetensors"), key=lambda file: (len(file.name), file.name), default=path)


def _read(source: Source, *, tensor: str | None = None, transpose: bool = False) -> LoadedDictionary:
    if isinstance(source, Tensor):
        atoms = _checked(source.detach(), "the tensor")
        return LoadedDictionary(atoms.T if transpose else atoms, name="tensor", source="tensor")
    path = _file(source)
    try:
        name, found, beside = read_named(path, (*_ROWS, *_COLUMNS), tensor=tensor)
    except ValueError as error:
        raise DictionaryError(str(error)) from error
    atoms = _checked(found, str(path))
    layout = _Layout(columns=True) if transpose else _layout(path, name, tuple(atoms.shape), beside)
    turned = atoms.T.contiguous() if layout.columns else atoms
    if turned.shape[1] == 1:
        raise DictionaryError(f"{path} holds atoms of one dimension, read with --transpose: leave that out")
    notes = (layout.note,) if layout.note else ()
    return LoadedDictionary(turned, name=str(source), source=str(path), notes=notes)


def _layout(path: Path, name: str, shape: tuple[int, ...], beside: _Shapes) -> _Layout:
    """By the name of the tensor and the lengths of what lies beside it; by its own shape never, but for a question."""
    proven = _proven(shape, beside)
    if name in _COLUMNS if proven is None else proven:
        return _Layout(columns=True, note=f"{path}: the columns of {name} were read as atoms")
    if proven is None and name != "atoms" and shape[0] <= shape[1]:
        why = "it is square" if shape[0] == shape[1] else "it has fewer rows than columns"
        what = f"the rows of {name or 'the matrix'} were read as atoms, but {why}"
        return _Layout(columns=False, note=f"{path}: {what}: if its columns are the atoms, use --transpose")
    return _Layout(columns=False)


def _proven(shape: tuple[int, ...], beside: _Shapes) -> bool | None:
    """Whether the columns are atoms, by the lengths of biases and thresholds; None where they do not tell."""
    rows, cols = shape
    atoms, d_model = (_lengths(beside, names) for names in (_AS_LONG_AS_ATOMS, _AS_LONG_AS_D_MODEL))
    if rows == cols or not (atoms or d_model):
        return None
    if atoms <= {rows} and d_model <= {cols}:
        return False
    return True if atoms <= {cols} and d_model <= {rows} else None


def _lengths(beside: _Shapes, names: Sequence[str]) -> set[int]:
    return {beside[name][0] for name in names if len(beside.get(name, ())) == 1}


def _checked(atoms: Tensor, name: str) -> Float[Tensor, "atoms d_model"]:
    """The matrix on the CPU, in float32 or float64. Raises DictionaryError for what is no dictionary."""
    return check_matrix(finite(atoms, name, row="atom"), name)


MATRIX = Reader(
    name="matrix",
    title="bare matrix",
    meaning=f"a file that ends in {', '.join(FORMATS)}, or the folder of a run with snapshots",
    recognises=_recognises,
    read=_read,
    asks=frozenset({"tensor", "transpose"}),
    last=True,
)
