"""Transcoders for circuit-tracer: `layer_{L}.safetensors`, codes relu(E x + b_enc), D codes + b_dec + W_skip x.

The encoder is (n_atoms, d_model). Decoders of both orientations are about; the biases, as long as the sides, tell
which.
"""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from reseed.errors import DictionaryError
from reseed.interop._assemble import assembled
from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop._files import parts_of
from reseed.interop._sums import sha256_of
from reseed.interop.codes import Relu, Thresholded

__all__ = ["TRANSCODERS"]

_FILE = re.compile(r"layer_(\d+)\.safetensors")


def _recognises(source: Source) -> bool:
    return not isinstance(source, Tensor) and Path(source).is_file() and bool(_FILE.fullmatch(Path(source).name))


def _read(source: Source) -> LoadedDictionary:
    path = Path(str(source))
    parts = parts_of(path, format="a transcoder of circuit-tracer")
    encoder, decoder = parts.take("W_enc"), parts.take("W_dec")
    encoder_bias, decoder_bias = parts.take("b_enc"), parts.take("b_dec")
    skip = parts.maybe("W_skip")
    threshold = parts.maybe("activation_function.threshold")
    parts.done()
    sides = len(encoder_bias), len(decoder_bias)
    if sides[0] == sides[1]:
        raise DictionaryError(
            f"{path} has as many atoms as dimensions, so that nothing tells rows from columns: read its decoder with "
            "--format matrix, and --transpose where its columns are the atoms"
        )
    layer = _FILE.fullmatch(path.name)
    return assembled(
        path,
        atoms=decoder if tuple(decoder.shape) == sides else decoder.T,
        encoder=encoder if len(encoder) == sides[0] else encoder.T,
        encoder_bias=encoder_bias,
        decoder_bias=decoder_bias,
        skip=skip,
        transcodes=True,
        rule=Relu() if threshold is None else Thresholded(threshold),
        format=TRANSCODERS.name,
        about={"layer": int(layer[1])} if layer else {},
        sums=sha256_of(path),
    )


TRANSCODERS = Reader(
    name="transcoders",
    title="transcoders of circuit-tracer",
    meaning="a file layer_L.safetensors of transcoders for circuit-tracer",
    recognises=_recognises,
    read=_read,
)
