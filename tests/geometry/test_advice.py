import pytest

from geometries import floor, pair, view
from reseed.activations import PREPROCESSINGS
from reseed.geometry import recommendation
from reseed.geometry.advice import NULLS, SIMPLEST_FIRST, SURROGATE, level_of, recommended

ALREADY = "k-means dictionaries agree"


@pytest.mark.parametrize(
    ("floors", "expected"),
    [
        ({"none": 0.76, "centre": 0.52}, f"centre: {ALREADY} .76 on raw activations, .52 after centre."),
        (
            {"none": 0.91, "centre": 0.76, "standardise": 0.65},
            f"standardise: {ALREADY} .91 on raw activations, .65 after standardise (after centre .76).",
        ),
        (
            {"none": 0.84, "centre": 0.78, "standardise": 0.74},
            f"centre: {ALREADY} .84 on raw activations, .78 after centre.",
        ),
        (
            {"none": 0.50, "centre": 0.48},
            f"none: {ALREADY} .50 on raw activations, and it would be hardly less, .48 after centre.",
        ),
        (
            {"none": 0.50, "centre": 0.53},
            f"none: {ALREADY} .50 on raw activations, and no other preprocessing here lowers that.",
        ),
        ({"centre": 0.52}, f"centre: {ALREADY} .52 here; show that beside an agreement."),
        ({"whiten": 0.3, "centre": 0.6}, f"whiten: {ALREADY} .60 after centre, .30 after whiten."),
    ],
)
def test_the_simplest_preprocessing_that_is_about_as_good_is_recommended(floors, expected):
    assert recommendation([view(name, value) for name, value in floors.items()], None) == (expected, NULLS)


def test_every_preprocessing_has_its_place_among_the_simplest():
    assert sorted(SIMPLEST_FIRST) == sorted(PREPROCESSINGS)


def test_the_order_in_which_preprocessings_are_given_decides_nothing():
    views = [view("standardise", 0.51), view("none", 0.9), view("centre", 0.52)]
    assert recommended(views).preprocess == recommended(views[::-1]).preprocess == "centre"


def test_little_room_is_told():
    said = recommendation([view("none", 0.97)], None)[1]
    assert said.startswith("Where k-means dictionaries agree .97, agreement has little room")
    assert len(recommendation([view("none", 0.89)], None)) == 2


def test_rogue_dimensions_that_decide_much_are_named_where_it_matters():
    raw = view("none", 0.9, cosine=0.58, rogue=(0.37, 0.22, 0.04), without=0.06)
    said = recommendation([raw, view("centre", 0.5, rogue=(0.15,)), view("standardise", 0.52, rogue=(0.5,))], None)
    assert said[2:] == (
        (
            "On raw activations dimensions 100, 101 and 102 are rogue: they hold 63 % of the energy; "
            "without them two tokens have cosine .06, not .58."
        ),
        "After centre dimension 100 is rogue: it holds 15 % of the energy.",
    )


def test_rogue_dimensions_that_decide_little_are_left_to_the_table():
    assert len(recommendation([view("none", 0.5, cosine=0.2, rogue=(0.04, 0.05), without=0.18)], None)) == 2


def test_many_rogue_dimensions_are_counted():
    said = recommendation([view("none", 0.5, rogue=(0.1,) * 8)], None)[2]
    assert "dimensions 100, 101, 102, 103, 104 and 3 more are rogue: they hold 80 %" in said


def test_two_dictionaries_come_first_with_nulls_and_references_by_name():
    both = pair(0.5, ("dictionaries", "spectrum", 0.25), ("none", "kmeans", 0.6), ("centre", "data", 0.4))
    assert recommendation([view("centre", 0.39)], both)[:5] == (
        (
            "The two dictionaries agree .50; their own means and covariances alone would give .25: the two are 67 % as "
            "far apart as those would be."
        ),
        (
            "For reference, k-means dictionaries agree .60 on raw activations: the two are 1.25 times as far apart as "
            "those are."
        ),
        (
            "For reference, dictionaries of random tokens agree .40 after centre: the two are 83 % as far apart as "
            "those are."
        ),
        "0 of 512 pairs have a cosine above .7.",
        SURROGATE,
    )


def test_a_reference_forbids_nothing_and_a_null_that_is_not_cleared_is_chance():
    said = recommendation([], pair(0.1, ("dictionaries", "isotropic", 0.2), ("none", "kmeans", 0.95)))
    assert said[0].endswith("the two are 1.12 times as far apart as those would be, no closer than chance.")
    assert said[1].endswith("the two are 18.00 times as far apart as those are.")
    assert "learn" not in " ".join(said)


def test_one_dictionary_is_told_as_one():
    assert recommendation([], pair(1.0, ("dictionaries", "isotropic", 0.2)))[0].endswith(": they are one dictionary.")


def test_the_largest_of_all_decides_which_preprocessing_leaves_room():
    raw = view("none", 0.6)
    raw = raw.model_copy(update={"floors": (*raw.floors, floor("data", 0.83), floor("mean-shift", 0.99))})
    assert level_of(raw) == 0.83
    said, _ = recommendation([raw, view("centre", 0.55)], None)
    assert said == (
        "centre: dictionaries of random tokens agree .83 on raw activations, k-means dictionaries .55 after centre."
    )


def test_what_two_dictionaries_are_held_against_is_named_for_what_it_is():
    said, counted, _ = recommendation([], pair(0.7, ("dictionaries", "isotropic", 0.52)))
    assert said.startswith("The two dictionaries agree .70; random directions alone would give .52:")
    assert counted.endswith("pairs have a cosine above .7.")


def test_without_activations_only_the_dictionaries_are_spoken_of():
    assert len(recommendation([], pair(0.5, ("dictionaries", "isotropic", 0.1)))) == 3
