"""What a study asks for: frozen, validated, TOML in and out."""

from reseed.spec.study import Arm, Condition, Dice, Floors, RunSpec, Scope, Spawn, Study, Thresholds, Training, Tuned

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
