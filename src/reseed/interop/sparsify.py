"""EleutherAI's sparsify: a folder with `cfg.json` and `sae.safetensors`, of both generations.

The decoder W_dec is (n_atoms, d_model) and not transposed. Autoencoders take the decoder's bias off first;
transcoders do not, but for those from before 2025-02-12, whose settings have neither `activation` nor `transcode`.
Rows have norm 1 only if `normalize_decoder` says so. One seed is set again for every hookpoint, so that all of a run
start alike.
"""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from reseed.errors import DictionaryError
from reseed.interop._assemble import assembled
from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop._files import parts_of, read_config
from reseed.interop._sums import sha256_of
from reseed.interop.codes import CodeRule, GroupMax, TopK

__all__ = ["SPARSIFY"]

CONFIG, WEIGHTS = "cfg.json", "sae.safetensors"
_SEED = re.compile(r"seed[-_]?(\d+)$")


def _recognises(source: Source) -> bool:
    return not isinstance(source, Tensor) and all((Path(source) / name).is_file() for name in (CONFIG, WEIGHTS))


def _read(source: Source) -> LoadedDictionary:
    folder = Path(str(source))
    if not _recognises(source):
        raise DictionaryError(f"{source} is no folder of sparsify: it has {CONFIG} and {WEIGHTS}")
    config, path = folder / CONFIG, folder / WEIGHTS
    settings = read_config(config)
    parts = parts_of(path, format="sparsify")
    made = {
        "atoms": parts.take("W_dec"),
        "encoder": parts.take("encoder.weight"),
        "encoder_bias": parts.maybe("encoder.bias"),
        "decoder_bias": parts.take("b_dec"),
        "skip": parts.maybe("W_skip"),
    }
    parts.done()
    k, kind = settings.get("k"), settings.get("activation", "topk")
    if not isinstance(k, int) or k < 1 or kind not in {"topk", "groupmax"}:
        raise DictionaryError(
            f"{config} says activation = {kind!r}, k = {k!r}: topk and groupmax are read, with their k"
        )
    if kind == "groupmax" and len(made["atoms"]) % k:
        raise DictionaryError(f"{config} says k = {k} groups, of {len(made['atoms'])} atoms: they do not divide")
    rule: CodeRule = GroupMax(k) if kind == "groupmax" else TopK(k)
    here, above = (_SEED.search(part.name) for part in (folder, folder.parent))
    seed = here or above
    return assembled(
        path,
        name=str(source),
        format=SPARSIFY.name,
        rule=rule,
        subtracts=not settings.get("transcode", False),
        transcodes=bool(settings.get("transcode", False)),
        seed=None if seed is None else seed[1],
        about={"hookpoint": _SEED.sub("", folder.name).rstrip("-_") or folder.parent.name, "activation": kind},
        sums=sha256_of(config, path),
        **made,
    )


SPARSIFY = Reader(
    name="sparsify",
    title="sparsify",
    meaning=f"a folder of sparsify, with {CONFIG} and {WEIGHTS}",
    recognises=_recognises,
    read=_read,
)
