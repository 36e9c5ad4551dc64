"""Elementwise functions of the standard, and their partial derivatives."""

from __future__ import annotations

import math
from typing import Any

from numpygrad._array import Array, Operand
from numpygrad._dispatch import apply, apply_two, apply_unary
from numpygrad._op import (
    ABOVE_ONE,
    NONZERO,
    POSITIVE,
    REAL,
    REAL_KINDS,
    UNIT,
    Domain,
    discrete,
    elementwise,
    linear,
)
from numpygrad.ops.creation import zeros_like
from numpygrad.ops.searching import where


def abs(x: Array, /) -> Array:
    """Absolute value of `x`; the modulus of a complex number, which is real.

    The derivative at 0 is taken as 0.
    """
    return apply_unary(abs, x)


def acos(x: Array, /) -> Array:
    """Inverse cosine of `x`, in radians; NaN outside [-1, 1]. The derivative at -1, 1 is -inf."""
    return apply_unary(acos, x)


def acosh(x: Array, /) -> Array:
    """Inverse hyperbolic cosine of `x`; NaN below 1. The derivative at 1 is inf."""
    return apply_unary(acosh, x)


def add(x1: Operand, x2: Operand, /) -> Array:
    """Sum of `x1` and `x2`."""
    return apply_two(add, x1, x2)


def asin(x: Array, /) -> Array:
    """Inverse sine of `x`, in radians; NaN outside [-1, 1]. The derivative at the ends is inf."""
    return apply_unary(asin, x)


def asinh(x: Array, /) -> Array:
    """Inverse hyperbolic sine of `x`."""
    return apply_unary(asinh, x)


def atan(x: Array, /) -> Array:
    """Inverse tangent of `x`, in radians."""
    return apply_unary(atan, x)


def atan2(x1: Operand, x2: Operand, /) -> Array:
    """Angle of the point (`x2`, `x1`), in radians. The derivative at (0, 0) is taken as 0."""
    return apply_two(atan2, x1, x2)


def atanh(x: Array, /) -> Array:
    """Inverse hyperbolic tangent of `x`; NaN outside [-1, 1]."""
    return apply_unary(atanh, x)


def bitwise_and(x1: Operand, x2: Operand, /) -> Array:
    """Bitwise (for booleans, logical) and of `x1` and `x2`."""
    return apply_two(bitwise_and, x1, x2)


def bitwise_invert(x: Array, /) -> Array:
    """Bitwise (for booleans, logical) complement of `x`."""
    return apply_unary(bitwise_invert, x)


def bitwise_left_shift(x1: Operand, x2: Operand, /) -> Array:
    """`x1` shifted left by `x2` bits."""
    return apply_two(bitwise_left_shift, x1, x2)


def bitwise_or(x1: Operand, x2: Operand, /) -> Array:
    """Bitwise (for booleans, logical) or of `x1` and `x2`."""
    return apply_two(bitwise_or, x1, x2)


def bitwise_right_shift(x1: Operand, x2: Operand, /) -> Array:
    """`x1` shifted right by `x2` bits."""
    return apply_two(bitwise_right_shift, x1, x2)


def bitwise_xor(x1: Operand, x2: Operand, /) -> Array:
    """Bitwise (for booleans, logical) exclusive or of `x1` and `x2`."""
    return apply_two(bitwise_xor, x1, x2)


def ceil(x: Array, /) -> Array:
    """Smallest integers not below `x`. The derivative is zero."""
    return apply_unary(ceil, x)


def clip(x: Array, /, min: Operand | None = None, max: Operand | None = None) -> Array:
    """`x` limited to [`min`, `max`]; `None` is no limit.

    The derivative to `x` is 1 inside and at the bounds, 0 outside; to a bound, 1 where it holds.
    """
    if min is None:
        return positive(x) if max is None else clip_high(x, max)
    return clip_low(x, min) if max is None else clip_both(x, min, max)


def clip_low(x: Operand, bound: Operand, /) -> Array:
    """`maximum`, but all of the derivative goes to `x` at a tie."""
    return apply(clip_low, x, bound)


def clip_high(x: Operand, bound: Operand, /) -> Array:
    """`minimum`, but all of the derivative goes to `x` at a tie."""
    return apply(clip_high, x, bound)


def clip_both(x: Operand, low: Operand, high: Operand, /) -> Array:
    """`clip_high(clip_low(x, low), high)`, without an array in between."""
    return apply(clip_both, x, low, high)


def conj(x: Array, /) -> Array:
    """Complex conjugate of `x`; `x` itself, copied, if it is real."""
    return apply(conj, x) if x._type.is_complex else positive(x)


def copysign(x1: Operand, x2: Operand, /) -> Array:
    """Magnitude of `x1` with the sign of `x2`. The derivative to `x2` is zero."""
    return apply_two(copysign, x1, x2)


def cos(x: Array, /) -> Array:
    """Cosine of `x`, in radians."""
    return apply_unary(cos, x)


def cosh(x: Array, /) -> Array:
    """Hyperbolic cosine of `x`."""
    return apply_unary(cosh, x)


def divide(x1: Operand, x2: Operand, /) -> Array:
    """Quotient of `x1` and `x2`; true division, also of integers."""
    return apply_two(divide, x1, x2)


def equal(x1: Operand, x2: Operand, /) -> Array:
    """Whether `x1` equals `x2`, element by element."""
    return apply_two(equal, x1, x2)


def exp(x: Array, /) -> Array:
    """Exponential of `x`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.array([0.0, 1.0], requires_grad=True)
    >>> npg.exp(x).sum().backward()
    >>> print(x.grad)
    [1.         2.71828183]
    """
    return apply_unary(exp, x)


def expm1(x: Array, /) -> Array:
    """`exp(x) - 1`, accurate near 0.

    Of complex numbers too, also where NumPy has NaN: expm1(inf + 0j) is inf + 0j.
    """
    return apply_unary(expm1, x)


def floor(x: Array, /) -> Array:
    """Largest integers not above `x`. The derivative is zero."""
    return apply_unary(floor, x)


def floor_divide(x1: Operand, x2: Operand, /) -> Array:
    """Quotient of `x1` and `x2`, rounded towards minus infinity. The derivative is zero.

    At infinities it is `floor(x1 / x2)`, as the standard prefers: inf // 2 is inf and 1 // -inf is
    -0.0, where Python and NumPy have NaN and -1.0.
    """
    return apply_two(floor_divide, x1, x2)


def greater(x1: Operand, x2: Operand, /) -> Array:
    """Whether `x1` is greater than `x2`, element by element."""
    return apply_two(greater, x1, x2)


def greater_equal(x1: Operand, x2: Operand, /) -> Array:
    """Whether `x1` is greater than or equal to `x2`, element by element."""
    return apply_two(greater_equal, x1, x2)


def hypot(x1: Operand, x2: Operand, /) -> Array:
    """Length of the hypotenuse, `sqrt(x1**2 + x2**2)`. The derivative at (0, 0) is taken as 0."""
    return apply_two(hypot, x1, x2)


def imag(x: Array, /) -> Array:
    """Imaginary part of `x`; zeros if it is real."""
    return apply(imag, x) if x._type.is_complex else zeros_like(x)


def isfinite(x: Array, /) -> Array:
    """Whether elements are neither infinite nor NaN."""
    return apply_unary(isfinite, x)


def isinf(x: Array, /) -> Array:
    """Whether elements are infinite."""
    return apply_unary(isinf, x)


def isnan(x: Array, /) -> Array:
    """Whether elements are NaN."""
    return apply_unary(isnan, x)


def less(x1: Operand, x2: Operand, /) -> Array:
    """Whether `x1` is less than `x2`, element by element."""
    return apply_two(less, x1, x2)


def less_equal(x1: Operand, x2: Operand, /) -> Array:
    """Whether `x1` is less than or equal to `x2`, element by element."""
    return apply_two(less_equal, x1, x2)


def log(x: Array, /) -> Array:
    """Natural logarithm of `x`; -inf at 0, NaN below. The derivative at 0 is inf."""
    return apply_unary(log, x)


def log10(x: Array, /) -> Array:
    """Logarithm of `x` to base 10; -inf at 0, NaN below."""
    return apply_unary(log10, x)


def log1p(x: Array, /) -> Array:
    """`log(1 + x)`, accurate near 0."""
    return apply_unary(log1p, x)


def log2(x: Array, /) -> Array:
    """Logarithm of `x` to base 2; -inf at 0, NaN below."""
    return apply_unary(log2, x)


def logaddexp(x1: Operand, x2: Operand, /) -> Array:
    """`log(exp(x1) + exp(x2))`, without overflow. Two of -inf share the derivative."""
    return apply_two(logaddexp, x1, x2)


def logical_and(x1: Operand, x2: Operand, /) -> Array:
    """Whether both `x1` and `x2` are true."""
    return apply_two(logical_and, x1, x2)


def logical_not(x: Array, /) -> Array:
    """Whether `x` is false."""
    return apply_unary(logical_not, x)


def logical_or(x1: Operand, x2: Operand, /) -> Array:
    """Whether `x1` or `x2` is true."""
    return apply_two(logical_or, x1, x2)


def logical_xor(x1: Operand, x2: Operand, /) -> Array:
    """Whether exactly one of `x1` and `x2` is true."""
    return apply_two(logical_xor, x1, x2)


def maximum(x1: Operand, x2: Operand, /) -> Array:
    """The larger of `x1` and `x2`; NaN if either is. At a tie each has half the derivative."""
    return apply_two(maximum, x1, x2)


def minimum(x1: Operand, x2: Operand, /) -> Array:
    """The smaller of `x1` and `x2`; NaN if either is. At a tie each has half the derivative."""
    return apply_two(minimum, x1, x2)


def multiply(x1: Operand, x2: Operand, /) -> Array:
    """Product of `x1` and `x2`."""
    return apply_two(multiply, x1, x2)


def negative(x: Array, /) -> Array:
    """`-x`."""
    return apply_unary(negative, x)


def nextafter(x1: Operand, x2: Operand, /) -> Array:
    """The next representable number after `x1` towards `x2`. It carries no derivative."""
    return apply_two(nextafter, x1, x2)


def not_equal(x1: Operand, x2: Operand, /) -> Array:
    """Whether `x1` differs from `x2`, element by element."""
    return apply_two(not_equal, x1, x2)


def positive(x: Array, /) -> Array:
    """A copy of `x`."""
    return apply_unary(positive, x)


def pow(x1: Operand, x2: Operand, /) -> Array:
    """`x1` to the power of `x2`.

    The derivative is 0 where its limit is: of `x**0`, of `0**y` to `y` for positive `y`.
    """
    if type(x2) is int and x2 == 2 and type(x1) is Array and x1._type.is_floating:
        return square(x1)
    return apply_two(pow, x1, x2)


def real(x: Array, /) -> Array:
    """Real part of `x`; `x` itself, copied, if it is real."""
    return apply(real, x) if x._type.is_complex else positive(x)


def reciprocal(x: Array, /) -> Array:
    """`1 / x`."""
    return apply_unary(reciprocal, x)


def remainder(x1: Operand, x2: Operand, /) -> Array:
    """Remainder of `x1 / x2`, with the sign of `x2`.

    A remainder of zero has the sign of `x2` too. The derivative is 1 to `x1` and `-floor(x1 / x2)`
    to `x2`.
    """
    return apply_two(remainder, x1, x2)


def round(x: Array, /) -> Array:
    """Nearest integers to `x`, halves to even. The derivative is zero."""
    return apply_unary(round, x)


def sign(x: Array, /) -> Array:
    """Sign of `x`: -1, 0 or 1, with derivative zero; `x / abs(x)` for complex numbers.

    Of a zero it is +0, whatever the zero's sign; the derivative there is taken as 0.
    """
    if type(x) is Array and x._type.is_complex and x._node is not None:
        return _tracked_sign(x)
    return apply_unary(sign, x)


def _tracked_sign(x: Array) -> Array:
    """Of complex numbers, where it is not piecewise constant; as the kernel `complex_sign`."""
    size = abs(x)
    zero = size == 0
    return where(zero, 0.0, x / where(zero, 1.0, size))


def signbit(x: Array, /) -> Array:
    """Whether the sign bit of `x` is set: of negative numbers, and of -0.0."""
    return apply_unary(signbit, x)


def sin(x: Array, /) -> Array:
    """Sine of `x`, in radians."""
    return apply_unary(sin, x)


def sinh(x: Array, /) -> Array:
    """Hyperbolic sine of `x`."""
    return apply_unary(sinh, x)


def sqrt(x: Array, /) -> Array:
    """Square root of `x`; NaN below 0. The derivative at 0 is inf.

    Of complex numbers that of the right half-plane; below 0 the sign of a zero imaginary part says
    which side of the cut: sqrt(-1 - 0j) is -1j.
    """
    return apply_unary(sqrt, x)


def square(x: Array, /) -> Array:
    """`x * x`."""
    return apply_unary(square, x)


def subtract(x1: Operand, x2: Operand, /) -> Array:
    """Difference of `x1` and `x2`."""
    return apply_two(subtract, x1, x2)


def tan(x: Array, /) -> Array:
    """Tangent of `x`, in radians."""
    return apply_unary(tan, x)


def tanh(x: Array, /) -> Array:
    """Hyperbolic tangent of `x`.

    Of complex numbers a + bj with infinite a, 1 or -1 and a zero with the sign of b, where C and
    NumPy have that of sin(2b).
    """
    return apply_unary(tanh, x)


def trunc(x: Array, /) -> Array:
    """`x` rounded towards zero. The derivative is zero."""
    return apply_unary(trunc, x)


def _conj_sign(xp: Any, x: Any) -> Any:
    """The partial of `abs`: the engine conjugates it again."""
    if not xp.isdtype(x.dtype, "complex floating"):
        return xp.sign(x)
    size = xp.abs(x)
    return xp.conj(x) / xp.where(size == 0, 1.0, size)


def _share(xp: Any, ahead: Any, level: Any, dtype: Any) -> Any:
    """1 where this operand is ahead, half at a tie, else 0; `where` takes NumPy twice as long."""
    return xp.astype(ahead, dtype) + xp.astype(level, dtype) * 0.5


def _ratio(xp: Any, part: Any, whole: Any) -> Any:
    """`part / whole`, 0 where both are 0."""
    return part / xp.where(whole == 0, 1.0, whole)


def _over_square(xp: Any, part: Any, length: Any) -> Any:
    """`part / length**2` without overflow, 0 where both are 0."""
    length = xp.where(length == 0, 1.0, length)
    return part / length / length


def _pow_base(xp: Any, x1: Any, x2: Any) -> Any:
    """x2 * x1**(x2 - 1); 0 for 0**0, where 0 * 0**-1 would be NaN."""
    nothing = (x1 == 0) & (x2 == 0)
    return x2 * xp.where(nothing, 1.0, x1) ** (x2 - 1)


def _pow_exponent(xp: Any, x1: Any, x2: Any, y: Any) -> Any:
    """y * log(x1); 0 at a base of 0, where the limit is 0 for positive exponents.

    A negative real base is a power only at integers, isolated points: there the derivative is NaN.
    """
    zero = x1 == 0
    slope = y * xp.log(xp.where(zero, 1.0, x1))
    if xp.isdtype(x1.dtype, "complex floating"):
        return slope
    return xp.where(zero & (x2 < 0), -math.inf, slope)


def _softmax_weight(xp: Any, x: Any, other: Any, y: Any) -> Any:
    """exp(x - y); 1 where x is the only infinity and half where both are, not NaN."""
    nothing = (x == y) & xp.isinf(x)
    share = xp.where(other == x, 0.5, xp.ones_like(x))
    return xp.where(nothing, share, xp.exp(xp.where(nothing, 0.0, x - y)))


elementwise(abs, _conj_sign, domain=NONZERO)
elementwise(acos, lambda xp, x: -1 / xp.sqrt((1 - x) * (1 + x)), dtype="float", domain=UNIT)
elementwise(
    acosh,
    # sqrt(x - 1) sqrt(x + 1), not sqrt(x**2 - 1): the branch for complex x, and no overflow.
    lambda xp, x: 1 / (xp.sqrt(x - 1) * xp.sqrt(x + 1)),
    dtype="float",
    domain=ABOVE_ONE,
)
elementwise(add, lambda: 1, lambda: 1)
elementwise(asin, lambda xp, x: 1 / xp.sqrt((1 - x) * (1 + x)), dtype="float", domain=UNIT)
elementwise(asinh, lambda xp, x: 1 / xp.sqrt(1 + x * x), dtype="float")
elementwise(atan, lambda x: 1 / (1 + x * x), dtype="float")
elementwise(
    atan2,
    lambda xp, x1, x2: _over_square(xp, x2, xp.hypot(x1, x2)),
    lambda xp, x1, x2: _over_square(xp, -x1, xp.hypot(x1, x2)),
    dtype="float",
    domain=NONZERO,
    kinds=REAL_KINDS,
)
elementwise(atanh, lambda x: 1 / ((1 - x) * (1 + x)), dtype="float", domain=UNIT)
discrete(bitwise_and, kinds="biu")
discrete(bitwise_invert, kinds="biu")
discrete(bitwise_left_shift, kinds="iu")
discrete(bitwise_or, kinds="biu")
discrete(bitwise_right_shift, kinds="iu")
discrete(bitwise_xor, kinds="biu")
discrete(ceil, kinds=REAL_KINDS)
elementwise(
    clip_low,
    lambda xp, x, bound: xp.astype(x >= bound, x.dtype),
    lambda xp, x, bound: xp.astype(x < bound, x.dtype),
    masks=True,
    kinds=REAL_KINDS,
)
elementwise(
    clip_high,
    lambda xp, x, bound: xp.astype(x <= bound, x.dtype),
    lambda xp, x, bound: xp.astype(x > bound, x.dtype),
    masks=True,
    kinds=REAL_KINDS,
)
elementwise(
    clip_both,
    lambda xp, x, low, high: xp.astype((x >= low) & (x <= high), x.dtype),
    lambda xp, x, low, high: xp.astype((x < low) & (low <= high), x.dtype),
    lambda xp, x, low, high: xp.astype((x > high) | (low > high), x.dtype),
    masks=True,
    domain=(REAL, Domain(-1.5, -0.3), Domain(0.3, 1.5)),
    kinds=REAL_KINDS,
)
linear(conj, lambda xp, g: xp.conj(g))
elementwise(
    copysign,
    lambda xp, x1, x2: xp.copysign(xp.ones_like(x1), x2) * xp.sign(x1),
    lambda: 0,
    dtype="float",
    domain=NONZERO,
    kinds=REAL_KINDS,
)
elementwise(cos, lambda xp, x: -xp.sin(x), dtype="float")
elementwise(cosh, lambda xp, x: xp.sinh(x), dtype="float")
elementwise(divide, lambda x2: 1 / x2, lambda x2, y: y / -x2, dtype="float", domain=NONZERO)
discrete(equal)
elementwise(exp, lambda y: y, dtype="float")
elementwise(expm1, lambda y: y + 1, dtype="float")
discrete(floor, kinds=REAL_KINDS)
discrete(floor_divide, kinds=REAL_KINDS)
discrete(greater, kinds=REAL_KINDS)
discrete(greater_equal, kinds=REAL_KINDS)
elementwise(
    hypot,
    lambda xp, x1, y: _ratio(xp, x1, y),
    lambda xp, x2, y: _ratio(xp, x2, y),
    dtype="float",
    domain=NONZERO,
    kinds=REAL_KINDS,
)
linear(imag, lambda xp, g, x_dtype: -1j * xp.astype(g, x_dtype))
discrete(isfinite)
discrete(isinf)
discrete(isnan)
discrete(less, kinds=REAL_KINDS)
discrete(less_equal, kinds=REAL_KINDS)
elementwise(log, lambda x: 1 / x, dtype="float", domain=POSITIVE)
elementwise(log10, lambda x: (1 / math.log(10)) / x, dtype="float", domain=POSITIVE)
elementwise(log1p, lambda x: 1 / (1 + x), dtype="float", domain=UNIT)
elementwise(log2, lambda x: (1 / math.log(2)) / x, dtype="float", domain=POSITIVE)
elementwise(
    logaddexp,
    lambda xp, x1, x2, y: _softmax_weight(xp, x1, x2, y),
    lambda xp, x1, x2, y: _softmax_weight(xp, x2, x1, y),
    dtype="float",
    kinds=REAL_KINDS,
)
discrete(logical_and)
discrete(logical_not)
discrete(logical_or)
discrete(logical_xor)
elementwise(
    maximum,
    lambda xp, x1, x2: _share(xp, x1 > x2, x1 == x2, x1.dtype),
    lambda xp, x1, x2: _share(xp, x2 > x1, x1 == x2, x1.dtype),
    masks=True,
    kinds=REAL_KINDS,
)
elementwise(
    minimum,
    lambda xp, x1, x2: _share(xp, x1 < x2, x1 == x2, x1.dtype),
    lambda xp, x1, x2: _share(xp, x2 < x1, x1 == x2, x1.dtype),
    masks=True,
    kinds=REAL_KINDS,
)
elementwise(multiply, lambda x2: x2, lambda x1: x1)
elementwise(negative, lambda: -1)
discrete(nextafter, dtype="float", kinds=REAL_KINDS)
discrete(not_equal)
elementwise(positive, lambda: 1)
elementwise(
    pow,
    _pow_base,
    _pow_exponent,
    domain=POSITIVE,
)
linear(real, lambda xp, g, x_dtype: xp.astype(g, x_dtype))
elementwise(reciprocal, lambda y: -y * y, dtype="float", domain=NONZERO)
elementwise(
    remainder,
    lambda: 1,
    lambda xp, x1, x2: -xp.floor(x1 / x2),
    domain=POSITIVE,
    kinds=REAL_KINDS,
)
discrete(round)
discrete(sign)
discrete(signbit, kinds=REAL_KINDS)
elementwise(sin, lambda xp, x: xp.cos(x), dtype="float")
elementwise(sinh, lambda xp, x: xp.cosh(x), dtype="float")
elementwise(sqrt, lambda y: 0.5 / y, dtype="float", domain=POSITIVE)
elementwise(square, lambda x: 2 * x)
elementwise(subtract, lambda: 1, lambda: -1)
elementwise(tan, lambda y: 1 + y * y, dtype="float", domain=UNIT)
elementwise(tanh, lambda y: 1 - y * y, dtype="float")
discrete(trunc, kinds=REAL_KINDS)
