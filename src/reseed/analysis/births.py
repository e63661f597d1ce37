"""Born alike? The last dictionaries of every two runs, held against chance by the index of their atoms.

A check of the study on itself: runs that started apart must not share their indices. It needs no step 0, and so also
notices starts that differ at step 0 without being independent, such as one warmed up from another run.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor

from reseed.findings import BirthTests, BornAlike
from reseed.statistics import SHARED_INDICES, birth_test, holm

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from reseed.trajectory import Compared, Snapshot, Trajectory

__all__ = ["birth_tests", "measure_births"]

_PAIR = ("run_a", "run_b")
_NUMBERS = ("expected", "p_fixed", "aligned", "by_chance", "p_aligned", "p_value")
_SCHEMA = {
    **dict.fromkeys(_PAIR, pl.String),
    "step": pl.Int64,
    **dict.fromkeys(("n_atoms", "fixed"), pl.Int64),
    **dict.fromkeys(_NUMBERS, pl.Float64),
    "refused": pl.String,
}


def measure_births(
    runs: Sequence[Trajectory], step: int, pool: Executor, *, known: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The birth test of every two runs at one step: a row per pair.

    Args:
        runs: of one condition.
        step: one that all of them have: their last.
        pool: threads that the pairs are shared out to.
        known: what was tested before; pairs that it has at this step are not tested again.
    """
    rows: list[dict[str, Any]] = [] if known is None else known.filter(pl.col("step") == step).to_dicts()
    before = {(row["run_a"], row["run_b"]): row for row in rows}
    pairs = list(combinations(runs, 2))
    fresh = [(a, b) for a, b in pairs if (a.id, b.id) not in before]
    needed = list(dict.fromkeys(run for pair in fresh for run in pair))
    of_run = dict(zip(needed, pool.map(lambda run: _ended(run.snapshots[step]), needed), strict=True))

    def tested(pair: tuple[Trajectory, Trajectory]) -> dict[str, Any]:
        a, b = pair
        (atoms_a, fired_a), (atoms_b, fired_b) = of_run[a], of_run[b]
        about = {"sign": a.record.sign, "groups": a.record.groups or None}
        found = vars(birth_test(atoms_a, atoms_b, fired_a=fired_a, fired_b=fired_b, **about))
        return {"run_a": a.id, "run_b": b.id, "step": step} | {name: found[name] for name in found if name in _SCHEMA}

    before |= {(row["run_a"], row["run_b"]): row for row in pool.map(tested, fresh)}
    return pl.DataFrame([before[a.id, b.id] for a, b in pairs], schema=_SCHEMA)


def birth_tests(about: Compared, table: pl.DataFrame, *, determined: bool = False) -> BirthTests | None:
    """What the tests of all pairs say, by Holm over those that could be made; None without a pair.

    Atoms of a method with one solution stand in one order, whoever made them: that is not taken for a common start.
    """
    groups = {run.id: run.init_group for run in about.runs}
    rows = [row for row in table.iter_rows(named=True) if {row["run_a"], row["run_b"]} <= groups.keys()]
    if not rows:
        return None
    adjusted = holm([row["p_value"] for row in rows])
    pairs = tuple(
        BornAlike(
            run_a=row["run_a"],
            run_b=row["run_b"],
            relation="within" if groups[row["run_a"]] == groups[row["run_b"]] else "between",
            fixed=row["fixed"],
            p=row["p_value"],
            found=p < SHARED_INDICES,
            refused=row["refused"],
        )
        for row, p in zip(rows, adjusted, strict=True)
    )
    tested = [pair for pair in pairs if not pair.refused]
    return BirthTests(
        pairs=pairs,
        found=sum(pair.found for pair in pairs),
        of_shared=sum(pair.relation == "within" for pair in tested),
        of_apart=sum(pair.relation == "between" for pair in tested),
        sentence=_sentence(pairs, determined=determined),
    )


def _ended(snapshot: Snapshot) -> tuple[Float[Tensor, "atoms d_model"], Int[Tensor, " atoms"]]:
    """The atoms of a run, and on how many held-out tokens each of them fires."""
    atoms = snapshot.atoms
    _, which, values = snapshot.active
    return atoms, torch.bincount(which[values != 0], minlength=len(atoms))


def _sentence(pairs: Sequence[BornAlike], *, determined: bool) -> str:
    shared = [pair for pair in pairs if pair.relation == "within" and not pair.refused]
    apart = [pair for pair in pairs if pair.relation == "between" and not pair.refused]
    of_shared, of_apart = sum(pair.found for pair in shared), sum(pair.found for pair in apart)
    told = [f"by {of_shared:,} of {_pairs(shared)} born identical"] if shared else []
    told += [f"by {of_apart:,} of {_pairs(apart)} that started apart"] if apart else []
    said = f"By the last atoms alone, indices are shared {' and '.join(told)}." if told else "No pair could be tested."
    if determined:
        return f"{said} The method puts the atoms of its one solution in one order, so that says nothing of starts."
    if of_apart:
        said += " Those starts are not independent, or something else gave their atoms one order."
    if of_shared < len(shared):
        said += (
            " Where nothing is found a common start cannot be excluded: atoms change owners, or stand in another order."
        )
    refused = [pair.refused for pair in pairs if pair.refused]
    return said + (f" Of {_pairs(refused)} nothing can be said: {refused[0]}." if refused else "")


def _pairs(some: Sequence[object]) -> str:
    return f"{len(some):,} pair{'' if len(some) == 1 else 's'}"
