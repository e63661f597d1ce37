"""The loops of coordinate descent, for one run; arrays are C-contiguous float32 unless said otherwise."""

import numpy as np

from reseed._support.jit import compiled

__all__ = ["descend"]

_SHORT = 10  # sweeps over some codes alone before a step, or a quarter of their number: a step costs its third power
_SINGULAR = 1e-7  # share of an atom's squared length that others must leave of it for a step: what float32 can tell


@compiled
def descend(
    products: np.ndarray,
    gram: np.ndarray,
    codes: np.ndarray,
    l1: float,
    positive: bool,  # noqa: FBT001 (compiled loops take everything by position)
    tolerance: float,
    sweeps: int,
) -> None:
    """Move the codes of each token until they settle.

    A token alternates between one sweep over all of its codes, a few over those that are not 0, which need only the
    products of these atoms with each other, and a step towards the minimum for those that are not 0, which a system of
    equations gives. The step is what ends it where atoms are much alike. Sums are in double precision.

    Args:
        products: (tokens, n) of the token with all atoms.
        gram: (n, n) products of atoms.
        codes: (tokens, n), where to begin, in place.
        l1: price of a unit of a code.
        positive: whether codes may not fall below 0.
        tolerance: how far a code may be from its own best, of the token's largest product.
        sweeps: the most for a token, long and short ones.
    """
    n = products.shape[1]
    code, slope, active = np.empty(n, np.float64), np.empty(n, np.float64), np.empty(n, np.int64)
    for token in range(len(products)):
        code[:] = codes[token]
        limit = tolerance * np.abs(products[token]).max()
        left = sweeps
        _slope_of(products[token], gram, code, slope)
        while left > 0 and _one_moves(gram, code, slope, l1, positive, limit):
            _sweep(gram, code, slope, l1, positive)
            left -= 1
            if left > 0:
                few = active[: _active_in(code, active)]
                left -= _settle(gram, code, slope, few, l1, positive, limit / 2, left)
            _slope_of(products[token], gram, code, slope)
        codes[token] = code


@compiled
def _best(code: float, slope: float, square: float, l1: float, positive: bool) -> float:  # noqa: FBT001 (the same)
    """What one code would best be while all others stay."""
    if square <= 0:
        return code
    pull = slope + code * square
    if pull > l1:
        return (pull - l1) / square
    return (pull + l1) / square if pull < -l1 and not positive else 0.0


@compiled
def _slope_of(product: np.ndarray, gram: np.ndarray, code: np.ndarray, slope: np.ndarray) -> None:
    """Put the products of the atoms with what the codes leave into `slope`."""
    slope[:] = product
    for i in range(len(code)):
        if code[i] != 0:
            _take(slope, gram[i], code[i])


@compiled
def _one_moves(
    gram: np.ndarray,
    code: np.ndarray,
    slope: np.ndarray,
    l1: float,
    positive: bool,  # noqa: FBT001 (the same)
    limit: float,
) -> bool:
    for i in range(len(code)):
        best = _best(code[i], slope[i], gram[i, i], l1, positive)
        if abs(best - code[i]) * gram[i, i] > limit:
            return True
    return False


@compiled
def _sweep(gram: np.ndarray, code: np.ndarray, slope: np.ndarray, l1: float, positive: bool) -> None:  # noqa: FBT001 (the same)
    for i in range(len(code)):
        best = _best(code[i], slope[i], gram[i, i], l1, positive)
        if best != code[i]:
            _take(slope, gram[i], best - code[i])
            code[i] = best


@compiled
def _active_in(code: np.ndarray, active: np.ndarray) -> int:
    count = 0
    for i in range(len(code)):
        if code[i] != 0:
            active[count] = i
            count += 1
    return count


@compiled
def _settle(
    gram: np.ndarray,
    code: np.ndarray,
    slope: np.ndarray,
    active: np.ndarray,
    l1: float,
    positive: bool,  # noqa: FBT001 (the same)
    limit: float,
    sweeps: int,
) -> int:
    """Sweep over the active codes alone, and step if some still move after a while; how many sweeps it took."""
    few = len(active)
    sweeps = min(sweeps, max(_SHORT, few // 4))
    among, rest = np.empty((few, few), np.float32), np.empty(few, np.float64)
    for a in range(few):
        rest[a] = slope[active[a]]
        row = gram[active[a]]
        for b in range(few):
            among[a, b] = row[active[b]]
    for sweep in range(sweeps):
        moved = 0.0
        for a in range(few):
            i = active[a]
            best = _best(code[i], rest[a], among[a, a], l1, positive)
            change = best - code[i]
            if change != 0:
                moved = max(moved, abs(change) * among[a, a])
                _take(rest, among[a], change)
                code[i] = best
        if moved <= limit:
            return sweep + 1
    _step(among, code, rest, active, l1)
    return sweeps


@compiled
def _step(among: np.ndarray, code: np.ndarray, rest: np.ndarray, active: np.ndarray, l1: float) -> None:
    """Move the codes that are not 0 to the minimum for their signs, or as far as the first that it takes to 0.

    Without a step where that minimum is not a single one.
    """
    few, members = 0, np.empty(len(active), np.int64)
    for a in range(len(active)):
        if code[active[a]] != 0:
            members[few] = a
            few += 1
    root, change = np.empty((few, few), np.float64), np.empty(few, np.float64)
    for a in range(few):
        member = members[a]
        value = code[active[member]]
        change[a] = rest[member] - (l1 if value > 0 else -l1)
        for b in range(a + 1):
            root[a, b] = among[member, members[b]]
    if not _solve(root, change):
        return
    share, first = 1.0, -1
    for a in range(few):
        value = code[active[members[a]]]
        if (value + change[a]) * value < 0 and -value / change[a] < share:
            share, first = -value / change[a], a
    for a in range(few):
        code[active[members[a]]] += share * change[a]
    if first >= 0:
        code[active[members[first]]] = 0.0


@compiled
def _solve(root: np.ndarray, right: np.ndarray) -> bool:
    """Put x with A x = right in the place of `right`; A by its lower triangle, which becomes its Cholesky factor."""
    for a in range(len(right)):
        square = root[a, a]
        for b in range(a + 1):
            sum_ = root[a, b]
            for c in range(b):
                sum_ -= root[a, c] * root[b, c]
            if a == b:
                if sum_ <= _SINGULAR * square:
                    return False
                root[a, a] = np.sqrt(sum_)
            else:
                root[a, b] = sum_ / root[b, b]
    for a in range(len(right)):
        for b in range(a):
            right[a] -= root[a, b] * right[b]
        right[a] /= root[a, a]
    for back in range(len(right)):
        a = len(right) - 1 - back
        right[a] /= root[a, a]
        for b in range(a):
            right[b] -= root[a, b] * right[a]
    return True


@compiled
def _take(slope: np.ndarray, row: np.ndarray, amount: float) -> None:
    for i in range(len(slope)):
        slope[i] -= amount * row[i]
