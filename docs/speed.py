# ruff: noqa: INP001 (a script)
"""The page of what training and matching cost beside other libraries, for `pages.py`: from measurements only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reseed._support.numbers import rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

Figures = dict[str, Any]
ASSETS = Path(__file__).parent / "assets"

_HEAD = """\
# Speed

<!-- Made by docs/speed.py and docs/pages.py from what benchmarks/training.py and benchmarks/matching.py write. -->

An audit trains the same dictionary many times, so what one run costs decides how many there can be. reseed computes
gradients for the active atoms of a token only; a ReLU's codes are taken whole while more than an eighth of them are
active. No number is approximated for it; it computes in float32. (Where a CPU multiplies bfloat16 faster, an encoder of
2 million numbers or more is multiplied in bfloat16 first; every atom that can be among the k largest, by a proven
bound, is computed again in float32. Passes over 4,096 and 16,384 atoms of 768 dimensions became 1.2 times as fast by
it, on one thread: `benchmarks/kernels.py`.) Speed alone counts for nothing: beside what training costs stands the R²
that it reaches.

## Training beside other libraries

"""

_READING = """\
How to read it:

- Each library is driven by its own training step, on the same batches in the same order, with Adam at the same constant
  rate. Logging, progress bars and checkpoints are off. What a step always does is measured: clipped gradients, counts
  of dead atoms, thresholds.
- Contenders take turns, a chunk of steps each, and go on from where they were; the first round warms up. Shown are
  medians over the rounds. A ratio is of CPU time to that of one run of reseed's method of the same
  kind, in the same round. On a quiet machine CPU and wall time agree.
- Activations are at a root mean square distance of 1 to their mean, the unit in which the other libraries start best;
  reseed's methods come to the same in any unit. R² is held-out and follows a few steps only: it says that all of them
  learn, not which is best in the end. Libraries start their dictionaries and encoders differently, and those that
  start with a random encoder or without a bias need longer; after thousands of steps the order can be another.
- BatchTopK and Matryoshka are evaluated as they are used, by their thresholds. That of SAELens begins at 0 and moves by
  a hundredth at a batch, that of dictionary_learning by a thousandth from its first on: after so few steps they let too
  many codes through, and R² says more of that than of the dictionaries.
- JumpReLU starts with thresholds of half a deviation, and Gated with gates that two deviations open: half of all gates
  are open in a library's own start, and what a short training costs would be what its first steps cost.
- A transcoder reads the first half of rows of twice the width, and writes the second.
- Rows of TopK, BatchTopK, Matryoshka and RA-TopK are of another day and host than the others: its products in float32
  were faster, and reseed's TopK, most of which is such a product, took .94 seconds there and 1.66 here, sparsify's 5.13
  and 6.19. Ratios within a method are of one host.
- The sparse activations of SAELens have no gradient for its rescaling by norms of the decoder, which is otherwise on.
- Memory, and the cost of reading activations, are not compared.

"""

_PURSUIT = """\
Matching pursuit, whose rounds cost the other libraries minutes: {all} steps in all, {measured} of them measured in
{rounds} rounds.

"""

_MATCHING = """\
## Matching beside other solvers

Two dictionaries of n atoms of {d_model} dimensions; {on}.

*Product* is the time of all n² cosines in float32, block by block, which every exact matching needs. scipy is
`linear_sum_assignment` and lap is lapx's `lapjv`, both with their product in float64; both need the whole matrix. Loss
is how far reseed's agreement is below scipy's.

"""

_REGIMES = """\
*Independent* dictionaries have nothing in common; a *noisy copy* has all atoms in common, *half shared* half of them;
*clustered* ones have clusters of other sizes on either side, so that many atoms have to leave their cluster. The gap is
proven by dual prices, with the rounding of every product counted in.

"""

_ON_GPU = """\
## On a GPU

{device}, torch {torch}, Triton {triton}. One run, and four and eight as one stack; batches of {batch:,}; planted
activations that lie in the GPU's memory; {steps} steps, after which R² is taken, all but the first 8 of them measured.
The other libraries train one dictionary; dictionary_learning and overcomplete in float32, sparsify with its Triton
decoder and TF32.

"""

_PARTS = """\
Where a step of 8 runs goes, at {n_atoms:,} atoms, d_model {d_model}, k = {k}; *of product* is the time of the
encoder's product alone in bfloat16, divided by the time. Nothing but that product is for a GPU's matrix units: a step
cannot come near its limit at these sizes while weights, moments and gathered rows stay in float32.

"""

_STUDY = """\
The demo's study at {steps} steps, on 18,000 tokens of the demo's activations, with the same rolls on the GPU and on 8
cores of the CPU beside it (measured on {device} before the k largest codes were chosen as they are now, by the same
numbers): the same words in all {n} conditions. Training took {gpu:.0f} and {cpu:.0f} s; everything else, which runs on
the CPU, {rest:.0f} s. What separates a run from itself on the other device is the encoder's product in bfloat16:

| agreement of a run with itself on the other device, {runs} runs | median | least |
|---|---|---|
{alike}

k-means, {points:,} points of {rows:,} rows of {d_model} dimensions: {per_step:.1f} s an iteration. A matching where the
dictionaries lie on the GPU makes all cosines there, and leaves the auction to one core of the CPU; half of the atoms
are shared. The first row has in it what compiling the loops takes on a new machine, about 7 s. All were measured
before equal atoms became one column:

| atoms x d_model | s | product alone, s | gap | the same on {cores} cores, s |
|---|---|---|---|---|
{matchings}

"""

_AUDIT = """\
## What an audit costs beside its training

CPU seconds of a study of one arm, two starts and two runs of each, from a `.npy` that nothing is known of beforehand.
The surrogate null counts apart: its three runs are training, and its rows are drawn for them. *Before* is version 0.1.0
as of 27 November 2026.

"""

_LONG = """\
Two runs that read {tokens} million tokens each ({n_atoms:,} atoms, {d_model} dimensions, no surrogate) took
{training:.0f} s of training and {rest:.1f} s of all else, **{share}** of it.

"""

_AUDIT_READING = """\
What is not training does not grow with the steps, but for reading and drawing rows. How it is kept small: k-means
dictionaries take their activations to all centroids once in each of two stages, in integers or bfloat16 where the
processor has instructions for them ([section 3](mathematics.md#drawn-dictionaries)); dictionaries of up to 4,096 atoms
are matched with all their cosines in memory ([section 2](mathematics.md#matched-agreement)); a covariance is half
computed and half copied; rows are whitened in float32.

"""

_AGAIN = """\
## How to repeat the measurements

```
make bench-peers
```

installs the libraries by exact version into an environment of their own, `.venv-peers`, and prints the table. `ARGS`
reaches the benchmark: `ARGS='--shape small'` takes half a minute, `ARGS='--activations FOLDER'` trains on what
[reseed collect](commands/collect.md) stored, `--threads`, `--rounds`, `--steps` and `--runs` say how much. In an
environment that is there already, `python benchmarks/training.py` measures reseed and whatever of the others it has.
This page is made anew by

```
make bench-peers ARGS='--rounds 5 --steps 14 --json docs/assets/speed-training.json'
make bench-peers ARGS='--rounds 5 --steps 14 --families batchtopk matryoshka --json docs/assets/speed-training.json'
make bench-peers ARGS='--rounds 5 --steps 14 --families jumprelu gated --json docs/assets/speed-training.json'
make bench-peers ARGS='--rounds 5 --steps 14 --families ra-jumprelu transcoder --json docs/assets/speed-training.json'
make bench-peers ARGS='--families mp --rounds 3 --steps 2 --json docs/assets/speed-pursuit.json'
python benchmarks/matching.py --large --huge --json docs/assets/speed-matching.json
python benchmarks/on_gpu/everything.py docs/assets/gpu --activations ACTIVATIONS
python benchmarks/audit.py --json docs/assets/audit.json
python benchmarks/audit.py --long --json docs/assets/audit.json
python docs/pages.py
```

The line with `on_gpu` needs a GPU, and ten minutes of it at the most.

## How a change of speed is noticed

`make regression` tells in seconds what a training step, a matching and a start cost, as ratios to plain work of the
same size that takes turns with it: a step to the encoder's product of its batch, a matching to the product of all
cosines, `reseed --help` to a bare interpreter. CI prints them with every change. Nothing fails on a time.
"""


def page() -> str:
    """The page of what training and matching cost."""
    training, pursuit, matching = map(_measured, ("training", "pursuit", "matching"))
    return "".join(
        [
            _HEAD,
            _measured_on(training),
            _training_table([*training["contenders"], *pursuit["contenders"]]),
            _PURSUIT.format(**pursuit["steps"]),
            _trained_by([*training["contenders"], *pursuit["contenders"]]),
            _READING,
            _on_gpu(),
            _matching_section(matching),
            _audit(),
            _AGAIN,
        ]
    )


def _measured(name: str) -> Figures:
    return json.loads((ASSETS / f"speed-{name}.json").read_text(encoding="utf-8"))


def _measured_on(measured: Figures) -> str:
    shape, steps, where, rates = (measured[name] for name in ("shape", "steps", "machine", "learning_rate"))
    data = {"planted": "activations with a planted dictionary", "given": "stored activations"}[measured["activations"]]
    packages = ", ".join(f"{name} {version}" for name, version in measured["versions"].items())
    return (
        f"d_model {shape['d_model']}, {shape['n_atoms']:,} atoms, k {shape['k']}, batches of {shape['batch_size']:,}; "
        f"archetypal dictionaries mix {shape['n_points']:,} points. {data.capitalize()}; {steps['all']} steps in all, "
        f"{steps['measured']} of them measured in {steps['rounds']} rounds; rate {rates['topk']:g}, archetypal "
        f"{rates['ra-topk']:g}. {where['processor']} with {where['cores']} cores and {where['instructions']}, "
        f"{_threads(where)}, load {where['load_before']:g} before. {packages}.\n\n"
    )


def _training_table(contenders: Sequence[Figures]) -> str:
    lines = [
        "| per 100,000 tokens and run | CPU seconds | wall seconds | CPU time, ratio | R² |",
        "|---|---|---|---|---|",
    ]
    for row in contenders:
        name = f"**{row['name']}**" if row["package"] == "reseed" else row["name"]
        figures = [f"{row['cpu_seconds']:.2f}", f"{row['wall_seconds']:.2f}", f"{row['ratio']:.2f}", rounded(row["r2"])]
        lines.append(f"| {' | '.join([name, *figures])} |")
    return "\n".join(lines) + "\n\n"


def _trained_by(contenders: Sequence[Figures]) -> str:
    rows = (f"- {row['name']}: {row['how']}" for row in contenders)
    return "What is run for each:\n\n" + "\n".join(rows) + "\n\n"


def _matching_section(measured: Figures) -> str:
    where = measured["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in measured["versions"].items())
    on = f"{_threads(where)}, load {where['load_before']:g} before; {packages}"
    head = _MATCHING.format(d_model=measured["d_model"], on=on)
    return head + _matching_table(measured["rows"]) + _REGIMES + _largest(measured["rows"])


def _on_gpu() -> str:
    training, parts, study, starts = (
        json.loads((ASSETS / f"gpu/{of}.json").read_text("utf-8")) for of in ("training", "parts", "study", "starts")
    )
    first = training["table"][0]
    head = _ON_GPU.format(**{name: training[name] for name in ("device", "torch", "triton")}, **_sizes(first))
    step = [row for row in parts["table"] if (row["n_atoms"], row["d_model"]) == (16384, 768)]
    return (
        head
        + _gpu_table(training["table"])
        + _PARTS.format(**_sizes(step[0]))
        + _parts_table(step)
        + _same(study, starts)
    )


def _sizes(row: Figures) -> Figures:
    return {name: row[name] for name in ("n_atoms", "d_model", "k", "batch", "steps") if name in row}


def _gpu_table(rows: Sequence[Figures]) -> str:
    lines = [
        "| atoms x d_model, k | | tokens/s of a run | tokens/s of all | beside the fastest other | R² | GiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        size = [other for other in rows if _sizes(other) == _sizes(row) and other["family"] == row["family"]]
        ours = row["contender"].startswith("reseed")
        fastest = max(other["tokens_per_second"] for other in size if not other["contender"].startswith("reseed"))
        cells = [
            f"{row['family']} {row['n_atoms']:,} x {row['d_model']:,}, {row['k']}",
            f"**{row['contender']}**" if ours else row["contender"],
            f"{row['tokens_per_second_of_a_run'] / 1e6:.2f} M",
            f"{row['tokens_per_second'] / 1e6:.2f} M",
            f"{row['tokens_per_second'] / fastest:.1f}" if ours else "",
            rounded(row["r2"]),
            f"{row['peak_gib']:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\n"


def _parts_table(rows: Sequence[Figures]) -> str:
    lines = ["| part | | ms | of product |", "|---|---|---|---|"]
    lines += [
        f"| {row['part']} | {row['way']} | {row['milliseconds']:.2f} | {rounded(row['of_product'])} |" for row in rows
    ]
    return "\n".join(lines) + "\n\n"


def _same(study: Figures, starts: Figures) -> str:
    """What a study comes to on both devices, and what starts and matchings cost."""
    cuda, cpu = (study["devices"][device] for device in ("cuda", "cpu"))
    if cuda["words"] != cpu["words"]:
        raise ValueError(f"other words on the GPU: {cuda['words']}, on the CPU: {cpu['words']}")
    by_step = {step: sorted(of[step] for of in study["alike"].values()) for step in ("10", "50", str(study["steps"]))}
    alike = "\n".join(f"| step {step} | {at[len(at) // 2]:.4f} | {at[0]:.4f} |" for step, at in by_step.items())
    matchings = "\n".join(
        f"| {row['n_atoms']:,} x {row['d_model']:,} | {_digits(row['seconds'])} | {_digits(row['product'])} | "
        f"{row['gap']:.0e} | {_digits(row.get('cpu_seconds'))} |"
        for row in starts["matchings"]
    )
    return _STUDY.format(
        steps=study["steps"],
        device=study["device"],
        n=len(cuda["words"]),
        gpu=cuda["phases"]["train"],
        cpu=cpu["phases"]["train"],
        rest=cpu["seconds"] - cpu["phases"]["train"],
        runs=len(study["alike"]),
        alike=alike,
        per_step=starts["kmeans_seconds"] / starts["steps"],
        matchings=matchings,
        **{name: starts[name] for name in ("points", "rows", "d_model", "cores")},
    )


def _audit() -> str:
    """What everything but training takes, part by part, before and now."""
    before, now = (json.loads((ASSETS / f"{name}.json").read_text("utf-8")) for name in ("audit-before", "audit"))
    where = now["machine"]
    processor = f"{where['processor']} with {where['instructions']}"
    loads = " and ".join(f"{each['machine']['load_before']:g}" for each in (before, now))
    on = f"{processor}, {_threads(where)}; others kept it busy, load {loads}, which lengthens all parts.\n\n"
    return _AUDIT + on + _audit_table(before["shapes"], now["shapes"]) + _long(now["long"]) + _AUDIT_READING


def _long(measured: Figures) -> str:
    shape = measured["shape"]
    return _LONG.format(
        tokens=round(shape["steps"] * shape["batch_size"] / 1e6),
        share=rounded(_share(measured), digits=3),
        **{name: shape[name] for name in ("n_atoms", "d_model")},
        **{name: measured[name] for name in ("training", "rest")},
    )


def _audit_table(before: Sequence[Figures], now: Sequence[Figures]) -> str:
    columns = [each for pair in zip(before, now, strict=True) for each in pair]
    sizes = [f"{each['shape']['n_atoms']:,} atoms, {each['shape']['steps']} steps" for each in now]
    head = [f"{size}{when}" for size in sizes for when in (": before", ": now")]
    parts = dict.fromkeys(part for each in reversed(columns) for part in each["parts"])
    rows = [("training", [f"{each['training']:.1f}" for each in columns])]
    rows += [(part, [_seconds(each["parts"].get(part)) for each in columns]) for part in parts if part not in _OF_NULL]
    rows += [
        ("**all but training, over training**", [f"**{rounded(_share(each))}**" for each in columns]),
        ("the surrogate: its runs", [f"{each['surrogate_training']:.1f}" for each in columns]),
        ("the surrogate: its rows", [f"{_rows_of_null(each):.1f}" for each in columns]),
    ]
    lines = ["| | " + " | ".join(head) + " |", "|---" * (1 + len(head)) + "|"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows)]) + "\n\n"


_OF_NULL = ("surrogate made",)
"""Parts that belong to the surrogate, as version 1 of the figures calls them."""


def _rows_of_null(measured: Figures) -> float:
    return measured["surrogate_rows"] if "surrogate_rows" in measured else measured["parts"]["surrogate made"]


def _share(measured: Figures) -> float:
    """The same of both versions: the rows of the surrogate are not part of it."""
    beside = measured["rest"] if "surrogate_rows" in measured else measured["rest"] - _rows_of_null(measured)
    return beside / measured["training"]


def _seconds(taken: float | None) -> str:
    return "" if taken is None else f"{taken:.1f}"


def _threads(where: Figures) -> str:
    return "1 thread" if where["threads"] == 1 else f"{where['threads']} threads"


def _matching_table(rows: Sequence[Figures]) -> str:
    lines = [
        "| n | | product, s | reseed, s | reseed / product | scipy, s | scipy / reseed | lap, s | gap | loss |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if "product" in row:
            beside = row["scipy"] / row["reseed"] if "scipy" in row else None
            figures = (row["product"], row["reseed"], row["products"], row.get("scipy"), beside, row.get("lap"))
            proof = ("" if each is None else f"{each:.0e}" if each else "0" for each in (row["gap"], row["loss"]))
            cells = [f"{row['n']:,}", row["regime"], *map(_digits, figures), *proof]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\n"


def _largest(rows: Sequence[Figures]) -> str:
    """The sentence about the size whose memory was measured."""
    largest = (row for row in rows if "peak GiB" in row)
    return "".join(
        f"{row['n']:,} {row['regime']} atoms took {_digits(row['reseed'])} s, and at the peak the whole process held "
        f"{row['peak GiB']:.2f} GiB of memory.\n\n"
        for row in largest
    )


def _digits(seconds: float | None) -> str:
    """About two digits."""
    if seconds is None:
        return ""
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2g}"  # noqa: PLR2004 (from here on a digit more says nothing)
