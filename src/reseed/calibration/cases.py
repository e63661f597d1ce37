"""Trained studies with a known answer."""

from __future__ import annotations

import math
from collections.abc import Iterator

from reseed.activations.synthetic import planted
from reseed.calibration.folders import passing_folder
from reseed.calibration.planted_studies import (
    HUGE,
    KMEANS,
    RANDOM,
    arm_of,
    condition_of,
    range_case,
    recovery,
    reference_ra_topk,
    topk_of,
    verdict_case,
)
from reseed.calibration.results import Case
from reseed.calibration.trained import train_study
from reseed.matching import match
from reseed.methods import ReLU, TopK
from reseed.spec import Floors
from reseed.starts import Start
from reseed.verdict import CLAIMS, Outcome

__all__ = ["answers"]


def answers() -> Iterator[Case]:
    """Every case, as it is found."""
    for question in (_noise, _identifiable, _converging, _uncentred, _broken, _sizes):
        yield from question()


def _noise() -> Iterator[Case]:
    """Nothing to find: dictionaries stay, keep their start, come apart, or never meet."""
    rows = planted(2000, 16, n_atoms=32, active=0, noise=1.0).rows
    arms = (
        arm_of("stays", topk_of(1e-6), KMEANS, shared=True),
        arm_of("keeps", topk_of(1e-2), KMEANS, shared=True),
        arm_of("comes-apart", topk_of(1e-1), KMEANS, shared=True),
        arm_of("never-meets", topk_of(1e-1), RANDOM),
    )
    with passing_folder() as folder:
        findings = train_study(folder, rows, *arms, steps=200, starts=5, runs_per_start=1)
    yield verdict_case("noise, one start, atoms that stay", findings, "stays", Outcome.FROZEN)
    yield verdict_case("noise, one start, atoms that move little", findings, "keeps", Outcome.INHERITED)
    yield verdict_case("noise, one start, a high rate", findings, "comes-apart", Outcome.DIVERGING)
    yield verdict_case("noise, independent starts", findings, "never-meets", Outcome.UNSTABLE, Outcome.INCONCLUSIVE)
    as_far = arm_of("as-far", TopK(n_atoms=24, k=3, learning_rate=3e-3), Start(kind="data"))
    many = {"starts": 10, "runs_per_start": 1, "floors": Floors(kmeans_steps=5, surrogate_starts=10)}
    with passing_folder() as folder:
        findings = train_study(folder, rows, as_far, steps=200, **many)
    yield verdict_case("noise, ten starts that share their activations", findings, "as-far", Outcome.UNSTABLE)


def _identifiable() -> Iterator[Case]:
    """Atoms that can be found, from one start, from two and from four."""
    made = planted(3000, 16, n_atoms=32, active=3)
    one = arm_of("one-start", topk_of(1e-2), RANDOM, shared=True)
    for starts, runs, arm in ((3, 2, one), (2, 1, arm_of("apart", topk_of(1e-2), RANDOM))):
        with passing_folder() as folder:
            findings = train_study(folder, made.rows, arm, steps=400, starts=starts, runs_per_start=runs)
        if arm is one:
            said = condition_of(findings, "one-start").verdict.outcome
            yield Case("planted atoms, one start", f"not {' nor '.join(CLAIMS)}", str(said), said not in CLAIMS)
        else:
            yield verdict_case("planted atoms, two runs only", findings, "apart", Outcome.INCONCLUSIVE)
    with passing_folder() as folder:
        arm = arm_of("apart", topk_of(1e-2), RANDOM)
        findings = train_study(folder, made.rows, arm, steps=600, starts=4, runs_per_start=1)
    yield verdict_case("planted atoms, four starts that meet in part", findings, "apart", Outcome.STABILIZING)


def _converging() -> Iterator[Case]:
    """Few, sparse atoms in many dimensions: every start ends at the planted dictionary."""
    made = planted(6000, 48, n_atoms=16, active=2, noise=0.05)
    arm = arm_of("relu", ReLU(n_atoms=16, l1=0.2, learning_rate=5e-3), RANDOM)
    with passing_folder() as folder:
        findings = train_study(folder, made.rows, arm, steps=800, starts=5, runs_per_start=1, preprocess=("none",))
        recovered = recovery(folder, made)
    yield verdict_case("planted atoms, five starts that meet", findings, "relu", Outcome.CONVERGENT)
    yield range_case("  recovery of the planted atoms", recovered, 0.95, 1.0)


def _uncentred() -> Iterator[Case]:
    """Stable and wrong: archetypal atoms near a large mean all look alike and reconstruct nothing."""
    made = planted(3000, 64, n_atoms=128, active=4, offset=6.0, noise=0.05)
    arm = arm_of("ra-topk", reference_ra_topk(n_atoms=128, k=4, delta=0.1, learning_rate=1e-3), KMEANS)
    with passing_folder() as folder:
        findings = train_study(folder, made.rows, arm, steps=200, preprocess=("none",))
        recovered = recovery(folder, made)
    condition = findings.conditions[0]
    agreed = condition.measures["agreement"].between.last.value
    yield verdict_case("uncentred, archetypal: agrees and is wrong", findings, "ra-topk", Outcome.NOT_FITTED)
    told = f"agreement {agreed:.2f}, R² {condition.r2.value:.2f}, recovery {recovered:.2f}"
    wrong = agreed > 0.95 and condition.r2.value < 0.3 and recovered < 0.5  # noqa: PLR2004 (told in the line below)
    yield Case("  its numbers", "agreement above .95, R² below .3, recovery below .5", told, wrong)


def _broken() -> Iterator[Case]:
    """One arm that is not finite, one with dead atoms, one that is well: each gets what it deserves."""
    made = planted(2000, 16, n_atoms=32, active=3)
    arms = (
        arm_of("explodes", topk_of(HUGE, rescale=False), RANDOM),
        arm_of("dies", TopK(n_atoms=128, k=1, learning_rate=1e-2), RANDOM),
        arm_of("well", topk_of(1e-2), RANDOM),
    )
    with passing_folder() as folder:
        findings = train_study(folder, made.rows, *arms, steps=100, starts=4, runs_per_start=1)
    yield verdict_case("a rate that is not finite", findings, "explodes", Outcome.NOT_TESTABLE)
    remedies = [warning for warning in findings.warnings if "lower the learning_rate" in warning]
    yield Case("  every run with its remedy", "7 remedies", f"{len(remedies)} remedies", len(remedies) == 7)  # noqa: PLR2004 (4 runs, 3 on the surrogate)
    yield verdict_case("  the rest of the study, on its way after 100 steps", findings, "well", Outcome.STABILIZING)
    dead = condition_of(findings, "dies")
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
