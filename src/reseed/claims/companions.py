"""The page and the model card beside a passport: whether they say what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseed._support.version import VERSION
from reseed.claims.parts import one
from reseed.errors import MissingExtraError
from reseed.report.passport_card import card
from reseed.report.passport_page import page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reseed.claims.document import Part
    from reseed.reappearance.passport import Passport

__all__ = ["CARD", "PAGE", "check_companions"]

PAGE, CARD = "passport.html", "model-card.md"
"""What lies beside a passport."""


def check_companions(told: Passport, digest: str, folder: Path) -> Iterator[Part]:
    """The page and the block for a model card, as far as they lie beside the passport.

    Args:
        told: the passport as it stands.
        digest: the SHA-256 of its file.
        folder: where it lies.
    """
    for name, file, write in (("page", PAGE, page), ("model card", CARD, card)):
        path = folder / file
        if path.is_file():
            yield _companion(name, path, told, lambda write=write: write(told, digest))


def _companion(name: str, path: Path, told: Passport, write: Callable[[], str]) -> Part:
    try:
        wanted = write()
    except MissingExtraError as error:
        return one(name, "cannot be checked", str(error))
    if path.read_bytes() == wanted.encode():
        return one(name, "holds", f"{path.name} says what the passport says")
    if told.made.reseed != VERSION:
        advice = f"delete it, or check it with reseed {told.made.reseed}"
        return one(name, "cannot be checked", f"{path.name} was written by another reseed than {VERSION}: {advice}")
    return one(name, "does not hold", f"{path.name} is not what this passport makes")
