"""The parts of a document: which place belongs to which, and what is said of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseed.claims.document import Difference, Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reseed.claims.differences import Held, Leaf
    from reseed.claims.document import State

__all__ = ["ORDER", "compared", "one", "ordered", "part_of"]

ORDER = (
    "file",
    "own hash",
    "files",
    "versions",
    "activations",
    "recipe",
    "starts",
    "null",
    "numbers",
    "features",
    "words",
    "page",
    "model card",
)
"""In which parts are told."""

_BY_NAME = {
    "passport_version": None,
    "features_version": None,
    "comparison_version": None,
    "findings_version": None,
    "sha256": "files",
    "made": None,
    "judged_from": None,
    "asked": None,
    "trained": "versions",
    "machine": "versions",
    "reseed": None,
    "activations": "activations",
    "files": "files",
    "features": "features",
    "rows": "features",
    "matching": "features",
    "across": "numbers",
    "study": "recipe",
    "recorded": "recipe",
    "about": "recipe",
    "group": "recipe",
    "name": "recipe",
    "format": "recipe",
    "left_out": "starts",
    "at_start": "starts",
    "births": "starts",
    "birth": "starts",
    "birth_p": "starts",
    "birth_holm": "starts",
    "born_alike": "starts",
    "tested_atoms": "starts",
    "fixed_points": "starts",
    "fixed_expected": "starts",
    "init_groups": "starts",
    "nulls": "null",
    "null": "null",
    "null_runs": "null",
    "null_quantiles": "null",
    "null_reappearance": "null",
    "null_many_to_one": "null",
    "null_of_cosines_alone": "null",
    "surrogate": "null",
    "floors": "null",
}
"""The part of everything below a name; None for what is not compared as it stands."""


def part_of(leaf: Leaf) -> str | None:
    """The part that a place of a document belongs to; by the first name on its path that tells."""
    path, told, found = leaf
    if path == ("sha256",):
        return None
    for name in path:
        if name in _BY_NAME:
            return _BY_NAME[name]  # type: ignore[index] (a name is text)
    return "words" if isinstance(told, str) or isinstance(found, str) else "numbers"


def compared(held: Mapping[str, Held]) -> list[Part]:
    """What was found of every part that was derived anew."""
    return [_compared(name, each) for name, each in held.items()]


def _compared(name: str, held: Held) -> Part:
    if held.differing:
        first = held.first[0]
        said = (
            f"{held.differing:,} of {held.checked:,} are not what the files give: {first.path} is {first.told}, and "
            f"{first.found} by the files"
        )
    else:
        said = f"{held.checked:,} numbers and words are what the files give"
    return Part(
        name=name,
        state="does not hold" if held.differing else "holds",
        sentence=said,
        checked=held.checked,
        differing=held.differing,
        differences=tuple(held.first),
    )


def one(name: str, state: State, sentence: str, difference: Difference | None = None, *, checked: int = 1) -> Part:
    """A part of which one thing is said."""
    differing = int(state == "does not hold")
    return Part(
        name=name,
        state=state,
        sentence=sentence,
        checked=checked,
        differing=differing,
        differences=() if difference is None else (difference,),
    )


def ordered(parts: Iterable[Part]) -> tuple[Part, ...]:
    """In the order in which they are told; where a name is there twice, the worse of the two."""
    worst = {"holds": 0, "noted": 1, "cannot be checked": 2, "does not hold": 3}
    by_name: dict[str, Part] = {}
    for part in parts:
        before = by_name.get(part.name)
        if before is None or worst[part.state] > worst[before.state]:
            by_name[part.name] = part
    return tuple(sorted(by_name.values(), key=lambda part: ORDER.index(part.name)))
