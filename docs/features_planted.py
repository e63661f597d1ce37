# ruff: noqa: INP001 (a script, with prose in it)
"""The page of features whose truth is planted, for `pages.py`: what benchmarks/recapture.py and blocks.py counted."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reseed._support.numbers import rounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Figures = dict[str, Any]
RECAPTURE = Path(__file__).parent / "assets/recapture.json"
BLOCKS = Path(__file__).parent / "assets/blocks.json"
RANKS = range(1, 9)

_HEAD = """\
# Which features come back, where it is known

<!-- Made by docs/features_planted.py and docs/pages.py from what benchmarks/recapture.py and blocks.py write. -->

[`reseed features`](../commands/features.md) says which features come back, how many there are, and which come back as a
block. Here these are planted, so that it can be counted how often it is right. The targets were set before anything was
measured; what misses one is in **bold**.

## How many features are there?

"""

_COUNTS = """\
**Counts alone.** Features are found in each run with a chance of their own, drawn from a law; nothing is matched. Over
{repeats:,} repetitions each, of 100, 500 or 2,000 features: how often the lower limit of the bound, and of Chao's, lies
at or below the truth (target .95), and how often the forecast of what one run more brings covers it (.93). Shown is the
worst of 3, 4, 6 and 8 runs.

"""

_DICTIONARIES = """\
**Real matchings.** {planted} features in each of some dictionaries, with noise on every atom, matched as ever; without
and with atoms that only one run has. {repeats} repetitions. Beside the limits: the share of the planted features that
have an atom with a cosine of .9 or more, in a consensus as large as a run (of means, of medoids) and in the best single
run, and how often the consensus of means has at least as many as the best run.

"""

_CHAO = """\
Chao's bound takes atoms that one run alone has for rare features: where runs have atoms of their own it is far too
high. That is why the bound that is shown first counts only features that come back.

"""

_NOISE = """\
**Nothing planted.** Random dictionaries, and chance links between them, in {rows} settings of {repeats:,} repetitions:
"no saturation, no bound" in a share of {least} at least (target .95).

"""

_BLOCKS = """\
## Atom, block or nothing

For every 128 atoms one subspace of each rank from 1 to 8 is planted; every run learns it by a basis of its own, with an
error in every atom, and has unrelated atoms beside. Shown: the share of planted atoms that are found in a block of the
planted size (target .90), and in brackets, where it is not 1, the share whose own subspace, as these runs have learned
it, comes back by the rule at all. With orthonormal bases it always does. Unit vectors in random directions nearly
depend on each other: an error in them turns their span, and what has not come back no search can find. {repeats}
repetitions.

"""

_ALONE = """\
Planes often come back as two atoms. A block that is not found is no proof that there is none.

"""

_FALSE = """\
**Nothing planted.** Of unrelated atoms beside planted blocks a share of {beside} at most is called part of a block; of
random directions, in {rows} settings, {random} at most (target .05).

"""

_AGAIN = """\
## How to repeat it

```
python benchmarks/recapture.py --json docs/assets/recapture.json
python benchmarks/blocks.py --json docs/assets/blocks.json
python docs/pages.py
```
"""


def page() -> str:
    """The page of features whose truth is planted."""
    recapture, blocks = (json.loads(path.read_text(encoding="utf-8"))["tables"] for path in (RECAPTURE, BLOCKS))
    counts, dictionaries, noise = (recapture[name] for name in ("counts", "dictionaries", "noise"))
    planted, random = blocks["planted"], blocks["isotropic"]
    return "".join(
        [
            _HEAD,
            _COUNTS.format(repeats=counts["repeats"]) + _counts(counts["rows"]),
            _DICTIONARIES.format(repeats=dictionaries["repeats"], planted=dictionaries["rows"][0]["planted"]),
            _dictionaries(dictionaries["rows"]) + _CHAO,
            _NOISE.format(
                rows=len(noise["rows"]),
                repeats=noise["repeats"],
                least=rounded(min(row["no_saturation"] for row in noise["rows"])),
            ),
            _BLOCKS.format(repeats=planted["repeats"]) + _blocks(planted["rows"]) + _ALONE,
            _FALSE.format(
                beside=rounded(max(_in_blocks(row) for row in planted["rows"] if row["planted"] == 0)),
                rows=len(random["rows"]),
                random=rounded(max(row["false"] for row in random["rows"])),
            ),
            _AGAIN,
        ]
    )


def _counts(rows: Sequence[Figures]) -> str:
    by_law = groupby(sorted(rows, key=lambda row: row["law"]), key=lambda row: row["law"])
    cells = ((law, *_worst(list(alike), {"below": 0.95, "chao_below": 0.95, "covers": 0.93})) for law, alike in by_law)
    return _table(("chance of being found", "bound", "Chao", "forecast"), cells)


def _worst(rows: Sequence[Figures], targets: dict[str, float]) -> list[str]:
    return [_told(min(row[name] for row in rows), target) for name, target in targets.items()]


def _dictionaries(rows: Sequence[Figures]) -> str:
    head = ("chance of being found", "runs", "noise", "own atoms", "least cosine", "bound", "Chao", "forecast")
    more = ("mean", "medoid", "best run", "mean at least as good")
    cells = (
        (
            row["law"],
            str(row["runs"]),
            row["noise"],
            "yes" if row["own"] else "no",
            rounded(row["above"]),
            _told(row["below"], 0.95),
            _told(row["chao_below"], 0.95),
            _told(row["covers"], 0.93),
            *(rounded(row[name]) for name in ("mean", "medoid", "best_run")),
            _told(row["at_least_best"], 1.0),
        )
        for row in rows
    )
    return _table((*head, *more), cells)


def _blocks(rows: Sequence[Figures]) -> str:
    def case(row: Figures) -> tuple[str, ...]:
        searched = "" if row["all_atoms"] else ", without atoms that come back"
        return (
            f"{row['n_runs']} runs of {row['n_atoms']} in {row['d_model']}, error {rounded(row['noise'])}",
            f"{row['bases']}, by {row['growth']}{searched}",
        )

    cells = []
    for about, alike in groupby(rows, key=case):
        by_rank = {row["planted"]: row for row in alike}
        cells.append((*about, *(_right(by_rank[rank]) for rank in RANKS)))
    return _table(("", "bases, and how sets grow", *map(str, RANKS)), cells)


def _right(row: Figures) -> str:
    possible = "" if row["possible"] == 1 else f" ({rounded(row['possible'])})"
    return _told(row["right"], 0.9) + possible


def _in_blocks(row: Figures) -> float:
    return sum(row[str(size)] for size in RANKS if size > 1)


def _told(value: float, target: float) -> str:
    return rounded(value) if value >= target else f"**{rounded(value)}**"


def _table(head: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in cells)]
    return "\n".join(lines) + "\n\n"
