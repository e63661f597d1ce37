import math

import numpy as np
import pytest
import torch

from reseed.activations import open_activations, preprocessed
from reseed.measures import r2
from reseed.starts import draw
from reseed.training import stack
from reseed.training.loop import write_down
from reseed.trajectory import StudyFolder
from studies import LAST_STEP, N_ATOMS, K, arm, context, finished, matrix, specs_of, study


@pytest.fixture(scope="module")
def offset_activations(tmp_path_factory):
    """Activations whose mean is six times as long as they are wide."""
    return matrix(tmp_path_factory.mktemp("snapshots") / "acts.npy", offset=10.0)


def born(acts, folder, *, change=None, **settings):
    """The metrics of one run at step 0 without preprocessing, and its snapshot, after a change to its state."""
    (spec, *_) = specs_of(study(acts, arm("topk", **settings), preprocess=("none",)))
    with context(acts, folder, preprocess="none") as place:
        point = draw(spec.start, spec.method, place.seen(spec).activations, spec.rolls)
        one = stack.begin(spec, spec.method.initialise(point, spec.rolls["encoder"]))
        if change is not None:
            change(one.state)
        write_down(one, place)
        return one.rows[0][0], place.folder.run(spec.id).snapshot(0)


def silence(state):
    """No atom fires any more: what is left of the reconstruction is the decoder's bias."""
    state["encoder"].zero_()
    state["encoder_bias"].fill_(-1.0)


def test_predicting_the_mean_has_an_r2_of_0_however_far_the_mean_is_from_the_origin(offset_activations, tmp_path):
    metrics, snapshot = born(offset_activations, tmp_path, change=silence, decoder_bias=True)
    seen = preprocessed(open_activations(offset_activations), "none")
    assert torch.allclose(snapshot.tensor("decoder_bias"), seen.moments.mean.float(), rtol=1e-5)
    assert metrics["r2"] == pytest.approx(0.0, abs=1e-6)
    assert (metrics["l0"], metrics["alive"]) == (0.0, 0.0)
    assert metrics["loss"] == pytest.approx((seen.heldout.rows - seen.moments.mean).square().mean().item(), rel=1e-5)


def test_predicting_nothing_has_an_r2_far_below_0_where_the_mean_is_far_from_the_origin(offset_activations, tmp_path):
    metrics, _ = born(offset_activations, tmp_path, change=silence, decoder_bias=False)
    assert metrics["r2"] < -5


def test_a_snapshot_of_nothing_that_fires_can_be_read(offset_activations, tmp_path):
    _, snapshot = born(offset_activations, tmp_path, change=silence)
    assert torch.equal(snapshot.codes, torch.zeros(60, N_ATOMS))
    assert not snapshot.alive.any()


def test_r2_is_undefined_where_nothing_varies(tmp_path):
    np.save(tmp_path / "acts.npy", np.full((100, 5), 3.0, dtype=np.float32))
    metrics, _ = born(tmp_path / "acts.npy", tmp_path, start={"kind": "random"})
    assert math.isnan(metrics["r2"])
    assert all(
        math.isfinite(value) for name, value in metrics.items() if name not in {"r2", "r2_error", "training_loss"}
    )


def test_zero_atoms_retain_nothing(offset_activations, tmp_path):
    metrics, _ = born(offset_activations, tmp_path, change=lambda state: state["atoms"][0, :11].zero_())
    assert metrics["retention"] == pytest.approx(1 - 11 / N_ATOMS)


@pytest.fixture(scope="module")
def last_snapshots(tmp_path_factory):
    folder = StudyFolder.open(finished(tmp_path_factory)[0])
    return [run for condition in folder.manifest.conditions for run in folder.runs(condition.name)]


@pytest.fixture(scope="module")
def heldout(tmp_path_factory):
    return preprocessed(open_activations(finished(tmp_path_factory)[0].parent / "acts.npy"), "centre").heldout.rows


def test_metrics_are_what_the_files_say(last_snapshots, heldout):
    for run in last_snapshots:
        last, row = run.snapshot(LAST_STEP), run.metrics.row(-1, named=True)
        x_hat = last.codes @ last.atoms + last.tensor("decoder_bias")
        assert row["loss"] == pytest.approx((heldout - x_hat).square().mean().item(), rel=1e-4)
        assert row["r2"] == pytest.approx(r2(heldout, x_hat, torch.zeros(heldout.shape[1])), abs=1e-4)
        assert row["l0"] == pytest.approx((last.codes > 0).sum().item() / len(heldout))
        assert row["alive"] == pytest.approx(last.alive.double().mean().item())
        cosines = torch.cosine_similarity(last.atoms, run.snapshot(0).atoms, dim=1)
        assert row["retention"] == pytest.approx(cosines.mean().item(), abs=1e-5)


def test_codes_are_what_the_encoder_in_the_file_gives(last_snapshots, heldout):
    for run in last_snapshots:
        last = run.snapshot(LAST_STEP)
        z = (heldout @ last.encoder.T + last.tensor("encoder_bias")).relu()
        kept = z.topk(K, dim=1)
        assert torch.allclose(last.codes, torch.zeros_like(z).scatter(1, kept.indices, kept.values), atol=1e-4)
