"""Two linear layers with a ReLU between them: Goodfire's files, and the DeepSeek-R1 autoencoders of qresearch.

codes = relu(E x + b_enc), reconstruction D codes + b_dec; the decoder is a linear layer, (d_model, n_atoms). There
are no settings beside the tensors.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from reseed._support.tensors import read_all
from reseed.interop._assemble import assembled
from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop._files import parts_of
from reseed.interop._sums import sha256_of
from reseed.interop.codes import Relu

__all__ = ["LINEAR"]

_GOODFIRE, _PLAIN = ("encoder_linear", "decoder_linear"), ("encoder", "decoder")
_ENDS = (".pt", ".pth", ".safetensors")


def _recognises(source: Source) -> bool:
    """By Goodfire's names; plain ones are those of several libraries."""
    if isinstance(source, Tensor) or Path(source).suffix not in _ENDS or not Path(source).is_file():
        return False
    try:
        return all(f"{name}.weight" in read_all(Path(source)) for name in _GOODFIRE)
    except ValueError:
        return False


def _read(source: Source) -> LoadedDictionary:
    path = Path(str(source))
    parts = parts_of(path, format="two linear layers")
    encoder, decoder = _GOODFIRE if f"{_GOODFIRE[0]}.weight" in parts else _PLAIN
    made = {
        "atoms": parts.take(f"{decoder}.weight").T,
        "encoder": parts.take(f"{encoder}.weight"),
        "encoder_bias": parts.maybe(f"{encoder}.bias"),
        "decoder_bias": parts.maybe(f"{decoder}.bias"),
    }
    parts.done()
    return assembled(path, format=LINEAR.name, rule=Relu(), sums=sha256_of(path), **made)


LINEAR = Reader(
    name="linear",
    title="two linear layers",
    meaning="a file of two linear layers with a ReLU between them, such as Goodfire's",
    recognises=_recognises,
    read=_read,
)
