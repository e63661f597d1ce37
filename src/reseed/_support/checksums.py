"""The SHA-256 of every file of a study, in the format of `sha256sum`: anybody can check a study without reseed.

A run has a `SHA256SUMS` of its own in its folder, and everything else of a study is in the one of the study:

    cd STUDY && sha256sum --check --quiet SHA256SUMS && cd runs/RUN && sha256sum --check --quiet SHA256SUMS

A line is written before the file that it speaks of takes its place, so that no file is ever without a line: of a file
that is replaced there are several lines for a while, and any of them may be the one of what lies there when a process
was killed. `settle` leaves one line per file, sorted, so that equal studies have equal sums.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from reseed._support.files import remove_partial, replacing, sha256_of_file, write_json, write_tensors, write_text
from reseed.errors import TrajectoryError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

__all__ = ["SUMS", "Checksums", "Damage", "again", "check_study", "is_of_a_study", "refuse", "sums_of", "verify"]

SUMS = "SHA256SUMS"
"""The name of the file with the sums."""

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_RUNS = "runs"
_OF_A_STUDY = (
    *("study.toml", "manifest.json", "findings.json", "features.parquet", "tuning.json"),
    *("moments/*", "points/*", "floors/**/*", "compared/*/*", "barriers/*"),
)
_OF_A_RUN = ("spec.json", "step-*.safetensors", "metrics.parquet", "state.safetensors", "done")

_NO_SUMS = "is missing, so that nobody can tell whether the files beside it are what was written"
_FOLDERS = tuple(pattern.partition("/")[0] + "/" for pattern in _OF_A_STUDY if "/" in pattern)
_COMPARED = (
    "about.json",
    "pairs.parquet",
    "matchings.parquet",
    "births.parquet",
    "surrogate.parquet",
    "floors.parquet",
    "barriers.parquet",
    "across.parquet",
)
_MOST_TOLD = 5
_UNSUMMED = ("report.html", SUMS)

_known: dict[Path, tuple[int, ...]] = {}  # what this process wrote or verified, by absolute path: its `_stat` then
_appending = Lock()
_under_way: set[Path] = set()  # files whose line is written and that have not taken their place


@dataclass(frozen=True)
class Damage:
    """A file that is not what was written, or is not there."""

    path: Path
    reason: str
    """What is wrong with it, to follow the path."""
    missing: bool = False
    """Whether it is gone."""
    changed: bool = False
    """Whether it is known and has other bytes than those that were written."""


@dataclass(frozen=True)
class Checksums:
    """The sums of the files in a folder and below, except below folders that have sums of their own."""

    folder: Path

    @property
    def path(self) -> Path:
        """The file with the sums."""
        return self.folder / SUMS

    def lines(self) -> dict[str, tuple[str, ...]]:
        """The sums of every file by its name, each of them right at some time since they were settled.

        A line that is no such line is left out: the file that it spoke of has none then.
        """
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return {}
        found: dict[str, tuple[str, ...]] = {}
        for line in text.split("\n")[:-1]:
            told = _LINE.fullmatch(line)
            if told:
                found[told[2]] = (*found.get(told[2], ()), told[1])
        return found

    @contextmanager
    def replacing(self, path: Path) -> Iterator[Path]:
        """`files.replacing` of a file whose sum is written down."""

        def tell(temporary: Path) -> None:
            _under_way.add(path)
            self.tell(path, sha256_of_file(temporary))

        try:
            with replacing(path, before=tell) as temporary:
                yield temporary
        finally:
            _under_way.discard(path)
        _known[path.absolute()] = _stat(path)

    def tell(self, path: Path, digest: str) -> None:
        """Write down what a file is about to be: a whole line, or none."""
        with _appending, self.path.open("ab") as file:
            before = self.path.read_bytes().rfind(b"\n") + 1  # what is behind was cut off, and no file goes with it
            try:
                file.truncate(before)
                file.write(f"{digest}  {self._name(path)}\n".encode())
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)
                raise

    def write_text(self, path: Path, text: str) -> None:
        """`files.write_text` of a file whose sum is written down."""
        write_text(path, text, replacing=self.replacing)

    def write_json(self, path: Path, value: object) -> None:
        """`files.write_json` of a file whose sum is written down."""
        write_json(path, value, replacing=self.replacing)

    def write_tensors(self, path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
        """`files.write_tensors` of a file whose sum is written down."""
        write_tensors(path, tensors, header, replacing=self.replacing)

    def remove(self, paths: Iterable[Path]) -> None:
        """Delete files, and what was written down of them."""
        gone = set()
        for path in paths:
            path.unlink(missing_ok=True)
            _known.pop(path.absolute(), None)
            gone.add(self._name(path))
        self.settle(without=gone)

    def settle(self, *, without: Iterable[str] = ()) -> None:
        """One line per file, sorted: of several the one that is right, else the last.

        Args:
            without: names whose lines are left out.
        """
        with _appending:
            told = self.lines()
            for name in without:
                told.pop(name, None)
            text = "".join(
                f"{digest}  {name}\n" for name, sums in sorted(told.items()) for digest in self._right(name, sums)
            )
            if self.path.exists() and self.path.read_bytes() != text.encode():
                write_text(self.path, text)

    def adopt(self) -> None:
        """Write down the sums of what lies there, written before sums were kept."""
        text = "".join(f"{sha256_of_file(path)}  {self._name(path)}\n" for path in self.files())
        if text:
            write_text(self.path, text)

    def files(self) -> list[Path]:
        """The files of a study or of a run, as the folder is one of the two, in order."""
        found = {path for pattern in self._patterns for path in self.folder.glob(pattern)}
        return sorted(path for path in found if path.is_file() and not path.name.startswith("."))

    def remove_partial(self) -> None:
        """Delete what killed processes left behind of files that were half written."""
        remove_partial(self.folder, (*self._patterns, *_UNSUMMED))

    def missing(self) -> list[Path]:
        """The files that have a line and are not there."""
        return [self.folder / name for name in self.lines() if not (self.folder / name).exists()]

    def damage(self, path: Path, lines: Mapping[str, tuple[str, ...]] | None = None) -> Damage | None:
        """What is wrong with one file; None for a file that is what was written.

        Args:
            path: of the file.
            lines: as `lines` gave them, which are read where there are none, and again where they may be old.
        """
        try:
            if _is_known(path):
                return None
            stat = _stat(path)
            found, name = sha256_of_file(path), self._name(path)
            sums = (self.lines() if lines is None else lines).get(name, ())
            if found not in sums and lines is not None:
                sums = self.lines().get(name, ())
            if found not in sums and _stat(path) != stat:  # somebody replaces it at this moment
                return self.damage(path)
        except FileNotFoundError:
            return Damage(path, "is missing", missing=True)
        if found in sums:
            _known[path.absolute()] = stat
            return None
        if not sums:
            return Damage(path, f"has no line in {self.path.name}")
        told = f"its SHA-256 is {found[:8]}…, and {sums[-1][:8]}… in {self.path.name}"
        return Damage(path, f"is not what was written ({told})", changed=True)

    def _right(self, name: str, sums: tuple[str, ...]) -> tuple[str, ...]:
        """The one of several sums that the file has, or the last; all of them while the file is being replaced."""
        path = self.folder / name
        if path in _under_way:
            return sums
        found = sha256_of_file(path) if len(set(sums)) > 1 and path.is_file() else ""
        return (found,) if found in sums else sums[-1:]

    @property
    def _patterns(self) -> tuple[str, ...]:
        return _OF_A_RUN if _is_run(self.folder) else _OF_A_STUDY

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()


def sums_of(path: Path) -> Checksums | None:
    """The sums that a file of a study should be in; None where the study has none, or it is no file of a study."""
    if _is_of_a_run(path):
        own, study = path.parent, path.parent.parent.parent
        return Checksums(own) if (own / SUMS).exists() or (study / SUMS).exists() else None
    studies = (folder for folder in path.parents[:4] if (folder / SUMS).exists() and (folder / _RUNS).exists())
    study = next(studies, None)
    return Checksums(study) if study is not None and is_of_a_study(path.relative_to(study).as_posix()) else None


def is_of_a_study(name: str) -> bool:
    """Whether a name, seen from a study, is that of a file whose sum the study keeps."""
    return any("/" not in pattern and name == pattern for pattern in _OF_A_STUDY) or name.startswith(_FOLDERS)


def _is_run(folder: Path) -> bool:
    """Whether a folder is a run; a study may lie in a folder called `runs`, too."""
    marks = ("study.toml", "manifest.json", "tuning.json", "findings.json", _RUNS)
    return folder.absolute().parent.name == _RUNS and not any((folder / mark).exists() for mark in marks)


def _is_of_a_run(path: Path) -> bool:
    return any(path.match(pattern) for pattern in (*_OF_A_RUN, SUMS)) and _is_run(path.parent)


def verify(path: Path) -> Damage | None:
    """What is wrong with a file of a study; None where nothing is, or nothing is known. Files are read once only."""
    path = path.absolute()
    if _is_known(path):
        return None
    sums = sums_of(path)
    return None if sums is None else sums.damage(path)


def check_study(
    study: Path, *, each: Callable[..., Iterable[Any]] = map, advance: Callable[[int], None] = lambda _: None
) -> list[Damage]:
    """Everything that is wrong with the files of a study, or of the folder of a tuning.

    Args:
        study: its folder.
        each: as `map`, which does it one after the other.
        advance: told how many files lie behind.

    Returns:
        Damaged files, then missing ones; all of them by path. Nothing for a study from before sums were kept.
    """
    own = Checksums(study)
    every = [own, *(Checksums(folder) for folder in sorted(study.glob(f"{_RUNS}/*")) if folder.is_dir())]
    if not any(sums.path.exists() for sums in every):
        return []
    lost = [Damage(sums.path, _NO_SUMS) for sums in every if sums.files() and not sums.path.exists()]
    lines = {sums: sums.lines() for sums in every if sums.path.exists()}
    present = [(sums, path) for sums in lines for path in sums.files()]

    def looked_at(one: tuple[Checksums, Path]) -> Damage | None:
        found = one[0].damage(one[1], lines[one[0]])
        advance(1)
        return found

    damaged = [found for found in each(looked_at, present) if found is not None and not found.missing]
    absent = [Damage(path, "is missing", missing=True) for sums in every for path in sums.missing()]
    return damaged + lost + absent


def refuse(found: Iterable[Damage]) -> None:
    """Name the files that are not what was written, and say how to have them again.

    Raises:
        TrajectoryError: there are any.
    """
    damage = [each for each in found if not each.missing]
    if damage:
        told = [f"{each.path} {each.reason}" for each in damage[:_MOST_TOLD]]
        more = [f"and {len(damage) - _MOST_TOLD} more files"] if len(damage) > _MOST_TOLD else []
        raise TrajectoryError(f"{'; '.join(told + more)}: {again(each.path for each in damage)}")


def again(paths: Iterable[Path]) -> str:
    """How to have files of a study again. A run is made again as a whole, or it would miss a snapshot."""
    paths = list(paths)
    whole = sorted({path.parent if _is_of_a_run(path) or _is_compared(path) else path for path in paths})
    studies = {path.parents[2] if _is_of_a_run(path) else path.parent for path in paths}
    tuned = bool(studies) and all((each / _RUNS).exists() and not _is_study(each) for each in studies)
    then = "run the same reseed tune again" if tuned else "run the same study again"
    if [path.name for path in whole] == [SUMS]:
        return f"put it back, or delete all of {whole[0].parent} but {_RUNS} and {then}"
    whole = [path for path in whole if path.exists()]
    if not whole:
        return then
    told = ", ".join(map(str, whole[:_MOST_TOLD])) + (", ..." if len(whole) > _MOST_TOLD else "")
    if [path.name for path in whole] == ["findings.json"]:
        return f"delete {told} and judge the study again with  reseed report {whole[0].parent} --rejudge"
    return f"delete {told} and {then}"


def _is_study(folder: Path) -> bool:
    """Whether a folder with runs is a study; a tuning has neither of these."""
    return (folder / "study.toml").exists() or (folder / "manifest.json").exists()


def _is_compared(path: Path) -> bool:
    return path.name in _COMPARED and path.parent.parent.name == "compared"


def _is_known(path: Path) -> bool:
    """Whether a file is as this process wrote it, or found it right."""
    with suppress(OSError):
        return _known.get(path.absolute()) == _stat(path)
    return False


def _stat(path: Path) -> tuple[int, ...]:
    """What tells a file from what it was before, without reading it."""
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
