import errno
import json
import math

import polars as pl
import pytest
import torch
from safetensors import safe_open

from reseed._support.files import (
    HEADER,
    canonical_json,
    remove_partial,
    replacing,
    write_json,
    write_tensors,
    write_text,
)
from studies import full_disk


def write_table(path, n_rows):
    with replacing(path) as temporary:
        pl.DataFrame({"x": torch.randn(n_rows).tolist()}).write_parquet(temporary)


WRITERS = {
    "text": lambda path, size: write_text(path, "x" * size),
    "json": lambda path, size: write_json(path, list(range(size))),
    "tensors": lambda path, size: write_tensors(path, {"x": torch.zeros(size)}, {}),
    "table": write_table,
}


@pytest.fixture(params=list(WRITERS))
def write(request):
    return WRITERS[request.param]


def test_a_file_is_there_with_its_folder_once_it_is_written(tmp_path, write):
    write(tmp_path / "new" / "folder" / "file", 10)
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["file"]


def test_everybody_may_read_what_was_written(tmp_path, write):
    write(tmp_path / "file", 10)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_a_full_disk_leaves_the_old_file_whole_and_nothing_half_written(tmp_path, write):
    path = tmp_path / "file"
    write(path, 10)
    before = path.read_bytes()
    with full_disk(2000), pytest.raises(OSError, match="File too large") as failure:
        write(path, 20_000)
    assert failure.value.errno == errno.EFBIG
    assert failure.value.filename == str(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_the_writer_is_told_as_it_is_and_leaves_nothing(tmp_path):
    with pytest.raises(TypeError), replacing(tmp_path / "file") as temporary:
        temporary.write_text(math.pi)
    assert list(tmp_path.iterdir()) == []


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path):
    kept = [tmp_path / "runs" / "a" / "step-000000.safetensors", tmp_path / ".hidden", tmp_path / "x.partial"]
    kept += [tmp_path / ".notes.a1b2c3d4.partial", tmp_path / "mine" / ".done.a1b2c3d4.partial"]
    left = [tmp_path / ".manifest.json.a1b2c3d4.partial", tmp_path / "runs" / "a" / ".done.a1b2_3d4.partial"]
    for path in (*kept, *left):
        write_text(path, "")
    remove_partial(tmp_path, ("manifest.json", "runs/*/done"))
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(kept)


def test_what_safetensors_leaves_is_removed_where_tensors_are_written(tmp_path):
    kept = [
        tmp_path / "notes" / ".tmpAb12Cd",
        tmp_path / "runs" / "a" / ".tmp",
        tmp_path / "runs" / "a" / ".tmpnotes.md",
    ]
    left = [tmp_path / "runs" / "a" / ".tmpAb12Cd", tmp_path / "floors" / "centre" / "33" / ".tmpCapRo0"]
    for path in (*kept, *left):
        write_text(path, "")
    remove_partial(tmp_path, ("notes.md", "runs/*/step-*.safetensors", "floors/**/*"))
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(kept)


def test_what_a_killed_process_leaves_is_what_is_removed(tmp_path):
    with replacing(tmp_path / "done") as temporary:
        temporary.write_text("half")
        left = temporary.name
    (tmp_path / "done").rename(tmp_path / left)
    remove_partial(tmp_path, ("done",))
    assert list(tmp_path.iterdir()) == []


def test_equal_tensors_give_equal_bytes_in_any_order_and_memory_layout(tmp_path):
    a, b = torch.arange(6.0).view(2, 3), torch.arange(4)
    write_tensors(tmp_path / "first", {"a": a, "b": b}, {"x": 1, "y": 2})
    write_tensors(tmp_path / "second", {"b": b, "a": a.T.contiguous().T}, {"y": 2, "x": 1})
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_tensors_travel_with_their_header(tmp_path):
    write_tensors(tmp_path / "file", {"a": torch.ones(2, requires_grad=True)}, {"step": 3})
    with safe_open(tmp_path / "file", framework="pt") as file:
        assert json.loads(file.metadata()[HEADER]) == {"step": 3}
        assert torch.equal(file.get_tensor("a"), torch.ones(2))


def test_json_is_the_same_for_equal_values(tmp_path):
    write_json(tmp_path / "first", {"b": "é", "a": [1, None]})
    write_json(tmp_path / "second", {"a": [1, None], "b": "é"})
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert canonical_json({"b": 1, "a": {"d": 2, "c": 3}}) == '{"a":{"c":3,"d":2},"b":1}'
