"""A transformers model, run up to one layer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reseed.activations.loading import blocks_of, load_dense, translated
from reseed.activations.manifest import Dtype
from reseed.activations.model_files import find_files
from reseed.errors import ActivationsError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["PLACES", "LanguageModel", "Place", "fast_dtype", "hidden_states", "load_model", "pad"]

Place = Literal["residual", "mlp"]
"""Where in a block activations are read: what leaves it, or what enters its MLP and then what leaves that."""
PLACES: tuple[Place, ...] = get_args(Place)

_MLPS = ("mlp", "feed_forward", "ffn")  # what models call the MLP of a block
_COPY = "copy or convert the model again"
_SAME = 1e-3  # rounding moves a hidden state by less, another token in sight by far more


@dataclass(frozen=True)
class LanguageModel:
    """A model cut off behind block `layer`."""

    module: "PreTrainedModel"
    blocks: nn.ModuleList
    layer: int
    at: Place
    d_model: int
    """Of what is read at its place: for `mlp` the width of what enters and of what leaves, together."""
    causal: bool
    device: torch.device


class _Reached(Exception):  # noqa: N818 (a way out of the forward pass and no error)
    """Carries the hidden states out of the forward pass: no deeper block is computed."""

    def __init__(self, states: Tensor) -> None:
        self.states = states


def fast_dtype(device: torch.device) -> Dtype:
    """bf16 where a device multiplies it in hardware, fp32 elsewhere (where bf16 would be emulated, and slow)."""
    if device.type != "cpu":
        return "bf16"
    flags = Path("/proc/cpuinfo")
    return "bf16" if flags.is_file() and re.search(r"\b(avx512_bf16|amx_bf16)\b", flags.read_text()) else "fp32"


def load_model(model: str, *, layer: int, dtype: Dtype, device: torch.device, at: Place = "residual") -> LanguageModel:
    """Load a model and drop the blocks that layer `layer`, which it has, does not need.

    Raises:
        ActivationsError: there is no such model, its files lack weights below that layer or hold damaged ones, or it
            cannot be run over tokens alone.
    """
    module, missing = load_dense(model, {"bf16": torch.bfloat16, "fp32": torch.float32}[dtype])
    blocks = blocks_of(module)
    del blocks[max(layer, 1) :]
    encoder: Any = module.get_encoder() if module.config.is_encoder_decoder else module  # its `to` has no types
    with translated(find_files(model), "cannot be run over tokens"):
        _check_weights(model, module, blocks, missing)
        module = encoder.eval().to(device)
        probed = _probe(LanguageModel(module, blocks, layer, at, 0, causal=False, device=device))
    if not probed.isfinite().all():
        raise ActivationsError(
            f"{model} gives NaN or infinity at layer {layer} in {dtype}: use --dtype fp32, or {_COPY}"
        )
    causal = bool((probed[0] - probed[1]).norm() < _SAME * probed[0].norm())
    return LanguageModel(module, blocks, layer, at, probed.shape[-1], causal, device)


def _check_weights(model: str, module: "PreTrainedModel", blocks: nn.ModuleList, missing: set[str]) -> None:
    # transformers fills in random numbers for weights that it does not find; poolers and heads do not matter here
    needed = {id(weight) for part in (blocks, module.get_input_embeddings()) for weight in part.parameters()}
    weights = {name: weight for name, weight in module.named_parameters() if id(weight) in needed}
    lacking = [name for name in weights if name in missing]
    if lacking:
        raise ActivationsError(f"the model's files lack {len(lacking)} of its weights ({lacking[0]} ...): {_COPY}")
    damaged = [name for name, weight in weights.items() if not weight.isfinite().all()]
    if damaged:
        raise ActivationsError(
            f"{len(damaged)} of the weights of {model} hold NaN or infinity ({damaged[0]} ...): {_COPY}"
        )


def _probe(model: LanguageModel) -> Float[Tensor, "windows d_model"]:
    """First hidden states of two windows that differ in their last token: equal when no token sees those behind it."""
    tokens = torch.tensor([[5, 6, 7, 8], [5, 6, 7, 9]], device=model.device) % _vocabulary(model)
    return hidden_states(model, tokens, torch.ones_like(tokens, dtype=torch.bool))[:, 0].float()


def _vocabulary(model: LanguageModel) -> int:
    table: Any = model.module.get_input_embeddings()
    return table.weight.shape[0]


@torch.inference_mode()
def hidden_states(
    model: LanguageModel, tokens: Int[Tensor, "windows context"], mask: Bool[Tensor, "windows context"]
) -> Float[Tensor, "windows context d_model"]:
    """What leaves block `model.layer` (counted from 1; 0 is what enters the first), before any final norm.

    At `mlp`: what enters the MLP of that block, after its norm, and beside it what leaves the MLP.
    """
    handle = _stop(model)
    try:
        model.module(input_ids=tokens, attention_mask=None if mask.all() else mask.long())
    except _Reached as reached:
        return reached.states
    finally:
        handle.remove()
    raise ActivationsError(
        f"{type(model.module).__name__} never ran block {model.layer}: its blocks are not called one by one"
    )


def _stop(model: LanguageModel) -> Any:  # noqa: ANN401 (torch does not export the type of a hook's handle)
    def before(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        raise _Reached(arguments[0] if arguments else named["hidden_states"])

    def behind(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401 (whatever a block returns)
        raise _Reached(output[0] if isinstance(output, tuple) else output)

    def through(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:  # noqa: ANN401 (the same)
        entered = arguments[0] if arguments else named["hidden_states"]
        raise _Reached(torch.cat([entered, output[0] if isinstance(output, tuple) else output], dim=-1))

    if model.at == "mlp":
        return _mlp_of(model.blocks[model.layer - 1]).register_forward_hook(through, with_kwargs=True)
    if model.layer == 0:
        return model.blocks[0].register_forward_pre_hook(before, with_kwargs=True)
    return model.blocks[model.layer - 1].register_forward_hook(behind)


def _mlp_of(block: nn.Module) -> nn.Module:
    named = dict(block.named_children())
    found = next((named[name] for name in _MLPS if name in named), None)
    if found is None:
        raise ActivationsError(
            f"a block of this model has no {' or '.join(_MLPS)}, only {', '.join(named)}: --at mlp reads models whose "
            "blocks have one; leave out --at, or store what enters and what leaves side by side yourself"
        )
    return found


def pad(windows: Sequence[np.ndarray]) -> tuple[Int[Tensor, "windows context"], Bool[Tensor, "windows context"]]:
    """Token ids filled up with 0 on the right to one length, and which of them are real."""
    width = max(map(len, windows))
    tokens, mask = (
        torch.zeros(len(windows), width, dtype=torch.int64),
        torch.zeros(len(windows), width, dtype=torch.bool),
    )
    for row, window in enumerate(windows):
        tokens[row, : len(window)], mask[row, : len(window)] = torch.from_numpy(window), True
    return tokens, mask
