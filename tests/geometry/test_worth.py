"""Floors before training, against closed forms and dictionaries whose agreement is known."""

import math

import numpy as np
import pytest
import torch

from reseed import geometry
from reseed.errors import SpecError
from reseed.floors import isotropic, isotropic_atoms, mean_shift
from reseed.geometry import measure


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled))


def floors_of(view):
    return {(each.name, each.mixed, each.points): each for each in view.floors}


@pytest.fixture(scope="module")
def isotropic_tokens():
    return measure(normal(20_000, 48), n_atoms=64, preprocess=("none",))


def test_isotropic_tokens_are_worth_what_random_directions_are(isotropic_tokens):
    (view,) = isotropic_tokens.views
    floors = floors_of(view)
    random = geometry.measure(dictionaries=(isotropic_atoms(64, 48, rolled=1), isotropic_atoms(64, 48, rolled=2)))
    assert floors["isotropic", None, None].value == isotropic(48, 64)
    assert floors["mean-shift", None, None].value == pytest.approx(isotropic(48, 64), abs=0.01)
    for name in ("spectrum", "data"):
        assert floors[name, None, None].value == pytest.approx(random.pair.agreement, abs=0.02)
        assert 0 < floors[name, None, None].spread < 0.02
        assert floors[name, None, None].n == 3
        assert 0 < floors[name, None, None].standard_error < 0.02
    assert view.mean_cosine == pytest.approx(0, abs=0.002)
    assert view.effective_rank == pytest.approx(48, rel=0.02)
    assert math.isnan(view.without_rogue)


def test_k_means_and_mixtures_of_its_points_are_worth_more_the_more_they_share(isotropic_tokens):
    floors = floors_of(isotropic_tokens.views[0])
    assert floors["kmeans", None, None].value > floors["data", None, None].value
    for mixed in (1, 4):
        assert floors["hull", mixed, "same"].value > floors["hull", mixed, "own"].value + 0.02


def test_every_mixture_has_points_enough():
    (view,) = measure(normal(500, 6), n_atoms=5, preprocess=("none",)).views
    assert [(each.mixed, each.points) for each in view.floors if each.name == "hull"] == [
        (1, "same"), (4, "same"), (1, "own"), (4, "own"),
    ]  # fmt: skip


@pytest.mark.parametrize(("share", "expected"), [(0.25, 0.372), (0.5, 0.586), (0.9, 0.918)])
def test_a_mean_alone_is_worth_the_published_floor(share, expected):
    """docs/mathematics.md, eq. 24: d = 512, n = 2048. The floor is of MMCS, which the matched agreement is at most."""
    d_model, n_atoms = 512, 2048
    mean = torch.nn.functional.normalize(normal(d_model, rolled=3), dim=0) * share**0.5
    a, b = (mean + normal(n_atoms, d_model, rolled=r) * ((1 - share) / d_model) ** 0.5 for r in (1, 2))
    pair = measure(dictionaries=(a, b), draws=2).pair
    floors = {each.name: each.value for each in pair.floors}
    assert pair.shared_mean == pytest.approx(share, abs=0.01)
    assert floors["mean-shift"] == pytest.approx(expected, abs=0.01)
    assert pair.mmcs == pytest.approx(expected, abs=0.01)
    assert floors["spectrum"] == pytest.approx(pair.agreement, abs=0.01)
    assert pair.standings[0].ratio == pytest.approx(1, abs=0.05)


def test_tokens_around_a_mean_are_worth_the_mean_until_they_are_centred():
    rows = normal(6000, 64)
    rows[:, 5] += 8  # half of the energy
    none, centre = measure(rows, n_atoms=96, preprocess=("none", "centre")).views
    assert none.mean_share == pytest.approx(0.5, abs=0.01)
    assert none.mean_cosine == pytest.approx(0.5, abs=0.01)
    assert floors_of(none)["mean-shift", None, None].value == mean_shift(none.mean_cosine, 64, 96)
    for name in ("spectrum", "data"):
        assert floors_of(none)[name, None, None].value == pytest.approx(mean_shift(0.5, 64, 96), abs=0.03)
        assert floors_of(centre)[name, None, None].value == pytest.approx(isotropic(64, 96), abs=0.03)
    assert none.dimensions[0].index == 5
    assert centre.mean_over_spread == pytest.approx(0, abs=1e-3)


def test_the_same_command_gives_the_same_numbers_and_another_sample_others():
    rows = normal(900, 12)
    first, again = (measure(rows, n_atoms=8, preprocess=("centre",), tokens=500) for _ in range(2))
    assert repr(first) == repr(again)
    assert (
        measure(rows, n_atoms=8, preprocess=("centre",), tokens=400).views[0].mean_cosine != first.views[0].mean_cosine
    )


def test_what_is_printed_is_what_is_read_again():
    document = measure(
        normal(900, 12), n_atoms=8, preprocess=("centre",), draws=2
    )  # one pair: the spread is not defined
    again = geometry.Geometry.model_validate_json(document.model_dump_json())
    assert repr(again) == repr(document)
    assert math.isnan(again.views[0].floors[-1].spread)


def test_a_store_a_file_and_a_tensor_are_worth_the_same(tmp_path):
    rows = normal(900, 12)
    np.save(tmp_path / "rows.npy", rows.numpy())
    of_tensor, of_file = (measure(source, n_atoms=8, preprocess=("none",)) for source in (rows, tmp_path / "rows.npy"))
    assert of_file.views == of_tensor.views or repr(of_file.views) == repr(of_tensor.views)
    assert of_file.activations["name"] == "rows"


# Two dictionaries.


def test_dictionaries_are_held_against_floors_of_their_own_and_of_the_activations():
    rows = normal(3000, 24) * torch.linspace(3, 0.1, 24)
    a, b = normal(20, 24, rolled=8), normal(33, 24, rolled=9)
    found = measure(rows, dictionaries=(a, b), preprocess=("none", "standardise"))
    assert found.n_atoms == (20, 33)
    assert [(each.against, each.role) for each in found.pair.standings] == [
        ("dictionaries", "null"),
        *((name, role) for name in ("none", "standardise") for role in ("null", "reference")),
    ]
    assert found.pair.standings[2].floor == "kmeans"
    assert found.pair.standings[2].ratio > 1  # random directions agree less than what follows the activations
    assert {each.name: each.role for each in found.views[0].floors} == {
        "isotropic": "null",
        "mean-shift": "reference",
        "spectrum": "null",
        "data": "reference",
        "kmeans": "reference",
        "hull": "reference",
    }
    assert floors_of(found.views[0])["isotropic", None, None].value == isotropic(24, 33)  # the best of the larger one
    assert (found.pair.first.n_atoms, found.pair.second.n_atoms) == (20, 33)


def test_a_dictionary_agrees_with_itself_in_any_order_above_every_floor():
    a = normal(30, 16)
    pair = measure(dictionaries=(a, a[torch.randperm(30, generator=torch.Generator().manual_seed(0))])).pair
    assert pair.agreement == 1
    assert pair.standings[0].ratio == pytest.approx(0, abs=1e-6)


def test_atoms_have_the_mean_and_the_ranks_that_they_were_drawn_with():
    atoms = torch.zeros(400, 6)
    atoms[:, 0] = 1.0
    atoms[::2, 1], atoms[1::2, 1] = 1.0, -1.0  # half of each squared norm is the mean; the rest is one direction
    atoms[7] = 0
    geometry_of = measure(dictionaries=(atoms, atoms), draws=2).pair.first
    assert geometry_of.zero_atoms == 1
    assert geometry_of.mean_share == pytest.approx(0.5, abs=0.01)
    assert geometry_of.effective_rank == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("wrong", [{"draws": 1}, {"tokens": 1}, {"kmeans_steps": 0}, {"n_atoms": 0}])
def test_counts_that_are_too_small_are_refused_by_name(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(SpecError, match=f"{name} = {value}: it is a whole number from "):
        measure(normal(500, 6), **{"n_atoms": 5, **wrong})
