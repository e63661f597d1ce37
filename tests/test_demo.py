import pytest

import reseed
from reseed.cli.options import BundledModel
from reseed.findings import Findings
from reseed.pipeline.demo import LAYERS, demo_study, run_written
from reseed.spec import Study
from studies import arm, matrix, study


@pytest.mark.parametrize("model", [model.value for model in BundledModel])
def test_the_demo_tells_what_is_earned_from_what_is_inherited(model):
    demo = demo_study(model, "activations")
    assert f"layer {LAYERS[model]}" in demo.name
    assert [each.start.kind for each in demo.arms] == ["random", "kmeans", "kmeans"]
    assert {each.method.n_atoms for each in demo.arms} == {512}
    assert demo.preprocess == ("none", "centre")
    assert demo.starts >= 3  # fewer starts can never be said to stabilize or to converge
    assert demo.runs_per_start >= 2  # and runs of one start show what is inherited


def test_the_demo_leaves_a_study_that_can_be_run_again(tmp_path):
    matrix(tmp_path / "acts.npy", 300)
    training = {"steps": 1, "batch_size": 20, "evenly": 1, "device": "cpu"}
    small = study("acts.npy", arm("topk", start={"kind": "random"}), training=training, starts=1)
    findings = run_written(small, tmp_path, quiet=True)
    again = reseed.run(Study.read(tmp_path / "study.toml"), tmp_path / "study", quiet=True)
    assert repr(again) == repr(findings) == repr(Findings.read(tmp_path / "study"))
