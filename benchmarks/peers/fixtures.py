"""Small dictionaries that other libraries trained and wrote, with the codes that they themselves make of real tokens.

    make bench-peers ARGS=--help                                             installs the libraries into .venv-peers
    .venv-peers/bin/python benchmarks/peers/fixtures.py STORE tests/interop/written
    .venv-peers/bin/python benchmarks/peers/fixtures.py tests/interop/written tests/interop/pickled --kinds modules

STORE is what `reseed collect` wrote. Its tokens are seen in their strongest principal directions, so that files stay
small. Each library trains its own classes: thresholds, norms and biases are away from where they began. Whole modules
are trained on the thousand tokens of the other files, again and again.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))
from _peers import _imported, _quiet, _skip_init

from reseed import open_activations

D_MODEL, N_ATOMS, K, STEPS, BATCH, TOKENS = 24, 40, 5, 300, 128, 1000
RATE, SEED = 3e-3, 7
CODES = "codes.npz"
PACKAGES = ("sae-lens", "dictionary-learning", "eai-sparsify", "overcomplete", "torch")

Encode = Callable[[Tensor], Tensor]
Written = Iterator[tuple[str, Encode]]


def tokens(store: Path) -> Tensor:
    """Rows in the strongest directions, with their mean, of a median norm near √d; or those of other files."""
    if (store / CODES).is_file():
        kept = torch.from_numpy(np.load(store / CODES)["tokens"])
        return torch.cat([kept[torch.arange(STEPS * BATCH) % TOKENS], kept])
    activations = open_activations(store)
    rows = torch.cat(list(activations.blocks()))[: STEPS * BATCH + TOKENS].double()
    directions = torch.linalg.eigh(activations.moments.covariance).eigenvectors[:, -D_MODEL:]
    seen = rows @ directions
    return (seen * (D_MODEL**0.5 / seen.norm(dim=1).median())).float()


def batches(rows: Tensor) -> Tensor:
    """What is trained on."""
    return rows[: STEPS * BATCH].view(STEPS, BATCH, D_MODEL)


def saelens(rows: Tensor, out: Path) -> Written:
    """Every architecture by the library's own training step, saved for training and for inference."""
    saes, config = _imported("sae_lens.saes"), _imported("sae_lens.config")
    trainer_of = _imported("sae_lens.training.sae_trainer").SAETrainer
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "standard": ("StandardTraining", {"l1_coefficient": 0.05, "apply_b_dec_to_input": True}),
        "topk": ("TopKTraining", {"k": K, "rescale_acts_by_decoder_norm": False}),
        "topk-rescaled": ("TopKTraining", {"k": K, "rescale_acts_by_decoder_norm": True}),
        "abstopk": ("AbsTopKTraining", {"k": K, "rescale_acts_by_decoder_norm": False}),
        "jumprelu": ("JumpReLUTraining", {"l0_coefficient": 0.05, "normalize_activations": "layer_norm"}),
        "gated": ("GatedTraining", {"l1_coefficient": 0.05, "apply_b_dec_to_input": True}),
        "batchtopk": ("BatchTopKTraining", {"k": K, "apply_b_dec_to_input": True}),
        "matryoshka": ("MatryoshkaBatchTopKTraining", {"k": K, "matryoshka_widths": [10, 20, N_ATOMS]}),
        "matching-pursuit": (
            "MatchingPursuitTraining",
            {"residual_threshold": 1.5, "max_iterations": 6, "decoder_init_norm": 1.0},
        ),
    }
    for name, (kind, settings) in kinds.items():
        torch.manual_seed(SEED)
        model, described = getattr(saes, f"{kind}SAE"), getattr(saes, f"{kind}SAEConfig")
        sae = model(described(d_in=D_MODEL, d_sae=N_ATOMS, **settings))
        run = config.SAETrainerConfig(
            total_training_samples=STEPS * BATCH, train_batch_size_samples=BATCH, lr=RATE, lr_end=RATE
        )
        trainer = trainer_of(run, sae, data_provider=iter(()))
        with _quiet():
            for batch in batches(rows):
                trainer.step(batch)
                trainer.n_training_steps += 1
        sae.save_inference_model(out / f"saelens-{name}")
        yield f"saelens-{name}", saes.SAE.load_from_disk(out / f"saelens-{name}").encode
        if name in {"topk-rescaled", "batchtopk", "matryoshka"}:
            sae.save_model(out / f"saelens-{name}-training")
            yield f"saelens-{name}-training", saes.SAE.load_from_disk(out / f"saelens-{name}").encode


def dictionary_learning(rows: Tensor, out: Path) -> Written:
    """Every class by `trainSAE`, which saves it, at the end and on the way."""
    train = _imported("dictionary_learning.training").trainSAE
    trainers = {
        name: _imported(f"dictionary_learning.trainers.{name}")
        for name in ("standard", "gdm", "jumprelu", "top_k", "batch_top_k", "matryoshka_batch_top_k")
    }
    common = {"activation_dim": D_MODEL, "dict_size": N_ATOMS, "layer": 2, "lm_name": "minilm", "device": "cpu"}
    common |= {"seed": SEED, "warmup_steps": 10}
    late = {"threshold_start_step": 20, "threshold_beta": 0.9}
    kinds: dict[str, dict[str, Any]] = {
        "standard": {"trainer": trainers["standard"].StandardTrainer, "l1_penalty": 0.05, "sparsity_warmup_steps": 20},
        "gated": {"trainer": trainers["gdm"].GatedSAETrainer, "l1_penalty": 0.05, "sparsity_warmup_steps": 20},
        "jumprelu": {"trainer": trainers["jumprelu"].JumpReluTrainer, "target_l0": K, "sparsity_warmup_steps": 20},
        "topk": {"trainer": trainers["top_k"].TopKTrainer, "k": K, **late},
        "batchtopk": {"trainer": trainers["batch_top_k"].BatchTopKTrainer, "k": K, **late},
        "matryoshka": {
            "trainer": trainers["matryoshka_batch_top_k"].MatryoshkaBatchTopKTrainer,
            "k": K,
            "group_fractions": [0.25, 0.25, 0.5],
            **late,
        },
    }
    for name, settings in kinds.items():
        made: dict[str, Any] = {}
        kind = settings.pop("trainer")

        def build(kind: Any = kind, made: dict[str, Any] = made, **given: Any) -> Any:  # noqa: ANN401 (theirs)
            made["trainer"] = kind(**given)
            return made["trainer"]

        place = out / f"dictionary-learning-{name}"
        every = common | {"steps": STEPS, "lr": RATE} | settings | {"trainer": build}
        with _quiet():
            train(iter(batches(rows)), [every], STEPS, save_dir=str(place), save_steps=[0], device="cpu")
        shutil.copytree(place / "trainer_0", place, dirs_exist_ok=True)
        shutil.rmtree(place / "trainer_0")
        yield place.name, made["trainer"].ae.encode


def sparsify(rows: Tensor, out: Path) -> Written:
    """Both activations, and a transcoder with its skip connection."""
    coder, config = _imported("sparsify.sparse_coder").SparseCoder, _imported("sparsify.config").SparseCoderConfig
    kinds: dict[str, dict[str, Any]] = {
        "topk": {},
        "groupmax": {"activation": "groupmax"},
        "transcoder": {"transcode": True, "skip_connection": True},
    }
    for name, settings in kinds.items():
        torch.manual_seed(SEED)
        sae = coder(D_MODEL, config(num_latents=N_ATOMS, k=K, **settings))
        _fit(sae.parameters(), lambda x, sae=sae: sae(x).fvu, rows)
        sae.save_to_disk(out / f"sparsify-{name}")
        yield f"sparsify-{name}", lambda x, sae=sae: _dense(sae.encode(x))


def _dense(encoded: Any) -> Tensor:  # noqa: ANN401 (theirs)
    codes = torch.zeros(len(encoded.top_acts), N_ATOMS)
    return codes.scatter_(1, encoded.top_indices, encoded.top_acts)


def overcomplete(rows: Tensor, out: Path) -> Written:
    """State dicts of plain, archetypal and jump autoencoders."""
    _skip_init("overcomplete")
    sae = _imported("overcomplete.sae")
    points = rows[torch.linspace(0, len(rows) - 1, 2 * N_ATOMS).long()]
    models = {
        "topk": sae.TopKSAE(D_MODEL, N_ATOMS, top_k=K, device="cpu"),
        "jump": sae.JumpSAE(D_MODEL, N_ATOMS, device="cpu"),
        "ra-topk": sae.RATopKSAE(D_MODEL, N_ATOMS, points, top_k=K, delta=0.5, device="cpu"),
    }
    for name, model in models.items():
        torch.manual_seed(SEED)
        model.train()
        _fit(model.parameters(), lambda x, model=model: (model(x)[2] - x).square().mean(), rows)
        path = out / f"overcomplete-{name}"
        path.mkdir()
        torch.save(model.state_dict(), path / "model.pt")
        np.save(path / "atoms.npy", model.get_dictionary().detach().numpy())
        model.eval()
        yield path.name, lambda x, model=model: model.encode(x)[1]


def modules(rows: Tensor, out: Path) -> Written:
    """Whole modules of overcomplete, in training and in evaluation, and wrapped for several devices."""
    _skip_init("overcomplete")
    sae = _imported("overcomplete.sae")
    points = rows[torch.linspace(0, len(rows) - 1, 2 * N_ATOMS).long()]
    batch = sae.BatchTopKSAE(D_MODEL, N_ATOMS, top_k=K * BATCH, encoder_module="mlp_ln_1", device="cpu")
    models = {
        "topk": sae.TopKSAE(D_MODEL, N_ATOMS, top_k=K, device="cpu"),
        "batchtopk": batch,  # whose k counts a whole batch
        "ra-topk": sae.RATopKSAE(D_MODEL, N_ATOMS, points, top_k=K, delta=0.5, device="cpu"),
    }
    for name, model in models.items():
        torch.manual_seed(SEED)
        model.train()
        _fit(model.parameters(), lambda x, model=model: (model(x)[2] - x).square().mean(), rows)
        if name != "topk":
            model.eval()
        path = out / f"overcomplete-{name}"
        path.mkdir()
        torch.save(torch.nn.DataParallel(model) if name == "batchtopk" else model, path / "model.pt")
        np.save(path / "atoms.npy", model.get_dictionary().detach().numpy())
        model.eval()
        yield path.name, lambda x, model=model: model.encode(x)[1]


def _fit(parameters: Any, loss: Callable[[Tensor], Tensor], rows: Tensor) -> None:  # noqa: ANN401 (theirs)
    optimiser = torch.optim.Adam(list(parameters), lr=RATE)
    for batch in batches(rows):
        optimiser.zero_grad()
        loss(batch).backward()
        optimiser.step()


KINDS: dict[str, Callable[[Tensor, Path], Written]] = {
    each.__name__: each for each in (saelens, dictionary_learning, sparsify, overcomplete, modules)
}


def main() -> None:
    """Write everything anew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=[name for name in KINDS if name != "modules"])
    asked = parser.parse_args()
    shutil.rmtree(asked.out, ignore_errors=True)
    asked.out.mkdir(parents=True)
    rows = tokens(asked.store)
    x = rows[-TOKENS:]
    codes: dict[str, np.ndarray] = {}
    for kind in asked.kinds:
        for name, encode in KINDS[kind](rows, asked.out):
            with torch.no_grad():
                codes[name] = encode(x).float().numpy()
            print(name, f"mean L0 {(codes[name] != 0).sum(1).mean():.1f}", flush=True)
    beside = {} if (asked.store / CODES).is_file() else {"tokens": x.numpy()}
    np.savez_compressed(asked.out / CODES, **beside, **codes)
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    (asked.out / "versions.json").write_text(json.dumps(versions, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
