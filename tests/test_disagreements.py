import math

import pytest

from reseed.statistics import Estimate
from reseed.verdict import MeasureEvidence
from reseed.verdict.disagreements import disagreements

FLOORS = {"k-means": 0.6, "step-0": 0.2}


def estimate(value, error=0.005):
    return Estimate(value, error, degrees=4.0, n_units=5, unit="start")


def said(between, gain, floors=FLOORS, error=0.005, title="projection agreement"):
    return MeasureEvidence(title, estimate(between, error), estimate(gain, error), floors)


def sentences(cosine, companion, margin=0.03):
    return disagreements(cosine, {"one": companion}, margin=margin)


def test_a_companion_on_the_other_side_of_its_floor_disagrees_with_its_numbers():
    (sentence,) = sentences(said(0.75, 0.3), said(0.5, 0.3, {"k-means": 0.55, "step-0": 0.2}))
    assert sentence == (
        "Projection agreement says otherwise: between starts it is .50 [.49, .51], below its k-means floor of .55, "
        "while the matched agreement is .75 [.74, .76], beyond its k-means floor of .60."
    )
    (sentence,) = sentences(said(0.5, 0.3), said(0.75, 0.3))
    assert "it is .75 [.74, .76], beyond its k-means floor of .60, while the matched agreement is .50" in sentence


def test_gains_of_opposite_signs_disagree_beyond_the_margin_only():
    (sentence,) = sentences(said(0.75, 0.3), said(0.75, -0.1))
    assert sentence == (
        "Projection agreement says otherwise: between starts it fell by .10 [.09, .11], while the matched agreement "
        "rose by .30 [.29, .31]."
    )
    assert (
        sentences(said(0.75, 0.3), said(0.75, -0.02)) == ()
    )  # -.05 when adjusted, with an interval that reaches -.015
    assert sentences(said(0.75, 0.3), said(0.75, -0.1), margin=0.3) == ()
    assert sentences(said(0.75, 0.3), said(0.75, -0.1, error=0.05)) == ()


@pytest.mark.parametrize("companion", [said(0.9, 0.5), said(0.61, 0.3), said(0.59, 0.001), said(0.5, 0.3, error=0.2)])
def test_a_companion_that_says_the_same_or_says_nothing_surely_does_not_disagree(companion):
    assert sentences(said(0.75, 0.3), companion) == ()


def test_only_floors_that_both_have_are_held_against_each_other():
    code = said(0.5, 0.3, {"step-0": 0.2})
    assert sentences(said(0.5, 0.3), code) == ()  # both are beyond step 0, and k-means has no codes
    (sentence,) = sentences(said(0.5, 0.3), said(0.1, 0.01, {"step-0": 0.2}, title="code agreement"))
    assert "Code agreement says otherwise" in sentence
    assert "below its step-0 floor of .20, while the matched agreement is .50" in sentence
    assert sentences(said(0.5, 0.3), said(0.1, -0.3, {"hull": 0.2})) == ()
    assert sentences(said(0.5, 0.3), said(0.1, -0.3, {"step-0": math.nan, "k-means": 1.0})) == ()


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
