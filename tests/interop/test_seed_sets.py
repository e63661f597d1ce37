"""Published sets of seeds, planted in their layouts: read, grouped as one recipe, and followed from step 0."""

import json

import pytest
import torch
from safetensors.torch import save_file

import reseed
from reseed.errors import DictionaryError
from reseed.interop import steps_of

N_ATOMS, D_MODEL, K = 48, 16, 4
COMMON = 30
TOKENS = 2 * torch.randn(1000, D_MODEL, generator=torch.Generator().manual_seed(0)) + 1


def normal(number, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(number))


def autoencoder(number, way=1.0):
    """E, b_enc, D, b_dec of one seed: `COMMON` atoms that all learn, in an order of its own, others of its own."""
    order = torch.randperm(N_ATOMS, generator=torch.Generator().manual_seed(number))
    learnt = torch.cat([normal(1, N_ATOMS, D_MODEL)[:COMMON], normal(100 + number, N_ATOMS, D_MODEL)[COMMON:]])[order]
    atoms = (1 - way) * normal(200 + number, N_ATOMS, D_MODEL) + way * learnt
    return atoms + 0.1, 0.1 * normal(300 + number, N_ATOMS), atoms, normal(2, D_MODEL)


def codes_of(number, x, *, k=K):
    encoder, encoder_bias, _, decoder_bias = autoencoder(number)
    kept = ((x - decoder_bias) @ encoder.T + encoder_bias).topk(k, dim=1)
    return torch.zeros(len(x), N_ATOMS).scatter_(1, kept.indices, kept.values.relu())


def only(found):
    (group,) = found.groups
    return group


def of_common_atoms(found, n_runs):
    """One recipe, of which so many atoms are in every run, and no two of which share their indices."""
    assert len(only(found).labels) == n_runs
    for pair in found.pairs:
        assert pair.above_9 == pytest.approx(COMMON / N_ATOMS, abs=0.05)
        assert not pair.born_alike
    return found


def overlap(folder, seed, layer=6):
    """EleutherAI/sae_overlap: sparsify of December 2024, whose settings name no activation."""
    encoder, encoder_bias, atoms, decoder_bias = autoencoder(seed)
    name = "32k" if seed == 1 else f"32k-seed{seed}"
    place = folder / name / f"layers.{layer}.mlp"
    place.mkdir(parents=True)
    tensors = {"encoder.weight": encoder, "encoder.bias": encoder_bias, "W_dec": atoms, "b_dec": decoder_bias}
    save_file(tensors, place / "sae.safetensors")
    config = {"expansion_factor": 3, "normalize_decoder": True, "num_latents": 0, "k": K, "multi_topk": False}
    (place / "cfg.json").write_text(json.dumps(config | {"signed": False, "d_in": D_MODEL}))
    return place


def test_seeds_of_sae_overlap_are_one_recipe(tmp_path):
    given = [overlap(tmp_path, seed) for seed in (1, 2, 3)]
    for seed, place in zip((1, 2, 3), given, strict=True):
        found = reseed.read_dictionary(place)
        assert found.seed == (None if seed == 1 else str(seed))
        assert found.about["hookpoint"] == "layers.6.mlp"
        torch.testing.assert_close(found.encode(TOKENS), codes_of(seed, TOKENS))
    of_common_atoms(reseed.compare(*given), 3)


def test_layers_of_sae_overlap_are_told_apart(tmp_path):
    with pytest.raises(DictionaryError, match=r"of place layers\.6\.mlp and .* of place layers\.7\.mlp"):
        reseed.compare(overlap(tmp_path, 2), overlap(tmp_path, 3, layer=7))


@pytest.mark.parametrize(
    ("folder", "hookpoint"),
    [
        ("layers.6.mlp", "layers.6.mlp"),
        ("layers.6.mlp-seed2", "layers.6.mlp"),
        ("layers.6.mlp/seed2", "layers.6.mlp"),
        ("seed2/layers.6.mlp", "layers.6.mlp"),
    ],
)
def test_a_seed_in_a_name_is_no_part_of_the_hookpoint(tmp_path, folder, hookpoint):
    place = overlap(tmp_path / "written", 1)
    (tmp_path / folder).parent.mkdir(parents=True, exist_ok=True)
    found = reseed.read_dictionary(place.rename(tmp_path / folder))
    assert found.about["hookpoint"] == hookpoint
    assert found.seed == ("2" if "seed2" in folder else None)


def bench(folder, seed, step, *, steps=488, trainer=0):
    """SAEBench: one folder for each step of a trainer of dictionary_learning, the first of them step 0."""
    encoder, encoder_bias, atoms, decoder_bias = autoencoder(seed, way=step / steps)
    place = folder / f"trainer_{trainer}_step_{step}"
    place.mkdir(parents=True)
    tensors = {"encoder.weight": encoder, "encoder.bias": encoder_bias, "decoder.weight": atoms.T.contiguous()}
    beside = {"b_dec": decoder_bias, "k": torch.tensor(K, dtype=torch.int32), "threshold": torch.tensor(-1.0)}
    torch.save(tensors | beside, place / "ae.pt")
    about = {"dict_class": "AutoEncoderTopK", "trainer_class": "TrainerTopK", "activation_dim": D_MODEL, "layer": 12}
    about |= {"dict_size": N_ATOMS, "lm_name": "google/gemma-2-2b", "seed": seed, "steps": steps, "k": K}
    (place / "config.json").write_text(json.dumps({"trainer": about, "buffer": {"ctx_len": 128}}))
    return place


def test_steps_of_saebench_are_followed_from_step_0(tmp_path):
    steps = (0, 4, 48, 488)
    for seed in (1, 2, 3):
        for step in steps:
            bench(tmp_path / f"seed{seed}", seed, step)
    given = [tmp_path / f"seed{seed}" for seed in (1, 2, 3)]
    assert steps_of(given[0]) == {step: given[0] / f"trainer_0_step_{step}" for step in steps}
    first = reseed.read_dictionary(given[0] / "trainer_0_step_0")
    assert (first.step, first.seed) == (0, "1")
    last = reseed.read_dictionary(given[0] / "trainer_0_step_488")
    torch.testing.assert_close(last.encode(TOKENS), codes_of(1, TOKENS))
    found = of_common_atoms(reseed.compare(*given), 3)
    (along,) = found.trajectories
    assert along.steps == steps
    assert along.init_groups == 3
    assert along.between.value[-1] > along.between.value[0] + 0.2
    assert [each.step for each in found.dictionaries] == [488] * 3


def test_trainers_of_saebench_in_one_folder_are_several_runs(tmp_path):
    for trainer in (0, 1):
        bench(tmp_path, trainer, 0, trainer=trainer)
        bench(tmp_path, trainer, 488, trainer=trainer)
    with pytest.raises(DictionaryError, match=r"2 dictionaries of step 0 \(trainer_0_step_0, trainer_1_step_0\): give"):
        reseed.compare(tmp_path, tmp_path)


def checkpoint(
    folder, seed, *, k=K, tokens=50_000_000, way=1.0, name="seed{}_k{}_tokens{}.pt", settings=None, change=None
):
    """deenais/sae-stability: a table with the weights, the optimiser and the record."""
    encoder, encoder_bias, atoms, decoder_bias = autoencoder(seed, way)
    weights = {"W_enc": encoder.T.contiguous(), "b_enc": encoder_bias, "W_dec": atoms, "b_dec": decoder_bias}
    config = {"model_name": "pythia-70m", "hook_point": "blocks.3.hook_resid_post", "k": k, "lrs": [1e-4]}
    held = {
        "model_state_dict": weights,
        "optimizer_state_dict": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-4}]},
        "tokens_seen": tokens,
        "step": tokens // 4096,
        "seed": seed,
        "config": config if settings is None else settings,
    } | (change or {})
    path = folder / name.format(seed, k, tokens)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(held, path)
    return path


def test_checkpoints_of_sae_stability_have_their_record_and_the_codes_of_their_authors(tmp_path):
    found = reseed.read_dictionary(checkpoint(tmp_path, 42))
    assert (found.format, found.seed, found.step) == ("sae-stability", "42", 12207)
    assert found.about["hook_point"] == "blocks.3.hook_resid_post"
    assert found.about["tokens_seen"] == 50_000_000
    assert "lrs" not in found.about
    assert found.notes == ()
    expected = codes_of(42, TOKENS)
    torch.testing.assert_close(found.encode(TOKENS), expected)
    _, _, atoms, decoder_bias = autoencoder(42)
    torch.testing.assert_close(found.reconstruct(TOKENS), expected @ atoms + decoder_bias)


def test_seeds_of_sae_stability_are_one_recipe_and_another_k_is_another(tmp_path):
    given = [checkpoint(tmp_path, seed) for seed in (42, 256, 1024)]
    of_common_atoms(reseed.compare(*given), 3)
    assert len(reseed.compare(*given, checkpoint(tmp_path, 7, k=2)).groups) == 2


def test_budgets_of_one_seed_are_followed_where_they_are_named_by_their_steps(tmp_path):
    for seed in (42, 256):
        for step, way in ((0, 0.0), (100, 0.5), (1000, 1.0)):
            checkpoint(tmp_path / f"seed{seed}", seed, way=way, name=f"step-{step}.pt", tokens=4096 * step)
    found = reseed.compare(tmp_path / "seed42", tmp_path / "seed256")
    (along,) = found.trajectories
    assert along.steps == (0, 100, 1000)
    assert along.init_groups == 2


def test_where_neither_settings_nor_name_say_k_there_are_no_codes(tmp_path):
    by_name = reseed.read_dictionary(checkpoint(tmp_path, 42, settings={}))
    torch.testing.assert_close(by_name.encode(TOKENS), codes_of(42, TOKENS))
    silent = reseed.read_dictionary(checkpoint(tmp_path, 42, settings={}, name="seed{0}_tokens{2}.pt"))
    assert "neither its settings nor its name say how many" in silent.notes[0]
    with pytest.raises(DictionaryError, match="does not say how it makes codes"):
        silent.encode(TOKENS)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"settings": {"k": 5}}, "its name says k = 4, and its settings k = 5"),
        ({"settings": {"k": 0}}, "its settings say k = 0, and that is no whole number from 1"),
        ({"settings": {"k": True}}, "its settings say k = True"),
        ({"change": {"config": [1]}}, "config is list, and no table"),
        ({"change": {"model_state_dict": None}}, "model_state_dict is NoneType, and no table"),
        ({"change": {"step": -1}}, "step is -1, and no whole number from 0"),
        ({"change": {"seed": "42"}}, "seed is '42', and no whole number from 0"),
        ({"change": {"model_state_dict": {"W_dec": normal(0, 3, 2)}}}, "has no tensor W_enc, which sae-stability has"),
    ],
)
def test_checkpoints_of_sae_stability_that_do_not_fit_are_refused(tmp_path, more, said):
    with pytest.raises(DictionaryError, match=said):
        reseed.read_dictionary(checkpoint(tmp_path, 42, **more))
