"""Each published definition against its authors' code, or a slow one from their formula; and each against its null."""

import importlib.util
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from reseed.comparison.definitions import DEFINITIONS, Definition, Pair, Part
from reseed.comparison.published import published
from reseed.matching import match

ROOT = Path(__file__).parents[2]
OF_DECODERS = [name for name, each in DEFINITIONS.items() if not each.needs]


def noise(n_atoms, d_model, rolled):
    return torch.randn(n_atoms, d_model, generator=torch.Generator().manual_seed(rolled))


def side(n_atoms, d_model, rolled, *, dead=0):
    """Noise that is longer along some dimensions, and an encoder that is tied to its atoms, but not equal to them."""
    atoms = noise(n_atoms, d_model, rolled) * torch.linspace(2, 1, d_model) + 0.3
    alive = torch.arange(n_atoms) >= dead
    return Part(atoms, atoms + 0.5 * noise(n_atoms, d_model, rolled + 1000), alive)


def found(*sides, **settings):
    return {each.name: each for each in published(sides, **{"rolled": 1, "draws": 1} | settings)}


def values(*sides, **settings):
    return {name: each.value for name, each in found(*sides, **settings).items()}


def unit(rows):
    """Rows at length 1 in numpy, zero ones as they are."""
    rows = rows.double().numpy()
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms == 0, 1, norms)


def cosines(a, b):
    return unit(a) @ unit(b).T


def one_to_one(similarity):
    rows, cols = linear_sum_assignment(similarity, maximize=True)
    return similarity[rows, cols], dict(zip(rows, cols, strict=True))


def shared(a, b):
    """Paulo & Belrose: one Hungarian matching for decoders, one for encoders."""
    decoders, encoders = cosines(a.atoms, b.atoms), cosines(a.encoder, b.encoder)
    (_, of_atoms), (_, of_encoders) = one_to_one(decoders), one_to_one(encoders)
    alike = [of_encoders.get(i) == j and decoders[i, j] > 0.7 and encoders[i, j] > 0.7 for i, j in of_atoms.items()]
    return sum(alike) / len(alike)


def both_ways(similarity, of):
    return (of(similarity.max(axis=1)).mean() + of(similarity.max(axis=0)).mean()) / 2


def of_atoms(function):
    return lambda a, b: function(cosines(a.atoms, b.atoms))


REFERENCES = {
    "pw-mcc": of_atoms(lambda cosine: one_to_one(cosine)[0].mean()),
    "mcc": of_atoms(lambda cosine: one_to_one(np.abs(cosine))[0].mean()),
    "mmcs": of_atoms(lambda cosine: both_ways(cosine, np.asarray)),
    "pwmcc": of_atoms(lambda cosine: both_ways(np.abs(cosine), np.asarray)),
    "shared": shared,
    "reappearance": of_atoms(lambda cosine: both_ways(cosine, lambda best: best >= 0.7)),
    "living-share": lambda a, b: (one_to_one(cosines(a.atoms[a.alive], b.atoms[b.alive]))[0] >= 0.7).mean(),
}


def with_zero_atoms():
    a, b = side(40, 5, 1, dead=3), side(40, 5, 2, dead=9)
    a.atoms[:4], b.atoms[7] = 0, 0
    b.encoder[2] = 0
    return a, b


def near_copies():
    a = side(60, 24, 3, dead=5)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(4))
    near = a.atoms + torch.linspace(0, 1.5, 60)[:, None] * noise(60, 24, 5)
    encoder = a.encoder + torch.linspace(0, 1.5, 60)[:, None] * noise(60, 24, 6)
    return a, Part(near[order], encoder[order], a.alive[order])


CASES = {
    "noise": lambda: (side(40, 5, 1, dead=3), side(40, 5, 2, dead=9)),
    "the first is larger": lambda: (side(50, 5, 1, dead=3), side(30, 5, 2)),
    "the second is larger": lambda: (side(30, 5, 1), side(50, 5, 2, dead=7)),
    "zero atoms": with_zero_atoms,
    "near copies": near_copies,
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", REFERENCES)
def test_a_definition_is_what_its_authors_formula_gives(name, case):
    a, b = CASES[case]()
    assert values(a, b)[name] == pytest.approx(REFERENCES[name](a, b), abs=2e-6)


@pytest.fixture(scope="module")
def cosine_hungarian_loss():
    """The function of the installed overcomplete, without its package, which loads vision models."""
    path = Path(importlib.util.find_spec("overcomplete").origin).parent / "metrics.py"
    spec = importlib.util.spec_from_file_location("overcomplete_metrics", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.cosine_hungarian_loss


@pytest.mark.parametrize("case", ["noise", "near copies"])
def test_the_hungarian_loss_is_that_of_the_installed_overcomplete(case, cosine_hungarian_loss):
    a, b = CASES[case]()
    assert values(a, b)["hungarian-loss"] == pytest.approx(cosine_hungarian_loss(a.atoms, b.atoms), rel=1e-5)


def test_where_overcomplete_raises_there_is_no_hungarian_loss_and_a_reason(cosine_hungarian_loss):
    for case, error, word in (("zero atoms", ValueError, "zero"), ("the first is larger", AssertionError, "one size")):
        a, b = CASES[case]()
        with pytest.raises(error):
            cosine_hungarian_loss(a.atoms, b.atoms)
        loss = found(a, b)["hungarian-loss"]
        assert math.isnan(loss.value)
        assert math.isnan(loss.null)
        assert word in loss.reason


def test_by_hand_all_eight_differ():
    """Matched: (1, 0) with (4, 3) of cosine .8 and (0, 1) with (0, -1), or with the dead (1, 1)."""
    everything = torch.tensor([True, True, True])
    a = Part(torch.tensor([[1.0, 0], [0, 2], [1, -9]]), torch.tensor([[1.0, 0], [0, 1], [1, -1]]), everything)
    b = Part(torch.tensor([[4.0, 3], [0, -1], [0, 0.0]]), torch.tensor([[1.0, 0], [0, -1], [1, 1]]), everything)
    steep = 9 / math.sqrt(82)
    best = (0.8 + 0.6 + steep + 0.8 + steep + 0) / 6
    absolute = (0.8 + 1 + steep + 0.8 + 1 + 0) / 6
    assert values(a, b) == pytest.approx(
        {
            "pw-mcc": (0.8 + 0 + steep) / 3,
            "hungarian-loss": math.nan,  # for the zero atom
            "mcc": (0.8 + 1 + 0) / 3,
            "mmcs": best,
            "pwmcc": absolute,
            "shared": 2 / 3,
            "reappearance": 2 / 3,
            "living-share": 2 / 3,
        },
        nan_ok=True,
    )


def test_a_threshold_is_above_7_for_shared_latents_and_from_7_on_for_the_others():
    at = Part(torch.tensor([[1.0, 0]]), torch.tensor([[1.0, 0]]), torch.tensor([True]))
    at_7 = torch.tensor([0.7], dtype=torch.float64)
    turned = torch.tensor([[0.7, math.sqrt(1 - 0.49)]], dtype=torch.float64)
    pair = Pair(at, replace(at, atoms=turned), replace(match(at.atoms, turned), cosines=at_7))
    exact = replace(pair.signed, best_rows=at_7, best_cols=at_7)
    pair = replace(pair, known=exact)
    assert {name: DEFINITIONS[name].of(pair) for name in ("shared", "reappearance", "living-share")} == {
        "shared": 0,
        "reappearance": 1,
        "living-share": 1,
    }


def test_a_permuted_and_scaled_copy_is_one_dictionary():
    a = side(50, 12, 1)
    order, lengths = torch.randperm(50, generator=torch.Generator().manual_seed(2)), torch.linspace(0.1, 9, 50)
    b = Part(*(part[order] * lengths[:, None] for part in (a.atoms, a.encoder)), a.alive[order])
    assert values(a, b) == {name: 0 if name == "hungarian-loss" else 1 for name in DEFINITIONS}


def test_only_absolute_cosines_call_a_negated_copy_one_dictionary():
    a = side(50, 12, 1)
    of = values(a, Part(-a.atoms, -a.encoder, a.alive))
    assert [name for name, value in of.items() if value == 1] == ["mcc", "pwmcc"]


def test_shares_count_the_84_of_128_atoms_that_are_planted_in_both_and_means_do_not():
    truth, own = [noise(84, 256, 1), noise(84, 256, 2)], [noise(44, 256, seed) for seed in range(3, 7)]
    a = Part(torch.cat([truth[0], own[0]]), torch.cat([truth[1], own[1]]), torch.ones(128, dtype=torch.bool))
    b = Part(torch.cat([own[2], truth[0]]), torch.cat([own[3], truth[1]]), a.alive)
    of = found(a, b)
    for name in ("shared", "reappearance", "living-share"):
        assert of[name].value == 84 / 128
        assert of[name].null == 0
    for name in ("pw-mcc", "mcc", "mmcs", "pwmcc"):
        assert 84 / 128 + 0.02 < of[name].value < 0.8
    assert of["hungarian-loss"].value == pytest.approx(128 * (1 - of["pw-mcc"].value))


@pytest.mark.parametrize("tied", [False, True])
def test_noise_gives_what_its_own_null_gives(tied):
    """In few dimensions, where chance gives every share something; the nulls lie lower by what moments vary."""
    sides = [side(500, 10, seed, dead=40) for seed in (1, 2, 3)]
    if tied:
        sides = [replace(each, encoder=each.atoms) for each in sides]
    for each in found(*sides, draws=4).values():
        size = 500 if each.summary == "sum" else 1
        assert each.value / size == pytest.approx(each.null / size, abs=0.05 if each.summary == "share" else 0.02)
        assert 0.1 < each.null / size < 0.99
        assert 0 < each.null_error / size < 0.02
        assert "the mean of 4 draws" in each.null_policy
        assert ("encoder" in each.null_policy) == (each.name == "shared")


def test_the_null_keeps_what_ties_encoders_to_atoms():
    apart = [Part(noise(300, 5, seed), noise(300, 5, seed + 10)) for seed in (1, 2)]
    tied = [Part(each.atoms, each.atoms) for each in apart]
    assert found(*apart)["shared"].null < 0.1
    assert found(*tied)["shared"].null > 0.8


def test_the_null_has_the_zero_atoms_and_the_dead_atoms_of_the_dictionaries():
    a, b = (side(200, 4, seed) for seed in (1, 2))
    lessened = [Part(each.atoms * (torch.arange(200) >= 100)[:, None], each.encoder, each.alive) for each in (a, b)]
    whole, half = found(a, b), found(*lessened)
    assert half["pw-mcc"].null == pytest.approx(half["pw-mcc"].value, abs=0.05)
    assert half["pw-mcc"].null < 0.6 * whole["pw-mcc"].null
    frozen = [Part(torch.cat([each.atoms, torch.ones(200, 4)]), None, torch.arange(400) < 200) for each in (a, b)]
    assert found(*frozen)["living-share"].null == pytest.approx(whole["living-share"].null, abs=0.05)


def test_dead_atoms_take_no_part_in_the_matching_of_the_living():
    a = Part(torch.eye(3), None, torch.tensor([True, True, False]))
    b = Part(torch.eye(3), None, torch.tensor([False, True, True]))
    assert values(a, b)["living-share"] == 1 / 2  # the second with the second; the first is left with the third


def test_dictionaries_that_are_zero_have_no_agreement_and_no_null():
    zero = Part(torch.zeros(4, 3), torch.zeros(4, 3), torch.ones(4, dtype=torch.bool))
    of = found(zero, zero)
    assert all(each.value == each.null == 0 for name, each in of.items() if name != "hungarian-loss")


def test_what_is_missing_is_said_and_only_where_it_is_missed():
    bare = [Part(noise(10, 4, seed)) for seed in (1, 2)]
    of = found(*bare)
    assert [name for name, each in of.items() if math.isnan(each.value)] == ["shared", "living-share"]
    assert "not every dictionary has one" in of["shared"].reason
    assert "which atoms are alive" in of["living-share"].reason
    assert all(not each.reason for name, each in of.items() if name in OF_DECODERS)
    wide = [replace(each, encoder=noise(10, width, 3)) for each, width in zip(bare, (4, 6), strict=True)]
    assert found(*wide)["shared"].reason.endswith("these read 4 and 6 dimensions")
    dead = [replace(each, alive=torch.zeros(10, dtype=torch.bool)) for each in bare]
    assert found(*dead)["living-share"].reason == "a dictionary has no living atoms"
    assert found(bare[0], Part(noise(0, 4, 1)))["pw-mcc"].reason == "a dictionary has no atoms"


def test_one_pair_without_a_value_leaves_the_mean_without_one():
    sides = [side(10, 4, seed) for seed in (1, 2, 3)]
    of = found(*sides[:2], replace(sides[2], encoder=None))
    assert math.isnan(of["shared"].value)
    assert math.isnan(of["shared"].null)
    assert of["pw-mcc"].n_pairs == of["shared"].n_pairs == 3


def test_a_value_is_the_mean_over_pairs_and_reappearance_that_over_runs():
    sides = [side(60, 4, seed) for seed in (1, 2, 3)]
    pairs = [values(sides[i], sides[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    of = found(*sides)
    for name in DEFINITIONS:
        assert of[name].value == pytest.approx(np.mean([each[name] for each in pairs]))
        assert of[name].n_pairs == 3
    others = [[j for j in range(3) if j != i] for i in range(3)]
    by_atom = [
        np.mean([cosines(sides[i].atoms, sides[j].atoms).max(axis=1) >= 0.7 for j in others[i]], axis=0)
        for i in range(3)
    ]
    assert of["reappearance"].value == pytest.approx(np.mean(by_atom))


def test_the_surrogate_is_the_same_of_other_dictionaries_and_takes_two():
    sides, null = [side(40, 5, seed) for seed in (1, 2)], [side(40, 5, seed) for seed in (3, 4)]
    of, alone = found(*sides, null_sides=null), found(*sides, null_sides=null[:1])
    assert {name: each.surrogate for name, each in of.items()} == pytest.approx(values(*null))
    assert all(math.isnan(each.surrogate) for each in alone.values())


@pytest.mark.parametrize(("sign", "name"), [("signed", "pw-mcc"), ("abs", "mcc")])
def test_a_matching_that_is_known_is_not_made_again(sign, name):
    a, b = side(20, 5, 1), side(20, 5, 2)
    known = match(a.atoms, b.atoms, sign=sign)
    before = values(a, b)
    after = values(a, b, matchings={(0, 1): replace(known, cosines=torch.full((20,), 0.25, dtype=torch.float64))})
    assert after.pop(name) == 0.25
    others = {
        other: before[other] for other in ("mmcs", "pwmcc", "reappearance", "mcc" if sign == "signed" else "pw-mcc")
    }
    assert {other: after[other] for other in others} == others


def test_the_same_roll_gives_the_same_null_and_another_another():
    sides = [side(20, 5, seed) for seed in (1, 2)]
    assert published(sides, rolled=1) == published(sides, rolled=1)
    nulls = [published(sides, rolled=rolled, draws=1)[0].null for rolled in (1, 2)]
    assert nulls[0] != nulls[1]


def test_the_null_of_a_single_draw_has_no_error():
    each = found(side(20, 5, 1), side(20, 5, 2))["pw-mcc"]
    assert math.isnan(each.null_error)
    assert each.null_policy.endswith("at length 1, one draw")


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=lambda each: each.name)
def test_a_definition_says_what_it_is_and_whose(definition):
    assert definition.meaning[0].islower()
    assert definition.meaning[-1] != "."
    assert f"{{{definition.source}," in (ROOT / "docs/references.bib").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
def test_values_and_nulls_are_in_the_range_that_is_stated(case):
    for each in published(CASES[case](), rolled=1, draws=1):
        definition = DEFINITIONS[each.name]
        assert (
            each.reason or definition.low <= min(each.value, each.null) <= max(each.value, each.null) <= definition.high
        )


def test_an_entry_from_outside_is_published_too():
    own = Definition("own", "own", "song2025position", "atoms", "sum", 0.0, math.inf, of=lambda pair: len(pair.a.atoms))
    DEFINITIONS["own"] = own
    try:
        assert found(side(20, 5, 1), side(20, 5, 2))["own"].value == 20
    finally:
        del DEFINITIONS["own"]


def test_misuse_is_refused_in_words():
    a, b = side(10, 4, 1), side(12, 4, 2)
    with pytest.raises(ValueError, match="1 dictionaries were given"):
        published([a], rolled=1)
    with pytest.raises(ValueError, match="10 atoms, but `alive` has 12 rows"):  # what annotations check in tests only
        Part.__post_init__(SimpleNamespace(atoms=a.atoms, encoder=None, alive=b.alive))
    with pytest.raises(ValueError, match="10 with 12 atoms, but 10 and 10 were given"):
        published([a, a], rolled=1, matchings={(0, 1): match(a.atoms, b.atoms)})
    with pytest.raises(ValueError, match="one of these has none"):
        Pair(Part(a.atoms), b).encoders  # noqa: B018 (asking is what is tested)
    with pytest.raises(ValueError, match="draws is 0"):
        published([a, b], rolled=1, draws=0)
