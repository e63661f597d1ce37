"""Whether the files that findings rest on are still what they were; needs no torch, so that a report opens at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from logging import getLogger
from typing import TYPE_CHECKING

from reseed._support.checksums import SUMS, Checksums, again, check_study, refuse
from reseed._support.files import sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reseed.findings import Findings

__all__ = ["check_evidence"]

_say = getLogger("reseed")


def check_evidence(findings: Findings, study: Path) -> None:
    """Refuse to show findings beside damaged files; say what is missing, and what has changed since they were judged.

    Args:
        findings: of the study.
        study: its folder.

    Raises:
        TrajectoryError: a file of the study is not what was written.
    """
    toml = study / "study.toml"
    with ThreadPoolExecutor() as pool:
        found = check_study(study, each=pool.map)
    refuse(each for each in found if each.path != toml)
    for each in (each for each in found if each.missing):
        _say.warning("%s is missing: %s", each.path, again([each.path]))
    judge_again = f"judge the study with  reseed report {study} --rejudge"
    if any(each.path == toml and not each.missing for each in found):
        told = "%s has been edited since the study was judged: %s, or, to have the file as it was, %s"
        _say.warning(told, toml, judge_again, again([toml]))
    changed = [name for name, digest in findings.judged_from.items() if _digest(study, name) not in {digest, None}]
    if changed:
        _say.warning("%s has changed since the study was judged: %s", _named(changed), judge_again)


def _named(files: Sequence[str]) -> str:
    return files[0] if len(files) == 1 else f"{files[0]} (and {len(files) - 1} more)"


def _digest(study: Path, name: str) -> str | None:
    """The SHA-256 that a file should have now; of a run, that of its sums. None for a file that is gone."""
    path = study / name
    if not path.exists():
        return None
    return sha256_of_file(path) if path.name == SUMS else Checksums(study).lines().get(name, ("",))[-1]
