"""Programs on NumPy: straight-line Python, written once per program, over memory laid out ahead.

Each call becomes a line of one function. Small arrays (`OUT_PAYS`) are NumPy's own to allocate, as
that is faster; larger intermediate results have their places in one block (`_memory`), which calls
write to by `out=`, so that views of them are made once and for all. Large elementwise calls and the
reductions of their rows run tile by tile, on several threads if asked (`_tiles`, `_threads`).

The ufuncs and reductions are those of eager execution, in its order, so the bits are too; but sums
over all elements or over leading axes of large arrays are added up tile by tile, and a product of a
stack of matrices with one matrix is one product of matrices. A program runs quietly, without
NumPy's warnings. Arrays that are updated must share no memory with other inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from numpygrad._lazy.program import Program, Report, Runner
from numpygrad_numpy._programs.calls import Sizes
from numpygrad_numpy._programs.memory import BLOCKS, typed
from numpygrad_numpy._programs.plan import Plan
from numpygrad_numpy._programs.source import Writer

Raw = Any


class Running:
    """Runs one program; by several threads at once if they call it so, each in its own block."""

    def __init__(self, plan: Plan) -> None:
        self.report: Report = plan.report()
        writer = Writer(plan)
        self._run = writer.written()
        self.source = writer.source
        self._size = plan.size
        self._buffers = tuple(plan.buffers)
        self._made: dict[int, tuple[Raw, list[Raw]]] = {}

    def __call__(self, inputs: Sequence[Raw]) -> list[Raw]:
        """The outputs."""
        with np.errstate(all="ignore"):
            if not self._size:
                return self._run(inputs, ())
            block = BLOCKS.take(self._size, self._made)
            try:
                return self._run(inputs, self._arrays(block))
            finally:
                BLOCKS.give(block)

    def _arrays(self, block: Raw) -> list[Raw]:
        """The arrays in a block; kept as long as it is the block that is at hand."""
        made = self._made.get(id(block))
        if made is not None:
            return made[1]
        arrays: list[Raw] = []
        for buffer in self._buffers:
            if buffer.source is None:
                arrays.append(typed(block, buffer.offset, buffer.shape, buffer.dtype))
            else:
                arrays.append(buffer.view(arrays[buffer.source]))
        if len(self._made) >= KEPT_BLOCKS:
            self._made = {}
        self._made[id(block)] = (block, arrays)
        return arrays


KEPT_BLOCKS = 4
"""For how many blocks a program keeps the arrays in them: as many as threads that run it."""


def execute(program: Program, sizes: Sizes = Sizes()) -> Runner:  # noqa: B008 (never changed)
    """What runs a program."""
    return Running(Plan(program, sizes))
