"""What the k-means floor is drawn from."""

import numpy as np
import pytest
import torch

from reseed.activations import open_activations, preprocessed
from reseed.activations.synthetic import planted
from reseed.matching import match
from reseed.starts.lloyd import kmeans
from reseed.training.untrained import kmeans_atoms, kmeans_tokens


@pytest.mark.parametrize(
    ("n_tokens", "d_model", "n_atoms", "seen", "expected"),
    [
        (250_000, 384, 512, 614_400, 125_000),  # half of what there is
        (250_000, 384, 512, None, 125_000),
        (10**7, 384, 512, 614_400, 131_072),  # 256 per centroid
        (10**7, 384, 4096, 614_400, 614_400),  # as many as a run sees
        (10**7, 384, 4096, 1000, 131_072),  # no fewer than 32 per centroid
        (1000, 384, 512, 614_400, 1000),  # or all there are
        (10**7, 2048, 4096, None, 262_144),  # what fits in 2 GiB
        (10**7, 2048, 16_384, None, 524_288),  # 32 per centroid, whatever they take
    ],
)
def test_a_floor_is_drawn_from_as_much_data_as_a_run_sees(n_tokens, d_model, n_atoms, seen, expected):
    assert kmeans_tokens(n_tokens, d_model, n_atoms, seen=seen) == expected


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    path = tmp_path_factory.mktemp("untrained") / "acts.npy"
    np.save(path, planted(20_000, 16, n_atoms=24, active=3, noise=0.5).rows.numpy())
    return preprocessed(open_activations(path), "none")


def test_centroids_of_more_data_agree_more(seen):
    def agreement(tokens):
        one, other = (kmeans_atoms(seen, 16, tokens=tokens, steps=10, points=p, start=p + 10) for p in (1, 2))
        return match(one, other).agreement

    assert agreement(8192) > agreement(512) + 0.02


def test_beginning_on_a_sample_ends_where_all_activations_do(seen):
    rows = seen.sample(8192, rolled=3)

    def error(points):
        return torch.cdist(rows, points).min(dim=1).values.square().mean().item()

    atoms = kmeans_atoms(seen, 16, tokens=8192, steps=10, points=3, start=4)
    fully = kmeans(rows, 16, steps=15, rolled=4).points
    few = kmeans(rows[:512], 16, steps=10, rolled=4).points
    assert error(atoms) < error(few)
    assert error(atoms) == pytest.approx(error(fully), rel=0.02)
