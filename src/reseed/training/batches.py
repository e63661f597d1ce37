"""Batches for the runs of a condition: read once for all runs with the same order, and ahead of a GPU that computes."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.activations.order import rows_of_batches

if TYPE_CHECKING:
    from reseed.activations import Preprocessed

__all__ = ["Batches", "near_to", "share_of"]


_AT_A_TIME = 2**18  # numbers: small batches are read many at a time, for as long as they stay in the cache


class Batches:
    """The batches of one training, step after step; steps that lie behind are forgotten.

    Steps that follow each other are read at a time, of large batches one. On the CPU they are read by the thread that
    needs them first, and the others wait for it. Elsewhere the next ones are read and converted while these are
    computed with, and are sent to the device from pinned memory if they are not there already.
    """

    def __init__(
        self, seen: Preprocessed, device: torch.device, *, batch_size: int, steps: int, ahead: bool | None = None
    ) -> None:
        """Read `ahead` or not; None leaves it to the device."""
        self._activations, self._device = seen, device
        self._batch_size, self._steps = batch_size, steps
        self._at_a_time = max(1, _AT_A_TIME // (batch_size * seen.d_model))
        wanted = device.type != "cpu" if ahead is None else ahead
        self._reader = ThreadPoolExecutor(1) if wanted else None  # its own: those that step may all be waiting for it
        self._read: dict[tuple[int, int], Future[list[Tensor]]] = {}
        self._lock = threading.Lock()

    @property
    def kept(self) -> set[int]:
        """The steps whose batches are in memory or on their way."""
        return {step for _, first in self._read for step in self._from(first)}

    def batch(self, order: int, step: int) -> Float[Tensor, "batch d_model"]:
        """The rows of a step in the order that this number names, on the device."""
        first = step - step % self._at_a_time
        now = self._begun(order, first)
        if self._reader and first + self._at_a_time < self._steps:
            self._begun(order, first + self._at_a_time)
        with self._lock:
            self._read = {key: future for key, future in self._read.items() if key[1] >= first}
        return now.result()[step - first]

    def _from(self, first: int) -> range:
        """The steps that are read together with this one."""
        return range(first, min(first + self._at_a_time, self._steps))

    def _begun(self, order: int, first: int) -> Future[list[Tensor]]:
        """Batches that somebody reads, or has read."""
        with self._lock:
            if (order, first) in self._read:
                return self._read[order, first]
            future: Future[list[Tensor]] = Future()
            self._read[order, first] = future
        if self._reader:
            self._reader.submit(self._fill, future, order, first)
        else:
            self._fill(future, order, first)
        return future

    def _fill(self, future: Future[list[Tensor]], order: int, first: int) -> None:
        try:
            future.set_result(self._batches(order, first))
        except BaseException as error:  # noqa: BLE001 (it belongs to whoever asks for the batch)
            future.set_exception(error)

    def _batches(self, order: int, first: int) -> list[Float[Tensor, "batch d_model"]]:
        index = rows_of_batches(self._activations.n_tokens, self._batch_size, self._from(first), roll=order)
        return [self._sent(rows) for rows in self._activations.batches(index)]

    def _sent(self, rows: Float[Tensor, "batch d_model"]) -> Float[Tensor, "batch d_model"]:
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
