"""What a file or folder is, for whoever gave it in the place of something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["is_known", "what_is"]

_HEAD = 4096  # bytes that say what a file is

_BY_NAME = {
    ".npy": "a matrix",
    ".npz": "an archive of matrices",
    ".safetensors": "a file of tensors",
    ".pt": "a file of PyTorch",
    ".pth": "a file of PyTorch",
    ".parquet": "a table",
    ".html": "a page",
    ".gguf": "a model",
    ".toml": "a TOML file",
}
_BY_FIELD = {
    '"findings_version"': "the findings of a study",
    '"geometry_version"': "what  reseed geometry --json  printed",
    '"conditions"': "the manifest of a study",
    '"shards"': "the manifest of a store of activations",
    '"holds"': "what  reseed selfcheck  wrote",
    '"trials"': "what  reseed tune  wrote",
}
"""By a field that only documents of this kind have."""

_MARKERS = (
    ("findings.json", "a study folder"),
    ("runs", "a study folder"),
    ("spec.json", "the folder of a run"),
    ("config.json", "the folder of a model"),
    ("dataset_info.json", "a data set of Hugging Face"),
    ("study.toml", "a folder with a study.toml"),
)


def what_is(path: Path) -> str:
    """What lies at `path`, with an article; `a file` or `a folder` where nothing more can be told."""
    if path.is_dir():
        return _folder(path)
    return _known_file(path) or ("a file" if path.exists() else "nothing that exists")


def is_known(path: Path) -> bool:
    """Whether `path` is a file of a kind that can be named, and no TOML."""
    return path.is_file() and path.suffix != ".toml" and _known_file(path) is not None


def _folder(path: Path) -> str:
    if (path / "manifest.json").is_file():
        store = '"shards"' in _head(path / "manifest.json") or (path / "moments.safetensors").exists()
        return "a store of activations" if store else "a study folder"
    return next((kind for name, kind in _MARKERS if (path / name).exists()), "a folder")


def _known_file(path: Path) -> str | None:
    if path.suffix in _BY_NAME:
        return _BY_NAME[path.suffix]
    head = _head(path)
    if path.suffix != ".json" and not head.lstrip().startswith("{"):
        return None
    return next((kind for field, kind in _BY_FIELD.items() if field in head), None)


def _head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD).decode(errors="replace")
    except OSError:
        return ""
