"""Born alike? What `compare` says of other libraries' files, where it is planted how their runs began."""

import json
import math

import pytest
import torch
from safetensors.torch import save_file

from reseed.comparison import compare

N_ATOMS, D_MODEL, COMMON = 128, 64, 60
NESTED = (*[2] * 16, 96)


def chance(number):
    return torch.Generator().manual_seed(number)


def noise(number, n_atoms=N_ATOMS):
    return torch.randn(n_atoms, D_MODEL, generator=chance(number))


def order(number, n_atoms=N_ATOMS):
    return torch.randperm(n_atoms, generator=chance(number))


def learnt(number):
    """A run that began by itself: some atoms that every run finds, in an order of its own."""
    return (torch.cat([noise(1)[:COMMON], noise(100 + number)[COMMON:]]) + 0.1 * noise(200 + number))[order(number)]


def trained_on(atoms, number, *, far):
    """The same atoms after more training: each has moved by so much of its own length."""
    return atoms + far * noise(300 + number, len(atoms))


def sparsify(folder, atoms):
    folder.mkdir(parents=True)
    biases = {"encoder.bias": torch.zeros(len(atoms)), "b_dec": torch.zeros(D_MODEL)}
    save_file({"encoder.weight": atoms, "W_dec": atoms.clone(), **biases}, folder / "sae.safetensors")
    config = {"activation": "topk", "k": 4, "num_latents": len(atoms), "d_in": D_MODEL, "transcode": False}
    (folder / "cfg.json").write_text(json.dumps(config))
    return folder


def matryoshka(folder, atoms):
    """dictionary_learning's, whose first atoms are dictionaries of their own."""
    folder.mkdir(parents=True)
    tensors = {"W_enc": atoms.T.contiguous(), "W_dec": atoms, "b_enc": torch.zeros(N_ATOMS)}
    beside = {"b_dec": torch.zeros(D_MODEL), "k": torch.tensor(4), "threshold": torch.tensor(0.1)}
    torch.save(tensors | beside | {"group_sizes": torch.tensor(NESTED)}, folder / "ae.pt")
    (folder / "config.json").write_text(json.dumps({"trainer": {"dict_class": "MatryoshkaBatchTopKSAE"}}))
    return folder


def compared(tmp_path, *atoms, write=sparsify):
    """All of one recipe, whatever their sizes."""
    given = [write(tmp_path / f"run{number}", each) for number, each in enumerate(atoms)]
    return compare(*given, groups=["one"] * len(given))


def said_of(found):
    """All that is said, of pairs and of recipes."""
    return " ".join([*found.sentences, *(pair.birth for pair in found.pairs), *found.warnings])


def excludes_nothing(found):
    """No pair is born alike, and of none is it said that it was not."""
    for pair in found.pairs:
        assert not pair.born_alike
        assert pair.birth.startswith("Not by index: ")
        assert pair.birth.endswith("that they were born alike cannot be excluded.")
    said = said_of(found).lower()
    assert "independent" not in said
    assert "not born alike" not in said
    assert "born apart" not in said
    assert "started apart" not in said
    (group,) = found.groups
    assert group.born_alike == 0
    assert group.word != "born alike"


def finds_all(found):
    for pair in found.pairs:
        assert pair.born_alike
        assert pair.birth.startswith("They share their indices: ")
    (group,) = found.groups
    assert (group.word, group.born_alike) == ("born alike", len(found.pairs))
    assert "says nothing about runs that are independent" in group.sentence
    return group


def test_runs_that_began_by_themselves_share_no_indices_however_much_they_learnt_alike(tmp_path):
    found = compared(tmp_path, *map(learnt, range(7)))
    excludes_nothing(found)
    assert len(found.pairs) == 21
    assert all(pair.agreement > 0.5 for pair in found.pairs)
    assert sum(pair.fixed_points for pair in found.pairs) == pytest.approx(21, abs=14)  # one a pair, by chance


@pytest.mark.parametrize(("far", "most"), [(0.5, 0.9), (1.0, 0.7), (1.5, 0.55)])
def test_runs_of_one_start_are_found_while_their_agreement_goes(tmp_path, far, most):
    found = compared(tmp_path, *(trained_on(noise(0), number, far=far) for number in range(3)))
    finds_all(found)
    assert all(pair.agreement < most for pair in found.pairs)


def test_of_one_start_that_nothing_is_left_of_it_is_not_said_that_there_was_none(tmp_path):
    found = compared(tmp_path, *(trained_on(noise(0), number, far=30.0) for number in range(3)))
    excludes_nothing(found)


def test_a_run_that_went_on_from_anothers_last_step_shares_its_indices(tmp_path):
    last = learnt(0)
    warm = compared(tmp_path / "warm", last, trained_on(last, 1, far=0.3))
    finds_all(warm)
    resampled = trained_on(last, 1, far=0.3)
    resampled[: N_ATOMS // 2] = noise(9)[: N_ATOMS // 2]  # dead atoms that were begun anew
    finds_all(compared(tmp_path / "resampled", last, resampled))


def test_of_a_run_that_went_on_in_another_order_the_agreement_is_said_beside_the_doubt(tmp_path):
    last = learnt(0)
    found = compared(tmp_path, last, trained_on(last, 1, far=0.1)[order(5)])
    excludes_nothing(found)
    (pair,) = found.pairs
    assert pair.agreement > 0.98
    assert "they agree .99, and that they were born alike cannot be excluded" in pair.birth


def without(atoms, places):
    kept = torch.ones(len(atoms), dtype=torch.bool)
    kept[places] = False
    return atoms[kept]


@pytest.mark.parametrize("place", [0, 2])
def test_atoms_removed_in_front_shift_all_others_and_leave_the_test_no_power(tmp_path, place):
    last = learnt(0)
    found = compared(tmp_path, last, without(trained_on(last, 1, far=0.1), [place]))
    excludes_nothing(found)
    (pair,) = found.pairs
    assert pair.agreement > 0.95
    assert (pair.tested_atoms, pair.fixed_points) == (N_ATOMS - 1, place)


def test_atoms_removed_throughout_leave_the_test_no_power(tmp_path):
    last = learnt(0)
    found = compared(tmp_path, last, without(trained_on(last, 1, far=0.1), order(3)[:40]))
    excludes_nothing(found)
    (pair,) = found.pairs
    assert pair.tested_atoms == N_ATOMS - 40
    assert pair.agreement > 0.95


@pytest.mark.parametrize("place", [20, 100])
def test_atoms_removed_further_back_leave_those_in_front_to_be_found(tmp_path, place):
    last = learnt(0)
    found = compared(tmp_path, last, without(trained_on(last, 1, far=0.1), [place]))
    finds_all(found)
    assert found.pairs[0].fixed_points == pytest.approx(place, abs=1)


def test_atoms_that_were_set_to_zero_shift_nothing(tmp_path):
    pruned = trained_on(noise(0), 1, far=1.0)
    pruned[order(3)[:40]] = 0
    found = compared(tmp_path, trained_on(noise(0), 2, far=1.0), pruned)
    finds_all(found)
    assert found.pairs[0].tested_atoms == N_ATOMS - 40


@pytest.mark.parametrize("alike", [True, False])
def test_atoms_in_the_order_of_their_norms_are_refused_whatever_their_start(tmp_path, alike):
    def ordered(number):
        atoms = trained_on(noise(0), number, far=0.5) if alike else learnt(number)
        atoms = atoms * (1 + noise(400 + number)[:, :1].abs())
        return atoms[atoms.norm(dim=1).argsort(descending=True)]

    found = compared(tmp_path, *map(ordered, range(3)))
    for pair in found.pairs:
        assert math.isnan(pair.birth_p)
        assert not pair.born_alike
        assert pair.birth.startswith("Whether they share their indices cannot be said: ")
        assert "sorted by norm" in pair.birth
    (group,) = found.groups
    assert group.word != "born alike"
    assert "independent" not in said_of(found)
    assert "share their indices" not in group.sentence


def nested(number):
    """A run that began by itself, whose every nested dictionary learns what that of the others does, in any order."""
    own = [place + order(1000 * number + place, size) for place, size in zip(places(), NESTED, strict=True)]
    return (noise(1) + 0.5 * noise(200 + number))[torch.cat(own)]


def places():
    return [sum(NESTED[:number]) for number in range(len(NESTED))]


def test_nested_dictionaries_are_tested_within_their_own_sizes(tmp_path):
    runs = [nested(number) for number in range(4)]
    found = compared(tmp_path / "nested", *runs, write=matryoshka)
    excludes_nothing(found)
    assert all(pair.fixed_points > 5 for pair in found.pairs)  # as chance has it among so few
    assert all(pair.fixed_expected == pytest.approx(len(NESTED)) for pair in found.pairs)
    finds_all(compared(tmp_path / "plain", *runs))  # the same atoms, where nothing tells that they are nested


def test_nested_dictionaries_of_one_start_are_found(tmp_path):
    atoms = [trained_on(noise(0), number, far=1.0) for number in range(3)]
    finds_all(compared(tmp_path, *atoms, write=matryoshka))
