"""What is read is one thing, and what is written another."""

import pytest
import torch
from method_cases import D_MODEL, N_ATOMS, READS, K, born, perturbed, reconstruct

from reseed.activations import open_activations, preprocessed
from reseed.dice import DICE, roll
from reseed.errors import SpecError
from reseed.kernels import reference, without_parallel
from reseed.methods import Schedule, parse
from reseed.spec import Arm, Study
from reseed.starts import STARTS, Start, draw


def method_of(**settings):
    return parse({"kind": "transcoder", "n_atoms": N_ATOMS, "k": K, "reads": READS, **settings})


@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("parallel", ["kept", "removed"])
def test_gradients_are_those_of_the_dense_formula(parallel, rescale, tokens):
    method = method_of(parallel=parallel, rescale=rescale)
    state = perturbed(method, born(method, tokens))
    x = tokens.rows(torch.arange(200)).unsqueeze(0)
    leaves = {name: tensor.double().requires_grad_() for name, tensor in state.items()}
    u = x[..., :READS].double() / leaves["read_scale"].detach()
    v = x[..., READS:].double() / leaves["scale"].detach()
    pre = torch.relu(u @ leaves["encoder"].mT + leaves["encoder_bias"].unsqueeze(1))
    kept = reference.encode_topk(u, leaves["encoder"], leaves["encoder_bias"], k=K)
    codes = pre * (reference.densify(kept, n_atoms=N_ATOMS) > 0)
    loss = (v - leaves["decoder_bias"].unsqueeze(1) - codes @ leaves["atoms"]).square().mean()
    expected = dict(
        zip(method.trained, torch.autograd.grad(loss, [leaves[name] for name in method.trained]), strict=True)
    )
    if parallel == "removed":
        expected["atoms"] = without_parallel(expected["atoms"], state["atoms"].double())
    gradients, outcome = method.gradients(state, x)
    torch.testing.assert_close(outcome.loss.double().item(), loss.item(), rtol=1e-5, atol=0)
    for name, wanted in expected.items():
        assert (gradients[name].double() - wanted).norm() <= 1e-4 * wanted.norm(), name


def test_a_snapshot_says_in_the_units_of_the_activations_what_the_state_says_in_its_own(tokens):
    method = method_of()
    state = perturbed(method, born(method, tokens))
    x = tokens.rows(torch.arange(200)).unsqueeze(0)
    u = x[..., :READS] / state["read_scale"]
    pre = torch.relu(u @ state["encoder"].mT + state["encoder_bias"].unsqueeze(1))
    kept = pre.topk(K).indices
    codes = torch.zeros_like(pre).scatter(-1, kept, pre.gather(-1, kept))
    written = (codes @ state["atoms"] + state["decoder_bias"].unsqueeze(1)) * state["scale"]
    torch.testing.assert_close(reconstruct(method, state, x), written, rtol=1e-4, atol=1e-2)


@pytest.fixture(scope="module")
def mapped():
    """What is written is a sparse function of what is read, which no part of what is written says by itself."""
    chance = torch.Generator().manual_seed(0)
    active = (torch.rand(6000, 12, generator=chance) < 0.15) * (1 + torch.rand(6000, 12, generator=chance))
    read = active @ torch.randn(12, 10, generator=chance)
    atoms = torch.nn.functional.normalize(torch.randn(12, 6, generator=chance), dim=1)
    return preprocessed(open_activations(torch.cat([50 * read, active @ atoms + 3], 1)), "none"), atoms


def learnt(seen, run, encoder_start):
    """What one run has learnt: R² on held-out rows, and its atoms."""
    settings = {"n_atoms": 12, "k": 4, "reads": 10, "learning_rate": 1e-2, "encoder_start": encoder_start}
    method, rolls = parse({"kind": "transcoder", **settings}), {die: roll(die, run) for die in DICE}
    state = method.initialise(draw(Start(kind="data"), method, seen, rolls), rolls["encoder"])
    order = torch.Generator().manual_seed(1)
    for step in range(800):
        x = seen.rows(torch.randint(seen.n_tokens, (256,), generator=order)).unsqueeze(0)
        method.update(state, x, Schedule(step, 800))
    x = seen.heldout.rows.unsqueeze(0)
    error = (reconstruct(method, state, x) - method.target(x)).square().sum()
    return 1 - error / (method.target(x) - method.target(x).mean(1)).square().sum(), state["atoms"][0]


@pytest.mark.parametrize("encoder_start", ["fitted", "independent"])
def test_it_learns_the_map_from_what_is_read_to_what_is_written(encoder_start, mapped):
    seen, atoms = mapped
    runs = [learnt(seen, run, encoder_start) for run in range(4)]
    assert all(r2 > 0.9 for r2, _ in runs)
    found = [((own @ atoms.T).max(0).values > 0.9).float().mean() for _, own in runs]
    assert torch.stack(found).mean() >= 0.5


def test_a_fitted_encoder_starts_with_what_says_best_how_much_of_an_atom_is_written(tokens):
    method = method_of()
    state = born(method, tokens)
    rows = tokens.rows(torch.arange(tokens.n_tokens)).double()
    read, written = rows[:, :READS], rows[:, READS:]
    products = (written - written.mean(0)) @ state["atoms"][0].double().T
    best = torch.linalg.lstsq(read - read.mean(0), products).solution.T
    cosines = torch.nn.functional.cosine_similarity(best, state["encoder"][0].double())
    assert cosines.min() > 0.99  # but for the ridge
    outputs = read / state["read_scale"] @ state["encoder"][0].double().T + state["encoder_bias"][0]
    assert (outputs.mean(0).abs() < 1e-4 * outputs.std(0)).all()


def test_a_fitted_encoder_lives_where_a_random_one_falls_silent():
    chance, reads, n_atoms = torch.Generator().manual_seed(2), 64, 128
    codes = (torch.rand(4000, n_atoms, generator=chance) < 0.03) * torch.rand(4000, n_atoms, generator=chance)
    seen = preprocessed(open_activations(codes @ torch.randn(n_atoms, 2 * reads, generator=chance) + 5), "none")
    alive = {}
    for start in ("fitted", "independent"):
        method = parse({"kind": "transcoder", "n_atoms": n_atoms, "k": 8, "reads": reads, "encoder_start": start})
        rolls = {die: roll(die, 0) for die in DICE}
        state = method.initialise(draw(Start(kind="random"), method, seen, rolls), rolls["encoder"])
        for step in range(80):
            x = seen.rows(torch.arange(200) + 200 * (step % 17)).unsqueeze(0)
            outcome = method.update(state, x, Schedule(step, 1000))
        alive[start] = outcome.fired.float().mean().item()
    assert alive["fitted"] > 0.7
    assert alive["fitted"] > 2 * alive["independent"]


def test_its_atoms_start_among_what_is_written(mapped):
    seen, _ = mapped
    method = parse({"kind": "transcoder", "n_atoms": 12, "k": 4, "reads": 10, "decoder_bias": False})
    for kind in ("data", "kmeans", "random", "pca", "blend"):
        point = draw(Start(kind=kind), method, seen, {die: roll(die, 0) for die in DICE})
        assert point.atoms.shape == (12, 6)
    written = seen.rows(torch.arange(seen.n_tokens))[:, 10:]
    rows = draw(Start(kind="data"), method, seen, {die: roll(die, 0) for die in DICE}).atoms
    assert all((written == row).all(1).any() for row in rows)


@pytest.mark.parametrize("kind", [name for name, kind in STARTS.items() if kind.encoder is not None])
def test_a_start_with_an_encoder_for_what_is_written_is_refused(kind):
    with pytest.raises(SpecError, match="reads something else than it writes"):
        Arm(name="transcoder", method=method_of(), start=Start(kind=kind))


def study_of(*arms, **settings):
    return Study(activations="acts", arms=arms, **settings)


def test_one_study_is_about_one_space():
    transcoder = Arm(name="transcoder", method=method_of(), start=Start(kind="random"))
    topk = Arm(name="topk", method=parse({"kind": "topk", "n_atoms": N_ATOMS, "k": K}), start=Start(kind="random"))
    with pytest.raises(SpecError, match="transcoder reads 5, topk reads all columns of a row: one study is about one"):
        study_of(transcoder, topk)
    with pytest.raises(SpecError, match=r"has whiten, which mixes what a transcoder reads .* use none, centre"):
        study_of(transcoder, preprocess=("centre", "whiten"))


def test_columns_of_which_none_is_left_to_write_are_refused(tokens):
    method = method_of(reads=D_MODEL)
    with pytest.raises(Exception, match="12 columns, of which reads = 12 leaves none to write"):
        born(method, tokens)
