"""A study of transcoders, from pairs of activations to the verdict."""

import numpy as np
import pytest
import torch

import reseed
from reseed.activations import open_activations, preprocessed
from reseed.activations.synthetic import planted
from reseed.errors import ActivationsError
from reseed.pipeline.rejudge import rejudge
from reseed.spec import Floors, Study
from reseed.trajectory import StudyFolder
from studies import arm, study

READ, WRITTEN, ATOMS = 24, 16, 20
STEPS = 400


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What is written is made from what is read, by atoms that runs can find."""
    folder = tmp_path_factory.mktemp("transcoders")
    made, chance = planted(6000, READ, n_atoms=ATOMS, active=2, noise=0.02), torch.Generator().manual_seed(1)
    atoms = torch.nn.functional.normalize(torch.randn(ATOMS, WRITTEN, generator=chance), dim=1)
    written = torch.relu(made.rows @ made.atoms.T - 0.3) @ atoms
    np.save(folder / "acts.npy", torch.cat([made.rows, 20 * written + 1], 1).numpy())
    settings = {"n_atoms": ATOMS, "k": 3, "reads": READ, "learning_rate": 1e-2}
    arms = [arm("transcoder", name=kind, start={"kind": kind}, **settings) for kind in ("data", "kmeans")]
    many = {"steps": STEPS, "batch_size": 128, "starts": 3, "runs_per_start": 1, "floors": Floors(kmeans_steps=3)}
    asked = study(folder / "acts.npy", *arms, **many)
    return reseed.run(asked, folder / "study", quiet=True), folder, asked


def test_atoms_and_references_are_of_what_is_written(trained):
    _, folder, _ = trained
    kept = StudyFolder.open(folder / "study")
    run = kept.runs("data@centre")[0]
    assert run.snapshot(STEPS).atoms.shape == (ATOMS, WRITTEN)
    assert run.snapshot(STEPS).encoder.shape == (ATOMS, READ)
    assert len(kept.moments("centre")["mean"]) == WRITTEN
    draws = list((folder / "study" / "floors").rglob("*.safetensors"))
    assert draws


def test_r2_is_that_of_what_is_written(trained):
    findings, folder, _ = trained
    kept = StudyFolder.open(folder / "study")
    run = kept.runs("data@centre")[0]
    snapshot = run.snapshot(STEPS)
    rows = preprocessed(open_activations(folder / "acts.npy"), "centre").heldout.rows
    x_hat = snapshot.codes @ snapshot.atoms + snapshot.tensor("decoder_bias")
    error = (x_hat - rows[:, READ:]).square().sum() / rows[:, READ:].square().sum()
    assert run.metrics["r2"][-1] == pytest.approx(1 - error.item(), abs=1e-3)
    assert run.metrics["r2"][-1] > 0.5
    assert findings.condition("data@centre").barriers is not None


def test_planted_structure_is_found_beyond_what_the_pairs_covariance_gives(trained):
    findings, _, _ = trained
    agreement = findings.condition("data@centre").agreement.between.last
    assert agreement.value > findings.condition("data@centre").surrogate.last.value + 0.1


def test_it_is_judged_again_to_the_same_words(trained):
    findings, folder, _ = trained
    again = rejudge(folder / "study", quiet=True)
    assert {name: each.outcome for name, each in again.verdicts.items()} == {
        name: each.outcome for name, each in findings.verdicts.items()
    }


def test_features_come_back_from_transcoders_as_well(trained):
    _, folder, _ = trained
    assert (folder / "study" / "features.parquet").is_file()


def test_columns_of_which_none_is_left_to_write_are_refused_before_anything_is_trained(trained, tmp_path):
    _, _, asked = trained
    table = asked.model_dump(mode="json", exclude_none=True)
    for each in table["arms"]:
        each["method"]["reads"] = READ + WRITTEN
    with pytest.raises(ActivationsError, match="40 columns, of which reads = 40 leaves none to write"):
        reseed.run(Study.parse(table), tmp_path / "study", quiet=True)
    assert not list(tmp_path.rglob("*.safetensors"))
