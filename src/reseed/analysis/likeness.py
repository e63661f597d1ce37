"""Which arms may be compared with which: like with like, and not every two of many."""

from __future__ import annotations

from itertools import combinations, product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reseed.analysis.conditions import Analysed

__all__ = ["FEW_ARMS", "compared_arms", "start_called", "unlike"]

FEW_ARMS = 3
"""Up to so many arms every two are compared; more arms each with a reference, for two of a hundred are 4,950."""

Two = tuple["Analysed", "Analysed"]


def compared_arms(analysed: Sequence[Analysed], study: Mapping[str, Any]) -> list[Two]:
    """The arms to compare under each preprocessing, (first, second) each; those without pairs of runs take no part.

    The `compare` of the study says which, or its `reference`, which every other arm is compared with. Where it says
    neither: every two of up to `FEW_ARMS` arms, the later against the earlier; of more, each with the first arm. An arm
    that is not like its reference is compared with the first arm that it is like, too.
    """
    usable = [each for each in analysed if each.pairs is not None]
    asked, reference = study.get("compare", ()), study.get("reference")
    many = reference is not None or len({each.findings.arm for each in analysed}) > FEW_ARMS
    found: list[Two] = []
    for preprocess in dict.fromkeys(each.findings.preprocess for each in usable):
        arms = {each.findings.arm: each for each in usable if each.findings.preprocess == preprocess}
        if asked:
            found += [(arms[first], arms[second]) for first, second in asked if {first, second} <= arms.keys()]
        elif many and reference != "*":
            first = next(iter(arms), "")
            found += _against(list(arms.values()), first if reference is None else reference)
        else:
            found += [(later, earlier) for earlier, later in combinations(arms.values(), 2)]
    return found


def unlike(x: Analysed, y: Analysed) -> list[str]:
    """What two arms differ in besides their method: agreement depends on the start and on the number of atoms.

    Runs that could not but agree are like none that could: their agreement is no gain.
    """
    first, second = x.findings, y.findings
    starts = f"{start_called(first.start_kind)} against {start_called(second.start_kind)} starts"
    sizes = f"{first.n_atoms:,} against {second.n_atoms:,} atoms"
    one_solution = f"{(first if first.one_solution else second).arm} has one solution, whatever the start"
    differ = {
        starts: first.start_kind != second.start_kind,
        sizes: first.n_atoms != second.n_atoms,
        one_solution: first.one_solution != second.one_solution,
    }
    return [what for what, does in differ.items() if does]


def start_called(kind: str) -> str:
    """A kind of start in sentences: `k-means` for `kmeans`."""
    return kind.replace("kmeans", "k-means")


def _against(arms: Sequence[Analysed], reference: str) -> Iterator[Two]:
    with_it = [each for each in arms if each.findings.arm == reference]
    for y, x in product(with_it, arms):
        if x is y:
            continue
        yield x, y
        if unlike(x, y):
            alike = next(other for other in arms if not unlike(x, other))
            if alike is not x:
                yield x, alike
