"""The loops of the CPU kernels, for one run; arrays are C-contiguous float32 unless said otherwise.

Sparse codes are flat: the places of token t are starts[t] to starts[t + 1] in `values` and `indices` (int64). A value
of 0 is an empty place.
"""

import numpy as np

from reseed._support.jit import compiled

__all__ = [
    "at_least",
    "band_sums",
    "beyond",
    "by_atom",
    "decode",
    "jumps",
    "keep",
    "nested_residuals",
    "positives",
    "residuals",
    "row_sums",
    "select",
    "select_near",
    "unpack",
    "weight_sums",
]

_INFINITY = 0x7F800000  # bits of float32: everything from here on is inf or NaN
_NAN = 0x7FC00000
_MANY = 256  # keys, from which on sorting them is faster than to count for each how many are larger
_HALF = 2.0**-8  # to what bfloat16 rounds, and a little more
_NEIGHBOURS = 32  # entries whose largest is looked at first: few enough that mostly none of them reaches what it takes
_LAST = 0x7FFFFFFF  # an index is kept as its distance from here, so that among equal values the lowest index is largest


@compiled
def select(bits: np.ndarray, values: np.ndarray, indices: np.ndarray, maxima: np.ndarray, keys: np.ndarray) -> None:
    """For each row the k largest positive values, the largest first, and their indices; 0 where there are fewer.

    Floats are read as integers (`bits`, and `values` too), which positive ones are ordered like. Every g-th entry of a
    row belongs to group g. At least k groups reach the k-th largest of the groups' maxima, and so do at least k
    entries: those groups hold all that can win, which is little more than k.

    Args:
        bits: (rows, n) int32.
        values: (rows, k) int32, overwritten; the first value of a row with inf or NaN becomes NaN.
        indices: (rows, k) int64, overwritten.
        maxima: scratch of one int32 per group, at least k and at most n of them.
        keys: scratch of n + 1 int64.
    """
    n, k, n_groups = bits.shape[1], values.shape[1], len(maxima)
    for number in range(len(bits)):
        row = bits[number]
        _group_maxima(row, maxima)
        least = max(_reached_by(maxima, k), np.int32(1))
        count = 0
        for group in range(n_groups):
            if maxima[group] >= least:
                for i in range(group, n, n_groups):
                    # written in any case and counted if it is large enough: a branch here would be mispredicted often
                    keys[count] = (np.int64(row[i]) << 32) | np.int64(_LAST - i)
                    count += 1 if row[i] >= least else 0
        _write_largest(keys[:count], values[number], indices[number])
        if not _finite(row):
            values[number, 0] = _NAN


@compiled
def select_near(
    rough: np.ndarray,
    errors: np.ndarray,
    sides: tuple[np.ndarray, np.ndarray, np.ndarray],
    values: np.ndarray,
    indices: np.ndarray,
    scratch: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> bool:
    """The same from activations in bfloat16 whose error is bounded: what can win is computed again, in float32.

    At least k entries reach `least`, hence the k-th largest activation is at least that, less its rounding and the
    error; whatever is below that by more than the error cannot win. False where a row is not finite or has too many
    entries that can: nothing in `values` and `indices` counts then.

    Args:
        rough: (rows, n) int16, the bits of bfloat16 numbers.
        errors: (rows,) how far they can be from the activations, before they were rounded to bfloat16.
        sides: rows, encoder and its bias.
        values: (rows, k) int32, overwritten.
        indices: (rows, k) int64, overwritten.
        scratch: one int32 per group, at least k and at most n of them; n + 1 int64; and one float32.
    """
    x, encoder, bias = sides
    maxima, keys, number_in = scratch
    bits_in = number_in.view(np.int32)
    n, k, n_groups = rough.shape[1], values.shape[1], len(maxima)
    for number in range(len(rough)):
        row = rough[number]
        if not _finite_half(row):
            return False
        _group_maxima(row, maxima)
        for group in range(n_groups):
            maxima[group] = maxima[group] << 16
        bits_in[0] = _reached_by(maxima, k)
        cut = ((1.0 - _HALF) * number_in[0] - 2.0 * errors[number]) * (1.0 - _HALF)
        if cut <= 0.0:
            return False
        number_in[0] = cut
        least = bits_in[0] >> 16 << 16
        count = 0
        for group in range(n_groups):
            if maxima[group] >= least:
                for i in range(group, n, n_groups):
                    keys[count] = i
                    count += 1 if (np.int32(row[i]) << 16) >= least else 0
        if count > n // 8 + k:
            return False
        positive = 0
        for place in range(count):
            i = keys[place]
            number_in[0] = _product_of(x[number], encoder[i]) + bias[i]
            keys[positive] = (np.int64(bits_in[0]) << 32) | np.int64(_LAST - i)
            positive += 1 if number_in[0] > 0.0 else 0
        _write_largest(keys[:positive], values[number], indices[number])
    return True


@compiled
def _product_of(x: np.ndarray, y: np.ndarray) -> np.float32:
    total = np.float32(0.0)
    for j in range(len(x)):
        total += x[j] * y[j]
    return total


@compiled
def _finite_half(row: np.ndarray) -> bool:
    worst = np.int16(0)
    for i in range(len(row)):
        worst = max(worst, np.int16(row[i] & np.int16(0x7FFF)))
    return bool(worst < np.int16(0x7F80))


@compiled
def _write_largest(keys: np.ndarray, values: np.ndarray, indices: np.ndarray) -> None:
    """Take keys apart, the largest first; 0 where there are no more."""
    k, count = len(values), len(keys)
    if count > _MANY:
        keys.sort()
    for i in range(count):
        rank = count - 1 - i  # of a key that has been sorted
        if count <= _MANY:
            rank = 0
            for j in range(count):
                rank += 1 if keys[j] > keys[i] else 0
        if rank < k:
            values[rank] = np.int32(keys[i] >> 32)
            indices[rank] = _LAST - (keys[i] & _LAST)
    for empty in range(count, k):
        values[empty] = 0
        indices[empty] = 0


@compiled
def _group_maxima(row: np.ndarray, maxima: np.ndarray) -> None:
    n, n_groups = len(row), len(maxima)
    maxima[:] = row[:n_groups]
    # stretches of neighbours rather than one group after another, so that the loop is compiled to vector instructions
    for start in range(n_groups, n, n_groups):
        part = row[start : start + n_groups]
        for group in range(len(part)):
            maxima[group] = max(maxima[group], part[group])


@compiled
def _reached_by(maxima: np.ndarray, k: int) -> np.int32:
    """A threshold >= 0 that at least k of the maxima reach, or 0: bisected, close to the k-th largest."""
    low, high = np.int32(0), np.int32(0)
    for group in range(len(maxima)):
        high = max(high, maxima[group])
    for _ in range(16):  # halvings, after which hardly more than k reach it; a search to the end would cost more
        middle = np.int32(low + ((high - low) >> 1))
        reached = np.int32(0)
        for group in range(len(maxima)):
            reached += np.int32(1) if maxima[group] >= middle else np.int32(0)
        if reached >= k:
            low = middle
        else:
            high = middle
    return low


@compiled
def _finite(row: np.ndarray) -> bool:
    worst = np.int32(0)  # the largest bits without the sign: one pass without a branch
    for i in range(len(row)):
        worst = max(worst, np.int32(row[i] & np.int32(_LAST)))
    return bool(worst < _INFINITY)


@compiled
def at_least(
    bits: np.ndarray, begin: int, first: int, least: int, count: int, values: np.ndarray, places: np.ndarray
) -> tuple[int, int]:
    """Append the entries of some rows that are at least `least` to a list, row after row, as long as rows fit.

    Floats are read as integers, as in `select`. A row with inf or NaN has a NaN in the list, whatever else it has.

    Args:
        bits: (rows, n) int32.
        begin: the row to begin with.
        first: how many rows there were before these.
        least: bits, at least 1.
        count: entries in the list.
        values: (room) int32, the list.
        places: (room) int64, where each entry stands if all rows are one.

    Returns:
        The row to go on with, len(bits) where all are done, and the entries in the list.
    """
    n = bits.shape[1]
    for number in range(begin, len(bits)):
        if count + n + 1 > len(values):  # a whole row, and a NaN, since every entry is written before it is counted
            return number, count
        row, place = bits[number], np.int64(first + number) * n
        if not _finite(row):
            values[count] = _NAN
            places[count] = place
            count += 1
        for start in range(0, n, _NEIGHBOURS):
            end = min(start + _NEIGHBOURS, n)
            largest = np.int32(0)
            for i in range(start, end):
                largest = max(largest, row[i])
            if largest >= least:
                for i in range(start, end):
                    values[count] = row[i]
                    places[count] = place + i
                    count += 1 if row[i] >= least else 0
    return len(bits), count


@compiled
def keep(values: np.ndarray, places: np.ndarray, bound: int, equal: int) -> int:
    """Leave the entries above a bound and the first `equal` of those at it, in their order; returns how many."""
    kept = 0
    for entry in range(len(values)):
        value = values[entry]
        values[kept] = value
        places[kept] = places[entry]
        at_bound = value == bound and equal > 0
        equal -= 1 if at_bound else 0
        kept += 1 if value > bound or at_bound else 0
    return kept


@compiled
def unpack(places: np.ndarray, n: int, starts: np.ndarray) -> None:
    """Make places in one long row of all tokens the atoms of flat codes, in place, and count off where tokens start."""
    starts[:] = 0
    for entry in range(len(places)):
        token = places[entry] // n
        places[entry] -= token * n
        starts[token + 1] += 1
    for token in range(1, len(starts)):
        starts[token] += starts[token - 1]


@compiled
def beyond(
    activations: np.ndarray, lower: np.ndarray, starts: np.ndarray, values: np.ndarray, indices: np.ndarray
) -> bool:
    """Append the entries of each row that are above their column's bound (and NaN) to the flat codes.

    False: there are more than fit.

    Args:
        activations: (rows, n).
        lower: (n).
        starts: (rows + 1) int64: starts[0] is given, the others are overwritten.
        values: (places), overwritten.
        indices: (places) int64, overwritten.
    """
    n = activations.shape[1]
    count = starts[0]
    for number in range(len(activations)):
        if count + n > len(values):  # a whole row has to fit, since every entry is written before it is counted
            return False
        row = activations[number]
        for i in range(n):
            values[count] = row[i]
            indices[count] = i
            count += 0 if row[i] <= lower[i] else 1  # not `row[i] > lower[i]`, which NaN would not pass
        starts[number + 1] = count
    return True


@compiled
def positives(activations: np.ndarray, starts: np.ndarray, values: np.ndarray, indices: np.ndarray) -> bool:
    """The same for those above 0."""
    return beyond(activations, np.zeros(activations.shape[1], np.float32), starts, values, indices)


@compiled
def jumps(
    starts: np.ndarray,
    values: np.ndarray,
    indices: np.ndarray,
    threshold: np.ndarray,
    upper: np.ndarray,
    band_starts: np.ndarray,
    band_indices: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Keep of flat pre-activations those above their atom's threshold (and NaN), and list those below its upper bound.

    Args:
        starts: of each token; those that are kept move together, and all three arrays are overwritten.
        values: flat.
        indices: flat.
        threshold: of each atom.
        upper: of each atom.
        band_starts: (tokens + 1) int64, overwritten: where each token begins in the next.
        band_indices: (places) int64, overwritten: whatever is below `upper`, above the threshold or not.
        counts: (2, n_atoms) int64, overwritten: how many of each atom's are not above the threshold, and how many are.
    """
    kept, near = 0, 0
    begin = starts[0]
    band_starts[0] = 0
    counts[:] = 0
    for token in range(len(starts) - 1):
        end = starts[token + 1]
        for place in range(begin, end):
            value, atom = values[place], indices[place]
            inside = 1 if value < upper[atom] else 0
            active = 0 if value <= threshold[atom] else 1  # not `value > threshold[atom]`, as above
            band_indices[near] = atom
            near += inside
            counts[active, atom] += inside
            values[kept] = value
            indices[kept] = atom
            kept += active
        begin = end
        starts[token + 1] = kept
        band_starts[token + 1] = near


@compiled
def band_sums(
    starts: np.ndarray,
    indices: np.ndarray,
    dictionary: np.ndarray,
    residual: np.ndarray,
    factor: float,
    sums: np.ndarray,
) -> None:
    """For each atom `factor` times the sum over the tokens that list it of its product with the residual."""
    sums[:] = 0
    for token in range(len(residual)):
        row = residual[token]
        for place in range(starts[token], starts[token + 1]):
            atom = dictionary[indices[place]]
            product = np.float32(0)
            for d in range(len(row)):
                product += row[d] * atom[d]
            sums[indices[place]] += np.float32(factor) * product


@compiled
def decode(
    starts: np.ndarray, values: np.ndarray, indices: np.ndarray, dictionary: np.ndarray, x_hat: np.ndarray
) -> None:
    """Per token the sum of its atoms, weighted by its codes."""
    for token in range(len(x_hat)):
        x_hat[token] = 0
        _add_atoms(values, indices, starts[token], starts[token + 1], dictionary, x_hat[token])


@compiled
def residuals(
    starts: np.ndarray,
    values: np.ndarray,
    indices: np.ndarray,
    dictionary: np.ndarray,
    u: np.ndarray,
    factor: float,
    penalty: float,
    residual: np.ndarray,
    for_values: np.ndarray,
) -> None:
    """Per token the reconstruction minus u; for each code `factor` times its atom's product with that, plus `penalty`.

    An empty place gets 0. Both visits to an atom are made while it is near: a token's atoms come from memory once.
    """
    for token in range(len(u)):
        mine = residual[token]
        mine[:] = -u[token]
        _add_atoms(values, indices, starts[token], starts[token + 1], dictionary, mine)
        for place in range(starts[token], starts[token + 1]):
            gradient = np.float32(0)
            if values[place] != 0:  # at 0 relu and top-k pass no gradient
                atom = dictionary[indices[place]]
                product = np.float32(0)
                for d in range(len(mine)):
                    product += mine[d] * atom[d]
                gradient = np.float32(factor) * product + np.float32(penalty)
            for_values[place] = gradient


@compiled
def nested_residuals(
    flat: tuple[np.ndarray, np.ndarray, np.ndarray],
    dictionary: np.ndarray,
    u: np.ndarray,
    ends: np.ndarray,
    weights: np.ndarray,
    penalty: float,
    residuals: np.ndarray,
    whole: np.ndarray,
    for_values: np.ndarray,
) -> float:
    """The same for dictionaries within one another; a token's atoms come in their own order. Returns the error.

    Args:
        flat: starts, values, indices.
        dictionary: all atoms.
        u: (tokens, d_model).
        ends: (groups) int64, atoms of each dictionary.
        weights: (groups), of the mean squared error of each.
        penalty: per code.
        residuals: (groups, tokens, d_model), overwritten by the gradient for what atoms of each group reconstruct.
        whole: (tokens, d_model), overwritten by what all atoms leave.
        for_values: (places), overwritten by the gradient for each code.
    """
    starts, values, indices = flat
    groups, error = len(ends), 0.0
    for token in range(len(u)):
        place, mine = starts[token], whole[token]
        mine[:] = -u[token]
        for group in range(groups):
            first = place
            while place < starts[token + 1] and indices[place] < ends[group]:
                place += 1
            _add_atoms(values, indices, first, place, dictionary, mine)
            weight, squares = np.float32(weights[group] * 2 / u.size), np.float32(0)
            weighted = residuals[group, token]
            for d in range(len(mine)):
                squares += mine[d] * mine[d]
                weighted[d] = weight * mine[d]
            error += weights[group] * squares / u.size
        # an atom is in its group's dictionary and in all larger ones: sums from the last group on
        for group in range(groups - 2, -1, -1):
            residuals[group, token] += residuals[group + 1, token]
        group = 0
        for place in range(starts[token], starts[token + 1]):
            while indices[place] >= ends[group]:
                group += 1
            atom, row, product = dictionary[indices[place]], residuals[group, token], np.float32(0)
            for d in range(len(row)):
                product += row[d] * atom[d]
            for_values[place] = product + np.float32(penalty)
    return error


@compiled
def _add_atoms(
    values: np.ndarray, indices: np.ndarray, start: int, end: int, dictionary: np.ndarray, row: np.ndarray
) -> None:
    for place in range(start, end):
        value = values[place]
        if value != 0:
            atom = dictionary[indices[place]]
            for d in range(len(row)):
                row[d] += value * atom[d]


@compiled
def by_atom(
    starts: np.ndarray,
    values: np.ndarray,
    indices: np.ndarray,
    ends: np.ndarray,
    places: np.ndarray,
    tokens: np.ndarray,
) -> None:
    """Where each atom is active, atom after atom, in the order of the tokens.

    Args:
        starts: of each token.
        values: flat.
        indices: flat.
        ends: (n_atoms + 1) int64, overwritten: atom a has the entries ends[a] to ends[a + 1] of the two that follow.
        places: (places) int64, overwritten as far as there are codes.
        tokens: (places) int64, the same for the token of each place.
    """
    # a counting sort: how many entries each atom has, where they begin, and then each entry to its place
    ends[:] = 0
    for place in range(starts[0], starts[-1]):
        if values[place] != 0:
            ends[indices[place] + 1] += 1
    for atom in range(1, len(ends)):
        ends[atom] += ends[atom - 1]
    for token in range(len(starts) - 1):
        for place in range(starts[token], starts[token + 1]):
            if values[place] != 0:
                entry = ends[indices[place]]
                places[entry] = place
                tokens[entry] = token
                ends[indices[place]] = entry + 1
    # filling moved every beginning to the next one's place: move them back
    for atom in range(len(ends) - 1, 0, -1):
        ends[atom] = ends[atom - 1]
    ends[0] = 0


@compiled
def row_sums(
    ends: np.ndarray,
    places: np.ndarray,
    tokens: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    factor: float,
    sums: np.ndarray,
) -> None:
    """For each atom `factor` times the sum over its places of weight times the token's row."""
    # atom by atom: a gradient is written once, in an order of summation that depends on nothing but the batch
    for atom in range(len(sums)):
        total = sums[atom]
        total[:] = 0
        for entry in range(ends[atom], ends[atom + 1]):
            weight, row = np.float32(factor) * weights[places[entry]], rows[tokens[entry]]
            for column in range(len(total)):
                total[column] += weight * row[column]


@compiled
def weight_sums(ends: np.ndarray, places: np.ndarray, weights: np.ndarray, sums: np.ndarray) -> None:
    """For each atom the sum of the weights at its places."""
    for atom in range(len(sums)):
        total = np.float32(0)
        for entry in range(ends[atom], ends[atom + 1]):
            total += weights[places[entry]]
        sums[atom] = total
