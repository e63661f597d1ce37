"""`reseed collect`: a language model reads texts, and its hidden states at one layer become a store."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reseed.activations.bundled import resolve_model
from reseed.activations.language_model import check_context, fast_dtype, load_model, load_tokenizer
from reseed.activations.manifest import About, Manifest
from reseed.activations.matrix import read_shard
from reseed.activations.progress import Advance, progress_bar
from reseed.activations.reading import Reader, kept_per_window, read
from reseed.activations.store import Activations, open_activations
from reseed.activations.windows import cut, shuffled
from reseed.activations.writer import append_shard, begin_store, finish_store, write_heldout
from reseed.errors import ActivationsError

__all__ = ["collect"]

_NORM_LIMIT = 10.0
_DROPPED = f"position 0 of causal models, norms above {_NORM_LIMIT:g} times the median"


@dataclass(frozen=True)
class _Plan:
    """Which windows are held out and which are trained on, in the order in which they are read."""

    heldout: np.ndarray
    training: np.ndarray
    counts: np.ndarray
    """Tokens of each training window that can be kept."""
    n_heldout: int
    n_tokens: int
    per_shard: int
    """Windows that one shard is made of."""


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
        shard_tokens: tokens read per shard, which is what an interruption costs at most.
        drop_outliers: see above.
        device: where the model runs; a GPU if there is one.
        progress: show a bar with tokens per second on stderr.

    Raises:
        ActivationsError: no such model or layer, an empty text, texts too short for `tokens`, or a folder that holds
            another collection.
        MissingExtraError: transformers is not installed.
    """
    _check_counts(tokens=tokens, heldout=heldout, context=context, batch=batch, shard_tokens=shard_tokens)
    folder, source, where = Path(out).expanduser(), resolve_model(model), _device(device)
    precision = fast_dtype(where) if dtype == "auto" else dtype
    lm = load_model(source.path, layer=layer, dtype=precision, device=where)
    tokenizer = load_tokenizer(source.path)
    check_context(lm, tokenizer, context)
    reader = Reader(lm, cut(texts, tokenizer, context=context), tuple(tokenizer.all_special_ids), batch, drop_outliers)
    plan = _plan(reader, heldout=heldout, tokens=tokens, per_shard=max(1, shard_tokens // context))
    about: About = {
        "model": source.title,
        "layer": layer,
        "text_source": text_source,
        "licence": licence,
        "text_sha256": reader.windows.digest,
        "tokens": tokens,
        "heldout": heldout,
        "context": context,
        "batch": batch,
        "shard_tokens": shard_tokens,
        "dropped": _DROPPED if drop_outliers else "nothing",
        "torch": str(torch.__version__),
        "transformers": version("transformers"),
    }
    manifest = begin_store(folder, about=about, d_model=lm.d_model, dtype=precision)
    if manifest.heldout is None:
        manifest = _add_heldout(folder, manifest, reader, plan, tokenizer)
    if manifest.moments is None:
        with progress_bar("collecting", total=tokens, done=manifest.n_tokens, shown=progress) as advance:
            manifest = _add_shards(folder, manifest, reader, plan, advance)
        finish_store(folder, manifest)
    return open_activations(folder, verify=False)


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name}={count}: it is at least 1")


def _device(device: str | None) -> torch.device:
    return torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def _plan(reader: Reader, *, heldout: int, tokens: int, per_shard: int) -> _Plan:
    """Share the windows out; one window more than needed is held out, in case outliers are dropped from it."""
    order = shuffled(reader.windows)
    counts = kept_per_window(reader)[order]
    reach = counts.cumsum()
    n_heldout = int(np.searchsorted(reach, heldout)) + 2
    available = int(counts[n_heldout:].sum())
    if available < tokens:
        raise ActivationsError(
            f"the texts hold {available:,} training tokens beside the held-out split, {tokens:,} were asked for: "
            f"give more text or ask for at most {available:,} tokens"
        )
    return _Plan(order[:n_heldout], order[n_heldout:], counts[n_heldout:], heldout, tokens, per_shard)


def _add_heldout(folder: Path, manifest: Manifest, reader: Reader, plan: _Plan, tokenizer: Any) -> Manifest:  # noqa: ANN401 (a tokenizer of transformers, which is optional)
    tokens = read(reader, plan.heldout, lambda _: None)
    if reader.drop_outliers:
        tokens = tokens[_norms(tokens.states) <= _norm_limit(tokens.states)]
    tokens = tokens[: plan.n_heldout]
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


def _add_shards(folder: Path, manifest: Manifest, reader: Reader, plan: _Plan, advance: Advance) -> Manifest:
    """Append shards until there are enough tokens; shard i reads the i-th stretch of windows, whatever came before."""
    limit = _stored_limit(folder, manifest) if reader.drop_outliers else float("inf")
    while (missing := plan.n_tokens - manifest.n_tokens) > 0:
        first = len(manifest.shards) * plan.per_shard
        stretch = slice(first, first + min(plan.per_shard, _enough(plan.counts[first:], missing)))
        states = read(reader, plan.training[stretch], advance).states
        states = states[_norms(states) <= limit][:missing]
        if len(states) == 0:  # outliers can leave the store a few tokens short when the texts are only just long enough
            break
        manifest = append_shard(folder, manifest, states)
    return manifest


def _enough(counts: np.ndarray, tokens: int) -> int:
    """How many windows hold `tokens` tokens, and two more for outliers."""
    return int(np.searchsorted(counts.cumsum(), tokens)) + 3


def _stored_limit(folder: Path, manifest: Manifest) -> float:
    # from the file, so that a resumed collection uses the very same number
    if manifest.heldout is None:
        raise AssertionError("the held-out split is written before the first shard")
    return _norm_limit(read_shard(folder / manifest.heldout.file).tensor)


def _norms(states: Float[Tensor, "tokens d_model"]) -> Float[Tensor, "tokens"]:
    return states.float().norm(dim=1)


def _norm_limit(states: Float[Tensor, "tokens d_model"]) -> float:
    return _NORM_LIMIT * float(_norms(states).median())
