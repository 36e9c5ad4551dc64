"""Integrals of functions: adaptive and fixed Gaussian quadrature.

The points are sought with nothing recorded; then the function is evaluated at all of them once
more, recorded. They are constants, so derivatives of the integrand are integrated by the same rule;
its error for the first ones is estimated too, and the intervals are halved until it is small.
A limit gets its own derivative, by Leibniz: the integral is continued from where the limit is to
the limit itself, an interval of length 0, by Gauss's rule with ten points, which is exact for the
first nineteen derivatives of the integrand there.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from numpygrad import _modes
from numpygrad._array import Array, Operand
from numpygrad._backend import default_device
from numpygrad._batching.transform import vmap
from numpygrad._dispatch import as_arrays
from numpygrad._dtypes import DEFAULT_FLOAT, DType
from numpygrad._modes import no_grad
from numpygrad._tree import leaves_of
from numpygrad.errors import CaptureError, ConvergenceError, DerivativeError, ShapeError
from numpygrad.ops.creation import asarray
from numpygrad.ops.elementwise import isfinite
from numpygrad.ops.manipulation import reshape
from numpygrad.ops.statistical import sum  # noqa: A004 (the standard's name)
from numpygrad.ops.utility import all  # noqa: A004 (the standard's name)
from numpygrad.scipy._floats import constant
from numpygrad.scipy.integrate._derivatives import recorded
from numpygrad.scipy.integrate._panels import Change, Panels, refined

Integrand = Callable[..., Any]
Values = np.ndarray[Any, Any]


def quad(
    func: Integrand,
    a: Operand,
    b: Operand,
    args: tuple[Any, ...] = (),
    *,
    epsabs: float = 1.49e-8,
    epsrel: float = 1.49e-8,
    limit: int = 50,
    points: Sequence[float] | None = None,
) -> tuple[Array, float]:
    """The integral of `func` from `a` to `b`, 0-d, and an estimate of its error, a float.

    It is differentiated with respect to `a`, `b`, and tracked arrays that `func` takes in `args` or
    closes over, in both modes; with respect to a limit, to the twentieth order. The estimate has no
    derivative.

    First derivatives have the accuracy that is asked of the integral, or are refused; further ones
    have the same points, and no control of their own. Of a jump that moves with a tracked array, as
    in `where(x > c, x, 0)`, the derivative is *not* seen by any rule: integrate from `c`, as a
    limit.

    Parameters
    ----------
    func
        `func(x, *args)` for a vector of points, element by element: it is called with many at once,
        and gives as many numbers, real or complex. A function of one point goes to `quad_vec`.
    a, b
        The limits, real numbers; they may be infinite.
    epsabs, epsrel
        The error is to be less than either `epsabs` or `epsrel` times the integral; that of a
        derivative likewise. Less than 50 times the precision is not asked for.
    limit
        The most intervals. If they do not suffice there is a `RuntimeWarning`, as from SciPy.
    points
        Where `func` has a kink or a jump between finite limits.

    Raises
    ------
    ConvergenceError
        If `func` is not finite at a point.
    DerivativeError
        If `func` is not finite at a tracked limit; if a derivative of the integral by something
        else that is tracked needs more than `limit` intervals, or is infinite at a point.
    CaptureError
        In `compile` and `vmap`, as the points depend on values; `fixed_quad` works there.
    ShapeError
        If `func` does not give one number for each point.

    Source: R. Piessens et al., QUADPACK (1983): Gauss and Kronrod's rule of 21 points, and its
    estimate of the error. Here many intervals are halved at a time, and ends where the function is
    infinite are smoothed by a change of variable instead of extrapolation.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import integrate
    >>> width = npg.array(2.0, requires_grad=True)
    >>> value, error = integrate.quad(lambda x: npg.exp(-((x / width) ** 2)), -npg.inf, npg.inf)
    >>> value.backward()
    >>> print(abs(value - 2 * npg.pi**0.5) < 1e-8, abs(width.grad - npg.pi**0.5) < 1e-8)
    True True
    """

    def elementwise(x: Array) -> Array:
        y = func(x, *args)
        if isinstance(y, (int, float, complex)):
            return y + 0 * x
        if getattr(y, "shape", None) != x.shape:
            raise ShapeError(
                f"quad(): func was given {x.shape[0]} points, and gave "
                f"{getattr(y, 'shape', type(y).__name__)} instead of a number for each; write it "
                "element by element, or use quad_vec, which takes functions of one point"
            )
        found: Array = y
        return found

    return _integral("quad", elementwise, a, b, args, epsabs, epsrel, limit, points, "2")


def quad_vec(
    f: Integrand,
    a: Operand,
    b: Operand,
    epsabs: float = 1e-200,
    epsrel: float = 1e-8,
    norm: Literal["2", "max"] = "2",
    limit: int = 10_000,
    points: Sequence[float] | None = None,
    *,
    args: tuple[Any, ...] = (),
) -> tuple[Array, float]:
    """The integral of `f`, a function of one point that gives an array, and an estimate of error.

    All elements have the same points. `f` is mapped over them by `vmap`, and so is captured: a
    branch on a value is refused. `norm` is of the error of an array: `"2"` is the root of the sum
    of squares, `"max"` the largest magnitude. For everything else see `quad`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import integrate
    >>> powers = npg.arange(3.0)
    >>> end = npg.array(2.0, requires_grad=True)
    >>> value, error = integrate.quad_vec(lambda x: x**powers, 0.0, end)
    >>> value[2].backward()
    >>> print(npg.round(3 * value), npg.round(end.grad))
    [6. 6. 8.] 4.0
    """
    if norm not in ("2", "max"):
        raise ValueError(f"quad_vec(): norm is '2' or 'max', not {norm!r}")

    def mapped(x: Array) -> Array:
        found: Array = vmap(lambda one: f(one, *args) + 0 * one)(x)
        return found

    return _integral("quad_vec", mapped, a, b, args, epsabs, epsrel, limit, points, norm)


def fixed_quad(
    func: Integrand, a: Operand, b: Operand, args: tuple[Any, ...] = (), n: int = 5
) -> tuple[Array, None]:
    """The integral of `func` from `a` to `b` by Gauss's rule with `n` points, and `None`.

    `func(x, *args)` is given the vector of points, and gives an array whose last axis is theirs.
    Derivatives are those of the rule itself, exact for polynomials of degree `2 * n - 1`.

    Raises
    ------
    ValueError
        If a limit is infinite or no number.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import integrate
    >>> end = npg.array(2.0, requires_grad=True)
    >>> value, _ = integrate.fixed_quad(lambda x: x**3, 0.0, end)
    >>> value.backward()
    >>> print(npg.round(value), npg.round(end.grad))
    4.0 8.0
    """
    low, high = _limits("fixed_quad", a, b, args)
    for x in (low, high):
        if _known(x) is not None and not math.isfinite(_known(x) or 0.0):
            raise ValueError("fixed_quad() needs finite limits; quad() takes infinite ones")
    nodes, weights = (constant(v, low) for v in np.polynomial.legendre.leggauss(n))
    half = (high - low) / 2
    y = func(half * (nodes + 1) + low, *args)
    return half * sum(weights * y, axis=-1), None


def _known(x: Array) -> float | None:
    """The number, if there are values."""
    try:
        return float(x.detach())
    except (CaptureError, TypeError):
        return None


def _limits(name: str, a: Operand, b: Operand, args: Any) -> tuple[Array, Array]:
    """Both as 0-d arrays of a floating dtype and of the device of what is integrated."""
    found = [x for x in (a, b) if isinstance(x, Array)]
    others = [x for x in leaves_of(args) if isinstance(x, Array)]
    like = next((x for x in (*found, *others) if x.dtype.kind == "f"), None)
    device = like.device if like is not None else default_device()
    dtype: DType = like.dtype if like is not None else DEFAULT_FLOAT
    given = [x if isinstance(x, Array) else asarray(x, dtype=dtype, device=device) for x in (a, b)]
    low, high = as_arrays(name, given)
    if low.ndim or high.ndim or low.dtype.kind == "c" or high.dtype.kind == "c":
        raise ShapeError(f"{name}(): limits are real numbers, got {a!r} and {b!r}")
    return low * 1.0, high * 1.0


def _integral(
    name: str,
    function: Callable[[Array], Array],
    a: Operand,
    b: Operand,
    args: tuple[Any, ...],
    epsabs: float,
    epsrel: float,
    limit: int,
    points: Sequence[float] | None,
    norm: str,
) -> tuple[Array, float]:
    low, high = _limits(name, a, b, args)
    try:
        change = Change(float(low.detach()), float(high.detach()))
        panels = Panels(change.edges(points or ()), float(np.finfo(low.dtype).eps), norm)

        def evaluate(x: Values) -> Values:
            with no_grad():
                values = function(constant(x.reshape(-1), low)).numpy()
            finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
            if not finite.all():
                raise ConvergenceError(
                    f"{name}(): the function is not finite at x = {x.reshape(-1)[~finite][0]}; "
                    "split the integral there, or pass the place in points"
                )
            return values.reshape(*x.shape, *values.shape[1:])

        converged = refined(panels, change, evaluate, epsabs, epsrel, limit)
    except CaptureError as error:
        raise CaptureError(
            f"{name}() chooses its points by values, which are not known while a function is "
            "captured; use fixed_quad() there"
        ) from error
    if not converged:
        warnings.warn(
            f"{name}(): the error is {panels.error:.3g} with {panels.count} intervals, more than "
            "asked for; raise limit, or pass places of kinks in points",
            RuntimeWarning,
            stacklevel=3,
        )
    values = recorded(name, function, low, panels, change, (epsabs, epsrel, limit), converged)
    _, weights = panels.rule(change)
    shape = (-1, *(1,) * (values.ndim - 1))
    total = sum(reshape(constant(weights.reshape(-1), low), shape) * values, axis=0)
    for end, sign in ((high, 1.0), (low, -1.0)):
        is_tracked = end._node is not None and _modes.is_grad_enabled()
        if is_tracked and math.isfinite(float(end.detach())):
            total = total + sign * _beyond(name, function, end)
    return total, panels.error


def _beyond(name: str, function: Callable[[Array], Array], end: Array) -> Array:
    """The integral from the value of a limit to the limit: 0, with all its derivatives."""
    nodes, weights = (constant(v, end) for v in np.polynomial.legendre.leggauss(10))
    start = end.detach()
    step = end - start
    values = function(start + step * (nodes + 1) / 2)
    if not bool(all(isfinite(values.detach()))):
        raise DerivativeError(
            f"{name}(): the function is not finite at the limit {float(start)}, with respect to "
            "which the integral has no derivative; detach() the limit"
        )
    return step / 2 * sum(reshape(weights, (-1, *(1,) * (values.ndim - 1))) * values, axis=0)
