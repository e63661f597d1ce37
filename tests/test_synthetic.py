import pytest
import torch

from reseed import match
from reseed.activations.synthetic import planted


def test_rows_are_sparse_non_negative_combinations_of_unit_atoms():
    made = planted(500, 20, n_atoms=30, active=3)
    assert made.rows.shape == (500, 20)
    assert made.atoms.shape == (30, 20)
    assert torch.allclose(made.atoms.norm(dim=1), torch.ones(30))
    assert torch.equal((made.codes > 0).sum(dim=1), torch.full((500,), 3))
    assert made.codes[made.codes > 0].min() >= 0.5
    assert made.codes.max() <= 1.5
    assert torch.allclose(made.rows, made.codes @ made.atoms, atol=1e-6)


def test_every_atom_is_active_equally_often():
    share = (planted(20_000, 8, n_atoms=16, active=2).codes > 0).double().mean(dim=0)
    spread = (2 / 16 * 14 / 16 / 20_000) ** 0.5
    assert (share - 2 / 16).abs().max() < 4 * spread


def test_half_normal_strengths_are_small_as_often_as_those_of_a_normal_number():
    made = planted(20_000, 8, n_atoms=16, active=2, strengths="half-normal", together=0.5)
    strengths = made.codes[made.codes > 0].double()
    assert strengths.square().mean().item() == pytest.approx(1, abs=0.03)
    assert (strengths < 0.6745).double().mean().item() == pytest.approx(0.5, abs=0.01)  # the quartile of a normal
    with pytest.raises(ValueError, match="strengths is 'heavy'; use one of 'uniform', 'half-normal'"):
        planted(10, 4, n_atoms=12, active=2, strengths="heavy")


@pytest.mark.parametrize("noise", [0.1, 2.0])
def test_noise_has_the_norm_asked_for_in_units_of_one_atom(noise):
    made = planted(4000, 25, n_atoms=30, active=3, noise=noise)
    disturbance = made.rows - made.codes @ made.atoms
    assert disturbance.square().sum(dim=1).mean().sqrt().item() == pytest.approx(noise, rel=0.02)


def test_the_offset_is_one_vector_of_the_norm_asked_for():
    here, away = (planted(100, 20, n_atoms=30, active=3, noise=0.1, offset=offset) for offset in (0.0, 6.0))
    shift = away.rows - here.rows
    assert torch.allclose(shift, shift[:1].expand_as(shift), atol=1e-5)
    assert shift[0].norm().item() == pytest.approx(6.0, rel=1e-5)


def test_combinations_have_the_energy_that_the_docstring_states():
    made = planted(8000, 400, n_atoms=30, active=3)  # wide, so that atoms are close to orthogonal
    assert made.rows.square().sum(dim=1).mean().item() == pytest.approx(3 * 13 / 12, rel=0.05)


def test_no_active_atoms_leave_noise_only():
    made = planted(100, 20, n_atoms=30, active=0, noise=1.0)
    assert made.codes.eq(0).all()
    assert made.rows.std() > 0


def test_equal_arguments_give_equal_bits_and_another_roll_other_atoms():
    first, again, other = (planted(50, 10, n_atoms=12, active=2, noise=0.1, rolled=roll) for roll in (4, 4, 5))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert match(first.atoms, other.atoms).agreement < 0.7


def test_more_tokens_and_noise_leave_the_planted_atoms_where_they_are():
    assert torch.equal(
        planted(50, 10, n_atoms=12, active=2).atoms, planted(99, 10, n_atoms=12, active=3, noise=1.0, offset=2.0).atoms
    )


@pytest.mark.parametrize(
    "wrong",
    [{"active": 13}, {"active": -1}, {"noise": -0.1}, {"offset": -1.0}, {"n_atoms": 0, "active": 0}],
)
def test_impossible_sizes_are_refused_with_what_is_allowed(wrong):
    with pytest.raises(ValueError, match="active is 0 to n_atoms"):
        planted(10, 4, **{"n_atoms": 12, "active": 2} | wrong)


def joint(codes, i, j):
    """How often atom j is active where atom i is."""
    active = codes > 0
    return (active[:, i] & active[:, j]).sum().item() / active[:, i].sum().item()


def test_atoms_that_are_together_are_active_together_and_others_are_not():
    codes = planted(20_000, 8, n_atoms=16, active=2, together=0.6).codes
    alone = 1 / 15  # the other one of two different atoms
    assert joint(codes, 0, 1) == pytest.approx(1 - (1 - alone) * 0.4 / (1 + (1 - alone) * 0.6), abs=0.03)
    assert joint(codes, 0, 2) < 0.25
    always = planted(500, 8, n_atoms=16, active=2, together=1.0).codes > 0
    assert torch.equal(always[:, 0::2], always[:, 1::2])
    assert (codes[codes > 0] >= 0.5).all()


def test_a_child_is_active_with_its_parent_only_and_with_half_of_them():
    made = planted(20_000, 8, n_atoms=12, active=2, children=2)
    active = made.codes > 0
    parents, first, second = active[:, :4], active[:, 4:8], active[:, 8:]
    assert made.atoms.shape == (12, 8)
    assert torch.equal(parents.sum(dim=1), torch.full((20_000,), 2))
    assert not ((first | second) & ~parents).any()
    assert not (first & second).any()
    for born in (first, second):
        assert born.sum() / parents.sum() == pytest.approx(0.25, abs=0.01)
    assert torch.allclose(made.rows, made.codes @ made.atoms, atol=1e-5)


def test_families_leave_the_planted_atoms_where_they_are():
    plain = planted(50, 10, n_atoms=12, active=2)
    for family in ({"together": 0.5}, {"children": 1}):
        assert torch.equal(planted(50, 10, n_atoms=12, active=2, **family).atoms, plain.atoms)


@pytest.mark.parametrize(
    "wrong",
    [
        {"together": 1.1},
        {"together": -0.1},
        {"together": 0.5, "n_atoms": 11},
        {"children": -1},
        {"children": 4},
        {"children": 5, "active": 3},
        {"children": 1, "together": 0.5},
    ],
)
def test_impossible_families_are_refused_with_what_is_allowed(wrong):
    with pytest.raises(ValueError, match="only one of the two"):
        planted(10, 4, **{"n_atoms": 12, "active": 2} | wrong)
