"""What the documents that reseed writes as JSON have in common."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from reseed._support.brief import brief_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Document", "Number"]

Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A float that is nan where it is not defined; null in JSON."""


class Document(BaseModel):
    """A document, or a part of one: frozen, and every field documented under it."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null", use_attribute_docstrings=True)

    def __repr_args__(self) -> Iterator[tuple[str, object]]:
        return brief_fields(self)
