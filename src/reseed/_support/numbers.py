"""Numbers as text. Rounding never lies: 0, ±1 and 100 % are printed only when they are exact."""

from __future__ import annotations

import math

__all__ = ["bound", "digits_apart", "interval", "percent", "rounded", "size", "steps"]

_WHOLE = 10  # steps from here on are told without a digit after the point
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")

MINUS = "\N{MINUS SIGN}"


def rounded(value: float, digits: int = 2) -> str:
    """`value` with `digits` decimals, without a leading zero; `<.01`, `>.99` or `>1.00` where it is near 0 or ±1."""
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{abs(value):.{digits}f}"
    smallest, largest = 10.0**-digits, 1.0 - 10.0**-digits
    if float(text) == 0.0 and value != 0.0:
        return f"<{_bare(smallest, digits)}" if value > 0 else f">{MINUS}{_bare(smallest, digits)}"
    if float(text) == 1.0 and abs(value) != 1.0:
        bound = _bare(largest, digits) if abs(value) < 1.0 else text
        return f">{bound}" if value > 0 else f"<{MINUS}{bound}"
    return (MINUS if value < 0 else "") + text.removeprefix("0" if abs(value) < 1 and value != 0.0 else "")


def digits_apart(a: float, b: float) -> int:
    """The fewest decimals, from 2 to 6, that show two different numbers as different texts."""
    return next((digits for digits in range(2, 6) if a == b or rounded(a, digits) != rounded(b, digits)), 6)


def interval(low: float, high: float, digits: int = 2) -> str:
    """`[low, high]`, or nothing where it is not defined."""
    return "" if math.isnan(low) or math.isnan(high) else f"[{rounded(low, digits)}, {rounded(high, digits)}]"


def percent(share: float) -> str:
    """A share in [0, 1] as a percentage; `<1 %` and `>99 %` where rounding would reach 0 or 100."""
    if math.isnan(share):
        return "n/a"
    whole = round(100 * share)
    if whole == 0 and share > 0:
        return "<1 %"
    if whole == 100 and share < 1:  # noqa: PLR2004 (per cent)
        return ">99 %"
    return f"{whole} %"


def bound(limit: object) -> str:
    """An end of a range, such as `10,000` or `1e-30`."""
    return f"{limit:,}" if isinstance(limit, int) else f"{limit:g}"


def size(n_bytes: int) -> str:
    """Bytes in words, three digits at most, such as `17.2 GB`; 1 GB is 10^9 bytes."""
    power = 0
    while round(n_bytes / 1000**power) >= 1000 and power < len(_UNITS) - 1:  # noqa: PLR2004 (a thousand of one unit)
        power += 1
    value = n_bytes / 1000**power
    return f"{value:,.0f} {_UNITS[power]}" if power == 0 or value >= 100 else f"{value:.1f} {_UNITS[power]}"  # noqa: PLR2004 (three digits)


def steps(count: float) -> str:
    """`412 steps`, `1.3 steps`, or `not reached`."""
    if not math.isfinite(count):
        return "not reached"
    return f"{count:,.0f} steps" if count >= _WHOLE else f"{rounded(count, 1)} steps"


def _bare(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".removeprefix("0") or "0"
