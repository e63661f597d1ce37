"""Memory and disk that a collection will need, compared with what is free before anything large begins."""

import shutil
from pathlib import Path

import torch

from reseed.errors import ActivationsError

__all__ = ["check_disk", "check_memory", "free_memory", "is_out_of_memory"]

_MEMINFO = Path("/proc/meminfo")
_LIMIT, _USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
_SIGNS = ("can't allocate memory", "cannot allocate memory", "not enough memory", "out of memory", "failed to allocate")


def free_memory() -> int | None:
    """Bytes of memory that a process can still take here, within its container's limit; None where nobody says."""
    try:
        lines = dict(line.split(":") for line in _MEMINFO.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
    try:
        return min(free, int(_LIMIT.read_text()) - int(_USED.read_text()))
    except (OSError, ValueError):  # no container, or one without a limit
        return free


def check_memory(what: str, needed: int, advice: str) -> None:
    """Raise ActivationsError when `needed` bytes are more than is free."""
    free = free_memory()
    if free is not None and needed > free:
        raise ActivationsError(f"{what} needs about {needed:,} bytes of memory, {free:,} are free: {advice}")


def check_disk(folder: Path, needed: int, advice: str) -> None:
    """Raise ActivationsError when `needed` bytes more do not fit on the disk of a folder, which need not exist yet."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise ActivationsError(f"{folder} will take {needed:,} bytes more, {free:,} are free there: {advice}")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was not enough; torch tells so in words on a CPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)
