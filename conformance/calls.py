"""Calls for the differential run: arguments that belong together, as the standard has them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from conformance.draws import Draw, argument
from conformance.standard import Function, dtypes
from conformance.values import (
    HostArray,
    Shape,
    array,
    chance,
    choose,
    partner_shape,
    related_dtype,
    scalar,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_LEFT_OUT_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Call:
    """Arguments of one call: NumPy arrays and dtypes stand for the library's own."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """The arguments as one would write them."""
        parts = [*map(_text, self.args), *(f"{k}={_text(v)}" for k, v in self.kwargs.items())]
        return ", ".join(parts)


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        body = f"{value.tolist()}, dtype={value.dtype}" if value.size else f"{value.shape}"
        return f"asarray({body})" if value.size else f"empty({body}, dtype={value.dtype})"
    if isinstance(value, (list, tuple)):
        brackets = "[]" if isinstance(value, list) else "()"
        inner = ", ".join(map(_text, value)) + ("," if brackets == "()" and len(value) == 1 else "")
        return f"{brackets[0]}{inner}{brackets[1]}"
    return str(value) if isinstance(value, np.dtype) else repr(value)


def draw_call(function: Function, dtype: str, number: int) -> Call:
    """The call of that number: the same in every run and on every backend."""
    seed = crc32(f"{function.name} {dtype} {number}".encode())
    draw = Draw(np.random.default_rng(seed), function, dtype)
    together = TOGETHER.get(function.base)
    return together(draw) if together is not None else _separate(draw)


def _separate(draw: Draw) -> Call:
    """Every argument by itself; those with a default are sometimes left out."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for parameter in draw.function.parameters:
        optional = parameter.name not in draw.function.required
        if parameter.kind == "var_pos":
            args += [argument(draw, parameter) for _ in range(draw.integer(1, 3))]
        elif optional and chance(draw.rng, _LEFT_OUT_SHARE):
            if parameter.by_position:
                break
        elif parameter.kind == "kw_only":
            kwargs[parameter.name] = argument(draw, parameter)
        else:
            args.append(argument(draw, parameter))
    return Call(tuple(args), kwargs)


def _arange(draw: Draw) -> Call:
    if draw.kind in "fc" and draw.flag():
        numbers: list[int | float] = [draw.integer(-4, 4) / 2, draw.integer(-4, 8) / 2, 0.75]
    else:
        numbers = [draw.integer(0, 2), draw.integer(0, 7), draw.integer(1, 3)]
    if draw.kind not in "ub" and draw.flag():
        numbers = [-n for n in numbers]
    kwargs = {} if draw.flag() or draw.kind == "b" else {"dtype": np.dtype(draw.dtype)}
    return Call(tuple(numbers[: draw.integer(1, 3)]), kwargs)


def _asarray(draw: Draw) -> Call:
    x = draw.array()
    obj = x if draw.flag() else x.tolist()
    named = draw.flag() or (obj is not x and draw.dtype == "uint64")
    return Call((obj,), {"dtype": np.dtype(draw.dtype)} if named else {})


def _astype(draw: Draw) -> Call:
    """Numbers that every dtype has: the standard leaves overflowing casts open."""
    small = np.abs(array(draw.rng, draw.dtype, draw.shape, special=False).real) % 4
    kwargs = {} if draw.flag() else {"copy": draw.flag()}
    return Call((np.asarray(small, dtype=draw.dtype), np.dtype(choose(draw.rng, dtypes()))), kwargs)


def _broadcast_to(draw: Draw) -> Call:
    x = draw.array(partner_shape(draw.rng, draw.shape))
    return Call((x, draw.shape))


def _concat(draw: Draw) -> Call:
    axis = draw.axis()
    shapes = [_with_length(draw.shape, axis, draw.integer(0, 3)) for _ in range(draw.integer(1, 3))]
    arrays = [draw.array(s, related_dtype(draw.rng, draw.dtype)) for s in shapes]
    kwargs: dict[str, Any] = {"axis": axis}
    if chance(draw.rng, 0.2):
        kwargs = {"axis": None}
    elif axis == 0 and draw.flag():
        kwargs = {}
    return Call((arrays if draw.flag() else tuple(arrays),), kwargs)


def _with_length(shape: Shape, axis: int, length: int) -> Shape:
    """The shape with another length at `axis`; as it is, if it has no such axis."""
    if not -len(shape) <= axis < len(shape):
        return shape
    axis %= len(shape)
    return (*shape[:axis], length, *shape[axis + 1 :])


def _stack(draw: Draw) -> Call:
    names = [related_dtype(draw.rng, draw.dtype) for _ in range(draw.integer(1, 3))]
    return Call(([draw.array(dtype=name) for name in names],), {"axis": draw.axis(extra=1)})


def _expand_dims(draw: Draw) -> Call:
    axis: Any = draw.axis(extra=1)
    if draw.flag():
        count = draw.integer(0, 2)
        ndim = len(draw.shape) + count
        axis = tuple(int(a) - ndim * draw.flag() for a in draw.rng.permutation(ndim)[:count])
    return Call((draw.array(),), {"axis": axis})


def _squeeze(draw: Draw) -> Call:
    draw.shape = draw.shape or (1,)
    ones = [i for i, n in enumerate(draw.shape) if n == 1]
    axis: Any = draw.axis() if not ones or chance(draw.rng, 0.2) else choose(draw.rng, ones)
    if draw.flag():
        axis = tuple(a - len(draw.shape) * draw.flag() for a in ones)
    return Call((draw.array(),), {"axis": axis})


def _cross(draw: Draw) -> Call:
    shape = (draw.integer(0, 3), 3)
    return Call((draw.array(shape), draw.array(shape, related_dtype(draw.rng, draw.dtype))))


def _finite(draw: Draw) -> Call:
    """Without special values, where array-api-strict follows NumPy and not the standard.

    The official suite has them.
    """
    arrays = []
    for _ in draw.function.required:
        x = array(draw.rng, draw.dtype, draw.shape, special=False)
        arrays.append(np.where(x == 0, np.ones_like(x), x))
    return Call(tuple(arrays))


def _with_tolerance(draw: Draw) -> Call:
    """Matrices with elements, of which array-api-strict has no rank otherwise."""
    x = draw.array((2, draw.integer(1, 3), draw.integer(1, 3)))
    return Call((x,), {} if draw.flag() else {"rtol": 0.01})


def _diff(draw: Draw) -> Call:
    axis = draw.axis()
    axis = 0 if axis not in range(-len(draw.shape), len(draw.shape)) else axis
    kwargs: dict[str, Any] = {"axis": axis, "n": draw.integer(0, 2)}
    for name in ("prepend", "append"):
        if chance(draw.rng, 0.3):
            kwargs[name] = draw.array(_with_length(draw.shape, axis, draw.integer(0, 2)))
    return Call((draw.array(),), kwargs)


def _full(draw: Draw) -> Call:
    shape = choose(draw.rng, (draw.shape, draw.integer(0, 3)))
    kwargs = {} if draw.flag() else {"dtype": np.dtype(draw.dtype)}
    return Call((shape, scalar(draw.rng, draw.kind)), kwargs)


def _isin(draw: Draw) -> Call:
    """Without `invert`, which array-api-strict 2.6 takes and does not look at."""
    return Call((draw.array(), draw.array((draw.integer(0, 5),))))


def _isdtype(draw: Draw) -> Call:
    kinds = ("bool", "signed integer", "unsigned integer", "integral", "real floating")
    options: tuple[Any, ...] = (*kinds, "complex floating", "numeric", np.dtype(draw.dtype))
    one, other = (choose(draw.rng, options) for _ in range(2))
    return Call((np.dtype(draw.dtype), one if draw.flag() else (one, other)))


def _result_type(draw: Draw) -> Call:
    named = [np.dtype(related_dtype(draw.rng, draw.dtype)) for _ in range(draw.integer(1, 2))]
    items: list[Any] = [draw.array(dtype=d.name) if draw.flag() else d for d in named]
    if draw.flag():
        items.append(scalar(draw.rng, "u" if draw.kind == "i" else draw.kind))
    return Call(tuple(items))


def _linspace(draw: Draw) -> Call:
    ends: list[Any] = [draw.integer(-4, 4), draw.integer(-8, 8) / 4]
    if draw.kind == "c":
        ends[1] = complex(ends[1], 1.5)
    kwargs: dict[str, Any] = {"endpoint": draw.flag()}
    if draw.kind in "fc":
        kwargs["dtype"] = np.dtype(draw.dtype)
    return Call((*ends, draw.integer(0, 5)), kwargs)


def _meshgrid(draw: Draw) -> Call:
    arrays = [draw.array((draw.integer(0, 3),)) for _ in range(draw.integer(1, 3))]
    return Call(tuple(arrays), {"indexing": choose(draw.rng, ("xy", "ij"))})


def _moveaxis(draw: Draw) -> Call:
    if draw.flag():
        return Call((draw.array(), draw.axis(), draw.axis()))
    source = draw.axes()
    destination = tuple(int(a) for a in draw.rng.permutation(len(draw.shape))[: len(source)])
    return Call((draw.array(), source, destination))


def _permute_dims(draw: Draw) -> Call:
    ndim = len(draw.shape)
    axes = tuple(int(a) - ndim * chance(draw.rng, 0.3) for a in draw.rng.permutation(ndim))
    return Call((draw.array(), axes))


def _repeat(draw: Draw) -> Call:
    x, axis = draw.array(), None if draw.flag() else draw.axis()
    if axis is not None and not -x.ndim <= axis < x.ndim:
        axis = None
    length = x.size if axis is None else x.shape[axis]
    counts = array(draw.rng, "uint8", (length,), special=False).astype("int64") % 3
    repeats = choose(draw.rng, (draw.integer(0, 3), counts))
    return Call((x, repeats), {} if axis is None else {"axis": axis})


def _reshape(draw: Draw) -> Call:
    size = math.prod(draw.shape)
    shapes: list[Shape] = [(size,), (1, size), (size, 1, 1), (-1,), (1, -1)]
    shapes += [(3, size // 3)] if size % 3 == 0 else [(3, -1)]
    kwargs = {} if draw.flag() else {"copy": choose(draw.rng, (True, None))}
    return Call((draw.array(), choose(draw.rng, shapes)), kwargs)


def _roll(draw: Draw) -> Call:
    if draw.flag():
        return Call(
            (draw.array(), draw.integer(-4, 4)), {"axis": None if draw.flag() else draw.axis()}
        )
    axes = draw.axes()
    return Call((draw.array(), tuple(draw.integer(-4, 4) for _ in axes)), {"axis": axes})


def _tile(draw: Draw) -> Call:
    return Call((draw.array(), tuple(draw.integer(0, 2) for _ in range(draw.integer(0, 3)))))


def _indices(draw: Draw, length: int, shape: Shape) -> HostArray:
    """Indices in bounds; none, where there is nothing to select."""
    dtype = choose(draw.rng, ("int64", "int32", "uint8"))
    low = 0 if dtype == "uint8" else -length
    if length == 0:
        return np.zeros((*shape[:-1], 0), dtype=dtype)
    return np.asarray(draw.rng.integers(low, length, shape)).astype(dtype)


def _take(draw: Draw) -> Call:
    draw.shape = draw.shape or (4,)
    axis = int(draw.rng.integers(-len(draw.shape), len(draw.shape)))
    kwargs = {} if len(draw.shape) == 1 and draw.flag() else {"axis": axis}
    return Call((draw.array(), _indices(draw, draw.shape[axis], (draw.integer(0, 4),))), kwargs)


def _take_along_axis(draw: Draw) -> Call:
    draw.shape = tuple(max(n, 1) for n in draw.shape) or (4,)
    axis = int(draw.rng.integers(-len(draw.shape), len(draw.shape)))
    shape = _with_length(draw.shape, axis, draw.integer(0, 4))
    return Call((draw.array(), _indices(draw, draw.shape[axis], shape)), {"axis": axis})


def _matmul(draw: Draw) -> Call:
    pairs: tuple[tuple[Shape, Shape], ...] = (
        ((2, 3), (3, 4)),
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((2, 1, 2, 3), (4, 3, 2)),
        ((2, 0), (0, 3)),
        ((0, 2), (2, 3)),
        ((2, 2, 3), (3,)),
        ((3,), (2, 3, 1)),
        ((2, 3), (2, 3)),
        ((), (3,)),
    )
    one, other = choose(draw.rng, pairs)
    draw.special = False
    return Call((draw.array(one), draw.array(other, related_dtype(draw.rng, draw.dtype))))


def _vecdot(draw: Draw) -> Call:
    draw.special = False
    draw.shape = draw.shape or (2,)
    axis = -int(draw.rng.integers(1, len(draw.shape) + 1))
    shape = tuple(
        1 if i - len(draw.shape) != axis and chance(draw.rng, 0.3) else n
        for i, n in enumerate(draw.shape)
    )
    dtype = related_dtype(draw.rng, draw.dtype)
    return Call((draw.array(), draw.array(shape, dtype)), {} if axis == -1 else {"axis": axis})


def _tensordot(draw: Draw) -> Call:
    draw.special = False
    pairs: tuple[tuple[Shape, Shape, Any], ...] = (
        ((2, 3), (2, 3), 2),
        ((2, 3), (3, 4), 1),
        ((2,), (3,), 0),
        ((2, 3, 4), (4, 3), ((1, 2), (1, 0))),
        ((2, 3), (2, 4), ((-2,), (0,))),
        ((0, 3), (3, 2), 1),
        ((2, 3), (2, 3), 1),
    )
    one, other, axes = choose(draw.rng, pairs)
    x2 = draw.array(other, related_dtype(draw.rng, draw.dtype))
    return Call((draw.array(one), x2), {"axes": axes})


def _searchsorted(draw: Draw) -> Call:
    x1 = draw.array((draw.integer(0, 5),))
    kwargs: dict[str, Any] = {"side": choose(draw.rng, ("left", "right"))}
    if draw.kind != "c" and draw.flag():
        kwargs["sorter"] = np.argsort(x1, stable=True)
    elif draw.kind != "c":
        x1 = np.sort(x1)
    x2 = draw.integer(0, 4) if chance(draw.rng, 0.2) else draw.array()
    return Call((x1, x2), kwargs)


def _key(draw: Draw) -> Any:
    """A key of the standard: ints, slices, `None` and an ellipsis; or a mask; or integer arrays."""
    shape = draw.shape
    if chance(draw.rng, 0.15):
        return draw.array(dtype="bool")
    if shape and min(shape) > 0 and chance(draw.rng, 0.2):
        return tuple(_indices(draw, n, (2,)) for n in shape)
    parts: list[Any] = [_one_key(draw, n) for n in shape]
    if draw.flag():
        parts[draw.integer(0, len(parts)) :] = [...]
    if draw.flag():
        parts.insert(draw.integer(0, len(parts)), None)
    if len(parts) < len(shape) and ... not in parts:
        parts.append(...)
    return parts[0] if len(parts) == 1 else tuple(parts)


def _one_key(draw: Draw, length: int) -> Any:
    """A part of a key within the bounds the standard sets; rarely an int beyond them."""
    if draw.flag():
        beyond = length == 0 or chance(draw.rng, 0.05)
        return length if beyond else int(draw.rng.integers(-length, length))
    start = choose(draw.rng, (None, 0, draw.integer(0, length), -draw.integer(0, length)))
    stop = choose(draw.rng, (None, length, draw.integer(0, length), -draw.integer(0, length)))
    step = choose(draw.rng, (None, 1, 2, -1))
    return slice(None, None, step) if step == -1 else slice(start, stop, step)


def _getitem(draw: Draw) -> Call:
    return Call((draw.array(), _key(draw)))


def _setitem(draw: Draw) -> Call:
    x = draw.array()
    key = choose(draw.rng, (_basic_key(draw), draw.array(dtype="bool")))
    value: Any = scalar(draw.rng, draw.kind)
    if not isinstance(key, np.ndarray) and draw.flag():
        value = _fitting(draw, x, key)
    return Call((x, key, value))


def _basic_key(draw: Draw) -> Any:
    parts = tuple(_one_key(draw, n) for n in draw.shape)
    return parts if draw.flag() or not parts else (*parts[:-1], ...)


def _fitting(draw: Draw, x: HostArray, key: Any) -> Any:
    """An array that can be written at the key; a 0-d one where the key itself is wrong."""
    try:
        shape = np.asarray(x[key]).shape
    except IndexError:
        shape = ()
    return draw.array(partner_shape(draw.rng, shape))


TOGETHER: dict[str, Callable[[Draw], Call]] = {
    "__getitem__": _getitem,
    "__setitem__": _setitem,
    "arange": _arange,
    "asarray": _asarray,
    "astype": _astype,
    "broadcast_to": _broadcast_to,
    "concat": _concat,
    "cross": _cross,
    "diff": _diff,
    "expand_dims": _expand_dims,
    "expm1": _finite,
    "floor_divide": _finite,
    "full": _full,
    "isdtype": _isdtype,
    "isin": _isin,
    "linspace": _linspace,
    "matmul": _matmul,
    "matrix_rank": _with_tolerance,
    "meshgrid": _meshgrid,
    "moveaxis": _moveaxis,
    "permute_dims": _permute_dims,
    "pinv": _with_tolerance,
    "repeat": _repeat,
    "reshape": _reshape,
    "result_type": _result_type,
    "roll": _roll,
    "searchsorted": _searchsorted,
    "squeeze": _squeeze,
    "stack": _stack,
    "take": _take,
    "take_along_axis": _take_along_axis,
    "tensordot": _tensordot,
    "tile": _tile,
    "vecdot": _vecdot,
}
"""Functions whose arguments depend on each other."""
