"""How much a null moves with the sample that it is drawn on: another realisation beside a study's own.

    python benchmarks/realisations.py FILE STUDY ...      FILE gets a line of JSON for each centred condition

The study has been run. The same arms, steps and number of starts are trained on another sample of structureless rows
with the moments and lengths of the same activations.
"""

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reseed import Findings, Study, open_activations, run, write_surrogate
from reseed.calibration.folders import passing_folder
from reseed.findings import ConditionFindings, Interval
from reseed.spec import Floors

ROW = "{:<32} {:<24} {:>7} {:>7} {:>7} {:>16} {:>10}"
SEEN = "centre"


def again(folder: Path, realisation: int) -> Iterator[dict[str, Any]]:
    """The nulls of a study's centred conditions on its own surrogate, and on another."""
    study, before = Study.read(folder / "study.toml"), Findings.read(folder)
    held = {each.name: each for each in before.conditions if each.preprocess == SEEN}
    with passing_folder() as place:
        real = open_activations(study.activations)
        write_surrogate(real, place / "rows", study.floors.surrogate, realisation=realisation, progress=False)
        other = study.model_copy(
            update={
                "activations": str(place / "rows"),
                "preprocess": (SEEN,),
                "starts": study.floors.surrogate_starts,
                "runs_per_start": 1,
                "floors": Floors(surrogate="off"),
            }
        )
        found = run(other, place / "study", quiet=True)
    for condition in found.conditions:
        yield _beside(before, held[condition.name], condition, realisation)


def _beside(study: Findings, held: ConditionFindings, other: ConditionFindings, realisation: int) -> dict[str, Any]:
    own = held.surrogate
    return {
        "model": study.activations["model"],
        "layer": study.activations["layer"],
        "arm": held.arm,
        "preprocess": held.preprocess,
        "realisation": realisation,
        "outcome": str(held.verdict.outcome),
        "between": held.agreement.between.last.value,
        "own": _ends(own.last),
        "other": _ends(other.agreement.between.last),
        "own contraction": _ends(own.contraction),
        "other contraction": _ends(other.contraction),
    }


def _ends(found: Interval) -> list[float]:
    return [found.value, found.standard_error]


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each condition: both nulls, their difference in standard errors, and as a share of what is beyond."""
    yield ROW.format("activations", "arm", "B(T)", "null", "other", "difference (se)", "of beyond")
    for row in rows:
        (own, error), (other, other_error) = row["own"], row["other"]
        moved, beyond = other - own, row["between"] - own
        told = f"{moved:+.4f} ({moved / math.hypot(error, other_error):+.1f})"
        place = f"{row['model'][:24]} {row['layer']}"
        share = f"{moved / beyond:+.1%}"
        yield ROW.format(place, row["arm"], f"{row['between']:.3f}", f"{own:.3f}", f"{other:.3f}", told, share)


def main() -> None:
    """Measure the studies that are named, and print all that the file has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("studies", type=Path, nargs="*")
    parser.add_argument("--realisation", type=int, default=1)
    asked = parser.parse_args()
    for folder in asked.studies:
        found = list(again(folder, asked.realisation))
        with asked.file.open("a", encoding="utf-8") as out:
            out.write("".join(json.dumps(row) + "\n" for row in found))
    print("\n".join(table([json.loads(line) for line in asked.file.read_text("utf-8").splitlines()])))


if __name__ == "__main__":
    main()
