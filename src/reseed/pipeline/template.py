"""The study.toml that `reseed init` writes: every field with its value, and the docstring under it as a comment."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import tomli_w

from reseed._support.files import write_text
from reseed._support.settings import Settings
from reseed.errors import SpecError
from reseed.methods import RATopK, TopK
from reseed.spec import Arm, Study
from reseed.spec.fields import describe
from reseed.starts import Start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reseed.spec.fields import Described

__all__ = ["template", "toml_value", "write_template"]

WIDTH = 100  # columns of a comment
UNSET = "..."  # what stands for a value where a field has none

Told = set[tuple[str, str]]
"""Names and comments that were written already: what three arms have in common is explained once."""


def write_template(path: Path, *, activations: str, force: bool) -> None:
    """Write a commented study.toml that reads `activations`.

    Raises:
        SpecError: the file exists and `force` is false.
    """
    if path.exists() and not force:
        raise SpecError(f"{path} exists: choose another name, or replace it with --force")
    write_text(path, template(activations))


def template(activations: str) -> str:
    """The text of the file: three arms, and the default of everything that has one."""
    study = Study(activations=activations, arms=_arms())
    lines = [*_HEAD, "", *_table(study, "", set())]
    return "\n".join(lines).strip() + "\n"


def _arms() -> tuple[Arm, ...]:
    """TopK from random and from k-means starts, and the archetypal dictionary; sizes alone have no default."""
    topk, archetypal = TopK(n_atoms=512, k=16), RATopK(n_atoms=512, k=16)
    return (
        Arm(name="topk-random", method=topk, start=Start(kind="random")),
        Arm(name="topk-kmeans", method=topk, start=Start(kind="kmeans")),
        Arm(name="ra-topk-kmeans", method=archetypal, start=Start(kind="kmeans")),
    )


_HEAD = (
    "# A study for  reseed run.  Every field is here with its value; what has a default may be left out.",
    "# A line such as  # threads = ...  is a field that is not set. What several arms have is explained once.",
)


def _table(model: Settings, place: str, told: Told) -> Iterator[str]:
    """The fields of one model, then the tables inside it; `place` is the table's own name and a dot, or nothing."""
    values = [(field, getattr(model, field.name)) for field in describe(type(model))]
    for field, value in values:
        if not _is_table(value):
            yield from _comment(field.name, _words(field, type(model)), told)
            yield f"# {field.name} = {UNSET}" if value is None else f"{field.name} = {toml_value(value)}"
    for field, value in values:
        for inner in value if isinstance(value, tuple) else (value,):
            if _is_table(inner):
                name = f"{place}{field.name}"
                yield from ("", *_comment(field.name, type(inner).meaning(), told))
                yield f"[[{name}]]" if isinstance(value, tuple) else f"[{name}]"
                yield from _table(inner, f"{name}.", told)


def _is_table(value: object) -> bool:
    return isinstance(value, Settings) or (isinstance(value, tuple) and any(isinstance(v, Settings) for v in value))


def _comment(name: str, words: str, told: Told) -> list[str]:
    if (name, words) in told:
        return []
    told.add((name, words))
    lines = textwrap.wrap(words, WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return [f"# {line}" for line in lines]


def _words(field: Described, model: type[Settings]) -> str:
    """What a field means, in TOML's words, with its choices where neither it nor the table's heading names them."""
    named = f"{field.meaning} {model.meaning()}"
    choices = f" One of {', '.join(field.choices)}." if any(word not in named for word in field.choices) else ""
    return field.meaning.replace("None:", "not set:").replace("False:", "false:") + choices


def toml_value(value: object) -> str:
    """A word, number, truth or list of them as TOML on one line."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {toml_value(each)}' for key, each in value.items())} }}" if value else "{}"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(toml_value(each) for each in value)}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").strip()
