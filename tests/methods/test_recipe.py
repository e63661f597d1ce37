"""With its default settings every arm trains, wherever the activations lie and however large they are."""

import pytest
import torch
from method_cases import AT_MOST_D_MODEL, reconstruct, rolls_of

from reseed.activations import batch_rows, open_activations, preprocessed
from reseed.methods import METHODS, Schedule, parse
from reseed.starts import Start, draw

STEPS, BATCH, N_ATOMS, D_MODEL = 100, 256, 96, 48
REQUIRED = {"k": 8, "reads": D_MODEL // 2}
ARMS = [
    (kind, start)
    for kind in METHODS
    for start in ("random", "kmeans")
    if not (METHODS[kind].mixes_points and start == "random")
]


@pytest.fixture(scope="module")
def activations():
    """Sparse mixtures of 150 features of falling size, of norm about 140, a third of it the mean's: like a model's."""
    chance = torch.Generator().manual_seed(8)
    features = torch.randn(150, D_MODEL, generator=chance) * torch.linspace(3, 0.5, 150).unsqueeze(1)
    active = torch.rand(12_000, 150, generator=chance) < 0.04
    codes = active * (1 + torch.rand(12_000, 150, generator=chance))
    rows = codes @ features + 0.5 * torch.randn(12_000, D_MODEL, generator=chance)
    rows = rows + 0.5 * rows.norm(dim=1).mean() * torch.nn.functional.normalize(features[0], dim=0)
    return open_activations(rows * 140 / rows.norm(dim=1).mean())


@pytest.mark.parametrize("preprocessing", ["none", "centre"])
@pytest.mark.parametrize(("kind", "start"), ARMS)
def test_defaults_explain_the_activations_within_100_steps(activations, kind, start, preprocessing):
    seen = preprocessed(activations, preprocessing)
    fields = METHODS[kind].model_fields
    required = {name: value for name, value in REQUIRED.items() if name in fields and fields[name].is_required()}
    n_atoms = D_MODEL // 2 if kind in AT_MOST_D_MODEL else N_ATOMS
    method = parse({"kind": kind, "n_atoms": n_atoms, **METHODS[kind].suggested, **required})
    rolls = rolls_of(0)
    state = method.initialise(draw(Start(kind=start), method, seen, rolls), rolls["encoder"])
    for step in range(STEPS):
        x = seen.rows(batch_rows(seen.n_tokens, BATCH, step, roll=0)).unsqueeze(0)
        method.update(state, x, Schedule(step, STEPS))
    assert r2(method, state, seen) > (
        0.3 if method.columns_read is None else 0.6 * linear_r2(seen, method.columns_read)
    )


def linear_r2(seen, reads):
    """What the best linear map of the columns that are read explains of the others: about .24."""
    covariance = seen.moments.covariance
    told = covariance[reads:, :reads] @ torch.linalg.solve(covariance[:reads, :reads], covariance[:reads, reads:])
    return (told.trace() / covariance[reads:, reads:].trace()).item()


def r2(method, state, seen):
    x = seen.heldout.rows.unsqueeze(0)
    error = (reconstruct(method, state, x) - method.target(x)).square().sum()
    return 1 - (error / method.target(x - seen.moments.mean.float()).square().sum()).item()
