"""Which features come back, where it is known: bounds, forecasts, classes and the consensus on planted dictionaries.

    python benchmarks/recapture.py --json FILE                    everything, about eight CPU minutes
    python benchmarks/recapture.py --only counts --repeats 100    one table, quick and coarse

Targets were set before anything was measured: the low end of the bound is not above the planted number in at least .95
of all repetitions, the forecast holds what the next run brings in at least .93, noise reads "no saturation", and the
consensus recovers at least what the best run does, every time. A row that misses one says so. `--repeats` is that of
counts; dictionaries are drawn a tenth as often.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import torch
from _machine import machine, versions
from jaxtyping import Float64, Int
from scipy.special import betainc, betaincinv
from torch import Tensor

from reseed.dice import generator
from reseed.matching import match, unit_rows
from reseed.reappearance import Classes, Links, classes, consensus
from reseed.statistics import Recapture, recapture

FORMAT_VERSION = 1
"""1: the first."""

Rows = list[dict[str, Any]]
Law = Callable[[int, torch.Generator], Float64[Tensor, " planted"]]
BELOW, COVERS = 0.95, 0.93  # what was asked for
RECOVERED = 0.9  # cosine with a planted atom
D_MODEL = 32
PLANTED, ABOVE = 200, 0.7
_HALF = (D_MODEL - 1) / 2
BY_CHANCE = 2 * float(betaincinv(_HALF, _HALF, 0.99 ** (1 / PLANTED))) - 1
"""What the best of so many random directions exceeds once in a hundred times."""
DICTIONARIES = 10  # counts for each set of dictionaries


def beta(a: float, b: float) -> Law:
    """Chances to be found that are distributed as Beta(a, b)."""
    return lambda n, chance: torch.from_numpy(betaincinv(a, b, torch.rand(n, generator=chance).double().numpy()))


def mixed(first: float, second: float) -> Law:
    """One chance for half of the atoms and another one for the rest."""
    return lambda n, _: torch.where(torch.arange(n) < n // 2, first, second).double()


LAWS: dict[str, Law] = {
    "equal .3": mixed(0.3, 0.3),
    "equal .7": mixed(0.7, 0.7),
    "beta(.5, .5)": beta(0.5, 0.5),
    "beta(1, 1)": beta(1, 1),
    "beta(2, 5)": beta(2, 5),
    "beta(.5, 2)": beta(0.5, 2),
    "half .9, half .1": mixed(0.9, 0.1),
    "half always, half .05": mixed(1.0, 0.05),
}


def by_chance(above: float) -> float:
    """How often the best of so many random directions has more than a cosine."""
    return 1 - float(betainc(_HALF, _HALF, (1 + above) / 2)) ** PLANTED


class Tally(NamedTuple):
    """One repetition: what was said, and what came."""

    said: Recapture
    new: int
    """Classes that the next run brought."""

    def row(self, planted: int) -> dict[str, float]:
        """Whether it was right; nan where it was not said."""
        bound, chao, n_new = self.said.bound, self.said.chao, self.said.forecast
        return {
            "no_saturation": float(bound is None),
            "below": math.nan if bound is None else float(bound.low <= planted),
            "chao_below": math.nan if chao is None else float(chao.low <= planted),
            "covers": float(n_new.low <= self.new <= n_new.high),
            "found": self.said.n_classes / planted,
            "bound": math.nan if bound is None else bound.value / planted,
            "chao": math.nan if chao is None else chao.value / planted,
            "new": float(self.new),
            "forecast": n_new.value,
            "width": n_new.high - n_new.low,
            "heterogeneous": float(self.said.heterogeneous),
        }


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    """Of each column, over the repetitions that have it."""
    columns = {name: torch.tensor([row[name] for row in rows], dtype=torch.float64) for name in rows[0]}
    return {name: round(float(column.nanmean()), 4) for name, column in columns.items()}


def judged(row: dict[str, Any]) -> dict[str, Any]:
    """With the targets that it misses; what was never said misses none."""
    least = {"below": BELOW, "chao_below": BELOW, "covers": COVERS, "at_least_best": 1.0}
    return row | {"misses": [name for name, target in least.items() if row.get(name, 1.0) < target]}


def counts(repeats: int) -> Rows:
    """Atoms found or not found in each run, by chances of their own."""
    rows = []
    for law, draw in LAWS.items():
        for n_runs in (3, 4, 6, 8):
            for planted in (100, 500, 2000):
                chance = generator(0, "counts", law, n_runs, planted)
                tallies = [_counted(draw, planted, n_runs, chance).row(planted) for _ in range(repeats)]
                rows.append(judged({"law": law, "runs": n_runs, "planted": planted} | mean(tallies)))
    return rows


def _counted(draw: Law, planted: int, n_runs: int, chance: torch.Generator) -> Tally:
    found = torch.rand(planted, n_runs + 1, generator=chance) < draw(planted, chance)[:, None]
    before = found[:, :-1].sum(dim=1)
    return Tally(recapture(before[before > 0], n_runs, chance=0.0), int((found[:, -1] & (before == 0)).sum()))


class Runs(NamedTuple):
    """Dictionaries of several runs, and whom each atom was planted as."""

    planted: Float64[Tensor, "planted d_model"]
    dictionaries: list[Float64[Tensor, "atoms d_model"]]
    who: list[Int[Tensor, " atoms"]]
    """-1 for an atom of one run alone."""


def drawn(
    law: str, planted: int, n_runs: int, chance: torch.Generator, *, noise: tuple[float, float], own: bool
) -> Runs:
    """Planted atoms that runs find, each with an error of its own size; with `own`, others in place of those missed."""
    atoms = unit_rows(torch.randn(planted, D_MODEL, generator=chance))
    found = torch.rand(planted, n_runs, generator=chance) < LAWS[law](planted, chance)[:, None]
    low, high = noise
    errors = (low + (high - low) * torch.rand(planted, 1, generator=chance)) / D_MODEL**0.5
    dictionaries, who = [], []
    for run in range(n_runs):
        here = found[:, run].nonzero().flatten()
        alone = torch.full((planted - len(here) if own else 0,), -1)
        noisy = atoms[here] + errors[here] * torch.randn(len(here), D_MODEL, generator=chance)
        others = torch.randn(len(alone), D_MODEL, generator=chance).double()
        order = torch.randperm(len(here) + len(alone), generator=chance)
        dictionaries.append(unit_rows(torch.cat([noisy, others]))[order])
        who.append(torch.cat([here, alone])[order])
    return Runs(atoms, dictionaries, who)


def linked(dictionaries: list[Tensor], above: float) -> list[Links]:
    """Matched pairs with more than a cosine, of every two dictionaries."""
    links = []
    for first, second in combinations(range(len(dictionaries)), 2):
        found = match(dictionaries[first], dictionaries[second])
        kept = found.cosines > above
        links.append(Links(first, second, found.rows[kept], found.cols[kept], found.cosines[kept]))
    return links


def dictionaries(repeats: int) -> Rows:
    """The same from atoms as vectors, through matchings and classes, with the consensus beside."""
    kinds = [
        (law, n_runs, noise, own, above)
        for law, n_runs in (
            ("beta(1, 1)", 3),
            ("beta(1, 1)", 5),
            ("beta(.5, .5)", 8),
            ("beta(2, 5)", 5),
            ("equal .7", 5),
        )
        for noise in ((0.2, 0.5), (0.4, 0.7))
        for own, above in ((False, ABOVE), (True, ABOVE), (True, BY_CHANCE))
    ]
    rows = []
    for law, n_runs, noise, own, above in kinds:
        about = {"law": law, "runs": n_runs, "noise": f"{noise[0]} to {noise[1]}", "own": own, "above": round(above, 2)}
        chance = generator(0, "dictionaries", *map(str, about.values()))
        tallies = [_whole(law, n_runs, chance, noise, own=own, above=above) for _ in range(repeats // DICTIONARIES)]
        rows.append(judged(about | {"planted": PLANTED} | mean(tallies)))
    return rows


def _whole(
    law: str, n_runs: int, chance: torch.Generator, noise: tuple[float, float], *, own: bool, above: float
) -> dict[str, float]:
    """One set of runs and one more."""
    runs = drawn(law, PLANTED, n_runs + 1, chance, noise=noise, own=own)
    sizes, links = [len(each) for each in runs.dictionaries], linked(runs.dictionaries, above)
    before = classes(sizes[:-1], [each for each in links if n_runs not in (each.first, each.second)])
    after = classes(sizes, links)
    new = int(((after.members[:, -1] >= 0) & (after.appearances == 1)).sum())
    said = recapture(before.appearances, n_runs, chance=by_chance(above))
    return Tally(said, new).row(PLANTED) | _classes(runs, before) | _recovered(runs, before)


def _classes(runs: Runs, found: Classes) -> dict[str, float]:
    """Of pairs of atoms: how many in one class are planted as one, and how many planted as one are in one class."""
    right = together = same = 0
    for first, second in combinations(range(found.n_runs), 2):
        both = (found.members[:, first] >= 0) & (found.members[:, second] >= 0)
        a, b = (runs.who[run][found.members[both, run]] for run in (first, second))
        right += int(((a == b) & (a >= 0)).sum())
        together += len(a)
        same += int((torch.isin(runs.who[first], runs.who[second]) & (runs.who[first] >= 0)).sum())
    return {"precision": right / together, "recall": right / same}


def _recovered(runs: Runs, found: Classes) -> dict[str, float]:
    """The share of planted atoms in the consensus and in single runs, of equal size."""
    own = runs.dictionaries[: found.n_runs]
    n_atoms = min(max(map(len, own)), len(found.members))
    kinds = {each: consensus(found, own, n_atoms=n_atoms, representative=each).atoms for each in ("mean", "medoid")}
    shares = {name: _share(runs.planted, atoms) for name, atoms in kinds.items()}
    best = max(_share(runs.planted, atoms) for atoms in own)
    return shares | {"best_run": best, "at_least_best": float(shares["mean"] >= best)}


def _share(planted: Tensor, atoms: Tensor) -> float:
    return float((match(planted, atoms).cosines > RECOVERED).sum()) / len(planted)


def noise(repeats: int) -> Rows:
    """Random directions above what matched ones have by chance, and links drawn at that rate."""
    rows = []
    for n_runs in (3, 5, 8):
        for above in (ABOVE, BY_CHANCE):
            chance = generator(0, "noise", n_runs, str(above))
            said = [_random(n_runs, above, chance) for _ in range(repeats // DICTIONARIES)]
            rows.append({"links": f"cosine > {above:.2f}", "runs": n_runs, "atoms": PLANTED} | _unsaturated(said))
        for rate in (0.0, 0.01, 0.02):
            for atoms in (100, 2000):
                chance = generator(0, "noise", n_runs, str(rate), atoms)
                said = [_random_links(n_runs, atoms, rate, chance) for _ in range(repeats // DICTIONARIES)]
                rows.append({"links": f"{rate:.2f} of pairs", "runs": n_runs, "atoms": atoms} | _unsaturated(said))
    return rows


def _random(n_runs: int, above: float, chance: torch.Generator) -> Recapture:
    runs = [torch.randn(PLANTED, D_MODEL, generator=chance) for _ in range(n_runs)]
    return recapture(classes([PLANTED] * n_runs, linked(runs, above)).appearances, n_runs, chance=by_chance(above))


def _random_links(n_runs: int, atoms: int, rate: float, chance: torch.Generator) -> Recapture:
    links = []
    for first, second in combinations(range(n_runs), 2):
        passed = int((torch.rand(atoms, generator=chance) < rate).sum())
        rows, cols = (torch.randperm(atoms, generator=chance)[:passed] for _ in range(2))
        links.append(Links(first, second, rows, cols, 1 - torch.rand(passed, generator=chance) / 2))
    return recapture(classes([atoms] * n_runs, links).appearances, n_runs, chance=rate)


def _unsaturated(said: list[Recapture]) -> dict[str, Any]:
    said_none = sum(each.bound is None for each in said) / len(said)
    coverage = sum(each.coverage.value for each in said) / len(said)
    return {"coverage": round(coverage, 4), "no_saturation": said_none, "misses": [] if said_none == 1 else ["noise"]}


def speed(_: int) -> Rows:
    """Seconds for classes whose links are all there, for most, for few and for none that are consistent."""
    rows = []
    for share, consistent in ((1.0, True), (0.9, True), (0.6, True), (1.0, False)):
        chance = generator(0, "speed", str(share), str(consistent))
        links = []
        for first, second in combinations(range(6), 2):
            kept = (torch.rand(16_384, generator=chance) < share).nonzero().flatten()
            partners = kept if consistent else torch.randperm(16_384, generator=chance)[: len(kept)]
            links.append(Links(first, second, kept, partners, 1 - torch.rand(len(kept), generator=chance) / 2))
        started = time.process_time()
        found = classes([16_384] * 6, links)
        seconds = round(time.process_time() - started, 2)
        about = {"runs": 6, "atoms": 16_384, "linked": share, "consistent": consistent}
        rows.append(
            about | {"classes": len(found.members), "broken": found.broken, "cpu_seconds": seconds, "misses": []}
        )
    return rows


TABLES: dict[str, Callable[[int], Rows]] = {
    "counts": counts,
    "dictionaries": dictionaries,
    "noise": noise,
    "speed": speed,
}


def table(rows: Rows) -> Iterator[str]:
    """A line for each row, under the names of its columns."""
    cells = [list(rows[0]), *([_told(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        yield "  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))


def _told(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def main() -> None:
    """Make the tables asked for, print them, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=TABLES, action="append")
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    known = json.loads(asked.json.read_text(encoding="utf-8")) if asked.json and asked.json.exists() else {}
    found = {"format_version": FORMAT_VERSION, "machine": machine(), "versions": versions("reseed", "torch", "scipy")}
    tables = known.get("tables", {})
    for name in asked.only or TABLES:
        started = time.process_time()
        rows = TABLES[name](asked.repeats)
        tables[name] = {"repeats": asked.repeats, "cpu_seconds": round(time.process_time() - started), "rows": rows}
        missed = sum(bool(row["misses"]) for row in rows)
        print(f"{name}: {tables[name]['cpu_seconds']} CPU s, {missed} of {len(rows)} rows miss a target")
        print("\n".join(table(rows)), flush=True)
        if asked.json:
            ordered = {each: tables[each] for each in TABLES if each in tables}
            asked.json.write_text(json.dumps(found | {"tables": ordered}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
