"""From evidence to one word and one sentence."""

from reseed.thresholds import Limits
from reseed.verdict.evidence import SURROGATE, Evidence, MeasureEvidence, Null, Peak
from reseed.verdict.outcome import CLAIMS, Judgement, Outcome, Reason, settled
from reseed.verdict.rules import judge

__all__ = [
    "CLAIMS",
    "SURROGATE",
    "Evidence",
    "Judgement",
    "Limits",
    "MeasureEvidence",
    "Null",
    "Outcome",
    "Peak",
    "Reason",
    "judge",
    "settled",
]
