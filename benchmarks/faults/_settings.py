"""Mistakes in settings: every field of every table of a study.toml, with every kind of wrong value."""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from _trying import Mistake

from reseed.methods import METHODS
from reseed.spec import Arm, Dice, Floors, Study, Thresholds, Training
from reseed.starts import Start

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["settings"]

WRONG: dict[str, Any] = {
    "text": "16",
    "a word": "many",
    "nothing": "",
    "true": True,
    "a float": 1e3,
    "a half": 2.5,
    "minus one": -1,
    "zero": 0,
    "nan": math.nan,
    "inf": math.inf,
    "minus inf": -math.inf,
    "tiny": 1e-320,
    "huge": 10**9,
    "beyond 64 bits": 10**30,
    "beyond all bounds": 10**5000,
    "1e300": 1e300,
    "an empty list": [],
    "a list": [1],
    "a list of tables": [{}],
    "a table": {"a": 1},
    "a deep list": [[[[[[1]]]]]],
}

ALLOWED = {
    "name": {"text", "a word", "nothing"},
    "activations": {"text", "a word"},
    "tensor": {"text", "a word"},
    "transpose": {"true"},
    "spawn_at": {"an empty list", "a list"},
    "compare": {"an empty list"},
    "training.warmup_steps": {"zero"},
    "training.decay": {"zero"},
    "training.checkpoint_seconds": {"a float", "a half", "zero", "huge"},
    "dice.replicate": {"zero", "huge"},
    "thresholds.min_r2": {"minus one", "zero"},
    "thresholds.holm": {"true"},
    "thresholds.looks": {"an empty list"},
    "arm.name": {"text", "a word"},
    "start.blend": {"zero"},
    "start.concentration": {"a float", "a half", "huge"},
    "start.allow_fewer_points": {"true"},
    "start.points_tokens": {"huge"},  # at most all that there are
    "method.learning_rate": {"a float", "a half", "huge"},
    "method.l1": {"a float", "a half", "zero", "huge"},
    "method.delta": {"a float", "a half", "zero", "huge"},
    "method.encoder_bias": {"true"},
    "method.decoder_bias": {"true"},
    "method.rescale": {"true"},
    "method.multiplier": {"true"},
    "method.threshold_momentum": {"zero"},
    "method.groups": {"a list"},
    "method.beta1": {"zero"},
    "method.memory": {"zero"},
    "method.auxk": {"zero"},
    "method.dead_after": {"huge"},  # tokens, of which a long training has more
    "method.anneal_from": {"zero"},
    "method.reads": {"huge"},  # told of with the activations
    "method.positive": {"true"},
    "method.l2": {"a float", "a half", "zero", "huge"},
    "method.l0": {"a float", "a half", "zero", "huge"},
    "method.target_l0": {"a half"},
    "method.l0_warmup": {"zero"},
    "method.threshold_start": {"a float", "a half", "huge"},
    "method.bandwidth": {"a float", "a half", "huge"},
}
"""What is no mistake: a field, and the wrong values that are right for it."""


def settings(_: Path) -> Iterator[Mistake]:
    """Every field with every wrong value, misspelled, and left out where it is needed."""
    for place, model, kind in _tables():
        for name, field in model.model_fields.items():
            if name in {"tuned", "tuned_l0"}:
                continue
            told = ".".join(part for part in (place, name) if part)
            allowed = ALLOWED.get(told, set())
            for words, value in WRONG.items():
                yield _given(f"{kind} {told} = {words}", place, kind, name, value, allowed=words in allowed)
            yield _misspelled(f"{kind} {told} misspelled", place, kind, name)
            if field.is_required():
                yield Mistake("settings", f"{kind} {told} missing", lambda p=place, k=kind, n=name: _parse(p, k, n))


def _tables() -> Iterator[tuple[str, Any, str]]:
    yield from (("", Study, "topk"), ("training", Training, "topk"), ("dice", Dice, "topk"))
    yield from (("floors", Floors, "topk"), ("thresholds", Thresholds, "topk"))
    yield from (("arm", Arm, "topk"), ("start", Start, "topk"))
    yield from (("method", METHODS[kind], kind) for kind in METHODS)


def _table(kind: str) -> dict[str, Any]:
    sparsity = {"k": 4} if "k" in METHODS[kind].model_fields else {}
    method = {"kind": kind, "n_atoms": 32, **sparsity, **METHODS[kind].suggested}
    arm = {"name": "arm", "method": method, "start": {"kind": "kmeans"}}
    return {"activations": "acts.npy", "arms": [arm], "training": {}, "dice": {}, "floors": {}, "thresholds": {}}


def _place(table: dict[str, Any], place: str) -> dict[str, Any]:
    arm = table["arms"][0]
    return {"": table, "arm": arm, "method": arm["method"], "start": arm["start"]}.get(place) or table.setdefault(
        place, {}
    )


def _given(words: str, place: str, kind: str, name: str, value: Any, *, allowed: bool) -> Mistake:  # noqa: ANN401 (anything)
    def attempt() -> None:
        table = _table(kind)
        _place(table, place)[name] = deepcopy(value)
        Study.parse(table)

    return Mistake("settings", words, attempt, allowed=allowed)


def _misspelled(words: str, place: str, kind: str, name: str) -> Mistake:
    def attempt() -> None:
        table = _table(kind)
        _place(table, place)[f"{name[:-1]}" if len(name) > 2 else f"{name}x"] = 1  # noqa: PLR2004 (k, l1)
        Study.parse(table)

    return Mistake("settings", words, attempt)


def _parse(place: str, kind: str, without: str) -> None:
    table = _table(kind)
    _place(table, place).pop(without, None)
    Study.parse(table)
