"""`reseed collect`: a language model reads texts, and its hidden states at one layer become a store."""

import warnings
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from reseed._support import stopping
from reseed.activations.bundled import resolve_model
from reseed.activations.destination import begun, check_destination, writing_alone
from reseed.activations.feasible import (
    check_context,
    check_counts,
    check_design,
    check_place,
    check_reading,
    check_room,
    check_vocabulary,
    device_of,
    precision_of,
)
from reseed.activations.language_model import Place, load_model
from reseed.activations.loading import load_design, load_tokenizer, translated
from reseed.activations.manifest import About, Manifest
from reseed.activations.matrix import read_shard
from reseed.activations.model_files import find_files
from reseed.activations.noticed import notice
from reseed.activations.plan import Plan, enough, share_out
from reseed.activations.progress import Advance, progress_bar
from reseed.activations.reading import Reader, Tokens, kept_per_window, read
from reseed.activations.store import Activations, open_activations
from reseed.activations.texts import check_texts, encodable
from reseed.activations.windows import cut
from reseed.activations.writer import append_shard, begin_store, check_same, finish_store, write_heldout
from reseed.errors import ActivationsError

__all__ = ["collect"]

_NORM_LIMIT = 10.0
_DROPPED = f"position 0 of causal models, norms above {_NORM_LIMIT:g} times the median"


@stopping.noticed()
def collect(
    model: str | Path,
    *,
    layer: int,
    texts: Sequence[str],
    tokens: int,
    out: str | Path,
    text_source: str,
    licence: str,
    dtype: Literal["auto", "bf16", "fp32"] = "auto",
    heldout: int = 4096,
    context: int = 128,
    batch: int = 16,
    shard_tokens: int = 1 << 16,
    at: Place = "residual",
    drop_outliers: bool = True,
    device: str | None = None,
    progress: bool = True,
) -> Activations:
    """Run a language model over texts and store its hidden states behind block `layer`.

    Windows of `context` tokens are drawn from all over the texts in a fixed order; the first ones, whole, become the
    held-out split, the next ones the `tokens` training rows. Special tokens and padding are left out, and so, with
    `drop_outliers`, are a causal model's first position and every token whose norm exceeds ten times the median of the
    held-out split (attention sinks, whose norm is a hundred times that of other tokens and drowns the covariance).

    An interrupted collection continues at its last whole shard when it is called again with the same arguments, and
    ends in the same bytes (same machine, same number of threads).

    Args:
        model: a folder, a GGUF file or a folder with one, a name on the Hugging Face hub, or "smollm2" or "minilm".
        layer: 0 is the embeddings, n the output of block n before any final norm.
        texts: whole documents; windows never span two of them.
        tokens: training rows to store.
        out: the folder of the store.
        text_source: where the texts come from, in words; written into the store.
        licence: the texts' licence, in words; written into the store.
        dtype: of the computation and of the store; "auto" is bf16 where the hardware has it.
        heldout: rows of the held-out split.
        context: tokens per window, special tokens included.
        batch: windows per forward pass.
        at: "residual": what leaves the block; "mlp": what enters its MLP, after the norm, and behind that in each row
            what leaves the MLP, for transcoders.
        shard_tokens: tokens read per shard, which is what an interruption costs at most.
        drop_outliers: see above.
        device: where the model runs; a GPU if there is one.
        progress: show a bar with tokens per second on stderr.

    Raises:
        ActivationsError: no such model or layer, damaged model files, a text that is empty or no string, texts too
            short for `tokens`, a folder that holds anything else, too little disk or memory. What can be known before
            the model is loaded is said before.
        MissingExtraError: transformers is not installed.
        Interrupted: Ctrl-C, SIGTERM or SIGHUP; whole shards are kept.

    Warns:
        UserWarning: what nobody meant in texts that can be read all the same, such as special tokens that the tokenizer
            adds too, with how often it occurs; the store records it as `noticed`.
    """
    check_counts(tokens=tokens, heldout=heldout, context=context, batch=batch, shard_tokens=shard_tokens)
    folder, source, where = check_destination(out), resolve_model(model), device_of(device)
    precision = precision_of(dtype, where)
    check_texts(texts)
    design = load_design(source.path)
    check_design(design, model=source.path, layer=layer, context=context)
    check_place(at, layer)
    check_room(folder, design, precision, rows=(tokens + heldout) * (2 if at == "mlp" else 1))
    tokenizer = load_tokenizer(source.path)
    check_context(tokenizer.model_max_length, context)
    with translated(find_files(source.path), "has a tokenizer that fails on these texts"):
        windows = cut(texts, tokenizer, context=context)
        noticed = notice(texts, windows, tokenizer)
    for sentence in noticed:
        warnings.warn(sentence, stacklevel=3)  # `noticed` lies between here and the caller
    check_vocabulary(windows, design, source.path)
    special = tuple(tokenizer.all_special_ids)
    sure = kept_per_window(windows, special, drops_first=drop_outliers)
    share = partial(
        share_out, windows, heldout=heldout, tokens=tokens, per_shard=max(1, shard_tokens // context), sure=sure
    )
    share(kept_per_window(windows, special, drops_first=False))
    about: About = {
        "model": encodable(source.title),
        "layer": layer,
        "text_source": encodable(text_source),
        **({} if at == "residual" else {"at": at, "reads": design.d_model}),
        "licence": encodable(licence),
        "text_sha256": windows.digest,
        "tokens": tokens,
        "heldout": heldout,
        "context": context,
        "batch": batch,
        "shard_tokens": shard_tokens,
        "dropped": _DROPPED if drop_outliers else "nothing",
        "torch": str(torch.__version__),
        "transformers": version("transformers"),
    }
    found = begun(folder)
    if found is not None:
        check_same(folder, found, about={**about, "dtype": precision})
    if noticed:
        about["noticed"] = "; ".join(noticed)
    check_reading(design, precision, windows=min(batch, len(windows)), context=context, kept=max(heldout, shard_tokens))
    lm = load_model(source.path, layer=layer, dtype=precision, device=where, at=at)
    reader = Reader(lm, windows, special, batch, drop_outliers)
    plan = share(kept_per_window(windows, special, drops_first=reader.drops_first))
    # read before anything is written: what is wrong with a model's hidden states shows here
    heldout_tokens = _read_heldout(reader, plan) if found is None or found.heldout is None else None
    with writing_alone(folder):
        manifest = begin_store(folder, about=about, d_model=lm.d_model, dtype=precision)
        if manifest.heldout is None:
            manifest = _write_heldout(folder, manifest, heldout_tokens or _read_heldout(reader, plan), tokenizer)
        if manifest.moments is None:
            with progress_bar("collecting", total=tokens, done=manifest.n_tokens, shown=progress) as advance:
                manifest = _add_shards(folder, manifest, reader, plan, advance)
            manifest = finish_store(folder, manifest)
    _say_what_is_missing(manifest, plan)
    return open_activations(folder, verify=False)


def _read_heldout(reader: Reader, plan: Plan) -> Tokens:
    tokens = read(reader, plan.heldout, lambda _: None)
    if reader.drop_outliers:
        tokens = tokens[_norms(tokens.states) <= _norm_limit(tokens.states)]
    tokens = tokens[: plan.n_heldout]
    if len(tokens.ids) > 1 and bool((tokens.states == tokens.states[0]).all()):
        raise ActivationsError(
            f"all {len(tokens.ids):,} held-out tokens have the same hidden state at layer {reader.model.layer}: the "
            "model's weights are damaged, or the texts repeat one token; copy the model again or choose other texts"
        )
    return tokens


def _write_heldout(folder: Path, manifest: Manifest, tokens: Tokens, tokenizer: Any) -> Manifest:  # noqa: ANN401 (a tokenizer of transformers, which is optional)
    pieces = [tokenizer.decode([number]) for number in tokens.ids.tolist()]
    return write_heldout(
        folder,
        manifest,
        tokens.states,
        token_ids=tokens.ids,
        contexts=tokens.contexts,
        positions=tokens.positions,
        texts=pieces,
    )


def _add_shards(folder: Path, manifest: Manifest, reader: Reader, plan: Plan, advance: Advance) -> Manifest:
    """Append shards until there are enough tokens; shard i reads the i-th stretch of windows, whatever came before."""
    limit = _stored_limit(folder, manifest) if reader.drop_outliers else float("inf")
    while (missing := plan.n_tokens - manifest.n_tokens) > 0:
        first = len(manifest.shards) * plan.per_shard
        stretch = slice(first, first + min(plan.per_shard, enough(plan.counts[first:], missing)))
        states = read(reader, plan.training[stretch], advance).states
        states = states[_norms(states) <= limit][:missing]
        if len(states) == 0:  # outliers can leave the store a few tokens short when the texts are only just long enough
            break
        manifest = append_shard(folder, manifest, states)
    return manifest


def _stored_limit(folder: Path, manifest: Manifest) -> float:
    # from the file, so that a resumed collection uses the very same number
    if manifest.heldout is None:
        raise AssertionError("the held-out split is written before the first shard")
    return _norm_limit(read_shard(folder / manifest.heldout.file).tensor)


def _norms(states: Float[Tensor, "tokens d_model"]) -> Float[Tensor, "tokens"]:
    return states.float().norm(dim=1)


def _norm_limit(states: Float[Tensor, "tokens d_model"]) -> float:
    return _NORM_LIMIT * float(_norms(states).median())


def _say_what_is_missing(manifest: Manifest, plan: Plan) -> None:
    heldout = manifest.heldout.rows if manifest.heldout else 0
    for what, there, wanted in (("training", manifest.n_tokens, plan.n_tokens), ("held-out", heldout, plan.n_heldout)):
        if there < wanted:
            words = (
                f"{there:,} of {wanted:,} {what} tokens are stored: the others were outliers, and more are not there"
            )
            warnings.warn(words, stacklevel=4)
