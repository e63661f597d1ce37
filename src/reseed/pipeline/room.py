"""Whether a study fits: memory, disk and files that it needs for certain beside what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from reseed._support import machine
from reseed._support.numbers import size
from reseed.errors import SpecError
from reseed.pipeline.needs import needs_of
from reseed.pipeline.session import threads_of

if TYPE_CHECKING:
    from pathlib import Path

    from reseed.activations import Sizes
    from reseed.pipeline.needs import Needs, Phase
    from reseed.spec import Study

__all__ = ["check_room", "gpu_memory", "refusal_of"]


def check_room(study: Study, sizes: Sizes, out: Path) -> None:
    """Refuse a study that cannot fit, by arithmetic alone, before anything is allocated or written.

    One that has been judged is not refused: there may be nothing left to do.

    Raises:
        SpecError: it needs more memory, disk or files than there is.
    """
    if (out / "findings.json").exists():
        return
    needs = needs_of(study, sizes, device=_device(study), threads=threads_of(study), gpu=gpu_memory())
    refusal = refusal_of(needs, out)
    if refusal:
        raise SpecError(refusal)


def refusal_of(needs: Needs, out: Path) -> str:
    """Why a study cannot run here, in one sentence, however much its temporary memory is; empty where it can."""
    return _too_much_memory(needs) or _too_much_on_disk(needs, out)


def _device(study: Study) -> str:
    """Where it would be trained; whether a GPU that is asked for is there is said by whoever needs one."""
    return "cuda" if study.training.device != "cpu" and torch.cuda.is_available() else "cpu"


def gpu_memory() -> int | None:
    """Bytes of the GPU that runs would be trained on; None without one."""
    return torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else None


def _too_much_memory(needs: Needs) -> str:
    has = machine.memory()
    worst = max(needs.memory, key=lambda phase: phase.least)
    if has is not None and worst.least > has.most:
        return _short(worst, f"this machine has {size(has.most)}")
    if needs.gpu:
        worst, most = max(needs.gpu, key=lambda phase: phase.least), gpu_memory()
        if most is not None and worst.least > most:
            return _short(worst, f"the GPU has {size(most)}")
    return ""


def _short(phase: Phase, has: str) -> str:
    return f"{phase.name}: that would need {size(phase.least)} of memory, and {has}; reduce {phase.advice}"


def _too_much_on_disk(needs: Needs, out: Path) -> str:
    room = machine.room(out)
    if room is None:
        return ""
    there, n_files = machine.file_bytes(out)
    if needs.disk_least - there > room.free:
        largest = max(needs.disk, key=lambda kind: needs.disk[kind])
        return (
            f"the study would write {size(needs.disk_least)}, most of it {largest}, and {size(room.free)} are "
            f"free where {out} is to be; reduce training.evenly, starts, runs_per_start, floors.draws or n_atoms, or "
            "choose another --out"
        )
    if room.files is not None and needs.files - n_files > room.files:
        return (
            f"the study would write {needs.files:,} files, and {room.files:,} can be made where {out} is to be; reduce "
            "training.evenly, starts, runs_per_start or floors.draws, or choose another --out"
        )
    return ""
