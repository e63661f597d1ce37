"""dictionary_learning (0.1.0, and its repository of 2025-08): `ae.pt` with `config.json`, `checkpoints/ae_{step}.pt`.

Decoders are linear layers, (d_model, n_atoms), in the older classes and (n_atoms, d_model) in the newer ones: the
class says which. Weights on disk are folded already (`norm_factor` is not there). The library's own `from_pretrained`
brings the rows of an `AutoEncoder` to norm 1: its codes are these times the row norms.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from reseed.errors import DictionaryError
from reseed.interop._assemble import assembled
from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop._files import Parts, parts_of, read_config
from reseed.interop._sums import sha256_of
from reseed.interop.codes import Gated, Relu, Thresholded, TopK

__all__ = ["DICTIONARY_LEARNING"]

NAME = "dictionary-learning"
_STEP = re.compile(r"(?:^ae_|_step_)(\d+)$")
_TOLD = ("dict_class", "trainer_class", "lm_name", "layer", "submodule_name", "steps", "lr", "wandb_name")


def _recognises(source: Source) -> bool:
    return not isinstance(source, Tensor) and _places(Path(source)) is not None


def _places(path: Path) -> tuple[Path, Path] | None:
    """The weights and the settings, if both are there."""
    weights = path / "ae.pt" if path.is_dir() else path
    if weights.suffix != ".pt" or not weights.name.startswith("ae") or not weights.is_file():
        return None
    configs = (folder / "config.json" for folder in (weights.parent, weights.parent.parent))
    config = next((each for each in configs if each.is_file()), None)
    return None if config is None else (weights, config)


def _read(source: Source) -> LoadedDictionary:
    places = None if isinstance(source, Tensor) else _places(Path(source))
    if places is None:
        raise DictionaryError(
            f"{source} is no dictionary of dictionary_learning: give a folder with ae.pt, config.json"
        )
    weights, config = places
    trainer = read_config(config).get("trainer")
    trainer = trainer if isinstance(trainer, dict) else {}
    kind = trainer.get("dict_class")
    if kind not in _CLASSES:
        raise DictionaryError(
            f"{config} names the class {kind!r} of dictionary_learning: these are read: {', '.join(_CLASSES)}; with "
            "--format matrix the decoder alone is"
        )
    parts = parts_of(weights, format=f"{kind} of dictionary_learning")
    made = _CLASSES[kind](parts)
    parts.done()
    return assembled(
        weights,
        name=str(source),
        format=NAME,
        step=_named_step(weights),
        seed=None if trainer.get("seed") is None else str(trainer["seed"]),
        about={name: trainer[name] for name in _TOLD if trainer.get(name) is not None},
        sums=sha256_of(weights, config),
        **made,
    )


def _named_step(weights: Path) -> int | None:
    found = next((found for place in (weights.stem, weights.parent.name) if (found := _STEP.search(place))), None)
    return int(found[1]) if found else None


def _step(path: Path) -> int | None:
    """By its name, or else, of the final one, by the length of the training."""
    places = _places(path)
    if places is None:
        return None
    weights, config = places
    named = _named_step(weights)
    if named is not None or weights.stem != "ae":
        return named
    trainer = read_config(config).get("trainer")
    steps = trainer.get("steps") if isinstance(trainer, dict) else None
    return steps if type(steps) is int else None


def _linear(parts: Parts) -> dict[str, Any]:
    return {
        "atoms": parts.take("decoder.weight").T,
        "encoder": parts.take("encoder.weight"),
        "encoder_bias": parts.maybe("encoder.bias"),
    }


def _square(parts: Parts) -> dict[str, Any]:
    return {
        "atoms": parts.take("W_dec"),
        "encoder": parts.take("W_enc").T,
        "encoder_bias": parts.take("b_enc"),
        "decoder_bias": parts.take("b_dec"),
    }


def _auto_encoder(parts: Parts) -> dict[str, Any]:
    return _linear(parts) | {"decoder_bias": parts.take("bias"), "subtracts": True, "rule": Relu()}


def _auto_encoder_new(parts: Parts) -> dict[str, Any]:
    return _linear(parts) | {"decoder_bias": parts.take("decoder.bias"), "rule": Relu()}


def _gated(parts: Parts) -> dict[str, Any]:
    rule = Gated(r_mag=parts.take("r_mag"), b_mag=parts.take("mag_bias"), b_gate=parts.take("gate_bias"))
    return _linear(parts) | {"decoder_bias": parts.take("decoder_bias"), "subtracts": True, "rule": rule}


def _jump_relu(parts: Parts) -> dict[str, Any]:
    return _square(parts) | {"rule": Thresholded(parts.take("threshold"))}


def _top_k(parts: Parts) -> dict[str, Any]:
    parts.ignore("threshold")  # is kept, and its encode does not use it
    return _linear(parts) | {
        "decoder_bias": parts.take("b_dec"),
        "subtracts": True,
        "rule": TopK(int(parts.number("k"))),
    }


def _batch_top_k(parts: Parts) -> dict[str, Any]:
    return _linear(parts) | {"decoder_bias": parts.take("b_dec"), "subtracts": True, "rule": _evaluated(parts)}


def _matryoshka(parts: Parts) -> dict[str, Any]:
    return _square(parts) | {"subtracts": True, "rule": _evaluated(parts), "groups": parts.sizes("group_sizes")}


def _evaluated(parts: Parts) -> Thresholded:
    """BatchTopK in evaluation; a threshold that was never estimated is -1, which lets all through that is positive."""
    parts.ignore("k")
    return Thresholded(parts.take("threshold"), name="BatchTopK")


_CLASSES: dict[str, Callable[[Parts], dict[str, Any]]] = {
    "AutoEncoder": _auto_encoder,
    "AutoEncoderNew": _auto_encoder_new,
    "GatedAutoEncoder": _gated,
    "JumpReluAutoEncoder": _jump_relu,
    "AutoEncoderTopK": _top_k,
    "BatchTopKSAE": _batch_top_k,
    "MatryoshkaBatchTopKSAE": _matryoshka,
}

DICTIONARY_LEARNING = Reader(
    name=NAME,
    title="dictionary_learning",
    meaning="a folder of dictionary_learning, with ae.pt and config.json, or one of its checkpoints ae_{step}.pt",
    recognises=_recognises,
    read=_read,
    step=_step,
)
