"""The floors of one condition: what its agreement would be without any learning that its runs have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from reseed import floors, statistics
from reseed.dice import roll
from reseed.findings import Floor
from reseed.matching import match
from reseed.measures.companions import COMPANIONS, dictionary_measures, prepared

if TYPE_CHECKING:
    from reseed.analysis.pairs import Pairs
    from reseed.matching import Matching
    from reseed.measures.companions import Space
    from reseed.trajectory import StudyFolder, Trajectory

__all__ = ["condition_floors"]

Companions = dict[str, dict[str, float]]
"""Measure, then floor, then value."""

Matchings = dict[tuple[int, int], "Matching"]
"""By pair of draws."""

_OF_ALL_ALIKE = ("alive", "mass")
"""What is the matched agreement itself where no atom is dead and all carry as much, as in untrained dictionaries."""

POLICIES: dict[Literal["data", "kmeans", "hull"], str] = {
    "data": "activations drawn at random, n_atoms of them for each dictionary",
    "kmeans": "n_atoms k-means centroids, each dictionary from activations and a start of its own, untrained",
    "hull": "random mixtures of each start's own points, with the weights that training ended with",
}


def condition_floors(
    folder: StudyFolder, runs: Sequence[Trajectory], pairs: Pairs, seen_in: Space
) -> tuple[list[Floor], Companions]:
    """The floors of the matched agreement, and those of its companions, measured by the code that measures the runs."""
    preprocess, n_atoms = runs[0].spec["preprocess"], runs[0].spec["method"]["n_atoms"]
    d_model = len(seen_in.covariance)
    exact = floors.isotropic(d_model, n_atoms)
    found = [
        Floor(
            name="isotropic",
            value=exact,
            spread=0.0,
            n=0,
            standard_error=0.0,
            n_units=0,
            policy="best of n_atoms random directions, exact",
        )
    ]
    companions: Companions = {measure: {} for measure in COMPANIONS}
    for measure in ("mmcs", *_OF_ALL_ALIKE):
        companions[measure]["isotropic"] = exact
    companions["subspace"]["isotropic"] = floors.subspace(seen_in.rank, d_model)
    drawn = {kind: folder.floor_atoms(preprocess, n_atoms, kind) for kind in ("data", "kmeans")}
    drawn["hull"] = _hull_dictionaries(folder, runs, pairs)
    tokens = folder.floor_recipe(preprocess, n_atoms, "kmeans").get("kmeans_tokens")
    for kind, policy in POLICIES.items():
        if len(drawn[kind]) > 1:
            pairs_of_draws = combinations(range(len(drawn[kind])), 2)
            matchings = {(i, j): match(drawn[kind][i], drawn[kind][j]) for i, j in pairs_of_draws}
            sample = f"; of {tokens:,} activations" if kind == "kmeans" and tokens else ""
            found.append(_measured(kind, policy + sample, matchings))
            for measure, value in _companions(drawn[kind], matchings, seen_in).items():
                companions[measure][kind] = value
    return [*found, *_born(pairs, companions)], companions


def _measured(kind: Literal["data", "kmeans", "hull"], policy: str, matchings: Matchings) -> Floor:
    draws = range(len({draw for pair in matchings for draw in pair}))
    floor = floors.measured(draws, lambda i, j: matchings[i, j].agreement, policy=policy)
    matrix = torch.full((len(draws), len(draws)), math.nan, dtype=torch.float64)
    for (i, j), matching in matchings.items():
        matrix[i, j] = matrix[j, i] = matching.agreement
    over_draws = statistics.between(matrix[None], torch.arange(len(draws)))[0]
    return Floor(
        name=kind,
        value=floor.value,
        spread=floor.spread,
        n=len(matchings),
        standard_error=over_draws.standard_error,
        n_units=len(draws),
        policy=policy,
    )


def _hull_dictionaries(
    folder: StudyFolder, runs: Sequence[Trajectory], pairs: Pairs
) -> list[Float[Tensor, "atoms d_model"]]:
    """One random mixture for each init group of an archetypal condition; none for methods that mix no points."""
    first_of_group = {group: run for run, group in reversed(list(zip(runs, pairs.starts.tolist(), strict=True)))}
    return [
        floors.hull_atoms(
            folder.points(run.spec["points"]),
            run.snapshot(pairs.steps[-1]).tensor("weights"),
            rolled=roll("init", "hull floor", run.id),
        )
        for run in first_of_group.values()
        if run.snapshot(pairs.steps[-1]).has("weights")
    ]


def _companions(
    drawn: Sequence[Float[Tensor, "atoms d_model"]],
    matchings: Matchings,
    seen_in: Space,
) -> dict[str, float]:
    """The companions that untrained dictionaries have: no codes, and each is its own encoder."""
    ready = [prepared(atoms, atoms, seen_in) for atoms in drawn]
    measured = [
        dictionary_measures(matching, ready[i], ready[j]) | dict.fromkeys(_OF_ALL_ALIKE, matching.agreement)
        for (i, j), matching in matchings.items()
    ]
    return {
        measure: math.fsum(each[measure] for each in measured) / len(measured)
        for measure in COMPANIONS
        if measure in measured[0]
    }


def _born(pairs: Pairs, companions: Companions) -> list[Floor]:
    """The step-0 floor of the condition itself, where it has more than one start; adds that of its companions."""
    apart = (pairs.starts[:, None] != pairs.starts[None, :]).triu(1)
    if not apart.any():
        return []
    for measure, by_floor in companions.items():
        by_floor["step 0"] = pairs.measures[measure][0][apart].mean().item()
    values = pairs.measures["agreement"][0][apart]
    born = statistics.between(pairs.measures["agreement"][:1], pairs.starts)[0]
    return [
        Floor(
            name="step 0",
            value=values.mean().item(),
            spread=values.std().item() if len(values) > 1 else math.nan,
            n=len(values),
            standard_error=born.standard_error,
            n_units=born.n_units,
            policy="runs of this condition from different starts, before any training",
        )
    ]
