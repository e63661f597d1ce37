"""The study.toml that `reseed init` writes: every field with its value, and the docstring under it as a comment.

An arm for each method that is asked for, from the start that it was published with; sizes suit the activations, where
these are there already.
"""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import tomli_w

from reseed._support.files import write_text
from reseed._support.mistakes import did_you_mean, shown
from reseed._support.settings import Settings
from reseed.activations import sizes_of
from reseed.errors import SpecError
from reseed.methods import METHODS, RATopK, TopK
from reseed.spec import Arm, Study
from reseed.spec.fields import describe
from reseed.starts import Start

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reseed.methods import Method
    from reseed.spec.fields import Described

__all__ = ["arms_of", "template", "toml_value", "write_template"]

WIDTH = 100  # columns of a comment
UNSET = "..."  # what stands for a value where a field has none
SIZES = {"n_atoms": 512, "k": 16, "reads": 256}  # where there are no activations yet
ATOMS_PER_DIMENSION, TOKENS_PER_ATOM = 8, 100

Told = set[tuple[str, str]]
"""Names and comments that were written already: what three arms have in common is explained once."""


def write_template(path: Path, *, activations: str, force: bool, methods: Sequence[str] = ()) -> None:
    """Write a commented study.toml that reads `activations`.

    Args:
        path: the file.
        activations: as the study is to say it; a relative path is taken from the folder of the file.
        force: replace a file that exists.
        methods: names of `METHODS`, an arm for each; by default the three arms of `template`.

    Raises:
        SpecError: the file exists and `force` is false, or a method that is not known.
        ActivationsError: there are activations, and they are damaged or too few; they are read for `methods` only.
    """
    if path.exists() and not force:
        raise SpecError(f"{path} exists: choose another name, or replace it with --force")
    arms = arms_of(methods, _sizes(path.parent / Path(activations).expanduser())) if methods else _arms()
    write_text(path, template(activations, arms))


def template(activations: str, arms: Sequence[Arm] = ()) -> str:
    """The text of the file: these arms, by default three, and the default of everything that has one."""
    study = Study(activations=activations, arms=tuple(arms) or _arms())
    lines = [*_HEAD, "", *_table(study, "", set())]
    return "\n".join(lines).strip() + "\n"


def arms_of(methods: Sequence[str], sizes: Mapping[str, int] = SIZES) -> tuple[Arm, ...]:
    """An arm for each method, called as the method is, from its published start.

    Args:
        methods: names of `METHODS`.
        sizes: values of settings that any method may need, by name; and `d_model`, where it is known, for methods that
            have no more atoms than dimensions.

    Raises:
        SpecError: a name that is not known or given twice, or a method that needs a setting and suggests no value.
    """
    for name in methods:
        if name not in METHODS:
            known = ", ".join(METHODS)
            raise SpecError(f"--methods {shown(name)} is not known: choose from {known}{did_you_mean(name, METHODS)}")
    twice = sorted({name for name in methods if methods.count(name) > 1})
    if twice:
        raise SpecError(f"--methods names {', '.join(twice)} twice: each once, and copy its arm in the file")
    return tuple(_arm(name, METHODS[name], sizes) for name in methods)


def _arm(name: str, kind: type[Method], sizes: Mapping[str, int]) -> Arm:
    known = {**sizes, **kind.suggested}
    needed = [field for field, about in kind.model_fields.items() if about.is_required()]
    if without := [field for field in needed if field not in known]:
        raise SpecError(
            f"--methods {name}: the method needs {', '.join(without)} and suggests no value; write its arm by hand"
        )
    method = kind(**{field: known[field] for field in needed})
    if "d_model" in sizes and method.misfit(sizes["d_model"]) is not None:
        method = method.model_copy(update={"n_atoms": _power_of_two(sizes["d_model"])})
    return Arm(name=name, method=method, start=Start(kind=kind.published_start))


def _sizes(activations: Path) -> Mapping[str, int]:
    """Sizes that suit the activations; those of `SIZES` where there are none yet.

    8 atoms for each dimension, as far as there are 100 tokens for each atom, and as many active ones as the root of the
    dimensions; both the next lower power of two.
    """
    if not activations.exists():
        return SIZES
    found = sizes_of(activations)
    d_model = found.d_model - (found.reads or 0)
    n_atoms = max(2, _power_of_two(min(ATOMS_PER_DIMENSION * d_model, found.n_tokens // TOKENS_PER_ATOM)))
    k = min(_power_of_two(math.isqrt(d_model)), n_atoms // 2)
    return {"n_atoms": n_atoms, "k": k, "d_model": d_model} | ({} if found.reads is None else {"reads": found.reads})


def _power_of_two(most: int) -> int:
    """The largest that is at most so much, and 1 at least."""
    return 1 << max(0, most.bit_length() - 1)


def _arms() -> tuple[Arm, ...]:
    """TopK from random and from k-means starts, and the archetypal dictionary; sizes alone have no default."""
    sizes = {name: SIZES[name] for name in ("n_atoms", "k")}
    topk, archetypal = TopK(**sizes), RATopK(**sizes)
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
