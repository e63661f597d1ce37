"""Signals: what they leave, who looks, and what ends although nobody does."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from reseed._support import stopping
from reseed._support.threads import workers

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def send(number=signal.SIGTERM):
    os.kill(os.getpid(), number)


def handlers():
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_leaves_a_note_and_everything_is_as_before_then(number):
    before = handlers()
    with pytest.raises(stopping.Interrupted), stopping.noticed():  # noqa: PT012 (a signal, and what comes of it)
        send(number)
        assert stopping.asked() == number
        assert stopping.exit_code() == 128 + number
        stopping.check()
    assert handlers() == before
    assert stopping.asked() is None


def test_a_note_that_nobody_saw_is_told_in_the_end():
    with pytest.raises(stopping.Interrupted), stopping.noticed():
        send()


def test_a_second_signal_waits_for_nobody():
    with pytest.raises(KeyboardInterrupt) as caught, stopping.noticed(), stopping.held():  # noqa: PT012 (two signals)
        send(signal.SIGINT)
        stopping.check()
        send(signal.SIGINT)
    assert not isinstance(caught.value, stopping.Interrupted)


def test_signals_that_are_ignored_or_handled_by_the_program_around_stay_so():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: seen.append(number))
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping.noticed():
            send(signal.SIGTERM)
            send(signal.SIGHUP)
            stopping.check()
        assert seen == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGHUP, hangup)


def test_another_thread_than_the_main_one_changes_no_handler():
    before, found = handlers(), []

    def elsewhere():
        with stopping.noticed():
            found.extend(handlers())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == before


def test_threads_that_compute_are_left_soon_although_polars_would_sleep_on():
    import polars as pl  # noqa: F401, PLC0415 (it has a handler of its own for Ctrl-C)

    def compute(_):
        while True:
            time.sleep(0.01)
            stopping.check()

    threading.Timer(0.2, send, [signal.SIGINT]).start()
    begun = time.monotonic()
    with pytest.raises(stopping.Interrupted), stopping.noticed(), workers(2) as pool:
        list(pool.map(compute, range(5)))
    assert time.monotonic() - begun < 20


def test_workers_give_results_in_order_and_their_own_errors():
    def fail(kind):
        raise kind("as it is")

    with workers(2) as pool:
        assert list(pool.map(lambda a, b: a + b, range(50), range(50))) == list(range(0, 100, 2))
        for kind in (ValueError, TimeoutError):
            with pytest.raises(kind, match="as it is"):
                list(pool.map(fail, [kind]))


OWNER = """
import time
from contextlib import nullcontext
from reseed._support import stopping
stopping.own()
with {context}:
    print(flush=True)
    until = time.monotonic() + 60
    while time.monotonic() < until:  # nothing here looks at the note
        time.sleep(1)
"""


def owner(context, *signals):
    """Exit code, words and seconds of a process of the command line's kind that got these signals, one by one."""
    command = [sys.executable, "-c", OWNER.format(context=context)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    process.stdout.readline()
    begun = time.monotonic()
    for number in signals:
        process.send_signal(number)
        time.sleep(0.5)
    told = process.communicate(timeout=50)[1]
    return process.returncode, told, time.monotonic() - begun


@pytest.mark.parametrize("number", SIGNALS)
def test_a_process_with_nothing_at_stake_ends_at_once(number):
    code, told, _ = owner("nullcontext()", number)
    assert code == 128 + number
    assert told == "reseed: stopped; the same command goes on from here\n"


def test_a_process_whose_work_nobody_can_interrupt_is_ended_after_a_while():
    code, told, seconds = owner("stopping.noticed()", signal.SIGTERM)
    assert (code, told) == (143, "reseed: stopped; the same command goes on from here\n")
    assert 2 < seconds < 40


@pytest.mark.parametrize("context", ["stopping.held()", "stopping.writing()"])
def test_what_has_to_be_saved_is_waited_for_until_a_second_signal(context):
    code, told, _ = owner(context, signal.SIGTERM, signal.SIGINT)
    assert code == 143
    assert told == "reseed: stopped at once; the same command goes on from here\n"
