"""The table of writers, and the one call that writes by one of them.

WRITTEN_VERSION history (the header of the tensors, which says where they are from)
  1  first version
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reseed._support.files import remove_partial, write_json, write_tensors
from reseed._support.guard import guarded
from reseed._support.version import VERSION
from reseed.errors import DictionaryError
from reseed.interop._base import LoadedDictionary
from reseed.interop._folded import folded, turns
from reseed.interop._writer import Writer
from reseed.interop.saelens_writer import SAELENS_WRITER
from reseed.interop.spaces import Unmapped
from reseed.interop.sparsify_writer import SPARSIFY_WRITER

__all__ = ["BESIDE", "WRITERS", "write"]

WRITTEN_VERSION = 1

WRITERS: dict[str, Writer] = {writer.name: writer for writer in (SAELENS_WRITER, SPARSIFY_WRITER)}
"""By name, in the order of tables."""

BESIDE = "consensus.parquet"
"""What `reseed features --consensus` writes beside a dictionary, and nothing else is called."""

_TOLD = 5  # names of files in the way


@guarded(numbers="any")
def write(
    dictionary: LoadedDictionary,
    folder: str | Path,
    *,
    format: str = "saelens",  # noqa: A002 (the word of the command line)
    force: bool = False,
) -> Path:
    """Write a dictionary as another library's own loader reads it: equal codes and reconstructions, of raw activations.

    A preprocessing that is one map for all tokens is multiplied into encoder, atoms and biases. Where it is more than a
    mean and a factor, the atoms have other directions afterwards, and a warning says so.

    Args:
        dictionary: with an encoder and a rule.
        folder: a new or an empty one.
        format: a name of `WRITERS`.
        force: whether the folder may hold what a writer wrote before, which goes.

    Returns:
        The folder.

    Raises:
        DictionaryError: there is no such format, it has no word for the dictionary's rule or space, or the folder holds
            something.
    """
    if format not in WRITERS:
        raise DictionaryError(f"format {format!r} cannot be written: choose from {', '.join(WRITERS)}")
    writer, place = WRITERS[format], Path(folder).expanduser()
    _check(dictionary)
    written = writer.made(folded(dictionary))
    _clear(place, force=force)
    if turns(dictionary.space):
        warnings.warn(
            f"{dictionary.name} read {dictionary.space.kind} activations, and {place} reads raw ones: its atoms have "
            "other directions, and agreements of the two are not the same",
            stacklevel=3,
        )
    write_tensors(place / writer.weights, written.tensors, _header(dictionary, writer))
    write_json(place / writer.config, written.settings)  # last: without it, nobody takes the folder for a dictionary
    return place


def _check(dictionary: LoadedDictionary) -> None:
    """Refuse what reads nobody knows what."""
    if isinstance(dictionary.space, Unmapped):
        raise DictionaryError(
            f"{dictionary.name} reads {dictionary.space.name} activations, and how is not known: {dictionary.space.why}"
        )


def _clear(folder: Path, *, force: bool) -> None:
    """Make room for a dictionary: nothing goes but what a writer wrote, and that only by force.

    Raises:
        DictionaryError: something lies there.
    """
    if folder.exists() and not folder.is_dir():
        raise DictionaryError(f"{folder} is a file: choose another folder")
    ours = [*(name for writer in WRITERS.values() for name in (writer.config, writer.weights)), BESIDE]
    held = sorted(each.name for each in folder.glob("[!.]*"))
    others = [name for name in held if name not in ours]
    if others:
        told = ", ".join(others[:_TOLD]) + (", ..." if len(others) > _TOLD else "")
        raise DictionaryError(f"{folder} holds {told}: choose another folder, a new or an empty one")
    if held and not force:
        raise DictionaryError(f"{folder} holds a dictionary already: choose another, or replace it with --force")
    for name in ours:  # settings first, as they are written last
        (folder / name).unlink(missing_ok=True)
    remove_partial(folder, ours)


def _header(dictionary: LoadedDictionary, writer: Writer) -> Mapping[str, Any]:
    """Where the tensors are from."""
    plain = {name: each if isinstance(each, int | float) else str(each) for name, each in dictionary.about.items()}
    return {
        "format_version": WRITTEN_VERSION,
        "reseed": VERSION,
        "format": writer.name,
        "read_as": dictionary.format,
        "space": dictionary.space.kind,
        "step": dictionary.step,
        "seed": dictionary.seed,
        "about": plain,
        "sums": dict(dictionary.sums),
    }
