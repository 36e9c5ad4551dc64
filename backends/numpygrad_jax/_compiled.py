"""Functions of `jax.numpy` as one compiled program for each shape.

Compiled, a call takes 5 us. `jax.numpy` itself takes up to 200, in Python: most functions that move
elements about, reductions and creation functions are compositions that go to JAX one by one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import get_opaque_trace_state

Raw = Any
Function = Callable[..., Raw]


def compiled(function: Function, *static: str) -> Function:
    """`function` as a program; `static` are the parameters that are no arrays.

    What cannot be compiled goes to `function` itself, which also says what is wrong.
    """
    program = jax.jit(function, static_argnames=static, inline=True)

    @functools.wraps(function)
    def kernel(*args: Any, **params: Any) -> Raw:
        try:
            return program(*args, **params)
        except (TypeError, ValueError):
            return function(*args, **params)

    return kernel


def holds(condition: Raw) -> bool:
    """Whether a condition of no dimensions holds: `bool` of JAX's array takes 13 us, this 3."""
    return bool(np.asarray(condition))


def created(function: Function, *static: str) -> Function:
    """A function that makes an array of no other as a program, one for each device too.

    Where a function is being traced, or no device is named, it is as JAX has it.
    """

    @functools.cache
    def program_on(device: Any) -> Function:
        sharding = jax.sharding.SingleDeviceSharding(device)
        program: Function = jax.jit(function, static_argnames=static, out_shardings=sharding)
        return program

    @functools.wraps(function)
    def kernel(*args: Any, device: Any = None, **params: Any) -> Raw:
        if isinstance(device, jax.Device) and _nothing_is_traced():
            try:
                return program_on(device)(*args, **params)
            except (TypeError, ValueError):  # which the function itself will say better
                pass
        return function(*args, device=device, **params)

    return kernel


with jax.core.eval_context():  # this module may be imported while something is traced
    _OUTSIDE = get_opaque_trace_state(convention="nnx")


def _nothing_is_traced() -> bool:
    return bool(get_opaque_trace_state(convention="nnx") == _OUTSIDE)


COMPILED: dict[tuple[str, ...], tuple[str, ...]] = {
    (): (
        *("add", "bitwise_and", "bitwise_or", "bitwise_xor", "divide", "logaddexp"),
        *("logical_and", "logical_or", "logical_xor", "matrix_transpose", "maximum"),
        *("minimum", "multiply", "negative", "pow", "subtract", "where"),
    ),
    ("axes",): ("tensordot",),
    ("axis",): ("flip", "squeeze", "stack", "vecdot"),
    ("axis", "dtype", "include_initial"): ("cumulative_prod", "cumulative_sum"),
    ("axis", "dtype", "keepdims"): ("mean", "prod", "sum"),
    ("axis", "keepdims"): ("argmax", "argmin", "max", "min"),
    ("axis", "keepdims", "correction"): ("std", "var"),
    ("dtype",): ("ones_like", "zeros_like"),
    ("reps",): ("tile",),
    ("shift", "axis"): ("roll",),
    ("source", "destination"): ("moveaxis",),
}
CREATED: dict[tuple[str, ...], tuple[str, ...]] = {
    ("N", "M", "k", "dtype"): ("eye",),
    ("shape", "dtype"): ("empty", "full", "ones", "zeros"),
}
"""Functions by their parameters that are no arrays."""

PROGRAMS: dict[str, Function] = {
    name: made(getattr(jnp, name), *static)
    for made, table in ((compiled, COMPILED), (created, CREATED))
    for static, names in table.items()
    for name in names
}
"""What a namespace has of `jax.numpy` that is compiled and needs no mending."""
