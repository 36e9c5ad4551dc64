"""Memory of programs: one block for all intermediate results, and blocks for results handed out.

Fresh memory is dear: the operating system hands out 40 MB in 10 ms, which is what it takes to
compute them. So blocks are kept, and used again when nobody holds them.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Container, Sequence
from typing import Any, NamedTuple

import numpy as np

Raw = Any

ALIGNMENT = 64
PAGED = 1 << 18
"""Bytes from which on results are kept to be used again; smaller memory the allocator keeps."""
KEPT = 1 << 29
"""How many bytes of results are kept at most, those that are still held included."""


class Request(NamedTuple):
    """A buffer of so many bytes that is needed from one step to another, both included."""

    size: int
    first: int
    last: int


def laid_out(requests: Sequence[Request]) -> tuple[list[int], int]:
    """Offsets of buffers in one block, such that no two needed at a time overlap; and its size.

    The largest are placed first, each as low as it fits.
    """
    offsets = [0] * len(requests)
    placed: list[tuple[int, int, Request]] = []
    total = 0
    for i in sorted(range(len(requests)), key=lambda i: (-requests[i].size, i)):
        request = requests[i]
        size = -(-request.size // ALIGNMENT) * ALIGNMENT
        offset = 0
        for start, stop, other in placed:  # in order of their starts
            if other.last < request.first or request.last < other.first:
                continue
            if start - offset >= size:
                break
            offset = max(offset, stop)
        offsets[i] = offset
        placed.append((offset, offset + size, request))
        placed.sort(key=lambda entry: entry[:2])
        total = max(total, offset + size)
    return offsets, total


def aligned(size: int) -> Raw:
    """Bytes that begin at a cache line."""
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]


def typed(block: Raw, offset: int, shape: tuple[int, ...], dtype: Any) -> Raw:
    """An array in a block."""
    return block[offset : offset + math.prod(shape) * dtype.itemsize].view(dtype).reshape(shape)


class Blocks:
    """The blocks that no program is running in: as many as have run at a time, of any size.

    They are shared by all programs, so that memory is taken for the largest, not for the sum.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: list[Raw] = []

    def take(self, size: int, known: Container[int] = ()) -> Raw:
        """A block of `size` bytes or more: one whose `id` is known, if such is free."""
        with self._lock:
            for i, block in enumerate(self._free):
                if id(block) in known:
                    return self._free.pop(i)
            self._free.sort(key=len)
            for i, block in enumerate(self._free):
                if len(block) >= size:
                    return self._free.pop(i)
            if self._free:
                self._free.pop()  # too small for this, so soon for nothing
        return aligned(size)

    def give(self, block: Raw) -> None:
        """Make a block free."""
        with self._lock:
            self._free.append(block)


class Results:
    """Memory for one result of a program: what earlier runs gave, if nobody holds it any more."""

    kept = 0
    """Bytes kept by all of them."""
    _lock = threading.RLock()  # a collection inside it may delete another

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self._shape = shape
        self._dtype = dtype
        self._size = math.prod(shape) * dtype.itemsize
        self._arrays: list[Raw] = []

    def take(self) -> Raw:
        """An array that nobody else holds."""
        if self._size < PAGED:
            return np.empty(self._shape, self._dtype)
        with Results._lock:
            for array in self._arrays:
                # Held by the list, by `array` and by the call. Views of it hold it too.
                if sys.getrefcount(array) == 3:
                    return array
            array = np.empty(self._shape, self._dtype)
            if len(self._arrays) < 2 and Results.kept + self._size <= KEPT:
                Results.kept += self._size
                self._arrays.append(array)
            return array

    def __del__(self) -> None:
        with Results._lock:
            Results.kept -= self._size * len(self._arrays)


BLOCKS = Blocks()


class _Scratch(threading.local):
    block: Raw = None


_scratch = _Scratch()


def scratch(size: int) -> Raw:
    """A block of this thread's own, the same each time: what was last written there is cached."""
    block = _scratch.block
    if block is None or len(block) < size:
        block = _scratch.block = aligned(size)
    return block
