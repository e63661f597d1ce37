"""JumpReLU, RA-JumpReLU and Gated beside the trainers of other libraries: the same arrays, batches and Adam, 50 steps.

    .venv-peers/bin/python benchmarks/peers/parity_jump.py --json docs/assets/parity_jump.json

Each function takes a peer's module, trains its model by its own loss or its own update, trains ours beside it from the
same arrays, and gives a row. Where a peer's loss sums over dimensions, the epsilon of its Adam is d_model times ours.
"""

import argparse
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
from reseed.methods import Method, Reading, Schedule, StartPoint, State, parse

D_MODEL, N_ATOMS, BATCH, STEPS, RATE = 16, 64, 256, 50, 2e-3
LEARNT = 1e-2
EPSILON = 1e-8 * D_MODEL
"""Adam's where a loss sums over dimensions, and its gradients are d_model times ours."""
HELDOUT = 2048
UNCLIPPED = "torch.nn.utils.clip_grad_norm_"


class Theirs(NamedTuple):
    """A peer's model in training."""

    update: Callable[[int, Tensor], Any]
    """One step, from its number and a batch."""
    dictionary: Callable[[], Tensor]
    """Atoms as rows."""
    reconstruct: Callable[[Tensor], Tensor]


def rows() -> tuple[Float[Tensor, "tokens d_model"], Float[Tensor, "tokens d_model"]]:
    """Planted activations for training and for R², with a mean and a root mean square deviation of 1 per dimension."""
    made = planted(40 * BATCH + HELDOUT, D_MODEL, n_atoms=N_ATOMS, active=4, noise=0.3, offset=1.0).rows
    made = made / (made - made.mean(0)).square().mean().sqrt()
    return made[:-HELDOUT], made[-HELDOUT:]


def compared(peer: str, method: Method, state: State, theirs: Theirs, note: str) -> dict[str, Any]:
    """Both trained on the same batches; the difference is the largest of any entry at any step, over the largest."""
    training, heldout = rows()
    order = torch.randperm(len(training), generator=generator(9))
    first, largest = theirs.dictionary().detach().clone(), 0.0
    for step in range(STEPS):
        x = training[order[BATCH * (step % 40) : BATCH * (step % 40 + 1)]]
        theirs.update(step, x)
        method.update(state, x.unsqueeze(0), Schedule(step, STEPS))
        there, here = theirs.dictionary().detach(), method.dictionary(state)[0]
        largest = max(largest, ((there - here).abs().max() / there.abs().max()).item())
    moved = ((there - first).abs().max() / first.abs().max()).item()
    assert moved > LEARNT, f"{peer}: nothing was learnt"
    return {
        "method": method.kind,
        "peer": peer,
        "version": version(peer),
        "steps": STEPS,
        "largest_relative_difference": largest,
        "r2_ours": round(r2(method.target(heldout), ours(method, state, heldout)), 4),
        "r2_theirs": round(r2(method.target(heldout), theirs.reconstruct(heldout).detach()), 4),
        "note": note,
    }


def ours(method: Method, state: State, x: Tensor) -> Tensor:
    """What a snapshot makes of activations."""
    parameters = method.parameters(state)
    return method.decode(parameters, compress(method.encode(parameters, x.unsqueeze(0))))[0]


def r2(x: Tensor, x_hat: Tensor) -> float:
    """Share of the squared distance to the mean that the reconstruction takes away."""
    return 1 - ((x - x_hat).square().sum() / (x - x.mean(0)).square().sum()).item()


def started(  # noqa: ANN201 (a method and its state)
    settings: dict[str, Any], atoms: Tensor, encoder: Tensor, *, points: Tensor | None = None, width: int = D_MODEL
):
    """A method in its published form, and a state with these atoms, or points, and this encoder."""
    method = parse({"n_atoms": N_ATOMS, "rescale": False, "learning_rate": RATE, **settings})
    weights = None if points is None else torch.eye(N_ATOMS, len(points))
    zeros, sample = torch.zeros(width), torch.zeros(1, D_MODEL)
    atoms, encoder = (part.detach().clone(memory_format=torch.contiguous_format) for part in (atoms, encoder))
    reads = method.columns_read
    reading = None if reads is None else Reading(torch.zeros(reads), scale=1.0, to_written=torch.zeros(reads, width))
    point = StartPoint(
        atoms=atoms, points=points, weights=weights, mean=zeros, scale=1.0, sample=sample, reading=reading
    )
    state = method.initialise(point, 0)
    state["encoder"] = encoder.unsqueeze(0)
    return method, state


def dictionary_learning_jumprelu(trainers: ModuleType) -> dict[str, Any]:
    """`JumpReluTrainer.update`."""
    threshold, target, penalty, warmup = 0.5, 5.0, 10.0, 20
    torch.manual_seed(4)
    trainer = trainers.jumprelu.JumpReluTrainer(
        STEPS + 1,
        D_MODEL,
        N_ATOMS,
        0,
        "",
        lr=RATE,
        bandwidth=0.5,
        warmup_steps=0,
        device="cpu",
        sparsity_penalty=penalty,
        sparsity_warmup_steps=warmup,
        target_l0=target,
    )  # fmt: skip (as a call of theirs)
    sae = trainer.ae
    trainer.optimizer.param_groups[0]["eps"] = EPSILON
    sae.b_dec.requires_grad_(requires_grad=False)
    sae.threshold.data.fill_(threshold)
    jumps = {"threshold_start": threshold, "bandwidth": 0.5, "band": "above"}
    sparsity = {"l0": penalty / target, "target_l0": target, "l0_warmup": warmup}
    settings = {"kind": "jumprelu", "decoder_bias": False, **jumps, **sparsity}
    method, state = started(settings, sae.W_dec.detach(), sae.W_enc.T)

    def update(step: int, x: Tensor) -> None:
        with mock.patch(UNCLIPPED):
            trainer.update(step, x)

    note = (
        "its update; its decoder bias, which its encoder does not take off, stays at 0 on both sides; no clipping of "
        "gradients; its penalty sees the upper half of the band; target of 5 active atoms, penalty rising for 20 steps"
    )
    return compared("dictionary-learning", method, state, Theirs(update, lambda: sae.W_dec, sae), note)


def dictionary_learning_gated(trainers: ModuleType) -> dict[str, Any]:
    """`GatedSAETrainer.update`."""
    penalty, warmup = 0.5, None
    torch.manual_seed(4)
    trainer = trainers.gdm.GatedSAETrainer(
        STEPS + 1,
        D_MODEL,
        N_ATOMS,
        0,
        "",
        lr=RATE,
        l1_penalty=penalty,
        warmup_steps=0,
        device="cpu",
        sparsity_warmup_steps=warmup,
    )  # fmt: skip (as a call of theirs)
    trainer.optimizer.param_groups[0]["eps"] = EPSILON
    sae = trainer.ae
    settings = {"kind": "gated", "l1": penalty / D_MODEL**0.5}
    method, state = started(settings, sae.decoder.weight.detach().T, sae.encoder.weight)
    theirs = Theirs(trainer.update, lambda: sae.decoder.weight.T, sae)
    return compared("dictionary-learning", method, state, theirs, "its update; no rise of the penalty")


def overcomplete_jump(sae: ModuleType, *, bandwidth: float = 1.0, points: Tensor | None = None) -> dict[str, Any]:
    """`JumpSAE`, or `RAJumpSAE` where there are points, with its `heaviside` as the penalty."""
    l0 = 0.3
    torch.manual_seed(4)
    jump = {"kernel": "rectangle", "bandwidth": bandwidth}
    if points is None:
        model = sae.JumpSAE(D_MODEL, N_ATOMS, **jump).train()
        atoms = model.get_dictionary().detach().clone()
        settings = {"kind": "jumprelu", "decoder_bias": False, "parallel": "kept", "beta1": 0.9}
    else:
        model = sae.RAJumpSAE(D_MODEL, N_ATOMS, points.clone(), delta=0.05, **jump).train()
        atoms = points[:N_ATOMS]
        settings = {"kind": "ra-jumprelu", "delta": 0.05, "multiplier_start": "reference"}
    model.thresholds.data.zero_()  # exp(0) = 1: above half a bandwidth, below which its codes of 0 are in the band
    adam = torch.optim.Adam(model.parameters(), lr=RATE)

    def update(step: int, x: Tensor) -> None:
        del step
        pre, _, x_hat = model(x)
        step_function = sae.jump_sae.heaviside(pre, model.thresholds.exp(), model.kernel_fn, model.bandwidth)
        loss = (x - x_hat).square().mean() + l0 * step_function.sum(-1).mean() / D_MODEL
        adam.zero_grad()
        loss.backward()
        adam.step()

    (linear,) = [module for module in model.encoder.modules() if isinstance(module, torch.nn.Linear)]
    settings |= {"l0": l0, "threshold_as": "logarithm", "threshold_start": 1.0, "bandwidth": bandwidth}
    method, state = started(settings, atoms, linear.weight, points=points)
    state["encoder_bias"] = linear.bias.detach().clone().unsqueeze(0)
    note = (
        f"its model with its rectangle, bandwidth {bandwidth:g}, by which it divides twice; mean squared error and its "
        "heaviside of the pre-activations as the penalty; Adam with betas .9 and .999"
    )
    theirs = Theirs(update, model.get_dictionary, lambda x: model(x)[2])
    return compared("overcomplete", method, state, theirs, note)


def overcomplete_ra_jump(sae: ModuleType, *, bandwidth: float = 1.0) -> dict[str, Any]:
    """`RAJumpSAE` on more points than atoms."""
    return overcomplete_jump(sae, bandwidth=bandwidth, points=rows()[0][: 2 * N_ATOMS])


def sae_lens_jumprelu(saes: ModuleType) -> dict[str, Any]:
    """`JumpReLUTrainingSAE.training_forward_pass` with the loss that it calls that of DeepMind."""
    module, threshold, bandwidth, l0 = saes.jumprelu_sae, 0.5, 0.4, 0.3
    torch.manual_seed(4)
    settings = module.JumpReLUTrainingSAEConfig(
        d_in=D_MODEL,
        d_sae=N_ATOMS,
        decoder_init_norm=1.0,
        jumprelu_init_threshold=threshold,
        jumprelu_bandwidth=bandwidth,
        l0_coefficient=l0,
    )  # fmt: skip (as a call of theirs)
    sae = module.JumpReLUTrainingSAE(settings)
    adam = torch.optim.Adam(sae.parameters(), lr=RATE, eps=EPSILON)

    def update(step: int, x: Tensor) -> None:
        adam.zero_grad()
        _sae_lens_loss(saes, sae, x, step, l0=l0).backward()
        adam.step()

    ours_too = {"threshold_start": threshold, "bandwidth": bandwidth, "l0": l0, "norm": "free", "beta1": 0.9}
    method, state = started({"kind": "jumprelu", **ours_too}, sae.W_dec.detach(), sae.W_enc.T)
    note = "its forward pass and loss, sparsity mode step; Adam with betas .9 and .999, no clipping of gradients"
    return compared("sae-lens", method, state, Theirs(update, lambda: sae.W_dec, sae), note)


def sae_lens_gated(saes: ModuleType) -> dict[str, Any]:
    """`GatedTrainingSAE.training_forward_pass`, its decoder held to unit norm as in the paper."""
    module, l1 = saes.gated_sae, 0.5
    torch.manual_seed(4)
    settings = module.GatedTrainingSAEConfig(d_in=D_MODEL, d_sae=N_ATOMS, l1_coefficient=l1, decoder_init_norm=1.0)
    sae = module.GatedTrainingSAE(settings)
    adam = torch.optim.Adam(sae.parameters(), lr=RATE, eps=EPSILON)

    def update(step: int, x: Tensor) -> None:
        adam.zero_grad()
        _sae_lens_loss(saes, sae, x, step, l1=l1).backward()
        atoms = sae.W_dec.data
        sae.W_dec.grad -= (sae.W_dec.grad * atoms).sum(1, keepdim=True) * atoms
        adam.step()
        atoms /= atoms.norm(dim=1, keepdim=True)

    ours_too = {"l1": l1 / D_MODEL**0.5, "gates_teach": "both", "beta1": 0.9}
    method, state = started({"kind": "gated", **ours_too}, sae.W_dec.detach(), sae.W_enc.T)
    note = (
        "its forward pass and loss, whose gates teach the decoder as well; atoms held to unit norm on both sides, not "
        "free as it leaves them; Adam with betas .9 and .999, no clipping of gradients"
    )
    return compared("sae-lens", method, state, Theirs(update, lambda: sae.W_dec, sae), note)


def _sae_lens_loss(saes: ModuleType, sae: torch.nn.Module, x: Tensor, step: int, **coefficients: float) -> Tensor:
    asked = {"dead_neuron_mask": None, "n_training_steps": step, "is_logging_step": False}
    return sae.training_forward_pass(saes.sae.TrainStepInput(sae_in=x, coefficients=coefficients, **asked)).loss


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
    saes = _imported("sae_lens.saes")
    found = [
        dictionary_learning_jumprelu(trainers),
        overcomplete_jump(sae),
        sae_lens_jumprelu(saes),
        overcomplete_ra_jump(sae),
        dictionary_learning_gated(trainers),
        sae_lens_gated(saes),
    ]
    for row in found:
        print(json.dumps(row))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
