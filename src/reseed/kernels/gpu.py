"""Encode and decode on a GPU, with the promises of `sparse`; float32 tensors, and bfloat16 in the encoder's product.

That product takes bfloat16 inputs and sums in float32; all else reads the float32 weights as they are. Nothing uses
atomics, every sum has an order of its own, and no block looks at how many runs there are: the same bits at every call,
alone or in company.

Importing this file takes Triton; with TRITON_INTERPRET=1 set before, the same kernels run on CPU tensors, slowly.

What a step has to do, at 8 runs x 4,096 tokens, 16,384 atoms, d_model 768 and k = 64: the product is 0.8 TFLOP and is
left to cuBLAS, run by run, so that its 2 GB of float32 results pass through one buffer. They are written once and read
once, for the largest of every group of atoms: a token's k largest atoms lie in the k groups whose largest are largest,
and those are all that is read again. The reconstruction gathers 6 GB of rows, and the same rows, still in registers,
give the gradients of the codes; each gradient by atom gathers 6 GB, most of it from the GPU's cache.
`benchmarks/on_gpu/parts.py` has what each part takes.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from triton import cdiv, next_power_of_2

from reseed.kernels import _triton
from reseed.kernels._codes import Codes, Gradients, Pass

__all__ = [
    "codes_pass",
    "decode",
    "encode_topk",
    "normalise",
    "product",
    "row_gradients",
    "topk_pass",
    "without_parallel",
]

BUFFER = 2**26
"""Numbers in the buffer of pre-activations: 4,096 tokens at 16,384 atoms, 256 MiB."""
NARROWEST = 8
"""Atoms of a group, at the least: what a GPU reads at a time are 32 bytes."""
TOPS = 2048
"""Atoms whose groups' tops one program finds."""
PER_WARP = 1024
"""Numbers that a warp looks through: with fewer it waits more often for others, with more its registers overflow."""
MOST_WARPS = 32
"""Of one program."""
ROWS = 2048
"""Numbers of a token's rows that one warp holds at a time: with more warps each waits for the others' sums."""
SEGMENT = 256
"""Tokens of an atom that one warp sums; an atom with more of them is shared out among several."""
COLUMNS = 1024
"""Columns that one warp sums at the most."""
FUSED = {"enable_fp_fusion": True}  # said aloud, as the warps are, because Triton's defaults change with its version


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
    codes = _in_order_of_atoms(x, encoder, bias, k)
    values, places = codes.values.sort(dim=-1, descending=True, stable=True)  # among equals the lower index stays first
    return Codes(values, codes.indices.gather(-1, places))


def _in_order_of_atoms(x: Tensor, encoder: Tensor, bias: Tensor, k: int) -> Codes:
    runs, batch, _ = x.shape
    n_atoms = encoder.shape[1]
    n_tokens = max(1, BUFFER // n_atoms)
    x_rounded, encoder_rounded, bias = x.bfloat16(), encoder.bfloat16(), bias.contiguous()
    codes = Codes(
        torch.empty(runs, batch, k, device=x.device), torch.empty(runs, batch, k, dtype=torch.int64, device=x.device)
    )
    for run in range(runs):
        for first in range(0, batch, n_tokens):
            some = slice(first, first + n_tokens)
            products = product(x_rounded[run, some], encoder_rounded[run])
            _select(products, bias[run], Codes(codes.values[run, some], codes.indices[run, some]))
    return codes


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
    return _sums(_segments(codes.indices, n_atoms), weights, rows, n_atoms)[0]


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
    return codes_pass(_in_order_of_atoms(u, encoder, encoder_bias, k), u, encoder, dictionary, penalty=penalty)


def codes_pass(
    codes: Codes,
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    dictionary: Float[Tensor, "runs atoms d_target"],
    *,
    penalty: float = 0.0,
    target: Float[Tensor, "runs batch d_target"] | None = None,
) -> Pass:
    """What codes of any choice of atoms leave of u, or a target, and the gradients of mean(left^2) + penalty sum(z)."""
    n_atoms = dictionary.shape[1]
    seen = u if target is None else target
    factor = 2 / seen[0].numel()
    residual, for_codes = _residual(codes, dictionary, seen, factor, penalty)
    segments = _segments(codes.indices, n_atoms, filled=codes.values != 0)
    for_dictionary, _ = _sums(segments, codes.values * factor, residual, n_atoms)
    for_encoder, for_bias = _sums(segments, for_codes, u, n_atoms)
    for_decoder = torch.stack([-bias @ rows for bias, rows in zip(for_bias, encoder, strict=True)])
    if target is None:
        for_decoder += factor * torch.stack([rows.sum(0) for rows in residual])
    gradients = Gradients(for_dictionary, for_encoder, for_bias, for_decoder)
    fired = (segments.ends > segments.begins)[: for_bias.numel()].view_as(for_bias)
    return Pass(residual, (codes.values > 0).sum((1, 2)), codes.values.sum((1, 2)), fired, gradients)


def normalise(rows: Float[Tensor, "*stack d_model"]) -> None:
    """Divide rows by their norm, in place; a zero row stays zero."""
    together = rows if rows.is_contiguous() else rows.contiguous()
    n_columns = rows.shape[-1]
    with torch.cuda.device_of(rows):
        _triton.normalise[rows.numel() // n_columns,](together, n_columns, **_row_tile(n_columns))
    if together is not rows:
        rows.copy_(together)


def without_parallel(
    gradients: Float[Tensor, "runs atoms d_model"], atoms: Float[Tensor, "runs atoms d_model"]
) -> Float[Tensor, "runs atoms d_model"]:
    """Gradients for unit atoms without the component along the atom."""
    across = torch.empty(gradients.shape, device=gradients.device)
    n_columns = gradients.shape[-1]
    with torch.cuda.device_of(gradients):
        _triton.without_parallel[gradients.numel() // n_columns,](
            gradients.contiguous(), atoms.contiguous(), across, n_columns, **_row_tile(n_columns)
        )
    return across


def _row_tile(n_columns: int) -> dict[str, int]:
    columns = min(2048, next_power_of_2(n_columns))
    return FUSED | {"COLUMNS": columns, "num_warps": max(4, columns // 256)}


def _select(products: Tensor, bias: Tensor, codes: Codes) -> None:
    """Write each token's k largest codes: chosen among all atoms, or among the k groups with the largest tops."""
    n_tokens, n_atoms = products.shape
    k = codes.values.shape[-1]
    width = _width(n_atoms, k)
    with torch.cuda.device_of(products):
        if width < NARROWEST:
            numbers = next_power_of_2(n_atoms)
            _triton.select[n_tokens,](products, bias, *codes, n_atoms, k, ATOMS=numbers, **_launch(numbers))
            return
        n_groups, at_once = cdiv(n_atoms, width), max(1, TOPS // width)
        tops, bounds = (torch.empty(n_tokens, n, dtype=torch.int32, device=products.device) for n in (n_groups, 1))
        groups = torch.empty(n_tokens, k, dtype=torch.int32, device=products.device)
        _triton.group_tops[n_tokens, cdiv(n_groups, at_once)](
            products, bias, tops, n_atoms, n_groups, GROUPS=at_once, WIDTH=width, num_warps=4, **FUSED
        )
        numbers = next_power_of_2(n_groups)
        _triton.select_groups[n_tokens,](tops, groups, bounds, n_groups, k, GROUPS=numbers, **_launch(numbers))
        numbers = next_power_of_2(k * width)
        _triton.select_among[n_tokens,](
            products, bias, groups, bounds, *codes, n_atoms, k, ATOMS=numbers, WIDTH=width, **_launch(numbers)
        )


def _width(n_atoms: int, k: int) -> int:
    """Atoms of a group such that there are about as many groups as atoms in k of them."""
    return 2 ** round(math.log2(n_atoms / k) / 2)


def _launch(numbers: int) -> dict[str, Any]:
    return FUSED | {"num_warps": min(MOST_WARPS, max(1, numbers // PER_WARP))}


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
    columns = min(next_power_of_2(d_model), max(32, ROWS // places))  # of a row 128 bytes at the least
    return FUSED | {"PLACES": places, "COLUMNS": columns, "num_warps": max(1, places * columns // ROWS)}


def _segments(
    indices: Int[Tensor, "runs batch k"], n_atoms: int, *, filled: Bool[Tensor, "runs batch k"] | None = None
) -> _Segments:
    """The plan for sums by atom, over all places or those that are filled.

    No size in it depends on the data, so the host waits for nothing.
    """
    runs, _, k = indices.shape
    n_rows = runs * n_atoms
    run = torch.arange(runs, device=indices.device).view(-1, 1, 1)
    rows = indices + n_atoms * run
    if filled is not None:
        rows = rows.where(filled, n_rows)  # after all others, where nobody sums
    atoms, order = rows.int().flatten().sort(stable=True)
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


def _sums(segments: _Segments, weights: Tensor, rows: Tensor, n_atoms: int) -> tuple[Tensor, Tensor]:
    """For each atom the weighted sum of rows, and the sum of the weights."""
    runs, _, n_columns = rows.shape
    columns = min(COLUMNS, next_power_of_2(n_columns))
    n_segments, n_further = len(segments.begins), len(segments.owners)
    sums, totals = (torch.empty(n_segments, n, device=rows.device) for n in (n_columns, 1))
    with torch.cuda.device_of(rows):
        _triton.sum_segments[n_segments, cdiv(n_columns, columns)](
            segments.begins, segments.ends, segments.tokens, weights.flatten()[segments.order], rows.contiguous(),
            sums, totals, n_columns, PLACES=min(SEGMENT, COLUMNS // columns), COLUMNS=columns, num_warps=1, **FUSED,
        )  # fmt: skip
        if n_further:
            for each, width in ((sums, columns), (totals, 1)):
                _triton.join_segments[n_further, cdiv(each.shape[1], width)](
                    segments.owners, each, n_segments - n_further, n_further, each.shape[1],
                    COLUMNS=width, num_warps=1, **FUSED,
                )  # fmt: skip
    first = slice(runs * n_atoms)
    return sums[first].view(runs, n_atoms, n_columns), totals[first].view(runs, n_atoms)
