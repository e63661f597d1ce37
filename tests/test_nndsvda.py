"""The `nndsvda` start beside scikit-learn's."""

import numpy as np
import pytest
import torch
from sklearn.decomposition._nmf import _initialize_nmf  # no public name gives the start alone

from reseed.activations import open_activations, preprocessed
from reseed.dice import DICE, roll
from reseed.errors import SpecError
from reseed.methods import parse
from reseed.starts import Start, check_start, draw
from reseed.starts.nndsvda import non_negative_vectors

N_ATOMS, D_MODEL = 9, 12


def drawn(*shape, roll=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(roll), dtype=torch.float64)


def started(rows, n_atoms=N_ATOMS, *, run=0, **start):
    method = parse({"kind": "nmf", "n_atoms": n_atoms})
    seen = preprocessed(open_activations(rows.float()), "none")
    return draw(Start(kind="nndsvda", **start), method, seen, {die: roll(die, run) for die in DICE}).atoms


@pytest.mark.parametrize("filled", [True, False])
def test_vectors_are_those_of_scikit_learn_whatever_its_random_state(filled):
    rows = (drawn(300, D_MODEL) @ drawn(D_MODEL, D_MODEL, roll=1)).clamp(min=0)
    found = non_negative_vectors(rows, N_ATOMS, filled=filled).numpy()
    for random_state in range(3):
        name = "nndsvda" if filled else "nndsvd"
        _, expected = _initialize_nmf(rows.numpy(), N_ATOMS, init=name, random_state=random_state)
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)
    assert filled == (found > 0).all()


def test_atoms_of_activations_without_signs_are_these_vectors_and_the_same_for_all_runs():
    rows = drawn(300, D_MODEL).abs()
    atoms = started(rows, points_tokens=10**6)
    seen = preprocessed(open_activations(rows.float()), "none")
    every = seen.rows(torch.arange(seen.n_tokens)).double()
    torch.testing.assert_close(atoms, non_negative_vectors(every, N_ATOMS, filled=True).float())
    assert torch.equal(atoms, started(rows, points_tokens=10**6, run=1))
    assert not torch.equal(atoms, started(rows, points_tokens=100))


def test_atoms_of_activations_with_signs_are_differences_of_halves():
    rows = drawn(300, D_MODEL)
    atoms = started(rows, 2 * D_MODEL, points_tokens=10**6)
    seen = preprocessed(open_activations(rows.float()), "none")
    every = seen.rows(torch.arange(seen.n_tokens)).double()
    halves = torch.cat([every.clamp(min=0), (-every).clamp(min=0)], dim=1)
    positive, negative = non_negative_vectors(halves, 2 * D_MODEL, filled=False).chunk(2, dim=1)
    torch.testing.assert_close(atoms, (positive - negative).float())
    assert (atoms < 0).any()
    assert (atoms > 0).any()


def test_more_atoms_than_singular_vectors_are_refused():
    with pytest.raises(SpecError, match=f"{D_MODEL + 1} atoms: an nndsvda start has at most {D_MODEL} of 270"):
        started(drawn(300, D_MODEL).abs(), D_MODEL + 1)
    with pytest.raises(SpecError, match="at most 24 of 270 activations in 24 columns"):
        started(drawn(300, D_MODEL), 2 * D_MODEL + 1)
    with pytest.raises(SpecError, match="at most 5 of 5 activations"):
        started(drawn(300, D_MODEL), 6, points_tokens=5, allow_fewer_points=True)


def test_a_method_that_takes_the_mean_off_cannot_begin_here():
    with pytest.raises(
        SpecError, match="topk takes the mean off, and the start nndsvda is about activations with their"
    ):
        check_start(Start(kind="nndsvda"), parse({"kind": "topk", "n_atoms": 9, "k": 2}))
    check_start(Start(kind="nndsvda"), parse({"kind": "topk", "n_atoms": 9, "k": 2, "decoder_bias": False}))
