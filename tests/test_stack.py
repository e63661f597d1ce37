import pytest
import torch
from safetensors.torch import load_file

from reseed._support.files import canonical_json
from reseed.errors import TrajectoryError
from reseed.methods import METHODS
from reseed.starts import draw
from reseed.training import stack
from reseed.trajectory import read_header
from studies import arm, context, matrix, specs_of, study


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stack")
    with context(matrix(folder / "acts.npy"), folder / "study") as place:
        yield place


def begun(kind, place):
    """Three runs of their own, at step 0, with states that tell them apart."""
    stacks = []
    for number, spec in enumerate(specs_of(study(place.folder.path.parent / "acts.npy", arm(kind)))[:3]):
        point = draw(spec.start, spec.method, place.seen(spec).activations, spec.rolls)
        begun = stack.begin(spec, spec.method.initialise(point, spec.rolls["encoder"]))
        for tensor in begun.state.values():
            tensor.add_(number + 1)
        begun.rows[0].append({"step": 0, "loss": float("nan"), "r2": 0.1 + number})
        begun.loss_sum += number
        begun.step = 5
        stacks.append(begun)
    return stacks


def tensors(one):
    return one.state | {"idle": one.idle, "loss_sum": one.loss_sum}


def same(a, b):
    assert [spec.id for spec in a.specs] == [spec.id for spec in b.specs]
    assert (a.step, a.loss_count, canonical_json(a.rows)) == (b.step, b.loss_count, canonical_json(b.rows))
    assert tensors(a).keys() == tensors(b).keys()
    assert all(torch.equal(tensor, tensors(b)[name]) for name, tensor in tensors(a).items())


@pytest.mark.parametrize("kind", METHODS)
def test_a_resume_point_holds_all_that_a_run_needs_to_go_on(place, kind):
    joined, device = stack.join(begun(kind, place)), torch.device("cpu")
    stack.save(joined, place.folder)
    resumed = [stack.resume(spec, place.folder.run(spec.id).resume_point, device) for spec in joined.specs]
    for each, alone in zip(resumed, begun(kind, place), strict=True):
        same(each, alone)
    same(stack.join(resumed), joined)
    assert not any(each.state for each in resumed)  # taken over: a GPU would hold them twice


def test_some_runs_of_a_stack_can_be_kept(place):
    first, _, third = begun("ra-topk", place)
    same(stack.keep(stack.join(begun("ra-topk", place)), [0, 2]), stack.join([first, third]))


@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_run_is_finite_if_all_of_it_is(place, kind, value):
    joined = stack.join(begun(kind, place))
    assert stack.finite(joined).tolist() == [True, True, True]
    for tensor in tensors(joined).values():
        if tensor.is_floating_point():
            whole = tensor.clone()
            tensor[1].view(-1)[-1] = value
            assert stack.finite(joined).tolist() == [True, False, True]
            tensor.copy_(whole)


def test_a_resume_point_of_another_version_is_ignored(place):
    (one, *_) = begun("topk", place)
    stack.save(one, place.folder)
    run = place.folder.run(one.specs[0].id)
    path = run.resume_point
    header = read_header(path)
    for version in (None, header["format_version"] + 1):
        run.write_resume_point(load_file(path), header | {"format_version": version})
        assert stack.resume(one.specs[0], path, torch.device("cpu")) is None


def test_a_damaged_resume_point_comes_with_what_to_delete(place):
    (one, *_) = begun("topk", place)
    stack.save(one, place.folder)
    path = place.folder.run(one.specs[0].id).resume_point
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TrajectoryError, match=f"delete {path.parent} and run the same "):
        stack.resume(one.specs[0], path, torch.device("cpu"))
