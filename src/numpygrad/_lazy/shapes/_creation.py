"""Results of kernels that make arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numpygrad._dtypes import DEFAULT_COMPLEX, DEFAULT_FLOAT, DEFAULT_INT, DType
from numpygrad._lazy.program import Aval
from numpygrad._lazy.shapes._fitting import SCALARS, Rule, aval, given, of_scalar
from numpygrad.errors import ShapeError
from numpygrad.typing import Shape


def _shape(shape: Any) -> Shape:
    return tuple(shape) if isinstance(shape, (tuple, list)) else (int(shape),)


def _filled(shape: Any, /, dtype: Any = None, device: Any = None) -> Aval:
    return aval(_shape(shape), given(dtype, DEFAULT_FLOAT))


def _dtype_of(value: Any) -> DType:
    kind: Any = type(value)
    found: DType = of_scalar(kind) if kind in SCALARS else value.dtype
    return found


def _full(shape: Any, fill_value: Any, /, dtype: Any = None, device: Any = None) -> Aval:
    wanted = given(dtype, DEFAULT_FLOAT) if dtype is not None else _dtype_of(fill_value)
    return aval(_shape(shape), wanted)


def _like(x: Any, /, dtype: Any = None, device: Any = None) -> Aval:
    return aval(x.shape, given(dtype, x.dtype))


def _full_like(x: Any, /, fill_value: Any, dtype: Any = None, device: Any = None) -> Aval:
    return aval(x.shape, given(dtype, x.dtype))


def _asarray(x: Any, /, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Aval:
    if type(x) in SCALARS:
        return aval((), given(dtype, _dtype_of(x)))
    if not hasattr(x, "shape"):
        x = np.asarray(x)
    return aval(x.shape, given(dtype, x.dtype))


def _arange(
    start: Any,
    /,
    stop: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
) -> Aval:
    if stop is None:
        start, stop = 0, start
    whole = all(isinstance(n, (int, np.integer)) for n in (start, stop, step))
    length = len(range(start, stop, step)) if whole else math.ceil((stop - start) / step)
    return aval((max(length, 0),), given(dtype, DEFAULT_INT if whole else DEFAULT_FLOAT))


def _linspace(
    start: Any,
    stop: Any,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: Any = None,
    endpoint: bool = True,
) -> Aval:
    default = DEFAULT_COMPLEX if isinstance(start + stop, complex) else DEFAULT_FLOAT
    return aval((num,), given(dtype, default))


def _eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: Any = None,
    device: Any = None,
) -> Aval:
    return aval((n_rows, n_rows if n_cols is None else n_cols), given(dtype, DEFAULT_FLOAT))


def _triangle(name: str) -> Rule:
    def rule(x: Any, /, k: int = 0) -> Aval:
        if len(x.shape) < 2:
            raise ShapeError(f"{name}() needs two dimensions or more, got shape {x.shape}")
        return aval(x.shape, x.dtype)

    return rule


def _meshgrid(*arrays: Any, indexing: str = "xy") -> tuple[Aval, ...]:
    if any(len(x.shape) > 1 for x in arrays):
        raise ShapeError(
            f"meshgrid() takes one-dimensional arrays, got {[x.shape for x in arrays]}"
        )
    lengths = [math.prod(x.shape) for x in arrays]
    if indexing == "xy" and len(lengths) > 1:
        lengths[:2] = lengths[1::-1]
    return tuple([aval(tuple(lengths), x.dtype) for x in arrays])


RULES: dict[str, Rule] = {
    **dict.fromkeys(("empty", "ones", "zeros"), _filled),
    **dict.fromkeys(("empty_like", "ones_like", "zeros_like"), _like),
    "arange": _arange,
    "asarray": _asarray,
    "eye": _eye,
    "full": _full,
    "full_like": _full_like,
    "linspace": _linspace,
    "meshgrid": _meshgrid,
    "tril": _triangle("tril"),
    "triu": _triangle("triu"),
}
