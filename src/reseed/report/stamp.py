"""What a page says in its last line about where it came from, so that a page that is there already is known again."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reseed.findings import Findings

__all__ = ["is_current", "stamped"]


def stamped(page: str, findings: Findings) -> str:
    """The page with a last line: a comment with what it was made from, and the SHA-256 of all before."""
    return f"{page}{_stamp(page.encode(), findings)}"


def is_current(path: Path, findings: Findings) -> bool:
    """Whether there is a whole page that these findings, this reseed and this plotly would give again."""
    try:
        written = path.read_bytes()
    except OSError:
        return False
    page = written[: written.rfind(b"<!-- made from ")]
    return written == page + _stamp(page, findings).encode()


def _stamp(page: bytes, findings: Findings) -> str:
    told = hashlib.sha256(findings.model_dump_json().encode()).hexdigest()
    return f"<!-- made from {told} by {_maker()}; sha256 {hashlib.sha256(page).hexdigest()} -->\n"


@cache
def _maker() -> str:
    """The digest of the files that make a page, and the version of the library that draws in it."""
    here = Path(__file__).parent
    sources = hashlib.sha256()
    for file in sorted(file for file in here.rglob("*") if file.suffix in {".py", ".j2", ".css", ".js"}):
        sources.update(file.read_bytes())
    try:
        return f"{sources.hexdigest()} with plotly {version('plotly')}"
    except PackageNotFoundError:
        return sources.hexdigest()
