"""Creation functions of the standard, with `requires_grad`; and the transfer between devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from numpygrad import _modes
from numpygrad._array import Array, Operand, wrap
from numpygrad._backend import (
    ArrayType,
    Device,
    backend_of_raw,
    default_device,
    device_of_backend,
    find_backend,
    find_device,
    installed_backends,
    numpy_dtype,
)
from numpygrad._dispatch import (
    apply_one,
    convert,
    from_numpy,
    in_mode,
    is_deferred,
    lazily,
    lifting,
    record,
)
from numpygrad._dtypes import DEFAULT_COMPLEX, DEFAULT_FLOAT, DEFAULT_INT, DType, as_dtype
from numpygrad._modes import is_grad_enabled, no_grad
from numpygrad._op import TABLE, linear
from numpygrad.errors import DTypeError, ShapeError
from numpygrad.ops.manipulation import broadcast_arrays, broadcast_to, reshape, stack
from numpygrad.typing import DTypeLike, NestedSequence, RawArray


def array(
    data: Any,
    /,
    *,
    requires_grad: bool = False,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    label: str | None = None,
) -> Array:
    """A new array with a copy of `data`: nested lists, a scalar, an Array, a NumPy or raw array.

    Parameters
    ----------
    requires_grad
        Make a leaf whose gradient `backward()` accumulates. Floating dtypes only.
    dtype, device
        Those of `data` by default: of Python floats and ints, float64, int64 and the default.
    label
        A name, shown where graphs are drawn.

    Raises
    ------
    DTypeError
        If the dtype is none of the standard's, or `requires_grad` is asked of an integer array.

    Examples
    --------
    >>> import numpygrad as npg
    >>> npg.array([[1, 2], [3, 4]], dtype="float32")
    Array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    out = asarray(data, dtype=dtype, device=device, copy=True)
    if requires_grad:
        out = out.detach() if out._node is not None else out
        out._alias = None
        out.requires_grad = True
    out.label = label
    return out


def asarray(
    obj: Any,
    /,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Array:
    """`obj` as an array: without a copy where `copy` is None and dtype, device and memory allow.

    An Array of the same dtype and device comes back as it is. To another device or dtype the
    conversion is recorded, so gradients flow back. NumPy arrays share memory on the NumPy backend;
    the JAX backend always copies. Arrays of JAX, CuPy or array-api-strict themselves stay where
    they are, unless `device` is given. Lists may hold Arrays of one shape.

    Raises
    ------
    ValueError
        If `copy=False` and a copy is needed.
    """
    if requires_grad:
        return array(obj, dtype=dtype, device=device, requires_grad=True)
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(obj, Array):
        return _from_array(obj, wanted, device, copy)
    if isinstance(obj, (list, tuple)) and (first := _first_array(obj)) is not None:
        _require_copy_allowed(copy)
        return _from_array(_joined(obj, first.device), wanted, device, None)
    if isinstance(obj, (bool, int, float, complex, list, tuple, np.ndarray, np.generic)):
        return _from_host(obj, wanted, find_device(device), copy)
    backend = backend_of_raw(obj)
    if backend is not None:
        type_ = device_of_backend(backend, backend.device_name(obj)).type(
            as_dtype(numpy_dtype(obj.dtype))
        )
        made = wrap(type_.xp.asarray(obj, copy=copy), type_)
        return _from_array(made, wanted, device, False if copy is False else None)
    if hasattr(obj, "__dlpack__"):
        if not _is_on_host(obj):
            made = from_dlpack(obj, copy=copy)
            return _from_array(made, wanted, device, False if copy is False else None)
        obj = np.from_dlpack(obj, copy=False if copy is False else None)
    return _from_host(obj, wanted, find_device(device), copy)


def _from_host(obj: Any, dtype: DType | None, device: Device, copy: bool | None) -> Array:
    """An array of what NumPy understands: its own arrays, buffers, scalars and nested sequences."""
    source = memoryview(obj) if isinstance(obj, bytes) else obj  # NumPy takes bytes for a string
    try:
        values = np.array(source, dtype=_inferred(source, dtype), copy=copy)
    except ValueError:
        _require_copy_allowed(copy)
        raise
    type_ = device.type(dtype or as_dtype(values.dtype))
    if values.dtype != type_.dtype or not type_.backend.is_raw(values):
        _require_copy_allowed(copy)
    out = wrap(from_numpy(values, type_), type_)
    tracing = _modes.tracing()
    if tracing is not None:
        tracing.made(out)
    return out


def _inferred(obj: Any, dtype: DType | None) -> DType | None:
    """The integer dtype asked for, if only integers are given; else NumPy's, to be converted."""
    if dtype is not None and dtype.kind in "iu" and isinstance(obj, (int, list, tuple)):
        # By way of float64, as NumPy goes for [5, 2**64 - 1], large integers would be rounded.
        exact = np.asarray(obj, dtype=object)
        if all(isinstance(item, int) for item in exact.flat):
            return dtype
    return None


def _require_copy_allowed(copy: bool | None) -> None:
    if copy is False:
        raise ValueError("asarray() cannot make this an array without a copy; pass copy=None")


def _first_array(items: NestedSequence) -> Array | None:
    """The first Array in a nested sequence, if it holds any."""
    for item in items:
        found = _first_array(item) if isinstance(item, (list, tuple)) else item
        if isinstance(found, Array):
            return found
    return None


def _joined(items: NestedSequence, device: Device) -> Array:
    """The array of a nested sequence that holds Arrays; what else it holds goes to their device."""

    def joined(item: Any) -> Array:
        if isinstance(item, (list, tuple)) and _first_array(item) is not None:
            return _joined(item, device)
        return asarray(item, device=None if isinstance(item, Array) else device)

    return stack([joined(item) for item in items])


def _from_array(x: Array, dtype: DType | None, device: str | None, copy: bool | None) -> Array:
    place = x.device if device is None else find_device(device)
    if copy is False and ((dtype is not None and dtype != x.dtype) or place is not x.device):
        _require_copy_allowed(copy)
    out = x
    if place is not x.device:
        out = transfer(out, place)
    if dtype is not None and dtype != out.dtype:
        out = _cast(out, dtype)
    return transfer(out, place, copy=True) if copy and out is x else out


def _cast(x: Array, dtype: DType) -> Array:
    if x._type.is_complex and dtype.kind == "b":
        return x != 0
    if x._type.is_complex and dtype.kind != "c":
        raise DTypeError(
            f"{x.dtype} to {dtype} would drop the imaginary part; use npg.real(x) or npg.abs(x)"
        )
    return convert(x, dtype)


def transfer(x: Array, device: str, *, copy: bool = False) -> Array:
    """`x` on another device; on the same one, a copy. Gradients flow back."""
    place = find_device(device)
    here = in_mode(x)
    if place is x.device:
        type_ = here._type
        data = type_.xp.asarray(here._data, copy=True)
    else:
        type_ = place.type(x.dtype)
        with no_grad():  # the op is recorded below: nobody has to see its values read
            data = from_numpy(np.array(here.numpy()), type_)
    out = wrap(data, type_)
    if x._node is not None and is_grad_enabled():
        record(TABLE[transfer], out, (x,), {"device": place, "copy": copy})
    return out


def _send_back(g: Any, x_type: ArrayType) -> Any:
    """A cotangent, on the device that the transferred array came from."""
    if isinstance(g, Array):
        return transfer(g, x_type.device)
    if is_deferred(g):  # its program ends here, and that of the other device begins
        if g.type.device is x_type.device:
            return g
        g = g.type.backend.to_numpy(g)
    backend = backend_of_raw(g)
    if backend is x_type.backend and backend.device_name(g) == x_type.device:
        return g
    return from_numpy(np.array(cast("Any", backend).to_numpy(g)), x_type)


def copy(x: Array, /) -> Array:
    """A copy of `x` in new memory; gradients flow back."""
    return transfer(x, x.device, copy=True)


def deferred(
    function: Callable[[], Any],
    *,
    shape: int | tuple[int, ...],
    dtype: DTypeLike | None = None,
    device: str | None = None,
) -> Array:
    """An array whose values `function` gives, when they are first wanted; see `Array.deferred`."""
    place = find_device(device)
    type_ = place.type(DEFAULT_FLOAT if dtype is None else as_dtype(dtype))
    wanted = _as_shape(shape)

    def call() -> RawArray:
        made = asarray(function(), device=place)
        if made.shape != wanted or made.dtype != type_.dtype:
            raise ShapeError(
                f"a deferred array of shape {wanted} and {type_.dtype} was promised, but its "
                f"function gave {made.shape} and {made.dtype}"
            )
        return made.data

    return lazily("deferred", call, wanted, type_)


def _namespace(device: Device) -> Any:
    """Where arrays of a device are made; in a function being captured, anew at each call."""
    if _modes.tracing() is None:
        return device.backend.xp
    return lifting().deferred_type(device.type(DEFAULT_FLOAT)).xp


def _made(data: RawArray, device: Device, requires_grad: bool) -> Array:
    out = wrap(data, data.type if is_deferred(data) else device.type_of(data))
    if requires_grad:
        out.requires_grad = True
    return out


def _raw(device: Device, dtype: DTypeLike | None, default: DType | None = None) -> Any:
    """The backend's dtype object for `dtype`."""
    chosen = default if dtype is None else as_dtype(dtype)
    return None if chosen is None else device.type(chosen).raw_dtype


def _as_shape(shape: int | tuple[int, ...]) -> tuple[int, ...]:
    return (int(shape),) if not isinstance(shape, (tuple, list)) else tuple(map(int, shape))


def arange(
    start: int | float,
    /,
    stop: int | float | None = None,
    step: int | float = 1,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Array:
    """Numbers from `start` up to `stop`, which is left out, in steps of `step`.

    With one argument, from 0 up to it. int64 if all are ints, else float64.
    """
    place = find_device(device)
    if stop is None:
        start, stop = 0, start
    start, stop, step = numbers = tuple(map(_number, (start, stop, step)))
    whole = all(isinstance(n, (int, np.integer)) for n in numbers)
    default = DEFAULT_INT if whole else DEFAULT_FLOAT
    data = _namespace(place).arange(
        start, stop, step, dtype=_raw(place, dtype, default), device=place.raw
    )
    return _made(data, place, requires_grad)


def _number(n: Any) -> Any:
    """A number of a 0-d Array, which no backend takes for one; others as they are."""
    if not isinstance(n, Array):
        return n
    return int(n) if n.dtype.kind in "iu" else float(n)


def empty(
    shape: int | tuple[int, ...],
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Array:
    """An array whose values are not set."""
    place = find_device(device)
    xp, raw = _namespace(place), _raw(place, dtype, DEFAULT_FLOAT)
    return _made(xp.empty(_as_shape(shape), dtype=raw, device=place.raw), place, requires_grad)


def empty_like(
    x: Array,
    /,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Array:
    """An array whose values are not set, with the shape, dtype and device of `x`."""
    return empty(
        x.shape, dtype=dtype or x.dtype, device=device or x.device, requires_grad=requires_grad
    )


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Array:
    """Ones on the diagonal `k` of an (`n_rows`, `n_cols`) matrix, zeros elsewhere."""
    place = find_device(device)
    data = _namespace(place).eye(
        n_rows, n_cols, k=k, dtype=_raw(place, dtype, DEFAULT_FLOAT), device=place.raw
    )
    return _made(data, place, requires_grad)


def from_dlpack(x: Any, /, *, device: str | None = None, copy: bool | None = None) -> Array:
    """An array from any object with `__dlpack__`; memory is shared where the backend can.

    On the device of `x` by default. Host memory goes to the default device, if that is on the host,
    else to NumPy. Immutable backends copy, as others may write to the memory.

    Raises
    ------
    ValueError
        If `copy=False` and a copy is needed.
    BufferError
        If no backend here reads the memory of `x`.
    """
    if isinstance(x, Array) or (backend_of_raw(x) is not None and not isinstance(x, np.ndarray)):
        return asarray(x, device=device, copy=copy)
    if not _is_on_host(x):
        return _from_array(_imported(x, copy), None, device, False if copy is False else None)
    place = find_device(device)
    if device is None and not _is_on_host(place.backend.xp.empty(0, device=place.raw)):
        place = find_device("numpy:cpu")
    values = np.from_dlpack(x, copy=False if copy is False else None)
    return _from_host(values, None, place, copy)


HOST_MEMORY = (1, 3)
"""DLPack's numbers of host memory, pageable and pinned."""


def _is_on_host(x: Any) -> bool:
    return int(x.__dlpack_device__()[0]) in HOST_MEMORY


def _imported(x: Any, copy: bool | None) -> Array:
    """An array of memory on an accelerator, of the first backend that reads it."""
    first = default_device().backend.name
    errors = []
    for name in sorted(installed_backends(), key=lambda name: name != first):
        backend = find_backend(name)
        try:
            data = backend.xp.from_dlpack(x, copy=copy if backend.mutable else True)
        except (BufferError, RuntimeError, TypeError, ValueError) as error:
            errors.append(error)
            continue
        if not backend.mutable:
            _require_copy_allowed(copy)
        type_ = device_of_backend(backend, backend.device_name(data)).type(
            as_dtype(numpy_dtype(data.dtype))
        )
        return wrap(data, type_)
    raise BufferError(
        f"no backend here reads memory of the DLPack device {x.__dlpack_device__()}: "
        f"{'; '.join(map(str, errors))}. Move it to the host first"
    )


def full(
    shape: int | tuple[int, ...],
    fill_value: Operand,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Array:
    """An array of `shape` filled with `fill_value`; gradients flow back to a 0-d Array."""
    if isinstance(fill_value, Array):
        value = asarray(fill_value, dtype=dtype, device=device)
        out = copy(broadcast_to(value, _as_shape(shape)))
        return array(out, requires_grad=True) if requires_grad else out
    place = find_device(device)
    xp, raw = _namespace(place), _raw(place, dtype, as_dtype(np.asarray(fill_value).dtype))
    data = xp.full(_as_shape(shape), fill_value, dtype=raw, device=place.raw)
    return _made(data, place, requires_grad)


def full_like(
    x: Array,
    /,
    fill_value: Operand,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Array:
    """An array with the shape, dtype and device of `x` whose every element is `fill_value`."""
    return full(
        x.shape,
        fill_value,
        dtype=dtype or x.dtype,
        device=device or x.device,
        requires_grad=requires_grad,
    )


def linspace(
    start: Operand,
    stop: Operand,
    /,
    num: int,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    endpoint: bool = True,
    requires_grad: bool = False,
) -> Array:
    """`num` evenly spaced numbers from `start` to `stop`, which is left out without `endpoint`.

    Gradients flow back to 0-d Arrays.
    """
    if isinstance(start, Array) or isinstance(stop, Array):
        like = start if isinstance(start, Array) else cast("Array", stop)
        t = linspace(0.0, 1.0, num, dtype=like.dtype, device=like.device, endpoint=endpoint)
        out = start * (1 - t) + stop * t
        return asarray(out, dtype=dtype, device=device, requires_grad=requires_grad)
    place = find_device(device)
    total = start + stop  # type: ignore[operator]  # of two numbers
    default = DEFAULT_COMPLEX if isinstance(total, complex) else DEFAULT_FLOAT
    data = _namespace(place).linspace(
        start, stop, num, dtype=_raw(place, dtype, default), device=place.raw, endpoint=endpoint
    )
    return _made(data, place, requires_grad)


def meshgrid(*arrays: Array, indexing: str = "xy") -> tuple[Array, ...]:
    """Coordinate matrices of one-dimensional coordinate arrays; `indexing` is `"xy"` or `"ij"`."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"indexing is 'xy' or 'ij', not {indexing!r}")
    if any(x.ndim > 1 for x in arrays):
        raise ShapeError(
            f"meshgrid() takes one-dimensional arrays, got {[x.shape for x in arrays]}"
        )
    axes = list(range(len(arrays)))
    if indexing == "xy" and len(axes) > 1:
        axes[0], axes[1] = 1, 0
    shaped = [
        reshape(x, (1,) * axis + (-1,) + (1,) * (len(arrays) - axis - 1))
        for x, axis in zip(arrays, axes, strict=True)
    ]
    return tuple(copy(x) for x in broadcast_arrays(*shaped))


def ones(
    shape: int | tuple[int, ...],
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Array:
    """An array of ones."""
    place = find_device(device)
    xp, raw = _namespace(place), _raw(place, dtype, DEFAULT_FLOAT)
    return _made(xp.ones(_as_shape(shape), dtype=raw, device=place.raw), place, requires_grad)


def ones_like(
    x: Array,
    /,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Array:
    """Ones with the shape, dtype and device of `x`."""
    return ones(
        x.shape, dtype=dtype or x.dtype, device=device or x.device, requires_grad=requires_grad
    )


def tril(x: Array, /, *, k: int = 0) -> Array:
    """The lower triangle of (stacks of) matrices, up to diagonal `k`; zeros elsewhere."""
    _require_matrix("tril", x)
    return apply_one(tril, x, k=k)


def triu(x: Array, /, *, k: int = 0) -> Array:
    """The upper triangle of (stacks of) matrices, from diagonal `k`; zeros elsewhere."""
    _require_matrix("triu", x)
    return apply_one(triu, x, k=k)


def _require_matrix(name: str, x: Array) -> None:
    if x.ndim < 2:
        raise ShapeError(f"{name}() needs two dimensions or more, got shape {x.shape}")


def zeros(
    shape: int | tuple[int, ...],
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Array:
    """An array of zeros."""
    place = find_device(device)
    xp, raw = _namespace(place), _raw(place, dtype, DEFAULT_FLOAT)
    return _made(xp.zeros(_as_shape(shape), dtype=raw, device=place.raw), place, requires_grad)


def zeros_like(
    x: Array,
    /,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Array:
    """Zeros with the shape, dtype and device of `x`."""
    return zeros(
        x.shape, dtype=dtype or x.dtype, device=device or x.device, requires_grad=requires_grad
    )


linear(transfer, _send_back)
linear(tril, lambda xp, g, k: xp.tril(g, k=k), masks=True)
linear(triu, lambda xp, g, k: xp.triu(g, k=k), masks=True)
