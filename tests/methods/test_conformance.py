"""What every method promises, in every form."""

from dataclasses import replace

import pytest
import torch
from method_cases import (
    D_MODEL,
    N_ATOMS,
    PER_BATCH,
    VARIANTS,
    K,
    activations,
    born,
    reconstruct,
    rolls_of,
    settings_of,
    stacked,
    updated,
)
from safetensors.torch import load_file, save_file

from reseed import kernels
from reseed.activations import open_activations, preprocessed
from reseed.dice import DICE
from reseed.errors import SpecError
from reseed.methods import METHODS, Schedule, parse
from reseed.starts import Start, draw


def batch(tokens, runs=1, size=200):
    return tokens.rows(torch.arange(size)).expand(runs, -1, -1)


def copied(state):
    return {name: tensor.clone() for name, tensor in state.items()}


def r2(method, state, x):
    error, x = (reconstruct(method, state, x) - method.target(x)).square().sum(), method.target(x)
    return 1 - (error / (x - x.mean(1, keepdim=True)).square().sum()).item()


def test_every_method_is_in_the_table_under_its_own_name_and_says_what_it_is():
    assert set(VARIANTS) <= set(METHODS)
    for kind, model in METHODS.items():
        assert model.model_fields["kind"].default == kind
        assert model.title
        assert model.meaning().endswith(".")


def test_shapes_are_those_of_the_contract(method, tokens):
    state = stacked([born(method, tokens, run) for run in range(2)])
    x = batch(tokens, runs=2)
    outcome = method.update(state, x, Schedule(0, 10))
    parameters = method.parameters(state)
    assert all(len(entry) == 2 for entry in (*state.values(), *parameters.values()))
    assert {*method.per_atom, *method.for_all_atoms, "atoms", "encoder", "decoder_bias"} <= set(parameters)
    assert all(parameters[name].shape[:2] == (2, method.n_atoms) for name in method.per_atom)
    written = D_MODEL - (method.columns_read or 0)
    assert parameters["atoms"].shape == (2, method.n_atoms, written)
    assert parameters["encoder"].shape == (2, method.n_atoms, method.columns_read or D_MODEL)
    assert parameters["decoder_bias"].shape == (2, written)
    assert method.encode(parameters, x).shape == (2, 200, method.n_atoms)
    assert reconstruct(method, state, x).shape == method.target(x).shape == (*x.shape[:2], written)
    assert outcome.loss.shape == (2,)
    assert outcome.fired.shape == (2, method.n_atoms)
    assert all(statistic.shape == (2,) for statistic in method.diagnostics(state).values())


def test_the_outcome_of_a_batch_is_that_of_its_codes_before_the_update(method, tokens):
    state = updated(method, born(method, tokens), tokens)
    x = batch(tokens)
    parameters = method.parameters(state)
    if method.kind in PER_BATCH:  # the batch decides in training: the threshold that would have kept the same codes
        pre = kernels.encode_relu(x, parameters["encoder"], parameters["encoder_bias"]).flatten()
        parameters["threshold"] = pre.sort(descending=True).values[K * x.shape[1]].view(1)
    codes = method.encode(parameters, x)
    outcome = method.update(state, x, Schedule(3, 10))
    assert torch.equal(outcome.fired, (codes != 0).any(1))
    assert outcome.loss.isfinite().all()


def test_codes_obey_the_sign_and_the_sparsity_that_the_method_declares(method, tokens):
    codes = method.encode(method.parameters(born(method, tokens)), batch(tokens))
    assert method.sign == "abs" or (codes >= 0).all()
    active = (codes != 0).sum(-1)
    if method.kind in PER_BATCH:
        assert active.float().mean().item() == pytest.approx(K, rel=0.15)
        assert active.max() > K
    elif getattr(method, "k", None) is not None:
        assert active.max() == method.k


def test_reading_never_writes(method, tokens):
    state = updated(method, born(method, tokens), tokens)
    before = copied(state)
    x = batch(tokens)
    reconstruct(method, state, x)
    for read in (method.parameters(state), method.diagnostics(state)):
        for tensor in read.values():
            tensor.fill_(-1.0)
    assert all(torch.equal(state[name], before[name]) for name in before)


def test_codes_need_no_more_than_the_method_declares(method, tokens):
    parameters = method.parameters(updated(method, born(method, tokens), tokens))
    declared = {name: parameters[name] for name in (*method.per_atom, *method.for_all_atoms)}
    x = batch(tokens)
    assert torch.equal(method.encode(declared, x), method.encode(parameters, x))


def test_atoms_in_another_order_give_the_same_codes_in_that_order(method, tokens):
    parameters = method.parameters(updated(method, born(method, tokens), tokens))
    order = torch.randperm(method.n_atoms, generator=torch.Generator().manual_seed(3))
    turned = {name: tensor[:, order] if name in method.per_atom else tensor for name, tensor in parameters.items()}
    x = batch(tokens)
    torch.testing.assert_close(method.encode(turned, x), method.encode(parameters, x)[..., order], rtol=1e-5, atol=1e-3)


def test_a_slice_of_a_wide_stack_is_the_run_alone(method, tokens):
    states = [born(method, tokens, run) for run in range(3)]
    wide = stacked(states)
    x = torch.stack([tokens.rows(torch.arange(200) + 200 * run) for run in range(3)])
    outcome = method.update(wide, x, Schedule(0, 10))
    for run, state in enumerate(states):
        alone = method.update(state, x[run : run + 1], Schedule(0, 10))
        torch.testing.assert_close(alone.loss, outcome.loss[run : run + 1])
        for name, tensor in state.items():
            torch.testing.assert_close(tensor, wide[name][run : run + 1], rtol=1e-4, atol=1e-6)


def test_a_saved_state_goes_on_with_the_same_bits(method, tokens, tmp_path):
    state = updated(method, born(method, tokens), tokens)
    save_file(state, tmp_path / "state")
    updated(method, state, tokens, first=3)
    # Cloned, because sums over rows can differ in the last bit when memory is not aligned as torch aligns it.
    loaded = updated(method, copied(load_file(tmp_path / "state")), tokens, first=3)
    assert all(torch.equal(state[name], loaded[name]) for name in state)


def test_training_reconstructs_better_than_the_start(method, tokens):
    state = born(method, tokens)
    x = batch(tokens, size=1000)
    start = r2(method, state, x)
    end = r2(method, updated(method, state, tokens, steps=120), x)
    assert end == start if method.kind == "random" else end > start  # what never learns fits neither better nor worse


def test_only_the_dice_that_a_method_names_change_what_it_learns_from_one_start(method, tokens):
    assert method.dice <= set(DICE)
    first = born(method, tokens)
    point_alike = born(method, tokens, encoder=1)
    assert ("encoder" in method.dice) == any(not torch.equal(first[name], point_alike[name]) for name in first)


@pytest.mark.parametrize("kind", METHODS)
def test_activations_a_thousand_times_larger_learn_the_same_dictionary(kind):
    method = parse(settings_of(kind))
    steps = 5 if kind == "ica" else 20  # normal rows have no independent components: rounding grows with every step
    ends = []
    for factor in (1.0, 1000.0):
        seen = preprocessed(open_activations(activations() * factor), "none")
        atoms = method.parameters(updated(method, born(method, seen), seen, steps=steps))["atoms"]
        ends.append(torch.nn.functional.normalize(atoms, dim=-1))
    torch.testing.assert_close(*ends, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", METHODS)
def test_settings_survive_a_round_trip(kind):
    method = parse(settings_of(kind))
    assert parse(method.model_dump()) == method
    assert parse(method) is method


@pytest.mark.parametrize("kind", METHODS)
def test_an_unknown_setting_is_named(kind):
    with pytest.raises(SpecError, match=f"{kind}: colour"):
        parse(settings_of(kind, colour="red"))


def test_an_unknown_kind_is_answered_with_the_known_ones():
    with pytest.raises(SpecError, match=f"'top-k' is not known: use one of {', '.join(METHODS)}"):
        parse({"kind": "top-k"})


@pytest.mark.parametrize("kind", [kind for kind in METHODS if "k" in METHODS[kind].model_fields])
def test_more_active_atoms_than_atoms_are_refused(kind):
    with pytest.raises(SpecError, match="k must be at most n_atoms"):
        parse(settings_of(kind) | {"k": N_ATOMS + 1})


def test_a_start_that_is_a_view_is_neither_changed_nor_trained_otherwise(method, tokens):
    rolls = rolls_of(0)
    point = draw(Start(kind="kmeans"), method, tokens, rolls)
    view = replace(point, atoms=point.atoms.T.clone().T)
    before = view.atoms.clone()
    states = [updated(method, method.initialise(each, rolls["encoder"]), tokens) for each in (point, view)]
    assert torch.equal(view.atoms, before)
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, rtol=1e-4, atol=1e-5)
