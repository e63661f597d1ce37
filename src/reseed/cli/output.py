"""What commands print: words, findings, and what falls short."""

from __future__ import annotations

import hashlib
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

import reseed
from reseed._support.visible import visible_lines

if TYPE_CHECKING:
    from reseed.findings import Findings
    from reseed.requirements import Required

__all__ = ["digest_of", "print_findings", "say", "short_of", "show", "warnings_told"]


def say(told: object, *, err: bool = False) -> None:
    """Print words that other people may have chosen some of; further lines of a message cannot pass for ours."""
    first, *further = visible_lines(str(told)).split("\n")
    typer.echo("\n".join([first, *(f"  {line}" if err else line for line in further)]), err=err)


def show(findings: Findings, folder: Path) -> None:
    """The tables on stdout, the HTML report beside the study, its path on stderr."""
    from reseed.report.stamp import is_current

    print_findings(findings)
    page = folder / "report.html"
    try:
        if not is_current(page, findings):  # making it takes longer than all the rest of a finished study
            reseed.write_report(findings, page)
        say(f"report: {page}", err=True)
    except ImportError as error:
        say(f"no HTML report: {error}", err=True)


def print_findings(findings: Findings, *, full: bool = False) -> None:
    """The tables on stdout, as wide as the terminal; `full`: with everything, not only what fits a screen."""
    from reseed.report.text import render

    width, colour = shutil.get_terminal_size().columns, sys.stdout.isatty()
    typer.echo(render(findings, width=width, colour=colour, full=full))


@contextmanager
def warnings_told() -> Iterator[None]:
    """Warnings as one line each on stderr, without the place in the code that they come from."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: say(f"reseed: {message}", err=True)
        yield


def short_of(findings: Findings, wanted: Sequence[Required]) -> bool:
    """Say what falls short, and where every required number stands; whether anything falls short."""
    from reseed.requirements import met

    held = met(findings, wanted)
    for each in held:
        if each.of_number or not each.holds:
            say(each.sentence, err=True)
    return not all(each.holds for each in held)


def digest_of(file: Path) -> bytes | None:
    """By which a file that has changed is known; None where there is none."""
    return hashlib.sha256(file.read_bytes()).digest() if file.is_file() else None
