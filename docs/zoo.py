# ruff: noqa: INP001 (a script)
"""The page of all kinds of autoencoders, for `pages.py`; and its record.

python docs/zoo.py STUDY ...     what these studies found takes the place of what the record has of the same arms
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
    from reseed.findings import ConditionFindings, Interval

Record = dict[str, Any]
ASSETS = Path(__file__).parent / "assets"
RECORDED = ASSETS / "zoo.json"
DIGITS = 4

_HEAD = """\
# The zoo

<!-- Made by docs/zoo.py and docs/pages.py from a study's findings and from what benchmarks/peers/parity*.py write. -->

The autoencoders that people train, each a `kind` of [study.toml](study-toml.md#armsmethod), under one audit. What a
method is stands at the head of its file in `src/reseed/methods/`, with its source; `reseed init --methods topk,gated`
writes a study of any of them, `reseed tune STUDY --l0 16` gives those with a penalty a common sparsity.

## One study of all kinds

{about}

| kind | verdict | started apart: step 0 → end | null | codes | replicated | R² | L0 | alive |
|---|---|---|---|---|---|---|---|---|
"""

_READING = """
*Started apart* is the mean cosine of atoms matched one to one between runs that started apart, with its 95 % interval
over starts; *null* that of the same recipe on rows that have only the mean, covariance and lengths of the activations.
*Codes* is the mean correlation of matched atoms' codes, *replicated* the share of atoms with a partner beyond the
null's; R² and L0 are held-out, *alive* the share of atoms that are active on some held-out token. Dead atoms count in
agreement; the verdicts are about living ones as well, with a null of their own. Methods that choose codes over a whole
batch are evaluated with their threshold. A random start is far from everything: what runs from random starts agree in
they have found; what runs from k-means starts agree in they were partly given ([verdicts](concepts/verdicts.md)).
Learning rates are those of [findings](findings.md), .01, and .0015 for archetypal kinds, and not tuned for each kind:
the table compares recipes at this size and length, not what each kind can become.

"""

_PARITY = """\
## Step by step beside the library that defines each kind

From the same arrays, with the same batches in the same order and the same Adam, {steps} steps: the largest difference
of any entry of the dictionary at any step, over its largest entry. R² is of the last step, on other rows.

| kind | beside | largest difference | R², reseed | R², theirs | what was done |
|---|---|---|---|---|---|
"""

_STARTS = """
Tests hold the `topk`, `ra-topk` and `mp` of reseed to overcomplete's in the same way, and `p-anneal` to
dictionary-learning's while its p falls to .7; below, powers of small codes make two trainings in double precision that
begin 10⁻⁷ apart end apart as well. The starts `sae-lens`, `dictionary-learning`, `sparsify` and `overcomplete` are
those of the libraries, with the sizes of their encoders and their decoder biases. What training costs beside each
library is in [speed](speed.md).

## Transcoders

A transcoder reads one activation and writes another, so it has a study of its own: `reseed collect MODEL --layer N
--at mlp` stores what enters an MLP and what leaves it side by side. Atoms, nulls and references are of what is written;
the surrogate keeps mean, covariance and lengths of both together, and so the best linear map between them.

{about}

| arm | verdict | started apart: step 0 → end | null | codes | replicated | R² | L0 | alive |
|---|---|---|---|---|---|---|---|---|
"""

_OF_TRANSCODERS = """
R² is that of what is written. The encoder of the first starts fitted to its atoms, that of the second at random.
"""


def record(findings: Findings, before: Record) -> Record:
    """The record with the small part of a study that the page tells."""
    training, about = findings.study["training"], dict(findings.activations)
    part = "transcoders" if "reads" in about else "zoo"
    found = {each.arm: _condition(each) for each in findings.conditions}
    known = {each["arm"]: each for each in before.get(part, {"conditions": []})["conditions"]}
    ordered = sorted((known | found).values(), key=lambda each: list(METHODS).index(each["kind"]))
    study = {
        "about": about,
        "starts": findings.study["starts"],
        "steps": training["steps"],
        "batch_size": training["batch_size"],
        "conditions": ordered,
    }
    return before | {part: study}


def _condition(found: ConditionFindings) -> Record:
    agreement, surrogate = found.agreement, found.surrogate
    finished = [run.metrics["l0"][-1] for run in found.runs if run.status == "finished"]
    return {
        "kind": found.kind,
        "arm": found.arm,
        "start": found.start_kind,
        "outcome": str(found.verdict.outcome),
        "because": found.verdict.because,
        "born": _ends(agreement.born),
        "between": _ends(agreement.between.last),
        "surrogate": surrogate and _ends(surrogate.last),
        "code": _ends(found.measures["code"].between.last),
        "replicated": _ends(found.measures["replicated"].between.last),
        "r2": _ends(found.r2),
        "l0": round(math.fsum(finished) / len(finished), 2),
        "alive": round(found.alive.value, DIGITS),
    }


def _ends(estimate: Interval | None) -> list[float | None] | None:
    if estimate is None:
        return None
    return [
        None if each is None or not math.isfinite(each) else round(each, DIGITS)
        for each in (estimate.value, estimate.low, estimate.high)
    ]


def page() -> str:
    """The page, from what is recorded."""
    known = json.loads(RECORDED.read_text(encoding="utf-8"))
    rows, transcoders = (_rows(known[name]) for name in ("zoo", "transcoders"))
    parity = [
        row for path in sorted(ASSETS.glob("parity*.json")) for row in json.loads(path.read_text(encoding="utf-8"))
    ]
    parity.sort(key=lambda row: (list(METHODS).index(row["method"]), row["peer"]))
    compared = "".join(f"{_parity(row)}\n" for row in parity)
    return (
        _HEAD.format(about=_about(known["zoo"]))
        + rows
        + _READING
        + _PARITY.format(steps=parity[0]["steps"])
        + compared
        + _STARTS.format(about=_about(known["transcoders"]))
        + transcoders
        + _OF_TRANSCODERS
    )


def _rows(study: Record) -> str:
    return "".join(f"{_row(each)}\n" for each in study["conditions"])


def _about(study: Record) -> str:
    about = study["about"]
    where = f"the MLP of layer {about['layer']}" if "reads" in about else f"layer {about['layer']}"
    file = "examples/zoo-transcoder.toml" if "reads" in about else "examples/zoo.toml"
    return (
        f"{about['model']}, {where}, {about['tokens']:,} tokens, centred; 512 atoms, about 16 active; "
        f"{study['starts']} independent starts of each, {study['steps']} steps of {study['batch_size']:,} tokens "
        f"(`{file}`)."
    )


def _row(each: Record) -> str:
    word = each["outcome"] + (f" ({each['because']})" if each["because"] else "")
    born, null = (rounded(each[name][0]) if each[name] else "" for name in ("born", "surrogate"))
    cells = (
        f"{_called(each)} from {each['start']}",
        word,
        f"{born} → {_estimated(each['between'])}",
        null,
        rounded(each["code"][0]),
        "null too near 1" if each["replicated"][0] is None else percent(each["replicated"][0]),
        rounded(each["r2"][0]),
        f"{each['l0']:.1f}",
        percent(each["alive"]),
    )
    return f"| {' | '.join(cells)} |"


def _called(each: Record) -> str:
    return f"`{each['kind']}`" if each["arm"] == each["kind"] else each["arm"]


def _estimated(ends: list[float | None]) -> str:
    value, low, high = (math.nan if end is None else end for end in ends)
    return f"{rounded(value)} {interval(low, high)}".strip()


def _parity(row: Record) -> str:
    cells = (
        f"`{row['method']}`",
        f"{row['peer']} {row['version']}",
        f"{row['largest_relative_difference']:.0e}",
        rounded(row["r2_ours"]),
        rounded(row["r2_theirs"]),
        row["note"],
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Record what the studies in the folders given found."""
    known = json.loads(RECORDED.read_text(encoding="utf-8"))
    for folder in sys.argv[1:]:
        known = record(Findings.read(folder), known)
    write_text(RECORDED, json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
