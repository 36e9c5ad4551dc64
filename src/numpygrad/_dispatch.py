"""The choke point every op passes: operands made alike, the kernel called, the op recorded.

`apply` does it for any op; `apply_unary` and the arithmetic operators of `Array` are fast paths.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from numpygrad import _modes
from numpygrad._array import Array, Operand, new, scalar, wrap
from numpygrad._backend import ArrayType, backend_of_raw, default_device
from numpygrad._dtypes import (
    DEFAULT_COMPLEX,
    KINDS,
    DType,
    as_dtype,
    floating,
    promote,
    promote_scalar,
)
from numpygrad._node import Node, tick
from numpygrad._op import BY_NAME, PART, TABLE, Op
from numpygrad._storage import attach_view, lay_out
from numpygrad.errors import BackendError, DeviceError, DTypeError, ShapeError
from numpygrad.typing import RawArray, Shape


def apply_unary(function: Callable[..., Array], x: Operand, /) -> Array:
    """`apply(function, x)` for an elementwise op; the eager fast path where the type is kept."""
    try:
        type_ = x._type  # type: ignore[union-attr]  # what is no Array is caught
        simple = type_.simple[function]
    except (AttributeError, KeyError):
        return apply_one(function, x)
    if _modes.unusual:
        return apply(function, x)
    out = new()
    out._data = data = simple(x._data)  # type: ignore[union-attr]  # an Array, as above
    out._type = type_
    out._alias = None
    parent = x._node  # type: ignore[union-attr]  # an Array, as above
    if parent is None:
        out._node = None
        return out
    op = TABLE[function]
    save_input, save_output = op.unary_saves
    node = Node()
    node.sequence = tick()
    node.op = op
    node.type = type_
    node.shape = parent.shape
    node.parent1 = parent
    node.input1 = x if save_input else None
    if save_output:
        node.output = data
        node.alias = None
    node.fits = True
    out._node = node
    return out


def apply_one(function: Callable[..., Array], x: Operand, /, **params: Any) -> Array:
    """`apply(function, x, **params)` for an op of one array, shorter if nothing is converted."""
    if type(x) is not Array or _modes.unusual or x._type.eager is not None:
        return apply(function, x, **params)
    type_ = x._type
    op = TABLE[function]
    kernel = type_.kernels.get(op)
    if kernel is None:
        kernel = _kernel(op, type_)
        if type_.is_floating:
            keeps_type = op.keeps_shape and not type_.is_complex
        else:
            keeps_type = type_.dtype.kind == "b" and not (op.differentiable or params)
        if keeps_type:
            type_.simple[function] = kernel
    if op.dtype == "float" and not type_.is_floating:
        return apply(function, x, **params)
    if op.view and x._alias is None:
        lay_out(x)
    data = kernel(x._data, **params) if params else kernel(x._data)
    out = new()
    out._data = data
    out._type = type_ if data.dtype is type_.raw_dtype else type_.of(data)
    out._alias = None
    parent = x._node
    if parent is None or not op.differentiable:
        out._node = None
    elif type_.is_complex or out._type is not type_:
        out._node = None
        record(op, out, (x,), params)
    else:
        save_input, save_output = op.unary_saves
        node = Node()
        node.sequence = tick()
        node.op = op
        node.type = type_
        node.shape = data.shape
        node.parent1 = parent
        node.input1 = x if save_input else None
        if save_output:
            node.output = data
            node.alias = None
        node.fits = True
        if params:
            node.params = params
        out._node = node
    if op.view and not params.get("copy"):
        attach_view(out, x, function, params)
    return out


def apply_two(function: Callable[..., Any], x1: Operand, x2: Operand, /) -> Array:
    """`apply(function, x1, x2)`, shorter for real floating arrays of one type: 2 us less.

    The second may be a number.
    """
    if type(x1) is not Array or _modes.unusual:
        return apply(function, x1, x2)
    type_ = x1._type
    if not type_.is_floating or type_.is_complex or type_.eager is not None:
        return apply(function, x1, x2)
    if type(x2) is float or type(x2) is int:
        x2 = scalar(type_, x2)
    elif type(x2) is not Array or x2._type is not type_:
        return apply(function, x1, x2)
    op = TABLE[function]
    kernel = type_.kernels.get(op)
    if kernel is None:
        return apply(function, x1, x2)
    try:
        data = kernel(x1._data, x2._data)
    except (ValueError, TypeError):
        _explain(op, (x1, x2))
        raise
    out = new()
    out._data = data
    out._type = type_ if data.dtype is type_.raw_dtype else type_.of(data)
    out._alias = None
    node1, node2 = x1._node, x2._node
    if node1 is node2 is None or not op.differentiable:
        out._node = None
        return out
    plan = op.plan((node1 is not None, node2 is not None))
    save1, save2 = plan.inputs
    node = Node()
    node.sequence = tick()
    node.op = op
    node.type = type_
    node.shape = shape = data.shape
    node.parent1 = node1
    node.parent2 = node2
    node.input1 = x1 if save1 else None
    node.input2 = x2 if save2 else None
    node.output = data if plan.output else None
    node.alias = None
    node.fits = x1._data.shape == shape and x2._data.shape == shape
    out._node = node
    return out


def apply(function: Callable[..., Any], /, *operands: Operand, **params: Any) -> Array:
    """The result of the op whose row `function` has, recorded if an operand is tracked.

    Operands may be Arrays of one device, Python scalars, NumPy arrays and scalars. `params` go to
    the kernel as they are.
    """
    op = TABLE[function]
    if _modes.unusual and _modes.is_lazy():
        return _deferred(op, operands, params)
    first = operands[0]
    type_ = first._type if type(first) is Array else None
    tracked = False
    if type_ is not None and (type_.is_floating or op.dtype != "float"):
        converts = op.dtype != "own"
        for x in operands:
            if (
                type(x) is not Array
                or (converts and x._type is not type_)
                or x._type.device is not type_.device
            ):
                type_ = None
                break
            if x._node is not None:
                tracked = True
    else:
        type_ = None
    if type_ is None:
        operands = _alike(op, operands)  # type: ignore[assignment]  # Arrays are operands
        type_ = operands[0]._type  # type: ignore[union-attr]  # Arrays from here on
        tracked = any(x._node is not None for x in operands)  # type: ignore[union-attr]  # the same
    arrays: Sequence[Array] = operands  # type: ignore[assignment]  # Arrays from here on
    if _modes.deferring:
        settle(arrays)
        type_ = arrays[0]._type
        if "key" in params:
            params["key"] = lifting().settled_key(params["key"])
    if op.view and arrays[0]._alias is None:
        lay_out(arrays[0])
    kernel = type_.kernels.get(op)
    if kernel is None:
        kernel = _kernel(op, type_)
    try:
        if op.variadic:
            data = kernel([x._data for x in arrays], **params)
        elif len(arrays) == 1:
            data = kernel(arrays[0]._data, **params)
        elif len(arrays) == 2 and not params:
            data = kernel(arrays[0]._data, arrays[1]._data)
        else:
            data = kernel(*[x._data for x in arrays], **params)
    except (ValueError, TypeError):
        _explain(op, arrays)
        raise
    out = new()
    out._data = data
    out._type = type_ if data.dtype is type_.raw_dtype else type_.of(data)
    out._alias = None
    out._node = None
    if tracked and op.differentiable and (not _modes.unusual or _modes.recording()):
        record(op, out, arrays, params)
    elif tracked and _modes.unusual and not op.differentiable:
        for watcher in _modes.watching():
            watcher.unrecorded(op, arrays)
    if op.view and not params.get("copy"):
        attach_view(out, arrays[0], op.function, params)
    return out


def apply_several(function: Callable[..., Any], /, *operands: Operand, **params: Any) -> Any:
    """The results of an op that has several, as its row's named tuple, recorded as one node."""
    op = TABLE[function]
    arrays = _alike(op, operands)
    placed = [in_mode(x) for x in arrays]
    type_ = placed[0]._type
    kernel = type_.kernels.get(op) or _kernel(op, type_)
    results = tuple(kernel(*[x._data for x in placed], **params))
    outputs: Any = op.outputs
    found = [wrap(data, type_.of(data)) for data in results]
    if any(x._node is not None for x in arrays):
        if _modes.is_grad_enabled():
            record(op, found[0], arrays, params, results=results)
            joint = found[0]._node
            if joint is not None:
                found = parts_of(joint, results)
        elif (trace := _modes.tracing()) is not None and _modes.is_stopped():
            for x in found:
                trace.stopped(x)
    return outputs._make(found)


def _deferred(op: Op, operands: Sequence[Operand], params: dict[str, Any]) -> Array:
    """The result of an op in lazy mode: its kernel's call is recorded, and made later."""
    lift = lifting().lift
    raw = []
    arrays: Any = operands
    type_ = None
    for x in operands:
        if type(x) is Array:
            data = x._data  # first: an outdated view learns here whether it is deferred
            if x._type.eager is None or _modes.capturing:
                data = lift(x)
            if type_ is None:
                type_ = data.type
                if op.dtype == "float" and not type_.is_floating:
                    break
            elif data.type is not type_ and op.dtype != "own":
                break
        elif (
            (type(x) is float or type(x) is int)
            and type_ is not None
            and type_.is_floating
            and not type_.weak
        ):
            made = scalar(type_, x)
            arrays = [made if other is x else other for other in arrays]
            data = made._data
        else:
            break
        raw.append(data)
    if len(raw) < len(operands):
        arrays = _alike(op, operands)
        raw = [lift(x) for x in arrays]
        type_ = raw[0].type
    if op.view and arrays[0]._alias is None:
        lay_out(arrays[0])
    assert type_ is not None  # noqa: S101 (there is an operand)
    kernel = type_.kernels.get(op) or _kernel(op, type_)
    try:
        data = kernel(raw, **params) if op.variadic else kernel(*raw, **params)
    except (ValueError, TypeError):
        _explain(op, arrays)
        raise
    out = new()
    out._data = data
    out._type = data.type
    out._alias = out._node = None
    if op.differentiable:
        for x in arrays:
            if x._node is not None:
                if _modes.recording():
                    record(op, out, arrays, params)
                elif _modes.capturing and _modes.is_stopped():
                    _modes.tracing().stopped(out)  # type: ignore[union-attr]  # there is one
                break
    elif (watchers := _modes.watching()) and any(x._node is not None for x in arrays):
        for watcher in watchers:
            watcher.unrecorded(op, arrays)
    if op.view and not params.get("copy"):
        attach_view(out, arrays[0], op.function, params)
    return out


@functools.cache
def lifting() -> Any:
    """The module that knows of deferred arrays, imported once there are any.

    An import statement in a function takes 0.9 us each time, which is a third of recording an op.
    """
    from numpygrad._lazy import lifting as module

    return module


def is_deferred(data: RawArray) -> bool:
    """Whether a raw array has yet to be computed."""
    return _modes.deferring and type(data) is lifting().Deferred


def lazily(name: str, call: Callable[[], RawArray], shape: Shape, type_: ArrayType) -> Array:
    """An array that `call()` gives, once it is wanted."""
    from numpygrad._lazy.deferred import call_of

    _modes.expect_deferred()
    data = call_of(name, call, shape, type_)
    return wrap(data, data.type)


def settle(arrays: Sequence[Array]) -> None:
    """Compute those of the arrays that are deferred, by one program."""
    if any(x._type.eager is not None for x in arrays):
        lifting().settle(*arrays)


def in_mode(x: Array) -> Array:
    """`x` as ops of this context take it: deferred in lazy mode, else with its values."""
    if not _modes.deferring:
        return x
    if not _modes.is_lazy():
        settle([x])
        return x
    if x._type.eager is not None and not _modes.capturing:
        return x
    data = lifting().lift(x)
    out = wrap(data, data.type)
    out._node = x._node
    return out


def _kernel(op: Op, type_: ArrayType) -> Callable[..., RawArray]:
    """The backend's kernel for arrays of a type, looked up once; `DTypeError` if there is none."""
    if op.kinds is not None and type_.dtype.kind not in op.kinds:
        kinds = [name for name, letters in KINDS.items() if letters in op.kinds]
        raise DTypeError(
            f"{op.name}() takes arrays of kind {' or '.join(kinds)}, not {type_.dtype}; "
            "convert with x.astype(...)"
        )
    try:
        kernel: Callable[..., RawArray] = attrgetter(op.path)(type_.xp)
    except AttributeError as error:
        raise BackendError(
            f"{op.path}() has no kernel on backend {type_.backend.name!r} ({error}). Move its "
            "arrays to one that has, for example with x.to('cpu')"
        ) from error
    type_.kernels[op] = kernel
    return kernel


def record(
    op: Op,
    out: Array,
    operands: Sequence[Array],
    params: dict[str, Any],
    results: tuple[RawArray, ...] | None = None,
) -> None:
    """Give `out` a node: the op, its parents, and what the rules of the tracked ones read.

    Of an op with several results, `out` is the first, and `results` are all.
    """
    type_ = out._type
    if not type_.is_floating:
        return
    shape = out._data.shape
    fits = True
    conjugates = type_.is_complex
    node = Node()
    if op.width == 1:
        (x1,) = operands
        (save1,), save_output = op.plan((True,))
        node.parent1 = x1._node
        node.input1 = x1 if save1 else None
    elif op.width == 2:
        x1, x2 = operands
        node.parent1, node.parent2 = node1, node2 = x1._node, x2._node
        (save1, save2), save_output = op.plan((node1 is not None, node2 is not None))
        node.input1 = x1 if save1 else None
        node.input2 = x2 if save2 else None
        fits = x1._data.shape == shape and x2._data.shape == shape and not op.in_region
    elif op.variadic:
        node.parent1 = tuple([x._node for x in operands])
        (save1, *_), save_output = op.plan(())
        node.input1 = tuple(operands) if save1 else (None,) * len(operands)
        node.shapes = tuple([x._data.shape for x in operands])
    else:
        node.parent1 = tuple([x._node for x in operands])
        saves, save_output = op.plan(tuple([x._node is not None for x in operands]))
        kept = zip(operands, saves, strict=True)
        node.input1 = tuple([x if save else None for x, save in kept])
        fits = False
    for x in operands:
        if x._type.is_complex:
            conjugates = True
    node.sequence = tick()
    if conjugates:
        op = op.conjugating
    node.op = op if type_.eager is None else op._deferred or op.deferred
    node.type = type_
    node.shape = shape
    if results is None:
        node.output = out._data if save_output else None
        node.alias = out._alias.storage if save_output and out._alias is not None else None
    else:
        node.output = results
        node.alias = ()
    node.fits = fits
    node.params = params
    out._node = node
    if _modes.unusual:
        for watcher in _modes.watching():
            watcher.recorded(node)


def parts_of(joint: Node, results: Sequence[RawArray]) -> list[Array]:
    """The results of an op that has several, as arrays joined to its node."""
    whole = wrap(None, joint.type)
    whole._node = joint
    arrays = [wrap(data, joint.type.of(data)) for data in results]
    for position, out in enumerate(arrays):
        record(PART, out, (whole,), {"position": position})
    return arrays


def _alike(op: Op, operands: Sequence[Operand]) -> Sequence[Array]:
    """The operands as Arrays of one device, and of one dtype where the row asks for it."""
    arrays = as_arrays(op.name, operands)
    if op.dtype != "own":
        arrays = to_common_dtype(arrays, float_wanted=op.dtype == "float")
    return arrays


def as_arrays(name: str, operands: Sequence[Operand]) -> list[Array]:
    """The operands as Arrays of one device; Python scalars take the dtype of the others.

    Raises
    ------
    DeviceError
        If Arrays of two devices meet.
    TypeError
        If an operand is neither Array, NumPy array nor Python scalar.
    """
    if (alike := _of_one_type(operands)) is not None:
        return alike
    found = [x._type for x in operands if isinstance(x, Array)]
    device = found[0].device if found else default_device()
    for other in found:
        if other.device is not device:
            raise DeviceError(
                f"{name}() of arrays on {device!r} and {other.device!r}; move one of them, for "
                f"example with x.to({str(device)!r})"
            )
    dtypes: list[DType] = [
        x.dtype for x in operands if isinstance(x, (Array, np.ndarray, np.generic))
    ]
    weak = next((type_ for type_ in found if type_.weak), None)
    if weak is not None:
        operands, dtypes = _promoted_weakly(operands, dtypes, weak)
    common = dtypes[0] if dtypes else None
    for dtype in dtypes[1:]:
        common = promote(common, dtype)
    arrays: list[Array] = []
    for x in operands:
        if isinstance(x, Array):
            arrays.append(x)
        elif isinstance(x, (bool, int, float, complex)) and not isinstance(x, np.generic):
            dtype = np.asarray(x).dtype if common is None else promote_scalar(common, type(x))  # type: ignore[arg-type]  # a class is hashable
            type_ = device.type(dtype)
            if _modes.unusual and _modes.is_lazy():
                type_ = lifting().deferred_type(type_)
            arrays.append(_scalar_operand(x, dtype, type_))
        elif isinstance(x, (np.ndarray, np.generic)):
            type_ = device.type(as_dtype(x.dtype))
            # A copy: nobody would know of a later write into the ndarray.
            arrays.append(wrap(from_numpy(np.array(x), type_), type_))
        elif backend_of_raw(x) is device.backend:
            arrays.append(wrap(x, device.type_of(x)))
        else:
            raise TypeError(
                f"{name}() takes Arrays, NumPy arrays and Python scalars, not {type(x).__name__}"
            )
    return arrays


def _of_one_type(operands: Sequence[Operand]) -> list[Array] | None:
    """The operands, if they are Arrays of one type, and numbers where that is real floating."""
    first = operands[0]
    if type(first) is not Array:
        return None
    type_ = first._type
    is_real = type_.is_floating and not type_.is_complex
    takes_numbers = is_real and type_.eager is None and not _modes.unusual
    arrays = []
    for x in operands:
        if type(x) is Array and x._type is type_:
            arrays.append(x)
        elif takes_numbers and (type(x) is float or type(x) is int):
            arrays.append(scalar(type_, x))
        else:
            return None
    return arrays


def _promoted_weakly(
    operands: Sequence[Operand], dtypes: list[DType], weak: ArrayType
) -> tuple[Sequence[Operand], list[DType]]:
    """The operands with those of weak type converted to what a Python float would become."""
    strong = [
        x.dtype
        for x in operands
        if (isinstance(x, Array) and not x._type.weak) or isinstance(x, (np.ndarray, np.generic))
    ]
    if not strong:
        return [x if isinstance(x, Array) else _weak_scalar(weak, x) for x in operands], dtypes
    dtype = promote_scalar(functools.reduce(promote, strong), float)
    return [
        convert(x, dtype) if isinstance(x, Array) and x._type.weak else x for x in operands
    ], strong


def _weak_scalar(weak: ArrayType, x: Any) -> Array:
    """A Python number beside floats that a compiled function was given."""
    made = scalar(weak.with_dtype(DEFAULT_COMPLEX) if type(x) is complex else weak, x)
    made._data.type = made._type
    return made


def as_array(name: str, x: Operand) -> Array:
    """`x` as an Array: itself, or made of a NumPy array or a scalar; else a `TypeError`."""
    if type(x) is Array:
        return x
    (made,) = as_arrays(name, (x,))
    if isinstance(x, (bool, int, float, complex)):
        # A scalar's array is kept for others to use: not to be viewed and written to.
        return wrap(made._type.xp.asarray(made._data, copy=True), made._type)
    return made


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


def to_common_dtype(arrays: Sequence[Array], *, float_wanted: bool = False) -> list[Array]:
    """The arrays converted to the dtype they promote to."""
    type_ = arrays[0]._type
    if all(x._type is type_ for x in arrays) and (type_.is_floating or not float_wanted):
        return list(arrays)
    dtype = type_.dtype
    for x in arrays[1:]:
        dtype = promote(dtype, x.dtype)
    if float_wanted:
        dtype = floating(dtype)
    return [x if x.dtype == dtype else convert(x, dtype) for x in arrays]


def convert(x: Array, dtype: DType) -> Array:
    """`x` in another dtype, by the recorded op `cast`."""
    return apply(BY_NAME["cast"].function, x, dtype=x._type.with_dtype(dtype).raw_dtype)


def promoted(name: str, *operands: Operand) -> list[Array]:
    """The operands as Arrays of one device and of the dtype they promote to."""
    return to_common_dtype(as_arrays(name, operands))


def _explain(op: Op, arrays: Sequence[Array]) -> None:
    """Raise a `ShapeError` if a backend's error came from shapes that do not broadcast."""
    if op.kind in ("elementwise", "discrete"):
        require_broadcast(op.name, *(x.shape for x in arrays))


def require_broadcast(name: str, *shapes: Shape, of: tuple[Shape, ...] = ()) -> None:
    """`ShapeError`, with the shapes `of` the function's arrays, unless `shapes` broadcast."""
    try:
        np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ShapeError(
            f"{name}() needs shapes that broadcast, got {' and '.join(map(str, of or shapes))}"
        ) from error
