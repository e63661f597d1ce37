"""What sharing a die contributes: planted effects come back, and designs that cannot tell dice apart say so."""

import math
from dataclasses import replace
from itertools import combinations, product

import pytest
import torch

from reseed.analysis.conditions import Analysed
from reseed.analysis.dice_effects import dice_effects
from reseed.analysis.tables import Pairs
from reseed.dice import DICE, generator
from reseed.findings import ConditionFindings, RunFindings
from reseed.methods import parse
from reseed.spec import Arm, Dice
from reseed.trajectory import RunRecord

BORN = {"init": 0.7, "encoder": 0.0, "order": 0.0}
LAST = {"init": 0.06, "encoder": 0.09, "order": 0.02}
METHOD = {"kind": "topk", "n_atoms": 8, "k": 2, "encoder_start": "independent"}
START = {"kind": "random", "weights": "identity"}


def record_of(method, start):
    """What the run of an arm with this method and start says of itself."""
    arm = Arm(name="any", method=parse(method), start=start)
    dice = tuple(die for die in DICE if die in arm.method.dice | arm.start.dice)
    return RunRecord(preprocess="centre", start_index=0, run_index=0, method=method, start=start, rolls={}, dice=dice)


def analysed(name, *, method=METHOD, start=START, n_starts=3, noise=0.0, lost=0, **scopes):
    """A condition whose pairs agree by what they share: .3 at step 0, .5 at the end, plus the planted effects."""
    dice = Dice(**scopes)
    runs = [
        RunFindings(
            id=f"{name}-{number}-{run}",
            start_index=number,
            run_index=run,
            init_group=number,
            rolls=dice.rolls(number, run),
            status="finished",
            metrics={},
        )
        for number, run in product(range(n_starts), range(2))
    ]
    runs[:lost] = [run.model_copy(update={"status": "diverged"}) for run in runs[:lost]]
    finished = [run for run in runs if run.status == "finished"]
    matched = torch.full((2, len(finished), len(finished)), math.nan, dtype=torch.float64)
    chance = generator(1, name)
    for i, j in combinations(range(len(finished)), 2):
        for end, (level, effects) in enumerate(((0.3, BORN), (0.5, LAST))):
            shared = [finished[i].rolls[die] == finished[j].rolls[die] for die in effects]
            value = level + sum(effect for effect, on in zip(effects.values(), shared, strict=True) if on)
            matched[end, i, j] = matched[end, j, i] = value + noise * torch.randn((), generator=chance).item()
    names = {"arm": name, "preprocess": "centre", "kind": "topk", "start_kind": "random"}
    findings = ConditionFindings.model_construct(**names, runs=runs)
    starts = torch.tensor([run.start_index for run in finished])
    pairs = Pairs((0, 10), tuple(run.id for run in finished), starts, {"agreement": matched})
    return Analysed(findings, record_of(method, start), pairs, None, 0.0)


def factorial(**more):
    scopes = [dict(zip(BORN, scope, strict=True)) for scope in product(("start", "run"), repeat=3)]
    return [analysed(f"arm{i}", **each, **more) for i, each in enumerate(scopes)]


def test_a_full_factorial_gives_back_the_planted_effects():
    conditions = factorial()
    (family,) = dice_effects(conditions, level=0.95)
    assert [each.dice for each in family.effects] == [("init",), ("encoder",), ("order",)]
    for each in family.effects:
        assert each.born.value == pytest.approx(BORN[each.dice[0]])
        assert each.last.value == pytest.approx(LAST[each.dice[0]])
        assert (each.last.unit, each.last.n_units) == ("start", 3)
    assert len(family.cells) == 7
    nothing, most = family.cells[0], family.cells[-1]
    assert (nothing.shared, most.shared) == ((), ("init", "encoder"))
    assert nothing.last.value == pytest.approx(0.5)
    assert most.last.value == pytest.approx(0.5 + LAST["init"] + LAST["encoder"])
    assert most.n_pairs == 3
    assert nothing.n_pairs == 8 * 12 + 3  # between starts in every arm, and within where nothing is shared


def test_runs_that_share_everything_are_one_run_and_say_nothing():
    conditions = factorial()
    for each in conditions:
        runs, matched = each.findings.runs, each.pairs.measures["agreement"]
        same = torch.tensor([[all(a.rolls[die] == b.rolls[die] for die in LAST) for b in runs] for a in runs])
        matched[:, same] = 1.0
    (family,) = dice_effects(conditions, level=0.95)
    assert [each.last.value for each in family.effects] == pytest.approx(list(LAST.values()))


def test_effects_have_intervals_that_hold_the_truth_where_pairs_are_noisy():
    conditions = factorial(noise=0.02, n_starts=6)
    (family,) = dice_effects(conditions, level=0.99)
    for each in family.effects:
        assert each.last.low < LAST[each.dice[0]] < each.last.high
        assert 0 < each.last.high - each.last.low < 0.1


def test_dice_that_are_always_shared_together_are_one_factor():
    conditions = [
        analysed("both", init="start", encoder="start", order="run"),
        analysed("neither", init="run", encoder="run", order="run"),
    ]
    (family,) = dice_effects(conditions, level=0.95)
    (effect,) = family.effects
    assert effect.dice == ("init", "encoder")
    assert effect.last.value == pytest.approx(LAST["init"] + LAST["encoder"])


def test_dice_that_change_nothing_are_left_out():
    tied = METHOD | {"encoder_start": "tied"}
    conditions = [
        analysed("a", method=tied, init="start", encoder="start", order="run"),
        analysed("b", method=tied, init="start", encoder="run", order="run"),
    ]
    (family,) = dice_effects(conditions, level=0.95)
    assert [each.dice for each in family.effects] == [("init",)]


def test_an_incomplete_factorial_gives_the_effects_that_it_can():
    conditions = [
        analysed("both", init="start", encoder="start", order="run"),
        analysed("decoder", init="start", encoder="run", order="run"),
    ]
    (family,) = dice_effects(conditions, level=0.95)
    assert [(each.dice, round(each.last.value, 6)) for each in family.effects] == [
        (("init",), LAST["init"]),
        (("encoder",), LAST["encoder"]),
    ]


def test_effects_that_the_arms_do_not_tell_apart_are_undefined_and_say_why():
    conditions = [
        analysed("one", init="start", encoder="start", order="run"),
        analysed("two", init="start", encoder="run", order="start"),
    ]
    (family,) = dice_effects(conditions, level=0.95)
    assert len(family.effects) == 3
    assert all(math.isnan(each.last.value) for each in family.effects)
    assert {each.last.reason for each in family.effects} == {
        "these arms do not tell the dice apart: add arms that share them in other combinations"
    }
    assert not any(math.isnan(cell.last.value) for cell in family.cells)


def test_a_lost_run_takes_its_pairs_with_it():
    conditions = factorial()
    conditions[1] = analysed("arm1", lost=1, init="start", encoder="start", order="run")
    (family,) = dice_effects(conditions, level=0.95)
    assert family.cells[-1].n_pairs == 2
    assert family.effects[1].last.value == pytest.approx(LAST["encoder"])


def test_arms_of_other_methods_starts_or_preprocessings_are_other_families():
    conditions = [analysed(name, init=scope) for name, scope in (("a", "start"), ("b", "run"))]
    assert len(dice_effects(conditions, level=0.95)) == 1
    for other in ({"method": METHOD | {"k": 3}}, {"start": START | {"kind": "data"}}):
        assert dice_effects([conditions[0], analysed("b", init="run", **other)], level=0.95) == ()
    elsewhere = conditions[1].findings.model_copy(update={"preprocess": "none"})
    assert dice_effects([conditions[0], replace(conditions[1], findings=elsewhere)], level=0.95) == ()


def test_one_arm_by_itself_has_no_entry():
    assert dice_effects([analysed("a")], level=0.95) == ()
