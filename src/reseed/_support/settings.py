"""What all settings have in common: they are frozen, documented under each field, and may be younger than a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError, field_validator
from pydantic_core import CoreSchema, core_schema

from reseed._support.mistakes import mistakes
from reseed.errors import SpecError

__all__ = ["NEUTRAL", "NO_RESULT", "AtMost", "Settings"]

_LARGEST = 2**63 - 1  # what TOML, JSON and torch all hold
_SMALL, _LARGE = 1e-30, 1e30  # what float32 holds with something to spare


class _Mark:
    """Something that the `Annotated` of a setting can say about it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


NEUTRAL: Final = _Mark("NEUTRAL")
"""The default changes nothing: a run that has it is the run it was before there was such a setting. Every setting that
is added to a published model is marked so, or else the runs of finished studies would no longer be found."""

NO_RESULT: Final = _Mark("NO_RESULT")
"""No value changes a result: a run may be continued with another one."""


@dataclass(frozen=True)
class AtMost:
    """The largest value of a count, in the `Annotated` of a setting; the message says what more would need."""

    le: int
    needs: Callable[[int], str]
    """What so many would need, in words."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 (pydantic's own name)
        """The setting's own check, and then this one."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, count: int | None) -> int | None:
        if count is not None and count > self.le:
            raise ValueError(f"has to be at most {self.le:,}: {self.needs(count)}")
        return count


class _Told(type(BaseModel)):
    """What is made of settings in Python tells mistakes as a study.toml does."""

    def __call__(cls, *args: Any, **values: Any) -> Any:  # noqa: ANN401 (an object of the class)
        try:
            return super().__call__(*args, **values)
        except ValidationError as error:
            raise SpecError("; ".join(mistakes(error, cls))) from error  # pyrefly: ignore[bad-argument-type] (a class of this metaclass)


class Settings(BaseModel, metaclass=_Told):
    """Frozen settings; a name that is not known is refused, and so is a value of another type, NaN and infinity."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    renamed: ClassVar[dict[str, str]] = {}
    """What fields were called before, and are called now: for whoever still says the old word."""

    @field_validator("*", mode="before")
    @classmethod
    def _as_settings_hold_it(cls, value: object) -> object:
        """A list is a tuple here; numbers are those that files hold as integers, and training in float32."""
        if type(value) is int and not -_LARGEST <= value <= _LARGEST:
            raise ValueError("has to fit into 64 bits")
        if isinstance(value, float) and math.isfinite(value) and value and not _SMALL <= abs(value) <= _LARGE:
            raise ValueError(f"has to be 0 or between {_SMALL:g} and {_LARGE:g} in size: float32 holds little else")
        return tuple(value) if isinstance(value, list) else value

    @classmethod
    def meaning(cls) -> str:
        """The first sentence of the docstring, on one line."""
        return " ".join((cls.__doc__ or "").split()).split(". ")[0].rstrip(".") + "."

    @property
    def outside_identity(self) -> set[str]:
        """The settings that are no part of what a run is: `NO_RESULT`, and `NEUTRAL` ones at their default."""
        return {
            name
            for name, field in type(self).model_fields.items()
            if NO_RESULT in field.metadata or (NEUTRAL in field.metadata and getattr(self, name) == field.default)
        }

    @property
    def identity(self) -> dict[str, Any]:
        """As JSON, the settings that decide what a run becomes."""
        return self.model_dump(mode="json", exclude=self.outside_identity)
