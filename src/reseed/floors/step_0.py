"""The runs of the condition before training, from different starts: B(0)."""

from reseed.floors._base import FloorKind

__all__ = ["STEP_0"]

STEP_0 = FloorKind(
    name="step 0",
    title="step 0",
    gives="the starts alone",
    meaning="what the starts alone give",
    policy="runs of this condition from different starts, before any training",
    role="origin",
)
