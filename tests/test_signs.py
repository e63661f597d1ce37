"""Methods whose atoms have no sign of their own: turn any of them, and nothing that is said changes."""

import json

import numpy as np
import polars as pl
import pytest
import torch

from reseed.matching import match
from reseed.measures import explained_by_retention
from reseed.methods import ICA
from reseed.pipeline.run import run
from reseed.report.citing import methods
from reseed.report.html import page
from reseed.report.text import render
from reseed.trajectory import StudyFolder
from studies import arm, study

D_MODEL = 10


@pytest.fixture(scope="module")
def acts(tmp_path_factory):
    """Mixtures of sources with heavy tails."""
    chance = np.random.default_rng(0)
    rows = chance.laplace(size=(1500, D_MODEL)) @ chance.normal(size=(D_MODEL, D_MODEL)) + 2
    path = tmp_path_factory.mktemp("signs") / "acts.npy"
    np.save(path, rows.astype(np.float32))
    return path


def small(acts):
    ica = arm("ica", n_atoms=8, start={"kind": "random"})
    floors = {"draws": 3, "surrogate": "elliptical"}
    return study(acts, ica, steps=6, batch_size=400, starts=3, runs_per_start=2, floors=floors)


def turned(parameters):
    """The same run with every other atom turned, in an order that nobody knows: by the digits of its first entry."""
    digits = (parameters["atoms"][..., 0].abs() * 1e5).long() % 2
    signs = (1 - 2 * digits).unsqueeze(-1).float()
    return parameters | {name: parameters[name] * signs for name in ("atoms", "encoder")}


@pytest.fixture(scope="module")
def both(acts, tmp_path_factory):
    """A study, and the same with atoms turned at random in all of its snapshots."""
    folder = tmp_path_factory.mktemp("both")
    plain = run(small(acts), folder / "plain", quiet=True)
    parameters = ICA.parameters
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ICA, "parameters", lambda method, state: turned(parameters(method, state)))
        other = run(small(acts), folder / "turned", quiet=True)
    return (folder / "plain", plain), (folder / "turned", other)


def same(here, there, where=""):
    """Equal words, and numbers equal up to rounding."""
    assert type(here) is type(there), where
    if isinstance(here, dict):
        assert here.keys() == there.keys(), where
        for name in here:
            same(here[name], there[name], f"{where}.{name}")
    elif isinstance(here, list):
        assert len(here) == len(there), where
        for place, (one, other) in enumerate(zip(here, there, strict=True)):
            same(one, other, f"{where}[{place}]")
    elif isinstance(here, float):
        assert here == pytest.approx(there, abs=2e-5, nan_ok=True), where
    else:
        assert here == there, where


def test_atoms_were_turned(both):
    (plain, _), (other, _) = both
    snapshots = [StudyFolder.open(folder).runs("ica@centre")[0].snapshot(6) for folder in (plain, other)]
    signs = torch.cosine_similarity(*(snapshot.atoms for snapshot in snapshots)).round()
    assert set(signs.tolist()) == {-1.0, 1.0}
    assert torch.equal(snapshots[0].codes.sign() * signs, snapshots[1].codes.sign())


def test_findings_know_no_signs(both):
    documents = [json.loads(findings.to_json()) for _, findings in both]
    for document in documents:
        for name in ("judged_from", "machine"):
            document.pop(name, None)
    same(*documents)


def test_features_know_no_signs(both):
    tables = [pl.read_parquet(folder / "features.parquet") for folder, _ in both]
    same(*(json.loads(table.write_json()) for table in tables))


def test_a_sign_counts_where_it_is_asked_for(both):
    """What the fixtures turn is there to be seen: signed cosines of the same dictionaries differ."""
    (plain, _), (other, _) = both
    runs = [StudyFolder.open(folder).runs("ica@centre")[:2] for folder in (plain, other)]
    ends = [[each.snapshot(6).atoms for each in two] for two in runs]
    signed, absolute = ([match(*pair, sign=sign).agreement for pair in ends] for sign in ("signed", "abs"))
    assert abs(signed[0] - signed[1]) > 0.05
    assert absolute[0] == pytest.approx(absolute[1], abs=1e-6)


def test_nulls_are_those_of_absolute_cosines(both):
    (_, findings), _ = both
    (condition,) = findings.conditions
    assert condition.sign == "abs"
    assert condition.agreement.born.value > 0.25  # random directions in ten dimensions, up to sign
    nulls = {floor.name: floor.value for floor in condition.agreement.floors}
    assert {"isotropic", "surrogate", "kmeans", "data", "step 0"} <= nulls.keys() | {"step 0"}
    assert nulls["isotropic"] == pytest.approx(condition.agreement.born.value, abs=0.1)
    assert all(0 <= value <= 1 for value in nulls.values())


def test_retention_and_what_it_explains_are_of_absolute_cosines(both):
    (_, findings), _ = both
    (condition,) = findings.conditions
    assert all(0 <= value <= 1 for value in condition.metrics["retention"].value)
    atoms = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    signs = torch.tensor([1.0, -1.0, 1.0, -1.0, -1.0])
    born = match(atoms, atoms, sign="abs")
    assert explained_by_retention(born, signs, torch.ones(5)) == pytest.approx(1.0)
    assert explained_by_retention(match(atoms, atoms), signs, torch.ones(5)) == pytest.approx(-0.2)


def test_reports_say_that_atoms_are_compared_up_to_sign(both):
    (_, findings), _ = both
    said = "Atoms of ica are compared up to sign, by absolute cosines."
    assert said in page(findings)
    assert said in methods(findings)
    assert said in " ".join(render(findings, width=100, colour=False).split())
