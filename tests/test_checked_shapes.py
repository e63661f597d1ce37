"""The checks that tests put around the functions of reseed fail where an annotation is broken, and nowhere else."""

from dataclasses import dataclass
from typing import Self

import pytest
import torch
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from checked_shapes import _function_or_class as checked


@checked
def product(a: Float[Tensor, "rows inner"], b: Float[Tensor, "inner columns"]) -> Float[Tensor, "rows columns"]:
    return a @ b


@checked
def transposed(a: Float[Tensor, "rows columns"], *, really: bool = True) -> Float[Tensor, "rows columns"]:
    return a.T if really else a


@checked
def nested(pairs: list[tuple[str, Float[Tensor, "d"]]], d: Float[Tensor, "d"]) -> int:
    return len(product(d[None], pairs[0][1][:, None]))


@checked
def either(a: Float[Tensor, "d"], b: Float[Tensor, "n d"] | Float[Tensor, "d n"]) -> Float[Tensor, "n"]:
    return b @ a if b.shape[1] == len(a) else b.T @ a


@checked
def weighed(rows: Float[Tensor, "*stack rows d"], weights: Float[Tensor, "rows *stack"]) -> Float[Tensor, "*stack d"]:
    return (rows * weights.movedim(0, -1)[..., None]).sum(-2)


def defined_anew(factor):
    @checked
    def times(a: Float[Tensor, "rows d"], many: int = 1) -> Float[Tensor, "rows d"]:
        return factor * many * a

    return times


@checked
def counted(words: dict[str, int]) -> int:
    return sum(words.values()) or "none"


@checked
def halves(a: Float[Tensor, "rows"]):
    yield a / 2


@checked
@dataclass
class Pair:
    a: Float[Tensor, "d"]
    b: Float[Tensor, "d"]

    @checked
    def turned(self) -> Self:
        return type(self)(self.b, self.a)


@checked
@dataclass
class Named(Pair):
    name: str = ""


@checked
@dataclass
class Words:
    a: str
    b: str


def ones(*shape):
    return torch.ones(shape)


def test_what_keeps_its_annotations_is_let_through():
    for dtype in (torch.float32, torch.float64, torch.float32):
        assert product(ones(2, 3).to(dtype), b=ones(3, 4).to(dtype)).shape == (2, 4)
    assert transposed(ones(2, 3), really=False).shape == (2, 3)
    assert nested([("a", ones(5))], ones(5)) == 1
    assert counted({"a": 1}) == 1
    for stack in ((), (4,), (5, 4)):
        assert weighed(ones(*stack, 3, 2), ones(3, *stack)).shape == (*stack, 2)
    for factor in (2, 3):
        assert defined_anew(factor)(ones(1, 2), many=2).tolist() == [[2.0 * factor, 2.0 * factor]]
    assert next(halves(ones(2))).tolist() == [0.5, 0.5]
    assert Named(ones(2), ones(2), "n").turned().name == ""
    assert Words("a", "b").b == "b"


BROKEN = {
    "an axis that two arguments share": lambda: product(ones(2, 3), ones(4, 5)),
    "the same in what comes back": lambda: transposed(ones(2, 3)),
    "a dtype": lambda: product(torch.ones(2, 3, dtype=torch.int64), ones(3, 4)),
    "a number of axes": lambda: product(ones(2, 3, 1), ones(3, 4)),
    "an array in a list of tuples": lambda: nested([("a", ones(4))], ones(5)),
    "axes of any number that two arguments share": lambda: weighed(ones(4, 3, 2), ones(3, 5)),
    "as few of them": lambda: weighed(ones(3, 2), ones(3, 5)),
    "an axis beside them": lambda: weighed(ones(4, 3, 2), ones(2, 4)),
    "fewer axes than stand beside them": lambda: weighed(ones(3), ones(3)),
    "what is defined again at every call": lambda: defined_anew(2)(ones(2)),
    "the same for what has no axes": lambda: defined_anew(2)(ones(1, 2), many="2"),
    "a type of no array": lambda: counted([1, 2]),
    "a type of no array that comes back": lambda: counted({}),
    "an argument by its name": lambda: transposed(ones(2, 2), really="yes"),
    "what a generator is given, when it is called": lambda: halves(ones(2, 2)),
    "a data class": lambda: Pair(ones(2), ones(3)),
    "a data class with the fields of another": lambda: Words(ones(2), ones(2)),
    "a data class of another": lambda: Named(ones(2), ones(2), 5),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_what_breaks_an_annotation_fails(broken):
    for _ in range(2):
        with pytest.raises(TypeCheckError):
            broken()


def test_a_member_of_a_choice_that_does_not_fit_binds_no_axis():
    for _ in range(2):  # the second time, jaxtyping has let the dtype through
        assert either(ones(2), ones(3, 2)).shape == either(ones(2), ones(2, 3)).shape == (3,)
        with pytest.raises(TypeCheckError):
            either(ones(2), ones(3, 4))


def test_axes_of_one_call_bind_no_other():
    assert product(product(ones(2, 3), ones(3, 4)), ones(4, 3)).shape == (2, 3)
    with pytest.raises(TypeCheckError):
        product(ones(2, 3), ones(4, 5))
    assert product(ones(7, 8), ones(8, 9)).shape == (7, 9)
