"""A folder that keeps the survey of a large matching, block by block, so that a process that was killed goes on."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open

from reseed._support.files import HEADER, canonical_json, sha256_of_text, write_json, write_tensors
from reseed._support.products import HAS_BFLOAT16
from reseed.errors import DictionaryError
from reseed.matching.survey import Block

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy as np
    from torch import Tensor

__all__ = ["SurveyFolder", "open_survey"]

FORMAT_VERSION = 1
"""1: the first."""

_LOG = "progress.log"
_BLOCK = "rows-{:09d}.safetensors"


@dataclass(frozen=True)
class SurveyFolder:
    """Where the blocks of one survey lie, each with the hash of what was surveyed and of its own bytes."""

    path: Path
    of: str
    """The hash of both dictionaries and of how they are looked at."""

    def block(self, begin: int, make: Callable[[int], Block]) -> Block:
        """The block of the rows from `begin` on: as it was kept, or made now and kept.

        Raises:
            DictionaryError: what lies there is damaged, or of other dictionaries.
        """
        file = self.path / _BLOCK.format(begin)
        if file.exists():
            block = self._read(file)
            self.tell(f"rows from {begin:,} on: kept already")
            return block
        block = make(begin)
        tensors = {name: torch.from_numpy(field) for name, field in block._asdict().items()}
        write_tensors(file, tensors, {"of": self.of, "sha256": _sha256_of(block)})
        self.tell(f"rows from {begin:,} on: surveyed")
        return block

    def tell(self, line: str) -> None:
        """Add a line to the log, with the time."""
        with (self.path / _LOG).open("a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")

    def _read(self, file: Path) -> Block:
        try:
            with safe_open(file, framework="np") as opened:
                header = json.loads(opened.metadata()[HEADER])
                block = Block(*(opened.get_tensor(name) for name in Block._fields))
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise DictionaryError(
                f"{file} cannot be read ({error}): delete it, and its rows are surveyed again"
            ) from error
        if header != {"of": self.of, "sha256": _sha256_of(block)}:
            raise DictionaryError(
                f"{file} is damaged, or of other dictionaries than those that are matched: delete it, and its rows are "
                "surveyed again"
            )
        return block


def open_survey(folder: Path, rows: Tensor, cols: Tensor, *, n_groups: int, absolute: bool) -> SurveyFolder:
    """The part of `folder` for these two sides, looked at like this; made if it is not there."""
    about = {
        "format": FORMAT_VERSION,
        "shapes": [list(rows.shape), list(cols.shape)],
        "sha256": [_sha256_of((rows.numpy(),)), _sha256_of((cols.numpy(),))],
        "n_groups": n_groups,
        "absolute": absolute,
        "bfloat16": HAS_BFLOAT16,
    }
    of = sha256_of_text(canonical_json(about))
    place = folder / of[:16]
    place.mkdir(parents=True, exist_ok=True)
    write_json(place / "survey.json", about)
    kept = SurveyFolder(place, of)
    kept.tell(f"matching {len(rows):,} with {len(cols):,} atoms of {rows.shape[1]:,} dimensions")
    return kept


def _sha256_of(arrays: Iterable[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.data)  # as it lies in memory
    return digest.hexdigest()
