"""The studies of docs/tradition.md: autoencoders and what was there before them, under one audit.

    python benchmarks/tradition.py FOLDER                       all of them, in the order of the cells below
    python benchmarks/tradition.py FOLDER --cells smollm2-l5 --panels classical

FOLDER holds activations (`FOLDER/activations/smollm2-l5` and so on, see the page), a folder for each study and those of
its tuning. The same command goes on where it was stopped. `--rates` chooses the learning rates of autoencoders on the
first cell and prints them; they stand below, since units of scale make them mean the same everywhere.
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import reseed
from reseed.pipeline.trials import with_setting
from reseed.pipeline.tune import tune
from reseed.pipeline.tune_l0 import tune_l0
from reseed.spec import Arm, Study

N_ATOMS, L0 = 512, 16
STARTS, RUNS_PER_START = 3, 2
POINTS = 1024
"""That archetypal dictionaries mix their atoms from."""

Arms = list[dict[str, Any]]


@dataclass(frozen=True)
class Cell:
    """Activations, as one preprocessing sees them."""

    name: str
    model: str
    layer: int
    d_model: int
    preprocess: str


CELLS = (
    Cell("smollm2-l5", "smollm2", 5, 576, "centre"),
    Cell("minilm-l5", "minilm", 5, 384, "centre"),
    Cell("smollm2-l20", "smollm2", 20, 576, "standardise"),
    Cell("minilm-l2", "minilm", 2, 384, "standardise"),
)
"""Half of the eight combinations of model, early or late layer, and preprocessing: each value of each twice, and each
pair of values of two of them once."""

RATES = {
    **dict.fromkeys(("topk", "batchtopk", "matryoshka", "relu", "jumprelu", "gated", "p-anneal", "mp"), 0.01),
    **dict.fromkeys(("ra-topk", "a-topk", "ra-jumprelu"), 0.0015),
}
"""Learning rates of Adam."""


@dataclass(frozen=True)
class Panel:
    """Methods that share a recipe."""

    name: str
    training: dict[str, Any]

    def arms(self, cell: Cell) -> Arms:
        """What is trained on a cell."""
        return _ARMS[self.name](cell)


PANELS = (
    Panel("autoencoders", {"steps": 1200, "batch_size": 1024, "decay": 1.0}),
    Panel("classical", {"steps": 100, "batch_size": 4096}),
    Panel("mixtures", {"steps": 40, "batch_size": 4096}),
    Panel("square", {"steps": 40, "batch_size": 16384}),
)
"""Autoencoders read 1.2 million tokens in small batches with a rate that falls all the way. The others have no rate: an
iteration has few parameters to trust and needs many tokens. Mixtures of points cost most; what has as many atoms as
dimensions is a panel of its own."""


def _arm(kind: str, start: str, **settings: Any) -> dict[str, Any]:  # noqa: ANN401 (settings of any method)
    n_atoms = settings.pop("n_atoms", N_ATOMS)
    called = settings.pop("called", kind)
    return {
        "name": f"{called}-{start.replace('kmeans++', 'kmeanspp')}",
        "method": {"kind": kind, "n_atoms": n_atoms, **settings},
        "start": {"kind": start},
    }


def _autoencoders(_: Cell) -> Arms:
    k = {kind: {"k": L0} for kind in ("topk", "batchtopk", "matryoshka", "mp", "ra-topk", "a-topk")}
    first = {"relu": {"l1": 0.06}, "jumprelu": {"l0": 0.86}, "gated": {"l1": 0.1}, "p-anneal": {"l1": 0.028}}
    own = {**k, **first, "ra-jumprelu": {"threshold_start": 0.33}}
    arms = [_arm(kind, "kmeans" if "ra-" in kind or "a-" in kind[:2] else "random", **own[kind]) for kind in RATES]
    for arm in arms:
        arm["method"]["learning_rate"] = RATES[arm["method"]["kind"]]
        if arm["start"]["kind"] == "kmeans":
            arm["start"]["n_points"] = POINTS
    return arms


def _classical(cell: Cell) -> Arms:
    """Each learner from random directions and from its usual start; the deterministic ones of a library as well."""
    arms = [
        _arm("kmeans", "random"),
        _arm("kmeans", "kmeans++"),
        _arm("kmeans", "kmeans++", called="spherical", spherical=True),
        _arm("kmeans", "kmeans++", called="kmeans-pursuit", codes_by="pursuit", k=L0),
        _arm("nmf", "random"),
        _arm("semi-nmf", "random"),
        _arm("semi-nmf", "kmeans"),
        _arm("online-dl", "random"),
        _arm("online-dl", "data"),
        _arm("mod", "random", k=L0),
        _arm("mod", "data", k=L0),
        _arm("ksvd", "random", k=L0),
        _arm("ksvd", "data", k=L0),
        _arm("random", "random", k=L0),
    ]
    if 2 * cell.d_model >= N_ATOMS:
        arms.append(_arm("nmf", "nndsvda"))
    return arms


def _mixtures(_: Cell) -> Arms:
    return [_arm("archetypal-analysis", "furthest-sum"), _arm("convex-nmf", "kmeans")]


def _square(cell: Cell) -> Arms:
    n_atoms = cell.d_model
    return [
        _arm("ica", "random", n_atoms=n_atoms),
        _arm("pca", "random", n_atoms=n_atoms),
        _arm("sparse-pca", "random", n_atoms=n_atoms, l1=0.01),
    ]


_ARMS = {"autoencoders": _autoencoders, "classical": _classical, "mixtures": _mixtures, "square": _square}


def study_of(cell: Cell, panel: Panel, folder: Path) -> Study:
    """The study of a panel on a cell, before its penalties are chosen."""
    return Study.parse(
        {
            "name": f"Tradition: {cell.name}, {panel.name}",
            "activations": str(folder / "activations" / cell.name),
            "preprocess": [cell.preprocess],
            "starts": STARTS,
            "runs_per_start": RUNS_PER_START,
            "arms": panel.arms(cell),
            "training": panel.training,
        }
    )


def main() -> None:
    """Tune and run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cells", nargs="+", choices=[cell.name for cell in CELLS])
    parser.add_argument("--panels", nargs="+", choices=[panel.name for panel in PANELS])
    parser.add_argument("--rates", action="store_true", help="choose learning rates on the first cell, and no more")
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    if asked.rates:
        print(tune(study_of(CELLS[0], PANELS[0], folder), folder / "rates").table())
        return
    for cell in CELLS:
        for panel in PANELS:
            if cell.name in (asked.cells or [cell.name]) and panel.name in (asked.panels or [panel.name]):
                _run(study_of(cell, panel, folder), folder / f"{cell.name}-{panel.name}")


def _run(study: Study, out: Path) -> None:
    """Choose the penalties, unless they are chosen, and train."""
    arms = tuple(_penalised(arm, study, out) for arm in study.arms)
    study = study.model_copy(update={"arms": arms})
    study.write(out.with_suffix(".toml"))
    reseed.run(study, out)


def _penalised(arm: Arm, study: Study, out: Path) -> Arm:
    """The arm with the penalty that leaves so many atoms active, or of those that were tried the nearest one.

    The thresholds of RA-JumpReLU move by its small rate at most in a step, so that no penalty brings it there.
    """
    if arm.method.penalty is None or arm.method.kind == "ra-jumprelu":
        return arm
    tuning = tune_l0(study.model_copy(update={"arms": (arm,)}), out.with_name(f"{out.name}-{arm.name}-penalty"), l0=L0)
    print(tuning.table(), flush=True)
    if tuning.study is not None:
        return tuning.study.arms[0]
    (search,) = tuning.searches
    nearest = min(search.known, key=lambda known: abs(math.log(max(known[1], 0.1) / L0)))
    return with_setting(arm, search.setting, nearest[0])


if __name__ == "__main__":
    main()
