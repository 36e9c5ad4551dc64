"""NumPy as a backend: the device `"cpu"`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from numpygrad._backend import Backend, Extension, Namespace
from numpygrad._kernels import is_basic
from numpygrad._lazy.program import Program, Runner
from numpygrad_numpy import _fft, _linalg, _scipy_linalg, _special
from numpygrad_numpy._kernels import COMPLEX_KERNELS, KERNELS

Raw = Any


def _load() -> Namespace:
    import array_api_compat.numpy as library

    extensions: dict[str, Extension] = {
        "linalg": _linalg.KERNELS,
        "fft": _fft.KERNELS,
        "scipy.special": _special.load,
        "scipy.linalg": _scipy_linalg.load,
    }
    return Namespace(library, KERNELS, complex_kernels=COMPLEX_KERNELS, extensions=extensions)


OUT_PAYS = 4096
"""Elements from which on `out=` beats a new array: NumPy takes 200 ns longer to parse it."""


def _owned(data: Raw) -> bool:
    return isinstance(data, np.ndarray) and data.base is None


def _accumulate(total: Raw, g: Raw, owned: bool) -> Raw:
    if owned and total.size > OUT_PAYS:
        return np.add(total, g, out=total)
    return total + g


def _add_at(buffer: Raw, key: Any, g: Raw) -> Raw:
    if not isinstance(buffer, np.ndarray):  # the sum of two 0-d arrays
        buffer = np.asarray(buffer)
    if is_basic(key):
        buffer[key] += g
    else:
        np.add.at(buffer, key, g)
    return buffer


def _quiet() -> contextlib.AbstractContextManager[Any]:
    """Derivatives at the edge of a domain are inf by convention; that is no reason to warn."""
    return np.errstate(all="ignore")


def _assign(data: Raw, key: Any, value: Raw) -> Raw:
    if not isinstance(data, np.ndarray):  # a 0-d result that has no memory of its own yet
        data = np.asarray(data)
    data[key] = value
    return data


def _to_dlpack(
    data: Raw, *, stream: Any, max_version: Any, dl_device: Any, copy: bool | None
) -> Any:
    """Of memory that is read-only a copy, where the consumer is too old to be told so."""
    if copy is None and not data.flags.writeable and (max_version or (0, 0)) < (1, 0):
        copy = True
    return data.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)


def _execute(program: Program) -> Runner:
    from numpygrad_numpy._programs.executor import execute

    return execute(program)


FAST: dict[str, Callable[..., Raw]] = {
    "add": np.add,
    "divide": np.divide,
    "multiply": np.multiply,
    "subtract": np.subtract,
}

backend = Backend(
    name="numpy",
    install="pip install numpy",
    load=_load,
    resolve=lambda specification: "cpu" if specification in ("", "cpu") else None,
    is_raw=lambda data: isinstance(data, (np.ndarray, np.generic)),
    device_name=lambda data: "cpu",
    to_dlpack=_to_dlpack,
    assign=_assign,
    owned=_owned,
    accumulate=_accumulate,
    add_at=_add_at,
    scope=_quiet,
    fast=FAST,
    executor=_execute,
)
