"""An arm: a method and where it starts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BeforeValidator, Field, SerializeAsAny, field_validator, model_validator

from reseed._support.mistakes import shown
from reseed._support.settings import Settings
from reseed.dice import Die
from reseed.errors import SpecError
from reseed.methods import METHODS, Method, parse
from reseed.spec.recipe import Scope
from reseed.starts import Start, check_start

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AnyMethod", "Arm", "Tuned", "TunedL0"]

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


def _method(settings: Method | Mapping[str, Any]) -> Method:
    if isinstance(settings, Method):
        return settings
    if not isinstance(settings, dict) or not isinstance(settings.get("kind"), str):
        raise SpecError(
            'a method is a table with a kind, such as { kind = "topk", n_atoms = 512, k = 16 }; '
            f"kinds are {', '.join(METHODS)}"
        )
    return parse(settings)


AnyMethod = Annotated[SerializeAsAny[Method], BeforeValidator(_method)]
"""A method of `METHODS`, or the table that describes it."""


class Tuned(Settings):
    """How `reseed tune` chose a learning rate: on the held-out reconstruction of one run per rate, and nothing else."""

    preprocess: str
    """The preprocessing under which it was chosen."""
    rates: tuple[float, ...]
    """The learning rates that were tried."""


class TunedL0(Settings):
    """How `reseed tune --l0` chose a penalty: by the active atoms per held-out token of one run per value."""

    preprocess: str
    """The preprocessing under which it was chosen."""
    setting: str
    """The penalty, as the method calls it."""
    l0: float
    """The active atoms per token that were sought."""
    penalties: tuple[float, ...]
    """The values that were tried."""


class Arm(Settings):
    """A way to learn a dictionary and the place where it starts."""

    name: str = Field(max_length=100)
    """How the arm is called in tables and folders: lower-case letters, digits, dots and hyphens."""
    method: AnyMethod
    """The method and its hyper-parameters."""
    start: Start
    """Where its dictionaries start."""
    dice: dict[Die, Scope] = Field(default_factory=dict)
    """Dice that this arm shares otherwise than the study does, such as `{ points = "shared", kmeans = "shared" }`."""
    tuned: Tuned | None = None
    """Written by `reseed tune`: how the learning rate was chosen. A record for the report; no part of what a run is."""
    tuned_l0: TunedL0 | None = None
    """Written by `reseed tune --l0`: how the penalty was chosen. A record as well."""

    @field_validator("name")
    @classmethod
    def _name_is_plain(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            plain = re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip("-.")
            such = f", such as {plain}" if plain else ""
            raise ValueError(f"has to be lower-case letters, digits, dots and hyphens, a letter or digit first{such}")
        return name

    @model_validator(mode="after")
    def _rate_is_the_tuned_one(self) -> Self:
        rate = self.method.peak_rate
        if self.tuned is None or rate in self.tuned.rates:
            return self
        if rate is None:
            raise SpecError(f"{self.method.kind} has no learning rate that could be tuned: leave out tuned")
        tried = ", ".join(f"{each:g}" for each in self.tuned.rates)
        raise SpecError(
            f"learning_rate = {rate:g} is none of the tuned rates ({tried}): "
            "leave out tuned, or run  reseed tune  again"
        )

    @model_validator(mode="after")
    def _penalty_is_the_tuned_one(self) -> Self:
        if self.tuned_l0 is None:
            return self
        setting = self.tuned_l0.setting
        if setting != self.method.penalty:
            raise SpecError(
                f"{self.method.kind} has no penalty {shown(setting)} that could be tuned: leave out tuned_l0"
            )
        if (penalty := getattr(self.method, setting)) not in self.tuned_l0.penalties:
            tried = ", ".join(f"{each:g}" for each in self.tuned_l0.penalties)
            raise SpecError(
                f"{setting} = {penalty:g} is none of the tuned penalties ({tried}): leave out tuned_l0, or run  "
                "reseed tune --l0  again"
            )
        return self

    @model_validator(mode="after")
    def _start_suits_method(self) -> Self:
        check_start(self.start, self.method)
        return self
