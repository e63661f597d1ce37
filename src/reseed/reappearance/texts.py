"""What a feature fires on: held-out tokens with what stands around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtyping import Int
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.measures import StandardCodes

__all__ = ["fires_on"]

_BEFORE, _AFTER = 10, 4  # tokens around the one that fires


def fires_on(
    codes: StandardCodes, atom: int, texts: Sequence[str], windows: Int[Tensor, " tokens"], *, most: int
) -> tuple[str, ...]:
    """Where an atom fires most, the strongest first and one for each window: the token in ⟦brackets⟧, on one line.

    Args:
        codes: of the held-out tokens.
        atom: its index.
        texts: what each token reads.
        windows: which text each is of; what is shown does not span two.
        most: how many are shown.
    """
    first, end = int(codes.ends[atom]), int(codes.ends[atom + 1])
    order = codes.values[first:end].abs().argsort(descending=True, stable=True)
    told: dict[int, str] = {}
    for place in order.tolist():
        token = int(codes.tokens[first + place])
        if int(windows[token]) not in told:
            told[int(windows[token])] = _around(token, texts, windows)
        if len(told) == most:
            break
    return tuple(told.values())


def _around(token: int, texts: Sequence[str], windows: Int[Tensor, " tokens"]) -> str:
    here = [
        other
        for other in range(max(0, token - _BEFORE), min(len(texts), token + _AFTER + 1))
        if windows[other] == windows[token]
    ]
    said = "".join(_marked(texts[other]) if other == token else texts[other] for other in here)
    return " ".join(said.split())


def _marked(text: str) -> str:
    """Spaces stay outside, so that words stay apart."""
    inside = text.strip()
    if not inside:
        return "⟦␣⟧"
    return text.replace(inside, f"⟦{inside}⟧", 1)
