"""What a study asks for: frozen, validated, TOML in and out."""

from reseed.spec.arm import Arm, Tuned
from reseed.spec.recipe import Dice, Floors, Scope, Thresholds, Training
from reseed.spec.runs import Condition, RunSpec, Spawn
from reseed.spec.study import Study

__all__ = [
    "Arm",
    "Condition",
    "Dice",
    "Floors",
    "RunSpec",
    "Scope",
    "Spawn",
    "Study",
    "Thresholds",
    "Training",
    "Tuned",
]
