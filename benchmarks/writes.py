"""Writes in place: a recorded update of a large array, and an array filled row by row.

Three sizes of the second show that it takes time in proportion to the rows written, where a copy of
the whole array at each write would take it to their square. On JAX, whose arrays cannot be written
to, the peer is `x.at[i].set(v)`, which makes such a copy.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.report import Measurement
from benchmarks.timing import Contestant, Effort, Workload, measure

WIDTH = 1000
LENGTH = 1_000_000
JAX_DEVICE = "jax:cpu:0"


def measurements(effort: Effort) -> Iterator[Measurement]:
    """An update of a million elements; 250, 500 and 1,000 rows; one row and many on JAX."""
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
    single = {"numpy": raw_row, "numpygrad": row_on_jax, "jax": jax_row}
    yield measure(Workload(f"y[i] = row of {LENGTH * 8 / 1e6:g} MB, on JAX", single), effort)
    rows = 100 if effort.quick else 400
    several = {
        "numpy": partial(raw_rows, rows),
        "numpygrad": partial(recorded_rows_on_jax, rows),
        "jax": partial(jax_rows, rows),
    }
    name = f"y[i] = 2 * row, {rows} rows, backward, on JAX"
    yield measure(Workload(name, several), effort)


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


def recorded_rows(rows: int, device: str | None = None) -> Contestant:
    """The same with numpygrad."""
    npg = peers.numpygrad()
    row = npg.array(_numbers(WIDTH), requires_grad=True, device=device)
    return tracked_rows(row, lambda: npg.zeros((rows, WIDTH), device=device))


def recorded_rows_on_jax(rows: int) -> Contestant:
    """The same with numpygrad on JAX, if that is installed."""
    peers.jax()
    return recorded_rows(rows, JAX_DEVICE)


def torch_rows(rows: int) -> Contestant:
    """The same with PyTorch, whose backward copies the whole gradient for each write."""
    torch = peers.torch()
    row = torch.tensor(_numbers(WIDTH), requires_grad=True)
    return tracked_rows(row, lambda: torch.zeros((rows, WIDTH), dtype=torch.float64))


def tracked_rows(row: Any, zeros: Callable[[], Any]) -> Contestant:
    """The rows written as numpygrad's user and PyTorch's both write it."""

    def run() -> Any:
        y = zeros()
        for i in range(len(y)):
            y[i] = 2.0 * row
        row.grad = None
        y.sum().backward()
        return row.grad

    return Contestant(run, lambda g: [g.numpy()])


def jax_rows(rows: int) -> Contestant:
    """The same with JAX, each operation by itself."""
    jax = peers.jax()

    def total(row: Any) -> Any:
        y = jax.numpy.zeros((rows, WIDTH))
        for i in range(rows):
            y = y.at[i].set(2.0 * row)
        return y.sum()

    differentiated, row = jax.grad(total), jax.numpy.asarray(_numbers(WIDTH))
    return Contestant(lambda: jax.block_until_ready(differentiated(row)), lambda g: [np.asarray(g)])


def raw_row() -> Contestant:
    """NumPy's write of one row."""
    y, row = np.zeros((LENGTH // WIDTH, WIDTH)), _numbers(WIDTH)

    def run() -> Any:
        y[7] = row
        return y

    return Contestant(run, lambda y: [y])


def row_on_jax() -> Contestant:
    """numpygrad's write of one row on JAX, waited for."""
    npg, jax = peers.numpygrad(), peers.jax()
    y = npg.zeros((LENGTH // WIDTH, WIDTH), device=JAX_DEVICE)
    row = npg.asarray(_numbers(WIDTH), device=JAX_DEVICE)

    def run() -> Any:
        y[7] = row
        jax.block_until_ready(y.data)
        return y

    return Contestant(run, lambda y: [y.numpy()])


def jax_row() -> Contestant:
    """JAX's own way to have an array with another row."""
    jax = peers.jax()
    y, row = jax.numpy.zeros((LENGTH // WIDTH, WIDTH)), jax.numpy.asarray(_numbers(WIDTH))

    def run() -> Any:
        nonlocal y
        y = jax.block_until_ready(y.at[7].set(row))
        return y

    return Contestant(run, lambda y: [np.asarray(y)])
