"""Files in the layouts of published dictionaries, planted: read by each publisher's formula, written out here anew."""

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import layer_norm

import reseed
from reseed.errors import DictionaryError
from reseed.interop import read

N_ATOMS, D_MODEL, K = 7, 5, 3
CHANCE = torch.Generator().manual_seed(0)


def normal(*shape):
    return torch.randn(*shape, generator=CHANCE)


D, E = normal(N_ATOMS, D_MODEL), normal(N_ATOMS, D_MODEL)
B_ENC, B_DEC, THETA = normal(N_ATOMS), normal(D_MODEL), normal(N_ATOMS).abs()
X = 2 * normal(50, D_MODEL) + 1


def saved(folder, name, tensors, config=None):
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: each.clone().contiguous() for key, each in tensors.items()}
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        np.savez(path, **{key: each.numpy() for key, each in tensors.items()})
    elif path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    if config is not None:
        (folder / config[0]).write_text(json.dumps(config[1]))
    return folder


def jump(pre, theta=THETA):
    return pre.relu() * (pre > theta)


def top(pre, k=K):
    kept = pre.topk(k, dim=1)
    return torch.zeros_like(pre).scatter_(1, kept.indices, kept.values.relu())


def agrees(dictionary, codes, reconstruction, atoms=D):
    torch.testing.assert_close(dictionary.atoms, atoms)
    torch.testing.assert_close(dictionary.encode(X), codes)
    torch.testing.assert_close(dictionary.reconstruct(X), reconstruction)


def test_gemma_scope(tmp_path):
    tensors = {"W_enc": E.T, "W_dec": D, "b_enc": B_ENC, "b_dec": B_DEC, "threshold": THETA}
    folder = saved(tmp_path / "layer_12/width_16k/average_l0_72", "params.npz", tensors)
    codes = jump(X @ E.T + B_ENC)
    agrees(read(folder), codes, codes @ D + B_DEC)
    agrees(read(folder / "params.npz"), codes, codes @ D + B_DEC)


@pytest.mark.parametrize("skip", [None, normal(D_MODEL, D_MODEL)])
def test_gemma_scope_2_and_its_second_seeds(tmp_path, skip):
    for seed in ("", "_seed_1"):
        tensors = {"w_enc": E.T, "w_dec": D, "b_enc": B_ENC, "b_dec": B_DEC, "threshold": THETA}
        tensors |= {} if skip is None else {"affine_skip_connection": skip}
        place = tmp_path / f"resid_post/layer_9_width_262k_l0_medium{seed}"
        folder = saved(place, "params.safetensors", tensors, ("config.json", {"architecture": "jump_relu"}))
        codes = jump(X @ E.T + B_ENC)
        agrees(read(folder), codes, codes @ D + B_DEC + (0 if skip is None else X @ skip))
    with pytest.raises(DictionaryError, match=r"holds 2: give one of .*l0_medium, .*l0_medium_seed_1"):
        read(tmp_path)


def test_atoms_of_a_cross_layer_transcoder_are_those_of_all_its_layers_side_by_side(tmp_path):
    several = normal(N_ATOMS, 4, D_MODEL)
    tensors = {"w_enc": E.T, "w_dec": several, "b_enc": B_ENC, "b_dec": normal(4, D_MODEL), "threshold": THETA}
    found = read(saved(tmp_path / "clt", "params.safetensors", tensors))
    assert torch.equal(found.atoms, several.flatten(1))
    torch.testing.assert_close(found.encode(X), jump(X @ E.T + B_ENC))


def test_openai_with_topk_reads_layer_normed_tokens(tmp_path):
    tensors = {"pre_bias": B_DEC, "latent_bias": B_ENC, "encoder.weight": E, "decoder.weight": D.T}
    spread = X.std(dim=1, keepdim=True)
    u = (X - X.mean(dim=1, keepdim=True)) / (spread + 1e-5)
    torch.testing.assert_close(u, layer_norm(X, (D_MODEL,)) * math.sqrt((D_MODEL - 1) / D_MODEL), rtol=1e-3, atol=1e-3)
    for after, keep in (("ReLU", torch.relu), ("Identity", lambda pre: pre)):
        path = tmp_path / f"{after}.pt"
        torch.save(tensors | {"activation": "TopK", "activation_state_dict": {"k": K, "postact_fn": after}}, path)
        pre = (u - B_DEC) @ E.T + B_ENC
        kept = pre.topk(K, dim=1)
        codes = torch.zeros_like(pre).scatter_(1, kept.indices, keep(kept.values))
        agrees(read(path), codes, (codes @ D + B_DEC) * spread + X.mean(dim=1, keepdim=True))
        assert read(path).space.kind == "layer norm"
    torch.save(tensors | {"activation": "ReLU", "activation_state_dict": {}}, tmp_path / "v4.pt")
    codes = ((X - B_DEC) @ E.T + B_ENC).relu()
    agrees(read(tmp_path / "v4.pt"), codes, codes @ D + B_DEC)


def test_qwen_scope_has_the_transposes_and_k_in_the_name_of_its_repository(tmp_path):
    tensors = {"W_enc": E, "W_dec": D.T, "b_enc": B_ENC, "b_dec": B_DEC}
    folder = saved(tmp_path / "SAE-Res-W32K-L0_3", "layer5.sae.pt", tensors)
    codes = top(X @ E.T + B_ENC)
    agrees(read(folder / "layer5.sae.pt"), codes, codes @ D + B_DEC)
    other = saved(tmp_path / "downloads", "layer5.sae.pt", tensors) / "layer5.sae.pt"
    assert "give k to have codes" in read(other).notes[0]
    with pytest.raises(DictionaryError, match="does not say how it makes codes"):
        read(other).encode(X)
    codes = top(X @ E.T + B_ENC, 2)
    agrees(read(other, k=2), codes, codes @ D + B_DEC)


@pytest.mark.parametrize("name", ["sae.pt", "sae.pth", "sae.safetensors"])
def test_goodfire_is_two_linear_layers(tmp_path, name):
    layers = {"encoder_linear.weight": E, "encoder_linear.bias": B_ENC}
    layers |= {"decoder_linear.weight": D.T, "decoder_linear.bias": B_DEC}
    codes = (X @ E.T + B_ENC).relu()
    agrees(read(saved(tmp_path, name, layers) / name), codes, codes @ D + B_DEC)
    plain = {key.replace("_linear", ""): each for key, each in layers.items()}
    agrees(read(saved(tmp_path / "plain", name, plain) / name, format="linear"), codes, codes @ D + B_DEC)


@pytest.mark.parametrize("turned", [False, True])
def test_transcoders_come_with_decoders_of_both_orientations(tmp_path, turned):
    skip = normal(D_MODEL, D_MODEL)
    tensors = {"W_enc": E, "W_dec": D.T if turned else D, "b_enc": B_ENC, "b_dec": B_DEC, "W_skip": skip}
    codes = (X @ E.T + B_ENC).relu()
    path = saved(tmp_path, "layer_3.safetensors", tensors) / "layer_3.safetensors"
    agrees(read(path), codes, codes @ D + B_DEC + X @ skip.T)
    square = {name: normal(D_MODEL, D_MODEL) for name in ("W_enc", "W_dec")} | {"b_enc": B_DEC, "b_dec": B_DEC}
    with pytest.raises(DictionaryError, match="nothing tells rows from columns"):
        read(saved(tmp_path / "square", "layer_3.safetensors", square) / "layer_3.safetensors")


NORM_IN, NORM_OUT = 4.0, 2.5
SCALE, SCALE_OUT = math.sqrt(D_MODEL) / NORM_IN, math.sqrt(D_MODEL) / NORM_OUT


def llamascopium(folder, tensors=(), **settings):
    config = {"sae_type": "sae", "act_fn": "topk", "top_k": K, "hook_point_in": "a", "hook_point_out": "b"} | settings
    weights = {"W_E": E.T, "b_E": B_ENC, "W_D": D, "b_D": B_DEC}
    norms = {"a": torch.tensor(NORM_IN), "b": torch.tensor(NORM_OUT)}
    weights |= {f"dataset_average_activation_norm.{point}": norm for point, norm in norms.items()}
    return saved(folder, "sae_weights.safetensors", weights | dict(tensors), ("config.json", config))


def test_llamascopium_scales_what_it_reads_and_counts_the_norms_of_its_rows(tmp_path):
    norms = D.norm(dim=1)
    pre = (SCALE * X) @ E.T + B_ENC
    codes = top(pre * norms) / norms
    agrees(read(llamascopium(tmp_path / "topk")), codes, (codes @ D + B_DEC) / SCALE_OUT)
    codes = jump(pre)
    log = {"activation_function.log_jumprelu_threshold": THETA.log()}
    plain = llamascopium(tmp_path / "jump", log, act_fn="jumprelu", sparsity_include_decoder_norm=False)
    agrees(read(plain), codes, (codes @ D + B_DEC) / SCALE_OUT)
    folded = llamascopium(tmp_path / "folded", act_fn="relu", norm_activation="inference")
    codes = (X @ E.T + B_ENC).relu()
    agrees(read(folded), codes, codes @ D + B_DEC)
    by_token = llamascopium(tmp_path / "token", act_fn="relu", norm_activation="token-wise")
    factor = math.sqrt(D_MODEL) / X.norm(dim=1, keepdim=True)
    codes = ((X * factor) @ E.T + B_ENC).relu()
    agrees(read(by_token), codes, (codes @ D + B_DEC) / factor)
    unset = {"dataset_average_activation_norm.a": torch.tensor(1e-30)}
    with pytest.raises(DictionaryError, match="it was never set"):
        read(llamascopium(tmp_path / "unset", unset))
    with pytest.raises(DictionaryError, match="depend on the other tokens of a batch"):
        read(llamascopium(tmp_path / "batch", act_fn="batchtopk"))


def test_llama_scope_thresholds_belong_to_raw_activations_and_unit_rows(tmp_path):
    norms = {"in": NORM_IN, "out": NORM_OUT}
    settings = {"act_fn": "jumprelu", "jump_relu_threshold": 0.4, "dataset_average_activation_norm": norms}
    tensors = {"encoder.weight": E, "encoder.bias": B_ENC, "decoder.weight": D.T, "decoder.bias": B_DEC}
    folder = saved(tmp_path / "first", "checkpoints/final.safetensors", tensors, ("hyperparams.json", settings))
    lengths = (D * SCALE / SCALE_OUT).norm(dim=1)
    codes = jump((X @ E.T + B_ENC / SCALE) * lengths, 0.4)
    atoms = D * SCALE / SCALE_OUT / lengths[:, None]
    agrees(read(folder), codes, codes @ atoms + B_DEC / SCALE_OUT, atoms)
    folder = saved(
        tmp_path / "r1",
        "checkpoints/final.safetensors",
        tensors | {"log_jumprelu_threshold": THETA.log()},
        ("hyperparams.json", settings),
    )
    codes = jump((SCALE * X) @ E.T + B_ENC)
    agrees(read(folder), codes, (codes @ D + B_DEC) / SCALE_OUT)


def test_saev_begins_with_a_line_of_settings(tmp_path):
    tensors = {"W_enc": E.T.contiguous(), "W_dec": D, "b_enc": B_ENC, "b_dec": B_DEC}
    pre = X @ E.T + B_ENC
    kept = pre.topk(K, dim=1)
    kinds = {
        "Relu": ({}, {}, pre.relu()),
        "TopK": ({"top_k": K}, {}, torch.zeros_like(pre).scatter_(1, kept.indices, kept.values)),
        "BatchTopK": ({"top_k": K}, {"activation.threshold": torch.tensor(0.5)}, jump(pre, 0.5)),
    }
    for kind, (params, more, codes) in kinds.items():
        path = tmp_path / f"{kind}.pt"
        with path.open("wb") as file:
            line = {"schema": 5, "cfg": {"d_model": D_MODEL, "activation": {"cls": kind, "params": params}}}
            file.write(json.dumps(line).encode() + b"\n")
            torch.save(tensors | more, file)
        agrees(read(path), codes, codes @ D + B_DEC)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"BatchTopK", b"Tanh", 1))
    with pytest.raises(DictionaryError, match="names the activation 'Tanh'"):
        read(path)
    path.write_bytes(whole[:-200])
    with pytest.raises(DictionaryError, match="not unpickled"):
        read(path)


def test_sparsify_before_february_2025_takes_the_bias_off_transcoders_too(tmp_path):
    tensors = {"encoder.weight": E, "encoder.bias": B_ENC, "W_dec": D, "b_dec": B_DEC}
    config = {"expansion_factor": 32, "normalize_decoder": True, "num_latents": 0, "k": K, "multi_topk": False}
    folder = saved(tmp_path / "layers.3.mlp", "sae.safetensors", tensors, ("cfg.json", config | {"d_in": D_MODEL}))
    codes = top((X - B_DEC) @ E.T + B_ENC)
    agrees(read(folder), codes, codes @ D + B_DEC)
    newer = {"activation": "topk", "transcode": True} | config
    folder = saved(tmp_path / "seed3/layers.3.mlp", "sae.safetensors", tensors, ("cfg.json", newer))
    codes = top(X @ E.T + B_ENC)
    agrees(read(folder), codes, codes @ D + B_DEC)
    assert read(folder).seed == "3"


ATTENTION = {"attn_layers.0.k_ctx.weight": normal(2, N_ATOMS), "attn_layers.0.k_ctx.bias": normal(2)}
CONF = "llm:\n  dimin: 5\nsae:\n  exp_factor: 1.4\n  scaling_factor: {}  # of all tokens\n  tied_weights: {}\n"


@pytest.mark.parametrize("tied", [True, False])
def test_temporal_autoencoders_have_atoms_and_no_codes_of_a_token_alone(tmp_path, tied):
    tensors = {"D": D, "b": B_DEC, **ATTENTION} | ({} if tied else {"E": E.T})
    folder = saved(tmp_path / "layer_12/temporal", "latest_ckpt.safetensors", tensors)
    (folder / "conf.yaml").write_text(CONF.format(0.25, str(tied).lower()))
    found = read(folder)
    assert torch.equal(found.atoms, D)
    assert torch.equal(found.decoder_bias, B_DEC)
    assert (found.format, found.space.kind, found.space.scale) == ("temporal", "raw", 0.25)
    assert found.about == {"layer": 12}
    assert set(found.sums) == {"conf.yaml", "latest_ckpt.safetensors"}
    (note,) = found.notes
    assert "its codes depend on the tokens before" in note
    with pytest.raises(DictionaryError, match="makes no codes here"):
        found.encode(X)


@pytest.mark.parametrize("conf", ["", "scaling_factor: 2.0", CONF.format("-1.0", ""), CONF.format("1e", ""), 2 * CONF])
def test_a_factor_that_is_not_said_once_is_not_guessed(tmp_path, conf):
    folder = saved(tmp_path, "latest_ckpt.safetensors", {"D": D, "b": B_DEC})
    (folder / "conf.yaml").write_text(conf.format(0.5, "", 0.5, "") if "{}" in conf else conf)
    found = read(folder)
    assert found.space.scale == 1
    assert "does not say once by which factor" in found.notes[1]


def test_a_temporal_autoencoder_with_more_tensors_or_without_atoms_is_refused(tmp_path):
    (tmp_path / "conf.yaml").write_text(CONF.format(1, ""))
    for tensors, said in (({"D": D, "b": B_DEC, "theta": THETA}, "holds theta beside"), ({"b": B_DEC}, "no tensor D")):
        with pytest.raises(DictionaryError, match=said):
            read(saved(tmp_path, "latest_ckpt.safetensors", tensors))
    (tmp_path / "conf.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(DictionaryError, match="cannot be read"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["esmc.safetensors", "esmc.pt"])
def test_esmc_atoms_live_where_tokens_are_z_scored(tmp_path, name):
    tensors = {"W_enc": E.T, "W_dec": D, "b_dec": B_DEC, "idf": THETA, "max": THETA}
    path = saved(tmp_path, name, tensors) / name
    found = read(path)
    assert torch.equal(found.atoms, D)
    assert torch.equal(found.encoder, E)
    assert (found.format, found.space.kind, found.rule) == ("esmc-sae", "token z-score", None)
    with pytest.raises(DictionaryError, match="reads token z-score activations, and makes nothing of others"):
        found.encode(X)
    other = saved(tmp_path, "sae.pt", {"encoder_linear.weight": E, "decoder_linear.weight": D.T}) / "sae.pt"
    with pytest.raises(DictionaryError, match="reads token z-score activations and B raw ones"):
        reseed.compare(path, other, labels=["A", "B"])
    with pytest.raises(DictionaryError, match="holds theta beside what ESMC-SAE has"):
        read(saved(tmp_path, name, tensors | {"theta": THETA}) / name)
    with_bias = read(saved(tmp_path, name, tensors | {"b_enc": B_ENC}) / name)
    assert with_bias.format == "matrix"


@pytest.mark.parametrize(
    ("change", "config", "said"),
    [
        ({"b_enc": B_ENC[1:]}, {}, r"the encoder's bias has shape \(6,\) beside 7 atoms of 5"),
        ({"W_enc": E}, {}, r"the encoder has shape \(5, 7\)|shape"),
        ({"b_dec": None}, {}, "has no tensor b_dec, which SAELens' standard has"),
        ({"r_mag": B_ENC}, {}, "holds r_mag beside what SAELens' standard has"),
        ({"W_dec": D * torch.inf}, {}, r"W_dec, row 0 holds NaN or infinity"),
        ({}, {"architecture": "temporal"}, "architecture = 'temporal'"),
        ({}, {"architecture": "topk", "k": 0}, "k = 0: it is a whole number from 1"),
        ({}, {"normalize_activations": "covariance_whitening"}, "lives in a whitened space"),
        ({}, {"finetuning_scaling_factor": True}, "finetuning scaling factor"),
    ],
)
def test_saelens_files_that_do_not_fit_are_refused_with_what_is_wrong(tmp_path, change, config, said):
    tensors = {"W_enc": E.T, "b_enc": B_ENC, "W_dec": D, "b_dec": B_DEC} | change
    tensors = {name: each for name, each in tensors.items() if each is not None}
    folder = saved(tmp_path, "sae_weights.safetensors", tensors, ("cfg.json", {"architecture": "standard"} | config))
    with pytest.raises(DictionaryError, match=said):
        read(folder)


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000])
def test_settings_that_are_none_are_refused(tmp_path, text):
    tensors = {"W_enc": E.T, "b_enc": B_ENC, "W_dec": D, "b_dec": B_DEC}
    folder = saved(tmp_path, "sae_weights.safetensors", tensors)
    (folder / "cfg.json").write_text(text)
    with pytest.raises(DictionaryError, match=r"cfg.json (is no JSON|holds list)"):
        read(folder)


class Hostile:
    def __reduce__(self):
        return (print, ("run",))


def test_nothing_is_unpickled(tmp_path, capsys):
    torch.save({"pre_bias": B_DEC, "latent_bias": Hostile()}, tmp_path / "a.pt")
    np.savez(tmp_path / "params.npz", W_dec=np.array([Hostile()], dtype=object))
    for name in ("a.pt", "params.npz"):
        with pytest.raises(DictionaryError, match=r"not unpickled|Python objects"):
            read(tmp_path / name)
    assert "run" not in capsys.readouterr().out
