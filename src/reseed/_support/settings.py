"""What all settings have in common: they are frozen, documented under each field, and may be younger than a run."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict

__all__ = ["NEUTRAL", "NO_RESULT", "Settings"]


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


class Settings(BaseModel):
    """Frozen settings; a name that is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    renamed: ClassVar[dict[str, str]] = {}
    """What fields were called before, and are called now: for whoever still says the old word."""

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
