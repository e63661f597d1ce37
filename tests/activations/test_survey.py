"""Rows that nobody meant: counted, and said in one sentence each with what to do."""

import numpy as np
import pytest
import torch
from test_store import as_store, some_rows

import reseed
from reseed.activations import open_activations, preprocessed
from reseed.activations.preprocess import check_trainable
from reseed.activations.synthetic import planted
from reseed.errors import ActivationsError
from studies import arm, command_line, matrix, study

N_ROWS = 3000
TINY = {"steps": 2, "batch_size": 20, "evenly": 1, "device": "cpu"}


def rows():
    return planted(N_ROWS, 16, n_atoms=32, active=3, noise=0.05).rows


def chosen(share):
    return torch.rand(N_ROWS, generator=torch.Generator().manual_seed(2)) < share


def with_zeros(x):
    x[chosen(0.3)] = 0


def with_sinks(x):
    x[torch.arange(0, N_ROWS, 100)] *= 300


def with_copies(x):
    x[1::2] = x[::2]


def of_two_halves(x):
    x[:, 0] += torch.linspace(-1, 1, N_ROWS).sign() * 50


def of_ten_classes(x):
    centres = torch.randn(10, 16, generator=torch.Generator().manual_seed(3))
    x += 6 * centres.repeat_interleave(N_ROWS // 10, 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _: None, []),
        (with_zeros, [f"tensor: {int(chosen(0.3).sum())} of 3,000 rows are zero: remove them"]),
        (with_sinks, ["tensor: 30 of 3,000 rows are longer than 10 times the median: remove them"]),
        (with_copies, ["tensor: 1,500 of 3,000 rows repeat another one, and "]),
        (of_two_halves, []),  # what a tail would have missed, blocks do not
        (of_ten_classes, []),
    ],
)
def test_what_is_strange_about_a_matrix_is_counted(change, said):
    x = rows()
    change(x)
    found = open_activations(x).warnings
    assert len(found) == len(said), found
    assert all(begin in sentence for begin, sentence in zip(said, found, strict=True))


def test_held_out_rows_that_occur_in_training_are_counted():
    x = rows()
    opened = open_activations(x)
    x[0] = opened.heldout.rows[5]
    x[1] = opened.heldout.rows[9]
    x[2] = opened.rows(torch.tensor(50))
    (said,) = open_activations(x).warnings
    assert said.startswith("tensor: 3 of 3,000 rows repeat another one, and 2 of 300 held-out rows occur in training:")


def test_zero_and_minus_zero_are_equal_and_other_rows_are_not():
    grid = torch.cartesian_prod(*[torch.tensor([-1.0, 0.0, 1.0, 2.0])] * 6)
    assert not any("repeat" in said for said in open_activations(grid).warnings)
    negated = torch.where(grid == 0, -0.0, grid)[5:6]  # the row holds a zero
    (said,) = (said for said in open_activations(torch.cat([grid, negated])).warnings if "repeat" in said)
    assert said.startswith(f"tensor: 1 of {len(grid):,} rows repeat another one")


def test_fewer_rows_than_columns_look_transposed_and_can_be_turned(tmp_path):
    np.save(tmp_path / "rows.npy", rows()[:200].T.numpy())
    (said,) = open_activations(tmp_path / "rows.npy").warnings
    assert said.startswith(
        "rows has 16 rows of 200 columns, fewer tokens than dimensions: if its columns are the tokens"
    )
    turned = open_activations(tmp_path / "rows.npy", transpose=True)
    assert turned.warnings == ()
    assert turned.fingerprint == open_activations(rows()[:200]).fingerprint
    with pytest.raises(ActivationsError, match="is a store, whose rows are tokens"):
        open_activations(as_store(tmp_path, some_rows()), transpose=True)


def test_held_out_rows_unlike_the_rest_of_a_store_are_said(tmp_path):
    shifted = some_rows()
    shifted[270:] += 4  # more than a standard deviation, in every dimension
    (said,) = open_activations(as_store(tmp_path, shifted)).warnings
    assert said.startswith("store: the held-out rows are unlike the rest (their mean is off by ")


@pytest.mark.parametrize(
    ("x", "preprocess", "said"),
    [
        (torch.randn(40, 1), "centre", "has one column: in one dimension there are no directions"),
        (torch.zeros(40, 3), "none", "all rows are equal, there is nothing to learn"),
        (torch.full((40, 3), 0.1), "centre", "all rows are equal, there is nothing to learn"),
        (some_rows() * 1e30, "none", "rows have length .*e.30 @none, whose square float32 cannot hold well"),
        (some_rows() * 1e-30, "centre", "rows have length .*e-30 @centre, whose square float32 cannot hold well"),
        (some_rows() * 1e-30, "unit-norm", "rows have length .*e-30 @unit-norm"),
    ],
)
def test_what_no_method_can_fit_is_refused_before_training(x, preprocess, said):
    with pytest.raises(ActivationsError, match=said):
        check_trainable(preprocessed(open_activations(x), preprocess))


@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_scaling_by_the_spread_makes_any_scale_trainable(scale):
    seen = preprocessed(open_activations(some_rows() * scale), "centre-scale")
    check_trainable(seen)
    assert seen.rows(torch.arange(270)).square().mean().item() == pytest.approx(1, rel=0.1)


def test_a_study_says_what_is_strange_before_it_trains_and_in_its_findings(tmp_path):
    acts = matrix(tmp_path / "acts.npy", 300)
    spoilt = np.load(acts)
    spoilt[::30] = 0
    np.save(acts, spoilt.T)
    small = study("acts.npy", arm("topk", start={"kind": "random"}), training=TINY, starts=2, runs_per_start=1)
    small.write(tmp_path / "study.toml")
    process = command_line("run", tmp_path / "study.toml", "--transpose", "--require", "convergent,stabilizing")
    warning = "acts: 10 of 300 rows are zero: remove them (padding?), for they have no direction"
    assert f"reseed: {warning}" in process.stderr_text
    findings = reseed.Findings.read(tmp_path / "study")
    assert any(said.startswith(warning) for said in findings.warnings)
    assert findings.study["transpose"] is True


def test_a_study_of_what_cannot_be_fitted_leaves_nothing(tmp_path):
    np.save(tmp_path / "acts.npy", np.ones((100, 17), np.float32))
    with pytest.raises(ActivationsError, match="all rows are equal"):
        reseed.run(study(tmp_path / "acts.npy"), tmp_path / "study", quiet=True)
    assert not (tmp_path / "study").exists()
