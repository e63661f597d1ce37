"""SAELens, version 6 and before: a folder with `cfg.json` and `sae_weights.safetensors`.

Encoders are (d_model, n_atoms), decoders (n_atoms, d_model). Rows are of any norm. Where pre-activations are rescaled
by the norms of atoms, the norms are folded into encoder and decoder, as the library itself folds them. BatchTopK is
read as it is evaluated, by its running threshold. A checkpoint from the middle of a whitened run lives in the
whitened space, and one with `expected_average_only_in` reads activations times the factor beside it; the final files
have both folded.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reseed.errors import DictionaryError
from reseed.interop._assemble import assembled
from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop._files import Parts, parts_of, read_config
from reseed.interop._sums import sha256_of
from reseed.interop.codes import CodeRule, Gated, Pursuit, Relu, Thresholded, TopK
from reseed.interop.spaces import Affine, ConstantNorm, LayerNorm, Raw, Space

__all__ = ["SAELENS"]

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
_SCALER, _WHITENING = "activation_scaler.json", "activation_whitening.safetensors"
_TOLD = (
    "model_name",
    "hook_name",
    "hook_point",
    "hook_layer",
    "sae_lens_version",
    "training_architecture",
    "dataset_path",
)
_STEP = re.compile(r"(?:^|_)(\d+)$")

_TRANSCODERS = {
    "transcoder": "standard",
    "skip_transcoder": "standard",
    "jumprelu_transcoder": "jumprelu",
    "jumprelu_skip_transcoder": "jumprelu",
}


class _Settings(NamedTuple):
    """What decides the codes, whatever the version that wrote it."""

    architecture: str
    subtracts: bool
    normalize: str
    rescaled: bool
    every: dict[str, Any]
    """All of it."""


def _recognises(source: Source) -> bool:
    return not isinstance(source, Tensor) and all((Path(source) / name).is_file() for name in (CONFIG, WEIGHTS))


def _read(source: Source) -> LoadedDictionary:
    folder = Path(str(source))
    if not _recognises(source):
        raise DictionaryError(f"{source} is no folder of SAELens: it has {CONFIG} and {WEIGHTS}")
    config, path = folder / CONFIG, folder / WEIGHTS
    settings = _settings(config)
    parts = parts_of(path, format=f"SAELens' {settings.architecture}")
    made = _made(config, settings, parts)
    parts.done()
    space, beside = _space(folder, settings)
    every = settings.every
    told = every | (every.get("metadata") or {})
    seed = told.get("seed")
    return assembled(
        path,
        name=str(source),
        format=SAELENS.name,
        subtracts=settings.subtracts,
        transcodes=settings.architecture in _TRANSCODERS,
        space=space,
        groups=_groups(every),
        step=_step(folder),
        seed=None if seed is None else str(seed),
        about={"architecture": settings.architecture}
        | {name: told[name] for name in _TOLD if told.get(name) is not None},
        sums=sha256_of(config, path, *beside),
        notes=_notes(path, settings, beside),
        **made,
    )


def _step(folder: Path) -> int | None:
    """Of a checkpoint: the tokens that it has seen."""
    found = _STEP.search(folder.name) if (folder / "trainer_state.pt").exists() else None
    return int(found[1]) if found else None


def _settings(config: Path) -> _Settings:
    """Version 6, or the names and defaults of before."""
    every = read_config(config)
    activation = every.get("activation_fn_str", every.get("activation_fn", "relu"))
    old_k = (every.get("activation_fn_kwargs") or {}).get("k")
    if activation == "topk" and old_k is not None:
        every = every | {"architecture": "topk", "k": old_k}
    elif activation not in {"relu", "topk"}:
        raise DictionaryError(f"{config} says activation_fn = {activation!r}: relu and topk are read")
    normalize = every.get("normalize_activations", "none")
    if isinstance(normalize, bool):
        normalize = "expected_average_only_in" if normalize else "none"
    if every.get("finetuning_scaling_factor"):
        raise DictionaryError(
            f"{config} asks for a finetuning scaling factor, which is not read: fold it with SAELens first"
        )
    return _Settings(
        architecture=str(every.get("architecture", "standard")),
        subtracts=bool(every.get("apply_b_dec_to_input", True)),
        normalize=str(normalize),
        rescaled=bool(every.get("rescale_acts_by_decoder_norm", False)),
        every=every,
    )


def _made(config: Path, settings: _Settings, parts: Parts) -> dict[str, Any]:
    kind = _TRANSCODERS.get(settings.architecture, settings.architecture)
    atoms, skip = parts.take("W_dec"), parts.maybe("W_skip")
    decoder_bias = parts.take("b_dec")
    if "scaling_factor" in parts and bool((parts.take("scaling_factor") != 1).any()):
        raise DictionaryError(
            f"{parts.path} has a scaling factor that is not 1, which is not read: fold it with SAELens first"
        )
    if kind == "matching_pursuit":
        every = settings.every
        most = every.get("max_iterations")
        rule: CodeRule = Pursuit(
            threshold=float(every.get("residual_threshold", 0.0)),
            most=None if most is None else int(most),
            until_repeated=bool(every.get("stop_on_duplicate_support", True)),
        )
        return {"atoms": atoms, "decoder_bias": decoder_bias if settings.subtracts else None, "rule": rule}
    encoder = parts.take("W_enc").T
    if kind == "gated":
        rule = Gated(r_mag=parts.take("r_mag"), b_mag=parts.take("b_mag"), b_gate=parts.take("b_gate"))
        return {"atoms": atoms, "encoder": encoder, "decoder_bias": decoder_bias, "rule": rule}
    encoder_bias = parts.take("b_enc")
    if settings.rescaled:
        norms = atoms.norm(dim=1).clamp(min=1e-8)
        atoms, encoder, encoder_bias = atoms / norms[:, None], encoder * norms[:, None], encoder_bias * norms
    return {
        "atoms": atoms,
        "encoder": encoder,
        "encoder_bias": encoder_bias,
        "decoder_bias": decoder_bias,
        "rule": _rule(config, kind, settings, parts),
        "skip": skip,
    }


def _rule(config: Path, kind: str, settings: _Settings, parts: Parts) -> CodeRule:
    if kind == "standard":
        return Relu()
    if kind == "jumprelu":
        return Thresholded(parts.take("log_threshold").exp() if "log_threshold" in parts else parts.take("threshold"))
    if kind in {"topk", "abstopk"}:
        k = settings.every.get("k")
        if not isinstance(k, int) or k < 1:
            raise DictionaryError(f"{config} says k = {k!r}: it is a whole number from 1")
        return TopK(k, signed=kind == "abstopk", absolute=kind == "abstopk")
    if kind in {"batchtopk", "matryoshka_batchtopk"}:
        return Thresholded(torch.tensor(parts.number("topk_threshold")), name="BatchTopK")
    raise DictionaryError(
        f"{config} says architecture = {kind!r}: of SAELens standard, topk, abstopk, jumprelu, gated, batchtopk, "
        f"matryoshka_batchtopk, matching_pursuit, {', '.join(_TRANSCODERS)} are read"
    )


def _space(folder: Path, settings: _Settings) -> tuple[Space, tuple[Path, ...]]:
    """What it reads, and the files that say so."""
    scaler, whitening = folder / _SCALER, folder / _WHITENING
    if settings.normalize == "layer_norm":
        return LayerNorm(), ()
    if settings.normalize == "constant_norm_rescale":
        return ConstantNorm(), ()
    if settings.normalize == "covariance_whitening":
        if not whitening.is_file():
            raise DictionaryError(
                f"{folder} lives in a whitened space, and {_WHITENING}, which says in which, is not there: copy it too"
            )
        parts = parts_of(whitening, format="SAELens' whitening")
        mean, matrix, inverse = (parts.take(name) for name in ("mean", "matrix", "inverse_matrix"))
        return Affine(mean, matrix, inverse, name="whitened"), (whitening,)
    if settings.normalize == "expected_average_only_in" and scaler.is_file():
        factor = read_config(scaler).get("scaling_factor")
        if factor is not None:
            return Raw(float(factor)), (scaler,)
    if settings.normalize not in {"none", "expected_average_only_in"}:
        raise DictionaryError(
            f"{folder / CONFIG} says normalize_activations = {settings.normalize!r}, which is not known here"
        )
    return Raw(), ()


def _notes(path: Path, settings: _Settings, beside: tuple[Path, ...]) -> tuple[str, ...]:
    if settings.normalize != "expected_average_only_in" or beside:
        return ()
    return (f"{path}: no {_SCALER} lies beside it, and activations are read unscaled: codes may be of another scale",)


def _groups(every: dict[str, Any]) -> tuple[int, ...]:
    """The sizes of nested dictionaries from their ends, which files for inference keep with the training's settings."""
    told = every.get("metadata") or {}
    places = (every, *(told.get(name) or {} for name in ("training_architecture_details", "training_sae_config")))
    ends = next((place["matryoshka_widths"] for place in places if place.get("matryoshka_widths")), ())
    return tuple(int(end) - int(before) for before, end in zip((0, *ends), ends, strict=False))


SAELENS = Reader(
    name="saelens",
    title="SAELens",
    meaning=f"a folder of SAELens, with {CONFIG} and {WEIGHTS}",
    recognises=_recognises,
    read=_read,
    step=_step,
)
