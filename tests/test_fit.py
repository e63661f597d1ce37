"""The error of R² over text windows: against the definition, against new text, and as wide as windows are alike."""

import math

import numpy as np
import pytest
import torch

from reseed.activations import open_activations
from reseed.activations.store import HeldOut
from reseed.dice import generator
from reseed.pipeline.run import run
from reseed.training.fit import r2_errors
from reseed.trajectory import StudyFolder
from studies import arm, matrix, study


def by_definition(lost, there, windows):
    """Leave out one window after another, in numpy."""
    names = np.unique(windows)
    without = [1 - lost[windows != w].sum() / there[windows != w].sum() for w in names]
    return math.sqrt((len(names) - 1) / len(names) * ((without - np.mean(without)) ** 2).sum())


def text(n_windows, like, *, rolled, length=40):
    """Tokens of one length, whose errors are alike within a window by so much; R² is .6."""
    chance = generator(rolled, "text")
    of_window = torch.randn(n_windows, 1, generator=chance, dtype=torch.float64).expand(-1, length)
    own = torch.randn(n_windows, length, generator=chance, dtype=torch.float64)
    errors = 0.4 * (1 + 0.5 * (math.sqrt(like) * of_window + math.sqrt(1 - like) * own)).clamp(min=0)
    windows = torch.arange(n_windows).repeat_interleave(length)
    return errors.reshape(1, -1), torch.ones(n_windows * length, dtype=torch.float64), windows


def test_it_is_the_jackknife_of_its_definition():
    chance = generator(3)
    windows = torch.randint(0, 9, (200,), generator=chance) * 7
    lost = torch.rand(3, 200, generator=chance, dtype=torch.float64)
    there = 1 + torch.rand(200, generator=chance, dtype=torch.float64)
    found = r2_errors(lost, there, windows)
    for run_lost, error in zip(lost, found.tolist(), strict=True):
        assert error == pytest.approx(by_definition(run_lost.numpy(), there.numpy(), windows.numpy()), rel=1e-12)


def test_it_is_what_r2_moves_by_on_other_text_and_tokens_alone_would_say_less():
    samples = [text(33, 0.5, rolled=number) for number in range(400)]
    moved = torch.tensor([1 - (lost.sum() / there.sum()).item() for lost, there, _ in samples]).std().item()
    said = np.mean([r2_errors(*sample).item() for sample in samples])
    alone = np.mean([r2_errors(lost, there, torch.arange(len(there))).item() for lost, there, _ in samples])
    assert said == pytest.approx(moved, rel=0.1)
    assert alone < 0.35 * moved


def test_one_window_has_no_error():
    lost, there, _ = text(1, 0.5, rolled=1)
    assert math.isnan(r2_errors(lost, there, torch.zeros(len(there), dtype=torch.int64)).item())


def test_tokens_go_with_their_window_else_their_block_else_alone(tmp_path):
    rows = torch.zeros(6, 2)
    assert HeldOut(rows).windows.tolist() == list(range(6))
    contexts = torch.tensor([4, 4, 9, 9, 9, 9])
    assert HeldOut(rows, contexts=contexts).windows.tolist() == contexts.tolist()
    heldout = open_activations(matrix(tmp_path / "acts.npy", 3000)).heldout
    assert heldout.windows.bincount().tolist() == [300 * (b + 1) // 128 - 300 * b // 128 for b in range(128)]
    assert len(heldout.windows) == len(heldout.rows) == 300


def test_a_run_records_it_and_a_condition_tells_its_mean(tmp_path):
    small = study(matrix(tmp_path / "acts.npy"), arm("topk", start={"kind": "random"}))
    found = run(small, tmp_path / "study", quiet=True).conditions[0]
    runs = StudyFolder.open(tmp_path / "study").runs(found.name)
    last = [each.metrics["r2_error"][-1] for each in runs]
    assert all(0 < error < 1 for error in last)
    assert found.r2_error == pytest.approx(np.mean(last))
    assert found.runs[0].metrics["r2_error"][-1] == last[0]
    assert "r2_error" not in found.metrics
