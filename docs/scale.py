# ruff: noqa: INP001, RUF001 (a script, with prose in it)
"""The page of what grows with what, for `pages.py`: measured curves, and plans on paper that say so."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from reseed._support.numbers import percent, rounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Figures = dict[str, Any]
MEASURED = Path(__file__).parent / "assets/scale.json"
PLANS = Path(__file__).parent / "assets/planning.json"
SEEDS = Path(__file__).parent / "assets/seeds.json"
ON_GPU = Path(__file__).parent / "assets/gpu/training.json"


class Size(NamedTuple):
    """A dictionary to plan for."""

    n_atoms: int
    d_model: int
    k: int = 64
    batch_size: int = 4096


PLANNED = (Size(16_384, 768), Size(65_536, 2048), Size(131_072, 4096))
FLOPS, BYTES = 4e14, 2e12  # assumed of a GPU, per second
RUNS, TOKENS = 8, 1e9

_HEAD = """\
# Scale

<!-- Made by docs/scale.py and docs/pages.py from docs/assets/scale.json, planning.json and seeds.json, which
benchmarks/growth.py, benchmarks/planning.py and benchmarks/seeds.py write. -->

What an audit costs when something in it grows: first as measured on one thread of a CPU, then what follows on paper for
larger machines. [Speed](speed.md) compares one size with other libraries.

## Measured time and memory

"""

_READING = """\
A slope is that of the line through the logarithms of a curve's upper half, by least squares: 1 is in proportion, 2 is
quadratic, 0 is flat. Time is the median step's CPU time; where a curve starts flat, its first points hold what every
step costs at any size. Memory is the peak above what the process held before; *own* memory is the process's numbers,
while pages of the mapped activation files come on top as far as there is room, and go when something else needs it.
Every point is a process of its own that trains, matches or clusters as `reseed run` does, from a store on disk.

![CPU time against atoms or points, both logarithmic](assets/growth.svg)

"""

_AUDIT = """\
## What comparing costs beside training

Training is run after run, comparing is pair after pair, so that their shares depend on how long the runs are.

"""

_DRY = """\
## What a dry run says, and what came

[`reseed run --dry-run`](commands/run.md#before-it-runs) says beforehand what a study will need. Here it was asked
first, and then the study ran: as predicted / as it came.

"""

_DRY_READING = """\
Disk and files are arithmetic: all that is open is how many atoms are active, which is at most k, and taken for half of
them where a penalty decides. Memory is the process's own at its peak, an upper bound. Hours are rates measured within
seconds, times how often each piece of work is done, so that they hold for a machine that stays as busy as it was: these
measurements shared {cores} cores with other work, {least:g} to {most:g} threads in the queue on average. CPU seconds
suffer less from that than the wall's.

"""

_PLAN = """\
## Planning a larger machine

What follows is arithmetic, with n atoms, d dimensions, P points, b tokens per batch and k active atoms;
[speed](speed.md#on-a-gpu) has what was measured on one GPU.

Memory, in bytes per run: 24·n·d for dictionary, encoder and Adam's two moments of each, in float32; 8·n·d for
gradients during a step; about b·(12·d + 40·k) for a batch; on a GPU 2·n·d for the encoder in bfloat16, and 256 MiB
once for all runs. An archetypal method adds 16·n·P for mixing weights, their moments and gradient, and 4·P·d for the
points. Activations: 2·d bytes per token on disk, whatever is trained on them; a k-means start, and each draw of the
k-means floor, holds what it looks at in memory, 4·d bytes each. A snapshot is 8·n·d bytes and the held-out codes, a
resume point 24·n·d. What a run takes on the CPU at its peak is more, {per_weight:.0f}·n·d bytes by the curve above: the
peak is where a snapshot is made, from copies of its tensors and the dictionary of step 0.

Time, per token and run: 2·n·d operations for the encoder's product; and memory traffic, 12·k·d bytes for the rows of
active atoms, 8·n for writing and reading pre-activations, and 56·n·d / b for Adam, whose step is shared by a batch. The
table **assumes** a GPU that keeps up 400 TFLOP/s in bfloat16 (two fifths of a peak of 1,000) and 2 TB/s, one after the
other, never waits for data and does nothing else.

"""

_NODE = """\
### One node of eight GPUs, and beyond

Given the activations, runs do not talk to each other, so that eight GPUs, or eight nodes of them, need no network. One
`reseed run` uses one GPU. What can be shared out today is conditions: write a study.toml for each GPU with its arms and
preprocessings, and afterwards one that has them all.

```
for gpu in 0 1 2 3 4 5 6 7; do
  CUDA_VISIBLE_DEVICES=$gpu reseed run part-$gpu.toml --out part-$gpu --quiet &
done; wait
mkdir whole; for part in part-?; do cp -r $part/. whole; done
reseed run whole.toml --out whole
```

The last command trains nothing: a run is known by what it is made from, and all of them are there. It compares pairs of
runs, once more but for those of the last part, and arms, and writes the one report. Everything that decides a run has
to be the same in the parts and in the whole: training, dice, starts, runs per start.

Not there yet: the runs of one condition on several GPUs. Of two `reseed run` on one study folder the second is refused.
A condition has to fit one GPU; where it does not, take fewer starts or runs per start. Runs with orders of their own
read a batch each: where reading is what a GPU waits for, `order = "shared"` in the study's dice reads one for all.
Activations that take no more than a quarter of a GPU's memory lie in it while a condition is trained.

### Comparing large dictionaries

All cosines of a pair take 2·n²·d operations, exactly as many as the encoder spends on n tokens. Matching makes them
once, block by block, and MMCS comes from the same pass. Comparing R runs at S snapshots therefore costs
(R − 1)·S·n / 2 tokens' worth of each run's encoding, plus the assignments: for 8 runs at 16 snapshots 0.23 million
tokens at 4,096 atoms, and 7.3 million at 131,072. Snapshots are compared on the CPU, wherever the runs were trained.

"""

_SEEDS = """\
### Pairs of seeds

What large pairs of seeds look like, planted: half of the atoms shared, an eighth of either side's own atoms split into
two to four on the other, one in a hundred dead; d_model {d}, {threads} threads on {cores} cores, with {least:.1f} to
{most:.1f} threads in the queue before, so that the wall's time is that of a busy machine and CPU time the better
measure. *Product* is that of all cosines in float32, block by block and thrown away; a sixteenth of it was measured
before the matching and as much after it. The peak is that of the whole process with both dictionaries, the gap is
proven.

{table}
With [`--resume`](commands/compare.md#large-dictionaries) a process that is killed goes on from what it found out.

"""

_AGAIN = """\
## How to repeat the measurements

```
python benchmarks/growth.py --json docs/assets/scale.json && python docs/pages.py && python docs/figures growth
```

takes ten to fifteen minutes; `--only match` measures one curve anew and keeps the others of the file. The dry runs are
those of `python benchmarks/planning.py --json docs/assets/planning.json`, and the pairs of seeds those of `python
benchmarks/seeds.py SIZE --resume FOLDER --json docs/assets/seeds.json`, one size or several at a time.
"""

CURVES = ("atoms", "d_model", "runs", "points", "tokens", "match", "kmeans")
UNITS = {"cpu_seconds": "CPU seconds", "anonymous_mib": "own MiB", "file_mib": "file MiB"}
SAID = {
    "n_atoms": "{:,} atoms",
    "d_model": "d_model {}",
    "k": "k {}",
    "batch_size": "batches of {:,}",
    "runs": "{} runs",
    "tokens": "{:,} tokens stored",
    "n_points": "{:,} points",
    "rows": "{:,} rows",
}
TOLD = {
    "training": ("n_atoms", "d_model", "k", "batch_size", "runs", "n_points"),
    "matching": ("d_model",),
    "clustering": ("d_model", "rows"),
}


def page(file: Path = MEASURED, plans: Path = PLANS) -> str:
    """The page of the figures in two files."""
    measured = json.loads(file.read_text(encoding="utf-8"))
    found = [name for name in CURVES if name in measured]
    parts = [_HEAD, _measured_on(measured), *(_curve(measured[name]) for name in found), _READING]
    parts += [_AUDIT, _audit(measured["audit"])] if "audit" in measured else []
    return "".join(
        [
            *parts,
            _dry_runs(json.loads(plans.read_text(encoding="utf-8"))),
            _PLAN.format(per_weight=_per_weight(measured["atoms"])),
            _planned(),
            _NODE,
            _compared(measured["match"]),
            _seeds(json.loads(SEEDS.read_text(encoding="utf-8"))),
            _AGAIN,
        ]
    )


def _measured_on(measured: Figures) -> str:
    where = measured["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in measured["versions"].items())
    loads = [measured[name]["load_before"] for name in (*CURVES, "audit") if name in measured]
    return (
        f"{where['processor']} with {where['cores']} cores and {where['instructions']}, {where['threads']} thread, "
        f"load {min(loads):g} to {max(loads):g} before. {packages}. Planted activations in bfloat16.\n\n"
    )


def _curve(curve: Figures) -> str:
    """One curve lies down: its points are columns, the slope the last one."""
    axis, points, settings = curve["axis"], curve["points"], curve["settings"]
    fixed = [name for name in TOLD[curve["what"]] if name != axis and settings[name]]
    said = ", ".join(SAID[name].format(settings[name]) for name in fixed).replace("1 runs", "1 run")
    head = [f"{curve['title']}: {_word(axis)}", *(f"{point[axis]:,}" for point in points), "slope"]
    lines = [
        [unit, *(_number(point[name]) for point in points), rounded(curve["slopes"][name])]
        for name, unit in UNITS.items()
        if name != "file_mib" or axis == "tokens"
    ]
    return f"{_table(head, lines)}\n{said}.\n\n"


def _word(axis: str) -> str:
    return {"n_atoms": "atoms", "n_points": "points", "tokens": "tokens stored"}.get(axis, axis)


def _audit(audit: Figures) -> str:
    settings, costs, shares = audit["settings"], audit["costs"], audit["shares"]
    said = ", ".join(SAID[name].format(settings[name]) for name in ("n_atoms", "d_model", "k", "batch_size"))
    rows = {
        "a training step of one run": "step",
        "of which reading its batch": "read",
        f"a snapshot of one run ({_number(costs['snapshot_mib'])} MiB), with its held-out codes": "snapshot",
        "a run made ready for its pairs, at one snapshot": "see",
        "a pair compared at one snapshot": "compare",
        "of which the matching": "match",
    }
    first = _table(["", "CPU seconds"], [[name, _number(costs[cost])] for name, cost in rows.items()])
    head = [
        "tokens per run",
        "training, CPU hours",
        "comparing all pairs",
        "snapshots",
        "k-means starts",
        "the same, 10⁶ activations",
    ]
    lines = [
        [
            f"{row['tokens']:,}",
            _number(row["training_cpu_seconds"] / 3600),
            *(percent(row[part]) if row[part] < 1 else f"{row[part]:.1f} times" for part in PARTS),
        ]
        for row in shares
    ]
    enough = shares[0]["tokens"] * shares[0]["compare"] / 0.05
    return (
        f"{said}; dictionaries after {settings['steps']} steps, whose matched agreement is "
        f"{rounded(costs['agreement'])}.\n\n{first}\n"
        f"A condition of {audit['runs']} runs with {audit['snapshots']} snapshots each, which makes "
        f"{math.comb(audit['runs'], 2)} pairs at every snapshot, in shares of the training time; k-means is 20 steps "
        f"on 32 activations per point, or on a million, once for each run (runs of one start share theirs):\n\n"
        f"{_table(head, lines)}\n"
        f"Comparing is below 5 % of the training from {_number(enough / 1e6)} million tokens per run on.\n\n"
    )


PARTS = ("compare", "snapshots", "kmeans", "kmeans_million")


def _dry_runs(plans: Figures) -> str:
    """A study a line: what was predicted, and what it took."""
    head = ["study", "n × d", "runs", "disk, MB", "files", "memory, MB", "CPU seconds", "wall seconds", "dry run, s"]
    lines, shapes = [], plans["shapes"]
    for each in shapes:
        shape, planned, taken = each["shape"], each["planned"], each["taken"]
        pairs = [(planned[name], taken[name]) for name in ("disk", "files", "memory", "cpu_seconds", "wall_seconds")]
        scaled = [(a / 1e6, b / 1e6) if i in {0, 2} else (a, b) for i, (a, b) in enumerate(pairs)]
        said = [f"{a:,.0f} / {b:,.0f}" for a, b in scaled]
        size = f"{shape['n_atoms']:,} × {shape['d_model']:,}"
        lines.append([shape["name"], size, str(each["runs"]), *said, f"{each['planning_seconds']:.0f}"])
    loads = [each["load"] for each in shapes]
    reading = _DRY_READING.format(cores=plans["machine"]["cores"], least=min(loads), most=max(loads))
    return f"{_DRY}{_table(head, lines)}\n{reading}"


def _per_weight(curve: Figures) -> float:
    """Bytes of memory for each entry of a dictionary, from the ends of the curve."""
    first, last = curve["points"][0], curve["points"][-1]
    more = 2**20 * (last["anonymous_mib"] - first["anonymous_mib"])
    return more / (last["n_atoms"] - first["n_atoms"]) / curve["settings"]["d_model"]


def _planned() -> str:
    head = ["n × d, k 64, batches of 4,096", "memory per run, in a step", "a snapshot", "product, µs", "traffic, µs"]
    head += ["8 runs × 10⁹ tokens, GPU hours", "10⁹ activations on disk"]
    lines = []
    for size in PLANNED:
        n, d, k, b = size
        product, traffic = 2 * n * d / FLOPS, (12 * k * d + 8 * n + 56 * n * d / b) / BYTES
        batch = b * (12 * d + 40 * k)
        sizes = [_bytes(34 * n * d + batch), _bytes(8 * n * d)]
        times = [f"{1e6 * product:.2f}", f"{1e6 * traffic:.2f}"]
        hours = RUNS * TOKENS * (product + traffic) / 3600
        lines.append([f"{n:,} × {d:,}", *sizes, *times, _number(hours), _bytes(TOKENS * 2 * d)])
    return f"{_table(head, lines)}\nOn paper; times are per token and run. {_measured_times()}\n\n"


def _seeds(found: Figures) -> str:
    """A pair of seeds a line: its time beside the product that it needs, memory and gap."""
    rows = found["rows"]
    head = ["atoms", "product, CPU s", "matching, CPU s", "products, CPU", "products, wall", "peak, GiB", "gap"]
    lines = [
        [
            f"{row['n']:,}",
            _number(row["product cpu"]),
            _number(row["reseed cpu"]),
            f"{row['products cpu']:.2f}",
            f"{row['products']:.2f}",
            f"{row['peak GiB']:.1f}",
            f"{row['gap']:.0e}",
        ]
        for row in rows
    ]
    loads = [row["load before"] for row in rows]
    return _SEEDS.format(
        d=rows[0]["d"],
        threads=rows[0]["threads"],
        cores=found["machine"]["cores"],
        least=min(loads),
        most=max(loads),
        table=_table(head, lines),
    )


def _measured_times() -> str:
    """What eight runs took on a GPU at the sizes of the table."""
    measured = json.loads(ON_GPU.read_text(encoding="utf-8"))
    eight = {
        (row["n_atoms"], row["d_model"]): row["tokens_per_second"] for row in measured["table"] if row["runs"] == RUNS
    }
    told = [f"{_number(1e6 / eight[n, d])} µs at {n:,} × {d:,}" for n, d, *_ in PLANNED if (n, d) in eight]
    return f"Measured on one {measured['device']}, with 8 runs: {' and '.join(told)}."


def _compared(match: Figures) -> str:
    """The measured curve of matching, prolonged."""
    last, slopes = match["points"][-1], match["slopes"]
    head = ["atoms, d 768", "matching, CPU seconds by the slope", "by its square", "own memory by the slope"]
    head += ["one table of cosines, TFLOP", "the same at d 4,096, TFLOP"]
    lines = []
    for n in (size.n_atoms for size in PLANNED):
        times = n / last["n_atoms"]
        seconds = [_number(last["cpu_seconds"] * times**power) for power in (slopes["cpu_seconds"], 2)]
        memory = _bytes(last["anonymous_mib"] * 2**20 * times ** slopes["anonymous_mib"])
        lines.append([f"{n:,}", *seconds, memory, *(_number(2 * n * n * d / 1e12) for d in (768, 4096))])
    hours = 28 * 16 * last["cpu_seconds"] * (131_072 / last["n_atoms"]) ** 2 * 4096 / 768 / 3600
    return (
        f"{_table(head, lines)}\nBeyond {last['n_atoms']:,} atoms seconds and memory are not measured but prolonged, "
        f"with the slopes {rounded(slopes['cpu_seconds'])} and {rounded(slopes['anonymous_mib'])}; products alone grow "
        "with the square. Dictionaries that agree otherwise than these, after 40 steps, can take longer or shorter.\n\n"
        f"By the square, and {4096 / 768:.1f} times as long for its dimensions, comparing 8 runs of 131,072 × 4,096 at "
        f"16 snapshots takes {_number(hours)} CPU hours. Cores share the pairs: 64 of them need {_number(hours / 64)} "
        "hours, if there is memory for 64 pairs at a time.\n\n"
    )


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = "|---" * len(head) + "|\n"
    first, *rest = (f"| {' | '.join(line)} |\n" for line in (head, *lines))
    return "".join([first, rule, *rest])


def _number(value: float) -> str:
    """Two digits that count, and no fewer than the number has before its point."""
    if value == 0:
        return "0"
    digits = max(0, 1 - math.floor(math.log10(abs(value))))
    return f"{round(value, digits):,.{digits}f}"


def _bytes(count: float) -> str:
    power = min(4, int(math.log10(max(count, 1)) // 3))
    return f"{_number(count / 1000**power)} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"
