"""Integrals of functions by `numpygrad.scipy.integrate`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.integrate

import numpygrad as npg
from numpygrad.errors import CaptureError, ConvergenceError, DerivativeError, ShapeError
from numpygrad.scipy import integrate
from numpygrad.scipy.integrate._panels import ACROSS, NODES, WEIGHTS
from numpygrad.testing import check_grads

INF = math.inf

INTEGRALS: list[tuple[Callable[[Any, Any], Any], float, float]] = [
    (lambda m, x: m.exp(x), 0.0, 1.0),
    (lambda m, x: m.cos(20 * x), 2.0, -1.0),
    (lambda m, x: m.exp(-x * x), -INF, INF),
    (lambda m, x: m.exp(-x), 1.0, INF),
    (lambda m, x: m.exp(x), -INF, 2.0),
    (lambda m, x: x**-1.5, INF, 1.0),
    (lambda m, x: 1 / m.sqrt(x), 0.0, 1.0),
    (lambda m, x: m.log(x), 0.0, 1.0),
    (lambda m, x: m.abs(x - 0.3), 0.0, 1.0),
    (lambda m, x: m.exp(2j * x), 0.0, 1.0),
    (lambda m, x: 3.0, 0.0, 2.0),
    (lambda m, x: m.exp(x), 1.0, 1.0),
]


def test_the_rules_are_exact_for_polynomials() -> None:
    for weights, degree in ((WEIGHTS, 31), (ACROSS, 19)):
        for power in range(0, degree, 2):
            assert np.sum(weights * NODES**power) == pytest.approx(2 / (power + 1), rel=1e-14)


@pytest.mark.parametrize(("function", "a", "b"), INTEGRALS)
def test_integrals_are_those_of_scipy(function: Any, a: float, b: float) -> None:
    is_complex = np.iscomplexobj(function(np, 0.5))
    expected, _ = scipy.integrate.quad(lambda x: function(np, x), a, b, complex_func=is_complex)

    value, error = integrate.quad(lambda x: function(npg, x), a, b)

    assert value.shape == ()
    assert abs(complex(value) - expected) <= max(2 * error, 1e-12)
    assert 1e-14 * abs(expected) < error < 2e-8 or not expected


@pytest.mark.parametrize("end", [1.0, INF, -INF])
def test_nothing_between_equal_limits(end: float) -> None:
    value, error = integrate.quad(lambda x: npg.exp(-x * x), end, end)

    assert (value.item(), error) == (0.0, 0.0)


def test_integrals_on_every_backend(device: str) -> None:
    rate = npg.array(2.0, requires_grad=True)
    end = npg.array(1.0, requires_grad=True)

    value, _ = integrate.quad(lambda x, r: npg.exp(-r * x), 0.0, end, (rate,))
    value.backward()

    assert value.item() == pytest.approx((1 - math.exp(-2)) / 2, rel=1e-12)
    assert value.device == end.device
    assert float(end.grad) == pytest.approx(math.exp(-2), rel=1e-12)  # type: ignore[arg-type]  # one
    expected = (3 * math.exp(-2) - 1) / 4
    assert float(rate.grad) == pytest.approx(expected, rel=1e-10)  # type: ignore[arg-type]  # one


def test_derivatives_of_every_kind() -> None:
    def area(a: npg.Array, b: npg.Array, c: npg.Array) -> npg.Array:
        return integrate.quad(lambda x: npg.sin(c * x) + x**2, a, b)[0]

    def tail(a: npg.Array, c: npg.Array) -> npg.Array:
        return integrate.quad(lambda x: npg.exp(-c * x), a, INF)[0]

    check_grads(area, [0.3, 1.4, 2.0], order=3)
    check_grads(tail, [0.3, 2.0], order=2)
    check_grads(lambda b: integrate.quad_vec(lambda x: npg.exp(x * b), 0.0, b[0])[0], [np.ones(2)])
    check_grads(lambda b: integrate.fixed_quad(lambda x: npg.exp(x * b), 0.0, b)[0], [0.7])


PEAKS: list[tuple[Callable[[Any, Any], Any], float, float]] = [
    (lambda x, c: npg.sqrt(x * x + c * c), 1e-4, 2e-4 * math.asinh(1e4)),
    (lambda x, c: npg.sqrt(x * x + c * c), 1e-6, 2e-6 * math.asinh(1e6)),
    (lambda x, p: npg.abs(x) ** p, -0.5, -8.0),
    (lambda x, c: npg.abs(x - c), 0.3, 0.6),
    (lambda x, c: npg.sin(x * c), 0.0, 0.0),
]
"""Functions, a parameter, and the derivative of the integral from -1 to 1 by it."""


@pytest.mark.parametrize(("function", "at", "expected"), PEAKS)
def test_derivatives_have_the_accuracy_of_the_value(
    function: Any, at: float, expected: float, quick_device: str
) -> None:
    def area(c: npg.Array) -> npg.Array:
        halves = [integrate.quad(lambda x: function(x, c), *ends)[0] for ends in ((-1, 0), (0, 1))]
        whole = integrate.quad(lambda x: function(x, c), -1, 1)[0] if at >= 0 else sum(halves)
        return npg.asarray(whole)

    at_array = npg.array(at)
    for slope in (
        npg.grad(area)(at_array),
        npg.jvp(area, (at_array,), (npg.array(1.0),))[1],
        npg.grad(lambda c: 1000 * c[0] + area(c[1]))(npg.stack([at_array, at_array]))[1],
    ):
        assert abs(float(slope) - expected) < 1.5e-8 * max(1.0, abs(expected))


def test_the_derivative_by_each_array_has_to_be_exact() -> None:
    def area(c: npg.Array, scale: npg.Array) -> npg.Array:
        return integrate.quad(lambda x: 1e9 * scale * x**2 + npg.sqrt(x * x + c * c), -1.0, 1.0)[0]

    peak, _ = npg.grad(area, (0, 1))(npg.array(1e-4), npg.array(1.0))

    assert float(peak) == pytest.approx(2e-4 * math.asinh(1e4), abs=1e-8)


def test_rounding_errors_of_a_derivative_that_vanishes_are_no_doubt() -> None:
    def area(c: npg.Array) -> npg.Array:
        return integrate.quad_vec(lambda x: npg.cos(x) + npg.sin(c * x), -1.0, 1.0)[0]

    assert abs(float(npg.grad(area)(npg.array(0.3)))) < 1e-15


def test_a_derivative_that_does_not_converge_is_refused() -> None:
    def root(c: npg.Array) -> npg.Array:
        return integrate.quad(lambda x: npg.sqrt(npg.abs(x - c)), -1.0, 1.0)[0]

    def peak(c: npg.Array) -> npg.Array:
        return integrate.quad(lambda x: npg.sqrt(x * x + c * c), -1.0, 1.0, limit=5)[0]

    def flat(c: npg.Array) -> npg.Array:
        return integrate.quad(lambda x: npg.sqrt(c * x * x), -1.0, 1.0)[0]

    for function, at, message in (
        (root, 0.3, "split the integral"),
        (flat, 0.0, "no finite derivative at x ="),
        (peak, 1e-4, "raise limit"),
    ):
        with pytest.raises(DerivativeError, match=message):
            npg.grad(function)(npg.array(at))
        assert npg.isfinite(function(npg.array(at)))


def test_a_jump_that_moves_is_passed_as_a_limit() -> None:
    slope = npg.grad(lambda c: integrate.quad(lambda x: x, c, 1.0)[0])(npg.array(0.3))

    assert float(slope) == pytest.approx(-0.3)


def test_derivatives_by_a_limit_to_the_eighth() -> None:
    function = lambda b: integrate.quad(npg.sin, 0.0, b)[0]  # noqa: E731 (it is differentiated)
    for expected in (math.sin, math.cos) * 4:
        function = npg.grad(function)
        sign = 1.0 if abs(float(function(npg.array(0.7))) - expected(0.7)) < 1 else -1.0
        assert sign * float(function(npg.array(0.7))) == pytest.approx(expected(0.7), rel=1e-10)


def test_a_recorded_integral_is_as_an_eager_one() -> None:
    with npg.lazy():
        end = npg.array(1.0, requires_grad=True)
        integrate.quad(lambda x: npg.exp(x * end), 0.0, end)[0].backward()
        found = end.grad.numpy()  # type: ignore[union-attr]  # there is one

    assert found == pytest.approx(math.e + 1.0, rel=1e-12)


def test_a_jump_inside_does_not_change_the_derivative_by_a_limit() -> None:
    def area(b: npg.Array) -> npg.Array:
        return integrate.quad(lambda x: npg.where(x > 1, 1.0, 0.0), 0.0, b, points=[1.0])[0]

    value, slope = npg.value_and_grad(area)(npg.array(3.0))

    assert float(value) == pytest.approx(2.0, rel=1e-12)
    assert float(slope) == pytest.approx(1.0)


def test_single_precision_stays(quick_device: str) -> None:
    end = npg.array(1.0, dtype="float32", requires_grad=True)
    value, error = integrate.quad(npg.exp, 0.0, end)
    value.backward()

    assert value.dtype == npg.float32
    assert error < 1e-4
    assert value.item() == pytest.approx(math.e - 1, rel=1e-5)


def test_vectors_have_the_same_points() -> None:
    expected, _ = scipy.integrate.quad_vec(lambda x: np.sin(x * np.arange(4.0)), 0.0, 2.0)

    for norm in ("2", "max"):
        value, error = integrate.quad_vec(
            lambda x: npg.sin(x * npg.arange(4.0)),
            0.0,
            2.0,
            norm=norm,  # type: ignore[arg-type]  # one of the two
        )
        np.testing.assert_allclose(value.numpy(), expected, rtol=1e-12)
        assert error < 1e-7


def test_too_few_intervals_are_told() -> None:
    with pytest.warns(RuntimeWarning, match="with 3 intervals"):
        integrate.quad(lambda x: npg.sin(1 / x), 0.01, 1.0, limit=3)


def test_what_cannot_be_integrated_is_refused() -> None:
    end = npg.array(0.0, requires_grad=True)
    for error, message, call in (
        (ConvergenceError, "not finite at x", lambda: integrate.quad(lambda x: x / 0.0, 0.0, 1.0)),
        (DerivativeError, "limit 0.0", lambda: integrate.quad(lambda x: 1 / npg.sqrt(x), end, 1.0)),
        (ShapeError, "quad_vec", lambda: integrate.quad(lambda x: npg.sum(x), 0.0, 1.0)),
        (ShapeError, "real numbers", lambda: integrate.quad(npg.exp, npg.zeros(2), 1.0)),
        (ValueError, "numbers", lambda: integrate.quad(npg.exp, math.nan, 1.0)),
        (ValueError, "split", lambda: integrate.quad(npg.exp, -INF, 1.0, points=[0.0])),
        (ValueError, "quad()", lambda: integrate.fixed_quad(npg.exp, 0.0, INF)),
        (ValueError, "initial", lambda: integrate.cumulative_trapezoid(npg.ones(3), initial=1.0)),
        (ShapeError, "3 points", lambda: integrate.trapezoid(npg.ones(3), npg.ones(2))),
    ):
        with np.errstate(all="ignore"), pytest.raises(error, match=message):
            call()


def test_a_captured_function_takes_fixed_points() -> None:
    compiled = npg.compile(lambda b: integrate.fixed_quad(npg.exp, 0.0, b)[0])

    assert float(compiled(npg.array(0.5))) == pytest.approx(math.exp(0.5) - 1, rel=1e-9)
    for transform, b in ((npg.compile, npg.array(1.0)), (npg.vmap, npg.ones(2))):
        with pytest.raises(CaptureError, match="fixed_quad"):
            transform(lambda b: integrate.quad(lambda x: x * b, 0.0, 1.0)[0])(b)
