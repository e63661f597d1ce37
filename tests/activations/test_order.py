"""The order die: epochs are permutations, steps need no history, size costs nothing."""

import tracemalloc

import numpy as np
import pytest
import torch

from reseed.activations import batch_rows
from reseed.activations.order import permuted, rows_of_batches
from reseed.errors import ActivationsError


@pytest.mark.parametrize("n", [*range(1, 40), 97, 128, 1000, 1023, 4097])
@pytest.mark.parametrize("key", ["a", "b"])
def test_permuted_sends_every_index_to_a_place_of_its_own(n, key):
    places = permuted(np.arange(n, dtype=np.uint64), n, key)
    assert sorted(places.tolist()) == list(range(n))


@pytest.mark.parametrize(("n_tokens", "batch_size"), [(1000, 100), (1003, 100), (17, 5), (8, 8)])
@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_no_row_comes_twice_in_an_epoch(n_tokens, batch_size, epoch):
    steps = n_tokens // batch_size
    rows = torch.cat([batch_rows(n_tokens, batch_size, epoch * steps + place, roll=3) for place in range(steps)])
    assert rows.dtype == torch.int64
    assert len(rows.unique()) == steps * batch_size
    assert rows.min() >= 0
    assert rows.max() < n_tokens


def test_a_step_needs_no_history():
    backwards = [batch_rows(1000, 64, step, roll=9) for step in reversed(range(40))]
    forwards = [batch_rows(1000, 64, step, roll=9) for step in range(40)]
    assert all(torch.equal(a, b) for a, b in zip(forwards, reversed(backwards), strict=True))


def test_epochs_and_rolls_each_give_another_order():
    first = batch_rows(1000, 1000, 0, roll=1)
    for other in (batch_rows(1000, 1000, 1, roll=1), batch_rows(1000, 1000, 0, roll=2)):
        # two independent permutations agree in one place on average
        assert (first == other).sum() < 10


def test_every_row_is_left_out_of_some_epoch_when_batches_do_not_fill_it():
    left_out = set()
    for epoch in range(60):
        left_out |= set(range(10)) - set(batch_rows(10, 9, epoch, roll=0).tolist())
    assert left_out == set(range(10))


def test_the_order_never_changes_between_versions():
    # written down when FORMAT_VERSION was 1: other numbers here mean that old studies cannot be resumed
    assert batch_rows(1000, 6, 0, roll=7).tolist() == [4, 353, 409, 183, 672, 110]
    assert batch_rows(10**12, 3, 123_456_789, roll=2**62).tolist() == [999689994373, 826071364827, 730576231978]


def test_places_are_spread_evenly():
    # the first of 16 rows for 1,600 rolls: chi-squared with 15 degrees of freedom, 99.9 % quantile 37.7
    counts = np.zeros(16)
    for roll in range(1600):
        counts[int(batch_rows(16, 1, 0, roll=roll))] += 1
    assert ((counts - 100) ** 2 / 100).sum() < 37.7


def test_neighbours_do_not_stay_neighbours():
    rows = batch_rows(100_000, 100_000, 0, roll=5).double()
    correlation = torch.corrcoef(torch.stack([rows[:-1], rows[1:]]))[0, 1]
    assert abs(correlation) < 4 / 100_000**0.5


def test_a_billion_rows_cost_the_memory_of_one_batch():
    batch_rows(100, 10, 0, roll=0)
    tracemalloc.start()
    rows = batch_rows(10**9, 1024, 976_561, roll=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(rows.unique()) == 1024
    assert peak < 2**20


def test_too_few_tokens_for_a_batch_are_refused():
    with pytest.raises(ActivationsError, match=r"^100 training tokens are too few for a batch of 128: collect more"):
        batch_rows(100, 128, 0, roll=1)


@pytest.mark.parametrize(("batch_size", "step"), [(0, 0), (4, -1)])
def test_impossible_batches_are_refused(batch_size, step):
    with pytest.raises(ValueError, match="at least 1 row and steps count from 0"):
        batch_rows(100, batch_size, step, roll=1)


def test_batches_that_are_asked_for_together_are_those_of_their_steps_over_the_ends_of_epochs():
    together = rows_of_batches(1000, 300, range(1, 8), roll=4)
    assert torch.equal(together, torch.stack([batch_rows(1000, 300, step, roll=4) for step in range(1, 8)]))
