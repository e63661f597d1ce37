# ruff: noqa: INP001 (a script, with prose in it)
"""The page of what other libraries' own seeds agree, for `pages.py`: as benchmarks/peers/others.py measured it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reseed._support.numbers import interval, percent, rounded

if TYPE_CHECKING:
    from collections.abc import Iterable

MEASURED = Path(__file__).parent / "assets/others.json"
CALLED = {
    "saelens": "SAELens",
    "dictionary_learning": "dictionary_learning",
    "sparsify": "sparsify",
    "overcomplete": "overcomplete",
}
KINDS = {
    "topk-alike": "topk, one seed in two orders of the data",
    "topk-adam": "topk, with Adam in the place of its own optimiser",
}

_HEAD = """\
# Other libraries' own seeds

<!-- Made by docs/others.py and docs/pages.py from docs/assets/others.json, which benchmarks/peers/others.py writes. -->

Do the seeds of SAELens, sparsify, dictionary_learning and overcomplete agree, beyond what, and were they born alike?
Three of each kind were trained by the libraries' own trainers, at their own defaults scaled down: 512 atoms, k = 16
where a kind has one, 2,000 steps of 256 tokens, on layer 5 of SmolLM2-135M (250,000 tokens of 576 dimensions, not
centred). That is little training, of small autoencoders, on one layer: no ranking of libraries. The point is what can
be said of files that somebody has trained already.

```
.venv-peers/bin/python benchmarks/peers/seeds.py STORE others        # half an hour on one core
python benchmarks/peers/others.py STORE others docs/assets/others.json
reseed compare others/saelens/topk/seed* --activations STORE         # one of them
```

Versions: {versions}.

## What they agree

Agreement is of the atoms that fire in both, with its 95 % interval over runs. *Random* is what random directions with
the dictionaries' own means and covariances agree; *k-means* what centroids of the same tokens do where the atoms
live, a reference that forbids nothing. *Replicated*: share of the matched pairs beyond the 99th percentile of the
null's. *Own index*: atoms matched to the atom of their own index, pair by pair; about one is chance, in a Matryoshka
dictionary one for each of its five groups.

"""

_READ = """\

- **RA-TopK of overcomplete**, whose three runs share their k-means points as published use does, agrees .99 over all
  atoms, and nearly every atom is matched to the one of its own index: the runs were born alike, and compare says so
  from the last files alone. A fiftieth of the atoms fires, others in each run: hardly any pair is alive in both, so the
  table's agreement of those that are has a wide interval, and codes agree as chance does. The library's δ of 1 is small
  beside centroids of norm 74, so the atoms hardly move from them: no good autoencoder, and it agrees best of all.
- **One seed in two orders of the data** (SAELens topk) agrees hardly more than two seeds do. The mean would not have
  told them apart; the indices do.
- **Most of it is beyond random directions, and that is not much.** What the same recipe makes of rows without
  structure is far above random directions: see below.
- **One number is one start, across libraries.** After `torch.manual_seed(0)` SAELens, sparsify and Matryoshka
  dictionaries of dictionary_learning draw the same directions: seed 0 of one and seed 0 of another were born alike. So
  do its TopK and BatchTopK. Compare different numbers, or look at the indices.
- **gated, jumprelu.** At the libraries' default penalties nearly all atoms fire for every token here: these are bases
  and not sparse codes, and their atoms agree as chance does, or hardly more.
- **sparsify.** Its own optimiser, signed momentum, does not fit at this size and length; with Adam it does.
- **k-means** agrees .90 where a decoder's bias does not begin at the mean of the data, and .76 where it does: there the
  common mean is taken off, and cosines are no longer inflated by it.
"""

_SURROGATE = """\

## With runs on rows without structure

SAELens TopK was trained three times more, on what `reseed surrogate STORE --out structureless` writes: rows with the
mean, covariance and lengths of the activations and nothing else. Only that lets compare say more than *beyond random
directions*:

```
reseed compare others/saelens/topk/seed* --activations STORE \\
    --null others/saelens/topk-surrogate/seed0 --null others/saelens/topk-surrogate/seed1 \\
    --null others/saelens/topk-surrogate/seed2
```

> {sentence}

Against random directions most of the matched pairs looked replicated. Against the recipe's own null one in ten does.

"""

_FEATURES = """\
## Which features come back

`reseed features` of the same files and activations: an atom comes back in another run if its one-to-one partner there
has a cosine of at least .7 and codes that correlate at least .5 over 4,096 held-out tokens. *Come back*: the share of
matched pairs, over runs. *Null*: the same among the recipe's runs on rows without structure (SAELens topk), else the
share beyond .7 alone among random directions with the dictionaries' own mean and covariance. Then classes of atoms over
the three runs, by how many runs have them, and how many new classes a further run would bring.

{table}

Of 512 atoms of each run 14 in a hundred are found again by dictionary_learning's TopK, BatchTopK and Matryoshka, 4 to 9
by the others, none where nearly all atoms fire for every token; and a fourth seed would bring four hundred atoms that
no run had. RA-TopK, whose atoms are its shared points, has next to no code in common.

Those of SAELens topk that come back most, and least of those that fire most, with the tokens where they fire most:

```text
{shown}
```

"""

_BY_HAND = """\
## By hand

"Are my two SAELens dictionaries the same?" takes one line, `reseed compare A B`, and 4.2 CPU-seconds on these files,
most of them spent importing torch. The ten lines of `benchmarks/peers/by_hand.py` take 6.4: load with SAELens,
normalise, match with scipy, print the mean. The nearest tools, `mean_correlation_coefficient` of SAELens and
`cosine_hungarian_loss` of overcomplete, in `benchmarks/peers/nearest.py`, take 7.2 (medians of five, interleaved, whole
processes). By hand the mean is {by_hand} for seeds 0 and 1, as here; SAELens says .405, of absolute cosines;
overcomplete 306, a sum of distances over 512 pairs. With any of them it stays open whether that is more than random
directions give, whether it is a mean of alike and unlike atoms, and whether the two were born alike.
"""


def page() -> str:
    """The page."""
    told = json.loads(MEASURED.read_text("utf-8"))
    rows = told["rows"]
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    plain = next(row for row in rows if (row["library"], row["kind"]) == ("saelens", "topk"))
    parts = [_HEAD.format(versions=versions), _table(rows), _READ]
    if "surrogate" in plain["floors"]:
        parts.append(_SURROGATE.format(sentence=plain["sentence"]))
    parts.append(_FEATURES.format(table=_back_table(rows), shown=_examples(plain["features"])))
    parts.append(_BY_HAND.format(by_hand=rounded(plain["first"], 3)))
    return "".join(parts)


def _table(rows: Iterable[dict[str, Any]]) -> str:
    head = (
        "| library | kind | L0 | R² | alive | agreement | random | k-means | replicated | codes | own index | word |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *map(_row, rows), ""])


def _row(row: dict[str, Any]) -> str:
    floors = row["floors"]
    cells = (
        CALLED[row["library"]],
        KINDS.get(row["kind"], row["kind"]),
        f"{row['l0']:.0f}",
        rounded(row["r2"]),
        percent(row["alive"]),
        _estimate(row["agreement"]),
        rounded(max(floors["isotropic"], floors["spectrum"])),
        rounded(floors.get("kmeans", math.nan)),
        percent(max(0.0, row["replicated"][0])) if math.isfinite(row["replicated"][0]) else "n/a",
        rounded(row["code"][0]) if row["code"] else "n/a",
        ", ".join(str(each) for each in row["fixed_points"]),
        f"**{row['word']}**",
    )
    return f"| {' | '.join(cells)} |"


def _back_table(rows: Iterable[dict[str, Any]]) -> str:
    head = (
        "| library | kind | come back | null | in all runs | in two | in one | a further run brings |\n|" + "---|" * 8
    )
    return "\n".join([head, *(_back(row) for row in rows if len(row["features"]["frequencies"]) > 2)])  # noqa: PLR2004 (runs)


def _back(row: dict[str, Any]) -> str:
    found = row["features"]
    once, twice, always = found["frequencies"]
    new, low, high = found["new"]
    cells = (
        CALLED[row["library"]],
        KINDS.get(row["kind"], row["kind"]),
        _estimate(found["reappearance"]),
        rounded(found["null_reappearance"]),
        f"{always:,}",
        f"{twice:,}",
        f"{once:,}",
        f"{new:.0f} [{low:.0f}, {high:.0f}]",
    )
    return f"| {' | '.join(cells)} |"


def _examples(found: dict[str, Any]) -> str:
    """What those features fire on that come back most, and least; texts are data, so they stand in code."""
    lines = []
    for called, features in (("comes back in both others", found["most"]), ("comes back in none", found["least"])):
        for each in features:
            lines.append(
                f"{each['run']} {each['atom']} {called}, cosine {rounded(each['cosine'])}, fires {each['fired']:,}"
            )
            lines += [f"    {text}" for text in each["texts"]]
    return "\n".join(lines)


def _estimate(found: list[float]) -> str:
    value, low, high = found
    return f"{rounded(value)} {interval(low, high)}".rstrip()
