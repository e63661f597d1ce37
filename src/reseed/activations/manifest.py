"""What a store says about itself: `manifest.json`.

FORMAT_VERSION history:
    1  shards, moments, held-out split, free `about` entries
"""

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from reseed._support.documents import UnreadableError, read_json
from reseed._support.files import write_json
from reseed._support.mistakes import first_mistake, shown
from reseed.errors import ActivationsError

__all__ = [
    "FORMAT_VERSION",
    "MANIFEST",
    "About",
    "Dtype",
    "FileRecord",
    "Manifest",
    "is_whole",
    "read_manifest",
    "sha256_of_file",
    "verify_file",
    "write_manifest",
]

FORMAT_VERSION = 1
MANIFEST = "manifest.json"

About = dict[str, str | int | float | bool | None]
Dtype = Literal["bf16", "fp32"]


class FileRecord(BaseModel):
    """A file of the store: its name, the rows it holds, and the SHA-256 of its content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    rows: int
    sha256: str


class Manifest(BaseModel):
    """The content of `manifest.json`; complete once it has moments."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = FORMAT_VERSION
    about: About
    """Where the activations come from: model, layer, text source, licence and whatever else should be printed."""
    d_model: int
    dtype: Dtype
    n_tokens: int = 0
    """Training rows; the held-out split is not among them."""
    shards: tuple[FileRecord, ...] = ()
    heldout: FileRecord | None = None
    heldout_texts: FileRecord | None = None
    moments: FileRecord | None = None

    @property
    def files(self) -> tuple[FileRecord, ...]:
        """Every file of the store except the manifest."""
        others = (self.heldout, self.heldout_texts, self.moments)
        return (*self.shards, *(file for file in others if file is not None))

    def with_shards(self, shards: tuple[FileRecord, ...]) -> "Manifest":
        """The same store with other shards, and so without moments."""
        n_tokens = sum(shard.rows for shard in shards)
        return self.model_copy(update={"shards": shards, "n_tokens": n_tokens, "moments": None})


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json` atomically."""
    write_json(folder / MANIFEST, manifest.model_dump())


def read_manifest(folder: Path) -> Manifest:
    """Read `manifest.json`.

    Raises:
        ActivationsError: it is missing, damaged or of a format that this version of reseed does not know.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ActivationsError(
            f"{folder} has no {MANIFEST}: it is no store of activations; make one with reseed collect"
        )
    try:
        content = read_json(path)
    except UnreadableError as error:
        raise ActivationsError(f"{path} is damaged ({error}): collect again") from error
    if "conditions" in content:
        raise ActivationsError(f"{folder} is a study, not a store of activations: give what the study reads")
    version = content.get("format_version")
    if type(version) is not int or version != FORMAT_VERSION:
        raise ActivationsError(
            f"{path} is of format version {shown(version)}, this reseed reads {FORMAT_VERSION}: "
            "use the reseed that wrote it or collect again"
        )
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        raise ActivationsError(f"{path} is damaged ({first_mistake(error, Manifest)}): collect again") from error
    rows = sum(shard.rows for shard in manifest.shards)
    if manifest.n_tokens != rows:
        raise ActivationsError(
            f"{path} is damaged (n_tokens = {manifest.n_tokens:,}, and its shards have {rows:,} rows): collect again"
        )
    return manifest


def is_whole(folder: Path, file: FileRecord) -> bool:
    """Whether a file of the store is there and holds the bytes that were written."""
    path = folder / file.file
    return path.is_file() and sha256_of_file(path) == file.sha256


def verify_file(folder: Path, file: FileRecord) -> None:
    """Raise ActivationsError unless a file of the store is there and holds the bytes that were written."""
    if not is_whole(folder, file):
        what = (
            "has changed since it was written (its checksum differs)" if (folder / file.file).exists() else "is missing"
        )
        raise ActivationsError(
            f"{folder / file.file} {what}: copy the store again, or run the same reseed collect again to repair it"
        )


def sha256_of_file(path: Path) -> str:
    """The hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
