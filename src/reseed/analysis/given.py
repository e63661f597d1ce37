"""The study as it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reseed._support.documents import UnreadableError, read_toml
from reseed.errors import TrajectoryError

if TYPE_CHECKING:
    from reseed.trajectory import StudyFolder

__all__ = ["given_study"]


def given_study(folder: StudyFolder) -> dict[str, Any]:
    """The study as it was given.

    Raises:
        TrajectoryError: `study.toml` is missing or damaged.
    """
    path = folder.path / "study.toml"
    advice = "put it right, or run the study again"
    try:
        study = read_toml(path)
    except UnreadableError as error:
        raise TrajectoryError(f"{path} cannot be read as TOML ({error}): {advice}") from error
    arms = study.get("arms")
    if not isinstance(arms, list) or not all(isinstance(arm, dict) for arm in arms):
        raise TrajectoryError(f"{path} is no study, for its arms are no list of tables: {advice}")
    return study
