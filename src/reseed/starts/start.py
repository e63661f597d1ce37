"""Where a dictionary starts: a kind of `STARTS`, and the mixing weights of archetypal methods.

What the start decides is drawn from dice: `points` says which activations are looked at, `kmeans` where k-means starts,
`init` everything that remains (random atoms, the order of the rows, the mixing weights), and `encoder` belongs to the
method. Runs that share all of the dice that a start uses are born identical.

A method with a decoder bias takes the mean activation off before its atoms see anything: points for such a method are
those of the activations less that mean, so that it starts alike whether preprocessing has centred them or not.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field, PositiveFloat, PositiveInt, field_validator
from torch import Tensor

from reseed._support.mistakes import did_you_mean
from reseed._support.numbers import size
from reseed._support.settings import NEUTRAL, AtMost, Settings
from reseed.dice import Die, generator
from reseed.errors import SpecError
from reseed.methods import MOST_ATOMS, Method, Reading, StartPoint
from reseed.starts._kind import Points, Rolls, StartKind
from reseed.starts.table import STARTS

if TYPE_CHECKING:
    from reseed.activations import Preprocessed

__all__ = ["Start", "check_start", "draw", "draw_points", "points_identity", "start_identity"]

_SAMPLE = 1024
_RIDGE = 1e-3  # of the mean variance of a dimension that is read
_AT_A_TIME = 2**20  # weights that are in memory in double precision


def _rows(tokens: int) -> str:
    return f"{tokens:,} tokens of 1,000 dimensions are {size(4000 * tokens)}"


def _sweeps(steps: int) -> str:
    return f"k-means has settled long before {steps:,} passes over its tokens"


class Start(Settings):
    """How the dictionary at step 0 is drawn."""

    kind: str
    """What it is drawn from."""
    n_points: Annotated[PositiveInt | None, MOST_ATOMS] = None
    """Activations or centroids drawn; None: as many as atoms, or so many for each as the method asks for."""
    weights: Literal["identity", "random-rows", "dirichlet"] = "identity"
    """Mixing weights of archetypal methods. `identity`: atom i is point i; `random-rows`: each atom is a point of its
    own, drawn without replacement (with n_points = n_atoms only a permutation); `dirichlet`: random mixtures of all
    points."""
    concentration: PositiveFloat = 1.0
    """Of the Dirichlet weights: small ones are nearly one-hot."""
    points_tokens: Annotated[PositiveInt | None, AtMost(2**31, _rows)] = None
    """Activations that k-means looks at; None: 32 per point, 8 for furthest-sum, or all there are."""
    kmeans_steps: Annotated[PositiveInt, AtMost(10_000, _sweeps)] = 20
    """Most iterations of k-means."""
    blend: Annotated[float, NEUTRAL] = Field(default=0.8, ge=0.0, le=1.0)
    """Of the kind blend: the share of the activation, published as .8; the rest is noise."""
    allow_fewer_points: bool = False
    """Whether n_points < n_atoms is allowed: the atoms beyond the points are then zero."""

    @field_validator("kind")
    @classmethod
    def _kind_is_known(cls, kind: str) -> str:
        if kind not in STARTS:
            *most, last = (f"'{known}'" for known in STARTS)
            raise ValueError(f"a start should be {', '.join(most)} or {last}{did_you_mean(kind, STARTS)}")
        return kind

    @property
    def entry(self) -> StartKind:
        """What `STARTS` says about the kind."""
        return STARTS[self.kind]

    @property
    def dice(self) -> frozenset[Die]:
        """The dice that decide the start: those of its kind, and `init` where mixing weights are drawn."""
        drawn: set[Die] = {"init"} if self.weights != "identity" else set()
        return frozenset(self.entry.dice) | drawn

    def deciding(self, n_atoms: int, d_model: int) -> frozenset[Die]:
        """Those of its dice that change more than the order of the atoms: without any, all starts are one."""
        found = self.entry.dice if self.entry.deciding is None else self.entry.deciding(self, n_atoms, d_model)
        drawn: set[Die] = {"init"} if self.weights != "identity" else set()
        return frozenset(found) | drawn

    def points_for(self, method: Method) -> int:
        """How many points are drawn, of a kind that makes points."""
        return self.n_points or method.n_atoms * method.points_per_atom

    def tokens_for(self, n_points: int, n_tokens: int) -> int:
        """How many of the activations are looked at, of a kind that chooses points among them or makes centroids."""
        return min(self.points_tokens or self.entry.tokens_per_point * n_points, n_tokens)


def draw(
    start: Start,
    method: Method,
    seen: "Preprocessed",
    rolls: Rolls,
    *,
    points: Float[Tensor, "points d_model"] | None = None,
) -> StartPoint:
    """The start of one run, from the rolls of its dice.

    `points` are those of `draw_points`, where they are at hand already: runs that share them need one k-means.

    Raises:
        SpecError: a start that this method, or these activations, cannot have.
    """
    check_start(start, method)
    kind, whole = start.entry, seen
    seen = whole.written(method.columns_read)
    common = {
        "mean": seen.moments.mean.float(),
        "scale": seen.scale,
        "reading": _reading(whole, method.columns_read),
        "sample": _even_rows(whole, _SAMPLE),
    }
    if kind.atoms is not None:
        encoder = None if kind.encoder is None else kind.encoder(method.n_atoms, seen, rolls)
        bias = None if kind.bias is None else kind.bias(common["sample"])
        atoms = kind.atoms(start, method.n_atoms, seen, rolls)
        return StartPoint(atoms=atoms, points=None, weights=None, encoder=encoder, bias=bias, **common)
    points = kind.arrange(draw_points(start, method, whole, rolls) if points is None else points, rolls)
    points = points - common["mean"] if method.removes_mean else points  # the space in which its atoms live
    weights = _weights(start, rolls, n_atoms=method.n_atoms, n_points=len(points)) if method.mixes_points else None
    if weights is not None and start.weights == "dirichlet":
        return StartPoint(atoms=weights @ points, points=points, weights=weights, **common)
    atoms = torch.zeros(method.n_atoms, points.shape[1])
    own = _own_points(start, rolls, n_points=len(points))[: method.n_atoms]
    atoms[: len(own)] = points[own] + 0.0  # no -0.0, as in the product that this is: one weight of 1 in each row
    return StartPoint(atoms=atoms, points=points, weights=weights, **common)


def check_start(start: Start, method: Method) -> None:
    """Raise SpecError for a start that this method cannot have."""
    kind, n_points = start.entry, start.points_for(method)
    if method.mixes_points and not kind.makes_points:
        *most, last = (name for name, each in STARTS.items() if each.makes_points)
        raise SpecError(
            f"{method.kind} mixes points, so it cannot start at {start.kind}: use {', '.join(most)} or {last}"
        )
    if not method.mixes_points and start.weights != "identity":
        raise SpecError(f"{method.kind} has no mixing weights: leave out weights = {start.weights!r}")
    if n_points < method.n_atoms and not start.allow_fewer_points:
        raise SpecError(
            f"n_points = {n_points} leaves {method.n_atoms - n_points} of {method.n_atoms} atoms at zero: "
            "use at least as many points as atoms, or set allow_fewer_points = true"
        )
    if kind.encoder is not None and method.columns_read is not None:
        raise SpecError(
            f"{method.kind} reads something else than it writes, and a {start.kind} start has an encoder for what is "
            "written: use random, data or kmeans"
        )
    if kind.encoder is not None and getattr(method, "encoder_start", "tied") != "tied":
        raise SpecError(f"a {start.kind} start says the encoder as well: leave out encoder_start of {method.kind}")
    if kind.keeps_mean and method.removes_mean:
        raise SpecError(
            f"{method.kind} takes the mean off, and the start {start.kind} is about activations with their mean: set "
            "decoder_bias = false, or use random, data or kmeans"
        )
    kind.check(start, n_points)


def start_identity(start: Start, method: Method) -> dict[str, Any]:
    """As JSON, what decides the start of this method but for the rolls.

    Points for a method with a decoder bias were once taken without subtracting it: the start that they make now is
    another one, and says so.
    """
    less = {"less": "decoder_bias"} if method.removes_mean and start.entry.makes_points else {}
    return start.identity | less


def points_identity(start: Start, method: Method, rolls: Rolls) -> tuple[object, ...]:
    """What decides the points on given activations: equal identities, equal points."""
    return _points_of(start).identity(start, start.points_for(method), rolls)


def draw_points(
    start: Start, method: Method, seen: "Preprocessed", rolls: Rolls, *, device: torch.device | str = "cpu"
) -> Float[Tensor, "points d_model"]:
    """The activations, or the centroids of activations, that a start is made from; k-means runs on `device`.

    They are of the activations as they are: what a decoder bias takes off comes later, and methods share them.

    Raises:
        SpecError: more points than activations.
    """
    seen, n_points = seen.written(method.columns_read), start.points_for(method)
    if n_points > seen.n_tokens:
        raise SpecError(f"n_points = {n_points} of {seen.n_tokens} activations: use fewer points or more activations")
    return _points_of(start).draw(start, n_points, seen, rolls, device)


def _points_of(start: Start) -> Points:
    points = start.entry.points
    if points is None:
        raise ValueError(f"a {start.kind} start has no points")
    return points


def _weights(start: Start, rolls: Rolls, *, n_atoms: int, n_points: int) -> Float[Tensor, "atoms points"]:
    """Rows that sum to 1; rows beyond the points are zero, except in Dirichlet mixtures, which need no point each."""
    if start.weights == "dirichlet":
        return _dirichlet(n_atoms, n_points, concentration=start.concentration, rolled=rolls["init"])
    weights, own = torch.zeros(n_atoms, n_points), _own_points(start, rolls, n_points=n_points)[:n_atoms]
    weights[torch.arange(len(own)), own] = 1.0
    return weights


def _own_points(start: Start, rolls: Rolls, *, n_points: int) -> Int[Tensor, " points"]:
    """Which point the first atom begins as, and the second, and so on, where each is a point of its own."""
    if start.weights == "random-rows":
        return torch.randperm(n_points, generator=generator(rolls["init"], "weights"))
    return torch.arange(n_points)


def _dirichlet(n_atoms: int, n_points: int, *, concentration: float, rolled: int) -> Float[Tensor, "atoms points"]:
    chance = np.random.Generator(np.random.PCG64(generator(rolled, "weights").initial_seed()))
    shares = torch.empty(n_atoms, n_points)
    for some in shares.split(max(1, _AT_A_TIME // n_points)):  # numpy draws row after row, in float64
        some.copy_(torch.from_numpy(chance.dirichlet(np.full(n_points, concentration), size=len(some))))
    return shares


def _reading(whole: "Preprocessed", columns: int | None) -> Reading | None:
    """What is read, where that are the first `columns` of a row, and how well it says the others by a linear map."""
    if columns is None:
        return None
    moments, covariance = whole.moments.columns(slice(columns)), whole.moments.covariance
    ridge = _RIDGE * moments.covariance.diagonal().mean() * torch.eye(columns, dtype=covariance.dtype)
    to_written = torch.linalg.lstsq(moments.covariance + ridge, covariance[:columns, columns:]).solution
    return Reading(mean=moments.mean.float(), scale=moments.scale, to_written=to_written.float())


def _even_rows(seen: "Preprocessed", count: int) -> Float[Tensor, "tokens d_model"]:
    """Training rows at even distances: the same for every run, so that no die is needed."""
    count = min(count, seen.n_tokens)
    return seen.rows(torch.arange(count) * seen.n_tokens // count)
