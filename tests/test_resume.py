"""Kill it anywhere and run the same command: one study suffers everything that can stop a process, one after the other.

Each insult goes to a real `reseed run` in a process of its own, at a moment that the files of the study tell; the next
process goes on with what the one before has left.
"""

import shutil
import signal
import time
from dataclasses import dataclass, field

import pytest

import reseed
from reseed.spec import Study
from reseed.trajectory import StudyFolder, read_header
from studies import command_line, contents, finished


@dataclass
class Insult:
    """What is done to a run of the command, and what it left."""

    moment: str = ""
    """The file whose appearance is the moment; the number of such files that there have to be."""
    count: int = 1
    signal: int = 0
    files: dict = field(default_factory=dict)
    resume_steps: dict = field(default_factory=dict)
    returncode: int = 0
    stderr: str = ""


INSULTS = {
    "killed before the first snapshot": Insult("manifest.json", signal=signal.SIGKILL),
    "killed in training": Insult("runs/topk-random*/step-000005.safetensors", signal=signal.SIGKILL),
    "interrupted in training": Insult("runs/ra-topk*/step-000001.safetensors", 4, signal=signal.SIGINT),
    "terminated in training": Insult("runs/ra-topk*/step-000010.safetensors", signal=signal.SIGTERM),
    "killed in comparison": Insult("runs/*/done", 8, signal=signal.SIGKILL),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return finished(tmp_path_factory)[0]


@pytest.fixture(scope="module")
def insulted(whole, tmp_path_factory):
    """The study folder after all insults and one run that nothing stopped; the insults have noted what they left."""
    place = tmp_path_factory.mktemp("insulted")
    for name in ("acts.npy", "study.toml"):
        shutil.copy(whole.parent / name, place / name)
    for insult in INSULTS.values():
        suffer(insult, place / "study")
    last = command_line("run", place / "study.toml", "--quiet")
    assert last.returncode == 0, last.stderr_text
    return place / "study"


def suffer(insult, folder):
    begun = time.time_ns()
    with command_line("run", folder.with_suffix(".toml"), "--quiet", wait=False) as process:
        wait_for(insult, folder, process, begun)
        process.send_signal(insult.signal)
        insult.stderr = process.communicate(timeout=60)[1]
    insult.returncode = process.returncode
    insult.files = contents(folder)
    insult.resume_steps = {
        path.parent.name: read_header(path)["step"] for path in folder.glob("runs/*/state.safetensors")
    }


def wait_for(insult, folder, process, begun):
    """Until this process, which begins with the manifest, has come to the moment."""
    while process.poll() is None:
        manifest = folder / "manifest.json"
        started = manifest.exists() and manifest.stat().st_mtime_ns > begun
        if started and len(list(folder.glob(insult.moment))) >= insult.count:
            return
        time.sleep(0.001)
    raise AssertionError(f"the process ended before {insult.moment}: {process.communicate()[1]}")


def test_a_study_that_was_stopped_everywhere_ends_with_the_bytes_of_one_that_never_was(whole, insulted):
    expected, found = contents(whole), contents(insulted)
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
    assert {"findings.json", "report.html", "study.toml", "manifest.json"} <= expected.keys()
    assert sum(name.endswith("/pairs.parquet") for name in expected) == 2
    assert len(expected) > 8 * 9


@pytest.mark.parametrize("name", INSULTS)
def test_what_is_there_after_an_insult_is_whole(whole, insulted, name):
    assert insulted.exists()
    expected, left = contents(whole), INSULTS[name].files
    killed = INSULTS[name].signal == signal.SIGKILL
    unfinished = (
        ".partial",
        "state.safetensors",
        "SHA256SUMS",
        "about.json",
    )  # which is told of the floors when they are measured
    known = {file: digest for file, digest in left.items() if not file.endswith(unfinished)}
    assert {file: expected.get(file) for file in known} == known
    assert killed or not [file for file in left if file.endswith(".partial")]
    assert "findings.json" not in left


@pytest.mark.parametrize("name", [name for name, insult in INSULTS.items() if insult.signal == signal.SIGKILL])
def test_a_kill_is_a_kill(insulted, name):
    assert insulted.exists()
    assert INSULTS[name].returncode == -signal.SIGKILL


@pytest.mark.parametrize(("name", "code"), [("interrupted in training", 130), ("terminated in training", 143)])
def test_a_stop_says_how_to_go_on_and_exits_with_the_code_of_its_signal(insulted, name, code):
    assert insulted.exists()
    assert INSULTS[name].returncode == code
    assert INSULTS[name].stderr == "reseed: stopped; the same command goes on from here\n"


def test_an_interruption_in_training_saves_every_run_at_the_same_step(insulted):
    steps = INSULTS["interrupted in training"].resume_steps
    assert insulted.exists()
    assert len(steps) == 4
    assert len(set(steps.values())) == 1
    assert all(run.startswith("ra-topk-kmeans@centre") and 1 <= step < 30 for run, step in steps.items())


def test_a_kill_in_training_leaves_a_point_to_go_on_from(insulted):
    assert insulted.exists()
    assert all(step >= 4 for step in INSULTS["killed in training"].resume_steps.values())
    assert len(INSULTS["killed in training"].resume_steps) == 4


def test_a_finished_study_is_not_trained_again_and_stays_as_it_is(whole, insulted):
    before = {path: path.stat().st_mtime_ns for path in insulted.glob("runs/*/*")}
    reseed.run(Study.read(insulted.with_suffix(".toml")), insulted, quiet=True)
    assert {path: path.stat().st_mtime_ns for path in insulted.glob("runs/*/*")} == before
    assert contents(insulted) == contents(whole)


def test_nothing_is_left_to_go_on_from(insulted):
    folder = StudyFolder.open(insulted)
    runs = [run for condition in folder.manifest.conditions for run in folder.runs(condition.name)]
    assert len(runs) == 8
    assert not any(run.resume_point.exists() for run in runs)
