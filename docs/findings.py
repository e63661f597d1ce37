# ruff: noqa: INP001 (a script)
"""The page of what real activations say, for `pages.py`; and its record:  python docs/findings.py STUDY ..."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reseed._support.files import write_text
from reseed._support.numbers import interval, percent, rounded
from reseed.findings import Findings
from reseed.report.words import steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from reseed.findings import ConditionFindings, Interval

Record = dict[str, Any]
RECORDED = Path(__file__).parent / "assets/findings.json"
TEMPLATE = Path(__file__).parent / "findings.template"

ORDER = ("topk-random", "topk-kmeans", "relu-random", "ra1-kmeans")
CALLED = {
    "topk-random": "TopK from random",
    "topk-kmeans": "TopK from k-means",
    "relu-random": "ReLU from random",
    "ra1-kmeans": "RA-TopK from k-means",
}
SEEN = {"none": "uncentred", "centre": "centred", "standardise": "standardised"}
CONTRASTS = ("gap", "born", "earned", "gain_difference", "gain_difference_at_common_r2")
SWAPPED = {"advantage": "disadvantage", "disadvantage": "advantage"}
DIGITS = 4


def record(found: Iterable[Findings], before: Record) -> Record:
    """The small part of what studies found that the page tells, in the place of what it told of them before."""
    dice, split = before["dice"], before.get("split")
    layers = {(study["model"], study["layer"]): study for study in before["studies"]}
    for findings in found:
        if findings.shared_dice:
            dice = [family.model_dump(mode="json") for family in findings.shared_dice]
        elif findings.study["dice"]["data"] == "start":
            split = _study(findings)
        else:
            study = _study(findings)
            layers[study["model"], study["layer"]] = study
    ordered = sorted(layers, key=lambda place: (place[0].lower(), place[1]))
    return {"studies": [layers[place] for place in ordered], "split": split, "dice": dice}


def _study(findings: Findings) -> Record:
    about = findings.activations
    return {
        "model": about["model"],
        "layer": about["layer"],
        "tokens": about["tokens"],
        "geometry": {each.preprocess: each.model_dump(mode="json") for each in findings.geometry},
        "conditions": [_condition(each) for each in findings.conditions],
        "comparisons": [
            {
                "arms": [each.first, each.second],
                "preprocess": each.preprocess,
                **{name: _ends(getattr(each, name)) for name in CONTRASTS},
                "outcome": each.outcome,
                "outcome_at_common_r2": each.outcome_at_common_r2,
                "common_r2": _short(each.common_r2),
            }
            for each in findings.comparisons
        ],
    }


def _condition(found: ConditionFindings) -> Record:
    agreement, code, replicated = (found.measures[name] for name in ("agreement", "code", "replicated"))
    estimates = {
        "within": agreement.within.last,
        "between at step 0": agreement.born,
        "between": agreement.between.last,
        "between alive": found.measures["alive"].between.last,
        "gain": agreement.gain,
        "contraction": found.contraction,
        "code at step 0": code.born,
        "code between": code.between.last,
        "replicated": replicated.between.last,
        "r2": found.r2,
    }
    surrogate = found.surrogate
    return {
        "arm": found.arm,
        "preprocess": found.preprocess,
        "outcome": str(found.verdict.outcome),
        "because": found.verdict.because,
        "error": _short(found.verdict.error),
        "sentence": found.verdict.sentence,
        "alive": _short(found.alive.value),
        "surrogate": surrogate and {name: _ends(getattr(surrogate, name)) for name in ("born", "last", "contraction")},
        "surrogate alive": surrogate and _short(surrogate.alive),
        "code null": _floor(found, "code", "surrogate"),
        "kmeans": _floor(found, "agreement", "kmeans"),
        "half_life": _short(found.half_life),
        "memory": found.memory and _short(found.memory.value[-1]),
        "identity": found.identity and _short(found.identity.value[-1]),
        "identity_half_life": _short(found.identity_half_life),
        **{name: _ends(estimate) for name, estimate in estimates.items()},
        **{metric: _short(_mean_over_runs(found, metric)) for metric in ("retention", "frozen_rows", "weight_entropy")},
    }


def _floor(found: ConditionFindings, measure: str, name: str) -> float | None:
    return next((_short(floor.value) for floor in found.measures[measure].floors if floor.name == name), None)


def _mean_over_runs(found: ConditionFindings, metric: str) -> float:
    last = [run.metrics[metric][-1] for run in found.runs if metric in run.metrics and run.status == "finished"]
    return math.fsum(last) / len(last) if last else math.nan


def _ends(found: Interval) -> list[float | None]:
    return [_short(each) for each in (found.value, found.low, found.high)]


def _short(value: float) -> float | None:
    return round(value, DIGITS) if math.isfinite(value) else None


def _number(value: float | None, digits: int = 2) -> str:
    return "n/a" if value is None else rounded(value, digits)


def _estimated(ends: Sequence[float | None], digits: int = 2) -> str:
    value, low, high = (math.nan if each is None else each for each in ends)
    return f"{rounded(value, digits)} {interval(low, high, digits)}".rstrip()


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _place(study: Record) -> str:
    return f"{'SmolLM2' if 'Smol' in study['model'] else 'MiniLM'} {study['layer']}"


def _cells(studies: Sequence[Record], preprocess: str, arm: str) -> list[Record]:
    """An arm's condition in every study."""
    return [
        each
        for study in studies
        for each in study["conditions"]
        if (each["arm"], each["preprocess"]) == (arm, preprocess)
    ]


def _by_arm(studies: Sequence[Record], cell: Callable[[Record], str], arms: Sequence[str] = ORDER) -> str:
    """One row per arm and preprocessing, one column per study."""
    rows = [
        [CALLED[arm], SEEN[preprocess], *map(cell, _cells(studies, preprocess, arm))]
        for preprocess in SEEN
        for arm in arms
    ]
    return _table(["arm", "activations", *map(_place, studies)], rows)


def _between(study: Record, preprocess: str, first: str, second: str) -> Record:
    """The comparison first - second, whichever way round the study has it."""
    found = next(
        each
        for each in study["comparisons"]
        if each["preprocess"] == preprocess and set(each["arms"]) == {first, second}
    )
    if found["arms"] == [first, second]:
        return found
    return {
        name: [None if end is None else -end for end in (part[0], part[2], part[1])]
        if isinstance(part, list) and name != "arms"
        else SWAPPED.get(part, part)
        if name.startswith("outcome")
        else part
        for name, part in found.items()
    }


def _published(studies: Sequence[Record]) -> str:
    def rows() -> Iterator[Sequence[str]]:
        for preprocess, study in ((preprocess, study) for preprocess in SEEN for study in studies):
            found = _between(study, preprocess, "ra1-kmeans", "topk-random")
            yield (_place(study), SEEN[preprocess], *(_estimated(found[part]) for part in ("gap", "born", "earned")))

    return _table(["layer", "activations", "gap at the end", "born with it", "earned in training"], rows())


def _like_with_like(studies: Sequence[Record]) -> str:
    def rows() -> Iterator[Sequence[str]]:
        for preprocess, study in ((preprocess, study) for preprocess in SEEN for study in studies):
            found = _between(study, preprocess, "ra1-kmeans", "topk-kmeans")
            yield (
                _place(study),
                SEEN[preprocess],
                f"{_estimated(found['gain_difference'])}: {found['outcome']}",
                f"{_estimated(found['gain_difference_at_common_r2'])}: {found['outcome_at_common_r2']}",
                _number(found["common_r2"]),
            )

    head = ["layer", "activations", "difference of gains, equal tokens", "up to a common R²", "that R²"]
    return _table(head, rows())


def _verdicts(studies: Sequence[Record]) -> str:
    def cell(each: Record) -> str:
        why = f" ({each['because']})" if each["because"] else ""
        null = each["surrogate"]
        return (
            f"**{each['outcome']}**{why} {_number(each['between at step 0'][0])} → {_estimated(each['between'])}, "
            f"null {_number(null['born'][0])} → {_estimated(null['last'])}"
        )

    return _by_arm(studies, cell)


def _contractions(studies: Sequence[Record]) -> str:
    return _by_arm(
        studies,
        lambda each: f"{_estimated(each['contraction'])} / {_estimated(each['surrogate']['contraction'])}",
    )


def _replicated(studies: Sequence[Record]) -> str:
    return _by_arm(studies, lambda each: _estimated(each["replicated"]) or "n/a")


def _split(found: Record) -> str:
    split, whole = found["split"], next(each for each in found["studies"] if _place(each) == _place(found["split"]))

    def rows() -> Iterator[Sequence[str]]:
        for each in split["conditions"]:
            (one,) = _cells([whole], each["preprocess"], each["arm"])
            yield (CALLED[each["arm"]], *map(_on_sample, (one, each)))

    return _table(["arm", "one sample", "a quarter for each start"], rows())


def _on_sample(each: Record) -> str:
    null = each["surrogate"]
    return (
        f"**{each['outcome']}** {_number(each['between at step 0'][0])} → {_estimated(each['between'])}, "
        f"null {_number(null['born'][0])} → {_estimated(null['last'])}, codes {_estimated(each['code between'])}"
    )


def _freezing(studies: Sequence[Record]) -> str:
    return _by_arm(
        studies,
        lambda each: (
            f"{percent(each['frozen_rows'])} frozen, {math.exp(each['weight_entropy']):.1f} points, "
            f"kept {_number(each['retention'])}"
        ),
        ["ra1-kmeans"],
    )


def _remembered(studies: Sequence[Record]) -> str:
    def cell(each: Record) -> str:
        which, who = (
            f"{_number(each[name])} ({'never' if each[half] is None else steps(each[half])})"
            for name, half in (("memory", "half_life"), ("identity", "identity_half_life"))
        )
        return f"{which}; {who}"

    return _by_arm(studies, cell)


def _fit(studies: Sequence[Record]) -> str:
    return _by_arm(studies, lambda each: f"{_number(each['r2'][0])}, {percent(each['alive'])} alive")


def _codes(studies: Sequence[Record]) -> str:
    return _by_arm(
        studies,
        lambda each: (
            f"{_number(each['code at step 0'][0])} → {_estimated(each['code between'])}, "
            f"null {_number(each['code null'])}"
        ),
    )


def _dice(families: Sequence[Record]) -> str:
    told = [(f"sharing {' and '.join(each['dice'])} adds", each) for family in families for each in family["effects"]]
    told += [
        (f"runs that share {' and '.join(each['shared']) or 'nothing'}", each)
        for family in families
        for each in family["cells"]
    ]
    return _table(["", "at step 0", "at the end"], ((name, *_born_and_last(each)) for name, each in told))


def _born_and_last(found: Record) -> Iterator[str]:
    for end in ("born", "last"):
        yield _estimated([found[end][name] for name in ("value", "low", "high")])


TABLES: dict[str, Callable[[Record], str]] = {
    "published": lambda found: _published(found["studies"]),
    "like_with_like": lambda found: _like_with_like(found["studies"]),
    "contractions": lambda found: _contractions(found["studies"]),
    "replicated": lambda found: _replicated(found["studies"]),
    "split": _split,
    "freezing": lambda found: _freezing(found["studies"]),
    "remembered": lambda found: _remembered(found["studies"]),
    "dice": lambda found: _dice(found["dice"]),
    "verdicts": lambda found: _verdicts(found["studies"]),
    "fit": lambda found: _fit(found["studies"]),
    "codes": lambda found: _codes(found["studies"]),
}


def page() -> str:
    """The page of what real activations say: the words of the template around the tables."""
    found = json.loads(RECORDED.read_text(encoding="utf-8"))
    return re.sub(r"{{ (\w+) }}", lambda place: TABLES[place[1]](found), TEMPLATE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    known = json.loads(RECORDED.read_text(encoding="utf-8"))
    write_text(RECORDED, json.dumps(record(map(Findings.read, sys.argv[1:]), known), indent=1) + "\n")
