"""What a matrix of somebody else holds that `reseed collect` would not have stored: counted, and said in sentences."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import shake_256

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reseed.activations.moments import Moments

__all__ = ["Copies", "Survey", "about_copies", "about_heldout"]

_LONG = 10.0  # times the median norm
_UNLIKE = 0.1  # of the variance, that the held-out mean may be off
_CHANCE = 15.0  # times what the mean of so few rows is off by chance
_AT_ONCE = 64  # rows that are hashed while the cache holds them
_LONGER = 1.5  # times the median norm of the others


@dataclass
class Survey:
    """Rows seen so far: their norms, and what tells copies apart from others."""

    norms: list[np.ndarray] = field(default_factory=list)
    hashes: list[np.ndarray] = field(default_factory=list)
    heldout: list[np.ndarray] = field(default_factory=list)

    def add(self, rows: Float[Tensor, "rows d_model"], *, heldout: bool) -> None:
        """Look at some rows."""
        plain = rows.cpu()
        self.norms.append(torch.linalg.vector_norm(plain, dim=1, dtype=torch.float64).float().numpy())
        self.hashes.append(_hashes(plain.numpy()))
        self.heldout.append(np.full(len(rows), heldout))

    def warnings(self, name: str, d_model: int) -> Iterator[str]:
        """What is strange about the rows, and what to do, one sentence each."""
        norms, hashes, heldout = (np.concatenate(parts) for parts in (self.norms, self.hashes, self.heldout))
        n_rows, zero = len(norms), norms == 0
        if n_rows < d_model:
            yield (
                f"{name} has {n_rows:,} rows of {d_model:,} columns, fewer tokens than dimensions: if its columns are "
                "the tokens, read it with --transpose"
            )
        if zero.any():
            yield (
                f"{name}: {zero.sum():,} of {n_rows:,} rows are zero: remove them (padding?), for they have no "
                "direction, and everything explains them"
            )
        if zero.all():
            return
        long = norms > _LONG * np.median(norms[~zero])
        if long.any():
            yield (
                f"{name}: {long.sum():,} of {n_rows:,} rows are longer than {_LONG:.0f} times the median: remove them "
                "(attention sinks? padding?), or few tokens decide what is learnt"
            )
        yield from _copies(name, hashes[~zero], heldout[~zero])
        typical = [float(np.median(norms[side & ~zero])) for side in (heldout, ~heldout) if (side & ~zero).any()]
        if len(typical) > 1 and max(typical) > _LONGER * min(typical):
            yield (
                f"{name}: the held-out rows are unlike the rest (median length {typical[0]:.3g}, that of the others "
                f"{typical[1]:.3g}): shuffle the rows"
            )


def _copies(name: str, hashes: np.ndarray, heldout: np.ndarray) -> Iterator[str]:
    ordered = np.sort(hashes)
    n_copies = int((ordered[1:] == ordered[:-1]).sum())
    if n_copies:
        seen = int(np.isin(hashes[heldout], hashes[~heldout]).sum())
        leak = f", and {seen:,} of {int(heldout.sum()):,} held-out rows occur in training" if seen else ""
        yield (
            f"{name}: {n_copies:,} of {len(hashes):,} rows repeat another one{leak}: remove repeated rows, or what is "
            "held out is no test of what was learnt"
        )


class Copies:
    """Which held-out rows occur among training rows that come by."""

    def __init__(self, heldout: Float[Tensor, "tokens d_model"] | None) -> None:
        """Take down the held-out rows, those of zeros left out: padding says nothing about copies."""
        rows = None if heldout is None else heldout[heldout.bool().any(dim=1)].float()
        self._heldout = np.zeros(0, np.uint64) if rows is None else _hashes(rows.numpy())
        self._found = np.zeros(len(self._heldout), bool)

    def looked_for(self, rows: Float[Tensor, "rows d_model"]) -> Float[Tensor, "rows d_model"]:
        """The same rows, after they were held against those that are held out."""
        self._found |= np.isin(self._heldout, _hashes(rows.numpy()))
        return rows

    @property
    def count(self) -> int:
        """Held-out rows of which a copy came by."""
        return int(self._found.sum())


def about_copies(name: str, copies: object, n_heldout: int) -> Iterator[str]:
    """What is said of a store whose collection counted so many held-out rows among those for training."""
    if isinstance(copies, int) and copies:
        yield (
            f"{name}: {copies:,} of {n_heldout:,} held-out rows occur in training: leave out texts that repeat, or "
            "choose a later layer (an embedding is the same wherever its token stands), or what is held out is no test "
            "of what was learnt"
        )


def _hashes(rows: np.ndarray) -> np.ndarray:
    """64 bits for each row; rows of equal numbers have equal ones, and others differ but for one pair in 10^18."""
    bits = (np.ascontiguousarray(rows) + np.float32(0)).view(np.uint32)  # -0 and 0 are equal
    weights = np.frombuffer(shake_256(b"rows").digest(8 * rows.shape[1]), dtype="<u8") | np.uint64(1)
    hashes = np.empty(len(rows), np.uint64)
    for begin in range(0, len(rows), _AT_ONCE):
        mixed = bits[begin : begin + _AT_ONCE].astype(np.uint64)
        mixed += np.uint64(1)
        mixed *= weights
        mixed ^= mixed >> np.uint64(29)
        mixed.sum(axis=1, out=hashes[begin : begin + _AT_ONCE])
    return hashes


def about_heldout(name: str, heldout: Float[Tensor, "tokens d_model"], moments: Moments) -> Iterator[str]:
    """Whether the held-out rows have another mean than the training rows, by more than so few rows would by chance."""
    if moments.total_variance == 0:
        return
    off = (heldout.cpu().double().mean(dim=0) - moments.mean).square().sum().item() / moments.total_variance
    if off > _UNLIKE + _CHANCE / len(heldout):
        yield (
            f"{name}: the held-out rows are unlike the rest (their mean is off by {off:.0%} of the variance): shuffle "
            "the rows (texts, windows), or R² on them says little"
        )
