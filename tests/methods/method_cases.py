"""Small activations, and every method in every form that deserves a test."""

import torch

from reseed.activations import open_activations, view
from reseed.dice import DICE, roll
from reseed.methods import METHODS
from reseed.starts import Start, draw

N_ATOMS, D_MODEL, K = 24, 12, 4

VARIANTS = {
    "topk": [
        {},
        {"norm": "free"},
        {"norm": "free", "l1": 0.5},
        {"parallel": "kept", "decoder_bias": False},
        {"encoder_start": "independent", "encoder_bias": False, "rescale": False},
    ],
    "relu": [{}, {"l1": 0.0, "parallel": "kept"}, {"decoder_bias": False, "rescale": False}],
    "ra-topk": [
        {},
        {"delta": 0.0},
        {"delta": 0.25, "delta_norm": "paper", "multiplier": False},
        {"encoder_start": "independent", "multiplier_start": "reference", "rescale": False},
    ],
    "a-topk": [{}, {"encoder_bias": False}],
}


def settings_of(kind, **settings):
    sparsity = {"k": K} if "k" in METHODS[kind].model_fields else {}
    return {"kind": kind, "n_atoms": N_ATOMS, **sparsity, **settings}


def name_of(settings):
    extras = [f"{name}={value}" for name, value in settings.items() if name not in {"kind", "n_atoms", "k"}]
    return ",".join([settings["kind"], *extras])


ALL = [settings_of(kind, **variant) for kind in METHODS for variant in VARIANTS[kind]]


def activations(n_tokens=2000):
    """Uncentred, correlated, nowhere near unit norm."""
    chance = torch.Generator().manual_seed(11)
    mixing = torch.randn(D_MODEL, D_MODEL, generator=chance)
    offset = 10 * torch.randn(D_MODEL, generator=chance)
    return torch.randn(n_tokens, D_MODEL, generator=chance) @ mixing * 5 + offset


def tokens():
    return view(open_activations(activations()), "none")


def rolls_of(run):
    return {die: roll(die, run) for die in DICE}


def born(method, seen, run=0, **start):
    """The state of one run at step 0."""
    kind = start.pop("kind", "kmeans")
    rolls = rolls_of(run)
    return method.initialise(draw(Start(kind=kind, **start), method, seen, rolls), rolls["encoder"])


def perturbed(method, state, amount=0.03):
    """A state a little away from step 0, where no entry has a special value."""
    chance = torch.Generator().manual_seed(5)
    moved = {name: tensor.clone() for name, tensor in state.items()}
    for name in method.trained:
        moved[name] += amount * torch.randn(state[name].shape, generator=chance)
    method.project(moved)
    return moved


def stacked(states):
    return {name: torch.cat([state[name] for state in states]) for name in states[0]}


def reconstruct(method, state, x):
    """What a reader of a snapshot makes of the method's codes."""
    read = method.snapshot(state)
    return method.encode(state, x) @ read["atoms"] + read["decoder_bias"].unsqueeze(1)
