"""Which features come back: atoms that independent runs have in common, and the dictionary that is made of them."""

from reseed.reappearance.classes import Classes, Links, classes
from reseed.reappearance.consensus import Consensus, consensus
from reseed.reappearance.document import FEATURES_VERSION, Features
from reseed.reappearance.features import Reappearance, features, find_features
from reseed.reappearance.of_comparison import features_of
from reseed.reappearance.study_table import keep_features
from reseed.reappearance.table import COLUMNS, PARTNER, SORTED, flat, listed
from reseed.reappearance.worth import ConsensusDictionary
from reseed.reappearance.writing import check_place, write_consensus, write_features

__all__ = [
    "COLUMNS",
    "FEATURES_VERSION",
    "PARTNER",
    "SORTED",
    "Classes",
    "Consensus",
    "ConsensusDictionary",
    "Features",
    "Links",
    "Reappearance",
    "check_place",
    "classes",
    "consensus",
    "features",
    "features_of",
    "find_features",
    "flat",
    "keep_features",
    "listed",
    "write_consensus",
    "write_features",
]
