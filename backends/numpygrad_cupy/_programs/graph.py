"""Programs as CUDA graphs: all of their kernels launched at once, at fixed places in memory.

Written against CuPy's documentation and sources, and not yet measured. It is for many small
kernels, whose launches take the host longer than they take the device: the inputs are copied to
where the graph reads them, the outputs from where it writes them, and all in between keeps its
memory.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cupy

from numpygrad._kernels import is_basic
from numpygrad._lazy.fusion import ELEMENTWISE, REDUCTIONS, VIEWS
from numpygrad._lazy.program import Instruction, Program

Raw = Any

QUIET = (
    ELEMENTWISE
    | REDUCTIONS
    | (VIEWS - {"diagonals"})
    | {"astype", "ones", "ones_like", "zeros", "zeros_like"}
)
"""Kernels that neither wait for the device nor read memory of the host: a graph would read that
again, whatever is there by then. Stacks of matrices and lists of arrays go by tables from there."""


def owner(x: Raw) -> Raw:
    """The array that an array is a view of; itself, if of none."""
    while x.base is not None:
        x = x.base
    return x


def may_capture(program: Program) -> bool:
    """Whether a program has nothing but kernels that a graph can hold."""
    return all(_is_quiet(call, program) for call in program.instructions)


def _is_quiet(call: Instruction, program: Program) -> bool:
    if call.name == "matmul":
        avals = [program.aval(v) for v in call.reads]
        return all(aval is not None and len(aval.shape) <= 2 for aval in avals)
    if call.name in {"add_at", "gather", "put", "scatter"}:
        return is_basic(call.params.get("key"))
    return call.name in QUIET


class Graph:
    """A captured computation, and the arrays that it reads and writes."""

    def __init__(
        self, compute: Callable[[Sequence[Raw]], list[Raw]], inputs: Sequence[Raw]
    ) -> None:
        self._inputs = [cupy.empty(x.shape, x.dtype) for x in inputs]
        self._memory: list[Any] = []
        self._pool = cupy.cuda.MemoryPool()
        self._lock = threading.Lock()
        self._done = cupy.cuda.Event(disable_timing=True)
        for mine, x in zip(self._inputs, inputs, strict=True):
            mine[...] = x
        cupy.cuda.get_current_stream().synchronize()
        stream = cupy.cuda.Stream(non_blocking=True)
        with stream:
            compute(self._inputs)  # libraries make their plans, and kernels are compiled
            stream.synchronize()
            with cupy.cuda.using_allocator(self._kept):
                stream.begin_capture()
                try:
                    self._values = compute(self._inputs)
                finally:
                    self._graph = stream.end_capture()
            self._done.record(stream)

    def _kept(self, size: int) -> Any:
        """Memory that nobody else is given: the graph writes to it whenever it is launched.

        Of a pool of its own, as that of the process may be one that allocates within the graph.
        """
        self._memory.append(self._pool.malloc(size))
        return self._memory[-1]

    @contextlib.contextmanager
    def replayed(self, inputs: Sequence[Raw]) -> Iterator[tuple[list[Raw], set[int]]]:
        """What the graph computes of the inputs, and the ids of arrays that are not to be kept.

        Until the context ends, nobody else can launch it; the streams see to the same.
        """
        with self._lock:
            stream = cupy.cuda.get_current_stream()
            stream.wait_event(self._done)
            for mine, x in zip(self._inputs, inputs, strict=True):
                mine[...] = x
            self._graph.launch(stream)
            try:
                yield self._values, {id(owner(x)) for x in self._values}
            finally:
                self._done.record(stream)
