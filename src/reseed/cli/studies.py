"""Commands about studies: write one, tune it, run it, report it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import reseed
from reseed._support import stopping
from reseed._support.visible import visible_json
from reseed.cli.options import (
    Quiet,
    Require,
    TableFormat,
    Tensor,
    Transpose,
    Until,
)
from reseed.cli.output import digest_of, print_findings, say, short_of, show
from reseed.errors import SpecError

if TYPE_CHECKING:
    from reseed.pipeline.until import At
    from reseed.spec import Study

__all__ = ["init", "report", "run", "tune"]


def init(
    path: Annotated[Path, typer.Argument(help="The study.toml to write.")] = Path("study.toml"),
    activations: Annotated[str, typer.Option(help="The activations it will read.")] = "activations",
    methods: Annotated[
        str | None, typer.Option(help="An arm for each of these methods, with commas, instead of three arms.")
    ] = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> None:
    """Write a commented study.toml to start from."""
    from reseed.pipeline.template import write_template

    names = () if methods is None else [name.strip() for name in methods.split(",")]
    write_template(path, activations=activations, force=force, methods=names)
    say(path)


def tune(
    study: Annotated[Path, typer.Argument(help="The study.toml.")],
    rates: Annotated[
        str | None, typer.Option(help="Factors of each method's learning rate, with commas; default: 0.3,1,3.")
    ] = None,
    l0: Annotated[
        float | None, typer.Option("--l0", help="Choose penalties instead: so many active atoms per held-out token.")
    ] = None,
    preprocess: Annotated[
        str | None, typer.Option(help="The preprocessing to tune under; default: centre, or the study's first.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder of the runs; default: the file's name-tuning, or name-l0-tuning.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="The study to write; default: the file's name-tuned.toml, or name-l0.toml.")
    ] = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    quiet: Quiet = False,
) -> None:
    """Choose learning rates on held-out reconstruction, or penalties.

    One for each method of a study: learning rates on held-out reconstruction alone; penalties, with --l0, for so many
    active atoms. The same command goes on where it was stopped.
    """
    from reseed.pipeline.session import told_from
    from reseed.spec import Study

    if l0 is not None and rates is not None:
        raise SpecError("--rates and --l0 were both given: choose learning rates first, then penalties at these rates")
    asked = Study.read(study)
    ending = {"study": "tuned", "folder": "tuning"} if l0 is None else {"study": "l0", "folder": "l0-tuning"}
    written = write or study.with_name(f"{study.stem}-{ending['study']}.toml")
    if written.exists() and not force:
        raise SpecError(f"{written} exists: choose another --write, or replace it with --force")
    folder = out or study.with_name(f"{study.stem}-{ending['folder']}")
    if l0 is None:
        tuned = _with_rates(asked, folder, _factors("0.3,1,3" if rates is None else rates), preprocess, quiet=quiet)
    else:
        tuned = _with_penalties(asked, folder, l0, preprocess, quiet=quiet)
    told_from(written.parent, tuned).write(written)
    say(f"study: {written}", err=True)


def _with_rates(asked: Study, folder: Path, factors: list[float], preprocess: str | None, *, quiet: bool) -> Study:
    from reseed.pipeline.tune import tune as try_rates

    tuning = try_rates(asked, folder, factors=factors, preprocess=preprocess, quiet=quiet)
    say(tuning.table())
    advice = tuning.advice(factors)
    if tuning.study is None:
        raise SpecError("; ".join(advice))
    for words in advice:
        say(words, err=True)
    return tuning.study


def _with_penalties(asked: Study, folder: Path, l0: float, preprocess: str | None, *, quiet: bool) -> Study:
    from reseed.pipeline.tune_l0 import tune_l0

    tuning = tune_l0(asked, folder, l0=l0, preprocess=preprocess, quiet=quiet)
    say(tuning.table())
    if tuning.study is None:
        raise SpecError("; ".join(tuning.refusals()))
    return tuning.study


def _factors(rates: str) -> list[float]:
    try:
        return [float(factor) for factor in rates.split(",")]
    except ValueError as error:
        raise SpecError(f"--rates {rates}: numbers with commas, such as 0.3,1,3") from error


def run(
    study: Annotated[Path, typer.Argument(help="The study.toml.")],
    out: Annotated[Path | None, typer.Option(help="The study folder; default: the file's name without .toml.")] = None,
    require: Require = None,
    tensor: Tensor = None,
    *,
    transpose: Transpose = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what it would need: time, memory, disk and files; write nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="With --dry-run: print that as JSON.")] = False,
    until: Annotated[
        Until | None, typer.Option(help="settled: add starts, at planned looks, until every word is settled.")
    ] = None,
    max_starts: Annotated[
        int | None, typer.Option(min=4, help="With --until: the starts of the last look; default: 12.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Train the runs of a study, compare them and judge the result.

    The same command goes on where it was stopped.
    """
    from reseed.requirements import check_names, parse
    from reseed.spec import Study

    wanted = parse(require or ())
    if json and not dry_run:
        raise SpecError("--json was given without --dry-run: reseed report --json prints the findings of a study")
    asked = Study.read(study)
    names = [condition.name for condition in asked.conditions]
    check_names(wanted, conditions=names, measures=reseed.MEASURES if wanted else ())
    folder = out or (study.with_suffix("") if study.suffix else study.with_name(f"{study.name}-study"))
    if tensor is not None or transpose:
        given = {"tensor": asked.tensor if tensor is None else tensor, "transpose": transpose or asked.transpose}
        asked = Study.parse(asked.model_dump(mode="json") | given, origin="--tensor and --transpose")
    if max_starts is not None and until is None:
        raise SpecError("--max-starts was given without --until settled: a study has as many starts as it says")
    if dry_run:
        stopping.goes_on(False)
        planned = reseed.plan(_largest(asked, folder, max_starts) if until else asked, folder, quiet=quiet)
        say(planned.to_json().strip() if json else planned)
        if planned.refusal:
            raise SpecError(planned.refusal)
        return
    before = digest_of(folder / "findings.json")
    if until is None:
        findings = reseed.run(asked, folder, quiet=quiet)
    else:
        told = (lambda _: None) if quiet else _tell_look
        findings = reseed.run_until_settled(asked, folder, max_starts=max_starts, quiet=quiet, told=told)
    show(findings, folder)
    if not quiet and before is not None and before == digest_of(folder / "findings.json"):
        say("finished already: the findings are as they were", err=True)
    if short_of(findings, wanted):
        raise typer.Exit(2)


def _largest(study: Study, folder: Path, max_starts: int | None) -> Study:
    """The study at its last look."""
    from reseed.pipeline.looks import planned_looks

    looks = planned_looks(study, folder, max_starts)
    thresholds = study.thresholds.model_copy(update={"looks": looks})
    return study.model_copy(update={"thresholds": thresholds}).grown(looks[-1].starts)


def _tell_look(at: At) -> None:
    """What is settled at a look, and what is not."""
    look, last = at.looks[at.number - 1], at.looks[-1].starts
    head = f"look {at.number} of {len(at.looks)}, at {look.starts} starts"
    if not at.unsettled:
        say(f"{head}: every word is settled", err=True)
        return
    then = f"open at the most starts, {last}" if look.starts == last else "more starts for all conditions, since open"
    say(f"{head}: {then}: {', '.join(at.unsettled)}", err=True)


def report(
    study: Annotated[Path, typer.Argument(help="A study folder.")],
    html: Annotated[Path | None, typer.Option(help="Write the report here, as one file that opens offline.")] = None,
    form: Annotated[
        TableFormat,
        typer.Option("--format", metavar="FORM", help="How the tables are printed: text, markdown, latex or csv."),
    ] = TableFormat.TEXT,
    require: Require = None,
    against: Annotated[
        Path | None, typer.Option(help="Findings from before: what fell by more than its error exits with 2.")
    ] = None,
    *,
    features: Annotated[
        bool, typer.Option("--features", help="Write the page of features, too: features.html in the study.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print findings.json instead of the tables.")] = False,
    rejudge: Annotated[bool, typer.Option("--rejudge", help="Compare and judge the trajectories again first.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Print all of the text, not only what fits a screen.")] = False,
) -> None:
    """Print the verdicts of a study, or write its report as HTML."""
    from reseed.findings import Findings
    from reseed.requirements import changes, check_names, parse

    stopping.goes_on(rejudge)
    wanted = parse(require or ())
    forms = {"--html": html is not None, "--json": json, f"--format {form}": form != TableFormat.TEXT}
    chosen = [name for name, given in forms.items() if given]
    if len(chosen) > 1:
        raise SpecError(f"{' and '.join(chosen)} were both given: choose one")
    if rejudge:
        from reseed.pipeline.rejudge import rejudge as judge_again

        judge_again(study)
    findings = Findings.read(study)
    if study.is_dir():
        from reseed.pipeline.evidence import check_evidence

        check_evidence(findings, study)
    measures = {name for condition in findings.conditions for name in condition.measures}
    check_names(wanted, conditions=findings.verdicts, measures=measures)
    compared = changes(findings, Findings.read(against)) if against else None
    if features:
        from reseed.reappearance import find_features
        from reseed.report.explorer import write_explorer

        say(write_explorer(find_features(study).browsable(), study / "features.html"), err=True)
    if html is not None:
        say(reseed.write_report(findings, html))
    elif json:
        document = study / "findings.json" if study.is_dir() else study
        typer.echo(visible_json(document.read_text(encoding="utf-8")), nl=False)
    elif form == TableFormat.TEXT:
        print_findings(findings, full=full)
    else:
        from reseed.report.paper import written

        typer.echo(written(findings, form.value), nl=False)
    short = short_of(findings, wanted)
    if compared is not None:
        from reseed.report.changes_text import render

        typer.echo(render(compared, width=shutil.get_terminal_size().columns), nl=False, err=bool(chosen))
        short = short or bool(compared.falls)
    if short:
        raise typer.Exit(2)
