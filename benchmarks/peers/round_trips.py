"""What reseed writes, loaded by the libraries' own loaders: their codes, decoders and reconstructions beside ours.

    make bench-peers ARGS=--help                                             installs the libraries into .venv-peers
    .venv-peers/bin/python benchmarks/peers/round_trips.py [--every]

Runs of every method under every preprocessing are trained on a thousand real tokens, those of tests/interop/written,
and the dictionaries that lie there are read. Each is written in every format that has words for it. Differences are
relative to the largest entry, those of decoders between atoms of length 1; places are entries of codes that are 0 on
one side alone, as two that are equal up to rounding may change places. Printed is the table of docs/dictionaries.md;
with --every a line for each dictionary.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import warnings
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

sys.path.insert(0, str(Path(__file__).parents[1]))
from _peers import _imported, _quiet

import reseed
from reseed.activations import PREPROCESSINGS
from reseed.errors import DictionaryError
from reseed.interop import WRITERS, LoadedDictionary
from reseed.interop.spaces import Affine, Raw
from reseed.methods import Autoencoder
from reseed.trajectory import StudyFolder

WRITTEN = Path(__file__).parents[2] / "tests/interop/written"
N_ATOMS, K, STEPS = 40, 5, 200
PACKAGES = {"saelens": "sae-lens", "sparsify": "eai-sparsify"}
ASKED = {
    "overcomplete-topk": {"k": K},
    "overcomplete-jump": {},
    "overcomplete-ra-topk": {"k": K, "delta": 0.5},
}


class Made(NamedTuple):
    """What a loader of theirs makes of a folder and of tokens."""

    codes: Tensor
    decoder: Tensor
    reconstruction: Tensor


class Trip(NamedTuple):
    """One dictionary, there and back."""

    format: str
    origin: str
    kind: str
    codes: float
    decoder: float
    reconstruction: float
    places: int


def by_saelens(folder: Path, x: Tensor) -> Made:
    """Its `SAE.load_from_disk`."""
    sae = _imported("sae_lens.saes").SAE.load_from_disk(folder)
    return Made(sae.encode(x), sae.W_dec, sae(x))


def by_sparsify(folder: Path, x: Tensor) -> Made:
    """Its `SparseCoder.load_from_disk`."""
    coder = _imported("sparsify.sparse_coder").SparseCoder.load_from_disk(folder)
    encoded = coder.encode(x)
    codes = torch.zeros(len(x), coder.num_latents).scatter_(1, encoded.top_indices, encoded.top_acts)
    return Made(codes, coder.W_dec, coder(x).sae_out)


LOADERS = {"saelens": by_saelens, "sparsify": by_sparsify}


def dictionaries(x: Tensor, place: Path) -> Iterator[tuple[str, str, LoadedDictionary]]:
    """Origin, kind and dictionary: trained here, and written by other libraries."""
    np.save(place / "tokens.npy", x.numpy())
    arms = [arm_of(kind) for kind, method in reseed.METHODS.items() if issubclass(method, Autoencoder)]
    training = reseed.Training(steps=STEPS, batch_size=128, evenly=1, device="cpu")
    study = reseed.Study(
        activations=str(place / "tokens.npy"),
        arms=arms,
        preprocess=PREPROCESSINGS,
        starts=2,
        runs_per_start=1,
        training=training,
        floors={"surrogate": "off"},
    )
    reseed.run(study, place / "study", quiet=True)
    folder = StudyFolder.open(place / "study")
    for condition in study.conditions:
        yield "reseed", condition.name, reseed.read_dictionary(folder.runs(condition.name)[0].folder)
    for path in sorted(path for path in WRITTEN.iterdir() if path.is_dir()):
        asked = ASKED.get(path.name)
        found = reseed.read_dictionary(path if asked is None else path / "model.pt", **(asked or {}))
        yield found.format, path.name.removeprefix(f"{found.format}-"), found


def arm_of(kind: str) -> reseed.Arm:
    """One method with an encoder to write, from k-means starts, which all of them can have."""
    method = reseed.METHODS[kind]
    settings = {**method.suggested, "n_atoms": N_ATOMS} | ({"k": K} if "k" in method.model_fields else {})
    return reseed.Arm(name=kind, method=method(**settings), start={"kind": "kmeans"})


def trips(x: Tensor, place: Path) -> Iterator[Trip]:
    """Every dictionary in every format that has words for it."""
    for origin, kind, dictionary in dictionaries(x, place):
        for form in WRITERS:
            folder = place / form / origin / kind
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)  # atoms that get other directions
                    reseed.write_dictionary(dictionary, folder, format=form)
            except DictionaryError:
                continue
            with torch.no_grad(), _quiet():
                theirs = LOADERS[form](folder, x)
            yield Trip(form, origin, kind, *compared(dictionary, theirs, x))


def compared(dictionary: LoadedDictionary, theirs: Made, x: Tensor) -> tuple[float, float, float, int]:
    """How far their codes, decoder and reconstruction of raw tokens are from ours, and places."""
    codes, reconstruction = dictionary.encode(x), dictionary.reconstruct(x)
    apart = (codes != 0) != (theirs.codes != 0)
    whole = ~apart.any(dim=1)
    return (
        relative(theirs.codes[whole], codes[whole]),
        relative(normalize(theirs.decoder), normalize(directions(dictionary))),
        relative(theirs.reconstruction[whole], reconstruction[whole]),
        int(apart.sum()),
    )


def directions(dictionary: LoadedDictionary) -> Tensor:
    """What a code adds to a reconstruction of raw tokens, up to its length: lengths are in the reconstructions."""
    if not isinstance(dictionary.space, Raw | Affine):
        return dictionary.atoms
    _, back = dictionary.space.enter(torch.zeros_like(dictionary.atoms))
    return back(dictionary.atoms) - back(torch.zeros_like(dictionary.atoms))


def relative(theirs: Tensor, ours: Tensor) -> float:
    """The largest difference over the largest entry."""
    return ((theirs - ours).abs().max() / ours.abs().max()).item()


def row(*cells: Any) -> str:  # noqa: ANN401 (whatever is printed)
    """A line of a table."""
    told = (f"{cell:.0e}" if isinstance(cell, float) and cell else f"{cell:g}" if cell == 0 else cell for cell in cells)
    return f"| {' | '.join(map(str, told))} |"


def kinds_of(origin: str, found: list[Trip]) -> str:
    """What was written, in a few words."""
    if origin != "reseed":
        return ", ".join(trip.kind for trip in found)
    methods = dict.fromkeys(trip.kind.partition("@")[0] for trip in found)
    seen = dict.fromkeys(trip.kind.partition("@")[2] for trip in found)
    return f"runs of {', '.join(methods)}, each @ {', '.join(seen)}"


def main() -> None:
    """Write, load, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", action="store_true", help="a line for each dictionary")
    asked = parser.parse_args()
    x = torch.from_numpy(np.load(WRITTEN / "codes.npz")["tokens"])
    with TemporaryDirectory() as place:
        found = sorted(trips(x, Path(place)), key=lambda trip: trip.format)
    if asked.every:
        for trip in found:
            print(row(*trip))
    print(row("written for", "from", "dictionaries", "codes", "decoder", "reconstruction", "places"))
    print("|---" * 7 + "|")
    for (form, origin), group in groupby(found, key=lambda trip: (trip.format, trip.origin)):
        each = list(group)
        worst = [max(getattr(trip, name) for trip in each) for name in ("codes", "decoder", "reconstruction", "places")]
        version = importlib.metadata.version(PACKAGES[form])
        print(row(f"{WRITERS[form].title} {version}", reseed.READERS[origin].title, kinds_of(origin, each), *worst))


if __name__ == "__main__":
    main()
