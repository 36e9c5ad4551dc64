"""Wall time of compiled programs on one thread and on two, each in a process of its own.

The processes take turns, one waits while the other works. What NumPy's calls alone gain from a
second thread, on arrays that stay in its cache, is measured beside them: no program gains more.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import IO, Any, TypeAlias, cast

import numpy as np

from benchmarks.chains import CHAINS, LENGTH
from benchmarks.report import Measurement, Verdict
from benchmarks.timing import Effort, Workload, announce, check_agreement

Worker: TypeAlias = "subprocess.Popen[str]"

THREADS = "NUMPYGRAD_NUM_THREADS"
TARGET = 1.7
ROUNDS = 15
TILE = 1 << 16


def measurements(effort: Effort) -> Iterator[Measurement]:
    """The chains, and NumPy's calls."""
    length = LENGTH // 10 if effort.quick else LENGTH
    for kind in JOBS:
        workers = [started(kind, threads, length) for threads in (1, 2)]
        rounds = [[answer_of(worker) for worker in workers] for _ in range(ROUNDS)]
        for worker in workers:
            worker.communicate()
        one, two = (median(times) for times in zip(*rounds, strict=True))
        speedup = median(one / two for one, two in rounds)
        name = f"12 {kind} ops on {length:,} float32, wall time"
        announce(f"{name}: {ROUNDS} rounds")
        target = f"two threads >= {TARGET:g} x faster"
        verdict = Verdict(name, target, f"{speedup:.2f}", speedup >= TARGET)
        who = "numpy" if kind == "cached" else "compiled"
        figures = {who: one, f"{who}, 2 threads": two}
        yield Measurement(name, "s", figures, {}, [verdict])


def started(kind: str, threads: int, length: int) -> Worker:
    """A process that does its job whenever it reads a line, and writes how long it took."""
    worker = subprocess.Popen(  # noqa: S603 our own module, by our own interpreter
        [sys.executable, "-m", __name__, kind, str(threads), str(length)],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    answer_of(worker)
    return worker


def answer_of(worker: Worker) -> float:
    """Seconds of one run."""
    print(file=worker.stdin, flush=True)
    return float(cast("IO[str]", worker.stdout).readline())


def chain(number: int, length: int) -> Callable[[], Any]:
    """A compiled chain, once it is seen to be right."""
    contestants = CHAINS[number].contestants(length)
    chosen = {name: contestants[name] for name in ("numpy", "compiled")}
    built = {name: build() for name, build in chosen.items()}
    check_agreement(Workload("12 ops", chosen, tolerance=1e-4), built)
    return built["compiled"].run


def calls(length: int) -> Callable[[], Any]:
    """NumPy's calls on tiles, which each thread has one of."""
    threads = int(os.environ[THREADS])
    tiles = [np.ones(TILE, np.float32) for _ in range(threads)]
    pool = ThreadPoolExecutor(threads)

    def share(tile: Any) -> None:
        for _ in range(12 * length // TILE // threads):
            np.multiply(tile, tile, out=tile)

    return lambda: list(pool.map(share, tiles))


JOBS: Mapping[str, Callable[[int], Callable[[], Any]]] = {
    "cheap": partial(chain, 0),
    "transcendental": partial(chain, 1),
    "cached": calls,
}


def work(job: Callable[[], Any]) -> None:
    """Do it for each line read."""
    for _ in sys.stdin:
        start = time.perf_counter()
        job()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    os.environ[THREADS] = sys.argv[2]
    work(JOBS[sys.argv[1]](int(sys.argv[3])))
