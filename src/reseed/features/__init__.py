"""Which features come back: atoms that independent runs have in common, and the dictionary that is made of them."""

from reseed.features.classes import Classes, Links, classes
from reseed.features.consensus import Consensus, consensus

__all__ = ["Classes", "Consensus", "Links", "classes", "consensus"]
