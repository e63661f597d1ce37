"""Learning rates: chosen on held-out reconstruction alone, once per method, and recorded."""

import json
import subprocess
import sys

import pytest

import reseed
from reseed.errors import SpecError
from reseed.methods import TopK
from reseed.pipeline.tune import Choice, Trial, Tuning, tune
from reseed.report.words import tuned
from reseed.spec import Study, Tuned
from reseed.trajectory import StudyFolder
from studies import arm, command_line, contents, matrix, study

RANDOM = {"kind": "random"}
KMEANS = {"kind": "kmeans", "kmeans_steps": 2}
FACTORS = (0.1, 1.0, 10.0)


@pytest.fixture(scope="module")
def acts(tmp_path_factory):
    return matrix(tmp_path_factory.mktemp("tuning") / "acts.npy", 600)


def asked(acts, **changes):
    """Three arms of two methods; one method has two starts and two learning rates of its own."""
    arms = (
        arm("topk", name="topk-random", start=RANDOM, learning_rate=0.003),
        arm("topk", name="topk-kmeans", start=KMEANS, learning_rate=0.5),
        arm("relu", start=RANDOM, learning_rate=0.002),
    )
    return study(acts, *changes.pop("arms", arms), steps=20, preprocess=("none", "centre"), **changes)


@pytest.fixture(scope="module")
def tuning(acts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned")
    return tune(asked(acts), folder, factors=FACTORS, quiet=True), folder


def runs(folder):
    return [StudyFolder(folder).run(path.name) for path in sorted((folder / "runs").iterdir())]


# What is tried.


def test_each_method_is_tried_once_at_every_rate_whatever_its_arms(tuning):
    by_arm = {}
    for run in runs(tuning[1]):
        by_arm.setdefault(run.record.method["kind"], set()).add(run.record.method["learning_rate"])
    assert by_arm == {"topk": {0.0003, 0.003, 0.03}, "relu": {0.0002, 0.002, 0.02}}
    assert [choice.arms for choice in tuning[0].choices] == [("topk-random", "topk-kmeans"), ("relu",)]


def test_every_run_has_the_recipe_of_the_study_and_one_start(acts, tuning):
    records = [run.record for run in runs(tuning[1])]
    first = asked(acts).runs_of(asked(acts).conditions[1], activations=records[0].activations)[0]
    assert all(each.training == first.identity["training"] for each in records)
    assert all((each.start_index, each.run_index, each.preprocess) == (0, 0, "centre") for each in records)
    assert first.id in {run.id for run in runs(tuning[1])}


def test_tuning_imports_no_measure_of_agreement():
    code = "import sys, reseed.pipeline.tune; print({'reseed.matching', 'reseed.analysis'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "set()\n"


# What is chosen.


def test_the_rate_with_the_highest_held_out_r2_is_chosen_and_written_into_every_arm(tuning):
    fits = {run.id: (run.metrics["r2"][-1], run.record.method) for run in runs(tuning[1])}
    for choice in tuning[0].choices:
        best = max((fit for fit in fits.values() if fit[1]["kind"] == choice.kind), key=lambda fit: fit[0])
        assert choice.chosen.learning_rate == best[1]["learning_rate"]
        assert choice.chosen.r2 == best[0]
        for name in choice.arms:
            written = next(each for each in tuning[0].study.arms if each.name == name)
            assert written.method.learning_rate == best[1]["learning_rate"]
            assert written.tuned == Tuned(preprocess="centre", rates=tuple(t.learning_rate for t in choice.trials))


def test_nothing_else_of_the_study_is_changed(acts, tuning):
    def rest(of):
        plain = [{"method": {"learning_rate"}, "tuned": True}] * 3
        return of.model_dump(exclude={"arms": dict(enumerate(plain))})

    assert rest(tuning[0].study) == rest(asked(acts))


def test_the_record_is_no_part_of_a_run(acts):
    plain = asked(acts)
    marked = plain.model_copy(
        update={
            "arms": tuple(
                each.model_copy(update={"tuned": Tuned(preprocess="none", rates=(each.method.learning_rate,))})
                for each in plain.arms
            )
        }
    )
    for before, after in zip(plain.conditions, marked.conditions, strict=True):
        ids = [
            [spec.id for spec in each[0].runs_of(each[1], activations="x")]
            for each in ((plain, before), (marked, after))
        ]
        assert ids[0] == ids[1]


def test_a_diverged_run_is_never_chosen(acts, tmp_path):
    wild = arm("topk", norm="free", start=RANDOM, learning_rate=0.003)
    found = tune(asked(acts, arms=(wild,)), tmp_path, factors=(1.0, 1e33), quiet=True)
    (choice,) = found.choices
    assert [trial.status for trial in choice.trials] == ["finished", "diverged"]
    assert choice.chosen.learning_rate == 0.003
    assert "diverged" in found.table()
    assert json.loads((tmp_path / "tuning.json").read_text())["methods"][0]["trials"][1]["r2"] is None


def test_where_all_diverged_there_is_no_study_and_lower_rates_are_suggested(acts, tmp_path):
    wild = arm("topk", norm="free", start=RANDOM, learning_rate=0.003)
    found = tune(asked(acts, arms=(wild,)), tmp_path, factors=(1e33,), quiet=True)
    assert found.study is None
    (advice,) = found.advice((1e33,))
    assert advice == "no learning rate of topk led to a finite R²: try lower ones, such as --rates 1e+32"


def test_a_run_without_a_defined_fit_says_so():
    trials = (Trial(0.001, "finished"), Trial(0.003, "finished", 0.5, 3.0, 1.0))
    told = Tuning("centre", (Choice(("a",), "topk", trials),), None).table()
    assert "0.001  R² undefined" in told


def choice(*r2):
    trials = tuple(Trial(10.0**i, "finished", value, 3.0, 1.0) for i, value in enumerate(r2))
    return Choice(("a", "b"), "topk", trials)


@pytest.mark.parametrize(
    ("fits", "wider"),
    [((0.5, 0.4, 0.3), "0.09,0.3,1,3"), ((0.1, 0.2, 0.3), "0.3,1,3,9"), ((0.1, 0.3, 0.2), None), ((0.4,), None)],
)
def test_a_best_rate_at_the_edge_of_the_grid_asks_for_a_wider_one(fits, wider):
    advice = Tuning("centre", (choice(*fits),), None).advice((0.3, 1.0, 3.0)[: len(fits)])
    assert [words.split("--rates ")[1] for words in advice] == ([f"{wider} --force"] if wider else [])
    assert all("learning rate of a, b is the" in words for words in advice)


def test_of_equal_fits_the_lower_rate_is_chosen():
    assert choice(0.2, 0.3, 0.3).chosen.learning_rate == 10.0


# Going on, and what is refused.


def test_tuning_again_trains_nothing_and_changes_no_byte(acts, tuning):
    before = contents(tuning[1])
    again = tune(asked(acts), tuning[1], factors=FACTORS, quiet=True)
    assert contents(tuning[1]) == before
    assert again == tuning[0]


def test_a_folder_that_holds_a_study_is_refused(acts, tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(SpecError, match="holds a study: choose another --out"):
        tune(asked(acts), tmp_path, quiet=True)


@pytest.mark.parametrize("factors", [(), (0.0,), (-1.0, 1.0), (1.0, 1.0), (float("inf"),), (float("nan"),)])
def test_factors_that_are_no_grid_are_refused_before_anything_is_written(acts, tmp_path, factors):
    with pytest.raises(SpecError, match="positive numbers, each once"):
        tune(asked(acts), tmp_path / "out", factors=factors, quiet=True)
    assert not (tmp_path / "out").exists()


def test_an_unknown_preprocessing_is_refused(acts, tmp_path):
    with pytest.raises(SpecError, match="--preprocess 'center': choose from none, centre"):
        tune(asked(acts), tmp_path / "out", preprocess="center", quiet=True)


def test_the_first_preprocessing_is_tuned_where_there_is_no_centring(acts, tmp_path):
    plain = asked(acts).model_copy(update={"preprocess": ("standardise", "none")})
    assert tune(plain, tmp_path, factors=(1.0,), quiet=True).preprocess == "standardise"


def test_a_record_that_does_not_fit_the_rate_is_refused():
    with pytest.raises(SpecError, match=r"learning_rate = 0.1 is none of the tuned rates \(0.001, 0.01\)"):
        Study.parse(
            {
                "activations": "acts",
                "arms": [
                    {
                        "name": "topk",
                        "method": TopK(n_atoms=8, k=2, learning_rate=0.1),
                        "start": RANDOM,
                        "tuned": {"preprocess": "centre", "rates": [0.001, 0.01]},
                    }
                ],
            }
        )


# The command.


@pytest.fixture(scope="module")
def commanded(acts, tmp_path_factory):
    """`reseed tune` in a folder of its own: the folder, and the ended process."""
    folder = tmp_path_factory.mktemp("typed")
    asked(acts, arms=(arm("topk", start=RANDOM),)).write(folder / "small.toml")
    return folder, command_line("tune", folder / "small.toml", "--rates", "0.5,1,2", "--quiet")


def test_the_command_prints_the_table_and_writes_a_study_that_runs(commanded):
    folder, process = commanded
    assert process.returncode == 0, process.stderr_text
    assert process.stdout_text.count("topk (topk)") == process.stdout_text.count("chosen") == 1
    assert process.stderr_text.endswith(f"study: {folder / 'small-tuned.toml'}\n")
    written = Study.read(folder / "small-tuned.toml")
    assert written.arms[0].tuned.rates == (0.0005, 0.001, 0.002)
    assert {path.name for path in folder.iterdir()} == {"small.toml", "small-tuned.toml", "small-tuning"}
    findings = reseed.run(
        written.model_copy(update={"preprocess": ("centre",), "starts": 1}), folder / "out", quiet=True
    )
    (said,) = tuned(findings)
    rate = written.arms[0].method.learning_rate
    assert said == f"topk: learning rate {rate:g}, chosen on held-out R² (centre) among 0.0005, 0.001, 0.002"


def test_a_study_that_exists_is_not_replaced_without_force(commanded, typed):
    folder, _ = commanded
    before = (folder / "small-tuned.toml").read_bytes()
    code, _, told = typed("tune", folder / "small.toml", "--rates", "0.5", "--quiet")
    assert (code, (folder / "small-tuned.toml").read_bytes()) == (1, before)
    assert told.endswith("exists: choose another --write, or replace it with --force\n")
    code, *_ = typed("tune", folder / "small.toml", "--rates", "0.5", "--quiet", "--force")
    assert (code, "0.0005" in (folder / "small-tuned.toml").read_text()) == (0, True)


def test_rates_that_are_no_numbers_are_refused(commanded, typed):
    code, _, told = typed("tune", commanded[0] / "small.toml", "--rates", "high,low", "--force")
    assert (code, told) == (1, "reseed: --rates high,low: numbers with commas, such as 0.3,1,3\n")
