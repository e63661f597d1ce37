"""Colours, once: figures are drawn in the light ones, and the page exchanges them for its CSS variables.

Each light value is written differently from every other, so that a colour found in a figure names its role.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["COLOURS", "Shade", "colour", "css"]


class Shade(NamedTuple):
    """One role in both schemes."""

    light: str
    dark: str


COLOURS: dict[str, Shade] = {
    # paper and ink
    "surface": Shade("#ffffff", "#15181d"),
    "raised": Shade("#f6f7f9", "#1d2127"),
    "rule": Shade("#dfe3e8", "#323841"),
    "muted": Shade("#59626e", "#a1abb8"),
    "ink": Shade("#16191d", "#e8ebef"),
    # pairs of runs: born identical, started apart
    "within": Shade("#a15c00", "#eba648"),
    "within-band": Shade("rgba(161,92,0,0.15)", "rgba(235,166,72,0.20)"),
    "within-pair": Shade("rgba(161,92,0,0.38)", "rgba(235,166,72,0.42)"),
    "between": Shade("#1f5fb0", "#79b1ff"),
    "between-band": Shade("rgba(31,95,176,0.15)", "rgba(121,177,255,0.20)"),
    "between-pair": Shade("rgba(31,95,176,0.34)", "rgba(121,177,255,0.40)"),
    "plain": Shade("#6a3fa0", "#c3a2f2"),
    "plain-band": Shade("rgba(106,63,160,0.15)", "rgba(195,162,242,0.20)"),
    "identity": Shade("#0b6e7f", "#5cc8da"),
    "identity-band": Shade("rgba(11,110,127,0.15)", "rgba(92,200,218,0.20)"),
    "run": Shade("rgba(89,98,110,0.55)", "rgba(161,171,184,0.60)"),
    # nulls, dashed, and references, dotted
    "floor": Shade("#3c434c", "#c4ccd6"),
    "other-floor": Shade("#878f9a", "#7d8794"),
    # parts of a published gap
    "gap": Shade("#5a6370", "#a3adba"),
    "born": Shade("#a25d01", "#eca749"),
    "earned": Shade("#0a7358", "#45c79c"),
    "tested": Shade("#6a3fa1", "#c3a2f3"),
    # activations as preprocessings show them
    "seen-none": Shade("#b0413e", "#ff9a8f"),
    "seen-centre": Shade("#1f5fb1", "#79b1fe"),
    "seen-centre-scale": Shade("#4c51bf", "#a3a8ff"),
    "seen-unit-norm": Shade("#8a6100", "#e0b341"),
    "seen-standardise": Shade("#0b7359", "#46c79d"),
    "seen-whiten": Shade("#8b3a8f", "#e09be4"),
    # classes of verdicts
    "together-accent": Shade("#0a7257", "#46c89d"),
    "born-accent": Shade("#965500", "#eda84a"),
    "apart-accent": Shade("#b01e3c", "#ff8496"),
    "open-accent": Shade("#525c69", "#a2acb9"),
}
"""Every colour of the report, by what it stands for."""


def colour(role: str) -> str:
    """The light value of a role, as figures use it."""
    return COLOURS[role].light


def css(scheme: str) -> str:
    """The custom properties of one scheme, `light` or `dark`."""
    return "\n".join(f"  --{role}: {getattr(shade, scheme)};" for role, shade in COLOURS.items())
