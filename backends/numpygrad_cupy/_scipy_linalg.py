"""CuPy's kernels for `numpygrad.scipy.linalg`, written in the standard but for one.

`cupyx.scipy.linalg.expm` takes one matrix of float64, and the library has neither banded equations
nor Sylvester's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import array_api_compat.cupy
import cupy as cp
import numpy as np
from numpy.linalg import LinAlgError

from numpygrad import _matrix_kernels
from numpygrad._backend import Namespace
from numpygrad_cupy import _linalg

Raw = Any

LIBRARY = Namespace(array_api_compat.cupy, {}, extensions={"linalg": _linalg.KERNELS})
"""The standard's functions, with equations whose stacks broadcast and that refuse singular ones."""


def solve_triangular(a: Raw, b: Raw, *, lower: bool, unit_diagonal: bool) -> Raw:
    """By cuBLAS, of stacks that broadcast, with an error for singular matrices."""
    import cupyx.scipy.linalg

    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a = cp.broadcast_to(a, (*stack, *a.shape[-2:]))
    b = cp.broadcast_to(b, (*stack, *b.shape[-2:]))
    if not b.size:
        return cp.zeros(b.shape, dtype=b.dtype)
    out = cupyx.scipy.linalg.solve_triangular(a, b, lower=lower, unit_diagonal=unit_diagonal)
    if not bool(cp.isfinite(out).all()) and all(bool(cp.isfinite(x).all()) for x in (a, b)):
        raise LinAlgError("Singular matrix")
    return out


KERNELS: dict[str, Callable[..., Any]] = {
    "banded_solution": functools.partial(_matrix_kernels.banded_solution, LIBRARY),
    "expm": functools.partial(_matrix_kernels.expm, LIBRARY),
    "solve_sylvester": functools.partial(_matrix_kernels.solve_sylvester, LIBRARY),
    "solve_triangular": solve_triangular,
}


def load() -> Namespace:
    """The namespace."""
    return Namespace(None, KERNELS, extensions={})
