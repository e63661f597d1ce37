"""What a writer is: a format, and what it makes of a dictionary."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from reseed.errors import DictionaryError
from reseed.interop._base import LoadedDictionary
from reseed.interop.codes import CodeRule

__all__ = ["Writer", "Written", "inexpressible", "rule_of"]


class Written(NamedTuple):
    """What a folder is going to hold."""

    tensors: Mapping[str, Tensor]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Writer:
    """One entry of `WRITERS`: a format of another library, and how a dictionary is said in it."""

    name: str
    """The word that chooses it, that of the format's reader."""
    title: str
    """How it is called in headings."""
    meaning: str
    """What it writes, in one sentence without its first capital letter and its full stop."""
    config: str
    """The file with the settings."""
    weights: str
    """The file with the tensors."""
    made: Callable[[LoadedDictionary], Written]
    """Of a dictionary with a rule, which reads raw activations unless no affine map says how it reads them. Raises
    DictionaryError where the format has no word for its rule or its space."""


def inexpressible(dictionary: LoadedDictionary, what: str, *, format: str, has: str) -> DictionaryError:  # noqa: A002 (as in `write`)
    """What to say of a dictionary for which a format has no words."""
    return DictionaryError(f"{dictionary.name} {what}, which {format} has no word for: it has {has}")


def rule_of(dictionary: LoadedDictionary) -> CodeRule:
    """How it makes codes.

    Raises:
        DictionaryError: its source does not say.
    """
    if dictionary.rule is None:
        raise DictionaryError(
            f"{dictionary.name} does not say how it makes codes, or makes them in a way that no other library's files "
            "have: give a whole autoencoder"
        )
    return dictionary.rule
