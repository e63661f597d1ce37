"""The cases of benchmarks/faults/collecting.py through the command line, in this process."""

import os
import runpy
from pathlib import Path

import pytest

from reseed.cli import main

FAULTS = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks/faults/collecting.py"))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    FAULTS["sound"](folder)
    return folder


@pytest.mark.parametrize("name", FAULTS["CASES"])
def test_an_input_that_nobody_meant_is_told_in_one_line(root, capfd, name):
    case, place = FAULTS["CASES"][name], FAULTS["place_for"](name, root)
    arguments = FAULTS["arguments_of"](case, place)
    before = set(place.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capfd.readouterr()
    seen = FAULTS["judged"](case, place, before, (ended.value.code, said.out, said.err))
    assert not seen.fault, said.err
    assert len(os.fsencode("".join(seen.lines))) < 1500
