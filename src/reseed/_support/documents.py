"""What the documents that reseed writes as JSON have in common."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

__all__ = ["Document", "Number"]

Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A float that is nan where it is not defined; null in JSON."""


class Document(BaseModel):
    """A document, or a part of one: frozen, and every field documented under it."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null", use_attribute_docstrings=True)
