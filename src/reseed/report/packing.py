"""What a page carries: packed, as gzip in base64, or as JSON in a script element."""

from __future__ import annotations

import base64
import gzip
import json

__all__ = ["json_in_script", "packed"]


def packed(content: bytes) -> str:
    """As gzip in base64; the same bytes give the same text."""
    return base64.b64encode(gzip.compress(content, compresslevel=9, mtime=0)).decode("ascii")


def json_in_script(value: object) -> str:
    """JSON that cannot end the script element that it stands in."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
