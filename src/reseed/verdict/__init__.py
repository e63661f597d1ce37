"""From evidence to one word and one sentence."""

from reseed.thresholds import Limits
from reseed.verdict.evidence import Evidence, MeasureEvidence
from reseed.verdict.outcome import Judgement, Outcome
from reseed.verdict.rules import judge

__all__ = ["Evidence", "Judgement", "Limits", "MeasureEvidence", "Outcome", "judge"]
