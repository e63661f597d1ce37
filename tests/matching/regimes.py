"""Pairs of dictionaries that are easy and hard to match, in small."""

import torch

REGIMES = {}


def regime(make):
    REGIMES[make.__name__] = make
    return make


def dice(rolled=0):
    return torch.Generator().manual_seed(rolled)


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=dice(rolled))


@regime
def independent(n=300, d=24):
    return normal(n, d), normal(n, d, rolled=1)


@regime
def noisy_copy(n=300, d=24):
    a = normal(n, d)
    return a, (a + 0.7 * normal(n, d, rolled=1))[torch.randperm(n, generator=dice(2))]


@regime
def half_shared(n=300, d=24):
    a, b = independent(n, d)
    return a, torch.cat((a[: n // 2] + 0.3 * normal(n // 2, d, rolled=2), b[n // 2 :]))


@regime
def clustered(n=600, d=32):
    """Clusters that have many atoms on one side and few on the other: half the rows have to leave theirs."""
    centres = normal(12, d)
    sizes = [torch.rand(12, generator=dice(rolled)) ** 3 + 0.02 for rolled in (1, 2)]
    members = [torch.multinomial(size, n, replacement=True, generator=dice(3)) for size in sizes]
    return tuple(centres[who] + 0.5 * normal(n, d, rolled=4 + side) for side, who in enumerate(members))


@regime
def many_to_one(n=400, d=24):
    """Every atom of the first dictionary is a split of one of ten, of which the second has one each."""
    a, b = independent(n, d)
    b[:10] = normal(10, d, rolled=2)
    return b[:10].repeat(n // 10, 1) + 0.1 * a, b


@regime
def duplicates(n=300, d=24):
    a, b = independent(n // 6, d)
    return torch.cat((a, a, b)).repeat(2, 1), torch.cat((a, b, b)).repeat(2, 1)


@regime
def repeated_on_one_side(n=300, d=24):
    a, b = independent(n, d)
    return a[: n // 50].repeat(50, 1), b


@regime
def repeated_unevenly(n=300, d=24):
    """On both sides, more often on one than on the other, and some of them dead."""
    a, b = (atoms[: n // 30] for atoms in independent(n, d))
    b[0] = 0
    which = torch.randint(0, 2 * len(a), (n,), generator=dice(2))
    return a.repeat(30, 1), torch.cat((a, b))[which]


@regime
def zeros(n=300, d=24):
    a, b = noisy_copy(n, d)
    a[::3], b[1::4] = 0, 0
    return a, b


@regime
def all_equal(n=200, d=24):
    return torch.ones(n, d), torch.ones(n, d) + torch.eye(n, d)[0]


@regime
def opposite(n=200, d=24):
    a = normal(n, d)
    return a, -a


@regime
def fewer_rows(n=300, d=24):
    a, b = half_shared(n, d)
    return a[: n // 3], b


@regime
def fewer_cols(n=300, d=24):
    a, b = clustered(n, d)
    return a, b[: n // 2]


@regime
def one_against_many(n=300, d=24):
    a, b = independent(n, d)
    return a[:1], b


@regime
def one_atom(d=24):
    return normal(1, d), normal(1, d, rolled=1)
