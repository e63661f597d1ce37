"""Sparse encode and decode with exact gradients, and codes in a dictionary without an encoder.

`cpu` is for float32 on a CPU, `gpu` for float32 where there are CUDA and Triton, and `sparse` for everything else, with
`dense` for codes that are not sparse and `rows` for atoms of unit norm; `reference` has the formulas that all of them
are tested against. On a GPU the encoder's product of `encode_topk` and `topk_pass` takes its factors in bfloat16;
everything else is float32. Without an encoder codes are those of `pursuit`, `orthogonal` or `descent`.
"""

import importlib
from functools import cache
from importlib.util import find_spec
from types import ModuleType

from jaxtyping import Float
from torch import Tensor, float32, ones, zeros

from reseed.kernels import dense, rows, sparse
from reseed.kernels._codes import (
    Codes,
    GatedPass,
    Gradients,
    JumpPass,
    Nested,
    Pass,
    Pursuit,
    compress,
    densify,
    fired,
    least,
)
from reseed.kernels._nearest import Nearest, nearest
from reseed.kernels.dense import encode_gated, encode_jump, encode_relu

__all__ = [
    "Codes",
    "GatedPass",
    "Gradients",
    "JumpPass",
    "Nearest",
    "Nested",
    "Pass",
    "Pursuit",
    "batchtopk_pass",
    "codes_pass",
    "compress",
    "coordinate_codes",
    "decode",
    "densify",
    "encode_batchtopk",
    "encode_gated",
    "encode_jump",
    "encode_relu",
    "encode_topk",
    "fired",
    "gated_pass",
    "jump_pass",
    "least",
    "matryoshka_pass",
    "mix",
    "nearest",
    "nonnegative_codes",
    "normalise",
    "orthogonal_pursuit",
    "prepare",
    "pursue",
    "pursuit_pass",
    "relu_pass",
    "row_gradients",
    "simplex_codes",
    "topk_pass",
    "without_parallel",
]


def encode_topk(
    x: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    bias: Float[Tensor, "runs atoms"],
    *,
    k: int,
) -> Codes:
    """The k largest of relu(encoder x + bias) for each token; among equals the lowest index wins."""
    return _for(x).encode_topk(x, encoder, bias, k=k)


def encode_batchtopk(
    x: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    bias: Float[Tensor, "runs atoms"],
    *,
    k: int,
) -> Codes:
    """The k x batch largest of each run's relu(encoder x + bias), as many places for a token as the longest has.

    Among equals the first token's wins, and of a token's the lowest index. A token's atoms come in their own order.
    """
    return _without_triton(x).encode_batchtopk(x, encoder, bias, k=k)


def decode(codes: Codes, dictionary: Float[Tensor, "runs atoms d_model"]) -> Float[Tensor, "runs batch d_model"]:
    """The sum of each token's atoms, weighted by its codes."""
    return _for(dictionary).decode(codes, dictionary)


def row_gradients(
    codes: Codes,
    weights: Float[Tensor, "runs batch k"],
    rows: Float[Tensor, "runs batch columns"],
    *,
    n_atoms: int,
) -> Float[Tensor, "runs atoms columns"]:
    """For each atom the sum over its tokens of weight times row: the gradient of anything that has a row per atom."""
    return _for(rows).row_gradients(codes, weights, rows, n_atoms=n_atoms)


def topk_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    encoder_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    k: int,
    penalty: float = 0.0,
) -> Pass:
    """The largest k codes z of u, what they leave, and the exact gradients of mean((x_hat - u)^2) + penalty sum(z)."""
    return _for(u).topk_pass(u, encoder, encoder_bias, dictionary, k=k, penalty=penalty)


def codes_pass(
    codes: Codes,
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    dictionary: Float[Tensor, "runs atoms d_target"],
    *,
    penalty: float = 0.0,
    target: Float[Tensor, "runs batch d_target"] | None = None,
) -> Pass:
    """The same from codes z = encoder u + bias of any choice of atoms, which counts as fixed.

    A token has as many places as the one with the most active atoms. What chooses them has no gradient. A target is
    reconstructed in place of u; no decoder bias is inside it, and the gradient for the one in u is that of the codes.
    """
    return _for(u).codes_pass(codes, u, encoder, dictionary, penalty=penalty, target=target)


def batchtopk_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    encoder_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    k: int,
    penalty: float = 0.0,
) -> Pass:
    """The codes z of u that `encode_batchtopk` keeps, what they leave, and the exact gradients as of `topk_pass`."""
    if _is_for_cpu(u):
        return _cpu().batchtopk_pass(u, encoder, encoder_bias, dictionary, k=k, penalty=penalty)
    codes = sparse.encode_batchtopk(u, encoder, encoder_bias, k=k)
    return codes_pass(codes, u, encoder, dictionary, penalty=penalty)._replace(least=least(codes.values))


def matryoshka_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    encoder_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    k: int,
    nested: Nested,
    penalty: float = 0.0,
) -> Pass:
    """The same codes, and the exact gradients of the nested dictionaries' weighted errors + penalty sum(z).

    The residual is that of all atoms; `error` is what the weighted mean squared errors add up to.
    """
    weights = (encoder, encoder_bias, dictionary)
    return _without_triton(u).matryoshka_pass(u, *weights, k=k, nested=nested, penalty=penalty)


def relu_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    encoder_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    penalty: float,
) -> Pass:
    """Codes z of u, what they leave, and the exact gradients of mean((x_hat - u)^2) + penalty sum(z)."""
    kernels = _cpu() if _is_for_cpu(u) else dense
    return kernels.relu_pass(u, encoder, encoder_bias, dictionary, penalty=penalty)


def jump_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    encoder_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    threshold: Float[Tensor, "runs atoms"],
    bandwidth: float,
) -> JumpPass:
    """Codes z = encoder u + bias above thresholds >= 0, what they leave, and gradients of mean((x_hat - u)^2).

    They are exact. Thresholds have none of their own: what straight-through ones are made of comes beside them.
    """
    kernels = _cpu() if _is_for_cpu(u) else dense
    return kernels.jump_pass(u, encoder, encoder_bias, dictionary, threshold=threshold, bandwidth=bandwidth)


def gated_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    gate_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    log_gain: Float[Tensor, "runs atoms"],
    magnitude_bias: Float[Tensor, "runs atoms"],
    penalty: float,
    teach_decoder: bool = False,
) -> GatedPass:
    """Codes z of u behind open gates a = relu(encoder u + gate_bias), what both leave, and exact gradients.

    z = relu(exp(log_gain) encoder u + magnitude_bias) where a > 0. The gradients are those of mean((x_hat - u)^2) +
    penalty sum(a) + mean((a D - u)^2), whose last term counts D and the decoder's bias as fixed unless it may teach
    them as well.
    """
    kernels = _cpu() if _is_for_cpu(u) else dense
    behind = {"log_gain": log_gain, "magnitude_bias": magnitude_bias, "teach_decoder": teach_decoder}
    return kernels.gated_pass(u, encoder, gate_bias, dictionary, penalty=penalty, **behind)


def mix(
    weights: Float[Tensor, "runs atoms points"], points: Float[Tensor, "runs points d_model"]
) -> Float[Tensor, "runs atoms d_model"]:
    """The sums of each run's points, weighted by weights that are not negative."""
    return _cpu().mix(weights, points) if _is_for_cpu(weights) else weights @ points


def pursue(
    u: Float[Tensor, "runs batch d_model"], dictionary: Float[Tensor, "runs atoms d_model"], *, k: int
) -> tuple[Codes, Float[Tensor, "runs batch d_model"]]:
    """The unit atoms that k rounds of matching pursuit take from each token, in this order, and what is left."""
    return _module("pursuit").pursue(u, dictionary, k=k)


def pursuit_pass(
    u: Float[Tensor, "runs batch d_model"], dictionary: Float[Tensor, "runs atoms d_model"], *, k: int
) -> Pursuit:
    """What k rounds leave of u, and the exact gradients of mean(left^2), the choice of atoms being as it is."""
    return _module("pursuit").pursuit_pass(u, dictionary, k=k)


def orthogonal_pursuit(
    u: Float[Tensor, "runs batch d_model"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    k: int,
    positive: bool = False,
) -> Float[Tensor, "runs batch atoms"]:
    """The codes of the at most k unit atoms that orthogonal matching pursuit takes from each token, dense.

    They are those that fit best, of both signs or, where they are positive, above 0.
    """
    return _module("orthogonal").orthogonal_pursuit(u, dictionary, k=k, positive=positive)


def nonnegative_codes(
    products: Float[Tensor, "runs batch atoms"], gram: Float[Tensor, "runs atoms atoms"], *, rounds: int = 50
) -> Float[Tensor, "runs batch atoms"]:
    """Codes z >= 0 that make ||u - z D||^2 small, from u D' and D D': smallest, after enough rounds.

    Where hundreds of atoms are active this is much faster than `coordinate_codes`, and less exact.
    """
    return _module("splitting").nonnegative_codes(products, gram, rounds=rounds)


def simplex_codes(
    products: Float[Tensor, "runs batch atoms"],
    gram: Float[Tensor, "runs atoms atoms"],
    *,
    start: Float[Tensor, "runs batch atoms"] | None = None,
    tolerance: float = 1e-7,
) -> Float[Tensor, "runs batch atoms"]:
    """The codes z >= 0 with sum 1 that make ||u - z D||^2 least, from u D' and D D', perhaps beginning with given ones.

    By half of that they are at most tolerance (max_i |u . d_i| + mean_i |d_i|^2) from the least, for each token.
    """
    return _module("simplex").simplex_codes(products, gram, start=start, tolerance=tolerance)


def coordinate_codes(
    products: Float[Tensor, "runs batch atoms"],
    gram: Float[Tensor, "runs atoms atoms"],
    *,
    l1: float = 0.0,
    positive: bool = False,
    start: Float[Tensor, "runs batch atoms"] | None = None,
    tolerance: float = 1e-6,
    sweeps: int = 1000,
) -> Float[Tensor, "runs batch atoms"]:
    """The codes z that make 1/2 ||u - z D||^2 + l1 |z|_1 smallest, from u D' and D D'; z >= 0 where they are positive.

    That is the lasso, the non-negative lasso, and with l1 = 0 non-negative least squares; atoms may have any length.
    The codes of a token have settled when none is further from its own best, the others as they are, than tolerance
    times the token's largest |product| over the atom's squared length. After so many sweeps it keeps what it has.
    They begin at `start`, or at 0.
    """
    ends = {"start": start, "tolerance": tolerance, "sweeps": sweeps}
    return _module("descent").coordinate_codes(products, gram, l1=l1, positive=positive, **ends)


def normalise(atoms: Float[Tensor, "*stack d_model"]) -> None:
    """Divide atoms by their norm, in place; a zero atom stays zero."""
    (_gpu() if _is_for_gpu(atoms) else rows).normalise(atoms)


def without_parallel(
    gradients: Float[Tensor, "runs atoms d_model"], atoms: Float[Tensor, "runs atoms d_model"]
) -> Float[Tensor, "runs atoms d_model"]:
    """Gradients for unit atoms without the component along the atom."""
    return (_gpu() if _is_for_gpu(atoms) else rows).without_parallel(gradients, atoms)


def prepare() -> None:
    """Load and compile what a training on the CPU calls, in this thread: several at once would wait for each other."""
    tiny = ones(1, 2, 2)
    topk_pass(tiny, tiny, zeros(1, 2), tiny, k=1)


def _for(tensor: Tensor) -> ModuleType:
    """The kernels for a tensor like this one."""
    if _is_for_cpu(tensor):
        return _cpu()
    return _gpu() if _is_for_gpu(tensor) else sparse


def _without_triton(tensor: Tensor) -> ModuleType:
    """The same for what the kernels with Triton do not have."""
    return _cpu() if _is_for_cpu(tensor) else sparse


def _is_for_cpu(tensor: Tensor) -> bool:
    return tensor.dtype == float32 and tensor.device.type == "cpu"


def _is_for_gpu(tensor: Tensor) -> bool:
    return tensor.dtype == float32 and tensor.is_cuda and _has_triton()


@cache
def _gpu() -> ModuleType:
    """The kernels that bring Triton along."""
    return importlib.import_module("reseed.kernels.gpu")


@cache
def _cpu() -> ModuleType:
    """The kernels that bring numba along: a finished study is read sooner without."""
    return importlib.import_module("reseed.kernels.cpu")


@cache
def _module(name: str) -> ModuleType:
    """The same for ways to find codes that not every study needs."""
    return importlib.import_module(f"reseed.kernels.{name}")


@cache
def _has_triton() -> bool:
    """Whether Triton is installed: it comes with the torch that is built for a GPU, but not on every system."""
    return find_spec("triton") is not None
