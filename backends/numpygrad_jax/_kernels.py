"""JAX kernels where `jax.numpy` lacks one or differs from the standard; and 64 bits for all."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from numpygrad import _special_values
from numpygrad.errors import ShapeError
from numpygrad_jax._blocks import read, spread
from numpygrad_jax._compiled import PROGRAMS, compiled, holds

Raw = Any


def in_64_bits(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, run with JAX's 64-bit types on, whatever the process has set."""

    @functools.wraps(function)
    def kernel(*args: Any, **kwargs: Any) -> Any:
        # Inside `shard_map` an array is on all devices of the mesh, and so are constants.
        if "device" in kwargs and not jax.sharding.get_abstract_mesh().empty:
            kwargs = {**kwargs, "device": None}
        if jax.config.jax_enable_x64:
            return function(*args, **kwargs)
        with jax.enable_x64(True):
            return function(*args, **kwargs)

    return kernel


def _is_default(device: Any) -> bool:
    """Whether a device is where JAX puts arrays that are not bound to one."""
    return jax.config.jax_default_device is None and device == jax.devices()[0]


def asarray(x: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Raw:
    """Its own memory: `jnp.asarray` aliases large ndarrays, and a later write to one would show."""
    if isinstance(x, np.ndarray):
        x = x.copy()
    elif isinstance(x, (bool, int, float, complex)) and _is_default(device):
        device = None  # so that JAX lets it meet arrays that are spread over several devices
    return jnp.asarray(x, dtype=dtype, device=device)


def getitem(x: Raw, *, key: Any) -> Raw:
    """`x[key]`; an integer out of bounds is an `IndexError`, where JAX clamps."""
    block = read(x, key)
    if block is not None:
        return block
    _check_bounds(x, key)
    return x[key]


def _check_bounds(x: Raw, key: Any) -> None:
    keys = key if isinstance(key, tuple) else (key,)
    axis = 0
    consumed = sum(_axes_taken(k) for k in keys)
    for k in keys:
        if k is Ellipsis:
            axis += x.ndim - consumed
        elif isinstance(k, int) and not -x.shape[axis] <= k < x.shape[axis]:
            raise IndexError(
                f"index {k} is out of bounds for axis {axis} with size {x.shape[axis]}"
            )
        elif _is_index_array(k) and not isinstance(k, jax.core.Tracer) and k.size:
            low, high = int(k.min()), int(k.max())
            if low < -x.shape[axis] or high >= x.shape[axis]:
                bad = low if low < -x.shape[axis] else high
                raise IndexError(
                    f"index {bad} is out of bounds for axis {axis} with size {x.shape[axis]}"
                )
        axis += _axes_taken(k)


def _is_index_array(k: Any) -> bool:
    return hasattr(k, "dtype") and k.dtype.kind in "iu"


def _axes_taken(k: Any) -> int:
    """How many axes of the array one key uses up."""
    if k is None or k is Ellipsis or isinstance(k, bool):
        return 0
    if hasattr(k, "dtype") and k.dtype.kind == "b":
        return int(k.ndim)
    return 1


def put(x: Raw, value: Raw, *, key: Any) -> Raw:
    """A copy of `x` with `value` written at `key`."""
    _check_bounds(x, key)
    if _is_traced_mask(key):
        return jnp.where(*_by_mask(x, key, value), x)
    region = _all_of(x.shape, key)
    if region is not None:
        return _rearranged(jnp.broadcast_to(value, region), key, x.shape).astype(x.dtype)
    return x.at[key].set(value)


def add_at(x: Raw, value: Raw, *, key: Any) -> Raw:
    """A copy of `x` with `value` added at `key`."""
    _check_bounds(x, key)
    if _is_traced_mask(key):
        return x + jnp.where(*_by_mask(x, key, value), 0)
    region = _all_of(x.shape, key)
    if region is not None:
        return x + _rearranged(jnp.broadcast_to(value, region), key, x.shape).astype(x.dtype)
    return x.at[key].add(value)


def _is_traced_mask(key: Any) -> bool:
    """Whether a key is a mask that JAX cannot index with, as it does not know how many it picks."""
    return isinstance(key, jax.core.Tracer) and key.dtype == bool


def _by_mask(x: Raw, mask: Raw, value: Raw) -> tuple[Raw, Raw]:
    """The mask in the shape of `x`, and at each place that it picks the value that goes there."""
    rest = x.ndim - mask.ndim
    wide = jnp.reshape(mask, mask.shape + (1,) * rest)
    if value.ndim > rest:
        rank = jnp.cumsum(jnp.reshape(mask, (-1,))) - 1
        value = jnp.broadcast_to(value, (value.shape[0], *x.shape[mask.ndim :]))
        value = jnp.reshape(value[jnp.clip(rank, 0, value.shape[0] - 1)], x.shape)
    return wide, value


def diagonals(x: Raw, *, offset: int) -> Raw:
    """The library's, of the last two axes."""
    return jnp.diagonal(x, offset, -2, -1)


def scatter(g: Raw, *, key: Any, shape: tuple[int, ...]) -> Raw:
    """Zeros with `g` added at `key`."""
    if _all_of(shape, key) == g.shape:
        return _rearranged(g, key, shape)
    block = spread(g, key, shape)
    if block is not None:
        return block
    return jnp.zeros(shape, dtype=g.dtype, device=_device(g)).at[key].add(g)


def _all_of(shape: tuple[int, ...], key: Any) -> tuple[int, ...] | None:
    """The shape of what a key of ints and slices picks, if it leaves nothing out."""
    kinds = {type(k) for k in (key if isinstance(key, tuple) else (key,))}
    if not kinds <= {int, slice, type(None), type(...)}:
        return None
    region = np.broadcast_to(np.int8(0), shape)[key].shape
    return region if math.prod(region) == math.prod(shape) else None


def _rearranged(g: Raw, key: Any, shape: tuple[int, ...]) -> Raw:
    """The array of which `key`, of ints and slices that leave nothing out, gives `g`.

    Cheaper than a scatter, and XLA's compiler for CPUs ends the process where it meets the reversal
    of a scatter into equal numbers that covers them all.
    """
    keys = key if isinstance(key, tuple) else (key,)
    consumed = sum(_axes_taken(k) for k in keys)
    axis, reversed_axes = 0, []
    for k in keys:
        if isinstance(k, slice) and k.step is not None and k.step < 0:
            reversed_axes.append(axis)
        if k is Ellipsis:
            axis += len(shape) - consumed
        elif k is None or isinstance(k, slice):
            axis += 1
    return jnp.reshape(jnp.flip(g, tuple(reversed_axes)), shape)


def _device(x: Raw) -> Any:
    return None if isinstance(x, jax.core.Tracer) else x.device


def astype(x: Raw, dtype: Any, *, copy: bool = True, device: Any = None) -> Raw:
    """As the standard; arrays are immutable, so `copy` makes no difference that could be seen."""
    return _astype(x, dtype) if device is None else jnp.astype(x, dtype, device=device)


def _cast(x: Raw, dtype: Any) -> Raw:
    return jnp.astype(x, dtype)


_astype = compiled(_cast, "dtype")


def permute_dims(x: Raw, axes: tuple[int, ...]) -> Raw:
    """As the standard, negative axes too."""
    return jnp.permute_dims(x, tuple(axis % x.ndim if x.ndim else axis for axis in axes))


def reshape(x: Raw, shape: tuple[int, ...], *, copy: bool | None = None) -> Raw:
    """Arrays are immutable, so `copy` makes no difference that could be seen."""
    return jnp.reshape(x, shape)


def take(x: Raw, indices: Raw, *, axis: int = 0) -> Raw:
    """As the standard; out of bounds is an `IndexError`, where JAX gives NaN."""
    axis = axis % x.ndim
    return getitem(x, key=(*(slice(None),) * axis, indices))


def take_along_axis(x: Raw, indices: Raw, *, axis: int = -1) -> Raw:
    """As the standard; out of bounds is an `IndexError`, where JAX gives NaN."""
    length = x.shape[axis]
    if indices.size and not isinstance(indices, jax.core.Tracer):
        low, high = int(indices.min()), int(indices.max())
        if low < -length or high >= length:
            raise IndexError(
                f"index {low if low < -length else high} is out of bounds for size {length}"
            )
    return jnp.take_along_axis(x, indices, axis=axis)


def searchsorted(x1: Raw, x2: Raw, *, side: str = "left", sorter: Raw = None) -> Raw:
    """The default index dtype, where JAX gives int32."""
    return jnp.searchsorted(x1, x2, side=side, sorter=sorter).astype(jnp.int64)


def broadcast_to(x: Raw, shape: tuple[int, ...]) -> Raw:
    """As NumPy's."""
    return jnp.broadcast_to(x, shape)


def concat(arrays: list[Raw], *, axis: int | None = 0) -> Raw:
    """An empty list is told as a shape error."""
    if not arrays:
        raise ShapeError("concat() needs at least one array")
    return _concat(list(arrays), axis=axis)


_concat = compiled(jnp.concat, "axis")


def all(x: Raw, *, axis: Any = None, keepdims: bool = False) -> Raw:
    """As the standard's; of complex numbers JAX looks at the real part alone."""
    return jnp.all(x != 0 if x.dtype.kind == "c" else x, axis=axis, keepdims=keepdims)


def any(x: Raw, *, axis: Any = None, keepdims: bool = False) -> Raw:
    """As `all`."""
    return jnp.any(x != 0 if x.dtype.kind == "c" else x, axis=axis, keepdims=keepdims)


def sign(x: Raw) -> Raw:
    """Of -0.0, +0.0, where JAX keeps the sign."""
    if x.dtype.kind == "c":
        return _special_values.complex_sign(jnp, x, _divided_by_parts)
    return jnp.where(x == 0, jnp.zeros_like(x), jnp.sign(x))


def _divided_by_parts(x: Raw, size: Raw) -> Raw:
    """By real numbers, which JAX makes complex first."""
    return jax.lax.complex(jnp.real(x) / size, jnp.imag(x) / size)


def remainder(x1: Raw, x2: Raw) -> Raw:
    """A zero has the sign of `x2`, where JAX has that of `x1`."""
    out = jnp.remainder(x1, x2)
    return jnp.where(out == 0, jnp.copysign(out, x2), out) if out.dtype.kind == "f" else out


def floor_divide(x1: Raw, x2: Raw) -> Raw:
    """`floor(x1 / x2)` at infinities and zeros, where JAX has NaN, -1 and zeros of another sign."""
    if x1.dtype.kind != "f":
        return jnp.floor_divide(x1, x2)
    # It is piecewise constant: where a tracer differentiates it, nothing may flow.
    x1, x2 = jax.lax.stop_gradient((x1, x2))
    return _special_values.floor_divide(jnp, x1, x2, jnp.floor_divide)


_any_nan: Callable[[Raw], Raw] = jax.jit(lambda x: jnp.isnan(x).any())


def has_nan(x: Raw) -> bool:
    """Whether an element is NaN; yes, if that cannot be known yet."""
    return isinstance(x, jax.core.Tracer) or holds(_any_nan(x))


def clip_both(x: Raw, low: Raw, high: Raw) -> Raw:
    """Compiled, it makes one pass."""
    return jnp.minimum(jnp.maximum(x, low), high)


def _swapped(x: Raw) -> Raw:
    """`b + aj` of `a + bj`."""
    return jax.lax.complex(jnp.imag(x), jnp.real(x))


def _sinh(x: Raw) -> Raw:
    """By the sine: `jnp.sinh` of small complex numbers loses half the digits."""
    return _swapped(jnp.sin(_swapped(x)))


def _cosh(x: Raw) -> Raw:
    """By the cosine, as `_sinh`."""
    return jnp.conj(jnp.cos(_swapped(x)))


def _atan(x: Raw) -> Raw:
    """By the inverse hyperbolic tangent: `jnp.arctan` loses the sign of a zero imaginary part."""
    return _swapped(jnp.atanh(_swapped(x)))


BY_OTHERS = {"atan": _atan, "cosh": _cosh, "sinh": _sinh}
"""What of complex arrays comes out better by another of JAX's functions."""


def _is_ordinary(x: Raw) -> Raw:
    """Whether no part of a complex number is zero, infinite or NaN, nor their product."""
    product = jnp.real(x) * jnp.imag(x)
    return jnp.all(jnp.isfinite(product) & (product != 0))


def _of_complex(name: str) -> Callable[[Raw], Raw]:
    """A function of complex arrays: JAX loses signs of zeros, and makes most infinities NaN.

    The repair is traced with the function itself, and runs only if an element may need it.
    """
    library: Callable[[Raw], Raw] = getattr(jnp, name)
    plain = BY_OTHERS.get(name, library)

    def kernel(x: Raw) -> Raw:
        if x.dtype.kind != "c":
            return library(x)
        return jax.lax.cond(_is_ordinary(x), plain, repaired, x)

    def repaired(x: Raw) -> Raw:
        y = _special_values.reflected(jnp, name, plain, x, jax.lax.complex)
        return _special_values.repaired(jnp, name, x, y, jax.lax.complex)

    return compiled(kernel)


def host_call(
    function: Callable[..., Any], avals: Callable[[], Sequence[Any]], arrays: Sequence[Raw]
) -> Any:
    """A function of NumPy arrays; where values are being traced, called when they are there."""
    if not [x for x in arrays if isinstance(x, jax.core.Tracer)]:
        found = function(*[np.asarray(x) for x in arrays])
        return tuple(map(jnp.asarray, found)) if isinstance(found, tuple) else jnp.asarray(found)
    results = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in avals()]

    def call(*values: Any) -> Any:
        found = function(*map(np.asarray, values))
        return list(found) if isinstance(found, tuple) else [found]

    called = jax.pure_callback(call, results, *arrays)
    return called[0] if len(called) == 1 else tuple(called)


KERNELS: dict[str, Callable[..., Raw]] = {
    **PROGRAMS,
    "add_at": add_at,
    "all": compiled(all, "axis", "keepdims"),
    "any": compiled(any, "axis", "keepdims"),
    "asarray": asarray,
    "astype": astype,
    "broadcast_to": compiled(broadcast_to, "shape"),
    "clip_both": compiled(clip_both),
    "concat": concat,
    "diagonals": diagonals,
    "erf": jax.scipy.special.erf,
    "floor_divide": compiled(floor_divide),
    "gather": getitem,
    "has_nan": has_nan,
    "permute_dims": compiled(permute_dims, "axes"),
    "put": put,
    "remainder": compiled(remainder),
    "reshape": compiled(reshape, "shape", "copy"),
    "scatter": scatter,
    "searchsorted": searchsorted,
    "select": getitem,
    "sign": compiled(sign),
    "take": take,
    "take_along_axis": take_along_axis,
}


COMPLEX_KERNELS: dict[str, Callable[..., Raw]] = {
    name: _of_complex(name) for name in _special_values.COMPLEX
}


@functools.cache
def register() -> None:
    """Make Array a pytree, so that `jax.jit`, `vmap` and the rest take it."""
    from numpygrad._array import Array, Outdated, wrap
    from numpygrad._backend import Device, backend_of_raw, device_of_backend
    from numpygrad.errors import DeviceError

    def flatten(x: Array) -> tuple[tuple[Raw], Device]:
        x._refuse_silent_loss("use in a JAX transformation")
        return (x.data,), x.device

    def unflatten(device: Device, leaves: tuple[Any]) -> Any:
        (data,) = leaves
        backend = backend_of_raw(data)
        if backend is None:  # JAX puts shapes, axes and its own marks in an array's place
            return data
        if isinstance(data, jax.core.Tracer):
            if device.backend is not backend:
                raise DeviceError(
                    f"JAX transforms functions of Arrays on its own devices, and this one is on "
                    f"{str(device)!r}; pass x.to('jax:cpu')"
                )
        elif not isinstance(data, jax.Array) or len(data.devices()) == 1:
            # It may have been moved.
            device = device_of_backend(backend, backend.device_name(data))
        return wrap(data, device.type_of(data))

    for kind in (Array, Outdated):
        jax.tree_util.register_pytree_node(kind, flatten, unflatten)
