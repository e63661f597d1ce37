"""A folder with the dictionaries of one run at several of its steps, as trainers leave them behind.

run/step-000000.safetensors, run/step-000600.safetensors, ...      reseed
run/step_000000/, run/checkpoint-500/, run/trainer_0_step_0/, ...  any reader's folders or files
run/ae.pt, run/config.json, run/checkpoints/ae_100.pt, ...         dictionary_learning
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from reseed.errors import DictionaryError
from reseed.interop.readers import READERS

if TYPE_CHECKING:
    from reseed.interop._base import Reader, Source

__all__ = ["steps_of"]

_OWN = re.compile(r"step-(\d+)\.safetensors$")
_STEP = re.compile(r"(?<![a-z])(?:steps?|checkpoint|ckpt)[-_=]?(\d+)(?!\d)", re.IGNORECASE)
_BELOW = "checkpoints"
_TOLD = 6  # entries that a message names


class _Entry(NamedTuple):
    path: Path
    step: int | None
    """None where neither its name nor its record tells."""
    named: bool
    """Whether its own name tells: without one that does, a folder is of several runs, not of steps."""
    bare: bool
    """Whether only the reader of bare matrices recognises it, which takes any file of tensors."""


def steps_of(source: Source, *, format: str | None = None) -> dict[int, Path]:  # noqa: A002 (as in `read`)
    """The dictionaries in a folder by their steps, ascending, by names alone; empty for what is no folder of steps.

    A folder that is one dictionary, and does not say of which step, is no folder of steps, unless it holds others that
    do: when it was written is then not known, and it cannot be followed.

    Args:
        source: whatever `read` takes.
        format: a name of `READERS`: only what that reader recognises counts.

    Raises:
        DictionaryError: two entries have one step, or one tells none while others do, the folder itself among them.
    """
    if isinstance(source, Tensor) or not Path(source).expanduser().is_dir():
        return {}
    folder = Path(source).expanduser()
    own = {int(found[1]): file for file in sorted(folder.iterdir()) if (found := _OWN.search(file.name))}
    if own:
        return dict(sorted(own.items()))
    readers = list(READERS.values()) if format is None else [READERS[format]] if format in READERS else []
    itself, entries = _entry(folder, readers), list(_within(folder, readers))
    if itself is not None and itself.step is None:
        _check_alone(folder, entries)
        return {}
    if itself is not None:  # its own files are no entries, and its last step may be there twice
        entries = [each for each in entries if each.step != itself.step]
        entries = [each for each in entries if each.step is not None or each.path.parent != folder]
    if not any(each.named for each in entries):
        return {}
    return _by_step(folder, [*entries, *([itself] if itself is not None else [])])


def _within(folder: Path, readers: list[Reader]) -> Iterator[_Entry]:
    """What readers recognise in a folder and in its `checkpoints`."""
    for place in (folder, folder / _BELOW):
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            found = None if path.name.startswith(".") else _entry(path, readers)
            if found is not None:
                yield found


def _entry(path: Path, readers: list[Reader]) -> _Entry | None:
    fitting = [reader for reader in readers if not reader.last and reader.recognises(path)]
    bare = not fitting and path.is_file() and any(reader.last and reader.recognises(path) for reader in readers)
    if not fitting and not bare:
        return None
    named = _STEP.search(path.name)
    told = [step for reader in fitting if reader.step is not None and (step := reader.step(path)) is not None]
    step = int(named[1]) if named else next(iter(told), None)
    ends_so = step is not None and re.search(rf"(?<!\d)0*{step}$", path.stem) is not None
    return _Entry(path, step, named is not None or ends_so, bare)


def _check_alone(folder: Path, entries: list[_Entry]) -> None:
    """Refuse a dictionary that does not tell its step beside others that do."""
    told = [each.path for each in entries if each.step is not None and each.named and not each.bare]
    if told:
        raise DictionaryError(
            f"{folder} holds the steps of a run ({_listed(folder, told)}), and its last dictionary does not tell its "
            "own: say it (trainer.steps in a config.json of dictionary_learning), or give one file, or the folder of "
            "the steps alone"
        )


def _by_step(folder: Path, entries: list[_Entry]) -> dict[int, Path]:
    """Bare tensors beside the dictionaries of a library are none of its dictionaries: optimisers, statistics."""
    of_library = [each for each in entries if not each.bare]
    kept = of_library if any(each.step is not None for each in of_library) else entries
    untold = [each.path for each in kept if each.step is None]
    if untold:
        raise DictionaryError(
            f"{folder} holds dictionaries of several steps, and {_listed(folder, untold)} does not tell its own: name "
            "it step-N, or give one dictionary"
        )
    found: dict[int, list[Path]] = {}
    for each in kept:
        if each.step is not None:
            found.setdefault(each.step, []).append(each.path)
    for step, paths in found.items():
        if len(paths) > 1:
            raise DictionaryError(
                f"{folder} holds {len(paths)} dictionaries of step {step:,} ({_listed(folder, paths)}): give each run "
                "a folder of its own"
            )
    return {step: found[step][0] for step in sorted(found)}


def _listed(folder: Path, paths: list[Path]) -> str:
    names = [str(path.relative_to(folder)) if path != folder else folder.name for path in paths]
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return f"{', '.join(names[:_TOLD])}{more}"
