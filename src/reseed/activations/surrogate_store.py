"""`reseed surrogate`: a surrogate sample becomes a store, for anybody's own training."""

import warnings
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import torch

from reseed._support import stopping
from reseed._support.guard import guarded
from reseed.activations.coordinates import SurrogateKind
from reseed.activations.destination import begun, check_destination, writing_alone
from reseed.activations.feasible import check_disk
from reseed.activations.manifest import Manifest
from reseed.activations.progress import progress_bar
from reseed.activations.store import Activations, open_activations
from reseed.activations.surrogate import Sample, sampled
from reseed.activations.writer import append_shard, begin_store, check_same, finish_store, write_heldout

__all__ = ["write_surrogate"]

_BLOCKS = 64  # in a shard: 256 MB


@guarded(realisation=(0, 2**31))
@stopping.noticed()
def write_surrogate(
    activations: Activations,
    out: str | Path,
    kind: SurrogateKind = "elliptical",
    *,
    realisation: int = 0,
    progress: bool = True,
) -> Activations:
    """Write the rows of `surrogate` as a store: the same rows and moments, to the bit.

    As of any store, its fingerprint is that of its files. An interrupted one goes on at its last whole shard when it is
    called again with the same arguments, and ends in the same bytes (same machine).

    Args:
        activations: the real ones.
        out: the folder of the store: a new or an empty one, or one that was begun.
        kind: as for `surrogate`.
        realisation: as for `surrogate`.
        progress: show a bar with tokens per second on stderr.

    Raises:
        ActivationsError: one column, equal rows, a folder that holds anything else, too little disk.
        Interrupted: Ctrl-C, SIGTERM or SIGHUP; whole shards are kept.

    Warns:
        UserWarning: columns that vary too little beside the others to be part of it.
    """
    folder = check_destination(out)
    with sampled(activations, kind, realisation=realisation, folder=folder) as sample:
        about = {**sample.about, "torch": str(torch.__version__)}
        found = begun(folder)
        if found is not None:
            check_same(folder, found, about={**about, "d_model": activations.d_model, "dtype": "fp32"})
        check_disk(folder, _bytes(sample) - _there(folder), "choose another disk")
        for sentence in sample.warnings:
            warnings.warn(sentence, stacklevel=4)  # `noticed` and `guarded` lie between here and the caller
        with writing_alone(folder):
            manifest = begin_store(folder, about=about, d_model=activations.d_model, dtype="fp32")
            if manifest.heldout is None:
                manifest = write_heldout(folder, manifest, sample.heldout())
            if manifest.moments is None:
                with progress_bar(
                    "drawing", total=activations.n_tokens, done=manifest.n_tokens, shown=progress
                ) as advance:
                    manifest = _add_shards(folder, manifest, sample, advance)
                finish_store(folder, manifest, sample.moments_of)
    return open_activations(folder, verify=False)


def _bytes(sample: Sample) -> int:
    real = sample.activations
    columns = sample.axes.rank * real.n_tokens if sample.kind == "axes" else 0  # which lie on the disk meanwhile
    return 4 * ((real.n_tokens + len(real.heldout.rows)) * real.d_model + columns) + 8 * real.d_model**2


def _there(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors")) if folder.is_dir() else 0


def _add_shards(folder: Path, manifest: Manifest, sample: Sample, advance: Callable[[int], None]) -> Manifest:
    if manifest.n_tokens == sample.activations.n_tokens:
        return manifest
    blocks = sample.blocks(manifest.n_tokens // sample.training.block_rows)
    while some := list(islice(blocks, _BLOCKS)):
        manifest = append_shard(folder, manifest, torch.cat(some))
        advance(sum(map(len, some)))
    return manifest
