"""The same recipe on rows that keep mean, covariance and lengths of the activations, and lose everything else."""

from reseed.floors._base import FloorKind

__all__ = ["SURROGATE"]

SURROGATE = FloorKind(
    name="surrogate",
    title="surrogate",
    gives="mean, covariance and lengths of these activations",
    meaning="what this recipe would give on rows that have nothing but the activations' mean, covariance and lengths",
    policy="the same method, start and training on one surrogate sample of as many tokens, one run from each start",
    role="null",
    trained=True,
)
