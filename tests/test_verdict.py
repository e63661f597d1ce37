"""Every outcome from evidence made by hand, and what must never be said."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reseed.spec import Thresholds
from reseed.statistics import Estimate, floor_adjusted
from reseed.verdict import Evidence, Limits, Outcome, judge

LIMITS = Limits(**Thresholds().model_dump(exclude={"level"}))
NOTHING = Estimate(math.nan, math.nan, 2.0, 3, "run", reason="all runs share one start")


def about(value, half_width=0.01, *, unit="start", n_units=4):
    """An estimate whose interval reaches `half_width` to both sides."""
    unscaled = Estimate(0.0, 1.0, float(n_units - 1), n_units, unit)
    return replace(unscaled, value=value, standard_error=half_width / unscaled.high)


def evidence(within, born, between, *, floor=0.4, half_width=0.01, unit="start", **more):
    """Four starts of two runs that went from `born` to `between`, with intervals of the same width on every scale."""
    adjusted, gained = floor_adjusted(between, floor), floor_adjusted(between, floor) - floor_adjusted(born, floor)
    known = {
        "n_runs": 8,
        "init_groups": 4 if unit == "start" else 2,
        "r2": 0.8,
        "within": about(within, half_width, unit=unit),
        "between_first": about(born, half_width, unit=unit),
        "between": about(between, half_width, unit=unit),
        "gain": about(between - born, half_width, unit=unit),
        "floor": floor,
        "floor_name": "k-means",
        "floor_error": 0.001,
        "adjusted": about(adjusted, half_width, unit=unit),
        "adjusted_gain": about(gained, half_width, unit=unit),
        "retention": 0.6,
        "memory": (within - between) / (1 - born),
    }
    return Evidence(**known | more)


def born_identical(within, *, floor=0.4, half_width=0.01, **more):
    """Four runs of one init group: there is nothing between starts."""
    nothing = dict.fromkeys(("between_first", "between", "gain", "adjusted", "adjusted_gain"), NOTHING)
    known = {"n_runs": 4, "init_groups": 1, "within": about(within, half_width, unit="run"), "memory": math.nan}
    return replace(evidence(0.9, 0.4, 0.5, floor=floor), **nothing | known | more)


CASES = {
    Outcome.CONVERGENT: evidence(0.99, 0.3, 0.98),
    Outcome.STABILIZING: evidence(0.75, 0.3, 0.7),
    Outcome.INHERITED: evidence(0.8, 0.4, 0.41),
    Outcome.FROZEN: evidence(0.99, 0.4, 0.4, retention=0.995),
    Outcome.DIVERGING: evidence(0.45, 0.5, 0.43),
    Outcome.UNSTABLE: evidence(0.45, 0.4, 0.41),
    Outcome.NOT_FITTED: evidence(0.99, 0.3, 0.98, r2=0.1),
    Outcome.NOT_TESTABLE: evidence(0.99, 0.3, 0.98, n_runs=1),
    Outcome.INCONCLUSIVE: evidence(0.7, 0.3, 0.6, half_width=0.8),
}
BORN_IDENTICAL_CASES = {
    Outcome.INHERITED: born_identical(0.8),
    Outcome.FROZEN: born_identical(0.99, retention=0.995),
    Outcome.DIVERGING: born_identical(0.5),
    Outcome.NOT_FITTED: born_identical(0.8, r2=math.nan),
    Outcome.INCONCLUSIVE: born_identical(0.55, half_width=0.6),
}


def test_the_cases_are_all_outcomes():
    assert set(CASES) == set(Outcome)
    assert len(Outcome) == 9


@pytest.mark.parametrize("outcome", CASES)
def test_every_outcome_is_reached(outcome):
    assert judge(CASES[outcome], LIMITS).outcome == outcome


@pytest.mark.parametrize("outcome", BORN_IDENTICAL_CASES)
def test_runs_born_identical_get_their_outcome(outcome):
    assert judge(BORN_IDENTICAL_CASES[outcome], LIMITS).outcome == outcome


@pytest.mark.parametrize("case", [*CASES.values(), *BORN_IDENTICAL_CASES.values()])
def test_a_verdict_is_one_sentence_with_a_condition_that_would_change_it(case):
    judgement = judge(case, LIMITS)
    for text in (judgement.sentence, judgement.would_change):
        assert text[0].isupper() or text[0].isdigit()
        assert text.endswith(".")
        assert not text.endswith("..")
        assert "nan" not in text
        assert "n/a" not in text or not case.r2 >= 0


shares = st.one_of(st.floats(0, 1), st.just(math.nan))


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.tuples(shares, shares, shares, shares, shares), st.floats(0, 1))
def test_runs_born_identical_never_stabilize_or_converge(drawn, floor):
    within, between, gain, r2, retention = drawn
    claims = {"between": about(between), "adjusted": about(between), "adjusted_gain": about(gain), "gain": about(gain)}
    case = replace(born_identical(within, floor=floor, r2=r2, retention=retention), **claims)
    judgement = judge(case, LIMITS)
    assert judgement.outcome not in {Outcome.STABILIZING, Outcome.CONVERGENT}
    assert "came together" not in judgement.sentence
    assert "one dictionary" not in judgement.sentence


@pytest.mark.parametrize("outcome", [Outcome.CONVERGENT, Outcome.STABILIZING])
def test_two_starts_never_stabilize_or_converge_for_none_of_them_can_be_left_out(outcome):
    case = replace(CASES[outcome], init_groups=2, between=replace(CASES[outcome].between, unit="run"))
    judgement = judge(case, LIMITS)
    assert judgement.outcome == Outcome.INCONCLUSIVE
    assert judgement.would_change == "At least three independent starts."


def test_convergence_needs_the_whole_interval_above_its_threshold():
    just = evidence(0.99, 0.3, 0.98, adjusted=about(LIMITS.convergent + 0.02, 0.02))
    assert judge(just, LIMITS).outcome == Outcome.CONVERGENT
    short = replace(just, adjusted=about(LIMITS.convergent + 0.02, 0.021))
    assert judge(short, LIMITS).outcome == Outcome.STABILIZING


def test_convergence_needs_a_gain():
    born_there = evidence(0.99, 0.98, 0.98, retention=0.5)
    assert judge(born_there, LIMITS).outcome == Outcome.UNSTABLE


@pytest.mark.parametrize(
    ("half_width", "outcome"), [(0.05, Outcome.STABILIZING), (0.07, Outcome.INCONCLUSIVE), (0.2, Outcome.INCONCLUSIVE)]
)
def test_stabilizing_needs_the_whole_gain_above_the_margin(half_width, outcome):
    case = evidence(0.62, 0.45, 0.6, adjusted_gain=about(LIMITS.margin + 0.06, half_width))
    assert judge(case, LIMITS).outcome == outcome


def test_stabilizing_needs_the_whole_agreement_above_the_floor():
    case = evidence(0.45, 0.1, 0.41, adjusted=about(0.01, 0.015))
    assert judge(case, LIMITS).outcome == Outcome.UNSTABLE
    assert "not beyond the floor" in judge(case, LIMITS).sentence


@pytest.mark.parametrize(
    ("gain", "half_width", "outcome"),
    [
        (-0.09, 0.05, Outcome.DIVERGING),
        (-0.09, 0.07, Outcome.UNSTABLE),  # apart as before or further, but not closer
        (-0.09, 0.13, Outcome.INCONCLUSIVE),
    ],
)
def test_diverging_needs_the_whole_gain_below_the_margin(gain, half_width, outcome):
    case = evidence(0.6, 0.55, 0.6, adjusted_gain=about(gain, half_width), memory=0.1)
    assert judge(case, LIMITS).outcome == outcome


def test_inherited_needs_runs_of_one_start_closer_than_runs_of_two():
    apart = evidence(0.8, 0.4, 0.41)
    overlapping = replace(apart, within=about(0.42, 0.02), memory=0.9)
    assert judge(apart, LIMITS).outcome == Outcome.INHERITED
    assert judge(overlapping, LIMITS).outcome != Outcome.INHERITED


@pytest.mark.parametrize("r2", [0.2999, math.nan, -math.inf])
def test_a_condition_that_does_not_fit_is_not_judged_whatever_its_agreement(r2):
    judgement = judge(replace(CASES[Outcome.CONVERGENT], r2=r2), LIMITS)
    assert judgement.outcome == Outcome.NOT_FITTED
    assert ".30, below .30" not in judgement.sentence


def test_at_its_threshold_a_condition_fits():
    assert judge(replace(CASES[Outcome.CONVERGENT], r2=LIMITS.min_r2), LIMITS).outcome == Outcome.CONVERGENT


def test_where_the_floor_is_what_is_not_known_more_draws_of_it_are_asked_for():
    unsure = evidence(0.7, 0.3, 0.6, adjusted=about(0.02, 0.05), floor_error=0.02, memory=0.1)
    assert judge(unsure, LIMITS).outcome == Outcome.INCONCLUSIVE
    assert judge(unsure, LIMITS).would_change.startswith("More draws of the floor")
    assert "starts" in judge(replace(unsure, floor_error=0.0), LIMITS).would_change


@pytest.mark.parametrize("half_width", [0.1, 0.3, 0.9])
def test_an_open_verdict_says_how_many_starts_would_close_it(half_width):
    unsure = {"adjusted": about(0.33, 2), "adjusted_gain": about(0.05, half_width)}
    judgement = judge(evidence(0.7, 0.3, 0.6, half_width=half_width, **unsure), LIMITS)
    assert judgement.outcome == Outcome.INCONCLUSIVE
    starts = int(judgement.would_change.split()[1])
    assert starts == math.ceil(4 * (half_width / 0.02) ** 2)


def test_a_floor_is_called_as_the_evidence_calls_it():
    assert "the k-means floor is .40" in judge(CASES[Outcome.STABILIZING], LIMITS).sentence
    assert "the step-0 floor is" in judge(replace(CASES[Outcome.STABILIZING], floor_name="step-0"), LIMITS).sentence
