"""The two libraries of the differential run: arguments to each, results back to NumPy."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import array_api_strict
import numpy as np

import numpygrad
from conformance.standard import METHODS, Function

if TYPE_CHECKING:
    from conformance.calls import Call

Convert = Callable[[Any], Any]


def _map(convert: Convert, value: Any) -> Any:
    """`value` with every leaf of its lists and tuples converted."""
    if isinstance(value, list):
        return [_map(convert, item) for item in value]
    if isinstance(value, tuple):
        return tuple(_map(convert, item) for item in value)
    return convert(value)


def to_strict(value: Any) -> Any:
    """An argument as array-api-strict takes it."""
    if isinstance(value, np.ndarray):
        return array_api_strict.asarray(value, copy=True)
    return getattr(array_api_strict, value.name) if isinstance(value, np.dtype) else value


def to_numpygrad(value: Any) -> Any:
    """An argument as numpygrad takes it, on the default device."""
    return numpygrad.asarray(value, copy=True) if isinstance(value, np.ndarray) else value


def from_strict(value: Any) -> Any:
    """A result of array-api-strict, of NumPy arrays and Python objects."""
    if isinstance(value, array_api_strict._array_object.Array):
        return np.asarray(value._array)
    if isinstance(value, array_api_strict._dtypes.DType):
        return value._np_dtype
    return _limits(value)


def from_numpygrad(value: Any) -> Any:
    """A result of numpygrad, of NumPy arrays and Python objects."""
    if not isinstance(value, numpygrad.Array):
        return _limits(value)
    if value.device is not numpygrad.default_device():
        raise RuntimeError(f"the result is on {value.device!r}, where no argument was")
    return np.asarray(value.numpy())


def _limits(value: Any) -> Any:
    """What `finfo` and `iinfo` give as a tuple of numbers; all else as it is."""
    if dataclasses.is_dataclass(value) or hasattr(value, "bits"):
        names = [n for n in ("bits", "max", "min", "eps", "smallest_normal") if hasattr(value, n)]
        return tuple(float(getattr(value, name)) for name in names)
    return value


def run(namespace: Any, function: Function, call: Call, to: Convert, back: Convert) -> Any:
    """The result of a call; of a method that writes, the array it wrote into."""
    found = function.find_in(namespace)
    args = _arguments(function, call.args, to)
    kwargs = {name: _map(to, value) for name, value in call.kwargs.items()}
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        result = found(*args, **kwargs)
    if result is NotImplemented:
        raise TypeError(f"{function.name} is not implemented for these operands")
    if function.category == METHODS and result is None:
        result = args[0]
    return _map(back, result)


def _arguments(function: Function, args: tuple[Any, ...], to: Convert) -> tuple[Any, ...]:
    """The arguments converted, but for those whose subject is another library's object."""
    if function.name in ("asarray", "from_dlpack"):
        return args
    return tuple(_map(to, arg) for arg in args)
