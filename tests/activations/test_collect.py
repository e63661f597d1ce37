"""Collecting from real (if tiny) models: the right states of the right tokens, and the same bytes after a kill."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer, LlamaForCausalLM, T5Config, T5Model

from conftest import SPECIAL, words
from reseed.activations import collect, open_activations
from reseed.activations.feasible import check_counts, check_place
from reseed.activations.manifest import read_manifest, write_manifest
from reseed.errors import ActivationsError

OPTIONS = {
    "layer": 2,
    "tokens": 1500,
    "heldout": 100,
    "context": 16,
    "batch": 4,
    "shard_tokens": 512,
    "dtype": "fp32",
    "text_source": "by hand",
    "licence": "none",
    "progress": False,
}


def gather(model, texts, out, **options):
    return collect(model, texts=texts, out=out, **{**OPTIONS, **options})


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def transformers_states(model, tokens, layer):
    """Hidden states as transformers itself gives them, one window at a time and so without padding."""
    module = AutoModel.from_pretrained(model)
    with torch.no_grad():
        return module(input_ids=tokens[None], output_hidden_states=True).hidden_states[layer][0]


def heldout_windows(opened, model, *, first):
    """The tokens of each whole held-out window, special tokens put back around them."""
    heldout = opened.heldout
    tokenizer = AutoTokenizer.from_pretrained(model)
    documents = {}
    for window in heldout.contexts.unique_consecutive().tolist()[:-1]:
        mine = heldout.contexts == window
        documents[window] = (heldout.positions[mine], heldout.token_ids[mine], heldout.rows[mine])
        assert heldout.positions[mine].tolist() == list(range(first, first + int(mine.sum())))
    return tokenizer, documents


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_encoder_states_are_those_that_transformers_gives(tmp_path, bert_model, texts, layer):
    opened = gather(bert_model, texts, tmp_path / "store", layer=layer)
    _, documents = heldout_windows(opened, bert_model, first=1)
    assert len(documents) > 5
    for _, ids, rows in documents.values():
        ends = [torch.tensor([SPECIAL.index(name)]) for name in ("<cls>", "<sep>")]
        states = transformers_states(bert_model, torch.cat([ends[0], ids, ends[1]]), layer)
        torch.testing.assert_close(rows, states[1:-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_causal_states_are_those_that_transformers_gives(tmp_path, causal_model, texts, layer):
    opened = gather(causal_model, texts, tmp_path / "store", layer=layer, drop_outliers=False)
    _, documents = heldout_windows(opened, causal_model, first=0)
    assert len(documents) > 5
    for _, ids, rows in documents.values():
        states = transformers_states(causal_model, ids, layer)
        torch.testing.assert_close(rows, states, rtol=1e-4, atol=1e-5)


def test_the_last_layer_is_what_leaves_the_last_block(tmp_path, causal_model, texts):
    opened = gather(causal_model, texts, tmp_path / "store", layer=3, drop_outliers=False)
    ids = opened.heldout.token_ids[opened.heldout.contexts == opened.heldout.contexts[0]]
    module = AutoModel.from_pretrained(causal_model)
    seen = []
    module.layers[-1].register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.no_grad():
        module(input_ids=ids[None])
    torch.testing.assert_close(opened.heldout.rows[: len(ids)], seen[0][0], rtol=1e-4, atol=1e-5)


def test_position_0_of_causal_models_is_left_out(tmp_path, causal_model, bert_model, texts):
    causal = gather(causal_model, texts, tmp_path / "causal")
    assert causal.heldout.positions.min() == 1
    # a sentence encoder's position 0 is its special token, which is left out anyway
    bert = gather(bert_model, texts, tmp_path / "bert")
    assert bert.heldout.positions.min() == 1
    assert not np.isin(bert.heldout.token_ids.numpy(), range(len(SPECIAL))).any()


def test_tokens_of_huge_norm_are_left_out(tmp_path, causal_model, texts):
    model = AutoModel.from_pretrained(causal_model)
    with torch.no_grad():
        model.embed_tokens.weight[len(SPECIAL) + 7] *= 1000
    model.save_pretrained(tmp_path / "model")
    AutoTokenizer.from_pretrained(causal_model).save_pretrained(tmp_path / "model")
    kept = gather(tmp_path / "model", texts, tmp_path / "all", layer=0, tokens=900, drop_outliers=False)
    assert (kept.heldout.token_ids == len(SPECIAL) + 7).any()
    opened = gather(tmp_path / "model", texts, tmp_path / "dropped", layer=0, tokens=900)
    assert not (opened.heldout.token_ids == len(SPECIAL) + 7).any()
    norms = opened.rows(torch.arange(900)).norm(dim=1)
    assert norms.max() < 10 * norms.median()
    assert kept.rows(torch.arange(900)).norm(dim=1).max() > 10 * norms.median()


def test_heldout_tokens_come_with_their_texts(tmp_path, causal_model, texts):
    opened = gather(causal_model, texts, tmp_path / "store")
    assert opened.heldout.rows.shape == (100, 16)
    assert opened.heldout.texts == tuple(f"w{number - len(SPECIAL)}" for number in opened.heldout.token_ids.tolist())


def test_every_token_is_stored_once(tmp_path, causal_model):
    # 60 words that differ, in windows of 4: all but a window's first are kept, none comes twice
    text = " ".join(f"w{number}" for number in range(60))
    opened = gather(causal_model, [text], tmp_path / "store", layer=0, tokens=36, heldout=6, context=4)
    embeddings = AutoModel.from_pretrained(causal_model).embed_tokens.weight[len(SPECIAL) :].detach()
    rows = torch.cat([opened.rows(torch.arange(36)), opened.heldout.rows])
    numbers = torch.cdist(rows, embeddings).argmin(dim=1).tolist()
    assert len(set(numbers)) == 42
    assert all(number % 4 for number in numbers)


def test_short_texts_are_read_as_if_alone(tmp_path, bert_model):
    # lengths differ within a batch, so that padding would show
    texts = [words(3 + number % 11, number) for number in range(200)]
    together = gather(bert_model, texts, tmp_path / "together", tokens=700, batch=16)
    alone = gather(bert_model, texts, tmp_path / "alone", tokens=700, batch=1)
    index = torch.arange(700)
    torch.testing.assert_close(together.rows(index), alone.rows(index), rtol=1e-4, atol=1e-5)


def test_the_store_says_where_it_comes_from(tmp_path, causal_model, texts):
    about = gather(causal_model, texts, tmp_path / "store", dtype="bf16").about
    assert about["model"] == causal_model.name
    assert about["layer"] == 2
    assert (about["text_source"], about["licence"]) == ("by hand", "none")
    assert about["dropped"] == "position 0 of causal models, norms above 10 times the median"
    assert read_manifest(tmp_path / "store").dtype == "bf16"


def test_collecting_twice_gives_the_same_bytes(tmp_path, causal_model, texts):
    gather(causal_model, texts, tmp_path / "a")
    gather(causal_model, texts, tmp_path / "b")
    before = files(tmp_path / "a")
    assert before == files(tmp_path / "b")
    gather(causal_model, texts, tmp_path / "a")
    assert before == files(tmp_path / "a")


STOPPED = """
import os, signal, sys
from pathlib import Path
from test_collect import OPTIONS, SHARDS
from reseed.activations import collect, read_texts

model, text, folder = map(Path, sys.argv[1:])
replace = Path.replace

def gather(out, stop=None, sent=None):
    left = [stop]
    def replaced(source, target):
        left[0] = left[0] and left[0] - 1
        if left[0] == 0:
            os.kill(os.getpid(), sent)
        return replace(source, target)
    Path.replace = replaced
    collect(model, texts=read_texts([text]), out=out, **{**OPTIONS, **SHARDS})

def forked(*arguments):
    child = os.fork()
    if child == 0:
        try:
            gather(*arguments)
        except KeyboardInterrupt:
            os._exit(130)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

gather(folder.with_name("first"))  # imports what the forks would import one by one
def stopped(stop, sent):
    out = folder / f"{sent.name}-{stop:02d}"
    code = forked(out, stop, sent)
    there = sorted(path.name.rpartition(".")[0] if path.suffix == ".partial" else path.name for path in out.iterdir())
    print(out.name, code, *there)
    assert forked(out) == 0
    return code

for stop in (2, 6):
    assert stopped(stop, signal.SIGINT) == 130
stop = 1
while stopped(stop, signal.SIGKILL) == -signal.SIGKILL:
    stop += 1
"""
SHARDS = {"tokens": 1200, "shard_tokens": 512}


def test_a_collection_stopped_before_any_file_is_in_place_ends_in_the_same_bytes(tmp_path, causal_model, texts):
    (tmp_path / "stopped").mkdir()
    (tmp_path / "text.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts), encoding="utf-8")
    paths = [os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")]  # noqa: PTH120 (strings)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-c", STOPPED, causal_model, tmp_path / "text.jsonl", tmp_path / "stopped"]
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()
    gather(causal_model, texts, tmp_path / "whole", **SHARDS)
    whole = files(tmp_path / "whole")
    assert all(files(tmp_path / "stopped" / line.split()[0]) == whole for line in told)
    # manifest, held-out rows, their texts, manifest; three shards and the moments, each with a manifest; to the end
    assert len([line for line in told if line.startswith("SIGKILL")]) == 4 + 2 * 4 + 1
    assert any(".shard-00001.safetensors" in line for line in told)
    assert not any(" ." in line.replace(".lock", "") for line in told if line.startswith("SIGINT"))


def test_a_collection_that_was_stopped_is_no_store_yet(tmp_path, causal_model, texts):
    gather(causal_model, texts, tmp_path / "s")
    manifest = read_manifest(tmp_path / "s")
    write_manifest(tmp_path / "s", manifest.with_shards(manifest.shards[:1]))
    with pytest.raises(ActivationsError, match="is not complete: run the same reseed collect again"):
        open_activations(tmp_path / "s")


def refused(complaint, *arguments, error=ActivationsError, **options):
    with pytest.raises(error, match=complaint) as caught:
        gather(*arguments, **options)
    assert "\n" not in str(caught.value)


def test_layers_that_a_model_does_not_have_are_refused(tmp_path, causal_model, texts):
    for layer in (4, -1):
        refused(
            rf"has no layer {layer}: it has 0 \(embeddings\) to 3", causal_model, texts, tmp_path / "s", layer=layer
        )
    assert not (tmp_path / "s").exists()


def test_texts_that_are_too_short_are_refused_with_what_they_hold(tmp_path, causal_model, texts):
    complaint = (
        r"the texts hold 2,\d\d\d training tokens beside the held-out split, 9,000 were asked for: give more text"
    )
    refused(complaint, causal_model, texts, tmp_path / "s", tokens=9000)
    refused("text 1 of 1 is empty: leave it out", causal_model, [" "], tmp_path / "s")
    refused("no text was given", causal_model, [], tmp_path / "s")


def test_models_that_do_not_exist_are_refused(tmp_path, texts):
    (tmp_path / "empty").mkdir()
    for model in (tmp_path / "empty", tmp_path / "none.gguf", "no such model", "", "a/b/c", "no/such-model"):
        refused(r"cannot be loaded as a transformers model \(.*\): give a model folder", model, texts, tmp_path / "s")


@pytest.mark.parametrize("name", ["tokens", "heldout", "context", "batch", "shard_tokens"])
def test_counts_that_are_none_are_refused(tmp_path, causal_model, texts, name):
    refused(f"{name}=0: it is at least 1", causal_model, texts, tmp_path / "s", **{name: 0})
    refused(f"{name}=1{'0' * 30}: it is at least 1 and below", causal_model, texts, tmp_path / "s", **{name: 10**30})
    for value in (True, 100.0, "100"):
        with pytest.raises(ActivationsError, match=f"^{name}={value!r}: it is a whole number$"):
            check_counts(**{name: value})


def test_a_context_longer_than_the_model_reads_is_refused(tmp_path, causal_model, texts):
    refused("reads at most 64 tokens at once: use a context of at most 64", causal_model, texts, tmp_path, context=65)


def test_another_collection_in_the_folder_is_refused(tmp_path, causal_model, texts):
    gather(causal_model, texts, tmp_path / "s")
    refused(
        r"s holds another collection \(layer 2, now 1; text_sha256 .*, now .*\): choose another folder",
        causal_model,
        texts[:-1],
        tmp_path / "s",
        layer=1,
    )


def test_a_model_whose_files_lack_weights_is_refused(tmp_path, causal_model, texts):
    shutil.copytree(causal_model, tmp_path / "model")
    weights = load_file(causal_model / "model.safetensors")
    weights.pop("model.layers.1.mlp.up_proj.weight")
    save_file(weights, tmp_path / "model" / "model.safetensors", metadata={"format": "pt"})
    complaint = r"the model's files lack 1 of its weights \(layers.1.mlp.up_proj.weight ...\): copy or convert"
    refused(complaint, tmp_path / "model", texts, tmp_path / "s")
    assert gather(tmp_path / "model", texts, tmp_path / "s", layer=1).n_tokens == 1500


def test_the_encoder_of_an_encoder_decoder_is_read(tmp_path, bert_model, texts):
    sizes = {"vocab_size": 64, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = T5Model(T5Config(**sizes)).eval()
    model.save_pretrained(tmp_path / "model")
    AutoTokenizer.from_pretrained(bert_model).save_pretrained(tmp_path / "model")
    opened = gather(tmp_path / "model", texts, tmp_path / "s", layer=1)
    mine = opened.heldout.contexts == opened.heldout.contexts[0]
    tokens = torch.tensor([1, *opened.heldout.token_ids[mine].tolist(), 2])
    with torch.no_grad():
        states = model.encoder(tokens[None], output_hidden_states=True).hidden_states[1][0]
    torch.testing.assert_close(opened.heldout.rows[mine], states[1:-1], rtol=1e-4, atol=1e-5)


def test_progress_is_told_on_stderr_only(tmp_path, causal_model, texts, capfd, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    gather(causal_model, texts, tmp_path / "loud", progress=True)
    loud = capfd.readouterr()
    assert loud.out == ""
    assert "1500/1500" in loud.err
    assert "tokens" in loud.err
    gather(causal_model, texts, tmp_path / "quiet")
    assert capfd.readouterr() == ("", "")


def test_at_the_mlp_a_row_is_what_enters_and_then_what_leaves(tmp_path, causal_model, texts):
    more = {"tokens": 300, "heldout": 40, "context": 32, "dtype": "fp32", "text_source": "words", "licence": "none"}
    store = collect(causal_model, layer=2, texts=texts, out=tmp_path / "mlp", at="mlp", progress=False, **more)
    model = LlamaForCausalLM.from_pretrained(causal_model).eval()
    assert store.d_model == 32
    assert (store.about["at"], store.about["reads"]) == ("mlp", 16)
    rows = store.rows(torch.arange(store.n_tokens))
    with torch.inference_mode():
        expected = model.model.layers[1].mlp(rows[:, :16])
    torch.testing.assert_close(rows[:, 16:], expected, rtol=1e-4, atol=1e-5)
    # the same tokens, in the same order, as at the residual stream, whose store says nothing of a place
    residual = collect(causal_model, layer=2, texts=texts, out=tmp_path / "residual", progress=False, **more)
    assert torch.equal(store.heldout.token_ids, residual.heldout.token_ids)
    assert "at" not in residual.about


def test_an_mlp_that_is_not_there_is_said(tmp_path, causal_model, bert_model, texts):
    said = {"text_source": "words", "licence": "none"}
    more = {"texts": texts, "tokens": 100, "heldout": 40, "context": 32, "at": "mlp", "progress": False, **said}
    with pytest.raises(ActivationsError, match="layer 0 is the embeddings, which have no MLP"):
        collect(causal_model, layer=0, out=tmp_path / "out", **more)
    with pytest.raises(ActivationsError, match=r"no mlp or feed_forward or ffn, only attention, .*: --at mlp reads"):
        collect(bert_model, layer=1, out=tmp_path / "out", **more)
    with pytest.raises(ActivationsError, match="at='attention': choose from residual, mlp"):
        check_place("attention", 1)
    assert not (tmp_path / "out").exists()
