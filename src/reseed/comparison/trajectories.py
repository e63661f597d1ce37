"""The runs of one recipe along training, as far as their steps are on disk."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from reseed import measures, statistics
from reseed._support.spread import spread
from reseed.analysis.init_groups import init_groups
from reseed.analysis.intervals import band, interval
from reseed.comparison.document import NullTrajectory, RecipeTrajectory
from reseed.comparison.trajectory_words import Followed, judged_sentence, said
from reseed.matching import match, row_cosines
from reseed.measures import MEASURES
from reseed.thresholds import LEVEL, Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from reseed.comparison.opened import Opened
    from reseed.comparison.tokens import OnTokens, Tokens
    from reseed.findings import Curve, Interval, Verdict
    from reseed.matching import Sign
    from reseed.statistics import Estimate

__all__ = ["MOST_STEPS", "Course", "common_steps", "course", "trajectory"]

MOST_STEPS = 32
"""Of more common steps than these, so many are compared: every pair is matched anew at each."""
_FEWEST = 2

Pair = tuple[int, int]


@dataclass(frozen=True)
class Course:
    """Some runs at the steps that all of them have."""

    labels: tuple[str, ...]
    steps: tuple[int, ...]
    on_disk: int
    measures: Mapping[str, Float64[Tensor, "steps runs runs"]]
    """Of every two, at every step, by the names of `MEASURES`, nan on the diagonal: `agreement`, and where all make
    codes of tokens `alive` and `code`."""
    groups: Int[Tensor, " runs"]
    """Init groups; without step 0 one for each run, as far as is known."""
    retention: float
    """Mean cosine of the last atoms with their own step 0, over runs; nan without step 0."""
    r2: float
    """That of the worst run at the last step; nan where it is not known."""

    @property
    def pairs(self) -> Float64[Tensor, "steps runs runs"]:
        """Their matched agreement."""
        return self.measures["agreement"]

    @property
    def from_start(self) -> bool:
        """Whether step 0 is there."""
        return self.steps[0] == 0

    @property
    def identical(self) -> tuple[Pair, ...]:
        """The places of runs that were born identical; none are known without step 0."""
        found = self.groups.tolist()
        return tuple((i, j) for i, j in combinations(range(len(found)), 2) if found[i] == found[j])

    @property
    def apart(self) -> bool:
        """Whether any two runs are not known to be born identical."""
        return len(self.groups.unique()) > 1

    @property
    def between(self) -> tuple[Estimate, ...]:
        """B(t)."""
        return statistics.between(self.pairs, self.groups, level=LEVEL)

    @property
    def contraction(self) -> Estimate | None:
        """kappa; None without step 0 or runs that started apart."""
        if not (self.from_start and self.apart):
            return None
        return statistics.contraction(self.pairs, self.groups, level=LEVEL)


def common_steps(runs: Sequence[Opened]) -> tuple[int, ...]:
    """The steps that all of some runs have, ascending; empty for fewer than two runs or two steps."""
    if len(runs) < _FEWEST:
        return ()
    found = sorted(set.intersection(*(set(run.steps) for run in runs)))
    return tuple(found) if len(found) >= _FEWEST else ()


def course(
    runs: Sequence[Opened], tokens: Tokens | None, sign: Sign, pool: Executor, advance: Callable[[int], None]
) -> Course:
    """Runs with steps in common: every two of them matched at each; `advance` is told of every step.

    Args:
        runs: of one recipe.
        tokens: what their codes are made of; None: they make none.
        sign: whether an atom and its negative are one feature.
        pool: where pairs are matched.
        advance: told of every step.

    Raises:
        DictionaryError: a dictionary is damaged, or of another format, size or space than the last one of its run.
    """
    common = common_steps(runs)
    steps = spread(common, MOST_STEPS)
    at_steps: list[dict[str, Float64[Tensor, "runs runs"]]] = []
    groups, retention, r2 = torch.arange(len(runs)), math.nan, math.nan
    born: list[Tensor] = []
    for step in steps:
        found = [run.at(step) for run in runs]
        atoms = [each.atoms for each in found]
        seen = [tokens.seen_by(each, run.label) if tokens else None for run, each in zip(runs, found, strict=True)]
        at = _measured(atoms, seen, sign, pool)
        at_steps.append(at)
        if step == 0:
            born = atoms
            distances = {pair: 1 - float(at["agreement"][pair]) for pair in combinations(range(len(runs)), 2)}
            groups = torch.tensor(init_groups(distances, born))
        elif step == steps[-1] and born:
            kept = [row_cosines(a, b, sign=sign).mean() for a, b in zip(atoms, born, strict=True)]
            retention = float(torch.stack(kept).mean())
        if step == steps[-1]:
            r2 = _worst(seen)
        advance(1)
    names = set.intersection(*(set(at) for at in at_steps))
    of_all = {name: torch.stack([at[name] for at in at_steps]) for name in MEASURES if name in names}
    return Course(tuple(run.label for run in runs), steps, len(common), of_all, groups, retention, r2)


def trajectory(
    name: str, of: Course, null: Course | None, verdict: Verdict | None, *, born_alike: int, n_null: int
) -> RecipeTrajectory:
    """What is said of the runs of one recipe along training.

    Args:
        name: of the recipe.
        of: its runs.
        null: its runs on rows without structure, where they have steps in common.
        verdict: the word that all this leads to, where it leads to one.
        born_alike: how many pairs of the last dictionaries share their indices.
        n_null: runs on rows without structure, with steps or without.
    """
    change = statistics.ends(statistics.between_start, of.pairs, of.groups, level=LEVEL) if of.apart else None
    within = statistics.within(of.pairs, of.groups, level=LEVEL) if of.identical else None
    memory = statistics.memory(of.pairs, of.groups, level=LEVEL)[-1] if of.identical and of.apart else None
    kappa, slower = of.contraction, _slower(of, null)
    followed = Followed(
        n_runs=len(of.labels),
        first_step=of.steps[0],
        last_step=of.steps[-1],
        change=change,
        within=None if within is None else within[-1],
        memory=memory,
        contraction=kappa,
        null_contraction=None if null is None else null.contraction,
        slower=slower,
        born_alike=born_alike,
        n_null=n_null,
        null_steps=() if null is None else null.steps,
        with_codes="code" in of.measures,
    )
    return RecipeTrajectory(
        name=name,
        labels=of.labels,
        steps=of.steps,
        on_disk=of.on_disk,
        init_groups=len(of.groups.unique()) if of.from_start else None,
        between=band(of.steps, of.between) if of.apart else None,
        within=None if within is None else band(of.steps, within),
        change=None if change is None else interval(change.gain),
        contraction=_maybe(kappa),
        memory=_maybe(memory),
        retention=of.retention,
        null=_null(null),
        slower=_maybe(slower),
        verdict=verdict,
        sentence=said(followed, Limits()) if verdict is None else judged_sentence(verdict),
    )


def _measured(
    atoms: Sequence[Tensor], seen: Sequence[OnTokens | None], sign: Sign, pool: Executor
) -> dict[str, Float64[Tensor, "runs runs"]]:
    """Every two dictionaries of one step, by measure; codes only where all make some."""
    with_codes = all(each is not None for each in seen)
    pairs = list(combinations(range(len(atoms)), 2))

    def of(pair: Pair) -> dict[str, float]:
        i, j = pair
        matching = match(atoms[i], atoms[j], sign=sign)
        first, second = seen[i], seen[j]
        if not with_codes or first is None or second is None:
            return {"agreement": matching.agreement}
        living = measures.alive_cosines(matching, first.alive, second.alive)
        codes = measures.standard_correlations(matching, first.codes, second.codes)
        return {"agreement": matching.agreement, "alive": float(living.mean()), "code": float(codes.mean())}

    found = dict(zip(pairs, pool.map(of, pairs), strict=True))
    matrices = {name: torch.full((len(atoms), len(atoms)), math.nan, dtype=torch.float64) for name in found[pairs[0]]}
    for (i, j), numbers in found.items():
        for name, value in numbers.items():
            matrices[name][i, j] = matrices[name][j, i] = value
    return matrices


def _worst(seen: Sequence[OnTokens | None]) -> float:
    """The R² of the worst; nan where one is not known."""
    known = [each.r2 for each in seen if each is not None]
    return min(known) if len(known) == len(seen) and not any(map(math.isnan, known)) else math.nan


def _slower(of: Course, null: Course | None) -> Estimate | None:
    """The kappa of the runs less that of rows without structure, over the same steps (docs/mathematics.md, eq. 52)."""
    own, other = of.contraction, None if null is None else null.contraction
    if own is None or other is None or null is None or of.steps[-1] != null.steps[-1]:
        return None
    return statistics.contrast(own, other)


def _null(null: Course | None) -> NullTrajectory | None:
    if null is None or not null.apart:
        return None
    curve: Curve = band(null.steps, null.between)
    return NullTrajectory(labels=null.labels, between=curve, contraction=_maybe(null.contraction))


def _maybe(estimate: Estimate | None) -> Interval | None:
    return None if estimate is None else interval(estimate)
