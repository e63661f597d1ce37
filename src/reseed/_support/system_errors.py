"""What the operating system's errors mean, in words."""

from __future__ import annotations

import errno
import os
from pathlib import Path

__all__ = ["told"]

_WORDS = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EISDIR: "it is a folder",
    errno.ELOOP: "its links lead in a circle",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOENT: "it does not exist",
    errno.EROFS: "it lies where nothing can be written",
}


def told(error: OSError | ValueError) -> str:
    """Why a file could not be read or written, in words that follow its name."""
    if not isinstance(error, OSError):
        return "no file can have this name"
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) and error.filename else None
    if error.errno in {errno.ENOTDIR, errno.EEXIST} and path is not None:
        file = next((above for above in (path, *path.parents) if above.is_file()), None)
        if file is not None:
            return f"{file} is a file, and no folder" if file != path else "it is a file, and no folder"
    return _WORDS.get(error.errno or 0) or error.strerror or str(error)
