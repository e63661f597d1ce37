"""What other libraries trained and wrote is read as they read it: the same codes on a thousand real tokens.

The files were written by benchmarks/peers/fixtures.py, with the versions in written/versions.json.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from reseed.errors import DictionaryError
from reseed.interop import read

WRITTEN = Path(__file__).parent / "written"
CODES = {name: torch.from_numpy(codes) for name, codes in np.load(WRITTEN / "codes.npz").items()}
TOKENS = CODES.pop("tokens")
ASKED = {
    "overcomplete-topk": ("model.pt", {"k": 5}),
    "overcomplete-jump": ("model.pt", {}),
    "overcomplete-ra-topk": ("model.pt", {"k": 5, "delta": 0.5}),
}
TIE = 1e-5  # relative to the largest code: two pre-activations as near as that may change places


def loaded(name):
    file, asked = ASKED.get(name, ("", {}))
    return read(WRITTEN / name / file, **asked)


@pytest.mark.parametrize("name", CODES)
def test_codes_are_those_of_the_library_that_wrote_the_file(name):
    found, expected = loaded(name).encode(TOKENS), CODES[name]
    apart = (found != 0) != (expected != 0)
    assert apart.sum() <= 2
    largest = expected.abs().max()
    assert (found - expected)[~apart].abs().max() <= TIE * largest
    kept = torch.where(apart, torch.maximum(found, expected), 0).amax(dim=1)
    weakest = torch.where(expected != 0, expected.abs(), torch.inf).amin(dim=1)
    tied = apart.any(dim=1)
    assert (kept[tied] - weakest[tied]).abs().le(TIE * largest).all()


@pytest.mark.parametrize("name", CODES)
def test_what_is_reconstructed_is_nearer_to_the_tokens_than_their_mean(name):
    dictionary = loaded(name)
    if "transcoder" in name:
        return  # reads one thing and writes another: here the same, through its skip connection
    left = (dictionary.reconstruct(TOKENS) - TOKENS).square().sum()
    assert left < 0.6 * (TOKENS - TOKENS.mean(dim=0)).square().sum()


@pytest.mark.parametrize("name", CODES)
def test_every_file_is_told_with_its_sum_its_format_and_what_it_says_of_itself(name):
    dictionary = loaded(name)
    assert dictionary.format in name
    assert dictionary.sums
    assert all(len(total) == 64 for total in dictionary.sums.values())
    assert dictionary.atoms.shape == (40, 24)


def test_archetypal_atoms_are_those_that_the_library_computes():
    for name in ("overcomplete-topk", "overcomplete-ra-topk"):
        expected = torch.from_numpy(np.load(WRITTEN / name / "atoms.npy"))
        torch.testing.assert_close(loaded(name).atoms, expected, rtol=1e-5, atol=1e-6)


def test_what_a_state_dict_does_not_say_is_asked_for():
    with pytest.raises(DictionaryError, match="say it with --delta"):
        read(WRITTEN / "overcomplete-ra-topk/model.pt")
    silent = read(WRITTEN / "overcomplete-topk/model.pt")
    assert "give k to have codes" in silent.notes[0]
    with pytest.raises(DictionaryError, match="does not say how it makes codes"):
        silent.encode(TOKENS)
    with pytest.raises(DictionaryError, match="is read as saelens, which says that itself: leave out k"):
        read(WRITTEN / "saelens-topk", k=3)


def test_a_checkpoint_knows_its_step_and_a_matryoshka_its_groups():
    first = read(WRITTEN / "dictionary-learning-topk/checkpoints/ae_0.pt")
    last = read(WRITTEN / "dictionary-learning-topk")
    assert (first.step, last.step) == (0, None)
    assert first.seed == last.seed == "7"
    assert read(WRITTEN / "dictionary-learning-matryoshka").groups == (10, 10, 20)
    assert read(WRITTEN / "saelens-matryoshka-training").groups == (10, 10, 20)


def test_one_line_tells_norms_and_fit():
    told = loaded("saelens-topk").told(TOKENS)
    assert "saelens-topk: 40 atoms of 24 dimensions, norms 0.70" in told
    assert told.endswith("0 zero; TopK, k = 5; reads raw activations; mean L0 5.0, R² 0.81 on 1,000 tokens")
    assert "codes unknown; reads raw activations" in read(WRITTEN / "overcomplete-topk/model.pt").told()


def test_a_folder_of_many_names_them():
    with pytest.raises(DictionaryError, match=r"is no dictionary, but holds \d+: give one of .* and \d+ more"):
        read(WRITTEN)
