"""Real dictionaries by other libraries' own trainers, three seeds of each kind, for reseed to compare.

    make bench-peers ARGS=--help                                       installs the libraries into .venv-peers
    .venv-peers/bin/python benchmarks/peers/seeds.py STORE OUT [--only saelens/topk]

STORE is what `reseed collect` wrote. OUT/<library>/<kind>/seed<N> is what the library saved; what is there is not
trained again. OUT/versions.json has the versions, and of each dictionary the seconds, L0, R² and the silent atoms.

Settings are the libraries' defaults but for the size and for what a comment gives a reason for. No library is made to
scale activations that does not do so by default: they come as the language model made them. Data come in one random
order per epoch. Libraries that train several seeds in one call (dictionary_learning's `trainSAE` with several trainers,
sparsify's `init_seeds`) show all of them the same batches; SAELens and overcomplete train one at a time, each in an
order of its own. sparsify trains on the output of a module that it hooks: here a table of rows by token number.

Within one library and seed, and between libraries, many kinds start alike: whoever draws one (n_atoms, d_model) matrix
first after `torch.manual_seed(N)` gets the same directions. Compare dictionaries of different seeds.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))
from _peers import SEQUENCE, _imported, _mean_squared_error, _quiet, _Rows, _Sequences, _skip_init

from reseed import open_activations, read_dictionary, write_surrogate
from reseed.starts.lloyd import kmeans

if TYPE_CHECKING:
    from reseed.activations import Activations

N_ATOMS, K, STEPS, BATCH = 512, 16, 2000, 256
SEEDS = range(3)
LOOKED_AT = 1000
"""Held-out rows of which L0 and R² are told; atoms are silent that no held-out row wakes."""
PACKAGES = ("sae-lens", "dictionary-learning", "eai-sparsify", "overcomplete", "torch")


@dataclass(frozen=True)
class Run:
    """One dictionary: what trains it, what differs from its neighbours, and where it lies."""

    library: str
    kind: str
    group: str
    """Folder of the runs that are compared."""
    name: str
    start: int
    """What the library's seed is."""
    order: int
    """Which order the data come in."""
    surrogate: bool = False

    @property
    def place(self) -> Path:
        """Below OUT."""
        return Path(self.library, self.group, self.name)


def runs() -> Iterator[Run]:
    """All of them; neighbours of one group, order and store are trained in one call."""
    for kind in ("topk", "jumprelu", "batchtopk"):
        yield from (Run("saelens", kind, kind, f"seed{n}", n, n) for n in SEEDS)
    yield from (Run("saelens", "topk", "topk-surrogate", f"seed{n}", n, n, surrogate=True) for n in SEEDS)
    yield from (Run("saelens", "topk", "topk-alike", f"order{n}", len(SEEDS), n) for n in range(2))
    for kind in ("topk", "topk-adam"):
        yield from (Run("sparsify", kind, kind, f"seed{n}", n, 0) for n in SEEDS)
    for kind in ("topk", "ra-topk"):
        yield from (Run("overcomplete", kind, kind, f"seed{n}", n, n) for n in SEEDS)
    for kind in ("topk", "batchtopk", "matryoshka", "gated", "jumprelu"):
        yield from (Run("dictionary_learning", kind, kind, f"seed{n}", n, 0) for n in SEEDS)


@dataclass(frozen=True)
class Batches:
    """Rows of a store, and which of them each step sees."""

    rows: Tensor
    order: Tensor
    """(steps, batch)"""

    def __iter__(self) -> Iterator[Tensor]:
        """`STEPS` batches."""
        return (self.rows[step] for step in self.order)


def batches(rows: Tensor, order: int) -> Batches:
    """Epochs over all rows, each in a random order; drawn without torch's own generator, which is the libraries'."""
    dice = torch.Generator().manual_seed(1000 + order)
    wanted = STEPS * BATCH
    epochs = [torch.randperm(len(rows), generator=dice) for _ in range(-(-wanted // len(rows)))]
    return Batches(rows, torch.cat(epochs)[:wanted].view(STEPS, BATCH))


def saelens(kind: str, starts: list[int], data: Batches, out: Path) -> list[Path]:
    """`SAETrainer.fit`, saved for inference as its runner ends with."""
    saes, config = _imported("sae_lens.saes"), _imported("sae_lens.config")
    trainer_of = _imported("sae_lens.training.sae_trainer").SAETrainer
    title, settings = {
        "topk": ("TopK", {"k": K}),
        "batchtopk": ("BatchTopK", {"k": K}),
        "jumprelu": ("JumpReLU", {}),  # has no k: its L0 is what its l0_coefficient of 1 leads to
    }[kind]
    model, described = getattr(saes, f"{title}TrainingSAE"), getattr(saes, f"{title}TrainingSAEConfig")
    for start in starts:
        torch.manual_seed(start)  # the library seeds nothing: its runner's `seed` is not read where it trains
        sae = model(described(d_in=data.rows.shape[1], d_sae=N_ATOMS, **settings))
        schedule = config.SAETrainerConfig(
            total_training_samples=STEPS * BATCH,
            train_batch_size_samples=BATCH,
            lr_end=3e-5,  # a tenth of the rate, as its runner fills it in; its constant schedule does not use it
        )
        trainer_of(schedule, sae, data_provider=iter(data)).fit()
        sae.save_inference_model(out / str(start))
    return [out / str(start) for start in starts]


def dictionary_learning(kind: str, starts: list[int], data: Batches, out: Path) -> list[Path]:
    """`trainSAE` with one trainer per seed."""
    late = {"threshold_start_step": STEPS // 2}  # 1,000 by default, which is half of 2,000
    module, trainer, settings = {
        "topk": ("top_k", "TopKTrainer", {"k": K, **late}),
        "batchtopk": ("batch_top_k", "BatchTopKTrainer", {"k": K, **late}),
        # its authors' groups, for which the trainer has no default
        "matryoshka": (
            "matryoshka_batch_top_k",
            "MatryoshkaBatchTopKTrainer",
            {"k": K, "group_fractions": [1 / 32, 1 / 16, 1 / 8, 1 / 4, 17 / 32], **late},
        ),
        # 2,000 steps of sparsity warm-up, by default, are not shorter than the training, as they have to be
        "gated": ("gdm", "GatedSAETrainer", {"sparsity_warmup_steps": STEPS // 5}),
        # 20 by default: the k of the others
        "jumprelu": ("jumprelu", "JumpReluTrainer", {"sparsity_warmup_steps": STEPS // 5, "target_l0": K}),
    }[kind]
    made = getattr(_imported(f"dictionary_learning.trainers.{module}"), trainer)

    def build(**given: Any) -> Any:  # noqa: ANN401 (theirs)
        torch.manual_seed(given["seed"])  # as all trainers do themselves but JumpReLU's, to which it is a label
        return made(**given)

    common = {"activation_dim": data.rows.shape[1], "dict_size": N_ATOMS, "layer": 0, "lm_name": "", "device": "cpu"}
    # 1,000 steps of warm-up, by default, are for trainings a hundred times as long
    common |= {"steps": STEPS, "warmup_steps": STEPS // 20, "trainer": build}
    every = [{**common, **settings, "seed": start} for start in starts]
    train = _imported("dictionary_learning.training").trainSAE
    train(iter(data), every, STEPS, save_dir=str(out), device="cpu")
    return [out / f"trainer_{number}" for number in range(len(starts))]


def sparsify(kind: str, starts: list[int], data: Batches, out: Path) -> list[Path]:
    """`Trainer.fit` with `init_seeds`, on a model whose activation at token number i is row i."""
    library = _imported("sparsify")
    # by default signed momentum, whose rate grows as atoms get fewer: 0.03 for 512, with which it hardly learns here;
    # Adam is another of its choices, whose 1,000 steps of warm-up are for longer trainings
    chosen = {"topk": {}, "topk-adam": {"optimizer": "adam", "lr_warmup_steps": STEPS // 20}}[kind]
    config = library.TrainConfig(
        sae=library.SparseCoderConfig(num_latents=N_ATOMS, k=K),
        batch_size=BATCH // SEQUENCE,
        hookpoints=["rows"],
        init_seeds=starts,
        log_to_wandb=False,
        save_every=STEPS,  # 1,000 by default: the end is all that is kept
        save_dir=str(out),
        run_name="run",
        **chosen,
    )
    sequences = _Sequences(SEQUENCE)
    sequences.ids = data.order.view(-1, SEQUENCE)
    before = torch.get_float32_matmul_precision()
    library.Trainer(config, sequences, _Rows(data.rows)).fit()
    torch.set_float32_matmul_precision(before)  # `fit` sets it for the whole process
    hook = out / "run" / "rows"
    return [hook / f"seed{start}" for start in starts] if len(starts) > 1 else [hook]


def overcomplete(kind: str, starts: list[int], data: Batches, out: Path) -> list[Path]:
    """`train_sae` as the README calls it, with its squared error and its rate; state dicts, for it has no format."""
    _skip_init("overcomplete")
    library, d_model = _imported("overcomplete.sae"), data.rows.shape[1]
    for start in starts:
        torch.manual_seed(start)
        if kind == "topk":
            model = library.TopKSAE(d_model, N_ATOMS, top_k=K)
        else:
            model = library.RATopKSAE(d_model, N_ATOMS, points(data.rows), top_k=K)
        optimiser = torch.optim.Adam(model.parameters(), lr=5e-4)
        # one epoch of `STEPS` batches: the epochs are in the data
        library.train_sae(model, data, _mean_squared_error, optimiser, nb_epochs=1, monitoring=0)
        (out / str(start)).mkdir(parents=True)
        torch.save(model.state_dict(), out / str(start) / "model.pt")
    return [out / str(start) for start in starts]


def points(rows: Tensor) -> Tensor:
    """K-means centroids, twice as many as atoms, the same for all seeds as in publications."""
    return kmeans(rows[:: max(1, len(rows) // 25_000)].contiguous(), 2 * N_ATOMS, steps=10, rolled=0).points


TRAINERS = {
    "saelens": saelens,
    "dictionary_learning": dictionary_learning,
    "sparsify": sparsify,
    "overcomplete": overcomplete,
}


def train(group: list[Run], rows: Tensor, out: Path) -> None:
    """Train runs in one call; each appears in its place when it is whole, with the seconds that it took."""
    first, scratch = group[0], out / ".scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    began = time.perf_counter()
    with _quiet():
        data = batches(rows, first.order)
        written = TRAINERS[first.library](first.kind, [run.start for run in group], data, scratch)
    seconds = (time.perf_counter() - began) / len(group)
    for run, folder in zip(group, written, strict=True):
        (out / run.place).parent.mkdir(parents=True, exist_ok=True)
        note(out, run, {**asdict(run), "seconds": round(seconds, 1)})
        folder.rename(out / run.place)
    shutil.rmtree(scratch)


def note(out: Path, run: Run, figures: dict[str, Any]) -> None:
    """Add what is known of a run to OUT/versions.json."""
    path = out / "versions.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"runs": {}}
    known["versions"] = {name: importlib.metadata.version(name) for name in PACKAGES}
    known["size"] = {"n_atoms": N_ATOMS, "k": K, "steps": STEPS, "batch": BATCH}
    known["runs"].setdefault(str(run.place), {}).update(figures)
    path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def looked_at(run: Run, x: Tensor, out: Path) -> dict[str, Any]:
    """L0, R² and silent atoms, on held-out rows, as reseed reads the dictionary."""
    asked = {"topk": {"k": K}, "ra-topk": {"k": K, "delta": 1.0}}  # what a state dict does not say
    folder = out / run.place
    if run.library == "overcomplete":
        found = read_dictionary(folder / "model.pt", **asked[run.kind])
    else:
        found = read_dictionary(folder)
    active, some = found.encode(x) != 0, x[:LOOKED_AT]
    left = (found.reconstruct(some) - some).double().square().sum()
    share = 1 - left / (some - some.mean(dim=0)).double().square().sum()
    return {
        "l0": round(active[:LOOKED_AT].sum(dim=1).double().mean().item(), 2),
        "r2": round(share.item(), 4),
        "silent": int((~active.any(dim=0)).sum()),
    }


def settle(wanted: list[Run], activations: Activations, out: Path) -> None:
    """Train what is missing on one store, then tell of everything."""
    rows, x = torch.cat(list(activations.blocks())).float(), activations.heldout.rows.float()
    missing = [run for run in wanted if not (out / run.place).exists()]
    for _, together in groupby(missing, key=lambda run: (run.library, run.group, run.order)):
        group = list(together)
        train(group, rows, out)
        print(*(run.place for run in group), "trained", file=sys.stderr, flush=True)
    for run in wanted:
        figures = looked_at(run, x, out)
        note(out, run, figures)
        print(f"{run.place!s:40} {figures['l0']:7.1f} {figures['r2']:7.3f} {figures['silent']:7}", flush=True)


def main() -> None:
    """The real activations first, then their surrogate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default="", help="how the places of the runs begin, such as saelens/topk")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    wanted = [run for run in runs() if str(run.place).startswith(asked.only)]
    real = open_activations(asked.store)
    print(f"{'dictionary':40} {'L0':>7} {'R²':>7} {'silent':>7}", flush=True)
    settle([run for run in wanted if not run.surrogate], real, asked.out)
    of_surrogate = [run for run in wanted if run.surrogate]
    if of_surrogate:
        settle(of_surrogate, write_surrogate(real, asked.out / "surrogate", progress=False), asked.out)


if __name__ == "__main__":
    main()
