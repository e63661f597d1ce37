"""Entries that the tables of reseed have for the time of a test only."""

from contextlib import contextmanager

from reseed.floors import FLOORS
from reseed.interop import READERS, WRITERS
from reseed.measures import MEASURES
from reseed.methods import METHODS
from reseed.starts import STARTS

TABLES = (METHODS, STARTS, MEASURES, FLOORS, READERS, WRITERS)


@contextmanager
def unchanged_tables():
    """Whatever is registered meanwhile is gone afterwards."""
    before = [dict(table) for table in TABLES]
    try:
        yield
    finally:
        for table, known in zip(TABLES, before, strict=True):
            table.clear()
            table.update(known)
