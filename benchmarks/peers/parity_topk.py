"""TopK, transcoders and matching pursuit beside other libraries: the same arrays, batches and Adam, 50 steps.

    .venv-peers/bin/python benchmarks/peers/parity_topk.py --json docs/assets/parity_topk.json

Each function takes a peer's module and trains its model by its own forward pass beside ours, and gives a row.
tests/methods/test_parity.py has more of overcomplete, and the auxiliary loss of dictionary_learning.
"""

import argparse
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from parity_jump import D_MODEL, N_ATOMS, RATE, Theirs, compared, started
from torch import Tensor

K, READS = 4, D_MODEL // 2


def overcomplete_topk(sae: ModuleType) -> dict[str, Any]:
    """`TopKSAE` and the mean squared error."""
    return _overcomplete(sae.TopKSAE(D_MODEL, N_ATOMS, top_k=K, encoder_module="linear"), "topk")


def overcomplete_mp(sae: ModuleType) -> dict[str, Any]:
    """`MpSAE` and the mean squared error."""
    return _overcomplete(sae.MpSAE(D_MODEL, N_ATOMS, k=K), "mp")


def _overcomplete(model: Any, kind: str) -> dict[str, Any]:  # noqa: ANN401 (theirs)
    adam = torch.optim.Adam(model.train().parameters(), lr=RATE)

    def update(step: int, x: Tensor) -> None:
        del step
        loss = (x - model(x)[2]).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()

    settings = {"kind": kind, "k": K, "parallel": "kept", "decoder_bias": False}
    linear = [module for module in model.encoder.modules() if isinstance(module, torch.nn.Linear)]
    encoder = linear[0].weight if linear else model.get_dictionary()
    method, state = started(settings, model.get_dictionary(), encoder)
    if linear:
        state["encoder_bias"] = linear[0].bias.detach().clone().unsqueeze(0)
    else:
        del state["encoder"]
    note = "its model and the mean squared error; Adam with betas .9 and .999"
    return compared("overcomplete", method, state, Theirs(update, model.get_dictionary, lambda x: model(x)[2]), note)


def sparsify_topk(sparsify: ModuleType) -> dict[str, Any]:
    """`SparseCoder`, its mean squared error, its removal of parallel gradients and its normalisation."""
    torch.manual_seed(4)
    coder = sparsify.SparseCoder(D_MODEL, sparsify.SparseCoderConfig(num_latents=N_ATOMS, k=K))
    method, state = started({"kind": "topk", "k": K}, coder.W_dec, coder.encoder.weight)
    return _sparsify(coder, method, state, lambda x: (x, x))


def sparsify_transcoder(sparsify: ModuleType) -> dict[str, Any]:
    """The same with `transcode`, from atoms that are not zero."""
    torch.manual_seed(4)
    coder = sparsify.SparseCoder(READS, sparsify.SparseCoderConfig(num_latents=N_ATOMS, k=K, transcode=True))
    coder.W_dec.data.normal_()
    coder.set_decoder_norm_to_unit_norm()
    settings = {"kind": "transcoder", "k": K, "reads": READS}
    method, state = started(settings, coder.W_dec, coder.encoder.weight, width=D_MODEL - READS)
    return _sparsify(coder, method, state, lambda x: (x[:, :READS], x[:, READS:]))


def _sparsify(coder: Any, method: Any, state: Any, read_and_written: Any) -> dict[str, Any]:  # noqa: ANN401 (theirs)
    adam = torch.optim.Adam(coder.parameters(), lr=RATE)

    def update(step: int, x: Tensor) -> None:
        del step
        read, written = read_and_written(x)
        adam.zero_grad()
        (coder(read, written).sae_out - written).square().mean().backward()
        coder.remove_gradient_parallel_to_decoder_directions()
        adam.step()
        coder.set_decoder_norm_to_unit_norm()

    note = (
        "its forward pass, its removal of parallel gradients and its normalisation; the mean squared error in place of "
        "its share of each batch's variance, by which batches weigh differently; Adam with betas .9 and .999"
    )
    theirs = Theirs(update, lambda: coder.W_dec, lambda x: coder(read_and_written(x)[0], None).sae_out)
    return compared("eai-sparsify", method, state, theirs, note)


def main() -> None:
    """All rows, printed, and written where asked."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from _peers import _imported, _skip_init  # noqa: PLC0415 (found by the line above)

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(4)
    _skip_init("overcomplete")
    sae, sparsify = _imported("overcomplete.sae"), _imported("sparsify")
    found = [overcomplete_topk(sae), sparsify_topk(sparsify), overcomplete_mp(sae), sparsify_transcoder(sparsify)]
    for row in found:
        print(json.dumps(row))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
