"""Parts of the training rows are disjoint, of one size, and share no text window; a matrix is seen whole by each."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_store import ABOUT, some_rows

from reseed.activations import open_activations, preprocessed, sizes_of
from reseed.activations.parts import Part, part_size
from reseed.activations.writer import append_shard, begin_store, finish_store, write_heldout
from reseed.dice import generator


def rows_of(n_rows, of, window=1):
    parts = [Part(n_rows, window, index, of) for index in range(of)]
    return [part.rows(torch.arange(part.n_tokens)) for part in parts]


@given(st.integers(20, 3000), st.integers(1, 7), st.sampled_from((1, 8, 128)))
def test_parts_are_disjoint_equally_large_and_inside(n_rows, of, window):
    size = part_size(n_rows, of, window=window)
    if size < 1:
        return
    parts = rows_of(n_rows, of, window)
    assert {len(rows) for rows in parts} == {size}
    together = torch.cat(parts)
    assert len(together.unique()) == of * size
    assert 0 <= int(together.min()) <= int(together.max()) < n_rows
    lost = n_rows - of * size
    assert lost <= (of - 1) * (window - 1) + (0 if window > 1 else n_rows // 16) + 2 * of


def test_no_text_window_lies_in_two_parts_of_a_store():
    context = 24
    lengths = torch.randint(1, context + 1, (400,), generator=generator(3))
    windows = torch.arange(400).repeat_interleave(lengths)
    held = [set(windows[rows].tolist()) for rows in rows_of(len(windows), 5, context)]
    assert sum(map(len, held)) == len(set.union(*held))
    assert len(set.union(*held)) > 380  # and hardly any is left out


def test_parts_of_a_sorted_matrix_see_all_of_it():
    parts = rows_of(10_000, 4)
    centres = torch.stack([rows.double().mean() for rows in parts])
    assert (centres - 5000).abs().max() < 30
    assert all((rows[1:] > rows[:-1]).all() for rows in parts)
    assert all(int((rows[1:] - rows[:-1] == 1).sum()) > 0.9 * len(rows) for rows in parts)  # neighbours stay together


def test_the_rows_of_a_part_are_those_of_the_whole_that_it_names():
    rows = some_rows(900)
    whole = open_activations(rows)
    parts = [whole.part(index, 3) for index in range(3)]
    everything = whole.rows(torch.arange(whole.n_tokens))
    for part in parts:
        index = torch.arange(part.n_tokens)
        expected = everything[part.taken.rows(index)]
        assert torch.equal(part.rows(index), expected)
        assert torch.equal(torch.cat(list(part.blocks())), expected)
        with pytest.raises(IndexError):
            part.rows(torch.tensor([part.n_tokens]))
    assert len({whole.fingerprint, *(part.fingerprint for part in parts)}) == 4
    assert whole.part(0, 2).fingerprint != parts[0].fingerprint
    with pytest.raises(ValueError, match="already"):
        parts[0].part(0, 2)
    with pytest.raises(ValueError, match="counted from 0"):
        whole.part(3, 3)


def test_a_part_is_preprocessed_by_the_moments_of_all_rows():
    seen = preprocessed(open_activations(some_rows(900)), "centre")
    part = seen.part(1, 3)
    assert torch.equal(part.moments.mean, seen.moments.mean)
    index = torch.arange(part.n_tokens)
    assert torch.equal(part.rows(index), seen.rows(part.activations.taken.rows(index)))
    assert torch.equal(part.heldout.rows, seen.heldout.rows)
    assert part.fingerprint != seen.fingerprint


def test_a_store_that_knows_its_windows_is_cut_between_them(tmp_path):
    rows, context = some_rows(520), 16
    manifest = begin_store(tmp_path, about=ABOUT | {"context": context}, d_model=8, dtype="fp32")
    manifest = write_heldout(tmp_path, manifest, rows[:20])
    for shard in rows[20:].split(130):
        manifest = append_shard(tmp_path, manifest, shard)
    finish_store(tmp_path, manifest)
    store, sizes = open_activations(tmp_path), sizes_of(tmp_path)
    assert (store.window, sizes.window) == (context, context)
    size = sizes.part(3)
    assert size == (500 + 15) // 3 - 15
    for index in range(3):
        first = 20 + index * (size + context - 1)
        assert torch.equal(store.part(index, 3).rows(torch.arange(size)), rows[first : first + size])
