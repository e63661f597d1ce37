"""One run at one step, on disk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reseed.errors import TrajectoryError
from reseed.trajectory.reading import damaged, opened, read_header, read_tensors

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Snapshot"]


@dataclass(frozen=True)
class Snapshot:
    """One run at one step; tensors are read from the file when they are asked for, in float32."""

    path: Path

    @cached_property
    def header(self) -> dict[str, Any]:
        """What the file says about itself: format version, run, step, and the number of atoms.

        Raises:
            TrajectoryError: the file is damaged, or is about another run or step than its place says.
        """
        header = read_header(self.path)
        place = {"run": self.path.parent.name, "step": int(self.path.stem.removeprefix("step-"))}
        told = {name: header.get(name) for name in place}
        if told != place:
            raise damaged(self.path, f"it is about {told}")
        return header

    def has(self, name: str) -> bool:
        """Whether the snapshot holds a tensor called `name`."""
        with opened(self.path) as file:
            return name in file.keys()  # noqa: SIM118 (safe_open is not a mapping)

    def tensor(self, name: str) -> Tensor:
        """The tensor called `name`.

        Raises:
            TrajectoryError: the snapshot does not hold it.
        """
        with opened(self.path) as file:
            if name not in file.keys():  # noqa: SIM118 (safe_open is not a mapping)
                raise TrajectoryError(f"{self.path} has no {name!r}; it has {', '.join(sorted(file.keys()))}")
            return file.get_tensor(name)

    @property
    def atoms(self) -> Float[Tensor, "atoms d_model"]:
        """The dictionary; atoms are rows."""
        return self.tensor("atoms")

    @property
    def encoder(self) -> Float[Tensor, "atoms d_read"]:
        """One row per atom: the encoder, or the dictionary itself for a method that has no other."""
        return self.tensor("encoder" if self.has("encoder") else "atoms")

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Everything that the snapshot holds, by name."""
        return read_tensors(self.path)

    @property
    def active(self) -> tuple[Int[Tensor, " active"], Int[Tensor, " active"], Float[Tensor, " active"]]:
        """The codes of the held-out tokens that are not 0: which token, ascending, which atom, and what value."""
        counts = self.tensor("codes.row_offsets").long().diff()
        tokens = torch.repeat_interleave(torch.arange(len(counts)), counts)
        return tokens, self.tensor("codes.atoms").long(), self.tensor("codes.values")

    @property
    def n_tokens(self) -> int:
        """Held-out tokens."""
        return len(self.tensor("codes.row_offsets")) - 1

    @property
    def codes(self) -> Float[Tensor, "tokens atoms"]:
        """The codes of the held-out tokens, dense."""
        tokens, atoms, values = self.active
        codes = torch.zeros(self.n_tokens, self.header["n_atoms"])
        codes[tokens, atoms] = values
        return codes

    @property
    def alive(self) -> Bool[Tensor, " atoms"]:
        """Which atoms fire on at least one held-out token."""
        alive = torch.zeros(self.header["n_atoms"], dtype=torch.bool)
        alive[self.tensor("codes.atoms").long()] = True
        return alive
