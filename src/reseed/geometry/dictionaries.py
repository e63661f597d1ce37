"""Two dictionaries from files: how far they agree, and what of it their own means and covariances would give."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from reseed import measures, statistics
from reseed.activations.matrix import read_tensor
from reseed.errors import ActivationsError, DictionaryError
from reseed.geometry.document import DictionaryGeometry, PairGeometry, Standing, strictest
from reseed.geometry.worth import formula_floors, own_floor
from reseed.matching import match, unit_rows, zero_atoms
from reseed.statistics import spectrum

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from reseed.geometry.document import Floor, ViewGeometry
    from reseed.geometry.worth import Plan

__all__ = ["pair_geometry", "read_dictionary"]

NAMES = ("atoms", "W_dec")
"""What the dictionary is called in snapshots of ours, and in files of SAELens; atoms are rows in both."""
_MATRIX = 2


def read_dictionary(source: str | Path | Float[Tensor, "atoms d_model"]) -> Float[Tensor, "atoms d_model"]:
    """A dictionary, its atoms as rows: a tensor, a .npy or .safetensors file, or a run's folder for its last snapshot.

    Of several tensors in one file the one called `atoms` or `W_dec` is read. Nothing is unpickled.

    Raises:
        DictionaryError: there is none, it is no matrix of finite floats, or it has fewer than 2 dimensions.
    """
    if isinstance(source, Tensor):
        return _checked(source.detach().cpu(), "the tensor")
    path = Path(source).expanduser()
    if path.is_dir():
        path = max(path.glob("step-*.safetensors"), key=lambda file: (len(file.name), file.name), default=path)
    if not path.is_file():
        raise DictionaryError(
            f"{path} holds no dictionary: give a .npy file, a .safetensors file, or the folder of a run with snapshots"
        )
    try:
        return _checked(read_tensor(path, NAMES), str(path))
    except ActivationsError as error:
        raise DictionaryError(str(error)) from error


def _checked(atoms: Tensor, name: str) -> Float[Tensor, "atoms d_model"]:
    if atoms.ndim != _MATRIX or 0 in atoms.shape or atoms.shape[1] == 1 or not atoms.is_floating_point():
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


def pair_geometry(
    names: Sequence[str],
    dictionaries: Sequence[Float[Tensor, "_ d_model"]],
    views: Sequence[ViewGeometry],
    plan: Plan,
    pool: Executor,
) -> PairGeometry:
    """Two dictionaries of as many dimensions each, against the floors of their own and those of `views`."""
    matching = match(*dictionaries)
    means = [_unit(atoms).mean(dim=0) for atoms in dictionaries]
    shared_mean = (means[0] @ means[1]).item()
    floors = (*formula_floors(shared_mean, len(means[0]), plan), own_floor(dictionaries, plan, pool))
    kinds = {"dictionaries": floors} | {view.preprocess: view.floors for view in views}
    return PairGeometry(
        first=_geometry(names[0], dictionaries[0]),
        second=_geometry(names[1], dictionaries[1]),
        agreement=matching.agreement,
        gap=matching.gap,
        mmcs=measures.mmcs(matching).forward,
        shared_mean=shared_mean,
        floors=floors,
        standings=tuple(_standing(matching.agreement, against, kind) for against, kind in kinds.items()),
    )


def _geometry(name: str, atoms: Float[Tensor, "atoms d_model"]) -> DictionaryGeometry:
    unit = _unit(atoms)
    mean = unit.mean(dim=0)
    covariance = (unit - mean).T @ (unit - mean) / len(unit)
    return DictionaryGeometry(
        name=name,
        n_atoms=len(atoms),
        zero_atoms=len(atoms) - len(unit),
        mean_share=spectrum.mean_share(mean, covariance),
        **spectrum.spectrum_of(covariance)._asdict(),
    )


def _unit(atoms: Float[Tensor, "atoms d_model"]) -> Float[Tensor, "alive d_model"]:
    """The atoms at length 1, without zero atoms."""
    return unit_rows(atoms)[~zero_atoms(atoms)]


def _standing(matched: float, against: str, floors: Sequence[Floor]) -> Standing:
    floor = strictest(floors)
    adjusted = statistics.floor_adjusted(matched, floor.value)
    return Standing(against=against, floor=floor.name, value=floor.value, adjusted=adjusted)
