r"""The tables of findings for a paper or an issue: verdicts and comparisons as LaTeX, Markdown or CSV.

LaTeX needs the package booktabs; signs that pdfLaTeX does not have are written as its commands. CSV is the tidy table
of `reseed.table`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reseed._support.brief import Tabled
from reseed._support.visible import visible, visible_document
from reseed.report.words import estimated, ordered, ratio, title, verdict_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.findings import Comparison, ConditionFindings, Findings

__all__ = ["written"]


@dataclass(frozen=True)
class _Table:
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_words: int
    """How many of the first columns hold words; the others hold numbers."""


def written(findings: Findings | Tabled, form: str) -> str:
    """The findings as `markdown`, `latex` or `csv`: a table of verdicts, and one of comparisons where there are any.

    Of what `reseed.compare`, `reseed.match` and `reseed.reappearance.find_features` return: the first rows, with what
    is said of them as the caption; as CSV all of them.

    Raises:
        ValueError: there is no such form.
    """
    if form == "csv":
        from reseed.report.table import table  # noqa: PLC0415 (the other forms need no polars)

        return table(findings).write_csv()
    forms = {"markdown": _markdown, "latex": _latex}
    if form not in forms:
        raise ValueError(f"form = {form!r}: choose from {', '.join(forms)}, csv")
    tables = [_brief(findings)] if isinstance(findings, Tabled) else _tables(visible_document(findings))
    return "\n".join(map(forms[form], tables))


def _brief(found: Tabled) -> _Table:
    told = found.brief_table()
    rows = tuple(tuple(map(visible, row)) for row in told.rows)
    caption = visible(f"{told.title}: {' '.join(told.lines)}")
    return _Table(caption, tuple(map(visible, told.columns)), rows, told.n_words)


def _tables(findings: Findings) -> list[_Table]:
    about = f"{title(findings)}: {findings.headline}"
    columns = ("condition", "verdict", "R²", "W(T)", "B(0)", "B(T)", "null", "distance over the null's", "gain")
    tables = [_Table(about, columns, tuple(map(_verdict, ordered(findings.conditions))), n_words=2)]
    if findings.comparisons:
        columns = ("arms", "preprocessing", "gap", "born", "earned", "difference of gains", "outcome")
        caption = "The gap between two arms at the end is what it was born with and what was earned in training."
        tables.append(_Table(caption, columns, tuple(map(_comparison, findings.comparisons)), n_words=2))
    return tables


def _verdict(condition: ConditionFindings) -> tuple[str, ...]:
    row, found = verdict_row(condition), condition.agreement
    if found is None:
        return (row.condition, row.outcome, row.r2, *("n/a",) * 6)
    null = f"{row.null} {row.null_name}".rstrip()
    estimates = (found.within.last, found.born, found.between.last)
    return (
        *(row.condition, row.outcome, row.r2),
        *(*map(estimated, estimates), null, estimated(ratio(found.between)), estimated(found.gain, sign=True)),
    )


def _comparison(comparison: Comparison) -> tuple[str, ...]:
    parts = (comparison.gap, comparison.born, comparison.earned, comparison.gain_difference)
    arms = f"{comparison.first} \N{MINUS SIGN} {comparison.second}"
    return (
        arms,
        comparison.preprocess,
        *(estimated(part, sign=True) for part in parts),
        comparison.outcome,
    )


def _markdown(table: _Table) -> str:
    def row(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    rules = ["---" if i < table.n_words else "---:" for i in range(len(table.columns))]
    rows = [row([_in_markdown(cell) for cell in cells]) for cells in (table.columns, *table.rows)]
    return "\n".join([_in_markdown(table.caption), "", rows[0], row(rules), *rows[1:], ""])


def _latex(table: _Table) -> str:
    def row(cells: Sequence[str]) -> str:
        return f"{' & '.join(map(_in_latex, cells))} \\\\"

    kinds = "l" * table.n_words + "r" * (len(table.columns) - table.n_words)
    lines = [
        *(
            "\\begin{table}",
            "\\centering",
            f"\\caption{{{_in_latex(table.caption)}}}",
            f"\\begin{{tabular}}{{{kinds}}}",
        ),
        *("\\toprule", row(table.columns), "\\midrule", *map(row, table.rows), "\\bottomrule"),
        *("\\end{tabular}", "\\end{table}", ""),
    ]
    return "\n".join(lines)


_MARKDOWN = re.compile(r"[\\`*_{}<|#~$&]|^>|:(?=\S)|\[(?=[^\]]*\][\[(:])")  # brackets where they begin a link
_SPECIAL = {sign: f"\\{sign}" for sign in "&%$#_{}"}
_NAMED = {"\\": "textbackslash", "~": "textasciitilde", "^": "textasciicircum", "<": "textless", ">": "textgreater"}
_NAMED |= {"|": "textbar", "`": "textasciigrave", "…": "ldots"}
_MATHS = {"²": "^2", "→": r"\to", "\N{MINUS SIGN}": "-", "±": r"\pm", "κ": r"\kappa", "∞": r"\infty", "·": r"\cdot"}
_MATHS |= {"≥": r"\ge", "≤": r"\le", "Λ": r"\Lambda", "\N{MULTIPLICATION SIGN}": r"\times"}
_LATEX = _SPECIAL | {sign: f"\\{name}{{}}" for sign, name in _NAMED.items()}
_LATEX |= {sign: f"${name}$" for sign, name in _MATHS.items()}


def _in_markdown(text: str) -> str:
    """Text that no Markdown is made of, nor HTML, nor a link."""
    return _MARKDOWN.sub(lambda sign: f"&#{ord(sign[0])};" if sign[0] in "<>&|:" else f"\\{sign[0]}", text)


def _in_latex(text: str) -> str:
    """Text that no LaTeX is made of, nor an argument of the line end before it, nor a dash of two hyphens."""
    written_out = "".join(_LATEX.get(each, each) for each in text).replace("--", "-{}-")
    return f"{{}}{written_out}" if written_out.startswith(("[", "*")) else written_out
