import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from regimes import REGIMES, all_equal, clustered, dice, independent, normal, repeated_on_one_side
from scipy.optimize import linear_sum_assignment

import reseed
from reseed._support.products import row_products
from reseed.matching import cosines, first_lists
from reseed.matching.assignment import assign
from reseed.matching.certificate import exact_profits, gap_of
from reseed.matching.device_lists import lists_on_device
from reseed.matching.direct import assign_directly
from reseed.matching.kinds import Kinds
from reseed.matching.products import directions, parallel_map, rounding


def best_agreement(a, b, sign="signed"):
    similarity = cosines(a, b, sign=sign).numpy()
    return similarity[linear_sum_assignment(similarity, maximize=True)].mean()


def assert_best(matching, a, b):
    best = best_agreement(a, b, matching.sign)
    assert matching.agreement <= best + 1e-12
    assert best - matching.agreement <= matching.gap + 1e-12
    assert matching.gap <= 1e-6
    assert best - matching.agreement <= 1e-8
    assert len(matching.rows.unique()) == len(matching.cols.unique()) == len(matching.rows) == min(len(a), len(b))
    assert torch.equal(matching.rows, matching.rows.sort().values)
    similarity = cosines(a, b, sign=matching.sign)
    torch.testing.assert_close(matching.cosines, similarity[matching.rows, matching.cols], rtol=0, atol=1e-14)
    torch.testing.assert_close(matching.best_rows, similarity.amax(dim=1), rtol=0, atol=2e-6)
    torch.testing.assert_close(matching.best_cols, similarity.amax(dim=0), rtol=0, atol=2e-6)


@pytest.fixture(params=["direct", "first lists", "survey"])
def route(request, monkeypatch):
    """Small dictionaries, and the same as if they were larger, and large."""
    if request.param != "direct":
        monkeypatch.setattr("reseed.matching.assignment._SMALL", 0)
    if request.param == "survey":
        monkeypatch.setattr("reseed.matching.assignment._LARGE", 0)
        monkeypatch.setattr("reseed.matching.survey._ROWS", 128)


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("sign", ["signed", "abs"])
@pytest.mark.parametrize("regime", REGIMES)
def test_nothing_that_scipy_finds_is_better_and_the_gap_says_so(regime, sign):
    a, b = REGIMES[regime]()
    assert_best(reseed.match(a, b, sign=sign), a, b)


@pytest.mark.parametrize("sign", ["signed", "abs"])
@pytest.mark.parametrize("regime", REGIMES)
def test_the_pass_that_a_gpu_makes_ends_in_the_same_agreement(regime, sign, monkeypatch):
    a, b = REGIMES[regime]()
    on_cpu = reseed.match(a, b, sign=sign)
    monkeypatch.setattr("reseed.matching.assignment._SMALL", 0)

    def as_on_device(rows, cols, *, n_groups, absolute, **_):
        return lists_on_device(rows, cols, n_groups=n_groups, absolute=absolute, elements=40 * len(cols))

    monkeypatch.setattr("reseed.matching.assignment.first_lists", as_on_device)
    matching = reseed.match(a, b, sign=sign)
    assert_best(matching, a, b)
    assert abs(matching.agreement - on_cpu.agreement) <= matching.gap + on_cpu.gap


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_are_matched_as_exactly(dtype):
    a, b = (atoms.to(dtype) for atoms in independent())
    assert_best(reseed.match(a, b), a, b)


@settings(max_examples=150, deadline=None, database=None)
@given(st.data())
def test_small_dictionaries_of_any_kind(data):
    d = data.draw(st.integers(1, 4))
    whole = st.integers(-2, 2).map(float)  # ties, zeros and duplicates are the rule
    a, b = (
        torch.from_numpy(data.draw(arrays(np.float64, (data.draw(st.integers(1, 9)), d), elements=whole)))
        for _ in range(2)
    )
    assert_best(reseed.match(a, b, sign=data.draw(st.sampled_from(["signed", "abs"]))), a, b)


@pytest.mark.parametrize("regime", REGIMES)
def test_many_small_blocks_and_few_groups_give_as_good_a_matching(regime, monkeypatch):
    monkeypatch.setattr("reseed.matching.assignment._SMALL", 0)
    a, b = sorted(REGIMES[regime](), key=len)
    found = assign(directions(a), directions(b), absolute=False, n_groups=7, elements=1)
    assert found.cosines.mean() == pytest.approx(best_agreement(a, b), abs=1e-8)
    assert found.gap <= 1e-6


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("regime", ["independent", "clustered", "duplicates", "fewer_rows"])
def test_one_thread_and_two_give_the_same_bytes(regime):
    a, b = REGIMES[regime]()
    before, found = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            with parallel_map() as parallel:
                found.append(assign(directions(a), directions(b), absolute=False, parallel=parallel, elements=1))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)
    one, two = found
    assert one.gap == two.gap
    for field in ("partners", "cosines", "best", "partner_best"):
        assert getattr(one, field).tobytes() == getattr(two, field).tobytes()


@pytest.mark.usefixtures("route")
def test_atoms_that_differ_by_less_than_float32_can_tell_find_themselves():
    a = normal(200, 24).double().repeat(2, 1)
    a[200:] += 1e-4 * normal(200, 24, rolled=1)
    order = torch.randperm(400, generator=dice(2))
    assert abs(reseed.match(a, a[order]).distance) <= 1e-8


def test_atoms_of_any_length_that_float64_can_hold_are_matched():
    a, b = (atoms.double() for atoms in independent(50))
    assert reseed.match(a * 1e120, b * 1e120).agreement == pytest.approx(best_agreement(a, b), abs=1e-8)


def test_a_worse_matching_has_a_gap_that_covers_what_it_loses():
    a, b = clustered(200)
    similarity = cosines(a, b).numpy()
    rows, cols = linear_sum_assignment(similarity, maximize=True)
    prices = np.random.default_rng(0).random(200)
    profits = exact_profits(directions(a), directions(b), np.arange(200), prices, absolute=False)
    np.testing.assert_allclose(profits, (similarity - prices).max(axis=1), atol=1e-14)
    for swaps in (0, 1, 10, 100):
        wrong = cols.copy()
        wrong[: 2 * swaps] = wrong[: 2 * swaps][::-1]
        lost = (similarity[rows, cols] - similarity[rows, wrong]).mean()
        assert gap_of(profits, prices, similarity[rows, wrong]) >= lost


def test_a_column_without_a_row_counts_in_the_gap_what_it_costs_above_the_cheapest():
    assert gap_of(np.array([0.3]), np.array([0.1, 0.1]), np.array([0.4])) == pytest.approx(0)
    assert gap_of(np.array([0.3]), np.array([0.1, 0.6]), np.array([0.4])) == pytest.approx(0.5)


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("regime", ["independent", "clustered"])
def test_a_row_that_float32_leaves_in_doubt_is_decided_in_float64(regime, monkeypatch):
    a, b = REGIMES[regime]()
    for module in ("assignment", "direct"):
        monkeypatch.setattr(f"reseed.matching.{module}.rounding", lambda _: 0.1)  # as if products were that wrong
    assert_best(reseed.match(a, b), a, b)


@pytest.mark.parametrize("sign", ["signed", "abs"])
def test_products_that_are_wrong_by_what_they_may_be_do_not_mislead(sign, monkeypatch):
    a, b = clustered()
    chance = dice(7)

    def wrong(x, y):
        made = row_products(x, y)
        return made + 0.05 * (2 * torch.rand(made.shape, generator=chance) - 1)

    monkeypatch.setattr("reseed.matching.direct.row_products", wrong)
    monkeypatch.setattr("reseed.matching.direct.rounding", lambda _: 0.051)
    found = assign(directions(a), directions(b), absolute=sign == "abs")
    assert found.gap <= 1e-6
    assert found.cosines.mean() == pytest.approx(best_agreement(a, b, sign), abs=1e-8)


@pytest.mark.parametrize("make", [repeated_on_one_side, all_equal])
def test_where_direct_matching_takes_too_many_bids_the_scaled_auctions_go_on(make, monkeypatch):
    a, b = make()
    assert assign_directly(directions(a), directions(b), absolute=False, parallel=map) is None
    monkeypatch.setattr("reseed.matching.assignment.kinds", as_if_all_were_different)
    assert_best(reseed.match(a, b), a, b)


def as_if_all_were_different(side):
    each = np.arange(len(side))
    return Kinds(side, each, each, np.arange(len(side) + 1))


@pytest.mark.parametrize("d", [1, 24, 576])
def test_products_keep_the_rounding_that_the_proof_counts_on(d):
    a, b = (directions(normal(100, d, rolled=side)) for side in (0, 1))
    exact = (a.atoms.double() * a.scale[:, None]) @ (b.atoms.double() * b.scale[:, None]).T
    assert (row_products(a.unit, b.unit) - exact).abs().max() <= rounding(d)


def test_no_block_of_cosines_is_larger_than_allowed(monkeypatch):
    shapes = []

    def seen(x, y):
        shapes.append((len(x), len(y)))
        return row_products(x, y)

    monkeypatch.setattr(first_lists, "row_products", seen)
    reseed.match(*independent(5000, 8))
    assert sum(rows for rows, _ in shapes) == 5000
    assert max(rows * cols for rows, cols in shapes) <= 2**22
