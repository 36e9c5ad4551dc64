"""NumPy's kernels for `numpygrad.scipy.linalg`: SciPy's, of stacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numpygrad._backend import Namespace

Raw = Any


def _of_stacks(function: Callable[..., Raw], out: Callable[..., Any], *stacks: Raw) -> Raw:
    """A function of matrices, applied to each of some stacks that broadcast.

    `out` gives the shape of a result from those of the matrices.
    """
    if all(x.ndim == 2 and x.size for x in stacks):
        return function(*stacks)
    shape = np.broadcast_shapes(*(x.shape[:-2] for x in stacks))
    spread = [np.broadcast_to(x, (*shape, *x.shape[-2:])) for x in stacks]
    y = np.zeros((*shape, *out(*(x.shape[-2:] for x in stacks))), np.result_type(*stacks))
    if y.size:
        for at in np.ndindex(shape):
            y[at] = function(*(x[at] for x in spread))
    return y


def solve_triangular(a: Raw, b: Raw, *, lower: bool, unit_diagonal: bool) -> Raw:
    """LAPACK's `trtrs`."""
    from scipy.linalg import solve_triangular as solve

    return _of_stacks(
        lambda a, b: solve(a, b, lower=lower, unit_diagonal=unit_diagonal, check_finite=False),
        lambda a, b: b,
        a,
        b,
    )


def banded_solution(ab: Raw, b: Raw, *, lower: int, upper: int) -> Raw:
    """LAPACK's `gtsv` of three diagonals, and `gbsv`."""
    from scipy.linalg import solve_banded

    return _of_stacks(
        lambda ab, b: solve_banded((lower, upper), ab, b, check_finite=False),
        lambda ab, b: b,
        ab,
        b,
    )


def solve_sylvester(a: Raw, b: Raw, q: Raw) -> Raw:
    """By the Schur decompositions of `a` and `b`."""
    from scipy.linalg import solve_sylvester as solve

    return _of_stacks(solve, lambda a, b, q: q, a, b, q)


KERNELS: dict[str, Callable[..., Any]] = {
    "banded_solution": banded_solution,
    "solve_sylvester": solve_sylvester,
    "solve_triangular": solve_triangular,
}


def load() -> Namespace:
    """The namespace; imports the library."""
    import scipy.linalg

    return Namespace(scipy.linalg, KERNELS, extensions={})
