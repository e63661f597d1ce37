"""What the models say about their fields: for the comments of a study.toml and for the reference pages."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from reseed._support.numbers import bound
from reseed.activations import PREPROCESSINGS
from reseed.methods import METHODS, Method
from reseed.starts import STARTS, Start

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Described", "describe"]

_KINDS = {int: "integer", float: "number", bool: "true or false", str: "text"}
_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


class Described(NamedTuple):
    """One field of a model, for people."""

    name: str
    meaning: str
    """The docstring under the field, on one line."""
    choices: tuple[str, ...]
    """The words that are allowed; empty where the field is no choice of words."""
    kind: str
    """The type and its range, such as `integer >= 1`; empty where the field holds something else than one value."""
    required: bool
    default: Any


def describe(model: type[BaseModel]) -> tuple[Described, ...]:
    """Every field of a model: a kind, then what has to be given, then the others in order."""
    described = (
        Described(
            name=name,
            meaning=_meaning(model, name),
            choices=_choices(model, name),
            kind=_kind(field.annotation, field.metadata),
            required=field.is_required(),
            default=None if field.is_required() else field.get_default(call_default_factory=True),
        )
        for name, field in model.model_fields.items()
    )
    return tuple(sorted(described, key=lambda field: (field.name != "kind", not field.required)))


def _meaning(model: type[BaseModel], name: str) -> str:
    """The docstring under a field; a leaf that gives a field a default inherits what it means."""
    fields = (base.model_fields.get(name) for base in model.__mro__ if issubclass(base, BaseModel))
    told = (field.description for field in fields if field is not None and field.description)
    meaning = " ".join(next(told, "").split())
    if (model, name) == (Start, "kind"):
        kinds = (f"`{kind.name}`: {kind.meaning}" for kind in STARTS.values())
        return f"{meaning} {'; '.join(kinds)}."
    return meaning


def _choices(model: type[BaseModel], name: str) -> tuple[str, ...]:
    if name == "preprocess":
        return PREPROCESSINGS
    if name == "kind" and issubclass(model, Method):
        return tuple(METHODS)
    if name == "kind" and issubclass(model, Start):
        return tuple(STARTS)
    members = _members(model.model_fields[name].annotation)
    return tuple(str(word) for member, _ in members if get_origin(member) is Literal for word in get_args(member))


def _kind(annotation: Any, metadata: list[Any]) -> str:  # noqa: ANN401 (a type is whatever stands behind a colon)
    members = list(_members(annotation))
    kinds = " or ".join(_KINDS[member] for member, _ in members if member in _KINDS)
    limits = [*metadata, *(limit for _, limits in members for limit in limits)]
    ranges = [
        f"{sign} {bound(getattr(limit, name))}"
        for name, sign in _SIGNS.items()
        for limit in limits
        if hasattr(limit, name)
    ]
    return f"{kinds} {' and '.join(ranges)}".strip()


def _members(annotation: Any, limits: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:  # noqa: ANN401 (a type is whatever stands behind a colon)
    """The members of a union, each with what `Annotated` says about it; None is left out."""
    if get_origin(annotation) in {Union, UnionType}:
        for member in get_args(annotation):
            yield from _members(member)
    elif get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        yield from _members(inner, tuple(more))
    elif annotation is not NoneType:
        yield annotation, limits
