import pytest
import torch

from reseed.activations import batch_rows, open_activations, preprocessed
from reseed.training.batches import Batches, near_to, share_of


@pytest.fixture(scope="module")
def seen():
    return preprocessed(open_activations(torch.randn(500, 4, generator=torch.Generator().manual_seed(0))), "centre")


class Counted:
    """A view that counts how often each batch is read."""

    def __init__(self, view):
        self.view, self.n_tokens, self.d_model, self.reads = view, view.n_tokens, view.d_model, []

    def batches(self, index):
        self.reads += [tuple(rows) for rows in index.tolist()]
        return self.view.batches(index)


@pytest.mark.parametrize("name", ["centre", "whiten"])
@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize(("at_a_time", "kept"), [(1, {5}), (2, {4, 5}), (3, {3, 4, 5}), (100, {*range(6)})])
def test_every_order_gets_its_batches_and_each_is_read_once(monkeypatch, seen, name, *, ahead, at_a_time, kept):
    monkeypatch.setattr("reseed.training.batches._AT_A_TIME", at_a_time * 32 * seen.d_model + 1)
    seen = preprocessed(seen.activations, name)
    counted = Counted(seen)
    batches = Batches(counted, torch.device("cpu"), batch_size=32, steps=6, ahead=ahead)
    for step in range(2, 6):
        for order in (5, 7, 5):
            expected = seen.rows(batch_rows(seen.n_tokens, 32, step, roll=order))
            assert torch.equal(batches.batch(order, step), expected)
    assert len(set(counted.reads)) == len(counted.reads)
    assert batches.kept == kept


def test_batches_are_the_same_wherever_the_activations_lie(seen):
    def of(read):
        return Batches(read.part(1, 3), torch.device("cpu"), batch_size=16, steps=4).batch(5, 3)

    assert torch.equal(of(seen.to("cpu")), of(seen))


def test_activations_lie_in_a_gpu_where_they_leave_it_three_quarters_and_stay_where_they_are_for_a_cpu(seen):
    assert near_to(seen, torch.device("cpu")) is seen
    assert share_of(2**34) == 2**32
