"""Whether the files that findings rest on are still what they were; needs no torch, so that a report opens at once."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from reseed._support.checksums import SUMS, Checksums, again, check_study, refuse
from reseed._support.files import sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reseed.findings import Findings

__all__ = ["check_evidence"]


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
    refuse(each for each in found if not (each.path == toml and each.changed))
    for path in (each.path for each in found if each.missing):
        if path.name != "state.safetensors":  # which goes when its run ends
            begun = path.parent.parent.name == "runs" and not (path.parent / "done").exists()
            warnings.warn(f"{path} is missing: {again([] if begun else [path])}", stacklevel=2)
    judge_again = f"judge the study with  reseed report {study} --rejudge"
    if any(each.path == toml and each.changed for each in found):
        told = f"{judge_again}, or, to have the file as it was, {again([toml])}"
        warnings.warn(f"{toml} has been edited since the study was judged: {told}", stacklevel=2)
    lines = Checksums(study).lines()
    now = {name: _digest(study / name, lines.get(name, ("",))[-1]) for name in findings.judged_from}
    changed = [name for name, digest in findings.judged_from.items() if now[name] not in {digest, None}]
    if changed:
        warnings.warn(f"{_named(changed)} has changed since the study was judged: {judge_again}", stacklevel=2)


def _named(files: Sequence[str]) -> str:
    return files[0] if len(files) == 1 else f"{files[0]} (and {len(files) - 1} more)"


def _digest(path: Path, line: str) -> str | None:
    """The SHA-256 that a file should have, by its line; of a run, that of its sums. None for a file that is gone."""
    if not path.exists():
        return None
    return sha256_of_file(path) if path.name == SUMS else line
