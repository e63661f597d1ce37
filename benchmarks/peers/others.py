"""What reseed compare and reseed features say of other libraries' own seeds.

    python benchmarks/peers/others.py STORE OUT docs/assets/others.json

OUT is what benchmarks/peers/seeds.py trained on STORE; each folder OUT/<library>/<kind> with several runs is compared,
beside OUT/<library>/<kind>-surrogate where that is. `python docs/pages.py` makes docs/others.md of the file.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reseed import compare
from reseed.reappearance import find_features

if TYPE_CHECKING:
    from reseed.comparison import DictionaryComparison
    from reseed.findings import Interval
    from reseed.reappearance import Reappearance

ASKED: dict[str, dict[str, Any]] = {"overcomplete": {"k": 16, "delta": 1.0}}
"""What the files of a library do not say."""
SHOWN = 3
"""Features of each kind that come back most, and least, which are told with their texts."""


def row(place: Path, found: DictionaryComparison, seconds: float) -> dict[str, Any]:
    """One kind, as the page needs it."""
    (group,) = found.groups
    floors = {floor.name: floor.value for floor in (*group.nulls, *group.references)}
    looked = [(each.l0, each.r2, each.alive) for each in found.dictionaries]
    return {
        "library": place.parent.name,
        "kind": place.name,
        "runs": len(group.labels),
        "l0": _mean(each[0] for each in looked),
        "r2": _mean(each[1] for each in looked),
        "alive": _mean(each[2] for each in looked),
        "first": found.pairs[0].agreement,
        "agreement": _of(group.agreement),
        "replicated": _of(group.replicated),
        "code": _of(group.code) if group.code else None,
        "floors": floors,
        "code_kmeans": next((floor.value for floor in group.code_references), None),
        "code_null": _of(group.null_runs.code) if group.null_runs and group.null_runs.code else None,
        "fixed_points": [pair.fixed_points for pair in found.pairs],
        "born_alike": group.born_alike,
        "pairs": group.pairs,
        "word": group.word,
        "sentence": group.sentence,
        "seconds": round(seconds, 1),
    }


def features(found: Reappearance) -> dict[str, Any]:
    """Which features come back."""
    (recipe,) = found.document.recipes
    counted = recipe.recapture
    return {
        "reappearance": _of(recipe.reappearance),
        "many_to_one": _of(recipe.many_to_one),
        "null": recipe.null,
        "null_reappearance": recipe.null_reappearance.value,
        "null_many_to_one": recipe.null_many_to_one.value,
        "frequencies": counted.frequencies,
        "at_least": None if counted.at_least is None else counted.at_least.low,
        "new": [counted.new.value, counted.new.low, counted.new.high],
        "most": [each.model_dump() for each in recipe.most],
        "least": [each.model_dump() for each in recipe.least],
        "crowding": [each.model_dump() for by in recipe.strata if by.by == "crowding" for each in by.strata],
    }


def _of(found: Interval) -> list[float]:
    return [found.value, found.low, found.high]


def _mean(values: Any) -> float:  # noqa: ANN401 (any numbers)
    listed = list(values)
    return sum(listed) / len(listed)


def main() -> None:
    """Compare every kind, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("file", type=Path)
    asked = parser.parse_args()
    rows = []
    for place in sorted(path for path in asked.out.glob("[a-z]*/*") if path.is_dir() and len(_runs(path)) > 1):
        if place.name.endswith("-surrogate"):
            continue
        null = _runs(place.with_name(f"{place.name}-surrogate"))
        began = time.perf_counter()
        given = ASKED.get(place.parent.name, {})
        found = compare(
            *_runs(place), activations=asked.store, null=null, groups=[place.name] * len(_runs(place)), **given
        )
        seconds = time.perf_counter() - began
        back = find_features(
            *_runs(place),
            activations=asked.store,
            null=null,
            groups=[place.name] * len(_runs(place)),
            shown=SHOWN,
            **given,
        )
        rows.append(row(place, found, seconds) | {"features": features(back)})
        print(rows[-1]["sentence"])
    versions = json.loads((asked.out / "versions.json").read_text("utf-8"))
    told = {"store": asked.store.name, "versions": versions.get("versions", {}), "rows": rows}
    asked.file.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


def _runs(folder: Path) -> list[Path]:
    """The runs of a kind: folders, or the one file that a library saves in each."""
    runs = sorted(path for path in folder.glob("*") if path.is_dir())
    return [run / "model.pt" if (run / "model.pt").exists() else run for run in runs]


if __name__ == "__main__":
    main()
