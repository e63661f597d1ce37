"""The space that atoms live in: a method with a decoder bias is the same under `none` and under `centre`."""

import math

import pytest
import torch

import reseed
from reseed.errors import SpecError
from reseed.matching import match
from reseed.pipeline.rejudge import rejudge
from reseed.spec import runs as spec_runs
from reseed.trajectory import StudyFolder
from studies import arm, matrix, study

ARMS = {
    "from-random": arm("topk", name="from-random", start={"kind": "random"}, learning_rate=1e-2),
    "from-kmeans": arm("topk", name="from-kmeans", learning_rate=1e-2),
}
WITHOUT_BIAS = "bare"


def small(acts, **changes):
    bare = arm("topk", name=WITHOUT_BIAS, decoder_bias=False)
    known = {"preprocess": ("none", "centre"), "starts": 3, "runs_per_start": 1, "steps": 40}
    return study(acts, *ARMS.values(), bare, **known | changes)


@pytest.fixture(scope="module")
def acts(tmp_path_factory):
    return matrix(tmp_path_factory.mktemp("space") / "acts.npy", 500, offset=3.0)


@pytest.fixture(scope="module")
def ended(acts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("space-study")
    findings = reseed.run(small(acts), folder, quiet=True)
    return StudyFolder.open(folder), {condition.name: condition for condition in findings.conditions}


@pytest.mark.parametrize("name", ARMS)
def test_with_a_decoder_bias_centring_changes_no_run(ended, name):
    folder, _ = ended
    pairs = list(zip(folder.runs(f"{name}@none"), folder.runs(f"{name}@centre"), strict=True))
    for plain, centred in pairs:
        for step in plain.steps:
            one, other = plain.snapshot(step).atoms, centred.snapshot(step).atoms
            assert torch.cosine_similarity(one, other).mean().item() > 1 - 1e-4
            assert match(one, other).agreement > 1 - 1e-4
        assert plain.metrics["r2"].to_list() == pytest.approx(centred.metrics["r2"].to_list(), abs=1e-3)


@pytest.mark.parametrize("name", ARMS)
def test_with_a_decoder_bias_centring_changes_no_word_and_no_reference(ended, name):
    plain, centred = (ended[1][f"{name}@{preprocess}"] for preprocess in ("none", "centre"))
    assert plain.verdict.outcome == centred.verdict.outcome
    assert plain.agreement.between.last.value == pytest.approx(centred.agreement.between.last.value, abs=2e-3)
    for measure, about in plain.measures.items():
        others = {floor.name: floor.value for floor in centred.measures[measure].floors}
        ours = {floor.name: floor.value for floor in about.floors}
        assert ours == pytest.approx(others, abs=2e-3, nan_ok=True), measure
    drawn = {floor.name: floor for floor in plain.agreement.floors}
    assert drawn["kmeans"].policy.endswith("; less the decoder bias of one run each")


def test_references_of_a_method_without_a_bias_are_those_of_the_activations(ended):
    folder, conditions = ended
    floors = {
        preprocess: {floor.name: floor for floor in conditions[f"{WITHOUT_BIAS}@{preprocess}"].agreement.floors}
        for preprocess in ("none", "centre")
    }
    for preprocess, kind in (("none", "data"), ("none", "kmeans"), ("centre", "kmeans")):
        atoms = [draw.atoms for draw in folder.draws(preprocess, 33, kind)]
        agreed = [match(a, b).agreement for i, a in enumerate(atoms) for b in atoms[i + 1 :]]
        assert floors[preprocess][kind].value == pytest.approx(math.fsum(agreed) / len(agreed))
        assert "bias" not in floors[preprocess][kind].policy
    assert floors["none"]["kmeans"].value > floors["centre"]["kmeans"].value + 0.1  # the mean that it did not take off


def test_references_are_the_recorded_draws_less_the_bias_of_one_run_each(ended):
    folder, conditions = ended
    runs = folder.runs("from-kmeans@none")
    biases = [run.snapshot(run.steps[-1]).tensor("decoder_bias") for run in runs]
    draws = folder.draws("none", 33, "data")
    atoms = [draw.atoms - biases[number % len(biases)] for number, draw in enumerate(draws)]
    agreed = [match(a, b).agreement for i, a in enumerate(atoms) for b in atoms[i + 1 :]]
    found = {floor.name: floor.value for floor in conditions["from-kmeans@none"].agreement.floors}
    assert found["data"] == pytest.approx(math.fsum(agreed) / len(agreed))


@pytest.fixture
def before(acts, tmp_path, monkeypatch):
    """A study as it was made when points were not less a decoder bias, under the ids of that time."""
    monkeypatch.setattr(spec_runs, "start_identity", lambda start, _method: start.identity)
    reseed.run(small(acts, starts=2, steps=4, preprocess=("none",)), tmp_path / "before", quiet=True)
    monkeypatch.undo()
    return tmp_path / "before"


def test_a_study_from_before_points_were_less_a_bias_is_judged_and_not_continued(acts, before):
    names = [condition.name for condition in rejudge(before, quiet=True).conditions]
    assert names == [f"{name}@none" for name in (*ARMS, WITHOUT_BIAS)]
    for more in ({}, {"starts": 3}):
        grown = small(acts, **{"starts": 2, "steps": 4, "preprocess": ("none",)} | more)
        with pytest.raises(SpecError, match=r"decoder bias .* not mixed: judge .* reseed report .*--rejudge"):
            reseed.run(grown, before, quiet=True)
