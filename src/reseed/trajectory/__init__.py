"""The waist: a study folder of runs, each a trajectory of snapshots from step 0."""

from reseed.trajectory.study_folder import (
    FORMAT_VERSION,
    Snapshot,
    StudyFolder,
    Trajectory,
    join_codes,
    opened,
    pack_codes,
    points_name,
    read_header,
)

__all__ = [
    "FORMAT_VERSION",
    "Snapshot",
    "StudyFolder",
    "Trajectory",
    "join_codes",
    "opened",
    "pack_codes",
    "points_name",
    "read_header",
]
