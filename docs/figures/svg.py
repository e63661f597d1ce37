"""SVG by hand: a few marks, text, and the report's colours in both schemes."""  # noqa: INP001 (a folder of scripts)

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from reseed.report.theme import css

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Point = tuple[float, float]


def document(width: int, height: int, title: str, marks: Iterable[str]) -> str:
    """A whole picture on a surface of its own, light or dark as the reader's system is."""
    style = (
        f":root {{\n{css('light')}\n}}\n@media (prefers-color-scheme: dark) {{ :root {{\n{css('dark')}\n}} }}\n"
        "text { font: 12px system-ui, sans-serif; fill: var(--ink) }\n"
        ".muted { fill: var(--muted) } .strong { font-weight: 600 } .small { font-size: 11px }\n"
        "line, path { fill: none; stroke-linejoin: round } rect { shape-rendering: crispEdges }"
    )
    body = "\n".join(mark for mark in marks if mark)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img">\n<title>{escape(title)}</title>\n<style>\n{style}\n</style>\n'
        f'<rect width="{width}" height="{height}" rx="6" fill="var(--surface)"/>\n{body}\n</svg>\n'
    )


def text(at: Point, words: str, *, look: str = "", anchor: str = "start", colour: str = "") -> str:
    """One line of text; `look` is any of muted, strong, small."""
    paint = f' style="fill: var(--{colour})"' if colour else ""
    return f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" class="{look}" text-anchor="{anchor}"{paint}>{escape(words)}</text>'


def line(a: Point, b: Point, colour: str, *, width: float = 1, dash: str = "") -> str:
    """A straight line."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}" '
        f'stroke="var(--{colour})" stroke-width="{width:g}"{dashed}/>'
    )


def curve(points: Sequence[Point], colour: str, *, width: float = 2) -> str:
    """A line through points."""
    return f'<path d="M{_joined(points)}" stroke="var(--{colour})" stroke-width="{width:g}"/>'


def area(points: Sequence[Point], colour: str) -> str:
    """What points enclose."""
    return f'<path d="M{_joined(points)}Z" style="fill: var(--{colour})"/>'


def box(at: Point, size: Point, colour: str, *, round_by: float = 0, opacity: float = 1) -> str:
    """A filled rectangle with its upper left corner at `at`."""
    return (
        f'<rect x="{at[0]:.1f}" y="{at[1]:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}" rx="{round_by:g}" '
        f'style="fill: var(--{colour}); opacity: {opacity:g}"/>'
    )


def dot(at: Point, colour: str, *, radius: float = 3) -> str:
    """A filled circle."""
    return f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{radius:g}" style="fill: var(--{colour})"/>'


def _joined(points: Sequence[Point]) -> str:
    return "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
