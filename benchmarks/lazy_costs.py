"""What recording and replaying cost beside the computation: Python's part of lazy execution.

Arrays have four elements, so NumPy's calls cost as little as they can, except in the perceptron's
step, which is compared with the same NumPy calls written by hand over buffers made once.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from benchmarks import mlp, peers, programs
from benchmarks.report import Measurement, Verdict, quantity
from benchmarks.timing import (
    OURS,
    Contestant,
    Effort,
    Workload,
    announce,
    calls_filling,
    check_agreement,
    measure,
    timed_rounds,
)

OPS = 300
BATCH = 64
RECORDED = "lazy, not run"


def measurements(effort: Effort) -> Iterator[Measurement]:
    """A graph of 300 operations, untracked and tracked; the replay of the perceptron's step."""
    for tracked in (False, True):
        contestants: dict[str, Callable[[], Contestant]] = {
            "numpy": by_numpy,
            OURS: partial(eager, tracked),
            RECORDED: partial(recorded, tracked),
            "lazy": partial(recorded_and_run, tracked),
            "compiled": replayed,
        }
        kind = "tracked" if tracked else "untracked"
        name = f"{OPS}-op graph, {kind}"
        measured = measure(Workload(name, contestants), effort)
        yield replace(measured, verdicts=list(recording_verdicts(measured)))
    yield replay_overhead(effort)


def recording_verdicts(measured: Measurement) -> Iterator[Verdict]:
    """Whether recording an operation and finding a known graph cost at most what they may."""
    name, figures = measured.workload, measured.figures
    if "lazy" in figures:
        yield cost(name, "recording, per op", figures[RECORDED] / OPS, 3e-6)
        hit = figures["lazy"] - figures[RECORDED] - figures["compiled"]
        yield cost(name, "cache hit", hit, 500e-6)


def cost(workload: str, what: str, seconds: float, limit: float) -> Verdict:
    """The verdict on something taking so long."""
    target = f"{what} <= {quantity(limit, 's')}"
    return Verdict(workload, target, quantity(seconds, "s"), seconds <= limit)


def graph(tanh: Callable[[Any], Any], x: Any, y: Any) -> Any:
    """300 operations, each on the result of the one before."""
    for _ in range(OPS // 3):
        x = tanh(x * 0.5 + y)
    return x


def operands(*, tracked: bool) -> tuple[Any, Any]:
    """Two Arrays of four elements."""
    npg = peers.numpygrad()
    x, y = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.4, 0.3, 0.2, 0.1])
    return npg.array(x, requires_grad=tracked), npg.asarray(y)


def by_numpy() -> Contestant:
    """NumPy."""
    x, y = (a.numpy() for a in operands(tracked=False))
    return Contestant(lambda: graph(np.tanh, x, y), lambda z: [z])


def eager(tracked: bool) -> Contestant:
    """numpygrad, operation by operation."""
    npg, given = peers.numpygrad(), operands(tracked=tracked)
    return Contestant(lambda: graph(npg.tanh, *given), lambda z: [z.numpy()])


def recorded(tracked: bool) -> Contestant:
    """numpygrad, recorded and let go."""
    npg, given = peers.numpygrad(), operands(tracked=tracked)

    def run() -> Any:
        with npg.lazy():
            return graph(npg.tanh, *given)

    return Contestant(run, lambda z: [z.numpy()])


def recorded_and_run(tracked: bool) -> Contestant:
    """numpygrad, recorded and run: after the first time the program is found in the cache."""
    npg, given = peers.numpygrad(), operands(tracked=tracked)

    def run() -> Any:
        with npg.lazy():
            return graph(npg.tanh, *given).realize()

    return Contestant(run, lambda z: [z.numpy()])


def replayed() -> Contestant:
    """The same program without recording."""
    npg, given = peers.numpygrad(), operands(tracked=False)
    program = npg.compile(partial(graph, npg.tanh))
    return Contestant(lambda: program(*given), lambda z: [z.numpy()])


def replay_overhead(effort: Effort) -> Measurement:
    """The perceptron's compiled step against its NumPy calls, with the difference of their times.

    That is the median of the differences within rounds, which are a few per cent of either. It
    counts what the program does beyond what is written by hand, too, such as repairs of softmax.
    """
    given = mlp.problem(BATCH)
    name = f"MLP step, batch {BATCH}, over buffers made once"
    builders = {"numpy": calls_by_hand, "compiled": programs.compiled_step}
    contestants = {key: build(given) for key, build in builders.items()}
    workload = Workload(name, {}, tolerance=1e-4)
    check_agreement(workload, contestants)
    turns = {key: calls_filling(c.run, effort.turn) for key, c in contestants.items()}
    rounds = timed_rounds(contestants, turns, effort)
    pairs = list(zip(rounds["compiled"], rounds["numpy"], strict=True))
    announce(f"{name}: {len(pairs)} rounds")
    return Measurement(
        name,
        "s",
        {key: median(times) for key, times in rounds.items()},
        {"compiled": median(a / b for a, b in pairs)},
        [cost(name, "compiled, more than numpy", median(a - b for a, b in pairs), 30e-6)],
    )


def calls_by_hand(given: mlp.Problem) -> Contestant:
    """The calls of NumPy's that the compiled step comes to, one after the other."""
    parameters = [p.copy() for p in given.parameters]
    w1, b1, w2, b2, w3, b3 = parameters
    x, one_hot = given.x, given.one_hot
    rows = np.float32(len(x))
    h1, h2, z = (np.empty((len(x), width), x.dtype) for width in mlp.WIDTHS[1:])
    gh1, gh2, gz, p = (np.empty_like(a) for a in (h1, h2, z, z))
    active1, active2 = np.empty(h1.shape, np.bool_), np.empty(h2.shape, np.bool_)
    gw1, gb1, gw2, gb2, gw3, gb3 = gradients = [np.empty_like(p) for p in parameters]
    column = np.empty((len(x), 1), x.dtype)
    spread = one_hot.sum(axis=1, keepdims=True)

    def run() -> Any:
        np.add(np.matmul(x, w1, out=h1), b1, out=h1)
        np.greater(h1, 0, out=active1)
        np.maximum(h1, 0, out=h1)
        np.add(np.matmul(h1, w2, out=h2), b2, out=h2)
        np.greater(h2, 0, out=active2)
        np.maximum(h2, 0, out=h2)
        np.add(np.matmul(h2, w3, out=z), b3, out=z)
        np.subtract(z, np.maximum.reduce(z, axis=1, keepdims=True, out=column), out=z)
        np.add.reduce(np.exp(z, out=p), axis=1, keepdims=True, out=column)
        np.subtract(z, np.log(column, out=column), out=z)
        loss = -np.add.reduce(np.multiply(z, one_hot, out=gz), axis=(0, 1)) / rows
        np.exp(z, out=p)
        np.multiply(p, spread, out=gz)
        np.subtract(gz, one_hot, out=gz)
        np.divide(gz, rows, out=gz)
        np.multiply(np.matmul(gz, w3.T, out=gh2), active2, out=gh2)
        np.multiply(np.matmul(gh2, w2.T, out=gh1), active1, out=gh1)
        np.matmul(x.T, gh1, out=gw1)
        np.add.reduce(gh1, axis=0, out=gb1)
        np.matmul(h1.T, gh2, out=gw2)
        np.add.reduce(gh2, axis=0, out=gb2)
        np.matmul(h2.T, gz, out=gw3)
        np.add.reduce(gz, axis=0, out=gb3)
        for old, g in zip(parameters, gradients, strict=True):
            np.multiply(g, mlp.RATE, out=g)
            np.subtract(old, g, out=old)
        return loss

    return Contestant(run, mlp.step_answer(given, lambda: parameters))
