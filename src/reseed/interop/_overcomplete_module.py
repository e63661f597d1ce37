"""A whole autoencoder of overcomplete that was pickled: its classes stand for what they hold, and none of them runs.

k, delta and the running threshold, which a state dict leaves out, are among its attributes. In training atoms are
computed anew before every pass; saved in evaluation, the library decodes with those that it computed when it went
there, and so are they read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from reseed._support.modules import StandIn, load, names_in, stand_ins
from reseed.errors import DictionaryError
from reseed.interop._assemble import assembled
from reseed.interop._files import Parts, finite
from reseed.interop._overcomplete_atoms import NORMALISATIONS, archetypal
from reseed.interop._sums import sha256_of
from reseed.interop.codes import CodeRule, Normed, Relu, Thresholded, TopK

if TYPE_CHECKING:
    from pathlib import Path

    from reseed.interop._base import LoadedDictionary

__all__ = ["at_least", "is_module", "read_module"]

_FORMAT = "overcomplete"
_OWN = {
    "sae.archetypal_dictionary": ("RelaxedArchetypalDictionary",),
    "sae.base": ("SAE",),
    "sae.batchtopk_sae": ("BatchTopKSAE",),
    "sae.dictionary": ("DictionaryLayer", *NORMALISATIONS),
    "sae.jump_sae": ("JumpSAE",),
    "sae.kernels": (
        *(f"{shape}_kernel" for shape in ("rectangle", "gaussian", "triangular", "cosine")),
        *(f"{shape}_kernel" for shape in ("epanechnikov", "quartic", "silverman", "cauchy")),
    ),
    "sae.modules": (
        *("MLPEncoder", "TieableEncoder", "IdentityEncoder"),
        *("AttentionEncoder", "AttentionBlock", "ResNetEncoder", "ResNetBlock"),
    ),
    "sae.mp_sae": ("MpSAE",),
    "sae.omp_sae": ("OMPSAE",),
    "sae.qsae": ("QSAE",),
    "sae.rasae": ("RATopKSAE", "RAJumpSAE"),
    "sae.topk_sae": ("TopKSAE",),
}
_TORCH = {
    "modules.activation": ("ReLU", "GELU", "MultiheadAttention"),
    "modules.batchnorm": ("BatchNorm1d", "BatchNorm2d"),
    "modules.container": ("ModuleList", "Sequential"),
    "modules.conv": ("Conv2d",),
    "modules.dropout": ("Dropout",),
    "modules.linear": ("Identity", "Linear", "NonDynamicallyQuantizableLinear"),
    "modules.normalization": ("LayerNorm",),
    "parallel.data_parallel": ("DataParallel",),
}
_ALLOWED = stand_ins(
    [
        *(f"overcomplete.{place}.{name}" for place, names in _OWN.items() for name in names),
        *(f"torch.nn.{place}.{name}" for place, names in _TORCH.items() for name in names),
    ]
)
"""All that a file may name, besides tensors."""
_TOP_K, _JUMP = {"TopKSAE", "RATopKSAE"}, {"JumpSAE", "RAJumpSAE"}
_WITHOUT_CODES = {"MpSAE": "matching pursuit", "OMPSAE": "orthogonal matching pursuit", "QSAE": "quantised codes"}
_CLASSES = {"SAE", "BatchTopKSAE", *_TOP_K, *_JUMP, *_WITHOUT_CODES}
_SAME = 1e-4  # relative to the largest entry: atoms that differ by no more are the same, computed elsewhere


class _Encoder(NamedTuple):
    """A linear encoder, and what follows it."""

    weight: Tensor
    bias: Tensor | None
    activation: str = "ReLU"
    norm: StandIn | None = None
    """A layer norm of all pre-activations of a token."""


def is_module(path: Path) -> bool:
    """Whether a file names anything of overcomplete: a state dict does not."""
    return any(name.startswith("overcomplete.") for name in names_in(path))


def read_module(path: Path, *, k: int | None, delta: float | None) -> LoadedDictionary:
    """The autoencoder in a file.

    Raises:
        DictionaryError: the file names what no autoencoder of overcomplete consists of, holds something else, is
            damaged, or says another k or delta than the one given.
    """
    model = _opened(path)
    _agrees(path, "k", k, model.state.get("top_k"))
    atoms, notes = _atoms(path, model, delta)
    made: dict[str, Any] = {}
    encoder = _encoder(path, model, atoms)
    if isinstance(encoder, str):
        notes = (*notes, f"{path}: {encoder}: it makes no codes here")
    else:
        made = {"encoder": encoder.weight, "encoder_bias": encoder.bias}
        rule = _rule(path, model, encoder)
        if isinstance(rule, str):
            notes = (*notes, f"{path}: {rule}: it makes no codes here")
        else:
            made["rule"] = rule if encoder.norm is None else _normed(path, encoder.norm, rule)
    return assembled(
        path, atoms=atoms, format=_FORMAT, about={"class": model.name}, sums=sha256_of(path), notes=notes, **made
    )


def at_least(threshold: Tensor) -> Tensor:
    """The number that is exceeded by what is at least the threshold, which is how overcomplete compares."""
    return torch.nextafter(threshold, threshold.new_tensor(-torch.inf))


def _opened(path: Path) -> StandIn:
    foreign = [name for name in names_in(path) if name not in _ALLOWED]
    if foreign:
        raise DictionaryError(
            f"{path} names {', '.join(foreign)}, which no autoencoder of overcomplete consists of, and is not "
            "unpickled: save its state dict, torch.save(model.state_dict(), 'model.pt')"
        )
    try:
        found = load(path, _ALLOWED)
    except Exception as error:  # what torch raises for a damaged file, and for one that does what none does
        raise DictionaryError(
            f"{path} is damaged, or no module that torch.save wrote: save its state dict, "
            "torch.save(model.state_dict(), 'model.pt')"
        ) from error
    found = _child(found, "module") if isinstance(found, StandIn) and found.name == "DataParallel" else found
    if not isinstance(found, StandIn) or found.name not in _CLASSES:
        what = found.name if isinstance(found, StandIn) else type(found).__name__
        raise DictionaryError(
            f"{path} holds {what}, and no autoencoder of overcomplete, which are {', '.join(sorted(_CLASSES))}: save "
            "one alone, or its state dict, torch.save(model.state_dict(), 'model.pt')"
        )
    return found


def _child(module: StandIn, name: str) -> StandIn | None:
    found = _table(module, "_modules").get(name)
    return found if isinstance(found, StandIn) else None


def _table(module: StandIn, name: str) -> Mapping[str, Any]:
    found = module.state.get(name)
    return found if isinstance(found, Mapping) else {}


def _parts(path: Path, module: StandIn) -> Parts:
    """Its own tensors, without those of the modules within."""
    both = {**_table(module, "_parameters"), **_table(module, "_buffers")}
    tensors = {str(name): each for name, each in both.items() if isinstance(each, Tensor)}
    return Parts(path, tensors, format=f"{module.name} of overcomplete")


def _number(path: Path, module: StandIn, name: str) -> float:
    found = module.state.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < math.inf:
        raise DictionaryError(f"{path}: {name} of its {module.name} is {found!r}, and no number from 0")
    return float(found)


def _agrees(path: Path, word: str, given: object, own: object) -> None:
    """Refuse what was given and is another than the file says."""
    if given is not None and given != own:
        says = f"{word} = {own}" if type(own) in {int, float} else f"no {word}"
        raise DictionaryError(f"{path} is a whole module and has {says}, and {given} was given: leave out {word}")


def _atoms(path: Path, model: StandIn, delta: float | None) -> tuple[Tensor, tuple[str, ...]]:
    dictionary = _child(model, "dictionary")
    kind = "nothing" if dictionary is None else dictionary.name
    if dictionary is None or kind not in {"DictionaryLayer", "RelaxedArchetypalDictionary"}:
        raise DictionaryError(f"{path} has {kind} for a dictionary, which no autoencoder of overcomplete has")
    _agrees(path, "delta", delta, dictionary.state.get("delta"))
    parts = _parts(path, dictionary)
    factor = math.exp(parts.number("multiplier"))
    if kind == "RelaxedArchetypalDictionary":
        reach = _number(path, dictionary, "delta")
        atoms = archetypal(parts.take("W"), parts.take("C"), parts.take("Relax"), delta=reach) * factor
    else:
        normalisation = getattr(dictionary.state.get("normalization"), "name", None)
        if normalisation not in NORMALISATIONS:
            raise DictionaryError(f"{path}: its dictionary is normalised by {normalisation}, which is not known here")
        atoms = NORMALISATIONS[normalisation](parts.take("_weights")) * factor
    parts.done()
    fused = dictionary.state.get("_fused_dictionary")
    if dictionary.state.get("training") is not False or not isinstance(fused, Tensor):
        return atoms, ()
    used = finite(fused, f"{path}, the fused dictionary", row="atom")
    if used.shape == atoms.shape and (used - atoms).abs().max() <= _SAME * atoms.abs().max():
        return used, ()
    stale = "its atoms are those that overcomplete decodes with in evaluation, and its weights make others"
    return used, (f"{path}: {stale}: was a state dict loaded after eval()?",)


def _encoder(path: Path, model: StandIn, atoms: Tensor) -> _Encoder | str:
    """Or why it is not read."""
    encoder = _child(model, "encoder")
    kind = "missing" if encoder is None else encoder.name
    if model.name in _WITHOUT_CODES:
        return f"codes of {model.name} ({_WITHOUT_CODES[model.name]}) are not read"
    if encoder is not None and kind == "TieableEncoder":
        parts = _parts(path, encoder)
        tied = _child(encoder, "tied_to") is not None
        return _Encoder(atoms if tied else parts.take("weight"), parts.maybe("bias"))
    return f"its encoder is {kind}, and is not read" if encoder is None or kind != "MLPEncoder" else _mlp(path, encoder)


def _mlp(path: Path, encoder: StandIn) -> _Encoder | str:
    """One linear layer, and a norm after it; or why that is not what it is."""
    blocks, final, activation = (_child(encoder, name) for name in ("mlp_blocks", "final_block", "final_activation"))
    linear, norm = (None if final is None else _child(final, name) for name in ("0", "1"))
    if blocks is None or _table(blocks, "_modules") or linear is None or linear.name != "Linear":
        return "its encoder is more than one linear layer, and is not read"
    if norm is None or norm.name not in {"Identity", "LayerNorm", "BatchNorm1d"}:
        return "what follows its linear layer is not known here"
    parts, after = _parts(path, linear), "nothing known" if activation is None else activation.name
    plain = _Encoder(parts.take("weight"), parts.maybe("bias"), after)
    if norm.name == "BatchNorm1d":
        return _evaluated(path, norm, plain)
    return plain._replace(norm=norm if norm.name == "LayerNorm" else None)


def _evaluated(path: Path, norm: StandIn, plain: _Encoder) -> _Encoder:
    """Batch norm in evaluation, which is a factor and a shift of every atom, multiplied in."""
    parts = _parts(path, norm)
    spread = (parts.take("running_var").double() + _number(path, norm, "eps")).sqrt()
    weight, shift = parts.maybe("weight"), parts.maybe("bias")
    factor = (1 if weight is None else weight.double()) / spread
    bias = -parts.take("running_mean").double() + (0 if plain.bias is None else plain.bias.double())
    bias = bias * factor + (0 if shift is None else shift.double())
    return plain._replace(weight=(plain.weight.double() * factor[:, None]).to(plain.weight), bias=bias.to(plain.weight))


def _normed(path: Path, norm: StandIn, rule: CodeRule) -> Normed:
    parts = _parts(path, norm)
    return Normed(rule, parts.maybe("weight"), parts.maybe("bias"), epsilon=_number(path, norm, "eps"))


def _rule(path: Path, model: StandIn, encoder: _Encoder) -> CodeRule | str:
    """Or why it is not known."""
    if model.name in _JUMP:  # takes the pre-activations and a ReLU of its own
        return Thresholded(at_least(_parts(path, model).take("thresholds").exp()))
    if encoder.activation != "ReLU" and not (encoder.activation == "Identity" and model.name in _TOP_K):
        return f"codes of {model.name} after {encoder.activation} are not read"
    if model.name in _TOP_K:
        k = model.state.get("top_k")
        if type(k) is not int or k < 1:
            raise DictionaryError(f"{path}: top_k of its {model.name} is {k!r}, and no whole number from 1")
        return TopK(k, signed=encoder.activation == "Identity")
    if model.name == "SAE":
        return Relu()
    threshold = model.state.get("running_threshold")
    if not isinstance(threshold, Tensor) or threshold.numel() != 1:
        return "it was never trained, and has no running threshold"
    return Thresholded(at_least(finite(threshold, f"{path}, its running threshold").reshape(())), name="BatchTopK")
