"""Random numbers of CuPy, drawn on the GPU by cuRAND.

Written against CuPy's sources; `testing.check_backend("cupy")` runs it where a GPU is.
"""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

Raw = Any
Shape = tuple[int, ...]

THREADS = 65536
"""How many numbers are drawn at once. CuPy's own choice depends on the GPU, and so would they."""


class DeviceSource:
    """A stream of random numbers on one GPU; CuPy seeds it with 32 bits."""

    def __init__(self, seeds: np.random.SeedSequence, device: Any) -> None:
        self._device = device
        with device:
            self._bits = cupy.random.Philox4x3210(seeds, size=THREADS)
            self._numbers = cupy.random.Generator(self._bits)

    @property
    def state(self) -> bytes:
        """The states of all threads; CuPy itself shows only where they are."""
        with self._device:
            state: bytes = cupy.asnumpy(self._bits._state).tobytes()
        return state

    @state.setter
    def state(self, state: bytes) -> None:
        host = np.frombuffer(state, dtype=np.int8)
        if host.shape != self._bits._state.shape:
            raise ValueError("the state of a CuPy generator is what its state gave before")
        with self._device:
            self._bits._state[...] = cupy.asarray(host)

    def random(self, shape: Shape, dtype: Any) -> Raw:
        """Uniform numbers from 0 up to 1, which is left out."""
        with self._device:
            return self._numbers.random(shape, dtype)

    def standard_normal(self, shape: Shape, dtype: Any) -> Raw:
        """Normal numbers of mean 0 and standard deviation 1."""
        with self._device:
            return self._numbers.standard_normal(shape, dtype)

    def integers(self, low: int, last: int, shape: Shape, dtype: Any) -> Raw:
        """Integers from `low` to `last`, both included.

        Drawn from 0 on in uint64 and moved there modulo 2**64: CuPy adds a negative bound to the
        numbers drawn, which int64 does not hold if the range is wide.
        """
        with self._device:
            drawn = self._numbers.integers(0, last - low, shape, cupy.uint64, endpoint=True)
            start = cupy.asarray(np.full(1, low % 2**64, dtype=np.uint64)).reshape(())
            found = drawn + start
            if np.dtype(dtype).kind == "i":
                found = found.view(cupy.int64)
            return found.astype(dtype)

    def permutation(self, n: int) -> Raw:
        """0 to `n - 1` in any order: that of random keys, as CuPy's generator has no such verb."""
        with self._device:
            if n == 0:
                return cupy.zeros(0, dtype=cupy.int64)
            return cupy.argsort(self.integers(0, 2**64 - 1, (n,), cupy.uint64))
