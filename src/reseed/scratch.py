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
    kept: dict[str, Tensor] = _mine.__dict__.setdefault("tensors", {})
    tensor = kept.get(name)
    dtype = dtype or like.dtype
    if tensor is None or (tensor.shape, tensor.dtype, tensor.device) != (shape, dtype, like.device):
        kept[name] = tensor = torch.empty(shape, dtype=dtype, device=like.device)
    return tensor
