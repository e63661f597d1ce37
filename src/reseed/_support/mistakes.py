"""What is wrong with settings or a document, in words: the field, what is allowed, and what was given."""

from __future__ import annotations

import math
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from reseed._support.numbers import bound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = ["did_you_mean", "first_mistake", "in_plain_words", "mistakes", "shown"]

_LONGEST = 80  # characters of a value that are shown
_DIGITS = 24  # of an integer

_UNQUOTED = re.compile(r"\s*([-+]?[0-9._]+(e[-+]?[0-9]+)?|true|false)\s*", re.IGNORECASE)

_ELSEWHERE = {
    "batch": "batch_size",
    "d_sae": "n_atoms",
    "dict_size": "n_atoms",
    "epochs": "steps",
    "l1_coefficient": "l1",
    "n_features": "n_atoms",
    "n_latents": "n_atoms",
    "n_steps": "steps",
    "num_latents": "n_atoms",
    "seed": "replicate",
    "seeds": "starts",
    "sparsity": "k",
    "top_k": "k",
    "warmup": "warmup_steps",
}
"""What other libraries call a setting, and reseed calls it."""

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "tuple": "a list",
    "list": "a list",
    "dict": "a table",
    "mapping": "a table",
    "model": "a table",
    "model_attributes": "a table",
    "dataclass": "a table",
    "none": "left out",
}
"""What pydantic's errors of type and of parsing ask for, by the beginning of their names."""


def mistakes(error: ValidationError, model: type[BaseModel], *, whole: str | None = None) -> list[str]:
    """Every mistake once, in what should have been a `model`: an arm that is not valid is not also an arm too few.

    `whole` is what comes before a mistake of no single field; by default the model's name.
    """
    whole = f"the {model.__name__.lower().lstrip('_')}: " if whole is None else whole
    found = error.errors(include_url=False)
    inner = {mistake["loc"][:n] for mistake in found for n in range(1, len(mistake["loc"]))}
    return list(dict.fromkeys(_told(mistake, model, whole) for mistake in found if mistake["loc"] not in inner))


def first_mistake(error: ValidationError, model: type[BaseModel]) -> str:
    """The first mistake, and how many there are besides: for documents that people do not write by hand."""
    first, *others = mistakes(error, model)
    more = f", and {len(others):,} more mistakes" if len(others) > 1 else ", and one more mistake" if others else ""
    return f"{first}{more}"


def in_plain_words(message: str) -> str:
    """A message with pydantic's words in it, where nothing but the words is at hand."""
    for pattern, words in _PLAIN:
        message = re.sub(pattern, words, message)
    return message


def shown(value: object) -> str:
    """A value as Python writes it, cut where it is long; an integer that is too long for that by its size."""
    if type(value) is int and abs(value) >= 10**_DIGITS:
        return f"an integer of about {math.floor(value.bit_length() * math.log10(2)) + 1:,} digits"
    try:
        text = repr(list(value) if type(value) is tuple else value)
    except (RecursionError, ValueError):  # nested too deeply, or an integer of thousands of digits inside it
        text = f"a {type(value).__name__}"
    if re.search(r" at 0x[0-9a-f]+>$", text):  # of no use to anybody
        text = f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` where one of the known names is near, else nothing."""
    names = list(known)
    near = [_ELSEWHERE[name]] if _ELSEWHERE.get(name) in names else []
    near += [each for each in names if "_" in each and name == "".join(part[0] for part in each.split("_") if part)]
    near += get_close_matches(name.lower().replace("-", "_"), names, n=1, cutoff=0.65)
    near += get_close_matches(name.lower(), names, n=1, cutoff=0.65)
    return f"; did you mean {near[0]}?" if near else ""


def _told(mistake: Any, model: type[BaseModel], whole: str) -> str:  # noqa: ANN401 (pydantic's own untyped dictionary)
    """Field, what is wrong with it, what is allowed, what was given."""
    place = tuple(part for part in mistake["loc"] if part != "[key]")
    where = f"{'.'.join(str(part) for part in place)}: " if place else whole
    kind: str = mistake["type"]
    if kind == "extra_forbidden":
        return f"{where}{_unknown_field(_table(model, place[:-1]), str(place[-1]))}"
    if kind == "missing":
        return f"{where}is needed and not given"
    value = mistake["input"]
    given = "" if isinstance(value, (dict, BaseModel)) else f" (given: {shown(value)}{_advice(mistake)})"
    return f"{where}{_wanted(mistake)}{given}"


def _unknown_field(table: type[BaseModel], name: str) -> str:
    renamed: Mapping[str, str] = getattr(table, "renamed", {})
    if name in renamed:
        return f"is called {renamed[name]} now"
    return f"no such field{did_you_mean(name, table.model_fields) or ';'} there are {', '.join(table.model_fields)}"


def _wanted(mistake: Any) -> str:  # noqa: ANN401 (pydantic's own untyped dictionary)
    """What a value has to be."""
    kind, limits = mistake["type"], mistake.get("ctx", {})
    if kind in _LIMITS:
        return _LIMITS[kind](limits)
    if kind == "value_error":
        return mistake["msg"].removeprefix("Value error, ")
    wanted = next((words for start, words in _TYPES.items() if kind.startswith(f"{start}_")), None)
    return f"has to be {wanted}" if wanted else mistake["msg"]


_LIMITS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda limits: f"has to be more than {bound(limits['gt'])}",
    "greater_than_equal": lambda limits: f"has to be at least {bound(limits['ge'])}",
    "less_than": lambda limits: f"has to be less than {bound(limits['lt'])}",
    "less_than_equal": lambda limits: f"has to be at most {bound(limits['le'])}",
    "too_short": lambda limits: f"has to have at least {limits['min_length']}",
    "too_long": lambda limits: f"has to have at most {limits['max_length']}",
    "string_too_short": lambda limits: f"has to have at least {limits['min_length']} characters",
    "string_too_long": lambda limits: f"has to have at most {limits['max_length']} characters",
    "string_unicode": lambda _: "has to be text in Unicode",
    "finite_number": lambda _: "has to be a finite number",
    "int_parsing_size": lambda _: "has to fit into 64 bits",
    "literal_error": lambda limits: f"has to be {limits['expected']}",
    "enum": lambda limits: f"has to be {limits['expected']}",
    "recursion_loop": lambda _: "holds itself",
}


_PLAIN = (
    (r"Value error, ", ""),
    (r"Input should be greater than or equal to (\S+)", r"it has to be at least \1"),
    (r"Input should be greater than (\S+)", r"it has to be more than \1"),
    (r"Input should be less than or equal to (\S+)", r"it has to be at most \1"),
    (r"Input should be less than (\S+)", r"it has to be less than \1"),
    (r"Input should be a valid integer[^;]*", "it has to be a whole number"),
    (r"Input should be a valid number[^;]*", "it has to be a number"),
    (r"Input should be", "it has to be"),
)


def _advice(mistake: Any) -> str:  # noqa: ANN401 (pydantic's own untyped dictionary)
    """How a value of the wrong type would be written right."""
    kind, value = mistake["type"], mistake["input"]
    if kind == "int_type" and isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return f": write {shown(int(value))}"
    if kind in {"int_type", "float_type", "bool_type"} and isinstance(value, str) and _UNQUOTED.fullmatch(value):
        return ": write it without quotes"
    if kind in {"int_type", "float_type"} and isinstance(value, bool):
        return ": it is no number"
    if kind == "tuple_type" and isinstance(value, str):
        return f": write [{shown(value)}]"
    return ""


def _table(model: type[BaseModel], place: tuple[str | int, ...]) -> type[BaseModel]:
    """The model of the table at a place; numbers in a place count the tables of a list."""
    for name in place:
        if isinstance(name, str) and name in model.model_fields:
            model = next(_models(model.model_fields[name].annotation), model)
    return model


def _models(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 (a type is whatever stands behind a colon)
    """The models that an annotation speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
