"""Solutions of equations with matrices of special form."""

from __future__ import annotations

from typing import Any, Literal

from numpygrad._array import Array, Operand
from numpygrad._dispatch import apply, as_array, promoted, require_broadcast
from numpygrad._op import nonlinear
from numpygrad.errors import ShapeError
from numpygrad.linalg import _matrices, cholesky
from numpygrad.ops.elementwise import conj
from numpygrad.ops.linear_algebra import matrix_transpose
from numpygrad.ops.manipulation import expand_dims, squeeze

Transposition = Literal[0, 1, 2, "N", "T", "C"]


def solve_triangular(
    a: Array,
    b: Array,
    trans: Transposition = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
) -> Array:
    """The solution of `a @ x = b` for triangular `a`: (..., n, n), (..., n, k) -> (..., n, k).

    Parameters
    ----------
    a
        Matrices, of which one triangle is read; the other may hold anything and has gradient 0.
    b
        Right-hand sides; a vector (n,) is one column, and so is the result.
    trans
        0 or "N" for `a`, 1 or "T" for its transpose, 2 or "C" for its conjugate transpose.
    lower
        Whether it is the lower triangle of `a` that is read.
    unit_diagonal
        Whether the diagonal is taken as ones, without reading it.

    Raises
    ------
    LinAlgError
        If an element of the diagonal is 0.
    ShapeError
        If the lengths do not fit.

    Source: LAPACK's `trtrs`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import linalg
    >>> a = npg.array([[2.0, 1.0], [0.0, 4.0]], requires_grad=True)
    >>> x = linalg.solve_triangular(a, npg.array([4.0, 8.0]))
    >>> x[1].backward()
    >>> print(x, a.grad[1, 1])
    [1. 2.] -0.5
    """
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise ValueError(f"solve_triangular(): trans is 0, 1, 2, 'N', 'T' or 'C', not {trans!r}")
    a = _matrices("solve_triangular", a, square=True)
    if trans not in (0, "N"):
        a = matrix_transpose(a if trans in (1, "T") else conj(a))
        lower = not lower
    return _solved(solve_triangular, a, b, a.shape[-1], lower=lower, unit_diagonal=unit_diagonal)


def cho_factor(a: Array, lower: bool = False) -> tuple[Array, bool]:
    """The Cholesky factor of Hermitian positive definite matrices, and `lower`, for `cho_solve`.

    (..., n, n) -> (..., n, n). The other triangle of the factor is zeros, where SciPy leaves what
    it finds. The gradient is Hermitian whichever triangle is read.

    Raises
    ------
    LinAlgError
        If a matrix is not positive definite.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import linalg
    >>> a = npg.array([[4.0, 2.0], [2.0, 5.0]])
    >>> print(linalg.cho_solve(linalg.cho_factor(a), npg.array([8.0, 12.0])))
    [1. 2.]
    """
    return cholesky(a, upper=not lower), lower


def cho_solve(c_and_lower: tuple[Array, bool], b: Array) -> Array:
    """The solution of `a @ x = b` from the factor of `a` and which triangle it is, by `cho_factor`.

    (..., n, n), (..., n, k) -> (..., n, k); a vector is one column. Two triangular equations: so
    the factor's gradient is of that triangle, and it may come from SciPy.

    Raises
    ------
    LinAlgError
        If an element of the factor's diagonal is 0.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import linalg
    >>> print(linalg.cho_solve((npg.array([[2.0]]), True), npg.array([8.0])))
    [2.]
    """
    factor, lower = c_and_lower
    first = solve_triangular(factor, b, trans=0 if lower else 2, lower=lower)
    return solve_triangular(factor, first, trans=2 if lower else 0, lower=lower)


def solve_banded(l_and_u: tuple[int, int], ab: Array, b: Array) -> Array:
    """The solution of `a @ x = b` for banded `a`: (..., l + u + 1, n), (..., n, k) -> (..., n, k).

    Parameters
    ----------
    l_and_u
        The numbers of diagonals below and above the main one.
    ab
        The diagonals, the upper ones first: `ab[u + i - j, j]` is `a[i, j]`. Corners that stand for
        nothing are not read and have gradient 0.
    b
        Right-hand sides; a vector (n,) is one column, and so is the result.

    Raises
    ------
    LinAlgError
        If a matrix is exactly singular.
    ShapeError
        If the lengths do not fit.

    Notes
    -----
    In time proportional to n on NumPy, and on JAX for three diagonals. Elsewhere the whole matrix
    is made.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import linalg
    >>> ab = npg.array([[0.0, 1.0, 1.0], [4.0, 4.0, 4.0], [1.0, 1.0, 0.0]])
    >>> print(linalg.solve_banded((1, 1), ab, npg.array([6.0, 12.0, 14.0])))
    [1. 2. 3.]
    """
    lower, upper = l_and_u
    ab = _matrices("solve_banded", ab)
    if lower < 0 or upper < 0 or ab.shape[-2] != lower + upper + 1:
        raise ShapeError(
            f"solve_banded() needs a row of ab for each of {lower} + {upper} + 1 diagonals, got "
            f"{ab.shape}"
        )
    return _solved(banded_solution, ab, b, ab.shape[-1], lower=lower, upper=upper)


def banded_solution(ab: Array, b: Array, /, *, lower: int, upper: int) -> Array:
    """What `solve_banded` gives, in the order of arguments that kernels have."""
    return solve_banded((lower, upper), ab, b)


def solve_sylvester(a: Array, b: Array, q: Array) -> Array:
    """The solution of `a @ x + x @ b = q`: (..., m, m), (..., n, n), (..., m, n) -> (..., m, n).

    There is one unless an eigenvalue of `a` is the negative of one of `b`. On NumPy by Schur's
    decompositions; elsewhere as m times n equations at once, so for small matrices.

    Raises
    ------
    ShapeError
        If the lengths do not fit.

    Source: R. H. Bartels, G. W. Stewart, Communications of the ACM 15 (1972), 820.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import linalg
    >>> a = npg.array([[1.0, 0.0], [0.0, 2.0]])
    >>> print(linalg.solve_sylvester(a, a, npg.array([[2.0, 3.0], [6.0, 4.0]])))
    [[1. 1.]
     [2. 1.]]
    """
    a = _matrices("solve_sylvester", a, square=True)
    b = _matrices("solve_sylvester", b, square=True)
    a, b, q = promoted("solve_sylvester", a, b, _matrices("solve_sylvester", q))
    if q.shape[-2:] != (a.shape[-1], b.shape[-1]):
        raise ShapeError(
            f"solve_sylvester() needs q of shape (..., {a.shape[-1]}, {b.shape[-1]}), got {q.shape}"
        )
    stacks = (x.shape[:-2] for x in (a, b, q))
    require_broadcast("solve_sylvester", *stacks, of=(a.shape, b.shape, q.shape))
    return apply(solve_sylvester, a, b, q)


def _solved(function: Any, a: Array, b: Operand, n: int, **options: Any) -> Array:
    """The solution of equations with n unknowns; of one column, for a vector."""
    name = function.__name__
    a, b = promoted(name, a, as_array(name, b))
    if b.ndim == 1:
        return squeeze(_solved(function, a, expand_dims(b, axis=1), n, **options), -1)
    if b.ndim == 0 or b.shape[-2] != n:
        raise ShapeError(f"{name}() of {n} unknowns needs b of as many rows, got {b.shape}")
    require_broadcast(name, a.shape[:-2], b.shape[:-2], of=(a.shape, b.shape))
    return apply(function, a, b, **options)


def _triangle(xp: Any, x: Any, lower: bool, unit_diagonal: bool) -> Any:
    offset = 1 if unit_diagonal else 0
    return xp.tril(x, k=-offset) if lower else xp.triu(x, k=offset)


def _back(xp: Any, a: Any, g: Any, lower: bool, unit_diagonal: bool) -> Any:
    """The solution of the transposed triangular equations."""
    return xp.scipy.linalg.solve_triangular(
        xp.matrix_transpose(a), g, lower=not lower, unit_diagonal=unit_diagonal
    )


def _triangular_pull(xp: Any, g: Any, a: Any, y: Any, lower: bool, unit_diagonal: bool) -> Any:
    """dy = -a^-1 da y, of the triangle alone."""
    outer = _back(xp, a, g, lower, unit_diagonal) @ xp.matrix_transpose(y)
    return -_triangle(xp, outer, lower, unit_diagonal)


def _shifted(xp: Any, x: Any, by: int, axis: int) -> Any:
    """`x[i + by]` along one of the last two axes, 0 where there is none."""
    n = x.shape[axis]
    by = max(-n, min(n, by))
    key: tuple[Any, ...] = (slice(max(by, 0), n + min(by, 0)),)
    rest: tuple[Any, ...] = (slice(0, abs(by)),)
    if axis == -2:
        key, rest = (*key, slice(None)), (*rest, slice(None))
    parts = [x[..., *key], xp.zeros_like(x[..., *rest])]
    return xp.concat(parts if by > 0 else parts[::-1], axis=axis)


def _banded_back(xp: Any, ab: Any, g: Any, lower: int, upper: int) -> Any:
    """The solution of the transposed banded equations."""
    rows = [_shifted(xp, ab[..., upper - d, :], d, -1) for d in range(-lower, upper + 1)]
    return xp.scipy.linalg.banded_solution(xp.stack(rows, axis=-2), g, lower=upper, upper=lower)


def _banded_pull(xp: Any, g: Any, ab: Any, y: Any, lower: int, upper: int) -> Any:
    """dy = -a^-1 da y, of the diagonals alone."""
    back = _banded_back(xp, ab, g, lower, upper)
    rows = (_shifted(xp, back, d, -2) for d in range(-upper, lower + 1))
    return -xp.stack([xp.sum(row * y, axis=-1) for row in rows], axis=-2)


def _sylvester_back(xp: Any, g: Any, a: Any, b: Any) -> Any:
    """The cotangent of q: the solution of the transposed equation."""
    return xp.scipy.linalg.solve_sylvester(xp.matrix_transpose(a), xp.matrix_transpose(b), g)


nonlinear(solve_triangular, _triangular_pull, _back)
nonlinear(banded_solution, _banded_pull, _banded_back)
nonlinear(
    solve_sylvester,
    lambda xp, g, a, b, y: -(_sylvester_back(xp, g, a, b) @ xp.matrix_transpose(y)),
    lambda xp, g, a, b, y: -(xp.matrix_transpose(y) @ _sylvester_back(xp, g, a, b)),
    _sylvester_back,
)
