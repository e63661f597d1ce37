"""Whether runs share the numbering of their atoms: the birth test of every two of them, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reseed import statistics
from reseed.reappearance.document import Born

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseed.reappearance.coming_back import Found
    from reseed.reappearance.runs import Run

__all__ = ["births", "born_alike"]


def births(found: Found) -> tuple[Born, ...]:
    """The birth test of every two runs of a recipe, Holm among all; what is known already is not tested again."""
    tests = [found.recipe.births.get(pair) or _tested(found, *pair) for pair in found.pairs]
    corrected = statistics.holm([test.p for test in tests])
    return tuple(
        test.model_copy(update={"holm": holm, "alike": holm < statistics.SHARED_INDICES})
        for test, holm in zip(tests, corrected, strict=True)
    )


def _tested(found: Found, i: int, j: int) -> Born:
    a, b = found.recipe.runs[i], found.recipe.runs[j]
    groups = a.groups if a.groups == b.groups else ()
    about = {"groups": groups or None, "sign": found.recipe.sign}
    test = statistics.birth_test(a.atoms, b.atoms, **_fired(a, b), **about)
    return Born(
        a=a.label,
        b=b.label,
        tested=test.n_atoms,
        fixed=test.fixed,
        expected=test.expected,
        p=test.p_value,
        holm=test.p_value,
        alike=test.found,
    )


def born_alike(tested: Sequence[Born], *, determined: bool = False) -> str:
    """That runs share their indices, in a sentence with a space behind it; nothing where none do.

    Atoms of a method with one solution stand in one order, whoever made them: that is said instead.
    """
    if determined:
        return (
            "The method has one solution for given activations, whatever the start: that atoms come back says "
            "something of the activations only where runs read disjoint parts of them. "
        )
    named = ", ".join(f"{each.a} and {each.b}" for each in tested if each.alike)
    if not named:
        return ""
    return (
        f"Born alike: {named} share the indices of their atoms, far beyond chance: what comes back among them says "
        "nothing about independent runs. "
    )


def _fired(a: Run, b: Run) -> dict[str, Any]:
    if a.codes is None or b.codes is None:
        return {}
    return {"fired_a": a.codes.ends.diff(), "fired_b": b.codes.ends.diff()}
