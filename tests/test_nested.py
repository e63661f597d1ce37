"""A study of Matryoshka and BatchTopK: nested dictionaries, births within groups, codes above a threshold."""

from itertools import accumulate, combinations

import pytest
import torch

import reseed
from reseed.activations import open_activations
from reseed.floors.isotropic import isotropic
from reseed.matching import match
from reseed.report.text import render
from reseed.spec import Floors
from reseed.statistics import birth_test
from reseed.trajectory import StudyFolder
from studies import N_ATOMS, arm, matrix, study

GROUPS = (0.25, 0.25, 0.5)
SIZES = (8, 8, 17)


def asked(path, **changes):
    arms = [arm("matryoshka", groups=GROUPS, learning_rate=0.01), arm("batchtopk", learning_rate=0.01)]
    return study(path, *arms, floors=Floors(), **changes)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("nested")


@pytest.fixture(scope="module")
def findings(place):
    return reseed.run(asked(matrix(place / "acts.npy")), place / "study", quiet=True)


@pytest.fixture(scope="module")
def folder(place, findings):
    assert findings.conditions
    return StudyFolder.open(place / "study")


def mean_between(runs, step, size):
    pairs = [(a, b) for a, b in combinations(runs, 2) if a.record.start_index != b.record.start_index]
    found = [match(a.snapshots[step].atoms[:size], b.snapshots[step].atoms[:size]).agreement for a, b in pairs]
    return sum(found) / len(found)


def test_every_nested_dictionary_has_the_agreement_that_it_has_alone(findings, folder):
    nested = findings.condition("matryoshka@centre").nested
    assert [each.n_atoms for each in nested] == list(accumulate(SIZES))[:-1]
    runs = folder.runs("matryoshka@centre")
    assert all(run.record.groups == SIZES for run in runs)
    for each in nested:
        assert each.between.value == pytest.approx(mean_between(runs, 12, each.n_atoms), abs=1e-9)
        assert each.born.value == pytest.approx(mean_between(runs, 0, each.n_atoms), abs=1e-9)
        assert each.within.value > each.between.value


def test_the_nulls_of_a_nested_dictionary_are_those_of_its_size(findings, folder):
    beside = folder.surrogates("matryoshka@centre")
    for each in findings.condition("matryoshka@centre").nested:
        nulls = {floor.name: floor.value for floor in each.nulls}
        assert nulls["isotropic"] == pytest.approx(isotropic(17, each.n_atoms))
        assert nulls["surrogate"] == pytest.approx(mean_between(beside, 12, each.n_atoms), abs=1e-9)


def test_other_methods_have_no_nested_dictionaries(findings, folder):
    assert findings.condition("batchtopk@centre").nested == ()
    assert not any("nested" in name for name in folder.compared("batchtopk@centre").table("pairs").columns)


def test_the_report_says_what_they_agree(findings):
    told = " ".join(render(findings, width=100, colour=False, full=True).split())
    first = findings.condition("matryoshka@centre").nested[0]
    assert told.count("nested dictionaries between starts, by their atoms: 8: ") == 1
    assert f"{first.between.value:.2f}".removeprefix("0") in told


def test_births_are_tested_within_groups(folder):
    a, b = folder.runs("matryoshka@centre")[:2]
    (row,) = folder.compared("matryoshka@centre").table("births").filter(run_a=a.id, run_b=b.id).to_dicts()
    ends = [run.snapshots[12] for run in (a, b)]
    fired = [torch.bincount(end.active[1], minlength=N_ATOMS) for end in ends]
    found = birth_test(ends[0].atoms, ends[1].atoms, fired_a=fired[0], fired_b=fired[1], groups=SIZES)
    assert (row["fixed"], row["p_value"]) == (found.fixed, found.p_value)


def test_pairs_that_are_known_keep_their_nested_agreement(place, findings, folder):
    before = folder.compared("matryoshka@centre").table("pairs")
    more = reseed.run(asked(place / "acts.npy", starts=3), place / "study", quiet=True)
    after = folder.compared("matryoshka@centre").table("pairs")
    kept = after.join(before.select("step", "run_a", "run_b"), on=["step", "run_a", "run_b"], how="semi")
    assert kept["nested.8"].sort().to_list() == before["nested.8"].sort().to_list()
    assert len(after) > len(before)
    assert len(more.condition("matryoshka@centre").nested) == len(findings.condition("matryoshka@centre").nested)


@pytest.mark.parametrize("kind", ["matryoshka", "batchtopk"])
def test_a_run_is_read_with_its_groups_and_with_the_codes_that_its_snapshot_keeps(place, folder, kind):
    run = folder.runs(f"{kind}@centre")[0]
    read = reseed.read_dictionary(run.folder)
    assert read.groups == (SIZES if kind == "matryoshka" else ())
    assert read.rule.title == "BatchTopK"
    assert not read.notes
    heldout = open_activations(place / "acts.npy").heldout.rows
    found, kept = read.encode(heldout), run.snapshots[12].codes
    assert kept.any()
    torch.testing.assert_close(found, kept, rtol=1e-4, atol=1e-4)
