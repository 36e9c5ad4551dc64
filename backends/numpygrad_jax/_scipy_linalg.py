"""JAX's kernels for `numpygrad.scipy.linalg`, with NumPy's errors where JAX gives NaN."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from numpygrad import _matrix_kernels
from numpygrad._backend import Namespace
from numpygrad_jax._linalg import require_finite

Raw = Any


def _spread(x: Raw, y: Raw) -> tuple[Raw, Raw]:
    """Stacks of matrices, broadcast."""
    stack = jnp.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    return tuple(jnp.broadcast_to(z, (*stack, *z.shape[-2:])) for z in (x, y))


@functools.partial(jax.jit, static_argnames=("lower", "unit_diagonal"))
def _triangular(a: Raw, b: Raw, *, lower: bool, unit_diagonal: bool) -> Raw:
    a, b = _spread(a, b)
    return jax.lax.linalg.triangular_solve(
        a, b, left_side=True, lower=lower, unit_diagonal=unit_diagonal
    )


@functools.partial(jax.jit, static_argnames=("lower", "upper"))
def _banded(ab: Raw, b: Raw, *, lower: int, upper: int) -> Raw:
    ab, b = _spread(ab, b)
    if lower == upper == 1 and ab.shape[-1] > 1:
        above, diagonal, below = (ab[..., i, :] for i in range(3))
        above = jnp.roll(above.at[..., 0].set(0), -1, axis=-1)
        below = jnp.roll(below.at[..., -1].set(0), 1, axis=-1)
        return jax.lax.linalg.tridiagonal_solve(below, diagonal, above, b)
    return jnp.linalg.solve(_matrix_kernels.dense(jnp, ab, lower=lower, upper=upper), b)


def solve_triangular(a: Raw, b: Raw, *, lower: bool, unit_diagonal: bool) -> Raw:
    """With an error for singular matrices, and stacks broadcast."""
    out = _triangular(a, b, lower=lower, unit_diagonal=unit_diagonal)
    return require_finite(out, "Singular matrix", a, b)


def banded_solution(ab: Raw, b: Raw, *, lower: int, upper: int) -> Raw:
    """With an error for singular matrices, and stacks broadcast."""
    out = _banded(ab, b, lower=lower, upper=upper)
    return require_finite(out, "Singular matrix", ab, b)


def solve_sylvester(a: Raw, b: Raw, q: Raw) -> Raw:
    """With an error where there is no solution."""
    return require_finite(_sylvester(a, b, q), "Singular equation", a, b, q)


_sylvester: Callable[[Raw, Raw, Raw], Raw] = jax.jit(
    functools.partial(_matrix_kernels.solve_sylvester, jnp)
)

KERNELS: dict[str, Callable[..., Any]] = {
    "banded_solution": banded_solution,
    "expm": jax.jit(jax.scipy.linalg.expm),
    "solve_sylvester": solve_sylvester,
    "solve_triangular": solve_triangular,
}


def load() -> Namespace:
    """The namespace."""
    return Namespace(None, KERNELS, extensions={})
