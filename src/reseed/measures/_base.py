"""What a measure of agreement is: the number that two runs have in common at one step, and what it takes to find it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from reseed._support.guard import guarded
from reseed.matching import Matching, unit_rows
from reseed.measures.codes import StandardCodes
from reseed.measures.covariance import ActivationCovariance

__all__ = ["Dictionary", "Matchings", "Measure", "Need", "dictionary"]

Prepared = TypeVar("Prepared")

Need = Literal["encoder", "activation covariance", "held-out codes", "step 0", "the snapshot before"]
"""What a measure may take besides the atoms and their matching."""


@dataclass(frozen=True)
class Dictionary:
    """One run at one step, or an untrained dictionary: all that its measures may look at."""

    atoms: Float[Tensor, "atoms d_model"]
    encoder: Float[Tensor, "atoms d_read"]
    """The atoms themselves where there is no other encoder, as in untrained dictionaries."""
    directions: Float64[Tensor, "atoms d_model"]
    """The atoms at length 1, on the CPU."""
    activations: ActivationCovariance
    codes: StandardCodes | None = None
    """Of the held-out tokens; None for an untrained dictionary, like the two that follow."""
    alive: Bool[Tensor, " atoms"] | None = None
    born: Float[Tensor, "atoms d_model"] | None = None
    """The atoms at step 0."""


@guarded()
def dictionary(
    atoms: Float[Tensor, "atoms d_model"],
    activations: ActivationCovariance,
    *,
    encoder: Float[Tensor, "atoms d_read"] | None = None,
    codes: StandardCodes | None = None,
    alive: Bool[Tensor, " atoms"] | None = None,
    born: Float[Tensor, "atoms d_model"] | None = None,
) -> Dictionary:
    """A dictionary with its directions; one without an encoder is its own."""
    own = atoms if encoder is None else encoder
    return Dictionary(atoms, own, unit_rows(atoms).cpu(), activations, codes, alive, born)


class Matchings(NamedTuple):
    """How the atoms of one pair of dictionaries go together."""

    now: Matching
    born: Matching | None = None
    """At step 0; None for untrained dictionaries."""
    before: Matching | None = None
    """At the snapshot before; None at step 0."""


@dataclass(frozen=True)
class Measure(Generic[Prepared]):
    """One entry of `MEASURES`: what it says, and how it is found.

    A dictionary is prepared once, and then compared with every other one.
    """

    name: str
    """The column of tables, and the key in findings."""
    title: str
    """How it is called in headings and sentences."""
    meaning: str
    """What it is, in one sentence without its first capital letter and its full stop."""
    low: float
    """The least it can be."""
    high: float
    """The most it can be."""
    prepare: Callable[[Dictionary], Prepared]
    compare: Callable[[Matchings, Prepared, Prepared], float]
    """nan where it is not defined; symmetric in the two dictionaries."""
    needs: tuple[Need, ...] = ()
    role: Literal["agreement", "companion", "mechanism"] = "companion"
    """agreement: what verdicts are about; companion: stands beside it, with floors of its own; mechanism: says how the
    agreement came about, and has no floors."""
    untrained: bool = False
    """Whether untrained dictionaries have it, so that it has floors that are drawn."""
    short: str = ""
    """How it is called in a line of text that says what the atoms did; empty where its title is short enough."""
    contradicts: bool = False
    """Whether it may contradict the matched agreement, in a sentence beside the verdict."""
    beyond_null: Callable[[np.ndarray], np.ndarray] | None = None
    """Of a measure that judging finds again, since it takes a null that is known only then: from the shares of matched
    pairs whose cosines lie beyond the 99th percentile of the null's. What `compare` finds is held against random
    directions, and stands where there is no other null; None for a measure that comparing finds once and for all."""


def untouched(of: Dictionary) -> Any:  # noqa: ANN401 (for measures that need no more than a matching)
    """Nothing is to be prepared."""
    del of
