"""Dictionaries of any origin: one reader per file, and one line in `READERS`. Nothing is ever unpickled."""

from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop.readers import READERS, read
from reseed.interop.steps import steps_of

__all__ = ["READERS", "LoadedDictionary", "Reader", "Source", "read", "read_dictionary", "steps_of"]

read_dictionary = read
"""`read` by the name that it has in `reseed` itself."""
