import hashlib
import tomllib

import pytest
import tomli_w
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reseed.dice import DICE, generator, roll

scopes = st.lists(st.one_of(st.integers(0, 50), st.sampled_from(["floor", "data"])), max_size=3).map(tuple)
exhaustively = settings(max_examples=200, deadline=None, derandomize=True, database=None)


def test_there_are_seven_dice_and_none_is_called_seed():
    assert DICE == ("data", "init", "encoder", "points", "kmeans", "order", "resample")


@exhaustively
@given(st.sampled_from(DICE), scopes)
def test_a_roll_is_a_number_that_toml_json_and_torch_can_hold(die, scope):
    number = roll(die, *scope)
    assert 0 <= number < 2**63
    assert tomllib.loads(tomli_w.dumps({"roll": number}))["roll"] == number
    torch.Generator().manual_seed(number)


@exhaustively
@given(st.sampled_from(DICE), scopes, st.sampled_from(DICE), scopes)
def test_dice_show_the_same_number_for_the_same_scope_and_for_no_other(die, scope, other_die, other_scope):
    assert (roll(die, *scope) == roll(other_die, *other_scope)) == ((die, scope) == (other_die, other_scope))


def test_rolls_are_the_same_on_every_machine_and_in_every_version():
    digest = hashlib.sha256(b"order/0/1").hexdigest()
    assert roll("order", 0, 1) == int(digest[:16], 16) // 2


@pytest.mark.parametrize("use", [(), ("weights",), (7,), ("epoch", 3)])
def test_a_generator_repeats_its_draws_for_the_same_use_of_a_roll_and_for_no_other(use):
    first, again, other = (torch.randn(8, generator=generator(5, *each)) for each in (use, use, (*use, "other")))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_no_draw_touches_the_global_generator():
    before = torch.random.get_rng_state()
    torch.randn(100, generator=generator(roll("init", 0)))
    assert torch.equal(before, torch.random.get_rng_state())
