"""Everything that `reseed compare` says, in one call."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor

from reseed import statistics
from reseed._support import progress, stopping
from reseed._support.guard import guarded
from reseed._support.threads import workers
from reseed._support.version import VERSION
from reseed.activations import open_activations, preprocessed
from reseed.activations.surrogate import sampled
from reseed.comparison.described import dictionary_of, pair_of
from reseed.comparison.document import LEVELS, AskedComparison, DictionaryComparison, PublishedGroup
from reseed.comparison.files import named, read_files
from reseed.comparison.groups import grouped, nulls_of
from reseed.comparison.judged import judged
from reseed.comparison.noticed import about_dictionary, about_nulls, about_recipe, about_steps
from reseed.comparison.nulls import Chance, chance
from reseed.comparison.opened import check_alike, opened, same_recipe
from reseed.comparison.pairs import Measured, Side, measured_pairs
from reseed.comparison.published import published
from reseed.comparison.references import References, is_costly, references
from reseed.comparison.sentences import sentences
from reseed.comparison.tokens import Tokens
from reseed.comparison.trajectories import MOST_STEPS, common_steps, course, trajectory
from reseed.dice import roll
from reseed.errors import DictionaryError, SpecError
from reseed.floors import Sizes
from reseed.interop import Source  # noqa: TC001 (the guard reads it)
from reseed.matching import Matching, Sign  # noqa: TC001 (the guard reads them)
from reseed.thresholds import LEVEL

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from reseed.activations import Activations
    from reseed.comparison.groups import Nulls
    from reseed.comparison.opened import Opened
    from reseed.comparison.trajectories import Course

__all__ = ["check_nulls", "compare", "null_sides_on", "origin_of", "sides_on", "structureless_tokens"]

MOST_HELDOUT = 4096
"""Held-out tokens that codes are made of, at most."""
_TWO = 2


@guarded(numbers="any")
@stopping.noticed()
def compare(
    *dictionaries: Source,
    activations: Source | None = None,
    null: Sequence[Source] = (),
    labels: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    definitions: bool = False,
    with_references: bool | None = None,
    sign: Sign = "signed",
    format: str | None = None,  # noqa: A002 (the word of the command line)
    k: int | None = None,
    delta: float | None = None,
    tensor: str | None = None,
    transpose: bool = False,
    resume: str | Path | None = None,
    quiet: bool = True,
) -> DictionaryComparison:
    """Whether dictionaries that were trained already agree, beyond what, and whether they were born alike.

    Args:
        *dictionaries: two or more of whatever `reseed.read_dictionary` reads, of any libraries, sizes and methods; a
            folder with several steps of a run counts as its last dictionary, and is followed along training.
        activations: whatever `reseed.open_activations` opens: what they were trained on. Codes are made of its held-out
            tokens; references are drawn from it.
        null: dictionaries of the same recipe that were trained on rows without structure (`reseed.write_surrogate`).
        labels: what the dictionaries are called; None: by their paths.
        groups: the recipe of each of them; None: by their records.
        definitions: whether to say, too, what published definitions of agreement give for them.
        with_references: whether tokens and k-means dictionaries are compared as well; None: unless that takes minutes.
        sign: `abs` where an atom and its negative are one feature (ICA, PCA).
        format: a name of `reseed.READERS`, for all dictionaries; None: by their files.
        k: how many atoms are active, where files do not say.
        delta: how far archetypal atoms may leave the hull of their points, likewise.
        tensor: the name of the tensor to read, of the activations or else of the dictionaries.
        transpose: whether the columns of what is read are the tokens, or else the atoms.
        resume: a folder in which the search for matchings of 8,192 distinct atoms or more is kept: the same call goes
            on from there when this one was killed. See `reseed.match`.
        quiet: no progress bars on stderr.

    Raises:
        SpecError: fewer than two dictionaries, or labels or groups that do not fit.
        DictionaryError: a dictionary is missing, malformed, given twice, of another width, layer, model or space; or
            nulls of a recipe that nothing else has.
        ActivationsError: the activations are missing or damaged.
    """
    if len(dictionaries) < _TWO:
        raise SpecError(f"{len(dictionaries) or 'no'} dictionary was given: give two or more to compare")
    asked: dict[str, Any] = {"format": format, "k": k, "delta": delta}
    of_tokens: dict[str, Any] = {"tensor": tensor, "transpose": transpose}
    for_dictionaries = asked | of_tokens if activations is None else asked
    found = opened(dictionaries, labels=labels, groups=groups, **for_dictionaries)
    warned = check_alike(found, told_apart=groups is not None)
    structureless = opened(null, labels=None, **for_dictionaries) if null else ()
    check_nulls(found, structureless)
    acts = None if activations is None else open_activations(activations, **of_tokens)
    tokens, null_tokens = _heldout(acts), structureless_tokens(acts) if structureless else None
    sides, null_sides = sides_on(found, tokens), null_sides_on(structureless, null_tokens)
    null_tokens = null_tokens if all(side.seen is not None for side in null_sides) else None
    places = _by_group(sides)
    with workers() as pool, progress.bar(quiet=quiet) as show:
        advance = show("pairs", math.comb(len(sides), 2) + math.comb(len(null_sides), 2))
        folder = None if resume is None else Path(resume)
        measured = measured_pairs(sides, sign, pool, advance, resume=folder)
        among_nulls = measured_pairs(null_sides, sign, pool, advance, resume=folder) if null_sides else {}
        nulls = nulls_of(null_sides, among_nulls) if null_sides else None
        chances = _chances(sides, measured, sign, pool, show)
        beside = _references(sides, places, acts, asked=with_references, sign=sign, pool=pool)
        courses = {
            name: _course([sides[place] for place in of], tokens, sign, pool, show) for name, of in places.items()
        }
        null_course = _course(null_sides, null_tokens, sign, pool, show)
    null_of = {name: _fitting(nulls, null_sides, sides[members[0]]) for name, members in places.items()}
    p_values = dict(zip(measured, statistics.holm([each.birth.p_value for each in measured.values()]), strict=True))
    of_groups = tuple(
        grouped(
            name,
            members,
            sides,
            measured,
            p_values,
            chance=chances.get((name, name)),
            references=beside.get(name),
            nulls=null_of[name],
            followed=courses[name],
        )
        for name, members in places.items()
    )
    along = tuple(
        trajectory(
            name,
            found_course,
            own_null := null_course if null_of[name] else None,
            judged(found_course, own_null, _sizes(sides[members[0]], sign)),
            born_alike=_sharing_indices(p_values, members),
            n_null=len(null_sides) if null_of[name] else 0,
        )
        for name, members in places.items()
        if (found_course := courses[name]) is not None
    )
    pairs = []
    for (i, j), each in measured.items():
        of = sides[i].opened.group, sides[j].opened.group
        own = null_of[of[0]] if of[0] == of[1] else None
        pairs.append(pair_of(sides[i], sides[j], each, chance=chances[of], nulls=own, holm=p_values[i, j]))
    told = AskedComparison(
        sources=tuple(map(named, dictionaries)),
        activations=None if activations is None else named(activations),
        null=tuple(map(named, null)),
        labels=tuple(each.label for each in found),
        groups=None if groups is None else tuple(groups),
        definitions=definitions,
        with_references=with_references,
        sign=sign,
        **asked,
        **of_tokens,
    )
    read = [(each.label, path) for each in found for path in each.dictionary.paths]
    read += [(f"null {i}", path) for i, each in enumerate(structureless, 1) for path in each.dictionary.paths]
    return DictionaryComparison(
        reseed=VERSION,
        asked=told,
        files=read_files(read, told),
        d_model=found[0].dictionary.atoms.shape[1],
        sign=sign,
        level=LEVEL,
        levels=LEVELS,
        activations=None if acts is None else origin_of(acts),
        dictionaries=tuple(map(dictionary_of, sides)),
        pairs=tuple(pairs),
        groups=of_groups,
        trajectories=along,
        null_dictionaries=tuple(map(dictionary_of, null_sides)),
        published=_published(sides, places, measured, null_sides) if definitions else (),
        sentences=sentences(of_groups, along, pairs),
        warnings=(*warned, *_warnings(sides, places, nulls, acts, left_out=with_references is None)),
    )


def check_nulls(found: Sequence[Opened], structureless: Sequence[Opened]) -> None:
    """Refuse runs on rows without structure that are too few, of several recipes, or of none that is compared."""
    if not structureless:
        return
    if len(structureless) < _TWO:
        raise SpecError("one dictionary was given as --null: give two or more, three for an interval")
    check_alike([found[0], *structureless], told_apart=True)
    for each in structureless:
        if not same_recipe(structureless[0].dictionary, each.dictionary):
            raise DictionaryError(
                f"{structureless[0].label} and {each.label} were both given as --null, and are of different recipes: "
                "give runs of one"
            )
    if not any(same_recipe(each.dictionary, structureless[0].dictionary) for each in found):
        raise DictionaryError(
            f"the runs given as --null ({structureless[0].group}) are of no recipe that is compared "
            f"({', '.join(dict.fromkeys(each.group for each in found))}): train the same recipe on surrogate rows"
        )


def _heldout(acts: Activations | None) -> Tokens | None:
    return None if acts is None else Tokens(acts.heldout.rows[:MOST_HELDOUT].float(), acts.moments.mean)


def structureless_tokens(acts: Activations | None) -> Tokens | None:
    """Held-out rows without structure, which codes of runs on such rows are made of."""
    if acts is None:
        return None
    with sampled(acts, "elliptical", realisation=0, folder=None) as sample:
        return Tokens(sample.heldout()[:MOST_HELDOUT], acts.moments.mean)


def sides_on(found: Sequence[Opened], tokens: Tokens | None) -> list[Side]:
    """Dictionaries with what they make of tokens, if there are any."""
    return [Side(each, None if tokens is None else tokens.seen_by(each.dictionary, each.label)) for each in found]


def null_sides_on(found: Sequence[Opened], tokens: Tokens | None) -> list[Side]:
    """The same of runs on rows without structure."""
    try:
        return sides_on(found, tokens)
    except DictionaryError:  # runs of reseed that read centred rows: the moments of their surrogate are not kept
        return sides_on(found, None)


def _sizes(side: Side, sign: Sign) -> Sizes:
    """Of formulas; no subspaces are compared."""
    n_atoms, d_model = side.dictionary.atoms.shape
    return Sizes(n_atoms, d_model, rank=d_model, sign=sign)


def _by_group(sides: Sequence[Side]) -> dict[str, list[int]]:
    """The places of the dictionaries of each recipe, in the order in which recipes were given."""
    places: dict[str, list[int]] = {}
    for place, side in enumerate(sides):
        places.setdefault(side.opened.group, []).append(place)
    return places


def _fitting(nulls: Nulls | None, null_sides: Sequence[Side], side: Side) -> Nulls | None:
    """Those runs on rows without structure, for a recipe that is theirs."""
    return nulls if null_sides and same_recipe(side.dictionary, null_sides[0].dictionary) else None


def _course(
    sides: Sequence[Side], tokens: Tokens | None, sign: Sign, pool: Executor, show: progress.Show
) -> Course | None:
    """The runs of one recipe along training; None unless all have two steps in common."""
    runs = [side.opened for side in sides]
    steps = common_steps(runs)
    return course(runs, tokens, sign, pool, show("steps", min(len(steps), MOST_STEPS))) if steps else None


def _sharing_indices(p_values: Mapping[tuple[int, int], float], places: Sequence[int]) -> int:
    """Pairs of these dictionaries that are born alike by the birth test."""
    return sum(p < statistics.SHARED_INDICES for pair, p in p_values.items() if set(pair) <= set(places))


def _chances(
    sides: Sequence[Side], measured: Iterable[tuple[int, int]], sign: Sign, pool: Executor, show: progress.Show
) -> dict[tuple[str, str], Chance]:
    """What random directions agree, for every two recipes of which there are pairs."""
    needed = list(dict.fromkeys((sides[i].opened.group, sides[j].opened.group) for i, j in measured))
    atoms: dict[str, list[Float[Tensor, "_ d_model"]]] = {}
    for side in sides:
        atoms.setdefault(side.opened.group, []).append(side.dictionary.atoms)
    found: dict[tuple[str, str], Chance] = {}
    advance = show("random directions", len(needed))
    for of in needed:
        found[of] = chance(atoms[of[0]], atoms[of[1]], sign, pool)
        advance(1)
    return found


def _references(
    sides: Sequence[Side],
    places: Mapping[str, Sequence[int]],
    acts: Activations | None,
    *,
    asked: bool | None,
    sign: Sign,
    pool: Executor,
) -> dict[str, References]:
    """What untrained dictionaries of the same activations agree, for every recipe of which there are two."""
    if acts is None or asked is False:
        return {}
    found: dict[str, References] = {}
    seen = preprocessed(acts, "none")
    for name, members in places.items():
        of = [sides[place] for place in members]
        if len(of) < _TWO or not _has_references(of, acts) or (asked is None and _is_costly(of[0], acts)):
            continue
        active = [side.seen.l0 for side in of if side.seen is not None]
        found[name] = references(
            [side.dictionary for side in of],
            seen,
            acts.heldout.rows[:MOST_HELDOUT].float(),
            active=max(1, round(sum(active) / len(active))) if active else 1,
            sign=sign,
            pool=pool,
        )
    return found


def _published(
    sides: Sequence[Side],
    places: Mapping[str, Sequence[int]],
    measured: Mapping[tuple[int, int], Measured],
    null_sides: Sequence[Side],
) -> tuple[PublishedGroup, ...]:
    """Of every recipe with two dictionaries; of all together where there is none."""
    several = {name: members for name, members in places.items() if len(members) > 1}
    told = []
    for name, members in (several or {"all": range(len(sides))}).items():
        nulls = null_sides if null_sides and same_recipe(sides[members[0]].dictionary, null_sides[0].dictionary) else ()
        found = published(
            [side.part for side in (sides[place] for place in members)],
            rolled=roll("points", "comparison", "definitions"),
            matchings=dict(zip(combinations(range(len(members)), 2), _matchings(measured, members), strict=True)),
            null_sides=[side.part for side in nulls],
        )
        labels = tuple(sides[place].opened.label for place in members)
        told.append(PublishedGroup(name=name, labels=labels, definitions=found))
    return tuple(told)


def _matchings(measured: Mapping[tuple[int, int], Measured], members: Sequence[int]) -> list[Matching]:
    """Of every two of some dictionaries, in order."""
    return [measured[pair].matching for pair in combinations(members, 2)]


def _has_references(sides: Sequence[Side], acts: Activations) -> bool:
    """Whether tokens lie where the atoms do, and are enough for one each."""
    n_atoms, d_model = sides[0].dictionary.atoms.shape
    return d_model == acts.d_model and sides[0].dictionary.skip is None and n_atoms <= acts.n_tokens


def _is_costly(side: Side, acts: Activations) -> bool:
    return is_costly(acts.n_tokens, acts.d_model, len(side.dictionary.atoms))


def origin_of(acts: Activations) -> dict[str, Any]:
    """What is told of the activations that codes were made of."""
    n_heldout = min(len(acts.heldout.rows), MOST_HELDOUT)
    told = {"name": acts.name, "fingerprint": acts.fingerprint, "n_tokens": acts.n_tokens, "heldout": n_heldout}
    return {**told, **acts.about}


def _warnings(
    sides: Sequence[Side],
    places: Mapping[str, Sequence[int]],
    nulls: Nulls | None,
    acts: Activations | None,
    *,
    left_out: bool,
) -> Iterator[str]:
    for side in sides:
        yield from about_dictionary(side, looked=acts is not None)
    for name, members in places.items():
        of = [sides[place] for place in members]
        if len(of) < _TWO:
            continue
        if acts is not None and left_out and _has_references(of, acts) and _is_costly(of[0], acts):
            yield f"{name}: k-means dictionaries of that size would take minutes and were left out: --references"
        yield from about_recipe(of)
        yield from about_steps([side.opened for side in of])
    if nulls is not None:
        yield from about_nulls(nulls, looked=acts is not None)
    if acts is not None:
        yield from acts.warnings
