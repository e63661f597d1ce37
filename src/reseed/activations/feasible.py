"""What can be known to be impossible about a collection before anything large is loaded."""

from pathlib import Path

import torch

from reseed._support.machine import memory, room
from reseed._support.numbers import size
from reseed.activations.language_model import PLACES, fast_dtype
from reseed.activations.loading import Design
from reseed.activations.manifest import Dtype
from reseed.activations.windows import Windows
from reseed.errors import ActivationsError

__all__ = [
    "check_context",
    "check_counts",
    "check_design",
    "check_disk",
    "check_place",
    "check_reading",
    "check_room",
    "check_vocabulary",
    "device_of",
    "precision_of",
]

_TOO_MANY = 1 << 40
_LAYER_STATES = 4  # states of a batch that exist at once in a block: what enters, queries, keys and values
_SIZES: dict[Dtype, int] = {"bf16": 2, "fp32": 4}


def check_counts(**counts: object) -> None:
    """Raise ActivationsError unless all counts are whole numbers from 1 on, and such as a disk could hold."""
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int):
            raise ActivationsError(f"{name}={count!r}: it is a whole number")
        if not 1 <= count < _TOO_MANY:
            raise ActivationsError(f"{name}={count}: it is at least 1{'' if count < 1 else ' and below 2^40'}")


def device_of(device: str | None) -> torch.device:
    """The device of that name, or the one that computes fastest. ActivationsError if this machine has no such."""
    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        where = torch.device(name)
        torch.empty(1, device=where)
    except (RuntimeError, AssertionError, TypeError, ValueError, NotImplementedError) as error:
        raise ActivationsError(f"device={name!r} is none of this machine's: use {_devices()}") from error
    if where.type == "meta":
        raise ActivationsError(f"device={name!r} computes nothing: use {_devices()}")
    return where


def _devices() -> str:
    return "cpu or cuda" if torch.cuda.is_available() else "cpu"


def precision_of(dtype: str, where: torch.device) -> Dtype:
    """The precision that `dtype` stands for on a device. ActivationsError for an unknown one."""
    if dtype not in {"auto", "bf16", "fp32"}:
        raise ActivationsError(f"dtype={dtype!r}: choose from auto, bf16, fp32")
    return fast_dtype(where) if dtype == "auto" else "bf16" if dtype == "bf16" else "fp32"


def check_design(design: Design, *, model: str, layer: int, context: int) -> None:
    """Raise ActivationsError unless a model has that layer and reads windows that long."""
    if isinstance(layer, bool) or not isinstance(layer, int):
        raise ActivationsError(f"layer={layer!r}: it is a whole number, 0 (embeddings) to {design.n_blocks}")
    if not 0 <= layer <= design.n_blocks:
        raise ActivationsError(f"{model} has no layer {layer}: it has 0 (embeddings) to {design.n_blocks}")
    check_context(design.max_positions or context, context)


def check_place(at: str, layer: int) -> None:
    """Raise ActivationsError unless it is a place to read at, which that layer has."""
    if at not in PLACES:
        raise ActivationsError(f"at={at!r}: choose from {', '.join(PLACES)}")
    if at == "mlp" and layer == 0:
        raise ActivationsError("layer 0 is the embeddings, which have no MLP: --at mlp reads that of a layer from 1 on")


def check_context(limit: int, context: int) -> None:
    """Raise ActivationsError when windows are longer than `limit` tokens."""
    if context > limit:
        raise ActivationsError(f"the model reads at most {limit:,} tokens at once: use a context of at most {limit:,}")


def check_room(folder: Path, design: Design, precision: Dtype, *, rows: int) -> None:
    """Raise ActivationsError unless the disk has room for the store, and memory for the model."""
    there = sum(file.stat().st_size for file in folder.glob("*.safetensors")) if folder.is_dir() else 0
    needed = rows * design.d_model * _SIZES[precision] + 8 * design.d_model**2
    check_disk(folder, needed - there, "ask for fewer --tokens or choose another disk")
    _check_memory(
        "the model", design.n_parameters * _SIZES[precision], "use --dtype bf16, a smaller model or a larger machine"
    )


def check_reading(design: Design, precision: Dtype, *, windows: int, context: int, kept: int) -> None:
    """Raise ActivationsError unless memory has room for one batch, at the very least, and for the rows of one shard."""
    needed = (_LAYER_STATES * windows * context + kept) * design.d_model * _SIZES[precision]
    _check_memory("reading", needed, "use a smaller --batch, --context or --heldout")


def check_vocabulary(windows: Windows, design: Design, model: str) -> None:
    """Raise ActivationsError when the texts have tokens that the model has not."""
    largest = max((int(windows.ids.max(initial=0)), *windows.prefix, *windows.suffix))
    if largest >= design.n_embeddings:
        raise ActivationsError(
            f"the tokenizer of {model} gives token {largest:,}, its model knows {design.n_embeddings:,}: they do not "
            "belong together; copy both from the same model"
        )


def _check_memory(what: str, needed: int, advice: str) -> None:
    has = memory()
    if has is not None and needed > has.free:
        raise ActivationsError(f"{what} needs about {size(needed)} of memory, {size(has.free)} are free: {advice}")


def check_disk(folder: Path, needed: int, advice: str) -> None:
    """Raise ActivationsError unless the disk of a folder has room for so many bytes more."""
    has = room(folder)
    if has is not None and needed > has.free:
        raise ActivationsError(f"{folder} will take {size(needed)} more, {size(has.free)} are free there: {advice}")
