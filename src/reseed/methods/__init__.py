"""Ways to learn a dictionary: one file each, and one line in `METHODS`."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from reseed._support.mistakes import did_you_mean, mistakes, shown
from reseed.errors import SpecError
from reseed.methods._autoencoder import Autoencoder, encoder_parts, inputs, unit_rows
from reseed.methods._base import (
    MOST_ATOMS,
    BatchOutcome,
    Method,
    Parameters,
    Reading,
    Resamples,
    Schedule,
    StartPoint,
    State,
)
from reseed.methods._gradient import GradientMethod
from reseed.methods._linear import Linear, principal_axes
from reseed.methods.a_topk import ATopK
from reseed.methods.archetypal_analysis import ArchetypalAnalysis
from reseed.methods.batchtopk import BatchTopK
from reseed.methods.convex_nmf import ConvexNMF
from reseed.methods.gated import Gated
from reseed.methods.ica import ICA
from reseed.methods.jumprelu import JumpReLU
from reseed.methods.kmeans import KMeans
from reseed.methods.ksvd import KSVD
from reseed.methods.matryoshka import Matryoshka
from reseed.methods.mod import MOD
from reseed.methods.mp import MatchingPursuit
from reseed.methods.nmf import NMF
from reseed.methods.online_dl import OnlineDL
from reseed.methods.p_anneal import PAnneal
from reseed.methods.pca import PCA
from reseed.methods.ra_jumprelu import RAJumpReLU
from reseed.methods.ra_topk import RATopK
from reseed.methods.random import Random
from reseed.methods.relu import ReLU
from reseed.methods.semi_nmf import SemiNMF
from reseed.methods.sparse_pca import SparsePCA
from reseed.methods.topk import TopK
from reseed.methods.transcoder import Transcoder

__all__ = [
    "ICA",
    "KSVD",
    "METHODS",
    "MOD",
    "MOST_ATOMS",
    "NMF",
    "PCA",
    "ATopK",
    "ArchetypalAnalysis",
    "Autoencoder",
    "BatchOutcome",
    "BatchTopK",
    "ConvexNMF",
    "Gated",
    "GradientMethod",
    "JumpReLU",
    "KMeans",
    "Linear",
    "MatchingPursuit",
    "Matryoshka",
    "Method",
    "OnlineDL",
    "PAnneal",
    "Parameters",
    "RAJumpReLU",
    "RATopK",
    "Random",
    "ReLU",
    "Reading",
    "Resamples",
    "Schedule",
    "SemiNMF",
    "SparsePCA",
    "StartPoint",
    "State",
    "TopK",
    "Transcoder",
    "encoder_parts",
    "inputs",
    "parse",
    "principal_axes",
    "unit_rows",
]

METHODS: dict[str, type[Method]] = {
    "topk": TopK,
    "batchtopk": BatchTopK,
    "matryoshka": Matryoshka,
    "relu": ReLU,
    "jumprelu": JumpReLU,
    "gated": Gated,
    "p-anneal": PAnneal,
    "mp": MatchingPursuit,
    "ra-topk": RATopK,
    "a-topk": ATopK,
    "ra-jumprelu": RAJumpReLU,
    "transcoder": Transcoder,
    "kmeans": KMeans,
    "nmf": NMF,
    "semi-nmf": SemiNMF,
    "online-dl": OnlineDL,
    "mod": MOD,
    "ksvd": KSVD,
    "random": Random,
    "ica": ICA,
    "pca": PCA,
    "sparse-pca": SparsePCA,
    "archetypal-analysis": ArchetypalAnalysis,
    "convex-nmf": ConvexNMF,
}


def parse(settings: Mapping[str, Any] | Method) -> Method:
    """The method that a table of settings describes; `kind` says which. A method is returned as it is.

    Raises:
        SpecError: an unknown kind, a missing or unknown setting, or a value that is not allowed.
    """
    if isinstance(settings, Method):
        return settings
    kind = settings.get("kind") if isinstance(settings, Mapping) else None
    if not isinstance(kind, str) or kind not in METHODS:
        near = did_you_mean(kind, METHODS) if isinstance(kind, str) else ""
        raise SpecError(f"method kind {shown(kind)} is not known: use one of {', '.join(METHODS)}{near}")
    try:
        return METHODS[kind].model_validate(dict(settings))
    except ValidationError as error:
        raise SpecError(f"method {kind}: {'; '.join(mistakes(error, METHODS[kind], whole=''))}") from error
