"""Write what SAELens 6 loads: `cfg.json` and `sae_weights.safetensors`, as `SAE.load_from_disk` reads them.

Encoders are (d_model, n_atoms), decoders (n_atoms, d_model). BatchTopK becomes what SAELens itself saves of it for
inference, a JumpReLU with one threshold for all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from reseed._support.version import VERSION
from reseed.interop._folded import is_transcoder, not_subtracting, or_zeros, plain_rule
from reseed.interop._writer import Writer, Written, inexpressible, rule_of
from reseed.interop.codes import Gated, Linear, Pursuit, Relu, Thresholded, TopK
from reseed.interop.saelens import CONFIG, WEIGHTS
from reseed.interop.spaces import ConstantNorm, LayerNorm, Raw

if TYPE_CHECKING:
    from reseed.interop._base import LoadedDictionary

__all__ = ["SAELENS_WRITER"]

_VERSION = "6.54.12"
"""Of SAELens, whose layout is written: its loader takes files without a version for those of before 6."""
_TITLE = "SAELens"
_RULES = "ReLU, TopK, absolute TopK, JumpReLU, gated and matching pursuit, and transcoders with ReLU or JumpReLU"
_SPACES = "raw activations, layer norm (epsilon 1e-5) and constant norm, and transcoders of raw activations"
_TOLD = ("model_name", "hook_name", "hook_point", "hook_layer", "dataset_path")


class _Architecture(NamedTuple):
    """A name of SAELens, and what only files of this name hold."""

    name: str
    settings: dict[str, Any]
    tensors: dict[str, Tensor]


def _made(dictionary: LoadedDictionary) -> Written:
    normalize = _normalize(dictionary)
    dictionary = _of_norm(not_subtracting(dictionary) if is_transcoder(dictionary) else dictionary)
    architecture = _architecture(dictionary)
    n_atoms, d_model = dictionary.atoms.shape
    decoder_bias = or_zeros(dictionary.decoder_bias, dictionary.atoms[0])
    tensors = {"W_dec": dictionary.atoms, "b_dec": decoder_bias} | architecture.tensors
    d_in = d_model
    if dictionary.encoder is not None and not isinstance(dictionary.rule, Pursuit):
        tensors["W_enc"], d_in = dictionary.encoder.T, dictionary.encoder.shape[1]
    settings = {
        "architecture": architecture.name,
        "d_in": d_in,
        "d_sae": n_atoms,
        "dtype": str(dictionary.atoms.dtype).removeprefix("torch."),
        "device": "cpu",
        "apply_b_dec_to_input": dictionary.subtracts,
        "normalize_activations": normalize,
        "reshape_activations": "none",
        "metadata": _metadata(dictionary, architecture),
    }
    return Written(tensors, settings | architecture.settings)


def _architecture(dictionary: LoadedDictionary) -> _Architecture:
    rule, atoms = plain_rule(rule_of(dictionary)), dictionary.atoms
    rule = TopK(len(atoms), signed=True, absolute=True) if isinstance(rule, Linear) else rule  # that is all of them
    encoder_bias = or_zeros(dictionary.encoder_bias, atoms[:, 0])
    bias = {"b_enc": encoder_bias}
    if isinstance(rule, Thresholded):
        bias["threshold"] = rule.threshold.to(atoms).expand(len(atoms))
    if is_transcoder(dictionary) and isinstance(rule, Relu | Thresholded):
        skip: dict[str, Tensor] = {} if dictionary.skip is None else {"W_skip": dictionary.skip}
        name = f"{'jumprelu_' * isinstance(rule, Thresholded)}{'skip_' * len(skip)}transcoder"
        return _Architecture(name, {"d_out": atoms.shape[1]}, bias | skip)
    if is_transcoder(dictionary):
        raise inexpressible(dictionary, f"is a transcoder with {rule.title}", format=_TITLE, has=_RULES)
    if isinstance(rule, Relu):
        return _Architecture("standard", {}, bias)
    if isinstance(rule, Thresholded):
        return _Architecture("jumprelu", {}, bias)
    if isinstance(rule, TopK) and rule.signed == rule.absolute:
        k = {"k": min(rule.k, len(atoms)), "rescale_acts_by_decoder_norm": False}
        return _Architecture("abstopk" if rule.absolute else "topk", k, bias)
    if isinstance(rule, Gated):  # whose two paths share the encoder and have biases of their own
        magnitude = rule.b_mag.to(atoms) + encoder_bias * rule.r_mag.to(atoms).exp()
        gate = {"b_gate": rule.b_gate.to(atoms) + encoder_bias, "b_mag": magnitude, "r_mag": rule.r_mag.to(atoms)}
        return _Architecture("gated", {}, gate)
    if isinstance(rule, Pursuit) and (dictionary.subtracts or dictionary.decoder_bias is None):
        return _Architecture("matching_pursuit", _of_pursuit(rule), {})
    raise inexpressible(dictionary, f"makes codes by {rule.title}", format=_TITLE, has=_RULES)


def _of_pursuit(rule: Pursuit) -> dict[str, Any]:
    return {
        "residual_threshold": rule.threshold,
        "max_iterations": rule.most,
        "stop_on_duplicate_support": rule.until_repeated,
    }


def _normalize(dictionary: LoadedDictionary) -> str:
    """SAELens' word for the space."""
    space = dictionary.space
    if isinstance(space, Raw):
        return "none"
    if isinstance(space, LayerNorm) and space == LayerNorm() and not is_transcoder(dictionary):
        return "layer_norm"
    if isinstance(space, ConstantNorm) and not is_transcoder(dictionary):
        return "constant_norm_rescale"
    raise inexpressible(dictionary, f"reads {space.kind} activations", format=_TITLE, has=_SPACES)


def _of_norm(dictionary: LoadedDictionary) -> LoadedDictionary:
    """The same function of activations of norm √d, where it reads those of another constant norm."""
    space, d_model = dictionary.space, dictionary.atoms.shape[1]
    if not isinstance(space, ConstantNorm) or space.norm is None:
        return dictionary
    if dictionary.encoder is None or isinstance(dictionary.rule, Pursuit):
        raise inexpressible(
            dictionary, f"pursues activations of norm {space.norm:g}", format=_TITLE, has="those of norm √d"
        )
    factor, bias = space.norm / d_model**0.5, dictionary.decoder_bias
    return replace(
        dictionary,
        atoms=dictionary.atoms / factor,
        encoder=dictionary.encoder * factor,
        decoder_bias=None if bias is None else bias / factor,
        space=ConstantNorm(),
    )


def _metadata(dictionary: LoadedDictionary, architecture: _Architecture) -> dict[str, Any]:
    """What it is for and where it is from, as far as its source says so."""
    about = dictionary.about
    told = {name: about[name] for name in _TOLD if about.get(name) is not None}
    if "model" in about:
        told = {"model_name": about["model"]} | told
    batch = isinstance(dictionary.rule, Thresholded) and dictionary.rule.name == "BatchTopK"
    trained = f"{'matryoshka_' * bool(dictionary.groups)}batchtopk" if batch else architecture.name
    ends = [sum(dictionary.groups[: end + 1]) for end in range(len(dictionary.groups))]
    return {
        "sae_lens_version": _VERSION,
        "sae_lens_training_version": None,
        "training_architecture": about.get("training_architecture", trained),
        "training_architecture_details": {"matryoshka_widths": ends} if ends else {},
        "exported_by": f"reseed {VERSION}",
        **told,
    }


SAELENS_WRITER = Writer(
    name="saelens",
    title=_TITLE,
    meaning=f"a folder of SAELens 6, with {CONFIG} and {WEIGHTS}",
    config=CONFIG,
    weights=WEIGHTS,
    made=_made,
)
