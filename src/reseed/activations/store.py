"""Activations to read: a store that reseed wrote, a bare matrix, a folder of matrices, or a tensor."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from torch import Tensor

from reseed._support.brief import brief_repr
from reseed._support.bus_errors import telling_of
from reseed._support.documents import UnreadableError, read_json_list
from reseed._support.guard import guarded
from reseed.activations.manifest import MANIFEST, About, FileRecord, Manifest, damaged, read_manifest, verify_file
from reseed.activations.matrix import Matrix, Shard, check_matrix, read_shard
from reseed.activations.moments import Moments, moments_of
from reseed.activations.parts import Part
from reseed.activations.split import Split
from reseed.activations.survey import Survey, about_copies, about_heldout
from reseed.activations.unchanged import UNWATCHED, Watch
from reseed.errors import ActivationsError

__all__ = ["Activations", "HeldOut", "complete_manifest", "open_activations", "read_matrix", "split_of", "window_of"]

_IN_FOLDERS = {".npy", ".safetensors"}
_BLOCK_ROWS = 8192  # of a part that are in memory at a time


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
    blocks: Int[Tensor, "tokens"] | None = None
    """Of a bare matrix: which of its held-out blocks each row is of."""

    __repr__ = brief_repr

    @property
    def windows(self) -> Int[Tensor, "tokens"]:
        """Which tokens belong together and are no replicates of each other: by window, else by block, else none."""
        known = self.blocks if self.contexts is None else self.contexts
        return torch.arange(len(self.rows)) if known is None else known


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
    """Every row on disk: of a store those for training, of a bare matrix the held-out ones too."""
    split: Split | None = None
    """Which rows of a bare matrix are held out."""
    warnings: tuple[str, ...] = ()
    """What a reader must know before believing numbers that come from these rows, one sentence each."""
    watch: Watch = UNWATCHED
    """The files that rows are read from."""
    taken: Part | None = None
    """Which of the training rows these are; None for all of them."""

    __repr__ = brief_repr

    @property
    def window(self) -> int:
        """Rows that a text window has at most; 1 where nobody knows which rows belong together."""
        return window_of(self.about)

    def part(self, index: int, of: int) -> "Activations":
        """One of `of` disjoint parts of the training rows, all of one size (see `reseed.activations.parts`).

        Moments and held-out rows stay those of all of them. ValueError for a part of a part.
        """
        if self.taken is not None:
            raise ValueError(f"{self.name} is part {self.taken.index} of {self.taken.of} already: take parts of all")
        taken = Part(self.n_tokens, self.window, index, of)
        fingerprint = _digest(iter((self.fingerprint, f"part {index} of {of}")))
        return replace(self, n_tokens=taken.n_tokens, fingerprint=fingerprint, taken=taken)

    def written(self, reads: int | None) -> "Activations":
        """The columns behind the first `reads`, which a method writes that reads these; all of them for None.

        ActivationsError where none would be left.
        """
        if reads is None:
            return self
        if reads >= self.d_model:
            raise ActivationsError(
                f"{self.name} has {self.d_model:,} columns, of which reads = {reads:,} leaves none to write: a row "
                "holds what is read and then what is written, as  reseed collect --at mlp  stores it"
            )
        some = slice(reads, None)
        return replace(
            self,
            d_model=self.d_model - reads,
            fingerprint=_digest(iter((self.fingerprint, f"from column {reads} on"))),
            moments=self.moments.columns(some),
            heldout=replace(self.heldout, rows=self.heldout.rows[:, some]),
            matrix=self.matrix.columns(reads),
        )

    def rows(self, index: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape d_model"]:
        """The training rows at `index`, in float32.

        Raises:
            IndexError: an index outside [0, n_tokens).
            ActivationsError: a file has changed since it was opened.
        """
        if index.numel() and (int(index.min()) < 0 or int(index.max()) >= self.n_tokens):
            raise IndexError(f"rows {int(index.min())} to {int(index.max())} of {self.n_tokens} training tokens")
        self.watch.check()
        index = index if self.taken is None else self.taken.rows(index)
        rows = self.matrix.rows(index if self.split is None else self.split.rows(index))
        self.watch.check()
        return rows

    def blocks(self) -> Iterator[Float[Tensor, "block d_model"]]:
        """All training rows in order, some thousand at a time. ActivationsError where a file has changed."""
        if self.taken is not None:
            yield from (self.rows(index) for index in torch.arange(self.n_tokens).split(_BLOCK_ROWS))
            return
        stretches = [(0, self.n_tokens, False)] if self.split is None else self.split.stretches()
        for start, stop, heldout in stretches:
            for block in () if heldout else self.matrix.blocks(start, stop):
                self.watch.check()
                yield block.rows
        self.watch.check()

    def to(self, device: torch.device | str) -> "Activations":
        """The same activations with all rows in a device's memory: for a GPU that would wait for the disk otherwise."""
        matrix, heldout = self.matrix.to(device), replace(self.heldout, rows=self.heldout.rows.to(device))
        self.watch.check()
        return replace(self, matrix=matrix, heldout=heldout, watch=UNWATCHED)


@guarded(numbers="any")
def open_activations(
    source: str | Path | Tensor, *, verify: bool = True, tensor: str | None = None, transpose: bool = False
) -> Activations:
    """Open activations for reading; nothing is copied, and nothing is written.

    A store is opened in milliseconds plus, with `verify`, the time to check every byte against its checksum.
    A bare matrix (a .npy, .safetensors or .pt file, a folder of them, or a tensor) is read once for its moments and for
    what is strange about its rows; min(4096, a tenth) of them, in blocks spread over the matrix, are held out.

    Args:
        source: where they are.
        verify: whether to check a store against its checksums.
        tensor: the name of the tensor to read, where the files of a bare matrix hold several.
        transpose: whether the columns of a bare matrix are the tokens.

    Raises:
        ActivationsError: the source is missing, damaged, incomplete, changing, of a wrong shape, or holds NaN or
            infinity.
    """
    if isinstance(source, Tensor):
        return _from_tensor(source, transpose=transpose)
    path = Path(source).expanduser()
    with telling_of(path):
        if path.is_dir() and (path / MANIFEST).exists():
            if tensor is not None or transpose:
                raise ActivationsError(f"{path} is a store, whose rows are tokens: leave out tensor and transpose")
            return _from_store(path, check=verify)
        return _from_files(path, tensor=tensor, transpose=transpose)


def window_of(about: About) -> int:
    """Rows that a text window of activations like these has at most; 1 where nobody knows."""
    context = about.get("context")
    return context if type(context) is int and context > 1 else 1


def complete_manifest(folder: Path) -> tuple[Manifest, FileRecord, FileRecord]:
    """The manifest of a store, with its held-out rows and its moments.

    Raises:
        ActivationsError: it is missing, damaged or of another version, or the store is not complete.
    """
    manifest = read_manifest(folder)
    if manifest.moments is None or manifest.heldout is None:
        raise ActivationsError(
            f"{folder} is not complete: run the same {manifest.command} again and it continues where it stopped"
        )
    return manifest, manifest.heldout, manifest.moments


def _from_store(folder: Path, *, check: bool) -> Activations:
    manifest, rows, moments_file = complete_manifest(folder)
    watch = Watch(folder / shard.file for shard in manifest.shards)
    for file in manifest.files if check else ():
        verify_file(folder, file, command=manifest.command)
    name, heldout = folder.resolve().name, _read_heldout(folder, manifest, rows)
    moments = _read_moments(folder / moments_file.file, manifest)
    opened = Activations(
        name=name,
        d_model=manifest.d_model,
        n_tokens=manifest.n_tokens,
        fingerprint=_digest(file.sha256 for file in (*manifest.shards, rows)),
        about=manifest.about,
        moments=moments,
        heldout=heldout,
        matrix=Matrix(tuple(_stored_shard(folder, shard, manifest.d_model) for shard in manifest.shards)),
        warnings=(
            *about_copies(name, manifest.about.get("heldout_copies"), len(heldout.rows)),
            *about_heldout(name, heldout.rows, moments),
        ),
        watch=watch,
    )
    watch.accept(lambda: _from_store(folder, check=True).fingerprint == opened.fingerprint)
    return opened


def _digest(parts: Iterator[str]) -> str:
    return sha256(" ".join(parts).encode()).hexdigest()


def _stored_shard(folder: Path, record: FileRecord, d_model: int) -> Shard:
    shard = read_shard(folder / record.file)
    _check_shape(folder / record.file, shard.tensor, (record.rows, d_model))
    return shard


def _check_shape(path: Path, tensor: Tensor, told: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != told:
        raise damaged(path, f"it holds {tuple(tensor.shape)}, and {MANIFEST} says {told}")


def _read_moments(path: Path, manifest: Manifest) -> Moments:
    found, d_model = _tensors(path, "mean", "covariance"), manifest.d_model
    _check_shape(path, found["mean"], (d_model,))
    _check_shape(path, found["covariance"], (d_model, d_model))
    return Moments(manifest.n_tokens, found["mean"].double(), found["covariance"].double())


def _read_heldout(folder: Path, manifest: Manifest, record: FileRecord) -> HeldOut:
    path = folder / record.file
    found = _tensors(path, "activations")
    _check_shape(path, found["activations"], (record.rows, manifest.d_model))
    known = {name: found[name] for name in ("token_ids", "contexts", "positions") if name in found}
    for tensor in known.values():
        _check_shape(path, tensor, (record.rows,))
    texts = None if manifest.heldout_texts is None else _read_texts(folder / manifest.heldout_texts.file, record.rows)
    return HeldOut(found["activations"].float(), texts=texts, **known)


def _read_texts(path: Path, count: int) -> tuple[str, ...]:
    try:
        found = read_json_list(path)
    except UnreadableError as error:
        raise damaged(path, str(error)) from error
    if len(found) != count or not all(isinstance(text, str) for text in found):
        raise damaged(path, f"it is no list of {count} texts")
    return tuple(found)


def _tensors(path: Path, *needed: str) -> dict[str, Tensor]:
    """The tensors of a small file, in memory and not mapped."""
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (safe_open is not a mapping)
    except (SafetensorError, OSError) as error:
        raise damaged(path, str(error)) from error
    missing = [name for name in needed if name not in found]
    if missing:
        raise damaged(path, f"it holds no {missing[0]}")
    return found


def _from_files(path: Path, *, tensor: str | None, transpose: bool) -> Activations:
    watch = Watch(_matrices(path) if path.is_dir() else [path])
    name, matrix = read_matrix(path, tensor=tensor, transpose=transpose)
    opened = replace(_from_matrix(matrix, name, {"source": path.name}, watch), watch=watch)
    again = partial(_from_files, path, tensor=tensor, transpose=transpose)
    watch.accept(lambda: again().fingerprint == opened.fingerprint)
    return opened


def read_matrix(path: Path, *, tensor: str | None, transpose: bool) -> tuple[str, Matrix]:
    """The name of a bare matrix, and the matrix: of a file, or those of a folder one below the other.

    Raises:
        ActivationsError: there is none, or they are not of one width.
    """
    paths = _matrices(path) if path.is_dir() else [path]
    shards = tuple(read_shard(each, tensor=tensor, transpose=transpose) for each in paths)
    for each, shard in zip(paths, shards, strict=True):
        if shard.tensor.shape[1] != shards[0].tensor.shape[1]:
            raise ActivationsError(
                f"{each} has d_model {shard.tensor.shape[1]}, {shards[0].name} has {shards[0].tensor.shape[1]}: all "
                "matrices of a folder have one width (--transpose reads columns as tokens)"
            )
    return (path.resolve().name if path.is_dir() else path.stem), Matrix(shards)


def _matrices(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.iterdir() if path.suffix in _IN_FOLDERS)
    if not paths:
        raise ActivationsError(
            f"{folder} is a folder that holds neither a {MANIFEST} nor a .npy or .safetensors file{_hint(folder)}"
        )
    return paths


def _hint(folder: Path) -> str:
    if not any(folder.glob("*.arrow")):
        return ""
    return (
        "; it looks like a Hugging Face datasets folder: save one column of it, "
        "np.save('acts.npy', np.stack(dataset.with_format('numpy')['name of the column']).astype('float32'))"
    )


def _from_tensor(tensor: Tensor, *, transpose: bool) -> Activations:
    check_matrix(tensor, "the tensor")
    rows = tensor.detach().T if transpose else tensor.detach()
    return _from_matrix(Matrix((Shard("tensor", rows),)), "tensor", {"source": "tensor"}, UNWATCHED)


def _from_matrix(matrix: Matrix, name: str, about: About, watch: Watch) -> Activations:
    split = split_of(matrix, name)
    pass_over = _Pass(matrix, split, watch)
    moments, heldout = moments_of(pass_over.training()), torch.cat(pass_over.heldout)
    watch.check()
    said = (*pass_over.survey.warnings(name, matrix.d_model), *about_heldout(name, heldout, moments))
    fingerprint = pass_over.digest.hexdigest()
    lengths = [stop - start for start, stop, is_heldout in split.stretches() if is_heldout]
    blocks = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    return Activations(
        name,
        matrix.d_model,
        split.n_tokens,
        fingerprint,
        about,
        moments,
        HeldOut(heldout, blocks=blocks),
        matrix,
        split,
        said,
    )


def split_of(matrix: Matrix, name: str) -> Split:
    """Which rows of a bare matrix are held out.

    Raises:
        ActivationsError: there are too few.
    """
    split = Split(matrix.n_rows)
    if split.n_heldout == 0:
        raise ActivationsError(
            f"{name} holds {matrix.n_rows} rows of {matrix.d_model} columns: at least 10 are needed, a tenth is held "
            "out (--transpose reads columns as tokens)"
        )
    return split


class _Pass:
    """The one pass over a bare matrix: every row is known to be finite, hashed, and looked at."""

    def __init__(self, matrix: Matrix, split: Split, watch: Watch) -> None:
        self._matrix, self._split, self._watch = matrix, split, watch
        self.survey, self.digest = Survey(), sha256()
        self.heldout: list[Float[Tensor, "block d_model"]] = []

    def training(self) -> Iterator[Float[Tensor, "block d_model"]]:
        """The training rows block by block; those between them are kept in `heldout`."""
        for start, stop, heldout in self._split.stretches():
            for block in self._matrix.blocks(start, stop):
                self._watch.check()
                block.check_finite()
                self.digest.update(block.rows.cpu().numpy().tobytes())
                self.survey.add(block.rows, heldout=heldout)
                if heldout:
                    self.heldout.append(block.rows.clone())
                else:
                    yield block.rows
