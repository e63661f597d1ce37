"""Two parsed documents held against each other: what counts as equal, and how a difference is told."""

import pytest

from reseed.claims.differences import ABSOLUTE, RELATIVE, held


def differing(told, found):
    """The differences, all leaves in one part."""
    part = held(told, found, lambda _: "all")["all"]
    return part.checked, [(each.path, each.told, each.found) for each in part.first]


@pytest.mark.parametrize(
    ("told", "found", "same"),
    [
        (1.0, 1.0 + RELATIVE / 2, True),
        (1.0, 1.0 + 3 * RELATIVE, False),
        (1e6, 1e6 + 0.5, True),
        (1e6, 1e6 + 3, False),
        (0.0, ABSOLUTE / 2, True),
        (0.0, 3 * ABSOLUTE, False),
        (3, 3, True),
        (1_000_000_000, 1_000_000_001, False),  # counts hold exactly, however large
        (3, 3.0, True),
        (True, 1, False),
        (None, None, True),
        (None, 0.0, False),
        ("a", "a", True),
        ("a", "a ", False),
    ],
)
def test_numbers_hold_within_a_millionth_and_all_else_exactly(told, found, same):
    assert (differing({"it": told}, {"it": found})[1] == []) == same


def test_what_is_missing_or_more_is_a_difference():
    assert differing({"a": 1}, {"a": 1, "b": 2}) == (2, [("b", "nothing", "2")])
    assert differing({"a": 1, "b": [1]}, {"a": 1}) == (2, [("b", "a list of 1", "nothing")])
    assert differing([1, 2], [1]) == (2, [("length", "2", "1")])
    assert differing([{"a": 1}, {"a": 2}], [{"a": 2}, {"a": 1}])[1] == [("[0].a", "1", "2"), ("[1].a", "2", "1")]


def test_long_texts_are_told_from_where_they_differ():
    ((_, told, found),) = differing("the same words at first, then .64 of them", "the same words at first, then .06")[1]
    assert told == "'…rds at first, then .64 of them'"
    assert found == "'…rds at first, then .06'"


def test_texts_that_look_like_paths_are_texts():
    assert differing("/etc/passwd", "etc/passwd")[1] == [("", "'/etc/passwd'", "'etc/passwd'")]
    assert differing("", "/a")[1] == [("", "''", "'/a'")]
