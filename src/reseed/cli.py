"""The command line: each command is parse, one library call, render.

stdout is data, stderr is talk. Exit codes: 0 fine, 1 error, 2 a verdict below what was required or a document that does
not hold, 130, 143 or 129 stopped by Ctrl-C, SIGTERM or SIGHUP (and saved). Heavy libraries are imported by the commands
that need them, so that `reseed --help` answers at once.
"""

from __future__ import annotations

import errno
import hashlib
import io
import shutil
import sys
import warnings
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import reseed
from reseed._support import stopping
from reseed._support.machine import lacks_memory
from reseed._support.system_errors import told
from reseed._support.visible import visible_json, visible_lines
from reseed.errors import MemoryShortError, ReseedError, SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reseed.findings import Findings
    from reseed.pipeline.until import At
    from reseed.requirements import Required
    from reseed.spec import Study

__all__ = ["app", "main"]

app = typer.Typer(
    help="Do independently trained dictionaries agree, did they come to agree, or were they born agreeing?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


# typer brings a click of its own from some version on: the base of its errors is reached through typer
_ClickException: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


_INTERRUPTED = 130
_DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class BundledModel(StrEnum):
    """The models that installable packages carry."""

    SMOLLM2 = "smollm2"
    MINILM = "minilm"


class Reproduction(StrEnum):
    """The published studies that reseed runs again."""

    ABLATING_ARCHETYPES = "ablating-archetypes"


class StoredType(StrEnum):
    """How activations are stored."""

    AUTO = "auto"
    BF16 = "bf16"
    FP32 = "fp32"


class SurrogateRows(StrEnum):
    """What surrogate rows keep beside mean and covariance."""

    ELLIPTICAL = "elliptical"
    AXES = "axes"
    GAUSSIAN = "gaussian"


class Until(StrEnum):
    """When a study that grows has enough starts."""

    SETTLED = "settled"


class TableFormat(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    LATEX = "latex"
    CSV = "csv"


class Representative(StrEnum):
    """What stands for a class of atoms."""

    MEAN = "mean"
    MEDOID = "medoid"


class SignPolicy(StrEnum):
    """What a pair of opposite directions is."""

    SIGNED = "signed"
    ABS = "abs"


Tensor = Annotated[
    str | None,
    typer.Option(help="The tensor to read, where a file of activations (or else a dictionary) has several."),
]
Transpose = Annotated[
    bool, typer.Option("--transpose", help="The columns of that matrix are the tokens, or else the atoms.")
]
Labels = Annotated[
    list[str] | None, typer.Option(help="What the dictionaries are called, given once for each, in their order.")
]
Recipes = Annotated[
    list[str] | None, typer.Option(help="The recipe of each, given once for each; default: by their records.")
]
NullRuns = Annotated[
    list[str] | None,
    typer.Option(help="A run of the recipe on what reseed surrogate writes; given several times."),
]
Reader = Annotated[
    str | None, typer.Option("--format", metavar="READER", help="Which reader they need, if files do not tell.")
]
ActiveAtoms = Annotated[int | None, typer.Option(min=1, help="How many atoms are active, if files do not tell.")]
Delta = Annotated[
    float | None,
    typer.Option(min=0.0, help="How far archetypal atoms may leave the hull of their points (overcomplete)."),
]
Sign = Annotated[
    SignPolicy, typer.Option(help="Whether an atom and its negative are one feature, as in ICA and PCA: abs.")
]
LeastCosine = Annotated[
    float | None,
    typer.Option(
        min=-1.0, max=1.0, help="The least cosine with which a feature comes back; default: the study's, or 0.7."
    ),
]
LeastCode = Annotated[
    float | None,
    typer.Option(min=-1.0, max=1.0, help="The least correlation of codes, where known; default: the study's, or 0.5."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bars.")]
Require = Annotated[
    list[str] | None,
    typer.Option(
        help="Words that are good enough and numbers to reach, with commas, such as 'convergent,stabilizing' or "
        "'*@centre: between >= .80'; may be given several times: what falls short exits with 2."
    ),
]


def _say(told: object, *, err: bool = False) -> None:
    """Print words that other people may have chosen some of; further lines of a message cannot pass for ours."""
    first, *further = visible_lines(str(told)).split("\n")
    typer.echo("\n".join([first, *(f"  {line}" if err else line for line in further)]), err=err)


@app.command()
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

    _show(run_demo(model.value, out, quiet=quiet), out / "study")


@app.command()
def collect(
    model: Annotated[str, typer.Argument(help="A folder, a GGUF file, a name on the hub, smollm2 or minilm.")],
    layer: Annotated[int, typer.Option(min=0, help="Hidden states behind this block; 0 is the embeddings.")],
    text: Annotated[list[Path], typer.Option(help="Text files, may be given several times; or sotu.")],
    tokens: Annotated[int, typer.Option(min=1, help="Training tokens to store.")],
    out: Annotated[Path, typer.Option(help="The folder of the store.")],
    heldout: Annotated[int, typer.Option(min=1, help="Tokens kept apart for evaluation.")] = 4096,
    context: Annotated[int, typer.Option(min=2, help="Tokens per window, special tokens included.")] = 128,
    batch: Annotated[int, typer.Option(min=1, help="Windows per forward pass.")] = 16,
    dtype: Annotated[
        StoredType, typer.Option(help="Precision of the forward pass and of the store.")
    ] = StoredType.AUTO,
    licence: Annotated[
        str | None, typer.Option(help="The texts' licence, recorded in the store; known for sotu.")
    ] = None,
    *,
    keep_outliers: Annotated[
        bool, typer.Option("--keep-outliers", help="Keep attention sinks and first positions.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Store a language model's activations over texts.

    The hidden states behind one block. The same command goes on where it was stopped.
    """
    from reseed import activations

    activations.check_destination(out)
    documents = activations.open_texts(text, licence=licence)
    store = activations.collect(
        model,
        layer=layer,
        texts=documents.texts,
        tokens=tokens,
        out=out,
        text_source=documents.source,
        licence=documents.licence,
        dtype=dtype.value,
        heldout=heldout,
        context=context,
        batch=batch,
        drop_outliers=not keep_outliers,
        progress=not quiet,
    )
    _say(f"{out}: {store.n_tokens} training tokens and {len(store.heldout.rows)} held out, d_model {store.d_model}")


@app.command()
def surrogate(
    acts: Annotated[Path, typer.Argument(help="A store, a .npy, .safetensors or .pt matrix, or a folder of matrices.")],
    out: Annotated[Path, typer.Option(help="The folder of the store.")],
    kind: Annotated[
        SurrogateRows,
        typer.Option(
            metavar="KIND",
            help="What is kept beside the moments: elliptical (lengths), axes (what lies along each) or gaussian.",
        ),
    ] = SurrogateRows.ELLIPTICAL,
    realisation: Annotated[int, typer.Option(min=0, max=2**31, help="Another number draws other rows.")] = 0,
    tensor: Tensor = None,
    *,
    transpose: Transpose = False,
    quiet: Quiet = False,
) -> None:
    """Store rows with the moments of activations and no structure.

    They keep mean, covariance and lengths, and nothing else: what a method makes of them it owes to these alone. The
    same command goes on where it was stopped.
    """
    from reseed import activations

    activations.check_destination(out)
    real = activations.open_activations(acts, tensor=tensor, transpose=transpose)
    store = activations.write_surrogate(real, out, kind.value, realisation=realisation, progress=not quiet)
    _say(
        f"{out}: {store.n_tokens} training tokens and {len(store.heldout.rows)} held out, d_model {store.d_model}, "
        f"which vary in {store.about['rank']} directions"
    )


@app.command()
def geometry(
    acts: Annotated[
        Path | None, typer.Argument(help="A store, a .npy, .safetensors or .pt matrix, or a folder of matrices.")
    ] = None,
    dictionaries: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="A B", help="Two dictionaries to hold against nulls and references, of any library that is read."
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="READER", help="Which reader the dictionaries need, if files do not tell."),
    ] = None,
    delta: Delta = None,
    atoms: Annotated[
        int | None, typer.Option(min=1, help="Atoms of the dictionaries drawn; default: 512, or as A and B have.")
    ] = None,
    draws: Annotated[int, typer.Option(min=2, help="Dictionaries behind each null and reference.")] = 3,
    preprocess: Annotated[str, typer.Option(help="Preprocessings, with commas.")] = "none,centre,standardise",
    tokens: Annotated[int, typer.Option(min=2, help="Tokens sampled for mean cosine and covariance.")] = 16384,
    html: Annotated[Path | None, typer.Option(help="Write a page with the figure here, as one file.")] = None,
    sign: Sign = SignPolicy.SIGNED,
    tensor: Tensor = None,
    *,
    transpose: Transpose = False,
    json: Annotated[bool, typer.Option("--json", help="Print the document instead of the tables.")] = False,
    quiet: Quiet = False,
) -> None:
    """Measure nulls and references of agreement before any training.

    Nulls and references on some activations, under each preprocessing; and how the agreement of two dictionaries of
    your own stands beside them.
    """
    from reseed.geometry import measure

    stopping.goes_on(False)
    if html is not None and json:
        raise SpecError("--html and --json were both given: choose one")
    found = measure(
        acts,
        dictionaries=dictionaries,
        n_atoms=atoms,
        draws=draws,
        preprocess=[name.strip() for name in preprocess.split(",")],
        tokens=tokens,
        sign=sign.value,
        tensor=tensor,
        transpose=transpose,
        format=form,
        delta=delta,
        quiet=quiet,
    )
    if html is not None:
        from reseed.report.geometry_page import write_html

        _say(write_html(found, html))
    elif json:
        typer.echo(visible_json(found.model_dump_json(indent=1)))
    else:
        from reseed.report.geometry_text import render

        typer.echo(render(found, width=shutil.get_terminal_size().columns, colour=sys.stdout.isatty()), nl=False)


@app.command()
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

    stopping.goes_on(False)
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
        **asked,
    )
    if html is not None:
        from reseed.report.comparison_page import write_html

        _say(write_html(found, html))
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

            _say(write_explorer(shown.browsable(), features), err=True)
        else:
            write_features(shown, parquet=features)
            _say(features, err=True)


@app.command()
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
        _say(path, err=True)
    if html is not None:
        from reseed.report.explorer import write_explorer

        _say(write_explorer(found.browsable(), html), err=True)
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


@app.command()
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
        _say(sentence, err=True)
    _say(out)


@app.command()
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
            _say(line)
    if found.state != "holds":
        raise typer.Exit(2 if found.state == "does not hold" else 1)


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="The study.toml to write.")] = Path("study.toml"),
    activations: Annotated[str, typer.Option(help="The activations it will read.")] = "activations",
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> None:
    """Write a commented study.toml to start from."""
    from reseed.pipeline.template import write_template

    write_template(path, activations=activations, force=force)
    _say(path)


@app.command()
def tune(
    study: Annotated[Path, typer.Argument(help="The study.toml.")],
    rates: Annotated[str, typer.Option(help="Factors of each method's learning rate, with commas.")] = "0.3,1,3",
    preprocess: Annotated[
        str | None, typer.Option(help="The preprocessing to tune under; default: centre, or the study's first.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The folder of the runs; default: the file's name-tuning.")] = None,
    write: Annotated[Path | None, typer.Option(help="The study to write; default: the file's name-tuned.toml.")] = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    quiet: Quiet = False,
) -> None:
    """Choose learning rates on held-out reconstruction alone.

    One for each method of a study. The same command goes on where it was stopped.
    """
    from reseed.pipeline.session import told_from
    from reseed.pipeline.tune import tune as try_rates
    from reseed.spec import Study

    asked = Study.read(study)
    written = write or study.with_name(f"{study.stem}-tuned.toml")
    if written.exists() and not force:
        raise SpecError(f"{written} exists: choose another --write, or replace it with --force")
    factors = _factors(rates)
    folder = out or study.with_name(f"{study.stem}-tuning")
    tuning = try_rates(asked, folder, factors=factors, preprocess=preprocess, quiet=quiet)
    _say(tuning.table())
    advice = tuning.advice(factors)
    if tuning.study is None:
        raise SpecError("; ".join(advice))
    for words in advice:
        _say(words, err=True)
    told_from(written.parent, tuning.study).write(written)
    _say(f"study: {written}", err=True)


def _factors(rates: str) -> list[float]:
    try:
        return [float(factor) for factor in rates.split(",")]
    except ValueError as error:
        raise SpecError(f"--rates {rates}: numbers with commas, such as 0.3,1,3") from error


@app.command()
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
        _say(planned.to_json().strip() if json else planned)
        if planned.refusal:
            raise SpecError(planned.refusal)
        return
    before = _digest(folder / "findings.json")
    if until is None:
        findings = reseed.run(asked, folder, quiet=quiet)
    else:
        told = (lambda _: None) if quiet else _tell_look
        findings = reseed.run_until_settled(asked, folder, max_starts=max_starts, quiet=quiet, told=told)
    _show(findings, folder)
    if not quiet and before is not None and before == _digest(folder / "findings.json"):
        _say("finished already: the findings are as they were", err=True)
    if _short_of(findings, wanted):
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
        _say(f"{head}: every word is settled", err=True)
        return
    then = f"open at the most starts, {last}" if look.starts == last else "more starts for all conditions, since open"
    _say(f"{head}: {then}: {', '.join(at.unsettled)}", err=True)


@app.command()
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

        _say(write_explorer(find_features(study).browsable(), study / "features.html"), err=True)
    if html is not None:
        _say(reseed.write_report(findings, html))
    elif json:
        document = study / "findings.json" if study.is_dir() else study
        typer.echo(visible_json(document.read_text(encoding="utf-8")), nl=False)
    elif form == TableFormat.TEXT:
        _print(findings, full=full)
    else:
        from reseed.report.paper import written

        typer.echo(written(findings, form.value), nl=False)
    short = _short_of(findings, wanted)
    if compared is not None:
        from reseed.report.changes_text import render

        typer.echo(render(compared, width=shutil.get_terminal_size().columns), nl=False, err=bool(chosen))
        short = short or bool(compared.falls)
    if short:
        raise typer.Exit(2)


@app.command()
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
        _say(line, err=True)
    _say(written)


@app.command()
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
    _say(table)
    _show(findings, out / "study")


@app.command()
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
            _say(rendered(case))
            found.append(case)
    if out is not None:
        write_cases(found, out)
    failed = sum(not case.holds for case in found)
    _say(f"{len(found) - failed} of {len(found)} hold")
    if failed:
        raise typer.Exit(1)


def _show(findings: Findings, folder: Path) -> None:
    """The tables on stdout, the HTML report beside the study, its path on stderr."""
    from reseed.report.stamp import is_current

    _print(findings)
    page = folder / "report.html"
    try:
        if not is_current(page, findings):  # making it takes longer than all the rest of a finished study
            reseed.write_report(findings, page)
        _say(f"report: {page}", err=True)
    except ImportError as error:
        _say(f"no HTML report: {error}", err=True)


def _print(findings: Findings, *, full: bool = False) -> None:
    from reseed.report.text import render

    width, colour = shutil.get_terminal_size().columns, sys.stdout.isatty()
    typer.echo(render(findings, width=width, colour=colour, full=full))


@contextmanager
def _warnings_told() -> Iterator[None]:
    """Warnings as one line each on stderr, without the place in the code that they come from."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: _say(f"reseed: {message}", err=True)
        yield


def _short_of(findings: Findings, wanted: Sequence[Required]) -> bool:
    """Say what falls short, and where every required number stands; whether anything falls short."""
    from reseed.requirements import met

    held = met(findings, wanted)
    for each in held:
        if each.of_number or not each.holds:
            _say(each.sentence, err=True)
    return not all(each.holds for each in held)


def _digest(file: Path) -> bytes | None:
    return hashlib.sha256(file.read_bytes()).digest() if file.is_file() else None


def _version(asked: bool) -> bool:  # noqa: FBT001 (a callback of typer)
    if asked:
        _say(f"reseed {reseed.__version__}")
        raise typer.Exit
    return asked


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,  # noqa: FBT002 (typer's flag)
) -> None:
    del version


def _system_error(error: OSError) -> str:
    if error.errno in _DISK_IS_FULL:
        return f"{error.strerror}: {error.filename}; make room, and the same command goes on from here"
    advice = "name a file" if error.errno == errno.EISDIR else "choose another place"
    return f"{error.filename or 'a file'} could not be read or written: {told(error)}; {advice}"


def _usage_error(error: Any) -> str:  # noqa: ANN401 (typer's own click, or another one)
    from reseed._support.mistakes import in_plain_words

    command = getattr(getattr(error, "ctx", None), "command_path", None) or "reseed"
    words = in_plain_words(" ".join(str(error.format_message()).split())).rstrip(".")
    return f"{words[:1].lower()}{words[1:]}; see  {command} --help"


@contextmanager
def _memory_told() -> Iterator[None]:
    """Memory that runs out where nobody says while what is an error of ours as well."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, ReseedError) or not lacks_memory(error):
            raise
        said = "not enough memory: use fewer atoms, draws or tokens, or a machine with more"
        raise MemoryShortError(said) from error


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; every error of ours is one message and exit code 1."""
    if arguments is None:
        stopping.own()
    stopping.goes_on(True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a sign is told which it was
    try:
        with _warnings_told(), _memory_told():
            code = app(arguments, prog_name="reseed", standalone_mode=False)
    except _ClickException as error:
        _say(f"reseed: {_usage_error(error)}", err=True)
        code = 1
    except ReseedError as error:
        _say(f"reseed: {error}", err=True)
        code = 1
    except OSError as error:
        if stopping.asked() is None:  # a terminal that is gone can no longer be written to
            _say(f"reseed: {_system_error(error)}", err=True)
        code = 1
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    if code == _INTERRUPTED or stopping.asked():  # typer makes this code of Ctrl-C itself, without a word
        stopping.say()
        code = stopping.exit_code()
    sys.exit(code if isinstance(code, int) else 0)
