"""reseed's contender: the updates of `reseed.training`, without its snapshots, files and metrics."""

from concurrent.futures import ThreadPoolExecutor

import torch
from _contenders import BANDWIDTH, L1, PRICE, THRESHOLD, Family, Task, shut
from jaxtyping import Float
from torch import Tensor

from reseed.dice import generator
from reseed.kernels import compress
from reseed.methods import Method, Reading, Schedule, StartPoint, State, inputs, parse

__all__ = ["Reseed"]

_ENOUGH = 10**9  # steps: the learning rate stays at its peak, as the peers' does


class Reseed:
    """Some runs of a method, each a stack of width 1 as on any CPU, on worker threads as `reseed run` uses them."""

    def __init__(self, task: Task, family: Family, *, runs: int = 1) -> None:
        settings = {"kind": family, "n_atoms": task.n_atoms, "learning_rate": task.learning_rate[family]}
        if family == "gated":
            settings |= {"l1": L1}
        elif family in {"jumprelu", "ra-jumprelu"}:
            jumps = {"threshold_start": THRESHOLD, "bandwidth": BANDWIDTH}
            settings |= {"l0": PRICE, "target_l0": float(task.k), **jumps}
        else:
            settings |= {"k": task.k}
        if family == "transcoder":
            settings |= {"reads": task.d_model // 2}
        self.runs = [Run(parse(settings), task, number) for number in range(runs)]
        self.workers = ThreadPoolExecutor(torch.get_num_threads(), initializer=lambda: torch.set_num_threads(1))

    def train(self, batches: Float[Tensor, "steps batch d_model"]) -> None:
        """One update of every run per batch."""
        for x in batches:
            list(self.workers.map(lambda run: run.update(x), self.runs))  # noqa: B023 (used up here)

    def reconstruct(self, x: Float[Tensor, "tokens d_model"]) -> Float[Tensor, "tokens d_model"]:
        """What the first run makes of activations."""
        method, state = self.runs[0].method, self.runs[0].state
        parameters = method.parameters(state)
        return method.decode(parameters, compress(method.encode(parameters, x.unsqueeze(0))))[0]


class Run:
    """One run."""

    def __init__(self, method: Method, task: Task, number: int) -> None:
        self.method, self.step = method, 0
        self.state: State = method.initialise(_start(method, task, number), rolled_encoder=number)
        if method.kind == "gated":
            products = inputs(self.state, task.rows[: task.batch_size].unsqueeze(0)) @ self.state["encoder"].mT
            self.state["encoder_bias"].sub_(shut(products))
        self.idle = torch.zeros(1, task.n_atoms, dtype=torch.int64)
        self.diverged = False

    def update(self, x: Float[Tensor, "batch d_model"]) -> None:
        """One update, as `reseed.training` makes it; the only place of the benchmarks that knows how."""
        outcome = self.method.update(self.state, x.unsqueeze(0), Schedule(self.step, n_steps=_ENOUGH))
        self.step += 1
        self.idle = torch.where(outcome.fired, 0, self.idle + 1)
        self.diverged |= not outcome.loss.isfinite().all().item()


def _start(method: Method, task: Task, number: int) -> StartPoint:
    """Random directions, or the points that the other contenders start from."""
    mixes, reads = method.mixes_points, method.columns_read
    written = method.target(task.rows)
    random = torch.randn(task.n_atoms, written.shape[1], generator=generator(number))
    return StartPoint(
        atoms=task.points[: task.n_atoms] if mixes else random,
        points=task.points if mixes else None,
        weights=torch.eye(task.n_atoms, len(task.points)) if mixes else None,
        mean=written.mean(0),
        scale=_scale(written),
        reading=None if reads is None else _reading(task.rows[:, :reads], written),
        sample=task.rows[:1024],
    )


def _reading(read: Float[Tensor, "tokens d_read"], written: Float[Tensor, "tokens d_model"]) -> Reading:
    """What is read, as `reseed.starts` finds it."""
    deviations = read - read.mean(0)
    to_written = torch.linalg.lstsq(deviations, written - written.mean(0)).solution
    return Reading(mean=read.mean(0), scale=_scale(read), to_written=to_written)


def _scale(rows: Float[Tensor, "tokens d_model"]) -> float:
    """Root mean square deviation per dimension."""
    return (rows - rows.mean(0)).square().mean().sqrt().item()
