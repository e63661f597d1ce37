"""Every outcome from evidence made by hand, and what must never be said."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reseed import statistics
from reseed._support.numbers import MINUS
from reseed.spec import Thresholds
from reseed.statistics import Estimate
from reseed.verdict import Evidence, MeasureEvidence, Null, Outcome, Peak, Reason, judge

LIMITS = Thresholds().limits
NOTHING = Estimate(math.nan, math.nan, 2.0, 3, "run", reason="all runs share one start")
GIVES = {"surrogate": "mean, covariance and lengths of these activations", "isotropic": "random directions"}


def about(value, half_width=0.01, *, unit="start", n_units=4):
    """An estimate whose interval reaches `half_width` to both sides."""
    unscaled = Estimate(0.0, 1.0, float(n_units - 1), n_units, unit)
    return replace(unscaled, value=value, standard_error=half_width / unscaled.high)


def null(first, between, contraction, *, value, born=None, name="surrogate", error=0.001):
    """A null of this value at the end; of the surrogate, whose runs began at `born`, with its contraction."""
    known = Estimate(value, error, 2.0, 3, "start")
    own = None if born is None else Estimate((1 - value) / (1 - born), error / (1 - born), 2.0, 3, "start")
    return Null(
        name=name,
        gives=GIVES[name],
        value=value,
        standard_error=error,
        adjusted=statistics.beyond(between, known),
        born=statistics.beyond(first, known),
        contraction=own.value if own else math.nan,
        slower=statistics.contrast(contraction, own) if own else None,
    )


def measured(within, born, between, *, surrogate=(0.15, 0.25), half_width=0.01, error=0.001, **more):
    """A measure that went from `born` to `between`, on a surrogate from one value to another; None is no surrogate."""
    first, last = about(born, half_width), about(between, half_width)
    room = max(1 - born, 1e-9)
    contraction = about((1 - between) / room, half_width / room)
    known = {
        "title": "matched agreement",
        "within": about(within, half_width),
        "first": first,
        "between": last,
        "gain": about(between - born, half_width),
        "contraction": contraction,
        "memory": (within - between) / room,
        "halfway": 50,
        "late": about(0.1, half_width),
        "late_within": about(0.0, half_width),
    } | more
    ends = (known["first"], known["between"], known["contraction"])
    nulls = [null(*ends, value=0.1, name="isotropic", error=0.0)]
    if surrogate is not None:
        nulls.append(null(*ends, value=surrogate[1], born=surrogate[0], error=error))
    return MeasureEvidence(**{"nulls": tuple(nulls)} | known)


def codes(between=0.6, gain=0.5, *, surrogate=0.07, half_width=0.02):
    """Code agreement, whose one null is its own value on the surrogate."""
    made = measured(0.9, between - gain, between, surrogate=(0.0, surrogate), half_width=half_width)
    return replace(made, nulls=made.nulls[1:])


CONDITION = (
    *("n_runs", "init_groups", "r2", "retention", "alive", "code", "kmeans", "has_rate", "samples"),
    "determined",
)


def evidence(within, born, between, **more):
    """Four starts of two runs, all of whose atoms are alive and used alike."""
    known = {
        "n_runs": 8,
        "init_groups": 4,
        "r2": 0.8,
        "retention": 0.6,
        "code": codes(),
        "kmeans": 0.8,
    }
    known |= {name: more.pop(name) for name in CONDITION if name in more}
    return Evidence(agreement=measured(within, born, between, **more), **known)


def born_identical(within, *, half_width=0.01, surrogate=(0.15, 0.4), **more):
    """Four runs of one init group: there is nothing between starts."""
    nothing = dict.fromkeys(("first", "between", "gain", "contraction", "late"), NOTHING)
    made = evidence(within, 0.4, 0.5, surrogate=surrogate, n_runs=4, init_groups=1, **more)
    agreement = replace(
        made.agreement, **nothing, within=about(within, half_width, unit="run"), memory=math.nan, peak=None
    )
    return replace(made, agreement=agreement)


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
BECAUSE = {
    Reason.DETERMINED: evidence(1.0, 0.1, 1.0, determined=True),
    Reason.NOT_TOGETHER: evidence(0.45, 0.2, 0.21),
    Reason.BORN_SO: evidence(0.45, 0.4, 0.41),
    Reason.ONLY_AS_FAR: evidence(0.3, 0.15, 0.27, surrogate=(0.15, 0.27)),
    Reason.NO_FASTER: evidence(0.72, 0.6, 0.7056, surrogate=(0.47, 0.61), half_width=0.005),
    Reason.NO_SURROGATE: evidence(0.75, 0.3, 0.7, surrogate=None),
    Reason.NOT_IN_USE: evidence(0.75, 0.3, 0.7, code=codes(0.08, 0.07)),
    Reason.NO_ROOM: evidence(0.99, 0.98, 0.98),
    Reason.FEW_STARTS: evidence(0.75, 0.3, 0.7, init_groups=2, half_width=math.nan),
    Reason.GAIN_OPEN: evidence(0.65, 0.55, 0.6, half_width=0.03, memory=0.1),
    Reason.NULL_OPEN: evidence(0.45, 0.15, 0.4, surrogate=(0.15, 0.36), half_width=0.05),
    Reason.PACE_OPEN: evidence(0.72, 0.6, 0.72, surrogate=(0.47, 0.61), half_width=0.03),
}
ALL = [*CASES.values(), *BORN_IDENTICAL_CASES.values(), *BECAUSE.values()]


def test_the_cases_are_all_outcomes_and_all_reasons():
    assert set(CASES) == set(Outcome)
    assert len(Outcome) == 9
    assert set(BECAUSE) == set(Reason) - {Reason.NONE, Reason.AMONG_MANY}  # no rule knows of other conditions


@pytest.mark.parametrize("outcome", CASES)
def test_every_outcome_is_reached(outcome):
    assert judge(CASES[outcome], LIMITS).outcome == outcome


@pytest.mark.parametrize("outcome", BORN_IDENTICAL_CASES)
def test_runs_born_identical_get_their_outcome(outcome):
    assert judge(BORN_IDENTICAL_CASES[outcome], LIMITS).outcome == outcome


@pytest.mark.parametrize("because", BECAUSE)
def test_unstable_and_inconclusive_say_which_reason_they_have(because):
    judgement = judge(BECAUSE[because], LIMITS)
    assert judgement.because == because
    of_one_solution = {Outcome.INHERITED} if because == Reason.DETERMINED else set()
    assert judgement.outcome in (of_one_solution or {Outcome.UNSTABLE, Outcome.INCONCLUSIVE})


@pytest.mark.parametrize("case", ALL)
def test_a_verdict_is_one_sentence_with_a_condition_that_would_change_it(case):
    judgement = judge(case, LIMITS)
    for text in (judgement.sentence, judgement.would_change):
        assert text[0].isupper() or text[0].isdigit()
        assert text.endswith(".")
        assert not text.endswith("..")
        assert "nan" not in text
        assert "n/a" not in text or not case.r2 >= 0


@pytest.mark.parametrize("case", ALL)
def test_every_sentence_about_agreement_says_whether_it_is_about_one_sample(case):
    if judge(case, LIMITS).outcome == Outcome.NOT_TESTABLE:
        return
    assert judge(case, LIMITS).sentence.count("on one sample of activations") == 1
    assert "on several samples of activations" in judge(replace(case, samples="several"), LIMITS).sentence


shares = st.one_of(st.floats(0, 1), st.just(math.nan))


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.tuples(shares, shares, shares, shares, shares), st.floats(0, 0.99))
def test_runs_born_identical_never_stabilize_or_converge(drawn, floor):
    within, between, gain, r2, retention = drawn
    case = born_identical(within, surrogate=(0.1, floor), r2=r2, retention=retention)
    agreement = replace(case.agreement, between=about(between), gain=about(gain))
    judgement = judge(replace(case, agreement=agreement), LIMITS)
    assert judgement.outcome not in {Outcome.STABILIZING, Outcome.CONVERGENT}
    assert "came together" not in judgement.sentence
    assert "one dictionary" not in judgement.sentence


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.tuples(shares, shares, shares), st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)), st.floats(1e-4, 0.5))
def test_no_claim_is_made_beyond_its_null_its_margin_and_its_own_contraction(drawn, surrogate, half_width):
    case = evidence(*drawn, surrogate=surrogate, half_width=half_width)
    judgement = judge(case, LIMITS)
    if judgement.outcome == Outcome.STABILIZING:
        beyond = case.agreement.between.low - max(surrogate[1], 0.1)
        assert beyond > 0
        assert case.agreement.gain.low > LIMITS.margin
        assert case.agreement.contraction.high < (1 - surrogate[1]) / (1 - surrogate[0])
    if judgement.outcome == Outcome.CONVERGENT:
        assert case.agreement.between.low > LIMITS.convergent * (1 - surrogate[1]) + surrogate[1] - 1e-9
        assert case.agreement.gain.low > 0


@pytest.mark.parametrize("ends", [(0.99, 0.3, 0.98), (0.75, 0.3, 0.7), (0.8, 0.4, 0.41), (0.45, 0.5, 0.43)])
def test_two_starts_get_no_word_for_none_of_them_can_be_left_out(ends):
    judgement = judge(evidence(*ends, init_groups=2, half_width=math.nan), LIMITS)
    assert (judgement.outcome, judgement.because) == (Outcome.INCONCLUSIVE, Reason.FEW_STARTS)
    assert judgement.sentence.startswith("Runs that started apart went ")
    assert judgement.would_change == "At least three independent starts."


# Methods with one solution, whatever the start.


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.tuples(shares, shares, shares, shares, shares), st.floats(0, 0.99), st.sampled_from(["between", "within"]))
def test_a_method_with_one_solution_is_never_said_to_come_together_on_one_sample(drawn, surrogate, which):
    within, born, between, r2, retention = drawn
    case = evidence(within, born, between, surrogate=(0.1, surrogate), r2=r2, retention=retention, determined=True)
    if which == "within":
        case = replace(born_identical(within, r2=r2, retention=retention), determined=True)
    judgement = judge(case, LIMITS)
    assert judgement.outcome in {Outcome.INHERITED, Outcome.NOT_FITTED}
    assert "came together" not in judgement.sentence
    if judgement.outcome == Outcome.INHERITED:
        assert judgement.because == Reason.DETERMINED
        assert 'data = "start"' in judgement.would_change


def test_the_sentence_of_one_solution_has_its_numbers_and_says_what_they_are_not():
    assert judge(BECAUSE[Reason.DETERMINED], LIMITS).sentence == (
        "Agreement is inherited from determinism: this method has one solution for given activations, whatever the "
        "start; that its runs agree (.10 → 1.00 [.99, 1.01] on one sample of activations) says nothing about the "
        "activations."
    )
    apart = evidence(1.0, 0.1, 0.8, determined=True)
    assert "as far as they differ, they read these in another order" in judge(apart, LIMITS).sentence


def test_atoms_that_began_as_the_one_solution_are_not_frozen():
    assert judge(replace(CASES[Outcome.FROZEN], determined=True), LIMITS).because == Reason.DETERMINED
    halves = judge(replace(CASES[Outcome.FROZEN], determined=True, samples="several"), LIMITS)
    assert halves.outcome == Outcome.UNSTABLE


@pytest.mark.parametrize("outcome", [Outcome.CONVERGENT, Outcome.STABILIZING, Outcome.DIVERGING])
def test_over_disjoint_samples_one_solution_is_judged_like_any_other(outcome):
    halves = judge(replace(CASES[outcome], determined=True, samples="several"), LIMITS)
    assert halves.outcome == outcome
    assert "the start still decides" not in halves.sentence


def test_over_disjoint_samples_runs_of_one_start_that_read_the_same_inherit_nothing():
    """W(T) is 1 where a start reads one part: it is what they read, and no start, that they have in common."""
    kept = evidence(1.0, 0.4, 0.41, memory=1.0, samples="several")
    assert judge(kept, LIMITS).outcome == Outcome.INHERITED
    determined = judge(replace(kept, determined=True), LIMITS)
    assert determined.outcome == Outcome.UNSTABLE
    assert "onger training" not in determined.would_change


# Nulls forbid, references are shown.


def test_the_sentence_tells_the_way_from_the_null_and_what_k_means_agrees():
    case = evidence(0.75, 0.12, 0.67, surrogate=(0.12, 0.23), half_width=0.025)
    assert judge(case, LIMITS).sentence == (
        "Runs that started apart came together: .12 → .67 [.65, .70] on one sample of activations, 57 % of the way "
        "from what mean, covariance and lengths of these activations give (.23) to one dictionary; k-means agrees .80."
    )


@pytest.mark.parametrize("kmeans", [0.1, 0.72, 0.99, math.nan])
def test_what_k_means_agrees_forbids_nothing(kmeans):
    judgement = judge(replace(CASES[Outcome.STABILIZING], kmeans=kmeans), LIMITS)
    assert judgement.outcome == Outcome.STABILIZING
    assert ("k-means" in judgement.sentence) == (not math.isnan(kmeans))


def test_dictionaries_that_found_most_planted_atoms_are_not_said_to_have_learnt_nothing():
    """102 and 101 of 128 planted atoms, 85 of them shared; k-means, which found 106 to 109, agrees more."""
    planted = evidence(0.86, 0.25, 0.85, surrogate=(0.25, 0.3), kmeans=0.89)
    judgement = judge(planted, LIMITS)
    assert judgement.outcome == Outcome.STABILIZING
    assert "79 % of the way" in judgement.sentence
    assert "k-means agrees .89" in judgement.sentence
    assert not {"no evidence", "untrained", "floor"} & set(judgement.sentence.split())


REAL = {
    ("MiniLM 5", "TopK random"): (0.15, 0.60, 0.52),
    ("MiniLM 5", "RA-TopK k-means"): (0.73, 0.66, 0.54),
    ("MiniLM 5", "ReLU data"): (0.61, 0.66, 0.50),
    ("SmolLM2 20", "TopK random"): (0.12, 0.69, 0.64),
    ("SmolLM2 20", "RA-TopK k-means"): (0.72, 0.68, 0.63),
    ("SmolLM2 20", "ReLU data"): (0.49, 0.81, 0.72),
}
SURROGATE = {
    ("MiniLM 5", "TopK random"): (0.15, 0.27, 0.07),
    ("MiniLM 5", "RA-TopK k-means"): (0.47, 0.61, 0.08),
    ("MiniLM 5", "ReLU data"): (0.34, 0.37, 0.22),
    ("SmolLM2 20", "TopK random"): (0.12, 0.24, 0.07),
    ("SmolLM2 20", "RA-TopK k-means"): (0.40, 0.58, 0.10),
    ("SmolLM2 20", "ReLU data"): (0.29, 0.36, 0.15),
}
WORDS = {
    ("MiniLM 5", "TopK random"): Outcome.STABILIZING,
    ("MiniLM 5", "RA-TopK k-means"): Outcome.DIVERGING,
    ("MiniLM 5", "ReLU data"): Outcome.STABILIZING,
    ("SmolLM2 20", "TopK random"): Outcome.STABILIZING,
    ("SmolLM2 20", "RA-TopK k-means"): Outcome.DIVERGING,
    ("SmolLM2 20", "ReLU data"): Outcome.STABILIZING,
}


def layer(path, nothing):
    """Between starts, on a layer of a language model, where those of one start stay a little closer."""
    born, last, used = path
    made = codes(used, used - 0.05, surrogate=nothing[2])
    return evidence(last + 0.02, born, last, surrogate=nothing[:2], code=made, half_width=0.008)


@pytest.mark.parametrize("where", REAL)
def test_on_real_layers_the_word_comes_from_the_nulls(where):
    assert judge(layer(REAL[where], SURROGATE[where]), LIMITS).outcome == WORDS[where]


@pytest.mark.parametrize("where", SURROGATE)
def test_on_their_surrogates_nothing_is_said_to_stabilize(where):
    judgement = judge(layer(SURROGATE[where], SURROGATE[where]), LIMITS)
    assert judgement.outcome == Outcome.UNSTABLE or judgement.because == Reason.GAIN_OPEN
    if where[1] == "TopK random":
        assert judgement.because == Reason.ONLY_AS_FAR
        assert judgement.sentence.startswith(
            "Runs that started apart came together only as far as mean, covariance and lengths of these activations "
        )


def test_a_recipe_that_contracts_rows_without_structure_as_much_has_not_made_them_stable():
    """RA-TopK from k-means starts on structureless rows: kappa .74, from a start that is beyond another surrogate."""
    same_pace = evidence(0.72, 0.6, 0.704, surrogate=(0.47, 0.61), half_width=0.005)
    judgement = judge(same_pace, LIMITS)
    assert (judgement.outcome, judgement.because) == (Outcome.UNSTABLE, Reason.NO_FASTER)
    assert "no faster than mean, covariance and lengths of these activations take this recipe" in judgement.sentence
    assert ".74 of their distance at step 0 is left, and .74 there" in judgement.sentence
    faster = evidence(0.72, 0.6, 0.76, surrogate=(0.47, 0.61), half_width=0.005)
    assert judge(faster, LIMITS).outcome == Outcome.STABILIZING


@pytest.mark.parametrize(("last", "because"), [(0.704, Reason.NO_FASTER), (0.72, Reason.PACE_OPEN), (0.74, "")])
def test_that_it_was_no_faster_is_claimed_within_the_margin_only(last, because):
    case = evidence(0.75, 0.6, last, surrogate=(0.47, 0.61), half_width=0.016)
    assert judge(case, LIMITS).because == because


@pytest.mark.parametrize(("last", "because"), [(0.41, Reason.ONLY_AS_FAR), (0.44, Reason.NULL_OPEN), (0.47, "")])
def test_that_it_came_only_as_far_is_claimed_within_the_margin_only(last, because):
    widths = {Reason.ONLY_AS_FAR: 0.02, Reason.NULL_OPEN: 0.04, "": 0.02}
    case = evidence(0.48, 0.1, last, surrogate=(0.3, 0.41), half_width=widths[because])
    assert judge(case, LIMITS).because == because


def test_the_error_of_the_surrogate_counts():
    known = evidence(0.6, 0.3, 0.55, surrogate=(0.4, 0.5), error=0.001)
    unsure = evidence(0.6, 0.3, 0.55, surrogate=(0.4, 0.5), error=0.03)
    assert judge(known, LIMITS).outcome == Outcome.STABILIZING
    assert judge(unsure, LIMITS).because == Reason.NULL_OPEN
    assert judge(unsure, LIMITS).would_change.startswith("More starts of the surrogate")


@pytest.mark.parametrize("outcome", [Outcome.STABILIZING, Outcome.CONVERGENT])
def test_without_a_surrogate_a_word_that_needs_one_is_withheld_and_the_sentence_says_how_to_have_it(outcome):
    case = CASES[outcome]
    without = replace(case.agreement, nulls=case.agreement.nulls[:1])
    judgement = judge(replace(case, agreement=without), LIMITS)
    assert (judgement.outcome, judgement.because) == (Outcome.INCONCLUSIVE, Reason.NO_SURROGATE)
    assert "this study has no surrogate" in judgement.sentence
    assert 'floors.surrogate = "elliptical"' in judgement.would_change


@pytest.mark.parametrize("outcome", [Outcome.INHERITED, Outcome.FROZEN, Outcome.DIVERGING, Outcome.UNSTABLE])
def test_without_a_surrogate_the_other_words_stand(outcome):
    case = CASES[outcome]
    without = replace(case.agreement, nulls=case.agreement.nulls[:1])
    assert judge(replace(case, agreement=without), LIMITS).outcome == outcome


def test_below_its_null_an_agreement_is_told_as_a_ratio_of_distances_and_never_below_zero():
    far = evidence(0.3, 0.15, 0.22, surrogate=(0.15, 0.4))
    assert "1.3 times as far apart as mean, covariance and lengths of these activations give (.40)" in (
        judge(far, LIMITS).sentence
    )
    hardly = evidence(0.5, 0.15, 0.39, surrogate=(0.15, 0.4))
    assert "1.02 times as far apart" in judge(hardly, LIMITS).sentence
    assert MINUS not in judge(far, LIMITS).sentence + judge(hardly, LIMITS).sentence


# The word of each rule, at its threshold.


def test_convergence_needs_the_whole_interval_above_its_threshold():
    just = evidence(0.99, 0.3, 0.2 + 0.8 * 0.92, surrogate=(0.15, 0.2), half_width=0.8 * 0.019)
    assert judge(just, LIMITS).outcome == Outcome.CONVERGENT
    short = evidence(0.99, 0.3, 0.2 + 0.8 * 0.92, surrogate=(0.15, 0.2), half_width=0.8 * 0.021)
    assert judge(short, LIMITS).outcome == Outcome.STABILIZING


@pytest.mark.parametrize(("born", "outcome"), [(0.965, Outcome.UNSTABLE), (0.94, Outcome.CONVERGENT)])
def test_convergence_needs_a_gain(born, outcome):
    assert judge(evidence(0.99, born, 0.965, half_width=0.004, memory=0.1), LIMITS).outcome == outcome


@pytest.mark.parametrize(
    ("half_width", "outcome"),
    [(0.05, Outcome.STABILIZING), (0.07, Outcome.INCONCLUSIVE), (0.2, Outcome.INCONCLUSIVE)],
)
def test_stabilizing_needs_the_whole_gain_above_the_margin_in_raw_agreement(half_width, outcome):
    case = evidence(0.62, 0.5, 0.6, gain=about(LIMITS.margin + 0.06, half_width), memory=0.1)
    assert judge(case, LIMITS).outcome == outcome


@pytest.mark.parametrize(
    ("gain", "half_width", "outcome"),
    [
        (-0.09, 0.05, Outcome.DIVERGING),
        (-0.09, 0.07, Outcome.UNSTABLE),  # apart as before or further, but not closer
        (-0.09, 0.13, Outcome.INCONCLUSIVE),
    ],
)
def test_diverging_needs_the_whole_gain_below_the_margin(gain, half_width, outcome):
    case = evidence(0.6, 0.55, 0.6, gain=about(gain, half_width), memory=0.1)
    assert judge(case, LIMITS).outcome == outcome


@pytest.mark.parametrize("surrogate", [(0.15, 0.25), (0.15, 0.6)])
def test_inherited_needs_runs_of_one_start_closer_than_runs_of_two_wherever_b_lies(surrogate):
    apart = evidence(0.8, 0.4, 0.41, surrogate=surrogate)
    overlapping = replace(apart.agreement, within=about(0.42, 0.02), memory=0.9)
    assert judge(apart, LIMITS).outcome == Outcome.INHERITED
    assert judge(replace(apart, agreement=overlapping), LIMITS).outcome != Outcome.INHERITED


@pytest.mark.parametrize(
    ("memory", "told"),
    [
        (0.84, "; .84 of the difference at step 0 is still there."),
        (1.0, "; all of the difference at step 0 is still there."),
        (1.2, "; the difference between starts has grown to 1.20 times that at step 0."),
    ],
)
def test_what_is_left_of_the_start_is_no_more_than_all_of_it(memory, told):
    assert judge(evidence(0.95, 0.6, 0.5, memory=memory, half_width=0.15), LIMITS).sentence.endswith(told)


def test_where_a_real_gain_and_a_remembered_start_meet_the_start_still_decides():
    both = evidence(0.86, 0.3, 0.496, memory=0.52)
    judgement = judge(both, LIMITS)
    assert judgement.outcome == Outcome.STABILIZING
    assert judgement.sentence.endswith("; the start still decides (memory .52).")
    forgotten = evidence(0.6, 0.3, 0.5, memory=0.48)
    assert "the start" not in judge(forgotten, LIMITS).sentence


@pytest.mark.parametrize(("born", "last"), [(0.975, 0.99), (0.98, 0.98), (0.971, 0.99)])
def test_where_no_gain_is_possible_the_word_is_withheld(born, last):
    judgement = judge(evidence(0.99, born, last, half_width=0.001), LIMITS)
    assert (judgement.outcome, judgement.because) == (Outcome.INCONCLUSIVE, Reason.NO_ROOM)
    assert f"agreed {f'{born:.2f}'[1:]} at step 0, so that no gain beyond the margin of .03 is possible" in (
        judgement.sentence
    )


@pytest.mark.parametrize("r2", [0.2999, math.nan, -math.inf])
def test_a_condition_that_does_not_fit_is_not_judged_whatever_its_agreement(r2):
    judgement = judge(replace(CASES[Outcome.CONVERGENT], r2=r2), LIMITS)
    assert judgement.outcome == Outcome.NOT_FITTED
    assert ".30, below .30" not in judgement.sentence


def test_at_its_threshold_a_condition_fits():
    assert judge(replace(CASES[Outcome.CONVERGENT], r2=LIMITS.min_r2), LIMITS).outcome == Outcome.CONVERGENT


# Codes, and dead atoms.


@pytest.mark.parametrize("outcome", [Outcome.CONVERGENT, Outcome.STABILIZING])
@pytest.mark.parametrize(
    ("code", "said"),
    [
        (codes(0.08, 0.07), "code agreement is .08 [.06, .10], not beyond what mean, covariance"),
        (codes(0.45, -0.13), "code agreement fell by .13 [.11, .15] since step 0, to .45"),
    ],
)
def test_codes_that_do_not_agree_or_fell_withhold_the_word(outcome, code, said):
    judgement = judge(replace(CASES[outcome], code=code), LIMITS)
    assert (judgement.outcome, judgement.because) == (Outcome.INCONCLUSIVE, Reason.NOT_IN_USE)
    assert "agree in direction, not in use" in judgement.sentence
    assert said in judgement.sentence


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - {Outcome.CONVERGENT, Outcome.STABILIZING}))
def test_codes_change_no_other_word(outcome):
    assert judge(replace(CASES[outcome], code=codes(0.01, -0.5)), LIMITS).outcome == outcome


@pytest.mark.parametrize("code", [None, replace(codes(), nulls=())])
def test_codes_that_nobody_knows_withhold_nothing_and_are_said(code):
    judgement = judge(replace(CASES[Outcome.STABILIZING], code=code), LIMITS)
    assert judgement.outcome == Outcome.STABILIZING
    assert "whether they are used alike is not known" in judgement.sentence


def test_living_atoms_decide_and_the_sentence_says_what_all_would_give():
    """On a surrogate many atoms die where they were born: all atoms agree .75 there, the living .64."""
    case = evidence(0.82, 0.5, 0.8, surrogate=(0.5, 0.8), alive=measured(0.8, 0.5, 0.78, surrogate=(0.5, 0.64)))
    judgement = judge(case, LIMITS)
    assert judgement.outcome == Outcome.STABILIZING
    assert ".50 → .78 [.77, .79] between living atoms (.50 → .80 with the dead ones)" in judgement.sentence
    assert judgement.sentence.endswith("; with dead atoms counted the word would be unstable.")
    alike = replace(case, agreement=case.alive)
    assert "dead" not in judge(alike, LIMITS).sentence


# What would change it.


PEAK = Peak(20, 0.96, rise=about(0.6), fall=about(0.21, 0.03))


def test_a_curve_that_rose_and_fell_again_is_said_and_no_longer_training_is_advised():
    """Peaked at .96 at step 20 and fell to .75."""
    case = evidence(0.78, 0.73, 0.75, peak=PEAK, memory=0.1)
    judgement = judge(case, LIMITS)
    assert "; it was highest at step 20 (.96) and fell by .21 [.18, .24] from there" in judgement.sentence
    assert not judgement.would_change.startswith("Longer")
    rising = judge(evidence(0.3, 0.2, 0.21), LIMITS)
    assert rising.would_change.startswith("Longer training")


@pytest.mark.parametrize("fall", [about(0.2, 0.18), about(0.025, 0.001)])
def test_a_fall_within_its_error_or_its_margin_is_no_turn(fall):
    case = evidence(0.3, 0.2, 0.21, peak=replace(PEAK, fall=fall))
    assert "highest" not in judge(case, LIMITS).sentence


@pytest.mark.parametrize(
    ("late", "why"),
    [
        (about(0.0), "level since step 50"),
        (about(-0.2), "falling since step 50"),
    ],
)
@pytest.mark.parametrize("outcome", [Outcome.UNSTABLE, Outcome.INHERITED])
def test_longer_training_is_not_advised_where_the_curve_contradicts_it(outcome, late, why):
    case = CASES[outcome] if outcome == Outcome.INHERITED else BECAUSE[Reason.NOT_TOGETHER]
    judgement = judge(replace(case, agreement=replace(case.agreement, late=late)), LIMITS)
    assert judgement.outcome == outcome
    assert not judgement.would_change.startswith("Longer")
    assert f"not longer training: the agreement has been {why}" in judgement.would_change


def test_longer_training_is_advised_against_a_memory_that_is_still_fading():
    """B is level, and W still falls towards it."""
    case = CASES[Outcome.INHERITED]
    fading = replace(case.agreement, late=about(0.0), late_within=about(-0.2))
    assert judge(replace(case, agreement=fading), LIMITS).would_change.startswith("Longer training")


@pytest.mark.parametrize("half_width", [0.03, 0.05])
def test_an_open_verdict_says_how_many_starts_would_close_it(half_width):
    case = evidence(0.7, 0.52, 0.58, gain=about(LIMITS.margin + 0.03, half_width), memory=0.1)
    judgement = judge(case, LIMITS)
    assert judgement.because == Reason.GAIN_OPEN
    starts = int(judgement.would_change.split()[1])
    assert starts == max(5, math.ceil(4 * (half_width / 0.03) ** 2))


def test_nobody_is_asked_for_a_hundred_starts():
    case = evidence(0.7, 0.52, 0.56, gain=about(LIMITS.margin + 0.01, 0.05), memory=0.1)
    assert judge(case, LIMITS).would_change == (
        "More starts will not decide this with this spread: "
        f"the gain, .04 [{MINUS}.01, .09], is too close to the margin."
    )


@pytest.mark.parametrize("born", [evidence, born_identical])
def test_atoms_that_have_not_moved_at_all_are_frozen_however_little_they_fit(born):
    """Of a dictionary that never learns `not fitted` would say that it might."""
    places = (0.99,) if born is born_identical else (0.99, 0.4, 0.4)
    still = judge(born(*places, retention=1 - 1e-7, r2=0.05), LIMITS)
    assert still.outcome == Outcome.FROZEN
    assert still.sentence.startswith("No atom has moved since step 0: ")
    assert still.would_change == "A method that learns its atoms: these have not moved at all."
    assert judge(born(*places, retention=0.9999, r2=0.05), LIMITS).outcome == Outcome.NOT_FITTED
    solved = replace(born(*places, retention=1.0, r2=0.05), determined=True)
    assert judge(solved, LIMITS).outcome == Outcome.NOT_FITTED


@pytest.mark.parametrize("case", [*CASES.values(), *BORN_IDENTICAL_CASES.values(), *BECAUSE.values()])
def test_a_method_without_a_learning_rate_is_advised_no_other_one(case):
    with_rate, without = (judge(replace(case, has_rate=rated), LIMITS) for rated in (True, False))
    assert "learning rate" not in without.would_change
    assert without.outcome == with_rate.outcome
    assert ("learning rate" in with_rate.would_change) == (with_rate.would_change != without.would_change)
