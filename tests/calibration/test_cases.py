"""Trained studies with a known answer get it: every word occurs."""

from reseed.calibration.cases import answers
from reseed.verdict import Outcome


def test_every_case_holds_and_every_word_occurs():
    found = list(answers())
    assert [case.name for case in found if not case.holds] == []
    assert set(Outcome) <= {case.got for case in found}
