"""Dictionaries of any origin: one reader per file, and one line in `READERS`. Nothing is ever unpickled."""

from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop.readers import READERS, read

__all__ = ["READERS", "LoadedDictionary", "Reader", "Source", "read", "read_dictionary"]

read_dictionary = read
"""`read` by the name that it has in `reseed` itself."""
