"""The words and numbers that the page's templates may use."""

from __future__ import annotations

import math
from importlib.resources import files
from typing import Any

from reseed._support.numbers import interval, percent, rounded
from reseed.errors import MissingExtraError
from reseed.report import called, sifting, words

try:
    import jinja2
except ImportError as error:
    raise MissingExtraError("jinja2", "report") from error

__all__ = ["environment"]

LEDGER_DIGITS = 6  # of a roll; the whole number is in the cell's title


def environment() -> jinja2.Environment:
    """Templates with the filters and names that they use."""
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "rounded": rounded,
        "percent": percent,
        "interval": lambda estimate: interval(estimate.low, estimate.high),
        "estimated": words.estimated,
        "signed": words.signed,
        "shown": _shown,
        "abbreviated": _abbreviated,
        "steps": words.steps,
        "sentence": lambda text: f"{text[:1].upper()}{text[1:]}.",
        "thousands": lambda number: f"{number:,}",
    }
    names: dict[str, Any] = {"words": words, "called": called, "sifting": sifting, "asset": _template, "nan": math.nan}
    made.filters |= filters
    made.globals |= names
    return made


def _template(name: str) -> str:
    return files("reseed.report").joinpath("templates", name).read_text(encoding="utf-8")


def _shown(value: Any) -> str:  # noqa: ANN401 (whatever a study or a store has to say)
    """One entry of the study, the activations or the machine."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "not set"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(each) for each in value)
    return str(value)


def _abbreviated(rolled: int) -> str:
    text = str(rolled)
    return text if len(text) <= LEDGER_DIGITS else f"{text[:LEDGER_DIGITS]}…"
