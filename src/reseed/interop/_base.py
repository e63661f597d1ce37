"""What a reader is, and the record that every reader returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from reseed._support.brief import brief_repr
from reseed.errors import DictionaryError
from reseed.interop._sums import Sums
from reseed.interop.codes import CodeRule, Pursuit
from reseed.interop.spaces import Raw, Space

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Components", "LoadedDictionary", "Reader", "Source"]

Source = str | Path | Tensor
"""A file, a folder, or the atoms themselves; whether they are a dictionary at all is the reader's to say."""


@runtime_checkable
class Components(Protocol):
    """What has learnt a dictionary and holds it as scikit-learn does."""

    components_: np.ndarray
    """Atoms as rows."""


@dataclass(frozen=True)
class LoadedDictionary:
    """A dictionary as its source holds it, with all numbers finite and in float32 or float64 on the CPU.

    Of activations x it makes u, which lives in its `space`, codes z = rule(E (u - b_dec) + b_enc), where b_dec is taken
    off only if `subtracts`, and the reconstruction z D + b_dec, brought back from its space.
    """

    atoms: Float[Tensor, "atoms d_model"]
    """Its atoms as rows, of any length; at least one is not zero."""
    name: str
    """What it is called in tables."""
    source: str
    """The file that was read, or `tensor`."""
    encoder: Float[Tensor, "atoms d_in"] | None = None
    """None where the source has none; so the biases, too. A transcoder may read another width than it writes."""
    encoder_bias: Float[Tensor, " atoms"] | None = None
    decoder_bias: Float[Tensor, " d_model"] | None = None
    rule: CodeRule | None = None
    """How codes are made; None where the source does not say."""
    subtracts: bool = False
    """Whether the decoder's bias is taken off the activations before they are encoded."""
    skip: Float[Tensor, "d_model d_in"] | None = None
    """A matrix by which activations enter the reconstruction directly, of transcoders that have one."""
    transcodes: bool = False
    """Whether the source says that what is reconstructed is something else than what is read, if only as wide."""
    space: Space = field(default_factory=Raw)
    """What it reads."""
    groups: tuple[int, ...] = ()
    """Sizes of nested dictionaries, the first atoms being one of their own (Matryoshka); empty where there are none."""
    step: int | None = None
    """Updates behind it, where the source says so."""
    seed: str | None = None
    """What the source says its seed is: a label, which may not have decided the start."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """What the source says of its recipe: model, layer, class."""
    sums: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of every file that was read, by its name."""
    format: str = "matrix"
    """The name of the reader."""
    notes: tuple[str, ...] = ()
    """How it was read where that could be otherwise, one sentence each."""

    __repr__ = brief_repr

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where the files lie that were read; empty for a tensor."""
        return self.sums.paths if isinstance(self.sums, Sums) else ()

    def encode(self, x: Float[Tensor, "tokens d_in"]) -> Float[Tensor, "tokens atoms"]:
        """The codes of activations, dense.

        Raises:
            DictionaryError: the source has no encoder, or does not say how it makes codes.
        """
        return self._codes(self.space.enter(x.to(self.atoms.dtype))[0])

    def reconstruct(self, x: Float[Tensor, "tokens d_in"]) -> Float[Tensor, "tokens d_model"]:
        """What it makes of activations.

        Raises:
            DictionaryError: as `encode`.
        """
        return self.coded(x)[1]

    def coded(
        self, x: Float[Tensor, "tokens d_in"]
    ) -> tuple[Float[Tensor, "tokens atoms"], Float[Tensor, "tokens d_model"]]:
        """The codes of activations and what it makes of them, at the cost of one of the two.

        Raises:
            DictionaryError: as `encode`.
        """
        u, back = self.space.enter(x.to(self.atoms.dtype))
        codes = self._codes(u)
        there = codes @ self.atoms
        if self.decoder_bias is not None:
            there = there + self.decoder_bias
        return codes, back(there if self.skip is None else there + u @ self.skip.T)

    def told(self, x: Float[Tensor, "tokens d_in"] | None = None) -> str:
        """Its size and the norms of its atoms in one line; of activations that it makes codes of its L0 and R², too.

        The line in which a wrong layout, a wrong space or a wrong threshold is seen.
        """
        norms = self.atoms.norm(dim=1)
        spread = f"{norms.min():.3g} to {norms.max():.3g} (median {norms.median():.3g})"
        zero = int((norms == 0).sum())
        words = [
            f"{len(norms):,} atoms of {self.atoms.shape[1]:,} dimensions, norms {spread}, {zero:,} zero",
            "codes unknown" if self.rule is None else self.rule.title,
            f"reads {self.space.kind} activations",
        ]
        if x is not None and self._takes(x):
            active = (self.encode(x) != 0).sum(dim=1).double().mean()
            words.append(f"mean L0 {active:.1f}{self._fit(x)} on {len(x):,} tokens")
        return f"{self.name}: {'; '.join(words)}"

    def _takes(self, x: Float[Tensor, "tokens width"]) -> bool:
        """Whether it makes codes of activations of this width."""
        reads = self.atoms if self.encoder is None else self.encoder
        known = isinstance(self.rule, Pursuit) or (self.encoder is not None and self.rule is not None)
        return known and reads.shape[1] == x.shape[1]

    def _fit(self, x: Float[Tensor, "tokens d_in"]) -> str:
        """Its R², unless it writes something else than it reads."""
        if self.skip is not None or self.atoms.shape[1] != x.shape[1]:
            return ""
        left = (self.reconstruct(x) - x).double().square().sum()
        share = 1 - left / (x - x.mean(dim=0)).double().square().sum()
        return f", R² {share:.2f}"

    def _codes(self, u: Float[Tensor, "tokens d_in"]) -> Float[Tensor, "tokens atoms"]:
        if self.subtracts and self.decoder_bias is not None:
            u = u - self.decoder_bias
        if isinstance(self.rule, Pursuit):
            return self.rule.pursue(u, self.atoms)
        if self.encoder is None or self.rule is None:
            why = "has no encoder" if self.encoder is None else "does not say how it makes codes"
            raise DictionaryError(f"{self.name} {why}, and makes no codes here: give the whole autoencoder")
        pre = u @ self.encoder.T
        return self.rule.codes(pre if self.encoder_bias is None else pre + self.encoder_bias)


@dataclass(frozen=True)
class Reader:
    """One entry of `READERS`: a format, and what reads it."""

    name: str
    """The word that chooses it."""
    title: str
    """How it is called in headings."""
    meaning: str
    """What it reads, in one sentence without its first capital letter and its full stop."""
    recognises: Callable[[Source], bool]
    """By names and kinds of files and tensors alone, never by the shape of a tensor; false for what is not there."""
    read: Callable[..., LoadedDictionary]
    """Of a source. Raises DictionaryError where it is damaged, or holds no dictionary after all."""
    asks: frozenset[str] = frozenset()
    """Which of `tensor`, `transpose`, `k` and `delta` `read` takes, too: what the source itself does not say."""
    last: bool = False
    """Whether it is asked only where no other reader recognises the source."""
    step: Callable[[Path], int | None] | None = None
    """The updates behind what it recognises, where a name or a record beside it tells."""
