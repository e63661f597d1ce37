"""Findings as one HTML file that opens offline: template, figures as data, and the plotting library, each once.

The file asks the network for nothing, and its content security policy forbids it to. The library, the findings and the
figures' data, kind by kind, are gzip in base64; the page inflates what it shows, and says so plainly where the browser
cannot.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from reseed._support.files import write_text
from reseed._support.guard import guarded
from reseed._support.visible import visible_document
from reseed.errors import MissingExtraError
from reseed.report import called, citing, sifting, theme, words
from reseed.report.bars import attribution
from reseed.report.drawing import literal
from reseed.report.environment import environment
from reseed.report.figures import KINDS
from reseed.report.packing import json_in_script, packed
from reseed.report.paths import trajectory
from reseed.report.stamp import stamped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reseed.findings import Comparison, ConditionFindings, Findings
    from reseed.report.drawing import Drawing

__all__ = ["Plot", "page", "rendered", "write_report"]

PANEL, SMALL_PANEL = 216, 158  # pixels of a trajectory on the first screen
SMALL = 12  # conditions; trajectories of more are small multiples
SIFTED = 6  # conditions; more can be filtered, grouped and sorted
EMBEDDED = 1_600_000  # bytes of packed findings in the page, at most
DETAILED = 60  # conditions that have more than a trajectory, a verdict and a line of each table in the page
MOST_COMPARISONS = 8  # drawn for one preprocessing; the table has all


@dataclass(frozen=True)
class Plot:
    """A figure's place in the page."""

    kind: str
    """Which of the embedded lists of figures it is in."""
    number: int
    """Its place in that list."""
    alt: str
    height: int
    title: str
    """What stands above it in a file of its own."""


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
    findings = findings.model_copy(update={"conditions": words.ordered(findings.conditions)})
    told, left_out = _embedded(findings)
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
        numbers={each.name: i for i, each in enumerate(findings.conditions)},
        sifted=_sifted(findings.conditions),
        small=_are_small(findings),
        LINES=DETAILED,
        DRAWN=MOST_COMPARISONS,
        findings_json=told,
        left_out=left_out,
        methods=citing.methods(findings),
        bibtex=citing.bibtex(findings.reseed),
    )


def rendered(template: str, figures: Mapping[Any, Drawing], **names: Any) -> str:  # noqa: ANN401 (whatever it shows)
    """A page with its figures and all that draws them; the template finds a figure in `plots` under its key.

    The first word of a key of several is the kind: figures of one kind are inflated together, when one of them is seen.
    """
    kinds: dict[str, list[Drawing]] = {}
    plots = {}
    for place, drawn in figures.items():
        kind = place[0] if isinstance(place, tuple) else "figure"
        about = drawn.layout["meta"]
        alike = kinds.setdefault(kind, [])
        plots[place] = Plot(kind, len(alike), about["alt"], drawn.layout["height"], about.get("title", ""))
        alike.append(drawn)
    inflatable = {kind: packed(f"[{','.join(map(_small, alike))}]".encode()) for kind, alike in kinds.items()}
    return (
        environment()
        .get_template(template)
        .render(
            **{"findings_json": "", **names},
            plots=plots,
            light=theme.css("light"),
            dark=theme.css("dark"),
            roles=json_in_script({shade.light: f"--{role}" for role, shade in theme.COLOURS.items()}),
            figures=inflatable,
            plotly=_plotly_js(),
        )
    )


def _small(drawn: Drawing) -> str:
    """A figure as JSON, numbers with as many digits as a screen can show."""
    return _NUMBER.sub(lambda number: f"{float(number[0]):.5g}", drawn.to_json())


_NUMBER = re.compile(r"(?<=[\[,:])-?\d+\.\d{6,}(?:e-?\d+)?(?=[\],}])")


def _embedded(findings: Findings) -> tuple[str, str]:
    """The findings, packed, and what was left out so that the page stays small."""
    whole = packed(findings.to_json().encode())
    if len(whole) <= EMBEDDED:
        return whole, ""
    told = findings.model_copy(update={"conditions": tuple(map(_without_singles, findings.conditions))})
    shorter = packed(_NUMBER.sub(lambda number: f"{float(number[0]):.5g}", told.model_dump_json()).encode())
    if len(shorter) <= EMBEDDED:
        return shorter, "single pairs and the metrics of single runs, and digits after the fifth"
    return "", "all of it"


def _without_singles(condition: ConditionFindings) -> ConditionFindings:
    births = condition.births and condition.births.model_copy(update={"pairs": ()})
    runs = tuple(run.model_copy(update={"metrics": {}}) for run in condition.runs)
    return condition.model_copy(update={"pairs": (), "births": births, "runs": runs})


def _figures(findings: Findings) -> dict[tuple[str, str], Drawing]:
    """By kind and condition, or preprocessing for the attribution; without those that have nothing to draw."""
    drawn = literal(findings)
    named = list(zip(findings.conditions, drawn.conditions, strict=True))
    kinds = {name: kind.draw for name, kind in KINDS.items() if name != "attribution"}
    small = _are_small(findings)
    kinds["trajectory"] = partial(trajectory, height=SMALL_PANEL if small else PANEL, small=small)
    figures = {
        (name, each.name): draw(drawn, seen)
        for name, draw in kinds.items()
        for each, seen in (named if name == "trajectory" else named[:DETAILED])
    }
    groups = zip(_by_preprocess(findings), _by_preprocess(drawn).values(), strict=True)
    figures |= {("attribution", name): attribution(_drawn(group)) for name, group in groups}
    shown = {place: each for place, each in figures.items() if each.data}
    for (kind, name), each in shown.items():
        title = f"{KINDS[kind].title}: {html.escape(name, quote=False)}"
        each.update_layout(showlegend=False, meta={**each.layout["meta"], "title": title})  # the page has legends
    return shown


def _are_small(findings: Findings) -> bool:
    """Whether trajectories are small multiples."""
    return len(findings.conditions) > SMALL


def _sifted(conditions: Sequence[ConditionFindings]) -> str:
    """What filters, groups and sorts the conditions has to know of them, as JSON; empty where they are few."""
    return json_in_script([sifting.keys(each) for each in conditions]) if len(conditions) > SIFTED else ""


def _drawn(group: Sequence[Comparison]) -> list[Comparison]:
    """As many comparisons as are drawn: where there are more, those that are tested come first."""
    if len(group) <= MOST_COMPARISONS:
        return list(group)
    return sorted(group, key=lambda each: each.outcome == "not compared")[:MOST_COMPARISONS]


def _by_preprocess(findings: Findings) -> dict[str, list[Comparison]]:
    groups: dict[str, list[Comparison]] = {}
    for comparison in findings.comparisons:
        groups.setdefault(comparison.preprocess, []).append(comparison)
    return groups


@cache
def _plotly_js() -> str:
    try:
        return packed(files("plotly").joinpath("package_data", "plotly.min.js").read_bytes())
    except ImportError as error:
        raise MissingExtraError("plotly", "report") from error


def _without_null(value: Any) -> Any:  # noqa: ANN401 (TOML has no null)
    if isinstance(value, dict):
        return {key: _without_null(each) for key, each in value.items() if each is not None}
    if isinstance(value, (list, tuple)):
        return [_without_null(each) for each in value if each is not None]
    return value
