"""What is said of dictionaries that somebody trained already, where the truth is known."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from reseed import match
from reseed.comparison import compare
from reseed.errors import DictionaryError, SpecError

WRITTEN = Path(__file__).parents[1] / "interop" / "written"
N_ATOMS, D_MODEL, COMMON = 128, 64, 84


def chance(number):
    return torch.Generator().manual_seed(number)


def noise(number, n_atoms=N_ATOMS, d_model=D_MODEL):
    return torch.randn(n_atoms, d_model, generator=chance(number))


def planted(number, common=COMMON):
    """So many atoms that all have, and others of its own, in an order of its own."""
    atoms = torch.cat([noise(1000)[:common], noise(number)[common:]])
    return atoms[torch.randperm(N_ATOMS, generator=chance(number))]


def born_alike(number):
    """One start, and much that was learnt since."""
    return noise(2000) + 1.2 * noise(number)


def only(found):
    (group,) = found.groups
    return group


def test_the_replicated_share_is_that_of_the_planted_atoms_where_a_mean_hides_it():
    found = compare(*(planted(number) for number in range(3)))
    for pair in found.pairs:
        assert pair.replicated == pytest.approx(COMMON / N_ATOMS, abs=0.02)
        assert pair.above_9 == pytest.approx(COMMON / N_ATOMS, abs=0.01)
        assert pair.quantiles[found.levels.index(0.5)] == pytest.approx(1.0)
        assert pair.quantiles[found.levels.index(0.1)] < 0.5
        assert not pair.born_alike
    assert only(found).word == "beyond random directions"
    assert "--null" in only(found).sentence


def test_noise_is_not_beyond_random_directions():
    found = compare(*(noise(number, 1024) for number in range(4)))
    assert only(found).word == "not beyond random directions"
    assert all(pair.replicated < 0.01 for pair in found.pairs)
    assert all(pair.ratio == pytest.approx(1.0, abs=0.05) for pair in found.pairs)


def test_atoms_around_a_common_mean_are_not_beyond_directions_with_that_mean():
    found = compare(*(noise(number) + 3.0 for number in range(3)))
    assert all(pair.agreement > 0.8 for pair in found.pairs)
    assert only(found).word == "not beyond random directions"
    assert {pair.beyond_of for pair in found.pairs} == {"spectrum"}


@pytest.mark.parametrize("number", range(6))
def test_noise_that_lies_in_few_directions_is_not_beyond_directions_that_do(number):
    """Where each dictionary's own moments were drawn from, half of such noise was called beyond."""
    along = 0.97 ** torch.arange(128)
    found = only(compare(*(noise(300 + 3 * number + i, 512, 128) * along for i in range(3))))
    assert found.word == "not beyond random directions"
    assert abs(found.agreement.value - max(floor.value for floor in found.nulls)) < 0.01


def test_runs_of_one_start_are_born_alike_whatever_they_agree_and_whatever_the_null():
    null = [noise(number) for number in range(10, 13)]
    found = compare(*(born_alike(number) for number in range(3)), null=null)
    assert only(found).word == "born alike"
    assert only(found).born_alike == 3
    assert "stable" not in only(found).sentence.lower()
    assert all(pair.fixed_points > 10 and pair.birth_p < 1e-7 for pair in found.pairs)


def test_a_copy_in_another_order_agrees_entirely_and_shares_no_index():
    atoms = noise(0)
    found = compare(atoms, 3 * atoms[torch.randperm(N_ATOMS, generator=chance(1))], noise(2))
    first = found.pairs[0]
    assert first.agreement == pytest.approx(1.0)
    assert not first.born_alike
    assert "cannot be excluded" in first.birth


def test_stable_needs_three_runs_beyond_three_on_rows_without_structure():
    runs, null = [planted(number) for number in range(3)], [noise(number) for number in range(10, 13)]
    found = only(compare(*runs, null=null))
    assert found.word == "partly stable"
    assert "step 0" in found.sentence
    assert only(compare(*(planted(number, 126) for number in range(4)), null=null)).word == "stable"
    assert found.replicated.value == pytest.approx(COMMON / N_ATOMS, abs=0.02)
    assert found.null_runs.beyond == pytest.approx(found.null_runs.beyond)
    assert only(compare(*runs[:2], null=null)).word == "inconclusive"
    assert only(compare(*runs, null=null[:2])).word == "inconclusive"


def test_what_structureless_rows_give_as_well_is_unstable():
    found = only(compare(*map(planted, range(5)), null=[planted(number) for number in range(10, 15)]))
    assert found.word == "unstable"
    assert abs(found.adjusted.value) < 0.1


def test_nulls_of_another_recipe_are_refused():
    runs = [planted(number) for number in range(3)]
    with pytest.raises(DictionaryError, match="of no recipe that is compared"):
        compare(*runs, null=[noise(number, 64) for number in range(3)])
    with pytest.raises(SpecError, match="two or more"):
        compare(*runs, null=[noise(0)])
    with pytest.raises(DictionaryError, match="different recipes"):
        compare(*runs, null=[noise(0), noise(1, 64)])


def test_the_whole_matching_is_the_one_that_match_finds():
    a, b = planted(0), planted(1)
    pair = compare(a, b).pairs[0]
    expected = match(a, b)
    assert pair.matching.a == tuple(expected.rows.tolist())
    assert sorted(pair.matching.b) == list(range(N_ATOMS))
    assert np.mean(pair.matching.cosine) == pytest.approx(pair.agreement)
    assert pair.gap <= 1e-6
    assert pair.mmcs[0] >= pair.agreement


def test_sizes_may_differ():
    found = compare(planted(0), planted(1)[:100], groups=["large", "small"])
    (pair,) = found.pairs
    assert pair.coverage == (100 / N_ATOMS, 1.0)
    assert len(pair.matching.a) == 100
    assert not pair.same_recipe
    assert [group.word for group in found.groups] == ["not testable"] * 2
    assert len(found.sentences) == 1


def test_atoms_in_the_order_of_their_norms_are_not_tested_by_index():
    def ordered(number):
        atoms = noise(number) * (1 + noise(number + 50)[:, :1].abs())
        return atoms[atoms.norm(dim=1).argsort()]

    found = compare(ordered(0), ordered(1))
    assert math.isnan(found.pairs[0].birth_p)
    assert "sorted by norm" in found.pairs[0].birth


def test_two_runs_have_no_interval_and_that_is_said():
    found = only(compare(planted(0), planted(1)))
    assert math.isnan(found.agreement.low)
    assert "one pair, so no interval" in found.sentence


def test_files_are_known_by_their_sums_and_records():
    found = compare(WRITTEN / "saelens-topk", WRITTEN / "sparsify-topk", WRITTEN / "saelens-batchtopk")
    first = found.dictionaries[0]
    assert (first.label, first.format, first.n_atoms, first.d_model) == ("saelens-topk", "saelens", 40, 24)
    assert len(first.sha256) == 64
    assert set(first.files) == {"cfg.json", "sae_weights.safetensors"}
    assert len(found.groups) == 3
    assert all(pair.born_alike for pair in found.pairs)  # all were trained from one roll
    assert all(len(pair.matching.encoder) == 40 for pair in found.pairs)


def test_codes_are_compared_where_there_are_activations(tmp_path):
    tokens = np.load(WRITTEN / "codes.npz")["tokens"]
    np.save(tmp_path / "tokens.npy", np.concatenate([tokens] * 3) + np.float32(1e-3) * np.arange(24, dtype=np.float32))
    given = [WRITTEN / "saelens-topk", WRITTEN / "sparsify-topk"]
    found = compare(*given, activations=tmp_path / "tokens.npy", groups=["topk", "topk"])
    group, (pair,) = only(found), found.pairs
    assert all(each.l0 == pytest.approx(5, abs=0.1) and each.r2 > 0.3 for each in found.dictionaries)
    assert 0.3 < pair.code <= 1
    assert np.mean(pair.matching.code) == pytest.approx(pair.code)
    assert [floor.name for floor in group.references] == ["data", "kmeans"]
    assert [floor.name for floor in group.code_references] == ["kmeans"]
    assert 0 < group.references[1].value < 1
    without = compare(*given, activations=tmp_path / "tokens.npy", groups=["topk", "topk"], with_references=False)
    assert only(without).references == ()


def test_other_activations_are_refused(tmp_path):
    np.save(tmp_path / "tokens.npy", np.random.default_rng(0).normal(size=(500, 20)).astype(np.float32))
    with pytest.raises(DictionaryError, match="reads 24 dimensions and the activations have 20"):
        compare(WRITTEN / "saelens-topk", WRITTEN / "sparsify-topk", activations=tmp_path / "tokens.npy")


def test_one_dictionary_twice_is_said_to_be_the_same(tmp_path):
    with pytest.raises(DictionaryError, match="one file given twice"):
        compare(WRITTEN / "saelens-topk", WRITTEN / "saelens-topk")
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in (WRITTEN / "saelens-topk").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    with pytest.raises(DictionaryError, match="the same bytes in two places"):
        compare(WRITTEN / "saelens-topk", copy)


def layered(folder, layer):
    """The same autoencoder, said to be of another layer."""
    folder.mkdir()
    for file in (WRITTEN / "saelens-topk").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "cfg.json").read_text("utf-8"))
    config["metadata"] = {**config.get("metadata", {}), "hook_name": f"blocks.{layer}.hook_resid_post"}
    (folder / "cfg.json").write_text(json.dumps(config), "utf-8")
    return folder


def test_layers_are_told_apart_by_their_records(tmp_path):
    given = [layered(tmp_path / "a", 5), layered(tmp_path / "b", 6)]
    with pytest.raises(DictionaryError, match=r"blocks\.5\.hook_resid_post and b of place blocks\.6"):
        compare(*given)
    found = compare(*given, groups=["5", "6"])
    assert any("no runs of one recipe" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"labels": ["one"]}, "1 labels were given for 2"),
        ({"labels": ["one", "one"]}, "empty or used twice"),
        ({"groups": ["one"]}, "1 groups were given for 2"),
    ],
)
def test_labels_and_groups_fit_the_dictionaries(asked, message):
    with pytest.raises(SpecError, match=message):
        compare(noise(0), noise(1), **asked)


def test_one_dictionary_is_nothing_to_compare():
    with pytest.raises(SpecError, match="two or more"):
        compare(noise(0))


def test_other_widths_and_spaces_are_refused():
    with pytest.raises(DictionaryError, match="64 dimensions and B of 32"):
        compare(noise(0), noise(1, d_model=32))
    with pytest.raises(DictionaryError, match="reads raw activations"):
        compare(WRITTEN / "saelens-topk", WRITTEN / "saelens-jumprelu")


def test_the_same_dictionaries_give_the_same_document():
    given = [planted(number) for number in range(3)]
    assert compare(*given).model_dump_json() == compare(*given).model_dump_json()
