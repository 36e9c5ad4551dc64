"""The exponential of matrices."""

from __future__ import annotations

from typing import Any

from numpygrad._array import Array
from numpygrad._dispatch import apply_one
from numpygrad._op import nonlinear
from numpygrad.linalg import _matrices


def expm(A: Array, /) -> Array:  # noqa: N803 (SciPy's name)
    """The exponential of square matrices: (..., n, n) -> (..., n, n).

    A derivative is the exponential of a matrix of twice the size, exact wherever that is: some
    eight times the work. It holds for every matrix, also where eigenvectors are missing.

    Source: A. H. Al-Mohy, N. J. Higham, SIAM J. Matrix Anal. Appl. 31 (2009), 970, for SciPy's
    kernel; N. J. Higham, "Functions of Matrices" (2008), theorem 3.6, for the derivative.

    Raises
    ------
    ShapeError
        If the last two axes have different lengths.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import linalg
    >>> angle = npg.array(npg.pi / 2, requires_grad=True)
    >>> turn = linalg.expm(angle * npg.array([[0.0, -1.0], [1.0, 0.0]]))
    >>> turn[0, 0].backward()  # the cosine of the angle
    >>> print(npg.round(turn + 0), npg.round(angle.grad))
    [[ 0. -1.]
     [ 1.  0.]] -1.0
    """
    return apply_one(expm, _matrices("expm", A, square=True))


def _derivative(xp: Any, x: Any, direction: Any) -> Any:
    """The upper right block of the exponential of [[x, direction], [0, x]].

    The direction is brought to norm 1: a large one would cost squarings, a small one digits.
    """
    n = x.shape[-1]
    if 0 in x.shape:
        return xp.zeros_like(direction)
    size = xp.max(xp.sum(xp.abs(direction), axis=-2, keepdims=True), axis=-1, keepdims=True)
    usable = xp.isfinite(size) & (size > 0)
    size = xp.stop_gradient(xp.where(usable, size, xp.ones_like(size)))
    upper = xp.concat([x, direction / size], axis=-1)
    lower = xp.concat([xp.zeros_like(x), x], axis=-1)
    return size * xp.scipy.linalg.expm(xp.concat([upper, lower], axis=-2))[..., :n, n:]


nonlinear(
    expm,
    lambda xp, g, A: _derivative(xp, xp.matrix_transpose(A), g),  # noqa: N803 (SciPy's name)
    jvp=lambda xp, g, A: _derivative(xp, A, g),  # noqa: N803 (SciPy's name)
)
