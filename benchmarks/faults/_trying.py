"""One mistake, and what becomes of it."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

import torch

from reseed.errors import ReseedError

__all__ = ["Mistake", "Outcome", "outcome_of"]

Outcome = Literal["told", "allowed", "traceback", "silent"]

_LONGEST = 2000  # characters of a sentence
_FOREIGN = re.compile(r"Traceback|Input should be|errors\.pydantic\.dev|allow_pickle|object at 0x|\[Errno")

_PYTHON = re.compile(r"^\w+\(\) (missing \d+ required|takes|got an unexpected)")


@dataclass(frozen=True)
class Mistake:
    """Something wrong that somebody may give."""

    kind: str
    name: str
    attempt: Callable[[], Any]
    """Raises or returns what is then looked at for nan without a reason."""
    allowed: bool = False
    """Whether it is no mistake after all, and may be accepted."""
    undefined: bool = False
    """Whether nan may come back without a reason beside it."""


def outcome_of(mistake: Mistake) -> tuple[Outcome, str]:
    """What becomes of a mistake, and the sentence that was told."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = mistake.attempt()
    except UserWarning as warning:
        return "told", str(warning)
    except (ReseedError, TypeError, ValueError) as error:
        sentence = str(error)
        return ("told" if is_clear(sentence, error) else "traceback"), sentence
    except Exception as error:  # noqa: BLE001 (that is what is looked for)
        return "traceback", f"{type(error).__name__}: {error}"
    if mistake.allowed and (mistake.undefined or not unexplained(found)):
        return "allowed", ""
    return "silent", f"accepted: {str(found)[:100]}"


def is_clear(sentence: str, error: Exception) -> bool:
    """Whether it is a sentence of ours: raised on purpose, short, and without another library's words."""
    ours = isinstance(error, ReseedError) or _raised_by_us(error)
    return ours and 0 < len(sentence) < _LONGEST and not _FOREIGN.search(sentence)


def _raised_by_us(error: Exception) -> bool:
    """Whether a `raise` of reseed made it; `signature.bind` says what is missing in words that are clear enough."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = trace.tb_frame.f_code.co_filename if trace else ""
    return "/reseed/" in where or where.endswith("inspect.py") or bool(_PYTHON.search(str(error)))


def unexplained(found: Any) -> bool:  # noqa: ANN401 (whatever came back)
    """Whether nan came back without a reason beside it."""
    if isinstance(found, float):
        return math.isnan(found)
    if isinstance(found, torch.Tensor):
        return found.is_floating_point() and bool(found.isnan().any())
    if is_dataclass(found):
        return not getattr(found, "reason", "") and any(unexplained(getattr(found, f.name)) for f in fields(found))
    if isinstance(found, Mapping):
        return any(map(unexplained, found.values()))
    return isinstance(found, Iterable) and not isinstance(found, (str, bytes)) and any(map(unexplained, found))
