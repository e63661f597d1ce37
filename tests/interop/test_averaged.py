"""One dictionary of several: rules whose parts have means, and dictionaries that have none."""

from dataclasses import replace

import pytest
import torch

from reseed.interop import LoadedDictionary, averaged
from reseed.interop.codes import Gated, GroupMax, Pursuit, Relu, Scaled, Thresholded, TopK
from reseed.interop.spaces import Affine, LayerNorm, Raw

N_ATOMS, D_MODEL = 6, 4


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled))


def dictionary(rule, rolled=1, **more):
    return LoadedDictionary(
        **{
            "atoms": normal(N_ATOMS, D_MODEL, rolled=rolled),
            "name": f"number {rolled}",
            "source": "tensor",
            "encoder": normal(N_ATOMS, D_MODEL, rolled=rolled + 10),
            "encoder_bias": normal(N_ATOMS, rolled=rolled + 20),
            "decoder_bias": normal(D_MODEL, rolled=rolled + 30),
            "rule": rule,
        }
        | more
    )


def of(*dictionaries, signs=1.0):
    """Atom by atom in order, of all of them."""
    members = torch.arange(N_ATOMS)[:, None].repeat(1, len(dictionaries))
    units = torch.nn.functional.normalize(dictionaries[0].atoms.double(), dim=1)
    return averaged(dictionaries, units, members, signs * torch.ones(members.shape).double(), name="mean")


def own(rolled):
    return normal(N_ATOMS, rolled=rolled).abs()


RULES = {
    "relu": lambda _: Relu(),
    "topk": lambda _: TopK(2),
    "thresholded": lambda rolled: Thresholded(own(rolled)),
    "one threshold": lambda rolled: Thresholded(own(rolled)[0]),
    "gated": lambda rolled: Gated(own(rolled), own(rolled + 1), own(rolled + 2)),
    "scaled": lambda rolled: Scaled(Thresholded(own(rolled)), own(rolled + 1)),
}


@pytest.mark.parametrize("name", RULES)
def test_the_mean_of_one_dictionary_twice_is_itself(name):
    one = dictionary(RULES[name](40), space=Raw(2.0))
    mean, x = of(one, one), normal(30, D_MODEL, rolled=9)
    assert torch.allclose(mean.encode(x), one.encode(x), atol=1e-5)
    assert torch.allclose(mean.reconstruct(x), one.reconstruct(x), atol=1e-5)


@pytest.mark.parametrize("name", RULES)
def test_parts_are_means_over_members_and_so_are_thresholds(name):
    first, second = (dictionary(RULES[name](40 + 5 * rolled), rolled) for rolled in (1, 2))
    mean = of(first, second)
    assert torch.allclose(mean.encoder, (first.encoder + second.encoder) / 2)
    assert torch.allclose(mean.decoder_bias, (first.decoder_bias + second.decoder_bias) / 2)
    assert torch.allclose(mean.atoms.norm(dim=1), (first.atoms.norm(dim=1) + second.atoms.norm(dim=1)) / 2)
    for part, value in vars(mean.rule).items():
        if isinstance(value, torch.Tensor):
            assert torch.allclose(value, (getattr(first.rule, part) + getattr(second.rule, part)) / 2)


def test_atoms_that_are_turned_turn_their_encoder_and_its_bias():
    one = dictionary(TopK(2, signed=True, absolute=True))
    mean = of(one, signs=-1.0)
    assert torch.allclose(mean.encoder, -one.encoder)
    assert torch.allclose(mean.encoder_bias, -one.encoder_bias)
    assert torch.allclose(mean.atoms, one.atoms, atol=1e-6)


def test_factors_of_raw_activations_are_folded_before_anything_is_averaged():
    one = dictionary(TopK(2), subtracts=True)
    scaled = replace(
        one, encoder=one.encoder / 3, atoms=3 * one.atoms, decoder_bias=3 * one.decoder_bias, space=Raw(3.0)
    )
    mean, x = of(one, scaled), normal(30, D_MODEL, rolled=9)
    assert torch.allclose(mean.reconstruct(x), one.reconstruct(x), atol=1e-4)


def affine(mean):
    return Affine(torch.full((D_MODEL,), mean), torch.tensor(1.0), torch.tensor(1.0), name="centred")


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ((dictionary(None),), "number 1 makes no codes"),
        ((dictionary(TopK(2), encoder=None),), "number 1 makes no codes"),
        ((dictionary(TopK(2), skip=torch.eye(D_MODEL)),), "number 1 is a transcoder"),
        ((dictionary(GroupMax(2)),), "the largest of each of 2 groups, and a consensus has other neighbours"),
        ((dictionary(TopK(2)), dictionary(TopK(3), 2)), "they make codes in different ways"),
        ((dictionary(TopK(2), space=affine(1.0)), dictionary(TopK(2), 2, space=affine(2.0))), "in different ways"),
        ((dictionary(TopK(2)), dictionary(TopK(2), 2, space=LayerNorm())), "raw activations in different ways"),
    ],
)
def test_what_has_no_mean_has_atoms_alone_and_says_why(others, told):
    mean = of(*others)
    (note,) = mean.notes
    assert told in note
    assert mean.encoder is mean.rule is None
    assert mean.atoms.shape == (N_ATOMS, D_MODEL)


def test_pursuit_needs_no_encoder():
    one = dictionary(Pursuit(0.0, 2, until_repeated=False), encoder=None, encoder_bias=None)
    mean, x = of(one, one), normal(30, D_MODEL, rolled=9)
    assert not mean.notes
    assert torch.allclose(mean.reconstruct(x), one.reconstruct(x), atol=1e-4)
