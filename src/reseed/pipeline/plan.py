"""Before a study runs: what it will need, what there is, and whether that is enough."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from reseed import kernels
from reseed._support import machine, progress, stopping
from reseed._support.guard import guarded
from reseed._support.numbers import size
from reseed._support.threads import workers
from reseed.pipeline.hours import Part, hours_of
from reseed.pipeline.memory import enough_memory
from reseed.pipeline.needs import needs_of
from reseed.pipeline.rates import measure_rates
from reseed.pipeline.rejudge import prepare
from reseed.pipeline.room import gpu_memory, refusal_of
from reseed.pipeline.sample import about_starts
from reseed.pipeline.session import check_place, checked_sizes, device_of, reading, threads_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reseed.pipeline.needs import Needs, OfCondition
    from reseed.pipeline.rates import Rates
    from reseed.spec import Study

__all__ = ["PLAN_VERSION", "Disk", "Memory", "Plan", "plan"]

PLAN_VERSION = 1
"""Of the document that `Plan.to_json` writes. 1: first version."""


@dataclass(frozen=True)
class Memory:
    """Of the process, or of a GPU, in bytes."""

    least: int
    """What is held for certain in the phase that holds most."""
    most: int
    """At the peak, temporary copies included. Pages of mapped activations come on top as far as there is room."""
    phase: str
    """When the peak is."""
    there: int | None
    """What the machine has, or the container that this runs in; None where the system does not tell."""
    free: int | None
    """Of that, what is free now; None for a GPU."""


@dataclass(frozen=True)
class Disk:
    """Of the study folder, in bytes and files."""

    end: int
    """Bytes of a finished study, its report included."""
    most: int
    """The most while it runs, resume points included."""
    now: int
    """Bytes that are there now."""
    free: int | None
    """Bytes that can be written where it lies; None where the system does not tell."""
    files: int
    """Files of a finished study."""
    files_free: int | None
    """Files that can be made; None where there is no limit."""
    parts: dict[str, int]
    """Bytes of a finished study, by kind of file."""


@dataclass(frozen=True)
class Plan:
    """What a study will need, from rates that were measured on this machine, and what there is."""

    folder: str
    """The study folder."""
    runs: int
    """Of all conditions."""
    children: int
    """Of all conditions."""
    surrogates: int
    """Runs on the surrogate; conditions with one recipe share them."""
    ended: int
    """Of all of them, those in the folder that have ended."""
    snapshots: int
    """Of all of them."""
    pairs: int
    """Of runs of one condition, each compared at every snapshot."""
    device: str
    threads: int
    memory: Memory
    gpu: Memory | None
    """None where no GPU is used."""
    disk: Disk
    wall_hours: float | None
    """Of the runs that have not ended, and all that is done with them; None where nothing was measured."""
    cpu_hours: float | None
    """The same in hours of one core."""
    parts: tuple[Part, ...]
    """The hours of the whole study by kind of work, whatever has ended."""
    refusal: str
    """Why it cannot run here, in one sentence; empty where it can."""
    cautions: tuple[str, ...]
    """What may be too little, and what starts cannot tell, a sentence each."""
    format_version: int = PLAN_VERSION

    def to_json(self) -> str:
        """The plan as a JSON object."""
        return json.dumps(asdict(self) | {"parts": [part._asdict() for part in self.parts]}, indent=1) + "\n"

    def __str__(self) -> str:
        return "\n".join(_lines(self))


@guarded()
@stopping.noticed()
def plan(study: Study, out: str | Path, *, measure: bool = True, quiet: bool = False) -> Plan:
    """What a study will need in the folder `out`; nothing is written there.

    Args:
        study: it.
        out: its folder, which need not exist; what has ended there counts.
        measure: find out how fast this machine is by a few updates, matchings and so on at the study's own sizes, which
            takes some seconds for each arm. Without it, and for a study that cannot run here, no hours are told.
        quiet: no progress bars.

    Raises:
        SpecError: the study does not suit its activations, or asks for a GPU that is not there; `out` cannot be
            written.
        ActivationsError: the activations are missing, damaged or too few.
    """
    out = Path(out)
    check_place(out)
    sizes = checked_sizes(study)
    device, threads = device_of(study.training.device), threads_of(study)
    needs = needs_of(study, sizes, device=device, threads=threads, gpu=gpu_memory())
    refusal = refusal_of(needs, out)
    parts: tuple[Part, ...] = ()
    if measure and not refusal:
        parts = tuple(hours_of(study, sizes, needs, _measured(study, needs, device, threads, quiet=quiet)))
    ended = sum(1 for _ in out.glob("runs/*/done"))
    left = max(0.0, 1 - ended / (needs.runs + needs.children + needs.surrogates))
    memory, gpu, disk = _memory(needs), _gpu(needs), _disk(needs, out)
    return Plan(
        folder=str(out),
        runs=needs.runs,
        children=needs.children,
        surrogates=needs.surrogates,
        ended=ended,
        snapshots=needs.snapshots,
        pairs=needs.pairs,
        device=device,
        threads=threads,
        memory=memory,
        gpu=gpu,
        disk=disk,
        wall_hours=left * sum(part.wall_hours for part in parts) if parts else None,
        cpu_hours=left * sum(part.cpu_hours for part in parts) if parts else None,
        parts=parts,
        refusal=refusal,
        cautions=(*about_starts(study, sizes.d_model), *_cautions(memory, gpu, disk)),
    )


def _measured(study: Study, needs: Needs, device: str, threads: int, *, quiet: bool) -> list[tuple[OfCondition, Rates]]:
    """The rates of every condition; those of an arm are measured under one preprocessing."""
    rates: dict[str, Rates] = {}
    kernels.prepare()
    prepare()
    short = enough_memory("measuring this machine", "n_atoms")
    with (
        short,
        reading(study, study.preprocess[:1], quiet=quiet) as (_, (seen,)),
        workers(study.training.threads) as pool,
        progress.bar(quiet=quiet) as show,
    ):
        advance = show("measure this machine", len(study.arms))
        for each in needs.conditions:
            if each.condition.arm.name not in rates:
                rates[each.condition.arm.name] = measure_rates(each, seen, torch.device(device), pool, threads)
                advance(1)
    return [(each, rates[each.condition.arm.name]) for each in needs.conditions]


def _memory(needs: Needs) -> Memory:
    peak, has = max(needs.memory, key=lambda phase: phase.most), machine.memory()
    least = max(phase.least for phase in needs.memory)
    return Memory(least, peak.most, peak.name, has.most if has else None, has.free if has else None)


def _gpu(needs: Needs) -> Memory | None:
    if not needs.gpu:
        return None
    peak = max(needs.gpu, key=lambda phase: phase.most)
    return Memory(max(phase.least for phase in needs.gpu), peak.most, peak.name, gpu_memory(), None)


def _disk(needs: Needs, out: Path) -> Disk:
    room, end = machine.room(out), sum(needs.disk.values())
    now, _ = machine.file_bytes(out)
    free, files_free = (room.free, room.files) if room else (None, None)
    return Disk(end, end + needs.while_training, now, free, needs.files, files_free, needs.disk)


def _cautions(memory: Memory, gpu: Memory | None, disk: Disk) -> Iterator[str]:
    if memory.free is not None and memory.most > memory.free:
        yield (
            f"at its peak the study may take {size(memory.most)} of memory, and {size(memory.free)} are free "
            f"now ({memory.phase})"
        )
    if gpu is not None and gpu.there is not None and gpu.most > gpu.there:
        yield (
            f"at its peak the study may take {size(gpu.most)} of the GPU's memory, which has {size(gpu.there)} "
            f"({gpu.phase})"
        )
    if disk.free is not None and disk.most - disk.now > disk.free:
        yield (
            f"while it runs the study may fill {size(disk.most)} of the disk, and {size(disk.free)} are free: "
            "when there is no room, it stops, and the same command goes on"
        )


def _lines(made: Plan) -> Iterator[str]:
    ended = f", {made.ended:,} of them ended" if made.ended else ""
    children = f" and {made.children:,} children" if made.children else ""
    beside = f", {made.surrogates:,} on the surrogate" if made.surrogates else ""
    runs = f"{made.runs:,}{children}{beside}{ended}"
    yield f"{'runs':<10}{runs}; {made.snapshots:,} snapshots, {made.pairs:,} pairs of runs"
    if made.wall_hours is not None and made.cpu_hours is not None:
        yield (
            f"{'time':<10}{_duration(made.wall_hours)}, {_duration(made.cpu_hours)} of one core "
            f"({made.device}, {made.threads} {'thread' if made.threads == 1 else 'threads'})"
        )
    for name, memory in (("memory", made.memory), ("GPU", made.gpu)):
        if memory is not None:
            has = f" of {size(memory.there)}" if memory.there is not None else ""
            free = f", {size(memory.free)} free" if memory.free is not None else ""
            yield f"{name:<10}{size(memory.most)}{has}{free}; {memory.phase}"
    disk = made.disk
    now = f", {size(disk.now)} there" if disk.now else ""
    free = f", {size(disk.free)} free" if disk.free is not None else ""
    yield f"{'disk':<10}{size(disk.end)} in {disk.files:,} files, {size(disk.most)} while it runs{now}{free}"
    if made.parts:
        yield ""
        yield f"{'':<22}{'time':>10}{'one core':>12}"
        for part in made.parts:
            yield f"{part.name:<22}{_duration(part.wall_hours):>10}{_duration(part.cpu_hours):>12}"
    for caution in made.cautions:
        yield ""
        yield f"caution: {caution}"


_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def _duration(hours: float) -> str:
    """In the unit that gives it a number between 1 and about 100."""
    seconds = 3600 * hours
    for unit, name in ((_DAY, "days"), (_HOUR, "hours"), (_MINUTE, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"
