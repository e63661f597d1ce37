"""What transformers loads: a config, a tokenizer, a model; whatever goes wrong with its files is one sentence."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from reseed._support.machine import lacks_memory
from reseed.activations.model_files import ModelFiles, find_files
from reseed.errors import ActivationsError, MissingExtraError, ReseedError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Design", "blocks_of", "load_dense", "load_design", "load_tokenizer", "translated"]

_COPY = "copy or convert the model again"
_CODE = "collect its activations yourself and give them to reseed run as a matrix"
_LONG = 200  # characters of another library's words that an error message shows
_LOAD = "cannot be loaded as a transformers model"
_DEEPEST = 10_000  # blocks; building more would take hours before anything else could complain
_ADVICE = {
    "trust_remote_code": ("it needs Python code of its own, which reseed does not run", _CODE),
    "backend tokenizer": (
        "it has no tokenizer, or one that needs sentencepiece or tiktoken",
        "save its tokenizer into the same folder, as tokenizer.save_pretrained does",
    ),
    "ignore_mismatched_sizes": ("its config.json and its weights are of different sizes", _COPY),
}
"""Where another library's words would mislead, told by a word in them: what to say instead, and what to do."""


@dataclass(frozen=True)
class Design:
    """What a model is like, from its config alone: no weight has been read."""

    n_blocks: int
    d_model: int
    """Width of the hidden states, as the config says."""
    n_embeddings: int
    """Tokens that the model knows."""
    n_parameters: int
    max_positions: int | None
    """Tokens that it reads at once; None where the config does not say."""


def _transformers() -> Any:  # noqa: ANN401 (a module of an optional library)
    try:
        import transformers  # noqa: PLC0415 (an optional library)
    except ImportError as error:
        raise MissingExtraError("transformers", "lm") from error
    return transformers


def load_design(model: str) -> Design:
    """What the config says about a model, once its files are known to be whole.

    Raises:
        ActivationsError: there is no such model, its files are damaged, or it is of a kind that reseed cannot read.
        MissingExtraError: transformers is not installed.
    """
    transformers, files = _transformers(), find_files(model)
    config = _loaded(transformers.AutoConfig.from_pretrained, files)
    with translated(files):
        depth = config.get_text_config().num_hidden_layers
        if not 1 <= depth <= min(_DEEPEST, files.n_tensors or _DEEPEST):
            raise ActivationsError(
                f"{model} cannot be a model of {depth:,} blocks, as its config says"
                f"{f': its files hold {files.n_tensors:,} tensors' if files.n_tensors else ''}: {_COPY}"
            )
        with torch.device("meta"), _quiet(transformers.utils.logging):
            module = transformers.AutoModel.from_config(config, trust_remote_code=False)
        table, width = module.get_input_embeddings().weight, getattr(config.get_text_config(), "hidden_size", None)
        return Design(
            n_blocks=len(blocks_of(module)),
            d_model=width or table.shape[1],
            n_embeddings=table.shape[0],
            n_parameters=sum(weight.numel() for weight in module.parameters()),
            max_positions=getattr(config.get_text_config(), "max_position_embeddings", None),
        )


def load_tokenizer(model: str) -> Any:  # noqa: ANN401 (a tokenizer of transformers, which is optional)
    """The model's tokenizer."""
    return _loaded(_transformers().AutoTokenizer.from_pretrained, find_files(model))


def load_dense(model: str, dtype: torch.dtype) -> tuple["PreTrainedModel", set[str]]:
    """The model without its output head (of an encoder-decoder, the encoder), and the weights that its files lack.

    A GGUF file is dequantised. Pickled weights are never opened.
    """
    transformers, files = _transformers(), find_files(model)
    options: dict[str, Any] = {"dtype": dtype, "output_loading_info": True, "use_safetensors": True}
    if files.gguf:
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    module, report = _loaded(transformers.AutoModel.from_pretrained, files, **options)
    module.config.use_cache = False
    return module, set(report["missing_keys"])


def blocks_of(module: "PreTrainedModel") -> nn.ModuleList:
    """The stack of transformer blocks: the outermost list of modules as long as the config says the model is deep."""
    config = module.config.get_text_config()
    for part in module.modules():
        if isinstance(part, nn.ModuleList) and len(part) == config.num_hidden_layers:
            return part
    raise ActivationsError(
        f"{type(module).__name__} has no list of {config.num_hidden_layers} blocks to stop behind: {_CODE}"
    )


def _loaded(load: Callable[..., Any], files: ModelFiles, **options: object) -> Any:  # noqa: ANN401 (whatever `load` returns)
    if files.gguf:
        options["gguf_file"] = files.gguf
    with translated(files), _quiet(_transformers().utils.logging):
        return load(files.where, trust_remote_code=False, **options)


@contextmanager
def translated(files: ModelFiles, what: str = _LOAD) -> Iterator[None]:
    """Whatever other libraries raise about a model becomes one sentence: its name, `what`, why, and what to do.

    Raises:
        ActivationsError: the block raised anything but an error of ours, or an interruption.
    """
    try:
        yield
    except ReseedError:
        raise
    except Exception as error:
        raise _refusal(files, what, error) from error
    except BaseException as error:
        # a panic in Rust, where tokenizers are read, is none of Python's Exceptions
        if type(error).__name__ != "PanicException":
            raise
        raise _refusal(files, what, error) from error


def _refusal(files: ModelFiles, what: str, error: BaseException) -> ActivationsError:
    if lacks_memory(error):
        return ActivationsError(
            f"{files.name} does not fit into memory: use --dtype bf16, a smaller model or a larger machine"
        )
    reason, advice = next(
        (words for sign, words in _ADVICE.items() if sign in str(error)), (_first_line(error), files.advice)
    )
    return ActivationsError(f"{files.name} {what} ({reason}): {advice}")


def _first_line(error: BaseException) -> str:
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    shown = line if len(line) < _LONG else f"{line[:_LONG]} ..."
    plain = isinstance(error, OSError | ValueError | ImportError) and shown
    return shown.rstrip(".:") if plain else f"{type(error).__name__}: {shown.rstrip('.:')}".rstrip(": ")


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:  # noqa: ANN401 (a module of an optional library)
    """Without transformers' progress bars, and without its words: what matters of them is said by us."""
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"), redirect_stderr(StringIO()):  # GGUF's bar asks nobody
            yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
