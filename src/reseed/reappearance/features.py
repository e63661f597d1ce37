"""Which features come back, in one call: from a study, or from dictionaries that were trained elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import torch
from jaxtyping import Int
from torch import Tensor

from reseed import statistics
from reseed._support import progress, stopping
from reseed._support.brief import brief_repr
from reseed._support.files import replacing
from reseed._support.guard import guarded
from reseed._support.numbers import percent, rounded
from reseed._support.threads import workers
from reseed._support.version import VERSION
from reseed.activations import Activations, open_activations
from reseed.analysis.given import given_study
from reseed.analysis.intervals import interval
from reseed.comparison.comparing import check_nulls, null_sides_on, origin_of, sides_on, structureless_tokens
from reseed.comparison.files import named, read_files
from reseed.comparison.opened import check_alike, opened
from reseed.comparison.tokens import Tokens
from reseed.errors import ActivationsError, DictionaryError, SpecError
from reseed.interop import Source  # noqa: TC001 (the guard reads it)
from reseed.matching import Sign  # noqa: TC001 (the guard reads it)
from reseed.reappearance.births import births, born_alike
from reseed.reappearance.blocks import Blocks, blocks
from reseed.reappearance.coming_back import Found, Rule, find
from reseed.reappearance.document import (
    AskedFeatures,
    BlocksFound,
    ExplainedBy,
    Features,
    Partnered,
    Range,
    Recaptured,
    RecipeFeatures,
    Shown,
)
from reseed.reappearance.runs import Recipe, Run, of_sides, of_study
from reseed.reappearance.shares import Shares, shares
from reseed.reappearance.strata import strata
from reseed.reappearance.table import flat, of_run, table
from reseed.reappearance.texts import fires_on
from reseed.statistics.recapture import recapture
from reseed.thresholds import LEVEL
from reseed.trajectory import StudyFolder, is_study

if TYPE_CHECKING:
    from reseed.findings import Interval
    from reseed.statistics import Estimate
    from reseed.statistics.recapture import Ranged

__all__ = ["Reappearance", "features", "find_features", "write_features"]

MOST_HELDOUT = 4096
"""Held-out tokens that codes of foreign dictionaries are made of, at most."""
_SHOWN = 5
_TEXTS = 3
_LARGEST = 8  # atoms of a block


@dataclass(frozen=True)
class Reappearance:
    """What was found, and the table of all features."""

    document: Features
    """Without the rows of the table."""
    table: pl.DataFrame
    """One row for every atom of every independent run, by `COLUMNS`."""
    study: Path | None = None
    """The folder of the study that it is about."""
    texts: Mapping[str, Callable[[int], tuple[str, ...]]] = field(default_factory=dict)
    """By run: what an atom fires on, by its index."""

    __repr__ = brief_repr

    @property
    def whole(self) -> Features:
        """The document with the rows of the table."""
        return self.document.model_copy(update={"rows": tuple(self.table.to_dicts())})

    def feature(self, atom: int, run: str | None = None) -> tuple[Partnered, ...]:
        """One feature, and beside it its partner in every other run, each with what it fires on.

        Args:
            atom: its index.
            run: of which run; None: of the first.

        Raises:
            SpecError: there is no such run, or no such atom in it.
        """
        rows = of_run(self.table, self.table["run"][0] if run is None else run)
        if not 0 <= atom < rows.height:
            raise SpecError(f"{rows['run'][0]} has no atom {atom:,}: it has 0 to {rows.height - 1:,}")
        own = rows.row(atom, named=True)
        itself = Partnered(run=own["run"], atom=atom, texts=self._fires_on(own["run"], atom))
        partners = (
            Partnered(**partner, texts=self._fires_on(partner["run"], partner["atom"])) for partner in own["partners"]
        )
        return itself, *partners

    def _fires_on(self, run: str, atom: int) -> tuple[str, ...]:
        return self.texts[run](atom) if run in self.texts else ()


def features(*sources: Source, **asked: Any) -> pl.DataFrame:  # noqa: ANN401 (those of `find_features`)
    """Which features come back, one row for every atom of every independent run: the table of `find_features`."""
    return find_features(*sources, **asked).table


@guarded(numbers="any", cosine=(-1.0, 1.0), code=(-1.0, 1.0))
@stopping.noticed()
def find_features(
    *sources: Source,
    activations: Source | None = None,
    null: Sequence[Source] = (),
    labels: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    cosine: float = 0.7,
    code: float = 0.5,
    sign: Sign = "signed",
    format: str | None = None,  # noqa: A002 (the word of the command line)
    k: int | None = None,
    delta: float | None = None,
    with_blocks: bool = False,
    shown: int = _SHOWN,
    with_texts: bool = True,
    quiet: bool = True,
) -> Reappearance:
    """Which atoms of independent runs come back in the others, and how often they would without structure.

    Args:
        *sources: a study, of which every condition is looked at; or two or more dictionaries of one recipe, each
            whatever `reseed.read_dictionary` reads.
        activations: what they were trained on. Of a study its own are taken, for their texts.
        null: dictionaries of the recipe that were trained on rows without structure; a study has its own.
        labels: what the dictionaries are called; None: by their paths.
        groups: the recipe of each, which has to be one; None: by their records.
        cosine: the threshold of cosines.
        code: the threshold of code correlations.
        sign: `abs` where an atom and its negative are one feature; a study knows.
        format: a name of `reseed.READERS`; None: by the files.
        k: how many atoms are active, where files do not say.
        delta: how far archetypal atoms may leave the hull of their points, likewise.
        with_blocks: whether blocks are sought: sets of atoms whose span comes back where the atoms do not. It takes
            a minute for hundreds of atoms and hours for ten thousands.
        shown: how many of the features that come back most, and least, are told with their texts.
        with_texts: whether they are told with what they fire on; False leaves the activations of a study closed.
        quiet: no progress bars on stderr.

    Raises:
        SpecError: a study beside other things, or a single dictionary.
        TrajectoryError: the study is damaged, or no two of its runs started apart.
        DictionaryError: a dictionary is missing, malformed, given twice, or of another recipe.
        ActivationsError: the activations are missing or damaged.
    """
    warnings: list[str] = []
    folder = None
    study = [each for each in sources if _is_study(each)]
    if study:
        if len(sources) > 1 or null or labels or groups:
            raise SpecError(f"{study[0]} is a study, which has runs and nulls of its own: give it alone")
        folder = StudyFolder.open(Path(str(study[0])).expanduser())
        recipes = of_study(folder)
        acts = _of_the_study(folder, activations, warnings) if with_texts or with_blocks else None
        origin = folder.manifest.activations or None
    else:
        asked: dict[str, Any] = {"format": format, "k": k, "delta": delta}
        acts = None if activations is None else open_activations(activations)
        origin = None if acts is None else origin_of(acts)
        recipes = (_foreign(sources, null, acts, sign, labels=labels, groups=groups, **asked),)
    rule = Rule(cosine, code)
    with workers() as pool, progress.bar(quiet=quiet) as show:
        found = []
        for recipe in recipes:
            count = math.comb(len(recipe.runs), 2) + math.comb(len(recipe.null) or 3, 2)
            found.append(find(recipe, rule, pool, show(f"pairs of {recipe.name}", count)))
        sought = [_blocks(each) if with_blocks else None for each in found]
    tables = [table(each, None if blocks is None else blocks.sizes) for each, blocks in zip(found, sought, strict=True)]
    asked_for = AskedFeatures(
        sources=tuple(map(named, sources)),
        activations=None if activations is None else named(activations),
        null=tuple(map(named, null)),
        labels=None if folder is not None else tuple(run.label for run in recipes[0].runs),
        groups=None if groups is None else tuple(groups),
        cosine=cosine,
        code=code,
        sign=sign,
        format=format,
        k=k,
        delta=delta,
        with_blocks=with_blocks,
        shown=shown,
        with_texts=with_texts,
    )
    document = Features(
        reseed=VERSION,
        asked=asked_for,
        activations=origin,
        files=read_files((each for recipe in recipes for each in recipe.read), asked_for),
        recipes=tuple(
            _told(each, rows, acts, shown, blocks, with_texts=with_texts)
            for each, rows, blocks in zip(found, tables, sought, strict=True)
        ),
        warnings=(*warnings, *_warnings(found)),
        rows=(),
    )
    texts = {run.label: partial(_fires_on, run, acts) for each in found for run in each.recipe.runs}
    return Reappearance(document, pl.concat(tables), folder.path if folder is not None else None, texts)


def _is_study(source: Source) -> bool:
    if not isinstance(source, str | Path):
        return False
    folder = Path(source).expanduser()
    return folder.is_dir() and is_study(folder)


def write_features(found: Reappearance, *, csv: Path | None = None, parquet: Path | None = None) -> tuple[Path, ...]:
    """Write the table of all features, whole or not at all; of a study as `features.parquet` in it, unless told where.

    Returns:
        What was written.
    """
    written = []
    if csv is not None:
        with replacing(csv) as temporary:
            flat(found.table).write_csv(temporary)
        written.append(csv)
    if parquet is None and found.study is not None:
        parquet = found.study / "features.parquet"
    if parquet is not None:
        with replacing(parquet) as temporary:
            found.table.write_parquet(temporary)
        written.append(parquet)
    return tuple(written)


def _foreign(
    sources: Sequence[Source],
    null: Sequence[Source],
    acts: Activations | None,
    sign: Sign,
    *,
    labels: Sequence[str] | None,
    groups: Sequence[str] | None,
    **asked: Any,  # noqa: ANN401 (whatever `read` takes)
) -> Recipe:
    if len(sources) < 2:  # noqa: PLR2004 (a pair)
        only = f"{sources[0]} is no study" if sources else "nothing was given"
        raise SpecError(f"{only}: give the folder of a study, or two dictionaries or more")
    given = opened(sources, labels=labels, groups=groups, **asked)
    check_alike(given, told_apart=groups is not None)
    names = list(dict.fromkeys(each.group for each in given))
    if len(names) > 1:
        raise DictionaryError(
            f"these are of {len(names)} recipes ({', '.join(names)}): features come back among runs of one; compare "
            "recipes with  reseed compare"
        )
    structureless = opened(null, labels=None, **asked) if null else ()
    check_nulls(given, structureless)
    tokens = None if acts is None else Tokens(acts.heldout.rows[:MOST_HELDOUT].float(), acts.moments.mean)
    null_sides = null_sides_on(structureless, structureless_tokens(acts) if null else None)
    return of_sides(names[0], sides_on(given, tokens), null_sides, sign)


def _of_the_study(folder: StudyFolder, given: Source | None, warnings: list[str]) -> Activations | None:
    """The activations of a study, for the texts of its held-out tokens; None, and why, where they are gone."""
    source = _named_by(folder) if given is None else given
    try:
        acts = open_activations(source)
    except ActivationsError as error:
        warnings.append(f"what features fire on is not shown: {error}")
        return None
    wanted = folder.manifest.activations.get("fingerprint")
    if wanted not in {None, acts.fingerprint}:
        warnings.append(f"what features fire on is not shown: {source} is not what the study was run on")
        return None
    return acts


def _named_by(folder: StudyFolder) -> Path:
    """Where a study says that its activations are, as seen from its own file."""
    return folder.path / Path(str(given_study(folder).get("activations"))).expanduser()


def _blocks(found: Found) -> Blocks:
    runs, null = found.recipe.runs, found.null
    return blocks(
        [run.atoms.cpu() for run in runs],
        [found.alone(place) for place in range(len(runs))],
        null=[run.atoms.cpu() for run in null.runs],
        null_alone=null.alone,
        cosine=max(0.0, min(1.0, found.rule.cosine)),
        largest=min(_LARGEST, runs[0].atoms.shape[1] // 2),
    )


def _blocks_told(found: Found, sought: Blocks, acts: Activations | None) -> BlocksFound:
    sizes = torch.cat(list(sought.sizes))
    counts = torch.bincount(sizes, minlength=_LARGEST + 1).tolist()
    explained = tuple(
        ExplainedBy(atom=each.atom, block=each.block, neither=each.neither, unexplained=each.unexplained)
        for run, own in zip(found.recipe.runs, sought.sizes, strict=True)
        if (each := _explained(run, own, acts)) is not None
    )
    in_blocks = sum(counts[2:])
    said = (
        f"{counts[1]:,} of {len(sizes):,} atoms come back alone, in half or more of the other runs; {in_blocks:,} more "
        f"in blocks of up to {_LARGEST} whose span comes back, beyond what the same search finds among "
        f"{found.null.what}; {counts[0]:,} in neither way."
    )
    if explained:
        by = {name: percent(sum(getattr(e, name) for e in explained) / len(explained)) for name in ("atom", "block")}
        said += f" Of the variance of held-out activations the first explain {by['atom']} and the second {by['block']}."
    return BlocksFound(
        alone=counts[1],
        sizes=tuple(counts[2:]),
        nothing=counts[0],
        unconfirmed=sought.unconfirmed,
        null=found.null.what,
        explained=explained,
        sentence=said,
    )


def _explained(run: Run, sizes: Int[Tensor, " atoms"], acts: Activations | None) -> Shares | None:
    """None where codes are not known, are of other tokens, or atoms live elsewhere than activations."""
    if run.codes is None or acts is None or not run.reads_raw or run.codes.n_tokens > len(acts.heldout.rows):
        return None
    return shares(acts.heldout.rows[: run.codes.n_tokens].float(), run.atoms, run.codes, sizes)


def _told(
    found: Found, rows: pl.DataFrame, acts: Activations | None, shown: int, sought: Blocks | None, *, with_texts: bool
) -> RecipeFeatures:
    recipe, null = found.recipe, found.null
    tested = births(found)
    one, many = _over_runs(found)
    counted = recapture(found.classes.appearances, len(recipe.runs), chance=min(1.0, max(0.0, null.one_to_one.value)))
    once = rows.unique("class", keep="first", maintain_order=True)
    busy = ["fired"] if found.with_codes else ["cosine"]
    most = once.sort("reappearance", *busy, descending=True, nulls_last=True).head(shown)
    least = once.sort("reappearance", *busy, descending=[False, True], nulls_last=True).head(shown)
    return RecipeFeatures(
        name=recipe.name,
        runs=tuple(run.label for run in recipe.runs),
        left_out=recipe.left_out,
        births=tested,
        recorded=tuple(run.record for run in (*recipe.runs, *recipe.null) if run.record is not None),
        sign=recipe.sign,
        cosine=found.rule.cosine,
        code=found.rule.code if found.with_codes else None,
        reappearance=one,
        many_to_one=many,
        null=null.what,
        null_reappearance=_share(null.one_to_one),
        null_many_to_one=_share(null.many_to_one),
        null_of_cosines_alone=null.of_cosines_alone,
        recapture=Recaptured(
            classes=counted.n_classes,
            frequencies=counted.frequencies,
            broken=found.classes.broken,
            coverage=_range(counted.coverage),
            at_least=None if counted.bound is None else _range(counted.bound),
            chao=None if counted.chao is None else _range(counted.chao),
            new=_range(counted.forecast),
            sentence=counted.sentence,
        ),
        blocks=None if sought is None else _blocks_told(found, sought, acts),
        strata=strata(found, rows),
        most=tuple(_shown(found, row, acts if with_texts else None) for row in most.to_dicts()),
        least=tuple(_shown(found, row, acts if with_texts else None) for row in least.to_dicts()),
        sentence=f"{born_alike(tested)}{_sentence(found, rows, one)}",
    )


def _over_runs(found: Found) -> tuple[Interval, Interval]:
    """The share of pairs that come back and of atoms that have any within the threshold, over runs."""
    n_runs = len(found.recipe.runs)
    values = torch.full((2, n_runs, n_runs), math.nan, dtype=torch.float64)
    for (i, j), pair in found.pairs.items():
        values[0, i, j] = values[0, j, i] = pair.back.double().mean()
        values[1, i, j] = values[1, j, i] = torch.cat(pair.joins).double().mean()
    one, many = statistics.between(values, torch.arange(n_runs), level=LEVEL)
    return _share(one), _share(many)


def _share(estimate: Estimate) -> Interval:
    """Of a share, which lies between 0 and 1 whatever its error."""
    told = interval(estimate)
    return (
        told.model_copy(update={"low": max(0.0, told.low), "high": min(1.0, told.high)}) if estimate.defined else told
    )


def _sentence(found: Found, rows: pl.DataFrame, one: Interval) -> str:
    others, null = len(found.recipe.runs) - 1, found.null
    all_of = int((rows["reappearance"] == 1).sum())
    none = int((rows["reappearance"] == 0).sum())
    codes = f" and codes that correlate at least {rounded(found.rule.code)}" if found.with_codes else ""
    most = "at most " if null.of_cosines_alone else ""
    n_runs = others + 1
    there = f"{most}{percent(null.one_to_one.value)} do among {null.what}"
    in_all = {1: "in the other", 2: "in both others"}.get(others, f"in all {others} others")
    return (
        f"{percent(one.value)} of the matched atoms come back in another run, with a cosine of at least "
        f"{rounded(found.rule.cosine)}{codes}; {there}. Of {len(rows):,} atoms of {n_runs} runs {all_of:,} "
        f"come back {in_all} and {none:,} in none."
    )


def _shown(found: Found, row: dict[str, Any], acts: Activations | None) -> Shown:
    run = next(run for run in found.recipe.runs if run.label == row["run"])
    return Shown(
        run=row["run"],
        atom=row["atom"],
        reappearance=row["reappearance"],
        cosine=math.nan if row["cosine"] is None else row["cosine"],
        fired=row["fired"],
        texts=_fires_on(run, acts, row["atom"]),
    )


def _fires_on(run: Run, acts: Activations | None, atom: int) -> tuple[str, ...]:
    """Nothing where the codes, or the texts of their tokens, are not known."""
    if run.codes is None or acts is None or acts.heldout.texts is None or run.codes.n_tokens > len(acts.heldout.texts):
        return ()
    return fires_on(run.codes, atom, acts.heldout.texts, acts.heldout.windows, most=_TEXTS)


def _range(number: Ranged) -> Range:
    return Range(value=number.value, low=number.low, high=number.high)


def _warnings(found: Sequence[Found]) -> list[str]:
    told = []
    for each in found:
        name = each.recipe.name
        if len(each.recipe.runs) == 2:  # noqa: PLR2004 (a pair)
            told.append(f"{name}: two runs, one pair: a feature comes back or does not, and no share has an interval")
        if not each.with_codes:
            told.append(f"{name}: cosines alone decide: whether partners fire alike is not known; give --activations")
        if not each.recipe.null:
            told.append(
                f"{name}: what the recipe finds again on rows without structure is not known: random directions stand "
                "in for it; give --null"
            )
        if each.recipe.left_out:
            told.append(f"{name}: left out, as born like one that is there: {', '.join(each.recipe.left_out)}")
    return told
