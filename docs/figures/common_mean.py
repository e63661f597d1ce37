"""What a mean that atoms have in common does to their cosines, in two dimensions and in many."""  # noqa: INP001 (a folder of scripts)

from __future__ import annotations

from typing import TYPE_CHECKING

import svg
import torch

from reseed._support.numbers import rounded
from reseed.dice import generator, roll
from reseed.floors import mean_shift
from reseed.matching import match

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

WIDTH, HEIGHT = 760, 360
ORIGIN, UNIT = (58, 302), 46  # of the scatter, in pixels
MEAN = torch.tensor([4.2, 3.4])
LEFT, TOP, ACROSS, DOWN = 430, 66, 270, 222  # of the curve
D_MODEL, N_ATOMS = 64, 256
SHARES = tuple(share / 20 for share in range(21))


def draw() -> str:
    """The picture."""
    return svg.document(WIDTH, HEIGHT, "Cosines of atoms that share a mean", [*_scatter(), *_curve()])


def _scatter() -> Iterator[str]:
    atoms = MEAN + 0.62 * torch.randn(60, 2, generator=generator(roll("init", "galaxy")))
    a, b = _far_apart(atoms)
    yield svg.text((24, 28), "Two atoms, seen from 0 and from the mean", look="strong")
    for atom in atoms:
        yield svg.dot(_place(atom), "other-floor", radius=2.5)
    for atom in (a, b):
        yield svg.line(_place(torch.zeros(2)), _place(atom), "within", width=1.5)
        yield svg.line(_place(MEAN), _place(atom), "between", width=1.5)
        yield svg.dot(_place(atom), "ink", radius=4)
    yield svg.dot(_place(torch.zeros(2)), "within", radius=4)
    yield svg.dot(_place(MEAN), "between", radius=4)
    x, y = _place(torch.zeros(2))
    yield svg.text((x + 10, y + 16), f"0: cosine {rounded(_cosine(a, b))}", colour="within")
    x, y = _place(MEAN)
    words = f"mean: cosine {rounded(_cosine(a - MEAN, b - MEAN))}"
    yield svg.text((x + 8, y - 74), words, colour="between")


def _far_apart(atoms: Tensor) -> tuple[Tensor, Tensor]:
    """Two atoms well away from the mean, on nearly opposite sides of it."""
    far = atoms[(atoms - MEAN).norm(dim=1) > 0.9]  # noqa: PLR2004 (in the units of the picture)
    directions = torch.nn.functional.normalize(far - MEAN, dim=1)
    nearly = (directions @ directions.T + 0.9).abs()
    first, second = divmod(int(nearly.argmin()), len(far))
    return far[first], far[second]


def _curve() -> Iterator[str]:
    yield svg.text((LEFT - 36, 28), "Agreement of random atoms around one mean", look="strong")
    for level in (0, 0.5, 1):
        yield svg.line((LEFT, _y(level)), (LEFT + ACROSS, _y(level)), "rule")
        yield svg.text((LEFT - 8, _y(level) + 4), f"{level:g}", look="muted small", anchor="end")
        yield svg.text((_x(level), TOP + DOWN + 18), f"{level:g}", look="muted small", anchor="middle")
    words = "share of the mean in the squared norm of an atom"
    yield svg.text((LEFT + ACROSS / 2, TOP + DOWN + 38), words, look="muted small", anchor="middle")
    yield svg.curve([(_x(share), _y(mean_shift(share, D_MODEL, N_ATOMS))) for share in SHARES], "floor", width=1.75)
    for share in SHARES[::4]:
        yield svg.dot((_x(share), _y(_measured(share))), "between")
    yield svg.line((LEFT, 46), (LEFT + 20, 46), "floor", width=1.75)
    yield svg.text((LEFT + 26, 50), "MMCS, approximation", look="small")
    yield svg.dot((LEFT + 166, 46), "between")
    yield svg.text((LEFT + 176, 50), "A, measured", look="small")


def _measured(share: float) -> float:
    """The matched agreement of two dictionaries of random atoms mu + eps in which the mean has this share."""
    sides = (generator(roll("init", "shift", side)) for side in ("a", "b"))
    noise = [torch.randn(N_ATOMS, D_MODEL, generator=chance) / D_MODEL**0.5 for chance in sides]
    mean = torch.zeros(D_MODEL)
    mean[0] = 1.0
    a, b = (share**0.5 * mean + (1 - share) ** 0.5 * eps for eps in noise)
    return match(a, b).agreement


def _cosine(a: Tensor, b: Tensor) -> float:
    return torch.cosine_similarity(a.double(), b.double(), dim=0).item()


def _place(point: Tensor) -> svg.Point:
    return ORIGIN[0] + UNIT * point[0].item(), ORIGIN[1] - UNIT * point[1].item()


def _x(share: float) -> float:
    return LEFT + ACROSS * share


def _y(agreement: float) -> float:
    return TOP + DOWN * (1 - agreement)
