"""Random numbers of JAX: a key of a source's own, split at each draw; no global state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from numpygrad_jax._kernels import in_64_bits

Raw = Any
Shape = tuple[int, ...]

ALGORITHM = "threefry2x32"
"""Of the keys, whatever the process has set: the same seed shall give the same numbers."""

WORDS = 2
"""32-bit words of such a key."""


def _compiled(draw: Callable[..., Raw]) -> Callable[..., tuple[Raw, Raw]]:
    """From the words of a key to those of the next one and what `draw` gives of its own.

    As one program: wrapping, splitting and drawing one by one takes 170 us, so 17.
    """

    def step(words: Raw, *numbers: Raw, shape: Shape, dtype: Any) -> tuple[Raw, Raw]:
        key = jax.random.wrap_key_data(words, impl=ALGORITHM)
        following, own = jax.random.split(key)
        return jax.random.key_data(following), draw(own, *numbers, shape, dtype)

    program: Callable[..., tuple[Raw, Raw]] = jax.jit(step, static_argnames=("shape", "dtype"))
    return in_64_bits(program)


def _integers(key: Raw, low: Raw, count: Raw, most: Raw, shape: Shape, dtype: Any) -> Raw:
    """`low` plus 64 random bits modulo `count`, which stands for 2**64 if it is 0.

    Bits above `most` would make small remainders likelier, so they are drawn again.
    """

    def drawn(key: Raw) -> tuple[Raw, Raw]:
        following, own = jax.random.split(key)
        return following, jax.random.bits(own, shape, jnp.uint64)

    def again(step: tuple[Raw, Raw]) -> tuple[Raw, Raw]:
        key, bits = step
        key, fresh = drawn(key)
        return key, jnp.where(bits > most, fresh, bits)

    _, bits = jax.lax.while_loop(lambda step: jnp.any(step[1] > most), again, drawn(key))
    rest = jnp.where(count == 0, bits, bits % jnp.maximum(count, 1))
    found = low + rest  # modulo 2**64, as negative numbers are represented
    if np.dtype(dtype).kind == "i":
        found = jax.lax.bitcast_convert_type(found, jnp.int64)
    return found.astype(dtype)


_draw_random = _compiled(jax.random.uniform)
_draw_normal = _compiled(jax.random.normal)
_draw_integers = _compiled(_integers)
_draw_permutation = _compiled(
    lambda key, shape, dtype: jax.random.permutation(key, shape[0]).astype(dtype)
)


class KeySource:
    """A stream of random numbers; where it is, a key tells."""

    def __init__(self, seeds: np.random.SeedSequence, device: Any) -> None:
        self._device = device
        self.state = seeds.generate_state(WORDS).tolist()

    @property
    def state(self) -> list[int]:
        """The words of the key."""
        return [int(word) for word in np.asarray(self._words)]

    @state.setter
    def state(self, words: list[int]) -> None:
        host = np.asarray(words, dtype=np.uint32)
        if host.shape != (WORDS,):
            raise ValueError(f"the state of a JAX generator is {WORDS} words, not {words!r}")
        # Now, and not in a function that JAX may be tracing: the key outlives it.
        with jax.ensure_compile_time_eval():
            self._words = jax.device_put(host, self._device)

    def _next(self, program: Callable[..., tuple[Raw, Raw]], *numbers: Any, **how: Any) -> Raw:
        words, values = program(self._words, *numbers, **how)
        if isinstance(values, jax.core.Tracer):
            raise RuntimeError(
                "random numbers drawn while JAX traces a function (jit, scan, ...) would be the "
                "same at each of its calls; draw them before, and pass them to the function"
            )
        self._words = words
        return values

    def random(self, shape: Shape, dtype: Any) -> Raw:
        """Uniform numbers from 0 up to 1, which is left out."""
        return self._next(_draw_random, shape=shape, dtype=dtype)

    def standard_normal(self, shape: Shape, dtype: Any) -> Raw:
        """Normal numbers of mean 0 and standard deviation 1."""
        return self._next(_draw_normal, shape=shape, dtype=dtype)

    def integers(self, low: int, last: int, shape: Shape, dtype: Any) -> Raw:
        """Integers from `low` to `last`, both included."""
        count = last - low + 1
        numbers = (low % 2**64, count % 2**64, 2**64 - 1 - 2**64 % count)
        return self._next(_draw_integers, *map(np.uint64, numbers), shape=shape, dtype=dtype)

    def permutation(self, n: int) -> Raw:
        """0 to `n - 1` in any order."""
        return self._next(_draw_permutation, shape=(n,), dtype=np.dtype("int64"))
