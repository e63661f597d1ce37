"""A document once more: the same question of the same files, with paths as the document tells them."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from reseed._support.version import VERSION
from reseed.claims.places import Places
from reseed.claims.seal import sealed
from reseed.comparison import compare
from reseed.comparison.files import as_its_source
from reseed.reappearance import find_features
from reseed.reappearance.passport import Made, Passport, columns
from reseed.trajectory import StudyFolder, is_study

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reseed.comparison import DictionaryComparison
    from reseed.comparison.document import AskedComparison, ReadFile
    from reseed.reappearance import Features, Reappearance
    from reseed.reappearance.document import AskedFeatures

__all__ = ["Asking", "comparison_again", "features_again", "passport_again"]


@dataclass(frozen=True)
class Asking:
    """From where a question is asked once more."""

    folder: Path
    """What its paths are relative to."""
    activations: str | None = None
    """Where the activations are now; None: where they were."""
    quiet: bool = True

    def places(self, asked: AskedFeatures | AskedComparison) -> Places:
        """Those of its sources."""
        return Places(self.folder, asked.sources)

    def of_activations(self, asked: AskedFeatures | AskedComparison) -> str | None:
        """Where the activations are."""
        if asked.activations is None or self.activations is not None:
            return self.activations
        return self.places(asked).of(asked.activations)


def passport_again(asked: AskedFeatures, asking: Asking) -> Passport:
    """The passport of what is asked."""
    found = _find(asked, asking)
    return sealed(
        Passport(
            made=made_here(),
            trained=_trained(asking.places(asked).of(asked.sources[0])),
            found=_as_told(found.document, asked, asking),
            features=columns(found.table),
            sha256="",
        )
    )


def features_again(asked: AskedFeatures, asking: Asking) -> Features:
    """The document of features, with a row for every atom."""
    found = _find(asked, asking)
    return _as_told(found.document, asked, asking).model_copy(update={"rows": tuple(found.table.to_dicts())})


def comparison_again(asked: AskedComparison, asking: Asking) -> DictionaryComparison:
    """The document of a comparison."""
    places = asking.places(asked)
    found = compare(
        *map(places.of, asked.sources),
        activations=asking.of_activations(asked),
        null=tuple(map(places.of, asked.null)),
        labels=asked.labels,
        groups=asked.groups,
        definitions=asked.definitions,
        with_references=asked.with_references,
        sign=asked.sign,
        format=asked.format,
        k=asked.k,
        delta=asked.delta,
        tensor=asked.tensor,
        transpose=asked.transpose,
        quiet=asking.quiet,
    )
    told = places.as_told(found, _beside(asked))
    return told.model_copy(update={"asked": asked, "files": _files(found.files, asked, asking)})


def made_here() -> Made:
    """What would make a document here and now."""
    return Made(
        reseed=VERSION,
        python=platform.python_version(),
        torch=torch.__version__,
        numpy=np.__version__,
        platform=f"{platform.system()} {platform.machine()}",
    )


def _find(asked: AskedFeatures, asking: Asking) -> Reappearance:
    places = asking.places(asked)
    return find_features(
        *map(places.of, asked.sources),
        activations=asking.of_activations(asked),
        null=tuple(map(places.of, asked.null)),
        labels=asked.labels,
        groups=asked.groups,
        cosine=asked.cosine,
        code=asked.code,
        sign=asked.sign,
        format=asked.format,
        k=asked.k,
        delta=asked.delta,
        with_blocks=asked.with_blocks,
        with_consensus=asked.with_consensus,
        in_runs=asked.in_runs,
        shown=asked.shown,
        with_texts=asked.with_texts,
        with_kept=False,
        quiet=asking.quiet,
    )


def _as_told(found: Features, asked: AskedFeatures, asking: Asking) -> Features:
    places = asking.places(asked)
    told = places.as_told(found, _beside(asked))
    return told.model_copy(update={"asked": asked, "files": _files(found.files, asked, asking)})


def _files(files: Iterable[ReadFile], asked: AskedFeatures | AskedComparison, asking: Asking) -> tuple[ReadFile, ...]:
    """The files that were found, told as their sources are."""
    return tuple(
        each.model_copy(update={"path": as_its_source(each.path, each.of, asked, asking.folder)}) for each in files
    )


def _beside(asked: AskedFeatures | AskedComparison) -> tuple[str, ...]:
    return (*asked.null, *(() if asked.activations is None else (asked.activations,)))


def _trained(source: str) -> dict[str, str] | None:
    """What a study says of the versions that trained it."""
    folder = Path(source).expanduser()
    if not folder.is_dir() or not is_study(folder):
        return None
    manifest = StudyFolder.open(folder).manifest
    return {"reseed": manifest.reseed, **manifest.machine}
