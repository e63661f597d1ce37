"""Batches for the runs of a condition: read once for all runs with the same order, and ahead of a GPU that computes."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.activations import batch_rows

if TYPE_CHECKING:
    from reseed.activations import Preprocessed

__all__ = ["Batches", "near_to", "share_of"]


class Batches:
    """The batches of one training, step after step; steps that lie behind are forgotten.

    On the CPU a batch is read by the thread that needs it first, and the others wait for it. Elsewhere the next batch
    is read and converted while this one is computed with, and is sent to the device from pinned memory if it is not
    there already.
    """

    def __init__(
        self, seen: Preprocessed, device: torch.device, *, batch_size: int, steps: int, ahead: bool | None = None
    ) -> None:
        """Read `ahead` or not; None leaves it to the device."""
        self._activations, self._device = seen, device
        self._batch_size, self._steps = batch_size, steps
        wanted = device.type != "cpu" if ahead is None else ahead
        self._reader = ThreadPoolExecutor(1) if wanted else None  # its own: those that step may all be waiting for it
        self._read: dict[tuple[int, int], Future[Tensor]] = {}
        self._lock = threading.Lock()

    @property
    def kept(self) -> set[int]:
        """The steps whose batches are in memory or on their way."""
        return {step for _, step in self._read}

    def batch(self, order: int, step: int) -> Float[Tensor, "batch d_model"]:
        """The rows of a step in the order that this number names, on the device."""
        now = self._begun(order, step)
        if self._reader and step + 1 < self._steps:
            self._begun(order, step + 1)
        with self._lock:
            self._read = {key: future for key, future in self._read.items() if key[1] >= step}
        return now.result()

    def _begun(self, order: int, step: int) -> Future[Tensor]:
        """A batch that somebody reads, or has read."""
        with self._lock:
            if (order, step) in self._read:
                return self._read[order, step]
            future: Future[Tensor] = Future()
            self._read[order, step] = future
        if self._reader:
            self._reader.submit(self._fill, future, order, step)
        else:
            self._fill(future, order, step)
        return future

    def _fill(self, future: Future[Tensor], order: int, step: int) -> None:
        try:
            future.set_result(self._rows(order, step))
        except BaseException as error:  # noqa: BLE001 (it belongs to whoever asks for the batch)
            future.set_exception(error)

    def _rows(self, order: int, step: int) -> Float[Tensor, "batch d_model"]:
        rows = self._activations.rows(batch_rows(self._activations.n_tokens, self._batch_size, step, roll=order))
        if self._device.type == "cuda" and not rows.is_cuda:
            rows = rows.pin_memory()
        return rows.to(self._device, non_blocking=True)


def near_to(seen: Preprocessed, device: torch.device) -> Preprocessed:
    """The activations where a device reads batches fastest: in a GPU's memory, where they have room there.

    A GPU makes an update in less time than the CPU gathers the batches of eight runs.
    """
    if device.type != "cuda":
        return seen
    held = sum(shard.tensor.nbytes for shard in seen.activations.matrix.shards)
    return seen.to(device) if held <= share_of(torch.cuda.get_device_properties(device).total_memory) else seen


def share_of(memory: int) -> int:
    """How many bytes of a GPU's memory activations may take; how much of it is free would differ from day to day."""
    return memory // 4
