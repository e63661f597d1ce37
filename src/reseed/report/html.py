"""Findings as one HTML file that opens offline: template, figures as data, and the plotting library, each once.

The file asks the network for nothing, and its content security policy forbids it to. The library and the figures'
data are gzip in base64; the page inflates them, and says so plainly where the browser cannot.
"""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from reseed._support.files import write_text
from reseed._support.guard import guarded
from reseed._support.visible import visible_document
from reseed.report import called, theme, words
from reseed.report._plotly import layout, literal
from reseed.report.bars import attribution
from reseed.report.environment import environment
from reseed.report.figures import KINDS
from reseed.report.stamp import stamped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reseed.findings import Comparison, Findings
    from reseed.report._plotly import go

__all__ = ["Plot", "page", "rendered", "write_report"]


@dataclass(frozen=True)
class Plot:
    """A figure's place in the page."""

    number: int
    """Which of the embedded figures it is."""
    alt: str
    height: int


@guarded()
def write_report(findings: Findings, path: str | Path) -> Path:
    """Write the HTML report to `path`, one file that opens offline; the same findings give the same bytes.

    Raises:
        MissingExtraError: plotly or jinja2 is not installed.
    """
    path = Path(path)
    write_text(path, stamped(page(findings), findings))
    return path


def page(findings: Findings) -> str:
    """The report as one HTML document."""
    findings = visible_document(findings)
    return rendered(
        "page.html.j2",
        _figures(findings),
        findings=findings,
        title=words.title(findings),
        version=findings.reseed,
        study_toml=tomli_w.dumps(_without_null(findings.study)),
        comparisons=_by_preprocess(findings),
        floors=called.floors_shown(findings.conditions),
        companions=called.measures_shown(findings.conditions, "companion"),
        mechanisms=called.measures_shown(findings.conditions, "mechanism"),
        diagnostics=called.diagnostics(findings.conditions),
    )


def rendered(template: str, figures: Mapping[Any, go.Figure], **names: Any) -> str:  # noqa: ANN401 (whatever it shows)
    """A page with its figures and all that draws them; the template finds a figure in `plots` under its key."""
    plots = {
        place: Plot(number, layout(drawn).meta["alt"], layout(drawn).height)
        for number, (place, drawn) in enumerate(figures.items())
    }
    return (
        environment()
        .get_template(template)
        .render(
            **names,
            plots=plots,
            light=theme.css("light"),
            dark=theme.css("dark"),
            roles=_json({shade.light: f"--{role}" for role, shade in theme.COLOURS.items()}),
            figures=_packed(f"[{','.join(drawn.to_json() for drawn in figures.values())}]".encode()),
            plotly=_plotly_js(),
        )
    )


def _figures(findings: Findings) -> dict[tuple[str, str], go.Figure]:
    """By kind and condition, or preprocessing for the attribution; without those that have nothing to draw."""
    drawn = literal(findings)
    named = list(zip(findings.conditions, drawn.conditions, strict=True))
    kinds = {name: kind for name, kind in KINDS.items() if name != "attribution"}
    figures = {(name, each.name): kind.draw(drawn, seen) for name, kind in kinds.items() for each, seen in named}
    groups = zip(_by_preprocess(findings), _by_preprocess(drawn).values(), strict=True)
    figures |= {("attribution", name): attribution(group) for name, group in groups}
    shown = {place: each for place, each in figures.items() if each.data}
    for each in shown.values():
        each.update_layout(showlegend=False)  # the page has one legend per section
    return shown


def _by_preprocess(findings: Findings) -> dict[str, list[Comparison]]:
    groups: dict[str, list[Comparison]] = {}
    for comparison in findings.comparisons:
        groups.setdefault(comparison.preprocess, []).append(comparison)
    return groups


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, compresslevel=9, mtime=0)).decode("ascii")


@cache
def _plotly_js() -> str:
    return _packed(files("plotly").joinpath("package_data", "plotly.min.js").read_bytes())


def _json(value: object) -> str:
    """JSON that is safe inside a script element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _without_null(value: Any) -> Any:  # noqa: ANN401 (TOML has no null)
    if isinstance(value, dict):
        return {key: _without_null(each) for key, each in value.items() if each is not None}
    if isinstance(value, (list, tuple)):
        return [_without_null(each) for each in value if each is not None]
    return value
