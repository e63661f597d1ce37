"""The verdict on trial: really trained studies of every family of activations, whose right word was stated before.

    python benchmarks/trials.py FILE --repeats 200         go on until every family has that many; any number of times
    python benchmarks/trials.py FILE --table               what came out so far

FILE has a line of JSON for each condition of each study. A family's right word and its reason stand in
`reseed.calibration.families`; a trial never changes them.
"""

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reseed.calibration.families import ARMS, FAMILIES, Family
from reseed.calibration.folders import passing_folder
from reseed.calibration.results import share
from reseed.calibration.trained import train_study
from reseed.spec import Dice, Floors, Thresholds
from reseed.verdict import CLAIMS

ROW = "{:<20} {:<8} {:>6} {:>22}  {}"


def trial(family: Family, repeat: int) -> Iterator[dict[str, Any]]:
    """The words of one study, with what they were found from. Reconstruction is not asked for: noise has none."""
    started = time.process_time()
    settings: dict[str, Any] = {
        "starts": 4,
        "runs_per_start": 1,
        "floors": Floors(kmeans_steps=5),
        "thresholds": Thresholds(min_r2=-1.0),
        "dice": Dice(replicate=repeat),
    }
    with passing_folder() as folder:
        findings = train_study(folder, family.draw(repeat), *family.arms, steps=family.steps, batch_size=64, **settings)
    for condition in findings.conditions:
        last, surrogate = condition.agreement.between, condition.surrogate
        yield {
            "family": family.name,
            "repeat": repeat,
            "arm": condition.arm,
            "word": condition.verdict.outcome,
            "because": condition.verdict.because,
            "first": last.curve.value[0],
            "last": last.last.value,
            "surrogate": surrogate and [surrogate.born.value, surrogate.last.value],
            "cpu_seconds": round(time.process_time() - started, 2),
        }


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each family and arm: how often structure was claimed, and all words."""
    yield ROW.format("family", "arm", "trials", "claims", "words")
    words: dict[tuple[str, str], Counter[tuple[str, str]]] = defaultdict(Counter)
    for row in rows:
        words[row["family"], row["arm"]][row["word"], row["because"]] += 1
    for family in FAMILIES:
        for arm in ARMS:
            found = words[family.name, arm.name]
            if total := found.total():
                claimed = sum(count for (word, _), count in found.items() if word in CLAIMS)
                told = ", ".join(f"{count} {word}{why and f' ({why})'}" for (word, why), count in found.most_common())
                kind = "" if family.identifiable else "false: "
                yield ROW.format(family.name, arm.name, total, kind + share(claimed, total), told)


def main() -> None:
    """Make the trials that are missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--family", choices=[family.name for family in FAMILIES], action="append")
    parser.add_argument("--table", action="store_true", help="make none")
    asked = parser.parse_args()
    known = asked.file.read_text("utf-8").splitlines() if asked.file.exists() else []
    rows = [json.loads(line) for line in known]
    done = {(row["family"], row["repeat"]) for row in rows}
    ahead = [
        (family, repeat)
        for repeat in range(0 if asked.table else asked.repeats)
        for family in FAMILIES
        if (family.name, repeat) not in done and (not asked.family or family.name in asked.family)
    ]
    for family, repeat in ahead:
        found = list(trial(family, repeat))
        with asked.file.open("a", encoding="utf-8") as out:
            out.write("".join(json.dumps(row) + "\n" for row in found))  # a study at a time, or it has no line
        rows += found
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
