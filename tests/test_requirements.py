"""Words and numbers that are required, and findings that must not fall behind those from before."""

import math
import sys

import pytest
import scipy.stats

sys.path.insert(0, f"{__file__.rsplit('/', 1)[0]}/report")
import sample

from reseed.errors import SpecError
from reseed.requirements import changes, check_names, met, parse, quantities
from reseed.verdict import Outcome

FINDINGS = sample.findings()
NAME = "topk-random@centre"


def holds(*texts):
    return [each.holds for each in met(FINDINGS, parse(texts))]


def sentence(text):
    return met(FINDINGS, parse([text]))[0].sentence


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{NAME}: between >= .58", True),
        (f"{NAME}: between>.59", False),
        (f"{NAME}: between.last < .6", True),
        (f"{NAME}: between.adjusted <= .2", False),
        (f"{NAME}: gain > 4e-1", True),
        (f"{NAME}: r2 >= .7", True),
        (f"{NAME}: alive > 0.9", True),
        (f"{NAME}: mmcs.between >= .9", False),
        (f"{NAME}: stabilizing", True),
        (f"{NAME}: convergent, frozen", False),
        ("ra-topk-shared@centre: between > -1", False),  # all its runs share one start: there is no such number
        ("topk-data@centre: mmcs.between > -1", False),  # a single run
    ],
)
def test_an_estimate_or_a_word_decides(text, expected):
    assert holds(text) == [expected]


def test_a_pattern_is_about_every_condition_that_it_fits_and_without_one_all_are_meant():
    assert len(holds("topk-*@centre: r2 > 0")) == sum(name.startswith("topk-") for name in centred())
    assert len(holds("r2 > 0")) == len(FINDINGS.conditions)
    assert holds(f"{NAME}: stabilizing, convergent, between >= .5, gain > 1") == [True, True, False]


def centred():
    return [each.name for each in FINDINGS.conditions if each.preprocess == "centre"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"{NAME}: between >= .50",
            "is .58 [.56, .60] (.17 at step 0, surrogate null .23); required: >= .50: reached, with the whole interval",
        ),
        (f"{NAME}: between >= .57", "reached, but the interval also holds values that do not reach it"),
        (f"{NAME}: between >= .59", "not reached, but the interval also holds values that would reach it"),
        (f"{NAME}: between >= .70", "not reached, with the whole interval"),
        (f"{NAME}: between >= .5799999", "required: >= .580000"),
        (f"{NAME}: gain > 0", "(.17 at step 0, surrogate null .23)"),
        (f"{NAME}: mmcs.between > 0", "(.24 at step 0, surrogate null .30)"),
        ("ra-topk-shared@centre: within > 0", "(born identical, isotropic null .15)"),
        (f"{NAME}: r2 > 0", "is .74 [.74, .74]; required"),
        ("topk-data@centre: r2 > .9", "without an interval"),
        ("ra-topk-shared@centre: between > 0", "is not defined (all runs share one start)"),
    ],
)
def test_what_is_said_tells_where_the_interval_lies(text, said):
    assert said in sentence(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("convergant", "convergant: choose from convergent"),
        ("convergent, stabilising", "stabilising: choose from"),
        ("", "choose from"),
        (": convergent", "choose from"),
        ("betwen > .8", "betwen is no quantity; choose from within"),
        ("mmcs.beetween > .8", "mmcs.beetween is no quantity"),
        ("> .8", "nothing is no quantity"),
        ("between >= high", "and a number"),
        ("between >= nan", "and a number"),
        ("between >=", "and a number"),
        ("between > .8 > .9", "and a number"),
        ("between == .8", "one of >= <= > <"),
        ("between.alive > .8", "no quantity"),
    ],
)
def test_a_requirement_that_is_none_is_refused_with_what_there_is(text, said):
    with pytest.raises(SpecError, match="--require") as refused:
        parse([text])
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tpok@centre: convergent", "no such condition"),
        ("nmcs.between > .8", "no measure nmcs; this study has agreement"),
    ],
)
def test_names_that_a_study_has_not_are_refused(text, said):
    conditions, measures = FINDINGS.verdicts, FINDINGS.condition(NAME).measures
    with pytest.raises(SpecError, match=said):
        check_names(parse([text]), conditions=conditions, measures=measures)
    check_names(parse([f"{NAME}: mmcs.gain > 0, frozen", *Outcome]), conditions=conditions, measures=measures)


def test_every_estimate_of_a_condition_has_a_name():
    found = quantities(FINDINGS.condition(NAME))
    assert found["between"] is FINDINGS.condition(NAME).agreement.between.last
    assert found["mmcs.born"] is FINDINGS.condition(NAME).measures["mmcs"].born


def shifted(by, *, error=None, name=NAME, findings=FINDINGS):
    """The findings with another agreement between the starts of one condition."""
    condition = findings.condition(name)
    last = condition.agreement.between.last
    changed = {"value": last.value + by, "standard_error": last.standard_error if error is None else error}
    between = condition.agreement.between.model_copy(update={"last": last.model_copy(update=changed)})
    measures = {**condition.measures, "agreement": condition.agreement.model_copy(update={"between": between})}
    return with_condition(condition.model_copy(update={"measures": measures}), findings)


def with_condition(changed, findings=FINDINGS):
    kept = tuple(changed if each.name == changed.name else each for each in findings.conditions)
    return findings.model_copy(update={"conditions": kept})


def falls(new, old=FINDINGS):
    return [(change.condition, change.quantity) for change in changes(new, old).falls]


def test_the_same_findings_have_not_fallen():
    assert falls(FINDINGS) == []
    assert falls(shifted(-1e-9, error=0.0), shifted(0.0, error=0.0)) == []


def test_a_fall_beyond_the_error_of_both_is_one_and_a_rise_or_a_smaller_fall_is_none():
    assert falls(shifted(-0.2)) == [(NAME, "between")]
    assert falls(shifted(+0.2)) == []
    assert falls(shifted(-0.02)) == []
    assert falls(shifted(-0.2, error=0.2)) == []


def test_intervals_of_changes_are_those_of_welch_and_hold_together():
    few = FINDINGS.model_copy(update={"conditions": (FINDINGS.condition(NAME),)})
    found = changes(shifted(-0.2, findings=few), few)
    change = next(each for each in found.changes if each.quantity == "between")
    assert change.old.standard_error == change.new.standard_error  # where Welch's degrees are those of both together
    t = scipy.stats.t.ppf(1 - 0.05 / 2 / len(found.changes), 2 * (change.old.n_units - 1))
    half = t * math.hypot(change.old.standard_error, change.new.standard_error)
    assert (change.low, change.high) == pytest.approx((change.difference - half, change.difference + half))


def test_what_can_no_longer_be_measured_has_fallen():
    condition = FINDINGS.condition(NAME)
    assert set(falls(with_condition(condition.model_copy(update={"measures": {}})))) == {
        (NAME, quantity) for quantity in ("between", "within", "gain")
    }


def test_what_cannot_be_compared_is_said():
    old = FINDINGS.model_copy(update={"conditions": FINDINGS.conditions[1:]})
    assert f"{FINDINGS.conditions[0].name} is new" in changes(FINDINGS, old).notes
    assert f"{FINDINGS.conditions[0].name} was there before and is not now" in changes(old, FINDINGS).notes
    other = with_condition(FINDINGS.condition(NAME).model_copy(update={"n_atoms": 7}))
    assert any("n_atoms was 2048 and is 7" in note for note in changes(other, FINDINGS).notes)
    assert any("topk-data@centre: r2 has no error" in note for note in changes(FINDINGS, FINDINGS).notes)


def test_studies_that_have_nothing_in_common_are_refused():
    elsewhere = FINDINGS.model_copy(update={"activations": {"fingerprint": "ff" * 32}})
    with pytest.raises(SpecError, match="different activations"):
        changes(elsewhere, FINDINGS)
    nothing = FINDINGS.model_copy(update={"conditions": ()})
    with pytest.raises(SpecError, match="no condition in common"):
        changes(nothing, FINDINGS)
