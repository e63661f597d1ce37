"""A study folder of format version 1 is read as one of version 2, judged, and goes on as the study that it is."""

import json
import math
import shutil
from itertools import combinations

import polars as pl
import pytest
import torch
from safetensors.torch import save_file

import reseed
from reseed._support.files import write_tensors
from reseed.dice import generator
from reseed.matching import match
from reseed.pipeline.rejudge import rejudge
from reseed.trajectory import Manifest, PlannedCondition, RunEnd, RunRecord, Spawned, StudyFolder
from studies import arm, contents, matrix, specs_of, study

TOPK, RELU = "topk@centre", "relu@centre"
RUNS = {
    TOPK: tuple(f"topk@centre.s{start}.r{run}.{start}{run}a4b9c1d2" for start in range(3) for run in range(2)),
    RELU: tuple(f"relu@centre.s{start}.r{run}.{start}{run}e5f6a7b8" for start in range(2) for run in range(2)),
}
CHILD = "topk@centre.s0.r0.spawn1.939ddec987"
N_ATOMS, D_MODEL, TOKENS = 8, 6, 270

SETTINGS = {
    "encoder_bias": True,
    "decoder_bias": True,
    "encoder_start": "tied",
    "learning_rate": 0.001,
    "n_atoms": N_ATOMS,
    "parallel": "removed",
    "resample_every": None,
    "rescale": True,
}
METHODS = {
    TOPK: SETTINGS | {"kind": "topk", "k": 3, "norm": "unit"},
    RELU: SETTINGS | {"kind": "relu", "l1": 0.1},
}
STARTS = {
    condition: {
        "allow_fewer_points": False,
        "concentration": 1.0,
        "kind": kind,
        "kmeans_steps": steps,
        "n_points": None,
        "points_tokens": None,
        "weights": "identity",
    }
    for condition, kind, steps in ((TOPK, "random", 20), (RELU, "kmeans", 3))
}
ROLLS = {"encoder": 12, "init": 46, "kmeans": 62, "order": 42, "points": 81, "resample": 91}
TRAINING = {"batch_size": 31, "decay": 0.2, "evenly": 2, "steps": 10, "warmup_steps": 0}
MACHINE = {"device": "cpu", "torch": "2.13.0+cpu"}
ACTIVATIONS = {"fingerprint": "f2c383a64e843476", "source": "acts.npy", "tokens": TOKENS}

STUDY = """\
name = "study"
activations = "../acts.npy"
preprocess = ["centre"]
starts = 3
runs_per_start = 2
spawn_at = [1]

[[arms]]
name = "topk"
method = {kind = "topk", n_atoms = 8, learning_rate = 0.001, k = 3, l1 = 0.0}
start = {kind = "random"}

[[arms]]
name = "relu"
method = {kind = "relu", n_atoms = 8, learning_rate = 0.001, l1 = 0.1}
start = {kind = "kmeans", kmeans_steps = 3}

[training]
steps = 10
batch_size = 31

[dice]
throw = 0

[floors]
draws = 3
kmeans_steps = 10

[thresholds]
min_r2 = 0.3
margin = 0.03
convergent = 0.9
frozen_retention = 0.98
memory = 0.5
level = 0.95
"""


def drawn(*number):
    return torch.randn(N_ATOMS, D_MODEL, generator=generator(*number))


def trajectory(condition, number):
    """Starts that lie apart, and runs that come together."""
    born = drawn(number // 2, condition)
    return {0: born, 10: drawn(99) + 0.2 * drawn(number, condition, "end")}


def heights(number):
    """The barriers of pair number so many: matched and unmatched."""
    return 0.01 * (number + 1), 0.1 * (number + 1)


def as_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def as_tensors(path, tensors, **header):
    path.parent.mkdir(parents=True, exist_ok=True)
    told = json.dumps({"format_version": 1, **header}, sort_keys=True, separators=(",", ":"))
    save_file({name: tensors[name].contiguous() for name in sorted(tensors)}, path, metadata={"reseed": told})


def write_run(folder, run_id, condition, place, by_step, **more):
    """One run as it was written: its spec names condition and arm, and says nothing of a version, a sign or dice."""
    run = folder / "runs" / run_id
    spec = {
        "activations": ACTIVATIONS["fingerprint"],
        "arm": condition.split("@")[0],
        "condition": condition,
        "method": METHODS[condition],
        "points": None,
        "preprocess": "centre",
        "rolls": ROLLS,
        "run_index": place % 2,
        "start": STARTS[condition],
        "start_index": place // 2,
        "training": TRAINING,
    }
    as_json(run / "spec.json", spec | more)
    tokens = torch.randn(20, D_MODEL, generator=generator(7))
    for step, atoms in by_step.items():
        codes = (tokens @ atoms.T).relu()
        active = codes > 0
        tensors = {
            "atoms": atoms,
            "encoder": atoms.clone(),
            "encoder_bias": torch.zeros(N_ATOMS),
            "decoder_bias": torch.zeros(D_MODEL),
            "codes.row_offsets": torch.cat([torch.zeros(1), active.sum(dim=1).cumsum(0)]).to(torch.int32),
            "codes.atoms": active.nonzero()[:, 1].to(torch.int32),
            "codes.values": codes[active],
        }
        as_tensors(run / f"step-{step:06d}.safetensors", tensors, n_atoms=N_ATOMS, run=run_id, step=step)
    rows = {"step": list(by_step), "alive": [1.0, 1.0], "l0": [3.0, 3.0], "loss": [0.2, 0.1], "r2": [0.4, 0.8]}
    rows |= {"retention": [1.0, 0.3], "tokens": [0, 310], "training_loss": [math.nan, 0.5]}
    pl.DataFrame(rows).write_parquet(run / "metrics.parquet")
    as_json(run / "done", {"status": "finished", "step": 10})


def write_tables(folder):
    """The barriers of each condition; and the table of pairs, in which no measured number is right."""
    pairs = [(condition, *pair) for condition, ids in RUNS.items() for pair in combinations(ids, 2)]
    (folder / "barriers").mkdir()
    for condition, ids in RUNS.items():
        rows = [(a, b, *heights(number)) for number, (a, b) in enumerate(combinations(ids, 2))]
        table = pl.DataFrame(rows, schema=["run_a", "run_b", "matched", "unmatched"], orient="row")
        table.write_parquet(folder / "barriers" / f"{condition}.parquet")
    rows = [(condition, step, a, b, "between", 0.5) for condition, a, b in pairs for step in (0, 10)]
    names = ["condition", "step", "run_a", "run_b", "relation", "agreement"]
    pl.DataFrame(rows, schema=names, orient="row").write_parquet(folder / "pairs.parquet")


@pytest.fixture(scope="module")
def first_version(tmp_path_factory):
    """A folder of version 1, written by hand."""
    folder = tmp_path_factory.mktemp("first") / "study"
    manifest = {
        "activations": ACTIVATIONS,
        "conditions": [[condition, list(ids)] for condition, ids in RUNS.items()],
        "format_version": 1,
        "machine": MACHINE,
        "reseed": "0.1.0",
        "spawned": [[TOPK, [CHILD]], [RELU, []]],
        "study": "ee9cc1a29b81",
    }
    as_json(folder / "manifest.json", manifest)
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    moments = {"mean": torch.zeros(D_MODEL).double(), "covariance": torch.eye(D_MODEL).double()}
    as_tensors(folder / "moments" / "centre.safetensors", moments, preprocess="centre")
    for kind in ("data", "kmeans"):
        for draw in range(3):
            recipe = {"kind": kind, "kmeans_steps": 10, "kmeans_tokens": 1270, "throw": 0}
            path = folder / "floors" / "centre" / str(N_ATOMS) / f"{kind}-{draw}.safetensors"
            as_tensors(path, {"atoms": drawn(draw, kind)}, **recipe)
    for condition, ids in RUNS.items():
        for place, run_id in enumerate(ids):
            write_run(folder, run_id, condition, place, trajectory(condition, place))
    left = trajectory(TOPK, 0) | {10: drawn(99) + 0.3 * drawn(5, "child")}
    write_run(folder, CHILD, TOPK, 0, left, spawn={"order": 73, "parent": RUNS[TOPK][0], "step": 1})
    write_tables(folder)
    return folder


@pytest.fixture(scope="module")
def judged(first_version):
    before = contents(first_version)
    with pytest.warns(UserWarning, match="has no SHA256SUMS, like studies from before there were any"):
        return rejudge(first_version, quiet=True), before


def test_its_manifest_is_one_of_version_2_whose_names_are_the_keys(first_version):
    assert StudyFolder.open(first_version).manifest == Manifest(
        format_version=2,
        reseed="0.1.0",
        machine=MACHINE,
        study="ee9cc1a29b81",
        activations=ACTIVATIONS,
        conditions=(
            PlannedCondition(name=TOPK, arm="topk", preprocess="centre", key=TOPK, runs=RUNS[TOPK], children=(CHILD,)),
            PlannedCondition(name=RELU, arm="relu", preprocess="centre", key=RELU, runs=RUNS[RELU]),
        ),
    )


def test_the_records_of_its_runs_say_what_was_not_written_then(first_version):
    folder = StudyFolder.open(first_version)
    of = {"preprocess": "centre", "training": TRAINING, "rolls": ROLLS, "activations": ACTIVATIONS["fingerprint"]}
    random = RunRecord(
        start_index=1, run_index=0, method=METHODS[TOPK], start=STARTS[TOPK], dice=("init", "order"), **of
    )
    assert folder.run(RUNS[TOPK][2]).record == random
    matters = {"dice": ("points", "kmeans", "order"), "shared_when_published": True, "sign": "signed"}
    kmeans = RunRecord(start_index=0, run_index=1, method=METHODS[RELU], start=STARTS[RELU], **matters, **of)
    assert folder.run(RUNS[RELU][1]).record == kmeans
    assert folder.run(CHILD).record.spawn == Spawned(parent=RUNS[TOPK][0], step=1, order=73)
    assert folder.run(CHILD).done == RunEnd(status="finished", step=10)
    assert [run.id for run in folder.children(TOPK)] == [CHILD]


def test_it_is_judged_by_what_its_snapshots_say_and_not_by_its_old_table_of_pairs(first_version, judged):
    folder, findings = StudyFolder.open(first_version), judged[0]
    assert [condition.name for condition in findings.conditions] == [TOPK, RELU]
    for condition in findings.conditions:
        ended = [run.snapshot(10).atoms for run in folder.runs(condition.name)]
        agreed = [match(a, b).agreement for a, b in combinations(ended, 2)]
        assert [pair.agreement[-1] for pair in condition.pairs] == pytest.approx(agreed)
        assert [run.init_group for run in condition.runs] == [place // 2 for place in range(len(ended))]
    (child,) = findings.condition(TOPK).spawn.agreement
    parent = folder.run(RUNS[TOPK][0]).snapshot(10).atoms
    assert child.value == pytest.approx(match(parent, folder.run(CHILD).snapshot(10).atoms).agreement)
    assert findings.condition(RELU).spawn is None
    assert findings.comparisons[0].first_pairs == "within"  # published k-means starts are shared
    assert findings.comparisons[0].second_pairs == "between"


def test_its_barriers_are_found_where_they_lie(judged):
    for condition in judged[0].conditions:
        groups = {run.id: run.init_group for run in condition.runs}
        pairs = list(enumerate(combinations(RUNS[condition.name], 2)))
        for relation, same in (("within", True), ("between", False)):
            found = getattr(condition.barriers, relation)
            known = [heights(number) for number, (a, b) in pairs if (groups[a] == groups[b]) == same]
            matched, unmatched = (sum(part) / len(known) for part in zip(*known, strict=True))
            assert (found.matched.value, found.unmatched.value) == pytest.approx((matched, unmatched))


def test_its_floors_are_those_of_its_draws_and_k_means_names_its_tokens(judged):
    for condition in judged[0].conditions:
        floors = {floor.name: floor for floor in condition.agreement.floors}
        assert list(floors) == ["isotropic", "step 0", "data", "kmeans"]
        for kind in ("data", "kmeans"):
            draws = [drawn(draw, kind) for draw in range(3)]
            agreed = [match(a, b).agreement for a, b in combinations(draws, 2)]
            assert floors[kind].value == pytest.approx(math.fsum(agreed) / 3)
            assert floors[kind].n == 3
        assert floors["data"].policy == "activations drawn at random, n_atoms of them for each dictionary"
        assert floors["kmeans"].policy == (
            "n_atoms k-means centroids, each dictionary from activations and a start of its own; of 1,270 activations"
        )


def test_what_it_was_stays_as_it_was_beside_what_was_compared(first_version, judged):
    after = contents(first_version)
    assert {name: after[name] for name in judged[1]} == judged[1]
    new = {"findings.json", "compared/across/across.parquet"} | {
        f"compared/{condition}/{file}"
        for condition in RUNS
        for file in ("about.json", *(f"{table}.parquet" for table in ("pairs", "matchings", "births", "floors")))
    }
    sums = {".lock", "SHA256SUMS"} | {f"runs/{run.name}/SHA256SUMS" for run in (first_version / "runs").iterdir()}
    assert after.keys() - judged[1].keys() == new | sums


def test_judged_again_it_says_the_same(first_version, judged):
    assert repr(rejudge(first_version, quiet=True)) == repr(judged[0])


def older(folder, small):
    """Make a study folder of today what the first reseed would have made of it: runs under the ids that they had."""
    now = StudyFolder.open(folder)
    children = [spec for each in small.conditions for spec in small.children_of(each, activations=fingerprint(now))]
    ids = {spec.id: spec.first_id for spec in (*specs_of(small), *children)}
    new = ("format_version", "sign", "dice", "shared_when_published")
    for run_id, first_id in ids.items():
        run, condition = now.run(run_id), first_id.split(".")[0]
        kept = {name: value for name, value in run.record.model_dump(mode="json").items() if name not in new}
        if kept["spawn"] is None:
            del kept["spawn"]
        else:
            kept["spawn"]["parent"] = ids[kept["spawn"]["parent"]]
        as_json(run.folder / "spec.json", kept | {"arm": condition.split("@")[0], "condition": condition})
        for snapshot in run.snapshots.values():
            write_tensors(snapshot.path, snapshot.tensors, snapshot.header | {"run": first_id})
        run.folder.rename(folder / "runs" / first_id)
    manifest = json.loads(now.manifest.model_dump_json())
    named = {
        part: [[each["name"], [ids[run_id] for run_id in each[field]]] for each in manifest["conditions"]]
        for part, field in (("conditions", "runs"), ("spawned", "children"))
    }
    (folder / "barriers").mkdir()
    for condition in now.manifest.conditions:
        table = now.compared(condition.name).barriers()
        renamed = table.with_columns(pl.col("run_a", "run_b").replace(ids))
        renamed.write_parquet(folder / "barriers" / f"{condition.name}.parquet")
    as_json(folder / "manifest.json", manifest | named | {"format_version": 1})
    for sums in [*folder.rglob("SHA256SUMS")]:
        sums.unlink()
    shutil.rmtree(folder / "compared")
    return ids


def fingerprint(folder):
    return folder.manifest.activations["fingerprint"]


def found(findings, ids=None):
    """The findings as JSON, under other ids, without the sums of files that name them."""
    told = findings.model_copy(update={"judged_from": {}}).model_dump_json()
    for now, before in (ids or {}).items():
        told = told.replace(now, before)
    return json.loads(told)


def test_it_goes_on_as_the_study_that_it_is_with_the_runs_that_it_has(tmp_path):
    acts, folder = matrix(tmp_path / "acts.npy", 300), tmp_path / "study"
    small = study(acts, arm("topk", start={"kind": "random"}), arm("ra-topk"), spawn_at=(0, 5))
    first = reseed.run(small, folder, quiet=True)
    ids = older(folder, small)
    runs = contents(folder / "runs")
    with pytest.warns(UserWarning, match="has no SHA256SUMS"):
        assert found(rejudge(folder, quiet=True)) == found(first, ids)
    assert found(reseed.run(small, folder, quiet=True)) == found(first, ids)
    after = contents(folder / "runs")
    assert {name: after[name] for name in runs} == runs
    after = StudyFolder.open(folder)
    assert sorted(after.manifest.planned) == sorted(ids.values())
    compared = {after.compared(condition.name).path for condition in after.manifest.conditions}
    assert {*folder.glob("compared/*")} == {*compared, folder / "compared" / "across"}
    assert not list(folder.glob("barriers/*"))
