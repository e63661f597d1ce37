"""The hash that a passport carries of itself."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from reseed._support.files import canonical_json, sha256_of_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reseed.reappearance.passport import Passport

__all__ = ["laid_out", "seal_of", "sealed"]

_ROW_OF_NUMBERS = re.compile(r"\[\n[^\[\]{}\"]*\]")


def seal_of(document: Mapping[str, Any]) -> str:
    """The SHA-256 of a document as parsed from JSON, its own `sha256` left out."""
    return sha256_of_text(canonical_json({name: each for name, each in document.items() if name != "sha256"}))


def sealed(passport: Passport) -> Passport:
    """The same with the hash of its content."""
    return passport.model_copy(update={"sha256": seal_of(json.loads(passport.model_dump_json()))})


def laid_out(passport: Passport) -> str:
    """As JSON, each column of numbers on one line."""
    text = json.dumps(json.loads(passport.model_dump_json()), indent=1, ensure_ascii=False)
    return _ROW_OF_NUMBERS.sub(lambda row: " ".join(row[0].split()).replace("[ ", "[").replace(" ]", "]"), text) + "\n"
