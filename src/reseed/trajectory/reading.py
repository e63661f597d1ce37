"""Reading files of ours: a missing one, or one that is not what was written, is named, with what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open

from reseed._support import documents
from reseed._support.checksums import again, refuse, verify
from reseed._support.documents import UnreadableError, parse_json
from reseed._support.files import HEADER
from reseed._support.mistakes import first_mistake
from reseed.errors import TrajectoryError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

__all__ = ["damaged", "fitted", "opened", "read_header", "read_json", "read_table", "read_tensors"]

Fitted = TypeVar("Fitted", bound=BaseModel)


def read_header(path: Path) -> dict[str, Any]:
    """What a safetensors file of ours says about itself.

    Raises:
        TrajectoryError: it is missing or damaged.
    """
    with opened(path) as file:
        told = (file.metadata() or {}).get(HEADER, "{}")
    try:
        header = parse_json(told, finite=False)  # a run that diverged says so in its metrics
    except UnreadableError as error:
        raise damaged(path, error) from error
    if not isinstance(header, dict):
        raise damaged(path, UnreadableError("its header is no table"))
    return header


def opened(path: Path) -> Any:  # noqa: ANN401 (safetensors has no type for an open file)
    """A safetensors file, open for reading.

    Raises:
        TrajectoryError: it is missing or damaged.
    """
    _check(path)
    try:
        return safe_open(path, framework="pt")
    except (OSError, SafetensorError) as error:
        raise damaged(path, error) from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, by name.

    Raises:
        TrajectoryError: it is missing or damaged.
    """
    with opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (safe_open is not a mapping)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        TrajectoryError: it is missing or damaged.
    """
    _check(path)
    try:
        return documents.read_json(path)
    except UnreadableError as error:
        raise damaged(path, error) from error


def read_table(path: Path) -> pl.DataFrame:
    """A parquet table.

    Raises:
        TrajectoryError: it is missing or damaged.
    """
    _check(path)
    try:
        return pl.read_parquet(path, glob=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception | str) -> TrajectoryError:
    """What to do about a file that cannot be read."""
    what = f"is damaged ({error})" if path.exists() else "is missing"
    return TrajectoryError(f"{path} {what}: {again([path])}")


def _check(path: Path) -> None:
    """Refuse a file that is not what was written, whatever it seems to say."""
    found = verify(path)
    refuse([] if found is None else [found])


def fitted(path: Path, model: type[Fitted], document: Mapping[str, Any]) -> Fitted:
    """A document of ours as its model.

    Raises:
        TrajectoryError: fields are missing, unknown or of another kind; the first is named.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise damaged(path, ValueError(first_mistake(error, model))) from error
