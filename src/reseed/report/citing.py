"""What a paper needs to say about a study: how it was done, and whom to cite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseed._support.numbers import percent
from reseed.report.words import counted, false_words, level_of, up_to_sign

if TYPE_CHECKING:
    from reseed.findings import Findings

__all__ = ["bibtex", "methods"]


def methods(findings: Findings) -> str:
    """How the numbers came about, as one paragraph to copy."""
    kinds = sorted({each.kind for each in findings.conditions})
    runs = sum(run.status == "finished" for each in findings.conditions for run in each.runs)
    steps = max((each.steps[-1] for each in findings.conditions if each.steps), default=0)
    trained = f"{counted(runs, 'run')} in {counted(len(findings.conditions), 'condition')} ({', '.join(kinds)})"
    over = f"for up to {counted(steps, 'step')} on {_activations(findings)}"
    return (
        f"We trained {trained}, {_design(findings)}, {over}. Runs were compared from step 0 on by their matched "
        "agreement, the mean cosine of atoms under the optimal one-to-one matching, among runs with identical and with "
        f"different step-0 dictionaries. {_signs(findings)}{_null(findings)} Brackets are "
        f"{percent(level_of(findings))} intervals from a delete-one jackknife over starts, or over runs where all "
        "share a start."
        f"{_false(findings)} Computed with reseed {findings.reseed}."
    )


def _design(findings: Findings) -> str:
    starts, runs = findings.study.get("starts"), findings.study.get("runs_per_start")
    if not isinstance(starts, int) or not isinstance(runs, int):
        return "several starts each"
    return f"{counted(starts, 'start')} each with {counted(runs, 'run')} per start"


def _activations(findings: Findings) -> str:
    about = findings.activations
    size = [f"{about['tokens']:,} tokens"] if isinstance(about.get("tokens"), int) else []
    place = [f"layer {about['layer']} of {about['model']}"] if {"layer", "model"} <= set(about) else []
    return " from ".join([*size, *place]) or "recorded activations"


def _signs(findings: Findings) -> str:
    told = up_to_sign(findings)
    return told and f"{told} "


def _null(findings: Findings) -> str:
    """What the agreement was held against."""
    kinds = sorted({each.surrogate.kind for each in findings.conditions if each.surrogate})
    if not kinds:
        return "The null is the exact agreement of random directions."
    return (
        f"The null is the same recipe trained on {' and '.join(kinds)} surrogates of the activations, which keep mean, "
        "covariance and lengths and nothing else, or random directions where these agree more."
    )


def _false(findings: Findings) -> str:
    told = false_words(findings)
    return told and f" {told}"


def bibtex(version: str) -> str:
    """The software, and the paper whose question it asks."""
    return f"""@software{{reseed,
  title   = {{reseed: do independently trained dictionaries agree?}},
  version = {{{version}}},
}}

@misc{{brzozowski2026ablating,
  author = {{Brzozowski, Micha{{\\l}} and Chung, Neo Christopher}},
  title  = {{Ablating Archetypes: The Stability of Archetypal SAEs is an Artifact of Initialization and Metric Design}},
  year   = {{2026}},
  eprint = {{2606.02061}},
}}"""
