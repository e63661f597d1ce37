"""What findings have to show: words and numbers that are required, and findings that they must not fall behind."""

from reseed.requirements.against import Change, Changes, changes
from reseed.requirements.quantities import QUANTITIES, quantities
from reseed.requirements.required import Met, Required, check_names, met, parse

__all__ = ["QUANTITIES", "Change", "Changes", "Met", "Required", "changes", "check_names", "met", "parse", "quantities"]
