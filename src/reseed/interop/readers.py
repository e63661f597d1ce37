"""The table of readers, and the one call that picks among them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reseed._support.guard import guarded
from reseed.errors import DictionaryError
from reseed.interop._base import Components, LoadedDictionary, Reader, Source
from reseed.interop.dictionary_learning import DICTIONARY_LEARNING
from reseed.interop.esmc import ESMC
from reseed.interop.gemma_scope import GEMMA_SCOPE, GEMMA_SCOPE_2
from reseed.interop.hub import fetched, is_on_hub
from reseed.interop.linear import LINEAR
from reseed.interop.llamascope import LLAMA_SCOPE, LLAMASCOPIUM
from reseed.interop.matrix import MATRIX
from reseed.interop.openai import OPENAI
from reseed.interop.overcomplete import OVERCOMPLETE
from reseed.interop.qwen_scope import QWEN_SCOPE
from reseed.interop.run import RUN
from reseed.interop.sae_stability import SAE_STABILITY
from reseed.interop.saelens import SAELENS
from reseed.interop.saev import SAEV
from reseed.interop.sparsify import SPARSIFY
from reseed.interop.temporal import TEMPORAL
from reseed.interop.transcoders import TRANSCODERS

__all__ = ["READERS", "read"]

READERS: dict[str, Reader] = {
    reader.name: reader
    for reader in (
        RUN,
        SAELENS,
        DICTIONARY_LEARNING,
        SPARSIFY,
        OVERCOMPLETE,
        LLAMASCOPIUM,
        LLAMA_SCOPE,
        GEMMA_SCOPE,
        GEMMA_SCOPE_2,
        OPENAI,
        QWEN_SCOPE,
        TRANSCODERS,
        SAEV,
        SAE_STABILITY,
        TEMPORAL,
        ESMC,
        LINEAR,
        MATRIX,
    )
}
"""By name, in the order of tables."""

_DEEP, _NAMED = 3, 6  # how far down a folder is searched for what may be meant, and how many are told


@guarded(numbers="any")
def read(
    source: Source | Components | np.ndarray,
    *,
    format: str | None = None,  # noqa: A002 (the word of the command line)
    tensor: str | None = None,
    transpose: bool = False,
    k: int | None = None,
    delta: float | None = None,
) -> LoadedDictionary:
    """A dictionary from a file, a folder or a tensor, by the one reader that recognises it.

    Args:
        source: where it is, here or on the hub (`hf://owner/name/path@revision`); a matrix, or an object with
            `components_`, as scikit-learn has them.
        format: a name of `READERS`, for a source that several recognise.
        tensor: the name of the tensor to read, where a file holds several.
        transpose: whether the columns of that tensor are the atoms.
        k: how many atoms are active, where the source does not say.
        delta: how far archetypal atoms may leave the hull of their points, where the source does not say.

    Raises:
        DictionaryError: no reader or several recognise the source, it is damaged, or there is no such format.
        MissingExtraError: it is on the hub, and huggingface_hub is not installed.
    """
    if format is not None and format not in READERS:
        raise DictionaryError(f"format {format!r} is unknown: choose from {', '.join(READERS)}")
    place = _place_of(source)
    reader = _reader_of(place, format)
    given = {"tensor": tensor, "transpose": transpose or None, "k": k, "delta": delta}
    asked = {name: value for name, value in given.items() if value is not None}
    needless = [name for name in asked if name not in reader.asks]
    if needless:
        what = "which has one layout" if set(needless) <= {"tensor", "transpose"} else "which says that itself"
        raise DictionaryError(
            f"{source} is read as {reader.name}, {what}: leave out {' and '.join(_together(needless))}"
        )
    found = reader.read(place, **asked)
    return replace(found, name=str(source)) if is_on_hub(source) else found


def _place_of(source: Source | Components | np.ndarray) -> Source:
    """The matrix in an object, the local copy of what is on the hub, or what was given."""
    if isinstance(source, str | Path) and is_on_hub(source):
        return fetched(source)
    if isinstance(source, str | Path):
        return Path(source).expanduser() if str(source).startswith("~") else source
    found = source.components_ if isinstance(source, Components) else source
    return torch.from_numpy(np.ascontiguousarray(found)) if isinstance(found, np.ndarray) else found


def _reader_of(source: Source, name: str | None) -> Reader:
    if name is not None:
        if not isinstance(source, Tensor) and not Path(source).expanduser().exists():
            raise DictionaryError(f"{source} holds no dictionary: give {READERS[name].meaning}")
        return READERS[name]
    fitting = [reader for reader in READERS.values() if not reader.last and reader.recognises(source)]
    fitting = fitting or [reader for reader in READERS.values() if reader.last and reader.recognises(source)]
    if len(fitting) > 1:
        named = ", ".join(reader.name for reader in fitting)
        raise DictionaryError(f"{source} may be in several formats ({named}): say which with --format")
    if fitting:
        return fitting[0]
    within = [] if isinstance(source, Tensor) else list(_within(Path(source)))
    if within:
        more = f" and {len(within) - _NAMED} more" if len(within) > _NAMED else ""
        raise DictionaryError(
            f"{source} is no dictionary, but holds {len(within)}: give one of {', '.join(within[:_NAMED])}{more}"
        )
    bare = "; or ".join(reader.meaning for reader in READERS.values() if reader.last)
    others = ", ".join(reader.title for reader in READERS.values() if not reader.last)
    raise DictionaryError(f"{source} holds no dictionary: give {bare}, or what was written by one of {others}")


def _within(path: Path) -> list[str]:
    """The folders below that a reader recognises."""
    if not path.is_dir():
        return []
    folders = (folder for deep in range(1, _DEEP + 1) for folder in path.glob("/".join("*" * deep)) if folder.is_dir())
    return sorted(
        str(folder) for folder in folders if any(each.recognises(folder) for each in READERS.values() if not each.last)
    )


def _together(names: list[str]) -> list[str]:
    """`tensor and transpose` are one question."""
    return ["tensor", "transpose"] if set(names) <= {"tensor", "transpose"} else names
