"""Tests run offline, on one thread, and with the shapes that annotations promise checked by jaxtyping."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from checked_shapes import check_calls_of
from installed_peers import installed

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is first imported; each worker of xdist has a core
os.environ.setdefault("TRITON_INTERPRET", "1")  # read when triton is first imported; 0 on a machine with a GPU
os.environ["HF_HUB_OFFLINE"] = "1"

# Many containers forbid bytecode: each worker, and each process that a test starts, would compile reseed once more.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# What reseed writes is on the disk before it goes on: ten thousands of times here, where nobody needs it after a crash.
MEMORY = Path("/dev/shm")  # noqa: S108 (what is put there is in folders that are of this user only)
if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 4 * 2**30:
    os.environ.setdefault("TMPDIR", str(MEMORY))  # for pytest, and for the processes that tests start

LONGEST = {"test_benchmarks", "test_cases", "test_docs", "test_words"}  # a minute or more each

check_calls_of("reseed")


@pytest.fixture(scope="module")
def overcomplete_sae():
    """The installed overcomplete's module of sparse autoencoders."""
    with installed("overcomplete.sae") as module:
        yield module


@pytest.fixture(scope="module")
def dictionary_learning_trainers():
    """The installed dictionary_learning's package of trainers."""
    with installed("dictionary_learning.trainers") as module:
        yield module


@pytest.fixture
def typed(capsys, monkeypatch):
    """Runs a command line in this process, where it takes seconds less: exit code, stdout, stderr."""
    from reseed.cli import main  # noqa: PLC0415 (after the hook that checks its calls)

    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return ended.value.code, told.out, told.err

    return run


def _has_browser():
    return any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")))


def pytest_configure(config):
    """Leave the order of files to what is below: xdist would begin with those of most tests, not the longest."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(config, items):
    """Begin with the longest files, so that no worker is alone with one in the end; leave out what cannot be run here.

    That is what needs a browser, where there is none, except in CI: `make test` needs nothing but Python.
    """
    items.sort(key=lambda item: item.path.stem not in LONGEST)
    if "CI" in os.environ or _has_browser():
        return
    left_out = [item for item in items if "browser" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_report_header():
    """Say what is left out before it is."""
    return None if "CI" in os.environ or _has_browser() else "no Chromium here: the report's browser tests are left out"
