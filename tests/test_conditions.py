"""Conditions written by hand, whose every number is known, and trained ones at the edge of what is allowed."""

import math
from dataclasses import replace
from functools import cache
from itertools import combinations

import polars as pl
import pytest
import torch

import reseed
from reseed._support.numbers import percent, rounded
from reseed._support.threads import workers
from reseed.analysis import compare_floors, compare_runs, conditions
from reseed.analysis.conditions import judge_condition
from reseed.dice import generator
from reseed.floors import FLOORS, isotropic
from reseed.matching import match
from reseed.measures import MEASURES
from reseed.report.words import levelled, notes, verdict_row
from reseed.thresholds import LEVEL, Limits
from reseed.trajectory import StudyFolder
from reseed.verdict import Outcome, Reason
from studies import N_ATOMS, arm, hand_made, matrix, study

N, D, STARTS, RUNS = 12, 10, 3, 2
CALLED = ("title", "short", "meaning", "role")


def drawn(*number):
    return torch.randn(N, D, generator=generator(*number))


def trajectories(born, ended, *, starts=STARTS, runs=RUNS):
    """Runs from `born(start)` to `ended(start, run)`, halfway at step 4 of 10."""
    return {
        f"s{s}.r{r}": {0: born(s), 4: (born(s) + ended(s, r)) / 2, 10: ended(s, r)}
        for s in range(starts)
        for r in range(runs)
    }


def near(atoms, *number, amount=0.1):
    return atoms + amount * drawn(*number)


KNOWN = {
    Outcome.CONVERGENT: trajectories(drawn, lambda s, r: near(drawn(9), s, r)),
    Outcome.STABILIZING: trajectories(drawn, lambda s, r: near(drawn(9), s, r, amount=0.5)),
    Outcome.INHERITED: trajectories(drawn, lambda s, r: near(drawn(s), s, r, amount=0.5)),
    Outcome.FROZEN: trajectories(drawn, lambda s, r: near(drawn(s), s, r, amount=0.01)),
    Outcome.UNSTABLE: trajectories(drawn, drawn),
    Outcome.DIVERGING: trajectories(lambda s: near(drawn(9), s, amount=0.5), drawn),
}
BORN_IDENTICAL = {
    Outcome.INHERITED: trajectories(lambda _: drawn(9), lambda s, r: near(drawn(9), s, r, amount=0.5)),
    Outcome.FROZEN: trajectories(lambda _: drawn(9), lambda s, r: near(drawn(9), s, r, amount=0.01)),
    Outcome.DIVERGING: trajectories(lambda _: drawn(9), drawn),
}


def structureless(born=drawn, ended=drawn):
    """Three runs on the surrogate, at both ends."""
    return {f"surrogate{s}": {0: born(100, s), 10: ended(200, s)} for s in range(3)}


def analysed(folder, runs, *, surrogates=structureless(), **more):  # noqa: B008 (read only)
    made = hand_made(folder, {"topk@none": runs}, surrogates=surrogates, **more)
    with workers(1) as pool:
        compare_runs(made, "topk@none", pool)
        compare_floors(made, "topk@none", pool)
    return judge_condition(made, made.condition("topk@none"), Limits(), level=LEVEL)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """The known trajectory of an outcome, analysed once."""

    @cache
    def of(outcome):
        return analysed(tmp_path_factory.mktemp("known"), KNOWN[outcome])

    return of


def agreements(runs, step):
    """Mean agreement of pairs of one start and of two, from the atoms alone."""
    pairs = combinations(runs.items(), 2)
    known = [(a[:2] == b[:2], match(x[step], y[step]).agreement) for (a, x), (b, y) in pairs]
    return tuple(
        math.fsum(value for same, value in known if same == within)
        / max(1, sum(1 for same, _ in known if same == within))
        for within in (True, False)
    )


@pytest.mark.parametrize("outcome", KNOWN)
def test_a_known_trajectory_gets_its_verdict(known, outcome):
    assert known(outcome).findings.verdict.outcome == outcome


@pytest.mark.parametrize("outcome", BORN_IDENTICAL)
def test_runs_born_identical_get_theirs_and_no_contraction(tmp_path, outcome):
    findings = analysed(tmp_path, BORN_IDENTICAL[outcome]).findings
    assert findings.verdict.outcome == outcome
    assert findings.init_groups == 1
    assert math.isnan(findings.contraction.value)
    assert findings.contraction.reason == "the runs were born identical: they cannot stabilize or converge"
    assert all(math.isnan(value) for value in findings.agreement.between.curve.value)
    assert [floor.name for floor in findings.agreement.floors] == ["isotropic", "surrogate", "data", "kmeans"]


def test_curves_and_estimates_are_the_means_over_pairs(known):
    runs = KNOWN[Outcome.STABILIZING]
    findings = known(Outcome.STABILIZING).findings
    for place, step in enumerate(findings.steps):
        within, between = agreements(runs, step)
        assert findings.agreement.within.curve.value[place] == pytest.approx(within)
        assert findings.agreement.between.curve.value[place] == pytest.approx(between)
    assert findings.steps == (0, 4, 10)
    first, last = agreements(runs, 0), agreements(runs, 10)
    assert findings.agreement.within.last.value == pytest.approx(last[0])
    assert findings.agreement.born.value == pytest.approx(first[1])
    assert findings.agreement.between.last.value == pytest.approx(last[1])
    assert findings.agreement.gain.value == pytest.approx(last[1] - first[1])
    assert findings.contraction.value == pytest.approx((1 - last[1]) / (1 - first[1]))
    memory = (last[0] - last[1]) / (1 - first[1])
    assert findings.memory.value[-1] == pytest.approx(memory)
    assert findings.memory.value[0] == pytest.approx(1.0)


def test_the_strictest_null_judges(known):
    runs = KNOWN[Outcome.STABILIZING]
    whole = known(Outcome.STABILIZING)
    agreement = whole.findings.agreement
    floors = {floor.name: floor for floor in agreement.floors}
    assert floors.keys() == {"isotropic", "surrogate", "data", "kmeans", "step 0"}
    assert floors["isotropic"].value == isotropic(D, N)
    assert floors["step 0"].value == pytest.approx(agreements(runs, 0)[1])
    drawn_from = {name: floor.n for name, floor in floors.items()}
    assert drawn_from == {"isotropic": 0, "surrogate": 3, "data": 3, "kmeans": 3, "step 0": STARTS}
    assert agreement.strictest == max(("isotropic", "surrogate"), key=lambda name: floors[name].value)
    assert whole.floor == agreement.floor.value == floors[agreement.strictest].value
    adjusted = (agreement.between.last.value - whole.floor) / (1 - whole.floor)
    assert agreement.between.adjusted.value == pytest.approx(adjusted)


def test_every_measure_is_adjusted_by_its_own_strictest_null(known):
    findings = known(Outcome.STABILIZING).findings
    assert findings.measures.keys() == MEASURES.keys()
    for name, record in findings.measures.items():
        assert bool(record.floors) == (MEASURES[name].role != "mechanism")
        if not record.floors:
            assert record.floor is record.strictest is None
        for relation in ("within", "between"):
            assert is_adjusted(record.pairs(relation), record)


def is_adjusted(pairs, record):
    """Whether curve and end are adjusted by the largest null; not at all where there is none."""
    nulls = [floor.value for floor in record.floors if floor.role == "null"]
    if not nulls:
        return pairs.adjusted is None and pairs.adjusted_curve is None
    floor = max(nulls)
    assert record.floor.value == floor
    adjusted = pairs.adjusted_curve
    for part in ("value", "low", "high"):
        expected = [(value - floor) / (1 - floor) for value in getattr(pairs.curve, part)]
        assert list(getattr(adjusted, part)) == pytest.approx(expected, nan_ok=True)
    assert pairs.adjusted.value == pytest.approx(adjusted.value[-1])
    alone = pairs.last.standard_error / (1 - floor)
    own_way = record.title == MEASURES["replicated"].title  # its estimates hold the error of the null themselves
    if pairs is record.within or record.floor.standard_error == 0 or own_way:
        assert pairs.adjusted.low == pytest.approx(adjusted.low[-1])
        return pairs.adjusted.standard_error == pytest.approx(alone)
    return pairs.adjusted.standard_error > alone  # the error of the null counts


def test_floors_of_companions_are_those_of_the_same_untrained_dictionaries(known):
    findings = known(Outcome.STABILIZING).findings
    found = {name: {floor.name: floor.value for floor in record.floors} for name, record in findings.measures.items()}
    plain = found["agreement"]
    assert set(found["code"]) == {"surrogate", "step 0"}  # an untrained dictionary has no codes
    for measure in ("alive", "mass"):  # and no dead atoms either: all count alike
        kinds = ("isotropic", "data", "kmeans")
        assert {kind: found[measure][kind] for kind in kinds} == {kind: plain[kind] for kind in kinds}
    assert found["subspace"]["isotropic"] == findings.subspace_rank / D
    assert findings.subspace_rank == D // 2  # all dimensions carry as much; half of them are compared
    assert found["mmcs"]["isotropic"] == isotropic(D, N)
    assert found["whitened"]["kmeans"] == pytest.approx(found["projection"]["kmeans"])  # S is a sphere


def test_what_agreement_has_beyond_retention_is_its_excess(known):
    measures = known(Outcome.STABILIZING).findings.measures
    for relation in ("within", "between"):
        agreed, explained, excess = (
            measures[name].pairs(relation).curve.value for name in ("agreement", "explained", "excess")
        )
        assert excess == pytest.approx([whole - part for whole, part in zip(agreed, explained, strict=True)])
    assert measures["excess"].between.last.value > 0.3
    assert measures["excess"].within.curve.value[0] == pytest.approx(0.0, abs=1e-9)
    persistence = measures["persistence"].between.curve.value
    assert math.isnan(persistence[0])
    assert 0 < persistence[-1] <= 1


def test_a_companion_that_contradicts_the_cosine_is_named_in_the_verdict(tmp_path):
    """The tokens see four of ten dimensions: in those the starts are alike and training takes them apart."""

    def atoms(*seen, unseen, size):
        return torch.cat([drawn(*seen)[:, :4], size * drawn(*unseen)[:, 4:]], dim=1)

    runs = trajectories(
        lambda start: atoms(9, unseen=(start,), size=0.6), lambda s, r: atoms(s, r, unseen=(9,), size=3.0)
    )
    heldout = torch.cat([torch.randn(40, 4, generator=generator(1)), torch.zeros(40, D - 4)], dim=1)
    findings = analysed(tmp_path, runs, heldout=heldout).findings
    (sentence,) = (said for said in findings.verdict.disagreements if said.startswith("Code agreement"))
    between = findings.measures["code"].between.curve.value
    first, last = between[0], between[-1]
    assert sentence.startswith(f"Code agreement says otherwise: between starts it fell by {rounded(first - last)} [")
    assert "while the matched agreement rose by" in sentence
    assert findings.verdict.outcome not in {Outcome.CONVERGENT, Outcome.STABILIZING}


def test_the_companions_that_may_contradict_are_asked_in_the_order_of_the_table(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(conditions, "disagreements", lambda _, said, **__: asked.extend(said) or ())
    monkeypatch.setitem(MEASURES, "late", replace(MEASURES["mmcs"], name="late", contradicts=True))
    analysed(tmp_path, KNOWN[Outcome.UNSTABLE])
    assert asked == [name for name, measure in MEASURES.items() if measure.contradicts]
    assert asked[-1] == "late"
    assert {"agreement", "mmcs", "shared"}.isdisjoint(asked)


def test_every_measure_and_floor_is_called_in_the_findings_as_in_its_table(known):
    for name, record in known(Outcome.STABILIZING).findings.measures.items():
        assert {field: getattr(record, field) for field in CALLED} == {
            field: getattr(MEASURES[name], field) for field in CALLED
        }
        for floor in record.floors:
            assert (floor.title, floor.role) == (FLOORS[floor.name].title, FLOORS[floor.name].role)


def test_the_error_of_a_floor_is_over_its_draws(known):
    whole = known(Outcome.STABILIZING).findings
    floors = {floor.name: floor for floor in whole.agreement.floors}
    draws = [torch.randn(N, D, generator=generator(draw, "kmeans")) for draw in range(3)]
    left = [match(draws[i], draws[j]).agreement for i, j in combinations(range(3), 2)]
    mean = math.fsum(left) / 3
    assert floors["kmeans"].standard_error == pytest.approx(math.sqrt(2 / 3 * sum((x - mean) ** 2 for x in left)))
    assert (floors["isotropic"].standard_error, floors["isotropic"].n) == (0.0, 0)
    assert floors["step 0"].standard_error == pytest.approx(whole.agreement.born.standard_error)


def test_the_error_of_the_surrogate_is_over_its_starts_and_counts_beside_that_of_the_runs(known):
    whole = known(Outcome.STABILIZING).findings.agreement
    surrogate = next(floor for floor in whole.floors if floor.name == "surrogate")
    ended = [runs[10] for runs in structureless().values()]
    left = [match(ended[i], ended[j]).agreement for i, j in combinations(range(3), 2)]
    mean = math.fsum(left) / 3
    error = math.sqrt(2 / 3 * sum((x - mean) ** 2 for x in left))
    assert (surrogate.value, surrogate.standard_error) == pytest.approx((mean, error))
    last = whole.between.last
    if whole.strictest == "surrogate":
        share = (1 - last.value) / (1 - mean)
        both = math.hypot(last.standard_error, share * error) / (1 - mean)
        assert whole.between.adjusted.standard_error == pytest.approx(both)


def test_without_a_surrogate_the_word_says_what_is_missing(tmp_path):
    verdict = analysed(tmp_path, KNOWN[Outcome.STABILIZING], surrogates=None).findings.verdict
    assert (verdict.outcome, verdict.because) == (Outcome.INCONCLUSIVE, Reason.NO_SURROGATE)
    assert "floors.surrogate" in verdict.would_change


def test_runs_that_come_as_far_as_those_on_the_surrogate_are_not_said_to_stabilize(tmp_path):
    """The recipe takes structureless rows to one place, too."""
    alike = structureless(ended=lambda *number: near(drawn(9), *number, amount=0.5))
    verdict = analysed(tmp_path, KNOWN[Outcome.STABILIZING], surrogates=alike).findings.verdict
    assert verdict.outcome in {Outcome.UNSTABLE, Outcome.INCONCLUSIVE}
    assert verdict.because in {Reason.ONLY_AS_FAR, Reason.NULL_OPEN}


def test_a_curve_that_rose_and_fell_again_turned_there(tmp_path):
    runs = trajectories(drawn, lambda s, r: near(drawn(9), s, r, amount=0.7))
    for number, run in enumerate(runs.values()):
        run[4] = near(drawn(9), 300, number, amount=0.1)
    findings = analysed(tmp_path, runs).findings
    at = {step: agreements(runs, step)[1] for step in (0, 4, 10)}
    assert findings.turn.step == 4
    assert findings.turn.peak == pytest.approx(at[4])
    assert findings.turn.fall.value == pytest.approx(at[4] - at[10])
    assert findings.turn.fall.low > Limits().margin
    assert "; it was highest at step 4" in findings.verdict.sentence
    assert not findings.verdict.would_change.startswith("Longer")


def test_a_curve_that_rises_to_its_end_has_not_turned(known):
    assert known(Outcome.STABILIZING).findings.turn is None


def test_curves_that_stay_where_they_are_level_off_and_others_say_by_how_much_they_change(tmp_path, known):
    rising = known(Outcome.STABILIZING).findings
    at = {step: agreements(KNOWN[Outcome.STABILIZING], step)[1] for step in (4, 10)}
    begun = at[4] + (at[10] - at[4]) * (20 / 3 - 4) / 6
    slope = (at[10] - begun) / math.log2(1.5)
    assert rising.levelling.agreement.value == pytest.approx(slope)
    assert rising.levelling.agreement.n_units == STARTS
    assert not rising.levelling.levels_off
    assert f"of runs that started apart +{rounded(slope, 3)} [" in levelled(rising)
    runs = trajectories(drawn, lambda s, r: near(drawn(9), s, r, amount=0.5))
    for run in runs.values():
        run[4] = run[10]
    level = analysed(tmp_path, runs).findings
    assert level.levelling.agreement.value == 0
    assert level.levelling.levels_off
    assert "its curves level off" in levelled(level)


def test_runs_of_one_start_level_off_by_their_own_agreement(tmp_path):
    runs = BORN_IDENTICAL[Outcome.INHERITED]
    findings = analysed(tmp_path, runs).findings
    pairs = list(combinations(runs.values(), 2))
    late = [match(a[10], b[10]).agreement - match(a[4], b[4]).agreement for a, b in pairs]
    slope = math.fsum(late) / len(pairs) * (10 / 3) / 6 / math.log2(1.5)
    assert findings.levelling.agreement.value == pytest.approx(slope)
    assert "of runs of its one start" in levelled(findings)


def test_the_half_life_of_a_memory_that_falls_in_a_straight_line_is_halfway(known):
    findings = known(Outcome.CONVERGENT).findings
    memory = findings.memory.value
    steps = (0, 4, 10)
    after = next(i for i, value in enumerate(memory) if value <= 0.5)
    share = (memory[after - 1] - 0.5) / (memory[after - 1] - memory[after])
    expected = steps[after - 1] + share * (steps[after] - steps[after - 1])
    assert findings.half_life == pytest.approx(expected)


def test_what_is_never_forgotten_has_no_half_life(known):
    assert math.isnan(known(Outcome.FROZEN).findings.half_life)


def test_every_pair_has_its_curve(known):
    findings = known(Outcome.UNSTABLE).findings
    assert len(findings.pairs) == math.comb(STARTS * RUNS, 2)
    for pair in findings.pairs:
        assert pair.relation == ("within" if pair.run_a[:2] == pair.run_b[:2] else "between")
        assert len(pair.agreement) == 3


def test_runs_know_their_group_their_dice_and_their_metrics(known):
    findings = known(Outcome.INHERITED).findings
    assert [run.init_group for run in findings.runs] == [0, 0, 1, 1, 2, 2]
    assert all(len(run.rolls) == 6 and run.status == "finished" and run.remedy is None for run in findings.runs)
    assert findings.runs[0].metrics["step"] == (0, 4, 10)


def test_two_starts_with_many_runs_have_a_gain_and_no_word(tmp_path):
    for starts, runs in ((3, 2), (2, 6)):
        known = trajectories(drawn, lambda s, r: near(drawn(9), s, r), starts=starts, runs=runs)
        findings = analysed(tmp_path / str(starts), known).findings
        last = findings.agreement.between.last
        assert (last.unit, last.n_units, math.isnan(last.low)) == ("start", starts, starts == 2)
        assert findings.verdict.outcome == (Outcome.CONVERGENT if starts == 3 else Outcome.INCONCLUSIVE)
        assert findings.verdict.because == (Reason.NONE if starts == 3 else Reason.FEW_STARTS)


@pytest.mark.parametrize(("starts", "runs"), [(1, 2), (2, 1), (3, 1), (1, 3)])
def test_few_runs_never_break_an_analysis(tmp_path, starts, runs):
    known = trajectories(drawn, lambda s, r: near(drawn(9), s, r), starts=starts, runs=runs)
    findings = analysed(tmp_path, known).findings
    assert findings.init_groups == starts
    assert findings.verdict.outcome in {Outcome.CONVERGENT, Outcome.INCONCLUSIVE, Outcome.INHERITED}
    assert starts >= 3 or findings.verdict.outcome != Outcome.CONVERGENT


def test_one_run_cannot_be_compared(tmp_path):
    findings = analysed(tmp_path, trajectories(drawn, drawn, starts=1, runs=1)).findings
    assert findings.verdict.outcome == Outcome.NOT_TESTABLE
    assert (findings.steps, findings.pairs, findings.measures, findings.metrics) == ((), (), {}, {})
    assert findings.agreement is findings.memory is None
    assert findings.runs[0].status == "finished"


def test_a_single_run_still_tells_how_well_it_fits(tmp_path):
    findings = analysed(tmp_path, trajectories(drawn, drawn, starts=1, runs=1), r2=0.7).findings
    row = verdict_row(findings)
    assert (row.r2, row.alive) == (".70", percent(findings.runs[0].metrics["alive"][-1]))
    assert math.isnan(findings.r2.low)
    assert "R², alive: one run: no spread" in notes(findings)
    none = analysed(tmp_path / "none", trajectories(drawn, drawn, starts=1, runs=1), status="diverged").findings
    assert verdict_row(none).r2 == verdict_row(none).alive == "none"


def test_diverged_runs_are_named_and_not_compared(tmp_path):
    findings = analysed(tmp_path, KNOWN[Outcome.CONVERGENT], status="diverged").findings
    assert findings.verdict.outcome == Outcome.NOT_TESTABLE
    assert {run.status for run in findings.runs} == {"diverged"}
    assert {run.init_group for run in findings.runs} == {-1}


@pytest.mark.parametrize("r2", [0.29, -5.0, math.nan])
def test_runs_that_do_not_fit_are_not_judged(tmp_path, r2):
    assert analysed(tmp_path, KNOWN[Outcome.CONVERGENT], r2=r2).findings.verdict.outcome == Outcome.NOT_FITTED


# Trained, and at the edge.


@pytest.fixture(scope="module")
def edge(tmp_path_factory):
    """Findings of conditions whose starts are special, two starts of two runs each."""
    folder = tmp_path_factory.mktemp("edge")
    shared = {"points": "shared", "kmeans": "shared"}
    few = {"kind": "data", "n_points": 20, "allow_fewer_points": True}
    arms = (
        arm("ra-topk", name="shared-hull").model_copy(update={"dice": shared}),
        arm("topk", name="permuted", start={"kind": "kmeans-permuted", "kmeans_steps": 3}),
        arm("ra-topk", name="permuted-hull", start={"kind": "kmeans-permuted", "kmeans_steps": 3}),
        arm("ra-topk", name="few-points", start=few),
        arm("a-topk", name="no-relaxation"),
        arm("ra-topk", name="zero-delta", delta=0.0),
    )
    floors = {"draws": 3, "kmeans_steps": 2, "surrogate": "off"}
    small = study(matrix(folder / "acts.npy"), *arms, steps=5, floors=floors)
    return reseed.run(small, folder / "study", quiet=True), StudyFolder.open(folder / "study")


@pytest.mark.parametrize("name", ["shared-hull", "permuted", "permuted-hull"])
def test_a_shared_start_is_one_init_group_at_distance_0_and_is_never_said_to_stabilize(edge, name):
    findings = edge[0].condition(f"{name}@centre")
    assert findings.init_groups == 1
    assert findings.agreement.within.curve.value[0] == pytest.approx(1.0, abs=1e-9)
    assert all(pair.agreement[0] == pytest.approx(1.0, abs=1e-9) for pair in findings.pairs)
    assert math.isnan(findings.contraction.value)
    assert "born identical" in findings.contraction.reason
    assert any(f"{name}@centre" in warning and "all runs share one start" in warning for warning in edge[0].warnings)
    assert findings.verdict.outcome not in {Outcome.STABILIZING, Outcome.CONVERGENT}


@pytest.mark.parametrize("name", ["permuted", "permuted-hull"])
def test_the_permuted_control_starts_in_other_orders_of_the_same_rows(edge, name):
    born = [run.snapshot(0).atoms for run in edge[1].runs(f"{name}@centre")]
    assert torch.equal(born[0], born[1])
    assert not torch.allclose(born[0], born[2], atol=1e-3)
    assert torch.allclose(born[0].sort(dim=0).values, born[2].sort(dim=0).values, atol=1e-5)


def test_fewer_points_than_atoms_leave_zero_atoms_that_are_counted(edge):
    findings, folder = edge[0].condition("few-points@centre"), edge[1]
    assert findings.init_groups == 2
    for run in folder.runs("few-points@centre"):
        assert (run.snapshot(0).atoms.norm(dim=1) == 0).sum() == N_ATOMS - 20
    born = folder.compared("few-points@centre").table("pairs").filter(pl.col("step") == 0)
    assert set(born["zero_a"]) == set(born["zero_b"]) == {N_ATOMS - 20}


@pytest.mark.parametrize("name", ["few-points", "no-relaxation", "zero-delta", "shared-hull"])
def test_every_metric_is_finite_but_for_a_saturation_that_does_not_exist(edge, name):
    undefined = {"relaxation_saturation"} if name in {"no-relaxation", "zero-delta"} else set()
    for run in edge[0].condition(f"{name}@centre").runs:
        for metric, values in run.metrics.items():
            expected = values[1:] if metric == "training_loss" else values
            assert all(map(math.isfinite, expected)) == (metric not in undefined), metric
