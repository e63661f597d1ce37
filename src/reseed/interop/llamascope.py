"""Llama Scope: what llamascopium (2.0) writes, and the first edition's `hyperparams.json` with `final.safetensors`.

Neither takes the decoder's bias off first. With a dataset-wise norm, activations are read times √d over the average
norm of the data set; in the first edition that factor, and the norms of the rows, are multiplied into the weights
here, since its threshold belongs to raw activations and rows of norm 1. Where a threshold is stored as a logarithm
(`R1-Distill`) it belongs to the scaled activations instead. Files of codes whose sparsity counts row norms compare
norm times pre-activation.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reseed.errors import DictionaryError
from reseed.interop._assemble import assembled
from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop._files import Parts, parts_of, read_config
from reseed.interop._sums import sha256_of
from reseed.interop.codes import CodeRule, Relu, Scaled, Thresholded, TopK
from reseed.interop.spaces import ConstantNorm, Raw, Space

__all__ = ["LLAMASCOPIUM", "LLAMA_SCOPE"]

_NORM = "dataset_average_activation_norm."
_LOG_THRESHOLD = "activation_function.log_jumprelu_threshold"
_LEAST_NORM, _MOST_NORM = 1e-6, 1e9  # of activations; others were written before they were set
_TOLD = ("sae_type", "act_fn", "hook_point_in", "hook_point_out", "model_name")


def _folder(source: Source, *names: str) -> Path | None:
    if isinstance(source, Tensor):
        return None
    path = Path(source)
    return path if path.is_dir() and all((path / name).is_file() for name in names) else None


def _is_llamascopium(source: Source) -> bool:
    folder = _folder(source, "config.json", "sae_weights.safetensors")
    return folder is not None and not (folder / "cfg.json").exists()


def _read_llamascopium(source: Source) -> LoadedDictionary:
    names = ("config.json", "sae_weights.safetensors")
    folder = _folder(source, *names)
    if folder is None:
        raise DictionaryError(f"{source} is no folder of llamascopium: it has {' and '.join(names)}")
    config, path = folder / names[0], folder / names[1]
    settings = read_config(config)
    if settings.get("sae_type") != "sae" or settings.get("use_glu_encoder"):
        raise DictionaryError(
            f"{config} describes sae_type = {settings.get('sae_type')!r}"
            f"{' with a gated encoder' if settings.get('use_glu_encoder') else ''}: plain autoencoders and transcoders "
            "are read"
        )
    parts = parts_of(path, format="llamascopium")
    atoms = parts.take("W_D")
    rule = _rule(config, settings, parts)
    made = {
        "atoms": atoms,
        "encoder": parts.take("W_E").T,
        "encoder_bias": parts.take("b_E"),
        "decoder_bias": parts.maybe("b_D"),
        "rule": Scaled(rule, atoms.norm(dim=1)) if settings.get("sparsity_include_decoder_norm", True) else rule,
        "space": _space(path, settings, parts),
    }
    parts.done()
    about = {name: settings[name] for name in _TOLD if settings.get(name) is not None}
    sums = sha256_of(config, path)
    return assembled(path, name=str(source), format=LLAMASCOPIUM.name, about=about, sums=sums, **made)


def _rule(config: Path, settings: dict[str, Any], parts: Parts) -> CodeRule:
    kind = str(settings.get("act_fn", "relu")).lower()
    if kind == "jumprelu":
        return Thresholded(parts.take(_LOG_THRESHOLD).exp())
    if kind == "relu":
        return Relu()
    if kind == "topk" and "top_k" in settings:
        return TopK(int(settings["top_k"]))
    if kind == "topk":
        raise DictionaryError(f"{config} says act_fn = 'topk' and no top_k: copy it again")
    raise DictionaryError(
        f"{config} says act_fn = {kind!r}, whose codes depend on the other tokens of a batch: relu, jumprelu and topk "
        "are read; export it with convert_to_jumprelu, or read its decoder with --format matrix"
    )


def _space(path: Path, settings: dict[str, Any], parts: Parts) -> Space:
    kind, point_in, point_out = (
        settings.get("norm_activation", "dataset-wise"),
        settings.get("hook_point_in"),
        settings.get("hook_point_out"),
    )
    names = [f"{_NORM}{point}" for point in (point_in, point_out)]
    parts.ignore(*names)
    if kind == "inference":
        return Raw()
    if kind == "token-wise":
        return ConstantNorm()
    if kind != "dataset-wise":
        raise DictionaryError(
            f"{path}: norm_activation = {kind!r} depends on the other tokens of a batch, and is not read"
        )
    norm_in, norm_out = (parts.number(name) for name in names)
    for norm in (norm_in, norm_out):
        if not _LEAST_NORM < norm < _MOST_NORM:
            raise DictionaryError(
                f"{path}: the average norm of the activations is said to be {norm:g}: it was never set; save the "
                "autoencoder after it has seen its data"
            )
    width = math.sqrt(parts.take("W_E").shape[0])
    return Raw(width / norm_in, out=width / norm_out)


def _read_first_edition(source: Source) -> LoadedDictionary:
    names = ("hyperparams.json", "checkpoints/final.safetensors")
    folder = _folder(source, *names)
    if folder is None:
        raise DictionaryError(f"{source} is no folder of Llama Scope: it has {' and '.join(names)}")
    config, path = folder / names[0], folder / names[1]
    settings = read_config(config)
    parts = parts_of(path, format="Llama Scope")
    atoms, encoder = parts.take("decoder.weight").T, parts.take("encoder.weight")
    scale, out = _factors(config, settings, atoms.shape[1])
    encoder_bias, decoder_bias = parts.take("encoder.bias"), parts.maybe("decoder.bias")
    logarithm = parts.maybe("log_jumprelu_threshold")
    parts.done()
    about = {name: settings[name] for name in _TOLD if settings.get(name) is not None}
    told = {"name": str(source), "format": LLAMA_SCOPE.name, "about": about, "sums": sha256_of(config, path)}
    if logarithm is not None:
        rule: CodeRule = Thresholded(logarithm.exp())
        weights = {"atoms": atoms, "encoder": encoder, "encoder_bias": encoder_bias, "decoder_bias": decoder_bias}
        return assembled(path, rule=rule, space=Raw(scale, out=out), **weights, **told)
    norms = atoms.norm(dim=1) * scale / out
    if not norms.all():
        raise DictionaryError(f"{path} has zero atoms, whose norms its threshold counts: it is damaged")
    return assembled(
        path,
        atoms=atoms * (scale / out) / norms[:, None],
        encoder=encoder * norms[:, None],
        encoder_bias=encoder_bias / scale * norms,
        decoder_bias=None if decoder_bias is None else decoder_bias / out,
        rule=_first_rule(config, settings),
        **told,
    )


def _factors(config: Path, settings: dict[str, Any], d_model: int) -> tuple[float, float]:
    norms = settings.get("dataset_average_activation_norm")
    given = (norms.get(side) if isinstance(norms, dict) else None for side in ("in", "out"))
    found = [float(norm) if isinstance(norm, (int, float)) else 0.0 for norm in given]
    if not all(_LEAST_NORM < norm < _MOST_NORM for norm in found):
        raise DictionaryError(
            f"{config}: dataset_average_activation_norm has no 'in' and 'out', by which weights are scaled"
        )
    return math.sqrt(d_model) / found[0], math.sqrt(d_model) / found[1]


def _first_rule(config: Path, settings: dict[str, Any]) -> CodeRule:
    kind = str(settings.get("act_fn", "")).lower()
    if kind == "jumprelu" and "jump_relu_threshold" in settings:
        return Thresholded(torch.tensor(float(settings["jump_relu_threshold"])))
    if kind == "topk" and "top_k" in settings:
        return TopK(int(settings["top_k"]))
    raise DictionaryError(f"{config} says act_fn = {kind!r}: jumprelu with its jump_relu_threshold, and topk, are read")


LLAMA_SCOPE = Reader(
    name="llama-scope",
    title="Llama Scope",
    meaning="a folder of Llama Scope, with hyperparams.json and checkpoints/final.safetensors",
    recognises=lambda source: _folder(source, "hyperparams.json", "checkpoints/final.safetensors") is not None,
    read=_read_first_edition,
)
LLAMASCOPIUM = Reader(
    name="llamascopium",
    title="llamascopium",
    meaning="a folder of llamascopium, with config.json and sae_weights.safetensors",
    recognises=_is_llamascopium,
    read=_read_llamascopium,
)
