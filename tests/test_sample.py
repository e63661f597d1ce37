"""What is said of a small or heavy-tailed sample before anything is trained on it."""

import numpy as np
import pytest
import torch
from scipy import stats

from reseed.activations import open_activations, preprocessed, sizes_of
from reseed.dice import generator
from reseed.errors import ActivationsError, SpecError
from reseed.pipeline.sample import about_sample, top_share
from reseed.pipeline.session import check_sizes, reading
from studies import arm, matrix, study

OFFER = 'dice.data = "start"'


def rows(n_tokens, d_model, *, tail, rolled=1):
    """Rows of one direction each, whose squared lengths are Pareto's with this tail; offset by a mean."""
    chance = np.random.Generator(np.random.PCG64(rolled))
    directions = torch.randn(n_tokens, d_model, generator=generator(rolled))
    squares = torch.from_numpy(stats.pareto(tail).rvs(n_tokens, random_state=chance))
    return torch.nn.functional.normalize(directions, dim=1) * squares.sqrt().float()[:, None] + 3.0


def said(acts, **changes):
    small = study("acts.npy", arm("topk", n_atoms=8, start={"kind": "random"}), **changes)
    opened = open_activations(acts)
    return list(about_sample(small, opened, [preprocessed(opened, name) for name in small.preprocess]))


@pytest.mark.parametrize("tail", [1.3, 2.0, 5.0])
def test_the_share_of_the_farthest_tokens_is_that_of_their_law(tail):
    """Of a Pareto law with tail a, the largest part p holds p^(1 - 1/a) of the sum."""
    shares = [
        top_share(preprocessed(open_activations(rows(16_000, 12, tail=tail, rolled=number)), "none"))
        for number in range(3)
    ]
    expected = 0.01 ** (1 - 1 / tail)
    assert np.median(shares) == pytest.approx(expected, rel=0.25)


def test_heavy_tails_are_said_under_the_preprocessings_that_have_them():
    (sentence,) = said(rows(3000, 6, tail=1.2), preprocess=("none", "centre", "unit-norm"))
    assert "1 % of the tokens that lie farthest from the mean hold" in sentence
    assert "@none" in sentence
    assert "@centre" in sentence
    assert "@unit-norm" not in sentence
    assert OFFER in sentence
    assert said(rows(3000, 6, tail=9.0)) == []


def test_few_tokens_for_each_atom_are_said_and_of_a_part_those_of_the_part():
    even = rows(890, 6, tail=9.0)
    assert said(even) == []  # 801 training rows for 8 atoms
    (few,) = said(even[:880])
    assert few.startswith(
        "tensor: 792 training tokens are 99 for each of 8 atoms, fewer than about 100: runs that share"
    )
    assert OFFER in few
    (of_part,) = said(even, starts=2, dice={"data": "start"})
    assert "in each part are 50" in of_part
    assert "so few leave much of a dictionary to its sample" in of_part
    assert OFFER not in of_part


def test_it_stands_on_stderr_and_among_the_warnings(tmp_path, capsys):
    acts = matrix(tmp_path / "acts.npy")
    small = study(acts, arm("topk", start={"kind": "random"}))
    with reading(small, small.preprocess, quiet=False) as (activations, _):
        assert activations.warnings[-1].startswith("acts: 540 training tokens are 16.4 for each of 33 atoms")
        assert activations.warnings[-1] in capsys.readouterr().err


def test_parts_that_are_too_small_are_refused_before_anything_is_read(tmp_path):
    sizes = sizes_of(matrix(tmp_path / "acts.npy"))
    assert sizes.part(4) == 128
    small = study("acts.npy", arm("topk", start={"kind": "random"}), starts=4, dice={"data": "start"})
    check_sizes(small, sizes)
    with pytest.raises(ActivationsError, match=r"^128 training tokens in each of 4 parts are too few for a batch"):
        check_sizes(small.model_copy(update={"training": small.training.model_copy(update={"batch_size": 129})}), sizes)
    large = study("acts.npy", arm("topk", n_atoms=129, start={"kind": "random"}), starts=4, dice={"data": "start"})
    with pytest.raises(SpecError, match=r"^n_atoms = 129 of topk: each of 4 parts of acts has 128 training tokens"):
        check_sizes(large, sizes)
    check_sizes(large.model_copy(update={"dice": large.dice.model_copy(update={"data": "shared"})}), sizes)
    with pytest.raises(ActivationsError, match=r"^0 training tokens in each of 600 parts"):
        check_sizes(small.model_copy(update={"starts": 600}), sizes)
