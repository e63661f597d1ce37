import json

import numpy as np
import pytest
import torch

from reseed.activations import batch_rows
from reseed.dice import DICE
from reseed.methods import METHODS
from reseed.training import Interrupted, train
from reseed.trajectory import RunEnd, StudyFolder
from studies import N_ATOMS, K, arm, contents, context, matrix, specs_of, study

RECIPE = {"steps": 10, "warmup_steps": 3, "decay": 0.4}
VARIANTS = {
    **{kind: {} for kind in METHODS},
    "topk": {"resample_every": 3},
    "relu": {"resample_every": 4, "encoder_start": "independent"},
    "ra-topk": {"encoder_start": "independent"},
}


@pytest.fixture(scope="module")
def acts(tmp_path_factory):
    return matrix(tmp_path_factory.mktemp("training") / "acts.npy")


def runs_of(acts, kind, **changes):
    return specs_of(study(acts, arm(kind, **VARIANTS[kind]), **{"starts": 2, "training": RECIPE} | changes))


def trained(specs, folder, *, threads=1, **more):
    """The files of runs trained together."""
    with context(more.pop("acts"), folder, threads=threads, **more) as place:
        train(specs, place)
    return contents(folder / "runs")


# Company.


@pytest.mark.parametrize("kind", METHODS)
def test_a_run_in_company_is_bit_identical_to_the_same_run_alone_on_any_number_of_threads(acts, tmp_path, kind):
    specs = runs_of(acts, kind)[:3]
    company = [trained(specs, tmp_path / f"{n} threads", threads=n, acts=acts) for n in (1, 2, 3)]
    alone = [trained([spec], tmp_path / f"run {i}", acts=acts) for i, spec in enumerate(specs)]
    assert company[0] == company[1] == company[2]
    assert company[0] == {name: digest for files in alone for name, digest in files.items()}
    assert len(company[0]) == 3 * (5 + 4)  # snapshots, and spec.json, metrics.parquet, done, SHA256SUMS


def test_the_order_of_the_companions_does_not_matter(acts, tmp_path):
    specs = runs_of(acts, "topk")
    forward, backward = (
        trained(each, tmp_path / name, acts=acts) for name, each in (("forward", specs), ("backward", specs[::-1]))
    )
    assert forward == backward


def test_runs_that_share_the_order_die_read_the_same_batches_and_stay_one_run(acts, tmp_path):
    shared = {"order": "shared", "encoder": "start", "resample": "start"}
    specs = runs_of(acts, "topk", dice=shared)
    trained(specs, tmp_path, acts=acts)
    first, twin, stranger = (StudyFolder(tmp_path).run(spec.id).snapshot(10).atoms for spec in specs[:3])
    assert torch.equal(first, twin)
    assert not torch.equal(first, stranger)


# What is written.


@pytest.mark.parametrize("kind", METHODS)
def test_snapshots_are_written_on_schedule_and_step_0_before_the_first_update(acts, tmp_path, kind):
    specs = runs_of(acts, kind)[:1]
    trained(specs, tmp_path, acts=acts)
    run = StudyFolder(tmp_path).run(specs[0].id)
    assert run.steps == specs[0].training.snapshots == (0, 1, 2, 5, 10)
    assert run.metrics["step"].to_list() == list(run.steps)
    assert run.metrics["tokens"].to_list() == [31 * step for step in run.steps]
    assert run.metrics["retention"][0] == pytest.approx(1.0)
    assert torch.equal(run.snapshot(0).atoms, run.snapshot(1).atoms) == (kind == "random")  # which never learns
    assert run.done == RunEnd(status="finished", step=10)


def test_step_0_is_the_start_itself(acts, tmp_path):
    specs = runs_of(acts, "topk", preprocess=("none",))
    trained(specs, tmp_path, acts=acts, preprocess="none")
    run = StudyFolder(tmp_path).run(specs[0].id)
    points = StudyFolder(tmp_path).points(run.record.points) - run.snapshot(0).tensor("decoder_bias")
    assert torch.allclose(run.snapshot(0).atoms, torch.nn.functional.normalize(points, dim=1), atol=1e-6)


def test_every_run_records_its_dice(acts, tmp_path):
    specs = runs_of(acts, "ra-topk")
    trained(specs, tmp_path, acts=acts)
    for spec in specs:
        recorded = json.loads((tmp_path / "runs" / spec.id / "spec.json").read_text())
        assert recorded["rolls"] == {die: spec.rolls[die] for die in DICE if die != "data"}
        assert recorded["activations"] == spec.activations


def test_training_lowers_the_loss(acts, tmp_path):
    specs = specs_of(study(acts, arm("topk", learning_rate=0.01), training={"steps": 100}))[:1]
    trained(specs, tmp_path, acts=acts)
    metrics = StudyFolder(tmp_path).run(specs[0].id).metrics
    assert metrics["loss"][-1] < 0.8 * metrics["loss"][0]
    assert metrics["r2"][-1] > metrics["r2"][0]
    assert metrics["training_loss"].is_nan().to_list() == [True] + [False] * (len(metrics) - 1)


def test_at_most_k_atoms_are_active(acts, tmp_path):
    specs = runs_of(acts, "topk")[:1]
    trained(specs, tmp_path, acts=acts)
    run = StudyFolder(tmp_path).run(specs[0].id)
    assert run.metrics["l0"].max() <= K
    for snapshot in run.snapshots.values():
        assert snapshot.codes.shape == (60, N_ATOMS)
        assert (snapshot.codes > 0).sum(dim=1).max() <= K


def test_dead_atoms_are_replaced_where_the_method_asks_for_it(acts, tmp_path):
    n_atoms, steps = 120, 12  # of so many atoms some never fire
    last = {}
    for every in (None, 5):
        small = study(acts, arm("topk", n_atoms=n_atoms, k=1, resample_every=every, start={"kind": "random"}))
        specs = specs_of(small.model_copy(update={"starts": 1, "runs_per_start": 1}))
        trained(specs, tmp_path / str(every), acts=acts)
        last[every] = StudyFolder(tmp_path / str(every)).run(specs[0].id).metrics["retention"][-1]
    assert specs[0].training.steps == steps
    assert last[5] < last[None] - 0.1


# Progress and interruption.


@pytest.mark.parametrize("stop_at", [1, 4, 10])
def test_a_stop_saves_every_run_and_the_rest_goes_on_to_the_same_bytes(acts, tmp_path, stop_at):
    specs = runs_of(acts, "ra-topk")
    whole = trained(specs, tmp_path / "whole", acts=acts)
    asked = iter(range(1, 100))
    with context(acts, tmp_path / "stopped") as place:
        with pytest.raises(Interrupted):
            train(specs, place, stop=lambda: next(asked) == stop_at)
        assert all(place.folder.run(spec.id).resume_point.exists() for spec in specs)
    assert trained(specs, tmp_path / "stopped", threads=2, acts=acts) == whole


@pytest.mark.parametrize("kind", METHODS)
def test_a_run_stopped_after_every_step_ends_with_the_bytes_of_one_that_was_not(acts, tmp_path, kind):
    specs = runs_of(acts, kind)[:1]
    whole = trained(specs, tmp_path / "whole", acts=acts)
    with context(acts, tmp_path / "stopped") as place:
        for _ in range(10):
            with pytest.raises(Interrupted):
                train(specs, place, stop=lambda: True)
    assert trained(specs, tmp_path / "stopped", acts=acts) == whole


def test_runs_stopped_at_different_steps_are_joined_again(acts, tmp_path):
    specs = runs_of(acts, "topk")
    whole = trained(specs, tmp_path / "whole", acts=acts)
    with context(acts, tmp_path / "joined") as place:
        for count, steps in ((1, 7), (3, 2)):
            asked = iter(range(1, 100))
            with pytest.raises(Interrupted):
                train(specs[:count], place, stop=lambda: next(asked) == steps)  # noqa: B023 (used up here)
    assert trained(specs, tmp_path / "joined", acts=acts) == whole


def test_progress_counts_every_step_of_every_run_once_and_what_was_done_before(acts, tmp_path):
    specs = runs_of(acts, "topk")
    for stop_at in (4, 100):
        made, asked = [], iter(range(1, 200))
        with context(acts, tmp_path) as place:
            try:
                train(specs, place, advance=made.append, stop=lambda: next(asked) == stop_at)  # noqa: B023 (used up here)
            except Interrupted:
                assert sum(made) == 4 * 4
    assert sum(made) == 4 * 10


def test_a_trained_run_is_not_trained_again(acts, tmp_path):
    specs = runs_of(acts, "topk")[:1]
    trained(specs, tmp_path, acts=acts)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    trained(specs, tmp_path, acts=acts)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times


# Numbers that are not finite.


def poisoned(acts, path, row, norm):
    """The same activations with one huge but finite row."""
    rows = np.load(acts)
    rows[row] *= norm / np.linalg.norm(rows[row])
    np.save(path, rows)
    return path


def readers(specs, row, n_tokens):
    """For each run the step that reads a row, or None."""
    size, steps = specs[0].training.batch_size, range(specs[0].training.steps)
    read = [[batch_rows(n_tokens, size, step, roll=spec.rolls["order"]) for step in steps] for spec in specs]
    return [next((step for step, batch in enumerate(batches) if row in batch), None) for batches in read]


@pytest.mark.parametrize(
    ("norm", "delay"),
    [
        (1e20, 0),  # its square, and so the loss, is beyond float32
        (1e13, 5),  # the loss is finite; the square of its gradient, Adam's second moment, is not
    ],
)
def test_a_run_that_is_not_finite_stops_with_step_batch_and_remedy_while_the_others_go_on(tmp_path, norm, delay):
    acts = matrix(tmp_path / "acts.npy", 2400)
    method = {"rescale": False, "decoder_bias": False, "start": {"kind": "random"}}
    small = study(acts, arm("topk", **method), preprocess=("none",), training={"steps": 10, "batch_size": 40})
    orders = specs_of(small)
    n_tokens, unsampled = 2160, range(1, 2160, 2)
    row, step, hit = next(
        (row, steps[0], 0)
        for row in unsampled
        if (steps := readers(orders, row, n_tokens))[0] in {2, 3} and steps[1:] == [None] * 3
    )
    specs = specs_of(study(poisoned(acts, tmp_path / "poisoned.npy", row, norm), *small.arms, **kept(small)))
    assert readers(specs, row, n_tokens) == [step, None, None, None]
    trained(specs, tmp_path / "together", acts=tmp_path / "poisoned.npy", preprocess="none")
    runs = [StudyFolder(tmp_path / "together").run(spec.id) for spec in specs]
    noticed = delay or step + 1
    ended = runs[hit].done
    assert (ended.status, ended.step, ended.batch) == ("diverged", noticed, noticed - 1)
    assert f"at step {noticed}, after batch {noticed - 1}: lower the learning_rate of topk" in ended.remedy
    assert list(runs[hit].steps) == runs[hit].metrics["step"].to_list() == [0, 1, 2]
    assert [run.done.status for run in runs[1:]] == ["finished"] * 3
    assert all(run.steps == (0, 1, 2, 5, 10) for run in runs[1:])


def kept(small):
    """The settings of a study that another study on other activations takes over."""
    return {name: getattr(small, name) for name in ("preprocess", "starts", "runs_per_start")} | {
        "training": small.training.model_dump()
    }


def test_a_whole_condition_can_diverge_and_is_not_trained_further(acts, tmp_path):
    method = {"norm": "free", "learning_rate": 1e30, "start": {"kind": "random"}}
    specs = specs_of(study(acts, arm("topk", **method), training={"steps": 200}))
    trained(specs, tmp_path, acts=acts)
    for spec in specs:
        ended = StudyFolder(tmp_path).run(spec.id).done
        assert ended.status == "diverged"
        assert ended.batch == ended.step - 1
        assert ended.step <= 3
        assert "learning_rate of topk (now 1e+30)" in ended.remedy


def test_a_stack_without_its_diverged_runs_is_that_of_the_others(acts, tmp_path):
    specs = runs_of(acts, "topk")
    spoiled = [replace_learning_rate(spec) if i == 1 else spec for i, spec in enumerate(specs)]
    whole = trained(specs, tmp_path / "whole", acts=acts)
    mixed = trained(spoiled, tmp_path / "mixed", acts=acts)
    fine = {name for name in whole if not name.startswith(specs[1].id)}
    assert {name: mixed[name] for name in fine} == {name: whole[name] for name in fine}


def replace_learning_rate(spec):
    return spec.model_copy(update={"method": spec.method.model_copy(update={"learning_rate": 1e38, "norm": "free"})})
