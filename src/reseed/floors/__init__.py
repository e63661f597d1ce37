"""Floors: the agreement that chance, geometry or the start alone would give (docs/mathematics.md, section 3).

One floor per file, and one line in `FLOORS`.
"""

from reseed.floors._base import Ended, Floor, FloorKind, Role, Sizes, Source
from reseed.floors.data import DATA
from reseed.floors.hull import HULL, hull_atoms
from reseed.floors.isotropic import ISOTROPIC, isotropic, isotropic_atoms, subspace
from reseed.floors.kmeans import KMEANS
from reseed.floors.mean_shift import mean_shift
from reseed.floors.measured import from_draws, from_pairs, measured
from reseed.floors.spectrum import spectrum_atoms
from reseed.floors.step_0 import STEP_0
from reseed.floors.surrogate import SURROGATE

__all__ = [
    "FLOORS",
    "Ended",
    "Floor",
    "FloorKind",
    "Role",
    "Sizes",
    "Source",
    "from_draws",
    "from_pairs",
    "hull_atoms",
    "isotropic",
    "isotropic_atoms",
    "mean_shift",
    "measured",
    "spectrum_atoms",
    "subspace",
]

FLOORS: dict[str, FloorKind] = {floor.name: floor for floor in (ISOTROPIC, SURROGATE, STEP_0, DATA, KMEANS, HULL)}
"""By name, in the order of tables: nulls, the origin, references. Of equal nulls the first is the strictest."""
