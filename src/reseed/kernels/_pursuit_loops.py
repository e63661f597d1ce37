"""The loops of matching pursuit, for one run; arrays are C-contiguous float32 unless said otherwise."""

import numpy as np

from reseed._support.jit import compiled

__all__ = ["back", "take", "take_one"]

_STRETCH = 512  # products of which the largest is kept, so that only one stretch is searched for it


@compiled
def take(
    products: np.ndarray,
    gram: np.ndarray,
    atoms: np.ndarray,
    left: np.ndarray,
    values: np.ndarray,
    indices: np.ndarray,
) -> None:
    """Let each token take atoms, one in each place, until none fits; places that are left over get 0.

    Args:
        products: (tokens, n) of what is left with all atoms, overwritten.
        gram: (n, n) products of atoms.
        atoms: (n, d) of length 1.
        left: (tokens, d), what atoms have not taken, in place.
        values: (tokens, k), overwritten.
        indices: (tokens, k) int64, overwritten.
    """
    n, k = products.shape[1], values.shape[1]
    tops = np.empty((n + _STRETCH - 1) // _STRETCH, np.float32)
    for token in range(len(products)):
        mine, rest = products[token], left[token]
        values[token] = 0
        indices[token] = 0
        for place in range(k):
            if place == 0:
                _tops_of(mine, tops)
            best = _first_largest(mine, tops)
            if not _taken(atoms[best], rest, values, indices, token, place, best):
                break
            if place + 1 < k:
                _move(mine, gram[best], values[token, place], tops)


@compiled
def take_one(
    atoms: np.ndarray,
    best: np.ndarray,
    left: np.ndarray,
    values: np.ndarray,
    indices: np.ndarray,
    place: int,
) -> None:
    """Let each token take the atom that fits it best, `best` (tokens) int64, if it does; else its place gets 0."""
    for token in range(len(left)):
        values[token, place] = 0
        indices[token, place] = 0
        _taken(atoms[best[token]], left[token], values, indices, token, place, best[token])


@compiled
def back(
    atoms: np.ndarray,
    values: np.ndarray,
    indices: np.ndarray,
    left: np.ndarray,
    gradient: np.ndarray,
    for_atoms: np.ndarray,
) -> None:
    """The rounds in reverse: from the gradient for what is left to those for the atoms and for the input, in place.

    Args:
        atoms: (n, d) of length 1.
        values: (tokens, k).
        indices: (tokens, k) int64.
        left: (tokens, d), overwritten.
        gradient: (tokens, d), for what is left; afterwards for the input.
        for_atoms: (n, d), to which the gradients for the atoms are added.
    """
    for token in range(len(values)):
        rest, mine = left[token], gradient[token]
        for back_place in range(values.shape[1]):
            place = values.shape[1] - 1 - back_place
            value = values[token, place]
            if value != 0:
                atom, into = atoms[indices[token, place]], for_atoms[indices[token, place]]
                along = np.float32(0)
                for d in range(len(mine)):
                    along += mine[d] * atom[d]
                for d in range(len(mine)):
                    rest[d] += value * atom[d]
                    into[d] -= value * mine[d] + along * rest[d]
                    mine[d] -= along * atom[d]


@compiled
def _taken(
    atom: np.ndarray,
    rest: np.ndarray,
    values: np.ndarray,
    indices: np.ndarray,
    token: int,
    place: int,
    number: int,
) -> bool:
    value = np.float32(0)
    for d in range(len(rest)):
        value += rest[d] * atom[d]
    if value <= 0:  # not `not value > 0`, which would hide NaN
        return False
    values[token, place] = value
    indices[token, place] = number
    for d in range(len(rest)):
        rest[d] -= value * atom[d]
    return True


@compiled
def _move(mine: np.ndarray, row: np.ndarray, value: np.float32, tops: np.ndarray) -> None:
    """Take `value` times a row off the products, and keep the largest of each stretch."""
    for stretch in range(len(tops)):
        part, other = mine[stretch * _STRETCH : (stretch + 1) * _STRETCH], row[stretch * _STRETCH :]
        for i in range(len(part)):
            part[i] -= value * other[i]
    _tops_of(mine, tops)


@compiled
def _tops_of(mine: np.ndarray, tops: np.ndarray) -> None:
    bits = mine.view(np.int32)  # of positive numbers, integers are ordered alike: a maximum without a branch
    for stretch in range(len(tops)):
        part = bits[stretch * _STRETCH : (stretch + 1) * _STRETCH]
        top = np.int32(0)
        for i in range(len(part)):
            top = max(top, part[i])
        tops.view(np.int32)[stretch] = top


@compiled
def _first_largest(mine: np.ndarray, tops: np.ndarray) -> int:
    """The first of the largest products; 0 where none is above 0."""
    best = 0
    for stretch in range(1, len(tops)):
        best = stretch if tops.view(np.int32)[stretch] > tops.view(np.int32)[best] else best
    top = tops.view(np.int32)[best]
    bits = mine.view(np.int32)
    for i in range(best * _STRETCH, min(len(mine), (best + 1) * _STRETCH)):
        if bits[i] == top:
            return i
    return 0
