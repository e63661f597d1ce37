import pytest
import torch

from reseed import match
from reseed.synthetic import planted


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
