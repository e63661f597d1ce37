# ruff: noqa: INP001, RUF001 (a script, with prose in it)
"""The page of what real activations say, for `pages.py`; and its record:  python docs/findings.py STUDY ... DICE."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reseed.files import write_text
from reseed.findings import Findings
from reseed.numbers import interval, percent, rounded
from reseed.report.words import steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from reseed.findings import ConditionFindings, Interval

Record = dict[str, Any]
RECORDED = Path(__file__).parent / "assets/findings.json"

ARCHETYPAL = ("a", "ra.1", "ra1")
CALLED = {"topk": "TopK", "relu": "ReLU", "a": "A-TopK", "ra.1": "RA-TopK, δ .1", "ra1": "RA-TopK, δ 1"}
SEEN = {"none": "uncentred", "centre": "centred"}
TOLD = ({"ra1-kmeans", "topk-random"}, {"ra1-kmeans", "topk-kmeans"}, {"ra1-data", "topk-data"})
SWAPPED = {"advantage": "disadvantage", "disadvantage": "advantage"}
DIGITS = 4

_HEAD = """\
# Findings

<!-- Made by docs/findings.py and docs/pages.py from docs/assets/findings.json. -->

What reseed says about two language models, each early and late: all-MiniLM-L6-v2 (layers 2 and 5 of 6) and
SmolLM2-135M-Instruct (layers 5 and 20 of 30, from its 4-bit copy), over 250,000 tokens of State of the Union messages.
Twelve arms (TopK, ReLU with an L1 penalty, archetypal TopK, relaxed archetypal TopK with δ .1 and 1; from k-means, from
activations and, where a method can, from random directions), uncentred and centred, three starts with two runs each:
576 runs, 96 conditions. 512 atoms, 16 active, 1,024 points for archetypal arms, 600 steps of 1,024 tokens. Intervals
are 95 %, over starts.

![RA-TopK's lead over TopK in each layer: at the end, at step 0, and what training took from it](assets/findings.svg)

*RA-TopK (δ = 1) whose two runs share a k-means start, less TopK from random starts.*

"""

_SHORT = """\
## In short

- **The published lead is born.** RA-TopK whose runs share a k-means start leads TopK from random starts by .15 to .56
  at the end. At step 0 it led by .85 to .88: training took .32 to .73 from the lead.
- **The constraint does not stabilize.** Once starts are independent, none of the 48 archetypal conditions is
  *stabilizing* or *convergent*. Centred, archetypal runs from k-means starts end about as far apart as they were
  born, and no nearer than untrained k-means dictionaries.
- **Another method does**: ReLU with an L1 penalty on centred activations is *stabilizing* in 7 of 12 conditions, in
  three of four layers. Its runs mostly end at .77 to .85 from whatever start, where untrained k-means dictionaries
  agree .73 to .78, and their codes agree as well (.68 to .80).
- **TopK forgets its start, and still does not find one dictionary.** Centred and from random starts, half of the
  start is forgotten in 10 to 13 steps, and W and B nearly meet, at .59 to .70: four to six times what B began with,
  and less than untrained k-means.
- **Uncentred, agreement is geometry.** Untrained k-means dictionaries agree .82 to .92, W freezes in three of four
  layers, most atoms of ReLU die in three, and in one layer archetypal runs agree .96 from any start while their codes
  do not (.05).

## Does a shared start explain the archetypal advantage?

Here, all of it and more. As it would be published, with runs that share one k-means start, RA-TopK leads TopK from
random starts in every layer. At step 0 it led by more; training took from the lead.

"""

_LIKE = """\
## Does the constraint stabilize once starts are independent?

Not by itself: none of the 48 archetypal conditions (three methods, two starts, two preprocessings,
four layers) is *stabilizing* or *convergent*. Centred and from k-means starts, B goes from .68 to .71 at step 0 to .66
to .73, from activations a little up, and no end lies beyond the strictest floor.

The comparison like with like, from the same starts on, asks for less: whether RA-TopK (δ = 1) *keeps* more of what its
starts had in common than TopK does. Differences of gains between independent starts, in matched agreement; the words
test them on the floor-adjusted scale against the margin of .03.

"""

_LIKE_END = """\
Uncentred, RA-TopK keeps .07 to .45 more. Centred, the difference is −.03 to .13 at equal tokens, and larger up to a
common R², which TopK reaches early, while its agreement is still low. It keeps by staying where it is (below), at a
lower R² (.48 to .85 against .63 to .90). And keeping is not finding: uncentred, the code agreement of its independent
starts is .07 to .53.

"""

_FREEZE = """\
## Does W freeze on raw activations?

In three of four layers it does: uncentred, 29 to 63 % of the rows of W are still on one point after 600 steps, a row
mixes 1.2 to 2.1 points in effect, and atoms keep .95 to .99 of their start. Centred, hardly a row is frozen anywhere.

SmolLM2's layer 5 is another case. A few dimensions carry most of its variance (participation ratio 2.4), and
uncentred, W melts there as well, within two steps. Atoms become mixtures of some thirty points, all near the mean.
Then runs agree .95 to .97 from any start, which is what random mixtures of that entropy agree (the hull floor, .97 to
.98), and their codes correlate by .05 to .08, at an R² of .25 to .64: *stable and wrong*, on a real language model.
The cosine alone would have called this the best agreement of all.

Rows of W on one point, points that a row mixes in effect (exp of its entropy), and cosine with step 0:

"""

_MEMORY = """\
## How long is the start remembered?

Steps from which on init memory stays at or below one half, and what is left of it after 600 steps.

"""

_MEMORY_END = """\
From k-means, TopK needs some hundred steps for what it forgets in a dozen from random directions. Uncentred
archetypal dictionaries remember .8 and more for good, but on SmolLM2 layer 5; their memory dips in the first two
steps, while the weights melt, and comes back as they freeze. Centred ones lose half of it in 2 to 8 steps, and then
keep .1 to .6 of it.

"""

_DICE_HEAD = """\
## What the dice contribute

TopK from random starts with an encoder of its own start, SmolLM2 layer 20, centred: eight arms in which decoder start
(`init`), encoder start and data order are each shared within a start or not, four starts with two runs each.

"""

_DICE_END = """\
Nothing, at the end: sharing the decoder's start, the encoder's or the order of the data changes the agreement of two
runs by less than .02 either way, alone or two at a time. Only runs that share all three agree more, because they are
the same run. With a random start and a high learning rate the start is forgotten as a whole.

"""

_ALL = """\
## All verdicts

B(0) → B(T) with its interval, agreement W(T) of runs born identical, and the strictest floor.

"""

_FIT_HEAD = """\
Held-out R² and the fraction of atoms that fire on held-out tokens:

"""

_CODES_HEAD = """\
Between starts at the last step, matched agreement and, with its interval, code agreement, which owes nothing to where
the activations lie:

"""

_LIMITS = """\
## How it was made, and its limits

```
reseed collect minilm --layer 2 --text sotu --tokens 250000 --out examples/findings/activations/minilm-l2
reseed collect minilm --layer 5 --text sotu --tokens 250000 --out examples/findings/activations/minilm-l5
reseed collect smollm2 --layer 5 --text sotu --tokens 250000 --out examples/findings/activations/smollm2-l5
reseed collect smollm2 --layer 20 --text sotu --tokens 250000 --out examples/findings/activations/smollm2-l20
for study in minilm-l2 minilm-l5 smollm2-l5 smollm2-l20 dice; do
  reseed run examples/findings/$study.toml
done
cd examples/findings
python ../../docs/findings.py minilm-l2 minilm-l5 smollm2-l5 smollm2-l20 dice
cd ../.. && python docs/pages.py && python docs/figures findings
```

- **What was left out, before looking**: of the factorial {TopK, ReLU, A-TopK, RA-TopK at δ .01, .1 and 1} × {random,
  data, k-means} × {none, centre, standardise} the arms with δ = .01 and the preprocessing `standardise`, to stay within
  two hours on two cores: 96 of its 168 conditions were run (archetypal methods have no random start).
- **Learning rates** were chosen on reconstruction only, from k-means starts on centred activations, one run per rate,
  at 1, 3 and 10 times each method's default, on MiniLM layer 2 and SmolLM2 layer 5, and used for both layers of a model
  and both preprocessings: 1e-2 for TopK and ReLU (the upper end of the grid, where R² still rose by up to .003 and
  .016), 1.5e-3 for archetypal methods. Uncentred activations may want others: many atoms die there. It was done with
  small studies by hand, as [reseed tune](commands/tune.md) does it now.
- **600 steps are few**, 614,000 tokens in batches of 1,024, and 512 atoms are few. What has not come together by then
  may do so later; what is remembered may be forgotten. Nothing here is about wide dictionaries.
- **Sparsity is not matched**: TopK has 16 active codes, ReLU (l1 = .2) some 13 to 28 on centred activations.
- Three starts decide little: Student's t with two degrees, 4.3 standard errors to each side. *Unstable* from three
  starts reads "no gain beyond the floor was shown" ([how far to trust a verdict](concepts/trust.md)).
- The strictest floor is mostly that of untrained k-means, from 16,384 activations per draw and ten iterations. More
  data would raise it. These studies have three draws of each floor; five are the default now.
- 96 verdicts were read at once, without a correction; what is said above holds in all layers unless it names them.
- One text domain, American and political; SmolLM2 is a dequantised 4-bit copy.
"""


# The record.


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
    floor = next(floor for floor in found.floors if floor.name == found.strictest)
    estimates = ("within", "between at step 0", "between", "between adjusted", "gain adjusted", "code between")
    return {
        "arm": found.arm,
        "preprocess": found.preprocess,
        "outcome": str(found.verdict.outcome),
        "r2": _ends(found.r2),
        "alive": _short(found.alive.value),
        "floor": {"name": floor.name, "value": _short(floor.value)},
        "half_life": _short(found.half_life),
        "memory": _short(found.curves["memory"].value[-1]),
        **{name: _ends(found.estimates[name]) for name in estimates},
        **{metric: _short(_mean_over_runs(found, metric)) for metric in ("retention", "frozen_rows", "weight_entropy")},
    }


def _mean_over_runs(found: ConditionFindings, metric: str) -> float:
    last = [run.metrics[metric][-1] for run in found.runs if metric in run.metrics and run.status == "finished"]
    return math.fsum(last) / len(last) if last else math.nan


def _ends(found: Interval) -> list[float | None]:
    return [_short(each) for each in (found.value, found.low, found.high)]


def _short(value: float) -> float | None:
    return round(value, DIGITS) if math.isfinite(value) else None


# The tables.


def _number(value: float | None, digits: int = 2) -> str:
    return "n/a" if value is None else rounded(value, digits)


def _estimated(ends: Sequence[float | None], digits: int = 2) -> str:
    value, low, high = (math.nan if each is None else each for each in ends)
    return f"{rounded(value, digits)} {interval(low, high, digits)}".rstrip()


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n\n"


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
    effects = [
        (f"sharing {' and '.join(each['dice'])} adds", *_born_and_last(each))
        for family in families
        for each in family["effects"]
    ]
    cells = [
        (f"runs that share {' and '.join(each['shared']) or 'nothing'}", *_born_and_last(each))
        for family in families
        for each in family["cells"]
    ]
    return _table(["", "at step 0", "at the end"], [*effects, *cells])


def _born_and_last(found: Record) -> Iterator[str]:
    for end in ("born", "last"):
        yield _estimated([found[end][name] for name in ("value", "low", "high")])


def page() -> str:
    """The page of what real activations say."""
    found = json.loads(RECORDED.read_text(encoding="utf-8"))
    studies = found["studies"]
    return "".join(
        [
            _HEAD,
            _SHORT,
            _published(studies),
            _LIKE,
            _like_with_like(studies),
            _LIKE_END,
            _FREEZE,
            _freezing(studies),
            _MEMORY,
            _half_lives(studies),
            _MEMORY_END,
            _DICE_HEAD,
            _dice(found["dice"]),
            _DICE_END,
            _ALL,
            _verdicts(studies),
            _FIT_HEAD,
            _fit(studies),
            _CODES_HEAD,
            _codes(studies),
            _LIMITS,
        ]
    )


if __name__ == "__main__":
    *given, last = map(Path, sys.argv[1:])
    write_text(RECORDED, json.dumps(record(given, last), indent=1) + "\n")
