"""The curves of a study that was run, such as the demo:  python docs/figures/demo.py STUDY."""  # noqa: INP001 (a folder of scripts)

from __future__ import annotations

import sys
from pathlib import Path

from panels import draw_panels

from reseed._support.files import write_text
from reseed.findings import Findings

ASSETS = Path(__file__).parents[1] / "assets"


def draw(study: Path) -> str:
    """The conditions of a study folder, the preprocessings of each arm side by side."""
    findings = Findings.read(study)
    shown = [(found, f"{found.name}: {found.verdict.outcome}", _said(found.r2.value)) for found in findings.conditions]
    return draw_panels(f"Agreement along training: {findings.study['name']}", shown)


def _said(r2: float) -> str:
    return f"held-out R² {r2:.2f}"


if __name__ == "__main__":
    write_text(ASSETS / "demo.svg", draw(Path(sys.argv[1])))
