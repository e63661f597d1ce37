"""Documents by hand, whose numbers are easy to see in what is said about them."""

import math

from reseed.geometry import DictionaryGeometry, Dimension, Floor, Geometry, PairGeometry, Standing, ViewGeometry
from reseed.geometry.document import role_of


def floor(name, value, **more):
    return Floor(
        name=name, value=value, **{"spread": 0.0, "standard_error": 0.0, "n": 0, "policy": f"how {name} is made"} | more
    )


def view(preprocess, kmeans, *, cosine=0.0, rogue=(), without=math.nan):
    """One preprocessing; `rogue` are shares of the energy of dimensions 100, 101 ..."""
    named = [Dimension(index=100 + i, energy=share, cosine=math.nan, rogue=True) for i, share in enumerate(rogue)]
    return ViewGeometry(
        preprocess=preprocess,
        sampled=1000,
        zero_tokens=0,
        mean_cosine=cosine,
        mean_share=cosine,
        mean_over_spread=1.25,
        effective_rank=150.0,
        participation_ratio=60.0,
        stable_rank=12.5,
        dimensions=(*named, Dimension(index=7, energy=0.01, cosine=math.nan, rogue=False)),
        without_rogue=without,
        floors=(
            floor("isotropic", 0.127),
            floor("kmeans", kmeans, spread=0.0123, n=3),
            floor("hull", 0.5, mixed=1, points="same", spread=0.0001, n=3),
            floor("hull", 0.4, mixed=16, points="own", spread=math.nan, n=2),
        ),
    )


def pair(agreement, *standings):
    known = {"zero_atoms": 0, "mean_share": 0.2, "effective_rank": 40.0, "participation_ratio": 30.0}
    return PairGeometry(
        first=DictionaryGeometry(name="a.npy", told="a.npy: 512 atoms", n_atoms=512, stable_rank=5.0, **known),
        second=DictionaryGeometry(
            name="b.npy", told="b.npy", n_atoms=1024, stable_rank=6.0, **known | {"zero_atoms": 3}
        ),
        agreement=agreement,
        gap=0.0,
        mmcs=agreement + 0.05,
        shared_mean=0.2,
        floors=(floor("isotropic", 0.127),),
        standings=tuple(
            Standing(against=where, role=role_of(name), floor=name, value=value, ratio=(1 - agreement) / (1 - value))
            for where, name, value in standings
        ),
    )


def geometry(*views, pair=None):
    return Geometry(
        reseed="0.0.0",
        activations={"name": "acts", "n_tokens": 250_000} if views else None,
        d_model=576,
        n_atoms=(512, 1024) if pair else (512, 512),
        draws=3,
        views=views,
        pair=pair,
        recommendation=("Do this.", "And know that."),
        warnings=("Careful.",),
    )
