"""A language model reads context windows: the hidden states that are kept, and which token each belongs to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reseed._support import stopping
from reseed._support.machine import lacks_memory
from reseed.activations.language_model import LanguageModel, hidden_states, pad
from reseed.activations.progress import Advance
from reseed.activations.windows import Windows
from reseed.errors import ActivationsError

__all__ = ["Reader", "Tokens", "kept_per_window", "read"]


@dataclass(frozen=True)
class Tokens:
    """Hidden states of the tokens that are kept, and which token each belongs to."""

    states: Float[Tensor, "tokens d_model"]
    ids: Int[Tensor, "tokens"]
    contexts: Int[Tensor, "tokens"]
    positions: Int[Tensor, "tokens"]

    def __getitem__(self, which: slice | Tensor) -> "Tokens":
        return Tokens(*(part[which] for part in (self.states, self.ids, self.contexts, self.positions)))


@dataclass(frozen=True)
class Reader:
    """A model and the windows it reads."""

    model: LanguageModel
    windows: Windows
    excluded: tuple[int, ...]
    batch: int
    drop_outliers: bool

    @property
    def drops_first(self) -> bool:
        """Whether position 0 is left out: in a causal model it attends to nothing but itself."""
        return self.drop_outliers and self.model.causal


def kept_per_window(windows: Windows, excluded: Sequence[int], *, drops_first: bool) -> np.ndarray:
    """Tokens of each window that are not special and, with `drops_first`, not at position 0."""
    special = np.isin(windows.ids, excluded)
    before = np.concatenate([[0], (~special).cumsum()])
    kept = before[windows.starts + windows.lengths] - before[windows.starts]
    return kept - (~special[windows.starts]) if drops_first and not windows.prefix else kept


def read(reader: Reader, numbers: np.ndarray, advance: Advance) -> Tokens:
    """Run the model over some windows; what is kept of them comes back in the order of `numbers`.

    Raises:
        ActivationsError: a hidden state is NaN or infinite, or a batch does not fit into memory.
    """
    # windows of like length share a batch, which keeps padding small
    by_length = np.argsort(-reader.windows.lengths[numbers], kind="stable")
    parts: dict[int, Tokens] = {}
    for start in range(0, len(numbers), reader.batch):
        stopping.check()
        places = by_length[start : start + reader.batch].tolist()
        for place, part in zip(places, _read_batch(reader, numbers[places]), strict=True):
            parts[place] = part
            advance(len(part.ids))
    ordered = [parts[place] for place in range(len(numbers))]
    return Tokens(*(torch.cat([getattr(part, field.name) for part in ordered]) for field in fields(Tokens)))


def _read_batch(reader: Reader, numbers: np.ndarray) -> Iterator[Tokens]:
    tokens, mask = pad([reader.windows.tokens(number) for number in numbers.tolist()])
    states = _states(reader, tokens, mask)
    keep = mask & ~torch.isin(tokens, torch.tensor(reader.excluded))
    if reader.drops_first:
        keep[:, 0] = False
    _check_finite(reader, states, keep)
    for row, number in enumerate(numbers.tolist()):
        positions = keep[row].nonzero().squeeze(1)
        contexts = torch.full_like(positions, number)
        yield Tokens(states[row][positions], tokens[row][positions], contexts, positions)


def _states(
    reader: Reader, tokens: Int[Tensor, "windows context"], mask: Bool[Tensor, "windows context"]
) -> Float[Tensor, "windows context d_model"]:
    device = reader.model.device
    try:
        return hidden_states(reader.model, tokens.to(device), mask.to(device)).cpu()
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        raise ActivationsError(
            f"{len(tokens):,} windows of {tokens.shape[1]:,} tokens at once do not fit into memory: "
            "use a smaller --batch or --context, and the same command goes on from here"
        ) from error


def _check_finite(
    reader: Reader, states: Float[Tensor, "windows context d_model"], keep: Bool[Tensor, "windows context"]
) -> None:
    bad = keep & ~states.isfinite().all(dim=2)
    if bad.any():
        raise ActivationsError(
            f"the model gives NaN or infinity for {int(bad.sum()):,} of {int(keep.sum()):,} tokens at layer "
            f"{reader.model.layer} in {str(states.dtype).removeprefix('torch.')}: collect with --dtype fp32, or choose "
            "another layer"
        )
