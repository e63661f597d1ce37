"""Published numbers that planted activations should give again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from reseed import floors
from reseed.activations.synthetic import planted
from reseed.calibration.folders import passing_folder
from reseed.calibration.planted_studies import (
    KMEANS,
    RANDOM,
    arm_of,
    range_case,
    recovery,
    reference_ra_topk,
    topk_of,
)
from reseed.calibration.results import Case, quantity
from reseed.calibration.trained import train_study
from reseed.dice import generator
from reseed.methods import Method, RATopK, ReLU, Schedule, StartPoint, TopK
from reseed.spec import Arm

if TYPE_CHECKING:
    from reseed.dice import Die
    from reseed.spec import Scope

__all__ = ["first_step_of_weights", "mean_shift_floors", "reproductions"]


def reproductions() -> Iterator[Case]:
    """Every published or simulated number, as it is found."""
    for again in (_song, first_step_of_weights, _frozen_weights, mean_shift_floors, _four_arms):
        yield from again()


def _song() -> Iterator[Case]:
    """The toy of @song2025position: 16 dimensions, 32 atoms, 3 active. TopK pays for its codes; |cos| counts."""
    made = planted(20_000, 16, n_atoms=32, active=3, strengths="half-normal")
    arms: dict[str, tuple[Method, int, tuple[float, float]]] = {
        "topk": (topk_of(1e-3, l1=0.04, rescale=False), 10_000, (0.95, 1.0)),
        "relu": (ReLU(n_atoms=32, l1=0.03, learning_rate=3e-3), 2000, (0.0, 0.75)),
    }
    for name, (method, steps, allowed) in arms.items():
        with passing_folder() as folder:
            settings: dict[str, Any] = {"starts": 3, "runs_per_start": 1, "preprocess": ("none",)}
            train_study(folder, made.rows, arm_of(name, method, RANDOM), steps=steps, batch_size=512, **settings)
            recovered = recovery(folder, made, sign="abs")
        yield range_case(f"32 atoms in 16 dimensions, {name}: recovery", recovered, *allowed)


def first_step_of_weights() -> Iterator[Case]:
    """What one step of Adam leaves of the weight that every row of an archetypal dictionary begins with.

    On uncentred rows all entries of a row's gradient have one sign: where it is positive the row stays at its point,
    where it is negative every entry grows, to 1 / (1 + rate n_points) of the first. On centred rows signs are mixed.
    """
    n_points, rate = 256, 2e-3
    grows = 1 / (1 + rate * n_points)
    for offset, near in ((20.0, grows), (0.0, 1 / (1 + rate * n_points / 2))):
        rows = planted(20_000, 16, n_atoms=32, active=3, offset=offset).rows
        rows = rows if offset else rows - rows.mean(dim=0)
        own = _after_one_step(rows, n_points, rate)
        if offset:
            of_one_kind = ((own > 1 - 1e-6) | ((own - grows).abs() < 0.02)).double().mean().item()  # noqa: PLR2004 (hardly moved)
            yield range_case("uncentred: rows that stay, or melt as the formula says", of_one_kind, 0.9, 1.0)
            own = own[own < 1 - 1e-6]
        kind = "uncentred: a melting row's first weight" if offset else "centred: a row's first weight"
        yield quantity(f"{kind}, after one step", own.median().item(), near=near, within=0.02)


def _after_one_step(rows: Tensor, n_points: int, rate: float) -> Float[Tensor, " atoms"]:
    """The weight of each row on the point that it began at, after one update."""
    method = reference_ra_topk(n_atoms=64, k=8, learning_rate=rate)
    points, mean = rows[:n_points], rows.mean(dim=0)
    weights = torch.eye(64, n_points)
    point = StartPoint(points[:64], points, weights, mean, (rows - mean).square().mean().sqrt().item(), rows[:1024])
    state = method.initialise(point, rolled_encoder=0)
    method.update(state, rows[None, n_points : n_points + 2048], Schedule(0, 1000))
    return state["weights"][0, :, :64].diagonal()


def _frozen_weights() -> Iterator[Case]:
    """Rows of mixing weights that never leave their point, after 1,500 steps of the reference recipe with delta 1."""
    for offset, expected in ((6.0, 0.53), (2.0, 0.23), (1.0, 0.08), (0.0, 0.0)):
        rows = planted(20_000, 16, n_atoms=32, active=3, offset=offset, noise=0.05).rows
        arm = arm_of("ra-topk", reference_ra_topk(n_atoms=32, k=3, delta=1.0, learning_rate=1e-3), KMEANS)
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
