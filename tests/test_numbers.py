import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reseed._support.numbers import digits_apart, interval, percent, rounded

exhaustively = settings(max_examples=400, deadline=None, derandomize=True, database=None)
numbers = st.one_of(
    st.floats(-2, 2),
    st.floats(-1e6, 1e6),
    st.sampled_from([0.0, -0.0, 1.0, -1.0]).flatmap(lambda near: st.floats(-1e-5, 1e-5).map(lambda off: near + off)),
)


def read(text):
    """The relation and the number that a text states."""
    relation = text[0] if text[0] in "<>" else ""
    return relation, float(text.removeprefix(relation).replace("\N{MINUS SIGN}", "-"))


@exhaustively
@given(numbers, st.integers(1, 5))
def test_a_rounded_number_is_right_to_half_a_digit_or_states_a_true_inequality(value, digits):
    relation, stated = read(rounded(value, digits))
    if relation == "":
        assert abs(value - stated) <= 0.5 * 10.0**-digits + 1e-9
    else:
        assert value > stated if relation == ">" else value < stated
        assert abs(value - stated) <= 10.0**-digits


@exhaustively
@given(numbers, st.integers(1, 5))
def test_0_and_1_are_printed_only_when_they_are_exact(value, digits):
    relation, stated = read(rounded(value, digits))
    assert relation or abs(stated) not in {0.0, 1.0} or value == stated


@exhaustively
@given(st.one_of(st.floats(0, 1), st.floats(0, 0.01), st.floats(0.99, 1)))
def test_0_and_100_percent_are_printed_only_when_they_are_exact(share):
    relation, stated = read(percent(share).removesuffix(" %"))
    if relation == "":
        assert abs(100 * share - stated) <= 0.5 + 1e-9
        assert stated not in {0, 100} or 100 * share == stated
    else:
        assert 100 * share > stated if relation == ">" else 100 * share < stated


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (1.0, "1.00"),
        (0.256, ".26"),
        (-0.256, "−.26"),  # noqa: RUF001 (a minus sign)
        (1e-9, "<.01"),
        (-1e-9, ">−.01"),  # noqa: RUF001 (a minus sign)
        (0.9999, ">.99"),
        (-0.9999, "<−.99"),  # noqa: RUF001 (a minus sign)
        (1.0001, ">1.00"),
        (12.5, "12.50"),
        (math.nan, "n/a"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),  # noqa: RUF001 (a minus sign)
    ],
)
def test_numbers_read_as_in_print(value, text):
    assert rounded(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (1.0, "100 %"), (0.001, "<1 %"), (0.999, ">99 %"), (0.42, "42 %")]
)
def test_shares_read_as_in_print(share, text):
    assert percent(share) == text


def test_an_undefined_share_is_said_to_be_undefined():
    assert percent(math.nan) == "n/a"


def test_an_interval_is_printed_where_it_is_defined_and_nowhere_else():
    assert interval(0.123, 0.456) == "[.12, .46]"
    assert interval(math.nan, 0.456) == interval(0.123, math.nan) == ""


@exhaustively
@given(st.floats(-2, 2), st.floats(-1e-3, 1e-3))
def test_two_numbers_get_the_digits_that_tell_them_apart(value, difference):
    other = value + difference
    digits = digits_apart(value, other)
    assert 2 <= digits <= 6
    if abs(value - other) > 1e-5:
        assert rounded(value, digits) != rounded(other, digits)
