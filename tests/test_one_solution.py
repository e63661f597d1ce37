"""Methods that have one solution whatever the start, and starts that have no chance in them: said before and after."""

import json

import pytest

from reseed.pipeline.plan import plan
from reseed.pipeline.run import run
from reseed.reappearance.features import find_features
from reseed.report.text import render
from reseed.requirements import met, parse
from reseed.verdict import Outcome, Reason
from studies import D_MODEL, arm, matrix, study

RANDOM = {"kind": "random"}
SURROGATE = {"draws": 3, "surrogate": "elliptical"}
SHARED = {"points": "shared", "kmeans": "shared"}


@pytest.fixture(scope="module")
def acts(tmp_path_factory):
    return matrix(tmp_path_factory.mktemp("one") / "acts.npy", 900)


@pytest.fixture(scope="module")
def of_one_sample(acts, tmp_path_factory):
    """PCA beside a method that depends on its start, both from random ones, on one sample that both read as a whole."""
    arms = arm("pca", start=RANDOM), arm("ica", start=RANDOM)
    asked = study(acts, *arms, steps=4, batch_size=810, starts=3, floors=SURROGATE, thresholds={"holm": True})
    return run(asked, tmp_path_factory.mktemp("one") / "study", quiet=True)


def test_runs_from_different_starts_agree_and_it_is_said_that_this_says_nothing(of_one_sample):
    found = of_one_sample.condition("pca@centre")
    assert found.init_groups == 3
    assert found.agreement.born.value < 0.6
    assert found.agreement.between.last.value > 0.999
    assert (found.verdict.outcome, found.verdict.because) == (Outcome.INHERITED, Reason.DETERMINED)
    assert "says nothing about the activations" in found.verdict.sentence
    assert found.determined
    assert found.one_solution
    other = of_one_sample.condition("ica@centre")
    assert not other.determined
    assert other.verdict.because != Reason.DETERMINED


def test_its_agreement_is_no_lead_over_other_methods(of_one_sample):
    (comparison,) = of_one_sample.comparisons
    assert comparison.outcome == "not compared"
    assert "pca has one solution, whatever the start" in comparison.sentence
    assert "lead" not in of_one_sample.answer
    assert "more stable" not in of_one_sample.question
    assert "of pca it cannot be said" in of_one_sample.answer


def test_the_order_of_its_atoms_is_not_taken_for_a_common_start(of_one_sample):
    found = of_one_sample.condition("pca@centre")
    assert all(pair.found for pair in found.births.pairs if pair.relation == "between")
    assert "puts the atoms of its one solution in one order" in found.births.sentence
    assert not any("indices" in warning for warning in of_one_sample.warnings)


def test_features_are_told_with_where_they_come_from(acts, tmp_path):
    asked = study(acts, arm("pca", start=RANDOM), steps=1, batch_size=810, starts=3)
    run(asked, tmp_path / "study", quiet=True)
    (recipe,) = find_features(tmp_path / "study").document.recipes
    assert recipe.sentence.startswith("The method has one solution for given activations, whatever the start")
    assert "Born alike" not in recipe.sentence


def test_nothing_could_be_claimed_of_it_so_that_it_is_not_counted_among_many(of_one_sample):
    assert "1 condition is expected to give" in render(of_one_sample, width=300, colour=False)


def test_a_required_number_is_told_with_what_it_owes_to_determinism(of_one_sample):
    of_pca, of_ica = met(of_one_sample, parse(["between >= .9"]))
    assert of_pca.holds
    assert "one solution whatever the start" in of_pca.sentence
    assert "one solution" not in of_ica.sentence
    (words,) = met(of_one_sample, parse(["pca@centre: convergent, stabilizing"]))
    assert not words.holds


def test_alone_its_study_answers_that_there_is_one_solution(acts, tmp_path):
    found = run(study(acts, arm("pca", start=RANDOM), steps=2, starts=3), tmp_path / "study", quiet=True)
    assert found.answer == (
        "Runs of pca have one solution for given activations, whatever the start: that they agree says nothing about "
        "the activations."
    )
    assert "become one dictionary" in found.question


def test_on_disjoint_samples_it_is_judged_like_any_other(acts, tmp_path):
    asked = study(
        acts, arm("pca", start=RANDOM), steps=3, batch_size=90, starts=3, floors=SURROGATE, dice={"data": "start"}
    )
    found = run(asked, tmp_path / "study", quiet=True)
    (condition,) = found.conditions
    assert condition.samples == "several"
    assert condition.determined
    assert not condition.one_solution
    assert condition.verdict.because != Reason.DETERMINED
    assert "on several samples of activations" in condition.verdict.sentence
    assert not any("one solution" in warning for warning in found.warnings)


STARTS = {
    "pca": (
        arm("topk", n_atoms=D_MODEL, start={"kind": "pca"}),
        "this start has no chance in it (start pca, 17 atoms)",
    ),
    "kmeans": (
        arm("topk").model_copy(update={"dice": SHARED}),
        "all runs share kmeans and points (start kmeans, 33 atoms)",
    ),
    "permuted": (
        arm("topk", start={"kind": "kmeans-permuted", "kmeans_steps": 3}),
        "all runs share kmeans and points (start kmeans-permuted, 33 atoms)",
    ),
}


@pytest.mark.parametrize("replicate", [0, 7])
@pytest.mark.parametrize("name", STARTS)
def test_starts_without_chance_are_said_before_training_and_found_after_it(acts, tmp_path, capsys, name, replicate):
    asked = study(acts, STARTS[name][0], steps=2, starts=3, runs_per_start=1, dice={"replicate": replicate})
    said = f"its 3 starts are born identical: {STARTS[name][1]}"
    planned = plan(asked, tmp_path / "study", measure=False, quiet=True)
    assert any(said in caution for caution in planned.cautions)
    assert said in str(planned)
    assert any(said in caution for caution in json.loads(planned.to_json())["cautions"])
    found = run(asked, tmp_path / "study")
    assert said in " ".join(capsys.readouterr().err.split())
    assert any(said in warning for warning in found.warnings)
    (condition,) = found.conditions
    assert condition.init_groups == 1
    assert said in " ".join(render(found, width=100, colour=False, full=True).split())


CHANCE = {
    "pca beyond d_model": arm("topk", n_atoms=D_MODEL + 1, start={"kind": "pca"}),
    "kmeans": arm("topk"),
    "kmeans, one die shared": arm("topk").model_copy(update={"dice": {"points": "shared"}}),
    "permuted, more points": arm("topk", start={"kind": "kmeans-permuted", "kmeans_steps": 3, "n_points": 40}),
    "random": arm("topk", start=RANDOM),
}


@pytest.mark.parametrize("name", CHANCE)
def test_of_starts_with_chance_nothing_is_said_and_they_are_apart(acts, tmp_path, name):
    asked = study(acts, CHANCE[name], steps=1, starts=2, runs_per_start=1)
    assert not any("born identical" in caution for caution in plan(asked, tmp_path, measure=False).cautions)
    (condition,) = run(asked, tmp_path / "study", quiet=True).conditions
    assert condition.init_groups == 2


def test_one_start_is_what_was_asked_for(acts, tmp_path):
    asked = study(acts, STARTS["pca"][0], starts=1)
    assert not any("born identical" in caution for caution in plan(asked, tmp_path, measure=False).cautions)


def test_of_a_method_with_one_solution_it_is_said_before_training(acts, tmp_path):
    asked = study(acts, arm("pca", start=RANDOM))
    (caution,) = (each for each in plan(asked, tmp_path, measure=False).cautions if each.startswith("pca"))
    assert "PCA has one solution for given activations, whatever the start" in caution
