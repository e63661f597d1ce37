"""The form in which a snapshot keeps its held-out codes: those that are not 0, token by token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["join_codes", "pack_codes"]


def pack_codes(values: Float[Tensor, "tokens k"], atoms: Int[Tensor, "tokens k"]) -> dict[str, Tensor]:
    """The form in which a snapshot keeps its held-out codes: those of each token that are not 0, and their atoms."""
    active = values != 0
    counts = active.sum(dim=1).cpu()
    return {
        "codes.row_offsets": torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)]).to(torch.int32),
        "codes.atoms": atoms[active].to(torch.int32),
        "codes.values": values[active].float(),
    }


def join_codes(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Packed codes of tokens that follow each other as one."""
    ends = torch.cat([part["codes.row_offsets"].diff() for part in parts]).cumsum(0, dtype=torch.int32)
    joined = {name: torch.cat([part[name] for part in parts]) for name in ("codes.atoms", "codes.values")}
    return {"codes.row_offsets": torch.cat([ends.new_zeros(1), ends]), **joined}
