"""The words and cells of a comparison of dictionaries that the text and the page both show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reseed._support.numbers import interval, percent, rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.comparison.document import (
        ComparedDictionary,
        ComparedPair,
        DictionaryComparison,
        PublishedGroup,
        RecipeGroup,
    )
    from reseed.findings import Floor, Interval

__all__ = [
    "ABOUT",
    "BORN",
    "PUBLISHED",
    "born_rows",
    "called",
    "dictionary_columns",
    "dictionary_rows",
    "gaps",
    "group_rows",
    "held_against",
    "letters",
    "missing",
    "name",
    "pair_columns",
    "pair_rows",
    "published_meanings",
    "published_reasons",
    "published_rows",
    "quantile_columns",
    "quantile_rows",
    "sizes",
]

_SHOWN = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
_EXACT = 1e-6
_SMALLEST = 1e-300  # near the end of float64
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

ABOUT = {
    "replicated": "share of the matched pairs beyond c, the null's 99th percentile, less what the null has there",
    "> .7, > .9": "share of the matched pairs with a cosine above that",
    "agreement": "mean cosine of the matched pairs, over the atoms of the smaller dictionary",
    "ratio": "how far apart they are over how far apart random directions are: 1 for chance, 0 for one dictionary",
    "shared": "share of the matched pairs above .7 in decoder and encoder",
    "encoder": "mean cosine of the encoder rows of matched atoms",
    "codes": "mean correlation of matched atoms' activations on the same held-out tokens",
    "MMCS": "mean best cosine of each atom, of the first one's in the second and back; two atoms may share a partner",
    "own index": "atoms matched to the atom of their own index, and how many chance would",
    "same index": "mean cosine of atoms of the same index, and what it is over all orders",
    "p": "how often chance alone shows as much, among all pairs (Holm); below .001 they share their indices",
}
"""What the columns mean."""

PUBLISHED = ("value", "null", "surrogate")
"""The columns of `published_rows`."""

BORN = ("own index (chance)", "same index (chance)", "p", "")
"""The columns of `born_rows`."""


def name(found: DictionaryComparison) -> str:
    """What was compared."""
    return f"{len(found.dictionaries)} dictionaries: {', '.join(each.label for each in found.dictionaries)}"


def sizes(found: DictionaryComparison) -> tuple[str, ...]:
    """How much of it."""
    acts = found.activations
    tokens = (f"codes on {acts['heldout']:,} held-out tokens of {acts['name']}",) if acts else ("no activations",)
    recipes = f"{len(found.groups)} recipe{'' if len(found.groups) == 1 else 's'}"
    return (recipes, f"d_model {found.d_model:,}", *tokens)


def letters(found: DictionaryComparison) -> dict[str, str]:
    """What each dictionary is called in tables, by its label: A, B, C, ... in their order."""
    return {each.label: _ALPHABET[i % 26] + str(i // 26 or "") for i, each in enumerate(found.dictionaries)}


def called(found: DictionaryComparison) -> list[str]:
    """What each pair is called: `A-B`."""
    short = letters(found)
    return [f"{short[pair.a]}-{short[pair.b]}" for pair in found.pairs]


def dictionary_columns(found: DictionaryComparison) -> tuple[str, ...]:
    """Of `dictionary_rows`."""
    codes = ("alive", "L0", "R²") if _with_codes(found) else ()
    return ("", "format", "atoms", "codes", "norms", "zero", *codes)


def dictionary_rows(found: DictionaryComparison) -> dict[str, tuple[str, ...]]:
    """What each dictionary is; norms are the least, median and most."""
    short, with_codes = letters(found), _with_codes(found)
    return {short[each.label]: (each.label, *_dictionary(each, with_codes=with_codes)) for each in found.dictionaries}


def _with_codes(found: DictionaryComparison) -> bool:
    return any(not math.isnan(each.l0) for each in found.dictionaries)


def _dictionary(each: ComparedDictionary, *, with_codes: bool) -> tuple[str, ...]:
    least, median, most = each.norms
    told = (each.format, f"{each.n_atoms:,}", each.codes or "unknown", f"{least:.3g} {median:.3g} {most:.3g}")
    codes = (
        (percent(each.alive), "n/a" if math.isnan(each.l0) else f"{each.l0:.1f}", rounded(each.r2))
        if with_codes
        else ()
    )
    return (*told, f"{each.zero_atoms:,}", *codes)


def pair_columns(found: DictionaryComparison) -> tuple[str, ...]:
    """Of `pair_rows`: what no pair has is left out."""
    return tuple(_pair_table(found.pairs))


def pair_rows(found: DictionaryComparison) -> dict[str, tuple[str, ...]]:
    """How far every two agree: a cell for each of `pair_columns`."""
    columns = _pair_table(found.pairs)
    return {pair: tuple(cells[i] for cells in columns.values()) for i, pair in enumerate(called(found))}


def _pair_table(pairs: Sequence[ComparedPair]) -> dict[str, list[str]]:
    table = {
        "replicated": [_replicated(pair) for pair in pairs],
        "> .7": [percent(pair.above_7) for pair in pairs],
        "> .9": [percent(pair.above_9) for pair in pairs],
        "agreement": [rounded(pair.agreement, 3) for pair in pairs],
        "ratio": [rounded(pair.ratio) for pair in pairs],
        "shared": [percent(pair.shared) for pair in pairs],
        "encoder": [rounded(pair.encoder) for pair in pairs],
        "codes": [rounded(pair.code) for pair in pairs],
        "MMCS": [" ".join(dict.fromkeys(map(rounded, pair.mmcs))) for pair in pairs],
    }
    return {column: cells for column, cells in table.items() if set(cells) != {"n/a"}}


def _replicated(pair: ComparedPair) -> str:
    """Never below 0, which would be less than nothing."""
    return rounded(pair.replicated if math.isnan(pair.replicated) else max(0.0, pair.replicated))


def gaps(found: DictionaryComparison) -> str:
    """How far every agreement can be below the best possible one."""
    largest = max(pair.gap for pair in found.pairs)
    return f"Matchings are exact: no agreement is more than {max(largest, _EXACT):.0e} below the best possible, proven."


def quantile_columns() -> tuple[str, ...]:
    """Of `quantile_rows`."""
    return (*(percent(level) for level in _SHOWN), "c")


def quantile_rows(found: DictionaryComparison) -> dict[str, tuple[str, ...]]:
    """The distribution behind each agreement, beside its null's, and the cosine from which a pair is replicated."""
    nulls: dict[tuple[float, ...], list[str]] = {}
    rows: dict[str, tuple[str, ...]] = {}
    for short, pair in zip(called(found), found.pairs, strict=True):
        rows[short] = (*_quantiles(found, pair.quantiles), rounded(pair.beyond))
        nulls.setdefault(pair.null_quantiles, []).append(short)
    for values, of in nulls.items():
        several = f" of {of[0]}{', ...' if len(of) > 1 else ''}" if len(nulls) > 1 else ""
        rows[f"null{several}"] = (*_quantiles(found, values), "")
    return rows


def _quantiles(found: DictionaryComparison, values: Sequence[float]) -> list[str]:
    return [rounded(values[found.levels.index(level)]) for level in _SHOWN]


def born_rows(found: DictionaryComparison) -> dict[str, tuple[str, str, str, str]]:
    """Whether every two share their indices: own index, same index, p, and the words."""
    return {
        short: (
            f"{pair.fixed_points:,} of {pair.tested_atoms:,} ({rounded(pair.fixed_expected)})",
            f"{rounded(pair.aligned, 3)} ({rounded(pair.aligned_expected, 3)})",
            _p(pair.birth_holm),
            _born(pair),
        )
        for short, pair in zip(called(found), found.pairs, strict=True)
    }


def _born(pair: ComparedPair) -> str:
    if math.isnan(pair.birth_p):
        return "cannot be said"
    return "born alike" if pair.born_alike else "not by index"


def _p(p: float) -> str:
    if math.isnan(p):
        return "n/a"
    if p < _SMALLEST:
        return f"<{_SMALLEST:g}"
    return f"{p:.0e}" if p < 0.001 else rounded(p, 3)  # noqa: PLR2004 (what SHARED_INDICES is)


def group_rows(group: RecipeGroup) -> dict[str, tuple[str, str]]:
    """What the dictionaries of one recipe agree, and what that is held against: directions, then codes."""
    code = {floor.name: floor for floor in group.code_references}
    null_codes = group.null_runs.code if group.null_runs else None
    rows = {f"these {len(group.labels)}": (_estimated(group.agreement), _estimated(group.code))}
    for floor in group.nulls:
        codes = _estimated(null_codes) if floor.name == "surrogate" else ""
        rows[f"null: {floor.title}"] = (_floor(floor), codes)
    for floor in group.references:
        rows[f"reference: {floor.title}"] = (_floor(floor), _floor(code[floor.name]) if floor.name in code else "")
    return rows


def published_rows(group: PublishedGroup) -> dict[str, tuple[str, ...]]:
    """What every published definition would have said: its value, its null, and that of rows without structure."""
    return {each.title: tuple(map(_digits, (each.value, each.null, each.surrogate))) for each in group.definitions}


def published_meanings(group: PublishedGroup) -> dict[str, str]:
    """What they are."""
    return {each.title: each.meaning for each in group.definitions}


def published_reasons(group: PublishedGroup) -> tuple[str, ...]:
    """Why some have no value."""
    return tuple(f"{each.title}: {each.reason}" for each in group.definitions if each.reason)


def _digits(value: float) -> str:
    return f"{value:,.1f}" if value > 1 else rounded(value, 3)  # a sum grows with the number of atoms


def held_against(found: DictionaryComparison) -> tuple[RecipeGroup, ...]:
    """The recipes of which there are pairs."""
    return tuple(group for group in found.groups if group.pairs)


def missing(found: DictionaryComparison) -> tuple[str, ...]:
    """What was not looked at, and what would add it."""
    told = []
    if found.activations is None:
        told.append(
            "Without --activations nothing is known of what fires: code agreement, L0, R², atoms that never fire, what "
            "tokens and k-means dictionaries of the same activations agree, and atoms sorted by how often they fire."
        )
    if not found.null_dictionaries:
        told.append(
            "Without --null nothing is known of what the recipe makes of rows without structure: stable is not said."
        )
    if any(len(group.labels) == 2 for group in held_against(found)):  # noqa: PLR2004 (one pair)
        told.append("Two runs of a recipe are one pair: a spread over runs needs a third.")
    return tuple(told)


def _estimated(found: Interval | None) -> str:
    if found is None or math.isnan(found.value):
        return ""
    return f"{rounded(found.value)} {interval(found.low, found.high)}".rstrip()


def _floor(floor: Floor) -> str:
    value = rounded(floor.value)
    return value if floor.n == 0 or math.isnan(floor.spread) else f"{value} ± {rounded(floor.spread)}"
