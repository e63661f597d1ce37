"""A common L0: the penalty at which so many atoms are active, sought on held-out tokens and recorded."""

import json
import math
import re

import pytest

from registering import unchanged_tables
from reseed.errors import SpecError
from reseed.methods import METHODS, ReLU
from reseed.pipeline.template import arms_of
from reseed.pipeline.tune_l0 import CANDIDATES, TOLERANCE, PenaltyTrial, Search, tune_l0
from reseed.report.words import tuned
from reseed.spec import Study, TunedL0
from reseed.trajectory import StudyFolder
from studies import N_ATOMS, arm, command_line, contents, matrix, study

RANDOM = {"kind": "random"}
KMEANS = {"kind": "kmeans", "kmeans_steps": 3}
TARGET = 8.5


@pytest.fixture(scope="module")
def acts(tmp_path_factory):
    return matrix(tmp_path_factory.mktemp("l0") / "acts.npy", 1000)


def relu(kind="relu", *, start=RANDOM, **settings):
    """An arm that learns fast enough to become sparse within few steps."""
    return arm(kind, start=start, learning_rate=0.01, **settings)


def asked(acts, *arms):
    """Two arms of a method with a penalty, one of which is far from what is sought, and one with k."""
    known = (
        relu(name="relu-random", l1=0.02),
        relu(name="relu-kmeans", start=KMEANS, l1=0.7),
        arm("topk", start=RANDOM),
    )
    return study(acts, *(arms or known), steps=60, batch_size=128, preprocess=("none", "centre"))


@pytest.fixture(scope="module")
def tuning(acts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned-l0")
    return tune_l0(asked(acts), folder, l0=TARGET, quiet=True), folder


# What is found.


def test_the_penalty_that_is_found_gives_the_l0_that_was_sought(tuning):
    found, folder = tuning
    (search,) = found.searches
    runs = {run.record.method["l1"]: run for run in map(StudyFolder(folder).run, ids_in(folder))}
    last = runs[search.chosen.penalty].metrics.row(-1, named=True)
    assert abs(last["l0"] / TARGET - 1) <= TOLERANCE
    assert (search.chosen.l0, search.chosen.r2, search.chosen.alive) == (last["l0"], last["r2"], last["alive"])
    assert {trial.penalty for trial in search.trials} == set(runs)
    assert min(abs(trial.l0 / TARGET - 1) for trial in search.trials) == abs(search.chosen.l0 / TARGET - 1)


def ids_in(folder):
    return sorted(path.name for path in (folder / "runs").iterdir())


def test_candidates_are_trained_side_by_side_from_the_studys_first_start(tuning):
    found, folder = tuning
    assert len(found.searches[0].trials) % CANDIDATES == 0
    records = [StudyFolder(folder).run(name).record for name in ids_in(folder)]
    assert all((each.start_index, each.run_index, each.preprocess) == (0, 0, "centre") for each in records)


def test_every_arm_of_the_method_gets_it_and_says_how_and_the_others_are_as_they_were(acts, tuning):
    found, _ = tuning
    (search,) = found.searches
    before, after = asked(acts), found.study
    for arm_before, arm_after in zip(before.arms[:2], after.arms[:2], strict=True):
        assert arm_after.method.l1 == search.chosen.penalty
        penalties = tuple(trial.penalty for trial in search.trials)
        assert arm_after.tuned_l0 == TunedL0(preprocess="centre", setting="l1", l0=TARGET, penalties=penalties)
        assert arm_after.start == arm_before.start
    assert after.arms[2] == before.arms[2]
    assert after.model_copy(update={"arms": ()}) == before.model_copy(update={"arms": ()})


def test_methods_with_k_are_told_where_theirs_is_another(acts, tuning, tmp_path):
    assert tuning[0].table().endswith("left as they are: topk (k = 3, not 8.5)")
    alike = tune_l0(asked(acts, relu(), arm("topk", k=12)), tmp_path, l0=12.0, quiet=True)
    assert alike.table().endswith("left as they are: topk (k = 12)")


def test_a_method_that_joins_later_says_which_setting_is_its_penalty(acts, tmp_path):
    class Pays(ReLU):
        """ReLU that calls its penalty otherwise."""

        penalty = "price"

        kind: str = "pays"
        l1: float = 0.0
        price: float = 0.05
        """Its penalty."""

        def forward_backward(self, state, u, *, penalty):
            del penalty
            return super().forward_backward(state, u, penalty=self.price / (u.shape[1] * u.shape[2] ** 0.5))

    with unchanged_tables():
        METHODS["pays"] = Pays
        found = tune_l0(asked(acts, relu("pays"), relu()), tmp_path, l0=TARGET, quiet=True)
        assert [search.setting for search in found.searches] == ["price", "l1"]
        assert all(abs(search.chosen.l0 / TARGET - 1) <= TOLERANCE for search in found.searches)
        assert found.study.arms[0].method.price == found.searches[0].chosen.penalty


# The search itself.


def searched(l0_of, *, own=0.1, target=10.0, rounds=8):
    """A search among penalties that lead to known L0s."""
    search = Search(("a",), "relu", "l1", own, target)
    for number in range(rounds):
        if not (candidates := search.candidates()):
            return search, number
        assert len(candidates) <= CANDIDATES
        assert not {trial.penalty for trial in search.trials} & set(candidates)
        search = search.with_trials([PenaltyTrial(each, "finished", l0_of(each), 0.5, 1.0) for each in candidates])
    return search, rounds


@pytest.mark.parametrize("own", [1e-6, 0.1, 3.0, 1e5])
def test_a_search_finds_a_falling_curve_wherever_it_begins(own):
    search, rounds = searched(lambda penalty: 200 / (1 + (penalty / 0.003) ** 0.8), own=own)
    assert abs(search.chosen.l0 / 10 - 1) <= TOLERANCE
    assert rounds <= 5


def test_a_steep_curve_is_followed_into_its_fall():
    search, _ = searched(lambda penalty: 100 * math.exp(-((penalty / 0.07) ** 4)))
    assert abs(search.chosen.l0 / 10 - 1) <= TOLERANCE


def test_a_jump_over_the_target_ends_the_search():
    search, rounds = searched(lambda penalty: 40.0 if penalty < 0.0371 else 1.0, rounds=20)
    assert search.chosen is None
    assert rounds < 20


@pytest.mark.parametrize(("most", "least"), [(8.0, 0.1), (300.0, 12.0)])
def test_a_curve_that_levels_off_on_the_wrong_side_ends_the_search_soon(most, least):
    search, rounds = searched(lambda penalty: least + (most - least) / (1 + penalty**2))
    assert search.chosen is None
    assert rounds <= 4


def test_diverged_trials_are_passed_over():
    search = Search(("a",), "relu", "l1", 0.1, 10.0)
    diverged = search.with_trials([PenaltyTrial(each, "diverged") for each in search.candidates()])
    assert max(diverged.candidates()) < min(trial.penalty for trial in diverged.trials)
    assert diverged.chosen is None


# Going on, and what is refused.


def test_tuning_again_trains_nothing_and_changes_no_byte(acts, tuning):
    before = contents(tuning[1])
    again = tune_l0(asked(acts), tuning[1], l0=TARGET, quiet=True)
    assert contents(tuning[1]) == before
    assert again == tuning[0]


def test_a_search_that_was_stopped_goes_on_with_the_runs_that_are_there(acts, tuning, tmp_path, monkeypatch):
    with monkeypatch.context() as stopped:
        stopped.setattr("reseed.pipeline.tune_l0.MOST_ROUNDS", 1)
        first = tune_l0(asked(acts), tmp_path, l0=TARGET, quiet=True)
    kept = {name: contents(tmp_path / "runs" / name) for name in ids_in(tmp_path)}
    assert len(kept) == len(first.searches[0].trials) == CANDIDATES
    assert tune_l0(asked(acts), tmp_path, l0=TARGET, quiet=True) == tuning[0]
    assert {name: contents(tmp_path / "runs" / name) for name in kept} == kept


def test_all_trials_are_in_the_document(tuning):
    found, folder = tuning
    document = json.loads((folder / "tuning.json").read_text())
    (method,) = document.pop("methods")
    assert document == {"format_version": 2, "preprocess": "centre", "l0": TARGET}
    assert (method["setting"], method["arms"]) == ("l1", ["relu-random", "relu-kmeans"])
    assert method["chosen"] == found.searches[0].chosen.penalty
    assert [(each["penalty"], each["l0"]) for each in method["trials"]] == list(found.searches[0].known)


def test_an_l0_that_no_penalty_leads_to_is_refused_with_what_was_reached(acts, tmp_path):
    found = tune_l0(asked(acts), tmp_path, l0=30.0, quiet=True)
    most = max(l0 for _, l0 in found.searches[0].known)
    assert found.study is None
    assert most < 30 * (1 - TOLERANCE)
    (said,) = found.refusals()
    assert re.fullmatch(
        rf"no l1 of relu-random, relu-kmeans led to L0 = 30 within 5 %: L0 was {most:.3g} at \S+; try --l0 {most:.3g}",
        said,
    )


@pytest.mark.parametrize(
    ("arms", "l0", "said"),
    [
        ((), 0.0, "--l0 0: the active atoms per token"),
        ((), math.nan, "--l0 nan: the active atoms per token"),
        ((), N_ATOMS + 1.0, f"--l0 {N_ATOMS + 1}: relu-random has {N_ATOMS} atoms"),
        ((arm("topk"),), 3.0, "no method of topk has a penalty: k says how many atoms are active"),
    ],
)
def test_what_cannot_be_sought_is_refused_before_anything_is_written(acts, tmp_path, arms, l0, said):
    with pytest.raises(SpecError, match=said):
        tune_l0(asked(acts, *arms), tmp_path / "out", l0=l0, quiet=True)
    assert not (tmp_path / "out").exists()


def test_a_record_that_does_not_fit_the_arm_is_refused():
    record = {"preprocess": "centre", "setting": "l1", "l0": 3.0, "penalties": [0.1, 0.2]}
    with pytest.raises(SpecError, match=r"l1 = 0.3 is none of the tuned penalties \(0.1, 0.2\)"):
        Study.parse(told(arm("relu", l1=0.3), record))
    with pytest.raises(SpecError, match="topk has no penalty 'l1' that could be tuned: leave out tuned_l0"):
        Study.parse(told(arm("topk"), record))


def told(of, record):
    return {"activations": "acts", "arms": [{**of.model_dump(mode="json", exclude_none=True), "tuned_l0": record}]}


def test_the_record_is_no_part_of_a_run(tuning):
    plain = [each.model_copy(update={"tuned_l0": None}) for each in tuning[0].study.arms]
    bare = tuning[0].study.model_copy(update={"arms": tuple(plain)})
    for marked, unmarked in zip(tuning[0].study.conditions, bare.conditions, strict=True):
        assert marked.run(0, 0, activations="x").id == unmarked.run(0, 0, activations="x").id


# The command.


def test_the_command_prints_the_table_and_writes_a_study_whose_report_says_how(acts, tmp_path):
    asked(acts, relu()).write(tmp_path / "small.toml")
    done = command_line("tune", tmp_path / "small.toml", "--l0", "8.5", "--quiet")
    assert done.returncode == 0, done.stderr_text
    assert done.stdout_text.count("relu (relu), l1") == done.stdout_text.count("chosen") == 1
    written = Study.read(tmp_path / "small-l0.toml")
    assert {path.name for path in tmp_path.iterdir()} == {"small.toml", "small-l0.toml", "small-l0-tuning"}

    class Found:
        study = written.model_dump(mode="json")

    (said,) = tuned(Found)
    assert said.startswith(f"relu: l1 {written.arms[0].method.l1:g}, chosen for a held-out L0 = 8.5 (centre) among ")


def test_rates_and_an_l0_are_not_chosen_at_once(acts, tmp_path):
    asked(acts).write(tmp_path / "small.toml")
    refused = command_line("tune", tmp_path / "small.toml", "--l0", "4", "--rates", "1,3")
    assert refused.returncode == 1
    assert "--rates and --l0 were both given: choose learning rates first" in refused.stderr_text
    unreachable = command_line("tune", tmp_path / "small.toml", "--l0", "30", "--quiet")
    assert unreachable.returncode == 1
    assert "no l1 of relu-random, relu-kmeans led to L0 = 30 within 5 %" in unreachable.stderr_text
    assert not (tmp_path / "small-l0.toml").exists()


@pytest.mark.parametrize("kind", METHODS)
def test_the_penalty_of_a_method_is_one_of_its_settings_or_there_is_none(kind):
    method = arms_of([kind])[0].method
    assert method.penalty in {None, *METHODS[kind].model_fields}
    assert method.penalty is None or getattr(method, "k", None) is None
