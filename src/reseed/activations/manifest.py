"""What a store says about itself: `manifest.json`.

FORMAT_VERSION history:
    1  shards, moments, held-out split, free `about` entries
    2  a SHA-256 of its own content
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError, field_validator, model_validator

from reseed._support.documents import UnreadableError, parse_json
from reseed._support.files import canonical_json, sha256_of_file, sha256_of_text, write_text
from reseed._support.mistakes import first_mistake, shown
from reseed.errors import ActivationsError

__all__ = [
    "FORMAT_VERSION",
    "MANIFEST",
    "About",
    "Dtype",
    "FileRecord",
    "Manifest",
    "damaged",
    "is_whole",
    "read_manifest",
    "verify_file",
    "write_manifest",
]

FORMAT_VERSION = 2
MANIFEST = "manifest.json"

About = dict[str, str | int | float | bool | None]
Dtype = Literal["bf16", "fp32"]
_CHECKSUM = "sha256"
_Count = Annotated[StrictInt, Field(ge=0)]


class FileRecord(BaseModel):
    """A file of the store: its name, the rows it holds, and the SHA-256 of its content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    """A name in the folder of the store: a manifest never leads out of it."""
    rows: _Count
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @field_validator("file")
    @classmethod
    def _lies_in_the_folder(cls, file: str) -> str:
        if file in {"", ".", ".."} or set(file) & set("/\\:\0"):
            raise ValueError(f"{file!r} is no name of a file in the folder of the store")
        return file


class Manifest(BaseModel):
    """The content of `manifest.json`; complete once it has moments."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: StrictInt = FORMAT_VERSION
    about: About
    """Where the activations come from: model, layer, text source, licence and whatever else should be printed."""
    d_model: Annotated[StrictInt, Field(ge=1)]
    dtype: Dtype
    n_tokens: _Count = 0
    """Training rows; the held-out split is not among them."""
    shards: tuple[FileRecord, ...] = ()
    heldout: FileRecord | None = None
    heldout_texts: FileRecord | None = None
    moments: FileRecord | None = None

    @model_validator(mode="after")
    def _counts_the_rows_of_its_shards(self) -> Self:
        rows = sum(shard.rows for shard in self.shards)
        if self.n_tokens != rows:
            raise ValueError(f"n_tokens is {self.n_tokens:,}, and its shards hold {rows:,} rows")
        return self

    @property
    def command(self) -> str:
        """What wrote the store, and goes on with it."""
        return "reseed surrogate" if "surrogate" in self.about else "reseed collect"

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
    """Write `manifest.json` atomically, with a SHA-256 of its content."""
    content = manifest.model_dump() | {"format_version": FORMAT_VERSION}
    write_text(folder / MANIFEST, _text(content | {_CHECKSUM: sha256_of_text(canonical_json(content))}))


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """Read `manifest.json`.

    Raises:
        ActivationsError: it is missing, differs from what was written, names files outside its folder, counts other
            rows than its shards hold, or is of a format that this version of reseed does not know.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ActivationsError(
            f"{folder} has no {MANIFEST}: it is no store of activations; make one with reseed collect"
        )
    try:
        content = path.read_bytes()
        found = parse_json(content)
        if not isinstance(found, dict):
            raise damaged(path, "it holds no object")
        if "conditions" in found:
            raise ActivationsError(f"{folder} is a study, not a store of activations: give what the study reads")
        version = _checked_version(path, found.get("format_version"))
        return Manifest.model_validate(_as_written(path, content, found) if version > 1 else found)
    except (UnreadableError, OSError) as error:
        raise damaged(path, str(error)) from error
    except ValidationError as error:
        raise damaged(path, first_mistake(error, Manifest)) from error


def _checked_version(path: Path, version: object) -> int:
    if type(version) is not int or not 1 <= version <= FORMAT_VERSION:
        raise ActivationsError(
            f"{path} is of format version {shown(version)}, this reseed reads 1 to {FORMAT_VERSION}: "
            "use the reseed that wrote it or collect again"
        )
    return version


def _as_written(path: Path, content: bytes, found: dict[str, Any]) -> dict[str, Any]:
    """What a manifest says, without its checksum. ActivationsError unless it is, to the byte, what was written."""
    bare = {key: value for key, value in found.items() if key != _CHECKSUM}
    if found.get(_CHECKSUM) != sha256_of_text(canonical_json(bare)) or content != _text(found).encode():
        raise damaged(path, "its checksum differs")
    return bare


def damaged(path: Path, why: str) -> ActivationsError:
    """The error for a file of a store that holds what no collection wrote."""
    return ActivationsError(
        f"{path} is damaged ({why}): copy the store again, or delete {path.parent} and run the same reseed collect"
    )


def is_whole(folder: Path, file: FileRecord) -> bool:
    """Whether a file of the store is there and holds the bytes that were written."""
    path = folder / file.file
    return path.is_file() and sha256_of_file(path) == file.sha256


def verify_file(folder: Path, file: FileRecord, *, command: str = "reseed collect") -> None:
    """Raise ActivationsError unless a file of the store is there and holds the bytes that were written."""
    if not is_whole(folder, file):
        what = (
            "has changed since it was written (its checksum differs)" if (folder / file.file).exists() else "is missing"
        )
        raise ActivationsError(
            f"{folder / file.file} {what}: copy the store again, or run the same {command} again to repair it"
        )
