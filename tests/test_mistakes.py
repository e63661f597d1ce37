"""Mistakes that people make end in one clear sentence: a part of benchmarks/faults/mistakes.py, and random ones."""

import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reseed._support.documents import UnreadableError, parse_json, read_json, read_toml
from reseed.errors import SpecError
from reseed.spec import Study

ROOT = Path(__file__).parents[1]
FEW = settings(max_examples=60, deadline=None, derandomize=True, database=None)
FOREIGN = re.compile(r"Input should|pydantic|Traceback|\[Errno")

TOPK = {"kind": "topk", "n_atoms": 32, "k": 4}
RIGHT = {"activations": "acts.npy", "arms": [{"name": "arm", "method": TOPK, "start": {"kind": "random"}}]}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def test_a_mistake_of_any_kind_is_told():
    command = [sys.executable, "benchmarks/faults/mistakes.py", "--every", "9"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1].split()
    assert last[0] == "all"
    assert int(last[1]) > 400
    assert last[-2:] == ["0", "0"]


@FEW
@given(
    st.sampled_from(["", "training", "dice", "floors", "thresholds"]),
    st.sampled_from(["steps", "starts", "draws", "margin", "min_r2", "init", "arms", "name", "evenly", "preprocess"]),
    anything,
)
def test_whatever_a_field_holds_it_is_a_study_or_a_sentence(table, name, value):
    given_study = RIGHT | ({name: value} if not table else {table: {name: value}})
    told = ""
    try:
        study = Study.parse(given_study)
    except SpecError as error:
        told = str(error)
    else:
        assert Study.parse(study.model_dump(mode="json", exclude_none=True)) == study
    assert not FOREIGN.search(told)


@FEW
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode) | anything.map(lambda a: repr(a).encode()))
def test_whatever_a_file_holds_it_is_a_document_or_a_sentence(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    for read in (read_toml, read_json):
        with suppress(UnreadableError):
            assert isinstance(read(path), dict)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ('{"a":' * 150 + "1" + "}" * 150, "nested too deeply"),
        ('{"a": 1' + "0" * 5000 + "}", "integer of thousands of digits"),
        ('{"a": 1' + "0" * 30 + "}", "does not fit into 64 bits"),
        ('{"a": "\\ud800"}', "half a character"),
        ('{"\\udfff": 1}', "half a character"),
        ('{"a": NaN}', "NaN, which is no JSON"),
        ("", "it is empty"),
    ],
)
def test_what_would_break_a_reader_later_is_told_by_the_reader(content, words):
    with pytest.raises(UnreadableError, match=words):
        parse_json(content.encode())


def test_a_byte_order_mark_is_no_part_of_a_study(tmp_path):
    path = tmp_path / "study.toml"
    Study.parse(RIGHT).write(path)
    plain = Study.read(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert Study.read(path) == plain


def test_files_that_cannot_be_read_say_why(tmp_path):
    with pytest.raises(UnreadableError, match="it is a folder"):
        read_json(tmp_path)
    with pytest.raises(UnreadableError, match="it does not exist"):
        read_json(tmp_path / "nothing")
    (tmp_path / "file").write_text("x")
    with pytest.raises(UnreadableError, match="file is a file, and no folder"):
        read_json(tmp_path / "file" / "below")
    with pytest.raises(UnreadableError, match="no file can have this name"):
        read_json(tmp_path / "a\0b")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"starts": 10**8}, "200,000,000 runs per condition, 400,000,000 in all"),
        ({"runs_per_start": 10**9}, "3,000,000,000 runs per condition"),
        ({"training": {"evenly": 10**8}}, "every run would write 100,000,000 snapshots"),
        ({"training": {"steps": 10**9}}, "1,000,000,000 updates take 278 hours per run"),
        ({"floors": {"draws": 10**9}}, "499,999,999,500,000,000 pairs to match"),
        ({"starts": 10**5000}, "has to fit into 64 bits (given: an integer of about 5,001 digits)"),
        ({"training": {"warmup_steps": 2000}}, "warmup_steps = 2,000 of steps = 1,000"),
        ({"training": {"lr": 0.1}}, "training.lr: no such field; there are steps"),
        (
            {"arms": [{**RIGHT["arms"][0], "method": TOPK | {"lr": 1}}]},
            "lr: no such field; did you mean learning_rate?",
        ),
        ({"starts": "3"}, "has to be a whole number (given: '3': write it without quotes) (more may follow)"),
        ({"starts": 1e3}, "(given: 1000.0: write 1000)"),
    ],
)
def test_what_would_need_too_much_or_means_something_else_says_so_at_once(change, words):
    with pytest.raises(SpecError, match=re.escape(words)):
        Study.parse(RIGHT | change)
