"""Wall time of a compiled program on one thread and on two, each in a process of its own.

The processes take turns, one waits while the other works.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import IO, Any, TypeAlias, cast

from benchmarks.chains import CHAINS, LENGTH
from benchmarks.report import Measurement, Verdict
from benchmarks.timing import Effort, Workload, announce, check_agreement

Worker: TypeAlias = "subprocess.Popen[str]"

TARGET = 1.7
ROUNDS = 15


def measurement(effort: Effort) -> Measurement:
    """The chain of cheap operations."""
    length = LENGTH // 10 if effort.quick else LENGTH
    workers = [started(threads, length) for threads in (1, 2)]
    rounds = [[answer_of(worker) for worker in workers] for _ in range(ROUNDS)]
    for worker in workers:
        worker.communicate()
    one, two = (median(times) for times in zip(*rounds, strict=True))
    speedup = median(one / two for one, two in rounds)
    name = f"12 cheap ops on {length:,} float32, wall time"
    announce(f"{name}: {ROUNDS} rounds")
    verdict = Verdict(
        name, f"two threads >= {TARGET:g} x faster", f"{speedup:.2f}", speedup >= TARGET
    )
    return Measurement(name, "s", {"compiled": one, "compiled, 2 threads": two}, {}, [verdict])


def started(threads: int, length: int) -> Worker:
    """A process that runs the program whenever it reads a line, and writes how long it took."""
    worker = subprocess.Popen(  # noqa: S603 our own module, by our own interpreter
        [sys.executable, "-m", __name__, str(threads), str(length)],
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


def work(length: int) -> None:
    """Run the program for each line read, once it is seen to be right."""
    contestants = CHAINS[0].contestants(length)
    chosen = {name: contestants[name] for name in ("numpy", "compiled")}
    workload = Workload("12 cheap ops", chosen, tolerance=1e-4)
    built: dict[str, Any] = {name: build() for name, build in chosen.items()}
    check_agreement(workload, built)
    for _ in sys.stdin:
        start = time.perf_counter()
        built["compiled"].run()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    os.environ["NUMPYGRAD_NUM_THREADS"] = sys.argv[1]
    work(int(sys.argv[2]))
