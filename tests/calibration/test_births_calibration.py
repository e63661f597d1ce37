"""The birth test on trained runs, in small: what benchmarks/calibration.py counts in number."""

from reseed.calibration import births
from reseed.calibration.reproductions import first_step_of_weights
from reseed.calibration.results import share


def test_runs_from_independent_starts_do_not_share_their_indices():
    at_most, found = births.nulls("topk", 5)
    assert (at_most.repeats, found.value) == (10, 0.0)
    assert at_most.value <= 0.2


def test_a_common_start_is_found_across_orders_data_methods_and_rates(monkeypatch):
    monkeypatch.setattr(births, "STEPS", 60)
    of_free = {rate.name: rate.value for rate in births.found(2) if "ra-topk" not in rate.name}
    assert len(of_free) == 5
    assert set(of_free.values()) == {1.0}


def test_what_is_alike_for_another_reason_is_not_found(monkeypatch):
    monkeypatch.setattr(births, "UNTIL_FOUND", 60)
    tried = {name: (guarded, unguarded) for name, guarded, unguarded in births.pitfalls(3)}
    assert {guarded for guarded, _ in tried.values()} == {0.0}
    assert tried["a quarter of the atoms zero, at the same indices"][1] > 0.5


def test_the_first_step_of_mixing_weights_is_what_the_formula_says():
    assert [case.holds for case in first_step_of_weights()] == [True] * 3


def test_a_share_has_an_exact_interval():
    assert share(0, 10) == "0.000 [0.000, 0.308]"
    assert share(10, 10) == "1.000 [0.692, 1.000]"
    assert share(3, 60) == "0.050 [0.010, 0.139]"
