"""JAX's kernels for `numpygrad.scipy.linalg`, with NumPy's errors where JAX gives NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from numpygrad import _matrix_kernels
from numpygrad._backend import Namespace
from numpygrad_jax._compiled import compiled
from numpygrad_jax._linalg import checked, spread

Raw = Any


@checked("Singular matrix", "lower", "unit_diagonal")
def solve_triangular(a: Raw, b: Raw, *, lower: bool, unit_diagonal: bool) -> Raw:
    """With an error for singular matrices, and stacks broadcast."""
    a, b = spread(a, b)
    return jax.lax.linalg.triangular_solve(
        a, b, left_side=True, lower=lower, unit_diagonal=unit_diagonal
    )


@checked("Singular matrix", "lower", "upper")
def banded_solution(ab: Raw, b: Raw, *, lower: int, upper: int) -> Raw:
    """With an error for singular matrices, and stacks broadcast."""
    ab, b = spread(ab, b)
    if lower == upper == 1 and ab.shape[-1] > 1:
        above, diagonal, below = (ab[..., i, :] for i in range(3))
        above = jnp.roll(above.at[..., 0].set(0), -1, axis=-1)
        below = jnp.roll(below.at[..., -1].set(0), 1, axis=-1)
        return jax.lax.linalg.tridiagonal_solve(below, diagonal, above, b)
    return jnp.linalg.solve(_matrix_kernels.dense(jnp, ab, lower=lower, upper=upper), b)


@checked("Singular equation")
def solve_sylvester(a: Raw, b: Raw, q: Raw) -> Raw:
    """With an error where there is no solution."""
    return _matrix_kernels.solve_sylvester(jnp, a, b, q)


KERNELS: dict[str, Callable[..., Any]] = {
    "banded_solution": banded_solution,
    "expm": compiled(jax.scipy.linalg.expm),
    "solve_sylvester": solve_sylvester,
    "solve_triangular": solve_triangular,
}


def load() -> Namespace:
    """The namespace."""
    return Namespace(None, KERNELS, extensions={})
