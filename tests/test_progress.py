import time

import pytest

from reseed._support import progress, stopping
from studies import on_a_terminal


def phases(**how):
    with progress.bar(**how) as show:
        for title, total in (("train topk@none", 20), ("compare", 2)):
            advance = show(title, total, "steps of 4 runs")
            for _ in range(total):
                advance(1)
                time.sleep(0.01)


def test_bars_are_drawn_in_a_terminal_with_title_and_count():
    told = on_a_terminal("from test_progress import phases; phases()")
    assert all(words in told for words in ("train topk@none", "20/20", "steps of 4 runs", "compare", "2/2"))


def test_elsewhere_a_line_now_and_then_says_phase_step_rate_and_time_left(capsys):
    phases(every=0.05)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert 2 <= len(lines) <= 6
    assert "\x1b" not in err
    assert lines[0].startswith("train topk@none: ")
    assert " of 20 steps of 4 runs (" in lines[0]
    assert " a second, " in lines[0]
    assert lines[0].endswith(" s left")


def test_what_does_not_advance_is_told_too(capsys):
    with progress.bar(every=0.05) as show:
        show("floors @centre", 3)
        time.sleep(0.12)
    assert capsys.readouterr().err.splitlines()[0] == "floors @centre: 0 of 3 (0 %)"


def test_what_an_earlier_process_did_tells_no_rate():
    phase = progress._Phase("train", 1000, "")  # noqa: SLF001 (its clock is not public)
    phase.advance(900)
    phase.counted_from = (time.monotonic() - 10, 900)
    phase.advance(50)
    assert phase.line() == "train: 950 of 1,000 (95 %), 5 a second, 10 s left"


def test_what_lasts_less_than_a_second_says_nothing(capsys):
    phases()
    assert capsys.readouterr() == ("", "")


def test_nothing_is_said_when_quiet(capsys):
    phases(quiet=True, every=0.01)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("quiet", [True, False])
def test_every_report_of_progress_is_an_occasion_to_stop(monkeypatch, quiet):
    monkeypatch.setattr(stopping._note, "signal", 15)  # noqa: SLF001 (as a handler leaves it)
    with progress.bar(quiet=quiet) as show, pytest.raises(stopping.Interrupted):
        show("compare", 2)(1)
