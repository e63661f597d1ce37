import math

import pytest

from reseed import statistics
from reseed.statistics import Estimate
from reseed.verdict import MeasureEvidence, Null
from reseed.verdict.disagreements import disagreements

NULLS = {"surrogate": 0.6, "isotropic": 0.2}
GIVES = {"surrogate": "structureless rows", "isotropic": "random directions"}
NOTHING = Estimate(math.nan, math.nan, 4.0, 5, "start")


def estimate(value, error=0.005):
    return Estimate(value, error, degrees=4.0, n_units=5, unit="start")


def null(name, value, between, error):
    beyond = statistics.beyond(between, Estimate(value, error, 2.0, 3, "start"))
    return Null(name, GIVES[name], value, error, adjusted=beyond, born=beyond)


def said(between, gain, nulls=NULLS, *, error=0.005, title="projection agreement", null_error=0.0):
    last = estimate(between, error)
    return MeasureEvidence(
        title=title,
        within=NOTHING,
        first=estimate(between - gain, error),
        between=last,
        gain=estimate(gain, error),
        contraction=NOTHING,
        memory=math.nan,
        halfway=0,
        late=NOTHING,
        late_within=NOTHING,
        nulls=tuple(null(name, value, last, null_error) for name, value in nulls.items()),
    )


def sentences(cosine, companion, margin=0.03):
    return disagreements(cosine, {"one": companion}, margin=margin)


def test_a_companion_on_the_other_side_of_its_own_null_disagrees_with_its_numbers():
    (sentence,) = sentences(said(0.75, 0.3), said(0.5, 0.3, {"surrogate": 0.55, "isotropic": 0.2}))
    assert sentence == (
        "Projection agreement says otherwise: between starts it is .50 [.49, .51], below what structureless rows give "
        "(.55), while the matched agreement is .75 [.74, .76], beyond what structureless rows give (.60)."
    )
    (sentence,) = sentences(said(0.5, 0.3), said(0.75, 0.3))
    assert "it is .75 [.74, .76], beyond what structureless rows give (.60), while the matched agreement is .50" in (
        sentence
    )


def test_the_error_of_a_null_counts():
    assert sentences(said(0.75, 0.3), said(0.5, 0.3, {"surrogate": 0.55}, null_error=0.001))
    assert sentences(said(0.75, 0.3), said(0.5, 0.3, {"surrogate": 0.55}, null_error=0.05)) == ()


def test_gains_of_opposite_signs_disagree_beyond_the_margin_only():
    (sentence,) = sentences(said(0.75, 0.3), said(0.75, -0.1))
    assert sentence == (
        "Projection agreement says otherwise: between starts it fell by .10 [.09, .11], while the matched agreement "
        "rose by .30 [.29, .31]."
    )
    assert sentences(said(0.75, 0.3), said(0.75, -0.04)) == ()  # with an interval that reaches -.026
    assert sentences(said(0.75, 0.3), said(0.75, -0.1), margin=0.3) == ()
    assert sentences(said(0.75, 0.3), said(0.75, -0.1, error=0.05)) == ()


@pytest.mark.parametrize("companion", [said(0.9, 0.5), said(0.61, 0.3), said(0.59, 0.001), said(0.5, 0.3, error=0.2)])
def test_a_companion_that_says_the_same_or_says_nothing_surely_does_not_disagree(companion):
    assert sentences(said(0.75, 0.3), companion) == ()


def test_only_nulls_that_both_have_are_held_against_each_other():
    code = said(0.3, 0.3, {"surrogate": 0.2})
    assert sentences(said(0.7, 0.3, {"isotropic": 0.8, "surrogate": 0.6}), code) == ()  # code has no random directions
    (sentence,) = sentences(said(0.5, 0.3, {"surrogate": 0.2}), said(0.1, 0.01, {"surrogate": 0.2}, title="codes"))
    assert "Codes says otherwise" in sentence
    assert sentences(said(0.5, 0.3, {"isotropic": 0.2}), said(0.1, 0.01, {"surrogate": 0.2})) == ()


@pytest.mark.parametrize("which", [0, 1])
def test_what_is_undefined_contradicts_nothing(which):
    sides = [said(0.75, 0.3), said(0.1, -0.3)]
    sides[which] = said(math.nan, math.nan, error=math.nan)
    assert sentences(*sides) == ()


def test_every_companion_that_disagrees_is_named_once_in_the_order_given():
    companions = {
        "late": said(0.5, -0.3, title="late agreement"),
        "same": said(0.75, 0.3, title="the same again"),
        "code": said(0.75, -0.1, title="code agreement"),
    }
    told = disagreements(said(0.75, 0.3), companions, margin=0.03)
    assert [sentence.split(" says")[0] for sentence in told] == ["Late agreement", "Code agreement"]
