# ruff: noqa: INP001 (a script)
"""The page of what real activations say, for `pages.py`; and its record:  python docs/findings.py STUDY ... DICE."""

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

ARCHETYPAL = ("a", "ra.01", "ra.1", "ra1")
CALLED = {
    "topk": "TopK",
    "relu": "ReLU",
    "a": "A-TopK",
    "ra.01": "RA-TopK, δ .01",
    "ra.1": "RA-TopK, δ .1",
    "ra1": "RA-TopK, δ 1",
}
SEEN = {"none": "uncentred", "centre": "centred", "standardise": "standardised"}
TOLD = ({"ra1-kmeans", "topk-random"}, {"ra1-kmeans", "topk-kmeans"}, {"ra1-data", "topk-data"})
SWAPPED = {"advantage": "disadvantage", "disadvantage": "advantage"}
DIGITS = 4


def record(studies: Sequence[Path], dice: Path) -> Record:
    """The small part of what the studies found that the page tells."""
    return {
        "studies": [_study(Findings.read(path)) for path in studies],
        "dice": [family.model_dump(mode="json") for family in Findings.read(dice).shared_dice],
    }


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
                **{
                    name: _ends(getattr(each, name))
                    for name in ("gap", "born", "earned", "gain_difference", "gain_difference_at_common_r2")
                },
                "outcome": each.outcome,
                "outcome_at_common_r2": each.outcome_at_common_r2,
                "common_r2": _short(each.common_r2),
            }
            for each in findings.comparisons
            if {each.first, each.second} in TOLD
        ],
    }


def _condition(found: ConditionFindings) -> Record:
    agreement = found.measures["agreement"]
    estimates = {
        "within": agreement.within.last,
        "between at step 0": agreement.born,
        "between": agreement.between.last,
        "between adjusted": agreement.between.adjusted,
        "gain": agreement.gain,
        "code between": found.measures["code"].between.last,
    }
    return {
        "arm": found.arm,
        "preprocess": found.preprocess,
        "outcome": str(found.verdict.outcome),
        "r2": _ends(found.r2),
        "alive": _short(found.alive.value),
        "floor": {"name": agreement.floor.name, "value": _short(agreement.floor.value)},
        "half_life": _short(found.half_life),
        "memory": _short(found.memory.value[-1]),
        **{name: _ends(estimate) for name, estimate in estimates.items()},
        **{metric: _short(_mean_over_runs(found, metric)) for metric in ("retention", "frozen_rows", "weight_entropy")},
    }


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


def _arm(name: str) -> str:
    """`TopK from k-means`."""
    method, start = name.rsplit("-", 1)
    return f"{CALLED[method]} from {'k-means' if start == 'kmeans' else start}"


def _cells(studies: Sequence[Record], preprocess: str) -> dict[str, list[Record]]:
    """By arm, its condition in every study."""
    found: dict[str, list[Record]] = {}
    for study in studies:
        for each in study["conditions"]:
            if each["preprocess"] == preprocess:
                found.setdefault(each["arm"], []).append(each)
    return found


def _by_arm(
    studies: Sequence[Record], cell: Callable[[Record], str], wanted: Callable[[str], bool] = lambda _: True
) -> str:
    """One row per arm and preprocessing, one column per study."""
    rows = [
        [_arm(arm), SEEN[preprocess], *map(cell, found)]
        for preprocess in SEEN
        for arm, found in _cells(studies, preprocess).items()
        if wanted(arm)
    ]
    return _table(["arm", "activations", *map(_place, studies)], rows)


def _is_archetypal(arm: str) -> bool:
    return arm.rsplit("-", 1)[0] in ARCHETYPAL


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
            for start in ("kmeans", "data"):
                found = _between(study, preprocess, f"ra1-{start}", f"topk-{start}")
                room = 1 - _stricter_floor(study, preprocess, found["arms"])
                yield (
                    _place(study),
                    SEEN[preprocess],
                    "k-means" if start == "kmeans" else start,
                    f"{_scaled(found['gain_difference'], room)}: {found['outcome']}",
                    f"{_scaled(found['gain_difference_at_common_r2'], room)}: {found['outcome_at_common_r2']}",
                    _number(found["common_r2"]),
                )

    head = ["layer", "activations", "starts", "difference of gains, equal tokens", "up to a common R²", "that R²"]
    return _table(head, rows())


def _stricter_floor(study: Record, preprocess: str, arms: Sequence[str]) -> float:
    """The floor that both arms are adjusted by."""
    found = (each for each in study["conditions"] if each["preprocess"] == preprocess and each["arm"] in arms)
    return max(each["floor"]["value"] for each in found)


def _scaled(ends: Sequence[float | None], factor: float) -> str:
    return _estimated([None if end is None else end * factor for end in ends])


def _verdicts(studies: Sequence[Record]) -> str:
    return _by_arm(
        studies,
        lambda each: (
            f"**{each['outcome']}** {_number(each['between at step 0'][0])} → {_estimated(each['between'])}, "
            f"W {_number(each['within'][0])}, floor {_number(each['floor']['value'])} {each['floor']['name']}"
        ),
    )


def _freezing(studies: Sequence[Record]) -> str:
    return _by_arm(
        studies,
        lambda each: (
            f"{percent(each['frozen_rows'])} frozen, {math.exp(each['weight_entropy']):.1f} points, "
            f"kept {_number(each['retention'])}"
        ),
        _is_archetypal,
    )


def _half_lives(studies: Sequence[Record]) -> str:
    def cell(each: Record) -> str:
        left = f"{_number(each['memory'])} left"
        return left if each["half_life"] is None else f"{steps(each['half_life'])}; {left}"

    return _by_arm(studies, cell)


def _fit(studies: Sequence[Record]) -> str:
    return _by_arm(studies, lambda each: f"{_number(each['r2'][0])}, {percent(each['alive'])} alive")


def _codes(studies: Sequence[Record]) -> str:
    return _by_arm(studies, lambda each: f"{_number(each['between'][0])} / {_estimated(each['code between'])}")


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
    "freezing": lambda found: _freezing(found["studies"]),
    "half_lives": lambda found: _half_lives(found["studies"]),
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
    *given, last = map(Path, sys.argv[1:])
    write_text(RECORDED, json.dumps(record(given, last), indent=1) + "\n")
