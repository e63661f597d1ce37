"""Trained studies with a known answer get it: all words but one occur."""

from reseed.calibration.cases import answers
from reseed.verdict import Outcome


def test_every_case_holds_and_all_words_but_unstable_occur():
    found = list(answers())
    assert [case.name for case in found if not case.holds] == []
    assert set(Outcome) - {Outcome.UNSTABLE} <= {case.got for case in found}  # which test_built reaches
