# ruff: noqa: INP001 (a script)
"""The page of the whole tradition, for `pages.py`; and its record.

python docs/tradition.py STUDY ...     what these studies found takes the place of what the record has of them
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reseed._support.files import write_text
from reseed._support.numbers import interval, percent, rounded
from reseed.findings import Findings
from reseed.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reseed.findings import ConditionFindings, Interval

Record = dict[str, Any]
RECORDED = Path(__file__).parent / "assets/tradition.json"
DIGITS = 4
SEEN = {"centre": "centred", "standardise": "standardised"}

_HEAD = """\
# The tradition

<!-- Made by docs/tradition.py and docs/pages.py from docs/assets/tradition.json. -->

Sparse autoencoders are the latest of many ways to write activations as sums of a few directions. Clustering, matrix
factorisation and dictionary learning came before, and the claim that they are the stable ones has been made:
classical methods at .92 and relaxed archetypal autoencoders at .93 beside TopK at .54 to .60 ([Fel et al.
2025](references.md#fel2025archetypal)), from starts that all runs share or that have no chance in them. Here they
stand under one audit: independent starts, trajectories from step 0, the same learner on structureless rows as the
null, and reconstruction beside it.

## The learners

| kind | what it is | codes | up to sign |
|---|---|---|---|
{learners}

Each is a `kind` of [study.toml](study-toml.md#armsmethod), one file in `src/reseed/methods/` with its formula and
source, proven step by step against scikit-learn or its definition in `tests/methods/`. scikit-learn's own objects do
not do the arithmetic: none of them gives back, by its public interface, all that a next iteration needs, so that a
run could be neither resumed to the same bytes nor trained on a GPU. *A step is an iteration on a batch*, and step 0
is the start: the trajectory, matching, nulls and verdict are those of autoencoders.

**Starts without chance.** scikit-learn's defaults for NMF (`nndsvda`) and DictionaryLearning (`svd`) depend on the
data alone: their runs agree 1.00 across `random_state`, at step 0 already. reseed says so before it trains, and calls
the outcome *inherited*. PCA has one solution whatever its start: *inherited* as well, by a reason of its own.

## The design

Written down, with the script that runs it (`benchmarks/tradition.py`), before any of these studies was run.

- **Activations**: 250,000 tokens of State of the Union messages in four cells, half of the eight combinations of
  model (SmolLM2-135M-Instruct, all-MiniLM-L6-v2), layer (early, late) and preprocessing (centred, standardised): each
  value twice, and each pair of values of two of them once. SmolLM2 layer 5 and MiniLM layer 5 centred, SmolLM2 layer
  20 and MiniLM layer 2 standardised.
- **Runs**: three independent starts, two runs of each, and three starts on the surrogate, for every arm of every
  cell.
- **Autoencoders**: every kind but transcoders, 512 atoms, about 16 active (k, or a penalty that `reseed tune --l0 16`
  finds on the cell), 1,200 steps of 1,024 tokens with a rate that falls all the way; archetypal ones from k-means
  starts with 1,024 points, the others from random directions. The rates, .01 and .0015, are those of
  [findings](findings.md).
- **Classical learners** at 512 atoms, 100 iterations of 4,096 tokens, from random directions and from their usual
  start: with k = 16, or a penalty by `reseed tune --l0 16`. k-means has one atom per token; as a control also with 16
  rounds of matching pursuit among its centroids. Mixtures of points (archetypal analysis, convex NMF), which cost
  most, 40 iterations.
- **As many atoms as dimensions**: ICA, PCA and sparse PCA, 40 iterations of 16,384 tokens, a panel of their own: they
  use all atoms for every token.
- **NMF** factorises the positive and the negative half of centred activations side by side.
- **Level** is what changes by at most .01, in R² and in agreement, for every doubling of the steps over the last
  third. What is not is listed, and not dropped.
- **Cut**, to about eight hours of two cores: the other half of the cells, several lengths of training, tuning of
  rates on every cell, starts of archetypal kinds other than k-means.

"""

_COLUMNS = (
    *("arm", "verdict", "started apart: step 0 → end", "same start", "null", "k-means", "codes", "replicated"),
    *("R²", "L0", "alive", "forgets by", "level"),
)
_TABLE = f"| {' | '.join(_COLUMNS)} |\n{'|---' * len(_COLUMNS)}|\n"

_READING = """\
*Started apart* and *same start* are mean cosines of atoms matched one to one, between runs of different starts and of
one start at the end, with 95 % intervals over starts; up to sign where the table above says so. *Null* is the same
recipe on rows with only the mean, covariance and lengths of the activations, *k-means* what centroids of two draws of
the activations agree, a reference that decides nothing. *Codes* is the correlation of matched atoms' codes,
*replicated* the share of matched pairs beyond the null's 99th percentile. *Forgets by* is the step from which on runs
that share a start agree by less than half of what that gave them. *Level* names what has not levelled off. Numbers
are about all atoms, words about living ones: where few are *alive*, on held-out tokens, the two can differ. How often
words are wrong where there is nothing to find was tried for TopK, ReLU and RA-TopK ([trust](concepts/trust.md)), and
for none of the classical learners.

"""

_AGAIN = """\
## How to repeat it

```
for layer in 5 20; do reseed collect smollm2 --layer $layer --text sotu --tokens 250000 --out tradition/activations/smollm2-l$layer; done
for layer in 2 5; do reseed collect minilm --layer $layer --text sotu --tokens 250000 --out tradition/activations/minilm-l$layer; done
python benchmarks/tradition.py tradition
python docs/tradition.py tradition/*/
python docs/pages.py
```

The third line goes on where it was stopped.
"""  # noqa: E501 (commands)


def record(findings: Findings, before: Record) -> Record:
    """The record with the small part of a study that the page tells."""
    _, panel = findings.study["name"].removeprefix("Tradition: ").split(", ")
    about, training = dict(findings.activations), findings.study["training"]
    study = {
        "model": about["model"],
        "layer": about["layer"],
        "preprocess": findings.conditions[0].preprocess,
        "panel": panel,
        "steps": training["steps"],
        "batch_size": training["batch_size"],
        "conditions": [_condition(each) for each in findings.conditions],
    }
    return before | {findings.study["name"]: study}


def _condition(found: ConditionFindings) -> Record:
    agreement, code, replicated = (found.measures[name] for name in ("agreement", "code", "replicated"))
    surrogate, level = found.surrogate, found.levelling
    finished = [run.metrics["l0"][-1] for run in found.runs if run.status == "finished"]
    return {
        "arm": found.arm,
        "kind": found.kind,
        "outcome": str(found.verdict.outcome),
        "because": found.verdict.because,
        "sentence": found.verdict.sentence,
        "init_groups": found.init_groups,
        "born": _ends(agreement.born),
        "between": _ends(agreement.between.last),
        "within": _ends(agreement.within.last),
        "gain": _ends(agreement.gain),
        "contraction": _ends(found.contraction),
        "surrogate": surrogate and {name: _ends(getattr(surrogate, name)) for name in ("born", "last", "contraction")},
        "floors": {floor.name: _short(floor.value) for floor in agreement.floors},
        "code": _ends(code.between.last),
        "code at step 0": _ends(code.born),
        "replicated": _ends(replicated.between.last),
        "r2": _ends(found.r2),
        "l0": _short(math.fsum(finished) / len(finished)) if finished else None,
        "alive": _short(found.alive.value),
        "half_life": _short(found.half_life),
        "level": level and {"r2": _ends(level.r2), "agreement": _ends(level.agreement), "most": _short(level.most)},
    }


def _ends(found: Interval | None) -> list[float | None] | None:
    return None if found is None else [_short(each) for each in (found.value, found.low, found.high)]


def _short(value: float) -> float | None:
    return round(value, DIGITS) if math.isfinite(value) else None


def page() -> str:
    """The page, from what is recorded."""
    known = json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {}
    cells: dict[tuple[str, int, str], list[Record]] = {}
    for study in known.values():
        cells.setdefault((study["model"], study["layer"], study["preprocess"]), []).append(study)
    told = "".join(_cell(*cell, studies) for cell, studies in cells.items())
    found = f"## What was found\n\n{_state(len(cells))}{_READING}{told}{_beside(cells)}" if cells else _NOTHING
    return _HEAD.format(learners="\n".join(_learners())) + found + _AGAIN


_CLAIMED = {
    "kmeans-kmeanspp": ("k-means", "classical methods: about .92"),
    "nmf-nndsvda": ("NMF from its library's start", "classical methods: about .92"),
    "ksvd-data": ("K-SVD", "classical methods: about .92"),
    "topk-random": ("TopK", ".54 to .60"),
    "ra-topk-kmeans": ("RA-TopK", "about .93"),
}
"""What was claimed of an arm's method."""

_CLAIMS = """\
### The published claims beside ours

Published numbers are matched agreement of two runs at the end, from a start that both share or that has no chance in
it: the column *same start*. *Started apart* and *null* are what that leaves out. They are of another model, one of
images, and of other sizes: what compares is the place of each column, not its digits.

| | published | activations | same start | started apart | null |
|---|---|---|---|---|---|
"""


def _beside(cells: dict[tuple[str, int, str], list[Record]]) -> str:
    """What runs that share a start claim, and what is earned, of the arms that claims were made of."""
    rows = [
        f"| {called} | {claimed} | {model.partition('-')[0]}, layer {layer}, {SEEN[seen]} | {_value(each['within'])} "
        f"| {_estimated(each['between'])} | {_value(each['surrogate'] and each['surrogate']['last'])} |"
        for arm, (called, claimed) in _CLAIMED.items()
        for (model, layer, seen), studies in cells.items()
        for study in studies
        for each in study["conditions"]
        if each["arm"] == arm
    ]
    return _CLAIMS + "\n".join(rows) + "\n\n" if rows else ""


_NOTHING = "## What was found\n\nThe studies have not been run yet.\n\n"


def _state(cells: int) -> str:
    return (
        ""
        if cells == len(_CELLS)
        else f"{cells} of {len(_CELLS)} cells have been run so far, not all of them whole.\n\n"
    )


_CELLS = ("smollm2-l5", "minilm-l5", "smollm2-l20", "minilm-l2")


def _learners() -> Iterable[str]:
    for kind, method in METHODS.items():
        if kind in _CLASSICAL:
            sign = "where codes have both signs" if isinstance(method.sign, property) else _YES[method.sign]
            yield f"| `{kind}` | {method.meaning().rstrip('.')} | {method.code_rule} | {sign} |"


_YES = {"abs": "yes", "signed": "no"}
_CLASSICAL = (
    *("kmeans", "nmf", "semi-nmf", "convex-nmf", "archetypal-analysis", "online-dl", "ksvd", "mod"),
    *("ica", "pca", "sparse-pca", "random"),
)


def _cell(model: str, layer: int, preprocess: str, studies: list[Record]) -> str:
    panels = "".join(
        f"**{study['panel'].capitalize()}**, {study['steps']:,} steps of {study['batch_size']:,} tokens\n\n{_TABLE}"
        + "".join(f"{_row(each)}\n" for each in study["conditions"])
        + "\n"
        for study in studies
    )
    return f"### {model}, layer {layer}, {SEEN[preprocess]}\n\n{panels}"


def _row(each: Record) -> str:
    word = each["outcome"] + (f" ({each['because']})" if each["because"] else "")
    cells = (
        f"`{each['arm']}`",
        word,
        f"{_value(each['born'])} → {_estimated(each['between'])}",
        _value(each["within"]),
        _value(each["surrogate"] and each["surrogate"]["last"]),
        _number(each["floors"].get("kmeans")),
        _value(each["code"]),
        "null too near 1" if each["replicated"][0] is None else percent(max(0.0, each["replicated"][0])),
        _value(each["r2"]),
        "n/a" if each["l0"] is None else f"{each['l0']:.1f}",
        _share(each["alive"]),
        "n/a" if each["half_life"] is None else f"{each['half_life']:.0f}",
        _level(each["level"]),
    )
    return f"| {' | '.join(cells)} |"


def _level(found: Record | None) -> str:
    if found is None:
        return "n/a"
    off = [
        f"{called} {'+' if found[name][0] > 0 else ''}{rounded(found[name][0])}"
        for name, called in (("r2", "R²"), ("agreement", "agreement"))
        if found[name][0] is not None and abs(found[name][0]) > found["most"]
    ]
    return ", ".join(off) or "yes"


def _value(ends: list[float | None] | None) -> str:
    return _number(ends[0]) if ends else "n/a"


def _share(value: float | None) -> str:
    return "n/a" if value is None else percent(value)


def _number(value: float | None) -> str:
    return "n/a" if value is None else rounded(value)


def _estimated(ends: list[float | None]) -> str:
    value, low, high = (math.nan if end is None else end for end in ends)
    return f"{rounded(value)} {interval(low, high)}".strip()


def main() -> None:
    """Record what the studies in the folders given found."""
    known = json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {}
    for folder in sys.argv[1:]:
        known = record(Findings.read(folder), known)
    write_text(RECORDED, json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
