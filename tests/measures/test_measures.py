"""One table of cases for all measures of two dictionaries."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor

from reseed.matching import match
from reseed.measures import (
    alive_cosines,
    code_agreement,
    firing_mass,
    mass_weighted_agreement,
    mmcs,
    projection_agreement,
    shared_fraction,
    standardise,
    subspace_overlap,
    whitened_agreement,
)

N_ATOMS, D_MODEL, N_TOKENS = 8, 16, 64
VARIANCES = torch.linspace(1, 4, D_MODEL, dtype=torch.float64)


@dataclass(frozen=True)
class Side:
    """What one trained run is for a measure."""

    atoms: Tensor
    encoder: Tensor
    codes: Tensor

    def at(self, index) -> "Side":
        return Side(self.atoms[index], self.encoder[index], self.codes[:, index])


@dataclass(frozen=True)
class Case:
    a: Side
    b: Side
    value: float
    """What every measure gives, but for those in `but`."""
    sign: str = "signed"
    covariance: Tensor = field(default_factory=VARIANCES.diag)
    but: dict[str, float] = field(default_factory=dict)


def planted(directions) -> Side:
    """Atoms along the axes; the codes of different axes are uncorrelated exactly (a Fourier basis)."""
    token = torch.arange(N_TOKENS, dtype=torch.float64) / N_TOKENS
    waves = [1 + torch.cos(2 * torch.pi * (axis + 1) * token) for axis in directions]
    atoms = torch.eye(D_MODEL, dtype=torch.float64)[directions]
    return Side(atoms=atoms, encoder=3 * atoms, codes=torch.stack(waves, dim=1))


def noisy(rolled: int) -> Side:
    g = torch.Generator().manual_seed(rolled)
    atoms = torch.randn(N_ATOMS, D_MODEL, generator=g, dtype=torch.float64)
    encoder = atoms + 0.3 * torch.randn(N_ATOMS, D_MODEL, generator=g, dtype=torch.float64)
    return Side(atoms, encoder, torch.randn(N_TOKENS, N_ATOMS, generator=g, dtype=torch.float64).relu())


def zeroed(side: Side, index) -> Side:
    atoms, encoder, codes = side.atoms.clone(), side.encoder.clone(), side.codes.clone()
    atoms[index], encoder[index], codes[:, index] = 0, 0, 0
    return Side(atoms, encoder, codes)


MEASURES: dict[str, Callable[[Case], float]] = {
    "agreement": lambda c: match(c.a.atoms, c.b.atoms, sign=c.sign).agreement,
    "mmcs forward": lambda c: mmcs(match(c.a.atoms, c.b.atoms, sign=c.sign)).forward,
    "mmcs backward": lambda c: mmcs(match(c.a.atoms, c.b.atoms, sign=c.sign)).backward,
    "shared": lambda c: shared_fraction(
        match(c.a.atoms, c.b.atoms, sign=c.sign), c.a.encoder, c.b.encoder, threshold=0.7
    ),
    "code": lambda c: code_agreement(match(c.a.atoms, c.b.atoms, sign=c.sign), c.a.codes, c.b.codes),
    "projection": lambda c: projection_agreement(
        match(c.a.atoms, c.b.atoms, sign=c.sign), c.a.atoms, c.b.atoms, c.covariance
    ),
    "whitened": lambda c: whitened_agreement(
        match(c.a.atoms, c.b.atoms, sign=c.sign), c.a.atoms, c.b.atoms, c.covariance
    ),
    "subspace": lambda c: subspace_overlap(c.a.atoms, c.b.atoms, rank=min(len(c.a.atoms), len(c.b.atoms))).value,
    "mass": lambda c: mass_weighted_agreement(
        match(c.a.atoms, c.b.atoms, sign=c.sign), *(firing_mass(standardise(s.codes), s.atoms) for s in (c.a, c.b))
    ),
}

first = planted(range(8))
order = torch.tensor([3, 7, 0, 1, 6, 2, 5, 4])
factors = torch.tensor([0.1, 1, 2, 3, 5, 7, 11, 100], dtype=torch.float64)
rotation = torch.linalg.qr(noisy(9).atoms.T @ noisy(8).atoms)[0]
scaled = Side(first.atoms * factors[:, None], first.encoder * factors.flip(0)[:, None], first.codes / factors)
flipped = Side(-first.atoms, -first.encoder, -first.codes)
copies = first.at([0, 0, 1, 1, 2, 2, 3, 3])

CASES = {
    "itself": Case(first, first, 1),
    "noisy itself": Case(noisy(0), noisy(0), 1),
    "permuted": Case(first, first.at(order), 1),
    "noisy permuted": Case(noisy(0), noisy(0).at(order), 1),
    "scaled": Case(first, scaled, 1),
    "sign-flipped": Case(first, flipped, 0, but={"subspace": 1}),
    "sign-flipped, sign open": Case(first, flipped, 1, sign="abs"),
    "nothing in common": Case(first, planted(range(8, 16)), 0),
    "six of eight planted": Case(first, planted([8, 9, 0, 1, 2, 3, 4, 5]), 6 / 8),
    "half of one are zero atoms": Case(
        first, zeroed(first, [0, 2, 4, 6]), 4 / 8, but={"subspace": float("nan"), "mass": (1 / 2 + 1) / 2}
    ),
    "all of one are zero atoms": Case(
        first, zeroed(first, list(range(8))), 0, but={"subspace": float("nan"), "mass": float("nan")}
    ),
    "a smaller dictionary inside": Case(first, first.at([6, 1, 4]), 1, but={"mmcs forward": 3 / 8, "subspace": None}),
    "each of four atoms twice": Case(first, copies, 4 / 8, but={"mmcs backward": 1, "subspace": float("nan")}),
    "no atoms": Case(first, first.at([]), float("nan"), but={"subspace": None}),
}


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("case", CASES)
def test_every_measure_gives_the_known_answer(case, measure):
    known = CASES[case].but.get(measure, CASES[case].value)
    if known is not None:
        assert MEASURES[measure](CASES[case]) == pytest.approx(known, abs=1e-12, nan_ok=True)


CHANGES: dict[str, Callable[[Case], Case]] = {
    "permuting one": lambda c: replace(c, b=c.b.at(order)),
    "permuting both": lambda c: replace(c, a=c.a.at(order.flip(0)), b=c.b.at(order)),
    "scaling atoms": lambda c: replace(
        c, b=Side(c.b.atoms * factors[:, None], c.b.encoder * factors[:, None], c.b.codes / factors)
    ),
    "rotating the space": lambda c: Case(
        rotated(c.a), rotated(c.b), c.value, c.sign, rotation_d().T @ c.covariance @ rotation_d()
    ),
    "scaling the activations": lambda c: replace(c, covariance=100 * c.covariance),
    "reordering the tokens": lambda c: replace(
        c,
        a=replace(c.a, codes=c.a.codes.flip(0)),
        b=replace(c.b, codes=c.b.codes.flip(0)),
    ),
}


def rotation_d() -> Tensor:
    g = torch.Generator().manual_seed(5)
    return torch.linalg.qr(torch.randn(D_MODEL, D_MODEL, generator=g, dtype=torch.float64))[0]


def rotated(side: Side) -> Side:
    return Side(side.atoms @ rotation_d(), side.encoder @ rotation_d(), side.codes)


@pytest.mark.parametrize("sign", ["signed", "abs"])
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("change", CHANGES)
def test_no_measure_notices_what_carries_no_meaning(change, measure, sign):
    case = Case(noisy(0), noisy(1), 0, sign=sign)
    assert MEASURES[measure](CHANGES[change](case)) == pytest.approx(MEASURES[measure](case), abs=1e-12)


@pytest.mark.parametrize("measure", ["agreement", "shared", "code", "projection", "whitened", "subspace", "mass"])
def test_measures_without_a_direction_are_symmetric(measure):
    there, back = Case(noisy(0), noisy(1), 0), Case(noisy(1), noisy(0), 0)
    assert MEASURES[measure](there) == pytest.approx(MEASURES[measure](back), abs=1e-12)


def test_flipping_single_signs_is_unseen_where_the_sign_is_open():
    signs = torch.tensor([1, -1, -1, 1, 1, -1, 1, -1], dtype=torch.float64)
    a, b = noisy(0), noisy(1)
    b_flipped = Side(b.atoms * signs[:, None], b.encoder * signs[:, None], b.codes * signs)
    for measure in MEASURES.values():
        plain, changed = (measure(Case(a, side, 0, sign="abs")) for side in (b, b_flipped))
        assert changed == pytest.approx(plain, abs=1e-12)


def test_mmcs_is_never_below_the_matched_agreement():
    for rolled in range(10):
        a, b = noisy(rolled).atoms, noisy(100 + rolled).atoms
        assert min(mmcs(match(a, b))) >= match(a, b).agreement


def test_dead_atoms_are_matched_and_left_out_of_the_mean():
    """By hand from the permutation: a dead atom may take the partner of a living one, and then neither counts."""
    alive = torch.tensor([True] * 5 + [False] * 3)
    moved = first.atoms.roll(1, dims=1).flip(1)
    half_trained = torch.where(alive[:, None], first.atoms, moved)
    matching = match(first.atoms, half_trained)
    kept = [
        float(first.atoms[i].double() @ half_trained[j].double() / first.atoms[i].norm() / half_trained[j].norm())
        for i, j in zip(matching.rows.tolist(), matching.cols.tolist(), strict=True)
        if alive[i] and alive[j]
    ]
    assert alive_cosines(matching, alive, alive).tolist() == pytest.approx(kept, abs=1e-6)
    assert len(alive_cosines(matching, alive, torch.ones(8, dtype=torch.bool))) == 5
    with pytest.raises((ValueError, TypeError), match="8"):
        alive_cosines(matching, alive[:3], alive)
