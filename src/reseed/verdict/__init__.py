"""From evidence to one word and one sentence."""

from reseed.verdict.rules import FLOOR_NAMES, Evidence, Judgement, Limits, Outcome, judge

__all__ = ["FLOOR_NAMES", "Evidence", "Judgement", "Limits", "Outcome", "judge"]
