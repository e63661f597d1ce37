"""OpenAI's sparse_autoencoder (2024-06): one `.pt` with `pre_bias`, `latent_bias`, `encoder.weight`, `decoder.weight`.

codes = activation((x - pre_bias) Eᵀ + latent_bias); the decoder is a linear layer, (d_model, n_atoms). Those with
TopK read tokens after a layer norm of their own, those with ReLU do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from reseed._support.tensors import read_all
from reseed.errors import DictionaryError
from reseed.interop._assemble import assembled
from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop._files import Parts
from reseed.interop._sums import sha256_of
from reseed.interop.codes import Relu, TopK
from reseed.interop.spaces import LayerNorm, Raw

__all__ = ["OPENAI"]

_NAME = "openai"
_MARKS = {"pre_bias", "latent_bias"}


def _recognises(source: Source) -> bool:
    if isinstance(source, Tensor) or Path(source).suffix != ".pt" or not Path(source).is_file():
        return False
    try:
        return read_all(Path(source)).keys() >= _MARKS
    except ValueError:
        return False


def _read(source: Source) -> LoadedDictionary:
    path = Path(str(source))
    try:
        found = read_all(path)
    except ValueError as error:
        raise DictionaryError(str(error)) from error
    parts = Parts(path, {name: each for name, each in found.items() if isinstance(each, Tensor)}, format=_NAME)
    parts.ignore("stats_last_nonzero")
    decoder_bias = parts.take("pre_bias")
    made = {
        "atoms": parts.take("decoder.weight").T,
        "encoder": parts.take("encoder.weight"),
        "encoder_bias": parts.take("latent_bias"),
        "decoder_bias": decoder_bias,
    }
    parts.done()
    kind, settings = found.get("activation", "ReLU"), found.get("activation_state_dict") or {}
    return assembled(
        path,
        format=_NAME,
        sums=sha256_of(path),
        subtracts=True,
        space=LayerNorm() if kind == "TopK" else Raw(),
        rule=_rule(path, kind, settings),
        about={"activation": kind},
        **made,
    )


def _rule(path: Path, kind: Any, settings: dict[str, Any]) -> Relu | TopK:  # noqa: ANN401 (whatever the file says)
    if kind == "ReLU":
        return Relu()
    if kind != "TopK" or "k" not in settings:
        raise DictionaryError(f"{path} names the activation {kind!r}: ReLU, and TopK with its k, are read")
    return TopK(int(settings["k"]), signed=settings.get("postact_fn", "ReLU") == "Identity")


OPENAI = Reader(
    name=_NAME,
    title="OpenAI",
    meaning="a .pt file of OpenAI's sparse_autoencoder",
    recognises=_recognises,
    read=_read,
)
