import pytest
import torch

from reseed.methods import Schedule, _adam

SHAPES = {"atoms": (2, 5, 4), "multiplier": (2,)}


def draw(chance):
    return {name: torch.randn(*shape, generator=chance) for name, shape in SHAPES.items()}


def begun(tensors, trained=tuple(SHAPES)):
    return tensors | _adam.moments(tensors, trained)


def test_twenty_updates_follow_torch_adam():
    chance = torch.Generator().manual_seed(0)
    state = begun(draw(chance))
    twin = {name: state[name].clone().requires_grad_() for name in SHAPES}
    adam = torch.optim.Adam(list(twin.values()), lr=0.01)
    for step in range(20):
        gradients = draw(chance)
        _adam.update(state, gradients, step=step, learning_rate=0.01)
        for name, tensor in twin.items():
            tensor.grad = gradients[name]
        adam.step()
    for name, tensor in twin.items():
        torch.testing.assert_close(state[name], tensor.detach(), rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(state[f"adam.first.{name}"], adam.state[tensor]["exp_avg"], rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(state[f"adam.second.{name}"], adam.state[tensor]["exp_avg_sq"], rtol=1e-6, atol=1e-8)


def test_a_gradient_that_is_a_transposed_view_moves_the_entries_it_is_for():
    gradient = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(1)).mT
    moved = []
    for given in (gradient, gradient.contiguous()):
        state = begun({"atoms": torch.zeros(2, 5, 4)}, ("atoms",))
        _adam.update(state, {"atoms": given}, step=0, learning_rate=0.1)
        moved.append(state["atoms"])
    assert torch.equal(*moved)


def test_entries_that_are_not_trained_have_no_moments_and_stay_as_they_are():
    state = begun(draw(torch.Generator().manual_seed(0)), ("atoms",))
    before = state["multiplier"].clone()
    _adam.update(state, {"atoms": torch.ones(2, 5, 4)}, step=0, learning_rate=0.1)
    assert torch.equal(state["multiplier"], before)
    assert set(state) == {"atoms", "multiplier", "adam.first.atoms", "adam.second.atoms"}


def test_a_width_of_two_moves_each_run_as_it_moves_alone():
    chance = torch.Generator().manual_seed(0)
    state, gradients = begun(draw(chance)), draw(chance)
    alone = {name: tensor[1:].clone() for name, tensor in state.items()}
    for stack, gradient in ((state, gradients), (alone, {name: g[1:] for name, g in gradients.items()})):
        _adam.update(stack, gradient, step=0, learning_rate=0.1)
    assert all(torch.equal(state[name][1:], alone[name]) for name in state)


def test_forgetting_zeroes_the_moments_of_the_given_atoms_only():
    chance = torch.Generator().manual_seed(0)
    state = begun(draw(chance))
    _adam.update(state, draw(chance), step=0, learning_rate=0.1)
    dead = torch.zeros(2, 5, dtype=torch.bool)
    dead[1, 3] = True
    _adam.forget(state, ("atoms",), dead)
    for moment in (state["adam.first.atoms"], state["adam.second.atoms"]):
        assert (moment[dead] == 0).all()
        assert (moment[~dead] != 0).all()


def test_the_rate_rises_over_the_warm_up_and_falls_over_the_last_fraction():
    rates = [_adam.learning_rate_at(Schedule(step, n_steps=100, warmup_steps=9, decay=0.2), 2.0) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9:79] == [2.0] * 70
    assert rates[99] == pytest.approx(2.0 / 21)
    assert rates[79:] == sorted(rates[79:], reverse=True)


def test_without_a_schedule_the_rate_is_constant():
    assert {_adam.learning_rate_at(Schedule(step, n_steps=10), 0.5) for step in range(10)} == {0.5}
