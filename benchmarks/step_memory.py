"""Peak memory of whole training steps, each in a process of its own.

Counted is what the process holds at most beyond what it held before, when its libraries were loaded
and its inputs there: all that its allocator took from the operating system, whoever asked for it.
A compiled program counts, and the memory that it keeps.
"""

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import programs
from benchmarks.report import Measurement, ratio_verdict, ratios_to
from benchmarks.timing import BASELINE, OURS, announce, left_out

COUNTED = (BASELINE, OURS, "lazy", "compiled", "torch")
MLP, BLOCK = "MLP step, batch 1024", "transformer block"
PROCESSES = 5
STEPS = 3
STATUS = Path("/proc/self/status")
# Writing 5 there sets the process's peak to what it holds now.
RESET = Path("/proc/self/clear_refs")


def measurements() -> Iterator[Measurement]:
    """Both steps by contestant: the median over a few processes."""
    if not RESET.exists():
        left_out("peak memory is read from Linux's /proc")
        return
    for workload in (MLP, BLOCK):
        figures = {}
        for name in COUNTED:
            try:
                figures[name] = peak_of_processes(workload, name)
            except ModuleNotFoundError as error:
                left_out(str(error))
        announce(f"{workload}, peak memory: done")
        yield summary(f"{workload}, peak memory", figures)


def summary(name: str, figures: dict[str, float]) -> Measurement:
    """The figures, and whether lazy and compiled steps take at most what they may."""
    verdicts = [
        ratio_verdict(name, other, figures[ours] / figures[other], limit, ours)
        for ours in ("lazy", "compiled")
        for other, limit in ((OURS, 1.0), ("torch", 1.1))
        if ours in figures and other in figures
    ]
    return Measurement(name, "B", figures, ratios_to(BASELINE, figures), verdicts)


def peak_of_processes(workload: str, name: str) -> float:
    """The median over processes that end as soon as they have counted.

    Raises
    ------
    ModuleNotFoundError
        If the contestant's library is not installed.
    """
    found = []
    for _ in range(PROCESSES):
        finished = subprocess.run(  # noqa: S603 our own module, by our own interpreter
            [sys.executable, "-m", __name__, workload, name],
            cwd=Path(__file__).parent.parent,
            capture_output=True,
            check=True,
            text=True,
        )
        if not finished.stdout:
            raise ModuleNotFoundError(finished.stderr.strip())
        found.append(float(finished.stdout))
    return sorted(found)[PROCESSES // 2]


def count(workload: str, name: str) -> int:
    """Bytes at the peak of a few steps in this process, beyond those held before the first."""
    # A small step first loads whatever is loaded when it is first used.
    programs.perceptron(8)[name]().run()
    contestants = programs.block() if workload == BLOCK else programs.perceptron(1024)
    contestant = contestants[name]()
    gc.collect()
    RESET.write_text("5", encoding="ascii")
    before = held("VmRSS")
    for _ in range(STEPS):
        contestant.run()
    return held("VmHWM") - before


def held(field: str) -> int:
    """Bytes that the operating system says this process holds, or held at most."""
    for line in STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


if __name__ == "__main__":
    try:
        print(count(*sys.argv[1:]))
    except ModuleNotFoundError as error:
        print(error, file=sys.stderr)
