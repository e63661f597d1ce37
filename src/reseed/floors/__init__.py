"""Floors: the agreement that chance, geometry or the start alone would give."""

from reseed.floors.drawn import (
    Floor,
    from_draws,
    hull_atoms,
    isotropic,
    isotropic_atoms,
    mean_shift,
    measured,
    spectrum_atoms,
    subspace,
)

__all__ = [
    "Floor",
    "from_draws",
    "hull_atoms",
    "isotropic",
    "isotropic_atoms",
    "mean_shift",
    "measured",
    "spectrum_atoms",
    "subspace",
]
