"""Two dictionaries whose answer is known: what is one feature, what was born alike, what is dead."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from reseed.activations.synthetic import planted
from reseed.errors import DictionaryError
from reseed.floors import isotropic
from reseed.geometry import measure

N_ATOMS, D_MODEL = 64, 24
WRITTEN = Path(__file__).parents[1] / "interop/written"


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled))


A = normal(N_ATOMS, D_MODEL)
MOVED = torch.arange(N_ATOMS).roll(1)


def pair_of(first, second, **more):
    found = measure(dictionaries=(first, second), draws=2, **more)
    return found.pair, " ".join(found.recommendation), found.warnings


def test_atoms_that_are_equal_up_to_sign_are_one_feature_where_that_is_asked_for():
    signs = torch.where(torch.arange(N_ATOMS) % 2 == 0, 1.0, -1.0)[:, None]
    signed, _, _ = pair_of(A, A * signs)
    either, said, _ = pair_of(A, A * signs, sign="abs")
    assert (signed.sign, either.sign) == ("signed", "abs")
    assert signed.agreement < 0.9
    assert (either.agreement, either.alike) == (pytest.approx(1), N_ATOMS)
    assert "agree 1.00 up to sign" in said
    floor = {each.name: each.value for each in either.floors}
    assert floor["isotropic"] == isotropic(D_MODEL, N_ATOMS, sign="abs")
    assert floor["spectrum"] > {each.name: each.value for each in signed.floors}["spectrum"]


@pytest.mark.parametrize(("order", "born"), [(torch.arange(N_ATOMS), True), (MOVED, False)])
def test_pairs_at_the_same_index_were_born_alike_and_a_permutation_was_not(order, born):
    pair, said, warnings = pair_of(A, A[order])
    assert (pair.alike, pair.same_index) == (N_ATOMS, N_ATOMS * born)
    assert ("64 of them at the same index in both: born alike (from one start)" in said) == born
    assert warnings == ()


def test_the_features_that_are_shared_are_counted_beside_the_mean_over_all():
    one, other = normal(N_ATOMS, D_MODEL, rolled=1), normal(N_ATOMS, D_MODEL, rolled=2)
    one[:20] = other[20:40] = A[:20]
    pair, said, _ = pair_of(one, other)
    assert 20 <= pair.alike < 30
    assert f"{pair.alike} of 64 pairs have a cosine above .7." in said


def test_zero_atoms_and_one_file_given_twice_are_said(tmp_path):
    half = A.clone()
    half[:40] = 0
    save_file({"atoms": half}, tmp_path / "half.safetensors")
    path = str(tmp_path / "half.safetensors")
    _, _, warnings = pair_of(path, tmp_path / "." / "half.safetensors")
    assert warnings == (
        *[f"40 of 64 atoms of {path} are zero: they count in the agreement, as pairs of cosine 0"] * 2,
        "one file was given twice: a dictionary agrees with itself",
    )


def test_activations_tell_which_side_of_a_dictionary_is_as_long_as_they_are(tmp_path):
    save_file({"decoder": A.T.contiguous()}, tmp_path / "turned.safetensors")
    given = (A, tmp_path / "turned.safetensors")
    found = measure(normal(400, D_MODEL, rolled=3), dictionaries=given, draws=2, preprocess=("none",))
    assert found.pair.alike == N_ATOMS
    assert any("its columns were read as atoms, as only they have" in warning for warning in found.warnings)


def test_two_dictionaries_that_share_most_of_what_was_planted_are_not_told_that_nothing_was_learnt():
    """102 and 101 of 128 planted atoms, 85 of them in both, where k-means finds and agrees on more than they do."""
    made = planted(16_000, 32, n_atoms=128, active=2, noise=0.05)
    first, second = normal(128, 32, rolled=5), normal(128, 32, rolled=6)
    first[:102] = made.atoms[:102]
    second[:85], second[85:101] = made.atoms[:85], made.atoms[102:118]
    found = measure(made.rows, dictionaries=(first, second.roll(1, dims=0)), draws=2, preprocess=("none",))
    pair, said = found.pair, " ".join(found.recommendation)
    kmeans = next(each for each in pair.standings if each.floor == "kmeans")
    assert 85 <= pair.alike <= 95
    assert kmeans.role == "reference"
    assert kmeans.value > pair.agreement + 0.02  # which was called no evidence of learning
    assert kmeans.ratio == pytest.approx((1 - pair.agreement) / (1 - kmeans.value))
    assert kmeans.ratio > 1
    assert pair.standings[0].role == "null"
    assert pair.standings[0].ratio < 0.5
    assert "evidence" not in said
    assert "untrained" not in said
    assert "\N{MINUS SIGN}" not in said
    assert "times as far apart as those are" in said
    assert "needs training, on what `reseed surrogate` makes" in said


def test_dictionaries_of_other_libraries_are_held_against_each_other():
    pair = measure(dictionaries=(WRITTEN / "saelens-topk", WRITTEN / "dictionary-learning-topk"), draws=2).pair
    assert (pair.first.n_atoms, pair.second.n_atoms) == (40, 40)
    assert 0 < pair.agreement < 1
    archetypal = WRITTEN / "overcomplete-ra-topk/model.pt"
    twice = measure(dictionaries=(archetypal, archetypal), draws=2, delta=0.5)
    assert twice.pair.agreement == pytest.approx(1)
    assert "one file was given twice: a dictionary agrees with itself" in twice.warnings


def test_dictionaries_that_live_in_different_spaces_are_refused():
    with pytest.raises(DictionaryError, match=r"different spaces \(.*saelens-topk in raw, .*jumprelu in layer norm\)"):
        measure(dictionaries=(WRITTEN / "saelens-topk", WRITTEN / "saelens-jumprelu"), draws=2)
    with pytest.raises(DictionaryError, match="format 'pickle' is unknown"):
        measure(dictionaries=(WRITTEN / "saelens-topk", WRITTEN / "saelens-topk"), draws=2, format="pickle")
