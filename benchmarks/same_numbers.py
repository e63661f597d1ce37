"""Are the numbers of a study still what they were? Holds a study folder of format version 1 against one of version 2.

Usage:  python benchmarks/same_numbers.py BEFORE AFTER

BEFORE was written by reseed 9b287d2 or older (pairs.parquet and findings.json, version 2, at its top), AFTER by this
reseed, from the same study on the same machine. Runs are told apart by condition, start and run: ids have changed.
What training, matching, floors and barriers make has to be equal to the last bit; what comes from codes may move by
1e-6, because codes are computed from the snapshot now. Rounding decides a tie for the k-th place of a token: where
another atom won it, the numbers of that snapshot are listed apart. Exits with 1 where anything moved further.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import torch
from safetensors.torch import load_file

from reseed.findings import Findings
from reseed.trajectory import StudyFolder

EXACT, FROM_CODES, TIED, ROUNDING = 0.0, 1e-6, 1e-3, 1e-5
ANOTHER_WON = " (a tie fell otherwise)"
OF_CODES = ("r2", "loss", "l0", "alive", "code", "mass", "codes")
"""What is computed from codes: metrics, measures and tensors whose names begin so."""
COMPANION_FLOORS = 2.3e-16
"""One unit in the last place: floors of companions were averaged by another routine than that of the agreement."""
SAME_NAME = ("init_groups", "steps", "half_life", "contraction", "contraction_reason", "stable_rank")
SAME_NAME += ("atom_norm_squared", "subspace_rank", "spawn", "r2", "alive")

Part = Any
"""A part of a JSON document."""


class Told:
    """The largest difference of each kind of number, and how many were held against each other."""

    def __init__(self) -> None:
        self._by_kind: dict[str, list[float]] = {}

    def add(self, kind: str, before: float | None, after: float | None) -> None:
        """One number; undefined ones have to be undefined on both sides."""
        a, b = (math.nan if each is None else float(each) for each in (before, after))
        same = a == b or (math.isnan(a) and math.isnan(b))
        self._by_kind.setdefault(kind, []).append(0.0 if same else math.inf if math.isnan(a - b) else abs(a - b))

    def all(self, kind: str, before: torch.Tensor, after: torch.Tensor) -> None:
        """Tensors of one shape, as their largest difference; of another shape, infinitely far apart."""
        fits = before.shape == after.shape
        apart = (before.double() - after.double()).abs().max().item() if fits and before.numel() else 0.0
        self._by_kind.setdefault(kind, []).append(apart if fits else math.inf)

    def report(self) -> bool:
        """A line for each kind; whether all are as near as they have to be."""
        fine = True
        print(f"{'what':44} {'compared':>9} {'largest difference':>19}  allowed")
        for kind, apart in self._by_kind.items():
            allowed = _allowed(kind)
            ok = max(apart) <= allowed
            fine &= ok
            print(f"{kind:44} {len(apart):>9,} {max(apart):>19.3g}  {allowed:g}{'' if ok else '   MOVED'}")
        return fine


def _allowed(kind: str) -> float:
    if kind.endswith(ANOTHER_WON) or kind.startswith("means"):
        return TIED
    if kind.startswith("codes over"):
        return ROUNDING
    if any(part.startswith(OF_CODES) for part in kind.split()):
        return FROM_CODES
    # what is adjusted by the floor of a companion moves with it, (A - F) / (1 - F) near F = .9999 ten thousandfold
    companion = kind.split(maxsplit=1)[0] in {"mmcs", "shared", "projection", "whitened", "subspace"}
    companion &= not kind.endswith("words")
    return 1e4 * COMPANION_FLOORS if companion else COMPANION_FLOORS if kind.startswith("floors of") else EXACT


def main(before: Path, after: Path) -> int:
    """Compare, print, and say whether all is well."""
    told, old, new = Told(), StudyFolder.open(before), StudyFolder.open(after)
    ids = _ids(old, new)
    tied = _compare_runs(told, old, new, ids)
    _compare_draws(told, before, after)
    _compare_tables(told, old, new, ids, tied)
    document = json.loads((before / "findings.json").read_text(encoding="utf-8"))
    _compare_findings(told, document, Findings.read(after), ids)
    return 0 if told.report() else 1


def _ids(old: StudyFolder, new: StudyFolder) -> dict[str, str]:
    """The new id of every run by its old one."""
    return {
        was: now
        for before in old.manifest.conditions
        for after in [new.condition(before.name)]
        for was, now in zip((*before.runs, *before.children), (*after.runs, *after.children), strict=True)
    }


def _compare_runs(told: Told, old: StudyFolder, new: StudyFolder, ids: dict[str, str]) -> set[tuple[str, int]]:
    """Returns the snapshots in which another atom won a tie, by old id and step."""
    tied = set()
    for was, now in ids.items():
        a, b = old.run(was), new.run(now)
        for step, snapshot in a.snapshots.items():
            before, after = load_file(snapshot.path), load_file(b.snapshot(step).path)
            for name in before.keys() | after.keys():
                if not name.startswith("codes"):
                    told.all(f"snapshot {name}", before[name], after[name])
            was_active, is_active = a.snapshots[step].codes, b.snapshot(step).codes
            both = (was_active > 0) & (is_active > 0)
            largest = was_active.max().clamp(min=1e-30)
            told.all("codes over the largest code", was_active[both] / largest, is_active[both] / largest)
            if ((was_active > 0) != (is_active > 0)).any():
                tied.add((was, step))
        for name in a.metrics.columns:
            for step, x, y in zip(a.metrics["step"], a.metrics[name], b.metrics[name], strict=True):
                size = abs(x) if name == "loss" else 1.0  # in squared units of the activations
                told.add(f"metric {name}{_tie(name, (was, step) in tied)}", x / size, y / size)
    print(f"another atom won a tie in {len(tied)} of {sum(len(old.run(was).steps) for was in ids)} snapshots\n")
    return tied


def _tie(name: str, tied: object) -> str:
    return ANOTHER_WON if tied and name.startswith(OF_CODES) else ""


def _compare_draws(told: Told, before: Path, after: Path) -> None:
    for path in sorted(before.glob("floors/*/*/*.safetensors")):
        now = load_file(after / path.relative_to(before))
        told.all("draws of floors", load_file(path)["atoms"], now["atoms"])
    for path in sorted(before.glob("moments/*.safetensors")):
        for name, tensor in load_file(path).items():
            told.all("moments", tensor, load_file(after / path.relative_to(before))[name])


def _compare_tables(
    told: Told, old: StudyFolder, new: StudyFolder, ids: dict[str, str], tied: set[tuple[str, int]]
) -> None:
    table = pl.read_parquet(old.path / "pairs.parquet")
    for condition in old.manifest.conditions:
        rows = table.filter(pl.col("condition") == condition.name)
        now = {(r["step"], r["run_a"], r["run_b"]): r for r in new.compared(condition.name).table("pairs").to_dicts()}
        if len(rows) != len(now):
            told.add("number of pairs", len(rows), len(now))
        for row in rows.iter_rows(named=True):
            found = now[row["step"], ids[row["run_a"]], ids[row["run_b"]]]
            told.add("pair relation", 1.0, 1.0 if found["relation"] == row["relation"] else 0.0)
            for name, value in row.items():
                if isinstance(value, (int, float)) and name != "step":
                    another = tied & {(row["run_a"], row["step"]), (row["run_b"], row["step"])}
                    told.add(f"pair {name}{_tie(name, another)}", value, found[name])
        before, after = old.compared(condition.name).barriers(), new.compared(condition.name).barriers()
        if before is not None and after is not None:
            for row, found in zip(before.to_dicts(), after.to_dicts(), strict=True):
                for kind in ("matched", "unmatched"):
                    told.add(f"barrier {kind}", row[kind], found[kind])


def _compare_findings(told: Told, old: dict[str, Any], new: Findings, ids: dict[str, str]) -> None:
    told.add("headline", 1.0, 1.0 if old["headline"] == new.headline else 0.0)
    for before in old["conditions"]:
        after = new.condition(before["name"]).model_dump(mode="json")
        _compare_condition(told, before, after)
    for before, after in zip(old["comparisons"], new.model_dump(mode="json")["comparisons"], strict=True):
        _compare_leaves(told, "means over runs or pairs, comparison of arms at one R²", *_at_r2(before, after))
        _compare_leaves(told, "comparison of arms", *_without_r2(before, after))
    for before, after in zip(old["shared_dice"], new.model_dump(mode="json")["shared_dice"], strict=True):
        before["start_kind"] = before.pop("start")
        _compare_leaves(told, "effects of dice", before, after)
    warned = [_with(words, ids) for words in old["warnings"]]
    told.add("warnings", 1.0, 1.0 if warned == list(new.warnings) else 0.0)


def _at_r2(*documents: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: value for name, value in each.items() if "common_r2" in name} for each in documents]


def _without_r2(*documents: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: value for name, value in each.items() if "common_r2" not in name} for each in documents]


def _with(words: str, ids: dict[str, str]) -> str:
    for was, now in ids.items():
        words = words.replace(was, now)
    return words


def _compare_condition(told: Told, before: dict[str, Any], after: dict[str, Any]) -> None:
    _compare_leaves(told, "verdict and its sentences", before["verdict"], after["verdict"])
    for name, value, found in _renamed(before, after):
        of_codes = any(part.startswith(OF_CODES) for part in name.split())
        _compare_leaves(told, f"means over runs or pairs, {name}" if of_codes else name, value, found)


def _renamed(before: dict[str, Any], after: dict[str, Any]) -> Iterator[tuple[str, Part, Part]]:
    """Every part of version 2 beside the part of version 3 that holds the same."""
    for name in SAME_NAME:
        yield name if name in {"r2", "alive"} else f"findings {name}", before[name], after[name]
    measures = after["measures"]
    for key, curve in before["curves"].items():
        yield _curve(key, curve, after)
    for key, estimate in before["estimates"].items():
        yield _estimate(key, estimate, measures)
    for floor in before["floors"]:
        yield _floor("agreement", floor, measures)
    for measure, floors in before["companion_floors"].items():
        yield from (_floor(measure, {"name": name, "value": value}, measures) for name, value in floors.items())
    yield "strictest floor", before["strictest"], measures["agreement"]["strictest"] if measures else "step 0"
    for measure, name in before["companion_strictest"].items():
        yield "strictest floor", name, measures[measure]["strictest"]
    for key, estimate in before["barrier"].items():
        relation, kind = key.split()
        yield "barrier", estimate, after["barriers"][relation][kind]


def _curve(key: str, curve: Part, after: dict[str, Any]) -> tuple[str, Part, Part]:
    if key == "memory":
        return "curve memory", curve, after["memory"]
    plain = key.removesuffix(" adjusted")
    measure, _, relation = (f"agreement {plain}" if " " not in plain else plain).rpartition(" ")
    if relation in {"within", "between"} and measure in after["measures"]:
        kind = "adjusted_curve" if key.endswith(" adjusted") else "curve"
        return f"{measure} curve", curve, after["measures"][measure][relation][kind]
    return f"{key} curve", curve, after["metrics"][key]


def _estimate(key: str, estimate: Part, measures: dict[str, Any]) -> tuple[str, Part, Part]:
    adjusted, plain = key.endswith(" adjusted"), key.removesuffix(" adjusted")
    if plain == "between at step 0":
        return "agreement estimate", estimate, measures["agreement"]["born"]
    measure, _, number = (f"agreement {plain}" if " " not in plain else plain).rpartition(" ")
    of = measures[measure]
    if number == "gain":
        return f"{measure} estimate", estimate, of["gain_adjusted" if adjusted else "gain"]
    return f"{measure} estimate", estimate, of[number]["adjusted" if adjusted else "last"]


def _floor(measure: str, floor: dict[str, Any], measures: dict[str, Any]) -> tuple[str, Part, Part]:
    found = next(each for each in measures[measure]["floors"] if each["name"] == floor["name"])
    told = [name for name in ("value", "spread", "standard_error", "policy") if name in floor]
    kind = "floors" if measure == "agreement" else f"floors of companions, {measure}"
    return kind, {name: floor[name] for name in told}, {name: found[name] for name in told}


def _compare_leaves(told: Told, kind: str, before: Part, after: Part) -> None:
    """Every leaf of two documents of the same shape; words count as 0 where equal and 1 where not."""
    if isinstance(before, dict):
        for name, value in before.items():
            _compare_leaves(told, kind, value, after[name] if after is not None else None)
    elif isinstance(before, list):
        for one, other in zip(before, after, strict=True):
            _compare_leaves(told, kind, one, other)
    elif isinstance(before, str) or isinstance(after, str):
        told.add(f"{kind}: words", 0.0, 0.0 if before == after else 1.0)
    else:
        told.add(kind, before, after)


if __name__ == "__main__":
    if len(sys.argv) == 1:  # as `make bench` calls every script
        print(__doc__)
        sys.exit()
    sys.exit(main(*map(Path, sys.argv[1:])))
