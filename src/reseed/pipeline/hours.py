"""How long a study takes: what is to be done, times what one piece of it takes on this machine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from reseed.pipeline.draws import CENTRED
from reseed.pipeline.rates import Rate
from reseed.training.untrained import kmeans_tokens, kmeans_visits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reseed.activations import Sizes
    from reseed.pipeline.needs import Needs, OfCondition
    from reseed.pipeline.rates import Rates
    from reseed.spec import Study

    Measured = Sequence[tuple[OfCondition, Rates]]

__all__ = ["Part", "hours_of"]

_SECONDS_AT_ONCE, _SECONDS_OF_CONDITION = 2.5, 0.5  # that loading, judging and the report take


class Part(NamedTuple):
    """One kind of work."""

    name: str
    wall_hours: float
    cpu_hours: float


def hours_of(study: Study, sizes: Sizes, needs: Needs, measured: Measured) -> list[Part]:
    """The hours of each kind of work, in the order of the work."""
    steps = study.training.steps
    return [
        _part("k-means starts", _starts(sizes, needs, measured)),
        _part("training", (rate.step.times((each.runs + each.children) * steps) for each, rate in measured)),
        _part("surrogate training", (rate.step.times(each.surrogates * steps) for each, rate in measured)),
        _part("snapshots", (rate.snapshot.times(each.written) for each, rate in measured)),
        _part("floors", _floors(study, sizes, needs, measured)),
        _part("comparing", _comparisons(measured)),
        _part("barriers", (rate.barrier.times(each.pairs).plus(rate.loss.times(each.runs)) for each, rate in measured)),
        _part("loading and judging", [Rate(*[_SECONDS_AT_ONCE + _SECONDS_OF_CONDITION * len(measured)] * 2)]),
    ]


def _part(name: str, pieces: Iterator[Rate] | list[Rate]) -> Part:
    whole = Rate().plus(*pieces)
    return Part(name, whole.wall / 3600, whole.cpu / 3600)


def _starts(sizes: Sizes, needs: Needs, measured: Measured) -> Iterator[Rate]:
    """Every set of points that is searched for once, by all iterations that it may take."""
    rates = {each.condition.name: rate for each, rate in measured}
    for each, count in needs.points.values():
        start, rate = each.condition.arm.start, rates[each.condition.name]
        if start.entry.name != "data":
            steps = start.kmeans_steps if "kmeans" in start.entry.dice else 1
            tokens = start.tokens_for(each.shape.n_points, sizes.n_tokens)
            yield rate.read.times(count * tokens)
            yield rate.clustered.times(count * tokens * steps * each.shape.n_points)


def _floors(study: Study, sizes: Sizes, needs: Needs, measured: Measured) -> Iterator[Rate]:
    """Every draw, and every pair of draws of one floor."""
    rates = {(each.condition.preprocess, each.shape.n_atoms): rate for each, rate in measured}
    draws, read = study.floors.draws, study.training.steps * study.training.batch_size
    for seen, n_atoms, floor in needs.draws:
        rate = rates[seen, n_atoms]
        if floor == "kmeans" and not _is_moved(study, seen):
            tokens = kmeans_tokens(sizes.n_tokens, sizes.d_model, n_atoms, seen=read)
            visits = kmeans_visits(tokens, n_atoms)
            yield rate.read.times(draws * tokens)
            yield rate.settled.times(draws * visits * n_atoms)
        yield rate.compare.times(math.comb(draws, 2))
    for each, rate in measured:
        if each.condition.arm.method.mixes_points:
            yield rate.compare.times(math.comb(each.starts, 2))


def _is_moved(study: Study, seen: str) -> bool:
    """Whether centroids under this preprocessing are those of centred activations, moved."""
    return seen in {"none", "centre-scale"} and CENTRED in study.preprocess


def _comparisons(measured: Measured) -> Iterator[Rate]:
    """Every pair at every snapshot; a child with its parent at the last one, and where both were born."""
    for each, rate in measured:
        yield rate.compare.times(each.pairs * each.snapshots + each.children + 2 * math.comb(each.surrogates, 2))
        yield rate.match.times(each.children)
        yield rate.see.times(each.runs * each.snapshots + 2 * each.children)
