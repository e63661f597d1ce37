"""What is wrong with a study, in one line per mistake: the field, what is allowed, and what was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reseed._support.settings import Settings

__all__ = ["mistakes"]


def mistakes(error: ValidationError, model: type[Settings]) -> list[str]:
    """Every mistake once, in what should have been a `model`: an arm that is not valid is not also an arm too few."""
    inner = {mistake["loc"][:n] for mistake in error.errors() for n in range(1, len(mistake["loc"]))}
    return [_told(mistake, model) for mistake in error.errors() if mistake["loc"] not in inner]


def _told(mistake: Any, model: type[Settings]) -> str:  # noqa: ANN401 (pydantic's own untyped dictionary)
    """Field, what is wrong with it, what is allowed, what was given."""
    where = ".".join(str(part) for part in mistake["loc"]) or f"the {model.__name__.lower()}"
    if mistake["type"] == "extra_forbidden":
        table, name = _table(model, mistake["loc"][:-1]), mistake["loc"][-1]
        if name in table.renamed:
            return f"{where}: is called {table.renamed[name]} now"
        return f"{where}: no such field; there are {', '.join(table.model_fields)}"
    if mistake["type"] == "missing":
        return f"{where}: is needed and not given"
    given = "" if isinstance(mistake["input"], dict) else f" (given: {mistake['input']!r})"
    return f"{where}: {mistake['msg'].removeprefix('Value error, ')}{given}"


def _table(model: type[Settings], place: tuple[str | int, ...]) -> type[Settings]:
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
