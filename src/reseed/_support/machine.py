"""What this machine has: memory within the limits of its container, and room on a disk.

What cannot be told, as on a system without /proc, is None, and nothing is refused for it.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

__all__ = ["Memory", "Room", "file_bytes", "lacks_memory", "memory", "own_memory", "room"]

_CGROUPS = Path("/sys/fs/cgroup")
_SHORT = ("can't allocate memory", "cannot allocate memory", "not enough memory", "out of memory", "failed to allocate")
"""What libraries say that have no error of its own for it, in small letters: torch on a CPU is one of them."""


class Memory(NamedTuple):
    """In bytes."""

    most: int
    """What one process could have if it were alone: the machine's own and its swap, or the container's limit."""
    free: int
    """What is free now, or would be if the system took back what it keeps of files."""


class Room(NamedTuple):
    """Of the disk that a folder lies on, or would."""

    free: int
    """Bytes that this user may write."""
    files: int | None
    """Files that this user may make; None where there is no such limit."""


def memory(proc: Path = Path("/proc"), cgroups: Path = _CGROUPS) -> Memory | None:
    """The memory that this process can have; None where the system does not tell."""
    told = _table(proc / "meminfo", unit=1024)
    if not {"MemTotal", "MemAvailable"} <= told.keys():
        return None
    swap = told.get("SwapTotal", 0), told.get("SwapFree", 0)
    found = [Memory(told["MemTotal"] + swap[0], told["MemAvailable"] + swap[1])]
    for line in _lines(proc / "self" / "cgroup"):
        _, kinds, path = line.split(":", 2)
        if not kinds:
            found += _limits(cgroups, path, ("memory.max", "memory.current"))
        elif "memory" in kinds.split(","):
            found += _limits(cgroups / "memory", path, ("memory.limit_in_bytes", "memory.usage_in_bytes"))
    return Memory(min(each.most for each in found), max(0, min(each.free for each in found)))


def _limits(root: Path, path: str, names: tuple[str, str]) -> list[Memory]:
    """The limits of a control group and of those around it; inside of a container its own group is the root."""
    folder = root / path.lstrip("/")
    found = []
    for each in (folder, *(parent for parent in folder.parents if parent == root or root in parent.parents)):
        limit, used = (_number(each / name) for name in names)
        if limit is not None and used is not None:
            kept = _table(each / "memory.stat")  # of files: the system takes it back
            files = kept.get("active_file", 0) + kept.get("inactive_file", 0)
            found.append(Memory(limit, limit - max(0, used - files)))
    return found


def lacks_memory(error: BaseException) -> bool:
    """Whether memory ran out, whichever library asked for it."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in said for words in _SHORT)
    )


def own_memory() -> int:
    """Bytes of its own that this process has in memory: no pages of mapped files; 0 where the system does not tell."""
    lines = _lines(Path("/proc/self/statm"))
    if not lines:
        return 0
    resident, of_files = (int(count) for count in lines[0].split()[1:3])
    return (resident - of_files) * os.sysconf("SC_PAGE_SIZE")


def room(folder: Path) -> Room | None:
    """What can be written to a folder that need not exist yet; None where the system does not tell."""
    there = next((each for each in (folder, *folder.absolute().parents) if each.is_dir()), None)
    if there is None:
        return None
    try:
        free = shutil.disk_usage(there).free
        numbers = os.statvfs(there) if hasattr(os, "statvfs") else None
    except OSError:
        return None
    return Room(free, numbers.f_favail if numbers is not None and numbers.f_files else None)


def file_bytes(folder: Path) -> tuple[int, int]:
    """How many bytes lie in the files of a folder, and how many files there are."""
    sizes: list[int] = []
    for entry in folder.rglob("*"):
        with suppress(FileNotFoundError):  # of somebody who writes at this moment
            sizes += [entry.stat().st_size] if entry.is_file() else []
    return sum(sizes), len(sizes)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _number(file: Path) -> int | None:
    """The number in a file; None for a limit that is none, such as `max`."""
    lines = _lines(file)
    return int(lines[0]) if lines and lines[0].isdecimal() else None


def _table(file: Path, *, unit: int = 1) -> dict[str, int]:
    """The numbers of a file whose lines are a name and a number."""
    parts = [line.replace(":", " ").split() for line in _lines(file)]
    return {part[0]: int(part[1]) * unit for part in parts if len(part) > 1 and part[1].isdecimal()}
