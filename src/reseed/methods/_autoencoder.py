"""The sparse autoencoder that the methods of this package share: encoder, biases and the units they work in.

    codes            z = relu(E u + b_enc), perhaps only the largest k, with u = x / scale - b_dec     (eq. 1 and 2)
    reconstruction   x_hat = scale (z D + b_dec)
    loss             mean((u - z D)^2) + l1 (sum of a token's z) / sqrt(d_model)                       (eq. 3)

Equations are those of docs/mathematics.md. Dividing by the scale of the activations makes learning rates, penalties and
radii mean the same on every model; with scale 1 it is the published form. A snapshot has no scale: it holds the same
function of x with E u + b_enc multiplied out, so that codes are relu(E x + b_enc) and x_hat = z D + b_dec.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reseed import kernels
from reseed.dice import Die, generator
from reseed.methods._base import BatchOutcome, Parameters, StartPoint, State
from reseed.methods._gradient import GradientMethod

__all__ = [
    "Autoencoder",
    "CodedAutoencoder",
    "best_factor",
    "check_k",
    "encode_topk",
    "encoder_parts",
    "first_bias",
    "inputs",
    "no_larger_factor",
    "outcome",
    "parameters",
    "penalty_per_code",
    "reconstruction",
    "unit_of",
    "unit_rows",
]

EncoderStart = Literal["tied", "independent"]


class Autoencoder(GradientMethod, ABC):
    """An autoencoder of the form above; its leaves say what the dictionary is and how codes become sparse.

    The state has `encoder`, `encoder_bias`, `decoder_bias` and `scale`, whether trained or not, and what the dictionary
    is made of.
    """

    encoder_start: EncoderStart = "tied"
    """`tied`: encoder directions start as the dictionary's; `independent`: random directions from the encoder die."""
    encoder_bias: bool = True
    """Whether the encoder's bias, 0 at the start, is trained."""
    rescale: bool = True
    """Whether activations, and points, are divided by the scale of the activations first; False: published form."""

    @abstractmethod
    def dictionary(self, state: Mapping[str, Tensor]) -> Float[Tensor, "runs atoms d_model"]:
        """The atoms, as they stand."""

    def parameters(self, state: Mapping[str, Tensor]) -> Parameters:
        """`atoms`, `encoder`, `encoder_bias` and `decoder_bias`, and what is `beside` them."""
        return parameters(state, self.dictionary(state)) | self.beside(state)

    def beside(self, state: Mapping[str, Tensor]) -> Parameters:
        """What else a snapshot holds: nothing by default."""
        del state
        return {}

    @property
    def dice(self) -> frozenset[Die]:
        """Those of any method that learns by gradients, and the encoder's where that starts independently."""
        own: set[Die] = {"encoder"} if self.encoder_start == "independent" else set()
        return super().dice | own


class CodedAutoencoder(Autoencoder, ABC):
    """An autoencoder that says apart what its dictionary is and how its codes are made and paid.

    One class does the first and takes gradients from the dictionary on; another one, or the leaf, does the second.
    """

    @property
    @abstractmethod
    def most_active(self) -> int:
        """The most atoms that a token can have, or has on average: for so many the encoder's size is fitted."""

    @property
    def also_trained(self) -> tuple[str, ...]:
        """What of the codes Adam updates, beside the encoder and its bias: nothing by default."""
        return ()

    def also(self, state: Mapping[str, Tensor], point: StartPoint) -> State:
        """What else a state has at step 0, from the rest of it: nothing by default."""
        del state, point
        return {}

    def project_codes(self, state: State) -> None:
        """Put the constraints of the codes back, in place: there are none by default."""

    def restart(self, state: State, dead: Bool[Tensor, "runs atoms"]) -> tuple[str, ...]:
        """What codes have of an atom back at its start for some of them, in place; the names of what that changed."""
        del state, dead
        return ()

    @abstractmethod
    def through_codes(
        self,
        state: Mapping[str, Tensor],
        u: Float[Tensor, "runs batch d_model"],
        dictionary: Float[Tensor, "runs atoms d_model"],
    ) -> tuple[dict[str, Tensor], BatchOutcome]:
        """Gradients for `dictionary`, `encoder`, both biases and what is `also_trained`, and the batch's outcome."""


def unit_rows(rows: Float[Tensor, "*stack d_model"]) -> Float[Tensor, "*stack d_model"]:
    """Rows divided by their norm; a zero row stays zero."""
    units = rows.clone()
    kernels.normalise(units)
    return units


def check_k(k: int, n_atoms: int) -> None:
    """Raises ValueError where a token cannot have k active atoms."""
    if k > n_atoms:
        raise ValueError(f"k = {k} active atoms of n_atoms = {n_atoms}: k must be at most n_atoms")


def unit_of(point: StartPoint, *, rescale: bool) -> float:
    """What activations are divided by: their scale, or 1 (published form, or activations that are all equal)."""
    return point.scale if rescale and point.scale > 0 else 1.0


def encoder_parts(
    point: StartPoint,
    dictionary: Float[Tensor, "atoms d_model"],
    rolled_encoder: int,
    *,
    k: int,
    start: EncoderStart,
    decoder_bias: bool,
    rescale: bool,
) -> State:
    """Encoder, biases and scale of one run at step 0, as a stack of width 1.

    A start may say the encoder. Otherwise its directions are those of the dictionary, or random and unit; its size is
    one factor fitted to `point.sample`, so that activations and atoms of any norm start with an error that training can
    take down. For a tied encoder it is the factor with the least error, far below 1 where many atoms say the same. A
    random encoder, whose best factor is nearly 0, would forget its directions within a few steps: it only shrinks where
    the first reconstruction would be larger than the activations.
    """
    scale = unit_of(point, rescale=rescale)
    bias = first_bias(point, scale) if decoder_bias else torch.zeros_like(point.mean, dtype=torch.float32)
    if point.encoder is not None:
        return _parts(point.encoder.float(), bias, scale)
    if start == "tied":
        encoder = unit_rows(dictionary)
    else:
        encoder = unit_rows(torch.randn(dictionary.shape, generator=generator(rolled_encoder)))
    u = point.sample / scale - bias
    # codes are linear in the encoder's size, top-k and all, as long as its bias is 0: one reconstruction is enough
    x_hat = reconstruction(u, encoder, dictionary, k=k)
    size = best_factor(u, x_hat) if start == "tied" else no_larger_factor(u, x_hat)
    return _parts(encoder * size, bias, scale)


def first_bias(point: StartPoint, scale: float) -> Float[Tensor, " d_model"]:
    """The decoder's bias at step 0, in the method's units: what the start says, or the mean activation."""
    return (point.mean if point.bias is None else point.bias).float() / scale


def _parts(encoder: Float[Tensor, "atoms d_model"], bias: Float[Tensor, " d_model"], scale: float) -> State:
    return {
        "encoder": encoder.unsqueeze(0),
        "encoder_bias": torch.zeros(1, len(encoder)),
        "decoder_bias": bias.unsqueeze(0),
        "scale": torch.tensor([scale]),
    }


def reconstruction(
    u: Float[Tensor, "tokens d_model"],
    encoder: Float[Tensor, "atoms d_model"],
    dictionary: Float[Tensor, "atoms d_written"],
    *,
    k: int,
) -> Float[Tensor, "tokens d_written"]:
    """What the k largest codes of each token give."""
    codes = kernels.encode_topk(u.unsqueeze(0), encoder.unsqueeze(0), torch.zeros(1, len(encoder)), k=k)
    return kernels.decode(codes, dictionary.unsqueeze(0))[0]


def best_factor(u: Float[Tensor, "tokens d_model"], x_hat: Float[Tensor, "tokens d_model"]) -> float:
    """The a > 0 that makes ||u - a x_hat|| smallest; 1 where no such a is better than 0."""
    energy, overlap = x_hat.square().sum().item(), (x_hat * u).sum().item()
    return overlap / energy if overlap > 0 else 1.0


def no_larger_factor(u: Float[Tensor, "tokens d_model"], x_hat: Float[Tensor, "tokens d_model"]) -> float:
    """The largest a <= 1 with ||a x_hat|| <= ||u||; 1 where nothing fires."""
    norm = x_hat.norm().item()
    return min(1.0, u.norm().item() / norm) if norm > 0 else 1.0


def inputs(state: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]) -> Float[Tensor, "runs batch d_model"]:
    """What the encoder sees in training: activations in the method's units, without the decoder's bias (eq. 1)."""
    return x / state["scale"].view(-1, 1, 1) - state["decoder_bias"].unsqueeze(1)


def parameters(state: Mapping[str, Tensor], dictionary: Float[Tensor, "runs atoms d_model"]) -> Parameters:
    """The four parts of a snapshot: relu(encoder x + encoder_bias) is scale relu(E u + b_enc), whatever the scale."""
    scale = state["scale"].unsqueeze(1)
    # scale (E (x / scale - b_dec) + b_enc) = E x + scale (b_enc - E b_dec): E needs no scale, the biases do
    shift = torch.bmm(state["encoder"], state["decoder_bias"].unsqueeze(-1)).squeeze(-1)
    return {
        "atoms": dictionary.clone(),
        "encoder": state["encoder"].clone(),
        "encoder_bias": (state["encoder_bias"] - shift) * scale,
        "decoder_bias": state["decoder_bias"] * scale,
    }


def encode_topk(
    parameters: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"], *, k: int
) -> Float[Tensor, "runs batch atoms"]:
    """The largest k of a snapshot's relu(encoder x + encoder_bias), dense."""
    codes = kernels.encode_topk(x, parameters["encoder"], parameters["encoder_bias"], k=k)
    return kernels.densify(codes, n_atoms=parameters["encoder"].shape[1])


def penalty_per_code(u: Float[Tensor, "runs batch d_model"], l1: float) -> float:
    """What a unit of one code adds to the loss of eq. 3, whose penalty is a mean over tokens."""
    return l1 / (u.shape[1] * u.shape[2] ** 0.5)


def outcome(passed: kernels.Pass, *, penalty: float = 0.0) -> BatchOutcome:
    """The loss of eq. 3, or of the error that a pass says that it minimised, and which atoms fired.

    `penalty` is that per code.
    """
    residual, error = passed.residual, passed.error
    if error is None:
        error = residual.square().sum((1, 2)) / residual[0].numel()
    return BatchOutcome(loss=error + penalty * passed.code_sum, fired=passed.fired, least=passed.least)
