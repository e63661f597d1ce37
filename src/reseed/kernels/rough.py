"""An encoder in bfloat16: which atoms can be among a token's k strongest, at half the price of float32.

Where a processor has instructions for bfloat16. Nothing is approximated: how far such a product can be off is bounded,
and the activations of all atoms that can win are computed again in float32 (docs/mathematics.md, eq. 92).
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from reseed._support.products import HAS_BFLOAT16, row_products
from reseed.kernels import _loops

__all__ = ["RoughEncoder", "pays"]

_NUMBERS = 2**21  # of an encoder: in smaller ones the product is no large part of a step
_TOKENS = 256  # of which there are at least so many where rounding the encoder is worth it
_ATOMS = 256  # that are looked at at a time: they stay in the cache
_ROOM = 1.02  # for what is lost in computing the bound itself


def pays(encoder: Float[Tensor, "atoms d_model"], *, tokens: int) -> bool:
    """Whether this is faster than a product in float32, for so many tokens."""
    return HAS_BFLOAT16 and tokens >= _TOKENS and encoder.numel() >= _NUMBERS


class RoughEncoder:
    """An encoder in bfloat16, and the most that its products can be off.

    Rounded factors take a product by |x - x'| |e| + |x'| |e - e'| at most, to which comes what sums in float32 lose.
    """

    def __init__(self, encoder: Float[Tensor, "atoms d_model"], bias: Float[Tensor, " atoms"]) -> None:
        self.exact = encoder.contiguous().numpy(), bias.contiguous().numpy()
        self.encoder, self.bias = encoder.bfloat16(), bias.bfloat16()
        sizes = [_sizes(*parts) for parts in zip(encoder.split(_ATOMS), self.encoder.split(_ATOMS), strict=True)]
        self.norm, self.lost = (torch.cat(each).max().item() for each in zip(*sizes, strict=True))
        self.largest_bias, self.lost_of_bias = bias.abs().max().item(), (bias - self.bias).abs().max().item()

    def activations(self, x: Float[Tensor, "rows d_model"]) -> Float[Tensor, "rows atoms"]:
        """Rounded to bfloat16, from what is rounded to it."""
        return row_products(x.bfloat16(), self.encoder, bias=self.bias)

    def errors(self, x: Float[Tensor, "rows d_model"]) -> Float[Tensor, " rows"]:
        """How far an activation of each token can be off, before it is rounded itself."""
        norms, lost = _sizes(x, x.bfloat16())
        in_sums = (x.shape[1] + 8) * 2.0**-23 * (norms * self.norm + self.largest_bias)  # of those in float32, too
        return _ROOM * (lost * self.norm + norms * self.lost + in_sums + self.lost_of_bias)

    def select(
        self,
        x: Float[Tensor, "rows d_model"],
        values: Float[Tensor, "rows k"],
        indices: Int[Tensor, "rows k"],
        scratch: tuple[np.ndarray, np.ndarray],
    ) -> bool:
        """Write the k strongest codes of each token; False where that cannot be told this way.

        That is where a number is not finite, and where a token has hardly k positive activations.
        """
        return _loops.select_near(
            self.activations(x).view(torch.int16).numpy(),
            self.errors(x).numpy(),
            (x.contiguous().numpy(), *self.exact),
            values.view(torch.int32).numpy(),
            indices.numpy(),
            (*scratch, np.empty(1, np.float32)),
        )


def _sizes(
    rows: Float[Tensor, "rows columns"], rounded: Float[Tensor, "rows columns"]
) -> tuple[Float[Tensor, " rows"], Float[Tensor, " rows"]]:
    """The norm of each row, and of what it loses in rounding."""
    return rows.norm(dim=1), (rows - rounded).norm(dim=1)
