import math
from dataclasses import replace

import pytest
import torch

from reseed._support.threads import workers
from reseed.analysis import compare_floors, compare_runs
from reseed.analysis.arms import compare_arms
from reseed.analysis.conditions import judge_condition
from reseed.analysis.tables import Pairs
from reseed.dice import generator
from reseed.starts import STARTS
from reseed.thresholds import LEVEL, Limits
from studies import hand_made

FLOOR = 0.4


@pytest.fixture(scope="module")
def arm_of(tmp_path_factory):
    """Makes a condition from what its pairs of runs agree on; its findings are those of some condition or other."""
    drawn = {f"r{i}": {0: torch.randn(6, 5, generator=generator(i))} for i in range(2)}
    made = hand_made(tmp_path_factory.mktemp("any"), {"any@none": drawn})
    with workers(1) as pool:
        compare_runs(made, "any@none", pool)
        compare_floors(made, "any@none", pool)
    any_condition = judge_condition(made, made.condition("any@none"), Limits(), level=LEVEL)

    def make(name, matched, starts, start="random", *, preprocess="none", r2=0.6):
        known = {"arm": name, "start_kind": start, "preprocess": preprocess, "name": f"{name}@{preprocess}"}
        shared = {"shared_when_published": STARTS[start].shared_when_published}
        record = any_condition.record.model_copy(update=shared)
        ids = tuple(f"r{number}" for number in range(len(starts)))
        pairs = Pairs((0, 10), ids, starts, {"agreement": matched})
        fit = torch.tensor([[0.0], [r2]]).expand(2, len(starts))
        findings = any_condition.findings.model_copy(update=known)
        return replace(any_condition, findings=findings, record=record, pairs=pairs, floor=FLOOR, r2=fit)

    return make


def starts_of(n_starts, n_runs):
    return torch.arange(n_starts).repeat_interleave(n_runs)


def matched(starts, *, between, within=(1.0, 0.9), spread=0.01, chance=0):
    """Pair matrices at step 0 and at the end; at the end every start has an effect of its own on all its pairs."""
    same = starts[:, None] == starts[None, :]
    effect = spread * torch.randn(int(starts.max()) + 1, generator=generator(chance)).double()[starts]
    effects = torch.stack([torch.zeros_like(same).double(), effect[:, None] + effect[None, :]])
    level = [torch.where(same, w, b).double() for w, b in zip(within, between, strict=True)]
    matrices = torch.stack(level) + effects
    matrices.diagonal(dim1=1, dim2=2).fill_(math.nan)
    return matrices


def compared(arm_of, x, y, *, n_starts=4, n_runs=2, start="random", **both):
    starts = starts_of(n_starts, n_runs)
    arms = [arm_of(name, matched(starts, **both | each), starts, start) for name, each in (("y", y), ("x", x))]
    (comparison,) = compare_arms(arms, margin=0.03, level=0.95)
    return comparison


def test_the_gap_is_what_was_born_plus_what_was_earned(arm_of):
    comparison = compared(arm_of, {"between": (0.3, 0.8)}, {"between": (0.25, 0.6)})
    assert (comparison.first, comparison.second, comparison.preprocess) == ("x", "y", "none")
    assert comparison.first_pairs == comparison.second_pairs == "between"
    assert comparison.gap.value == pytest.approx(0.2)
    assert comparison.born.value == pytest.approx(0.05)
    assert comparison.earned.value == pytest.approx(0.15)


def test_the_test_is_about_gains_between_independent_starts_in_agreement_whatever_the_floor(arm_of):
    comparison = compared(arm_of, {"between": (0.3, 0.8)}, {"between": (0.25, 0.6)}, start="kmeans")
    assert comparison.gain_difference.value == pytest.approx(0.5 - 0.35)


def test_a_difference_below_the_margin_is_none_however_high_the_floor(arm_of):
    starts = starts_of(4, 2)
    arms = [
        replace(arm_of(name, matched(starts, between=(0.3, end)), starts), floor=0.95)
        for name, end in (("y", 0.6), ("x", 0.62))
    ]
    (comparison,) = compare_arms(arms, margin=0.03, level=0.95)
    assert comparison.outcome == "equivalent"  # .02; divided by 1 - .95 it would be .40


def test_the_published_gap_is_within_the_start_where_a_kmeans_start_would_be_shared(arm_of):
    x, y = {"between": (0.3, 0.4), "within": (1.0, 0.95)}, {"between": (0.3, 0.4), "within": (1.0, 0.85)}
    comparison = compared(arm_of, x, y, start="kmeans", spread=0.0)
    assert comparison.first_pairs == comparison.second_pairs == "within"
    assert comparison.gap.value == pytest.approx(0.1)
    assert comparison.born.value == pytest.approx(0.0)


def test_without_two_runs_of_one_start_the_published_gap_is_between_starts(arm_of):
    comparison = compared(arm_of, {"between": (0.3, 0.8)}, {"between": (0.3, 0.6)}, start="kmeans", n_runs=1)
    assert comparison.first_pairs == "between"
    assert comparison.gap.value == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("ends", "outcome", "words"),
    [
        ((0.8, 0.6), "advantage", "x gains more"),
        ((0.6, 0.8), "disadvantage", "x gains less"),
        ((0.7, 0.701), "equivalent", "x gains as much, within the margin"),
    ],
)
def test_arms_get_the_word_that_their_gains_allow(arm_of, ends, outcome, words):
    comparison = compared(arm_of, *({"between": (0.3, end)} for end in ends))
    assert comparison.outcome == outcome
    assert words in comparison.sentence
    assert comparison.runs_to_decide is None


def test_at_a_common_r2_the_arm_that_fits_better_is_read_where_it_fitted_as_well(arm_of):
    starts = starts_of(4, 2)
    x = arm_of("x", matched(starts, between=(0.3, 0.8)), starts, r2=0.8)
    y = arm_of("y", matched(starts, between=(0.3, 0.6)), starts, r2=0.5)
    (comparison,) = compare_arms([y, x], margin=0.03, level=0.95)
    assert comparison.common_r2 == pytest.approx(0.5)
    # x is at 5/8 of its way: it gained 5/8 of .5, beside all of .3
    assert comparison.gain_difference.value == pytest.approx(0.5 - 0.3, abs=0.02)
    at_common_r2 = comparison.gain_difference_at_common_r2
    assert at_common_r2.value == pytest.approx(0.5 * 5 / 8 - 0.3, abs=0.02)
    assert comparison.outcome == "advantage"
    assert comparison.outcome_at_common_r2 != "advantage"
    assert "Up to an R² of .50, the most that both reach, x" in comparison.sentence


def test_arms_of_the_same_fit_differ_at_a_common_r2_as_they_do_at_the_end(arm_of):
    comparison = compared(arm_of, {"between": (0.3, 0.8)}, {"between": (0.3, 0.6)})
    assert comparison.gain_difference_at_common_r2 == comparison.gain_difference
    assert comparison.outcome_at_common_r2 == comparison.outcome


def test_too_wide_a_spread_is_inconclusive_with_the_starts_that_would_decide(arm_of):
    x, y = {"between": (0.3, 0.7), "chance": 1, "spread": 0.1}, {"between": (0.3, 0.6), "chance": 2, "spread": 0.1}
    comparison = compared(arm_of, x, y)
    assert comparison.outcome == "inconclusive"
    assert comparison.runs_to_decide is None
    assert comparison.would_decide == "more than 12 starts per arm"
    assert "x cannot be told from it" in comparison.sentence
    assert "; more than 12 starts per arm would decide." in comparison.sentence


def test_few_more_starts_that_would_decide_are_named(arm_of):
    x, y = {"between": (0.3, 0.7), "chance": 1, "spread": 0.04}, {"between": (0.3, 0.62), "chance": 2, "spread": 0.04}
    comparison = compared(arm_of, x, y)
    assert comparison.outcome == "inconclusive"
    assert 4 < comparison.runs_to_decide <= 12
    assert comparison.would_decide == f"about {comparison.runs_to_decide} starts per arm"


def test_arms_that_threw_the_same_dice_are_compared_start_by_start(arm_of):
    x, y = {"between": (0.3, 0.7)}, {"between": (0.3, 0.6)}
    same = compared(arm_of, x, y, spread=0.1)  # what makes a start agree well makes it do so in both arms
    other = compared(arm_of, x, y | {"chance": 2}, spread=0.1)
    assert same.gap.value == pytest.approx(0.1)
    assert same.gap.standard_error < 1e-6 < other.gap.standard_error


def test_an_arm_that_lost_a_run_is_compared_as_another_sample(arm_of):
    starts = starts_of(4, 2)
    x = arm_of("x", matched(starts, between=(0.3, 0.8)), starts)
    y = arm_of("y", matched(starts[1:], between=(0.3, 0.6)), starts[1:])
    (comparison,) = compare_arms([y, x], margin=0.03, level=0.95)
    assert comparison.outcome == "advantage"
    assert (comparison.gap.unit, comparison.gap.n_units) == ("start", 4)
    assert comparison.gap.value == pytest.approx(0.2, abs=0.02)


def test_arms_of_one_start_cannot_be_told_apart_in_what_they_gain_between_starts(arm_of):
    comparison = compared(arm_of, {"between": (0.3, 0.8)}, {"between": (0.3, 0.6)}, n_starts=1)
    assert comparison.outcome == "inconclusive"
    assert math.isnan(comparison.gain_difference.value)
    assert comparison.runs_to_decide is None
    assert comparison.would_decide == "at least three starts per arm"
    assert "n/a" in comparison.sentence


def test_unlike_starts_are_called_unlike_and_get_no_word(arm_of):
    starts = starts_of(4, 2)
    x, y = (arm_of(kind, matched(starts, between=(0.3, 0.8)), starts, kind) for kind in ("kmeans", "random"))
    (comparison,) = compare_arms([y, x], margin=0.03, level=0.95)
    assert not comparison.like_with_like
    assert (comparison.first_pairs, comparison.second_pairs) == ("within", "between")
    assert comparison.outcome == comparison.outcome_at_common_r2 == "not compared"
    assert comparison.unlike == "k-means against random starts"
    assert "not like with like (k-means against random starts)" in comparison.sentence
    assert not comparison.would_decide


def test_arms_without_pairs_or_under_other_preprocessings_are_not_compared(arm_of):
    starts = starts_of(4, 2)
    numbers = matched(starts, between=(0.3, 0.8))
    here, there = arm_of("a", numbers, starts), arm_of("b", numbers, starts, preprocess="centre")
    assert compare_arms([here, there, replace(here, pairs=None)], margin=0.03, level=0.95) == ()


def test_three_arms_are_three_comparisons_the_later_against_the_earlier(arm_of):
    starts = starts_of(4, 2)
    three = [arm_of(name, matched(starts, between=(0.3, 0.8)), starts) for name in "abc"]
    named = [(each.first, each.second) for each in compare_arms(three, margin=0.03, level=0.95)]
    assert named == [("b", "a"), ("c", "a"), ("c", "b")]


def named(arms, **study):
    return [(each.first, each.second) for each in compare_arms(arms, margin=0.03, level=0.95, study=study)]


def several(arm_of, *names_and_starts):
    starts = starts_of(4, 2)
    return [arm_of(name, matched(starts, between=(0.3, 0.8)), starts, kind) for name, kind in names_and_starts]


def test_more_than_three_arms_are_compared_with_the_first_and_with_the_first_that_they_are_like(arm_of):
    arms = several(arm_of, ("a", "random"), ("b", "kmeans"), ("c", "random"), ("d", "kmeans"), ("e", "data"))
    assert named(arms) == [("b", "a"), ("c", "a"), ("d", "a"), ("d", "b"), ("e", "a")]


def test_comparisons_grow_with_the_arms_and_not_with_their_square(arm_of):
    arms = several(arm_of, *((f"arm{i}", ("random", "kmeans")[i % 2]) for i in range(10)))
    assert len(named(arms)) < 2 * len(arms) < len(named(arms, reference="*")) == 45


def test_a_study_names_the_reference(arm_of):
    arms = several(arm_of, ("a", "random"), ("b", "random"), ("c", "random"))
    assert named(arms, reference="b") == [("a", "b"), ("c", "b")]
    assert named([arms[0], replace(arms[1], pairs=None), arms[2]], reference="b") == []


def test_a_study_asks_for_comparisons(arm_of):
    arms = several(arm_of, *((name, "random") for name in "abcde"))
    assert named(arms, compare=[["a", "e"], ["d", "b"]]) == [("a", "e"), ("d", "b")]
