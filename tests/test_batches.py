import pytest
import torch

from reseed.activations import batch_rows, open_activations, preprocessed
from reseed.training.batches import Batches


@pytest.fixture(scope="module")
def seen():
    return preprocessed(open_activations(torch.randn(500, 4, generator=torch.Generator().manual_seed(0))), "centre")


class Counted:
    """A view that counts how often it is read."""

    def __init__(self, view):
        self.activations, self.n_tokens, self.reads = view, view.n_tokens, 0

    def rows(self, index):
        self.reads += 1
        return self.activations.rows(index)


@pytest.mark.parametrize("ahead", [False, True])
def test_every_order_gets_its_batches_and_each_is_read_once(seen, ahead):
    counted = Counted(seen)
    batches = Batches(counted, torch.device("cpu"), batch_size=32, steps=6, ahead=ahead)
    for step in range(2, 6):
        for order in (5, 7, 5):
            expected = seen.rows(batch_rows(seen.n_tokens, 32, step, roll=order))
            assert torch.equal(batches.batch(order, step), expected)
    assert counted.reads == 2 * 4
    assert batches.kept == {5}
