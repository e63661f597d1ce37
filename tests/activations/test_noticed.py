"""What nobody meant in texts: counted, said before the model runs, and recorded in the store."""

import json
import shutil
from pathlib import Path

import pytest
from test_collect import OPTIONS
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from conftest import words
from reseed.activations import collect
from reseed.activations.noticed import notice
from reseed.activations.windows import cut

DOCUMENTS = [words(20 + number % 9, number) for number in range(60)]


def noticed(model, texts, *, context=10):
    tokenizer = AutoTokenizer.from_pretrained(model)
    return notice(texts, cut(texts, tokenizer, context=context), tokenizer)


def test_nothing_is_said_about_plain_texts(causal_model, bert_model):
    assert noticed(causal_model, DOCUMENTS) == noticed(bert_model, DOCUMENTS) == ()


def test_what_the_tokenizer_adds_too_is_counted_at_both_ends(bert_model):
    texts = [
        *(f"<cls> {text}" for text in DOCUMENTS[:20]),
        *(f"{text} <sep>" for text in DOCUMENTS[20:21]),
        *DOCUMENTS[21:],
    ]
    first, second = noticed(bert_model, texts)
    assert first == (
        "20 of 60 documents begin with <cls>, which the tokenizer adds too, so that the model reads it twice: take it "
        "out of the texts"
    )
    assert second.startswith("1 of 60 documents ends with <sep>, which the tokenizer adds too")


def test_special_tokens_that_are_spelt_out_are_counted(causal_model, bert_model):
    texts = [f"<cls> {text} <sep> w1 <sep>" for text in DOCUMENTS]
    (of_causal,) = noticed(causal_model, texts)
    assert of_causal.startswith("180 special tokens are spelt out in 60 of 60 documents (<sep> 120, <cls> 60), and")
    begin, end, others = noticed(bert_model, texts)
    assert (begin[:20], end[:18]) == ("60 of 60 documents b", "60 of 60 documents")
    assert others.startswith(
        "60 special tokens are spelt out in 60 of 60 documents (<sep> 60), and the model reads them"
    )


def test_long_documents_are_one_document(monkeypatch, bert_model):
    monkeypatch.setattr("reseed.activations.windows._PIECE", 16)
    (sentence,) = noticed(bert_model, [f"<cls> {DOCUMENTS[0]}", *DOCUMENTS[1:]])
    assert sentence.startswith("1 of 60 documents begins with <cls>")


def test_copies_of_documents_are_counted(causal_model):
    (sentence,) = noticed(causal_model, [*DOCUMENTS, *DOCUMENTS[:7]])
    assert sentence == (
        "7 of 67 documents repeat an earlier one, so that tokens count twice and held-out rows may occur in training: "
        "leave copies out"
    )


def test_texts_that_the_tokenizer_does_not_know_are_told_from_a_few_odd_words(causal_model):
    assert noticed(causal_model, ["odd", *DOCUMENTS]) == ()
    (sentence,) = noticed(causal_model, ["das sind lauter fremde Worte in einer anderen Sprache", *DOCUMENTS[:9]])
    assert sentence == (
        "9 of 225 tokens are unknown to the tokenizer and are left out: is this the model for such texts?"
    )


def test_a_token_that_also_ends_texts_is_not_called_unknown(tmp_path, causal_model):
    model = Path(shutil.copytree(causal_model, tmp_path / "model"))
    config = json.loads((model / "tokenizer_config.json").read_text())
    (model / "tokenizer_config.json").write_text(json.dumps(config | {"eos_token": "<unk>"}))
    assert Tokenizer.from_file(str(model / "tokenizer.json")).token_to_id("<unk>") == 3
    (sentence,) = noticed(model, [f"{text} <unk>" for text in DOCUMENTS])
    assert sentence.startswith("60 special tokens are spelt out in 60 of 60 documents (<unk> 60)")


def test_it_is_said_before_the_model_runs_recorded_and_no_hindrance_to_going_on(tmp_path, bert_model):
    texts = [f"<cls> {text}" for text in DOCUMENTS]
    options = {**OPTIONS, "tokens": 500, "out": tmp_path / "s"}
    with pytest.warns(UserWarning, match="^60 of 60 documents begin with <cls>"):
        about = collect(bert_model, texts=texts, **options).about
    assert about["noticed"] == noticed(bert_model, texts)[0]
    manifest = json.loads((tmp_path / "s" / "manifest.json").read_text())
    del manifest["about"]["noticed"], manifest["sha256"]  # as an earlier reseed has written it
    (tmp_path / "s" / "manifest.json").write_text(json.dumps(manifest | {"format_version": 1}))
    with pytest.warns(UserWarning, match="begin with <cls>"):
        collect(bert_model, texts=texts, **options)
