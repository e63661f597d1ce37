"""Studies that grow between planned looks until their words are settled, and claims about one condition among many."""

import math
import shutil
from dataclasses import replace

import pytest
from scipy.stats import t as student

import reseed
from reseed import SpecError
from reseed.analysis.conditions import judge_condition
from reseed.analysis.many import among_many
from reseed.calibration import claims
from reseed.calibration.claims import NULLS, gaining, looked_at, studies, weighed
from reseed.cli import main
from reseed.pipeline.looks import looked, looks_between, planned_looks
from reseed.report.citing import methods
from reseed.report.words import level_of
from reseed.spec import Dice, Floors, Study, Thresholds
from reseed.thresholds import Look
from reseed.trajectory import StudyFolder
from reseed.verdict import CLAIMS, Outcome, Reason, judge, settled
from reseed.verdict.errors import at_level, claim_error
from studies import arm, matrix, study


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A study of seconds whose word is open at three starts: nearly no error may be spent."""
    acts = matrix(tmp_path_factory.mktemp("acts") / "acts.npy", 300)
    topk = arm("topk", start={"kind": "random"}, learning_rate=0.02)
    thresholds = Thresholds(min_r2=-10.0, level=0.9999)
    return study(acts, topk, steps=40, starts=3, runs_per_start=1, thresholds=thresholds, floors=Floors())


@pytest.fixture(scope="module")
def grown(asked, tmp_path_factory):
    folder, seen = tmp_path_factory.mktemp("grown") / "study", []
    findings = reseed.run_until_settled(asked, folder, max_starts=7, quiet=True, told=seen.append)
    return findings, folder, seen


@pytest.fixture
def of_three(trained, tmp_path):
    """The study of three starts, as one of fixed size, where a test may go on with it."""
    return shutil.copytree(trained, tmp_path / "study")


@pytest.fixture(scope="module")
def trained(asked, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "study"
    reseed.run(asked, folder, quiet=True)
    return folder


def test_looks_are_half_as_many_starts_apart_again_and_the_last_is_at_the_most():
    assert looks_between(3, 12) == (3, 5, 8, 12)
    assert looks_between(4, 5) == (4, 5)
    for first, most in ((2, 12), (3, 3), (5, 4)):
        with pytest.raises(SpecError, match="the first needs at least 3"):
            looks_between(first, most)


def test_a_study_grows_while_a_word_is_open_and_every_look_spends_its_share_of_the_error(grown, asked):
    findings, folder, seen = grown
    looks = Study.read(folder / "study.toml").thresholds.looks
    assert [look.starts for look in looks] == [3, 5, 7]
    assert sum(look.error for look in looks) == pytest.approx(1 - asked.thresholds.level)
    assert [at.number for at in seen] == list(range(1, len(seen) + 1))
    assert len(seen) > 1
    assert all(at.unsettled for at in seen[:-1])
    assert len(findings.conditions[0].runs) == looks[len(seen) - 1].starts
    assert level_of(findings) == pytest.approx(1 - looks[0].error)
    assert "this is the one at" in methods(findings)


def test_it_comes_to_what_a_study_of_that_size_comes_to_at_that_level(grown, asked, tmp_path):
    findings, folder, _ = grown
    whole = Study.read(folder / "study.toml").model_copy(update={"activations": asked.activations})
    at_once = reseed.run(whole, tmp_path / "study", quiet=True)
    assert [each.model_dump_json() for each in at_once.conditions] == [
        each.model_dump_json() for each in findings.conditions
    ]


def test_a_study_that_was_stopped_between_looks_goes_on_to_the_same_bytes(grown, asked, tmp_path):
    _, folder, seen = grown

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reseed.run_until_settled(asked, tmp_path / "study", max_starts=7, quiet=True, told=stop)
    reseed.run_until_settled(asked, tmp_path / "study", quiet=True)
    assert (tmp_path / "study/findings.json").read_bytes() == (folder / "findings.json").read_bytes()
    before = (folder / "findings.json").read_bytes()
    assert len(seen) == seen[-1].number
    reseed.run_until_settled(asked, folder, quiet=True)  # finished already
    assert (folder / "findings.json").read_bytes() == before


def test_what_a_look_has_shown_does_not_change_the_plan(grown, asked):
    _, folder, _ = grown
    other = asked.model_copy(update={"thresholds": asked.thresholds.model_copy(update={"level": 0.9})})
    for changed, most in ((asked, 9), (other, None), (asked.model_copy(update={"starts": 4}), None)):
        with pytest.raises(SpecError, match="looks at 3, 5, 7 starts are planned"):
            reseed.run_until_settled(changed, folder, max_starts=most, quiet=True)
    with pytest.raises(SpecError, match="a study that grows, with looks at 3, 5, 7 starts"):
        reseed.run(asked, folder, quiet=True)


def test_a_study_of_fixed_size_that_goes_on_has_spent_its_error_and_says_the_sum(asked, of_three):
    looks = planned_looks(asked, of_three, 5)
    error = 1 - asked.thresholds.level
    assert [(look.starts, look.error) for look in looks] == [(3, pytest.approx(error)), (5, pytest.approx(error))]
    findings = reseed.run_until_settled(asked, of_three, max_starts=5, quiet=True)
    assert Thresholds.model_validate(findings.study["thresholds"]).error == pytest.approx(2 * error)
    assert "over 2 looks, at so many starts (error): 3 (.0001), 5 (.0001)" in methods(findings)


def test_starts_that_are_added_by_hand_after_the_words_were_read_are_a_look_that_is_counted(asked, of_three):
    folder, error = of_three, 1 - asked.thresholds.level
    more = asked.model_copy(update={"starts": 4})
    findings = reseed.run(more, folder, quiet=True)
    assert "over 2 looks, at so many starts (error): 3 (.0001), 4 (.0001); this is the one at 4" in methods(findings)
    assert level_of(findings) == pytest.approx(asked.thresholds.level)
    before = (folder / "findings.json").read_bytes()
    reseed.run(more, folder, quiet=True)  # finished already: no look more
    assert (folder / "findings.json").read_bytes() == before
    looks = planned_looks(more, folder, 6)
    assert [(look.starts, look.error) for look in looks] == [(n, pytest.approx(error)) for n in (3, 4, 6)]


def test_starts_that_are_added_before_any_word_was_read_are_no_look(asked, tmp_path):
    asked.model_copy(update={"activations": "rows.npy"}).write(tmp_path / "study.toml")
    assert looked(asked.model_copy(update={"starts": 5}), tmp_path).thresholds.looks == ()


def test_looks_whose_errors_together_leave_nothing_are_refused(asked, tmp_path):
    careless = asked.thresholds.model_copy(update={"level": 0.6})
    asked.model_copy(update={"thresholds": careless, "starts": 3}).write(tmp_path / "study.toml")
    (tmp_path / "findings.json").write_text("{}")
    once = looked(asked.model_copy(update={"thresholds": careless, "starts": 4}), tmp_path)
    once.write(tmp_path / "study.toml")
    with pytest.raises(SpecError, match="was judged at 3, 4 starts, each time with a chance to be wrong"):
        looked(once.model_copy(update={"thresholds": careless, "starts": 5}), tmp_path)


def test_a_study_of_fixed_size_goes_on_as_it_was(asked, tmp_path):
    reseed.run(asked, tmp_path / "study", quiet=True)
    with pytest.raises(SpecError, match="was judged at 3 starts already"):
        reseed.run_until_settled(asked.model_copy(update={"starts": 4}), tmp_path / "study", quiet=True)


def test_every_start_keeps_its_part_of_the_activations_while_the_study_grows(asked):
    looks = tuple(Look(starts=starts, error=0.01) for starts in (3, 6))
    thresholds = asked.thresholds.model_copy(update={"looks": looks})
    split = asked.model_copy(update={"dice": Dice(data="start"), "thresholds": thresholds})
    few, many = (
        {run.id for run in each.runs_of(each.conditions[0], activations="a")} for each in (split, split.grown(6))
    )
    assert few < many


def test_looks_that_a_study_plans_itself_are_its_looks(asked, tmp_path):
    looks = (Look(starts=3, error=0.01), Look(starts=9, error=0.03))
    own = asked.model_copy(update={"thresholds": asked.thresholds.model_copy(update={"looks": looks})})
    assert planned_looks(own, tmp_path / "study", None) == looks
    with pytest.raises(SpecError, match="looks at 3, 9 starts are planned"):
        planned_looks(own, tmp_path / "study", 12)


def test_a_study_is_judged_at_its_planned_looks_alone(asked):
    table = asked.model_dump(mode="json")
    table["thresholds"]["looks"] = [{"starts": 4, "error": 0.01}, {"starts": 6, "error": 0.01}]
    with pytest.raises(SpecError, match=r"starts = 3: the looks that .* plans are at 4, 6 starts"):
        Study.parse(table)
    table["thresholds"]["looks"] = [{"starts": 4, "error": 0.01}, {"starts": 3, "error": 0.01}]
    with pytest.raises(SpecError, match="has looks at 4, 3 starts: each needs more"):
        Study.parse(table)


@pytest.fixture
def typed(capsys):
    """Runs a command line: its exit code, stdout and stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return ended.value.code, told.out, " ".join(told.err.split())

    return run


def test_the_command_says_what_is_open_at_each_look(asked, tmp_path, typed):
    asked.write(tmp_path / "small.toml")
    code, _, told = typed("run", tmp_path / "small.toml", "--until", "settled", "--max-starts", "4")
    assert code == 0
    assert "look 1 of 2, at 3 starts: more starts for all conditions, since open: topk@centre (" in told
    assert "look 2 of 2, at 4 starts: " in told
    new = tmp_path / "new"
    code, planned, _ = typed("run", tmp_path / "small.toml", "--until", "settled", "--dry-run", "--out", new, "--json")
    assert code == 0
    assert '"runs": 12' in planned
    code, _, refused = typed("run", tmp_path / "small.toml", "--max-starts", "5")
    assert code == 1
    assert "--max-starts was given without --until settled" in refused


LOOKS = tuple(Look(starts=starts, error=0.0125) for starts in looks_between(3, 12))


@pytest.mark.parametrize("truth", NULLS, ids=lambda truth: truth.name)
def test_looking_while_runs_arrive_claims_falsely_no_more_often_than_the_error_that_is_spent(truth):
    made, _ = looked_at(truth, "as measured", LOOKS, 60)
    assert made.value <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 60)


def test_what_is_there_is_found_with_fewer_starts():
    found, starts = looked_at(gaining(2.0, null=0.25, born_alike=False), "as measured", LOOKS, 30)
    assert found.value > 0.9
    assert starts < LOOKS[-1].starts


def test_the_error_of_a_claim_is_where_it_begins_to_be_made():
    (chosen,) = studies(gaining(2.0, null=0.25, born_alike=False), claims.SPREADS["as measured"], 4, 1)
    evidence = weighed(chosen)
    error = claim_error(evidence, claims.LIMITS, most=0.05)
    assert judge(at_level(evidence, 1 - 1.01 * error), claims.LIMITS).outcome in CLAIMS
    assert judge(at_level(evidence, 1 - 0.99 * error), claims.LIMITS).outcome not in CLAIMS
    m = evidence.deciding
    gains = 2 * student.sf((m.gain.value - claims.MARGIN) / m.gain.standard_error, m.gain.degrees)
    null = m.surrogate
    beyond = 2 * student.sf(null.adjusted.value / null.adjusted.standard_error, null.adjusted.degrees)
    pace = 2 * student.sf(-null.slower.value / null.slower.standard_error, null.slower.degrees)
    assert error == pytest.approx(max(gains, beyond, pace), rel=1e-6)
    (nothing,) = studies(NULLS[0], claims.SPREADS["as measured"], 4, 1)
    assert math.isnan(claim_error(weighed(nothing), claims.LIMITS, most=0.05))


@pytest.fixture(scope="module")
def judged(asked, tmp_path_factory):
    """Four conditions as they were analysed; their words and errors are chosen by the tests."""
    names = ("a", "b", "c", "d")
    several = asked.model_copy(
        update={"arms": tuple(asked.arms[0].model_copy(update={"name": name}) for name in names)}
    )
    folder = tmp_path_factory.mktemp("many") / "study"
    reseed.run(several, folder, quiet=True)
    opened = StudyFolder.open(folder)
    return [judge_condition(opened, each, Thresholds().limits, level=0.95) for each in opened.manifest.conditions]


def with_errors(judged, errors):
    told = []
    for each, error in zip(judged, errors, strict=True):
        word = Outcome.UNSTABLE if math.isnan(error) else Outcome.STABILIZING
        said = each.findings.verdict.model_copy(update={"outcome": word, "error": error, "sentence": "Said."})
        told.append(replace(each, findings=each.findings.model_copy(update={"verdict": said})))
    return told


@pytest.mark.parametrize(
    ("errors", "kept"),
    [
        ((0.01, 0.012, 0.02, 0.04), [True, True, True, True]),
        ((0.013, 0.012, 0.02, 0.04), [True, True, True, True]),
        ((0.013, 0.014, 0.02, 0.04), [False, False, False, False]),
        ((0.01, 0.02, 0.03, math.nan), [True, False, False, False]),
    ],
)
def test_among_many_conditions_those_claims_are_kept_that_holm_keeps(judged, errors, kept):
    held = among_many(with_errors(judged, errors), error=0.05)
    assert [each.findings.verdict.outcome in CLAIMS for each in held] == kept
    withheld = [
        each.findings.verdict
        for each, error in zip(held, errors, strict=True)
        if not math.isnan(error) and each.findings.verdict.outcome not in CLAIMS
    ]
    assert {said.because for said in withheld} <= {Reason.AMONG_MANY}
    assert all("not among the 4 conditions of this study" in said.sentence for said in withheld)


def test_a_study_that_asks_for_holm_says_so_and_its_words_are_what_require_reads(asked, tmp_path):
    asked = asked.model_copy(update={"thresholds": asked.thresholds.model_copy(update={"holm": True, "level": 0.95})})
    findings = reseed.run(asked, tmp_path / "study", quiet=True)
    assert "expected to give together (Holm) up to .05 false words" in methods(findings)


def test_what_no_number_of_starts_settles_is_settled():
    assert settled(Outcome.UNSTABLE, Reason.NOT_TOGETHER)
    assert settled(Outcome.INCONCLUSIVE, Reason.NO_SURROGATE)
    assert not settled(Outcome.INCONCLUSIVE, Reason.GAIN_OPEN)
