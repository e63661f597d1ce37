"""From the tensors of a file to the record of a dictionary: one place that sees whether they belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor

from reseed.errors import DictionaryError
from reseed.interop._base import LoadedDictionary

if TYPE_CHECKING:
    from pathlib import Path

    from reseed.interop.codes import CodeRule

__all__ = ["assembled", "check_matrix"]


def assembled(
    path: Path,
    *,
    atoms: Tensor,
    encoder: Tensor | None = None,
    encoder_bias: Tensor | None = None,
    decoder_bias: Tensor | None = None,
    rule: CodeRule | None = None,
    **about: Any,  # noqa: ANN401 (other fields of the record)
) -> LoadedDictionary:
    """The record of what a path holds.

    Raises:
        DictionaryError: the atoms are no matrix, all zero, or something is of another length than they are.
    """
    check_matrix(atoms, str(path))
    n_atoms, d_model = atoms.shape
    lengths: dict[str, tuple[Tensor | None, tuple[int, ...]]] = {
        "the encoder's bias": (encoder_bias, (n_atoms,)),
        "the decoder's bias": (decoder_bias, (d_model,)),
    }
    if encoder is not None:
        lengths["the encoder"] = encoder, (n_atoms, encoder.shape[-1])
    parts: dict[str, Any] = {} if rule is None else vars(rule)
    lengths |= {name: (part, (n_atoms,)) for name, part in parts.items() if isinstance(part, Tensor) and part.ndim}
    for name, (found, wanted) in lengths.items():
        if found is not None and tuple(found.shape) != wanted:
            raise DictionaryError(
                f"{path}: {name} has shape {tuple(found.shape)} beside {n_atoms:,} atoms of {d_model:,} dimensions: "
                "the file is damaged, or of another format; say which with --format"
            )
    return LoadedDictionary(
        atoms=atoms.contiguous(),
        name=about.pop("name", str(path)),
        source=str(path),
        encoder=None if encoder is None else encoder.to(atoms.dtype).contiguous(),
        encoder_bias=None if encoder_bias is None else encoder_bias.to(atoms.dtype),
        decoder_bias=None if decoder_bias is None else decoder_bias.to(atoms.dtype),
        rule=rule,
        **about,
    )


def check_matrix(atoms: Tensor, name: str) -> Float[Tensor, "atoms d_model"]:
    """The atoms. Raises DictionaryError for what is no dictionary."""
    if atoms.ndim != 2 or 0 in atoms.shape or atoms.shape[1] == 1:  # noqa: PLR2004 (a matrix)
        raise DictionaryError(
            f"{name} holds {atoms.dtype} of shape {tuple(atoms.shape)}: "
            "a dictionary is a matrix of floats (n_atoms, d_model) with d_model at least 2"
        )
    if not atoms.any():
        raise DictionaryError(f"{name} holds zero atoms only: they have no direction to compare")
    return atoms
