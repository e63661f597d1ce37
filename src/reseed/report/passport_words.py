"""What a passport says, in the words and rows of its page and of its block for a model card."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reseed._support.numbers import interval, rounded, size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reseed.reappearance.document import RecipeFeatures
    from reseed.reappearance.passport import Columns, Passport

__all__ = [
    "asked_rows",
    "birth_rows",
    "command",
    "common_rows",
    "file_rows",
    "made_rows",
    "name",
    "recipe_rows",
    "return_columns",
    "return_rows",
    "sentences",
    "sizes",
]

BIRTH = ("atoms tested", "matched to their own index", "by chance", "p", "p (Holm)", "born alike")


def name(passport: Passport) -> str:
    """What the page is called."""
    return ", ".join(recipe.name for recipe in passport.found.recipes)


def sizes(passport: Passport) -> Iterator[str]:
    """How much it is about, in a line."""
    runs = sum(len(recipe.runs) for recipe in passport.found.recipes)
    yield f"{runs} independent runs"
    yield f"{sum(each.atoms for each in passport.features):,} features"
    yield f"{len(passport.found.files)} files, {size(sum(each.n_bytes for each in passport.found.files))}"


def sentences(passport: Passport) -> list[str]:
    """What was found, recipe by recipe; of several after its name."""
    recipes = passport.found.recipes
    return [each.sentence if len(recipes) == 1 else f"{each.name}: {each.sentence}" for each in recipes]


def return_columns(passport: Passport, recipe: RecipeFeatures) -> list[str]:
    """A column for every reappearance that a feature of this recipe may have, the most first."""
    return [rounded(share, 2) for share in _shares(passport, recipe)]


def return_rows(passport: Passport, recipe: RecipeFeatures) -> dict[str, tuple[str, ...]]:
    """How many features of each run have which reappearance, and where that may lie over runs."""
    shares = _shares(passport, recipe)
    of = [each for each in passport.features if each.recipe == recipe.name]
    ends = {share.reappearance: share for each in of for share in each.intervals}
    rows = {each.run: _counts(each, shares) for each in of}
    where = tuple(interval(ends[share].low, ends[share].high) for share in shares)
    return {**rows, "95 % over runs": where}


def _shares(passport: Passport, recipe: RecipeFeatures) -> list[float]:
    found = {s.reappearance for each in passport.features if each.recipe == recipe.name for s in each.intervals}
    return sorted(found, reverse=True)


def _counts(run: Columns, shares: list[float]) -> tuple[str, ...]:
    counted = Counter(rounded(share, 6) for share in run.reappearance)
    return tuple(f"{counted[rounded(share, 6)]:,}" for share in shares)


def birth_rows(recipe: RecipeFeatures) -> dict[str, tuple[str, ...]]:
    """The birth test of every two runs."""
    return {
        f"{each.a} and {each.b}": (
            f"{each.tested:,}",
            f"{each.fixed:,}",
            rounded(each.expected),
            _p(each.p),
            _p(each.holm),
            "yes" if each.alike else "not shown",
        )
        for each in recipe.births
    }


def _p(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.2g}"


def common_rows(recipe: RecipeFeatures) -> dict[str, str]:
    """What is recorded alike of all runs, those of the null included."""
    first, *others = (_flat(each.about) for each in recipe.recorded)
    return {key: value for key, value in first.items() if all(each.get(key) == value for each in others)}


def recipe_rows(recipe: RecipeFeatures) -> dict[str, tuple[str, ...]]:
    """What is recorded of each run, and of no other or not of all."""
    common = common_rows(recipe)
    return {
        f"{each.run}{' (null)' if each.null else ''}": (
            each.format,
            f"{each.n_atoms:,} of {each.d_model:,}",
            "" if each.step is None else f"{each.step:,}",
            each.seed or "",
            "; ".join(f"{key} {value}" for key, value in _flat(each.about).items() if key not in common),
        )
        for each in recipe.recorded
    }


def _flat(about: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """A record by dotted names, in words."""
    told: dict[str, str] = {}
    for key, value in about.items():
        told |= _flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": _plain(value)}
    return told


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {each}" for key, each in _flat(value).items())
    return ", ".join(map(_plain, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def file_rows(passport: Passport) -> list[tuple[str, str, str, str]]:
    """Every file: what it is of, where it is, its size and its sum."""
    return [(each.of, each.path, size(each.n_bytes), each.sha256) for each in passport.found.files]


def made_rows(passport: Passport) -> dict[str, str]:
    """Versions and places."""
    made = {key: str(value) for key, value in passport.made}
    trained = {f"trained with {key}": value for key, value in (passport.trained or {}).items()}
    acts = passport.found.activations or {}
    return {**made, **trained, **{f"activations, {key}": _plain(value) for key, value in acts.items()}}


def asked_rows(passport: Passport) -> Mapping[str, str]:
    """What was asked, without what was left to its default."""
    asked = passport.found.asked.model_dump(mode="json", exclude={"with_texts", "with_blocks", "shown"})
    return {key: _plain(value) for key, value in asked.items() if value not in (None, [])}


def command(digest: str) -> str:
    """What checks it."""
    return f"reseed verify passport.json --sha256 {digest}"
