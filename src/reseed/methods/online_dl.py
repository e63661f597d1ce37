"""Online dictionary learning: sparse codes of each batch, and a dictionary that moves towards what all of them said.

    codes        argmin 1/2 ||u - z D||^2 + l1 |z|_1, or orthogonal matching pursuit (docs/mathematics.md, eq. 150, 151)
    statistics   A <- b A + z' z,  B <- b B + z' u                                    (eq. 145)
    weighting    b = (theta + 1 - n) / (theta + 1);  theta = t n for t < n, else n^2 + t - n      (eq. 152)
    dictionary   for each atom, once: d_i <- d_i + (B_i - A_i D) / A_ii,  then  d_i / max(||d_i||, 1)
    loss         mean((u - z D)^2) + 2 l1 (sum of a token's |z|) / d_model, twice the above per dimension

with u = x / scale, t the number of the batch and n its tokens. Source: @mairal2010online, with the weighting that it
gives for batches of several tokens, as scikit-learn has it: batches coded in a dictionary that was hardly one yet are
forgotten. `memory` sets another. An atom that no token uses stays where it is; scikit-learn puts a token in its place.
"""

from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor

from reseed import kernels
from reseed._support.products import product
from reseed.methods._alternating import Alternating
from reseed.methods._autoencoder import check_k
from reseed.methods._base import Schedule, State

__all__ = ["OnlineDL"]

_PUBLISHED = 1.2  # as 1.2 / sqrt(d_model) for tokens of length 1, where here their length is about sqrt(d_model)
_UNUSED = 1e-8  # share of the largest sum of squared codes of an atom, at which it counts as one that no token uses


class OnlineDL(Alternating):
    """Sparse codes, and a dictionary within the unit ball that fits all batches so far."""

    title: ClassVar[str] = "Online dictionary learning"
    code_rule: ClassVar[str] = "lasso, or orthogonal matching pursuit with at most k atoms"
    published_start: ClassVar[str] = "data"

    kind: Literal["online-dl"] = "online-dl"
    memory: Annotated[float, Field(ge=0, le=1)] | None = None  # pyrefly: ignore[bad-override] (more than the base)
    """Share of what earlier batches said that is kept when one more is read. None: the published share, which rises
    from step to step (eq. 152); 1: all tokens count alike."""
    codes_by: Literal["lasso", "omp"] = "lasso"
    """`lasso`: codes with a penalty `l1`; `omp`: orthogonal matching pursuit with at most `k` atoms."""
    l1: PositiveFloat = _PUBLISHED
    """With `lasso`, the price of a unit of a code beside half of a token's squared error, in units of the activations'
    scale. A larger one leaves fewer atoms active; 1.2 is the published value."""
    k: PositiveInt | None = None
    """With `omp`, the most active atoms per token."""
    positive: bool = False
    """Whether codes are never negative. False: they have both signs, and an atom and its negative are one."""

    @model_validator(mode="after")
    def _settings_are_those_of_the_codes(self) -> "OnlineDL":
        if self.k is not None:
            check_k(self.k, self.n_atoms)
        if self.codes_by == "lasso" and self.k is not None:
            raise ValueError(
                f"k = {self.k}: as many atoms as l1 leaves are active; leave out k, or set codes_by = 'omp'"
            )
        if self.codes_by == "omp" and self.k is None:
            raise ValueError("codes_by = 'omp' takes k atoms: say how many by k")
        if self.codes_by == "omp" and self.l1 != _PUBLISHED:
            raise ValueError(
                f"l1 = {self.l1:g}: with codes_by = 'omp' k decides; leave out l1, or set codes_by = 'lasso'"
            )
        return self

    @property
    def sign(self) -> Literal["signed", "abs"]:  # pyrefly: ignore[bad-override] (here a setting decides)
        """Abs where codes have both signs."""
        return "signed" if self.positive else "abs"

    @property
    def penalty(self) -> str | None:  # pyrefly: ignore[bad-override] (the same)
        """The lasso's."""
        return "l1" if self.codes_by == "lasso" else None

    def constrained(self, atoms: Float[Tensor, "runs atoms d_model"]) -> Float[Tensor, "runs atoms d_model"]:
        """Atoms of length 1 at most."""
        return _within_the_ball(atoms)

    def codes(
        self, u: Float[Tensor, "runs batch d_model"], atoms: Float[Tensor, "runs atoms d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """Those of the lasso or of orthogonal matching pursuit."""
        if self.k is not None:
            return kernels.orthogonal_pursuit(u, atoms, k=self.k, positive=self.positive)
        products, gram = product(u, atoms.mT), product(atoms, atoms.mT)
        return kernels.coordinate_codes(products, gram, l1=self.l1, positive=self.positive)

    def code_penalty(self, z: Float[Tensor, "runs batch atoms"], d_model: int) -> Float[Tensor, " runs"]:
        """What the lasso adds to the loss."""
        return (0.0 if self.k is not None else 2 * self.l1 / d_model) * z.abs().sum(-1).mean(-1)

    def kept(self, schedule: Schedule, batch: int) -> float:
        """`memory`, or the published weighting."""
        if self.memory is not None:
            return self.memory
        t = schedule.step + 1
        theta = t * batch if t < batch else batch**2 + t - batch
        return (theta + 1 - batch) / (theta + 1)

    def fit(self, state: State) -> None:
        """Move every atom once to where it is best while the others are as they are, in place."""
        atoms, products = state["atoms"], state["products"]
        squares = products.diagonal(dim1=1, dim2=2)
        used = squares > _UNUSED * squares.amax(-1, keepdim=True)
        for i in range(self.n_atoms):
            missing = state["sums"][:, i] - torch.bmm(products[:, i : i + 1], atoms).squeeze(1)
            best = _within_the_ball(atoms[:, i] + missing / squares[:, i, None])
            atoms[:, i] = best.where(used[:, i, None], atoms[:, i])


def _within_the_ball(atoms: Float[Tensor, "*stack d_model"]) -> Float[Tensor, "*stack d_model"]:
    return atoms / atoms.norm(dim=-1, keepdim=True).clamp(min=1.0)
