"""Everything that `reseed geometry` says, in one call."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor

import reseed
from reseed._support import progress, stopping
from reseed._support.guard import guarded
from reseed._support.machine import memory
from reseed._support.mistakes import shown
from reseed._support.numbers import percent, size
from reseed._support.threads import workers
from reseed.activations import PREPROCESSINGS, Activations, Preprocessed, open_activations, preprocessed
from reseed.dice import roll
from reseed.errors import ActivationsError, DictionaryError, SpecError
from reseed.geometry.advice import recommendation
from reseed.geometry.dictionaries import pair_geometry
from reseed.geometry.document import Geometry, PairGeometry, ViewGeometry
from reseed.geometry.shape import cosine_parts, dimensions, energy_shares, mean_cosine, rogue
from reseed.geometry.worth import Plan, formula_floors, measured_floors
from reseed.interop import LoadedDictionary, read
from reseed.interop.matrix import MATRIX
from reseed.matching import Sign  # noqa: TC001 (the guard reads it)
from reseed.statistics import spectrum
from reseed.training.untrained import kmeans_tokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor


__all__ = ["measure"]

N_ATOMS = 512
"""Of those that are drawn, where no trained ones say how many."""
_MOSTLY = 0.5  # a share of tokens that two independent samples had better not have in common
_LOOKED_AT = 1000  # held-out tokens that a dictionary is looked at on
_EQUAL = 1e-12  # a variance below this share of the energy is rounding

Source = str | Path | Float[Tensor, "_ d_model"]


@guarded(numbers="any")
@stopping.noticed()
def measure(
    activations: Source | None = None,
    *,
    dictionaries: tuple[Source, Source] | None = None,
    n_atoms: int | None = None,
    draws: int = 3,
    preprocess: Sequence[str] = ("none", "centre", "standardise"),
    tokens: int = 16_384,
    kmeans_steps: int = 10,
    sign: Sign = "signed",
    tensor: str | None = None,
    transpose: bool = False,
    format: str | None = None,  # noqa: A002 (the word of the command line)
    delta: float | None = None,
    quiet: bool = True,
) -> Geometry:
    """What agreement is held against before anything is trained: on activations, for two dictionaries, or for both.

    Args:
        activations: whatever `open_activations` opens.
        dictionaries: whatever `reseed.read_dictionary` reads; they say how many atoms nulls and references have.
        n_atoms: how many these have where there are no dictionaries; default 512.
        draws: dictionaries behind each measured null or reference.
        preprocess: names of preprocessings.
        tokens: tokens sampled for the mean cosine and for the spectrum-matched null, or all there are.
        kmeans_steps: most iterations on 32 tokens per centroid, and then on all of a draw's tokens.
        sign: `abs` where an atom and its negative are one feature (ICA, PCA), everywhere.
        tensor: the name of the tensor to read, of the activations or else of the dictionaries.
        transpose: whether the columns of what is read are the tokens, or else the atoms.
        format: of the dictionaries, a name of `reseed.READERS`; None: by their files.
        delta: how far archetypal atoms may leave the hull of their points, where their files do not say.
        quiet: no progress bars on stderr.

    Raises:
        SpecError: nothing to measure, an unknown preprocessing, or a number that is too small.
        ActivationsError: the activations are missing, damaged, all equal, or fewer than the atoms.
        DictionaryError: a dictionary is missing, malformed, of another width, or lives in another space.
    """
    names = tuple(dict.fromkeys(preprocess))
    counts = {"n_atoms": n_atoms, "draws": draws, "tokens": tokens, "kmeans_steps": kmeans_steps}
    _check(activations, dictionaries, preprocess=names, **counts)
    if dictionaries is None and (format is not None or delta is not None):
        raise SpecError("a format and a delta are of dictionaries, and none were given: leave them out")
    asked: dict[str, Any] = {"format": format, "delta": delta}
    if activations is None:  # what `tensor` and `transpose` are about
        asked |= {"tensor": tensor, "transpose": transpose}
        opened, found = None, tuple(read(each, **asked) for each in dictionaries or ())
    else:
        opened = open_activations(activations, tensor=tensor, transpose=transpose)
        found = tuple(_fitting(read(source, **asked), opened.d_model) for source in dictionaries or ())
    _check_spaces(found)
    atoms = tuple(dictionary.atoms for dictionary in found)
    d_model = _width(opened, atoms)
    sizes = (len(atoms[0]), len(atoms[1])) if atoms else (n_atoms or N_ATOMS,) * 2
    plan = Plan(sizes, draws, kmeans_steps, sign)
    if opened is not None:
        _check_activations(opened, plan)
        _check_memory(plan, d_model)
    with workers() as pool, progress.bar(quiet=quiet) as show:
        seen = () if opened is None else (preprocessed(opened, name) for name in names)
        views = tuple(_seen(each, plan, tokens, pool, show(f"floors @{each.name}", plan.n_measured)) for each in seen)
        about = [(each.name, _told(each, opened)) for each in found]
        pair = pair_geometry(about, atoms, views, plan, pool) if found else None
    return Geometry(
        reseed=reseed.__version__,
        activations=None if opened is None else _origin(opened),
        d_model=d_model,
        n_atoms=plan.sizes,
        draws=draws,
        views=views,
        pair=pair,
        recommendation=recommendation(views, pair),
        warnings=(
            *_about_dictionaries(found, pair),
            *(() if opened is None else (*opened.warnings, *_warnings(opened, plan, views))),
        ),
    )


def _check(
    activations: Source | None,
    dictionaries: tuple[Source, Source] | None,
    *,
    preprocess: Sequence[str],
    **counts: int | None,
) -> None:
    if activations is None and dictionaries is None:
        raise SpecError("there is nothing to measure: give activations, two dictionaries, or both")
    if dictionaries is not None and counts["n_atoms"] is not None:
        raise SpecError(
            f"{counts['n_atoms']} atoms and two dictionaries were both given: the dictionaries say how many atoms"
        )
    unknown = [name for name in preprocess if name not in PREPROCESSINGS]
    if unknown or not preprocess:
        given = f"preprocessing {unknown[0]!r} is unknown" if unknown else "no preprocessing was given"
        raise SpecError(f"{given}: choose from {', '.join(PREPROCESSINGS)}")
    for name, least, most in (
        ("n_atoms", 1, 2**24),
        ("draws", 2, 1000),
        ("tokens", 2, 2**31),
        ("kmeans_steps", 1, 10_000),
    ):
        count = counts[name]
        if count is not None and (type(count) is not int or not least <= count <= most):
            raise SpecError(f"{name} = {shown(count)}: it is a whole number from {least} to {most:,}")


def _fitting(found: LoadedDictionary, d_model: int) -> LoadedDictionary:
    """The dictionary, turned where its columns are as long as the activations and its rows are not."""
    if found.format != MATRIX.name or found.atoms.shape[1] == d_model or len(found.atoms) != d_model:
        return found
    note = f"{found.name}: its columns were read as atoms, as only they have the activations' {d_model} dimensions"
    return replace(found, atoms=found.atoms.T.contiguous(), notes=(note,))


def _told(dictionary: LoadedDictionary, activations: Activations | None) -> str:
    """The line by which a wrong layout, space or threshold is seen."""
    return dictionary.told(None if activations is None else activations.heldout.rows[:_LOOKED_AT].float())


def _check_spaces(found: Sequence[LoadedDictionary]) -> None:
    """Refuse cosines between spaces that differ by more than a factor; a bare matrix does not say where it lives."""
    kinds = {each.name: each.space.kind for each in found if each.format != MATRIX.name}
    if len(set(kinds.values())) > 1:
        told = ", ".join(f"{name} in {kind}" for name, kind in kinds.items())
        raise DictionaryError(
            f"the dictionaries live in different spaces ({told}): cosines between their atoms say nothing; compare "
            "those that read activations in the same way"
        )


def _check_memory(plan: Plan, d_model: int) -> None:
    """Refuse what cannot be in memory: all draws of a floor at once, and a number for every pair of them."""
    has, n_atoms = memory(), max(plan.sizes)
    needed = 4 * plan.draws * n_atoms * d_model + 100 * math.comb(plan.draws, 2)
    if has is not None and needed > has.most:
        raise SpecError(
            f"{plan.draws:,} draws of {n_atoms:,} atoms would need {size(needed)} of memory, and this machine has "
            f"{size(has.most)}: use fewer draws or atoms"
        )


def _width(opened: Activations | None, atoms: Sequence[Float[Tensor, "_ d_model"]]) -> int:
    """The one number of dimensions that everything has."""
    widths = {"the activations": opened.d_model} if opened else {}
    widths |= dict(zip(("the first dictionary", "the second dictionary"), (a.shape[1] for a in atoms), strict=False))
    if len(set(widths.values())) > 1:
        told = ", ".join(f"{name} {width}" for name, width in widths.items())
        raise DictionaryError(f"d_model differs ({told}): compare what comes from one layer of one model")
    width = next(iter(widths.values()))
    if width < 2:  # noqa: PLR2004 (in one dimension there are no directions)
        raise ActivationsError("d_model is 1: in one dimension there are no directions to compare")
    return width


def _check_activations(opened: Activations, plan: Plan) -> None:
    if max(plan.sizes) > opened.n_tokens:
        raise ActivationsError(
            f"{opened.name} has {opened.n_tokens:,} training tokens, and each of {max(plan.sizes):,} atoms is a token "
            "or a centroid of some: use fewer atoms or more activations"
        )
    if opened.moments.total_variance <= _EQUAL * opened.moments.mean_squared_norm:
        raise ActivationsError(f"all activations of {opened.name} are equal: look at how they were collected")


def _seen(seen: Preprocessed, plan: Plan, tokens: int, pool: Executor, advance: Callable[[int], None]) -> ViewGeometry:
    mean, covariance = seen.moments.mean, seen.moments.covariance
    rows = seen.sample(tokens, rolled=roll("points", "geometry", "sample"))
    parts, shares = cosine_parts(rows), energy_shares(seen.moments)
    strange, cosine = rogue(shares), parts.sum().item()
    return ViewGeometry(
        preprocess=seen.name,
        sampled=len(rows),
        zero_tokens=int((~rows.any(dim=1)).sum()),
        mean_cosine=cosine,
        mean_share=spectrum.mean_share(mean, covariance),
        mean_over_spread=spectrum.mean_over_spread(mean, covariance),
        **spectrum.spectrum_of(covariance)._asdict(),
        dimensions=dimensions(shares, parts),
        without_rogue=mean_cosine(rows[:, ~strange]) if strange.any() else math.nan,
        floors=(
            *formula_floors(cosine, seen.d_model, plan),
            *measured_floors(seen, rows, plan, pool, advance),
        ),
    )


def _origin(opened: Activations) -> dict[str, Any]:
    return {"name": opened.name, "fingerprint": opened.fingerprint, "n_tokens": opened.n_tokens, **opened.about}


def _about_dictionaries(found: Sequence[LoadedDictionary], pair: PairGeometry | None) -> Iterator[str]:
    for each in found:
        yield from each.notes
    if pair is None:
        return
    for each in (pair.first, pair.second):
        if each.zero_atoms:
            yield (
                f"{each.zero_atoms:,} of {each.n_atoms:,} atoms of {each.name} are zero: they count in the agreement, "
                "as pairs of cosine 0"
            )
    if "tensor" not in {each.source for each in found} and _is_one_file(*(Path(each.source) for each in found)):
        yield "one file was given twice: a dictionary agrees with itself"


def _is_one_file(first: Path, second: Path) -> bool:
    return first.resolve() == second.resolve()


def _warnings(opened: Activations, plan: Plan, views: Sequence[ViewGeometry]) -> Iterator[str]:
    shared = kmeans_tokens(opened.n_tokens, opened.d_model, max(plan.sizes)) / opened.n_tokens
    if shared > _MOSTLY:
        yield (
            f"every k-means sample is {percent(shared)} of the {opened.n_tokens:,} training tokens, and two of them "
            "share as much of theirs: the k-means references may be too high; use fewer atoms or more activations"
        )
    for seen in views:
        if seen.zero_tokens:
            yield f"{seen.zero_tokens:,} of {seen.sampled:,} sampled tokens are zero @{seen.preprocess}"
