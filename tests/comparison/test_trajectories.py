"""Runs of which several steps are on disk: followed along training, where the truth is planted."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import reseed
import studies
from reseed.comparison import compare
from reseed.errors import DictionaryError
from reseed.interop import steps_of
from reseed.report import comparison_page, comparison_text
from reseed.spec import Floors

WRITTEN = Path(__file__).parents[1] / "interop" / "written"
N_ATOMS, D_MODEL = 48, 24
STEPS = (0, 1, 10, 100, 1000)


def noise(number, n_atoms=N_ATOMS):
    return torch.randn(n_atoms, D_MODEL, generator=torch.Generator().manual_seed(number))


def run(folder, number, *, start=None, towards=0.9, steps=STEPS, name="step-{:06d}.safetensors", jitter=0.05):
    """One run from a start of its own, or a given one, to a dictionary that all have, in an order of its own."""
    order = torch.randperm(N_ATOMS, generator=torch.Generator().manual_seed(number))
    begun, common = noise(100 + (number if start is None else start)), noise(1)[order]
    for step in steps:
        way = towards * math.log1p(step) / math.log1p(1000)
        path = folder / name.format(step)
        path.parent.mkdir(parents=True, exist_ok=True)
        own = jitter * noise(5000 + 100 * number + step) if step else 0
        save_file({"atoms": (1 - way) * begun + way * common + own}, path)
    return folder


def runs(tmp_path, count=3, **more):
    return [run(tmp_path / f"run{number}", number, **more) for number in range(count)]


def only(found):
    (along,) = found.trajectories
    return along


def test_runs_that_come_together_have_a_gain_and_a_contraction(tmp_path):
    found = compare(*runs(tmp_path))
    along = only(found)
    assert along.steps == STEPS
    assert along.init_groups == 3
    assert along.between.value[0] < 0.5
    assert along.between.value[-1] > 0.9
    assert along.change.value == pytest.approx(along.between.value[-1] - along.between.value[0])
    assert along.change.low > 0
    assert along.contraction.value < 0.2
    assert along.within is along.memory is along.null is along.slower is None
    assert along.retention < 0.5
    assert "a gain of" in along.sentence
    assert "needs --null with steps of its own" in along.sentence
    assert any(along.sentence in sentence for sentence in found.sentences)
    assert [each.step for each in found.dictionaries] == [1000] * 3
    assert found.dictionaries[0].label == "run0"
    assert found.pairs[0].agreement == pytest.approx(found.trajectories[0].between.value[-1], abs=0.05)


def test_runs_that_stay_where_they_are_gain_nothing(tmp_path):
    along = only(compare(*runs(tmp_path, towards=0.0)))
    assert abs(along.change.value) < 0.03
    assert along.contraction.value == pytest.approx(1, abs=0.05)
    assert along.retention > 0.95
    assert "they came together faster" not in along.sentence


def test_runs_that_share_a_start_have_w_of_1_at_step_0_and_a_memory(tmp_path):
    given = [run(tmp_path / f"run{i}", i, start=i // 2, towards=0.3) for i in range(6)]
    found = compare(*given)
    along = only(found)
    assert along.init_groups == 3
    assert along.within.value[0] == pytest.approx(1)
    assert along.within.value[-1] > along.between.value[-1]
    assert 0 < along.memory.value <= 1
    assert "init memory" in along.sentence
    (group,) = found.groups
    assert (group.word, group.born_alike) == ("born alike", 3)
    assert "3 of 15 pairs" in group.sentence


def test_of_runs_that_were_all_born_identical_nothing_is_said_of_coming_together(tmp_path):
    """The birth test would not see it: every run ends in an order of its own."""
    found = compare(*(run(tmp_path / f"run{i}", i, start=0, towards=1.0) for i in range(3)))
    along = only(found)
    assert along.between is along.change is along.contraction is None
    assert along.init_groups == 1
    assert along.within.value[0] == pytest.approx(1)
    assert along.sentence.startswith("Born identical")
    assert not any(pair.born_alike for pair in found.pairs)
    assert found.groups[0].word == "born alike"


def test_without_step_0_it_is_a_change_and_no_gain(tmp_path):
    along = only(compare(*runs(tmp_path, steps=(10, 100, 1000))))
    assert along.init_groups is None
    assert along.within is along.contraction is along.memory is None
    assert math.isnan(along.retention)
    assert along.change.value > 0.1
    assert "The first step on disk is 10:" in along.sentence
    assert "cannot be said" in along.sentence
    assert "a change since step 10 of" in along.sentence
    assert "gain" not in along.sentence


def test_without_step_0_the_birth_test_speaks(tmp_path):
    given = [run(tmp_path / f"run{i}", i, start=0, towards=0.3, steps=(10, 100)) for i in range(3)]
    assert "share their indices (3 pairs): they were born alike" in only(compare(*given)).sentence


def test_null_runs_with_steps_are_held_against_by_their_contraction(tmp_path):
    null = [run(tmp_path / f"null{i}", 20 + i, towards=0.0) for i in range(3)]
    found = compare(*runs(tmp_path), null=null)
    along = only(found)
    assert along.null.between.steps == STEPS
    assert along.null.contraction.value == pytest.approx(1, abs=0.05)
    assert along.slower.high < 0
    assert "faster than the recipe does without structure" in along.sentence
    (group,) = found.groups
    assert group.word == "stable"
    assert "cannot be said without step 0" not in group.sentence
    said = " ".join(found.sentences).lower()
    assert "stabilizing" not in said
    assert "convergent" not in said


def test_what_the_null_does_as_well_is_no_faster(tmp_path):
    null = [run(tmp_path / f"null{i}", 20 + i) for i in range(3)]
    along = only(compare(*runs(tmp_path), null=null))
    assert "no faster than the recipe does without structure" in along.sentence


@pytest.mark.parametrize(
    ("steps", "message"),
    [((1000,), "needs steps of the runs that were given as --null"), ((1, 1000), "from step 1 to 1,000")],
)
def test_null_runs_without_the_steps_that_are_needed_say_so(tmp_path, steps, message):
    null = [run(tmp_path / f"null{i}", 20 + i, towards=0.0, steps=steps) for i in range(3)]
    along = only(compare(*runs(tmp_path), null=null))
    assert message in along.sentence
    assert along.slower is None


def test_only_the_steps_that_all_runs_have_are_compared(tmp_path):
    given = [
        run(tmp_path / "a", 0, steps=(0, 10, 100, 1000)),
        run(tmp_path / "b", 1, steps=(0, 5, 100)),
        run(tmp_path / "c", 2, steps=(0, 100, 200)),
    ]
    found = compare(*given)
    assert only(found).steps == (0, 100)
    assert any("different steps" in warning and "a ends at step 1,000" in warning for warning in found.warnings)


def test_a_run_of_one_dictionary_leaves_the_recipe_without_a_trajectory(tmp_path):
    given = [*runs(tmp_path, count=2), run(tmp_path / "alone", 7, steps=(1000,)) / "step-001000.safetensors"]
    found = compare(*given)
    assert found.trajectories == ()
    assert any("along training" in warning and "has none" in warning for warning in found.warnings)


@pytest.mark.parametrize("name", ["step-{}.safetensors", "step_{:06d}.safetensors", "atoms_checkpoint-{}.safetensors"])
def test_names_tell_steps(tmp_path, name):
    folder = run(tmp_path / "run", 0, name=name)
    assert tuple(steps_of(folder)) == STEPS
    assert steps_of(folder)[0] == folder / name.format(0)


def test_layouts_may_be_mixed(tmp_path):
    given = [
        run(tmp_path / "a", 0),
        run(tmp_path / "b", 1, name="step_{}.safetensors"),
        run(tmp_path / "c", 2, name="checkpoints/checkpoint-{}.safetensors"),
    ]
    assert only(compare(*given)).steps == STEPS


def test_folders_of_any_library_that_tell_a_step_are_steps(tmp_path):
    for step in (0, 60, 600):
        shutil.copytree(WRITTEN / "saelens-topk", tmp_path / f"step-{step}")
        shutil.copytree(WRITTEN / "sparsify-topk", tmp_path / "other" / f"checkpoint-{step}")
    assert tuple(steps_of(tmp_path)) == (0, 60, 600)
    assert tuple(steps_of(tmp_path / "other")) == (0, 60, 600)
    assert steps_of(WRITTEN / "saelens-topk") == {}
    assert steps_of(WRITTEN) == {}  # many dictionaries, and no steps
    assert steps_of(torch.eye(3)) == {}
    assert steps_of("hf://owner/name/folder") == {}


def test_dictionary_learning_keeps_its_steps_beside_the_last(tmp_path):
    folder = WRITTEN / "dictionary-learning-topk"
    assert steps_of(folder) == {0: folder / "checkpoints" / "ae_0.pt", 300: folder}
    shutil.copytree(folder, tmp_path / "flat")
    (tmp_path / "flat" / "checkpoints" / "ae_0.pt").rename(tmp_path / "flat" / "ae_100.pt")
    assert list(steps_of(tmp_path / "flat")) == [100, 300]
    for step in (0, 154):  # as SAEBench has them
        shutil.copytree(folder, tmp_path / "bench" / f"trainer_0_step_{step}")
    assert list(steps_of(tmp_path / "bench")) == [0, 154]
    config = json.loads((tmp_path / "flat" / "config.json").read_text("utf-8"))
    del config["trainer"]["steps"]
    (tmp_path / "flat" / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(DictionaryError, match=r"\(ae_100\.pt\), and its last dictionary does not tell its own: say it"):
        steps_of(tmp_path / "flat")


def test_a_last_dictionary_without_a_step_is_not_followed_and_can_be_given_alone(tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(WRITTEN / "dictionary-learning-topk", folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    del config["trainer"]["steps"]
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    shutil.copy(folder / "ae.pt", folder / "checkpoints" / "ae_200.pt")
    other = WRITTEN / "dictionary-learning-batchtopk" / "ae.pt"
    with pytest.raises(DictionaryError, match=r"run holds the steps of a run \(checkpoints/ae_0\.pt, .*ae_200\.pt\)"):
        compare(folder, other, groups=["one", "one"])
    found = compare(folder / "ae.pt", other, groups=["one", "one"], labels=["last", "other"])
    assert [each.step for each in found.dictionaries] == [None, None]
    assert steps_of(folder / "ae.pt") == {}
    assert list(steps_of(folder / "checkpoints")) == [0, 200]
    shutil.rmtree(folder / "checkpoints")
    assert steps_of(folder) == {}


def test_dictionaries_of_dictionary_learning_are_followed_from_step_0():
    given = [WRITTEN / "dictionary-learning-topk", WRITTEN / "dictionary-learning-batchtopk"]
    along = only(compare(*given, groups=["one", "one"]))
    assert along.steps == (0, 300)
    assert along.init_groups == 1  # all were trained from one roll


def test_two_dictionaries_of_one_step_are_listed(tmp_path):
    for trainer in (0, 1):
        shutil.copytree(WRITTEN / "dictionary-learning-topk", tmp_path / f"trainer_{trainer}_step_0")
    with pytest.raises(DictionaryError, match=r"of step 0 \(trainer_0_step_0, trainer_1_step_0\)"):
        steps_of(tmp_path)


def test_a_dictionary_that_tells_no_step_beside_others_is_listed(tmp_path):
    for name in ("step_0", "step_10", "best"):
        shutil.copytree(WRITTEN / "sparsify-topk", tmp_path / name)
    with pytest.raises(DictionaryError, match="best does not tell its own"):
        steps_of(tmp_path)


def test_a_run_whose_shape_changes_is_no_run(tmp_path):
    given = runs(tmp_path, count=2)
    save_file({"atoms": noise(3, 40)}, given[1] / "step-000000.safetensors")
    with pytest.raises(DictionaryError, match=r"run1 is of shape \(40, 24\) at step 0 and of \(48, 24\)"):
        compare(*given)


def test_of_two_starts_a_gain_has_no_interval(tmp_path):
    along = only(compare(*runs(tmp_path, count=2)))
    assert math.isnan(along.change.low)
    assert "without an interval" in along.sentence


def test_runs_of_a_study_are_followed_from_step_0(tmp_path_factory):
    folder, _ = studies.finished(tmp_path_factory)
    written = json.loads((folder / "findings.json").read_text("utf-8"))
    condition = next(each for each in written["conditions"] if each["name"].startswith("topk"))
    given = [folder / "runs" / each["id"] for each in condition["runs"]]
    along = only(compare(*given, groups=["topk"] * len(given)))
    assert along.init_groups == 2
    between = condition["measures"]["agreement"]["between"]["curve"]
    assert along.steps == tuple(between["steps"])
    assert along.between.value == pytest.approx(between["value"], abs=1e-6)


@pytest.fixture(scope="module")
def judged_study(tmp_path_factory):
    """Four starts of TopK that come together on planted rows, with their runs on rows without structure."""
    folder = tmp_path_factory.mktemp("judged")
    acts = studies.matrix(folder / "acts.npy", 4000)
    arm = studies.arm("topk", start={"kind": "random"}, learning_rate=1e-2)
    planned = {"steps": 300, "preprocess": ("none",), "starts": 4, "runs_per_start": 1}
    findings = reseed.run(studies.study(acts, arm, floors=Floors(), **planned), folder / "study")
    (condition,) = findings.conditions
    own, null = (
        [folder / "study/runs" / each for each in ids]
        for ids in ([run.id for run in condition.runs], condition.surrogate.runs)
    )
    return acts, condition, own, null


def compared(judged_study, **changes):
    acts, _, own, null = judged_study
    return compare(*own, **{"activations": acts, "null": null, "groups": ["topk"] * len(own)} | changes)


def test_where_all_is_known_the_word_is_that_of_a_study(judged_study):
    _, condition, *_ = judged_study
    along, wanted = only(compared(judged_study)), condition.verdict
    assert along.verdict.outcome == wanted.outcome == "stabilizing"
    said, kmeans = wanted.sentence.split("; k-means agrees ")
    assert along.sentence == f"Stabilizing: {along.verdict.sentence}"
    assert along.verdict.sentence == f"{said}{kmeans[3:]}"
    assert along.verdict.error == pytest.approx(wanted.error, rel=1e-4)
    assert (along.verdict.because, along.verdict.would_change) == (wanted.because, wanted.would_change)


def test_the_word_of_a_verdict_stands_in_the_text_and_on_the_page(judged_study):
    found = compared(judged_study)
    text, page = comparison_text.render(found, width=80, colour=False), comparison_page.page(found)
    assert "Stabilizing: Runs that started apart came together:" in " ".join(text.split())
    assert "What would change the word:" in text
    assert "What would change the word:" in page


def test_without_activations_no_verdict_is_said_but_that_it_needs_them(judged_study):
    along = only(compared(judged_study, activations=None))
    assert along.verdict is None
    assert along.sentence.endswith("The word of a verdict needs codes, too: give --activations.")


@pytest.mark.parametrize("lost", [0, 300], ids=["start", "end"])
def test_without_a_null_from_step_0_to_the_end_no_verdict_is_said(judged_study, tmp_path, lost):
    *_, null = judged_study
    kept = [Path(shutil.copytree(each, tmp_path / each.name)) for each in null]
    for each in kept:
        (each / f"step-{lost:06d}.safetensors").unlink()
    along = only(compared(judged_study, null=kept))
    assert along.verdict is None
    assert "needs steps of the runs that were given as --null, too" in along.sentence


def test_runs_that_do_not_fit_are_not_judged_by_their_agreement(judged_study, tmp_path):
    other = tmp_path / "other.npy"
    np.save(other, np.load(judged_study[0])[:, ::-1].copy())
    assert only(compared(judged_study, activations=other)).verdict.outcome == "not fitted"


def test_steps_stand_in_the_text_and_on_the_page(tmp_path):
    null = [run(tmp_path / f"null{i}", 20 + i, towards=0.0) for i in range(3)]
    found = compare(*runs(tmp_path, steps=tuple(range(0, 1001, 20))), null=null)
    along = only(found)
    assert along.on_disk == 51
    assert len(along.steps) <= 32
    assert (along.steps[0], along.steps[-1]) == (0, 1000)
    text = comparison_text.render(found, width=80, colour=False)
    assert "without structure" in text
    assert max(map(len, text.splitlines())) <= 80
    table = text[text.index("\nstep ") + 1 :].split("\n\n")[0].splitlines()[2:]
    assert "started apart" in text[text.index("\nstep ") :].splitlines()[1]
    assert 2 < len(table) <= 8
    page = comparison_page.page(found)
    assert "along training" in page
    assert "Matched agreement of matrix bare" in page


def test_trajectories_are_the_same_each_time(tmp_path):
    given = runs(tmp_path)
    assert compare(*given).model_dump_json() == compare(*given).model_dump_json()
    assert np.isfinite(only(compare(*given)).between.low).all()
