"""Reading and writing rectangular blocks by compiled kernels that take the position as data.

JAX's own `x[i]` and `x.at[i].set(v)` take 0.1 to 10 ms when they are not being traced, and a write
copies the whole array. One kernel for all positions takes 10 us, and writes into the array's own
buffer if nobody else holds it.
"""

from __future__ import annotations

import functools
import sys
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Raw = Any


class Block(NamedTuple):
    """What a key selects: where it starts, its lengths, and the shape it is shown in."""

    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    shape: tuple[int, ...]


def block_of(key: Any, shape: tuple[int, ...]) -> Block | None:
    """The block that a key of ints, `...`, `None` and slices selects; `None` if it is no block."""
    parts = key if type(key) is tuple else (key,)
    taken = sum(part is not None and part is not ... for part in parts)
    ellipses = sum(part is ... for part in parts)
    if ellipses > 1:
        return None  # the general way says what is wrong
    if not ellipses:
        parts = (*parts, ...)
    starts: list[int] = []
    sizes: list[int] = []
    shown: list[int] = []
    axis = 0
    for part in parts:
        if part is None:
            shown.append(1)
        elif part is ...:
            rest = shape[axis : axis + len(shape) - taken]
            starts += [0] * len(rest)
            sizes += rest
            shown += rest
            axis += len(rest)
        elif type(part) is int:
            if not -shape[axis] <= part < shape[axis]:
                return None  # the general way says what is wrong
            starts.append(part % shape[axis])
            sizes.append(1)
            axis += 1
        elif type(part) is slice:
            start, stop, step = part.indices(shape[axis])
            if step != 1:
                return None
            length = max(stop - start, 0)
            starts.append(start)
            sizes.append(length)
            shown.append(length)
            axis += 1
        else:
            return None
    return None if 0 in sizes else Block(tuple(starts), tuple(sizes), tuple(shown))


def read(x: Raw, key: Any) -> Raw | None:
    """`x[key]`, if `x` is not being traced and the key selects a block."""
    if isinstance(x, jax.core.Tracer):
        return None
    block = block_of(key, x.shape)
    return None if block is None else _read(x, block.starts, block.sizes, block.shape)


@functools.partial(jax.jit, static_argnums=(2, 3))
def _read(x: Raw, starts: Any, sizes: tuple[int, ...], shape: tuple[int, ...]) -> Raw:
    return jnp.reshape(jax.lax.dynamic_slice(x, starts, sizes), shape)


def write(data: Raw, key: Any, value: Raw) -> Raw:
    """`data` with `value` at `key`: in its own buffer if it is held by one Array and nobody else.

    An array that NumPy or another library shares is not written to: JAX sees to that.
    """
    alone = sys.getrefcount(data) <= _ALONE
    if isinstance(data, jax.core.Tracer) or isinstance(value, jax.core.Tracer):
        return data.at[key].set(value)
    block = block_of(key, data.shape)
    if block is None:
        return data.at[key].set(value)
    kernel = _write_into if alone else _write
    return kernel(data, value, block.starts, block.sizes, block.shape)


def _written(
    data: Raw, value: Raw, starts: Any, sizes: tuple[int, ...], shape: tuple[int, ...]
) -> Raw:
    block = jnp.reshape(jnp.broadcast_to(value, shape), sizes)
    return jax.lax.dynamic_update_slice(data, block.astype(data.dtype), starts)


def spread(g: Raw, key: Any, shape: tuple[int, ...]) -> Raw | None:
    """Zeros with `g` at `key`, if `g` is not being traced and the key selects a block."""
    if isinstance(g, jax.core.Tracer):
        return None
    block = block_of(key, shape)
    return None if block is None else _spread(g, block.starts, block.sizes, block.shape, shape)


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _spread(
    g: Raw, starts: Any, sizes: tuple[int, ...], shown: tuple[int, ...], shape: tuple[int, ...]
) -> Raw:
    return _written(jnp.zeros(shape, dtype=g.dtype), g, starts, sizes, shown)


_write = jax.jit(_written, static_argnums=(3, 4))
_write_into = jax.jit(_written, static_argnums=(3, 4), donate_argnums=0)


class _Holder:
    """Holds an array as an Array does."""

    __slots__ = ("_data",)


def _count_of_one_holder() -> int:
    """References to an array that one Array holds, seen as `write` sees it when called with it."""

    def seen(data: Any, key: Any, value: Any) -> int:
        return sys.getrefcount(data)

    def through_backend(data: Any, key: Any, value: Any) -> int:
        with jax.enable_x64(True):
            return seen(data, key, value)

    holder = _Holder()
    holder._data = object()  # type: ignore[attr-defined]  # a slot
    return through_backend(holder._data, None, None)  # type: ignore[attr-defined]  # the same


_ALONE = _count_of_one_holder()
