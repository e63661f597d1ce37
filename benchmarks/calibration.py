"""How far a verdict can be trusted: rates and cases with known answers, for the page "How far to trust a verdict".

    python benchmarks/calibration.py --json docs/assets/calibration.json      everything, about forty CPU minutes
    python benchmarks/calibration.py --only coverage --json FILE              one table; the others in FILE stay
    python benchmarks/calibration.py --repeats 10                             quick and coarse

`--repeats` is the number of trained studies behind a rate; studies whose cosines are chosen are judged ten times as
often, and pair matrices drawn twenty times.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from _machine import machine, versions

from reseed.calibration import births as birth
from reseed.calibration import cases, claims, matrices, trained
from reseed.calibration import reproductions as published
from reseed.calibration.results import Rate
from reseed.pipeline.looks import looks_between, spent_equally

FORMAT_VERSION = 1
"""1: the first."""

Rows = list[dict[str, Any]]
MATRICES, BUILT = 20, 10  # for each trained study: pair matrices, and studies whose cosines are chosen
LEAST = 0.93
RUNS, STARTS = (4, 5, 8, 12), (3, 4, 5, 8)
MORE = [(5, 5), (8, 8)]  # starts, and starts of the surrogate
LOW, HIGH = 0.25, 0.75  # what the surrogate ends at
LOOKED = 3, 12  # starts at the first look, and at the last


def coverage(repeats: int) -> Rows:
    """Intervals of B by how effects are spread and distributed, runs and starts as units."""
    rows = []
    for law, skewness in matrices.LAWS.items():
        for name, spread in matrices.SPREADS.items():
            skewed = replace(spread, skewness=skewness)
            least = 0.0 if law == "strongly skewed" else LEAST
            for runs, sizes in ((1, RUNS), (2, STARTS)):
                for size in sizes:
                    kept, naive = matrices.coverage(skewed, size, runs, repeats * MATRICES, least=least)
                    about = {"law": law, "spread": name, "starts": size, "runs": runs, "naive": naive.value}
                    rows.append(about | _rate(kept))
    return rows


def contrasts(repeats: int) -> Rows:
    """Differences of arms, equivalence tests and permutation tests."""
    count = repeats * MATRICES
    rates = []
    for name in ("starts only", "as measured"):
        spread = matrices.SPREADS[name]
        rates += [_named(matrices.welch(spread, sizes, count, least=LEAST), name) for sizes in ((3, 3), (4, 8), (8, 4))]
        rates += [_named(matrices.tost(spread, size, count), name) for size in (3, 4, 5, 8)]
    for size, runs in ((5, 1), (4, 2), (6, 1)):
        rates += matrices.permutation(matrices.SPREADS["starts and pairs"], size, runs, count // 4)
    return [_rate(rate) for rate in rates]


def nulls(repeats: int) -> Rows:
    """Studies in which there is nothing to claim, built."""
    kinds = [(truth, "as measured", starts) for truth in claims.NULLS for starts in (3, 5)]
    at_the_null = next(truth for truth in claims.NULLS if truth.first < truth.last == truth.null[1])
    kinds += [(at_the_null, spread, starts) for spread in ("starts only", "small") for starts in STARTS]
    rows = []
    for truth, spread, starts in kinds:
        made, known = claims.false_claims(truth, spread, starts, repeats * BUILT)
        about = {"truth": truth.name, "spread": spread, "starts": starts, "null_known": known.value}
        rows.append(about | _rate(made))
    return rows


def noise(repeats: int) -> Rows:
    """Pure noise, trained."""
    return [_rate(trained.noise_claims(repeats))]


def power(repeats: int) -> Rows:
    """Studies in which a gain was planted."""
    rows = []
    for margins, null, alike in ((2.0, LOW, False), (4.0, LOW, False), (2.0, HIGH, True), (4.0, HIGH, True)):
        truth = claims.gaining(margins, null=null, born_alike=alike)
        sizes = [(starts, claims.SURROGATE_STARTS) for starts in STARTS] + (MORE if null == HIGH else [])
        for starts, beside in sizes:
            rate = claims.power(truth, "as measured", starts, repeats * BUILT // 2, beside=beside)
            rows.append({"margins": margins, "null": null, "starts": starts, "surrogate_starts": beside} | _rate(rate))
    return rows


def looks(repeats: int) -> Rows:
    """Built studies that grow until their word is settled: what is claimed, and at how many starts."""
    planned = spent_equally(looks_between(*LOOKED), 1 - claims.LEVEL)
    truths = [*claims.NULLS]
    truths += [
        claims.gaining(margins, null=null, born_alike=null == HIGH) for margins in (2.0, 4.0) for null in (LOW, HIGH)
    ]
    rows = []
    for truth in truths:
        rate, starts = claims.looked_at(truth, "as measured", planned, repeats * BUILT // 2)
        at_once = claims.power(truth, "as measured", LOOKED[1], repeats, beside=LOOKED[1])
        about = {"truth": truth.name, "null": truth in claims.NULLS, "starts": starts, "at_once": at_once.value}
        rows.append(about | {"looks": [look.starts for look in planned]} | _rate(rate))
    return rows


def births(repeats: int) -> Rows:
    """The birth test on trained runs: chance, common starts, and what is alike for another reason."""
    n_runs = max(3, 46 * repeats // 200)  # 1,035 pairs at 200 repeats
    rows = [_rate(rate) | {"kind": "null"} for method in birth.METHODS for rate in birth.nulls(method, n_runs)]
    n_pairs = max(2, repeats // 4)
    rows += [_rate(rate) | {"kind": "start"} for rate in birth.found(n_pairs)]
    rows += [
        {"kind": "pitfall", "name": name, "guarded": guarded, "unguarded": unguarded, "repeats": n_pairs}
        for name, guarded, unguarded in birth.pitfalls(n_pairs)
    ]
    return rows


def answers(_: int) -> Rows:
    """Trained studies whose verdict is known."""
    return [asdict(case) for case in cases.answers()]


def reproductions(_: int) -> Rows:
    """Published and simulated numbers."""
    return [asdict(case) for case in published.reproductions()]


TABLES: dict[str, Callable[[int], Rows]] = {
    "coverage": coverage,
    "contrasts": contrasts,
    "nulls": nulls,
    "noise": noise,
    "power": power,
    "looks": looks,
    "births": births,
    "answers": answers,
    "reproductions": reproductions,
}


def main() -> None:
    """Make the tables asked for, print them, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=TABLES, action="append")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    known = json.loads(asked.json.read_text(encoding="utf-8")) if asked.json and asked.json.exists() else {}
    found = {"format_version": FORMAT_VERSION, "machine": machine(), "versions": versions("reseed", "torch", "scipy")}
    tables = known.get("tables", {})
    for name in asked.only or TABLES:
        started = time.process_time()
        rows = TABLES[name](asked.repeats)
        tables[name] = {"repeats": asked.repeats, "cpu_seconds": round(time.process_time() - started), "rows": rows}
        print(f"{name}: {tables[name]['cpu_seconds']} CPU s")
        for row in rows:
            print("  " + ", ".join(f"{key} {value}" for key, value in row.items()))
        if asked.json:
            ordered = {each: tables[each] for each in TABLES if each in tables}
            asked.json.write_text(json.dumps(found | {"tables": ordered}, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _rate(rate: Rate) -> dict[str, Any]:
    return asdict(rate) | {"value": round(rate.value, 4), "holds": rate.holds}


def _named(rate: Rate, name: str) -> Rate:
    return replace(rate, name=f"{rate.name} ({name})")


if __name__ == "__main__":
    main()
