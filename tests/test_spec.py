import json
import re
import tomllib
from itertools import product
from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from reseed._support.settings import NEUTRAL
from reseed.activations import PREPROCESSINGS
from reseed.dice import DICE
from reseed.errors import SpecError
from reseed.methods import METHODS, TopK, parse
from reseed.spec import Arm, Dice, Study, Training
from reseed.starts import Start
from studies import required

TOPK = {"name": "topk", "method": {"kind": "topk", "n_atoms": 32, "k": 4}, "start": {"kind": "random"}}
RA_TOPK = {"name": "ra", "method": {"kind": "ra-topk", "n_atoms": 32, "k": 4}, "start": {"kind": "kmeans"}}
TABLE = {"activations": "acts.npy", "arms": [TOPK, RA_TOPK]}


def study(**changes):
    return Study.parse(TABLE | changes)


def runs(given_study, arm=0, activations="a" * 64):
    return given_study.runs_of(given_study.conditions[arm], activations=activations)


# What a study means.


def test_a_study_is_every_arm_under_every_preprocessing():
    names = [condition.name for condition in study(preprocess=["none", "whiten"]).conditions]
    assert names == ["topk@none", "topk@whiten", "ra@none", "ra@whiten"]


def test_a_condition_has_runs_of_every_start():
    places = [(run.start_index, run.run_index) for run in runs(study(starts=3, runs_per_start=2))]
    assert places == list(product(range(3), range(2)))


@pytest.mark.parametrize(
    ("steps", "evenly", "snapshots"),
    [
        (1, 8, (0, 1)),
        (2, 8, (0, 1, 2)),
        (100, 2, (0, 1, 2, 5, 10, 20, 50, 100)),
        (1000, 4, (0, 1, 2, 5, 10, 20, 50, 100, 200, 250, 500, 750, 1000)),
        (600, 8, (0, 1, 2, 5, 10, 20, 50, 75, 150, 225, 300, 375, 450, 525, 600)),
        (7, 1, (0, 1, 2, 5, 7)),
    ],
)
def test_snapshots_are_dense_in_the_beginning_and_even_later(steps, evenly, snapshots):
    assert Training(steps=steps, evenly=evenly).snapshots == snapshots


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.integers(1, 100_000), st.integers(1, 40))
def test_steps_0_1_and_the_last_one_always_have_a_snapshot(steps, evenly):
    snapshots = Training(steps=steps, evenly=evenly).snapshots
    assert {0, 1, steps} <= set(snapshots)
    assert list(snapshots) == sorted(set(snapshots))


# Dice.


def shares(given_study, die):
    """Which pairs of the runs s0r0, s0r1, s1r0 share a roll of this die: within the start, between starts."""
    first, sibling, stranger = (runs(given_study)[index].rolls.get(die) for index in (0, 1, 2))
    return first == sibling, first == stranger


@pytest.mark.parametrize("die", DICE)
@pytest.mark.parametrize(
    ("scope", "expected"), [("shared", (True, True)), ("start", (True, False)), ("run", (False, False))]
)
def test_a_die_is_shared_as_far_as_the_study_says(die, scope, expected):
    assert shares(study(arms=[TOPK], dice={die: scope}), die) == expected


def test_by_default_runs_of_one_start_share_what_decides_the_dictionary_and_nothing_else():
    shared = {die for die in DICE if shares(study(), die) == (True, False)}
    assert shared == {"init", "points", "kmeans"}
    assert {shares(study(), die) for die in set(DICE) - shared - {"data"}} == {(False, False)}


def test_an_arm_can_share_dice_otherwise_than_the_study_does():
    arms = [TOPK | {"dice": {"order": "shared"}}, RA_TOPK]
    assert shares(study(arms=arms), "order") == (True, True)
    assert len({run.rolls["order"] for run in runs(study(arms=arms), arm=2)}) == 6


def test_the_same_run_of_two_arms_throws_the_same_dice():
    assert [run.rolls for run in runs(study(), arm=0)] == [run.rolls for run in runs(study(), arm=2)]


def test_another_replicate_is_another_roll_of_every_die():
    split = {"data": "start"}
    first, second = runs(study(dice=split))[0].rolls, runs(study(dice=split | {"replicate": 1}))[0].rolls
    assert all(first[die] != second[die] for die in DICE)


def test_the_permuted_control_permutes_one_and_the_same_set_of_points():
    control = RA_TOPK | {"start": {"kind": "kmeans-permuted"}}
    rolls = [run.rolls for run in runs(study(arms=[control]))]
    assert len({each["points"] for each in rolls}) == len({each["kmeans"] for each in rolls}) == 1
    assert len({each["init"] for each in rolls}) == 3


# A run's identity.


def test_a_run_is_called_by_what_it_is_and_its_number():
    assert runs(study(starts=2))[3].id.startswith("topk-random@none.s1.r1.")


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"steps": 7}},
        {"training": {"batch_size": 7}},
        {"dice": {"replicate": 1}},
        {"dice": {"order": "shared"}},
        {"arms": [{**TOPK, "method": {**TOPK["method"], "learning_rate": 0.5}}]},
        {"arms": [{**TOPK, "method": {**TOPK["method"], "l1": 0.1}}]},
        {"arms": [{**TOPK, "start": {"kind": "data"}}]},
    ],
)
def test_whatever_a_result_depends_on_is_part_of_the_identity(change):
    assert runs(study(**change))[0].id != runs(study())[0].id


def test_other_activations_make_other_runs():
    assert runs(study(), activations="b" * 64)[0].id != runs(study())[0].id


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"threads": 7}},
        {"training": {"device": "cpu"}},  # the manifest keeps a study on the device that it was begun on
        {"training": {"checkpoint_seconds": 0.0}},
        {"name": "another title"},
        {"thresholds": {"margin": 0.1}},
        {"floors": {"draws": 4}},
        {"starts": 9},
        {"arms": [TOPK]},
    ],
)
def test_whatever_the_study_settles_for_all_its_runs_is_not(change):
    assert runs(study(**change))[0].id == runs(study())[0].id
    assert runs(study(**change))[0].identity == runs(study())[0].identity


def test_names_of_arms_are_labels():
    before, after = runs(study())[0], runs(study(arms=[TOPK | {"name": "renamed"}]))[0]
    assert (after.arm, after.condition) == ("renamed", "renamed@none")
    assert (after.id, after.identity) == (before.id, before.identity)
    assert after.first_id != before.first_id


def test_a_setting_that_is_younger_than_a_run_does_not_orphan_it(monkeypatch):
    class Younger(TopK):
        shiny: Annotated[float, NEUTRAL] = 1.0

    before = runs(study())[0]
    monkeypatch.setitem(METHODS, "topk", Younger)
    assert runs(study())[0].id == before.id
    shiny = {**TOPK, "method": {**TOPK["method"], "shiny": 2.0}}
    assert runs(study(arms=[shiny]))[0].id != before.id


def test_a_topk_without_a_penalty_is_the_run_it_was_before_there_was_one():
    assert "l1" not in runs(study())[0].identity["method"]


FIRST_IDS = [
    "topk@centre.s0.r0.0bba83ad5f",
    "topk@centre.s1.r0.ac7ee9a026",
    "topk@centre.s0.r0.spawn3.106f741ddc",
    "topk@centre.s1.r0.spawn3.09c3177b3d",
    "pays@centre.s0.r0.3f81064378",
    "pays@centre.s1.r0.867bfd2876",
    "pays@centre.s0.r0.spawn3.53d5fb24fa",
    "pays@centre.s1.r0.spawn3.508d618514",
    "relu@centre.s0.r0.9c00079cbf",
    "relu@centre.s1.r0.67711c27d3",
    "relu@centre.s0.r0.spawn3.052b874983",
    "relu@centre.s1.r0.spawn3.8933c640ba",
    "ra@centre.s0.r0.ddebef3922",
    "ra@centre.s1.r0.2745a99893",
    "ra@centre.s0.r0.spawn3.04794a99d6",
    "ra@centre.s1.r0.spawn3.85a6e589a9",
    "a@centre.s0.r0.7579715ef1",
    "a@centre.s1.r0.e2e7cbb389",
    "a@centre.s0.r0.spawn3.a1ef96a7eb",
    "a@centre.s1.r0.spawn3.7cd14f6759",
]
"""Made by reseed as it was before ids lost their labels (9b287d2), from `older()`."""


def older():
    """A study of all methods with settings, children and shared dice of their own."""
    return study(
        preprocess=["centre"],
        starts=2,
        runs_per_start=1,
        spawn_at=[3],
        training={"steps": 9, "warmup_steps": 2, "device": "cpu", "threads": 1},
        arms=[
            TOPK,
            {"name": "pays", "method": {**TOPK["method"], "l1": 0.5, "norm": "free"}, "start": {"kind": "data"}},
            {"name": "relu", "method": {"kind": "relu", "n_atoms": 32}, "start": {"kind": "kmeans-permuted"}},
            RA_TOPK | {"dice": {"order": "shared"}},
            {"name": "a", "method": {"kind": "a-topk", "n_atoms": 32, "k": 4}, "start": {"kind": "kmeans"}},
        ],
    )


def planned(given_study, activations="a" * 64):
    """All runs, and then all children, of every condition."""
    return [
        spec
        for condition in given_study.conditions
        for part in (given_study.runs_of, given_study.children_of)
        for spec in part(condition, activations=activations)
    ]


STARTS_ELSEWHERE = ("pays", "relu")
"""The arms of `older()` with a decoder bias and points: since it is subtracted from them, their runs are other ones."""


def as_at_first():
    """The runs of `older()` that are what they were, and the ids that they had."""
    return zip(
        *((spec, i) for spec, i in zip(planned(older()), FIRST_IDS, strict=True) if spec.arm not in STARTS_ELSEWHERE),
        strict=True,
    )


def test_the_ids_that_runs_had_at_first_can_still_be_told():
    specs, ids = as_at_first()
    assert tuple(spec.first_id for spec in specs) == ids
    assert all(spec.earlier_ids == frozenset() for spec in specs)


def test_a_run_of_an_older_study_keeps_the_id_that_its_folder_has():
    specs, ids = as_at_first()
    kept = [spec.kept_in(FIRST_IDS) for spec in specs]
    assert tuple(spec.id for spec in kept) == ids
    assert tuple(spec.first_id for spec in kept) == ids
    assert [spec.identity for spec in kept] == [spec.identity for spec in specs]
    child = kept[2]
    assert child.record(points=None).spawn.parent == kept[0].id


def test_a_run_whose_points_are_now_less_a_decoder_bias_is_another_run():
    every = zip(planned(older()), FIRST_IDS, strict=True)
    for spec, first_id in ((spec, first_id) for spec, first_id in every if spec.arm in STARTS_ELSEWHERE):
        assert spec.kept_in(FIRST_IDS).id == spec.id != first_id != spec.first_id
        assert spec.spawn or first_id in spec.earlier_ids
    bare = study(arms=[TOPK | {"start": {"kind": "data"}, "method": {**TOPK["method"], "decoder_bias": False}}])
    assert all(spec.earlier_ids == frozenset() for spec in planned(bare))


def test_a_run_that_an_older_study_does_not_have_gets_an_id_of_today():
    parent, _, child, _ = planned(older())[:4]
    assert parent.kept_in(FIRST_IDS[:1]).id == FIRST_IDS[0]
    new = child.kept_in(FIRST_IDS[:1])
    assert new.id == child.id != child.first_id
    assert new.record(points=None).spawn.parent == FIRST_IDS[0]
    assert child.kept_in([]).record(points=None).spawn.parent == parent.id


def test_a_record_says_what_readers_need_to_know_about_method_and_start():
    first = planned(older())
    by_arm = {spec.arm: spec.record(points="p") for spec in first}
    assert {record.sign for record in by_arm.values()} == {"signed"}
    assert by_arm["topk"].dice == ("init", "order")
    assert by_arm["pays"].dice == ("points", "order")
    assert by_arm["relu"].dice == ("init", "points", "kmeans", "order")
    assert by_arm["ra"].dice == ("points", "kmeans", "order")
    assert [name for name, record in by_arm.items() if record.shared_when_published] == ["relu", "ra", "a"]
    assert by_arm["ra"].points == "p"
    assert all(name not in by_arm["ra"].model_dump_json() for name in ('"ra"', "ra@centre"))  # labels may change


def test_dice_that_change_something_are_named():
    method = {**TOPK["method"], "encoder_start": "independent", "resample_every": 5}
    assert runs(study(arms=[TOPK | {"method": method}]))[0].dice == ("init", "encoder", "order", "resample")
    drawn = RA_TOPK | {"start": {"kind": "data", "weights": "dirichlet"}}
    assert runs(study(arms=[drawn]))[0].dice == ("init", "points", "order")


def key(given_study, arm=0, activations="a" * 64):
    return given_study.conditions[arm].key(activations=activations)


def test_a_condition_has_a_key_without_names():
    assert re.fullmatch(r"topk-random@none\.[0-9a-f]{10}", key(study()))
    for same in (
        study(arms=[TOPK | {"name": "renamed"}], name="title"),
        study(training={"threads": 3}),
        study(starts=7, runs_per_start=5, spawn_at=[1]),
        study(arms=[{**TOPK, "method": {**TOPK["method"], "l1": 0.0}}]),
    ):
        assert key(same) == key(study())
    for other in (
        study(training={"steps": 7}),
        study(dice={"replicate": 1}),
        study(dice={"order": "shared"}),
        study(arms=[TOPK | {"dice": {"order": "shared"}}]),
        study(arms=[{**TOPK, "method": {**TOPK["method"], "l1": 0.1}}]),
        study(preprocess=["centre"]),
    ):
        assert key(other) != key(study())
    assert key(study(), activations="b" * 64) != key(study())


def test_an_identity_is_json_with_the_dice_that_are_thrown():
    for given_study, thrown in ((study(), set(DICE) - {"data"}), (study(dice={"data": "start"}), set(DICE))):
        identity = json.loads(json.dumps(runs(given_study)[0].identity))
        assert set(identity["rolls"]) == thrown
        assert identity == runs(given_study)[0].identity


# Parts of the activations.


def parts(given_study, arm=0):
    return [run.part for run in runs(given_study, arm)]


def test_who_reads_all_activations_is_the_run_it_was_before_there_were_parts():
    ids = ["topk-random@none.s0.r0.99ed9fbb57", "topk-random@none.s0.r1.11afa54e8a"]
    assert [run.id for run in runs(study(starts=1))] == ids
    assert key(study(), arm=2) == "ra-topk-kmeans@none.89a0cbcbf4"
    assert "part" not in runs(study())[0].identity


def test_starts_or_runs_read_parts_of_their_own_that_the_die_deals_out():
    by_start = parts(study(starts=4, dice={"data": "start"}))
    assert [part.of for part in by_start] == [4] * 8
    assert sorted({part.index for part in by_start}) == [0, 1, 2, 3]
    assert by_start[0::2] == by_start[1::2]  # both runs of a start
    by_run = parts(study(starts=4, arms=[TOPK], dice={"data": "run"}))
    assert sorted(part.index for part in by_run) == list(range(8))
    again = parts(study(starts=4, dice={"data": "start", "replicate": 2}))
    assert again != by_start


def test_one_arm_that_splits_the_activations_makes_all_arms_read_parts_of_that_size():
    arms = [TOPK, TOPK | {"name": "apart", "dice": {"data": "start"}}]
    mixed = study(starts=4, arms=arms)
    together, apart = parts(mixed, 0), parts(mixed, 2)
    assert {part.of for part in together + apart} == {4}
    assert len({part.index for part in together}) == 1
    assert together[0] == apart[0]
    shown = [run.rolls["data"] for run in runs(mixed, 0)]
    assert len(set(shown)) == 1
    assert all("data" in run.dice for run in (*runs(mixed, 0), *runs(mixed, 2)))
    assert mixed.conditions[0].key(activations="a") != study(starts=4).conditions[0].key(activations="a")
    finer = study(starts=4, arms=[*arms, TOPK | {"name": "runs", "dice": {"data": "run"}}])
    assert {part.of for part in parts(finer, 0) + parts(finer, 2) + parts(finer, 4)} == {8}
    assert len({part.index for part in parts(finer, 2)}) == 4


def test_a_child_reads_the_part_of_its_parent():
    spawning = study(spawn_at=[1], dice={"data": "start"})
    children = spawning.children_of(spawning.conditions[0], activations="a")
    assert [child.part for child in children] == parts(spawning)[0::2]


def test_runs_on_the_surrogate_share_it_as_their_starts_share_the_activations():
    for scope, n_read in (("shared", 1), ("start", 4)):
        apart = TOPK | {"name": "apart", "dice": {"data": "start"}}
        split = study(starts=4, arms=[TOPK | {"dice": {"data": scope}}, apart], floors={"surrogate_starts": 4})
        beside = split.surrogates_of(split.conditions[0], activations="a")
        assert [run.part for run in beside] == parts(split)[0::2]
        assert len({run.rolls["data"] for run in beside}) == len({run.part for run in beside}) == n_read
    more = study(starts=2, arms=[apart], floors={"surrogate_starts": 3})
    beside = more.surrogates_of(more.conditions[0], activations="a")
    assert [run.start_index for run in beside] == [0, 1, 2]
    assert beside[2].part == beside[0].part != beside[1].part
    assert "data" not in study().surrogates_of(study().conditions[0], activations="a")[0].rolls


@pytest.mark.parametrize(
    ("start", "dice", "remedy"),
    [
        ("kmeans", {"data": "run"}, 'points = "run" as well, or data = "start"'),
        ("data", {"data": "start", "points": "shared"}, 'points = "start" as well, or data = "shared"'),
        ("kmeans-permuted", {"data": "start"}, 'dice = { data = "shared" } for this arm'),
    ],
)
def test_points_that_runs_share_cannot_come_from_different_activations(start, dice, remedy):
    with pytest.raises(SpecError) as refused:
        study(arms=[RA_TOPK | {"start": {"kind": start}, "dice": dice}])
    assert "ra: with data" in str(refused.value)
    assert remedy in str(refused.value)
    study(arms=[TOPK | {"dice": {"data": "run"}}, RA_TOPK | {"dice": {"data": "run", "points": "run"}}])


# TOML.


@pytest.mark.parametrize("kind", METHODS)
def test_a_study_survives_toml(tmp_path, kind):
    method = {"kind": kind, "n_atoms": 32, **required(kind, k=4, reads=8)}
    arm = {"name": "arm", "method": method, "start": {"kind": "data"}}
    before = study(arms=[arm], starts=2, training={"steps": 50, "threads": 2})
    before.write(tmp_path / "study.toml")
    after = Study.read(tmp_path / "study.toml")
    assert after.model_copy(update={"activations": before.activations}) == before


def test_activations_are_found_from_the_folder_of_the_file(tmp_path):
    (tmp_path / "study.toml").write_text(study(activations="data/acts.npy").to_toml())
    assert Study.read(tmp_path / "study.toml").activations == str(tmp_path / "data" / "acts.npy")


def test_activations_may_lie_in_the_home_folder_or_anywhere(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    for given_path, found in (("~/acts.npy", "/home/somebody/acts.npy"), ("/data/acts.npy", "/data/acts.npy")):
        (tmp_path / "study.toml").write_text(study(activations=given_path).to_toml())
        assert Study.read(tmp_path / "study.toml").activations == found


def test_a_study_can_be_written_in_python():
    arm = Arm(name="topk", method=TopK(n_atoms=32, k=4), start=Start(kind="random"))
    assert Study(activations="acts.npy", arms=(arm, Arm(**RA_TOPK))) == study()


def test_a_spec_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        study().starts = 5


# Mistakes.


def arm(**changes):
    return {"arms": [TOPK | changes]}


MISTAKES = {
    "an unknown preprocessing": ({"preprocess": ["center"]}, ["preprocess", "center", *PREPROCESSINGS]),
    "no preprocessing": ({"preprocess": []}, ["preprocess", "none"]),
    "a preprocessing that is no list": ({"preprocess": "none"}, ["preprocess", "'none'", "a list", "write ['none']"]),
    "a preprocessing twice": ({"preprocess": ["none", "none"]}, ["preprocess", "repeat"]),
    "no arms": ({"arms": []}, ["arms", "at least 1"]),
    "two arms of one name": ({"arms": [TOPK, TOPK]}, ["arms", "topk", "repeat"]),
    "too few starts": ({"starts": 0}, ["starts", "at least 1", "given: 0"]),
    "a number that is a word": ({"runs_per_start": "two"}, ["runs_per_start", "whole number", "'two'"]),
    "an unknown field": ({"start": 3}, ["start", "no such field", "starts", "runs_per_start"]),
    "an unknown field of a table": ({"training": {"step": 3}}, ["training.step", "no such field", "batch_size"]),
    "an unknown field of an arm": (arm(metod={}), ["arms.0.metod", "no such field", "method", "start", "dice"]),
    "an unknown field of a start": (
        arm(start={"kind": "data", "n": 3}),
        ["arms.0.start.n", "no such field", "n_points"],
    ),
    "no steps": ({"training": {"steps": 0}}, ["training.steps", "at least 1", "given: 0"]),
    "an unknown device": ({"training": {"device": "gpu"}}, ["training.device", "'auto'", "'cpu'", "'cuda'", "'gpu'"]),
    "an unknown scope": ({"dice": {"init": "all"}}, ["dice.init", "'shared'", "'start'", "'run'", "'all'"]),
    "the old word for a replicate": ({"dice": {"throw": 1}}, ["dice.throw: is called replicate now"]),
    "an unknown die": ({"dice": {"seed": "run"}}, ["dice.seed", "no such field", *DICE]),
    "an unknown die of an arm": (arm(dice={"seed": "run"}), ["arms.0.dice", "'init'", "'seed'"]),
    "a level of one": ({"thresholds": {"level": 1.0}}, ["thresholds.level", "less than 1", "given: 1.0"]),
    "two draws": ({"floors": {"draws": 2}}, ["floors.draws", "at least 3", "given: 2"]),
    "an unknown kind": (arm(method={"kind": "topp"}), ["arms.0.method", "topp", *METHODS]),
    "no kind": (arm(method={"n_atoms": 32}), ["arms.0.method", "kind", *METHODS]),
    "a kind that is no word": (arm(method={"kind": ["topk"]}), ["arms.0.method", "kind", *METHODS]),
    "a method that is no table": (arm(method="topk"), ["arms.0.method", "table", "'topk'", *METHODS]),
    "a method without its size": (arm(method={"kind": "topk", "k": 4}), ["arms.0.method", "n_atoms", "is needed"]),
    "more active atoms than atoms": (arm(method={"kind": "topk", "n_atoms": 4, "k": 5}), ["k = 5", "n_atoms = 4"]),
    "a name with a slash": (arm(name="a/b"), ["arms.0.name", "a/b", "lower-case letters", "such as a-b"]),
    "an unknown start": (arm(start={"kind": "zeros"}), ["arms.0.start.kind", "'random'", "'kmeans'", "'zeros'"]),
    "weights without points to mix": (arm(start={"kind": "data", "weights": "dirichlet"}), ["topk", "'dirichlet'"]),
    "an archetypal random start": (
        {"arms": [RA_TOPK | {"start": {"kind": "random"}}]},
        ["arms.0", "ra-topk", "random", "kmeans"],
    ),
    "fewer points than atoms": (
        {"arms": [RA_TOPK | {"start": {"kind": "kmeans", "n_points": 20}}]},
        ["arms.0", "n_points = 20", "12 of 32", "allow_fewer_points"],
    ),
    "fewer tokens than points": (arm(start={"kind": "kmeans", "points_tokens": 20}), ["points_tokens = 20", "32"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_on_one_line_with_field_value_and_what_is_allowed(tmp_path, mistake):
    change, words = MISTAKES[mistake]
    with pytest.raises(SpecError) as told:
        Study.parse(TABLE | change, origin=str(tmp_path / "study.toml"))
    message = str(told.value)
    assert message.startswith(str(tmp_path / "study.toml"))
    assert "\n" not in message
    assert [word for word in words if word not in message] == []


def test_several_mistakes_are_told_at_once():
    with pytest.raises(SpecError) as told:
        study(starts=0, training={"steps": 0})
    assert len(str(told.value).splitlines()) == 2


@pytest.mark.parametrize("missing", TABLE)
def test_what_is_missing_is_named(missing):
    with pytest.raises(SpecError, match=f"{missing}: is needed and not given"):
        Study.parse({name: value for name, value in TABLE.items() if name != missing})


def test_a_file_that_is_not_there_comes_with_the_command_that_writes_one(tmp_path):
    with pytest.raises(SpecError, match=r"does not exist: write one with  reseed init"):
        Study.read(tmp_path / "study.toml")


@pytest.mark.parametrize("content", [b"starts = ", b"\xff\xfe\x00", b"\x93NUMPY"])
def test_a_file_that_is_no_toml_is_told_as_such(tmp_path, content):
    (tmp_path / "study.toml").write_bytes(content)
    with pytest.raises(SpecError, match="cannot be read as TOML"):
        Study.read(tmp_path / "study.toml")


def test_a_folder_in_the_place_of_a_file_is_told_as_such(tmp_path):
    with pytest.raises(SpecError, match=r"is a folder, not a study.toml: write one with  reseed init"):
        Study.read(tmp_path)
    study().write(tmp_path / "study.toml")
    with pytest.raises(SpecError, match=r"give the file, such as .*/study\.toml"):
        Study.read(tmp_path)


def test_every_field_is_written_out():
    table = tomllib.loads(study().to_toml())
    assert table["arms"][0]["method"] == parse(TOPK["method"]).model_dump(exclude_none=True)
    assert set(table["dice"]) == set(Dice.model_fields)
