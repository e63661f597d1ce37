import math

import pytest

from reseed.analysis.question import answer, question
from reseed.findings import (
    Comparison,
    ConditionFindings,
    Floor,
    Interval,
    MeasureFindings,
    PairsFindings,
    SameEnds,
    Verdict,
)
from reseed.thresholds import Limits
from reseed.verdict import Outcome


def about(value, half=0.02):
    return Interval(value=value, standard_error=half / 2, low=value - half, high=value + half, n_units=3, unit="start")


def condition(arm, path, outcome="unstable", *, kind="topk", start="random", preprocess="centre", r2=0.8, null=0.2):
    """A condition of what question and answer read; without a path, one in which nothing was compared."""
    measures = {}
    if path:
        adjusted = about((path[1] - null) / (1 - null))
        between = PairsFindings.model_construct(last=about(path[1]), adjusted=adjusted)
        held = Floor(name="surrogate", role="null", value=null, spread=0.0, standard_error=0.0, n=3, policy="")
        said = {"born": about(path[0]), "between": between, "floors": (held,), "strictest": "surrogate"}
        measures = {"agreement": MeasureFindings.model_construct(**said)}
    return ConditionFindings.model_construct(
        name=f"{arm}@{preprocess}",
        arm=arm,
        kind=kind,
        start_kind=start,
        preprocess=preprocess,
        verdict=Verdict(outcome=Outcome(outcome), sentence="", would_change=""),
        measures=measures,
        r2=about(r2),
        surrogate=None,
    )


def comparison(first, second, born, earned, outcome="not compared", *, difference=0.0, preprocess="centre"):
    alike = outcome != "not compared"
    return Comparison(
        first=first,
        second=second,
        preprocess=preprocess,
        first_pairs="within",
        second_pairs="within" if alike else "between",
        gap=about(born + earned),
        born=about(born),
        earned=about(earned),
        gain_difference=about(difference),
        outcome=outcome,
        runs_to_decide=None,
        common_r2=0.7,
        gain_difference_at_common_r2=about(difference),
        outcome_at_common_r2=outcome,
        like_with_like=alike,
        sentence="",
    )


def answered(conditions, comparisons=(), same_ends=()):
    return answer(conditions, comparisons, same_ends, Limits())


def three_arms(preprocess="centre", ra_end=0.68):
    return [
        condition("topk-random", (0.12, 0.67), "stabilizing", preprocess=preprocess),
        condition("topk-kmeans", (0.72, 0.66), "diverging", start="kmeans", preprocess=preprocess),
        condition("ra-topk", (0.72, ra_end), "diverging", kind="ra-topk", start="kmeans", preprocess=preprocess),
    ]


def test_the_question_names_arms_and_methods():
    assert question(three_arms()) == (
        "Do independently trained runs of topk-random, topk-kmeans and ra-topk become one dictionary, and does ra-topk "
        "make features more stable than topk?"
    )


def test_the_question_of_one_arm_asks_for_one_dictionary():
    assert question(three_arms()[:1]) == "Do independently trained runs of topk-random become one dictionary?"
    assert question([]) == ""


def test_the_question_of_one_method_from_several_starts_asks_for_its_ends():
    assert question(three_arms()[:2]).endswith("and does topk end alike from k-means and random starts?")


def test_the_question_of_many_arms_counts_them():
    kinds = ("topk", "relu", "a-topk", "ra-topk", "other")
    many = [condition(f"arm{i}", (0.1, 0.5), kind=kinds[i % 5]) for i in range(100)]
    assert question(many) == (
        "Do independently trained runs of 100 arms become one dictionary, and which of 5 methods makes features more "
        "stable than topk?"
    )


def test_a_published_lead_is_told_as_what_was_born_and_what_training_took():
    comparisons = [
        comparison("topk-kmeans", "topk-random", 0.88, -0.5),
        comparison("ra-topk", "topk-random", 0.88, -0.4),
        comparison("ra-topk", "topk-kmeans", 0.0, 0.1, "disadvantage", difference=-0.11),
    ]
    assert answered(three_arms(), comparisons) == (
        "No arm's independent runs become one dictionary; those of topk-random (.12 at step 0, .67 [.65, .69] at "
        "the end, .20 without common structure) came closer together. The lead of ra-topk over topk-random as it would "
        "be published (.48 [.46, .50]) was there at step 0 (.88); training took .40 of it; from starts of one "
        "kind ra-topk gains less than topk-kmeans (\N{MINUS SIGN}.11 [\N{MINUS SIGN}.13, \N{MINUS SIGN}.09])."
    )


@pytest.mark.parametrize(
    ("born", "earned", "said"),
    [
        (
            0.2,
            0.3,
            "The lead of x over y as it would be published (.50 [.48, .52]) is .20 from step 0 and .30 from training.",
        ),
        (0.0, 0.3, "(.30 [.28, .32]) was made in training."),
        (-0.1, 0.3, "(.20 [.18, .22]) was made in training, from .10 behind at step 0."),
        (0.3, 0.0, "(.30 [.28, .32]) was there at step 0."),
        (
            -0.2,
            -0.3,
            "The lead of y over x as it would be published (.50 [.48, .52]) is .20 from step 0 and .30 from training.",
        ),
        (0.3, -0.29, "As it would be published, x has no lead over y (+.01 [\N{MINUS SIGN}.01, .03])."),
        (math.nan, math.nan, ""),
    ],
)
def test_a_gap_is_told_of_the_arm_that_leads(born, earned, said):
    arms = [condition("y", (0.1, 0.5)), condition("x", (0.1, 0.6), kind="relu")]
    told = answered(arms, [comparison("x", "y", born, earned)])
    assert told.endswith(said)
    assert ("lead" in told) == ("lead" in said or "training" in said or "step 0." in said)


def test_one_dictionary_everywhere_is_a_yes_with_its_numbers():
    arms = [condition(name, (0.1, end), "convergent") for name, end in (("a", 0.96), ("b", 0.98))]
    assert answered(arms) == (
        "Yes: independent runs of every arm become one dictionary (.10 at step 0, .96 to .98 at the end, at most .20 "
        "without common structure)."
    )
    assert answered(arms[:1]) == (
        "Yes: independent runs of a become one dictionary (.10 at step 0, .96 [.94, .98] at the end, .20 without "
        "common structure)."
    )


def test_arms_of_which_some_become_one_dictionary_are_told_apart():
    arms = [
        condition("a", (0.1, 0.97), "convergent"),
        condition("b", (0.1, 0.5)),
        condition("c", None, "not testable"),
    ]
    assert answered(arms) == (
        "Independent runs of a become one dictionary (.10 at step 0, .97 [.95, .99] at the end, .20 without common "
        "structure); those of b do not; of c it cannot be said."
    )


def test_one_arm_says_how_far_its_runs_came():
    assert answered([condition("a", (0.12, 0.3))]) == (
        "Independent runs of a do not become one dictionary (.12 at step 0, .30 [.28, .32] at the end, .20 without "
        "common structure)."
    )
    assert "; they came closer, .12 at step 0, .67 [.65, .69] at the end, .20 without" in answered(three_arms()[:1])


def test_where_nothing_comes_together_the_closest_are_named():
    told = answered([condition("a", (0.1, 0.3)), condition("b", (0.1, 0.4))])
    assert told == (
        "No arm's independent runs become one dictionary; the closest are those of b (.10 at step 0, .40 [.38, .42] "
        "at the end, .20 without common structure)."
    )


def test_runs_that_fit_nothing_answer_nothing():
    arms = [condition(name, (0.1, 0.3), "not fitted", r2=r2) for name, r2 in (("a", 0.12), ("b", 0.05))]
    assert answered(arms) == "Nothing can be said of any arm: no runs reconstruct the activations (R² .12 at most)."


def test_too_few_runs_answer_nothing():
    assert answered([condition("a", None, "not testable")]) == "Nothing can be said of a: fewer than two runs finished."


def test_an_open_word_says_no_only_where_the_number_does():
    far, near = (condition("a", (0.1, end), "inconclusive") for end in (0.5, 0.95))
    assert answered([far]).startswith("Independent runs of a do not become one dictionary")
    assert answered([near]) == (
        "Whether independent runs of a become one dictionary cannot be said (inconclusive; the study has no surrogate "
        "to hold it against)."
    )


def test_centred_activations_count_first_and_are_named_where_others_answer_otherwise():
    uncentred = condition("a", (0.9, 0.99), "convergent", preprocess="none")
    told = answered([uncentred, condition("a", (0.1, 0.3))])
    assert told.startswith("On centred activations: independent runs of a do not become one dictionary")
    same = answered([condition("a", (0.9, 0.5), preprocess="none"), condition("a", (0.1, 0.3))])
    assert same.startswith("Independent runs of a do not become one dictionary (.10 at step 0")


def test_many_arms_are_counted():
    arms = [condition(f"a{i}", (0.1, 0.5), kind=("topk", "relu")[i % 2]) for i in range(99)]
    arms.append(condition("last", (0.1, 0.98), "convergent"))
    outcomes = ["advantage"] * 3 + ["equivalent"] * 20 + ["inconclusive"] * 2
    told = answered(arms, [comparison(f"a{2 * i + 1}", "a0", 0, 0, each) for i, each in enumerate(outcomes)])
    assert told == (
        "Independent runs of 1 of 100 arms become one dictionary (.10 at step 0, .98 [.96, 1.00] at the end, .20 "
        "without common structure); those of 99 do not. In 25 comparisons of methods from starts of one kind the arm "
        "gains: 3 more, 20 as much, 2 undecided."
    )


def test_one_method_from_several_starts_is_told_where_its_runs_end():
    same = SameEnds(
        preprocess="centre",
        arms=("topk-random", "topk-kmeans"),
        starts=("random", "kmeans"),
        difference=about(0.01),
        across=about(-0.01),
        outcome="same",
        sentence="topk ends alike from random and from k-means starts (.67 / .66; across .66).",
    )
    assert answered(three_arms()[:2], (), [same]).endswith(f" {same.sentence}")
