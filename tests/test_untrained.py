"""What the k-means reference is drawn from."""

import numpy as np
import pytest
import torch

from reseed._support.threads import workers
from reseed.activations import open_activations, preprocessed
from reseed.activations.synthetic import planted
from reseed.matching import match
from reseed.pipeline.draws import draw_of_activations
from reseed.starts.lloyd import kmeans
from reseed.training.untrained import Untrained, kmeans_atoms, kmeans_tokens
from reseed.trajectory import StudyFolder
from studies import N_ATOMS, matrix, study


@pytest.mark.parametrize(
    ("n_tokens", "d_model", "n_atoms", "seen", "expected"),
    [
        (100_000, 384, 512, 614_400, 50_000),  # half of what there is
        (100_000, 384, 512, None, 50_000),
        (10**7, 384, 512, 614_400, 65_536),  # 128 per centroid
        (10**7, 384, 8192, 614_400, 614_400),  # as many as a run sees
        (10**7, 384, 4096, 1000, 131_072),  # no fewer than 32 per centroid
        (1000, 384, 512, 614_400, 1000),  # or all there are
        (10**7, 2048, 4096, None, 262_144),  # what fits in 2 GiB
        (10**7, 2048, 16_384, None, 524_288),  # 32 per centroid, whatever they take
    ],
)
def test_centroids_are_of_as_much_data_as_a_run_sees_within_limits(n_tokens, d_model, n_atoms, seen, expected):
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


def inertia(rows, points):
    """Mean squared distance to the nearest point."""
    return torch.cdist(rows, points).min(dim=1).values.square().mean().item()


def test_beginning_on_a_sample_ends_where_all_activations_do(seen):
    rows = seen.sample(8192, rolled=3)
    atoms = kmeans_atoms(seen, 16, tokens=8192, steps=10, points=3, start=4)
    fully = kmeans(rows, 16, steps=15, rolled=4).points
    few = kmeans(rows[:512], 16, steps=10, rolled=4).points
    assert inertia(rows, atoms) < inertia(rows, few)
    assert inertia(rows, atoms) == pytest.approx(inertia(rows, fully), rel=0.02)


PREPROCESSED = {"none": ("none", "centre"), "centre-scale": ("centre-scale", "centre"), "alone": ("none",)}


@pytest.mark.parametrize("which", PREPROCESSED)
def test_centroids_of_raw_or_scaled_activations_are_those_of_centred_ones_moved(tmp_path, which):
    acts = open_activations(matrix(tmp_path / "acts.npy", offset=2.0))
    small = study(tmp_path / "acts.npy", preprocess=PREPROCESSED[which])
    folder, seen = StudyFolder(tmp_path / "out"), preprocessed(acts, PREPROCESSED[which][0])
    with workers(2) as pool:
        draw_of_activations(small, folder, seen, pool)
    moved = folder.draws(seen.name, N_ATOMS, "kmeans")
    sources = [Untrained(preprocessed(acts, name), 0, 12 * 31, 10) for name in (seen.name, "centre")]
    assert len(moved) == len(folder.draws(seen.name, N_ATOMS, "data")) == small.floors.draws == 3
    for number, draw in enumerate(moved):
        directly, centred = (source.centroids(N_ATOMS, number) for source in sources)
        one, other = (inertia(seen.rows(torch.arange(seen.n_tokens)), atoms) for atoms in (draw.atoms, directly))
        assert one == pytest.approx(other, rel=0.01)  # what a row lists rests on the rounding of rough products
        there = (draw.atoms / seen.preprocess.linear) - acts.moments.mean.float() * (seen.name == "none")
        torch.testing.assert_close(there, centred, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("order", [("none", "centre"), ("centre", "none")])
def test_the_order_of_preprocessings_changes_no_byte_of_a_draw(tmp_path, order):
    matrix(tmp_path / "acts.npy", offset=2.0)
    acts = open_activations(tmp_path / "acts.npy")
    small, folder = study(tmp_path / "acts.npy", preprocess=order), StudyFolder(tmp_path / "out")
    with workers(2) as pool:
        for name in order:
            draw_of_activations(small, folder, preprocessed(acts, name), pool)
        alone = StudyFolder(tmp_path / "alone")
        draw_of_activations(study(tmp_path / "acts.npy", preprocess=("none",)), alone, preprocessed(acts, "none"), pool)
    assert (folder.path / "floors" / "centre").exists()
    for one, other in zip(folder.draws("none", N_ATOMS, "kmeans"), alone.draws("none", N_ATOMS, "kmeans"), strict=True):
        assert torch.equal(one.atoms, other.atoms)
