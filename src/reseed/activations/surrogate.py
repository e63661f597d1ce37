"""A surrogate sample: as many rows as there are activations, with their moments and lengths and no other structure.

What a method makes of these rows is what it makes of mean, covariance and lengths alone. A row is μ + w Λ^½ Uᵀ: the
mean of the training rows, the principal directions in which they vary and their variances, and whitened coordinates w
that are drawn (`coordinates.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor

from reseed._support.files import canonical_json
from reseed._support.guard import guarded
from reseed._support.machine import memory, room
from reseed._support.numbers import size
from reseed._support.threads import in_turn, workers
from reseed._support.unnamed import unnamed
from reseed.activations.coordinates import COORDINATES, Part, SurrogateKind
from reseed.activations.manifest import About
from reseed.activations.matrix import Matrix, Shard
from reseed.activations.moments import Moments, Sums, moments_from, sums
from reseed.activations.preprocess import check_varied
from reseed.activations.principal import NEGLIGIBLE, Principal, principal
from reseed.activations.store import Activations, HeldOut
from reseed.dice import roll
from reseed.errors import ActivationsError

__all__ = ["Sample", "sampled", "surrogate", "surrogate_fingerprint", "surrogate_rank"]

_RECIPE = 2  # part of the fingerprint: another way to draw makes other rows (2: whitened in float32)
_BLOCK = 1 << 20  # numbers in a block: 4 MB, so that each thread takes some 50 MB
_FEWEST_ROWS, _MOST_ROWS = 1 << 8, 1 << 13
_LOST = 0.5  # of a column's variance, which a reader should know of


@guarded(realisation=(0, 2**31))
def surrogate(
    activations: Activations,
    kind: SurrogateKind = "elliptical",
    *,
    realisation: int = 0,
    folder: Path | None = None,
) -> Activations:
    """Rows with the moments and lengths of some activations and nothing else of them; held-out rows likewise.

    There are as many as of the real ones, and as many held out: these have the lengths of real held-out rows, whitened
    by the moments of the training rows. No row has a text, and neighbours have nothing in common. The same activations,
    kind and realisation give the same bytes on the same machine, for any number of threads.

    Args:
        activations: the real ones, as they are before any preprocessing; that of the surrogate comes afterwards.
        kind: what whitened coordinates keep: "elliptical" their length, "axes" their distribution along each principal
            direction, "gaussian" neither.
        realisation: another number gives another sample.
        folder: on whose disk the rows lie, in a file without a name, until they are let go; None: in memory.

    Raises:
        ActivationsError: one column, equal rows, or too little memory or disk.
    """
    with sampled(activations, kind, realisation=realisation, folder=folder) as sample:
        rows = sample.empty(activations.n_tokens, activations.d_model)
        return Activations(
            name=sample.name,
            d_model=activations.d_model,
            n_tokens=activations.n_tokens,
            fingerprint=surrogate_fingerprint(activations, kind, realisation=realisation),
            about=sample.about,
            moments=sample.fill(rows),
            heldout=HeldOut(sample.heldout()),
            matrix=Matrix((Shard(sample.name, rows),)),
            warnings=sample.warnings,
        )


@guarded(realisation=(0, 2**31))
def surrogate_fingerprint(activations: Activations, kind: SurrogateKind = "elliptical", *, realisation: int = 0) -> str:
    """The fingerprint of such a `surrogate`, known before its rows are."""
    return sha256(canonical_json(_identity(activations, kind, realisation)).encode()).hexdigest()


def surrogate_rank(moments: Moments) -> int:
    """q: the number of principal directions with more than a millionth of the average variance."""
    return principal(moments).rank


def _identity(activations: Activations, kind: SurrogateKind, realisation: int) -> About:
    return {
        "surrogate": kind,
        "surrogate_of": activations.fingerprint,
        "realisation": realisation,
        "surrogate_recipe": _RECIPE,
    }


@contextmanager
def sampled(
    activations: Activations, kind: SurrogateKind, *, realisation: int, folder: Path | None
) -> Iterator["Sample"]:
    """A surrogate that can be drawn while this lasts.

    Raises:
        ActivationsError: the activations have one column, or their rows are equal.
    """
    check_varied(activations)
    at_once = torch.get_num_threads()
    with workers() as pool:
        each = partial(in_turn, pool, at_once)
        yield Sample(activations, kind, realisation, principal(activations.moments), each, folder)


@dataclass(frozen=True)
class Sample:
    """A surrogate that is being drawn."""

    activations: Activations
    kind: SurrogateKind
    realisation: int
    axes: Principal
    each: Any
    """What a function makes of each item, in order."""
    folder: Path | None

    @property
    def name(self) -> str:
        """What to call it."""
        again = f" {self.realisation}" if self.realisation else ""
        return f"{self.activations.name}, {self.kind} surrogate{again}"

    @property
    def about(self) -> About:
        """What it is, and of what."""
        real = self.activations
        return {
            **_identity(real, self.kind, self.realisation),
            "source": real.name,
            "rank": self.axes.rank,
            "directions": f"above {NEGLIGIBLE:g} of the average variance",
            "dimensions_per_token": real.d_model / real.n_tokens,
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """Whether there are columns that vary too little beside the others to be part of it."""
        own = self.activations.moments.covariance.diagonal()
        lost = int((self.axes.colouring.double().square().sum(dim=1) < (1 - _LOST) * own).sum())
        told = (
            f"{self.name}: {lost:,} of {len(own):,} columns vary in directions that hold less than {NEGLIGIBLE:g} of "
            "the average variance, and hardly vary here: bring all columns to one scale before, if they matter"
        )
        return (told,) if lost else ()

    @property
    def training(self) -> Part:
        """The training rows."""
        return self._part("training", self.activations.n_tokens, self.activations.blocks)

    def _part(self, name: str, n_rows: int, real: Any) -> Part:  # noqa: ANN401 (what gives blocks of rows)
        # the points die decides which activations something gets to see
        rolled = roll("points", "surrogate", self.activations.fingerprint, self.kind, self.realisation, name)
        fitting = 1 << max(_BLOCK // self.activations.d_model, 1).bit_length() - 1
        block_rows = min(max(fitting, _FEWEST_ROWS), _MOST_ROWS)
        return Part(self.axes, rolled, n_rows, block_rows, real, self.each, self.empty)

    def empty(self, rows: int, columns: int) -> Float32[Tensor, "rows columns"]:
        """A matrix to be written, in memory or on the disk of the folder. ActivationsError where there is no room."""
        has = memory() if self.folder is None else room(self.folder)
        needed = 4 * rows * columns
        if has is not None and needed > has.free:
            where = "of memory" if self.folder is None else f"of disk in {self.folder}"
            advice = "give a folder" if self.folder is None else "choose another disk"
            raise ActivationsError(
                f"{self.name} needs {size(needed)} {where}, {size(has.free)} are free: {advice}, or use fewer tokens"
            )
        return unnamed(rows, columns, self.folder)

    def fill(self, rows: Float32[Tensor, "tokens d_model"]) -> Moments:
        """Write the training rows into a matrix; the moments that they have."""
        part = self.training
        draw, shift = COORDINATES[self.kind](part), self.axes.mean

        def write(number: int) -> Sums:
            return sums(rows[part.slice(number)].copy_(self.axes.coloured(draw(number))), shift)

        return moments_from(self.each(write, range(part.n_blocks)), shift)

    def moments_of(self, matrix: Matrix) -> Moments:
        """The moments of training rows that were written elsewhere: to the bit what `fill` gives."""
        part, shift = self.training, self.axes.mean

        def read(number: int) -> Sums:
            rows = part.slice(number)
            return sums(torch.cat([block.rows for block in matrix.blocks(rows.start, rows.stop)]), shift)

        return moments_from(self.each(read, range(part.n_blocks)), shift)

    def blocks(self, first: int = 0) -> Iterator[Float32[Tensor, "block d_model"]]:
        """The training rows in order, from block number `first` on."""
        return self._drawn(self.training, first)

    def heldout(self) -> Float32[Tensor, "tokens d_model"]:
        """The held-out rows."""
        real = self.activations.heldout.rows
        return torch.cat(list(self._drawn(self._part("held out", len(real), lambda: [real]))))

    def _drawn(self, part: Part, first: int = 0) -> Iterator[Float32[Tensor, "block d_model"]]:
        draw = COORDINATES[self.kind](part)
        return self.each(lambda number: self.axes.coloured(draw(number)), range(first, part.n_blocks))
