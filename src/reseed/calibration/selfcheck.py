"""`reseed selfcheck`: does this installation tell the truth? Cases with known answers and rates, in minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from reseed._support.files import write_json
from reseed.calibration import cases, claims, matrices, reproductions, trained
from reseed.errors import SpecError

if TYPE_CHECKING:
    from pathlib import Path

    from reseed.calibration.results import Case

__all__ = ["CHECKS", "check_parts", "rendered", "selfcheck", "write_cases"]

FORMAT_VERSION = 1
"""Of selfcheck.json. 1: the first."""

MATRICES, BUILT, TRAINED = 1000, 500, 5
"""Repeats behind a rate: pair matrices, studies whose cosines are chosen, trained studies. `benchmarks/calibration.py`
has ten times as many, and more."""
LEAST = 0.93


def _intervals() -> Iterator[Case]:
    for name in ("starts only", "as measured"):
        for n_starts in (3, 5):
            yield matrices.coverage(matrices.SPREADS[name], n_starts, 2, MATRICES, least=LEAST)[0].case
    yield matrices.welch(matrices.SPREADS["as measured"], (4, 8), MATRICES, least=LEAST).case


def _tests() -> Iterator[Case]:
    yield matrices.tost(matrices.SPREADS["starts only"], 5, MATRICES).case
    for rate in matrices.permutation(matrices.SPREADS["starts and pairs"], 4, 2, MATRICES):
        yield rate.case


def _claims() -> Iterator[Case]:
    for truth in claims.NULLS:
        yield claims.false_claims(truth, "as measured", 3, BUILT)[0].case


def _noise() -> Iterator[Case]:
    yield trained.noise_claims(TRAINED).case


CHECKS: dict[str, Callable[[], Iterator[Case]]] = {
    "intervals": _intervals,
    "tests": _tests,
    "floors": reproductions.mean_shift_floors,
    "weights": reproductions.first_step_of_weights,
    "claims": _claims,
    "noise": _noise,
    "answers": cases.answers,
}
"""The parts by name, the quickest first."""


def selfcheck(only: Sequence[str] = (), *, advance: Callable[[int], None] = lambda _: None) -> Iterator[Case]:
    """Every case as it is found.

    Args:
        only: names of parts; none is all of them.
        advance: told after every part.

    Raises:
        SpecError: a part that is not there.
    """
    check_parts(only)
    for name in only or CHECKS:
        yield from CHECKS[name]()
        advance(1)


def check_parts(only: Sequence[str]) -> None:
    """Raise SpecError for the name of a part that is not there."""
    unknown = sorted(set(only) - set(CHECKS))
    if unknown:
        raise SpecError(f"--only {', '.join(unknown)}: choose from {', '.join(CHECKS)}")


def rendered(case: Case) -> str:
    """A case as one line: whether it holds, what it is, what was expected and what came."""
    return f"{'ok' if case.holds else 'NO':<3} {case.name}: {case.got} (expected: {case.expected})"


def write_cases(found: Iterable[Case], folder: Path) -> None:
    """Write `selfcheck.json`."""
    document = {"format_version": FORMAT_VERSION, "cases": [asdict(case) for case in found]}
    write_json(folder / "selfcheck.json", document)
