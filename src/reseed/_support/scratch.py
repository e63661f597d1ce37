"""Memory that is written over again: a large new tensor costs more to page in than to fill."""

import threading

import torch
from torch import Tensor

__all__ = ["scratch"]

_mine = threading.local()


def scratch(name: str, *shape: int, like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """A tensor with anything in it, in the same memory at every call with this name from this thread.

    So it is the caller's until then, and nobody's to keep. Threads that end give their memory back.
    """
    dtype = dtype or like.dtype
    if like.device.type != "cpu":  # torch keeps a GPU's memory for the next tensor by itself
        return torch.empty(shape, dtype=dtype, device=like.device)
    kept: dict[str, Tensor] = _mine.__dict__.setdefault("tensors", {})
    tensor = kept.get(name)
    if tensor is None or (tensor.shape, tensor.dtype) != (shape, dtype):
        kept[name] = tensor = torch.empty(shape, dtype=dtype)
    return tensor
