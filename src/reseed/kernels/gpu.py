"""Encode and decode on a GPU, with the promises of `sparse`; float32 tensors, and bfloat16 in the encoder's product.

That product takes bfloat16 inputs and sums in float32; all else reads the float32 weights as they are. Nothing uses
atomics, every sum has an order of its own, and no block looks at how many runs there are: the same bits at every call,
alone or in company.

Importing this file takes Triton; with TRITON_INTERPRET=1 set before, the same kernels run on CPU tensors, slowly.

What a step has to do, at 8 runs x 4,096 tokens, 16,384 atoms, d_model 768 and k = 64: the product is 0.8 TFLOP and is
left to cuBLAS, run by run, so that its 2 GB of float32 results pass through one buffer; they are written once and read
once, since a row of them, or a stretch of it, fits in registers, where the k largest are found by counting. The
reconstruction gathers 6 GB of rows, and the same rows, still in registers, give the gradients of the codes; each
gradient by atom gathers 6 GB. `benchmarks/on_gpu/parts.py` has what each part takes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from triton import cdiv, next_power_of_2

from reseed.kernels import _triton
from reseed.kernels._codes import Codes, Gradients, Pass

__all__ = ["decode", "encode_topk", "product", "row_gradients", "topk_pass"]

BUFFER = 2**26
"""Numbers in the buffer of pre-activations: 4,096 tokens at 16,384 atoms, 256 MiB."""
STRETCH = 16384
"""Atoms of a token that one program chooses among, in registers; what several choose is sorted together."""
TILE = 4096
"""Numbers that a program holds in registers while it sums rows, a row's width in columns at the most."""
SEGMENT = 256
"""Tokens of an atom that one program sums; an atom with more of them is shared out among several."""
PER_WARP = 2048
"""Numbers that a warp holds: with fewer it waits more often for others, with more its registers overflow."""
LAUNCH = {"num_warps": 4, "enable_fp_fusion": True}  # said aloud, because Triton's defaults change with its version


class _Segments(NamedTuple):
    """The places of a batch's codes, side by side by atom; first each atom's first segment, then all further ones."""

    order: Int[Tensor, " places"]
    tokens: Int[Tensor, " places"]
    begins: Int[Tensor, " segments"]
    ends: Int[Tensor, " segments"]
    owners: Int[Tensor, " further"]
    """The atom of each further segment, counted through all runs; their number where there is no such segment."""


def encode_topk(
    x: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    bias: Float[Tensor, "runs atoms"],
    *,
    k: int,
) -> Codes:
    """The k largest of relu(encoder x + bias) for each token; among equals the lowest index wins.

    Exact for the pre-activations that were computed: products of bfloat16 numbers, summed and compared in float32.
    """
    runs, batch, _ = x.shape
    n_tokens = max(1, BUFFER // encoder.shape[1])
    x_rounded, encoder_rounded, bias = x.bfloat16(), encoder.bfloat16(), bias.contiguous()
    stretches = cdiv(encoder.shape[1], STRETCH)
    keys = torch.full((runs, batch, stretches * k), -1, device=x.device)  # a stretch may have fewer than k atoms
    for run in range(runs):
        for first in range(0, batch, n_tokens):
            some = slice(first, first + n_tokens)
            products = product(x_rounded[run, some], encoder_rounded[run])
            _select(products, bias[run], keys[run, some], k)
    # they come in the order of the atoms; as integers they sort by value, and among equals by the lower index
    keys = keys.sort(dim=-1, descending=True).values[..., :k]
    values = (keys >> 32).int().view(torch.float32)
    return Codes(values, _triton.INDEX_BITS.value - (keys & _triton.INDEX_BITS.value))


def product(
    x: Float[Tensor, "tokens d_model"], encoder: Float[Tensor, "atoms d_model"]
) -> Float[Tensor, "tokens atoms"]:
    """Pre-activations of one run without their bias: bfloat16 in, float32 sums out."""
    if x.is_cuda and "dtype" in torch.ops.aten.mm.overloads():  # from torch 2.8 on
        return torch.mm(x, encoder.T, out_dtype=torch.float32)
    return x.float() @ encoder.float().T  # the same, since a product of two bfloat16 numbers is exact in float32


def decode(codes: Codes, dictionary: Float[Tensor, "runs atoms d_model"]) -> Float[Tensor, "runs batch d_model"]:
    """The sum of each token's atoms, weighted by its codes."""
    runs, batch, k = codes.values.shape
    _, n_atoms, d_model = dictionary.shape
    x_hat = torch.empty(runs, batch, d_model, device=dictionary.device)
    with torch.cuda.device_of(x_hat):
        _triton.decode[runs * batch,](
            codes.values.contiguous(), codes.indices.contiguous(), dictionary.contiguous(), x_hat,
            batch, n_atoms, d_model, k, **_token_tile(k, d_model)
        )  # fmt: skip
    return x_hat


def row_gradients(
    codes: Codes,
    weights: Float[Tensor, "runs batch k"],
    rows: Float[Tensor, "runs batch columns"],
    *,
    n_atoms: int,
) -> Float[Tensor, "runs atoms columns"]:
    """For each atom the sum over its tokens of weight times row: the gradient of anything that has a row per atom."""
    return _sums(_segments(codes.indices, n_atoms), weights, rows, n_atoms)


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
    codes = encode_topk(u, encoder, encoder_bias, k=k)
    n_atoms = dictionary.shape[1]
    factor = 2 / u[0].numel()
    residual, for_codes = _residual(codes, dictionary, u, factor, penalty)
    segments = _segments(codes.indices, n_atoms)
    ones = u.new_ones(*u.shape[:2], 1)
    active = codes.values > 0
    for_bias = _sums(segments, for_codes, ones, n_atoms).squeeze(-1)
    gradients = Gradients(
        dictionary=_sums(segments, codes.values * factor, residual, n_atoms),
        encoder=_sums(segments, for_codes, u, n_atoms),
        encoder_bias=for_bias,
        decoder_bias=torch.stack(
            [factor * residual[run].sum(0) - for_bias[run] @ encoder[run] for run in range(len(u))]
        ),
    )
    fired = _sums(segments, active.float(), ones, n_atoms).squeeze(-1) > 0
    return Pass(residual, active.sum((1, 2)), codes.values.sum((1, 2)), fired, gradients)


def _select(products: Tensor, bias: Tensor, keys: Tensor, k: int) -> None:
    n_tokens, n_atoms = products.shape
    atoms = min(STRETCH, next_power_of_2(n_atoms))
    tokens = max(1, PER_WARP // atoms)
    launch = LAUNCH | {"num_warps": max(4, atoms // PER_WARP)}
    with torch.cuda.device_of(products):
        _triton.select[cdiv(n_tokens, tokens), keys.shape[-1] // k](
            products, bias, keys, n_tokens, n_atoms, k,
            TOKENS=tokens, ATOMS=atoms, **launch,
        )  # fmt: skip


def _residual(codes: Codes, dictionary: Tensor, x: Tensor, factor: float, penalty: float) -> tuple[Tensor, Tensor]:
    """What x_hat leaves of x, and the gradients of the codes: factor times its products with the rows, plus penalty."""
    runs, batch, k = codes.values.shape
    _, n_atoms, d_model = dictionary.shape
    residual = torch.empty(runs, batch, d_model, device=x.device)
    gradients = torch.empty(runs, batch, k, device=x.device)
    with torch.cuda.device_of(x):
        _triton.leave_residual[runs * batch,](
            codes.values.contiguous(), codes.indices.contiguous(), dictionary.contiguous(), x.contiguous(),
            residual, gradients, batch, n_atoms, d_model, k, factor, penalty, **_token_tile(k, d_model)
        )  # fmt: skip
    return residual, gradients


def _token_tile(k: int, d_model: int) -> dict[str, int]:
    """All of a token's places, and as many columns of their rows as fit beside them."""
    places = next_power_of_2(max(1, k))
    return {"PLACES": places, "COLUMNS": max(1, min(next_power_of_2(d_model), TILE // places))} | LAUNCH


def _segments(indices: Int[Tensor, "runs batch k"], n_atoms: int) -> _Segments:
    """The plan for sums by atom; no size in it depends on the data, so the host waits for nothing."""
    runs, _, k = indices.shape
    n_rows = runs * n_atoms
    run = torch.arange(runs, device=indices.device).view(-1, 1, 1)
    atoms, order = (indices + n_atoms * run).int().flatten().sort(stable=True)
    starts = torch.searchsorted(atoms, torch.arange(n_rows + 1, dtype=torch.int32, device=indices.device))
    stops = starts[1:]
    n_further = (stops - starts[:-1] - 1).clamp(min=0) // SEGMENT
    last = n_further.cumsum(0)  # how many further segments there are up to each atom: finds the owner of any of them
    further = torch.arange(len(order) // SEGMENT, device=indices.device)  # no data can ask for more
    owners = torch.searchsorted(last, further, right=True)
    owner = owners.clamp(max=n_rows - 1)
    begins = starts[owner] + SEGMENT * (further - (last - n_further)[owner] + 1)
    begins = torch.cat([starts[:-1], torch.where(owners < n_rows, begins, stops[owner])])
    ends = torch.minimum(begins + SEGMENT, torch.cat([stops, stops[owner]]))
    return _Segments(order, order // k, begins, ends, owners)


def _sums(segments: _Segments, weights: Tensor, rows: Tensor, n_atoms: int) -> Tensor:
    runs, _, n_columns = rows.shape
    columns = min(512, next_power_of_2(n_columns))
    n_further = len(segments.owners)
    sums = torch.empty(len(segments.begins), n_columns, device=rows.device)
    blocks = cdiv(n_columns, columns)
    with torch.cuda.device_of(rows):
        _triton.sum_segments[len(sums), blocks](
            segments.begins, segments.ends, segments.tokens, weights.flatten()[segments.order], rows.contiguous(), sums,
            n_columns, PLACES=min(SEGMENT, TILE // columns), COLUMNS=columns, **LAUNCH,
        )  # fmt: skip
        if n_further:
            _triton.join_segments[n_further, blocks](
                segments.owners, sums, len(sums) - n_further, n_further, n_columns, COLUMNS=columns, **LAUNCH
            )
    return sums[: runs * n_atoms].unflatten(0, (runs, n_atoms))
