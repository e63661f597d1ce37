"""A passport as one HTML file that opens offline, without a script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseed._support.visible import visible_document
from reseed.report import features_words, passport_words, theme
from reseed.report.environment import environment

if TYPE_CHECKING:
    from reseed.reappearance.passport import Passport

__all__ = ["page"]


def page(passport: Passport, digest: str) -> str:
    """The page; the same passport gives the same bytes.

    Args:
        passport: what to say.
        digest: the SHA-256 of its file.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    passport = visible_document(passport)
    return (
        environment()
        .get_template("passport_page.html.j2")
        .render(
            passport=passport,
            digest=digest,
            told=passport_words,
            shares=features_words,
            title=passport_words.name(passport),
            version=passport.made.reseed,
            light=theme.css("light"),
            dark=theme.css("dark"),
        )
    )
