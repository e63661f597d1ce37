"""Barriers after matching: against dense arithmetic in double precision, and where the answer is known."""

import math
from itertools import combinations

import pytest
import torch

import reseed
from reseed._support.threads import workers
from reseed.activations import open_activations, preprocessed
from reseed.dice import generator
from reseed.errors import TrajectoryError
from reseed.matching import match
from reseed.methods import parse
from reseed.methods._alternating import Iterating
from reseed.pipeline.barriers import ALPHAS, barrier, loss, measure_barriers, permuted, read_parameters
from reseed.pipeline.rejudge import rejudge
from reseed.trajectory import StudyFolder
from studies import D_MODEL, IN_ONE_SPACE, K, arm, contents, matrix, study


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A study with an arm of every method, two starts of two runs each: its findings, its folder and the tokens."""
    folder = tmp_path_factory.mktemp("barriers")
    acts = matrix(folder / "acts.npy", 300)
    findings = reseed.run(study(acts, *(arm(kind) for kind in IN_ONE_SPACE), steps=30), folder / "study", quiet=True)
    return findings, StudyFolder.open(folder / "study"), preprocessed(open_activations(acts), "centre")


def ended(folder, kind):
    runs = folder.runs(f"{kind}@centre")
    method = parse(runs[0].record.method)
    return runs, [read_parameters(run.snapshots[30], method) for run in runs], method


def barriers_of(folder):
    return StudyFolder(folder).compared("topk@centre").path / "barriers.parquet"


def dense_loss(parts, kind, rows):
    """The reconstruction written out, in double precision."""
    atoms, encoder, bias, shift = (
        parts[name].double() for name in ("atoms", "encoder", "encoder_bias", "decoder_bias")
    )
    before = (rows.double() @ encoder.T + bias).relu()
    if kind != "relu":
        kept = before.topk(K, dim=1)
        before = torch.zeros_like(before).scatter(1, kept.indices, kept.values)
    return (before @ atoms + shift - rows).square().mean().item()


def dense_barrier(a, b, kind, rows):
    ends = dense_loss(a, kind, rows), dense_loss(b, kind, rows)
    way = {
        alpha: {name: (1 - alpha) * a[name].double() + alpha * b[name].double() for name in a}
        for alpha in (0, 1, *ALPHAS)
    }
    return max(dense_loss(parts, kind, rows) - (1 - alpha) * ends[0] - alpha * ends[1] for alpha, parts in way.items())


@pytest.mark.parametrize("kind", IN_ONE_SPACE)
def test_the_ends_of_the_line_lose_what_the_runs_metrics_say(trained, kind):
    _, folder, seen = trained
    runs, parts, method = ended(folder, kind)
    for run, each in zip(runs, parts, strict=True):
        assert loss(each, method, seen.heldout.rows) == pytest.approx(run.metrics["loss"][-1], rel=1e-5)


@pytest.mark.parametrize("kind", ["topk", "relu", "ra-topk", "a-topk"])  # whose codes dense_loss writes out
def test_barriers_are_those_of_dense_arithmetic_in_units_of_r2(trained, kind):
    _, folder, seen = trained
    runs, parts, _ = ended(folder, kind)
    rows = seen.heldout.rows
    variance = (rows - seen.moments.mean).double().square().mean().item()
    table = folder.compared(f"{kind}@centre").barriers()
    pairs = list(combinations(range(4), 2))
    assert list(table.select("run_a", "run_b").iter_rows()) == [(runs[i].id, runs[j].id) for i, j in pairs]
    for (i, j), matched, unmatched in zip(pairs, table["matched"], table["unmatched"], strict=True):
        a, b = parts[i], parts[j]
        order = match(a["atoms"], b["atoms"]).cols
        turned = {name: tensor[order] if name != "decoder_bias" else tensor for name, tensor in b.items()}
        assert matched == pytest.approx(dense_barrier(a, turned, kind, rows) / variance, rel=1e-3, abs=1e-5)
        assert unmatched == pytest.approx(dense_barrier(a, b, kind, rows) / variance, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("kind", IN_ONE_SPACE)
def test_a_run_and_itself_in_another_order_have_a_barrier_only_until_they_are_matched(trained, kind):
    _, folder, seen = trained
    _, (one, *_), method = ended(folder, kind)
    rows = seen.heldout.rows
    shuffled = permuted(one, torch.randperm(method.n_atoms, generator=generator(3)), method)
    ends = loss(one, method, rows), loss(shuffled, method, rows)
    again = permuted(shuffled, match(one["atoms"], shuffled["atoms"]).cols, method)
    assert all(torch.equal(again[name], one[name]) for name in one)
    assert barrier(one, again, method, rows, ends=ends) == pytest.approx(0.0, abs=1e-6)
    least = 0.01 if isinstance(method, Iterating) else 0.1  # codes that are fitted to a dictionary make the best of any
    assert barrier(one, shuffled, method, rows, ends=ends) > least * rows.var(dim=0).mean()


def test_findings_hold_the_means_over_the_pairs_of_each_kind(trained):
    findings, folder, _ = trained
    condition = findings.condition("topk@centre")
    groups = {run.id: run.init_group for run in condition.runs}
    table = folder.compared("topk@centre").barriers()
    for kind in ("matched", "unmatched"):
        values = {"within": [], "between": []}
        for a, b, value in table.select("run_a", "run_b", kind).iter_rows():
            values["within" if groups[a] == groups[b] else "between"].append(value)
        for relation, found in values.items():
            interval = getattr(getattr(condition.barriers, relation), kind)
            assert interval.value == pytest.approx(math.fsum(found) / len(found))
    assert condition.barriers.between.matched.value < condition.barriers.between.unmatched.value


def test_barriers_that_are_there_are_not_measured_again(tmp_path):
    acts = matrix(tmp_path / "acts.npy", 300)
    small = study(acts, arm("topk"))
    reseed.run(small, tmp_path / "study", quiet=True)
    path = barriers_of(tmp_path / "study")
    before = path.stat().st_mtime_ns
    reseed.run(small, tmp_path / "study", quiet=True)
    assert path.stat().st_mtime_ns == before
    whole = contents(tmp_path / "study")
    path.unlink()
    reseed.run(small, tmp_path / "study", quiet=True)
    assert contents(tmp_path / "study") == whole


def test_a_study_without_barriers_is_judged_without_them(tmp_path):
    acts = matrix(tmp_path / "acts.npy", 300)
    reseed.run(study(acts, arm("topk")), tmp_path / "study", quiet=True)
    barriers_of(tmp_path / "study").unlink()
    assert rejudge(tmp_path / "study", quiet=True).conditions[0].barriers is None


def test_where_nothing_varies_there_is_no_barrier_to_speak_of(tmp_path):
    acts = matrix(tmp_path / "acts.npy", 300)
    reseed.run(study(acts, arm("topk", start={"kind": "random"}), steps=2), tmp_path / "study", quiet=True)
    folder, mean = StudyFolder.open(tmp_path / "study"), torch.ones(D_MODEL)
    folder.compared("topk@centre").forget_barriers()
    with workers(1) as pool:
        measure_barriers(folder, "topk@centre", mean.expand(20, -1), mean, pool)
    found = folder.compared("topk@centre").barriers()
    assert len(found) == 6
    assert found.select("matched", "unmatched").unpivot()["value"].is_nan().all()


def test_a_damaged_file_is_named_with_what_to_do(tmp_path):
    acts = matrix(tmp_path / "acts.npy", 300)
    reseed.run(study(acts, arm("topk"), steps=2), tmp_path / "study", quiet=True)
    path = barriers_of(tmp_path / "study")
    path.write_bytes(b"no parquet")
    with pytest.raises(TrajectoryError, match=r"/barriers.parquet is not what was written .* delete .* again"):
        rejudge(tmp_path / "study", quiet=True)


def test_only_finished_runs_have_barriers(tmp_path):
    acts = matrix(tmp_path / "acts.npy", 300)
    wild = arm("topk", norm="free", learning_rate=1e30, start={"kind": "random"})
    findings = reseed.run(study(acts, wild, steps=3), tmp_path / "study", quiet=True)
    assert findings.conditions[0].barriers is None
    assert not barriers_of(tmp_path / "study").exists()
