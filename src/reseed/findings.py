"""What a study found: everything that the report prints, in one versioned document (`findings.json`).

FINDINGS_VERSION history
  1  first version
  2  arms compared at a common R² and by the dice they share; children and barriers; errors of floors; floor-adjusted
     curves and disagreements of every companion measure
  3  one record per measure, with its curves, estimates and floors; `n` of a floor counts dictionaries, not pairs; the
     kind of start is `start_kind`; a measure's sign; how measures and floors are called
  4  nulls, the origin and references apart; the surrogate; contraction with its interval; identity, matched cosines and
     the birth test; curves that turn; agreement across arms; the question and its answer
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError

from reseed._support.brief import html_table
from reseed._support.checksums import refuse, verify
from reseed._support.documents import Document as _Document
from reseed._support.documents import Number, UnreadableError, read_json
from reseed._support.files import write_text
from reseed._support.kinds import what_is
from reseed._support.mistakes import first_mistake, shown
from reseed._support.numbers import interval, rounded
from reseed.errors import TrajectoryError
from reseed.verdict import Outcome

__all__ = [
    "FINDINGS_VERSION",
    "AcrossArms",
    "Barrier",
    "Barriers",
    "BirthTests",
    "BornAlike",
    "Comparison",
    "ConditionFindings",
    "Curve",
    "DieEffect",
    "Findings",
    "Floor",
    "Geometry",
    "Interval",
    "Levelling",
    "MatchedCosines",
    "MeasureFindings",
    "NestedDictionary",
    "PairCurve",
    "PairsFindings",
    "Relation",
    "RunFindings",
    "SameEnds",
    "SharedCell",
    "SharedDice",
    "SpawnCurve",
    "Surrogate",
    "Turn",
    "Verdict",
]

FINDINGS_VERSION = 4

Relation = Literal["within", "between"]
"""Of two runs: born identical, or started apart."""


class Interval(_Document):
    """An estimate over runs or starts, with its confidence interval."""

    value: Number
    """The mean over the pairs, or runs, that exist."""
    standard_error: Number
    """Delete-one jackknife; null where too few units leave it undefined."""
    low: Number
    """Lower end of the interval at the study's `level`."""
    high: Number
    """Upper end of it."""
    n_units: int
    """How many units the spread is over."""
    unit: Literal["run", "start"]
    """What was left out in turn. With `run` the interval says nothing about other starts."""
    reason: str | None = None
    """Why the interval is not defined, or what it leaves out."""


class Curve(_Document):
    """One quantity along the trajectory: an estimate with its band at every snapshot."""

    steps: tuple[int, ...]
    """The snapshots, ascending."""
    value: tuple[Number, ...]
    """One estimate per snapshot."""
    low: tuple[Number, ...]
    """Lower ends of their intervals."""
    high: tuple[Number, ...]
    """Upper ends."""
    unit: Literal["run", "start"]
    """What the intervals are over."""


class PairsFindings(_Document):
    """One measure over one kind of pairs of runs: those born identical, or those that started apart."""

    curve: Curve
    """W(t) or B(t) in this measure."""
    adjusted_curve: Curve | None
    """The same, (A - null) / (1 - null) for the strictest null, taken as known; null where the measure has none."""
    last: Interval
    """At the last step."""
    adjusted: Interval | None
    """The same on the scale of the strictest null. Between starts the interval holds the error of the null, too; within
    them it takes it as known."""


class Floor(_Document):
    """A null, the origin or a reference of a measure: what its value is held against."""

    name: str
    """Which floor."""
    title: str = ""
    """How it is called in headings and figures; where empty, by its name."""
    role: str = ""
    """`null`: what there would be without any structure beyond the moments and lengths of the activations, which may
    forbid a word; `origin`: the same runs at step 0; `reference`: what another learner, or untrained atoms of the same
    tokens, agree, which forbids nothing; empty where that is not said."""
    value: Number
    """In the range of the measure."""
    spread: Number
    """Standard deviation over the pairs of draws; 0 for a formula, null for a single pair."""
    standard_error: Number
    """Delete-one jackknife over the draws, or the starts of `step 0`; 0 for a formula, null for fewer than three."""
    n: int
    """Untrained dictionaries drawn, or starts of `step 0` or of the surrogate; 0 for a formula."""
    policy: str
    """How it was made, in one sentence."""
    reason: str = ""
    """Why `value` is not defined; else empty."""


class MeasureFindings(_Document):
    """What one measure says about the runs of a condition, and how it is called."""

    title: str
    """How it is called in headings and sentences."""
    short: str
    """How it is called in a line of text that says what the atoms did; empty where its title is short enough."""
    meaning: str
    """What it is, in one sentence without its first capital letter and its full stop."""
    role: Literal["agreement", "companion", "mechanism"]
    """agreement: what verdicts are about; companion: stands beside it, with floors of its own; mechanism: says how the
    agreement came about, and has no floors."""
    within: PairsFindings
    """Over pairs of runs born identical."""
    between: PairsFindings
    """Over pairs of runs that started apart."""
    born: Interval
    """Between starts, at step 0."""
    gain: Interval
    """Between starts, at the last step less at step 0."""
    floors: tuple[Floor, ...]
    """Its nulls, its origin and its references; a formula or untrained dictionaries may say nothing of a measure."""
    strictest: str | None
    """The name of the largest of its nulls, which it is adjusted by; null where it has none."""

    @property
    def floor(self) -> Floor | None:
        """The strictest null."""
        return next((floor for floor in self.floors if floor.name == self.strictest), None)

    def pairs(self, relation: Relation) -> PairsFindings:
        """Over the pairs of runs of one relation."""
        return self.within if relation == "within" else self.between


class Surrogate(_Document):
    """The same recipe on rows that keep mean, covariance and lengths of the activations, and lose everything else."""

    kind: str
    """`elliptical`, `axes` or `gaussian`: what else the rows keep."""
    runs: tuple[str, ...]
    """Ids of the runs on them, one for each start."""
    rank: int
    """Dimensions in which the rows vary: principal directions above a millionth of the average variance."""
    dimensions_per_token: Number
    """Dimensions of the rows over their number: as it comes near 1, all lengths become alike."""
    born: Interval
    """Matched agreement between its starts at step 0."""
    last: Interval
    """The same at the last step."""
    contraction: Interval
    """kappa of these runs: their distance at the end over that at step 0."""
    r2: Number
    """Mean held-out R² of its runs, on held-out rows of the same kind; nan where it diverged."""
    alive: Number
    """Mean fraction of atoms that fire on them."""
    share: Number
    """Run-steps on the surrogate over those on the activations: what it cost beside them."""


class Turn(_Document):
    """A curve between starts that rose and fell again, beyond its error."""

    step: int
    """Where it was highest."""
    peak: Number
    """The agreement there."""
    fall: Interval
    """How much it fell from there to the last step."""


class Levelling(_Document):
    """Whether curves have levelled off: how much they still change over the last third of training."""

    r2: Interval
    """Held-out R²: its change for every doubling of the steps, over runs."""
    agreement: Interval
    """The same of the matched agreement of runs that started apart; of all runs where they share one start."""
    most: Number
    """What both may change by, up or down, and count as level."""
    levels_off: bool
    """Whether both do."""


class NestedDictionary(_Document):
    """The first atoms of every run, which are a dictionary of their own (Matryoshka): how far they agree."""

    n_atoms: int
    """How many of the first atoms."""
    born: Interval
    """Their matched agreement between starts at step 0."""
    between: Interval
    """The same at the last step."""
    within: Interval
    """At the last step between runs born identical."""
    nulls: tuple[Floor, ...] = ()
    """What dictionaries of this size agree without common structure: random directions, and the first atoms of the runs
    on the surrogate."""


class MatchedCosines(_Document):
    """The cosines of matched atoms, whose mean is the matched agreement: quantiles, and shares beyond a value."""

    levels: tuple[float, ...]
    """Shares of the pairs of atoms that lie below each quantile, ascending in [0, 1]."""
    born: tuple[Number, ...]
    """Quantiles between starts at step 0; empty where no runs started apart, as are the others where there are none."""
    between: tuple[Number, ...]
    """Between starts, at the last step."""
    within: tuple[Number, ...]
    """Between runs born identical, at the last step."""
    null: tuple[Number, ...]
    """Of the surrogate, at the last step."""
    beyond: Number
    """The 99th percentile of the null's matched cosines: beyond it lie the pairs that the replicated share counts."""
    beyond_of: str
    """The null that `beyond` is of: `surrogate`, or `isotropic` where there is none."""
    shares: dict[str, Interval]
    """Share of matched pairs between starts, at the last step, above the cosines .7 and .9."""


class BornAlike(_Document):
    """Two runs that were, or were not, born alike by the test on their last dictionaries alone."""

    run_a: str
    """Id of one run."""
    run_b: str
    """Id of the other."""
    relation: Relation
    """What their step-0 dictionaries say."""
    fixed: int
    """Atoms matched to the atom of their own index."""
    p: Number
    """min(1, 2 min(p of the fixed points, p of the cosines by index)); null where the test was refused."""
    found: bool = False
    """Whether they share their indices: p < .001 by Holm over the pairs that could be tested."""
    refused: str = ""
    """Why the test says nothing of this pair; else empty."""


class BirthTests(_Document):
    """The birth test on every pair of a condition: do the last dictionaries share their indices?"""

    pairs: tuple[BornAlike, ...]
    """Every pair of finished runs."""
    found: int
    """Pairs that share their indices."""
    of_shared: int
    """Pairs born identical among those that could be tested."""
    of_apart: int
    """Pairs that started apart among them."""
    sentence: str
    """What it says, with its numbers."""


class Barrier(_Document):
    """How much held-out R² is lost at most on the straight line between two runs at the last step, beyond its ends."""

    matched: Interval
    """With the atoms of the one put in the order of their partners in the other first."""
    unmatched: Interval
    """As they stand."""


class Barriers(_Document):
    """Barriers between runs, by where they started."""

    within: Barrier
    """Between runs born identical."""
    between: Barrier
    """Between runs that started apart."""


class PairCurve(_Document):
    """The matched agreement of one pair of runs along the trajectory."""

    run_a: str
    """Id of one run."""
    run_b: str
    """Id of the other."""
    relation: Relation
    """Born identical, or started apart."""
    agreement: tuple[Number, ...]
    """At every snapshot of the condition's `steps`."""


class SpawnCurve(_Document):
    """Children that left the first run of every start at a step, and read the data in another order from there on."""

    steps: tuple[int, ...]
    """The steps at which children were spawned, ascending."""
    agreement: tuple[Interval, ...]
    """For each of them, the matched agreement of child and parent at the last step."""
    adjusted: tuple[Interval, ...]
    """The same, floor-adjusted."""
    determined: int | None
    """s*: the first of these steps from which on the floor-adjusted interval lies at or above the threshold
    `convergent`; null where it does not even at the last of them."""


class RunFindings(_Document):
    """One run: where it started, what its dice showed, how it went."""

    id: str
    """The name of the run's folder."""
    start_index: int
    """Which start the study gave it, from 0."""
    run_index: int
    """Which run of that start it is, from 0."""
    init_group: int
    """Runs of one group have identical step-0 dictionaries, up to the order of their atoms; -1 where not compared."""
    rolls: dict[str, int]
    """What each of the seven dice showed; `data` only where runs read parts of the activations."""
    status: Literal["finished", "diverged", "unfinished"]
    """How the run ended."""
    remedy: str | None = None
    """What to do about a run that diverged."""
    metrics: dict[str, tuple[Number, ...]]
    """Per snapshot: step, loss, r2, r2_error (its standard error over windows of held-out text), l0, alive, retention
    and the method's own diagnostics."""


class Verdict(_Document):
    """One word, one sentence with its numbers, and what would change our mind."""

    outcome: Outcome
    """The word."""
    sentence: str
    """The word with its numbers."""
    would_change: str
    """What evidence would lead to another word."""
    because: str = ""
    """Which of several reasons led to the word, in a few words that programs may compare; empty where it has one."""
    error: Number = math.nan
    """The smallest error at which a word that claims runs came together would still be claimed, the p-value of the
    claim; nan where none is."""
    disagreements: tuple[str, ...] = ()
    """Companion measures that say otherwise than the matched agreement, in one sentence each."""


class ConditionFindings(_Document):
    """One arm under one preprocessing."""

    name: str
    """`arm@preprocessing`."""
    arm: str
    """The arm's name."""
    preprocess: str
    """The preprocessing."""
    kind: str
    """The method."""
    start_kind: str
    """How its starts are made."""
    determined: bool = False
    """Whether what the method learns depends on the activations alone, and on no start: on one sample of them, that its
    runs agree says nothing."""
    sign: Literal["signed", "abs"]
    """Whether a cosine counts with its sign; `abs` for methods that leave the sign of an atom open."""
    n_atoms: int
    """Atoms of a dictionary."""
    d_model: int
    """Dimensions of an atom."""
    init_groups: int
    """How many different step-0 dictionaries the finished runs have."""
    steps: tuple[int, ...]
    """The snapshots that all finished runs have."""
    verdict: Verdict
    """What is said about the condition."""
    measures: dict[str, MeasureFindings]
    """By name of the measure, `agreement` (the matched agreement) first; empty where fewer than two runs finished."""
    metrics: dict[str, Curve]
    """Means over runs along training: `retention`, `r2`, `alive`, `l0`, the method's own diagnostics, and of archetypal
    methods `effective_points`, the exponential of `weight_entropy`."""
    memory: Curve | None
    """Init memory M(t); null where fewer than two runs finished."""
    half_life: Number
    """Steps from which on init memory stays at or below one half; nan when it does not, or there is none to forget."""
    identity: Curve | None = None
    """I(t): share of living atoms whose partner in a run of the same start is their birth partner, beyond chance; null
    where no two runs share a start."""
    identity_half_life: Number = math.nan
    """Steps from which on identity stays at or below one half; nan when it does not."""
    contraction: Interval
    """kappa = distance at the end over that at step 0, between starts; null, with a reason, where born identical."""
    turn: Turn | None = None
    """Where the curve between starts rose and fell again; null where it did not."""
    levelling: Levelling | None = None
    """Whether its curves have levelled off; null where fewer than two runs finished."""
    surrogate: Surrogate | None = None
    """The same recipe on structureless rows; null where the study has none."""
    cosines: MatchedCosines | None = None
    """The distribution behind the matched agreement."""
    births: BirthTests | None = None
    """What the last dictionaries alone say about who was born alike."""
    nested: tuple[NestedDictionary, ...] = ()
    """The dictionaries within these, the smallest first, without the whole; empty where there are none."""
    samples: Literal["one", "several"] = "one"
    """Whether all runs read one sample of activations, or those that started apart read disjoint ones."""
    r2: Interval
    """Held-out R² at the last step, over runs: all on the same held-out tokens."""
    r2_error: Number = math.nan
    """Mean over runs of the standard error of a run's R² at the last step, over windows of held-out text: how far it
    would move on other text. null where the runs did not record it."""
    alive: Interval
    """Fraction of atoms that fire on the held-out tokens, at the last step."""
    runs: tuple[RunFindings, ...]
    """Every run that has a step 0."""
    pairs: tuple[PairCurve, ...]
    """Every pair of finished runs."""
    subspace_rank: int | None = None
    """Dimensions of the subspaces whose overlap is measured."""
    stable_rank: Number
    """Mean stable rank of the final dictionaries, ||D||_F^2 / ||D||_2^2."""
    atom_norm_squared: Number
    """Mean squared norm of the final atoms."""
    spawn: SpawnCurve | None = None
    """Children of the runs; null where none were asked for, or none finished. They take part in nothing else."""
    barriers: Barriers | None = None
    """Barriers between the runs; null where the held-out tokens were not at hand."""

    @property
    def one_solution(self) -> bool:
        """Whether runs could not but agree: their method knows nothing of starts, and all read one sample."""
        return self.determined and self.samples == "one"

    @property
    def agreement(self) -> MeasureFindings | None:
        """What the matched agreement says; None where fewer than two runs finished."""
        return self.measures.get("agreement")


class Comparison(_Document):
    """Two arms under one preprocessing: the published-style gap, and how much of it was born and how much earned."""

    first: str
    """The arm that leads, or trails, by `gap`."""
    second: str
    """The arm that it is compared with."""
    preprocess: str
    """The preprocessing of both."""
    first_pairs: Relation
    """The pairs of the first arm that a paper would report: within one start where its k-means start is shared."""
    second_pairs: Relation
    """The same for the second arm."""
    gap: Interval
    """Difference of the endpoint agreements as they would be published, first minus second."""
    born: Interval
    """The part of the gap that was there at step 0."""
    earned: Interval
    """The part that training made: gap - born."""
    gain_difference: Interval
    """Difference of the gains between independent starts: what the equivalence test is about. The gains themselves are
    the `gain` of the matched agreement of both conditions."""
    outcome: Literal["advantage", "equivalent", "disadvantage", "inconclusive", "not compared"]
    """Equivalence test of `gain_difference` against the margin; `not compared` where arms are not like with like."""
    runs_to_decide: int | None
    """Starts per arm that would settle an inconclusive test, if the spread stays what it is; null beyond 12, and beyond
    twice those there are."""
    would_decide: str = ""
    """The same in words, or `more than 12 starts per arm`; empty where the test is settled, or nothing is known."""
    common_r2: Number
    """The largest R² that both arms reach, each as the mean of its runs."""
    gain_difference_at_common_r2: Interval
    """`gain_difference`, with both gains read where the arm first reaches `common_r2` instead of at the last step."""
    outcome_at_common_r2: Literal["advantage", "equivalent", "disadvantage", "inconclusive", "not compared"]
    """Equivalence test of `gain_difference_at_common_r2`."""
    like_with_like: bool
    """Whether both arms start in the same way and have as many atoms."""
    unlike: str = ""
    """What they differ in besides their method, in words; empty where they are like with like."""
    sentence: str
    """The comparison in words, with its numbers."""


class AcrossArms(_Document):
    """The matched agreement of runs of different arms under one preprocessing, at the last step."""

    preprocess: str
    """The preprocessing."""
    arms: tuple[str, ...]
    """Arms with dictionaries of one size, in the order of the columns."""
    rows: tuple[str, ...]
    """Those that were matched with all of them, in the order of the rows: of up to 12 arms all, else the reference."""
    agreement: tuple[tuple[Number, ...], ...]
    """Mean over pairs of runs that started apart, one of each arm; of an arm with itself, those of the arm."""


class SameEnds(_Document):
    """Arms that differ in their start only: do their runs end alike?"""

    preprocess: str
    """The preprocessing."""
    arms: tuple[str, ...]
    """The arms."""
    starts: tuple[str, ...]
    """Their kinds of start."""
    difference: Interval
    """The largest difference of B(T) between two of them."""
    across: Interval
    """Agreement of runs of different arms, less that of runs that started apart in one arm: its most negative value."""
    outcome: Literal["same", "different", "inconclusive"]
    """same: both are equivalent to 0 within the margin; different: one of them surely is not."""
    sentence: str
    """The same in words, with its numbers."""


class DieEffect(_Document):
    """What it does to the agreement of two runs that they share a die."""

    dice: tuple[str, ...]
    """The die; several where they are always shared together, so that nothing tells them apart."""
    born: Interval
    """At step 0: mean agreement where it is shared, less where it is not, the other dice averaged over."""
    last: Interval
    """The same at the last step."""


class SharedCell(_Document):
    """Pairs of runs that share the same dice."""

    shared: tuple[str, ...]
    """The dice that they share, of those that matter for the method and its start."""
    born: Interval
    """Their mean agreement at step 0."""
    last: Interval
    """Their mean agreement at the last step."""
    n_pairs: int
    """How many pairs there are."""


class SharedDice(_Document):
    """Arms that differ only in which dice their runs share: how much each die contributes."""

    arms: tuple[str, ...]
    """The arms."""
    preprocess: str
    """The preprocessing of all of them."""
    kind: str
    """Their method."""
    start_kind: str
    """Their kind of start."""
    effects: tuple[DieEffect, ...]
    """One main effect for each die whose sharing varies."""
    cells: tuple[SharedCell, ...]
    """The agreements behind the effects, nothing shared first."""


class Geometry(_Document):
    """The activations as one preprocessing shows them, before any training."""

    preprocess: str
    """The preprocessing."""
    mean_cosine: Number
    """Expected cosine of two activations, approximated as ||mu||^2 / E||x||^2."""
    mean_over_spread: Number
    """||mu|| / sqrt(E||x - mu||^2)."""
    participation_ratio: Number
    """(trace S)^2 / trace S^2 of the covariance S: how many dimensions carry the variance."""
    top_share: Number
    """Share of the variance in the largest principal direction."""


class Findings(_Document):
    """What a study found."""

    findings_version: int = FINDINGS_VERSION
    """Version of this document's format."""
    reseed: str
    """Version of reseed."""
    study: dict[str, Any]
    """The study as given."""
    activations: dict[str, Any]
    """Model, layer, text and fingerprint."""
    machine: dict[str, Any]
    """torch version and device."""
    headline: str
    """How many conditions got which verdict."""
    question: str = ""
    """What the study asks, in one sentence made from its arms and starts."""
    answer: str = ""
    """The answer, in one or two sentences with their numbers."""
    geometry: tuple[Geometry, ...]
    """The activations, per preprocessing."""
    conditions: tuple[ConditionFindings, ...]
    """Every arm under every preprocessing."""
    comparisons: tuple[Comparison, ...]
    """Arms under the same preprocessing: every two of up to three, of more each against a reference, or those asked
    for."""
    across: tuple[AcrossArms, ...] = ()
    """Agreement across arms, per preprocessing."""
    same_ends: tuple[SameEnds, ...] = ()
    """Arms that differ in their start only."""
    shared_dice: tuple[SharedDice, ...]
    """How much each die contributes, where arms differ in the dice that their runs share."""
    warnings: tuple[str, ...]
    """What a reader must know before believing the numbers."""
    judged_from: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of every file that was judged, by its name in the study folder; of a run, that of its `SHA256SUMS`. Empty
    in findings from before sums were kept."""

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Findings from `findings.json`, or from the study folder that holds one.

        Raises:
            TrajectoryError: it is missing, damaged or of another version.
        """
        given = Path(path)
        path = given / "findings.json" if given.is_dir() else given
        if not path.is_file():
            raise TrajectoryError(_no_findings(given))
        damage = verify(path)
        refuse([] if damage is None else [damage])
        again = f"judge the study again with  reseed report {path.parent} --rejudge"
        try:
            document = read_json(path)
        except UnreadableError as error:
            if path.suffix != ".json":
                raise TrajectoryError(_no_findings(given)) from error
            raise TrajectoryError(f"{path} is damaged ({error}): {again}") from error
        if "findings_version" not in document:
            raise TrajectoryError(_no_findings(given))
        version = document["findings_version"]
        if type(version) is not int or version != FINDINGS_VERSION:
            raise TrajectoryError(
                f"{path} has findings version {shown(version)}; this reseed reads version {FINDINGS_VERSION}: {again}"
            )
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise TrajectoryError(f"{path} is damaged ({first_mistake(error, cls)}): {again}") from error

    def to_json(self) -> str:
        """The document as JSON."""
        return self.model_dump_json(indent=1) + "\n"

    def write(self, path: str | Path) -> None:
        """Write `to_json()` to a file."""
        write_text(Path(path), self.to_json())

    def _repr_html_(self) -> str:
        """The verdicts as a small table: what a notebook shows."""
        rows = [_row(condition) for condition in self.conditions]
        columns = ("condition", "verdict", "R²", "born identical", "apart, step 0", "apart, end", "null", "gain")
        told = [self.answer or self.headline, "Agreement of runs; brackets are intervals over starts, or over runs."]
        told += [f"Warnings: {len(self.warnings)}"] if self.warnings else []
        return html_table(str(self.study.get("name") or "study"), told, columns, rows)

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdict of every condition, by name."""
        return {condition.name: condition.verdict for condition in self.conditions}

    def condition(self, name: str) -> ConditionFindings:
        """The findings of one condition.

        Raises:
            KeyError: there is none of that name.
        """
        by_name = {condition.name: condition for condition in self.conditions}
        if name not in by_name:
            raise KeyError(f"no condition {name!r}: this study has {', '.join(by_name)}")
        return by_name[name]


def _no_findings(path: Path) -> str:
    """Why there is nothing to read at `path`, and what to do."""
    kind = what_is(path)
    if kind == "nothing that exists":
        return f"{path} does not exist: give a study folder, which  reseed run STUDY.toml  makes"
    if kind == "a study folder" and path.is_dir():
        return f"{path} is a study without findings: end it with  reseed run  or judge it with  --rejudge"
    return f"{path} is {kind}, not a study: give a study folder, which  reseed run STUDY.toml  makes"


def _row(condition: ConditionFindings) -> tuple[str, ...]:
    """A condition in the cells of a small table."""
    head = (condition.name, str(condition.verdict.outcome), _estimate(condition.r2))
    found = condition.agreement
    if found is None:
        return (*head, *[rounded(math.nan)] * 5)
    floor = f"{rounded(found.floor.value)} {found.floor.name}" if found.floor else rounded(math.nan)
    within, born, between, gain = map(_estimate, (found.within.last, found.born, found.between.last, found.gain))
    return (*head, within, born, between, floor, gain)


def _estimate(found: Interval) -> str:
    return f"{rounded(found.value)} {interval(found.low, found.high)}".rstrip()
