"""A small, complete `Findings` with plausible numbers: one condition for each of the nine outcomes, and one with a
single init group. The numbers are invented; what they look like is not.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from sample_shapes import NAN, SHAPES, Shape

from reseed.dice import DICE, roll
from reseed.findings import (
    AcrossArms,
    Barrier,
    Barriers,
    BirthTests,
    BornAlike,
    Comparison,
    ConditionFindings,
    Curve,
    DieEffect,
    Findings,
    Floor,
    Geometry,
    Interval,
    Levelling,
    MatchedCosines,
    MeasureFindings,
    PairCurve,
    PairsFindings,
    RunFindings,
    SameEnds,
    SharedCell,
    SharedDice,
    SpawnCurve,
    Surrogate,
    Turn,
    Verdict,
)
from reseed.floors import FLOORS
from reseed.measures import MEASURES
from reseed.verdict import Outcome

STEPS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 1500, 2000)
COMPANIONS = {
    "code": -0.08,
    "mmcs": 0.07,
    "shared": -0.16,
    "projection": -0.03,
    "whitened": -0.05,
    "subspace": 0.09,
    "alive": 0.01,
    "mass": 0.02,
}
LEVELS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
REPLICATED = {
    "title": "replicated share",
    "short": "replicated",
    "meaning": "the share of matched pairs beyond the 99th percentile of the null's, less what the null gives",
    "role": "companion",
}
SURROGATE = {"title": "surrogate", "role": "null"}


def findings() -> Findings:
    """The whole document; the same numbers every time."""
    drawn = np.random.default_rng(20261)
    return Findings(
        reseed="0.1.0",
        study=_study(),
        activations={
            "model": "SmolLM2-135M",
            "layer": 10,
            "d_model": 576,
            "tokens": 1_250_000,
            "text_source": "State of the Union addresses, 1790-2025",
            "licence": "public domain",
            "fingerprint": "4f1c9a70be2d44cf8a6f1c0de2b7a913",
        },
        machine={"torch": "2.13.0+cpu", "device": "cpu", "threads": 2},
        headline="One condition of 10 came to agree beyond its floor without being born there; "
        "2 agree as far as they were born alike.",
        question="Do independent runs of topk, ra-topk, a-topk and relu become one dictionary, from random, data, "
        "k-means and Dirichlet starts?",
        answer="Runs of topk-planted become one dictionary (.98). Runs of topk-random@centre came together, "
        ".17 → .58, beyond what mean, covariance and lengths give (.23); no other arm's did.",
        geometry=(
            Geometry(
                preprocess="none", mean_cosine=0.871, mean_over_spread=2.6, participation_ratio=2.4, top_share=0.63
            ),
            Geometry(
                preprocess="centre", mean_cosine=0.0, mean_over_spread=0.0, participation_ratio=38.2, top_share=0.083
            ),
            Geometry(
                preprocess="unit-norm",
                mean_cosine=0.42,
                mean_over_spread=0.85,
                participation_ratio=51.7,
                top_share=0.06,
            ),
        ),
        conditions=tuple(_condition(shape, drawn) for shape in SHAPES),
        comparisons=_comparisons(),
        across=(_across(),),
        same_ends=(_same_ends(),),
        shared_dice=(_shared_dice(),),
        warnings=(
            "relu-random@centre: run s2 r1 diverged at step 812 and takes no part in the comparison.",
            "topk-data@centre has one run: nothing can be compared.",
        ),
    )


def _study() -> dict[str, object]:
    return {
        "name": "Born or earned? <SmolLM2 & layer 10>",
        "activations": "acts/",
        "preprocess": ["none", "centre", "unit-norm"],
        "starts": 3,
        "runs_per_start": 2,
        "arms": [
            {
                "name": "topk-random",
                "method": {"kind": "topk", "k": 32, "learning_rate": 0.001},
                "start": {"kind": "random"},
                "tuned": {"preprocess": "centre", "rates": [0.0003, 0.001, 0.003]},
            }
        ],
        "training": {"steps": 2000, "batch_size": 1024, "device": "auto", "threads": None},
        "dice": {"replicate": 0, "init": "start", "order": "run"},
        "floors": {"draws": 3, "kmeans_steps": 10},
        "thresholds": {
            "min_r2": 0.3,
            "margin": 0.03,
            "convergent": 0.9,
            "frozen_retention": 0.98,
            "memory": 0.5,
            "level": 0.95,
        },
    }


def _condition(shape: Shape, drawn: np.random.Generator) -> ConditionFindings:
    arm, preprocess = shape.name.split("@")
    runs = _runs(shape, drawn)
    if len(runs) == 1:
        return _not_compared(shape, runs)
    half = 0.12 if shape.outcome is Outcome.INCONCLUSIVE else 0.018
    born, end = shape.between
    memory = (shape.within[1] - end) / (1 - born)
    several = shape.starts > 1
    unit = "start" if several else "run"
    return ConditionFindings(
        name=shape.name,
        arm=arm,
        preprocess=preprocess,
        kind=shape.kind,
        start_kind=shape.start,
        sign="signed",
        n_atoms=2048,
        d_model=576,
        init_groups=shape.starts,
        steps=STEPS,
        verdict=Verdict(
            outcome=shape.outcome,
            sentence=_sentence(shape, half),
            would_change=shape.change,
            disagreements=shape.disagreements,
        ),
        measures=_measures(shape, half, unit),
        metrics=_metrics(shape, unit),
        memory=_curve(_path(1.0, memory, halfway=300.0), half, unit),
        subspace_rank=22,
        half_life=412.0 if memory < 0.5 else NAN,
        identity=_curve(_path(1.0, max(memory, 0.2), halfway=900.0), half, unit),
        identity_half_life=1210.0 if memory < 0.5 else NAN,
        turn=_turn(shape) if shape.outcome is Outcome.DIVERGING else None,
        levelling=_levelling(shape),
        surrogate=None if math.isnan(shape.null) else _surrogate(shape),
        cosines=_cosines(shape),
        births=_births(runs),
        contraction=_contraction(shape, (1 - end) / (1 - born) if several else NAN, half),
        r2=_estimate(shape, shape.r2, 0.004),
        r2_error=0.0044,
        alive=_estimate(shape, 0.9996 if shape.kind == "topk" else 0.87, 0.0003),
        runs=runs,
        pairs=_pairs(shape, runs, drawn),
        stable_rank=141.6,
        atom_norm_squared=1.0,
        spawn=_spawn(shape, half) if shape.outcome is Outcome.STABILIZING else None,
        barriers=Barriers(within=_barrier(shape), between=_barrier(shape, exists=several)),
    )


def _barrier(shape: Shape, *, exists: bool = True) -> Barrier:
    matched, unmatched = (0.12, 0.43) if exists else (NAN, NAN)
    return Barrier(matched=_estimate(shape, matched, 0.01), unmatched=_estimate(shape, unmatched, 0.01))


def _turn(shape: Shape) -> Turn:
    return Turn(step=20, peak=shape.between[0] + 0.08, fall=_estimate(shape, 0.3, 0.02))


def _levelling(shape: Shape) -> Levelling:
    change = 0.004 if shape.start == "kmeans" else 0.031
    return Levelling(
        r2=_estimate(shape, 0.0032, 0.001),
        agreement=_estimate(shape, change, 0.002),
        most=0.01,
        levels_off=change <= 0.01,
    )


def _surrogate(shape: Shape) -> Surrogate:
    born = min(shape.null, 0.15 if shape.start == "random" else 0.38)
    return Surrogate(
        kind="elliptical",
        runs=tuple(f"{shape.name}.surrogate.s{start}" for start in range(3)),
        rank=576,
        dimensions_per_token=576 / 225_904,
        born=_interval(born, 0.002),
        last=_interval(shape.null, 0.01),
        contraction=_interval((1 - shape.null) / (1 - born), 0.012),
        r2=0.31,
        alive=0.93,
        share=0.5,
    )


def _cosines(shape: Shape) -> MatchedCosines:
    """Quantiles of a few that come back and many that do not."""

    def quantiles(mean: float) -> tuple[float, ...]:
        if math.isnan(mean):
            return ()
        return tuple(float(min(1.0, mean + 0.5 * (level - 0.5) * (1.05 - mean))) for level in LEVELS)

    null = 0.2 if math.isnan(shape.null) else shape.null
    return MatchedCosines(
        levels=LEVELS,
        born=quantiles(shape.between[0]),
        between=quantiles(shape.between[1]),
        within=quantiles(shape.within[1]),
        null=quantiles(null),
        beyond=quantiles(null)[LEVELS.index(0.99)],
        beyond_of="isotropic" if math.isnan(shape.null) else "surrogate",
        shares={
            "0.7": _estimate(shape, max(0.0, shape.between[1] - 0.2), 0.02),
            "0.9": _estimate(shape, max(0.0, shape.between[1] - 0.4), 0.02),
        },
    )


def _births(runs: tuple[RunFindings, ...]) -> BirthTests:
    pairs = tuple(
        BornAlike(
            run_a=a.id,
            run_b=b.id,
            relation="within" if a.init_group == b.init_group else "between",
            fixed=310 if a.init_group == b.init_group else 1,
            p=1e-12 if a.init_group == b.init_group else 0.61,
        )
        for a, b in combinations([run for run in runs if run.status == "finished"], 2)
    )
    shared = sum(pair.relation == "within" for pair in pairs)
    return BirthTests(
        pairs=pairs,
        found=shared,
        of_shared=shared,
        of_apart=len(pairs) - shared,
        sentence=f"By their last dictionaries alone, {shared} of {shared} pairs born identical share their indices, "
        f"and none of {len(pairs) - shared} pairs that started apart do.",
    )


def _spawn(shape: Shape, half: float) -> SpawnCurve:
    agreed = {0: 0.61, 1: 0.62, 10: 0.78, 100: 0.96, 1000: 0.99}
    adjusted = {step: (value - shape.null) / (1 - shape.null) for step, value in agreed.items()}
    return SpawnCurve(
        steps=tuple(agreed),
        agreement=tuple(_estimate(shape, value, half) for value in agreed.values()),
        adjusted=tuple(_estimate(shape, value, half / (1 - shape.null)) for value in adjusted.values()),
        determined=100,
    )


def _sentence(shape: Shape, half: float) -> str:
    if shape.starts == 1:
        return f"{shape.said} {shape.within[1]:.2f}."
    born, end = shape.between
    return (
        f"{shape.said} between starts went from {born:.2f} to {end:.2f} [{end - half:.2f}, {end + half:.2f}]; "
        f"mean, covariance and lengths of these activations give {shape.null:.2f}; k-means agrees {shape.kmeans:.2f}."
    )


def _contraction(shape: Shape, value: float, half: float) -> Interval:
    born_identical = "the runs were born identical: they cannot stabilize or converge"
    found = _estimate(shape, value, half)
    return found.model_copy(update={"reason": born_identical}) if math.isnan(value) else found


def _estimate(shape: Shape, value: float, half: float) -> Interval:
    several = shape.starts > 1
    return Interval(
        value=value,
        standard_error=half / 4.3,
        low=value - half,
        high=value + half,
        n_units=shape.starts if several else shape.runs_per_start,
        unit="start" if several else "run",
        reason="all runs share one start" if math.isnan(value) else None,
    )


def _measures(shape: Shape, half: float, unit: str) -> dict[str, MeasureFindings]:
    within, between = _path(*shape.within, halfway=300.0), _path(*shape.between, halfway=60.0)
    floors = _floors(shape)
    found = {"agreement": _measure("agreement", shape, half, unit, (within, between), floors=floors)}
    for name, by in COMPANIONS.items():
        paths = tuple(np.clip(path + by * (path < 0.97), -1, 1) for path in (within, between))
        found[name] = _companion(
            name, shape, half, unit, paths=paths, by=by, floors=() if name == "code" else _shifted(floors, by)
        )
    again = NAN if math.isnan(shape.between[1]) else max(0.0, shape.between[1] - 0.3)
    replicated = (_path(1.0, shape.within[1]), _path(0.0, again))
    found["replicated"] = _measure("replicated", shape, half, unit, replicated)
    kept = shape.retention**2
    explained = (_path(1.0, kept, halfway=250.0), _path(shape.between[0], shape.between[0] * kept, halfway=250.0))
    excess = (_path(0.0, shape.within[1] - kept, halfway=300.0), _path(0.0, shape.between[1] - kept, halfway=300.0))
    persistence = (np.array([NAN, *_path(1.0, 0.97)[1:]]), np.array([NAN, *(_path(0.9, 0.8) + 0 * between)[1:]]))
    return found | {
        "explained": _measure("explained", shape, 0.01, unit, explained),
        "excess": _measure("excess", shape, half, unit, excess),
        "persistence": _measure("persistence", shape, half, unit, persistence),
    }


def _called(measure: str) -> dict[str, str]:
    if measure == "replicated":
        return REPLICATED
    known = MEASURES[measure]
    return {"title": known.title, "short": known.short, "meaning": known.meaning, "role": known.role}


def _measure(
    name: str,
    shape: Shape,
    half: float,
    unit: str,
    paths: tuple[np.ndarray, np.ndarray],
    *,
    floors: tuple[Floor, ...] = (),
) -> MeasureFindings:
    """One record; adjusted by its strictest null where there is one."""
    null = _strictest(floors)
    scale = 1 - null.value if null else NAN
    pairs = {
        relation: PairsFindings(
            curve=_curve(path, half, unit),
            adjusted_curve=_curve((path - null.value) / scale, half / scale, unit) if null else None,
            last=_estimate(shape, path[-1], half),
            adjusted=_estimate(shape, (path[-1] - null.value) / scale, half / scale) if null else None,
        )
        for relation, path in zip(("within", "between"), paths, strict=True)
    }
    born, end = paths[1][0], paths[1][-1]
    return MeasureFindings(
        **_called(name),
        **pairs,
        born=_estimate(shape, born, half),
        gain=_estimate(shape, end - born, half),
        floors=floors,
        strictest=null.name if null else None,
    )


def _companion(
    name: str,
    shape: Shape,
    half: float,
    unit: str,
    *,
    paths: tuple[np.ndarray, ...],
    by: float,
    floors: tuple[Floor, ...],
) -> MeasureFindings:
    """Beside the agreement by as much everywhere; floor-adjusted between starts at the last step only."""
    null = _strictest(floors)
    strictest = null.value if null else NAN
    (within, end), born = (ends[1] for ends in (shape.within, shape.between)), shape.between[0]
    last = {
        "within": PairsFindings(
            curve=_curve(paths[0], half, unit),
            adjusted_curve=None,
            last=_estimate(shape, within + by, half),
            adjusted=None,
        ),
        "between": PairsFindings(
            curve=_curve(paths[1], half, unit),
            adjusted_curve=None,
            last=_estimate(shape, end + by, half),
            adjusted=_estimate(shape, (end + by - strictest) / (1 - strictest), half) if null else None,
        ),
    }
    return MeasureFindings(
        **_called(name),
        **last,
        born=_estimate(shape, born + by, half),
        gain=_estimate(shape, end - born, half),
        floors=floors,
        strictest=null.name if null else None,
    )


def _strictest(floors: tuple[Floor, ...]) -> Floor | None:
    return max((floor for floor in floors if floor.role == "null"), key=lambda floor: floor.value, default=None)


def _shifted(floors: tuple[Floor, ...], by: float) -> tuple[Floor, ...]:
    """The floors of a companion: those that are drawn, and that of step 0."""
    return tuple(
        floor.model_copy(update={"value": min(floor.value + by, 0.99) if floor.name == "kmeans" else floor.value + by})
        for floor in floors
        if floor.name in {"data", "kmeans", "surrogate", "step 0"}
    )


def _floor(name: str, value: float, spread: float, policy: str, *, n: int = 3) -> Floor:
    known = FLOORS.get(name)
    return Floor(
        name=name,
        title=known.title if known else SURROGATE["title"],
        role=known.role if known else SURROGATE["role"],
        value=value,
        spread=spread,
        standard_error=spread,
        n=n,
        policy=policy,
    )


def _floors(shape: Shape) -> tuple[Floor, ...]:
    floors = [
        _floor("isotropic", 0.148, 0.0, "best of n_atoms random directions, exact", n=0),
        _floor("data", shape.kmeans - 0.13, 0.004, "Pairs of samples of 2048 activations."),
        _floor("kmeans", shape.kmeans, 0.006, "k-means centroids of disjoint samples."),
    ]
    if shape.kind in {"ra-topk", "a-topk"}:
        floors.append(_floor("hull", shape.kmeans - 0.02, 0.004, "Mixtures of the points."))
    if not math.isnan(shape.null):
        floors.insert(1, _floor("surrogate", shape.null, 0.005, "The same recipe on an elliptical surrogate."))
    if shape.starts > 1:
        floors.append(_floor("step 0", shape.between[0], 0.003, "The starts, B(0).", n=shape.starts))
    return tuple(floors)


def _not_compared(shape: Shape, runs: tuple[RunFindings, ...]) -> ConditionFindings:
    nothing = Interval(
        value=NAN, standard_error=NAN, low=NAN, high=NAN, n_units=1, unit="run", reason="fewer than two runs finished"
    )
    alone = {
        name: nothing.model_copy(update={"value": runs[0].metrics[name][-1], "reason": "one run: no spread"})
        for name in ("r2", "alive")
    }
    return ConditionFindings(
        name=shape.name,
        arm="topk-data",
        preprocess="centre",
        kind=shape.kind,
        start_kind=shape.start,
        sign="signed",
        n_atoms=2048,
        d_model=576,
        init_groups=1,
        steps=(),
        verdict=Verdict(outcome=shape.outcome, sentence=shape.said, would_change=shape.change),
        measures={},
        metrics={},
        memory=None,
        half_life=NAN,
        contraction=nothing,
        **alone,
        runs=runs,
        pairs=(),
        stable_rank=NAN,
        atom_norm_squared=NAN,
    )


def _path(first: float, last: float, *, halfway: float = 100.0) -> np.ndarray:
    """From `first` at step 0 to `last`, most of the way around step `halfway`."""
    steps = np.array(STEPS, dtype=float)
    share = steps**1.2 / (steps**1.2 + halfway**1.2)
    return first + (last - first) * share / share[-1]


def _curve(values: np.ndarray, half: float, unit: str) -> Curve:
    """With a band that is as wide everywhere but at step 0."""
    grown = half * (values != values[0])
    return Curve(steps=STEPS, value=tuple(values), low=tuple(values - grown), high=tuple(values + grown), unit=unit)


def _metrics(shape: Shape, unit: str) -> dict[str, Curve]:
    mixing = {"frozen_rows": _path(1.0, 0.3), "weight_entropy": _path(0.0, 2.1), "effective_points": _path(1.0, 8.2)}
    paths = {
        **(mixing if shape.kind in {"ra-topk", "a-topk"} else {}),
        "retention": _path(1.0, shape.retention, halfway=250.0),
        "r2": _path(-1.4, shape.r2, halfway=40.0),
        "alive": _path(0.62, 0.97),
    }
    return {name: _curve(path, 0.01, unit) for name, path in paths.items()} | {
        "l0": _curve(_path(32.0, 31.6), 0.2, unit)
    }


def _runs(shape: Shape, drawn: np.random.Generator) -> tuple[RunFindings, ...]:
    runs = []
    for start in range(shape.starts):
        for run in range(shape.runs_per_start):
            diverged = shape.outcome is Outcome.NOT_FITTED and (start, run) == (2, 1)
            n = 10 if diverged else len(STEPS)
            r2 = _path(-1.4, shape.r2 + drawn.normal(0, 0.004), halfway=40.0)[:n]
            metrics = {
                "step": STEPS[:n],
                "tokens": tuple(1024 * step for step in STEPS[:n]),
                "training_loss": (NAN, *(1 - r2[1:])),
                "loss": tuple(1 - r2),
                "r2": tuple(r2),
                "l0": tuple(_path(32.0, 31.6 + drawn.normal(0, 0.1))[:n]),
                "alive": tuple(_path(0.62, 0.97 + drawn.normal(0, 0.005))[:n]),
                "retention": tuple(_path(1.0, shape.retention)[:n]),
            }
            if shape.kind in {"ra-topk", "a-topk"}:
                metrics["frozen_rows"] = tuple(_path(1.0, 0.53 if "none" in shape.name else 0.0, halfway=5.0)[:n])
                metrics["weight_entropy"] = tuple(_path(0.0, 2.1 + drawn.normal(0, 0.05))[:n])
            scopes = {"init": (start,), "points": (start,), "kmeans": (start,)}
            runs.append(
                RunFindings(
                    id=f"{shape.name}.s{start}.r{run}.{drawn.bytes(5).hex()}",
                    start_index=start,
                    run_index=run,
                    init_group=start if shape.runs_per_start > 1 else -1,
                    rolls={die: roll(die, 0, *scopes.get(die, (start, run))) for die in DICE if die != "data"},
                    status="diverged" if diverged else "finished",
                    remedy="the loss is not finite: lower learning_rate of relu (now 0.001)" if diverged else None,
                    metrics=metrics,
                )
            )
    return tuple(runs)


def _pairs(shape: Shape, runs: tuple[RunFindings, ...], drawn: np.random.Generator) -> tuple[PairCurve, ...]:
    pairs = []
    for a, b in combinations([run for run in runs if run.status == "finished"], 2):
        relation = "within" if a.init_group == b.init_group else "between"
        path = _path(*getattr(shape, relation), halfway=300.0 if relation == "within" else 60.0)
        noise = drawn.normal(0, 0.012) * np.linspace(0, 1, len(STEPS))
        agreement = tuple(np.minimum(path + noise, 1.0))
        pairs.append(PairCurve(run_a=a.id, run_b=b.id, relation=relation, agreement=agreement))
    return tuple(pairs)


def _interval(value: float, half: float) -> Interval:
    """Over three starts: half a width is 4.3 standard errors."""
    return Interval(
        value=value, standard_error=half / 4.3, low=value - half, high=value + half, n_units=3, unit="start"
    )


def _across() -> AcrossArms:
    return AcrossArms(
        preprocess="centre",
        arms=("topk-random", "topk-kmeans", "ra-topk-kmeans"),
        rows=("topk-random", "topk-kmeans", "ra-topk-kmeans"),
        agreement=((0.58, 0.51, 0.44), (0.51, 0.47, 0.43), (0.44, 0.43, NAN)),
    )


def _same_ends() -> SameEnds:
    return SameEnds(
        preprocess="centre",
        arms=("topk-random", "topk-kmeans"),
        starts=("random", "kmeans"),
        difference=_interval(0.01, 0.015),
        across=_interval(-0.005, 0.01),
        outcome="same",
        sentence="Runs of topk end alike from random and from kmeans starts: .58 and .57.",
    )


def _shared_dice() -> SharedDice:
    def cell(shared: tuple[str, ...], born: float, last: float) -> SharedCell:
        return SharedCell(shared=shared, born=_interval(born, 0.0), last=_interval(last, 0.03), n_pairs=12)

    return SharedDice(
        arms=("topk-both", "topk-decoder"),
        preprocess="centre",
        kind="topk",
        start_kind="random",
        effects=(
            DieEffect(dice=("init",), born=_interval(0.7, 0.0), last=_interval(0.08, 0.02)),
            DieEffect(dice=("encoder", "order"), born=_interval(0.0, 0.0), last=_interval(0.045, 0.02)),
        ),
        cells=(cell((), 0.3, 0.74), cell(("init",), 1.0, 0.785), cell(("init", "encoder", "order"), 1.0, 0.87)),
    )


def _comparisons() -> tuple[Comparison, ...]:
    def comparison(first: str, second: str, gap: float, born: float, half: float, **said: object) -> Comparison:
        return Comparison(
            first=first,
            second=second,
            preprocess="centre",
            first_pairs="within",
            second_pairs="between",
            gap=_interval(gap, half),
            born=_interval(born, half / 3),
            earned=_interval(gap - born, half),
            gain_difference=_interval(gap - born + 0.02, half),
            common_r2=0.61,
            gain_difference_at_common_r2=_interval(gap - born - 0.01, half),
            **said,
        )

    return (
        comparison(
            "ra-topk-kmeans",
            "topk-random",
            0.14,
            0.24,
            0.04,
            outcome="not compared",
            outcome_at_common_r2="not compared",
            runs_to_decide=None,
            like_with_like=False,
            unlike="k-means against random starts",
            sentence="ra-topk-kmeans leads topk-random by .14 at the end; it was born with .24 and lost .10.",
        ),
        comparison(
            "ra-topk-kmeans",
            "topk-kmeans",
            0.02,
            0.003,
            0.11,
            outcome="inconclusive",
            outcome_at_common_r2="inconclusive",
            runs_to_decide=9,
            would_decide="about 9 starts per arm",
            like_with_like=True,
            sentence="Both start alike; what training adds differs by .02 [\N{MINUS SIGN}.09, .13]: undecided.",
        ),
    )
