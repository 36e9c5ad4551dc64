"""Writes in place: a recorded update of a large array, and an array filled row by row.

Three sizes of the second show that it takes time in proportion to the rows written, where a copy of
the whole array at each write would take it to their square.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.report import Measurement
from benchmarks.timing import Contestant, Effort, Workload, measure

WIDTH = 1000
LENGTH = 1_000_000


def measurements(effort: Effort) -> Iterator[Measurement]:
    """An update of a million elements; then 250, 500 and 1,000 rows."""
    updates = {"numpy": raw_update, "numpygrad": recorded_update, "torch": torch_update}
    yield measure(
        Workload("recorded y += b, 1e6 elements", updates, {"numpy": 1.3}, tolerance=1e-9), effort
    )
    for rows in (250, 500, 1000):
        contestants = {
            "numpy": partial(raw_rows, rows),
            "numpygrad": partial(recorded_rows, rows),
            "torch": partial(torch_rows, rows),
        }
        workload = Workload(f"y[i] = 2 * row, {rows:,} rows, backward", contestants)
        yield measure(workload, effort)


def _numbers(length: int) -> Any:
    return np.random.default_rng(0).standard_normal(length)


def raw_update() -> Contestant:
    """NumPy's own."""
    b, y = _numbers(LENGTH), np.zeros(LENGTH)

    def run() -> Any:
        np.add(y, b, out=y)
        return b

    return Contestant(run, lambda b: [b])


def recorded_update() -> Contestant:
    """The same, tracked; the history of earlier rounds is let go."""
    npg = peers.numpygrad()
    values = _numbers(LENGTH)
    b, x = npg.asarray(values), npg.zeros(1, requires_grad=True)
    y = x + npg.zeros(LENGTH)
    node = y._node

    def run() -> Any:
        nonlocal y
        y._node = node
        y += b
        return values

    return Contestant(run, lambda b: [b])


def torch_update() -> Contestant:
    """PyTorch's, tracked; the history grows, which costs it nothing here."""
    torch = peers.torch()
    values = _numbers(LENGTH)
    b, x = torch.tensor(values), torch.zeros(1, dtype=torch.float64, requires_grad=True)
    start = x + torch.zeros(LENGTH, dtype=torch.float64)
    y = start.clone()

    def run() -> Any:
        nonlocal y
        y += b
        return values

    return Contestant(run, lambda b: [b])


def raw_rows(rows: int) -> Contestant:
    """The rows written, and the gradient by hand."""
    row = _numbers(WIDTH)

    def run() -> Any:
        y = np.zeros((rows, WIDTH))
        for i in range(rows):
            y[i] = 2.0 * row
        g = np.ones_like(y)
        total = np.zeros(WIDTH)
        for i in reversed(range(rows)):
            total += 2.0 * g[i]
            g[i] = 0.0
        return total

    return Contestant(run, lambda g: [g])


def recorded_rows(rows: int) -> Contestant:
    """The same with numpygrad."""
    npg = peers.numpygrad()
    row = npg.array(_numbers(WIDTH), requires_grad=True)

    def run() -> Any:
        y = npg.zeros((rows, WIDTH))
        for i in range(rows):
            y[i] = 2.0 * row
        row.grad = None
        y.sum().backward()
        return row.grad

    return Contestant(run, lambda g: [g.numpy()])


def torch_rows(rows: int) -> Contestant:
    """The same with PyTorch, whose backward copies the whole gradient for each write."""
    torch = peers.torch()
    row = torch.tensor(_numbers(WIDTH), requires_grad=True)

    def run() -> Any:
        y = torch.zeros((rows, WIDTH), dtype=torch.float64)
        for i in range(rows):
            y[i] = 2.0 * row
        row.grad = None
        y.sum().backward()
        return row.grad

    return Contestant(run, lambda g: [g.numpy()])
