"""What `reseed features` finds, in one versioned document.

FEATURES_VERSION history
  1  first version
  2  what was asked, what the sources say of their recipes, every file that was read, and the birth tests, so that
     `reseed verify` can find all of it again; `source` is in `asked`, and `activations` holds their fingerprint;
     `consensus`: what runs have in common as a dictionary, and what it is worth; `at_start`: what comes back at step 0
"""

from __future__ import annotations

from typing import Any, Literal

from reseed._support.documents import Document, Number
from reseed.comparison.document import ReadFile
from reseed.findings import Interval

__all__ = [
    "FEATURES_VERSION",
    "AskedFeatures",
    "BlocksFound",
    "Born",
    "ConsensusFound",
    "ExplainedBy",
    "Features",
    "Partnered",
    "Range",
    "ReadFile",
    "Recaptured",
    "RecipeFeatures",
    "Recorded",
    "Shown",
    "Strata",
    "Stratum",
    "Worth",
]

FEATURES_VERSION = 2


class AskedFeatures(Document):
    """What was asked, so that it can be asked again."""

    sources: tuple[str, ...]
    """A study, or dictionaries: paths as they were given, places on the hub, or `tensor` for what lay in memory."""
    activations: str | None
    """What they were trained on, as it was given; null where it was not."""
    null: tuple[str, ...]
    """Runs of the recipe on rows without structure, as they were given."""
    labels: tuple[str, ...] | None
    """What the dictionaries are called; null for a study."""
    groups: tuple[str, ...] | None
    """The recipe of each, where it was given."""
    cosine: float | None
    """The threshold of cosines, where it was given; null for that of the study, or the default."""
    code: float | None
    """The threshold of code correlations, likewise."""
    sign: Literal["signed", "abs"]
    """Whether an atom and its negative are one feature (`abs`); a study knows."""
    format: str | None
    """The reader of all, where it was given."""
    k: int | None
    """How many atoms are active, where it was given."""
    delta: float | None
    """How far archetypal atoms may leave the hull of their points, likewise."""
    with_blocks: bool
    """Whether blocks were sought."""
    with_consensus: Literal["mean", "medoid"] | None = None
    """What stands for a class in the consensus; null where none was made."""
    in_runs: int = 1
    """In how many runs a feature has to be found for the consensus."""
    shown: int
    """How many of the features that come back most, and least, are told."""
    with_texts: bool
    """Whether these are told with what they fire on."""


class Recorded(Document):
    """What the source of a run says of how it was made."""

    run: str
    """Its label; of runs on rows without structure `null 1`, `null 2` and so on, or the id in a study."""
    null: bool
    """Whether it was trained on rows without structure."""
    format: str
    """The reader."""
    n_atoms: int
    """Its atoms."""
    d_model: int
    """Their dimensions."""
    step: int | None
    """Updates behind it, where that is said."""
    seed: str | None
    """What the source calls its seed."""
    about: dict[str, Any]
    """The recipe, as its source tells it."""


class Born(Document):
    """The birth test of two runs: do they share the numbering of their atoms?"""

    a: str
    """One run."""
    b: str
    """The other."""
    tested: int
    """Atoms of the same index, alive in both."""
    fixed: int
    """How many of them are matched to the atom of their own index."""
    expected: Number
    """How many chance alone matches so."""
    p: Number
    """How often chance alone would show as much; null where the test was refused."""
    holm: Number
    """The same among all pairs (Holm)."""
    alike: bool
    """Whether that is below .001. False excludes nothing."""


class Range(Document):
    """A number and where it may lie, 95 %."""

    value: Number
    """The number."""
    low: Number
    """One end."""
    high: Number
    """The other."""


class Recaptured(Document):
    """How many features there are: from how often each class of atoms was found."""

    classes: int
    """Classes of atoms over runs, at most one atom of each run."""
    frequencies: tuple[int, ...]
    """How many of them were found in exactly one run, in two, and so on."""
    broken: int
    """Pairs that come back and are in no class together: 0 where the matchings agree with each other."""
    coverage: Range
    """Share of a run's atoms that come back in another (Good and Turing)."""
    at_least: Range | None
    """A lower bound of how many classes come back at all, those that no run found included; null without saturation."""
    chao: Range | None
    """Chao's lower bound, with every atom that one run has alone; null without saturation."""
    new: Range
    """How many new classes one run more would bring."""
    sentence: str
    """What that says."""


class Stratum(Document):
    """Atoms that are alike in one quantity."""

    low: Number
    """The least of it."""
    high: Number
    """The most."""
    atoms: int
    """How many atoms of all runs."""
    reappearance: Number
    """Their mean reappearance, one to one."""
    many_to_one: Number
    """The share of other runs with any atom within the threshold of cosines."""
    null_many_to_one: Number
    """The same for atoms of the null that are as crowded; null for other quantities, and where it has none."""


class Strata(Document):
    """Reappearance against one quantity, in strata of equally many atoms of all runs."""

    by: str
    """The column."""
    meaning: str
    """What it is."""
    strata: tuple[Stratum, ...]
    """From the least to the most."""


class ExplainedBy(Document):
    """The variance of held-out activations, split exactly: the four add up to 1, and each may be negative."""

    atom: Number
    """By atoms that come back alone."""
    block: Number
    """By atoms of blocks."""
    neither: Number
    """By the others."""
    unexplained: Number
    """By none."""


class BlocksFound(Document):
    """Atom, block or nothing: sets of atoms whose span comes back where the atoms do not."""

    alone: int
    """Atoms that come back in half or more of the other runs, and are in no block."""
    sizes: tuple[int, ...]
    """How many atoms are in blocks of 2, of 3, and so on to 8."""
    nothing: int
    """Atoms of which neither comes back."""
    unconfirmed: int
    """Blocks that the half of the other runs that was held out did not confirm."""
    null: str
    """What blocks are held against: the same search there."""
    explained: tuple[ExplainedBy, ...]
    """Run by run; empty where codes, or the activations as these dictionaries read them, are not known."""
    sentence: str
    """What that says."""


class Worth(Document):
    """How much of held-out activations a dictionary explains."""

    name: str
    """The run; `consensus`; or `core`, its atoms that were found in two runs or more."""
    atoms: int
    """How many atoms."""
    pursuit: Number
    """R² by orthogonal matching pursuit, with `steps` atoms for a token; null where these, or the activations, are not
    known."""
    own: Number
    """R² by its own encoder; null without one."""


class ConsensusFound(Document):
    """A dictionary as large as that of a run, of the classes of atoms that were found in most runs."""

    representative: str
    """What stands for a class: the `mean` of its atoms or the `medoid`."""
    found_in: tuple[int, ...]
    """How many of its atoms were found in exactly one run, in two, and so on."""
    tokens: int
    """Held-out tokens that R² is of; 0 without activations."""
    steps: int | None
    """Atoms that pursuit takes for a token: as many as are active in the runs, on average; null where codes are not
    known, and for transcoders."""
    runs: tuple[Worth, ...]
    """Run by run."""
    consensus: Worth
    """All of it."""
    core: Worth
    """Those found in two runs or more, however many there are."""
    without: str | None
    """Why it has no encoder; null where it has one."""
    sentence: str
    """What that says."""


class Shown(Document):
    """One feature with what it fires on."""

    run: str
    """The run."""
    atom: int
    """Its index."""
    reappearance: Number
    """In which share of the other runs it comes back."""
    cosine: Number
    """Mean cosine with its partners."""
    fired: int | None
    """On how many held-out tokens it fires."""
    texts: tuple[str, ...]
    """Where it fires most, the token in ⟦brackets⟧; empty without the texts of the activations."""


class Partnered(Document):
    """A feature, or its partner in another run with what the two have in common."""

    run: str
    """The run."""
    atom: int
    """Its index there."""
    cosine: Number = 1.0
    """With the feature that was asked for."""
    encoder: Number | None = None
    """Cosine of their encoder rows."""
    code: Number | None = None
    """Correlation of their codes."""
    rank: int | None = None
    """How many atoms of that run are as near or nearer."""
    back: bool | None = None
    """Whether the feature comes back there; null for itself."""
    texts: tuple[str, ...] = ()
    """Where it fires most, the token in ⟦brackets⟧."""


class RecipeFeatures(Document):
    """Which features come back among independent runs of one recipe."""

    name: str
    """The recipe, or the condition of a study."""
    runs: tuple[str, ...]
    """Its independent runs."""
    left_out: tuple[str, ...]
    """Runs that were born as another one was."""
    births: tuple[Born, ...]
    """Every two of the independent runs."""
    recorded: tuple[Recorded, ...]
    """What is recorded of these runs, and of those of the null."""
    sign: str
    """`abs` where an atom and its negative are one feature."""
    cosine: float
    """The threshold of cosines."""
    code: float | None
    """The threshold of code correlations; null where codes are not known, and cosines alone decide."""
    reappearance: Interval
    """The share of matched pairs that come back, over runs."""
    many_to_one: Interval
    """The share of atoms that have any atom of another run within the threshold of cosines, over runs."""
    null: str
    """What that is held against."""
    null_reappearance: Interval
    """The share of matched pairs that come back there by the same rule."""
    null_many_to_one: Interval
    """The share of atoms that have any within the threshold there."""
    at_start: Interval | None
    """The share of the pairs matched at step 0 that have the cosine already, codes unasked; null without step 0."""
    null_of_cosines_alone: bool
    """Whether codes are not known there: then fewer come back there than `null_reappearance` says."""
    recapture: Recaptured
    """How many features there are."""
    blocks: BlocksFound | None
    """Null unless it was asked for."""
    consensus: ConsensusFound | None
    """Null unless it was asked for."""
    strata: tuple[Strata, ...]
    """What reappearance goes with."""
    most: tuple[Shown, ...]
    """The features that come back most, those that fire most among them first."""
    least: tuple[Shown, ...]
    """Those that fire most of the ones that come back least."""
    sentence: str
    """What was found."""


class Features(Document):
    """Which features come back."""

    features_version: int = FEATURES_VERSION
    """Version of this document's format."""
    reseed: str
    """The version of reseed that made it."""
    asked: AskedFeatures
    """What was given."""
    activations: dict[str, Any] | None
    """Name, fingerprint and origin of the activations; null without any."""
    files: tuple[ReadFile, ...]
    """Every file that the numbers rest on."""
    recipes: tuple[RecipeFeatures, ...]
    """Recipe by recipe."""
    warnings: tuple[str, ...]
    """What a reader must know before believing the numbers."""
    rows: tuple[dict[str, Any], ...]
    """One for every atom of every run, as in the table of features."""
