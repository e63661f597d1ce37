"""What `gpu` launches: kernels that take what they read, what they write, sizes, and the shape of a program's tile."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import triton
import triton.language as tl

__all__ = [
    "decode",
    "group_tops",
    "join_segments",
    "leave_residual",
    "normalise",
    "select",
    "select_among",
    "select_groups",
    "sum_segments",
    "without_parallel",
]

NAN_BITS = tl.constexpr(0x7FC00000)
OCTAVE = tl.constexpr(1 << 23)
LARGEST_STRIDE = tl.constexpr(1 << 29)


def _kernel(function: Callable[..., object]) -> Any:  # noqa: ANN401 (what it is depends on TRITON_INTERPRET)
    return triton.jit(inspect.unwrap(function))


@_kernel
def _largest(bits: tl.tensor, low: tl.tensor, k: tl.tensor) -> tuple[tl.tensor, tl.tensor]:
    """Which are the k largest of some numbers, the first ones among equals, and a bound that all of these reach.

    At least k of them have to be >= `low`. A search finds `low` and `high` such that at least k numbers are >= low and
    fewer than k are >= high; it ends where exactly k are >= low, or where nothing lies between the two, so that the
    numbers that are one too many all equal low. It goes down from the largest number by growing powers of two, since
    the k-th is seldom far below, and then halves.
    """
    n_low = tl.sum(tl.where(bits >= low, 1, 0), 0)
    high = tl.max(bits, 0) + 1
    n_high = tl.full((), 0, tl.int32)
    stride = tl.full((), OCTAVE, tl.int32)  # one step of the exponent: from the largest value to its half
    while (high - low > 1) & (n_low > k):
        middle = tl.maximum(low + (high - low) // 2, high - stride)
        n = tl.sum(tl.where(bits >= middle, 1, 0), 0)
        enough = n >= k
        low, n_low = tl.where(enough, middle, low), tl.where(enough, n, n_low)
        high, n_high = tl.where(enough, high, middle), tl.where(enough, n_high, n)
        stride = tl.minimum(2 * stride, LARGEST_STRIDE)
    chosen = bits >= low
    if n_low > k:  # ties at the k-th number
        too_many = chosen & (bits < high)
        early = tl.cumsum(tl.where(too_many, 1, 0), 0) <= k - n_high
        chosen = chosen & (early | (bits >= high))
    return chosen, low  # pyrefly: ignore[bad-return] (comparing tensors gives a tensor)


@_kernel
def group_tops(
    products: tl.tensor,
    bias: tl.tensor,
    tops: tl.tensor,
    n_atoms: tl.tensor,
    n_groups: tl.tensor,
    GROUPS: tl.constexpr,
    WIDTH: tl.constexpr,
) -> None:
    """The largest of relu(products + bias) in every group of WIDTH atoms of one token, as bits."""
    token = tl.program_id(0).to(tl.int64)
    groups = tl.program_id(1) * GROUPS + tl.arange(0, GROUPS)
    atoms = groups[:, None] * WIDTH + tl.arange(0, WIDTH)[None, :]
    bits = _bits_of(products + token * n_atoms, bias, atoms, atoms < n_atoms)
    tl.store(tops + token * n_groups + groups, tl.max(bits, 1), mask=groups < n_groups)


@_kernel
def select_groups(
    tops: tl.tensor, groups: tl.tensor, bounds: tl.tensor, n_groups: tl.tensor, k: tl.tensor, GROUPS: tl.constexpr
) -> None:
    """The k groups of one token with the largest tops, in their order, and a bound that all of these reach.

    They hold its k largest atoms: a group that is left out has k atoms before each of its own.
    """
    token = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, GROUPS)
    bits = tl.load(tops + token * n_groups + columns, mask=columns < n_groups, other=-1)
    chosen, bound = _largest(bits, tl.full((), 0, tl.int32), k)
    tl.store(groups + token * k + tl.cumsum(chosen.to(tl.int32), 0) - 1, columns, mask=chosen)
    tl.store(bounds + token, bound)


@_kernel
def select_among(
    products: tl.tensor,
    bias: tl.tensor,
    groups: tl.tensor,
    bounds: tl.tensor,
    values: tl.tensor,
    indices: tl.tensor,
    n_atoms: tl.tensor,
    k: tl.tensor,
    ATOMS: tl.constexpr,
    WIDTH: tl.constexpr,
) -> None:
    """The k largest of relu(products + bias) among one token's k groups of WIDTH atoms, in the order of the atoms."""
    token = tl.program_id(0).to(tl.int64)
    places = tl.arange(0, ATOMS)
    group = tl.load(groups + token * k + places // WIDTH, mask=places < k * WIDTH, other=0)
    atoms = group * WIDTH + places % WIDTH
    bits = _bits_of(products + token * n_atoms, bias, atoms, (places < k * WIDTH) & (atoms < n_atoms))
    chosen, _ = _largest(bits, tl.load(bounds + token), k)
    _write(bits, atoms, chosen, values + token * k, indices + token * k)


@_kernel
def select(
    products: tl.tensor,
    bias: tl.tensor,
    values: tl.tensor,
    indices: tl.tensor,
    n_atoms: tl.tensor,
    k: tl.tensor,
    ATOMS: tl.constexpr,
) -> None:
    """The k largest of relu(products + bias) among all atoms of one token, in the order of the atoms."""
    token = tl.program_id(0).to(tl.int64)
    atoms = tl.arange(0, ATOMS)
    bits = _bits_of(products + token * n_atoms, bias, atoms, atoms < n_atoms)
    chosen, _ = _largest(bits, tl.full((), 0, tl.int32), k)
    _write(bits, atoms, chosen, values + token * k, indices + token * k)


@_kernel
def _bits_of(products: tl.tensor, bias: tl.tensor, atoms: tl.tensor, there: tl.tensor) -> tl.tensor:
    """relu(products + bias) of some atoms as integers in the same order, and -1 where there is none.

    Neither -inf nor NaN may pass for an inactive atom: both come before all numbers.
    """
    values = tl.load(products + atoms, mask=there, other=0.0) + tl.load(bias + atoms, mask=there, other=0.0)
    finite = values > float("-inf")  # nor is NaN
    bits = tl.where(finite, tl.where(values > 0, values, 0.0).to(tl.int32, bitcast=True), NAN_BITS)
    return tl.where(there, bits, -1)


@_kernel
def _write(bits: tl.tensor, atoms: tl.tensor, chosen: tl.tensor, values: tl.tensor, indices: tl.tensor) -> None:
    """What is chosen, side by side."""
    places = tl.cumsum(chosen.to(tl.int32), 0) - 1
    tl.store(values + places, bits.to(tl.float32, bitcast=True), mask=chosen)
    tl.store(indices + places, atoms.to(tl.int64), mask=chosen)


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
    totals: tl.tensor,
    n_columns: tl.tensor,
    PLACES: tl.constexpr,
    COLUMNS: tl.constexpr,
) -> None:
    """The weighted sum of the rows of one segment's tokens, and the sum of the weights; 0 where it is empty."""
    segment = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    begin, end = tl.load(begins + segment), tl.load(ends + segment)
    total = tl.zeros([PLACES, COLUMNS], tl.float32)
    of_weights = tl.zeros([PLACES], tl.float32)
    for first in range(begin, end, PLACES):
        places = first + tl.arange(0, PLACES)
        weight = tl.load(weights + places, mask=places < end, other=0.0)
        token = tl.load(tokens + places, mask=places < end, other=0)
        total += weight[:, None] * _rows(rows, token, columns, n_columns, places < end)
        of_weights += weight
    if tl.program_id(1) == 0:
        tl.store(totals + segment, tl.sum(of_weights, 0))
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


@_kernel
def normalise(rows: tl.tensor, n_columns: tl.tensor, COLUMNS: tl.constexpr) -> None:
    """Divide one row by its norm, in place; a zero row stays zero."""
    row = rows + tl.program_id(0).to(tl.int64) * n_columns
    squares = tl.zeros([COLUMNS], tl.float32)
    for first in range(0, n_columns, COLUMNS):
        columns = first + tl.arange(0, COLUMNS)
        part = tl.load(row + columns, mask=columns < n_columns, other=0.0)
        squares += part * part
    norm = tl.sqrt_rn(tl.sum(squares, 0)) + 1e-8
    for first in range(0, n_columns, COLUMNS):
        columns = first + tl.arange(0, COLUMNS)
        part = tl.load(row + columns, mask=columns < n_columns, other=0.0)
        tl.store(row + columns, tl.div_rn(part, norm), mask=columns < n_columns)


@_kernel
def without_parallel(
    gradients: tl.tensor, atoms: tl.tensor, across: tl.tensor, n_columns: tl.tensor, COLUMNS: tl.constexpr
) -> None:
    """The gradient for one unit atom without the component along the atom."""
    row = tl.program_id(0).to(tl.int64) * n_columns
    products = tl.zeros([COLUMNS], tl.float32)
    for first in range(0, n_columns, COLUMNS):
        columns = first + tl.arange(0, COLUMNS)
        there = columns < n_columns
        gradient = tl.load(gradients + row + columns, mask=there, other=0.0)
        products += gradient * tl.load(atoms + row + columns, mask=there, other=0.0)
    along = tl.sum(products, 0)
    for first in range(0, n_columns, COLUMNS):
        columns = first + tl.arange(0, COLUMNS)
        there = columns < n_columns
        gradient = tl.load(gradients + row + columns, mask=there, other=0.0)
        atom = tl.load(atoms + row + columns, mask=there, other=0.0)
        tl.store(across + row + columns, gradient - along * atom, mask=there)
