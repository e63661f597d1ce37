import math
from dataclasses import replace

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from reseed._support.threads import workers
from reseed.analysis import compare_across, compare_floors, compare_runs, forget_unfinished_across
from reseed.analysis.across import MOST_ARMS, across_of
from reseed.analysis.conditions import judge_condition
from reseed.analysis.same_ends import same_ends
from reseed.dice import generator
from reseed.thresholds import LEVEL, Limits
from studies import hand_made, judged

N_ATOMS, D_MODEL, STARTS = 9, 7, 4


def drawn(*place):
    return torch.randn(N_ATOMS, D_MODEL, generator=generator(1, *place))


def near(end, *, noise=0.1, starts=STARTS):
    """What makes an arm whose runs start anywhere and end near one dictionary."""

    def arm(name):
        ends = (drawn("end", end) + noise * drawn(name, number) for number in range(starts))
        return {f"{name}{number}": {0: drawn("born", name, number), 10: at} for number, at in enumerate(ends)}

    return arm


def a_study(folder, **arms):
    return hand_made(folder, {f"{name}@none": make(name) for name, make in arms.items()})


def by_scipy(a, b):
    """Matched agreement of two dictionaries."""
    cosines = torch.cosine_similarity(a[:, None].double(), b[None].double(), dim=2)
    return cosines.numpy()[linear_sum_assignment(cosines.numpy(), maximize=True)].mean()


def test_the_matrix_holds_what_runs_of_different_starts_agree_across_arms(tmp_path):
    made = a_study(tmp_path, a=near("x", noise=0.8), b=near("y", noise=0.8))
    ends = [[made.run(f"{name}{number}").snapshots[10].atoms for number in range(STARTS)] for name in "ab"]
    findings = judged(made)
    (across,) = findings.across
    assert (across.preprocess, across.arms, across.rows) == ("none", ("a", "b"), ("a", "b"))
    apart = [(i, j) for i in range(STARTS) for j in range(STARTS) if i != j]
    expected = sum(by_scipy(ends[0][i], ends[1][j]) for i, j in apart) / len(apart)
    assert across.agreement[0][1] == across.agreement[1][0] == pytest.approx(expected, abs=1e-6)
    for number, condition in enumerate(findings.conditions):
        assert across.agreement[number][number] == pytest.approx(condition.agreement.between.last.value)


def test_one_arm_has_nothing_to_be_matched_with(tmp_path):
    findings = judged(a_study(tmp_path, a=near("x")))
    assert findings.across == findings.same_ends == ()


def compared(made):
    with workers(1) as pool:
        for planned in made.manifest.conditions:
            compare_runs(made, planned.name, pool)
            compare_floors(made, planned.name, pool)
        compare_across(made, pool)
    return made


def test_what_was_matched_is_not_matched_again(tmp_path):
    made = compared(a_study(tmp_path, a=near("x"), b=near("y")))
    before = across_of(made)
    for snapshot in tmp_path.glob("runs/*/step-*.safetensors"):
        snapshot.write_bytes(b"")
    with workers(1) as pool:
        compare_across(made, pool)
    assert across_of(made) == before
    assert len(before) == STARTS * (STARTS - 1)


def test_runs_that_have_not_ended_are_forgotten(tmp_path):
    made = compared(a_study(tmp_path, a=near("x"), b=near("y")))
    (made.run("a0").folder / "done").unlink()
    forget_unfinished_across(made)
    left = across_of(made)
    assert left
    assert all("a0" not in pair for pair in left)


def test_many_arms_are_matched_with_the_reference_only(tmp_path):
    names = [f"arm{number}" for number in range(MOST_ARMS + 2)]
    made = compared(a_study(tmp_path, **{name: near(name, starts=2) for name in names}))
    arms_of_runs = {frozenset(run_id[:-1] for run_id in pair) for pair in across_of(made)}
    assert arms_of_runs == {frozenset((names[0], other)) for other in names[1:]}
    (across,) = judged(made).across
    assert (across.rows, across.arms) == ((names[0],), tuple(names))
    assert [len(row) for row in across.agreement] == [len(names)]


def ends_of(folder, a, b, *, dice=None):
    """Whether arms from random and from k-means starts end alike; all else about them is the same."""
    made = compared(a_study(folder, a=a, b=b))
    random, kmeans = (judge_condition(made, made.condition(f"{arm}@none"), Limits(), level=LEVEL) for arm in "ab")
    runs = tuple(run.model_copy(update={"rolls": run.rolls | (dice or {})}) for run in kmeans.findings.runs)
    known = kmeans.findings.model_copy(update={"start_kind": "kmeans", "runs": runs})
    return same_ends([random, replace(kmeans, findings=known)], across_of(made), margin=0.03, level=LEVEL)


def test_runs_that_reach_one_dictionary_from_both_starts_end_alike(tmp_path):
    (found,) = ends_of(tmp_path, near("x"), near("x"))
    assert (found.outcome, found.arms, found.starts) == ("same", ("a", "b"), ("random", "kmeans"))
    assert abs(found.difference.value) < 0.01
    assert abs(found.across.value) < 0.01
    assert found.sentence.startswith("topk ends alike from random and from k-means starts (.9")


def test_ends_that_agree_among_themselves_and_not_across_are_two_ends(tmp_path):
    (found,) = ends_of(tmp_path, near("x"), near("y"))
    assert found.outcome == "different"
    assert abs(found.difference.value) < 0.01
    assert found.across.high < -0.2
    assert found.sentence.startswith("topk does not end alike from random and from k-means starts (.9")


def test_ends_of_unequal_agreement_are_no_same_end(tmp_path):
    (found,) = ends_of(tmp_path, near("x"), near("x", noise=0.8))
    assert found.outcome == "different"
    assert found.difference.low > 0.03


def test_two_starts_cannot_say_whether_ends_are_alike(tmp_path):
    (found,) = ends_of(tmp_path, near("x", starts=2), near("x", starts=2))
    assert found.outcome == "inconclusive"
    assert "three starts are needed" in found.sentence


def test_arms_that_share_other_dice_too_differ_in_more_than_their_start(tmp_path):
    assert ends_of(tmp_path, near("x"), near("x"), dice={"order": 5}) == ()


def test_across_is_the_mean_of_both_ways_less_the_mean_within(tmp_path):
    (found,) = ends_of(tmp_path, near("x", noise=0.5), near("x", noise=0.3))
    made = compared(a_study(tmp_path / "again", a=near("x", noise=0.5), b=near("x", noise=0.3)))
    across = math.fsum(across_of(made).values()) / len(across_of(made))
    within = [each.agreement.between.last.value for each in judged(made).conditions]
    assert found.across.value == pytest.approx(across - sum(within) / 2)
    assert found.difference.value == pytest.approx(within[0] - within[1])
