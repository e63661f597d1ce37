"""What `reseed compare` finds, in one versioned document.

COMPARISON_VERSION history
  1  first version
  2  what was asked, and every file that was read, so that `reseed verify` can find all of it again
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from reseed._support.brief import MOST_ROWS, BriefTable
from reseed._support.documents import Document, Number
from reseed._support.numbers import rounded
from reseed._support.visible import visible_document
from reseed.findings import Curve, Floor, Interval, Verdict

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "COMPARISON_VERSION",
    "LEVELS",
    "TENSOR",
    "AskedComparison",
    "ComparedDictionary",
    "ComparedPair",
    "DictionaryComparison",
    "NullRuns",
    "NullTrajectory",
    "Published",
    "PublishedGroup",
    "ReadFile",
    "RecipeGroup",
    "RecipeTrajectory",
    "WholeMatching",
    "Word",
]

COMPARISON_VERSION = 2

TENSOR = "tensor"
"""What a source is called that lay in memory: it cannot be read again."""

LEVELS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
"""Shares of the matched pairs of atoms that lie below each of the quantiles of a pair."""

Word = Literal[
    "stable",
    "partly stable",
    "unstable",
    "inconclusive",
    "born alike",
    "not fitted",
    "beyond random directions",
    "not beyond random directions",
    "not testable",
]
"""What is said of the dictionaries of one recipe. The first four need runs of the recipe on rows without structure."""


class AskedComparison(Document):
    """What was asked, so that it can be asked again."""

    sources: tuple[str, ...]
    """The dictionaries: paths as they were given, places on the hub, or `tensor` for what lay in memory."""
    activations: str | None
    """What they were trained on, as it was given; null where it was not."""
    null: tuple[str, ...]
    """Runs of the recipe on rows without structure, as they were given."""
    labels: tuple[str, ...]
    """What the dictionaries are called."""
    groups: tuple[str, ...] | None
    """The recipe of each, where it was given."""
    definitions: bool
    """Whether published definitions were asked for."""
    with_references: bool | None
    """Whether tokens and k-means dictionaries were asked for; null: unless that takes minutes."""
    sign: Literal["signed", "abs"]
    """Whether an atom and its negative are one feature (`abs`)."""
    format: str | None
    """The reader of all, where it was given."""
    k: int | None
    """How many atoms are active, where it was given."""
    delta: float | None
    """How far archetypal atoms may leave the hull of their points, likewise."""
    tensor: str | None
    """The name of the tensor that was read, likewise."""
    transpose: bool
    """Whether the columns of what was read are the tokens, or else the atoms."""


class ReadFile(Document):
    """A file that was read, other than activations, whose fingerprint is told."""

    path: str
    """Where it is: relative, as seen from where reseed was started, if its source was given so."""
    of: str
    """The label of the dictionary, `null 1`, `null 2` and so on for those without structure; of a study the id of the
    run, or `study`."""
    sha256: str
    """Of its bytes."""
    n_bytes: int
    """How many these are."""


class ComparedDictionary(Document):
    """One dictionary: where it is from, and what it looks like."""

    label: str
    """What it is called here."""
    path: str
    """What was given: a file, a folder, a place on the hub, or `tensor`."""
    format: str
    """The name of the reader."""
    n_atoms: int
    """Its atoms."""
    d_model: int
    """Their dimensions."""
    sha256: str
    """Of the file that was read; of several, of the lines that sha256sum prints of them; empty for a tensor."""
    files: dict[str, str]
    """SHA-256 of every file that was read, by its name."""
    group: str
    """The recipe that it shares with others."""
    seed: str | None
    """What the source says its seed is: a label, which may not have decided the start."""
    step: int | None
    """Updates behind it, where the source says so."""
    steps: tuple[int, ...]
    """The steps of its run that are on disk, of which it is the last; empty for a dictionary alone."""
    codes: str
    """How it makes codes; empty where the source does not say."""
    space: str
    """What it reads: `raw` activations, or something that is made of them first."""
    nested: tuple[int, ...]
    """Sizes of nested dictionaries (Matryoshka); empty where there are none."""
    about: dict[str, Any]
    """What the source says of its recipe."""
    norms: tuple[Number, Number, Number]
    """The smallest, median and largest norm of its atoms."""
    zero_atoms: int
    """Atoms without a direction; they have cosine 0 with everything."""
    alive: Number
    """Share of its atoms that fire on the held-out tokens; null without activations, as are the next two."""
    l0: Number
    """Active atoms of a token, on average."""
    r2: Number
    """Held-out R², the mean of the training tokens taken off."""
    notes: tuple[str, ...]
    """How it was read where that could be otherwise."""


MOST_SENTENCES = 3
"""That a notebook shows of a comparison."""


class WholeMatching(Document):
    """Every matched pair of atoms, one to one; the lists are as long as the smaller dictionary has atoms."""

    a: tuple[int, ...]
    """Atoms of the first dictionary, ascending."""
    b: tuple[int, ...]
    """Their partners in the second."""
    cosine: tuple[Number, ...]
    """Of the two atoms."""
    encoder: tuple[Number, ...]
    """Of their encoder rows; empty where one of the dictionaries has none."""
    code: tuple[Number, ...]
    """Correlation of their codes over the held-out tokens; empty without activations."""


class ComparedPair(Document):
    """Two dictionaries: how far they agree, and whether they share their indices."""

    a: str
    """The label of one."""
    b: str
    """That of the other."""
    same_recipe: bool
    """Whether they are of one recipe."""
    agreement: Number
    """Matched agreement A, over the atoms of the smaller one: in [-1, 1], or in [0, 1] where `sign` is `abs`."""
    gap: Number
    """How far A can be below the best possible matching, proven."""
    coverage: tuple[Number, Number]
    """Share of each dictionary's atoms that have a partner."""
    replicated: Number
    """Share of the matched pairs beyond the 99th percentile of the null's, less what the null has there; at most 1."""
    beyond: Number
    """That percentile."""
    beyond_of: str
    """Which null it is of: `isotropic`, `spectrum` or `surrogate`."""
    quantiles: tuple[Number, ...]
    """Of the cosines of the matched pairs, at the document's `levels`."""
    null_quantiles: tuple[Number, ...]
    """The same of the runs on rows without structure; where there are none, of random directions with the two
    dictionaries' own means and covariances."""
    above_7: Number
    """Share of the matched pairs with a cosine above .7."""
    above_9: Number
    """The same above .9."""
    mmcs: tuple[Number, Number]
    """Mean best cosine of the first one's atoms in the second, and of the second one's in the first."""
    shared: Number
    """Share of the matched pairs with a cosine above .7 in decoder and encoder; null where one has no encoder."""
    encoder: Number
    """Mean cosine of the encoder rows of matched atoms; likewise."""
    alive: Number
    """Mean cosine of the matched pairs in which both atoms fire on the held-out tokens; null without activations."""
    code: Number
    """Code agreement: mean correlation of the codes of matched atoms over the held-out tokens; likewise."""
    nulls: tuple[Floor, ...]
    """What random directions, and random directions with the dictionaries' own means and covariances, agree."""
    ratio: Number
    """(1 - A) / (1 - null) for the largest of these, at least 0: 1 where as far apart, 0 where one dictionary."""
    tested_atoms: int
    """Atoms of the birth test: of the same index, and alive in both."""
    fixed_points: int
    """How many of them are matched to the atom of their own index."""
    fixed_expected: Number
    """How many chance alone matches so."""
    aligned: Number
    """Mean cosine of atoms of the same index."""
    aligned_expected: Number
    """The same over all orders of the atoms."""
    birth_p: Number
    """How often chance alone would show as much; null where the test was refused."""
    birth_holm: Number
    """The same among all pairs of the comparison (Holm)."""
    born_alike: bool
    """Whether `birth_holm` is below .001: they share their indices. False excludes nothing."""
    birth: str
    """What the birth test says, in a sentence."""
    matching: WholeMatching
    """Which atom goes with which."""


class NullRuns(Document):
    """Dictionaries of the same recipe that were trained on rows without structure."""

    labels: tuple[str, ...]
    """What they are called."""
    agreement: Interval
    """What they agree; of the atoms that fire, where that decides."""
    code: Interval | None
    """What their codes agree on surrogate rows; null without activations."""
    beyond: Number
    """The 99th percentile of their matched cosines."""
    born_alike: int
    """How many pairs of them share their indices: then they agree more than they should."""


class RecipeGroup(Document):
    """Dictionaries of one recipe, and what is said of them."""

    name: str
    """The recipe."""
    labels: tuple[str, ...]
    """Its dictionaries."""
    pairs: int
    """How many pairs they make."""
    agreement: Interval
    """Matched agreement, over runs; of the atoms that fire on the held-out tokens where that is known."""
    of_living: bool
    """Whether it is of the atoms that fire."""
    replicated: Interval
    """The replicated share, over runs."""
    code: Interval | None
    """Code agreement, over runs; null without activations."""
    nulls: tuple[Floor, ...]
    """What would be agreed without any structure: random directions, and the runs on rows without structure."""
    references: tuple[Floor, ...]
    """What untrained dictionaries of the same activations agree, which forbids nothing."""
    code_references: tuple[Floor, ...]
    """What their codes agree."""
    adjusted: Interval | None
    """(A - null) / (1 - null) for the runs on rows without structure; null where there are none."""
    code_adjusted: Interval | None
    """The same of the codes."""
    null_runs: NullRuns | None
    """The runs on rows without structure."""
    born_alike: int
    """How many of its pairs share their indices, or have one dictionary at step 0 where that is there."""
    word: Word
    """What is said of them."""
    sentence: str
    """The same with its numbers."""


class NullTrajectory(Document):
    """Runs of the recipe on rows without structure, along training."""

    labels: tuple[str, ...]
    """What they are called."""
    between: Curve
    """Matched agreement of those that started apart, at the steps that all of them have."""
    contraction: Interval | None
    """kappa of these; null without step 0."""


class RecipeTrajectory(Document):
    """The runs of one recipe along training, as far as their steps are on disk. In the curves all atoms count."""

    name: str
    """The recipe."""
    labels: tuple[str, ...]
    """Its runs."""
    steps: tuple[int, ...]
    """The steps that were compared: those that all runs have, and of very many some, spread evenly in their logarithm.
    As their files count them: those of SAELens are tokens."""
    on_disk: int
    """How many steps all runs have."""
    init_groups: int | None
    """How many different dictionaries they have at step 0, up to the order of atoms; null where step 0 is not there."""
    between: Curve | None
    """B(t): matched agreement of runs that started apart; without step 0 of all runs, which may have been born alike.
    Null where all were born identical."""
    within: Curve | None
    """W(t): that of runs that were born identical; null where none were, and without step 0."""
    change: Interval | None
    """B at the last step less B at the first: the gain, if that is step 0."""
    contraction: Interval | None
    """kappa = (1 - B(T)) / (1 - B(0)); null without step 0."""
    memory: Interval | None
    """Init memory at the last step; null unless there are pairs of both kinds."""
    retention: Number
    """Mean cosine of the last atoms with their own step 0, over runs; null without step 0."""
    null: NullTrajectory | None
    """The runs on rows without structure; null where they have no steps in common."""
    slower: Interval | None
    """kappa less that of the runs on rows without structure; null unless both begin at step 0 and end together."""
    verdict: Verdict | None
    """The word of a study's verdict, by the same rules: null unless the activations were given, and step 0 of all runs
    is there, with runs on rows without structure from step 0 to the same last step."""
    sentence: str
    """What that says, with its numbers."""


class Published(Document):
    """What one definition would have published for some dictionaries, beside what it gives where nothing is shared."""

    name: str
    """The name of the definition."""
    title: str
    """How it is called."""
    source: str
    """Who published it: a key of the references."""
    meaning: str
    """What it is, in one sentence without its first capital letter and its full stop."""
    summary: Literal["mean", "share", "sum"]
    """What becomes of the cosines."""
    value: Number
    """Its mean over all pairs of the dictionaries; null where one pair has none."""
    null: Number
    """The same on as many dictionaries without structure, the mean over draws; null where `value` is."""
    null_error: Number
    """The standard error of `null` over the draws; null for a single one."""
    null_policy: str
    """How those dictionaries are made, in one sentence without its first capital letter and its full stop."""
    surrogate: Number
    """The same on dictionaries of the same recipe trained on structureless rows; null without two of them."""
    n_pairs: int
    """Pairs of dictionaries that `value` is about."""
    reason: str = ""
    """Why there is no value, in a sentence without its full stop; empty where there is one."""


class PublishedGroup(Document):
    """What every published definition would have said of the dictionaries of one recipe."""

    name: str
    """The recipe; `all` where no two dictionaries have one."""
    labels: tuple[str, ...]
    """The dictionaries."""
    definitions: tuple[Published, ...]
    """The definitions, in the order of tables."""


class DictionaryComparison(Document):
    """Whether dictionaries agree, beyond what, and whether they share their indices."""

    comparison_version: int = COMPARISON_VERSION
    """Version of this document's format."""
    reseed: str
    """Version of reseed."""
    asked: AskedComparison
    """What was given."""
    files: tuple[ReadFile, ...]
    """Every file of the dictionaries that was read."""
    d_model: int
    """Dimensions of an atom."""
    sign: Literal["signed", "abs"]
    """Whether an atom and its negative are one feature (`abs`)."""
    level: float
    """Confidence of every interval."""
    levels: tuple[float, ...]
    """Of the quantiles of each pair."""
    activations: dict[str, Any] | None
    """Name, fingerprint, origin and the number of held-out tokens that codes were made of; null without activations."""
    dictionaries: tuple[ComparedDictionary, ...]
    """What was compared."""
    pairs: tuple[ComparedPair, ...]
    """Every two of them."""
    groups: tuple[RecipeGroup, ...]
    """Those of one recipe together; every dictionary is in one."""
    trajectories: tuple[RecipeTrajectory, ...]
    """The recipes whose runs all have two steps or more in common; empty where dictionaries were given alone."""
    null_dictionaries: tuple[ComparedDictionary, ...]
    """The runs on rows without structure."""
    published: tuple[PublishedGroup, ...]
    """What published definitions would have said, recipe by recipe; empty unless that was asked for."""
    sentences: tuple[str, ...]
    """What was found: recipe by recipe, their trajectories, then pairs of different recipes."""
    warnings: tuple[str, ...]
    """What a reader must know before believing the numbers."""

    def to_frame(self) -> pl.DataFrame:
        """One row for every two dictionaries: `a`, `b`, and every number about them."""
        import polars as pl  # noqa: PLC0415 (reading a document needs none)

        return pl.DataFrame([_numbers(pair) for pair in visible_document(self).pairs]).fill_nan(None)

    def brief_table(self) -> BriefTable:
        """What was found, and the first pairs."""
        labels = [each.label for each in self.dictionaries]
        rows = (
            (
                f"{pair.a} - {pair.b}",
                "yes" if pair.born_alike else "no",
                *(rounded(each) for each in (pair.agreement, pair.replicated, pair.above_7, pair.encoder, pair.code)),
            )
            for pair in self.pairs[:MOST_ROWS]
        )
        more = (f"{MOST_ROWS} of {len(self.pairs):,} pairs:",) if len(self.pairs) > MOST_ROWS else ()
        warned = (f"Warnings: {len(self.warnings)}",) if self.warnings else ()
        return BriefTable(
            title=f"Comparison of {len(labels):,} dictionaries",
            lines=(*self.sentences[:MOST_SENTENCES], *warned, *more),
            columns=("pair", "born alike", "agreement", "replicated", "above .7", "encoders", "codes"),
            rows=tuple(rows),
            n_words=2,
        )

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return self.brief_table().html


def _numbers(pair: ComparedPair) -> dict[str, Any]:
    """What of a pair is one word, number or truth; of two numbers the first dictionary's and the second's."""
    told: dict[str, Any] = {}
    for name, value in pair:
        if isinstance(value, tuple) and len(value) == 2 and all(isinstance(each, float) for each in value):  # noqa: PLR2004 (one for each)
            told |= {f"{name}_a": value[0], f"{name}_b": value[1]}
        elif isinstance(value, str | int | float):
            told[name] = value
    return told
