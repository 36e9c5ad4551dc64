"""Integrals of samples: the trapezoidal rule and Simpson's."""

from __future__ import annotations

from numpygrad._array import Array, Operand
from numpygrad._dispatch import as_array, as_arrays
from numpygrad.errors import ShapeError
from numpygrad.ops.creation import full
from numpygrad.ops.elementwise import equal
from numpygrad.ops.manipulation import concat, moveaxis, normalized_axis
from numpygrad.ops.searching import where
from numpygrad.ops.statistical import cumulative_sum, sum  # noqa: A004 (the standard's name)
from numpygrad.ops.utility import diff


def trapezoid(y: Array, x: Array | None = None, dx: Operand = 1.0, axis: int = -1) -> Array:
    """Integral of samples along `axis` by the trapezoidal rule, without that axis.

    Parameters
    ----------
    y
        The samples.
    x
        Where they were taken: a vector, or an array of the shape of `y`; every `dx` by default.
    dx
        The distance of samples.

    Raises
    ------
    ShapeError
        If `x` has another number of points than `y`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import integrate
    >>> x = npg.array([0.0, 1.0, 3.0], requires_grad=True)
    >>> area = integrate.trapezoid(x**2, x)
    >>> area.backward()
    >>> print(area, x.grad)
    10.5 [-0.5 -1.5 11. ]
    """
    y, steps = _samples("trapezoid", y, x, dx, axis)
    return sum(steps * (y[..., 1:] + y[..., :-1]), axis=-1) / 2


def cumulative_trapezoid(
    y: Array,
    x: Array | None = None,
    dx: Operand = 1.0,
    axis: int = -1,
    initial: float | None = None,
) -> Array:
    """Integrals of samples along `axis` up to each by the trapezoidal rule, from the second on.

    With `initial=0`, the first is there too; what else it may be, SciPy has given up. For `x` and
    `dx` see `trapezoid`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import integrate
    >>> print(integrate.cumulative_trapezoid(npg.array([1.0, 2.0, 4.0]), initial=0))
    [0.  1.5 4.5]
    """
    if initial is not None and initial != 0:
        raise ValueError(f"cumulative_trapezoid(): initial is 0 or None, not {initial!r}")
    values, steps = _samples("cumulative_trapezoid", y, x, dx, axis)
    total = cumulative_sum(steps * (values[..., 1:] + values[..., :-1]) / 2, axis=-1)
    if initial is not None:
        first = full((*total.shape[:-1], 1), 0, dtype=total.dtype, device=total.device)
        total = concat([first, total], axis=-1)
    return moveaxis(total, -1, axis)


def simpson(y: Array, x: Array | None = None, *, dx: Operand = 1.0, axis: int = -1) -> Array:
    """Integral of samples along `axis` by Simpson's rule, without that axis.

    Of an even number of samples, the last interval is that of the parabola through the last three;
    two samples have the trapezoidal rule. For `x` and `dx` see `trapezoid`.

    Source: K. V. Cartwright, "Simpson's rule cumulative integration with MS Excel and irregularly
    spaced data", Journal of Mathematical Sciences and Mathematics Education 12 (2017), 1.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.scipy import integrate
    >>> x = npg.linspace(0.0, 2.0, 5)
    >>> print(integrate.simpson(x**3, x))  # exact for cubics
    4.0
    """
    y, steps = _samples("simpson", y, x, dx, axis)
    count = y.shape[-1]
    if count < 3:
        return sum(steps * (y[..., 1:] + y[..., :-1]), axis=-1) / 2
    steps = steps + 0 * y[..., 1:]  # one for each interval
    even = count - 2 if count % 2 == 0 else count - 1
    h0, h1 = steps[..., 0:even:2], steps[..., 1:even:2]
    both = h0 + h1
    parts = (
        y[..., 0:even:2] * (2 - _over(h1, h0))
        + y[..., 1:even:2] * (both * _over(both, h0 * h1))
        + y[..., 2 : even + 1 : 2] * (2 - _over(h0, h1))
    )
    total = sum(both * parts, axis=-1) / 6
    if count % 2:
        return total
    h0, h1 = steps[..., -2], steps[..., -1]
    last = _over(2 * h1**2 + 3 * h0 * h1, 6 * (h0 + h1)) * y[..., -1]
    middle = _over(h1**2 + 3 * h0 * h1, 6 * h0) * y[..., -2]
    return total + last + middle - _over(h1**3, 6 * h0 * (h0 + h1)) * y[..., -3]


def _samples(name: str, y: Array, x: Array | None, dx: Operand, axis: int) -> tuple[Array, Array]:
    """Samples along the last axis, and their distances: along it, or the same for all."""
    if x is None:
        y, step = as_arrays(name, (y, dx))
        y = moveaxis(y, normalized_axis(name, axis, y.ndim), -1)
        if step.ndim:
            raise ShapeError(f"{name}(): dx is a number, got shape {step.shape}; pass x instead")
        return y, step
    y, x = as_arrays(name, (y, as_array(name, x)))
    axis = normalized_axis(name, axis, y.ndim)
    y = moveaxis(y, axis, -1)
    if x.ndim > 1:
        x = moveaxis(x, axis, -1)
    if not x.ndim or x.shape[-1] != y.shape[-1] or x.shape not in (x.shape[-1:], y.shape):
        raise ShapeError(
            f"{name}() needs x to be a vector of {y.shape[-1]} points, or to have the shape of y, "
            f"got {x.shape} and {y.shape} (the axis last)"
        )
    return y, diff(x, axis=-1)


def _over(a: Array, b: Array) -> Array:
    """`a / b`, or 0 where `b` is 0: repeated points count nothing."""
    zero = equal(b, 0)
    return where(zero, 0.0, a / where(zero, 1.0, b))
