"""What the conditions of the sample are drawn from: one for each of the nine outcomes, and one with one init group."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reseed.verdict import Outcome

NAN = math.nan


@dataclass(frozen=True)
class Shape:
    """The numbers that a condition is drawn from."""

    name: str
    outcome: Outcome
    within: tuple[float, float]
    """W(0) and W(T)."""
    between: tuple[float, float]
    """B(0) and B(T)."""
    kmeans: float
    """What k-means dictionaries agree: a reference."""
    null: float = 0.2
    """What the same recipe ends at on the surrogate; nan where there is none."""
    retention: float = 0.6
    r2: float = 0.74
    starts: int = 3
    runs_per_start: int = 2
    kind: str = "topk"
    start: str = "kmeans"
    said: str = ""
    change: str = "More starts."
    disagreements: tuple[str, ...] = ()


SHAPES = (
    Shape(
        "topk-planted@centre",
        Outcome.CONVERGENT,
        (1.0, 0.984),
        (0.31, 0.981),
        0.37,
        0.24,
        start="data",
        said="Runs that started apart end as one dictionary: matched agreement",
        change="A start of another kind from which the runs do not reach this dictionary.",
    ),
    Shape(
        "topk-random@centre",
        Outcome.STABILIZING,
        (1.0, 0.62),
        (0.17, 0.58),
        0.41,
        0.23,
        start="random",
        said="Runs that started apart came together, though not to one dictionary: matched agreement",
        change="Starts from which the gain is smaller, or a second surrogate that agrees more.",
    ),
    Shape(
        "topk-kmeans@centre",
        Outcome.INHERITED,
        (1.0, 0.79),
        (0.41, 0.47),
        0.41,
        0.5,
        0.81,
        said="Agreement is inherited from the start: matched agreement",
        disagreements=(
            "Code agreement says otherwise: between starts it is .31 [.28, .34], below its step-0 floor of .40.",
        ),
        change="Longer training in which the curves within and between starts meet.",
    ),
    Shape(
        "ra-topk-kmeans@none",
        Outcome.FROZEN,
        (1.0, 0.996),
        (0.948, 0.951),
        0.949,
        0.935,
        0.994,
        0.41,
        kind="ra-topk",
        said="The atoms are still where they were born (cosine .99 with their own step 0): matched agreement",
        change="Training that moves the atoms: more steps, a higher learning rate, centred activations.",
    ),
    Shape(
        "ra-topk-shared@centre",
        Outcome.INHERITED,
        (1.0, 0.93),
        (NAN, NAN),
        0.41,
        NAN,
        0.9,
        0.69,
        starts=1,
        runs_per_start=4,
        kind="ra-topk",
        said="All runs were born identical and still agree; this says nothing about other starts: matched agreement",
        change="At least three independent starts.",
    ),
    Shape(
        "ra-topk-kmeans@centre",
        Outcome.INCONCLUSIVE,
        (1.0, 0.7),
        (0.41, 0.49),
        0.41,
        0.44,
        0.77,
        0.69,
        kind="ra-topk",
        said="The spread is too wide to decide: matched agreement",
        change="About 7 starts with this spread.",
    ),
    Shape(
        "a-topk-dirichlet-8k@unit-norm",
        Outcome.DIVERGING,
        (1.0, 0.55),
        (0.83, 0.61),
        0.64,
        0.64,
        0.52,
        0.48,
        kind="a-topk",
        said="The runs end further apart than they started: matched agreement",
        change="Longer training in which the runs come back together.",
    ),
    Shape(
        "topk-random@none",
        Outcome.UNSTABLE,
        (1.0, 0.66),
        (0.17, 0.63),
        0.949,
        0.62,
        start="random",
        said="Runs came together only as far as mean, covariance and lengths take this recipe: matched agreement",
        change="More data or another method that carries the agreement beyond the null.",
    ),
    Shape(
        "relu-random@centre",
        Outcome.NOT_FITTED,
        (1.0, 0.22),
        (0.17, 0.21),
        0.41,
        0.19,
        0.93,
        0.12,
        kind="relu",
        start="random",
        said="The runs do not reconstruct the activations: the worst has a held-out R² of .12, below .30; agreement",
        change="More steps, or a learning rate chosen on reconstruction, until the runs fit.",
    ),
    Shape(
        "topk-data@centre",
        Outcome.NOT_TESTABLE,
        (NAN, NAN),
        (NAN, NAN),
        0.41,
        NAN,
        starts=1,
        runs_per_start=1,
        start="data",
        said="Nothing can be compared: 1 run finished.",
        change="At least two starts with two runs each.",
    ),
)
