"""Write what sparsify 1.3.3 loads: `cfg.json` and `sae.safetensors`, as `SparseCoder.load_from_disk` reads them.

Encoder and decoder are (n_atoms, d_model). An autoencoder of sparsify takes the decoder's bias off first: where the
dictionary does not, the encoder's bias makes up for it, b_enc + E b_dec.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseed.interop._folded import is_transcoder, or_zeros, subtracting
from reseed.interop._writer import Writer, Written, inexpressible, rule_of
from reseed.interop.codes import GroupMax, TopK
from reseed.interop.spaces import Raw
from reseed.interop.sparsify import CONFIG, WEIGHTS

if TYPE_CHECKING:
    from reseed.interop._base import LoadedDictionary

__all__ = ["SPARSIFY_WRITER"]

_TITLE = "sparsify"
_UNIT = 1e-3  # how far norms of atoms that count as 1 may be from it


def _made(dictionary: LoadedDictionary) -> Written:
    rule, atoms, encoder = rule_of(dictionary), dictionary.atoms, dictionary.encoder
    if not isinstance(dictionary.space, Raw):
        raise inexpressible(
            dictionary, f"reads {dictionary.space.kind} activations", format=_TITLE, has="raw activations alone"
        )
    if not (isinstance(rule, GroupMax) or (isinstance(rule, TopK) and not rule.signed and not rule.absolute)):
        has = "TopK, and the largest of each of k groups"
        raise inexpressible(dictionary, f"makes codes by {rule.title}", format=_TITLE, has=has)
    if encoder is None or encoder.shape != atoms.shape:
        raise inexpressible(
            dictionary,
            "reads another width than it writes",
            format=_TITLE,
            has="one width for both",
        )
    transcodes = is_transcoder(dictionary)
    if transcodes and dictionary.subtracts:
        raise inexpressible(
            dictionary, "takes a bias off what it transcodes", format=_TITLE, has="transcoders that take none off"
        )
    said = dictionary if transcodes else subtracting(dictionary)
    tensors = {
        "encoder.weight": encoder,
        "encoder.bias": or_zeros(said.encoder_bias, atoms[:, 0]),
        "W_dec": atoms,
        "b_dec": or_zeros(said.decoder_bias, atoms[0]),
    }
    if dictionary.skip is not None:
        tensors["W_skip"] = dictionary.skip
    settings = {
        "activation": "groupmax" if isinstance(rule, GroupMax) else "topk",
        "expansion_factor": max(1, len(atoms) // atoms.shape[1]),
        "normalize_decoder": bool(((atoms.norm(dim=1) - 1).abs() < _UNIT).all()),
        "num_latents": len(atoms),
        "k": min(rule.k, len(atoms)),
        "multi_topk": False,
        "skip_connection": dictionary.skip is not None,
        "transcode": transcodes,
        "d_in": atoms.shape[1],
    }
    return Written(tensors, settings)


SPARSIFY_WRITER = Writer(
    name="sparsify",
    title=_TITLE,
    meaning=f"a folder of sparsify, with {CONFIG} and {WEIGHTS}",
    config=CONFIG,
    weights=WEIGHTS,
    made=_made,
)
