"""What a kind of start says about itself: one record in `STARTS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.dice import Die

if TYPE_CHECKING:
    from reseed.activations import Preprocessed
    from reseed.starts.start import Start

__all__ = ["Points", "Rolls", "StartKind", "no_bias"]

Rolls: TypeAlias = Mapping[Die, int]
"""What each die shows for one run."""


@dataclass(frozen=True)
class Points:
    """How the points are found that atoms begin as, and that an archetypal dictionary mixes its atoms from.

    Both functions get the settings, the number of points, and the rolls.
    """

    identity: Callable[[Start, int, Rolls], tuple[object, ...]]
    """What decides them on given activations: equal identities, equal points, and runs that share them draw once."""
    draw: Callable[[Start, int, Preprocessed, Rolls, torch.device | str], Float[Tensor, "points d_model"]]
    """That many points, on the CPU; what takes long is computed on the device."""


def _as_drawn(points: Float[Tensor, "points d_model"], _: Rolls) -> Float[Tensor, "points d_model"]:
    return points


def _nothing(*_: Any) -> None:  # noqa: ANN401 (it looks at nothing)
    """Nothing to refuse."""


def no_bias(sample: Float[Tensor, "tokens d_model"]) -> Float[Tensor, " d_model"]:
    """A decoder bias of zero."""
    return torch.zeros_like(sample[0])


@dataclass(frozen=True)
class StartKind:
    """One way to draw the dictionary at step 0: either atoms, or points that atoms are made from."""

    name: str
    """As a study.toml says it."""
    title: str
    """As a heading says it."""
    meaning: str
    """In one sentence, without a full stop."""
    dice: tuple[Die, ...]
    """The dice that it draws from."""
    atoms: Callable[[Start, int, Preprocessed, Rolls], Float[Tensor, "atoms d_model"]] | None = None
    """That many atoms, by the settings, for a kind without points."""
    encoder: Callable[[int, Preprocessed, Rolls], Float[Tensor, "atoms d_model"]] | None = None
    """The rows of the encoder in the method's units, for a kind without points that says them as well. By default a
    method chooses them, with the size that suits the activations."""
    bias: Callable[[Float[Tensor, "tokens d_model"]], Float[Tensor, ...]] | None = None
    """The decoder's bias from a sample of activations, in their units; by default it is their mean."""
    points: Points | None = None
    """For a kind that makes points: how."""
    arrange: Callable[[Float[Tensor, "points d_model"], Rolls], Float[Tensor, "points d_model"]] = _as_drawn
    """The points in the order in which this run takes them."""
    tokens_per_point: int = 32
    """How many activations are looked at for each point where the study does not say, of a kind that chooses points."""
    deciding: Callable[[Start, int, int], tuple[Die, ...]] | None = None
    """By the settings, the number of atoms and that of dimensions, those of its dice that change more than the order of
    the atoms; None: all of them."""
    check: Callable[[Start, int], None] = _nothing
    """Raises SpecError for settings that cannot make that many points."""
    keeps_mean: bool = False
    """Whether it is about activations with their mean, so that no method can start there that takes the mean off."""
    same_in_all_runs: tuple[Die, ...] = ()
    """Dice that all runs of a condition share, whatever the study says."""
    shared_when_published: bool = False
    """Whether published work gives all of its runs one and the same such start."""

    def __post_init__(self) -> None:
        if (self.atoms is None) == (self.points is None):
            raise ValueError(f"start kind {self.name!r}: give it either atoms or points")

    @property
    def makes_points(self) -> bool:
        """Whether an archetypal dictionary can start here."""
        return self.points is not None
