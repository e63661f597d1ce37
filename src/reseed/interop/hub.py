"""Dictionaries on the Hugging Face hub: `hf://owner/name/path@revision`, one folder or file of one revision.

What is in the local cache is taken from there; the rest is fetched into it, and nothing beside the one path is.
"""

from __future__ import annotations

import re
from pathlib import Path

from reseed.errors import DictionaryError, MissingExtraError

__all__ = ["fetched", "is_on_hub"]

_PLACE = re.compile(r"hf:/{1,2}(?P<repository>[^/@]+/[^/@]+)(?:/(?P<path>[^@]*))?(?:@(?P<revision>.+))?")


def is_on_hub(source: object) -> bool:
    """Whether this names a place on the hub."""
    return isinstance(source, str | Path) and str(source).startswith("hf:/")


def fetched(source: str | Path) -> Path:
    """The folder or file in the local cache, in the revision that was asked for or that is the main one now.

    Raises:
        DictionaryError: no such place, or it can be had neither from the cache nor from the hub.
        MissingExtraError: huggingface_hub is not installed.
    """
    found = _PLACE.fullmatch(str(source))
    path = (found["path"] or "").strip("/") if found else ""
    if found is None or ".." in path.split("/"):
        raise DictionaryError(
            f"{source} is no place on the hub: write hf://owner/name/path@revision; path and revision may be left out"
        )
    try:
        from huggingface_hub import snapshot_download  # noqa: PLC0415 (an extra)
        from huggingface_hub.errors import (  # noqa: PLC0415 (the same)
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
        )
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", "hub") from error
    wanted = [path, f"{path}/*"] if path else None
    try:
        folder = snapshot_download(found["repository"], revision=found["revision"], allow_patterns=wanted)
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DictionaryError(f"{source} can be had neither from the cache nor from the hub ({why})") from error
    place = Path(folder) / path
    if not place.exists():
        revision = Path(folder).name
        raise DictionaryError(f"{source} is not there: revision {revision} of {found['repository']} has no {path}")
    return place
