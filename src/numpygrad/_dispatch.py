"""The choke point every op passes: operands made alike, the kernel called, the op recorded.

`apply` does it for any op. `apply_unary` and the arithmetic operators of `Array` are its fast paths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from numpygrad import _modes
from numpygrad._array import Array, Operand, new, scalar, wrap
from numpygrad._backend import ArrayType, backend_of_raw, default_device
from numpygrad._dtypes import DType, as_dtype, floating, promote, promote_scalar
from numpygrad._node import NO_PARAMS, Node, tick
from numpygrad._op import BY_NAME, TABLE, Op
from numpygrad._storage import attach_view
from numpygrad.errors import DeviceError, DTypeError, ShapeError
from numpygrad.typing import RawArray

F = TypeVar("F", bound=Callable[..., Any])


def apply_unary(function: Callable[..., Array], x: Operand) -> Array:
    """`apply(function, x)` for an elementwise op without parameters; the eager fast path first."""
    if type(x) is Array:
        type_ = x._type
        fast = type_.fast
        if fast is not None and not _modes.unusual and (op := TABLE[function]).name in fast:
            data = fast[op.name](x._data)
            out = new()
            out._data = data
            out._type = type_
            out._alias = None
            parent = x._node
            if parent is None:
                out._node = None
                return out
            (save_input,), save_output, _ = op.unary_plan  # type: ignore[misc]  # unary by contract
            node = Node()
            node.sequence = tick()
            node.op = op
            node.type = type_
            node.parents = (parent,)
            node.inputs = (x,) if save_input else (None,)
            node.output = data if save_output else None
            node.alias = None
            node.avals = None
            node.params = NO_PARAMS
            out._node = node
            return out
    return apply(function, x)


def apply(function: Callable[..., Any], /, *operands: Operand | None, **params: Any) -> Array:
    """The result of the op whose row `function` has, recorded if an operand is tracked.

    Operands may be Arrays of one device, Python scalars, NumPy arrays and scalars; `None` for an
    optional one that is absent. `params` go to the kernel as they are.
    """
    op = TABLE[function]
    arrays, type_ = _alike(op, operands)
    kernel = getattr(type_.xp, op.name)
    raw = [None if x is None else x._data for x in arrays]
    try:
        data = kernel(raw, **params) if op.variadic else kernel(*raw, **params)
    except (ValueError, TypeError) as error:
        _explain(op, arrays, error)
        raise
    out = wrap(data, type_.of(data))
    if op.differentiable and any(x is not None and x._node is not None for x in arrays):
        if not _modes.unusual or _modes.is_grad_enabled():
            record(op, out, arrays, params)
    if op.view:
        _alias_if_view(op, out, arrays[0], params)  # type: ignore[arg-type]  # a view has an operand
    return out


def record(op: Op, out: Array, operands: Sequence[Array | None], params: dict[str, Any]) -> None:
    """Give `out` a node: the op, its parents, and what the rules of the tracked ones read."""
    if not out._type.is_floating:
        return
    tracked = tuple(x is not None and x._node is not None for x in operands)
    plan = op.plan(tracked)
    if out._type.is_complex or any(x is not None and x._type.is_complex for x in operands):
        op = op.conjugating
    node = Node()
    node.sequence = tick()
    node.op = op
    node.type = out._type
    node.parents = tuple(None if x is None else x._node for x in operands)
    node.inputs = tuple(
        x if save else None for x, save in zip(operands, plan.inputs, strict=True)
    )
    node.output = out._data if plan.output else None
    node.alias = out._alias
    shape = out.shape
    if plan.avals or any(t and x.shape != shape for t, x in zip(tracked, operands, strict=True)):  # type: ignore[union-attr]  # tracked
        node.avals = tuple(None if x is None else (x.shape, x._type) for x in operands)
    else:
        node.avals = None
    node.params = params
    out._node = node


def _alias_if_view(op: Op, out: Array, x: Array, params: dict[str, Any]) -> None:
    """Note that `out` is a view of `x`, if on NumPy it would share its memory."""
    if not x._type.backend.mutable or np.may_share_memory(out.numpy(), x.numpy()):
        attach_view(out, x, op.function, params)


def _alike(
    op: Op, operands: tuple[Operand | None, ...]
) -> tuple[Sequence[Array | None], ArrayType]:
    """The operands as Arrays of one device, and of one dtype where the row asks for it."""
    type_: ArrayType | None = None
    alike = True
    for x in operands:
        if type(x) is not Array:
            alike = alike and x is None and op.dtype == "own"
        elif type_ is None:
            type_ = x._type
        elif x._type is not type_:
            alike = False
    if type_ is not None and alike and (op.dtype != "float" or type_.is_floating):
        return operands, type_  # type: ignore[return-value]  # every one was looked at
    arrays = as_arrays(op.name, operands)
    if op.dtype != "own":
        arrays = to_common_dtype(arrays, operands, float_wanted=op.dtype == "float")
    first = next(x for x in arrays if x is not None)
    return arrays, first._type


def as_arrays(name: str, operands: Sequence[Operand | None]) -> list[Array | None]:
    """The operands as Arrays of one device; Python scalars take the dtype of the others.

    Raises
    ------
    DeviceError
        If Arrays of two devices meet.
    TypeError
        If an operand is neither Array, NumPy array nor Python scalar.
    """
    found = [x._type for x in operands if isinstance(x, Array)]
    device = found[0].device if found else default_device()
    for other in found:
        if other.device is not device:
            raise DeviceError(
                f"{name}() of arrays on {device!r} and {other.device!r}; move one of them, for "
                f"example with x.to({str(device)!r})"
            )
    dtypes: list[DType] = [x.dtype for x in operands if isinstance(x, (Array, np.ndarray, np.generic))]
    common = dtypes[0] if dtypes else None
    for dtype in dtypes[1:]:
        common = promote(cast("DType", common), dtype)
    arrays: list[Array | None] = []
    for x in operands:
        if x is None or isinstance(x, Array):
            arrays.append(x)
        elif isinstance(x, (bool, int, float, complex)) and not isinstance(x, np.generic):
            dtype = promote_scalar(common, type(x)) if common is not None else np.asarray(x).dtype
            arrays.append(_scalar_operand(x, dtype, device.type(dtype)))
        elif isinstance(x, (np.ndarray, np.generic)):
            type_ = device.type(as_dtype(x.dtype))
            arrays.append(wrap(from_numpy(np.asarray(x), type_), type_))
        elif backend_of_raw(x) is device.backend:
            arrays.append(wrap(x, device.type_of(x)))
        else:
            raise TypeError(
                f"{name}() takes Arrays, NumPy arrays and Python scalars, not {type(x).__name__}"
            )
    return arrays


def _scalar_operand(x: Any, dtype: DType, type_: ArrayType) -> Array:
    if isinstance(x, int) and dtype.kind in "iu" and not isinstance(x, bool):
        limits = np.iinfo(dtype)
        if not limits.min <= x <= limits.max:
            raise OverflowError(f"the Python integer {x} is out of bounds for {dtype}")
    return scalar(type_, x)


def from_numpy(values: np.ndarray[Any, Any], type_: ArrayType) -> RawArray:
    """A raw array of the device of `type_` with a NumPy array's values, converted to its dtype."""
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    return type_.xp.asarray(values, dtype=type_.raw_dtype, device=type_.device.raw)


def to_common_dtype(
    arrays: Sequence[Array | None], operands: Sequence[Any], *, float_wanted: bool = False
) -> list[Array | None]:
    """The arrays converted to the dtype they promote to; Python scalars among `operands` are weak."""
    dtype: DType | None = None
    for x in arrays:
        if x is not None:
            dtype = x.dtype if dtype is None else promote(dtype, x.dtype)
    assert dtype is not None  # noqa: S101 (an op has at least one operand)
    if float_wanted:
        dtype = floating(dtype)
    return [x if x is None or x.dtype == dtype else convert(x, dtype) for x in arrays]


def convert(x: Array, dtype: DType) -> Array:
    """`x` in another dtype, by the recorded op `cast`."""
    return apply(BY_NAME["cast"].function, x, dtype=x._type.with_dtype(dtype).raw_dtype)


def promoted(name: str, *operands: Operand) -> list[Array]:
    """The operands as Arrays of one device and of the dtype they promote to."""
    arrays = as_arrays(name, operands)
    return cast("list[Array]", to_common_dtype(arrays, operands))


def require_kind(name: str, x: Array, kinds: str, expected: str) -> None:
    """`DTypeError` unless the dtype's kind letter is among `kinds`."""
    if x.dtype.kind not in kinds:
        raise DTypeError(f"{name}() takes {expected} arrays, got {x.dtype}; convert with x.astype(...)")


def _explain(op: Op, arrays: Sequence[Array | None], error: Exception) -> None:
    """Raise a `ShapeError` if a backend's error came from shapes that do not broadcast."""
    shapes = [x.shape for x in arrays if x is not None]
    if op.kind not in ("elementwise", "discrete") or len(shapes) < 2:  # noqa: PLR2004 (a pair)
        return
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(
            f"{op.name}() needs shapes that broadcast, got {' and '.join(map(str, shapes))}"
        ) from error
