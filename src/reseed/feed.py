"""Batches for the runs of a condition: read once for all runs with the same order, and ahead of a GPU that computes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.activations import batch_rows

if TYPE_CHECKING:
    from reseed.activations import View

__all__ = ["Feed"]


class Feed:
    """The batches of one training, step after step; steps that lie behind are forgotten.

    On the CPU a batch is read by the thread that needs it first. Elsewhere the next batch is read, converted and on its
    way to the device while this one is computed with.
    """

    def __init__(
        self, view: View, device: torch.device, *, batch_size: int, steps: int, ahead: bool | None = None
    ) -> None:
        """Read `ahead` or not; None leaves it to the device."""
        self._view, self._device = view, device
        self._batch_size, self._steps = batch_size, steps
        wanted = device.type != "cpu" if ahead is None else ahead
        self._reader = ThreadPoolExecutor(1) if wanted else None  # its own: those that step may all be waiting for it
        self._read: dict[tuple[int, int], Callable[[], Tensor]] = {}

    @property
    def kept(self) -> set[int]:
        """The steps whose batches are in memory or on their way."""
        return {step for _, step in self._read}

    def batch(self, order: int, step: int) -> Float[Tensor, "batch d_model"]:
        """The rows of a step in the order that this number names, on the device."""
        now = self._read.get((order, step)) or self._begin(order, step)
        if self._reader and step + 1 < self._steps and (order, step + 1) not in self._read:
            self._begin(order, step + 1)
        for behind in [key for key in list(self._read) if key[1] < step]:
            self._read.pop(behind, None)
        return now()

    def _begin(self, order: int, step: int) -> Callable[[], Tensor]:
        if self._reader:
            self._read[order, step] = self._reader.submit(self._rows, order, step).result
        else:
            rows = self._rows(order, step)
            self._read[order, step] = lambda: rows
        return self._read[order, step]

    def _rows(self, order: int, step: int) -> Float[Tensor, "batch d_model"]:
        rows = self._view.rows(batch_rows(self._view.n_tokens, self._batch_size, step, roll=order))
        if self._device.type == "cuda":
            rows = rows.pin_memory()
        return rows.to(self._device, non_blocking=True)
