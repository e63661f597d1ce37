# ruff: noqa: INP001, RUF001 (a script, with prose in it)
"""The page of how far a verdict can be trusted, for `pages.py`: from what benchmarks/calibration.py counted."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from reseed._support.numbers import rounded
from reseed.calibration.births import N_ATOMS as BIRTH_ATOMS
from reseed.calibration.families import ARMS, FAMILIES
from reseed.calibration.results import share
from reseed.verdict import CLAIMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reseed.calibration.families import Family

Figures = dict[str, Any]
COUNTED = Path(__file__).parent / "assets/calibration.json"
TRIALS = Path(__file__).parent / "assets/trials.jsonl"
REALISATIONS = Path(__file__).parent / "assets/realisations.jsonl"
_FAMILY = {family.name: family for family in FAMILIES}

_HEAD = """\
# How far to trust a verdict

<!-- Made by docs/trust.py and docs/pages.py from what benchmarks/calibration.py writes. -->

[Verdicts and their rules](verdicts.md) has the rules. This page says how often they are wrong, where the truth is
known: on planted dictionaries that are really trained, on studies that are built so that every cosine is chosen, and on
simulated pair matrices. The code that judges them is the one that judges your study.

```
reseed selfcheck
```

asks [the same questions](../commands/selfcheck.md) of your installation, with fewer repeats, in minutes.

"""

_ANSWERS = """\
## Studies with a known answer

Small studies on planted activations, trained and judged like any other. All words occur.

"""

_NULLS = """\
## False claims

What share of studies in which runs did not come together is called *stabilizing* or *convergent*? {repeats} studies of
each kind: dictionaries whose cosines are chosen, with spreads between starts and runs, on the surrogate too, as they
were measured (below). The evidence is weighed by the code of the analysis; tests hold it against the whole analysis of
the same studies as files. The aim is at most .05; a claim needs one end of a 95 % interval on the right side of its
threshold, so that .025 is expected where the truth lies exactly at it.

"""

_NOISE = """\
Of {repeats} studies of dictionaries that were really trained on pure noise (32 atoms in 16 dimensions, 3 starts, 2 runs
each), a share of {value} was called either word.

"""

_FAMILIES = """\
## Words stated before they are tried

For other kinds of activations the right word and its reason are written down before any trial. Where no direction can
be told beyond mean, covariance and lengths, *stabilizing* and *convergent* are false; elsewhere what counts is how
often they are said. The trials are studies of four starts, and of three on the surrogate, with TopK from random, ReLU
from data and RA-TopK from k-means starts, really trained.

"""

_TRIED = """\
What came out, in {trials} of each so far ({pairs:,} conditions); in brackets 95 % intervals (Clopper and Pearson).
Of the conditions without anything to find {false} were called *stabilizing* or *convergent*, a share of {share}.
`python benchmarks/trials.py docs/assets/trials.jsonl --repeats 200` goes on from there.

"""

_REALISATIONS = """\
## One sample of the surrogate

A study draws one surrogate sample, which its starts share as they share the activations. How far would another sample
of it move the null? The centred conditions of the [findings](../findings.md), three starts on each sample; in brackets
the difference in standard errors of both.

"""

_REALISED = """\
The median move is {median}, the largest {most}: {errors} standard errors at most, of what three starts on each sample
add. Another sample of the surrogate moves the null no further than other starts on the same one do, and the interval
holds those. The nearest that one of these conditions comes to its null is {near}. Where B(T) lies within about {most}
of the null a second sample is worth its price: `reseed surrogate --realisation 1` writes its rows, and the same study
on them, with its own surrogate switched off, has the second null. `python benchmarks/realisations.py FILE STUDY` does
that for a study.

"""

_KNOWN = """\
### A surrogate taken as known

The surrogate is a mean over the pairs of three runs. The last column is what the same rules would claim with the errors
of the runs alone, as if the surrogate had none: the more starts, and the less they differ, the more often. So [what
B(T) and the contraction have beyond it holds both errors](floors.md#the-error-of-a-floor).

"""

_POWER = """\
## How often a gain is found

How often is a gain that exists called *stabilizing* (or *convergent*)? The gain is planted in units of the margin (.03
of raw agreement), just beyond a surrogate that does not come together, with B(T) spread over pairs of starts by .0055.
B(0) is that of random starts under the low null, and that of k-means starts, with a spread of .009, under the high one.
{repeats} studies each.

"""

_POWER_END = """\
The aim of .95 for twice the margin is {reached}. Where it is not reached, the verdict is *inconclusive* or *unstable*:
read *unstable* from three starts as "no gain was shown". More starts help more than anything else, because Student's t
has one degree per start less one: from three starts an interval is 4.3 standard errors to each side, from eight 2.4.

"""

_LOOKS = """\
## Looking while runs arrive

`reseed run --until settled` judges a study at planned looks, here at {looks} starts, and stops when its word is
settled; each look spends an equal share of the error of .05. How often is something claimed at any look, and with how
many starts, half of the time? Beside it what the same truth gives where {most} starts are judged once. {repeats}
studies each; a share of .05 of them has a standard error of {error}.

"""

_LOOKS_END = """\
Intervals at four looks have a confidence of 98.75 % each: from three starts (two degrees) they are 8.9 standard errors
to each side, from five 4.3. A large effect, or none at all, is settled so all the same. What is claimed where there is
nothing stays far below what is spent: most of these truths are settled as *unstable* before the last look.

"""

_BIRTHS = """\
## Born alike?

The [birth test](../mathematics.md#eq-63) asks of two last dictionaries, without their step 0, whether they share the
numbering of their atoms. Trained dictionaries of {n_atoms} atoms on planted activations. Of all pairs of runs from
independent starts:

"""

_FOUND = """\
Of pairs that share their start:

"""

_FOUND_END = """\
That an encoder of its own hides a common start is expected: atoms change owners at once, and so nothing found is never
"not born alike".

Pitfalls, in pairs that share no start: how often they are said to share their indices (p < .001), with the guard of the
test and without. The guard leaves out atoms that are zero, and refuses dictionaries that are sorted.

"""

_COVERAGE = """\
## Intervals

How often does a nominal 95 % interval of B cover the truth, leaving out runs (one run per start) or starts (two runs
each)? The agreement of runs i and j is μ + aᵢ + aⱼ + eᵢⱼ, with effects of starts, of pairs of starts, of runs and of
pairs of runs. In parentheses: intervals that take pairs for replicates. {repeats} matrices each.

"""

_COVERAGE_END = """\
*As measured*: an effect of pairs 1.6 times that of starts; *skewed*: a skewness of −.6. Dictionaries trained from 40
starts had 1.6 to 11 times (TopK and ReLU on planted atoms, archetypal ones) and a skewness between −.6 and .5, and 8
draws of k-means floors on each of four layers 1.2 to 2 times. The jackknife is exact for effects of starts and
conservative for effects of pairs, four times in variance at three starts: intervals are then wider than they need be.
The one case below .93 is a strong skewness (−1.4) of starts alone, which no study has shown; there a claim at its
threshold is false in 7 of 100 rather than in 2.5.

"""

_CONTRASTS = """\
## Differences and tests

Differences of two arms by Welch and Satterthwaite, the second arm with three times the spread; equivalence tests (TOST)
of arms that differ by exactly the margin, called equivalent falsely in at most .05; permutation tests of arms that do
not differ, whose p should be at most p with probability p.

"""

_REPRODUCTIONS = """\
## Published numbers, measured again

What was published or simulated elsewhere, again with our methods on planted activations.

"""

_REPRODUCED = """\
What comes out hangs on the recipe:

- The toy's TopK pays for its codes (l1 = .04 here, .01 beside a mean squared error there), the strengths of its atoms
  are half-normal, and the sign of a cosine does not count. Without the penalty, with strengths of .5 to 1.5 and with
  signs, .82 to .96 of the atoms are recovered, .92 on average in the best of eleven recipes. Shown: 10,000 steps of 512
  tokens.
- ReLU on the toy is what its penalty makes it: .73 at l1 = .03, as shown; with strengths of .5 to 1.5 .69, .86 at .1,
  .96 at .3, .88 at 1. The published one, whose atoms have any norm, falls from .71 to .65 as it trains; ours have unit
  norm.
- The recipe behind the fractions of frozen rows is not recorded. Shown is δ = 1: 32 atoms and centroids in 16
  dimensions, 20,000 tokens, 1,500 steps of 256 at a rate of .001. At δ = .1 fewer rows freeze (.14 to .41 at offset 6
  over four sizes), with a tied encoder more (.75). The order is always the same, and without an offset none freezes.
- The four arms keep their order while the start is remembered: at a rate of .005 in place of .001, or with 64 atoms
  that can be found, TopK from random starts is no longer the furthest apart.

"""

_AGAIN = """\
## How to repeat the calibration

```
python benchmarks/calibration.py --json docs/assets/calibration.json
python docs/pages.py
```

takes {minutes} minutes of CPU time; `--only nulls` makes one table, `--repeats 20` all of them coarsely.

What no table here can say: whether your activations are like planted ones, whether another learning rate would have
another outcome, and what the atoms mean. [What a verdict leaves open](verdicts.md#what-a-verdict-leaves-open) goes on
from here.
"""


def page(counted: Path = COUNTED) -> str:
    """The page of how far a verdict can be trusted."""
    document = json.loads(counted.read_text(encoding="utf-8"))
    tables = document["tables"]
    rows = {name: table["rows"] for name, table in tables.items()}
    minutes = round(sum(table["cpu_seconds"] for table in tables.values()) / 60)
    return "".join([_HEAD, *_sections(rows), _AGAIN.format(minutes=minutes)])


def _sections(rows: dict[str, Sequence[Figures]]) -> Iterator[str]:
    """Those whose tables have been counted."""
    if "answers" in rows:
        yield _ANSWERS + _cases(rows["answers"])
    if "nulls" in rows:
        yield _NULLS.format(repeats=f"{rows['nulls'][0]['repeats']:,}") + _nulls(rows["nulls"])
    if "noise" in rows:
        (noise,) = rows["noise"]
        yield _NOISE.format(value=rounded(noise["value"], 3), repeats=noise["repeats"])
    yield _KNOWN
    if "power" in rows:
        yield (
            _POWER.format(repeats=f"{rows['power'][0]['repeats']:,}")
            + _power(rows["power"])
            + _POWER_END.format(reached=_reached(rows["power"]))
        )
    if "looks" in rows:
        yield _looked(rows["looks"])
    if "births" in rows:
        yield _births(rows["births"])
    yield _FAMILIES + _families()
    if TRIALS.exists():
        yield _trials([json.loads(line) for line in TRIALS.read_text(encoding="utf-8").splitlines()])
    if REALISATIONS.exists():
        yield _realised([json.loads(line) for line in REALISATIONS.read_text(encoding="utf-8").splitlines()])
    yield from _of_pairs(rows)


def _of_pairs(rows: dict[str, Sequence[Figures]]) -> Iterator[str]:
    """Sections about matrices of pairs, and published numbers."""
    if "coverage" in rows:
        yield _COVERAGE.format(repeats=f"{rows['coverage'][0]['repeats']:,}")
        yield _coverage(rows["coverage"]) + _COVERAGE_END
    if "contrasts" in rows:
        yield _CONTRASTS + _rates(rows["contrasts"])
    if "reproductions" in rows:
        yield _REPRODUCTIONS + _cases(rows["reproductions"]) + _REPRODUCED


def _cases(rows: Sequence[Figures]) -> str:
    cells = ((row["name"].strip(), row["expected"], row["got"], "" if row["holds"] else "**no**") for row in rows)
    return _table(("", "expected", "found", ""), cells)


def _families() -> str:
    cells = (
        (each.name, each.meaning, "yes" if each.identifiable else "no", str(each.word), each.because)
        for each in FAMILIES
    )
    return _table(("family", "rows", "can be told", "right word", "because"), cells)


def _nulls(rows: Sequence[Figures]) -> str:
    cells = (
        (row["truth"], row["spread"], str(row["starts"]), rounded(row["value"], 3), rounded(row["null_known"], 3))
        for row in rows
    )
    return _table(("truth", "spread", "starts", "false claims", "surrogate taken as known"), cells)


def _power(rows: Sequence[Figures]) -> str:
    cells = (
        (
            f"{row['margins']:g} margins",
            rounded(row["null"]),
            *map(str, (row["starts"], row["surrogate_starts"])),
            rounded(row["value"]),
        )
        for row in rows
    )
    return _table(("gain", "null", "starts", "starts of the surrogate", "found"), cells)


def _looked(rows: Sequence[Figures]) -> str:
    *before, most = map(str, rows[0]["looks"])
    repeats = rows[0]["repeats"]
    error = rounded((0.05 * 0.95 / repeats) ** 0.5, 3)
    head = _LOOKS.format(looks=f"{', '.join(before)} and {most}", most=most, repeats=f"{repeats:,}", error=error)
    return head + _looks(rows) + _LOOKS_END


def _births(rows: Sequence[Figures]) -> str:
    null, start, pitfall = ([row for row in rows if row["kind"] == kind] for kind in ("null", "start", "pitfall"))
    chance = _BIRTHS.format(n_atoms=BIRTH_ATOMS) + _rates(null)
    return chance + _FOUND + _rates(start) + _FOUND_END + _pitfalls(pitfall)


def _looks(rows: Sequence[Figures]) -> str:
    cells = (
        (
            row["truth"],
            "no" if row["null"] else "yes",
            rounded(row["value"], 3),
            f"{row['starts']:g}",
            rounded(row["at_once"], 3),
        )
        for row in rows
    )
    return _table(("truth", "something to claim", "claimed at a look", "starts, median", "claimed, judged once"), cells)


def _pitfalls(rows: Sequence[Figures]) -> str:
    cells = ((row["name"], rounded(row["guarded"]), rounded(row["unguarded"]), str(row["repeats"])) for row in rows)
    return _table(("pitfall", "with its guard", "without", "pairs"), cells)


def _trials(rows: Sequence[Figures]) -> str:
    """How often each family and arm was said to have structure, and how often the right word was said."""
    words: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        words[row["family"], row["arm"]][row["word"]] += 1
    counts = sorted({found.total() for found in words.values()})
    false = [found for (family, _), found in words.items() if not _FAMILY[family].identifiable]
    claimed, of = sum(map(_claims, false)), sum(found.total() for found in false)
    head = _TRIED.format(
        trials=" to ".join(dict.fromkeys(map(str, (counts[0], counts[-1])))),
        pairs=len(rows),
        false=f"{claimed} of {of:,}",
        share=share(claimed, of),
    )
    cells = (
        _trial(family, arm.name, words[name, arm.name])
        for name, family in _FAMILY.items()
        for arm in ARMS
        if words[name, arm.name]
    )
    return head + _table(("family", "arm", "claims", "right word", "other words"), cells)


def _trial(family: Family, arm: str, found: Counter[str]) -> tuple[str, ...]:
    claims = f"{'' if family.identifiable else 'false: '}{share(_claims(found), found.total())}"
    others = ", ".join(f"{count} {word}" for word, count in found.most_common() if word != family.word)
    return family.name, arm, claims, f"{found[family.word]} {family.word}", others


def _realised(rows: Sequence[Figures]) -> str:
    """How far another sample of the surrogate moved each null."""
    moved = [abs(row["other"][0] - row["own"][0]) for row in rows]
    near = min(rows, key=lambda row: abs(row["between"] - row["own"][0]))
    cells = (
        (
            f"{'SmolLM2' if 'Smol' in row['model'] else 'MiniLM'} {row['layer']}",
            row["arm"],
            rounded(row["between"], 3),
            rounded(row["own"][0], 3),
            rounded(row["other"][0], 3),
            _difference(row),
        )
        for row in rows
    )
    told = _REALISED.format(
        median=rounded(median(moved), 3),
        most=rounded(max(moved), 3),
        near=rounded(near["between"] - near["own"][0], 3),
        errors=rounded(max(abs(_moved(row)) for row in rows), 1),
    )
    return _REALISATIONS + _table(("layer", "arm", "B(T)", "null", "on another sample", "difference"), cells) + told


def _difference(row: Figures) -> str:
    return f"{rounded(row['other'][0] - row['own'][0], 3)} ({rounded(_moved(row), 1)})"


def _moved(row: Figures) -> float:
    """In standard errors of both."""
    (own, error), (other, other_error) = row["own"], row["other"]
    return (other - own) / math.hypot(error, other_error)


def _claims(found: Counter[str]) -> int:
    return sum(found[word] for word in CLAIMS)


def _reached(rows: Sequence[Figures]) -> str:
    """From how many starts on 95 of 100 studies find a gain of twice the margin, by null."""
    told = []
    for null in sorted({row["null"] for row in rows}):
        twice = [row for row in rows if row["margins"] == 2 and row["null"] == null]  # noqa: PLR2004 (the aim)
        enough = min((row for row in twice if row["value"] >= 0.95), key=lambda row: row["starts"], default=None)  # noqa: PLR2004 (the same)
        if enough is None:
            reached = f"not reached with {max(row['starts'] for row in twice)} starts"
        else:
            usual = enough["surrogate_starts"] == twice[0]["surrogate_starts"]
            more = "" if usual else f" and {enough['surrogate_starts']} of the surrogate"
            reached = f"reached from {enough['starts']} starts{more} on"
        told.append(f"{reached} over a null of {rounded(null)}")
    return ", and ".join(told)


def _coverage(rows: Sequence[Figures]) -> str:
    sizes = list(dict.fromkeys((row["starts"], row["runs"]) for row in rows))
    by_kind: dict[tuple[str, str], dict[tuple[int, int], Figures]] = {}
    for row in rows:
        by_kind.setdefault((row["law"], row["spread"]), {})[row["starts"], row["runs"]] = row
    head = ("effects", *(f"{starts} {'runs' if runs == 1 else f'starts × {runs}'}" for starts, runs in sizes))
    cells = (
        (f"{spread}, {law}", *(f"{rounded(kind[size]['value'])} ({rounded(kind[size]['naive'])})" for size in sizes))
        for (law, spread), kind in by_kind.items()
    )
    return _table(head, cells)


def _rates(rows: Sequence[Figures]) -> str:
    cells = ((row["name"], rounded(row["value"], 3), f"{row['repeats']:,}") for row in rows)
    return _table(("", "share", "of"), cells)


def _table(head: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in cells)]
    return "\n".join(lines) + "\n\n"
