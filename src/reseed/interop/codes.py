"""How dictionaries of other libraries make codes: from what the encoder says of each atom to how much of it is used.

Every rule takes pre-activations, (tokens, atoms), and gives codes of the same shape, mostly zeros.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import layer_norm

from reseed._support.brief import brief_repr

__all__ = ["CodeRule", "Gated", "GroupMax", "Linear", "Normed", "Pursuit", "Relu", "Scaled", "Thresholded", "TopK"]

Codes = Float[Tensor, "tokens atoms"]


class CodeRule(ABC):
    """A way to make codes."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What it is, in a few words."""

    @abstractmethod
    def codes(self, pre: Codes) -> Codes:
        """The codes of these pre-activations."""

    __repr__ = brief_repr


@dataclass(frozen=True, repr=False)
class Relu(CodeRule):
    """What is positive."""

    @property
    def title(self) -> str:
        """`ReLU`."""
        return "ReLU"

    def codes(self, pre: Codes) -> Codes:
        """relu(pre)."""
        return pre.relu()


@dataclass(frozen=True, repr=False)
class Linear(CodeRule):
    """All pre-activations as they are, whatever their sign: no atom is left out."""

    @property
    def title(self) -> str:
        """`linear`."""
        return "linear"

    def codes(self, pre: Codes) -> Codes:
        """Themselves."""
        return pre


@dataclass(frozen=True, repr=False)
class TopK(CodeRule):
    """The k largest of each token, as far as they are positive: fewer may fire."""

    k: int
    signed: bool = False
    """Whether negative ones are kept as they are, where they are among the k largest or, with `absolute`, the k
    farthest from 0."""
    absolute: bool = False
    """Whether size counts instead of value."""

    @property
    def title(self) -> str:
        """`TopK, k = 32`."""
        return f"{'absolute ' if self.absolute else ''}TopK, k = {self.k}"

    def codes(self, pre: Codes) -> Codes:
        """The pre-activations at the k places, 0 elsewhere."""
        chosen = (pre.abs() if self.absolute else pre).topk(min(self.k, pre.shape[-1]), dim=-1).indices
        values = pre.gather(-1, chosen)
        return torch.zeros_like(pre).scatter_(-1, chosen, values if self.signed else values.relu())


@dataclass(frozen=True, repr=False)
class Thresholded(CodeRule):
    """What lies above a threshold, and above 0, as it is: JumpReLU, and BatchTopK as it is evaluated."""

    threshold: Float[Tensor, "*atoms"]
    """One for each atom, or one for all."""
    name: str = "JumpReLU"

    @property
    def title(self) -> str:
        """`JumpReLU`."""
        return self.name

    def codes(self, pre: Codes) -> Codes:
        """relu(pre) where pre > threshold."""
        return pre.relu() * (pre > self.threshold.to(pre))


@dataclass(frozen=True, repr=False)
class Gated(CodeRule):
    """relu(pre exp(r_mag) + b_mag) where pre + b_gate > 0; pre has no bias here."""

    r_mag: Float[Tensor, " atoms"]
    b_mag: Float[Tensor, " atoms"]
    b_gate: Float[Tensor, " atoms"]

    @property
    def title(self) -> str:
        """`gated`."""
        return "gated"

    def codes(self, pre: Codes) -> Codes:
        """The magnitudes of what the gate lets through."""
        magnitudes = (pre * self.r_mag.to(pre).exp() + self.b_mag.to(pre)).relu()
        return magnitudes * (pre + self.b_gate.to(pre) > 0)


@dataclass(frozen=True, repr=False)
class GroupMax(CodeRule):
    """The largest of each of k groups of neighbours, as far as it is positive."""

    k: int

    @property
    def title(self) -> str:
        """`the largest of each of 32 groups`."""
        return f"the largest of each of {self.k} groups"

    def codes(self, pre: Codes) -> Codes:
        """relu(pre) at the k places, 0 elsewhere."""
        grouped = pre.relu().unflatten(-1, (self.k, -1))
        largest = grouped.max(dim=-1, keepdim=True)
        return torch.zeros_like(grouped).scatter_(-1, largest.indices, largest.values).flatten(-2)


@dataclass(frozen=True, repr=False)
class Pursuit(CodeRule):
    """Matching pursuit: there is no encoder; atoms are taken one after the other, each from what the others left."""

    threshold: float
    """A token is done when no more of it is left than this; 0: never for that."""
    most: int | None
    """Atoms taken of a token at most, as many as d_model where it is None."""
    until_repeated: bool
    """Whether a token is done when an atom adds none to those that it has."""

    @property
    def title(self) -> str:
        """`matching pursuit`."""
        return "matching pursuit"

    def codes(self, pre: Codes) -> Codes:
        """Not from pre-activations: see `pursue`."""
        raise NotImplementedError("matching pursuit needs the atoms: use pursue")

    def pursue(self, u: Float[Tensor, "tokens d_model"], atoms: Float[Tensor, "atoms d_model"]) -> Codes:
        """The codes of tokens, by these atoms as they are, of whatever norm."""
        left, codes = u.clone(), u.new_zeros(len(u), len(atoms))
        done = torch.zeros(len(u), dtype=torch.bool)
        for _ in range(u.shape[1] if self.most is None else self.most):
            before = codes != 0
            best = (left @ atoms.T).relu().argmax(dim=1)
            taken = (left * atoms[best]).sum(dim=1).relu() * ~done
            codes[torch.arange(len(u)), best] += taken
            left = left - taken[:, None] * atoms[best]
            if self.until_repeated:
                done |= ((codes != 0) == before).all(dim=1)
            if self.threshold > 0:
                done |= left.norm(dim=1) < self.threshold
            if done.all():
                break
        return codes


@dataclass(frozen=True, repr=False)
class Normed(CodeRule):
    """Another rule on pre-activations after a layer norm, over all atoms of a token."""

    rule: CodeRule
    weight: Float[Tensor, " atoms"] | None
    bias: Float[Tensor, " atoms"] | None
    epsilon: float

    @property
    def title(self) -> str:
        """`TopK, k = 32 after a layer norm`."""
        return f"{self.rule.title} after a layer norm"

    def codes(self, pre: Codes) -> Codes:
        """rule(weight (pre - mean) / sqrt(variance + epsilon) + bias), the variance of as many degrees as atoms."""
        weight, bias = (None if each is None else each.to(pre) for each in (self.weight, self.bias))
        return self.rule.codes(layer_norm(pre, pre.shape[-1:], weight, bias, self.epsilon))


@dataclass(frozen=True, repr=False)
class Scaled(CodeRule):
    """Another rule on pre-activations times a factor for each atom, such as its norm, which codes are divided by."""

    rule: CodeRule
    factors: Float[Tensor, " atoms"]

    @property
    def title(self) -> str:
        """That of the rule."""
        return self.rule.title

    def codes(self, pre: Codes) -> Codes:
        """rule(factors pre) / factors."""
        factors = self.factors.to(pre)
        return self.rule.codes(pre * factors) / factors
