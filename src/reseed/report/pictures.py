"""Figures as files for a paper."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from reseed._support.files import replacing
from reseed.errors import MissingExtraError, ReseedError
from reseed.report.figures import figure

if TYPE_CHECKING:
    from reseed.findings import Findings

__all__ = ["FORMS", "write_figure"]

FORMS = ("svg", "pdf", "png", "jpg", "webp")
"""What the ending of the file may be."""


def write_figure(
    findings: Findings, condition: str, path: str | Path, *, kind: str = "trajectory", width: int = 640
) -> Path:
    """Draw one figure of one condition into a file: vectors as .svg or .pdf, pixels as .png, .jpg or .webp.

    Args:
        findings: the study.
        condition: `arm@preprocessing`.
        path: the file; its ending says what is written.
        kind: one of `reseed.report.figures.KINDS`.
        width: in pixels, at least 100; the height is the figure's own.

    Raises:
        KeyError: there is no such condition.
        ValueError: there is no such kind or form, the width is too small, or there is nothing to draw.
        MissingExtraError: plotly or kaleido is not installed.
        ReseedError: there is no Chrome or Chromium, which kaleido draws with.
    """
    path = Path(path)
    form = path.suffix.removeprefix(".").lower()
    if form not in FORMS:
        raise ValueError(f"path = {str(path)!r}: end it with .{', .'.join(FORMS)}")
    if width < 100:  # noqa: PLR2004 (its labels alone are as wide)
        raise ValueError(f"width = {width}: at least 100 pixels")
    drawn = figure(findings, condition, kind=kind)
    if not drawn.data:
        raise ValueError(f"{condition} has nothing to draw of kind {kind}: choose another condition or kind")
    try:
        import_module("kaleido")
    except ImportError as error:
        raise MissingExtraError("kaleido", "figures") from error
    try:
        picture = drawn.to_image(format=form, width=width)
    except RuntimeError as error:
        raise ReseedError(
            f"{path} cannot be drawn: kaleido found no Chrome or Chromium that starts; install one, or name it in the "
            "environment variable BROWSER_PATH"
        ) from error
    with replacing(path) as temporary:
        temporary.write_bytes(picture)
    return path
