"""Trained studies with a known answer, and published numbers that planted activations should give again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from reseed import floors
from reseed._support.numbers import rounded
from reseed.activations.synthetic import Planted, planted
from reseed.calibration.folders import passing_folder
from reseed.calibration.results import Case, quantity
from reseed.calibration.trained import train_study
from reseed.dice import generator
from reseed.matching import match
from reseed.methods import Method, RATopK, ReLU, TopK
from reseed.spec import Arm
from reseed.starts import Start
from reseed.trajectory import StudyFolder
from reseed.verdict import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from reseed.dice import Die
    from reseed.findings import ConditionFindings, Findings
    from reseed.matching import Sign
    from reseed.spec import Scope

__all__ = ["answers", "mean_shift_floors", "reproductions"]

SHARED: dict[Die, Scope] = {"init": "shared", "encoder": "shared", "points": "shared", "kmeans": "shared"}
RANDOM, KMEANS = Start(kind="random"), Start(kind="kmeans", kmeans_steps=5)
TOGETHER = (Outcome.CONVERGENT, Outcome.STABILIZING)
HUGE = 1e30


def answers() -> Iterator[Case]:
    """Every case, as it is found."""
    for question in (_noise, _identifiable, _converging, _uncentred, _broken, _sizes):
        yield from question()


def _noise() -> Iterator[Case]:
    """Nothing to find: dictionaries stay, keep their start, come apart, or never meet."""
    rows = planted(2000, 16, n_atoms=32, active=0, noise=1.0).rows
    arms = (
        _arm("stays", _topk(1e-6), KMEANS, shared=True),
        _arm("keeps", _topk(1e-2), KMEANS, shared=True),
        _arm("comes-apart", _topk(1e-1), KMEANS, shared=True),
        _arm("never-meets", _topk(1e-1), RANDOM),
    )
    with passing_folder() as folder:
        findings = train_study(folder, rows, *arms, steps=200, starts=5)
    yield _told("noise, one start, atoms that stay", findings, "stays", Outcome.FROZEN)
    yield _told("noise, one start, atoms that move little", findings, "keeps", Outcome.INHERITED)
    yield _told("noise, one start, a high rate", findings, "comes-apart", Outcome.DIVERGING)
    yield _told("noise, independent starts", findings, "never-meets", Outcome.UNSTABLE, Outcome.INCONCLUSIVE)


def _identifiable() -> Iterator[Case]:
    """Atoms that can be found, from one start, from two and from four."""
    made = planted(3000, 16, n_atoms=32, active=3)
    one = _arm("one-start", _topk(1e-2), RANDOM, shared=True)
    for starts, runs, arm in ((3, 2, one), (2, 1, _arm("apart", _topk(1e-2), RANDOM))):
        with passing_folder() as folder:
            findings = train_study(folder, made.rows, arm, steps=400, starts=starts, runs_per_start=runs)
        if arm is one:
            said = _condition(findings, "one-start").verdict.outcome
            yield Case("planted atoms, one start", f"not {' nor '.join(TOGETHER)}", str(said), said not in TOGETHER)
        else:
            yield _told("planted atoms, two runs only", findings, "apart", Outcome.INCONCLUSIVE)
    with passing_folder() as folder:
        findings = train_study(folder, made.rows, _arm("apart", _topk(1e-2), RANDOM), steps=600, starts=4)
    yield _told("planted atoms, four starts that meet in part", findings, "apart", Outcome.STABILIZING)


def _converging() -> Iterator[Case]:
    """Few, sparse atoms in many dimensions: every start ends at the planted dictionary."""
    made = planted(4000, 48, n_atoms=16, active=2, noise=0.05)
    arm = _arm("relu", ReLU(n_atoms=16, l1=0.2, learning_rate=5e-3), RANDOM)
    with passing_folder() as folder:
        findings = train_study(folder, made.rows, arm, steps=800, starts=5, runs_per_start=1, preprocess=("none",))
        recovered = _recovered(folder, made)
    yield _told("planted atoms, five starts that meet", findings, "relu", Outcome.CONVERGENT)
    yield _between("  recovery of the planted atoms", recovered, 0.95, 1.0)


def _uncentred() -> Iterator[Case]:
    """Stable and wrong: archetypal atoms near a large mean all look alike and reconstruct nothing."""
    made = planted(3000, 64, n_atoms=128, active=4, offset=6.0, noise=0.05)
    arm = _arm("ra-topk", _reference(n_atoms=128, k=4, delta=0.1, learning_rate=1e-3), KMEANS)
    with passing_folder() as folder:
        findings = train_study(folder, made.rows, arm, steps=200, preprocess=("none",))
        recovered = _recovered(folder, made)
    condition = findings.conditions[0]
    agreed = condition.measures["agreement"].between.last.value
    yield _told("uncentred, archetypal: agrees and is wrong", findings, "ra-topk", Outcome.NOT_FITTED)
    told = f"agreement {agreed:.2f}, R² {condition.r2.value:.2f}, recovery {recovered:.2f}"
    wrong = agreed > 0.95 and condition.r2.value < 0.3 and recovered < 0.5  # noqa: PLR2004 (told in the line below)
    yield Case("  its numbers", "agreement above .95, R² below .3, recovery below .5", told, wrong)


def _broken() -> Iterator[Case]:
    """One arm that is not finite, one with dead atoms, one that is well: each gets what it deserves."""
    made = planted(2000, 16, n_atoms=32, active=3)
    arms = (
        _arm("explodes", _topk(HUGE, rescale=False), RANDOM),
        _arm("dies", TopK(n_atoms=128, k=1, learning_rate=1e-2), RANDOM),
        _arm("well", _topk(1e-2), RANDOM),
    )
    with passing_folder() as folder:
        findings = train_study(folder, made.rows, *arms, steps=100)
    yield _told("a rate that is not finite", findings, "explodes", Outcome.NOT_TESTABLE)
    remedies = [warning for warning in findings.warnings if "lower the learning_rate" in warning]
    yield Case("  every run with its remedy", "6 remedies", f"{len(remedies)} remedies", len(remedies) == 6)  # noqa: PLR2004 (one for each run)
    yield _told("  the rest of the study, too short to meet", findings, "well", Outcome.UNSTABLE)
    dead = _condition(findings, "dies")
    alive, beside = dead.alive.value, dead.measures["alive"].between.last.value
    told = f"alive {alive:.2f}, their agreement {beside:.2f} beside {dead.measures['agreement'].between.last.value:.2f}"
    yield Case("dead atoms", "alive below 1, with an agreement", told, 0 < alive < 1 and not math.isnan(beside))


def _sizes() -> Iterator[Case]:
    """Dictionaries of unequal size: the smaller one is covered, the larger one as far as it can be."""
    atoms = planted(10, 32, n_atoms=24, active=1).atoms
    matching = match(atoms, atoms[6:18])
    told = f"agreement {matching.agreement:.2f}, covered {matching.row_coverage:.2f} and {matching.col_coverage:.2f}"
    held = abs(matching.agreement - 1) < 1e-6 and (matching.row_coverage, matching.col_coverage) == (0.5, 1.0)  # noqa: PLR2004 (half of one side is matched)
    yield Case("24 atoms against 12 of them", "agreement 1, covered .50 and 1", told, held)


# Reproductions.


def reproductions() -> Iterator[Case]:
    """Every published or simulated number, as it is found."""
    for again in (_song, _frozen_weights, mean_shift_floors, _four_arms):
        yield from again()


def _song() -> Iterator[Case]:
    """The toy of @song2025position: 16 dimensions, 32 atoms, 3 active. TopK pays for its codes; |cos| counts."""
    made = planted(20_000, 16, n_atoms=32, active=3, strengths="half-normal")
    arms: dict[str, tuple[Method, int, tuple[float, float]]] = {
        "topk": (_topk(1e-3, l1=0.04, rescale=False), 10_000, (0.95, 1.0)),
        "relu": (ReLU(n_atoms=32, l1=0.03, learning_rate=3e-3), 2000, (0.0, 0.75)),
    }
    for name, (method, steps, allowed) in arms.items():
        with passing_folder() as folder:
            settings: dict[str, Any] = {"starts": 3, "runs_per_start": 1, "preprocess": ("none",)}
            train_study(folder, made.rows, _arm(name, method, RANDOM), steps=steps, batch_size=512, **settings)
            recovered = _recovered(folder, made, sign="abs")
        yield _between(f"32 atoms in 16 dimensions, {name}: recovery", recovered, *allowed)


def _frozen_weights() -> Iterator[Case]:
    """Rows of mixing weights that never leave their point, after 1,500 steps of the reference recipe with delta 1."""
    for offset, expected in ((6.0, 0.53), (2.0, 0.23), (1.0, 0.08), (0.0, 0.0)):
        rows = planted(20_000, 16, n_atoms=32, active=3, offset=offset, noise=0.05).rows
        arm = _arm("ra-topk", _reference(n_atoms=32, k=3, delta=1.0, learning_rate=1e-3), KMEANS)
        settings: dict[str, Any] = {"starts": 3, "runs_per_start": 1, "preprocess": ("none",)}
        with passing_folder() as folder:
            findings = train_study(folder, rows, arm, steps=1500, batch_size=256, **settings)
        frozen = [run.metrics["frozen_rows"][-1] for run in findings.conditions[0].runs]
        mean = sum(frozen) / len(frozen)
        yield quantity(f"mixing weights frozen at offset {offset:g}", mean, near=expected, within=0.1)


def mean_shift_floors() -> Iterator[Case]:
    """Best cosines among 2,048 atoms mu + epsilon in 512 dimensions, by the share rho of the mean."""
    mean = torch.nn.functional.normalize(torch.randn(512, generator=generator(0, "mean")), dim=0)
    for share, expected in ((0.25, 0.372), (0.5, 0.586), (0.9, 0.918)):
        atoms = [
            share**0.5 * mean + ((1 - share) / 512) ** 0.5 * torch.randn(2048, 512, generator=generator(draw, "shift"))
            for draw in range(2)
        ]
        cosines = torch.nn.functional.normalize(atoms[0], dim=1) @ torch.nn.functional.normalize(atoms[1], dim=1).T
        best = float(cosines.max(dim=1).values.mean())
        yield quantity(f"mean-shift floor at {share:g}: measured", best, near=expected, within=0.01)
        formula = floors.mean_shift(share, 512, 2048)
        yield quantity(f"mean-shift floor at {share:g}: formula", formula, near=expected, within=0.01)


def _four_arms() -> Iterator[Case]:
    """Distances of the four published arms on centred planted activations, one pair of runs each."""
    rows = planted(6000, 48, n_atoms=128, active=3, noise=0.3).rows
    sizes: dict[str, Any] = {"n_atoms": 128, "k": 3}
    shared_points: dict[Die, Scope] = {"points": "shared", "kmeans": "shared", "init": "shared"}
    free = TopK(norm="free", decoder_bias=False, learning_rate=1e-3, encoder_start="independent", **sizes)
    unit = TopK(decoder_bias=False, learning_rate=1e-3, encoder_start="independent", **sizes)
    relaxed = RATopK(delta=0.1, multiplier_start="reference", encoder_start="independent", learning_rate=1e-3, **sizes)
    arms = (
        Arm(name="topk-random", method=unit, start=RANDOM),
        Arm(name="ra-topk-shared", method=relaxed, start=KMEANS, dice=shared_points),
        Arm(name="free-shared", method=free, start=KMEANS, dice=shared_points),
        Arm(name="topk-shared", method=unit, start=KMEANS, dice=shared_points),
    )
    with passing_folder() as folder:
        findings = train_study(folder, rows, *arms, steps=400, batch_size=512, starts=2, runs_per_start=1)
    apart = {each.arm: 1 - each.pairs[0].agreement[-1] for each in findings.conditions}
    told = ", ".join(f"{name} {distance:.3f}" for name, distance in apart.items())
    unshared, archetypal, *others = apart.values()
    held = unshared > archetypal > max(others)
    yield Case("four arms, distance", "topk-random > ra-topk-shared > free-shared, topk-shared", told, held)


# Parts.


def _topk(learning_rate: float, **settings: Any) -> TopK:  # noqa: ANN401 (fields of TopK)
    return TopK(n_atoms=32, k=3, learning_rate=learning_rate, **settings)


def _reference(**settings: Any) -> RATopK:  # noqa: ANN401 (fields of RATopK)
    """The published recipe: no rescaling, m = 0 and a random encoder at the start."""
    return RATopK(rescale=False, multiplier_start="reference", encoder_start="independent", **settings)


def _arm(name: str, method: Method, start: Start, *, shared: bool = False) -> Arm:
    return Arm(name=name, method=method, start=start, dice=SHARED if shared else {})


def _condition(findings: Findings, arm: str) -> ConditionFindings:
    return next(condition for condition in findings.conditions if condition.arm == arm)


def _told(name: str, findings: Findings, arm: str, *allowed: Outcome) -> Case:
    outcome = _condition(findings, arm).verdict.outcome
    return Case(name, " or ".join(allowed), str(outcome), outcome in allowed)


def _between(name: str, value: float, least: float, most: float) -> Case:
    expected = f"at least {rounded(least)}" if least else f"at most {rounded(most)}"
    return Case(name, expected, rounded(value, 3), least <= value <= most)


def _recovered(folder: Path, made: Planted, sign: Sign = "signed") -> float:
    """Mean matched agreement of the runs' last dictionaries with the planted one."""
    study = StudyFolder.open(folder / "study")
    runs = [run for condition in study.manifest.conditions for run in study.runs(condition.name)]
    found = [match(run.snapshot(max(run.steps)).atoms, made.atoms, sign=sign).agreement for run in runs]
    return sum(found) / len(found)
