"""What a calibration says: a case with a known answer, and a rate beside its target."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import betaincinv

from reseed._support.numbers import rounded

__all__ = ["Case", "Rate", "quantity", "share"]

_CHANCE = 3.0  # standard errors that a rate may lie outside its target before it counts as missed


@dataclass(frozen=True)
class Case:
    """One question whose answer is known."""

    name: str
    expected: str
    got: str
    holds: bool


@dataclass(frozen=True)
class Rate:
    """How often something happened, and how often it may."""

    name: str
    value: float
    """Share of the repeats, in [0, 1]."""
    repeats: int
    least: float = 0.0
    most: float = 1.0

    @property
    def holds(self) -> bool:
        """Whether the target is kept, or missed by no more than three standard errors of that many repeats."""
        room = [_CHANCE * math.sqrt(bound * (1 - bound) / self.repeats) for bound in (self.least, self.most)]
        return self.least - room[0] <= self.value <= self.most + room[1]

    @property
    def case(self) -> Case:
        """The rate as a case."""
        target = f"at least {rounded(self.least)}" if self.least else f"at most {rounded(self.most)}"
        both = f"{rounded(self.least)} to {rounded(self.most)}" if self.least and self.most < 1 else target
        return Case(self.name, both, f"{rounded(self.value, 3)} of {self.repeats:,}", self.holds)


def quantity(name: str, value: float, *, near: float, within: float) -> Case:
    """A number that should come out near another."""
    off = abs(value - near)
    return Case(name, f"{rounded(near)} ± {rounded(within)}", rounded(value, 3), off <= within)


def share(count: int, of: int) -> str:
    """A share with its exact 95 % interval (Clopper and Pearson): `0.050 [0.010, 0.140]`."""
    low = float(betaincinv(count, of - count + 1, 0.025)) if count else 0.0
    high = float(betaincinv(count + 1, of - count, 0.975)) if count < of else 1.0
    return f"{count / of:.3f} [{low:.3f}, {high:.3f}]"
