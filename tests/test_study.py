import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import reseed
from reseed import match
from reseed.activations import open_activations
from reseed.activations.synthetic import planted
from reseed.dice import generator
from reseed.errors import ActivationsError, SpecError, TrajectoryError
from reseed.findings import Findings
from reseed.pipeline.rejudge import rejudge
from reseed.spec import Floors, Study
from reseed.trajectory import StudyFolder
from reseed.verdict import Outcome
from studies import N_ATOMS, WITHOUT, arm, contents, finished, matrix, study


@pytest.fixture(scope="module")
def acts(tmp_path_factory):
    return matrix(tmp_path_factory.mktemp("study") / "acts.npy", 300)


RANDOM = {"kind": "random"}
TINY = {"steps": 2, "batch_size": 20, "evenly": 1, "device": "cpu"}


def tiny(acts, *arms, **changes):
    """A study of a second: two steps of two runs."""
    floors = {"draws": 3, "kmeans_steps": 1, "surrogate": "off"}
    known = {"starts": 2, "runs_per_start": 1, "training": TINY, "floors": floors}
    return study(acts, *(arms or (arm("topk", start=RANDOM),)), **known | changes)


def run(small, folder):
    reseed.run(small, folder, quiet=True)
    return contents(folder)


# The folder.


def test_a_study_folder_holds_all_that_the_design_names(acts, tmp_path):
    files = run(tiny(acts, arm("topk", start=RANDOM), arm("ra-topk"), preprocess=("none", "whiten")), tmp_path / "out")
    folders = {name.rsplit("/", 1)[0] for name in files if "/" in name}
    runs = {name.split("/")[1] for name in files if name.startswith("runs/")}
    assert {"study.toml", "manifest.json", "findings.json"} <= files.keys()
    assert {"moments/none.safetensors", "moments/whiten.safetensors"} <= files.keys()
    assert {f"floors/{name}/{N_ATOMS}" for name in ("none", "whiten")} <= folders
    assert len(runs) == 2 * 2 * 2
    compared = {name.split("/")[1] for name in files if name.startswith("compared/")}
    assert len(compared - {"across"}) == 2 * 2
    for key, table in product(
        compared - {"across"}, ("about.json", "pairs", "matchings", "births", "floors", "barriers")
    ):
        assert f"compared/{key}/{table if '.' in table else f'{table}.parquet'}" in files
    for one, file in product(runs, ("spec.json", "metrics.parquet", "done", "step-000000.safetensors")):
        assert f"runs/{one}/{file}" in files


def test_runs_that_were_trained_in_parts_are_taken_over_by_the_whole_study(acts, tmp_path):
    arms = (arm("topk", start=RANDOM), arm("ra-topk"))
    for number, one in enumerate(arms):
        reseed.run(tiny(acts, one), tmp_path / f"part-{number}", quiet=True)
        shutil.copytree(tmp_path / f"part-{number}" / "runs", tmp_path / "whole" / "runs", dirs_exist_ok=True)
    trained = {path: path.stat().st_mtime_ns for path in (tmp_path / "whole").glob("runs/*/*")}
    assert run(tiny(acts, *arms), tmp_path / "whole") == run(tiny(acts, *arms), tmp_path / "at-once")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "whole").glob("runs/*/*")} == trained


def test_the_same_study_gives_the_same_bytes_on_any_number_of_threads(acts, tmp_path):
    alike = [run(tiny(acts, training=TINY | {"threads": n}), tmp_path / str(n)) for n in (1, 3)]
    told = {"study.toml", "manifest.json", "findings.json", "SHA256SUMS"}  # which say what was asked for
    assert {k: v for k, v in alike[0].items() if k not in told} == {k: v for k, v in alike[1].items() if k not in told}


def test_a_continued_study_may_use_other_threads(acts, tmp_path):
    before = run(tiny(acts), tmp_path / "out")
    after = run(tiny(acts, training=TINY | {"threads": 2, "checkpoint_seconds": 1.0}), tmp_path / "out")
    assert {name for name in before if before[name] != after[name]} == {"study.toml", "findings.json", "SHA256SUMS"}


def test_the_study_in_the_folder_can_be_run_again_from_there(ended):
    folder, before = ended
    assert run(Study.read(folder / "study.toml"), folder) == before


def test_the_manifest_says_where_the_numbers_come_from(acts, ended):
    manifest = StudyFolder.open(ended[0]).manifest
    assert manifest.format_version == 2
    assert manifest.machine == {"torch": torch.__version__, "device": "cpu"}
    assert manifest.activations["fingerprint"] == open_activations(acts).fingerprint
    assert manifest.activations["tokens"] == 270


def test_a_continued_study_keeps_the_machine_that_began_it(acts, tmp_path):
    run(tiny(acts), tmp_path / "out")
    folder = StudyFolder(tmp_path / "out")
    folder.write_manifest(folder.manifest.model_copy(update={"machine": {"torch": "1.0", "device": "cpu"}}))
    run(tiny(acts), tmp_path / "out")
    assert StudyFolder.open(tmp_path / "out").manifest.machine["torch"] == "1.0"


# Going on with more, and with something else.


MORE = {
    "another arm": {"arms": (arm("topk", start=RANDOM), arm("ra-topk"))},
    "more starts and runs": {"starts": 3, "runs_per_start": 2},
    "another preprocessing": {"preprocess": ("centre", "none")},
    "more draws of longer k-means": {"floors": {"draws": 4, "kmeans_steps": 2}},
    "other words": {"name": "another title", "thresholds": {"margin": 0.2}},
    "another name of an arm": {"arms": (arm("topk", name="renamed", start=RANDOM),)},
}


@pytest.mark.parametrize("more", MORE)
def test_a_study_that_grows_ends_with_the_bytes_of_one_that_was_large_from_the_start(acts, tmp_path, more):
    large = Study.model_validate(tiny(acts).model_dump() | MORE[more])
    before = run(tiny(acts), tmp_path / "grown")
    after = run(large, tmp_path / "grown")
    assert {name for name in before if name.startswith("runs/")} <= after.keys()
    looks = Study.read(tmp_path / "grown/study.toml").thresholds.looks  # the words were read before more starts came
    assert [look.starts for look in looks] == ([2, 3] if "starts" in MORE[more] else [])
    thresholds = large.thresholds.model_copy(update={"looks": looks})
    assert after == run(large.model_copy(update={"thresholds": thresholds}), tmp_path / "large")


def test_a_finished_study_may_call_its_arms_otherwise_and_trains_and_compares_nothing(acts, tmp_path):
    run(tiny(acts, arm("ra-topk")), tmp_path / "out")
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/*/*") if path.suffix != ".parquet"}
    findings = reseed.run(tiny(acts, arm("ra-topk", name="renamed")), tmp_path / "out", quiet=True)
    assert [condition.name for condition in findings.conditions] == ["renamed@centre"]
    assert {path: path.stat().st_mtime_ns for path in made} == made


def test_fewer_draws_leave_no_floor_behind(acts, tmp_path):
    run(tiny(acts, floors={"draws": 4, "kmeans_steps": 1, "surrogate": "off"}), tmp_path / "shrunk")
    assert run(tiny(acts), tmp_path / "shrunk") == run(tiny(acts), tmp_path / "small")


OTHERS = {
    "other steps": {"training": TINY | {"steps": 3}},
    "other dice": {"dice": {"replicate": 1}},
    "fewer starts": {"starts": 1},
    "another preprocessing": {"preprocess": ("none",)},
    "another rate": {"arms": (arm("topk", start=RANDOM, learning_rate=0.1),)},
}


@pytest.fixture(scope="module")
def ended(acts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ended")
    return folder, run(tiny(acts), folder)


@pytest.mark.parametrize("other", OTHERS)
def test_a_folder_that_holds_another_study_is_refused_and_left_alone(acts, ended, other):
    folder, before = ended
    another = Study.model_validate(tiny(acts).model_dump() | OTHERS[other])
    with pytest.raises(SpecError, match=r"holds another study: .* of its 2 runs .* choose another --out, or delete"):
        reseed.run(another, folder, quiet=True)
    assert contents(folder) == before


def test_a_folder_in_which_another_process_trains_is_refused_and_left_alone(acts, ended):
    folder, before = ended
    with StudyFolder(folder).alone(), pytest.raises(TrajectoryError, match=r"another reseed run is at work in .*--out"):
        run(tiny(acts), folder)
    assert contents(folder) == before
    run(tiny(acts), folder)
    assert contents(folder) == before


def test_other_activations_are_another_study(ended, tmp_path):
    with pytest.raises(SpecError, match="holds another study"):
        reseed.run(tiny(matrix(tmp_path / "other.npy", 300, rolled=1)), ended[0], quiet=True)


def test_a_folder_of_another_format_version_is_refused(acts, ended, tmp_path):
    manifest = (ended[0] / "manifest.json").read_text()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text(manifest.replace('"format_version": 2', '"format_version": 99'))
    with pytest.raises(TrajectoryError, match="format version 99"):
        reseed.run(tiny(acts), tmp_path / "out", quiet=True)


# What is refused before anything is written.


MISFITS = {
    "a batch of more tokens than there are": (
        {"training": TINY | {"batch_size": 271}},
        "270 training tokens are too few",
    ),
    "more atoms than tokens": ({"arms": (arm("topk", n_atoms=271, start=RANDOM),)}, "n_atoms = 271 of topk.*270"),
    "more points than tokens": (
        {"arms": (arm("topk", start={"kind": "kmeans", "n_points": 300}),)},
        "n_points = 300 of topk.*270 training tokens",
    ),
    "a GPU that is not there": ({"training": TINY | {"device": "cuda"}}, "torch sees no GPU"),
}


@pytest.mark.parametrize("misfit", [name for name in MISFITS if "GPU" not in name or not torch.cuda.is_available()])
def test_what_does_not_suit_the_activations_is_refused_before_anything_is_written(acts, tmp_path, misfit):
    change, message = MISFITS[misfit]
    with pytest.raises((SpecError, ActivationsError), match=message):
        reseed.run(tiny(acts, *change.pop("arms", ()), **change), tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


def test_activations_that_are_all_equal_are_refused_before_anything_is_written(tmp_path):
    np.save(tmp_path / "acts.npy", np.ones((300, 5), dtype=np.float32))
    for preprocess, said in (("whiten", "all activations are equal"), ("none", "all rows are equal")):
        with pytest.raises(ActivationsError, match=said):
            reseed.run(tiny(tmp_path / "acts.npy", preprocess=(preprocess,)), tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


# Where activations come from.


def test_a_matrix_gives_the_same_bytes_from_either_kind_of_file(acts, ended, tmp_path):
    save_file({"x": torch.from_numpy(np.load(acts))}, tmp_path / "acts.safetensors")
    files = run(tiny(tmp_path / "acts.safetensors"), tmp_path / "out")
    told = {"study.toml", "manifest.json", "findings.json", "SHA256SUMS"}  # which name the file
    assert {k: v for k, v in files.items() if k not in told} == {k: v for k, v in ended[1].items() if k not in told}


def test_a_folder_of_pieces_is_the_matrix_that_they_make_up(acts, ended, tmp_path):
    for number, piece in enumerate(np.array_split(np.load(acts), 3)):
        np.save(tmp_path / f"{number}.npy", piece)
    whole, pieces = open_activations(acts), open_activations(tmp_path)
    assert whole.fingerprint == pieces.fingerprint
    assert torch.allclose(whole.moments.mean, pieces.moments.mean, rtol=0, atol=1e-12)
    findings = reseed.run(tiny(tmp_path), tmp_path / "out", quiet=True)
    expected = Findings.read(ended[0]).conditions[0].measures["agreement"].between.last.value
    assert findings.conditions[0].measures["agreement"].between.last.value == pytest.approx(expected, abs=1e-4)


# Judging again.


def test_a_study_is_judged_again_to_the_same_bytes_without_its_activations(tmp_path_factory, tmp_path):
    shutil.copytree(finished(tmp_path_factory)[0], tmp_path / "study")
    before = contents(tmp_path / "study")
    findings = rejudge(tmp_path / "study", quiet=True)
    assert contents(tmp_path / "study") == before
    assert repr(findings) == repr(Findings.read(tmp_path / "study"))


def test_what_is_no_study_cannot_be_judged_again(tmp_path):
    with pytest.raises(TrajectoryError, match="is a folder, not a study"):
        rejudge(tmp_path, quiet=True)


def test_a_study_that_somebody_runs_is_not_judged_beside_it(tmp_path_factory):
    folder = finished(tmp_path_factory)[0]
    with StudyFolder(folder).alone(), pytest.raises(TrajectoryError, match="another reseed run is at work"):
        rejudge(folder, quiet=True)


# The process.


def test_a_study_may_run_in_any_thread_and_leaves_signals_and_threads_as_they_were(acts, ended, tmp_path):
    before = signal.getsignal(signal.SIGINT), torch.get_num_threads()
    with ThreadPoolExecutor(1) as elsewhere:
        files = elsewhere.submit(run, tiny(acts), tmp_path / "out").result()
    assert files == ended[1] | {name: files[name] for name in ("study.toml", "findings.json", "SHA256SUMS")}
    assert (signal.getsignal(signal.SIGINT), torch.get_num_threads()) == before


# Divergence.


def test_an_arm_that_diverges_is_named_with_step_and_remedy_while_the_others_are_judged(acts, tmp_path):
    wild = arm("topk", name="wild", norm="free", learning_rate=1e30, start=RANDOM)
    findings = reseed.run(tiny(acts, wild, arm("topk", start=RANDOM)), tmp_path / "out", quiet=True)
    assert findings.verdicts["wild@centre"].outcome == Outcome.NOT_TESTABLE
    assert findings.verdicts["topk@centre"].outcome != Outcome.NOT_TESTABLE
    told = [warning for warning in findings.warnings if "is diverged: " in warning]
    assert len(told) == 2
    assert all("not finite at step" in each and "lower the learning_rate of wild" in each for each in told)


# Floors.


def test_floors_are_untrained_dictionaries_of_the_activations_themselves(tmp_path_factory):
    folder = StudyFolder.open(finished(tmp_path_factory)[0])
    rows = open_activations(folder.path.parent / "acts.npy").rows(torch.arange(540))
    centred = rows - rows.mean(dim=0)
    for atoms in (draw.atoms for draw in folder.draws("centre", N_ATOMS, "data")):
        nearest = torch.cdist(atoms, centred, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
        assert nearest.values.max() < 1e-3
        assert len(nearest.indices.unique()) == N_ATOMS
    drawn = [draw.atoms for floor in ("data", "kmeans") for draw in folder.draws("centre", N_ATOMS, floor)]
    assert all(match(a, b).agreement < 0.95 for i, a in enumerate(drawn) for b in drawn[:i])
    kmeans = folder.draws("centre", N_ATOMS, "kmeans")[0]
    assert kmeans.recipe == {"replicate": 0, "tokens_per_run": 30 * 31, "kmeans_steps": 10, "settled": 0.005}
    assert kmeans.policy.endswith("of 540 activations")  # fewer than 32 per centroid: all
    policies = {
        condition.arm: floor.policy.partition("its own; ")[2]
        for condition in Findings.read(folder.path).conditions
        for floor in condition.measures["agreement"].floors
        if floor.name == "kmeans"
    }
    assert policies == {
        "topk": "of 540 activations; less the decoder bias of one run each",
        "ra-topk": "of 540 activations",
    }


# End to end, with known answers.


def learn(rows, folder, *, n_atoms, k, steps, starts=4, floors=None):
    np.save(folder / "acts.npy", rows.numpy())
    method = {"n_atoms": n_atoms, "k": k, "learning_rate": 0.01}
    training = {"steps": steps, "batch_size": 64, "evenly": 1, "decay": 0.3, "device": "cpu"}
    small = study(
        folder / "acts.npy",
        arm("topk", start=RANDOM, **method),
        preprocess=("none",),
        starts=starts,
        runs_per_start=1,
        floors=floors or WITHOUT,
    )
    findings = reseed.run(
        Study.model_validate(small.model_dump() | {"training": training}), folder / "study", quiet=True
    )
    return findings.condition("topk@none"), StudyFolder.open(folder / "study").runs("topk@none")


def test_independent_starts_come_together_on_the_dictionary_that_was_planted(tmp_path):
    made = planted(4096, 32, n_atoms=16, active=4, noise=0.1)
    condition, runs = learn(made.rows, tmp_path, n_atoms=16, k=4, steps=300, starts=7, floors=Floors())
    assert condition.verdict.outcome in {Outcome.STABILIZING, Outcome.CONVERGENT}
    assert condition.init_groups == 7
    assert condition.measures["agreement"].born.value < 0.35
    assert condition.measures["agreement"].between.last.value > 0.9
    assert condition.contraction.value < 0.2
    recovered = [match(run.snapshot(300).atoms, made.atoms).agreement for run in runs]
    assert min(recovered) > 0.85
    born = [match(run.snapshot(0).atoms, made.atoms).agreement for run in runs]
    assert max(born) < 0.4


def test_independent_starts_do_not_come_together_on_noise(tmp_path):
    noise = torch.randn(4096, 32, generator=generator(0))
    condition, _ = learn(noise, tmp_path, n_atoms=48, k=4, steps=100)
    assert condition.verdict.outcome in {Outcome.UNSTABLE, Outcome.NOT_FITTED}
    assert condition.measures["agreement"].between.last.value < 0.6
