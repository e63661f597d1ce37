"""Atom, block or nothing, where it is known: planted subspaces of 1 to 8 dimensions, junk, and nothing at all.

    python benchmarks/blocks.py --json FILE                   everything, about forty minutes of one CPU
    python benchmarks/blocks.py --only planted --repeats 1    one table, coarse
    python benchmarks/blocks.py --quick                       a row or two of each: whether it runs, and no more

Every run learns each planted subspace by a basis of its own, with an error in every atom, and unrelated atoms beside.
A row of a confusion table is a planted rank, 0 for unrelated atoms; its columns are the shares of these atoms by what
was found: 0 nothing, 1 an atom that comes back alone, r a block of r. Targets were set before anything was measured:
`right`, the share at the planted rank, at least .90 for ranks 1 to 8, and `false`, the share of unrelated or random
atoms in a block, at most .05. A row that misses one says so. `possible` is the share of the planted atoms whose own
subspace, as learned, comes back by the rule in half of the other runs: of the others no search could find the block.
Whatever was chosen was chosen on `--rolled tune`.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from _machine import machine, versions
from jaxtyping import Float, Int
from torch import Tensor

from reseed.dice import generator
from reseed.matching import match
from reseed.measures import StandardCodes, standardise
from reseed.reappearance.blocks import Blocks, Growth, blocks

FORMAT_VERSION = 1
"""1: the first."""

Rows = list[dict[str, Any]]
Bases = Literal["orthonormal", "independent"]
RIGHT, FALSE = 0.9, 0.05  # what was asked for
ALONE = 0.7  # cosine of an atom that comes back one to one
LARGEST = 8
TOKENS = 4000
FIRES = 0.03  # of the tokens


class Case(NamedTuple):
    """What is planted, and how runs learn it."""

    d_model: int
    n_atoms: int
    n_runs: int
    noise: float
    """Norm of the error of an atom of length 1."""
    bases: Bases
    """A random rotation of a basis, or unit vectors that are drawn one by one and may nearly depend on each other."""
    growth: Growth = "decoder"
    all_atoms: bool = True
    """Whether atoms that come back alone are examined, too."""


CASES = (
    Case(64, 128, 3, 0.1, "orthonormal"),
    Case(64, 256, 3, 0.2, "orthonormal"),
    Case(128, 256, 3, 0.1, "orthonormal"),
    Case(128, 256, 3, 0.3, "orthonormal"),
    Case(128, 512, 4, 0.2, "orthonormal"),
    Case(256, 512, 6, 0.2, "orthonormal"),
    Case(128, 256, 3, 0.1, "orthonormal", all_atoms=False),
    Case(256, 512, 6, 0.2, "orthonormal", all_atoms=False),
    Case(128, 256, 3, 0.1, "orthonormal", "codes"),
    Case(256, 512, 4, 0.3, "orthonormal", "codes"),
    Case(64, 256, 3, 0.1, "independent"),
    Case(128, 256, 3, 0.03, "independent"),
    Case(128, 256, 3, 0.1, "independent"),
    Case(256, 512, 6, 0.1, "independent"),
    Case(128, 256, 3, 0.1, "independent", "codes"),
)


class Runs(NamedTuple):
    """Dictionaries, and the planted rank and subspace of each atom; 0 and -1 for unrelated ones."""

    dictionaries: list[Float[Tensor, "atoms d_model"]]
    ranks: list[Int[Tensor, " atoms"]]
    subspaces: list[Int[Tensor, " atoms"]]


def drawn(case: Case, chance: torch.Generator) -> Runs:
    """For every 128 atoms one subspace of each rank, 36 atoms in all, and unrelated atoms for the rest."""
    ranks = [rank for rank in range(1, LARGEST + 1) for _ in range(max(1, case.n_atoms // 128))]
    planted = [torch.linalg.qr(torch.randn(case.d_model, rank, generator=chance)).Q.T for rank in ranks]
    rank_of = torch.tensor([rank for rank in ranks for _ in range(rank)])
    space_of = torch.tensor([place for place, rank in enumerate(ranks) for _ in range(rank)])
    others = case.n_atoms - len(rank_of)
    rank_of = torch.cat([rank_of, torch.zeros(others, dtype=torch.int64)])
    space_of = torch.cat([space_of, torch.full((others,), -1)])
    runs = Runs([], [], [])
    for _ in range(case.n_runs):
        learned = torch.cat([_basis(case.bases, len(space), chance) @ space for space in planted])
        error = case.noise / case.d_model**0.5 * torch.randn(learned.shape, generator=chance)
        unrelated = torch.randn(others, case.d_model, generator=chance)
        atoms = torch.nn.functional.normalize(torch.cat([learned + error, unrelated]), dim=1)
        order = torch.randperm(case.n_atoms, generator=chance)
        runs.dictionaries.append(atoms[order])
        runs.ranks.append(rank_of[order])
        runs.subspaces.append(space_of[order])
    return runs


def _basis(bases: Bases, rank: int, chance: torch.Generator) -> Float[Tensor, "rank rank"]:
    if rank == 1:
        return torch.ones(1, 1)  # an atom has a sign
    normal = torch.randn(rank, rank, generator=chance)
    return torch.linalg.qr(normal).Q if bases == "orthonormal" else torch.nn.functional.normalize(normal, dim=1)


def codes(runs: Runs, chance: torch.Generator) -> list[StandardCodes]:
    """Of each run: all atoms of a subspace fire on the tokens that it is in, unrelated ones by themselves."""
    n_spaces = int(max(int(spaces.max()) for spaces in runs.subspaces)) + 1
    present = torch.rand(TOKENS, n_spaces, generator=chance) < FIRES
    made = []
    for spaces in runs.subspaces:
        own = torch.rand(TOKENS, len(spaces), generator=chance) < FIRES
        fires = torch.where(spaces >= 0, present[:, spaces.clamp(min=0)], own)
        made.append(standardise(fires * torch.rand(fires.shape, generator=chance)))
    return made


def alone(dictionaries: list[Tensor]) -> list[Tensor]:
    """Which atoms have a partner with enough of a cosine, one to one, in at least half of the other runs."""
    back = [torch.zeros(len(atoms)) for atoms in dictionaries]
    for first in range(len(dictionaries)):
        for second in range(first + 1, len(dictionaries)):
            found = match(dictionaries[first], dictionaries[second])
            kept = found.cosines >= ALONE
            back[first][found.rows[kept]] += 1
            back[second][found.cols[kept]] += 1
    return [2 * each >= len(dictionaries) - 1 for each in back]


def possible(runs: Runs) -> Int[Tensor, " ranks"]:
    """By planted rank, how many atoms of all runs are of a subspace that comes back, as they have learned it."""
    n_runs, n_spaces = len(runs.dictionaries), int(max(int(spaces.max()) for spaces in runs.subspaces)) + 1
    known = torch.zeros(LARGEST + 1, dtype=torch.int64)
    for space in range(n_spaces):
        atoms = [made[spaces == space] for made, spaces in zip(runs.dictionaries, runs.subspaces, strict=True)]
        bases = [torch.linalg.qr(each.T).Q for each in atoms]
        worst = torch.stack([torch.stack([torch.linalg.svdvals(a.T @ b)[-1] for b in bases]) for a in bases])
        back = (worst >= ALONE).sum(dim=1) - 1
        known[len(atoms[0])] += len(atoms[0]) * int((2 * back >= n_runs - 1).sum())
    return known


def planted(repeats: int, rolled: str, *, quick: bool) -> Rows:
    """Confusion tables, a case after the other."""
    rows = []
    for case in CASES[:1] if quick else CASES:
        counts = torch.zeros(LARGEST + 1, LARGEST + 1, dtype=torch.int64)
        could = torch.zeros(LARGEST + 1, dtype=torch.int64)
        for repeat in range(repeats):
            chance = generator(repeat, "blocks", rolled, *map(str, case))
            runs = drawn(case, chance)
            could += possible(runs)
            for ranks, sizes in zip(runs.ranks, _found(case, runs, chance).sizes, strict=True):
                counts.view(-1).index_add_(0, ranks * (LARGEST + 1) + sizes, torch.ones_like(ranks))
        rows.extend(_confusion(case, counts, could))
    return rows


def _found(case: Case, runs: Runs, chance: torch.Generator) -> Blocks:
    known = codes(runs, chance) if case.growth == "codes" else None
    return blocks(
        runs.dictionaries, alone(runs.dictionaries), codes=known, growth=case.growth, examine_alone=case.all_atoms
    )


def _confusion(
    case: Case, counts: Int[Tensor, "planted found"], could: Int[Tensor, " planted"]
) -> Iterator[dict[str, Any]]:
    for rank, row in enumerate(counts.tolist()):
        total = sum(row)
        share = row[rank] / total
        false = sum(row[2:]) / total
        missed = false > FALSE if rank == 0 else share < RIGHT
        yield (
            case._asdict()
            | {"planted": rank, "atoms": total}
            | {str(size): round(count / total, 3) for size, count in enumerate(row)}
            | {"possible": round(int(could[rank]) / total, 3) if rank else None}
            | {"right": round(share, 3), "misses": [("right" if rank else "false")] if missed else []}
        )


RANDOM: tuple[tuple[int, int, int, Growth, float], ...] = (
    (64, 128, 3, "decoder", 0.7),
    (64, 512, 2, "decoder", 0.7),
    (64, 512, 2, "decoder", 0.0),
    (64, 512, 3, "decoder", 0.0),
    (256, 512, 6, "decoder", 0.0),
    (64, 256, 3, "codes", 0.0),
)
"""Width, atoms, runs, growth and least cosine of what has nothing planted."""


def isotropic(repeats: int, rolled: str, *, quick: bool) -> Rows:
    """Random directions: the share of atoms in a block, and of these that are confirmed or cannot be."""
    rows = []
    for d_model, n_atoms, n_runs, growth, cosine in RANDOM[:1] if quick else RANDOM:
        false, total = 0, 0
        for repeat in range(repeats):
            chance = generator(repeat, "isotropic", rolled, d_model, n_atoms, n_runs, growth)
            made = [torch.randn(n_atoms, d_model, generator=chance) for _ in range(n_runs)]
            spaces = [torch.full((n_atoms,), -1) for _ in made]
            spaces[0][0] = 0  # codes need one subspace at least
            known = codes(Runs(made, spaces, spaces), chance) if growth == "codes" else None
            found = blocks(made, alone(made), codes=known, growth=growth, cosine=cosine)
            false += sum(int((sizes > 1).sum()) for sizes in found.sizes)
            total += n_atoms * n_runs
        about = {"d_model": d_model, "n_atoms": n_atoms, "n_runs": n_runs, "growth": growth, "cosine": cosine}
        rows.append(about | {"false": round(false / total, 4), "misses": ["false"] if false > FALSE * total else []})
    return rows


def speed(_: int, rolled: str, *, quick: bool) -> Rows:
    """Seconds for dictionaries of growing size of which no atom comes back alone."""
    rows = []
    for n_atoms, n_runs, d_model in ((128, 2, 32),) if quick else ((1024, 3, 256), (4096, 3, 256)):
        chance = generator(0, "speed", rolled, n_atoms)
        runs = drawn(Case(d_model, n_atoms, n_runs, 0.2, "orthonormal"), chance)
        started = time.process_time()
        found = blocks(runs.dictionaries, [torch.zeros(n_atoms, dtype=torch.bool)] * n_runs)
        seconds = round(time.process_time() - started, 1)
        about = {"n_atoms": n_atoms, "n_runs": n_runs, "d_model": d_model, "blocks": len(found.blocks)}
        rows.append(about | {"cpu_seconds": seconds, "misses": []})
    return rows


TABLES: dict[str, Callable[..., Rows]] = {"planted": planted, "isotropic": isotropic, "speed": speed}


def table(rows: Rows) -> Iterator[str]:
    """A line for each row, under the names of its columns."""
    cells = [list(rows[0]), *([_told(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        yield "  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))


def _told(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "-"
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def main() -> None:
    """Make the tables asked for, print them, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=TABLES, action="append")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rolled", choices=("tune", "report"), default="report")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    known = json.loads(asked.json.read_text(encoding="utf-8")) if asked.json and asked.json.exists() else {}
    found = {"format_version": FORMAT_VERSION, "machine": machine(), "versions": versions("reseed", "torch", "scipy")}
    tables = known.get("tables", {})
    for name in asked.only or TABLES:
        started = time.process_time()
        rows = TABLES[name](asked.repeats, asked.rolled, quick=asked.quick)
        seconds = round(time.process_time() - started)
        tables[name] = {"repeats": asked.repeats, "rolled": asked.rolled, "cpu_seconds": seconds, "rows": rows}
        missed = sum(bool(row["misses"]) for row in rows)
        print(f"{name}: {seconds} CPU s, {missed} of {len(rows)} rows miss a target")
        print("\n".join(table(rows)), flush=True)
        if asked.json:
            ordered = {each: tables[each] for each in TABLES if each in tables}
            asked.json.write_text(json.dumps(found | {"tables": ordered}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
