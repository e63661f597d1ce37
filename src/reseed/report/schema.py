"""The documents that reseed writes, documented: one table per part, from the models that read and write them.

`python -m reseed.report.schema FILE` writes the page of `findings.json`; a test compares it with the models.
"""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from reseed import findings
from reseed._support.files import write_text
from reseed.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["markdown", "tables"]

_INTRODUCTION = """\
# findings.json

Everything that a report prints, and what it was printed from. Written by `reseed run`, read by `reseed report` and
`reseed.findings.Findings.read`. A number that is not defined is `null`. Steps are training steps; agreements are
cosines in [-1, 1], without their signs where the `sign` of a condition is `abs`.

Version {version}. Made from the models by `python -m reseed.report.schema docs/findings-json.md`.
"""


def markdown() -> str:
    """The page of findings.json."""
    introduction = _INTRODUCTION.format(version=findings.FINDINGS_VERSION)
    return "\n".join([introduction, *tables(findings.Findings)])


def tables(document: type[BaseModel]) -> list[str]:
    """One table per part of a document: itself, its parts, and the words of a verdict."""
    schema = document.model_json_schema(mode="serialization", schema_generator=_Plain)
    parts = {document.__name__: schema, **schema["$defs"]}
    models = [name for name in parts if "properties" in parts[name]]
    known = {model.__name__: model for model in _models(document)}
    found = [_table(known[name], parts[name]["properties"]) for name in models]
    return [*found, _outcomes()] if Outcome.__name__ in parts else found


def _models(part: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 (an annotation)
    """A model and those in its annotations."""
    if isinstance(part, type) and issubclass(part, BaseModel):
        yield part
        for field in part.model_fields.values():
            yield from _models(field.annotation)
    for inner in get_args(part):
        yield from _models(inner)


class _Plain(GenerateJsonSchema):
    """Undefined numbers are null, which pydantic's own schema does not say of floats."""

    def float_schema(self, schema: Any) -> dict[str, Any]:  # noqa: ANN401 (pydantic's core schema)
        return {"anyOf": [super().float_schema(schema), {"type": "null"}]}


def _table(model: type[BaseModel], properties: dict[str, Any]) -> str:
    rows = [
        f"| `{name}` | {_type(schema)} | {_on_one_line(schema.get('description', ''))} |"
        for name, schema in properties.items()
    ]
    head = [f"## {model.__name__}\n", f"{_on_one_line(model.__doc__ or '')}\n", "| field | type | |", "|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def _outcomes() -> str:
    """The words, with the strings under them; an enum has no other place for those."""
    body = ast.parse(inspect.getsource(Outcome)).body[0].body  # type: ignore[attr-defined] (a class has a body)
    said = [ast.literal_eval(each.value) for each in body[1:] if isinstance(each, ast.Expr)]
    rows = [f"| `{outcome}` | {_on_one_line(meaning)} |" for outcome, meaning in zip(Outcome, said, strict=True)]
    return "\n".join(["## Outcome\n", "The word of a verdict.\n", "| word | |", "|---|---|", *rows, ""])


def _on_one_line(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|")


def _type(schema: dict[str, Any]) -> str:
    """A JSON schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        items = schema.get("prefixItems", [schema.get("items")])  # a tuple of some numbers, or a list
        return f"list of {len(items) if 'prefixItems' in schema else ''} {_type(items[0])}".replace("  ", " ")
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"object of {_type(values)}" if isinstance(values, dict) else "object"
    return schema.get("type", "anything")


if __name__ == "__main__":
    write_text(Path(sys.argv[1]), markdown())
