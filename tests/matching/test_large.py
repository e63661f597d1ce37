"""Large dictionaries are surveyed in bfloat16, and the survey is kept."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from regimes import clustered, half_shared, independent, normal

import reseed
from reseed.errors import DictionaryError
from reseed.matching import cosines, survey
from reseed.matching.products import directions

SMALL = {
    "reseed.matching.assignment._SMALL": 0,
    "reseed.matching.assignment._LARGE": 0,
    "reseed.matching.survey._ROWS": 64,
}


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch):
    for name, value in SMALL.items():
        monkeypatch.setattr(name, value)


def all_bytes(matching):
    return [getattr(matching, name).numpy().tobytes() for name in ("rows", "cols", "cosines", "best_rows", "best_cols")]


def blocks(folder):
    return sorted(folder.glob("*/rows-*.safetensors"))


def rounded_one_way(d):
    """Atoms whose numbers all lose almost half a unit in the last place of bfloat16."""
    return torch.full((3, d), 1 + 2**-8 - 2**-20).double()


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("d", [1, 24, 576])
def test_no_cosine_leaves_the_bounds_of_its_code(d, native):
    sides = [directions(torch.cat((normal(100, d, rolled=k).double(), rounded_one_way(d)))).unit for k in (0, 1)]
    factors = [side.bfloat16() if native else side for side in sides]
    bounds = survey.bounds_of(tuple(sides), tuple(factors))
    codes = (factors[0].float() @ factors[1].float().T).bfloat16().view(torch.int16).numpy().copy()
    for row in codes:
        survey.to_codes(row, False)
    exact = cosines(*sides).numpy()
    assert (bounds.below[codes.astype(int) + 2**15] <= exact).all()
    assert (bounds.above[codes.astype(int) + 2**15] >= exact).all()
    positive = slice(2**15, 2**15 + 0x3F80)  # cosines from 0 to 1
    assert (bounds.above[positive] - bounds.below[positive]).max() <= 0.025


def test_codes_are_in_the_order_of_cosines():
    values = torch.tensor([-1.0, -0.5, -1e-3, 0.0, 1e-3, 0.5, 1.0]).bfloat16()
    codes = values.view(torch.int16).numpy().copy()
    survey.to_codes(codes, False)
    assert (np.diff(codes) > 0).all()
    codes = values.view(torch.int16).numpy().copy()
    survey.to_codes(codes, True)
    assert codes.tolist() == codes[::-1].tolist()


@pytest.mark.parametrize("make", [independent, clustered])
def test_a_processor_without_bfloat16_finds_as_good_a_matching(make, monkeypatch):
    a, b = make()
    with_it = reseed.match(a, b)
    monkeypatch.setattr(survey, "HAS_BFLOAT16", False)
    without = reseed.match(a, b)
    assert without.agreement == pytest.approx(with_it.agreement, abs=1e-8)
    assert torch.equal(without.best_rows, with_it.best_rows)
    assert torch.equal(without.best_cols, with_it.best_cols)


def test_what_is_kept_is_not_surveyed_again_and_gives_the_same_bytes(tmp_path, monkeypatch):
    a, b = half_shared()
    plain, first = reseed.match(a, b), reseed.match(a, b, resume=tmp_path)
    assert all_bytes(plain) == all_bytes(first)
    files = blocks(tmp_path)
    assert len(files) == 5  # 300 rows, 64 at a time
    files[2].unlink()
    surveyed = []
    block = survey.Survey.block
    monkeypatch.setattr(survey.Survey, "block", lambda self, begin: surveyed.append(begin) or block(self, begin))
    assert all_bytes(reseed.match(a, b, resume=str(tmp_path))) == all_bytes(plain)
    assert surveyed == [128]
    log = next(tmp_path.glob("*/progress.log")).read_text()
    assert "matching 300 with 300 atoms of 24 dimensions" in log
    assert "rows from 192 on: kept already" in log
    assert "auction at 1e-07" in log
    assert "gap" in log.splitlines()[-1]


def test_pairs_and_sign_policies_share_a_folder_without_mixing(tmp_path):
    a, b = independent()
    for sides, sign in (((a, b), "signed"), ((a, b), "abs"), ((b, a), "signed")):
        assert all_bytes(reseed.match(*sides, sign=sign, resume=tmp_path)) == all_bytes(reseed.match(*sides, sign=sign))
    assert len(list(tmp_path.iterdir())) == 3


def test_a_block_of_other_dictionaries_or_with_other_bytes_is_refused_by_name(tmp_path):
    a, b = independent()
    reseed.match(a, b, resume=tmp_path / "right")
    reseed.match(b, a, resume=tmp_path / "wrong")
    mine, other = blocks(tmp_path / "right")[1], blocks(tmp_path / "wrong")[1]
    right = mine.read_bytes()
    mine.write_bytes(other.read_bytes())
    with pytest.raises(DictionaryError, match=r"rows-000000064.safetensors is damaged, or of other dictionaries"):
        reseed.match(a, b, resume=tmp_path / "right")
    mine.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    with pytest.raises(DictionaryError, match=r"is damaged, or of other dictionaries.*delete it"):
        reseed.match(a, b, resume=tmp_path / "right")
    mine.write_bytes(right[:100])
    with pytest.raises(DictionaryError, match=r"rows-000000064.safetensors cannot be read"):
        reseed.match(a, b, resume=tmp_path / "right")


KILLED = """
import os, signal, sys, torch
import reseed.matching.assignment as assignment, reseed.matching.survey as survey, reseed.matching.keeping as keeping
sys.path.insert(0, {tests!r})
from regimes import half_shared
assignment._SMALL, assignment._LARGE, survey._ROWS = 0, 0, 64
tell = keeping.SurveyFolder.tell
def told(self, line):
    tell(self, line)
    if line.startswith("rows from 128 on"):
        os.kill(os.getpid(), signal.SIGKILL)
keeping.SurveyFolder.tell = told
torch.set_num_threads(1)
import reseed
reseed.match(*half_shared(), resume={folder!r})
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
def test_a_killed_process_goes_on(tmp_path):
    script = KILLED.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    ended = subprocess.run([sys.executable, "-c", script], check=False, env=dict(os.environ))
    assert ended.returncode == -signal.SIGKILL
    assert len(blocks(tmp_path)) == 3
    a, b = half_shared()
    assert all_bytes(reseed.match(a, b, resume=tmp_path)) == all_bytes(reseed.match(a, b))
    log = next(tmp_path.glob("*/progress.log")).read_text()
    assert log.count("kept already") == 3
