"""What a floor is: the agreement that chance, geometry or the start alone would give, and how it was found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from reseed.findings import Floor
from reseed.matching import Sign

__all__ = ["Ended", "Floor", "FloorKind", "Role", "Sizes", "Source"]

Role = Literal["null", "origin", "reference"]
"""null: what there would be without any structure beyond the moments and lengths of the activations, which may forbid a
word; origin: the same runs at step 0; reference: what another learner, or untrained atoms of the same tokens, agree,
which forbids nothing."""


@dataclass(frozen=True)
class Sizes:
    """What a formula may depend on."""

    n_atoms: int
    d_model: int
    rank: int
    """Dimensions of the subspaces that are compared."""
    sign: Sign = "signed"


@runtime_checkable
class Source(Protocol):
    """Activations after one preprocessing, as the training side offers them to whoever draws untrained dictionaries.

    `name` tells draws apart: the same name gives the same numbers, and no run draws under any.
    """

    @property
    def recipe(self) -> dict[str, int | float]:
        """The settings that decide what is drawn."""
        ...

    def sample(self, count: int, *name: int | str) -> Float[Tensor, "count d_model"]:
        """Training activations drawn at random, without replacement."""
        ...

    def centroids(self, count: int, draw: int) -> Float[Tensor, "count d_model"]:
        """K-means centroids of `tokens_for(count)` activations."""
        ...

    def tokens_for(self, count: int) -> int:
        """How many activations so many centroids are made of."""
        ...


@dataclass(frozen=True)
class Ended:
    """The first run of an init group at its last step."""

    parameters: Mapping[str, Tensor]
    """All that the snapshot holds."""
    points: Float[Tensor, "points d_model"] | None
    """The points that its start was made from; None where it has none."""
    rolled: int
    """A roll that no run makes."""


@dataclass(frozen=True)
class FloorKind:
    """One entry of `FLOORS`: what it says, and how it is found: by one of the three functions, or from runs.

    What is drawn is drawn by the training side, before anything is compared, and kept with the study.
    """

    name: str
    """The key in findings and files."""
    title: str
    """How it is called in headings and figures."""
    gives: str
    """Who gives it, in `what ... give`: a noun in the plural."""
    meaning: str
    """What it answers, in one sentence without its first capital letter and its full stop."""
    policy: str
    """How it is made, in one sentence without its first capital letter and its full stop."""
    role: Role
    exact: Callable[[str, Sizes], float | None] | None = None
    """The value of one measure, by a formula; None for a measure that it says nothing of."""
    draw: Callable[[Source, int, int], Float[Tensor, "atoms d_model"]] | None = None
    """Draws one dictionary of activations: from the activations, with so many atoms, by the number of the draw."""
    commutes: bool = False
    """Whether what is drawn moves with the activations where all of these are shifted, and stretched by one factor."""
    of_run: Callable[[Ended], Float[Tensor, "atoms d_model"] | None] | None = None
    """Draws one dictionary of what a run of this condition ended with; None where it has nothing to draw from."""
    trained: bool = False
    """Whether it is found from runs of the same recipe on the surrogate of the activations."""
    told: Callable[[Source, int], str] = lambda _source, _n_atoms: ""
    """What the draws of so many atoms add to the policy, such as how many activations each is made of."""
