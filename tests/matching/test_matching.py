from itertools import permutations

import pytest
import torch

import reseed
from reseed.matching import cosines, unit_rows, zero_atoms
from reseed.matching.similarity import check_dictionaries, check_sign


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled), dtype=torch.float64)


def best_by_trying_all(a, b, sign):
    similarity = [[float(torch.cosine_similarity(x, y, dim=0)) for y in b] for x in a]
    if sign == "abs":
        similarity = [[abs(c) for c in row] for row in similarity]
    small, large = sorted((len(a), len(b)))
    if len(a) > len(b):
        similarity = list(zip(*similarity, strict=True))
    return max(sum(similarity[i][p] for i, p in enumerate(pi)) / small for pi in permutations(range(large), small))


@pytest.mark.parametrize("sign", ["signed", "abs"])
@pytest.mark.parametrize(("n_rows", "n_cols"), [(1, 1), (2, 2), (5, 5), (6, 6), (3, 6), (6, 3)])
def test_no_permutation_is_better(n_rows, n_cols, sign):
    for rolled in range(5):
        a, b = normal(n_rows, 3, rolled=rolled), normal(n_cols, 3, rolled=100 + rolled)
        assert reseed.match(a, b, sign=sign).agreement == pytest.approx(best_by_trying_all(a, b, sign), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_permuted_dictionary_is_at_distance_0_and_the_permutation_is_found(dtype):
    a = normal(300, 24).to(dtype)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1))
    matching = reseed.match(a, a[order])
    assert abs(matching.distance) <= 1e-12
    assert torch.equal(order[matching.cols], matching.rows)


def test_float32_atoms_scaled_by_any_positive_factor_are_the_same_atoms():
    a = normal(64, 16).float()
    factor = 10.0 ** torch.linspace(-2, 2, 64)[:, None]
    assert abs(reseed.match(a, a * factor).distance) <= 1e-12


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1.0, 1e30, 1e200])
def test_the_overall_scale_of_a_dictionary_does_not_matter(scale):
    a, b = normal(20, 8), normal(20, 8, rolled=1)
    assert reseed.match(a * scale, b).agreement == pytest.approx(reseed.match(a, b).agreement, abs=1e-12)


def test_flipped_signs_are_opposite_atoms_unless_the_sign_is_left_open():
    a = torch.eye(4)
    assert reseed.match(a, -a).agreement == 0  # a derangement avoids all cosines of -1
    assert reseed.match(a, -a, sign="abs").distance == 0
    assert reseed.match(torch.eye(1), -torch.eye(1)).agreement == -1


def test_each_side_of_unequal_dictionaries_reports_its_coverage():
    a = normal(12, 5)
    matching = reseed.match(a, a[[7, 3, 9]])
    assert matching.distance <= 1e-12
    assert matching.rows.tolist() == [3, 7, 9]
    assert matching.cols.tolist() == [1, 0, 2]
    assert (matching.row_coverage, matching.col_coverage) == (3 / 12, 1)
    assert (matching.n_rows, matching.n_cols) == (12, 3)
    assert matching.gap <= 1e-8


def test_zero_atoms_are_counted_and_match_with_cosine_0():
    a, b = normal(6, 6), normal(6, 6)
    b[[1, 4]] = 0
    b[2] *= 1e-9  # far below 1e-6 of the median norm: rounding, not a direction
    matching = reseed.match(a, b)
    assert (matching.zero_rows, matching.zero_cols) == (0, 3)
    assert matching.cosines.isfinite().all()
    assert matching.cosines[torch.isin(matching.cols, torch.tensor([1, 2, 4]))].tolist() == [0, 0, 0]
    assert matching.agreement >= 3 / 6


def test_dictionaries_of_zeros_agree_in_nothing():
    matching = reseed.match(torch.zeros(3, 4), torch.zeros(3, 4))
    assert (matching.agreement, matching.zero_rows, matching.zero_cols) == (0, 3, 3)


def test_zero_atoms_are_found_even_where_most_atoms_are_dead():
    a = torch.zeros(9, 9)
    a[[0, 1, 2], [0, 1, 2]] = 1
    a[3, 3] = 1e-8
    assert zero_atoms(a).tolist() == [False] * 3 + [True] * 6


def test_an_atom_just_long_enough_keeps_its_direction():
    a = torch.eye(5)
    a[0] *= 2e-6
    assert not zero_atoms(a).any()
    assert unit_rows(a)[0, 0] == 1


def test_a_dictionary_without_atoms_has_no_agreement():
    matching = reseed.match(torch.zeros(0, 4), torch.eye(4))
    assert len(matching.rows) == 0
    assert matching.agreement != matching.agreement
    assert matching.row_coverage != matching.row_coverage
    assert matching.col_coverage == 0


def test_cosines_never_leave_their_range():
    a = normal(500, 3).float()
    same = cosines(a, a)
    assert same.max() <= 1
    assert same.min() >= -1
    assert cosines(a, -a, sign="abs").min() >= 0
    # what the clamp takes away is rounding and nothing else
    unit = unit_rows(a)
    assert (unit @ unit.T).abs().max() <= 1 + 1e-15


def test_matching_again_gives_the_same_pairs():
    a, b = normal(100, 4), normal(100, 4, rolled=1)
    b[:50] = b[50:]  # ties
    assert torch.equal(reseed.match(a, b).cols, reseed.match(a, b).cols)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(3), torch.eye(3), r"first dictionary is torch.float32 of shape \(3,\).*\(n_atoms, d_model\)"),
        (torch.eye(3), torch.eye(3, dtype=torch.int64), "second dictionary is torch.int64"),
        (torch.eye(3), torch.eye(4), "3 dimensions in the first dictionary and 4 in the second"),
        (torch.eye(3), torch.eye(3) * float("nan"), "second dictionary has NaN or inf in 3 atoms, first in atom 0"),
        (torch.tensor([[1.0, 0], [0, float("inf")]]), torch.eye(2), "in 1 atoms, first in atom 1"),
    ],
)
def test_what_is_no_dictionary_is_refused_by_name(a, b, message):
    with pytest.raises(ValueError, match=message):
        check_dictionaries(a, b)
    with pytest.raises((ValueError, TypeError)):  # jaxtyping, where it is switched on, is faster with a TypeError
        reseed.match(a, b)


def test_an_array_that_is_no_tensor_and_an_unknown_sign_are_refused():
    with pytest.raises(TypeError, match="Tensor"):
        reseed.match(torch.eye(2).numpy(), torch.eye(2))
    with pytest.raises(ValueError, match="sign is 'positive'; use 'signed'"):
        check_sign("positive")
