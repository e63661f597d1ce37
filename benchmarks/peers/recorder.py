"""`reseed.Recorder` in each library's own trainer: what it costs, and that its folders are compared from step 0.

    .venv-peers/bin/python benchmarks/peers/recorder.py STORE OUT [--only SAELens] [--steps 2000] [--json FILE]

STORE is what `reseed collect` wrote. OUT/<library>/seed<N> is what was recorded: three seeds of each library, at the
sizes of seeds.py. The two lines stand where a user of the library can put them: in what gives it its batches, or, of
sparsify, which makes its own, before each forward pass of the model. Cost is the CPU time inside `snapshot` beside that
of all the training around it, at the default schedule.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from _peers import SEQUENCE, _imported, _mean_squared_error, _quiet, _Rows, _Sequences, _skip_init
from seeds import BATCH, N_ATOMS, K, batches

from reseed import Recorder, compare, open_activations

SEEDS = range(3)


@dataclass
class Cost:
    """CPU seconds of one training."""

    library: str
    seed: int
    steps: int
    recorded: int
    """Snapshots."""
    training: float
    """All but recording."""
    recording: float
    mib: float
    """What was written."""

    @property
    def share(self) -> float:
        """Of a step, on average over the training."""
        return self.recording / self.training


class Timed:
    """A recorder that counts steps and the CPU time that it takes."""

    def __init__(self, recorder: Recorder, of: Callable[[], Any]) -> None:
        self.recorder, self.of = recorder, of
        self.step, self.seconds = 0, 0.0

    def __call__(self, *_: object, final: bool = False) -> None:
        """Before a step, or after the last one."""
        began = time.process_time()
        self.recorder.snapshot(self.step, self.of(), final=final)
        self.seconds += time.process_time() - began
        self.step += 1


def _before_each(data: Iterator[Tensor], timed: Timed) -> Iterator[Tensor]:
    for batch in data:
        timed()
        yield batch


def saelens(seed: int, rows: Tensor, order: Tensor, recorder: Recorder) -> Timed:
    """`SAETrainer.fit`."""
    saes, config = _imported("sae_lens.saes"), _imported("sae_lens.config")
    torch.manual_seed(seed)
    sae = saes.TopKTrainingSAE(saes.TopKTrainingSAEConfig(d_in=rows.shape[1], d_sae=N_ATOMS, k=K))
    schedule = config.SAETrainerConfig(
        total_training_samples=len(order) * BATCH, train_batch_size_samples=BATCH, lr_end=3e-5
    )
    timed = Timed(recorder, lambda: sae)
    data = _before_each((rows[of] for of in order), timed)
    _imported("sae_lens.training.sae_trainer").SAETrainer(schedule, sae, data_provider=data).fit()
    return timed


def dictionary_learning(seed: int, rows: Tensor, order: Tensor, recorder: Recorder) -> Timed:
    """`trainSAE`, whose trainers it makes itself: this one is kept as it is made."""
    made: list[Any] = []
    library = _imported("dictionary_learning.trainers.top_k").TopKTrainer

    def build(**given: Any) -> Any:  # noqa: ANN401 (theirs)
        made.append(library(**given))
        return made[0]

    steps = len(order)
    settings = {"activation_dim": rows.shape[1], "dict_size": N_ATOMS, "k": K, "layer": 0, "lm_name": "", "seed": seed}
    settings |= {"steps": steps, "warmup_steps": steps // 20, "threshold_start_step": steps // 2, "device": "cpu"}
    timed = Timed(recorder, lambda: made[0].ae)
    data = _before_each((rows[of] for of in order), timed)
    train = _imported("dictionary_learning.training").trainSAE
    train(data, [{**settings, "trainer": build}], steps, device="cpu")
    return timed


def sparsify(seed: int, rows: Tensor, order: Tensor, recorder: Recorder) -> Timed:
    """`Trainer.fit`."""
    library = _imported("sparsify")
    config = library.TrainConfig(
        sae=library.SparseCoderConfig(num_latents=N_ATOMS, k=K),
        batch_size=BATCH // SEQUENCE,
        hookpoints=["rows"],
        init_seeds=[seed],
        log_to_wandb=False,
        save_every=10 * len(order),
        save_dir=str(recorder.folder / ".own"),
        run_name="run",
        optimizer="adam",
        lr_warmup_steps=len(order) // 20,
    )
    sequences, model = _Sequences(SEQUENCE), _Rows(rows)
    sequences.ids = order.view(-1, SEQUENCE)
    trainer = library.Trainer(config, sequences, model)
    timed = Timed(recorder, lambda: trainer.saes["rows"])
    model.register_forward_pre_hook(timed)
    before = torch.get_float32_matmul_precision()
    trainer.fit()
    torch.set_float32_matmul_precision(before)
    return timed


def overcomplete(seed: int, rows: Tensor, order: Tensor, recorder: Recorder) -> Timed:
    """`train_sae`."""
    _skip_init("overcomplete")
    library = _imported("overcomplete.sae")
    torch.manual_seed(seed)
    model = library.TopKSAE(rows.shape[1], N_ATOMS, top_k=K)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-4)
    timed = Timed(recorder, lambda: model)
    data = _before_each((rows[of] for of in order), timed)
    library.train_sae(model, data, _mean_squared_error, optimiser, nb_epochs=1, monitoring=0)
    return timed


def torch_alone(seed: int, rows: Tensor, order: Tensor, recorder: Recorder) -> Timed:
    """A loop of one's own, which gives tensors by name."""
    torch.manual_seed(seed)
    decoder = nn.Parameter(torch.nn.functional.normalize(torch.randn(N_ATOMS, rows.shape[1]), dim=1))
    encoder, bias = nn.Parameter(decoder.detach().clone()), nn.Parameter(rows.mean(dim=0))
    optimiser = torch.optim.Adam([encoder, decoder, bias], lr=5e-4)
    parts = {"atoms": decoder, "encoder": encoder, "decoder_bias": bias, "k": K, "subtracts": True}
    timed = Timed(recorder, lambda: parts)
    for x in _before_each((rows[of] for of in order), timed):
        values, chosen = ((x - bias) @ encoder.T).relu().topk(K, dim=1)
        codes = torch.zeros(len(x), N_ATOMS).scatter(1, chosen, values)
        loss = (codes @ decoder + bias - x).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return timed


LIBRARIES = {
    "SAELens": saelens,
    "dictionary_learning": dictionary_learning,
    "sparsify": sparsify,
    "overcomplete": overcomplete,
    "PyTorch alone": torch_alone,
}


def trained(library: str, seed: int, rows: Tensor, steps: int, out: Path) -> Cost:
    """One run, recorded."""
    folder = out / library / f"seed{seed}"
    order = batches(rows, seed).order[:steps]
    began = time.process_time()
    with _quiet():
        timed = LIBRARIES[library](seed, rows, order, Recorder(folder))
        timed.step = steps  # libraries may ask for one batch more than they use
        timed(final=True)
    whole = time.process_time() - began
    written = sum(file.stat().st_size for file in folder.rglob("step-*") if file.is_file())
    written += sum(file.stat().st_size for file in folder.rglob("step-*/*") if file.is_file())
    recorded = len(list(folder.glob("step-*")))
    return Cost(library, seed, steps, recorded, whole - timed.seconds, timed.seconds, written / 2**20)


def main() -> None:
    """Every library and seed in turn, then what compare says of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--only", choices=LIBRARIES, help="one library; default: all")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    asked = parser.parse_args()
    libraries = [asked.only] if asked.only else list(LIBRARIES)
    torch.set_num_threads(1)
    rows = torch.cat(list(open_activations(asked.store).blocks())).float()
    costs = [trained(library, seed, rows, asked.steps, asked.out) for seed in SEEDS for library in libraries]
    said = {}
    print(f"{'library':20} {'snapshots':>9} {'MiB':>6} {'training':>9} {'recording':>10} {'share':>7}")
    for library in libraries:
        own = sorted((cost for cost in costs if cost.library == library), key=lambda cost: cost.share)
        middle = own[len(own) // 2]
        print(
            f"{library:20} {middle.recorded:9} {middle.mib:6.1f} {middle.training:8.2f}s {middle.recording:9.3f}s "
            f"{100 * middle.share:6.2f}%"
        )
        found = compare(*(asked.out / library / f"seed{seed}" for seed in SEEDS))
        said[library] = [each.sentence for each in found.trajectories]
    for library, sentences in said.items():
        print(f"\n{library}", *sentences, sep="\n")
    if asked.json:
        told = {"costs": [asdict(cost) for cost in costs], "said": said}
        asked.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
