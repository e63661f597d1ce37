"""The table of features that a study keeps of itself: `features.parquet`, by the rule of its `study.toml`.

Its metadata, `reseed` in the file's footer, say what it is of: the version of reseed and of the table, the rule and the
runs. A table that is of all that is not made again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl
from polars.exceptions import PolarsError

from reseed._support.files import canonical_json
from reseed._support.version import VERSION
from reseed.reappearance.coming_back import find
from reseed.reappearance.document import FEATURES_VERSION
from reseed.reappearance.study_runs import independent, of_condition, rule_of
from reseed.reappearance.table import table

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from reseed._support import progress
    from reseed.trajectory import StudyFolder

__all__ = ["NAME", "keep_features", "write_table"]

NAME = "features.parquet"
"""In the folder of the study."""

_KEY = "reseed"


def keep_features(folder: StudyFolder, pool: Executor, show: progress.Show) -> Path | None:
    """Write the features of a study, unless they are there; None where no two of its runs started apart.

    Matchings are those that the study has compared; runs on the surrogate are matched anew.

    Raises:
        TrajectoryError: the study is damaged.
    """
    every, rule, path = independent(folder), rule_of(folder), folder.path / NAME
    if not every:
        return None
    if _is_of(path, _identity(folder)):
        return path
    tables = []
    for runs in every:
        n_pairs = math.comb(len(runs.runs), 2) + math.comb(len(runs.null) or 3, 2)
        found = find(of_condition(folder, runs), rule, pool, show(f"features {runs.name}", n_pairs))
        tables.append(table(found, None))
    write_table(folder, pl.concat(tables))
    return path


def write_table(folder: StudyFolder, features: pl.DataFrame) -> None:
    """Write the features of a study by its own rule, whole or not at all, and their sum."""
    with folder.sums.replacing(folder.path / NAME) as temporary:
        features.write_parquet(temporary, metadata={_KEY: _identity(folder)})
    folder.sums.settle()


def _identity(folder: StudyFolder) -> str:
    return canonical_json(
        {
            "reseed": VERSION,
            "features_version": FEATURES_VERSION,
            **rule_of(folder).model_dump(),
            "runs": {each.name: [each.runs, each.null] for each in independent(folder)},
        }
    )


def _is_of(path: Path, identity: str) -> bool:
    try:
        return path.exists() and pl.read_parquet_metadata(path).get(_KEY) == identity
    except PolarsError:
        return False
