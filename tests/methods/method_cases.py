"""Small activations, and every method in every form that deserves a test."""

import torch

from reseed.activations import batch_rows, open_activations, preprocessed
from reseed.dice import DICE, roll
from reseed.kernels import compress
from reseed.methods import METHODS, Schedule
from reseed.starts import Start, draw

N_ATOMS, D_MODEL, K = 24, 12, 4
READS = 5

VARIANTS = {
    "topk": [
        {},
        {"norm": "free"},
        {"norm": "free", "l1": 0.5},
        {"auxk": 0.5, "dead_after": 300},
        {"parallel": "kept", "decoder_bias": False},
        {"encoder_start": "independent", "encoder_bias": False, "rescale": False},
    ],
    "batchtopk": [
        {},
        {"auxk": 0.5, "dead_after": 300},
        {"norm": "free", "l1": 0.5, "threshold_momentum": 0.0},
        {"parallel": "kept", "decoder_bias": False},
        {"encoder_start": "independent", "encoder_bias": False, "rescale": False},
    ],
    "matryoshka": [
        {},
        {"groups": (0.25, 0.75), "group_weights": (1.0, 3.0), "norm": "free", "l1": 0.05},
        {"groups": (0.5, 0.25, 0.25), "parallel": "kept", "decoder_bias": False, "rescale": False},
    ],
    "relu": [{}, {"l1": 0.0, "parallel": "kept"}, {"decoder_bias": False, "rescale": False}],
    "p-anneal": [
        {},
        {"p_end": 0.5, "p_values": 300, "p_batches": 2},
        {"anneal_from": 0.1, "decoder_bias": False, "rescale": False, "parallel": "kept"},
    ],
    "jumprelu": [
        {},
        {"target_l0": 4.0, "l0_warmup": 50, "threshold_as": "logarithm", "resample_every": 50},
        {"band": "above", "decoder_bias": False, "rescale": False, "threshold_start": 2.0, "bandwidth": 1.0},
    ],
    "gated": [
        {},
        {"encoder_bias": False, "parallel": "kept", "gates_teach": "both"},
        {"decoder_bias": False, "rescale": False},
    ],
    "mp": [{}, {"decoder_bias": False, "rescale": False, "parallel": "kept"}],
    "ra-topk": [
        {},
        {"delta": 0.0},
        {"delta": 0.25, "delta_norm": "paper", "multiplier": False},
        {"encoder_start": "independent", "multiplier_start": "reference", "rescale": False},
    ],
    "a-topk": [{}, {"encoder_bias": False}],
    "ra-jumprelu": [{}, {"threshold_as": "logarithm", "delta": 0.25, "multiplier": False}],
    "transcoder": [
        {},
        {"encoder_start": "independent", "encoder_bias": False},
        {"encoder_bias": False, "decoder_bias": False, "rescale": False, "parallel": "kept"},
    ],
    "kmeans": [{}, {"memory": 0.9}, {"spherical": True}, {"codes_by": "pursuit", "k": K}],
    "nmf": [{}, {"memory": 1.0, "l1": 0.0}],
    "semi-nmf": [{}, {"memory": 1.0, "l1": 0.5}],
    "online-dl": [
        {},
        {"l1": 0.3, "positive": True, "memory": 1.0},
        {"codes_by": "omp", "k": K},
        {"codes_by": "omp", "k": K, "positive": True, "memory": 0.0},
    ],
    "mod": [{}, {"positive": True, "memory": 0.9}],
    "ksvd": [{}, {"alternations": 20}, {"positive": True}],
    "random": [{}, {"positive": True}],
    "ica": [{}, {"contrast": "cube", "memory": 0.0}, {"contrast": "exp", "memory": 0.5}],
    "pca": [{}, {"memory": 0.5}],
    "sparse-pca": [{}, {"l1": 0.0, "l2": 0.1}, {"l1": 0.003, "memory": 0.5}],
    "archetypal-analysis": [{}, {"memory": 0.0}],
    "convex-nmf": [{}, {"memory": 0.0}],
}

AT_MOST_D_MODEL = {"ica", "pca", "sparse-pca"}
"""The methods that have no more atoms than there are dimensions; here fewer, so that something is left to be learnt."""

PER_BATCH = {"batchtopk", "matryoshka"}
"""The methods whose k is how many atoms a token of a batch has on average, and not the most that a token can have."""


def settings_of(kind, **settings):
    asked = {"k": K, "reads": READS, "l1": 0.001}
    required = {name: value for name, value in asked.items() if needs(kind, name)}
    n_atoms = D_MODEL - 4 if kind in AT_MOST_D_MODEL else N_ATOMS
    return {"kind": kind, "n_atoms": n_atoms, **required, **settings}


def needs(kind, name):
    """Whether a method has such a setting, and no default for it."""
    field = METHODS[kind].model_fields.get(name)
    return field is not None and field.is_required()


def name_of(settings):
    extras = [f"{name}={value}" for name, value in settings.items() if name not in {"kind", "n_atoms", "k", "reads"}]
    return ",".join([settings["kind"], *extras])


ALL = [settings_of(kind, **variant) for kind in METHODS for variant in VARIANTS.get(kind, [{}])]


def activations(n_tokens=2000):
    """Uncentred, correlated, nowhere near unit norm; no code stands within rounding of a tie or of zero."""
    chance = torch.Generator().manual_seed(12)
    mixing = torch.randn(D_MODEL, D_MODEL, generator=chance)
    offset = 10 * torch.randn(D_MODEL, generator=chance)
    return torch.randn(n_tokens, D_MODEL, generator=chance) @ mixing * 5 + offset


def tokens():
    return preprocessed(open_activations(activations()), "none")


def rolls_of(run):
    return {die: roll(die, run) for die in DICE}


def born(method, seen, run=0, *, encoder=None, **start):
    """The state of one run at step 0; `encoder` is another roll of that die."""
    kind = start.pop("kind", "kmeans")
    rolls = rolls_of(run) | ({} if encoder is None else {"encoder": roll("encoder", encoder)})
    return method.initialise(draw(Start(kind=kind, **start), method, seen, rolls), rolls["encoder"])


def updated(method, state, seen, *, steps=3, first=0, **recipe):
    """The same state after some updates; it is changed."""
    for step in range(first, first + steps):
        x = seen.rows(batch_rows(seen.n_tokens, 256, step, roll=1)).unsqueeze(0)
        method.update(state, x, Schedule(step, 1000, **recipe))
    return state


def perturbed(method, state, amount=0.03):
    """A state a little away from step 0, where no entry has a special value; of a method that learns by gradients."""
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
    parameters = method.parameters(state)
    return method.decode(parameters, compress(method.encode(parameters, x)))
