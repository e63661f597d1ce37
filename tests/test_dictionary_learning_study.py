"""A study of learners without gradients, from activations with planted atoms to the verdict."""

import pytest
import torch

import reseed
from reseed.spec import Floors
from reseed.thresholds import Thresholds
from reseed.trajectory import StudyFolder
from reseed.verdict import Outcome
from studies import arm, matrix, study

STEPS, ATOMS, D_MODEL = 100, 16, 32
LEARN = ("online-dl", "mod", "ksvd")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learners")
    acts = matrix(folder / "acts.npy", 3000, d_model=D_MODEL, n_atoms=ATOMS, active=2, noise=0.02)
    sizes, data = {"n_atoms": ATOMS}, {"kind": "data"}
    arms = [
        arm("online-dl", start=data, l1=0.6, **sizes),
        arm("mod", start=data, k=2, **sizes),
        arm("ksvd", start=data, k=2, **sizes),
        arm("mod", name="mod-svd", start={"kind": "svd"}, k=2, **sizes),
        arm("random", start={"kind": "random"}, k=1, **sizes),
    ]
    many = {"steps": STEPS, "batch_size": 512, "starts": 4, "runs_per_start": 1, "floors": Floors(kmeans_steps=3)}
    return reseed.run(study(acts, *arms, **many), folder / "study", quiet=True), folder / "study"


@pytest.mark.parametrize("kind", LEARN)
def test_runs_come_together_beyond_rows_without_structure(trained, kind):
    findings, _ = trained
    condition = findings.condition(f"{kind}@centre")
    assert condition.sign == "abs"
    assert min(run.metrics["r2"][-1] for run in condition.runs) > 0.8
    assert condition.verdict.outcome in {Outcome.CONVERGENT, Outcome.STABILIZING}
    assert "learning rate" not in condition.verdict.would_change


def test_a_dictionary_that_never_learns_is_frozen_whatever_it_fits(trained):
    findings, folder = trained
    condition = findings.condition("random@centre")
    assert condition.verdict.outcome == Outcome.FROZEN
    assert min(run.metrics["r2"][-1] for run in condition.runs) < Thresholds().min_r2
    for run in StudyFolder.open(folder).runs("random@centre"):
        assert torch.equal(run.snapshot(0).atoms, run.snapshot(STEPS).atoms)


def test_runs_from_singular_vectors_are_born_identical(trained):
    findings, folder = trained
    assert {run.init_group for run in findings.condition("mod-svd@centre").runs} == {0}
    born = [run.snapshot(0).atoms for run in StudyFolder.open(folder).runs("mod-svd@centre")]
    assert all(torch.equal(atoms, born[0]) for atoms in born)
    assert born[0].shape == (ATOMS, D_MODEL)
