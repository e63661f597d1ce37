"""`manifest.json`: what a study plans, on which activations, on what machine.

MANIFEST_VERSION history
  1  first version: conditions and spawned runs as lists of (name, run ids)
  2  one record per condition; names are labels, and what is compared lies under the key of a condition
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from reseed._support.documents import Document

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MANIFEST_VERSION", "Manifest", "PlannedCondition", "of_version_1"]

MANIFEST_VERSION = 2


class PlannedCondition(Document):
    """One arm under one preprocessing, and its runs."""

    name: str
    """A label, `arm@preprocessing`."""
    arm: str
    """A label."""
    preprocess: str
    """The preprocessing."""
    key: str
    """What decides the runs, hashed: the name of the folder in `compared/`."""
    runs: tuple[str, ...]
    """Ids, starts first."""
    children: tuple[str, ...] = ()
    """Ids of spawned runs, parents first."""
    surrogates: tuple[str, ...] = ()
    """Ids of the runs on the surrogate; conditions with the same recipe may share them."""


class Manifest(Document):
    """What a study plans."""

    format_version: int = MANIFEST_VERSION
    """Version of this document's format."""
    reseed: str
    """Version of reseed."""
    machine: dict[str, str] = Field(default_factory=dict)
    """torch version and device."""
    study: str = ""
    """Hash of the study, without what changes no result."""
    thresholds: dict[str, Any] = Field(default_factory=dict)
    """What the words of its verdicts meant when it was run."""
    activations: dict[str, Any] = Field(default_factory=dict)
    """Fingerprint, number of training tokens, and what the store says about itself."""
    warnings: tuple[str, ...] = ()
    """What is strange about the activations, one sentence each."""
    conditions: tuple[PlannedCondition, ...]
    """In the order of the study."""

    @property
    def planned(self) -> tuple[str, ...]:
        """The ids of all runs and children, whether they have begun or not."""
        runs = [run_id for each in self.conditions for run_id in each.runs]
        return (*runs, *(run_id for each in self.conditions for run_id in each.children))

    @property
    def surrogates(self) -> tuple[str, ...]:
        """The ids of all runs on the surrogate, each once."""
        return tuple(dict.fromkeys(run_id for each in self.conditions for run_id in each.surrogates))


def of_version_1(document: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest of version 1 in the form of version 2: names were part of what a run is, and are the keys."""
    children = dict(document.get("spawned", ()))
    conditions = [
        {
            "name": name,
            "arm": arm,
            "preprocess": preprocess,
            "key": name,
            "runs": ids,
            "children": children.get(name, ()),
        }
        for name, ids in document.get("conditions", ())
        for arm, _, preprocess in [name.partition("@")]
    ]
    known = {field: document[field] for field in Manifest.model_fields if field in document}
    return known | {"format_version": MANIFEST_VERSION, "conditions": conditions}
