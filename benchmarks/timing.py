"""Interleaved timing: the contestants of a workload take turns, and their rounds are compared.

The figure is CPU time, of all threads. Python's garbage collector is left on, as users
have it, unless asked otherwise. The ratio of two contestants is the median over rounds of
the ratio within a round, so a machine that slows down for a while slows both.
"""

import gc
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import UnableError
from benchmarks.report import Measurement, ratio_verdict

BASELINE = "numpy"
OURS = "numpygrad"


@dataclass(frozen=True)
class Contestant:
    """One library's version of a workload.

    `run` is what is timed. `answer` turns what `run` returned into the numbers that every
    contestant must agree on, in one order: values, or a loss and then its gradients.
    """

    run: Callable[[], Any]
    answer: Callable[[Any], Sequence[NDArray[Any]]]


@dataclass(frozen=True)
class Workload:
    """One computation and the contestants that perform it, by name; NumPy's comes first.

    `targets` says how many times a contestant's time numpygrad may take; with a pair for a key, how
    many times the second's time the first may take, where numpygrad takes part in several ways.
    `operations` divides the times, for a workload that is stated per operation.
    """

    name: str
    contestants: Mapping[str, Callable[[], Contestant]]
    targets: Mapping[str, float] | Mapping[tuple[str, str], float] = field(default_factory=dict)
    operations: int = 1
    tolerance: float = 1e-9


@dataclass(frozen=True)
class Effort:
    """How long to measure: seconds a workload and a turn, and at least so many rounds.

    A contestant one call of which takes a tenth of the budget takes part in `slow_rounds` only.
    """

    budget: float
    turn: float
    fewest_rounds: int
    slow_rounds: int
    quick: bool
    collects_garbage: bool = True


THOROUGH = Effort(budget=5.0, turn=0.010, fewest_rounds=5, slow_rounds=3, quick=False)
QUICK = Effort(budget=1.2, turn=0.005, fewest_rounds=5, slow_rounds=2, quick=True)


def cpu_seconds(run: Callable[[], Any], times: int) -> float:
    """CPU time of `times` calls, with the loop around them."""
    repeats = range(times)
    start = cpu_clock()
    for _ in repeats:
        run()
    return cpu_clock() - start


def cpu_clock() -> float:
    """CPU seconds used by all threads of this process and by its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def measure(workload: Workload, effort: Effort) -> Measurement:
    """The workload's median times and ratios, once its contestants are seen to agree."""
    began = time.perf_counter()
    contestants, absent = present(workload)
    check_agreement(workload, contestants)
    # What the libraries allocated on import would otherwise be walked again by each collection.
    gc.collect()
    gc.freeze()
    if not effort.collects_garbage:
        gc.disable()
    turns = {name: calls_filling(c.run, effort.turn) for name, c in contestants.items()}
    rounds = timed_rounds(contestants, turns, effort)
    gc.enable()
    gc.unfreeze()
    seconds = time.perf_counter() - began
    announce(f"{workload.name}: {len(rounds[BASELINE])} rounds, {seconds:.1f} s")
    return replace(summary(workload, rounds), absent=absent)


def present(workload: Workload) -> tuple[dict[str, Contestant], dict[str, str]]:
    """The contestants whose library is installed, and why others that are cannot take part."""
    found, absent = {}, {}
    for name, build in workload.contestants.items():
        try:
            found[name] = build()
        except ModuleNotFoundError as error:
            left_out(str(error))
        except UnableError as error:
            left_out(f"{name}: {error}")
            absent[name] = str(error)
    return found, absent


@cache
def left_out(reason: str) -> None:
    """Say, once for each reason, that some contestants do not take part."""
    announce(f"{reason}: left out")


def announce(line: str) -> None:
    """Tell how far the run has come; on stderr, so that stdout holds the tables alone."""
    print(line, file=sys.stderr, flush=True)


def check_agreement(workload: Workload, contestants: Mapping[str, Contestant]) -> None:
    """Run each contestant once and compare its answer with NumPy's.

    Raises
    ------
    ValueError
        If one computes something else.
    """
    answers = {name: c.answer(c.run()) for name, c in contestants.items()}
    reference = answers[BASELINE]
    for name, answer in answers.items():
        if len(answer) != len(reference):
            raise ValueError(
                f"{workload.name}: {name} answers with {len(answer)} arrays, "
                f"{BASELINE} with {len(reference)}."
            )
        for index, (got, want) in enumerate(zip(answer, reference, strict=True)):
            if kind_of(got) != kind_of(want):
                raise ValueError(
                    f"{workload.name}: {name}'s result {index} has shape and dtype {kind_of(got)}, "
                    f"{BASELINE}'s has {kind_of(want)}."
                )
            error = float(np.max(np.abs(got - want)))
            scale = float(np.max(np.abs(want)))
            # Written so that a NaN is a disagreement.
            if not error <= workload.tolerance * scale:
                raise ValueError(
                    f"{workload.name}: {name}'s result {index} differs from {BASELINE}'s by "
                    f"{error:.3g} where the largest element is {scale:.3g}."
                )


def kind_of(result: NDArray[Any]) -> tuple[tuple[int, ...], str]:
    """Shape and dtype; a loss may be a Python float, so the dtype of one number says nothing."""
    result = np.asarray(result)
    return result.shape, str(result.dtype) if result.shape else ""


def calls_filling(run: Callable[[], Any], seconds: float) -> int:
    """How many calls of `run` take about `seconds`: at least one."""
    calls = 1
    while (taken := cpu_seconds(run, calls)) < seconds / 2:
        calls *= max(2, min(10, int(seconds / max(taken, 1e-9))))
    return max(1, round(calls * seconds / taken))


def timed_rounds(
    contestants: Mapping[str, Contestant], turns: Mapping[str, int], effort: Effort
) -> dict[str, list[float]]:
    """Seconds a call, by contestant and round; a slow contestant has the first rounds only.

    The cost of the loop and of calling an empty function is measured in every round and taken
    off: it is a tenth of a 4-element NumPy multiplication. Each turn starts with a few calls that
    are not timed: after a JAX trace, PyTorch's first calls cost several times the later ones.
    Each round starts with another contestant, so none always runs in the same neighbour's wake.
    """
    names = list(contestants)
    rounds: dict[str, list[float]] = {name: [] for name in names}
    deadline = time.perf_counter() + effort.budget
    number = 0
    while number < effort.fewest_rounds or time.perf_counter() < deadline:
        empty_calls = max(turns.values())
        empty = cpu_seconds(do_nothing, empty_calls) / empty_calls
        first = number % len(names)
        for name in names[first:] + names[:first]:
            run, calls, earlier = contestants[name].run, turns[name], rounds[name]
            if number >= effort.slow_rounds and name in slow(rounds, effort):
                continue
            cpu_seconds(run, calls // 4)
            earlier.append(cpu_seconds(run, calls) / calls - empty)
        number += 1
    return rounds


def slow(rounds: Mapping[str, Sequence[float]], effort: Effort) -> set[str]:
    """The contestants that a tenth of the budget is too short for, the two that matter excepted."""
    limit = effort.budget / 10
    return {n for n, times in rounds.items() if n not in (BASELINE, OURS) and min(times) > limit}


def do_nothing() -> None:
    """The empty contestant: what calling anything costs."""


def summary(workload: Workload, rounds: Mapping[str, Sequence[float]]) -> Measurement:
    """Medians over the rounds: times, ratios to NumPy, and the targets' ratios."""

    def over(name: str, other: str) -> float:
        return median(a / b for a, b in zip(rounds[name], rounds[other], strict=False))

    verdicts = []
    for key, limit in workload.targets.items():
        ours, other = key if isinstance(key, tuple) else (OURS, key)
        if ours in rounds and other in rounds:
            named = "" if ours == OURS else ours
            ratio = over(ours, other)
            verdicts.append(ratio_verdict(workload.name, other, ratio, limit, named))
    return Measurement(
        workload=workload.name,
        unit="s",
        figures={name: median(times) / workload.operations for name, times in rounds.items()},
        ratios={name: over(name, BASELINE) for name in rounds},
        verdicts=verdicts,
    )
