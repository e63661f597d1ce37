"""Where a dictionary starts: random, activations, k-means, and the mixing weights of archetypal ones.

What the start decides is drawn from four dice: `points` says which activations are looked at, `kmeans` where k-means
starts, `init` everything that remains (random atoms, the order of the rows, the mixing weights), and `encoder` belongs
to the method. Runs that share all of the dice that a start uses are born identical.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt
from torch import Tensor

from reseed.dice import Die, generator
from reseed.errors import SpecError
from reseed.methods import Method, StartPoint
from reseed.starts.lloyd import kmeans

if TYPE_CHECKING:
    from reseed.activations import View

__all__ = ["Start", "StartPoint", "check_start", "draw", "draw_points", "points_identity"]

_SAMPLE = 1024


class Start(BaseModel):
    """How the dictionary at step 0 is drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["random", "data", "kmeans", "kmeans-permuted"]
    """random: isotropic directions; data: activations; kmeans: centroids; kmeans-permuted: the same, rows in another
    order: a control whose distance at step 0 must read 0"""
    n_points: PositiveInt | None = None
    """activations or centroids drawn; None: as many as atoms"""
    weights: Literal["identity", "random-rows", "dirichlet"] = "identity"
    """archetypal methods only. identity: atom i is point i; random-rows: each atom is a point of its own, drawn
    without replacement (with n_points = n_atoms only a permutation); dirichlet: random mixtures of all points"""
    concentration: PositiveFloat = 1.0
    """of the Dirichlet weights: small ones are nearly one-hot"""
    points_tokens: PositiveInt | None = None
    """activations that k-means sees; None: 32 per point, or all there are"""
    kmeans_steps: PositiveInt = 20
    """most iterations of k-means"""
    allow_fewer_points: bool = False
    """whether n_points < n_atoms is allowed: the atoms beyond the points are then zero"""


def draw(
    start: Start,
    method: Method,
    view: "View",
    rolls: Mapping[Die, int],
    *,
    points: Float[Tensor, "points d_model"] | None = None,
) -> StartPoint:
    """The start of one run, from the rolls of its dice.

    `points` are those of `draw_points`, where they are at hand already: runs that share them need one k-means.

    Raises:
        SpecError: a start that this method, or these activations, cannot have.
    """
    check_start(start, method)
    common = {
        "mean": view.moments.mean.float(),
        "scale": view.moments.scale,
        "sample": _even_rows(view, _SAMPLE),
    }
    if start.kind == "random":
        atoms = torch.randn(method.n_atoms, view.d_model, generator=generator(rolls["init"])) * common["scale"]
        return StartPoint(atoms=atoms, points=None, weights=None, **common)
    points = draw_points(start, method, view, rolls) if points is None else points
    if start.kind == "kmeans-permuted":
        points = points[torch.randperm(len(points), generator=generator(rolls["init"], "order"))]
    weights = _weights(start, rolls, n_atoms=method.n_atoms, n_points=len(points))
    return StartPoint(atoms=weights @ points, points=points, weights=weights, **common)


def check_start(start: Start, method: Method) -> None:
    """Raise SpecError for a start that this method cannot have."""
    n_points = start.n_points or method.n_atoms
    if method.mixes_points and start.kind == "random":
        raise SpecError(f"{method.kind} mixes points, so it cannot start at random: use data or kmeans")
    if not method.mixes_points and start.weights != "identity":
        raise SpecError(f"{method.kind} has no mixing weights: leave out weights = {start.weights!r}")
    if n_points < method.n_atoms and not start.allow_fewer_points:
        raise SpecError(
            f"n_points = {n_points} leaves {method.n_atoms - n_points} of {method.n_atoms} atoms at zero: "
            "use at least as many points as atoms, or set allow_fewer_points = true"
        )


def points_identity(start: Start, method: Method, rolls: Mapping[Die, int]) -> tuple[object, ...]:
    """What decides the points on given activations: equal identities, equal points."""
    n_points = start.n_points or method.n_atoms
    if start.kind == "data":
        return ("data", n_points, rolls["points"])
    return ("kmeans", n_points, start.points_tokens, start.kmeans_steps, rolls["points"], rolls["kmeans"])


def draw_points(
    start: Start, method: Method, view: "View", rolls: Mapping[Die, int], *, device: torch.device | str = "cpu"
) -> Float[Tensor, "points d_model"]:
    """The activations, or the centroids of activations, that a start is made from; k-means runs on `device`.

    Raises:
        SpecError: more points than activations.
    """
    n_points = start.n_points or method.n_atoms
    if n_points > view.n_tokens:
        raise SpecError(f"n_points = {n_points} of {view.n_tokens} activations: use fewer points or more activations")
    if start.kind == "data":
        return view.sample(n_points, rolled=rolls["points"])
    n_tokens = min(start.points_tokens or 32 * n_points, view.n_tokens)
    if n_tokens < n_points:
        raise SpecError(f"points_tokens = {n_tokens} for n_points = {n_points}: k-means needs a token for each point")
    rows = view.sample(n_tokens, rolled=rolls["points"]).to(device)
    return kmeans(rows, n_points, steps=start.kmeans_steps, rolled=rolls["kmeans"]).points.cpu()


def _weights(start: Start, rolls: Mapping[Die, int], *, n_atoms: int, n_points: int) -> Float[Tensor, "atoms points"]:
    """Rows that sum to 1; rows beyond the points are zero, except in Dirichlet mixtures, which need no point each."""
    if start.weights == "dirichlet":
        return _dirichlet(n_atoms, n_points, concentration=start.concentration, rolled=rolls["init"])
    identity = torch.eye(n_atoms, n_points)
    if start.weights == "identity":
        return identity
    order = torch.randperm(n_points, generator=generator(rolls["init"], "weights"))
    return identity[:, order.argsort()]


def _dirichlet(n_atoms: int, n_points: int, *, concentration: float, rolled: int) -> Float[Tensor, "atoms points"]:
    chance = np.random.Generator(np.random.PCG64(generator(rolled, "weights").initial_seed()))
    shares = chance.dirichlet(np.full(n_points, concentration), size=n_atoms)
    return torch.from_numpy(shares).float()


def _even_rows(view: "View", count: int) -> Float[Tensor, "tokens d_model"]:
    """Training rows at even distances: the same for every run, so that no die is needed."""
    count = min(count, view.n_tokens)
    return view.rows(torch.arange(count) * view.n_tokens // count)
