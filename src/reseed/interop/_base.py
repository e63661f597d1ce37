"""What a reader is, and the record that every reader returns."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from reseed._support.brief import brief_repr

__all__ = ["LoadedDictionary", "Reader", "Source"]

Source = str | Path | Tensor
"""A file, a folder, or the atoms themselves; whether they are a dictionary at all is the reader's to say."""


@dataclass(frozen=True)
class LoadedDictionary:
    """A dictionary as its source holds it, with all numbers finite and in float32 or float64 on the CPU."""

    atoms: Float[Tensor, "atoms d_model"]
    """Its atoms as rows, of any length; at least one is not zero."""
    name: str
    """What it is called in tables."""
    source: str
    """The file that was read, or `tensor`."""
    encoder: Float[Tensor, "atoms d_model"] | None = None
    """None where the source has none; so the biases, too."""
    encoder_bias: Float[Tensor, " atoms"] | None = None
    decoder_bias: Float[Tensor, " d_model"] | None = None
    notes: tuple[str, ...] = ()
    """How it was read where that could be otherwise, one sentence each."""

    __repr__ = brief_repr


@dataclass(frozen=True)
class Reader:
    """One entry of `READERS`: a format, and what reads it."""

    name: str
    """The word that chooses it."""
    title: str
    """How it is called in headings."""
    meaning: str
    """What it reads, in one sentence without its first capital letter and its full stop."""
    recognises: Callable[[Source], bool]
    """By names and kinds of files alone, never by the shape of a tensor; false for what is not there."""
    read: Callable[..., LoadedDictionary]
    """Of a source. Raises DictionaryError where it is damaged, or holds no dictionary after all."""
    asks: bool = False
    """Whether `read` takes `tensor`, the name of one, and `transpose`, whether its columns are the atoms, too."""
