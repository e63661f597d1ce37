"""A passport as a few lines of Markdown for a model card."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from reseed._support.visible import visible_document
from reseed.report import features_words, passport_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reseed.reappearance.document import RecipeFeatures
    from reseed.reappearance.passport import Passport

__all__ = ["card"]

_MARKUP = re.compile(r"([\\`*_{}\[\]#|~!])")


def card(passport: Passport, digest: str) -> str:
    """The block, in which names cannot pass for markup.

    Args:
        passport: what to say.
        digest: the SHA-256 of its file.
    """
    passport = visible_document(passport)
    recipes = [line for recipe in passport.found.recipes for line in _recipe(recipe)]
    lines = [
        "## Do its features come back in other seeds?",
        "",
        *recipes,
        (
            f"Found by reseed {_plain(passport.made.reseed)}. Every number follows from the files that `passport.json` "
            "names with their hashes; to check that:"
        ),
        "",
        "```",
        "pip install reseed",
        passport_words.command(digest),
        "```",
        "",
    ]
    return "\n".join(lines)


def _recipe(recipe: RecipeFeatures) -> Iterator[str]:
    yield from (f"**{_plain(recipe.name)}.** {_plain(recipe.sentence)}", "")
    yield f"- Independent runs: {len(recipe.runs)} ({_plain(', '.join(recipe.runs))})."
    if recipe.left_out:
        yield f"- Left out, as born like one of these: {len(recipe.left_out)}."
    yield f"- Come back, 95 % over runs: {features_words.told(recipe.reappearance)}."
    most = "at most " if recipe.null_of_cosines_alone else ""
    yield f"- Null: {recipe.null}, of which {most}{features_words.told(recipe.null_reappearance)} come back."
    if recipe.at_start is not None:
        yield f"- At step 0, before any training, by cosines alone: {features_words.told(recipe.at_start)}."
    yield ""


def _plain(text: str) -> str:
    return _MARKUP.sub(r"\\\1", html.escape(text, quote=False))
