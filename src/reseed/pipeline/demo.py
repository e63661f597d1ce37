"""`reseed demo`: the whole audit on real language-model activations, in minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseed.activations import SOTU_LICENCE, SOTU_SOURCE, check_installed, collect, sotu_texts
from reseed.errors import SpecError
from reseed.methods import RATopK, TopK
from reseed.pipeline.run import run
from reseed.spec import Arm, Study, Training
from reseed.starts import Start

if TYPE_CHECKING:
    from pathlib import Path

    from reseed.findings import Findings

__all__ = ["LAYERS", "check_written", "collect_bundled", "demo_study", "run_demo", "run_written"]

LAYERS = {"smollm2": 10, "minilm": 4}
"""The layer that the demo listens to; later layers of smollm2 carry massive activations."""

N_ATOMS, N_POINTS, ACTIVE = 512, 1024, 16


def run_demo(model: str, out: Path, *, quiet: bool = False) -> Findings:
    """Collect activations of a bundled model, run the demo's study on them, and return what it found."""
    study = demo_study(model, "activations")
    check_written(study, out)
    collect_bundled(model, out / "activations", tokens=250_000, quiet=quiet)
    return run_written(study, out, quiet=quiet)


def check_written(study: Study, out: Path) -> None:
    """Refuse a folder with a study.toml of somebody else, before anything is written.

    Raises:
        SpecError: there is one.
    """
    path = out / "study.toml"
    if path.exists() and path.read_bytes() != study.to_toml().encode():
        raise SpecError(f"{path} is another study, which would be replaced: choose another --out")


def run_written(study: Study, out: Path, *, quiet: bool) -> Findings:
    """Write `study.toml` into a folder, as a user would, and run it from there into `study`.

    Raises:
        SpecError: the folder has one that says something else.
    """
    check_written(study, out)
    study.write(out / "study.toml")
    return run(Study.read(out / "study.toml"), out / "study", quiet=quiet)


def collect_bundled(model: str, out: Path, *, tokens: int, quiet: bool) -> None:
    """Activations of a bundled model over the State of the Union messages; what is there already is not done again."""
    check_installed(model)
    collect(
        model,
        layer=LAYERS[model],
        texts=sotu_texts(),
        tokens=tokens,
        out=out,
        text_source=SOTU_SOURCE,
        licence=SOTU_LICENCE,
        progress=not quiet,
    )


def demo_study(model: str, activations: str) -> Study:
    """TopK from random starts, TopK from k-means, and the archetypal dictionary from the same k-means points."""
    kmeans = Start(kind="kmeans", n_points=N_POINTS, kmeans_steps=6)
    topk = TopK(n_atoms=N_ATOMS, k=ACTIVE, decoder_bias=False)
    archetypal = RATopK(n_atoms=N_ATOMS, k=ACTIVE)
    return Study(
        name=f"reseed demo: {model}, layer {LAYERS[model]}",
        activations=activations,
        preprocess=("none", "centre"),
        arms=(
            Arm(name="topk-random", method=topk, start=Start(kind="random")),
            Arm(name="topk-kmeans", method=topk, start=kmeans),
            Arm(name="ra-topk-kmeans", method=archetypal, start=kmeans),
        ),
        training=Training(steps=300, batch_size=1024),
    )
