"""Kinds of activations on which verdicts are tried, each with its right word and the reason, stated before any trial.

A word that claims structure (*convergent*, *stabilizing*) is false only where no direction can be told beyond what
mean, covariance and lengths of the activations give: where z is standard normal in whitened coordinates up to its
length. Elsewhere a method may find something, and what is counted is how often it is said to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from reseed.activations.synthetic import planted
from reseed.calibration.planted_studies import arm_of, reference_ra_topk, topk_of
from reseed.dice import generator
from reseed.methods import ReLU
from reseed.starts import Start
from reseed.verdict import Outcome

if TYPE_CHECKING:
    from reseed.spec import Arm

__all__ = ["ARMS", "D_MODEL", "FAMILIES", "N_ATOMS", "Family"]

D_MODEL, N_ATOMS, TOKENS = 16, 32, 3_200  # a hundred tokens for each atom
_SPECTRUM = torch.arange(1, D_MODEL + 1).double() ** -1.0  # variances
_FEW, _COPIES = 160, 10
_RANK = 6

Rows = Float[Tensor, "tokens d_model"]

_KMEANS = Start(kind="kmeans", n_points=2 * N_ATOMS, kmeans_steps=5)


def _arms(topk: Start, relu: Start) -> tuple[Arm, ...]:
    return (
        arm_of("topk", topk_of(1e-2), topk),
        arm_of("relu", ReLU(n_atoms=N_ATOMS, l1=0.1, learning_rate=1e-2), relu),
        arm_of("ra-topk", reference_ra_topk(n_atoms=N_ATOMS, k=3, learning_rate=5e-3), _KMEANS),
    )


ARMS = _arms(Start(kind="random"), Start(kind="data"))
"""Each from independent starts of a kind that it is published with."""
_ALL_FROM_KMEANS = _arms(_KMEANS, _KMEANS)


@dataclass(frozen=True)
class Family:
    """Activations of one kind."""

    name: str
    meaning: str
    """What the rows are."""
    draw: Callable[[int], Rows]
    """Those of the repeat of that number."""
    identifiable: bool
    """Whether some direction can be told beyond mean, covariance and lengths: if none can, a claim is false."""
    word: Outcome
    """The right one."""
    because: str
    """Why it is."""
    steps: int = 150
    """Updates of a run: as many as learn what is there, found on repeats from 10,000 on, which no table counts."""
    arms: tuple[Arm, ...] = ARMS
    """What is trained on them."""


def _normal(repeat: int, *use: int | str, tokens: int = TOKENS) -> Float64[Tensor, "tokens d_model"]:
    dice = generator(repeat, "family", *use)
    return torch.randn(tokens, D_MODEL, generator=dice, dtype=torch.float64)


def _chi_square(repeat: int, degrees: int, *use: int | str) -> Float64[Tensor, "tokens 1"]:
    dice = generator(repeat, "family", "lengths", *use)
    return torch.randn(TOKENS, degrees, generator=dice, dtype=torch.float64).square().sum(dim=1, keepdim=True)


def _gaussian(repeat: int) -> Rows:
    return _normal(repeat, "gaussian").float()


def _spectrum(repeat: int) -> Rows:
    return (_normal(repeat, "spectrum") * _SPECTRUM.sqrt()).float()


def _student(degrees: int) -> Callable[[int], Rows]:
    def draw(repeat: int) -> Rows:
        factors = (degrees / _chi_square(repeat, degrees, "student", degrees)).sqrt()
        return (_normal(repeat, "student", degrees) * _SPECTRUM.sqrt() * factors).float()

    return draw


def _massive_dimension(repeat: int) -> Rows:
    rows = _normal(repeat, "massive dimension")
    rows[:, 0] *= 30
    return rows.float()


def _massive_tokens(repeat: int) -> Rows:
    rows = _normal(repeat, "massive tokens")
    rows[::100] *= 20
    return rows.float()


def _low_rank(repeat: int) -> Rows:
    basis = _normal(repeat, "basis", tokens=_RANK)
    return (_normal(repeat, "low rank")[:, :_RANK] @ basis).float()


def _few(repeat: int) -> Rows:
    return (_normal(repeat, "few", tokens=_FEW) * _SPECTRUM.sqrt()).float()


def _repeated(repeat: int) -> Rows:
    return (_normal(repeat, "repeated", tokens=TOKENS // _COPIES) * _SPECTRUM.sqrt()).repeat(_COPIES, 1).float()


def _sink(repeat: int) -> Rows:
    rows = _normal(repeat, "sink")
    rows[::100] += 20 * _normal(repeat, "where", tokens=1)
    return rows.float()


def _heavy_coordinates(repeat: int) -> Rows:
    rows = torch.cat([_student_coordinate(repeat, column) for column in range(D_MODEL)], dim=1)
    turn = torch.linalg.qr(_normal(repeat, "turn", tokens=D_MODEL)).Q
    return (rows @ turn).float()


def _student_coordinate(repeat: int, column: int) -> Float64[Tensor, "tokens 1"]:
    degrees = 3
    normal = _normal(repeat, "coordinate", column)[:, :1]
    return normal * (degrees / _chi_square(repeat, degrees, "coordinate", column)).sqrt()


def _planted(repeat: int) -> Rows:
    return planted(TOKENS, D_MODEL, n_atoms=24, active=2, noise=0.05, rolled=repeat).rows


def _turned(repeat: int) -> Rows:
    """Whitened, turned, and coloured again: Σ^½ Q Σ^-½ x."""
    rows = _planted(repeat).double()
    centred = rows - rows.mean(dim=0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(rows))
    whitened = centred @ vectors / values.sqrt()
    turn = torch.linalg.qr(_normal(repeat, "turned", tokens=D_MODEL)).Q
    return (whitened @ turn * values.sqrt() @ vectors.T).float()


def _layer(layer: dict[str, Any]) -> Callable[[int], Rows]:
    """Rows with the spectrum and the lengths of a layer in its strongest directions, and nothing else of it."""
    scales = torch.tensor(layer["variances"]).double().sqrt()
    levels, lengths = layer["levels"], layer["lengths"]

    def draw(repeat: int) -> Rows:
        name = layer["model"], layer["layer"]
        directions = torch.nn.functional.normalize(_normal(repeat, *name), dim=1)
        share = torch.rand(TOKENS, generator=generator(repeat, "family", "lengths", *name), dtype=torch.float64)
        radii = torch.from_numpy(np.interp(share.numpy(), levels, lengths))
        return (directions * radii[:, None] * scales).float()

    return draw


def _layers() -> Iterator[Family]:
    for layer in json.loads(files("reseed.calibration").joinpath("layers.json").read_text("utf-8")):
        short = "SmolLM2" if "Smol" in layer["model"] else "MiniLM"
        yield Family(
            f"{short} {layer['layer']}, surrogate",
            f"elliptical, with {D_MODEL} variances and the lengths of {short}'s layer; all arms from k-means starts",
            _layer(layer),
            identifiable=False,
            word=Outcome.UNSTABLE,
            because=_NOTHING,
            arms=_ALL_FROM_KMEANS,
        )


_NOTHING = "no direction differs from any other beyond mean, covariance and lengths"
_SAMPLE = "no direction differs from any other; what runs agree on is the sample that they share, repeats included"


def _null(name: str, meaning: str, draw: Callable[[int], Rows], because: str = _NOTHING) -> Family:
    """Rows in which there is nothing to find."""
    return Family(name, meaning, draw, identifiable=False, word=Outcome.UNSTABLE, because=because)


FAMILIES = (
    _null("gaussian", "normal, all variances 1", _gaussian),
    _null("spectrum", "normal, variances 1/1 to 1/16", _spectrum),
    _null("student 3", "elliptical, Student t with 3 degrees", _student(3)),
    _null("student 5", "elliptical, Student t with 5 degrees", _student(5)),
    _null("massive dimension", "normal, one coordinate 30 times as large", _massive_dimension),
    _null("massive tokens", "normal, one row in 100 is 20 times as long", _massive_tokens),
    _null("low rank", "normal in 6 of 16 dimensions", _low_rank),
    _null("few tokens", "normal, 5 tokens for each atom", _few),
    _null("repeated tokens", "normal, every row ten times", _repeated, _SAMPLE),
    *_layers(),
    Family(
        "sink",
        "normal, one row in 100 lies around one far point",
        _sink,
        identifiable=True,
        word=Outcome.UNSTABLE,
        because="one direction can be told: one atom in 32, which moves the mean by no more than the margin",
    ),
    Family(
        "heavy coordinates",
        "independent Student t coordinates with 3 degrees, turned",
        _heavy_coordinates,
        identifiable=True,
        word=Outcome.STABILIZING,
        because="16 directions can be told, for 32 atoms",
        steps=300,
    ),
    Family(
        "planted",
        "24 atoms, 2 active in each token",
        _planted,
        identifiable=True,
        word=Outcome.STABILIZING,
        because="24 atoms can be told, for 32 of a dictionary",
        steps=300,
    ),
    Family(
        "planted, turned",
        "the same, turned in whitened coordinates",
        _turned,
        identifiable=True,
        word=Outcome.STABILIZING,
        because="a linear map of the rows: the same codes, of the atoms that it takes the planted ones to",
        steps=300,
    ),
)
