"""Activations to read: a store that `reseed collect` wrote, a bare matrix, a folder of matrices, or a tensor."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import torch
from jaxtyping import Float, Int
from safetensors import safe_open
from torch import Tensor

from reseed._support.brief import brief_repr
from reseed._support.documents import UnreadableError, read_json_list
from reseed._support.guard import guarded
from reseed.activations.manifest import MANIFEST, About, FileRecord, read_manifest, verify_file
from reseed.activations.matrix import Matrix, Shard, check_finite, check_matrix, read_shard
from reseed.activations.moments import Moments, moments_of
from reseed.errors import ActivationsError

__all__ = ["Activations", "HeldOut", "open_activations"]

_HELDOUT_ROWS = 4096


@dataclass(frozen=True)
class HeldOut:
    """Activations that training never sees, for evaluation and for the report's examples."""

    rows: Float[Tensor, "tokens d_model"]
    token_ids: Int[Tensor, "tokens"] | None = None
    contexts: Int[Tensor, "tokens"] | None = None
    """Which context window each token comes from; tokens of one window lie next to each other."""
    positions: Int[Tensor, "tokens"] | None = None
    """Where in its window each token stood, special tokens counted."""
    texts: tuple[str, ...] | None = None
    """What each token reads, white space included."""

    __repr__ = brief_repr


@dataclass(frozen=True)
class Activations:
    """Training rows, their moments, and a held-out split."""

    name: str
    d_model: int
    n_tokens: int
    """Training rows; the held-out split is not among them."""
    fingerprint: str
    """Equal for equal content; 64 hexadecimal digits."""
    about: About
    moments: Moments
    heldout: HeldOut
    matrix: Matrix

    __repr__ = brief_repr

    def rows(self, index: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape d_model"]:
        """The training rows at `index`, in float32. IndexError outside [0, n_tokens)."""
        if index.numel() and (int(index.min()) < 0 or int(index.max()) >= self.n_tokens):
            raise IndexError(f"rows {int(index.min())} to {int(index.max())} of {self.n_tokens} training tokens")
        return self.matrix.rows(index)

    def to(self, device: torch.device | str) -> "Activations":
        """The same activations with all rows in a device's memory: for a GPU that would wait for the disk otherwise."""
        heldout = replace(self.heldout, rows=self.heldout.rows.to(device))
        return replace(self, matrix=self.matrix.to(device), heldout=heldout)


@guarded(numbers="any")
def open_activations(source: str | Path | Tensor, *, verify: bool = True) -> Activations:
    """Open activations for reading; nothing is copied, and nothing is written.

    A store is opened in milliseconds plus, with `verify`, the time to check every byte against its checksum.
    A bare matrix (a .npy or .safetensors file, a folder of them, or a tensor) is read once for its moments, and its
    last min(4096, a tenth) rows become the held-out split.

    Raises:
        ActivationsError: the source is missing, damaged, incomplete, of a wrong shape, or holds NaN or infinity.
    """
    if isinstance(source, Tensor):
        return _from_tensor(source)
    path = Path(source).expanduser()
    if not path.is_dir():
        return _from_matrix(Matrix((read_shard(path),)), path.stem, {"source": path.name})
    if (path / MANIFEST).exists():
        return _from_store(path, check=verify)
    return _from_folder(path)


def _from_store(folder: Path, *, check: bool) -> Activations:
    manifest = read_manifest(folder)
    if manifest.moments is None or manifest.heldout is None:
        raise ActivationsError(
            f"{folder} is not complete: run the same reseed collect again and it continues where it stopped"
        )
    for file in manifest.files if check else ():
        verify_file(folder, file)
    return Activations(
        name=folder.resolve().name,
        d_model=manifest.d_model,
        n_tokens=manifest.n_tokens,
        fingerprint=_digest(file.sha256 for file in (*manifest.shards, manifest.heldout)),
        about=manifest.about,
        moments=_read_moments(folder / manifest.moments.file, manifest.n_tokens),
        heldout=_read_heldout(folder, manifest.heldout, manifest.heldout_texts),
        matrix=Matrix(tuple(read_shard(folder / shard.file) for shard in manifest.shards)),
    )


def _digest(parts: Iterator[str]) -> str:
    return sha256(" ".join(parts).encode()).hexdigest()


def _read_moments(path: Path, n_tokens: int) -> Moments:
    with safe_open(path, framework="pt") as file:
        return Moments(n_tokens, file.get_tensor("mean"), file.get_tensor("covariance"))


def _read_heldout(folder: Path, rows: FileRecord, pieces: FileRecord | None) -> HeldOut:
    texts = None if pieces is None else _read_texts(folder / pieces.file)
    with safe_open(folder / rows.file, framework="pt") as file:
        known = {key: file.get_tensor(key) for key in file.keys() if key != "activations"}  # noqa: SIM118 (safe_open is not a mapping)
        return HeldOut(file.get_tensor("activations").float(), texts=texts, **known)


def _read_texts(path: Path) -> tuple[str, ...]:
    try:
        return tuple(read_json_list(path))
    except UnreadableError as error:
        raise ActivationsError(f"{path} is damaged ({error}): copy the store again, or collect again") from error


def _from_folder(folder: Path) -> Activations:
    paths = sorted(path for path in folder.iterdir() if path.suffix in {".npy", ".safetensors"})
    if not paths:
        raise ActivationsError(f"{folder} holds neither a {MANIFEST} nor a .npy or .safetensors file")
    shards = tuple(read_shard(path) for path in paths)
    for shard in shards[1:]:
        if shard.tensor.shape[1] != shards[0].tensor.shape[1]:
            raise ActivationsError(
                f"{folder / shard.name} has d_model {shard.tensor.shape[1]}, {shards[0].name} has "
                f"{shards[0].tensor.shape[1]}: all matrices of a folder have one width"
            )
    return _from_matrix(Matrix(shards), folder.resolve().name, {"source": folder.name})


def _from_tensor(tensor: Tensor) -> Activations:
    check_matrix(tensor, "the tensor")
    return _from_matrix(Matrix((Shard("tensor", tensor.detach()),)), "tensor", {"source": "tensor"})


def _from_matrix(matrix: Matrix, name: str, about: About) -> Activations:
    n_heldout = min(_HELDOUT_ROWS, matrix.n_rows // 10)
    if n_heldout == 0:
        raise ActivationsError(f"{name} holds {matrix.n_rows} rows: at least 10 are needed, a tenth is held out")
    n_tokens = matrix.n_rows - n_heldout
    heldout = matrix.rows(torch.arange(n_tokens, matrix.n_rows))
    check_finite(heldout, f"{name} (held-out split)", n_tokens)
    digest = sha256(heldout.cpu().numpy().tobytes())
    moments = moments_of(_checked(matrix, n_tokens, digest.update))
    return Activations(name, matrix.d_model, n_tokens, digest.hexdigest(), about, moments, HeldOut(heldout), matrix)


def _checked(
    matrix: Matrix, n_tokens: int, hashed: Callable[[bytes], None]
) -> Iterator[Float[Tensor, "block d_model"]]:
    """The training rows block by block, each known to be finite and hashed."""
    for name, start, block in matrix.blocks(n_tokens):
        check_finite(block, name, start)
        hashed(block.cpu().numpy().tobytes())
        yield block
