"""What is said of the start: memory and identity, each for itself and always together."""

import math

import pytest
import sample

from reseed.findings import Curve
from reseed.report.remembered import remembered

CONDITION = sample.findings().conditions[0]


def said(memory, identity, *, half_life=math.nan, identity_half_life=math.nan):
    def curve(value):
        ends = {"steps": (0, 100), "value": (1.0, value), "low": (1.0, value), "high": (1.0, value)}
        return None if value is None else Curve(**ends, unit="start")

    return remembered(
        CONDITION.model_copy(
            update={
                "memory": curve(memory),
                "identity": curve(identity),
                "half_life": half_life,
                "identity_half_life": identity_half_life,
            }
        )
    )


def test_a_start_that_no_longer_decides_may_still_number_the_atoms():
    assert said(0.026, 0.22, half_life=11.0, identity_half_life=75.0) == (
        "which dictionary comes out no longer depends on the start (memory .03, half-life 11 steps); "
        "22 % of the atoms still sit at their birth index (half-life 75 steps)"
    )


@pytest.mark.parametrize(
    ("memory", "how_much"),
    [
        (1.2, "has grown (memory 1.20)"),
        (1.004, "still depends"),
        (0.9, "still depends"),
        (0.5, "still depends"),
        (0.31, "depends less"),
        (-0.2, "no longer"),
    ],
)
def test_how_much_the_start_decides_goes_by_memory_at_the_end(memory, how_much):
    assert how_much in said(memory, 0.96)
    assert "96 % of the atoms" in said(memory, 0.96)


def test_rounding_makes_neither_all_nor_none_of_the_atoms():
    assert ">99 % of the atoms" in said(0.0, 0.9999)
    assert "<1 % of the atoms" in said(0.0, 0.001)
    assert "no more atoms than by chance" in said(0.0, -0.002)


def test_a_start_in_another_order_has_partners_and_no_common_index():
    permuted = CONDITION.model_copy(update={"start_kind": "kmeans-permuted", "identity": CONDITION.memory})
    assert "still go with their birth partner" in remembered(permuted)


def test_what_is_undefined_is_left_out():
    assert said(None, None) == ""
    assert said(math.nan, 0.5) == "50 % of the atoms still sit at their birth index"
    assert "index" not in said(0.2, None)
