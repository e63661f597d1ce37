"""Commands that bring what they need: the demo, published studies, and what is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reseed._support import stopping
from reseed.cli.options import (
    BundledModel,
    Quiet,
    Reproduction,
)
from reseed.cli.output import say, show

__all__ = ["demo", "reproduce", "selfcheck"]


def demo(
    model: Annotated[
        BundledModel, typer.Option(help="The language model whose activations are used.")
    ] = BundledModel.SMOLLM2,
    out: Annotated[Path, typer.Option(help="The folder for activations, study and report.")] = Path("demo"),
    *,
    quiet: Quiet = False,
) -> None:
    """Audit three arms on a small language model's activations.

    TopK from random and from k-means starts, and relaxed archetypal TopK from k-means starts. Takes minutes on a
    laptop.
    """
    from reseed.pipeline.demo import run_demo

    show(run_demo(model.value, out, quiet=quiet), out / "study")


def reproduce(
    published: Annotated[Reproduction, typer.Argument(help="Which published study.")],
    model: Annotated[
        BundledModel, typer.Option(help="The language model whose activations are used.")
    ] = BundledModel.SMOLLM2,
    out: Annotated[Path, typer.Option(help="The folder for activations, study and report.")] = Path("reproduce"),
    *,
    quiet: Quiet = False,
) -> None:
    """Run a published study again, with the arm that it lacks.

    On the activations of a small language model, beside the numbers that were published.
    """
    from reseed.pipeline.reproduce import reproduce as run_again

    findings, table = run_again(published.value, model.value, out, quiet=quiet)
    say(table)
    show(findings, out / "study")


def selfcheck(
    out: Annotated[Path | None, typer.Option(help="A folder for selfcheck.json.")] = None,
    only: Annotated[
        str | None,
        typer.Option(help="Parts, with commas: intervals, tests, floors, weights, claims, noise, answers; or all."),
    ] = None,
    *,
    quiet: Quiet = False,
) -> None:
    """Test this installation on data whose truth is known.

    Planted dictionaries, constructed studies and simulated intervals. Takes minutes.
    """
    from reseed._support import progress
    from reseed.calibration.selfcheck import CHECKS, check_parts, rendered, write_cases
    from reseed.calibration.selfcheck import selfcheck as check

    stopping.goes_on(False)
    parts = list(CHECKS) if only is None else [name.strip() for name in only.split(",")]
    check_parts(parts)
    found = []
    with progress.bar(quiet=quiet) as show:
        for case in check(parts, advance=show("selfcheck", len(parts))):
            say(rendered(case))
            found.append(case)
    if out is not None:
        write_cases(found, out)
    failed = sum(not case.holds for case in found)
    say(f"{len(found) - failed} of {len(found)} hold")
    if failed:
        raise typer.Exit(1)
