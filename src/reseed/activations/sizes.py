"""How large activations are, from what their files say of themselves: no row is read."""

from pathlib import Path
from typing import NamedTuple

from reseed._support.bus_errors import telling_of
from reseed.activations.manifest import MANIFEST
from reseed.activations.parts import part_size
from reseed.activations.store import complete_manifest, read_matrix, split_of, window_of

__all__ = ["Sizes", "sizes_of"]


class Sizes(NamedTuple):
    """Rows and columns."""

    name: str
    n_tokens: int
    """Training rows."""
    n_heldout: int
    d_model: int
    window: int = 1
    """Rows that a text window has at most; 1 where nobody knows which rows belong together."""
    reads: int | None = None
    """Of a store that holds what enters something and what leaves it: columns of what enters, the first of a row."""

    def part(self, of: int) -> int:
        """Rows in each of `of` disjoint parts of the training rows; 0 or fewer where these are too few."""
        return part_size(self.n_tokens, of, window=self.window)


def sizes_of(source: str | Path, *, tensor: str | None = None, transpose: bool = False) -> Sizes:
    """What `open_activations` of a store, a matrix or a folder of matrices would find.

    Raises:
        ActivationsError: the source is missing, incomplete, of a wrong shape, or too small.
    """
    path = Path(source).expanduser()
    with telling_of(path):
        if path.is_dir() and (path / MANIFEST).exists():
            manifest, heldout, _ = complete_manifest(path)
            window, reads = window_of(manifest.about), manifest.about.get("reads")
            reads = reads if type(reads) is int else None
            return Sizes(path.resolve().name, manifest.n_tokens, heldout.rows, manifest.d_model, window, reads)
        name, matrix = read_matrix(path, tensor=tensor, transpose=transpose)
        split = split_of(matrix, name)
        return Sizes(name, split.n_tokens, split.n_heldout, matrix.d_model)
