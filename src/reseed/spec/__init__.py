"""What a study asks for: frozen, validated, TOML in and out."""

from reseed.spec.arm import Arm, Tuned, TunedL0
from reseed.spec.recipe import Dice, FeatureRule, Floors, Scope, Thresholds, Training
from reseed.spec.runs import Condition, Part, Reads, RunSpec, Spawn, Split
from reseed.spec.study import Study

__all__ = [
    "Arm",
    "Condition",
    "Dice",
    "FeatureRule",
    "Floors",
    "Part",
    "Reads",
    "RunSpec",
    "Scope",
    "Spawn",
    "Split",
    "Study",
    "Thresholds",
    "Training",
    "Tuned",
    "TunedL0",
]
