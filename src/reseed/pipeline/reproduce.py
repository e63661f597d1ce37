"""`reseed reproduce ablating-archetypes`: a published ablation on language-model activations, with the arm it lacks.

The published notebooks (@brzozowski2026ablating) train one pair of runs per arm on vision activations. Here
the same arms, and an archetypal one whose starts are independent, are trained on a language model's activations with
the published recipe: 76,800 tokens, 200 atoms, 3 active, delta .1, Adam at 5e-3, batches of 1,024, 20 epochs.

What does not transfer: the activations; and the 100 published centroids, which would leave 100 of the 200 atoms at zero
at the start, so that each atom gets a centroid of its own here. Activations are divided by their scale, without which
the published learning rate does not train on activations of this norm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from reseed._support.numbers import interval, rounded
from reseed.methods import RATopK, TopK
from reseed.pipeline.demo import LAYERS, check_written, collect_bundled, run_written
from reseed.spec import Arm, Study, Training
from reseed.starts import Start

if TYPE_CHECKING:
    from pathlib import Path

    from reseed.dice import Die
    from reseed.findings import ConditionFindings, Findings
    from reseed.spec import Scope

__all__ = ["PUBLISHED", "ablating_archetypes", "reproduce"]

TOKENS, EPOCHS, BATCH = 76_800, 20, 1024
N_ATOMS, ACTIVE, DELTA, LEARNING_RATE = 200, 3, 0.1, 5e-3


class Published(NamedTuple):
    """A published distance 1 - A between two runs, and the R² of the arm."""

    distance: float
    r2: float


PUBLISHED: dict[str, dict[str, Published]] = {
    "topk-random": {"centre": Published(0.419, 0.58), "none": Published(0.283, 0.67)},
    "ra-topk-shared": {"centre": Published(0.245, 0.54), "none": Published(0.087, 0.55)},
    "free-shared": {"centre": Published(0.081, 0.57), "none": Published(0.089, 0.64)},
    "topk-shared": {"centre": Published(0.072, 0.57), "none": Published(0.076, 0.64)},
}
"""The four published arms by our names; `ra-topk-independent` has no counterpart there."""


def reproduce(published: str, model: str, out: Path, *, quiet: bool = False) -> tuple[Findings, str]:
    """Run the published study again; what it found, and a Markdown table beside the published numbers."""
    del published  # there is one, and the command line names it
    study = ablating_archetypes(model, "activations")
    check_written(study, out)
    collect_bundled(model, out / "activations", tokens=TOKENS, quiet=quiet)
    findings = run_written(study, out, quiet=quiet)
    return findings, _table(findings)


def ablating_archetypes(model: str, activations: str) -> Study:
    """The four published arms and the missing one, centred and not."""
    settings: dict[str, Any] = {
        "n_atoms": N_ATOMS,
        "k": ACTIVE,
        "learning_rate": LEARNING_RATE,
        "encoder_start": "independent",
    }
    topk = TopK(**settings, decoder_bias=False, parallel="kept")
    archetypal = RATopK(**settings, delta=DELTA, multiplier_start="reference")
    shared: dict[Die, Scope] = {"points": "shared", "kmeans": "shared", "init": "shared"}
    kmeans = Start(kind="kmeans")
    return Study(
        name=f"Ablating Archetypes on {model}, layer {LAYERS[model]}",
        activations=activations,
        preprocess=("centre", "none"),
        arms=(
            Arm(name="topk-random", method=topk, start=Start(kind="random")),
            Arm(name="ra-topk-shared", method=archetypal, start=kmeans, dice=shared),
            Arm(name="free-shared", method=topk.model_copy(update={"norm": "free"}), start=kmeans, dice=shared),
            Arm(name="topk-shared", method=topk, start=kmeans, dice=shared),
            Arm(name="ra-topk-independent", method=archetypal, start=kmeans),
        ),
        training=Training(steps=EPOCHS * TOKENS // BATCH, batch_size=BATCH, decay=0.0),
    )


def _table(findings: Findings) -> str:
    """Distances 1 - A at step 0 and at the end, their strictest floor and R², beside the published ones."""
    lines = [
        "| arm | activations | published 1 - A (R²) | 1 - A at step 0 | 1 - A at the end | its floor | R² | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_row(condition) for condition in findings.conditions)])


def _row(condition: ConditionFindings) -> str:
    agreement = condition.measures["agreement"]
    curve = (agreement.within if condition.init_groups == 1 else agreement.between).curve
    distance = rounded(1 - curve.value[-1], 3)
    published = PUBLISHED.get(condition.arm, {}).get(condition.preprocess)
    cells = [
        condition.arm,
        {"centre": "centred", "none": "uncentred"}[condition.preprocess],
        f"{rounded(published.distance, 3)} ({rounded(published.r2)})" if published else "not published",
        rounded(1 - curve.value[0], 3),
        f"{distance} {interval(1 - curve.high[-1], 1 - curve.low[-1], 3)}".rstrip(),
        f"{rounded(1 - agreement.floor.value, 3)} {agreement.floor.name}" if agreement.floor else "n/a",
        rounded(condition.r2.value),
        condition.verdict.outcome,
    ]
    return f"| {' | '.join(cells)} |"
