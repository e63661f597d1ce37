"""Studies that were never trained: every cosine between two runs is chosen, and the real analysis reads the files.

Atom i of run r is e_i ⊗ v_r, where the inner product of v_r and v_s is the agreement chosen for runs r and s. So atom i
of one run has that cosine with atom i of the other and 0 with all others, and the matched agreement is the chosen one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from reseed.methods import TopK
from reseed.spec import Arm, Dice, Study
from reseed.starts import Start
from reseed.trajectory import Manifest, PlannedCondition, RunEnd, RunRecord, StudyFolder, pack_codes

if TYPE_CHECKING:
    from pathlib import Path

    from reseed.trajectory import Trajectory

__all__ = ["N_ATOMS", "Chosen", "width_of", "write_study"]

N_ATOMS, LAST_STEP, TOKENS = 6, 100, 8
NAME, PREPROCESS = "built", "none"
ARM = Arm(name=NAME, method=TopK(n_atoms=N_ATOMS, k=1), start=Start(kind="random"))


@dataclass(frozen=True)
class Chosen:
    """The truth of one study."""

    starts: Int[Tensor, " runs"]
    first: Float64[Tensor, "runs runs"]
    """Agreement of every two runs at step 0: 1 within a start."""
    last: Float64[Tensor, "runs runs"]
    """At the last step."""
    floors: Mapping[str, Float64[Tensor, "draws draws"]]
    """Agreement of every two draws of the `data` and `kmeans` references."""
    surrogate: Float64[Tensor, "two starts starts"] | None = None
    """Agreement of every two runs on the surrogate, at step 0 and at the last step; None where there are none."""
    r2: float = 0.9
    retention: float = 0.5


def write_study(folder: Path, chosen: Chosen) -> StudyFolder:
    """A study folder of one condition, as training would have left it.

    The smallest eigenvalue of a matrix of agreements must not be below 0, or no dictionaries have these cosines: what
    is below is taken as 0.
    """
    width = width_of(chosen)
    made = StudyFolder(folder)
    _write_head(made, width * N_ATOMS, chosen)
    by_step = {0: _dictionaries(chosen.first, width), LAST_STEP: _dictionaries(chosen.last, width)}
    for number, start in enumerate(chosen.starts.tolist()):
        ends = {step: atoms[number] for step, atoms in by_step.items()}
        _write_run(made.run(_run_id(number)), ends, chosen, place=(start, number))
    if chosen.surrogate is not None:
        first, last = (_dictionaries(matrix, width) for matrix in chosen.surrogate)
        for number, atoms in enumerate(zip(first, last, strict=True)):
            ends = dict(zip((0, LAST_STEP), atoms, strict=True))
            rank = width * N_ATOMS
            of = {"surrogate": "elliptical", "surrogate_rank": rank, "dimensions_per_token": rank / TOKENS}
            _write_run(made.run(_surrogate_id(number)), ends, chosen, place=(number, 0), of=of)
    return StudyFolder.open(folder)


def width_of(chosen: Chosen) -> int:
    """Dimensions of each atom's own space: as many as there are dictionaries of a kind."""
    beside = 0 if chosen.surrogate is None else chosen.surrogate.shape[-1]
    return max(len(chosen.starts), beside, *(len(matrix) for matrix in chosen.floors.values()))


def _dictionaries(agreements: Float64[Tensor, "runs runs"], width: int) -> Float[Tensor, "runs atoms d_model"]:
    gram = agreements.clone().fill_diagonal_(1.0)
    values, vectors = torch.linalg.eigh(gram)
    found = torch.zeros(len(gram), width, dtype=torch.float64)
    found[:, : len(gram)] = vectors * values.clamp(min=0).sqrt()
    found = torch.nn.functional.normalize(found, dim=1)
    return torch.stack([torch.kron(torch.eye(N_ATOMS, dtype=torch.float64), row[None]) for row in found]).float()


def _write_head(made: StudyFolder, d_model: int, chosen: Chosen) -> None:
    study = Study(activations="none", preprocess=(PREPROCESS,), arms=(ARM,))
    made.write_text("study.toml", study.to_toml())
    runs = tuple(_run_id(number) for number in range(len(chosen.starts)))
    beside = range(0 if chosen.surrogate is None else chosen.surrogate.shape[-1])
    condition = PlannedCondition(
        name=f"{NAME}@{PREPROCESS}",
        arm=NAME,
        preprocess=PREPROCESS,
        key=NAME,
        runs=runs,
        surrogates=tuple(map(_surrogate_id, beside)),
    )
    made.write_manifest(Manifest(reseed="built", conditions=(condition,)))
    made.write_moments(PREPROCESS, {"mean": torch.zeros(d_model).double(), "covariance": torch.eye(d_model).double()})
    for floor, agreements in chosen.floors.items():
        for draw, atoms in enumerate(_dictionaries(agreements, d_model // N_ATOMS)):
            path = made.draw_path(PREPROCESS, N_ATOMS, floor, draw)
            made.remember_draw(path, "chosen", {}, lambda chosen=atoms: chosen.clone())


def _write_run(
    run: Trajectory,
    by_step: Mapping[int, Float[Tensor, "atoms d_model"]],
    chosen: Chosen,
    *,
    place: tuple[int, int],
    of: Mapping[str, Any] | None = None,
) -> None:
    """One run with its ends; `of` is what its record says of the surrogate that it was trained on."""
    start, number = place
    record = RunRecord(
        preprocess=PREPROCESS,
        start_index=start,
        run_index=number,
        rolls={str(die): shown for die, shown in Dice().rolls(start, number).items()},
        **ARM.model_dump(mode="json", include={"method", "start"}),
        **(of or {}),
    )
    run.write_record(record)
    codes = torch.ones(TOKENS, N_ATOMS) + torch.eye(TOKENS, N_ATOMS)
    for step, atoms in by_step.items():
        packed = pack_codes(codes, torch.arange(N_ATOMS).expand_as(codes))
        run.write_snapshot(step, {"atoms": atoms.clone(), "encoder": atoms.clone()} | packed)
    rows = [
        {"step": step, "r2": chosen.r2, "l0": float(N_ATOMS), "alive": 1.0, "retention": retention}
        for step, retention in zip(by_step, (1.0, chosen.retention), strict=True)
    ]
    run.finish(rows, RunEnd(status="finished", step=LAST_STEP))


def _run_id(number: int) -> str:
    return f"run{number:02d}"


def _surrogate_id(number: int) -> str:
    return f"surrogate{number:02d}"
