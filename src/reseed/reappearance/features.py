"""Which features come back, in one call: from a study, or from dictionaries that were trained elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from reseed._support import progress, stopping
from reseed._support.brief import MOST_ROWS, BriefTable, brief_repr
from reseed._support.guard import guarded
from reseed._support.numbers import rounded
from reseed._support.threads import workers
from reseed._support.version import VERSION
from reseed.activations import Activations, HeldOut, open_activations
from reseed.analysis.given import given_study
from reseed.comparison.comparing import check_nulls, null_sides_on, origin_of, sides_on, structureless_tokens
from reseed.comparison.files import named, read_files
from reseed.comparison.opened import check_alike, opened
from reseed.comparison.tokens import Tokens
from reseed.errors import ActivationsError, DictionaryError, SpecError
from reseed.interop import Source  # noqa: TC001 (the guard reads it)
from reseed.matching import Sign  # noqa: TC001 (the guard reads it)
from reseed.reappearance.blocks import Blocks, blocks
from reseed.reappearance.browsable import Browsable
from reseed.reappearance.columns import columns
from reseed.reappearance.coming_back import Found, find
from reseed.reappearance.consensus import Representative  # noqa: TC001 (the guard reads it)
from reseed.reappearance.described import LARGEST, described, fires_on_texts, warned
from reseed.reappearance.document import AskedFeatures, ConsensusFound, Features, Partnered
from reseed.reappearance.runs import Recipe, of_sides
from reseed.reappearance.study_runs import of_study, rule_of
from reseed.reappearance.table import flat, listed, of_run, table
from reseed.reappearance.worth import ConsensusDictionary, common, worth
from reseed.thresholds import FeatureRule
from reseed.trajectory import StudyFolder, is_study

__all__ = ["SHOWN", "Reappearance", "features", "find_features", "told_of"]

MOST_HELDOUT = 4096
"""Held-out tokens that codes of foreign dictionaries are made of, at most."""
SHOWN = 5
_NAMED = 3  # recipes that a notebook shows
_BRIEF = ("reappearance", "many_to_one", "cosine", "code", "frequency", "crowding")


@dataclass(frozen=True)
class Reappearance:
    """What was found, and the table of all features."""

    document: Features
    """Without the rows of the table."""
    table: pl.DataFrame
    """One row for every atom of every independent run, by `COLUMNS`."""
    study: Path | None = None
    """The folder of the study whose features these are by its own rule."""
    consensus: Mapping[str, ConsensusDictionary] = field(default_factory=dict)
    """Of every recipe, where it was asked for: see `write_consensus`."""
    texts: Mapping[str, Callable[[int], tuple[str, ...]]] = field(default_factory=dict)
    """By run: what an atom fires on, by its index."""
    found: tuple[Found, ...] = ()
    """Recipe by recipe, all that the document tells in short."""
    heldout: HeldOut | None = None
    """The held-out tokens that codes are of; None where what they read is not known."""

    __repr__ = brief_repr

    @property
    def whole(self) -> Features:
        """The document with the rows of the table."""
        return self.document.model_copy(update={"rows": tuple(self.table.to_dicts())})

    def browsable(self) -> Browsable:
        """What a page shows of all features."""
        by_recipe = self.table.partition_by("recipe", maintain_order=True)
        told = tuple(columns(each, rows, self.heldout) for each, rows in zip(self.found, by_recipe, strict=True))
        tokens = max(_tokens_of(self.found), default=0)
        if self.heldout is None or self.heldout.texts is None:
            return Browsable(self.document, told, (), ())
        windows = self.heldout.windows[:tokens].tolist()
        return Browsable(self.document, told, self.heldout.texts[:tokens], tuple(windows))

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

    def to_frame(self) -> pl.DataFrame:
        """The table without lists, as CSV has it: columns of their own for the partners in each other run."""
        return flat(self.table)

    def brief_table(self) -> BriefTable:
        """What was found, and the features that come back most."""
        told = self.document
        warned = (f"Warnings: {len(told.warnings)}",) if told.warnings else ()
        first = listed(self.table, run=None, sort="reappearance", top=MOST_ROWS)
        return BriefTable(
            title=f"Features of {', '.join(recipe.name for recipe in told.recipes[:_NAMED])}",
            lines=(*(recipe.sentence for recipe in told.recipes[:_NAMED]), *warned, "Those that come back most:"),
            columns=("run", "atom", *_BRIEF),
            rows=tuple((row["run"], f"{row['atom']:,}", *(_number(row[name]) for name in _BRIEF)) for row in first),
            n_words=1,
        )

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return self.brief_table().html

    def _fires_on(self, run: str, atom: int) -> tuple[str, ...]:
        return self.texts[run](atom) if run in self.texts else ()


def _number(value: float | None) -> str:
    return rounded(math.nan if value is None else value)


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
    cosine: float | None = None,
    code: float | None = None,
    sign: Sign = "signed",
    format: str | None = None,  # noqa: A002 (the word of the command line)
    k: int | None = None,
    delta: float | None = None,
    with_blocks: bool = False,
    with_consensus: Representative | None = None,
    in_runs: int = 1,
    shown: int = SHOWN,
    with_texts: bool = True,
    with_kept: bool = True,
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
        cosine: the threshold of cosines; None: that of the study, or of `reseed.spec.FeatureRule`.
        code: the threshold of code correlations, likewise.
        sign: `abs` where an atom and its negative are one feature; a study knows.
        format: a name of `reseed.READERS`; None: by the files.
        k: how many atoms are active, where files do not say.
        delta: how far archetypal atoms may leave the hull of their points, likewise.
        with_blocks: whether blocks are sought: sets of atoms whose span comes back where the atoms do not. It takes
            a minute or two for a thousand atoms.
        with_consensus: whether a dictionary is made of what runs have in common, and held against each of them: of the
            `mean` of every class of atoms, or of its `medoid`.
        in_runs: in how many runs a feature has to be found for that dictionary. With 1 it is as large as that of a run,
            those found in most runs first.
        shown: how many of the features that come back most, and least, are told with their texts.
        with_texts: whether they are told with what they fire on; False leaves the activations of a study closed, unless
            blocks or a consensus need them.
        with_kept: whether matchings that a study keeps are taken as they are; False matches all runs anew.
        quiet: no progress bars on stderr.

    Raises:
        SpecError: a study beside other things, or a single dictionary.
        TrajectoryError: the study is damaged, or no two of its runs started apart.
        DictionaryError: a dictionary is missing, malformed, given twice, or of another recipe.
        ActivationsError: the activations are missing or damaged.
    """
    warnings: list[str] = []
    folder, rule, reading = _study(sources), FeatureRule(), {"format": format, "k": k, "delta": delta}
    if folder is None:
        acts = None if activations is None else open_activations(activations)
        origin = None if acts is None else origin_of(acts)
        recipes = (_foreign(sources, null, acts, sign, labels=labels, groups=groups, **reading),)
    else:
        if len(sources) > 1 or null or labels or groups:
            raise SpecError(f"{folder.path} is a study, which has runs and nulls of its own: give it alone")
        recipes, rule, origin = of_study(folder), rule_of(folder), folder.manifest.activations or None
        if not with_kept:
            recipes = tuple(replace(recipe, matched={}) for recipe in recipes)
        needed = with_texts or with_blocks or with_consensus is not None
        acts = _of_the_study(folder, activations, warnings) if needed else None
    rule = rule.model_copy(update={n: v for n, v in (("cosine", cosine), ("code", code)) if v is not None})
    with workers() as pool, progress.bar(quiet=quiet) as show:
        found = []
        for recipe in recipes:
            count = math.comb(len(recipe.runs), 2) + math.comb(len(recipe.null) or 3, 2)
            found.append(find(recipe, rule, pool, show(f"pairs of {recipe.name}", count)))
        sought = [_blocks(each) if with_blocks else None for each in found]
    made = [_consensus(each, acts, with_consensus, in_runs) for each in found]
    asked = AskedFeatures(
        sources=tuple(map(named, sources)),
        activations=None if activations is None else named(activations),
        null=tuple(map(named, null)),
        labels=None if folder is not None else tuple(run.label for run in recipes[0].runs),
        groups=None if groups is None else tuple(groups),
        cosine=cosine,
        code=code,
        sign=sign,
        with_blocks=with_blocks,
        with_consensus=with_consensus,
        in_runs=in_runs,
        shown=shown,
        with_texts=with_texts,
        **reading,
    )
    told = told_of(found, asked, acts, origin, sought=sought, weighed=[weighed for _, weighed in made])
    return replace(
        told,
        document=told.document.model_copy(update={"warnings": (*warnings, *told.document.warnings)}),
        study=folder.path if folder is not None and rule == rule_of(folder) else None,
        consensus={each.recipe.name: whole for each, (whole, _) in zip(found, made, strict=True) if whole is not None},
    )


def told_of(
    found: Sequence[Found],
    asked: AskedFeatures,
    acts: Activations | None,
    origin: Mapping[str, Any] | None,
    *,
    sought: Sequence[Blocks | None] | None = None,
    weighed: Sequence[ConsensusFound | None] | None = None,
) -> Reappearance:
    """What was found, recipe by recipe, as a document, a table, and what a page shows.

    Args:
        found: the features of every recipe.
        asked: the question.
        acts: the activations; None: what features fire on is not told.
        origin: what the document says of the activations.
        sought: of every recipe its blocks; None: none were sought.
        weighed: of every recipe what its consensus is worth; None: none was made.
    """
    nothing = [None] * len(found)
    sought, weighed = sought or nothing, weighed or nothing
    tables = [table(each, None if blocks is None else blocks.sizes) for each, blocks in zip(found, sought, strict=True)]
    document = Features(
        reseed=VERSION,
        asked=asked,
        activations=origin,
        files=read_files((read for each in found for read in each.recipe.read), asked),
        recipes=tuple(
            described(each, rows, acts, asked.shown, sought=blocks, consensus=consensus, with_texts=asked.with_texts)
            for each, rows, blocks, consensus in zip(found, tables, sought, weighed, strict=True)
        ),
        warnings=tuple(warned(found)),
        rows=(),
    )
    return Reappearance(
        document,
        pl.concat(tables),
        texts={run.label: partial(fires_on_texts, run, acts) for each in found for run in each.recipe.runs},
        found=tuple(found),
        heldout=_readable(found, acts),
    )


def _readable(found: Sequence[Found], acts: Activations | None) -> HeldOut | None:
    """The held-out tokens, if what they read is known, and codes are of no others."""
    if acts is None or acts.heldout.texts is None:
        return None
    return acts.heldout if 0 < max(_tokens_of(found), default=0) <= len(acts.heldout.texts) else None


def _tokens_of(found: Sequence[Found]) -> list[int]:
    """How many held-out tokens the codes of each run are of, as far as runs have codes."""
    return [run.codes.n_tokens for each in found for run in each.recipe.runs if run.codes is not None]


def _study(sources: Sequence[Source]) -> StudyFolder | None:
    """The first of the sources that is a study."""
    paths = (Path(each).expanduser() for each in sources if isinstance(each, str | Path))
    return next((StudyFolder.open(path) for path in paths if path.is_dir() and is_study(path)), None)


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
    null_sides = null_sides_on(structureless, structureless_tokens(acts) if null else None)
    return of_sides(names[0], sides_on(given, _tokens(acts)), null_sides, sign)


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


def _consensus(
    found: Found, acts: Activations | None, representative: Representative | None, in_runs: int
) -> tuple[ConsensusDictionary, ConsensusFound] | tuple[None, None]:
    """The dictionary, and what it is worth beside single runs; nothing where it was not asked for."""
    if representative is None:
        return None, None
    wholes = [run.whole() for run in found.recipe.runs]
    whole = common(found, wholes, representative, in_runs=in_runs)
    return whole, worth(found, wholes, representative, _tokens(acts))


def _tokens(acts: Activations | None) -> Tokens | None:
    return None if acts is None else Tokens(acts.heldout.rows[:MOST_HELDOUT].float(), acts.moments.mean)


def _blocks(found: Found) -> Blocks:
    runs, null = found.recipe.runs, found.null
    return blocks(
        [run.atoms.cpu() for run in runs],
        [found.alone(place) for place in range(len(runs))],
        null=[run.atoms.cpu() for run in null.runs],
        null_alone=null.alone,
        cosine=max(0.0, min(1.0, found.rule.cosine)),
        largest=min(LARGEST, runs[0].atoms.shape[1] // 2),
    )
