"""The waist: a study folder of runs, each a trajectory of snapshots from step 0, and what comparing them wrote."""

from reseed.trajectory.codes import join_codes, pack_codes
from reseed.trajectory.compared import Compared, ComparedFolder, ComparedRun, DrawnFloor
from reseed.trajectory.manifest import Manifest, PlannedCondition
from reseed.trajectory.reading import opened, read_header
from reseed.trajectory.run import RunEnd, RunRecord, Spawned, Trajectory
from reseed.trajectory.snapshot import Snapshot
from reseed.trajectory.study_folder import LOCK, Draw, StudyFolder, is_study, points_name

__all__ = [
    "LOCK",
    "Compared",
    "ComparedFolder",
    "ComparedRun",
    "Draw",
    "DrawnFloor",
    "Manifest",
    "PlannedCondition",
    "RunEnd",
    "RunRecord",
    "Snapshot",
    "Spawned",
    "StudyFolder",
    "Trajectory",
    "is_study",
    "join_codes",
    "opened",
    "pack_codes",
    "points_name",
    "read_header",
]
