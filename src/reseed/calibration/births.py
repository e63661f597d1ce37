"""The birth test on runs that are really trained: how often chance passes for a common start, or a start is found.

What sorts or pads dictionaries alike shares indices without sharing a start. Each such pitfall is tried with the guard
against it and without.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.special import gammainc
from torch import Tensor

from reseed._support.threads import workers
from reseed.activations import open_activations, preprocessed
from reseed.activations.synthetic import planted
from reseed.calibration.folders import passing_folder
from reseed.calibration.planted_studies import arm_of, reference_ra_topk
from reseed.calibration.results import Rate
from reseed.dice import generator
from reseed.matching import match
from reseed.methods import ReLU, TopK
from reseed.spec import Dice, Floors, Study, Training
from reseed.starts import Start
from reseed.starts.lloyd import kmeans
from reseed.statistics import SHARED_INDICES, BirthTest, birth_test
from reseed.training import Context, train
from reseed.trajectory import StudyFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from reseed.spec import Arm

__all__ = ["METHODS", "found", "nulls", "pitfalls"]

D_MODEL, N_ATOMS, TOKENS, STEPS = 32, 64, 6400, 300
UNTIL_FOUND = 800  # steps after which most of the frequent atoms are found
_RANDOM = Start(kind="random")
_LEARNT = 1e-2

METHODS: dict[str, Arm] = {
    "topk": arm_of("topk", TopK(n_atoms=N_ATOMS, k=4, learning_rate=_LEARNT), _RANDOM),
    "relu": arm_of("relu", ReLU(n_atoms=N_ATOMS, l1=0.1, learning_rate=_LEARNT), _RANDOM),
    "ra-topk": arm_of(
        "ra-topk",
        reference_ra_topk(n_atoms=N_ATOMS, k=4, learning_rate=5e-3),
        Start(kind="kmeans", n_points=2 * N_ATOMS, kmeans_steps=5),
    ),
}

Pair = tuple["Ended", "Ended"]


@dataclass(frozen=True)
class Ended:
    """The last dictionary of a run."""

    atoms: Float[Tensor, "atoms d_model"]
    fired: Int[Tensor, " atoms"]
    """On how many held-out tokens each atom fires."""

    def __getitem__(self, order: Int[Tensor, " atoms"]) -> Ended:
        """The same in another order."""
        return Ended(self.atoms[order], self.fired[order])


def nulls(method: str, n_runs: int) -> tuple[Rate, Rate]:
    """Of all pairs of so many runs from independent starts: p at most .05, and found (p < .001)."""
    runs = _ended(METHODS[method], n_runs)
    values = [_tested(pair).p_value for pair in combinations(runs, 2)]
    name = f"{method}, {n_runs} independent starts"
    return (
        Rate(f"{name}: p at most .05", float(np.mean([p <= 0.05 for p in values])), len(values), most=0.06),  # noqa: PLR2004 (as its name says)
        Rate(f"{name}: found", float(np.mean([p < SHARED_INDICES for p in values])), len(values), most=0.005),
    )


def found(n_pairs: int) -> Iterator[Rate]:
    """How often a common start is found, by what else the two runs of a pair have in common or not."""
    topk, relu, archetypal = METHODS.values()
    faster = topk.model_copy(update={"method": topk.method.model_copy(update={"learning_rate": 10 * _LEARNT})})
    first = _ended(topk, n_pairs)
    kinds: dict[str, tuple[Sequence[Ended], Sequence[Ended]]] = {
        "topk, other orders of the data": (first, _ended(topk, n_pairs, run=1)),
        "topk, disjoint halves of the data": (_ended(topk, n_pairs, half=0), _ended(topk, n_pairs, run=1, half=1)),
        "topk and relu": (first, _ended(relu, n_pairs)),
        "topk, learning rates 10 times apart": (first, _ended(faster, n_pairs)),
        "relu, other orders of the data": (_ended(relu, n_pairs), _ended(relu, n_pairs, run=1)),
        "ra-topk, independent encoders": (_ended(archetypal, n_pairs), _ended(archetypal, n_pairs, run=1)),
    }
    for name, (one, other) in kinds.items():
        shared = [_tested(pair).found for pair in zip(one, other, strict=True)]
        yield Rate(f"one start; {name}: found", float(np.mean(shared)), len(shared))


def pitfalls(n_pairs: int) -> Iterator[tuple[str, float, float]]:
    """What is found where no start is shared, and indices are alike for another reason: with its guard, and without."""
    rows = _unequal()
    runs = _ended(METHODS["topk"], 2 * n_pairs, rows=rows, steps=UNTIL_FOUND)
    pairs = list(zip(runs[::2], runs[1::2], strict=True))
    centroids = [_centroids(rows, number) for number in range(2 * n_pairs)]
    of_kmeans = list(zip(centroids[::2], centroids[1::2], strict=True))
    made: dict[str, tuple[list[Pair], Callable[[Ended], Ended], Callable[[Pair], float]]] = {
        "a quarter of the atoms zero, at the same indices": (pairs, _padded, _matched_as_they_are),
        "sorted by how often atoms fire": (pairs, _by_how_often, _unrefused),
        "k-means centroids sorted by norm": (of_kmeans, _by_norm, _unrefused),
    }
    for name, (each, change, unguarded) in made.items():
        changed = [(change(a), change(b)) for a, b in each]
        with_guard = float(np.mean([_tested(pair).found for pair in changed]))
        yield name, with_guard, float(np.mean([unguarded(pair) < SHARED_INDICES for pair in changed]))


def _ended(
    arm: Arm, n_starts: int, *, run: int = 0, half: int | None = None, rows: Tensor | None = None, steps: int = STEPS
) -> list[Ended]:
    """The last dictionaries of one run from each of some starts, on all of the rows or on a half of them."""
    seen = preprocessed(open_activations(_planted() if rows is None else rows), "centre")
    seen = seen if half is None else seen.part(half, 2)
    training = Training(steps=steps, batch_size=64, evenly=1, device="cpu")
    study = Study(
        activations="planted",
        preprocess=("centre",),
        starts=n_starts,
        runs_per_start=run + 1,
        arms=(arm,),
        training=training,
        dice=Dice(encoder="run"),
        floors=Floors(surrogate="off"),
    )
    (condition,) = study.conditions
    specs = study.runs_of(condition, activations=seen.activations.fingerprint)[run :: run + 1]
    with passing_folder() as folder, workers(None) as pool:
        made = StudyFolder(folder)
        train(specs, Context.of_one(seen, made, torch.device("cpu"), pool))
        return [_last(made, spec.id, steps) for spec in specs]


def _planted() -> Float[Tensor, "tokens d_model"]:
    return planted(TOKENS, D_MODEL, n_atoms=N_ATOMS, active=4, noise=0.1, offset=1.0).rows


def _unequal() -> Float[Tensor, "tokens d_model"]:
    """The same atoms, from often to seldom and from weak to strong, as on a language model."""
    chance, number = generator(0, "unequal"), torch.arange(N_ATOMS)
    atoms = planted(1, D_MODEL, n_atoms=N_ATOMS, active=1).atoms * (1 + 2 * number / N_ATOMS).unsqueeze(1)
    active = torch.multinomial((0.95 ** number.float()).expand(TOKENS, -1), 4, generator=chance)
    return atoms[active].sum(dim=1) + 0.1 * torch.randn(TOKENS, D_MODEL, generator=chance)


def _last(folder: StudyFolder, run_id: str, step: int) -> Ended:
    snapshot = folder.run(run_id).snapshot(step)
    atoms = snapshot.atoms.clone()
    _, which, values = snapshot.active
    return Ended(atoms, torch.bincount(which[values != 0], minlength=len(atoms)))


def _tested(pair: Pair) -> BirthTest:
    a, b = pair
    return birth_test(a.atoms, b.atoms, fired_a=a.fired, fired_b=b.fired)


def _matched_as_they_are(pair: Pair) -> float:
    """P of the atoms that are matched to their own index: all of them, in the order that they have."""
    matching = match(pair[0].atoms, pair[1].atoms)
    fixed = int((matching.rows == matching.cols).sum())
    return float(gammainc(fixed, 1.0)) if fixed else 1.0


def _unrefused(pair: Pair) -> float:
    """P of the test that was not told how often atoms fire, and does not look whether they are sorted."""
    said = birth_test(pair[0].atoms, pair[1].atoms)
    return min(1.0, 2 * min(said.p_fixed, said.p_aligned))


def _padded(run: Ended) -> Ended:
    atoms, fired = run.atoms.clone(), run.fired.clone()
    atoms[-N_ATOMS // 4 :], fired[-N_ATOMS // 4 :] = 0, 0
    return Ended(atoms, fired)


def _by_how_often(run: Ended) -> Ended:
    return run[run.fired.argsort(stable=True)]


def _by_norm(run: Ended) -> Ended:
    return run[run.atoms.norm(dim=1).argsort(stable=True)]


def _centroids(rows: Tensor, number: int) -> Ended:
    some = rows[torch.randperm(len(rows), generator=generator(number, "centroids"))[: len(rows) // 2]]
    points = kmeans(some, N_ATOMS, steps=5, rolled=number).points
    return Ended(points, torch.ones(N_ATOMS, dtype=torch.int64))
