"""Reading text files and cutting texts into windows."""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from conftest import SPECIAL, words
from reseed.activations import SOTU_LICENCE, SOTU_SOURCE, open_texts, read_texts, sotu_texts
from reseed.activations.texts import check_texts
from reseed.activations.windows import _pieces, cut, shuffled
from reseed.errors import ActivationsError


@pytest.fixture
def tokenizer(causal_model):
    return AutoTokenizer.from_pretrained(causal_model)


def test_files_and_folders_are_read_in_order(tmp_path):
    (tmp_path / "first.txt").write_text("bé", encoding="utf-8")
    folder = tmp_path / "folder"
    (folder / "not.txt").mkdir(parents=True)
    (folder / "b.TXT").write_text("zwei\r\nZeilen", encoding="utf-8-sig")
    (folder / "a.jsonl").write_text('{"text": "one\u2028line"}\n\n{"text": "two"}\n', encoding="utf-8")
    (folder / "ignored.bin").write_bytes(b"\xff")
    assert read_texts([tmp_path / "first.txt", folder]) == ("bé", "one\u2028line", "two", "zwei\nZeilen")


def test_a_file_given_twice_is_refused_however_it_is_named(tmp_path):
    (tmp_path / "a.txt").write_text("one", encoding="utf-8")
    (tmp_path / "link.txt").symlink_to("a.txt")
    for sources in (
        [tmp_path / "a.txt"] * 2,
        [tmp_path / "a.txt", tmp_path],
        [tmp_path / "link.txt", tmp_path / "a.txt"],
    ):
        with pytest.raises(ActivationsError, match=r"\.txt is given twice.*: name it once"):
            read_texts(sources)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("empty.txt", b" \n", "empty.txt is empty: leave it out"),
        ("latin.txt", b"caf\xe9", r"latin.txt is not text in UTF-8 \(byte 3\): convert it"),
        (
            "no.jsonl",
            b'{"text": "a"}\nnothing',
            r'no.jsonl, line 2 has no document \(no JSON at character 0\): a line is a JSON object with "text"',
        ),
        ("key.jsonl", b'{"txt": "a", "id": 1}', r"""line 1 has no document \(no "text" among 'txt', 'id'\): a line"""),
        ("blank.jsonl", b'{"text": " "}', "blank.jsonl, line 1 holds an empty document: leave it out"),
        ("list.jsonl", b'["a"]', r"line 1 has no document \(it holds a list\)"),
        ("array.json", b'[\n{"text": "a"}\n]', r"array.json, line 1 has no document \(no JSON at character 1\)"),
        ("number.ndjson", b'{"text": 3}', 'number.ndjson, line 1 holds a number under "text": it is a string'),
        ("deep.jsonl", b"[" * 100_000, r"line 1 has no document \(nested too deeply\)"),
        ("digits.jsonl", b'{"text": "a", "n": ' + b"9" * 5000 + b"}", r"\(Exceeds the limit .* 5000 digits\)"),
        (
            "half.jsonl",
            b'{"text": "a\\ud800b"}',
            r"holds half a character \(U\+D800, a lone surrogate, at character 1\)",
        ),
        ("nul.txt", b"one\0two", r"nul.txt is no text but binary data \(byte 3 is NUL\): give text in UTF-8"),
        ("wide.txt", "one".encode("utf-16"), "wide.txt is no text but text in UTF-16: convert it:  iconv"),
        ("packed.txt", gzip.compress(b"one", mtime=0), "packed.txt is no text but a gzip archive: unpack it first"),
        ("table.txt", b"PAR1\x15\0\x15", r"table.txt is no text but a Parquet table \(byte 5 is NUL\): write the doc"),
        (
            "pointer.txt",
            b"version https://git-lfs.github.com/spec/v1\nsize 9\n",
            "a Git LFS pointer.*: run  git lfs pull",
        ),
    ],
)
def test_files_without_text_are_refused(tmp_path, name, content, complaint):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ActivationsError, match=complaint):
        read_texts([tmp_path / name])


NAMES = st.sampled_from(["a.txt", "a.jsonl", "a.json"])
LINE = st.binary(max_size=30) | st.builds(
    lambda name, value: json.dumps({name: value}).encode(),
    st.sampled_from(["text", "content"]),
    st.none() | st.integers() | st.text(st.characters(exclude_categories=()), max_size=9) | st.lists(st.booleans()),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(LINE, max_size=4),
    start=st.sampled_from([b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b"]),
    name=NAMES,
)
@example(lines=[b"\xef\xbb\xbfa"], start=b"\xef\xbb\xbf", name="a.txt")
def test_whatever_a_file_holds_it_is_documents_or_refused(tmp_path, lines, start, name):
    (tmp_path / name).write_bytes(start + b"\n".join(lines))
    try:
        documents = read_texts([tmp_path / name])
    except ActivationsError as error:
        told = str(error)
        assert name in told
        assert told.isprintable()
    else:
        check_texts(documents)
        assert not any("\0" in document or document.startswith("\ufeff") for document in documents if name == "a.txt")


def test_a_pipe_is_told_from_a_file_that_does_not_exist(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(
        ActivationsError, match="is neither a file nor a folder: write what comes out of it into a file"
    ):
        read_texts([tmp_path / "pipe"])


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        ([], "no text was given: name at least one text file"),
        (["w1", " \n", "w2"], "text 2 of 3 is empty: leave it out"),
        ("w1 w2", "texts is a str: give a list of documents"),
        (iter(["w1"]), "texts is a list_iterator: give a list of documents"),
        (["w1", b"w2"], "text 2 of 2 is a bytes: give a list of documents"),
        (["w1 \udc80"], r"text 1 of 1 holds half a character \(U\+DC80"),
    ],
)
def test_what_no_documents_are_is_refused(texts, complaint):
    with pytest.raises(ActivationsError, match=complaint):
        check_texts(texts)


def test_missing_files_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(ActivationsError, match=r"none\.txt does not exist: name text files, or folders with some"):
        read_texts([tmp_path / "none.txt"])
    with pytest.raises(ActivationsError, match=r"holds no \.txt, \.md, \.jsonl file: name text files"):
        read_texts([tmp_path])


def test_files_are_recorded_by_name_with_the_licence_that_was_told(tmp_path):
    (tmp_path / "a.txt").write_text("one", encoding="utf-8")
    (tmp_path / "b.txt").write_text("two", encoding="utf-8")
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    assert open_texts(files) == (("one", "two"), "a.txt, b.txt", "not stated")
    assert open_texts(files, licence="CC0").licence == "CC0"


def test_sotu_stands_for_the_bundled_texts_with_their_source_and_licence():
    assert open_texts([Path("sotu")]) == (sotu_texts(), SOTU_SOURCE, SOTU_LICENCE)


@pytest.mark.parametrize(("sources", "licence"), [(["sotu", "a.txt"], None), (["sotu"], "CC0")])
def test_sotu_is_neither_mixed_nor_relicensed(sources, licence):
    with pytest.raises(ActivationsError, match="sotu is given alone"):
        open_texts(sources, licence=licence)


def test_windows_cover_every_token_once_and_span_no_two_texts(tokenizer):
    texts = [words(25, 0), words(10, 3), words(7, 5)]
    windows = cut(texts, tokenizer, context=10)
    assert windows.lengths.tolist() == [10, 10, 5, 10, 7]
    read = np.concatenate([windows.tokens(number) for number in range(len(windows))])
    assert tokenizer.decode(read.tolist()) == " ".join(texts)


def test_special_tokens_surround_every_window(bert_model):
    windows = cut([words(25, 0)], AutoTokenizer.from_pretrained(bert_model), context=10)
    assert windows.lengths.tolist() == [8, 8, 8, 1]
    for number in range(4):
        tokens = windows.tokens(number)
        assert (tokens[0], tokens[-1]) == (SPECIAL.index("<cls>"), SPECIAL.index("<sep>"))
        assert len(tokens) == windows.lengths[number] + 2


def test_shuffled_windows_are_spread_over_all_texts(tokenizer):
    windows = cut([words(1000, start) for start in range(10)], tokenizer, context=10)
    order = shuffled(windows)
    assert sorted(order) == list(range(1000))
    # a tenth of the windows holds about a tenth of each text's: binomial(100, .1), five standard deviations
    of_each = np.bincount(order[:100] // 100, minlength=10)
    assert of_each.max() <= 25
    assert (of_each > 0).all()


@pytest.mark.parametrize("separator", [" ", "\n", "."])
def test_long_texts_are_tokenised_in_pieces_that_lose_nothing(separator):
    text = separator.join(["word"] * 300_000)
    pieces = list(_pieces(text))
    assert len(pieces) > 2
    assert "".join(pieces) == text
    if separator != ".":
        assert all(piece.endswith(separator) for piece in pieces[:-1])


def test_the_digest_knows_the_text_and_the_cut(tokenizer):
    texts = [words(25, 0)]
    digests = {cut(text, tokenizer, context=width).digest for text in (texts, [words(25, 1)]) for width in (5, 10)}
    assert len(digests) == 4
    assert cut(texts, tokenizer, context=10).digest in digests


def test_a_context_without_room_for_text_is_refused(bert_model):
    with pytest.raises(ActivationsError, match="a context of 2 has no room beside 2 special tokens: use 3 or more"):
        cut(["w1"], AutoTokenizer.from_pretrained(bert_model), context=2)
