"""Small activations whose true atoms are known, for pictures of real trajectories."""  # noqa: INP001 (a folder of scripts)

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

D_MODEL = 32


def planted(n_tokens: int) -> Tensor:
    """Tokens that each mix 3 of 32 orthogonal atoms, with a little noise."""
    chance = torch.Generator().manual_seed(0)
    atoms = torch.linalg.qr(torch.randn(D_MODEL, D_MODEL, generator=chance)).Q
    active = torch.rand(n_tokens, D_MODEL, generator=chance).topk(3).indices
    strength = 0.5 + torch.rand(n_tokens, 3, generator=chance)
    codes = torch.zeros(n_tokens, D_MODEL).scatter_(1, active, strength)
    return codes @ atoms + 0.02 * torch.randn(n_tokens, D_MODEL, generator=chance)


def structureless(n_tokens: int) -> Tensor:
    """Tokens in which every direction is like every other: there is no dictionary to find."""
    return torch.randn(n_tokens, D_MODEL, generator=torch.Generator().manual_seed(1))
