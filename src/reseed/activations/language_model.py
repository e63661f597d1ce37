"""A transformers model, run up to one layer."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reseed.activations.manifest import Dtype
from reseed.errors import ActivationsError, MissingExtraError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = [
    "LanguageModel",
    "check_context",
    "fast_dtype",
    "hidden_states",
    "load_dense",
    "load_model",
    "load_tokenizer",
    "pad",
]

_ALLOWED = "give a model folder, a GGUF file, a name on the Hugging Face hub, smollm2 or minilm"
_SAME = 1e-3  # rounding moves a hidden state by less, another token in sight by far more


@dataclass(frozen=True)
class LanguageModel:
    """A model cut off behind block `layer`."""

    module: "PreTrainedModel"
    blocks: nn.ModuleList
    layer: int
    d_model: int
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


def _transformers() -> Any:  # noqa: ANN401 (a module of an optional library)
    try:
        import transformers  # noqa: PLC0415 (an optional library)
    except ImportError as error:
        raise MissingExtraError("transformers", "lm") from error
    return transformers


def _located(model: str) -> tuple[str, dict[str, Any]]:
    """Where transformers finds the model, and what it must be told about a GGUF file."""
    path = Path(model).expanduser()
    if path.suffix == ".gguf":
        folder, files = path.parent, [path] if path.is_file() else []
    elif path.is_dir():
        folder, files = path, [] if (path / "config.json").exists() else sorted(path.glob("*.gguf"))
    else:
        return model, {}
    return str(folder), {"gguf_file": files[0].name} if files else {}


def load_tokenizer(model: str) -> Any:  # noqa: ANN401 (a tokenizer of transformers, which is optional)
    """The model's tokenizer."""
    where, options = _located(model)
    return _loaded(_transformers().AutoTokenizer.from_pretrained, where, options)


def load_dense(model: str, dtype: torch.dtype) -> tuple["PreTrainedModel", set[str]]:
    """The model without its output head (of an encoder-decoder, the encoder), and the weights that its files lack.

    A GGUF file is dequantised.
    """
    transformers = _transformers()
    where, options = _located(model)
    if options:
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    options |= {"dtype": dtype, "output_loading_info": True}
    module, report = _loaded(transformers.AutoModel.from_pretrained, where, options)
    module.config.use_cache = False
    return module, set(report["missing_keys"])


def _loaded(load: Callable[..., Any], where: str, options: dict[str, Any]) -> Any:  # noqa: ANN401 (whatever `load` returns)
    try:
        with _quiet(_transformers().utils.logging):
            return load(where, trust_remote_code=False, **options)
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ActivationsError(f"{where} cannot be loaded as a transformers model ({reason}): {_ALLOWED}") from error


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:  # noqa: ANN401 (a module of an optional library)
    """Without transformers' progress bars, and without its report on weights that are not needed here."""
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def load_model(model: str, *, layer: int, dtype: Dtype, device: torch.device) -> LanguageModel:
    """Load a model and drop the blocks that layer `layer` does not need.

    Raises:
        ActivationsError: there is no such model, or no such layer in it, or its files lack weights below that layer.
    """
    module, missing = load_dense(model, {"bf16": torch.bfloat16, "fp32": torch.float32}[dtype])
    blocks = _blocks(module)
    if not 0 <= layer <= len(blocks):
        raise ActivationsError(f"{model} has no layer {layer}: it has 0 (embeddings) to {len(blocks)}")
    del blocks[max(layer, 1) :]
    _check_weights(module, blocks, missing)
    encoder: Any = module.get_encoder() if module.config.is_encoder_decoder else module  # its `to` has no types
    module = encoder.eval().to(device)
    probed = _probe(LanguageModel(module, blocks, layer, 0, causal=False, device=device))
    causal = bool((probed[0] - probed[1]).norm() < _SAME * probed[0].norm())
    return LanguageModel(module, blocks, layer, probed.shape[-1], causal, device)


def _check_weights(module: "PreTrainedModel", blocks: nn.ModuleList, missing: set[str]) -> None:
    # transformers fills in random numbers for weights that it does not find; poolers and heads do not matter here
    needed = {id(weight) for part in (blocks, module.get_input_embeddings()) for weight in part.parameters()}
    lacking = [name for name, weight in module.named_parameters() if name in missing and id(weight) in needed]
    if lacking:
        raise ActivationsError(
            f"the model's files lack {len(lacking)} of its weights ({lacking[0]} ...): copy or convert the model again"
        )


def _probe(model: LanguageModel) -> Float[Tensor, "windows d_model"]:
    """First hidden states of two windows that differ in their last token: equal when no token sees those behind it."""
    tokens = torch.tensor([[5, 6, 7, 8], [5, 6, 7, 9]], device=model.device)
    return hidden_states(model, tokens, torch.ones_like(tokens, dtype=torch.bool))[:, 0].float()


def _blocks(module: "PreTrainedModel") -> nn.ModuleList:
    """The stack of transformer blocks: the outermost list of modules as long as the config says the model is deep."""
    config = module.config.get_text_config()
    for part in module.modules():
        if isinstance(part, nn.ModuleList) and len(part) == config.num_hidden_layers:
            return part
    raise ActivationsError(
        f"{type(module).__name__} has no list of {config.num_hidden_layers} blocks to stop behind: "
        "collect its activations yourself and open them as a matrix"
    )


def check_context(model: LanguageModel, tokenizer: Any, context: int) -> None:  # noqa: ANN401 (a tokenizer of transformers, which is optional)
    """Raise ActivationsError when windows are longer than the model was made to read."""
    positions = getattr(model.module.config.get_text_config(), "max_position_embeddings", None) or context
    limit = min(positions, tokenizer.model_max_length)
    if context > limit:
        raise ActivationsError(f"the model reads at most {limit:,} tokens at once: use a context of at most {limit:,}")


@torch.inference_mode()
def hidden_states(
    model: LanguageModel, tokens: Int[Tensor, "windows context"], mask: Bool[Tensor, "windows context"]
) -> Float[Tensor, "windows context d_model"]:
    """What leaves block `model.layer` (counted from 1; 0 is what enters the first), before any final norm."""
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

    if model.layer == 0:
        return model.blocks[0].register_forward_pre_hook(before, with_kwargs=True)
    return model.blocks[model.layer - 1].register_forward_hook(behind)


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
