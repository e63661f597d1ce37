"""What `gpu` launches: kernels that take what they read, what they write, sizes, and the shape of a program's tile."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import triton
import triton.language as tl

__all__ = ["decode", "join_segments", "leave_residual", "select", "sum_segments"]

NAN_BITS = tl.constexpr(0x7FC00000)
INDEX_BITS = tl.constexpr(0x7FFFFFFF)
OCTAVE = tl.constexpr(1 << 23)
LARGEST_STRIDE = tl.constexpr(1 << 29)


def _kernel(function: Callable[..., object]) -> Any:  # noqa: ANN401 (what it is depends on TRITON_INTERPRET)
    return triton.jit(inspect.unwrap(function))


@_kernel
def select(
    products: tl.tensor,
    bias: tl.tensor,
    keys: tl.tensor,
    n_tokens: tl.tensor,
    n_atoms: tl.tensor,
    k: tl.tensor,
    TOKENS: tl.constexpr,
    ATOMS: tl.constexpr,
) -> None:
    """The k largest of relu(products + bias) of a stretch of the atoms, for each token.

    As keys: the value's bits, then how early the atom comes.

    Bits of numbers that are not negative are in the numbers' own order. A search finds `low` and `high` such that at
    least k values are >= low and fewer than k are >= high; it ends where exactly k are >= low, or where nothing lies
    between the two, so that the values that are one too many all equal low. It goes down from the largest value by
    growing powers of two, since the k-th is seldom far below, and then halves.
    """
    tokens = tl.program_id(0) * TOKENS + tl.arange(0, TOKENS)
    first = tl.program_id(1) * ATOMS
    atoms = first + tl.arange(0, ATOMS)
    there = (tokens < n_tokens)[:, None] & (atoms < n_atoms)[None, :]
    at = tokens.to(tl.int64)[:, None] * n_atoms + atoms[None, :]
    values = tl.load(products + at, mask=there, other=0.0)
    values += tl.load(bias + atoms, mask=atoms < n_atoms, other=0.0)[None, :]
    finite = values > float("-inf")  # nor is NaN; neither may pass for an inactive atom, and both come first
    bits = tl.where(finite, tl.where(values > 0, values, 0.0).to(tl.int32, bitcast=True), NAN_BITS)
    bits = tl.where(there, bits, -1)
    low = tl.zeros([TOKENS], tl.int32)
    high = tl.max(bits, 1) + 1
    n_low = tl.zeros([TOKENS], tl.int32) + tl.minimum(n_atoms - first, ATOMS)
    n_high = tl.zeros([TOKENS], tl.int32)
    stride = OCTAVE  # one step of the exponent: from the largest value to its half
    searching = (high - low > 1) & (n_low > k)
    while tl.max(searching.to(tl.int32), 0) > 0:
        middle = tl.maximum(low + (high - low) // 2, high - stride)
        n = tl.sum((bits >= middle[:, None]).to(tl.int32), 1)
        low, n_low = tl.where(searching & (n >= k), middle, low), tl.where(searching & (n >= k), n, n_low)
        high, n_high = tl.where(searching & (n < k), middle, high), tl.where(searching & (n < k), n, n_high)
        stride = tl.minimum(2 * stride, LARGEST_STRIDE)
        searching = (high - low > 1) & (n_low > k)
    chosen = bits >= low[:, None]
    if tl.max(n_low, 0) > k:  # ties at the k-th value: the atoms that come first are chosen
        too_many = chosen & (bits < high[:, None])
        early = tl.cumsum(too_many.to(tl.int32), 1) <= (k - n_high)[:, None]
        chosen = chosen & (early | (bits >= high[:, None]))
    places = tl.cumsum(chosen.to(tl.int32), 1) - 1
    # flipped index bits: of equal values the lower index is the larger key
    key = (bits.to(tl.int64) << 32) | (atoms ^ INDEX_BITS).to(tl.int64)[None, :]
    stretch = tokens.to(tl.int64) * tl.num_programs(1) + tl.program_id(1)
    tl.store(keys + stretch[:, None] * k + places, key, mask=chosen)


@_kernel
def _rows(
    dictionary: tl.tensor, rows: tl.tensor, columns: tl.tensor, d_model: tl.tensor, there: tl.tensor
) -> tl.tensor:
    """Some columns of some rows, in float32; 0 where a row or a column is not there."""
    at = rows.to(tl.int64)[:, None] * d_model + columns[None, :]
    return tl.load(dictionary + at, mask=there[:, None] & (columns < d_model)[None, :], other=0.0).to(tl.float32)


@_kernel
def decode(
    values: tl.tensor,
    indices: tl.tensor,
    dictionary: tl.tensor,
    x_hat: tl.tensor,
    batch: tl.tensor,
    n_atoms: tl.tensor,
    d_model: tl.tensor,
    k: tl.tensor,
    PLACES: tl.constexpr,
    COLUMNS: tl.constexpr,
) -> None:
    """The weighted sum of one token's rows."""
    token = tl.program_id(0).to(tl.int64)
    places = tl.arange(0, PLACES)
    value = tl.load(values + token * k + places, mask=places < k, other=0.0)
    rows = tl.load(indices + token * k + places, mask=places < k, other=0) + token // batch * n_atoms
    for first in range(0, d_model, COLUMNS):
        columns = first + tl.arange(0, COLUMNS)
        tile = _rows(dictionary, rows, columns, d_model, value != 0)
        tl.store(x_hat + token * d_model + columns, tl.sum(value[:, None] * tile, 0), mask=columns < d_model)


@_kernel
def leave_residual(
    values: tl.tensor,
    indices: tl.tensor,
    dictionary: tl.tensor,
    x: tl.tensor,
    residual: tl.tensor,
    gradients: tl.tensor,
    batch: tl.tensor,
    n_atoms: tl.tensor,
    d_model: tl.tensor,
    k: tl.tensor,
    factor: tl.tensor,
    penalty: tl.tensor,
    PLACES: tl.constexpr,
    COLUMNS: tl.constexpr,
) -> None:
    """What one token's reconstruction leaves, and factor times its products with the rows, read once, plus penalty."""
    token = tl.program_id(0).to(tl.int64)
    places = tl.arange(0, PLACES)
    value = tl.load(values + token * k + places, mask=places < k, other=0.0)
    rows = tl.load(indices + token * k + places, mask=places < k, other=0) + token // batch * n_atoms
    total = tl.zeros([PLACES], tl.float32)
    for first in range(0, d_model, COLUMNS):
        columns = first + tl.arange(0, COLUMNS)
        tile = _rows(dictionary, rows, columns, d_model, value > 0)  # read once, for the sum and for the gradients
        left = tl.sum(value[:, None] * tile, 0)
        left -= tl.load(x + token * d_model + columns, mask=columns < d_model, other=0.0)
        tl.store(residual + token * d_model + columns, left, mask=columns < d_model)
        total += tl.sum(tile * left[None, :], 1)
    for_values = tl.where(value > 0, factor * total + penalty, 0.0)
    tl.store(gradients + token * k + places, for_values, mask=places < k)


@_kernel
def sum_segments(
    begins: tl.tensor,
    ends: tl.tensor,
    tokens: tl.tensor,
    weights: tl.tensor,
    rows: tl.tensor,
    sums: tl.tensor,
    n_columns: tl.tensor,
    PLACES: tl.constexpr,
    COLUMNS: tl.constexpr,
) -> None:
    """The weighted sum of the rows of one segment's tokens; 0 where the segment is empty."""
    segment = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    begin, end = tl.load(begins + segment), tl.load(ends + segment)
    total = tl.zeros([PLACES, COLUMNS], tl.float32)
    for first in range(begin, end, PLACES):
        places = first + tl.arange(0, PLACES)
        weight = tl.load(weights + places, mask=places < end, other=0.0)
        token = tl.load(tokens + places, mask=places < end, other=0)
        total += weight[:, None] * _rows(rows, token, columns, n_columns, places < end)
    tl.store(sums + segment * n_columns + columns, tl.sum(total, 0), mask=columns < n_columns)


@_kernel
def join_segments(
    owners: tl.tensor,
    sums: tl.tensor,
    n_rows: tl.tensor,
    n_further: tl.tensor,
    n_columns: tl.tensor,
    COLUMNS: tl.constexpr,
) -> None:
    """Add an atom's further segments to its first, in order; the program of the first of them does it."""
    further = tl.program_id(0)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    owner = tl.load(owners + further)
    before = tl.load(owners + further - 1, mask=further > 0, other=-1)
    if (owner < n_rows) & (owner != before):
        at = sums + owner.to(tl.int64) * n_columns + columns
        total = tl.load(at, mask=columns < n_columns, other=0.0)
        mine = further
        while tl.load(owners + mine, mask=mine < n_further, other=n_rows) == owner:
            total += tl.load(sums + (n_rows + mine).to(tl.int64) * n_columns + columns, mask=columns < n_columns)
            mine += 1
        tl.store(at, total, mask=columns < n_columns)
