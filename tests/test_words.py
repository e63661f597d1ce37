"""Studies that are really trained, and their words: noise of several kinds makes none, atoms that are there do."""

import numpy as np
import pytest
import torch

from reseed.activations.synthetic import planted
from reseed.pipeline.run import run
from reseed.spec import Floors, Thresholds
from reseed.verdict import CLAIMS
from studies import arm, study

D_MODEL = 16


def elliptical(radii, rolled=0, n_tokens=1600):
    """Rows without any structure but their covariance and these lengths, a function of a generator and a count."""
    chance = np.random.default_rng(rolled)
    directions = chance.standard_normal((n_tokens, D_MODEL))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return (directions * radii(chance, n_tokens)[:, None] * np.linspace(1.6, 0.4, D_MODEL)).astype(np.float32)


FAMILIES = {
    "normal": lambda chance, n: np.sqrt(chance.chisquare(D_MODEL, n)),
    "Student": lambda chance, n: np.sqrt(chance.chisquare(D_MODEL, n) / (chance.chisquare(3, n) / 3)),
    "log-normal": lambda chance, n: 4 * np.exp(0.8 * chance.standard_normal(n)),
    "a few massive": lambda chance, n: np.where(chance.random(n) < 0.005, 60.0, np.sqrt(chance.chisquare(D_MODEL, n))),
}


def judged(folder, rows, made, **more):
    """The one condition of a study on these rows: six starts of one run, and three on the surrogate."""
    np.save(folder / "acts.npy", rows)
    settings = {"steps": 200, "batch_size": 128, "starts": 6, "runs_per_start": 1, "floors": Floors()} | more
    [condition] = run(study(folder / "acts.npy", made, **settings), folder / "study", quiet=True).conditions
    return condition


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["topk", "ra-topk"])
def test_rows_without_structure_never_make_a_word(tmp_path, family, kind):
    """From independent starts that see the same rows, which is what heavy tails make agree."""
    start = {"kind": "data"} if kind == "topk" else {"kind": "kmeans", "kmeans_steps": 5}
    made = arm(kind, start=start, n_atoms=24, learning_rate=3e-3)
    found = judged(tmp_path, elliptical(FAMILIES[family]), made, thresholds=Thresholds(min_r2=-10.0))
    assert found.verdict.outcome not in CLAIMS, found.verdict.sentence
    assert found.surrogate.last.value > 0


def test_planted_atoms_are_found_although_kmeans_agrees_as_much(tmp_path):
    """K-means recovers planted atoms, too: as a veto it forbade the word that is so."""
    made = arm("topk", start={"kind": "random"}, n_atoms=64, k=2, learning_rate=1e-2)
    rows = planted(6000, 32, n_atoms=64, active=2, noise=0.05).rows
    found = judged(tmp_path, rows.numpy(), made, steps=600)
    assert found.verdict.outcome in CLAIMS, found.verdict.sentence
    value = {floor.name: floor.value for floor in found.agreement.floors}
    assert value["surrogate"] < found.agreement.between.last.low < value["kmeans"]
    assert found.measures["replicated"].between.last.value > 0.4


PLANTED = planted(4000, D_MODEL, n_atoms=24, active=2, noise=0.05)


def test_a_copy_rotated_in_whitened_space_has_the_same_surrogate(tmp_path):
    """A random rotation of whitened rows leaves mean, covariance and lengths, and no atom as it was."""
    rows = PLANTED.rows.double()
    mean = rows.mean(0)
    covariance = torch.cov((rows - mean).T)
    values, axes = torch.linalg.eigh(covariance)
    chance = torch.randn(D_MODEL, D_MODEL, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    turn = torch.linalg.qr(chance)[0]
    whitened = (rows - mean) @ axes * values.rsqrt()
    turned = mean + (whitened @ turn * values.sqrt()) @ axes.T
    assert torch.allclose(torch.cov(turned.T), covariance, atol=1e-9)
    made = arm("topk", start={"kind": "random"}, n_atoms=24, k=2, learning_rate=1e-2)
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    one, other = (
        judged(tmp_path / name, each.float().numpy(), made, steps=500)
        for name, each in (("one", rows), ("other", turned))
    )
    assert one.surrogate.last.value == pytest.approx(other.surrogate.last.value, abs=0.05)
