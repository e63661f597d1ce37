"""Spawning: a child is its parent up to a step and reads data in another order then (docs/mathematics.md, eq. 36)."""

import math
import shutil
from itertools import combinations

import polars as pl
import pytest
import torch

import reseed
from reseed.analysis import is_compared
from reseed.dice import generator
from reseed.errors import SpecError
from reseed.matching import match
from reseed.pipeline.rejudge import rejudge
from reseed.spec import Study
from reseed.training import Interrupted, train
from reseed.trajectory import RunEnd, Spawned, StudyFolder
from studies import arm, command_line, contents, context, hand_made, matrix, specs_of, study, write_run

RANDOM = {"kind": "random"}
SPAWN_AT = (0, 5, 10)


@pytest.fixture(scope="module")
def acts(tmp_path_factory):
    return matrix(tmp_path_factory.mktemp("spawn") / "acts.npy", 300)


def small(acts, **changes):
    """Two starts of two runs, twelve steps, with snapshots at 0, 1, 2, 5, 6 and 12."""
    return study(acts, *changes.pop("arms", (arm("topk", start=RANDOM),)), **{"spawn_at": SPAWN_AT} | changes)


def without_children(acts, **changes):
    return small(acts, spawn_at=(), **changes)


@pytest.fixture(scope="module")
def ended(acts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ended")
    return reseed.run(small(acts), folder, quiet=True), StudyFolder.open(folder)


def couples(folder, condition="topk@centre"):
    """Parent, child and the step between them."""
    for child in folder.children(condition):
        yield folder.run(child.record.spawn.parent), child, child.record.spawn.step


# What a child is.


def test_every_start_has_a_child_of_its_first_run_at_each_step(ended):
    firsts = [run.id for run in ended[1].runs("topk@centre") if run.record.run_index == 0]
    assert [(parent.id, step) for parent, _, step in couples(ended[1])] == [(i, s) for i in firsts for s in SPAWN_AT]
    called = [child.id.rpartition(".")[0] for child in children(ended[1])]
    assert called == [f"topk-random@centre.s{start}.r0.spawn{step}" for start in range(2) for step in SPAWN_AT]


def children(folder):
    return folder.children("topk@centre")


def test_a_child_is_its_parent_up_to_the_step_and_another_run_after_it(ended):
    compared = set()
    for parent, child, spawned in couples(ended[1]):
        for step in parent.steps:
            names = ("atoms", "encoder", "encoder_bias", "decoder_bias", "codes.values")
            same = all(
                torch.equal(parent.snapshot(step).tensor(name), child.snapshot(step).tensor(name)) for name in names
            )
            assert same == (step <= spawned), (spawned, step)
            compared.add((spawned, same))
    assert compared == {(step, same) for step in SPAWN_AT for same in (True, False)}


def test_the_whole_state_is_copied_moments_and_counters_too(acts, tmp_path):
    """At the last step before they part, parent and child have the same resume point."""
    spec = specs_of(small(acts))[0]
    condition = small(acts).conditions[0]
    child = small(acts).children_of(condition, activations=spec.activations)[1]
    with context(acts, tmp_path) as here, pytest.raises(Interrupted):
        train([spec, child], here, stop=stop_after(child.spawn.step))
    points = [StudyFolder(tmp_path).run(each.id).resume_point.read_bytes() for each in (spec, child)]
    assert points[0] == points[1]
    assert b"first.atoms" in points[0]


def stop_after(steps):
    asked = iter(range(1, steps + 1))
    return lambda: next(asked) == steps


def test_a_child_of_step_0_is_an_ordinary_run_with_another_order(acts, ended, tmp_path):
    _, child, _ = next(couples(ended[1]))
    spec = specs_of(small(acts))[0]
    ordinary = spec.model_copy(update={"rolls": spec.rolls | {"order": child.record.spawn.order}})
    ordinary = type(spec).model_validate(ordinary.model_dump())
    with context(acts, tmp_path) as here:
        train([ordinary], here)
    last = StudyFolder(tmp_path).run(ordinary.id).snapshot(12)
    assert torch.equal(last.atoms, child.snapshot(12).atoms)


def test_children_of_one_step_and_of_others_read_in_orders_of_their_own(ended):
    orders = {child.record.spawn.order for child in children(ended[1])}
    orders |= {run.record.rolls["order"] for run in ended[1].runs("topk@centre")}
    assert len(orders) == 6 + 4


# What it takes part in.


def test_children_change_nothing_else_in_the_findings(acts, ended, tmp_path):
    alone = reseed.run(without_children(acts), tmp_path, quiet=True).conditions[0]
    assert repr(ended[0].conditions[0].model_copy(update={"spawn": None})) == repr(alone)
    assert alone.spawn is None


def test_a_study_that_gets_children_keeps_its_runs_and_ends_like_one_that_had_them(acts, ended, tmp_path):
    reseed.run(without_children(acts), tmp_path, quiet=True)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/*")}
    reseed.run(small(acts), tmp_path, quiet=True)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    told = {"study.toml", "findings.json"}  # which name the folder of the activations
    same = {name: digest for name, digest in contents(ended[1].path).items() if name not in told}
    assert {name: digest for name, digest in contents(tmp_path).items() if name in same} == same


def test_a_folder_with_children_is_refused_to_a_study_without_them(acts, ended):
    with pytest.raises(SpecError, match="6 of its 10 runs are not part of this one"):
        reseed.run(without_children(acts), ended[1].path, quiet=True)


def test_an_interrupted_study_ends_with_the_same_bytes(acts, ended, tmp_path):
    specs = specs_of(small(acts))
    family = [*specs, *small(acts).children_of(small(acts).conditions[0], activations=specs[0].activations)]
    for steps in (3, 4):
        with context(acts, tmp_path) as here, pytest.raises(Interrupted):
            train(family, here, stop=stop_after(steps))
    with context(acts, tmp_path) as here:
        train(family, here)
    assert contents(tmp_path / "runs") == contents(ended[1].path / "runs")


def test_a_study_with_children_is_judged_again_to_the_same_bytes(ended):
    before = contents(ended[1].path)
    rejudge(ended[1].path, quiet=True)
    assert contents(ended[1].path) == before


# The curve.


def test_the_curve_is_the_agreement_of_child_and_parent_at_the_last_step(ended):
    condition = ended[0].conditions[0]
    floor = condition.agreement.floor.value
    assert condition.spawn.steps == SPAWN_AT
    for place, step in enumerate(SPAWN_AT):
        by_hand = [
            match(parent.snapshot(12).atoms, child.snapshot(12).atoms).agreement
            for parent, child, spawned in couples(ended[1])
            if spawned == step
        ]
        mean = math.fsum(by_hand) / 2
        assert condition.spawn.agreement[place].value == pytest.approx(mean)
        assert condition.spawn.agreement[place].n_units == 2
        assert condition.spawn.adjusted[place].value == pytest.approx((mean - floor) / (1 - floor))


def test_every_pair_is_in_the_table_of_pairs_with_all_measures(ended):
    rows = ended[1].compared("topk@centre").table("pairs").filter(pl.col("relation") == "spawned")
    assert rows["run_b"].to_list() == [child.id for child in children(ended[1])]
    assert set(rows["step"]) == {12}
    assert rows.null_count().row(0) == (0,) * rows.width


def known_family(folder, agreements):
    """Three parents and their children, written by hand, as `written_family`: what is found in them."""
    return rejudge(written_family(folder, agreements).path, quiet=True)


def written_family(folder, agreements):
    """The folder of three parents and their children: children of step s are `agreements[s]` of their parents."""
    n = 12
    eye, tokens = torch.eye(2 * n), torch.randn(40, 2 * n, generator=generator(1))
    born = {f"topk.s{start}.r0": {0: eye[torch.arange(n) + start], 10: eye[:n]} for start in range(3)}
    made = hand_made(folder, {"topk@none": born})
    ids = []
    for step, agreement in agreements.items():
        for start, parent in enumerate(born):
            atoms = agreement * eye[:n] + math.sqrt(1 - agreement**2) * eye[n:]
            child = made.run(f"topk.s{start}.r0.spawn{step}")
            by_step = {0: born[parent][0], 10: atoms}
            write_run(child, "topk@none", start, by_step, heldout=tokens, status="finished", metrics={})
            spawned = Spawned(parent=parent, step=step, order=1)
            child.write_record(child.record.model_copy(update={"spawn": spawned}))
            ids.append(child.id)
    (planned,) = made.manifest.conditions
    conditions = (planned.model_copy(update={"children": tuple(ids)}),)
    made.write_manifest(made.manifest.model_copy(update={"conditions": conditions}))
    return StudyFolder.open(folder)


@pytest.mark.parametrize(
    ("agreements", "determined"),
    [
        ({0: 0.5, 1: 0.6, 100: 1.0}, 100),
        ({0: 0.5, 1: 0.99, 100: 1.0}, 1),
        ({0: 1.0, 1: 0.5, 100: 1.0}, 100),
        ({0: 1.0}, 0),
        ({0: 1.0, 1: 0.5}, None),
    ],
)
def test_the_step_that_determines_is_the_first_from_which_on_all_children_agree(tmp_path, agreements, determined):
    spawn = known_family(tmp_path, agreements).conditions[0].spawn
    assert spawn.steps == tuple(agreements)
    assert [each.value for each in spawn.agreement] == pytest.approx(list(agreements.values()), abs=1e-6)
    assert spawn.agreement[0].unit == "start"
    assert spawn.determined == determined


def test_the_step_that_determines_needs_the_whole_interval(tmp_path):
    """A mean of .94 whose parents differ is no claim about other parents."""
    folder = written_family(tmp_path, {0: 1.0})
    child = folder.children("topk@none")[0]
    atoms = child.snapshot(10).atoms
    kept = ("encoder", "codes.row_offsets", "codes.atoms", "codes.values")
    rest = {name: child.snapshot(10).tensor(name) for name in kept}
    child.write_snapshot(10, rest | {"atoms": 0.8 * atoms + 0.6 * atoms.roll(12, dims=1)})
    spawn = rejudge(tmp_path, quiet=True).conditions[0].spawn
    assert spawn.agreement[0].value == pytest.approx((1 + 1 + 0.8) / 3, abs=1e-6)
    assert spawn.determined is None


def test_a_child_that_diverged_or_never_began_is_named_and_the_others_are_measured(tmp_path):
    known_family(tmp_path, {0: 1.0, 1: 1.0})
    folder = StudyFolder.open(tmp_path)
    first, second, *_ = folder.children("topk@none")
    first.finish([{"step": 0}], RunEnd(status="diverged", remedy="lower the learning rate"))
    for file in second.folder.iterdir():
        file.unlink()
    findings = rejudge(tmp_path, quiet=True)
    assert f"{first.id} is diverged: lower the learning rate" in findings.warnings
    assert f"{second.id} has not begun: run the study again to train it" in findings.warnings
    assert [each.n_units for each in findings.conditions[0].spawn.agreement] == [1, 3]


def test_a_child_without_a_finished_parent_is_not_compared_nor_looked_for_again(tmp_path):
    folder = written_family(tmp_path, {0: 1.0})
    parents = [parent for parent, *_ in couples(folder, "topk@none")]
    parents[0].finish([{"step": 0}], RunEnd(status="diverged"))
    parents[1].snapshot(0).path.unlink()
    (condition,) = rejudge(tmp_path, quiet=True).conditions
    assert condition.spawn.agreement[0].n_units == 1
    assert is_compared(StudyFolder.open(tmp_path), "topk@none")


def test_a_child_that_lost_its_last_snapshot_is_compared_earlier_and_that_is_said(acts, ended, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(ended[1].path, folder)
    child = children(StudyFolder.open(folder))[0]
    *_, before, last = child.steps
    child.snapshot(last).path.unlink()
    findings = rejudge(folder, quiet=True)
    told = f"{child.id} has lost its snapshots of steps {last}; it is compared with its parent at step {before}: "
    assert f"{told}to have it again, delete {child.folder} and run the study again" in findings.warnings
    shutil.rmtree(child.folder)
    reseed.run(small(acts), folder, quiet=True)
    assert (
        StudyFolder.open(folder)
        .compared("topk@centre")
        .table("pairs")
        .equals(ended[1].compared("topk@centre").table("pairs"), null_equal=True)
    )
    assert repr(rejudge(folder, quiet=True).conditions) == repr(ended[0].conditions)


def test_a_child_of_a_single_run_is_still_measured(acts, tmp_path):
    findings = reseed.run(small(acts, starts=1, runs_per_start=1, spawn_at=(2,)), tmp_path, quiet=True)
    (condition,) = findings.conditions
    assert condition.verdict.outcome == "not testable"
    assert 0 < condition.spawn.agreement[0].value < 1
    assert condition.spawn.determined is None
    assert repr(rejudge(tmp_path, quiet=True)) == repr(findings)
    assert is_compared(StudyFolder.open(tmp_path), "topk@centre")


def test_a_child_of_the_last_step_ends_as_its_parent_and_one_of_step_0_does_not(tmp_path):
    acts = matrix(tmp_path / "acts.npy", 3000, offset=0.0)
    method = {"n_atoms": 33, "learning_rate": 0.01, "start": RANDOM}
    asked = small(acts, arms=(arm("topk", **method),), starts=3, runs_per_start=1, steps=150, spawn_at=(0, 149))
    spawn = reseed.run(asked, tmp_path / "out", quiet=True).conditions[0].spawn
    first, last = (each.value for each in spawn.agreement)
    assert first < 0.95
    assert last > 0.99
    assert spawn.determined == 149


# Who shares what at step 0.


def test_an_encoder_of_its_own_parts_runs_as_well_as_a_dictionary_of_its_own(tmp_path):
    """Runs agree more sharing both starts than the dictionary's only, than neither (docs/mathematics.md, section 1)."""
    acts = matrix(tmp_path / "acts.npy", 4096, d_model=32, n_atoms=64, active=3, offset=0.0)
    sharing = {
        "both": {"init": "shared", "encoder": "shared"},
        "dictionary": {"init": "shared", "encoder": "run"},
        "neither": {"init": "run", "encoder": "run"},
    }
    free = arm("topk", n_atoms=64, k=3, learning_rate=0.003, encoder_start="independent", start=RANDOM)
    arms = [free.model_copy(update={"name": name, "dice": dice}) for name, dice in sharing.items()]
    recipe = {"steps": 300, "batch_size": 128, "evenly": 1}
    asked = study(acts, *arms, preprocess=("none",), starts=1, runs_per_start=4, training=recipe)
    found = {
        name: agreed(asked, condition, tmp_path) for name, condition in zip(sharing, asked.conditions, strict=True)
    }
    assert all(min(fits) > 0.5 for _, fits in found.values())
    assert found["both"][0] - found["dictionary"][0] > 0.1
    assert found["dictionary"][0] - found["neither"][0] > 0.02


def agreed(asked, condition, folder):
    """Mean agreement over the pairs of a condition's runs at the last step, and the R² of each run."""
    specs = [spec for spec in specs_of(asked) if spec.condition == condition.name]
    with context(asked.activations, folder, preprocess="none") as here:
        train(specs, here)
    trained = [StudyFolder(folder).run(spec.id) for spec in specs]
    pairs = list(combinations([run.snapshot(asked.training.steps).atoms for run in trained], 2))
    return math.fsum(match(a, b).agreement for a, b in pairs) / len(pairs), [run.metrics["r2"][-1] for run in trained]


# What is refused.


@pytest.mark.parametrize("given", [(12,), (-1,), (0, 0), (3, 100)])
def test_a_step_outside_training_or_given_twice_is_refused(acts, given):
    with pytest.raises(SpecError, match=r"spawn_at = \[.*each step once, from 0 to 11, before the last of 12 updates"):
        Study.parse(small(acts).model_dump() | {"spawn_at": given})


def test_the_command_line_runs_children(acts, tmp_path):
    small(acts).write(tmp_path / "study.toml")
    process = command_line("run", tmp_path / "study.toml", "--quiet")
    assert process.returncode == 0, process.stderr_text
    process = command_line("report", tmp_path / "study", "--full")
    assert "children of step 0 agree" in " ".join(process.stdout_text.split())
