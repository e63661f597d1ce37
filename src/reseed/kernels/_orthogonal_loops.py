"""The loops of orthogonal matching pursuit, for one run; arrays are C-contiguous float32 unless said otherwise."""

import numpy as np

from reseed._support.jit import compiled

__all__ = ["take"]

_SIZE_BITS = np.int32(0x7FFFFFFF)  # all but the sign: of what they say, integers are ordered as the numbers are


@compiled
def take(
    products: np.ndarray,
    gram: np.ndarray,
    codes: np.ndarray,
    k: int,
    positive: bool,  # noqa: FBT001 (compiled loops take everything by position)
    nothing: float,
    singular: float,
) -> None:
    """Let each token take atoms, one in each round, until it has k or none fits.

    Args:
        products: (tokens, n) of the token with all atoms.
        gram: (n, n) products of atoms.
        codes: (tokens, n), overwritten.
        k: the most atoms of a token.
        positive: whether codes have to be above 0: an atom whose code is not is left again.
        nothing: share of a token's largest product that no longer counts as a fit.
        singular: share of an atom's squared length that has to be left of it by the atoms that were taken.
    """
    left = np.empty(products.shape[1], np.float32)
    taken, root = np.empty(k, np.int64), np.empty((k, k), np.float64)
    old, new = np.empty(k, np.float64), np.empty(k, np.float64)
    for token in range(len(products)):
        product = products[token]
        left[:] = product
        codes[token] = 0
        count, limit = 0, nothing * np.abs(product).max()
        for _ in range(3 * k):  # with codes of both signs k rounds; of an atom that is left others may come back
            best = _first_largest(left, positive)
            fit = left[best] if positive else abs(left[best])
            if count == k or fit <= limit or not _extend(root, gram, taken, count, best, singular):
                break
            old[count] = 0.0
            count += 1
            _solve(root, product, taken, new, count)
            if positive:
                count = _without_negative(root, gram, product, taken, old, new, count, singular)
            old[:count] = new[:count]
            left[:] = product
            for place in range(count):
                _take_off(left, gram[taken[place]], np.float32(new[place]))
            if count == 0 or taken[count - 1] != best:
                break  # rounding has chosen it
        for place in range(count):
            codes[token, taken[place]] = new[place]


@compiled
def _without_negative(
    root: np.ndarray,
    gram: np.ndarray,
    product: np.ndarray,
    taken: np.ndarray,
    old: np.ndarray,
    new: np.ndarray,
    count: int,
    singular: float,
) -> int:
    """Leave atoms until all codes that fit best are above 0 (@lawson1995solving); how many atoms remain."""
    while True:
        share = 1.0
        for place in range(count):
            share = min(share, _share_to_zero(old[place], new[place]))
        kept = 0
        for place in range(count):
            if not new[place] <= 0 or _share_to_zero(old[place], new[place]) > share:
                taken[kept], old[kept] = taken[place], old[place] + share * (new[place] - old[place])
                kept += 1
        if kept == count:
            return count
        count = kept
        for place in range(count):
            _extend(root, gram, taken, place, taken[place], singular)
        _solve(root, product, taken, new, count)


@compiled
def _share_to_zero(old: float, new: float) -> float:
    """How much of the way from one code to another is above 0: 1 at most."""
    if new > 0:
        return 1.0
    return old / (old - new) if old > 0 else 0.0


@compiled
def _first_largest(left: np.ndarray, positive: bool) -> int:  # noqa: FBT001 (the same)
    """The first of the largest numbers, or of the largest sizes; 0 where none is above 0."""
    bits, mask = left.view(np.int32), np.int32(-1) if positive else _SIZE_BITS
    top = np.int32(0)
    for i in range(len(bits)):
        top = max(top, bits[i] & mask)
    for i in range(len(bits)):
        if bits[i] & mask == top:
            return i
    return 0


@compiled
def _extend(root: np.ndarray, gram: np.ndarray, taken: np.ndarray, count: int, atom: int, singular: float) -> bool:
    """Add an atom, and its row to the Cholesky factor; False where the others leave nothing of it."""
    square = np.float64(gram[atom, atom])
    for a in range(count):
        rest = np.float64(gram[atom, taken[a]])
        for b in range(a):
            rest -= root[count, b] * root[a, b]
        root[count, a] = rest / root[a, a]
        square -= root[count, a] ** 2
    if square <= singular * gram[atom, atom]:
        return False
    root[count, count] = np.sqrt(square)
    taken[count] = atom
    return True


@compiled
def _solve(root: np.ndarray, product: np.ndarray, taken: np.ndarray, codes: np.ndarray, count: int) -> None:
    """The codes that fit best."""
    for a in range(count):
        rest = np.float64(product[taken[a]])
        for b in range(a):
            rest -= root[a, b] * codes[b]
        codes[a] = rest / root[a, a]
    for back in range(count):
        a = count - 1 - back
        codes[a] /= root[a, a]
        for b in range(a):
            codes[b] -= root[a, b] * codes[a]


@compiled
def _take_off(left: np.ndarray, row: np.ndarray, amount: np.float32) -> None:
    for i in range(len(left)):
        left[i] -= amount * row[i]
