"""Threads that share the tiles of one group.

`NUMPYGRAD_NUM_THREADS` says how many; else `OMP_NUM_THREADS`, as for the products of matrices; else
as many as the process has cores. `threadpoolctl`'s limits hold here too. Groups that take less than
about a millisecond run in the thread that calls.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

VARIABLE = "NUMPYGRAD_NUM_THREADS"

_lock = threading.Lock()


def _asked() -> int | None:
    """How many threads the environment asks for."""
    for name in (VARIABLE, "OMP_NUM_THREADS"):
        given = os.environ.get(name, "").strip()
        if given.isdecimal() and int(given) > 0:
            return int(given)
    return None


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _controllers() -> tuple[Any, ...]:
    controller = sys.modules["threadpoolctl"].ThreadpoolController()
    return tuple(c for c in controller.lib_controllers if c.user_api == "blas")


def thread_count() -> int:
    """How many threads a large group is to use now."""
    count = _asked() or _cores()
    if count > 1 and "threadpoolctl" in sys.modules:
        limits = [c.num_threads for c in _controllers()]
        if limits:
            count = min(count, max(limits))
    return count


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(_cores(), _asked() or 1), thread_name_prefix="numpygrad")


if hasattr(os, "register_at_fork"):  # a child process has none of its parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def shared_out(worker: Callable[[], Callable[[int], None]], count: int, threads: int) -> None:
    """The numbers below `count` worked off by so many threads, this one included.

    Each begins with a `worker()` of its own, whose result it calls with one number after another.
    """
    if threads <= 1 or count == 1:
        work = worker()
        for number in range(count):
            work(number)
        return
    numbers = itertools.count()

    def some() -> None:
        with np.errstate(all="ignore"):
            work = worker()
            while (number := next(numbers)) < count:
                work(number)

    with _lock:
        pool = _pool()
    others = [pool.submit(some) for _ in range(min(threads, count) - 1)]
    try:
        some()
    finally:
        for other in others:
            other.result()
