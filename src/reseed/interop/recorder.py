"""Two lines in somebody else's training loop that leave a trajectory from step 0 behind.

RECORDED layout: FOLDER/step-000100/ or FOLDER/step-000100.safetensors, as the dictionary's own library saves it; what
`steps_of` reads.
"""

from __future__ import annotations

import shutil
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

from reseed._support.mistakes import shown
from reseed.errors import DictionaryError, SpecError
from reseed.interop._recorded import saver
from reseed.interop.readers import read
from reseed.interop.steps import steps_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reseed.interop._recorded import Recordable

__all__ = ["Recorder"]

_PARTIAL = ".recording"


class Recorder:
    """Records a dictionary while another library, or a loop of one's own, trains it.

        recorder = reseed.Recorder("runs/seed0")
        for step, batch in enumerate(batches):
            recorder.snapshot(step, sae)              # before the update: step 0 is the start
            ...
        recorder.snapshot(step + 1, sae, final=True)  # the end, whatever the schedule

    Several such folders are what `reseed compare runs/*/` follows along training. A call at a step that is not on the
    schedule does nothing.
    """

    def __init__(self, folder: str | Path, *, steps: Iterable[int] | None = None, resume: bool = False) -> None:
        """In a folder of its own for every run.

        Args:
            folder: a new or an empty one.
            steps: updates after which the dictionary is recorded; None: 0, 1, 2, 5, 10, 20, 50, 100 and so on.
            resume: whether the folder may hold steps of this run, which are kept: for a training that goes on.

        Raises:
            SpecError: the folder holds steps already, or steps are no numbers of updates.
        """
        self.folder = Path(folder).expanduser()
        self._schedule = None if steps is None else _checked(steps)
        if self.folder.exists() and not self.folder.is_dir():
            raise SpecError(f"{self.folder} is a file: choose a folder for the steps of this run")
        there = steps_of(self.folder)
        if there and not resume:
            raise SpecError(
                f"{self.folder} holds steps {min(there):,} to {max(there):,} of a run: give every run a folder of its "
                "own, or go on with that run by resume=True"
            )
        self._there = set(there)
        self._seen = -1

    def snapshot(self, step: int, sae: Recordable, *, final: bool = False) -> Path | None:
        """Record the dictionary as it is after so many updates, if that step is due and not there.

        Args:
            step: updates behind it; 0 before the first one.
            sae: a module of SAELens, sparsify, dictionary_learning or overcomplete, wrapped or not; or its atoms as a
                tensor (n_atoms, d_model), an object with `components_`, or tensors by name: atoms, encoder (n_atoms,
                d_model), encoder_bias, decoder_bias, with k of TopK or the threshold of JumpReLU, and `subtracts`
                where the decoder's bias is taken off before activations are encoded.
            final: whether it is recorded whatever the schedule: the end of a training.

        Returns:
            Where it was written; None where nothing was.

        Raises:
            SpecError: the step is no number of updates, lies behind one that was seen, or the first one is not 0.
            DictionaryError: what is given is no dictionary that can be recorded and read again.
        """
        step = self._seen = self._checked(step)
        if step in self._there or not (final or self._is_due(step)):
            return None
        how = saver(sae)
        path = self.folder / f"step-{step:06d}{how.end}"
        self._write(how.save, path)
        if not self._there:
            self._check_readable(path)
        self._there.add(step)
        return path

    def __repr__(self) -> str:
        """Its folder and how many steps are there."""
        return f"Recorder({str(self.folder)!r}, {len(self._there)} steps)"

    def _checked(self, step: int) -> int:
        if not _is_count(step):
            raise SpecError(f"step {shown(step)} is no number of updates: count them from 0, the start")
        if step < self._seen:
            raise SpecError(
                f"step {step:,} comes after step {self._seen:,}: give every run a Recorder and a folder of its own"
            )
        if self._seen < 0 and step > 0 and not self._there:
            raise SpecError(
                f"the first step is {step:,}: without step 0 nothing can be said of runs that came together; record "
                "the dictionary before the first update, too"
            )
        return int(step)

    def _is_due(self, step: int) -> bool:
        return _is_round(step) if self._schedule is None else step in self._schedule

    def _write(self, save: Callable[[Path], None], path: Path) -> None:
        """Whole or not at all: what is being written has a name that no reader looks at."""
        temporary = self.folder / f".{path.stem}{_PARTIAL}{path.suffix}"
        self.folder.mkdir(parents=True, exist_ok=True)
        _remove(temporary)
        save(temporary)
        temporary.replace(path)

    def _check_readable(self, path: Path) -> None:
        """At once, and not after hours of training."""
        try:
            read(path)
        except DictionaryError:
            _remove(path)
            raise


def _checked(steps: Iterable[int]) -> frozenset[int]:
    found = list(steps)
    if not found or not all(map(_is_count, found)):
        raise SpecError(f"steps {shown(found)} are no numbers of updates: count them from 0, the start")
    return frozenset(map(int, found))


def _is_count(step: object) -> bool:
    return isinstance(step, Integral) and not isinstance(step, bool) and int(step) >= 0


def _is_round(step: int) -> bool:
    """Whether it is 0, or 1, 2 or 5 times a power of ten."""
    return str(step).rstrip("0") in {"", "1", "2", "5"}


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
