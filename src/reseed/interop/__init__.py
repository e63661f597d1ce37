"""Dictionaries of any origin: one reader per file, and one line in `READERS`. Nothing is ever unpickled.

And to other libraries: one writer per file, and one line in `WRITERS`.
"""

from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop._writer import Writer, Written
from reseed.interop.averaged import averaged
from reseed.interop.readers import READERS, read
from reseed.interop.recorder import Recorder
from reseed.interop.steps import steps_of
from reseed.interop.writers import WRITERS, write

__all__ = [
    "READERS",
    "WRITERS",
    "LoadedDictionary",
    "Reader",
    "Recorder",
    "Source",
    "Writer",
    "Written",
    "averaged",
    "read",
    "read_dictionary",
    "steps_of",
    "write",
    "write_dictionary",
]

read_dictionary = read
"""`read` by the name that it has in `reseed` itself."""
write_dictionary = write
"""`write` by the name that it has in `reseed` itself."""
