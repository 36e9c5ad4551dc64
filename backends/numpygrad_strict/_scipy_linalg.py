"""Kernels for `numpygrad.scipy.linalg` of array-api-strict, written in the standard."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import array_api_strict

from numpygrad import _matrix_kernels
from numpygrad._backend import Namespace

KERNELS: dict[str, Callable[..., Any]] = {
    kernel.__name__: functools.partial(kernel, array_api_strict)
    for kernel in (
        _matrix_kernels.banded_solution,
        _matrix_kernels.expm,
        _matrix_kernels.solve_sylvester,
        _matrix_kernels.solve_triangular,
    )
}


def load() -> Namespace:
    """The namespace."""
    return Namespace(None, KERNELS, extensions={})
