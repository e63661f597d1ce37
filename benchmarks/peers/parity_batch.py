"""BatchTopK and Matryoshka beside the trainers of other libraries: the same arrays, batches and Adam, 50 steps.

    .venv-peers/bin/python benchmarks/peers/parity_batch.py --json docs/assets/parity_batch.json

Each function takes a peer's modules, trains its model by its own update beside ours, and gives a row.
tests/methods/test_parity_batch.py calls those of dictionary_learning and overcomplete. All peers but overcomplete
clip the norm of their gradient: that is off, and their Adam's epsilon is multiplied by what their loss is of ours.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unittest import mock

import torch
from jaxtyping import Float
from torch import Tensor

from reseed.activations.synthetic import planted
from reseed.dice import generator
from reseed.kernels import compress
from reseed.methods import Method, Schedule, StartPoint, State, parse

D_MODEL, N_ATOMS, K, BATCH, STEPS, RATE = 16, 64, 4, 256, 50, 2e-3
HELDOUT = 2048
SHARES = (1 / 8, 1 / 4, 5 / 8)
ENDS = [8, 24, 64]
LEARNT = 1e-2
UNCLIPPED = "torch.nn.utils.clip_grad_norm_"
UNNEEDED = "no clipping, a constant rate; no atom is dead, and its auxiliary loss 0"


class Theirs(NamedTuple):
    """A peer's model in training."""

    update: Callable[[int, Tensor], Any]
    """One step, from its number and a batch."""
    dictionary: Callable[[], Tensor]
    """Atoms as rows."""
    threshold: Callable[[], float]
    """Above which an atom is active in evaluation."""
    reconstruct: Callable[[Tensor], Tensor]


def rows() -> tuple[Float[Tensor, "tokens d_model"], Float[Tensor, "tokens d_model"]]:
    """Planted activations for training and for R², with a mean and a root mean square deviation of 1 per dimension."""
    made = planted(40 * BATCH + HELDOUT, D_MODEL, n_atoms=N_ATOMS, active=4, noise=0.3, offset=1.0).rows
    made = made / (made - made.mean(0)).square().mean().sqrt()
    return made[:-HELDOUT], made[-HELDOUT:]


def batches() -> list[Float[Tensor, "batch d_model"]]:
    """In the order in which both read them."""
    training, _ = rows()
    order = torch.randperm(len(training), generator=generator(9))
    return [training[order[BATCH * (step % 40) : BATCH * (step % 40 + 1)]] for step in range(STEPS)]


def compared(peer: str, method: Method, state: State, theirs: Theirs, note: str) -> dict[str, Any]:
    """Both trained on the same batches; the difference is the largest of any entry at any step, over the largest."""
    first, largest, of_threshold = theirs.dictionary().detach().clone(), 0.0, 0.0
    for step, x in enumerate(batches()):
        theirs.update(step, x)
        method.update(state, x.unsqueeze(0), Schedule(step, STEPS))
        there, here = theirs.dictionary().detach(), method.dictionary(state)[0]
        largest = max(largest, ((there - here).abs().max() / there.abs().max()).item())
        of_threshold = max(of_threshold, abs(state["threshold"].item() / theirs.threshold() - 1))
    moved = ((there - first).abs().max() / first.abs().max()).item()
    assert moved > LEARNT, f"{peer}: nothing was learnt"
    _, heldout = rows()
    return {
        "method": method.kind,
        "peer": peer,
        "version": version(peer),
        "steps": STEPS,
        "largest_relative_difference": largest,
        "of_threshold": of_threshold,
        "r2_ours": round(r2(heldout, ours(method, state, heldout)), 4),
        "r2_theirs": round(r2(heldout, theirs.reconstruct(heldout).detach()), 4),
        "note": note,
    }


def ours(method: Method, state: State, x: Tensor) -> Tensor:
    """What a snapshot makes of activations."""
    parameters = method.parameters(state)
    return method.decode(parameters, compress(method.encode(parameters, x.unsqueeze(0))))[0]


def r2(x: Tensor, x_hat: Tensor) -> float:
    """Share of the squared distance to the mean that the reconstruction takes away."""
    return 1 - ((x - x_hat).square().sum() / (x - x.mean(0)).square().sum()).item()


def started(
    settings: dict[str, Any], atoms: Tensor, encoder: Tensor, *, bias: Tensor, threshold: float | None = None
) -> tuple[Any, State]:
    """A method in its published form, and a state with these arrays.

    The threshold is the smallest code that is kept of the first batch, unless it is given.
    """
    method = parse({"n_atoms": N_ATOMS, "k": K, "rescale": False, "learning_rate": RATE, **settings})
    atoms, bias = (part.detach().clone(memory_format=torch.contiguous_format) for part in (atoms, bias))
    point = StartPoint(atoms=atoms, points=None, weights=None, mean=bias, scale=1.0, sample=batches()[0])
    state = method.initialise(point, 0)
    state["encoder"] = encoder.detach().contiguous().unsqueeze(0).clone()
    state |= method.also(state, point) if threshold is None else {"threshold": torch.tensor([threshold])}
    return method, state


def dictionary_learning_batchtopk(trainers: ModuleType) -> dict[str, Any]:
    """`BatchTopKTrainer.update`."""
    made = importlib.import_module(f"{trainers.__name__}.batch_top_k").BatchTopKTrainer
    trainer, update, bias = _dictionary_learning(made, D_MODEL)
    sae = trainer.ae
    settings = {"kind": "batchtopk", "threshold_momentum": 0.999}
    method, state = started(settings, sae.decoder.weight.T, sae.encoder.weight, bias=bias)
    theirs = Theirs(update, lambda: sae.decoder.weight.T, lambda: float(sae.threshold), sae)
    note = f"its update, with its threshold from the first batch on; {UNNEEDED}"
    return compared("dictionary-learning", method, state, theirs, note)


def dictionary_learning_matryoshka(trainers: ModuleType) -> dict[str, Any]:
    """`MatryoshkaBatchTopKTrainer.update`."""
    made = importlib.import_module(f"{trainers.__name__}.matryoshka_batch_top_k").MatryoshkaBatchTopKTrainer
    trainer, update, bias = _dictionary_learning(made, D_MODEL / len(SHARES), group_fractions=list(SHARES))
    sae = trainer.ae
    settings = {"kind": "matryoshka", "threshold_momentum": 0.999, "groups": SHARES}
    method, state = started(settings, sae.W_dec, sae.W_enc.T, bias=bias)
    theirs = Theirs(update, lambda: sae.W_dec, lambda: float(sae.threshold), sae)
    note = (
        f"its update, with its threshold from the first batch on; {UNNEEDED}; its loss divides by the number of groups "
        "in its weights and once more in its mean, which Adam does not notice"
    )
    return compared("dictionary-learning", method, state, theirs, note)


def _dictionary_learning(
    made: Callable[..., Any], loss_over_ours: float, **more: list[float]
) -> tuple[Any, Callable[[int, Tensor], Any], Tensor]:
    """A trainer, its update without clipping, and the bias that it will begin with."""
    sizes = {"steps": STEPS + 1, "activation_dim": D_MODEL, "dict_size": N_ATOMS, "k": K, "lr": RATE}
    told = {"layer": 0, "lm_name": "", "warmup_steps": 0, "threshold_start_step": -1, "device": "cpu", "seed": 4}
    trainer = made(**sizes, **told, **more)
    trainer.optimizer.param_groups[0]["eps"] *= loss_over_ours

    def update(step: int, x: Tensor) -> None:
        with mock.patch(UNCLIPPED):
            trainer.update(step, x)

    return trainer, update, trainer.geometric_median(batches()[0])


def overcomplete_batchtopk(sae: ModuleType) -> dict[str, Any]:
    """`BatchTopKSAE` and the mean squared error."""
    torch.manual_seed(4)
    model = sae.BatchTopKSAE(D_MODEL, N_ATOMS, top_k=K * BATCH, encoder_module="linear").train()
    (linear,) = [module for module in model.encoder.modules() if isinstance(module, torch.nn.Linear)]
    linear.bias.data.zero_()
    adam = torch.optim.Adam(model.parameters(), lr=RATE)

    def update(step: int, x: Tensor) -> None:
        del step
        loss = (x - model(x)[2]).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()

    settings = {"kind": "batchtopk", "threshold_momentum": 0.9, "parallel": "kept", "decoder_bias": False}
    method, state = started(settings, model.get_dictionary(), linear.weight, bias=torch.zeros(D_MODEL))
    theirs = Theirs(update, model.get_dictionary, lambda: float(model.running_threshold), lambda x: model.eval()(x)[2])
    note = (
        "its model and the mean squared error; its top_k counts over the batch, here k times as many as tokens; what "
        "equals its threshold is kept, ties and all, in training and in evaluation, here there are none"
    )
    return compared("overcomplete", method, state, theirs, note)


def sae_lens_batchtopk(lens: ModuleType) -> dict[str, Any]:
    """`SAETrainer.step` on BatchTopKTrainingSAE."""
    return _sae_lens(lens, "batchtopk", "BatchTopK", D_MODEL)


def sae_lens_matryoshka(lens: ModuleType) -> dict[str, Any]:
    """`SAETrainer.step` on MatryoshkaBatchTopKTrainingSAE."""
    nested = {"matryoshka_widths": ENDS}
    return _sae_lens(lens, "matryoshka_batchtopk", "MatryoshkaBatchTopK", D_MODEL * len(ENDS), **nested)


def _sae_lens(lens: ModuleType, module: str, name: str, loss_over_ours: float, **more: list[int]) -> dict[str, Any]:
    saes, config = (
        importlib.import_module(f"{lens.__name__}.saes.{module}_sae"),
        importlib.import_module("sae_lens.config"),
    )
    torch.manual_seed(4)
    sizes = {"d_in": D_MODEL, "d_sae": N_ATOMS, "k": K, "rescale_acts_by_decoder_norm": False, **more}
    sae = getattr(saes, f"{name}TrainingSAE")(getattr(saes, f"{name}TrainingSAEConfig")(**sizes))
    rates = {"lr": RATE, "lr_end": RATE, "adam_beta1": 0.9, "adam_beta2": 0.999}
    settings = config.SAETrainerConfig(
        total_training_samples=STEPS * BATCH, train_batch_size_samples=BATCH, dead_feature_window=STEPS, **rates
    )
    trainer = importlib.import_module("sae_lens.training.sae_trainer").SAETrainer(settings, sae, data_provider=iter(()))
    trainer.optimizer.param_groups[0]["eps"] *= loss_over_ours

    def update(step: int, x: Tensor) -> None:
        del step
        with mock.patch(UNCLIPPED):
            trainer.step(x)
            trainer.n_training_steps += 1

    kind = {"kind": "matryoshka", "groups": SHARES} if more else {"kind": "batchtopk"}
    # its atoms start with a norm of .1, and are not divided by it
    method, state = started({**kind, "norm": "free"}, sae.W_dec, sae.W_enc.T, bias=sae.b_dec.detach(), threshold=0.0)
    theirs = Theirs(update, lambda: sae.W_dec, lambda: float(sae.topk_threshold), lambda x: evaluated(sae, x))
    note = (
        f"its step, free atoms, threshold from 0 on; {UNNEEDED}; without rescale_acts_by_decoder_norm, its default, "
        "which chooses by code times atom norm: the same for unit atoms"
    )
    return compared("sae-lens", method, state, theirs, note)


def evaluated(sae: Any, x: Tensor) -> Tensor:  # noqa: ANN401 (a model of theirs)
    """As the JumpReLU autoencoder that SAELens saves of it does: codes above the threshold."""
    pre = (x - sae.b_dec) @ sae.W_enc + sae.b_enc
    return (pre.relu() * (pre > sae.topk_threshold)) @ sae.W_dec + sae.b_dec


def main() -> None:
    """All rows, printed, and written where asked."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from _peers import _imported, _skip_init  # noqa: PLC0415 (found by the line above)

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    _skip_init("overcomplete")
    trainers, sae = _imported("dictionary_learning.trainers"), _imported("overcomplete.sae")
    lens = _imported("sae_lens")
    found = [
        dictionary_learning_batchtopk(trainers),
        overcomplete_batchtopk(sae),
        sae_lens_batchtopk(lens),
        dictionary_learning_matryoshka(trainers),
        sae_lens_matryoshka(lens),
    ]
    for row in found:
        print(json.dumps(row))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
