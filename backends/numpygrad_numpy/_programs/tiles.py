"""Groups of elementwise calls and reductions, run tile by tile: each tile stays in the cache.

The bits are those of the whole calls, row by row too, but for sums over all elements and over
leading axes: these are added up tile by tile, in an order that the number of threads has no part
in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from numpygrad._lazy.fusion import FULL
from numpygrad_numpy._programs.calls import Sizes
from numpygrad_numpy._programs.geometry import Feed, Shape
from numpygrad_numpy._programs.memory import ALIGNMENT, scratch
from numpygrad_numpy._programs.threads import shared_out, thread_count
from numpygrad_numpy._programs.tile_source import REDUCE, TileSource

Raw = Any


class Tiles:
    """A group ready to run: takes the arrays it reads and writes, gives the sums it ends in."""

    def __init__(self, source: TileSource, size: int, sizes: Sizes) -> None:
        self.source = source
        self._lay_out()
        self.parallel = size >= sizes.parallel
        full, rest = source.geometry.keys()
        chunks = sizes.chunks if self.parallel or source.finals else 1
        length = -(-len(full) // chunks)
        self._chunks = [(full[i : i + length], False) for i in range(0, len(full), length)]
        if rest:
            self._chunks.append((rest, True))
        self._rest = source.geometry.dims[source.geometry.axis] % source.geometry.step

    def __call__(self, *arrays: Raw) -> list[Raw]:
        """The sums; what else the group makes is in the arrays given after those it reads."""
        source, geometry = self.source, self.source.geometry
        count = len(source.feeds)
        given = [self._fed(feed, x) for feed, x in zip(source.feeds, arrays, strict=False)]
        written: list[Raw] = []
        strided: list[tuple[Raw, Raw]] = []
        for v, y in zip(source.writes, arrays[count:], strict=True):
            role = source.roles[v - source.count]
            dims = geometry.dims if role == FULL else geometry.row_dims
            if not y.flags.c_contiguous:  # an input to be updated
                strided.append((y, np.empty(dims, y.dtype)))
            written.append(y.reshape(dims) if y.flags.c_contiguous else strided[-1][1])
        parts = []
        for v in source.finals:
            kept = geometry.dims[len(geometry.dims) - source.kept_axes(v) :]
            _, neutral = REDUCE[source.call(v).name]
            parts.append(np.full((len(self._chunks), *kept), neutral, source.dtype(v)))

        def worker() -> Callable[[int], None]:
            buffers = self._scratch()

            def chunk(number: int) -> None:
                keys, rest = self._chunks[number]
                sums = [p[number, ...] for p in parts]
                own = [b[: self._rest] for b in buffers] if rest else buffers
                source.run(keys, *sums, *given, *written, *own)

            return chunk

        threads = thread_count() if self.parallel else 1
        shared_out(worker, len(self._chunks), threads)
        for y, made in strided:
            y[...] = made.reshape(y.shape)
        return [self._total(v, p) for v, p in zip(source.finals, parts, strict=True)]

    def _fed(self, feed: Feed, x: Raw) -> Raw:
        if not feed.sliced and feed.size == 1:
            return x.reshape(())  # for which ufuncs have a shorter way than for one of length 1
        if x.shape != feed.form:
            x = x.reshape(feed.form)
        if feed.spread is not None:
            x = np.broadcast_to(x, feed.spread)
        return x if feed.sliced else x[(0,) * self.source.geometry.axis]

    def _total(self, value: int, parts: Raw) -> Raw:
        source = self.source
        call = source.call(value)
        ufunc, _ = REDUCE[call.name]
        total = ufunc.reduce(parts, 0)
        if call.name == "mean":
            total = total / (math.prod(source.over(value)) // total.size)
        shape = source.shape(value)
        return total if total.shape == shape else total.reshape(shape)

    def _scratch(self) -> list[Raw]:
        """Buffers for a tile, in this thread's memory."""
        block = scratch(self._scratch_size)
        return [np.ndarray(shape, dtype, block, offset) for offset, shape, dtype in self._places]

    def _lay_out(self) -> None:
        """Find the buffers their places in a thread's memory."""
        self._places: list[tuple[int, Shape, Any]] = []
        self._scratch_size = 0
        source, geometry = self.source, self.source.geometry
        for dtype, role in source.buffers.values():
            shape = (geometry.tile if role == FULL else geometry.row_tile)(geometry.step)
            self._places.append((self._scratch_size, shape, dtype))
            size = math.prod(shape) * dtype.itemsize
            self._scratch_size += -(-size // ALIGNMENT) * ALIGNMENT
