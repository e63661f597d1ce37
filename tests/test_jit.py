import math
import pickle
import threading
import time
from pathlib import Path

import numpy as np
from numba.core.caching import CacheImpl

from reseed._support.jit import compiled


def total(x):
    s = 0.0
    for value in x:
        s += value
    return s


def spin(n):
    s = 1.0
    for _ in range(n):
        s = math.sin(s) + 1.0
    return s


def test_a_loop_computes_what_it_says_and_nan_stays_nan():
    loop = compiled(total)
    assert loop(np.arange(5.0)) == 10
    assert math.isnan(loop(np.array([1.0, math.nan])))
    assert loop(np.array([1.0, math.inf])) == math.inf


def test_without_a_place_to_keep_them_loops_are_compiled_all_the_same(monkeypatch):
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    assert compiled(total)(np.ones(3)) == 3


def test_what_was_kept_of_types_that_are_gone_is_compiled_again():
    kept = compiled(total)
    assert kept(np.ones(3)) == 3
    index = Path(kept._cache._cache_file._index_path)  # noqa: SLF001 (numba has no public way to ask)
    gone = b"cno_such_module\nGone\n."  # a pickle of a class whose module was renamed
    with index.open("rb") as file:
        pickle.load(file)  # noqa: S301 (numba's own file: the version of numba stands before the index)
        head = file.tell()
    index.write_bytes(index.read_bytes()[:head] + gone)
    assert compiled(total)(np.ones(4)) == 4


def test_other_threads_run_beside_a_loop():
    loop = compiled(spin)
    loop(1)
    ticks = []
    thread = threading.Thread(target=loop, args=(30_000_000,))
    thread.start()
    while thread.is_alive():
        ticks.append(time.sleep(0.001))
    assert len(ticks) > 5  # a loop that kept the interpreter to itself would leave none
