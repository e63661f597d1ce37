"""The kinds of start, by name."""

from reseed.starts._kind import StartKind
from reseed.starts.blend import BLEND
from reseed.starts.data import DATA
from reseed.starts.dictionary_learning import DICTIONARY_LEARNING
from reseed.starts.furthest_sum import FURTHEST_SUM
from reseed.starts.kmeans import KMEANS
from reseed.starts.kmeans_permuted import KMEANS_PERMUTED
from reseed.starts.kmeans_plus_plus import KMEANS_PLUS_PLUS
from reseed.starts.nndsvda import NNDSVDA
from reseed.starts.overcomplete import OVERCOMPLETE
from reseed.starts.pca import PCA
from reseed.starts.random import RANDOM
from reseed.starts.sae_lens import SAE_LENS
from reseed.starts.sparsify import SPARSIFY
from reseed.starts.svd import SVD

__all__ = ["STARTS"]

_OF_LIBRARIES = (SAE_LENS, DICTIONARY_LEARNING, SPARSIFY, OVERCOMPLETE)
_KINDS = (
    *(RANDOM, DATA, KMEANS, KMEANS_PERMUTED, FURTHEST_SUM, BLEND, PCA, SVD),
    *_OF_LIBRARIES,
    *(KMEANS_PLUS_PLUS, NNDSVDA),
)

STARTS: dict[str, StartKind] = {kind.name: kind for kind in _KINDS}
