"""Findings of a study: its runs compared and judged again, in a folder beside it, so that nothing is written in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reseed._support.checksums import SUMS, Checksums, check_study
from reseed._support.files import sha256_of_file
from reseed._support.version import VERSION
from reseed._support.visible import rewritten
from reseed.claims.differences import held
from reseed.claims.document import Difference, Part
from reseed.claims.parts import compared, one, part_of
from reseed.errors import MemoryShortError, ReseedError, SpecError
from reseed.pipeline.rejudge import rejudge
from reseed.trajectory import is_study

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reseed.findings import Findings

__all__ = ["check_findings"]

_FINDINGS = "findings.json"
_NOT_COPIED = {_FINDINGS, "report.html", "features.html"}
_COMPARED = "compared"
_KEPT = "barriers.parquet"
"""Of what was compared, the one table that needs the activations; all others are made again from the runs."""
_WHILE_IT_RUNS = "state.safetensors"
_DEEPEST = 4  # folders in folders of a study
_PLACE = re.compile(r"[^\s,;(]*/(?=(?:runs|compared|floors|moments|points|barriers)/)")


def check_findings(document: dict[str, Any], read: Findings, study: Path, *, quiet: bool) -> list[Part]:
    """Whether findings follow from a study.

    Args:
        document: the findings as they stand.
        read: the same by their model.
        study: the folder of the study.
        quiet: no progress bars on stderr.

    Raises:
        SpecError: there is no study.
    """
    if not study.is_dir() or not is_study(study):
        raise SpecError(
            f"{study} is no study, and findings follow from the runs of one: give --folder STUDY, the folder that they "
            "were written in"
        )
    files = _check_files(read, study)
    try:
        found = _judged_again(study, quiet=quiet)
    except (MemoryShortError, OSError) as error:
        return [files, one("numbers", "cannot be checked", str(error))]
    except ReseedError as error:
        said = f"the study cannot be judged again: {_without_place(str(error))}"
        return [files, one("numbers", "does not hold", said)]
    absent = _of_names(read.judged_from, found.judged_from)
    told = rewritten(document, _without_place)
    again = rewritten(json.loads(found.to_json()), _without_place)
    parts = compared(held(told, again, part_of))
    return [files if absent is None else absent, *parts, _versions(read, found)]


def _judged_again(study: Path, *, quiet: bool) -> Findings:
    with _beside(study) as copy, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a study.toml that was edited, the files tell
        return rejudge(copy, quiet=quiet)


def _versions(read: Findings, found: Findings) -> Part:
    """That of reseed, which the study records."""
    if read.reseed != found.reseed:
        difference = Difference(path="reseed", told=read.reseed, found=found.reseed)
        return one("versions", "does not hold", f"the study names reseed {found.reseed}, not {read.reseed}", difference)
    if read.reseed != VERSION:
        return one("versions", "noted", f"the study was begun by reseed {read.reseed}, checked by {VERSION}")
    return one("versions", "holds", f"made and checked by reseed {VERSION}")


def _check_files(read: Findings, study: Path) -> Part:
    """Whether the files of the study are what was written, and what was judged."""
    with ThreadPoolExecutor() as pool:
        damage = [each for each in check_study(study, each=pool.map) if each.path.name != _WHILE_IT_RUNS]
    changed = [f"{each.path.relative_to(study)} {each.reason}" for each in damage if not each.missing]
    gone = [str(each.path.relative_to(study)) for each in damage if each.missing]
    now = _sums_now(study, read)
    later = (name for name, sha256 in read.judged_from.items() if now[name] != sha256)
    changed += [f"{name} has changed since it was judged" for name in later]
    n_files = len(read.judged_from) + sum(len(Checksums(path.parent).lines()) for path in study.glob(f"runs/*/{SUMS}"))
    if changed:
        more = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
        return one("files", "does not hold", f"{changed[0]}{more}", checked=n_files)
    if gone:
        return one("files", "cannot be checked", f"{len(gone)} are not here: {gone[0]}", checked=n_files)
    if not read.judged_from and (study / SUMS).is_file():
        return one("files", "does not hold", "it does not say which files were judged, and the study has their sums")
    if not read.judged_from:
        return one("files", "noted", "the study is from before sums were kept: which files were judged is not known")
    return one("files", "holds", f"{n_files:,} are what was written and judged", checked=n_files)


def _sums_now(study: Path, read: Findings) -> dict[str, str | None]:
    """The sums of the files that were judged: of a run, that of its sums."""
    lines = Checksums(study).lines()
    return {
        name: sha256_of_file(study / name)
        if name.endswith(SUMS) and (study / name).is_file()
        else lines.get(name, (None,))[-1]
        for name in read.judged_from
    }


def _of_names(told: dict[str, str], found: dict[str, str]) -> Part | None:
    """Where the findings name other files than were judged."""
    apart = sorted(set(told) ^ set(found)) if told else []
    if not apart:
        return None
    return one("files", "does not hold", f"the findings and the study name different files, such as {apart[0]}")


@contextmanager
def _beside(study: Path) -> Iterator[Path]:
    """The same study in a temporary folder, of links: without what was compared, so that it is compared again."""
    with tempfile.TemporaryDirectory(prefix="reseed-") as made:
        copy = Path(made) / study.absolute().name
        for file in _files(study):
            name = file.relative_to(study)
            if _is_evidence(name):
                place = copy / name
                place.parent.mkdir(parents=True, exist_ok=True)
                if file.name == SUMS:  # the one kind of file that is appended to
                    shutil.copyfile(file, place)
                else:
                    place.symlink_to(file.absolute())
        yield copy


def _files(study: Path) -> Iterator[Path]:
    """All files in a study, of which a folder may be a link to somewhere else."""
    for at, folders, names in os.walk(study, followlinks=True):
        here = Path(at)
        if len(here.relative_to(study).parts) > _DEEPEST:
            folders.clear()
        yield from (here / name for name in sorted(names))


def _is_evidence(name: Path) -> bool:
    if name.parts[0] == _COMPARED:
        return name.name == _KEPT
    return not name.name.startswith(".") and name.as_posix() not in _NOT_COPIED


def _without_place(text: str) -> str:
    """Words about a file of a study without where the study lies."""
    return _PLACE.sub("", text)
