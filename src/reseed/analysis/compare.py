"""Comparing writes: all that opens a dictionary, as tables that judging reads (see `reseed.trajectory.compared`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, cycle
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
from jaxtyping import Float
from torch import Tensor

from reseed import measures
from reseed._support.version import VERSION
from reseed.analysis.births import measure_births
from reseed.analysis.children import SPAWNED, finished_children, measure_children
from reseed.analysis.nested import columns_of, nested_sizes
from reseed.analysis.pairs import COSINES, FACTS, MeasuredPairs, OfPair, compared, measure_pairs, ready, table_of
from reseed.floors import FLOORS
from reseed.matching import match
from reseed.measures import MEASURES, Matchings, activation_covariance
from reseed.trajectory import Compared, ComparedRun, DrawnFloor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor

    from reseed.floors import FloorKind
    from reseed.measures import ActivationCovariance
    from reseed.trajectory import ComparedFolder, Draw, StudyFolder, Trajectory

__all__ = ["FloorTables", "compare_floors", "compare_runs", "first_of_groups", "forget_unfinished", "is_compared"]

FloorTables = dict[tuple[object, ...], pl.DataFrame]
"""Floors of activations that other conditions of a study have in common, as they were measured."""

_PAIR = {"run_a": pl.String, "run_b": pl.String}
_TWO = 2


def compare_runs(
    folder: StudyFolder, condition: str, pool: Executor, *, advance: Callable[[int], None] = lambda _: None
) -> Compared | None:
    """Match the pairs of one condition that are not known yet, and write all tables but `floors` and `barriers`.

    Args:
        folder: a study; runs that have not finished take no part.
        condition: its name.
        pool: threads that pairs of runs are matched on.
        advance: told how many pairs lie behind, snapshot by snapshot.

    Returns:
        What was compared; None where fewer than two runs finished, and no child of a single one.
    """
    runs, written = _finished(folder.runs(condition)), folder.compared(condition)
    if len(runs) < _TWO and not finished_children(folder, condition):
        written.forget()
        return None
    activations = _activations(folder, runs[0])
    known = _known(written, runs[0])
    measured = measure_pairs(runs, activations, pool, known=known, advance=advance)
    groups = dict(zip((run.id for run in runs), measured.groups, strict=True))
    children = measure_children(folder, condition, activations, pool, known=known)
    written.write_table("pairs", _pairs_table(measured, children, groups))
    written.write_table("matchings", _matchings_table(measured.pairs, children))
    tested = written.table("births") if known and _births_written(written) else None
    written.write_table("births", measure_births(runs, measured.steps[-1], pool, known=tested))
    surrogates = _compare_surrogates(folder, condition, activations, pool)
    about = _about(runs, measured, activations).model_copy(update={"surrogates": surrogates})
    before = written.about
    if before is not None and before.model_copy(update={"floors": ()}) == about:
        return before
    written.write_about(about)
    return about


def compare_floors(folder: StudyFolder, condition: str, pool: Executor, *, shared: FloorTables | None = None) -> None:
    """Match the untrained dictionaries of one condition with each other, and write `floors`.

    They are measured by the code that measures the runs, and where the atoms of the runs live: where these have a
    decoder bias, draws are less that of one run each, so that no common mean is counted that the runs have taken off.

    Args:
        folder: a study whose draws are made.
        condition: the name of one that `compare_runs` has compared.
        pool: threads that pairs are matched on.
        shared: what other conditions have measured already, added to.
    """
    written = folder.compared(condition)
    about = written.about
    if about is None or not about.has_pairs:
        return
    first = folder.run(about.runs[0].id)
    biases = _decoder_biases(folder, about)
    draws = {kind: _draws(folder, condition, about, kind) for kind in FLOORS.values()}
    of = {kind: _less(found, biases) for kind, found in draws.items() if len(found) >= _TWO}
    described = tuple(_described(kind, found) for kind, found in of.items())
    if described == about.floors and (written.path / "floors.parquet").exists():
        return
    made: FloorTables = {} if shared is None else shared
    activations = _activations(folder, first)
    tables = []
    for kind, found in of.items():
        of_one = None if kind.draw and not biases else condition
        key = (kind.name, first.record.preprocess, about.n_atoms, about.sign, of_one)
        if key not in made:
            made[key] = _measured_draws(kind, found, about, activations, pool)
        tables.append(made[key])
    written.write_table("floors", pl.concat(tables) if tables else _no_floors())
    written.write_about(about.model_copy(update={"floors": described}))


def forget_unfinished(folder: StudyFolder) -> None:
    """Remove what was compared of runs that have not ended: those may become others, and more pairs come."""
    for condition in folder.manifest.conditions:
        every = (*condition.runs, *condition.children, *condition.surrogates)
        unfinished = {run_id for run_id in every if folder.run(run_id).done is None}
        written = folder.compared(condition.name)
        about = written.about
        if unfinished & {*condition.runs}:
            written.forget_barriers()
        if about is None or not unfinished:
            continue
        about_them = pl.any_horizontal(pl.col(*_PAIR).is_in(list(unfinished)))
        written.write_table("pairs", written.table("pairs").filter(~about_them))
        written.write_table("matchings", written.table("matchings").filter(~about_them))
        if _births_written(written):
            written.write_table("births", written.table("births").filter(~about_them))
        kept = tuple(run for run in about.runs if run.id not in unfinished)
        beside = tuple(run for run in about.surrogates if run.id not in unfinished)
        written.write_about(about.model_copy(update={"runs": kept, "surrogates": beside, "floors": ()}))


def is_compared(folder: StudyFolder, condition: str) -> bool:
    """Whether the tables hold all that judging reads: every pair of the finished runs, every measure, the floors."""
    written = folder.compared(condition)
    runs, about = _finished(folder.runs(condition)), written.about
    children = {child.id for _, child in finished_children(folder, condition)}
    nothing = len(runs) < _TWO and not children
    if nothing or about is None:
        return nothing and about is None
    steps = tuple(sorted(set.intersection(*(set(run.steps) for run in runs))))
    beside = [run.id for run in _finished(folder.surrogates(condition))]
    table = written.table("pairs")
    told = set(table.filter(pl.col("relation") == SPAWNED)["run_b"])
    return (
        _measured_as_now(about, runs[0])
        and [run.id for run in about.runs] == [run.id for run in runs]
        and about.steps == steps
        and [run.id for run in about.surrogates] == (beside if len(beside) >= _TWO else [])
        and children == told
        and _births_written(written)
        and (not about.has_pairs or (about.floors != () and (written.path / "floors.parquet").exists()))
    )


def _births_written(written: ComparedFolder) -> bool:
    """Whether the birth tests stand beside the pairs; they are younger than those."""
    return (written.path / "births.parquet").exists()


def _finished(runs: Sequence[Trajectory]) -> list[Trajectory]:
    return [run for run in runs if run.finished]


def _activations(folder: StudyFolder, run: Trajectory) -> ActivationCovariance:
    """What the activations that the runs of a condition saw say about directions."""
    n_atoms = run.snapshots[0].header["n_atoms"]
    return activation_covariance(folder.moments(run.record.preprocess)["covariance"], n_atoms)


def _measured_as_now(about: Compared, run: Trajectory) -> bool:
    of_run = about.sign == run.record.sign and about.nested == nested_sizes(run.record)
    return about.measures == tuple(MEASURES) and of_run and about.reseed == VERSION


def _known(written: ComparedFolder, run: Trajectory) -> dict[tuple[str, str], OfPair]:
    """The pairs that are measured already, by this version and these measures."""
    about = written.about
    if about is None or not _measured_as_now(about, run):
        return {}
    pairs, matchings = written.table("pairs"), written.table("matchings")
    values: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    rows = pairs.select("step", *_PAIR, *FACTS, *MEASURES, *columns_of(about.nested)).iter_rows(named=True)
    for row, cosines in zip(rows, pairs[COSINES], strict=True):
        step, ids = row.pop("step"), (row.pop("run_a"), row.pop("run_b"))
        values.setdefault(ids, {})[step] = row | {COSINES: cosines.to_numpy()}
    matched = matchings.partition_by(*_PAIR, as_dict=True, include_key=False)
    known = {ids: (by_step, matched[ids]) for ids, by_step in values.items() if ids in matched}
    return {
        ids: OfPair(by_step, table.drop("step"))
        for ids, (by_step, table) in known.items()
        if table["step"][0] == max(by_step)
    }


def _pairs_table(
    measured: MeasuredPairs, children: Mapping[tuple[str, str], OfPair], groups: Mapping[str, int]
) -> pl.DataFrame:
    """One row per step and pair, children with their parents last."""
    rows: list[dict[str, Any]] = [
        _names(step, ids, groups) | of.values[step] for step in measured.steps for ids, of in measured.pairs.items()
    ]
    for (parent, child), of in children.items():
        group = groups.get(parent, -1)
        names = {"relation": SPAWNED, "group_a": group, "group_b": group}
        rows += [{"step": s, "run_a": parent, "run_b": child} | names | values for s, values in of.values.items()]
    return table_of(rows)


def _names(step: int, ids: tuple[str, str], groups: Mapping[str, int]) -> dict[str, Any]:
    a, b = (groups[run_id] for run_id in ids)
    places = {"relation": "within" if a == b else "between", "group_a": a, "group_b": b}
    return {"step": step, "run_a": ids[0], "run_b": ids[1]} | places


def _matchings_table(*parts: Mapping[tuple[str, str], OfPair]) -> pl.DataFrame:
    tables = [
        of.matching.select(
            pl.lit(run_a).alias("run_a"),
            pl.lit(run_b).alias("run_b"),
            pl.lit(max(of.values), dtype=pl.Int64).alias("step"),
            pl.all(),
        )
        for part in parts
        for (run_a, run_b), of in part.items()
    ]
    return pl.concat(tables)


def _compare_surrogates(
    folder: StudyFolder, condition: str, activations: ActivationCovariance, pool: Executor
) -> tuple[ComparedRun, ...]:
    """Match the runs on the surrogate with each other, and write `surrogate`; none where fewer than two finished."""
    runs = _finished(folder.surrogates(condition))
    if len(runs) < _TWO:
        return ()
    measured = measure_pairs(runs, activations, pool)
    groups = dict(zip((run.id for run in runs), measured.groups, strict=True))
    folder.compared(condition).write_table("surrogate", _pairs_table(measured, {}, groups))
    return _compared_runs(runs, measured)


def _about(runs: Sequence[Trajectory], measured: MeasuredPairs, activations: ActivationCovariance) -> Compared:
    n_atoms, d_model = runs[0].snapshots[measured.steps[-1]].atoms.shape
    return Compared(
        reseed=VERSION,
        runs=_compared_runs(runs, measured),
        steps=measured.steps,
        measures=tuple(MEASURES),
        n_atoms=n_atoms,
        d_model=d_model,
        sign=runs[0].record.sign,
        subspace_rank=activations.rank,
        nested=nested_sizes(runs[0].record),
    )


def _compared_runs(runs: Sequence[Trajectory], measured: MeasuredPairs) -> tuple[ComparedRun, ...]:
    last = [run.snapshots[measured.steps[-1]].atoms for run in runs]
    return tuple(
        ComparedRun(
            id=run.id,
            init_group=group,
            stable_rank=measures.stable_rank(atoms).value,
            atom_norm_squared=measures.mean_norm_squared(atoms),
        )
        for run, group, atoms in zip(runs, measured.groups, last, strict=True)
    )


def _draws(folder: StudyFolder, condition: str, about: Compared, kind: FloorKind) -> list[Draw]:
    """The untrained dictionaries of one floor: of the activations, or of the first run of every init group."""
    if kind.draw is not None:
        return folder.draws(folder.condition(condition).preprocess, about.n_atoms, kind.name)
    if kind.of_run is not None:
        return folder.draws_of_runs(condition, kind.name, first_of_groups(about))
    return []


def first_of_groups(about: Compared) -> list[str]:
    """The first run of every init group, the last group first."""
    return list({run.init_group: run.id for run in reversed(about.runs)}.values())


class _Shifted(NamedTuple):
    """A draw in the space of the atoms of one run."""

    draw: Draw
    bias: Float[Tensor, " d_model"] | None
    """What is subtracted from its atoms; None for nothing."""

    @property
    def atoms(self) -> Float[Tensor, "atoms d_model"]:
        """The dictionary there."""
        return self.draw.atoms if self.bias is None else self.draw.atoms - self.bias


def _decoder_biases(folder: StudyFolder, about: Compared) -> dict[str, Float[Tensor, " d_model"]]:
    """The decoder bias of the first run of every init group at the end, first groups first; none where all are zero."""
    ends = [folder.run(run_id).snapshots[about.steps[-1]] for run_id in reversed(first_of_groups(about))]
    found = {end.path.parent.name: end.tensor("decoder_bias") for end in ends if end.has("decoder_bias")}
    return found if any(bias.any() for bias in found.values()) else {}


def _less(draws: Sequence[Draw], biases: Mapping[str, Float[Tensor, " d_model"]]) -> list[_Shifted]:
    """Every draw less the decoder bias of the run that it was made of, or else of one run after the other."""
    turn = cycle(biases.values() or [None])
    return [
        _Shifted(draw, biases.get(draw.recipe.get("run", ""), bias)) for draw, bias in zip(draws, turn, strict=False)
    ]


def _described(kind: FloorKind, draws: Sequence[_Shifted]) -> DrawnFloor:
    first, bias = draws[0]
    tokens = first.recipe.get("kmeans_tokens")  # in studies of format version 1, which keep no policies
    of = f"; of {tokens:,} activations" if tokens and kind.name == "kmeans" else ""
    less = "" if bias is None else "; less the decoder bias of one run each"
    policy = (first.policy or kind.policy + of) + less
    return DrawnFloor(name=kind.name, n=len(draws), policy=policy, recipe=first.recipe)


def _measured_draws(
    kind: FloorKind, draws: Sequence[_Shifted], about: Compared, activations: ActivationCovariance, pool: Executor
) -> pl.DataFrame:
    prepared = list(pool.map(lambda draw: ready(measures.dictionary(draw.atoms, activations)), draws))
    pairs = list(combinations(range(len(draws)), 2))

    def measured(pair: tuple[int, int]) -> dict[str, Any]:
        a, b = (prepared[place] for place in pair)
        return compared(Matchings(match(a.of.atoms, b.of.atoms, sign=about.sign)), a, b)

    untrained = [*(name for name, measure in MEASURES.items() if measure.untrained), COSINES]
    rows = [
        {"floor": kind.name, "draw_a": i, "draw_b": j} | {name: values[name] for name in untrained}
        for (i, j), values in zip(pairs, pool.map(measured, pairs), strict=True)
    ]
    return table_of(rows)


def _no_floors() -> pl.DataFrame:
    untrained = {name: pl.Float64 for name, measure in MEASURES.items() if measure.untrained}
    return pl.DataFrame(
        schema={"floor": pl.String, "draw_a": pl.Int64, "draw_b": pl.Int64, **untrained, COSINES: pl.List(pl.Float32)}
    )
