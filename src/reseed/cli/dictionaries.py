"""Commands about dictionaries that are trained: compare them, find what comes back, say it so that others can check."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reseed._support import stopping
from reseed._support.visible import visible_json
from reseed.cli.options import (
    ActiveAtoms,
    Delta,
    Labels,
    LeastCode,
    LeastCosine,
    NullRuns,
    Quiet,
    Reader,
    Recipes,
    Representative,
    Sign,
    SignPolicy,
    Tensor,
    Transpose,
)
from reseed.cli.output import say
from reseed.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["compare", "export", "features", "passport", "verify"]


def compare(
    dictionaries: Annotated[
        list[str],
        typer.Argument(
            help="Two or more dictionaries, of any libraries: files, folders, hf://owner/name/path, or folders with "
            "the steps of a run."
        ),
    ],
    activations: Annotated[
        Path | None,
        typer.Option(help="What they were trained on: a store, a matrix, or a folder of matrices; adds their codes."),
    ] = None,
    null: Annotated[
        list[str] | None,
        typer.Option(
            help="A run of the same recipe on what reseed surrogate writes; given several times: three or more."
        ),
    ] = None,
    label: Labels = None,
    group: Recipes = None,
    form: Reader = None,
    k: ActiveAtoms = None,
    delta: Delta = None,
    references: Annotated[
        bool | None,
        typer.Option(
            "--references/--no-references",
            help="Compare tokens and k-means dictionaries of the activations, too; default: unless it takes minutes.",
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with the figure here, as one file.")] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            help="Write which features come back among runs of one recipe to this file: as Parquet, or as a page if it "
            "ends in .html."
        ),
    ] = None,
    sign: Sign = SignPolicy.SIGNED,
    tensor: Tensor = None,
    *,
    transpose: Transpose = False,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="A folder in which the search for matchings of 8,192 distinct atoms or more is kept, with a log: "
            "killed, the same command goes on from there."
        ),
    ] = None,
    definitions: Annotated[
        bool,
        typer.Option("--definitions", help="Say, too, what each published definition of agreement gives for them."),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the document, with every matched pair of atoms, instead of tables.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Compare dictionaries that were trained already.

    Do they agree, beyond what, and were they born alike? Every two of them are matched exactly.
    """
    from reseed.comparison import compare as compared

    stopping.goes_on(resume is not None)
    if html is not None and json:
        raise SpecError("--html and --json were both given: choose one")
    asked: dict[str, Any] = {
        "activations": activations,
        "null": null or (),
        "format": form,
        "k": k,
        "delta": delta,
        "tensor": tensor,
        "transpose": transpose,
        "quiet": quiet,
    }
    found = compared(
        *dictionaries,
        labels=label,
        groups=group,
        definitions=definitions,
        with_references=references,
        sign=sign.value,
        resume=resume,
        **asked,
    )
    if html is not None:
        from reseed.report.comparison_page import write_html

        say(write_html(found, html))
    elif json:
        typer.echo(visible_json(found.model_dump_json(indent=1)))
    else:
        from reseed.report.comparison_text import render

        typer.echo(render(found, width=shutil.get_terminal_size().columns, colour=sys.stdout.isatty()), nl=False)
    if features is not None:
        from reseed.reappearance import features_of, write_features

        shown = features_of(found, *dictionaries, **asked)
        if features.suffix == ".html":
            from reseed.report.explorer import write_explorer

            say(write_explorer(shown.browsable(), features), err=True)
        else:
            write_features(shown, parquet=features)
            say(features, err=True)


def features(
    sources: Annotated[
        list[str], typer.Argument(help="A study; or two or more dictionaries of one recipe, of any libraries.")
    ],
    activations: Annotated[
        Path | None,
        typer.Option(help="What they were trained on; adds their codes, and what features fire on."),
    ] = None,
    null: NullRuns = None,
    label: Labels = None,
    group: Recipes = None,
    cosine: LeastCosine = None,
    code: LeastCode = None,
    run_label: Annotated[
        str | None, typer.Option("--run", help="List features of this run alone; default: of all.")
    ] = None,
    atom: Annotated[
        int | None, typer.Option(min=0, help="Show this feature of --run beside its partners, and nothing else.")
    ] = None,
    sort: Annotated[
        str, typer.Option(help="List features by this column, largest first.", metavar="COLUMN")
    ] = "reappearance",
    top: Annotated[int, typer.Option(min=0, help="How many features are listed.")] = 10,
    csv: Annotated[Path | None, typer.Option(help="Write all features to this file, as CSV.")] = None,
    parquet: Annotated[
        Path | None,
        typer.Option(help="Write all features to this file; of a study without it: features.parquet there."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page to search and browse them here, one file that opens offline.")
    ] = None,
    consensus: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Make one dictionary of what runs have in common, and write it: a .safetensors file of atoms, or a "
            "folder for another library.",
        ),
    ] = None,
    representative: Annotated[
        Representative | None,
        typer.Option(
            metavar="WHAT", help="With --consensus: what stands for a feature, mean or medoid; default: mean."
        ),
    ] = None,
    in_runs: Annotated[
        int | None,
        typer.Option(
            min=1, help="With --consensus: keep features of at least so many runs; default: as many as a run has."
        ),
    ] = None,
    written_as: Annotated[
        str | None,
        typer.Option("--as", metavar="WRITER", help="With --consensus: for which library; default: saelens."),
    ] = None,
    form: Reader = None,
    k: ActiveAtoms = None,
    delta: Delta = None,
    sign: Sign = SignPolicy.SIGNED,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="With --consensus: replace what was written there before.")
    ] = False,
    blocks: Annotated[
        bool,
        typer.Option("--blocks", help="Seek sets of atoms whose span comes back, too: slow for thousands."),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the document, with a row for every feature, instead of tables.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Say which features come back in other runs.

    Of every atom its partners in independent runs, in how many of them it comes back, and what chance would give.
    """
    from reseed.reappearance import check_place, find_features, listed, write_consensus, write_features

    stopping.goes_on(False)
    if consensus is None:
        _need_consensus({"--representative": representative, "--in-runs": in_runs, "--as": written_as})
    else:
        check_place(consensus, format=written_as, force=force)
    found = find_features(
        *sources,
        activations=activations,
        null=null or (),
        labels=label,
        groups=group,
        cosine=cosine,
        code=code,
        sign=sign.value,
        format=form,
        k=k,
        delta=delta,
        with_blocks=blocks,
        with_consensus=None if consensus is None else (representative or Representative.MEAN).value,
        in_runs=in_runs or 1,
        quiet=quiet,
    )
    rows = listed(found.table, run=run_label, sort=sort, top=top)
    written = write_features(found, csv=csv, parquet=parquet)
    if consensus is not None:
        written += write_consensus(found, consensus, format=written_as, force=force)
    for path in written:
        say(path, err=True)
    if html is not None:
        from reseed.report.explorer import write_explorer

        say(write_explorer(found.browsable(), html), err=True)
    if json:
        typer.echo(visible_json(found.whole.model_dump_json(indent=1)))
    else:
        from reseed.report.features_text import render, render_feature

        shown = {"width": shutil.get_terminal_size().columns, "colour": sys.stdout.isatty()}
        one = () if atom is None else found.feature(atom, run_label)
        typer.echo(
            render_feature(found.document, one, **shown) if one else render(found.document, rows, **shown), nl=False
        )


def _need_consensus(given: Mapping[str, object]) -> None:
    """Refuse options that say how a consensus is written, where none is."""
    for name, value in given.items():
        if value is not None:
            raise SpecError(f"{name} was given without --consensus: say where it is written")


def passport(
    sources: Annotated[
        list[str], typer.Argument(help="A study; or two or more dictionaries of one recipe, of any libraries.")
    ],
    out: Annotated[Path, typer.Option(help="The folder to write: a new or an empty one.")],
    activations: Annotated[
        Path | None, typer.Option(help="What they were trained on; adds their codes. Of a study its own codes count.")
    ] = None,
    null: NullRuns = None,
    label: Labels = None,
    group: Recipes = None,
    cosine: LeastCosine = None,
    code: LeastCode = None,
    form: Reader = None,
    k: ActiveAtoms = None,
    delta: Delta = None,
    sign: Sign = SignPolicy.SIGNED,
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace a passport that was written there.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write which features come back so that others can check it.

    A passport: the document with every number and the hashes of all files, a page, and a block for a model card.
    """
    from reseed.claims import passport as made
    from reseed.report.passport_words import sentences

    stopping.goes_on(False)
    found = made(
        *sources,
        out=out,
        activations=activations,
        null=null or (),
        labels=label,
        groups=group,
        cosine=cosine,
        code=code,
        sign=sign.value,
        format=form,
        k=k,
        delta=delta,
        force=force,
        quiet=quiet,
    )
    for sentence in sentences(found):
        say(sentence, err=True)
    say(out)


def verify(
    file: Annotated[
        Path, typer.Argument(help="A passport.json, a findings.json, or what compare or features print with --json.")
    ],
    folder: Annotated[
        Path | None,
        typer.Option(help="What its paths are relative to, or the study of findings; default: where it lies."),
    ] = None,
    activations: Annotated[
        Path | None, typer.Option(help="Where the activations are now; default: where they were.")
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(metavar="SUM", help="What its SHA-256 should be, as a model card says it.")
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print what was found as a document.")] = False,
    quiet: Quiet = False,
) -> None:
    """Check whether a document of reseed follows from its files.

    Derives every number again and says which hold. Exits with 2 where one does not, with 1 where it cannot be checked.
    """
    from reseed.claims import verify as check
    from reseed.claims.text import lines

    stopping.goes_on(False)
    found = check(file, folder=folder, activations=activations, sha256=sha256, quiet=quiet)
    if json:
        typer.echo(visible_json(found.model_dump_json(indent=1)))
    else:
        for line in lines(found):
            say(line)
    if found.state != "holds":
        raise typer.Exit(2 if found.state == "does not hold" else 1)


def export(
    source: Annotated[
        str,
        typer.Argument(help="A run of a study, one of its snapshots, or a dictionary of any library that is read."),
    ],
    form: Annotated[str, typer.Option("--format", metavar="WRITER", help="For which library: saelens or sparsify.")],
    out: Annotated[Path, typer.Option(help="The folder to write: a new or an empty one.")],
    reader: Annotated[
        str | None, typer.Option("--from", metavar="READER", help="Which reader SOURCE needs, if files do not tell.")
    ] = None,
    k: Annotated[int | None, typer.Option(min=1, help="How many atoms are active, where SOURCE does not say.")] = None,
    delta: Delta = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace a dictionary that was written there.")] = False,
) -> None:
    """Write a run, or any dictionary, for another library.

    As its own loader reads it: the same codes and reconstructions, of raw activations.
    """
    from reseed.interop import read_dictionary, write_dictionary

    stopping.goes_on(False)
    found = read_dictionary(source, format=reader, k=k, delta=delta)
    written = write_dictionary(found, out, format=form, force=force)
    for line in (found.told(), *found.notes):
        say(line, err=True)
    say(written)
