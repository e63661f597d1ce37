"""What a study will need is known before it runs, and one that cannot fit is refused before anything is written."""

import json
import re
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
import torch

import reseed
from reseed._support import machine
from reseed.activations import Sizes, open_activations, sizes_of
from reseed.cli import main
from reseed.errors import MemoryShortError, SpecError
from reseed.methods import METHODS
from reseed.pipeline.memory import enough_memory
from reseed.pipeline.needs import count_snapshots, needs_of
from reseed.pipeline.room import refusal_of
from reseed.pipeline.shapes import shape_of
from reseed.spec import Floors, Training
from reseed.starts import draw
from reseed.training import stack
from reseed.trajectory import StudyFolder
from studies import D_MODEL, N_ATOMS, WITHOUT, arm, context, little_memory, matrix, specs_of, study

HUGE = Sizes("acts", 10**12, 4096, 4096)
TINY = {"steps": 12, "batch_size": 31, "evenly": 2, "device": "cpu", "checkpoint_seconds": 0}


@pytest.fixture(scope="module")
def acts(tmp_path_factory):
    return matrix(tmp_path_factory.mktemp("plan") / "acts.npy")


@pytest.fixture(scope="module")
def asked(acts):
    """Two arms that share their centroids, with children and surrogates."""
    arms = arm("topk"), arm("ra-topk")
    return study(acts, *arms, spawn_at=(1,), preprocess=("whiten",), training=TINY, floors=Floors(draws=3))


@pytest.fixture(scope="module")
def planned(asked, tmp_path_factory):
    """The plan, and the folder of the study after it has run."""
    folder = tmp_path_factory.mktemp("plan") / "study"
    before = reseed.plan(asked, folder, quiet=True)
    assert not folder.exists()
    reseed.run(asked, folder, quiet=True)
    return before, folder


@pytest.fixture
def typed(capsys):
    """Runs a command line: its exit code, stdout and stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return Typed(ended.value.code, *capsys.readouterr())

    return run


class Typed(NamedTuple):
    code: int
    out: str
    err: str


def size_of(files):
    return sum(file.stat().st_size for file in files)


def test_runs_snapshots_and_pairs_are_those_that_come(planned):
    before, folder = planned
    opened = StudyFolder.open(folder)
    names = [condition.name for condition in opened.manifest.conditions]
    runs, children = ([len(kind(name)) for name in names] for kind in (opened.runs, opened.children))
    assert (before.runs, before.children) == (sum(runs), sum(children)) == (8, 4)
    assert before.snapshots == len(list(folder.glob("runs/*/step-*")))
    assert before.pairs == sum(n * (n - 1) // 2 for n in runs)
    assert before.ended == 0


def test_files_and_bytes_are_those_that_come(planned):
    before, folder = planned
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert before.disk.files == len(files) + 1  # the report, which the command line writes
    assert size_of(folder.glob("points/*")) == pytest.approx(before.disk.parts["points"], rel=0.3)
    assert size_of(folder.glob("floors/*/*/*")) == pytest.approx(before.disk.parts["floors"], rel=0.3)
    snapshots = size_of(folder.glob("runs/*/step-*"))
    assert snapshots < before.disk.parts["snapshots"] < 1.5 * snapshots  # at most half of the atoms of ReLU are active


def test_a_plan_of_a_finished_study_says_that_nothing_is_left(asked, planned):
    before, folder = planned
    after = reseed.plan(asked, folder, measure=False)
    assert after.ended == after.runs + after.children + after.surrogates == 18
    assert (after.disk.now, after.memory.most) == (machine.file_bytes(folder)[0], before.memory.most)
    assert after.wall_hours is None
    assert before.wall_hours > 0


@pytest.mark.parametrize("kind", METHODS)
def test_the_sizes_of_a_run_are_those_of_its_state_and_of_its_snapshot(acts, tmp_path, kind):
    start = {"kind": "data", "n_points": 40}
    with context(acts, tmp_path) as place:
        (spec, *_) = specs_of(study(acts, arm(kind, start=start)))
        found = shape_of(spec.method, spec.start, D_MODEL)
        point = draw(spec.start, spec.method, place.seen(spec).activations, spec.rolls)
        state = spec.method.initialise(point, spec.rolls["encoder"])
    begun = stack.begin(spec, state)
    tensors = [*state.values(), begun.idle]
    assert found.state == sum(tensor.nbytes for tensor in tensors)
    assert found.snapshot == sum(tensor.nbytes for tensor in spec.method.parameters(state).values())
    assert (found.n_atoms, found.n_points) == (spec.method.n_atoms, 40)


def test_snapshots_are_counted_without_a_list_of_them():
    steps, evenly = (*range(1, 60), 999, 1000, 1001), (*range(1, 70), 333, 1000, 2000)
    for training in (Training(steps=s, evenly=e) for s, e in product(steps, evenly)):
        assert count_snapshots(training) == len(training.snapshots), training


def test_more_even_snapshots_than_steps_are_one_at_every_step():
    assert Training(steps=7, evenly=10**4).snapshots == tuple(range(8))


@pytest.mark.parametrize("offset", [0, 1])
def test_sizes_are_known_without_reading_a_row(tmp_path, offset):
    rows = np.full((103 + offset, 5), np.nan, np.float32)
    np.save(tmp_path / "acts.npy", rows)
    assert sizes_of(tmp_path / "acts.npy") == sizes_of(tmp_path)._replace(name="acts")
    assert sizes_of(tmp_path / "acts.npy") == Sizes("acts", 93 + offset, 10, 5)
    opened = open_activations(torch.zeros(103 + offset, 5))
    assert (opened.n_tokens, len(opened.heldout.rows)) == (93 + offset, 10)


LONG = {"steps": 10**7, "evenly": 10**4}
IMPOSSIBLE = {
    "atoms": (
        {"n_atoms": 2**24},
        {},
        r"(drawing the floors|training topk@centre): .* TB .* reduce .*n_atoms",
    ),
    "points": (
        {"n_points": 2**24},
        {},
        r"training ra-topk@centre: .* reduce starts, runs_per_start, n_atoms, n_points",
    ),
    "draws": (
        {"n_atoms": 2**17},
        {"floors": Floors(draws=1000)},
        r"499,500 pairs of 1,000 draws of 131,072 atoms: .* 8.6 TB .*; reduce floors.draws",
    ),
    "starts": ({}, {"starts": 400, "training": LONG}, r"comparing topk@centre: .* pairs of runs .*; reduce starts"),
    "batch": ({}, {"training": {"batch_size": 2**24}}, r"training topk@centre: .* 550 GB .* training.batch_size"),
    "snapshots": (
        {"n_atoms": 2**12},
        {"training": LONG},
        r"the study would write .* TB, most of it snapshots, .*; reduce training.evenly",
    ),
}


def impossible(case):
    settings, changes, told = IMPOSSIBLE[case]
    start = {"kind": "data", "n_points": settings["n_points"]} if "n_points" in settings else {"kind": "random"}
    atoms = {name: value for name, value in settings.items() if name == "n_atoms"}
    return study("acts", arm("ra-topk" if "n_points" in settings else "topk", start=start, **atoms), **changes), told


@pytest.mark.parametrize("case", IMPOSSIBLE)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_cannot_fit_is_known_by_arithmetic_and_told_in_a_sentence(tmp_path, case, device):
    asked, told = impossible(case)
    refusal = refusal_of(needs_of(asked, HUGE, device=device, threads=2), tmp_path / "study")
    assert refusal
    assert "\n" not in refusal
    if device == "cpu":
        assert re.search(told, refusal)


@pytest.mark.parametrize("command", [(), ("--dry-run",)])
def test_a_study_that_cannot_fit_is_refused_before_anything_is_read_or_written(tmp_path, command, typed):
    rows = np.full((400, 5), np.nan, np.float32)  # which nobody may see
    np.save(tmp_path / "acts.npy", rows)
    study(tmp_path / "acts.npy", starts=400, training=LONG).write(tmp_path / "study.toml")
    told = typed("run", tmp_path / "study.toml", *command)
    assert told.code == 1
    assert re.fullmatch(
        r"reseed: comparing topk@centre: .* that would need 4.8 TB of memory, .*; reduce .* training.evenly\n", told.err
    )
    assert sorted(file.name for file in tmp_path.iterdir()) == ["acts.npy", "study.toml"]


def test_more_points_than_rows_are_refused_before_a_row_is_read(tmp_path):
    np.save(tmp_path / "acts.npy", np.full((400, 5), np.nan, np.float32))
    asked = study(tmp_path / "acts.npy", arm("ra-topk", start={"kind": "data", "n_points": 361}))
    with pytest.raises(SpecError, match="n_points = 361 of ra-topk: acts has 360 training tokens"):
        reseed.run(asked, tmp_path / "study", quiet=True)
    assert not (tmp_path / "study").exists()


def test_a_study_that_is_more_than_this_machine_is_refused_and_one_that_is_judged_already_is_not(
    asked, planned, tmp_path, monkeypatch
):
    before, folder = planned
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(before.memory.least - 1, 10**12))
    with pytest.raises(SpecError, match=r"that would need \d+ MB of memory, and this machine has \d+ MB; reduce"):
        reseed.run(asked, tmp_path / "study", quiet=True)
    assert not (tmp_path / "study").exists()
    assert reseed.run(asked, folder, quiet=True).conditions


def test_what_may_become_tight_is_a_caution(asked, planned, tmp_path, monkeypatch):
    before, _ = planned
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(10**12, before.memory.most - 1))
    monkeypatch.setattr(machine, "room", lambda _: machine.Room(before.disk.end, None))
    told = reseed.plan(asked, tmp_path / "study", measure=False)
    assert told.refusal == ""
    assert [caution.partition(" the study")[0] for caution in told.cautions] == ["at its peak", "while it runs"]
    assert str(told).count("caution: ") == 2


def test_a_dry_run_writes_nothing_and_its_json_is_its_table(asked, tmp_path, typed):
    asked.model_copy(update={"arms": asked.arms[:1], "spawn_at": ()}).write(tmp_path / "study.toml")
    told = typed("run", tmp_path / "study.toml", "--dry-run", "--json")
    assert told.code == 0
    found = json.loads(told.out)
    assert (found["runs"], found["children"]) == (4, 0)
    assert found["wall_hours"] == pytest.approx(sum(part["wall_hours"] for part in found["parts"]))
    assert 0 < found["memory"]["least"] < found["memory"]["most"] < found["memory"]["there"]
    told = typed("run", tmp_path / "study.toml", "--dry-run", "--quiet")
    assert f"4, 3 on the surrogate; {found['snapshots']} snapshots, {found['pairs']} pairs of runs" in told.out
    assert told.err == ""
    assert [file.name for file in tmp_path.iterdir()] == ["study.toml"]


def test_a_study_that_diverges_is_measured_all_the_same(acts, tmp_path):
    told = reseed.plan(study(acts, arm("topk", learning_rate=1e30), training=TINY), tmp_path / "study", quiet=True)
    assert told.wall_hours > 0


def test_a_geometry_that_cannot_fit_is_refused(acts, monkeypatch):
    monkeypatch.setattr("reseed.geometry.measuring.memory", lambda: machine.Memory(10**6, 10**6))
    with pytest.raises(
        SpecError, match=r"1,000 draws of 33 atoms would need 52.2 MB of memory, and this machine has 1"
    ):
        reseed.geometry.measure(acts, n_atoms=N_ATOMS, draws=1000)


def test_json_is_for_dry_runs(tmp_path, typed):
    told = typed("run", tmp_path / "study.toml", "--json")
    assert (told.code, told.out) == (1, "")
    assert told.err.startswith("reseed: --json was given without --dry-run: ")


def test_a_folder_that_cannot_be_written_is_told_first(tmp_path):
    (tmp_path / "file").write_text("mine")
    asked = study(tmp_path / "nothing.npy", arm("topk"))
    with pytest.raises(SpecError, match=r"file is a file, and a folder is needed"):
        reseed.plan(study(matrix(tmp_path / "acts.npy"), arm("topk")), tmp_path / "file" / "below")
    with pytest.raises(reseed.ActivationsError, match="does not exist"):
        reseed.plan(asked, tmp_path / "study")


@pytest.mark.parametrize("version", [1, 2])
def test_memory_is_that_of_the_container_and_not_of_the_machine(tmp_path, version):
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    root = cgroups / "memory" if version == 1 else cgroups
    limit, used = [("memory.limit_in_bytes", "memory.usage_in_bytes"), ("memory.max", "memory.current")][version - 1]
    (proc / "self").mkdir(parents=True)
    (root / "pod" / "box").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal: 8000 kB\nMemAvailable: 6000 kB\nSwapTotal: 1000 kB\nSwapFree: 500 kB\n")
    assert machine.memory(proc, cgroups) == machine.Memory(9000 * 1024, 6500 * 1024)
    (proc / "self" / "cgroup").write_text(f"{'9:memory' if version == 1 else '0:'}:/pod/box\n")
    for folder, bytes_ in (("pod/box", "max"), ("pod", "3000000")):
        (root / folder / limit).write_text(f"{bytes_}\n")
        (root / folder / used).write_text("2500000\n")
        (root / folder / "memory.stat").write_text("anon 5\nactive_file 300000\ninactive_file 700000\n")
    assert machine.memory(proc, cgroups) == machine.Memory(3_000_000, 1_500_000)
    assert machine.memory(tmp_path / "elsewhere") is None


@pytest.mark.parametrize("ask", [lambda: torch.empty(2**55), lambda: np.empty(2**55)])
def test_memory_that_is_short_is_a_sentence_whichever_library_asks_for_it(ask):
    told = r"not enough memory for training topk@none; .* reduce n_atoms"
    with pytest.raises(MemoryShortError, match=told), enough_memory("training topk@none", "n_atoms"):
        ask()
    with pytest.raises(RuntimeError, match="another"), enough_memory("training", "n_atoms"):
        raise RuntimeError("another")


def test_memory_that_runs_out_in_training_is_told_and_the_same_study_goes_on(tmp_path):
    acts = matrix(tmp_path / "acts.npy", 12_000, d_model=5, n_atoms=4, active=1)
    start = {"kind": "data", "n_points": 10_000}
    wide = study(
        acts,
        arm("ra-topk", start=start, n_atoms=100),
        starts=1,
        training=TINY,
        floors=WITHOUT.model_copy(update={"draws": 3}),
    )
    with little_memory(2**25), pytest.raises(MemoryShortError, match="not enough memory for training ra-topk@centre; "):
        reseed.run(wide, tmp_path / "study", quiet=True)
    assert reseed.run(wide, tmp_path / "study", quiet=True).conditions
