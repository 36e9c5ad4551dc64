"""Derivatives at kinks, ties and edges: CONVENTIONS.md, section 1, line by line.

Every line is checked in reverse and in forward mode, on every backend.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import DTypeError

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, of log(0) itself

INF = math.inf
NAN = math.nan
Function = Callable[..., npg.Array]


def reverse(function: Function, arrays: list[npg.Array]) -> list[list[float]]:
    """The gradient of the sum of the result, by `backward`."""
    leaves = [npg.array(x, requires_grad=True) for x in arrays]
    y = function(*leaves)
    if y.requires_grad:
        y.backward(npg.ones_like(y))
    return [np.zeros(x.shape) if x.grad is None else x.grad.numpy() for x in leaves]


def forward(function: Function, arrays: list[npg.Array]) -> list[np.ndarray]:
    """The same, an element at a time, by `jvp`."""
    found = []
    for position, x in enumerate(arrays):
        gradient = np.zeros(x.shape)
        for index in np.ndindex(x.shape):
            tangents = [npg.zeros_like(a) for a in arrays]
            tangents[position][index] = 1.0
            gradient[index] = npg.jvp(function, arrays, tangents)[1].numpy().sum()
        found.append(gradient)
    return found


def check(function: Function, arguments: list[Any], expected: list[Any]) -> None:
    """Both modes give the expected gradients."""
    arrays = [npg.array(a, dtype="float64") for a in arguments]
    for mode in (reverse, forward):
        found = mode(function, arrays)
        assert len(found) == len(expected)
        for gradient, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(gradient, wanted, rtol=1e-12, err_msg=mode.__name__)


# Kinks and norms at zero


@pytest.mark.parametrize(
    ("function", "points", "slopes"),
    [
        (npg.abs, [-2.0, 0.0, -0.0, 3.0], [-1, 0, 0, 1]),
        (npg.sign, [-2.0, 0.0, 3.0], [0, 0, 0]),
        (npg.relu, [-2.0, 0.0, -0.0, 3.0], [0, 0, 0, 1]),
    ],
    ids=["abs", "sign", "relu"],
)
def test_the_subgradient_of_least_norm_at_zero(
    device: str, function: Function, points: list[float], slopes: list[float]
) -> None:
    check(function, [points], [slopes])


def test_hypot_at_zero(device: str) -> None:
    check(npg.hypot, [[0.0, 3.0, 0.0], [0.0, 4.0, 2.0]], [[0, 0.6, 0], [0, 0.8, 1]])


def test_hypot_of_large_and_small_numbers(device: str) -> None:
    check(npg.hypot, [[3e200, 3e-200], [4e200, 4e-200]], [[0.6, 0.6], [0.8, 0.8]])


def test_std_of_equal_elements(device: str) -> None:
    check(npg.std, [[2.0, 2.0, 2.0]], [[0, 0, 0]])
    check(lambda x: npg.std(x, correction=1.0), [[2.0, 2.0, 2.0]], [[0, 0, 0]])
    check(lambda x: npg.std(x, axis=1), [[[1.0, 1.0], [1.0, 3.0]]], [[[0, 0], [-0.5, 0.5]]])
    check(npg.std, [[5.0]], [[0]])


def test_the_square_root_of_a_sum_of_squares_stays_infinite_or_nan_free_elsewhere(
    device: str,
) -> None:
    check(lambda x: npg.sqrt(npg.sum(x * x, axis=1)), [[[3.0, 4.0]]], [[[0.6, 0.8]]])


# Ties


def test_maximum_and_minimum_give_half_to_each_at_a_tie(device: str) -> None:
    x1, x2 = [1.0, 2.0, 3.0, 0.0], [2.0, 2.0, 1.0, -0.0]
    check(npg.maximum, [x1, x2], [[0, 0.5, 1, 0.5], [1, 0.5, 0, 0.5]])
    check(npg.minimum, [x1, x2], [[1, 0.5, 0, 0.5], [0, 0.5, 1, 0.5]])


def test_maximum_of_equal_infinities(device: str) -> None:
    check(npg.maximum, [[INF, -INF], [INF, -INF]], [[0.5, 0.5], [0.5, 0.5]])
    check(npg.minimum, [[INF, -INF], [INF, -INF]], [[0.5, 0.5], [0.5, 0.5]])


def test_max_and_min_split_equally_among_ties(device: str) -> None:
    x = [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]
    third = 1 / 3
    check(lambda x: npg.max(x, axis=1), [x], [[[0, 0.5, 0.5], [third, third, third]]])
    check(lambda x: npg.min(x, axis=1), [x], [[[1, 0, 0], [third, third, third]]])
    check(npg.max, [x], [[[0, 0.5, 0.5], [0, 0, 0]]])
    check(lambda x: npg.max(x, axis=(0, 1), keepdims=True), [x], [[[0, 0.5, 0.5], [0, 0, 0]]])


def test_max_of_infinities(device: str) -> None:
    check(npg.max, [[INF, 1.0, INF]], [[0.5, 0, 0.5]])
    check(npg.min, [[-INF, 1.0]], [[1, 0]])


def test_clip_is_one_inside_and_at_the_bounds_and_zero_outside(device: str) -> None:
    x = [-1.0, 0.0, 0.5, 1.0, 2.0]
    check(lambda x: npg.clip(x, 0.0, 1.0), [x], [[0, 1, 1, 1, 0]])
    check(lambda x: npg.clip(x, 0.0), [x], [[0, 1, 1, 1, 1]])
    check(lambda x: npg.clip(x, max=1.0), [x], [[1, 1, 1, 1, 0]])


def test_clip_differentiates_its_bounds(device: str) -> None:
    x = [-1.0, 0.0, 0.5, 1.0, 2.0]
    zeros, ones = [0.0] * 5, [1.0] * 5
    check(npg.clip, [x, zeros, ones], [[0, 1, 1, 1, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1]])


def test_sort_gives_its_gradient_to_the_elements_selected(device: str) -> None:
    weights = npg.array([1.0, 10.0, 100.0, 1000.0])
    x = [3.0, 1.0, 3.0, 2.0]
    check(lambda x: npg.sort(x) * weights, [x], [[100, 1, 1000, 10]])
    check(lambda x: npg.sort(x, descending=True) * weights, [x], [[1, 1000, 10, 100]])


def test_sort_of_all_equal_elements_keeps_their_order(device: str) -> None:
    weights = npg.array([1.0, 10.0, 100.0])
    check(lambda x: npg.sort(x) * weights, [[5.0, 5.0, 5.0]], [[1, 10, 100]])
    check(lambda x: npg.sort(x, descending=True) * weights, [[5.0, 5.0, 5.0]], [[1, 10, 100]])


def test_take_accumulates_repeats(device: str) -> None:
    check(lambda x: npg.take(x, npg.asarray([2, 0, 2])), [[1.0, 2.0, 3.0]], [[1, 0, 2]])
    check(
        lambda x: npg.take_along_axis(x, npg.asarray([[1, 1], [0, 1]]), axis=1),
        [[[1.0, 2.0], [3.0, 4.0]]],
        [[[0, 2], [1, 1]]],
    )


# Powers


def test_the_zeroth_power_has_no_slope(device: str) -> None:
    check(lambda x: x**0, [[-2.0, 0.0, 3.0]], [[0, 0, 0]])
    check(lambda x: x**0.0, [[-2.0, 0.0, 3.0]], [[0, 0, 0]])
    check(lambda x: npg.pow(x, npg.array([0.0, 0.0])), [[0.0, 2.0]], [[0, 0]])


def test_small_powers_at_zero(device: str) -> None:
    check(lambda x: x**1, [[0.0, 2.0]], [[1, 1]])
    check(lambda x: x**2, [[0.0, 2.0]], [[0, 4]])
    check(lambda x: x**2.0, [[0.0, 2.0]], [[0, 4]])
    check(lambda x: x**3, [[0.0, 2.0]], [[0, 12]])
    check(lambda x: x**0.5, [[0.0, 4.0]], [[INF, 0.25]])


def test_a_negative_base_to_an_integer_power(device: str) -> None:
    check(lambda x: x**3, [[-2.0]], [[12]])
    check(lambda x: x**3.0, [[-2.0]], [[12]])
    check(lambda x: npg.pow(x, npg.array([2.0, -1.0])), [[-2.0, -2.0]], [[-4, -0.25]])


def test_zero_to_a_power_has_no_slope_in_the_exponent(device: str) -> None:
    check(lambda p: 0.0**p, [[1.0, 2.0, 0.5]], [[0, 0, 0]])
    check(npg.pow, [[0.0, 0.0], [1.0, 2.0]], [[1, 0], [0, 0]])


def test_zero_to_the_zeroth(device: str) -> None:
    check(npg.pow, [[0.0], [0.0]], [[0], [0]])


def test_no_logarithm_of_a_negative_base_leaks_into_the_base(device: str) -> None:
    x = npg.array([-2.0, 0.0], requires_grad=True)
    (x ** npg.array([2.0, 2.0])).sum().backward()
    assert x.grad.tolist() == [-4.0, 0.0]


def test_second_derivatives_of_powers_at_zero(device: str) -> None:
    for power, expected in ((2, 2.0), (2.0, 2.0), (3, 0.0), (1, 0.0), (0, 0.0)):
        second = npg.grad(npg.grad(lambda x, p=power: x**p))(npg.array(0.0))
        assert second.item() == expected, power


# Products


def test_prod_with_zeros_is_the_exact_product_of_the_others(device: str) -> None:
    check(npg.prod, [[2.0, 0.0, 5.0]], [[0, 10, 0]])
    check(npg.prod, [[0.0, 0.0, 5.0]], [[0, 0, 0]])
    check(npg.prod, [[2.0, 3.0, 5.0]], [[15, 10, 6]])
    x = [[1.0, 0.0], [0.0, 0.0], [3.0, 4.0]]
    check(lambda x: npg.prod(x, axis=1), [x], [[[0, 1], [0, 0], [4, 3]]])
    check(lambda x: npg.prod(x, axis=0, keepdims=True), [x], [[[0, 0], [3, 0], [0, 0]]])


def test_prod_of_tiny_and_huge_numbers_divides_by_none(device: str) -> None:
    check(npg.prod, [[1e-200, 1e-200, 1e300]], [[1e100, 1e100, 0]])


def test_second_derivative_of_prod_with_zeros(device: str) -> None:
    hessian_row = npg.grad(lambda x: npg.grad(npg.prod)(x)[0])
    assert hessian_row(npg.array([2.0, 0.0, 5.0])).tolist() == [0.0, 5.0, 0.0]
    assert hessian_row(npg.array([0.0, 0.0, 5.0])).tolist() == [0.0, 5.0, 0.0]


@pytest.mark.parametrize("include_initial", [False, True])
def test_cumulative_prod_with_zeros(device: str, include_initial: bool) -> None:
    f = lambda x: npg.cumulative_prod(x, include_initial=include_initial)  # noqa: E731
    # 1: a, ab, abc
    check(f, [[2.0, 0.0, 5.0]], [[1, 2 + 10, 0]])
    check(f, [[0.0, 0.0, 5.0]], [[1, 0, 0]])
    check(f, [[2.0, 3.0, 5.0]], [[1 + 3 + 15, 2 + 10, 6]])


def test_second_derivative_of_cumulative_prod_with_zeros(device: str) -> None:
    f = lambda x: npg.cumulative_prod(x).sum()  # noqa: E731
    row = npg.grad(lambda x: npg.grad(f)(x)[0])
    assert row(npg.array([2.0, 0.0, 5.0])).tolist() == [0.0, 6.0, 0.0]


# where: the branch not taken contributes exactly nothing


@pytest.mark.parametrize(
    ("function", "bad", "good"),
    [
        (npg.sqrt, 0.0, 4.0),
        (npg.sqrt, -1.0, 4.0),
        (npg.log, 0.0, 4.0),
        (npg.log, -1.0, 4.0),
        (npg.reciprocal, 0.0, 4.0),
        (lambda x: 1.0 / x, 0.0, 4.0),
        (npg.asin, 1.0, 0.5),
        (npg.asin, 2.0, 0.5),
        (npg.acosh, 1.0, 2.0),
        (npg.atanh, 1.0, 0.5),
        (lambda x: x**0.5, 0.0, 4.0),
        (lambda x: x**-1.0, 0.0, 4.0),
        (npg.exp, 1000.0, 1.0),
        (lambda x: npg.exp(npg.exp(x)), 100.0, 1.0),
        (lambda x: npg.sqrt(npg.exp(-x)), 1e6, 1.0),
        (lambda x: npg.log(npg.sum(x[:, None], axis=1)), 0.0, 4.0),
        (lambda x: npg.sqrt(npg.matmul(x[:, None], npg.ones((1, 1)))[:, 0]), 0.0, 4.0),
        (npg.tan, INF, 1.0),
        (npg.log1p, -1.0, 1.0),
        (npg.log2, 0.0, 1.0),
        (npg.hypot, INF, 1.0),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_the_branch_not_taken_contributes_exactly_zero(
    device: str, function: Function, bad: float, good: float
) -> None:
    f = function if function is not npg.hypot else lambda x: npg.hypot(x, 2.0)
    expected = reverse(f, [npg.array([good])])[0][0]
    assert np.isfinite(expected)
    check(
        lambda x: npg.where(npg.asarray([False, True]), f(x), 7.0),
        [[bad, good]],
        [[0.0, expected]],
    )
    check(
        lambda x: npg.where(npg.asarray([True, False]), x, f(x)),
        [[bad, good]],
        [[1.0, expected]],
    )


@pytest.mark.parametrize(
    "select",
    [
        lambda y: y[1:],
        lambda y: y[npg.asarray([1])],
        lambda y: y[npg.asarray([False, True])],
        lambda y: npg.take(y, npg.asarray([1])),
        lambda y: npg.max(y),
        lambda y: npg.maximum(y, npg.asarray([100.0, -100.0])),
        lambda y: npg.clip(y, -INF, INF) * npg.asarray([0.0, 1.0]),
        lambda y: npg.relu(y),
        lambda y: npg.sort(y)[1:],
        lambda y: npg.flip(y)[:1],
        lambda y: npg.concat([y, y])[1:2],
        lambda y: npg.stack([y, y])[0, 1:],
        lambda y: npg.tril(npg.stack([y, y]))[1, 1:],
        lambda y: npg.where(npg.asarray([False, True]), y, 0.0),
        lambda y: npg.unstack(y)[1],
    ],
    ids=[
        *("slice", "index array", "mask", "take", "max", "maximum", "times zero", "relu", "sort"),
        *("flip", "concat", "stack", "tril", "where", "unstack"),
    ],
)
def test_an_element_that_was_not_used_contributes_exactly_zero(
    device: str, select: Function
) -> None:
    """The square root of 0 has slope inf; nothing that leaves it out may see 0 * inf."""
    check(lambda x: select(npg.sqrt(x)), [[0.0, 4.0]], [[0.0, 0.25]])


def test_second_derivatives_past_a_branch_not_taken(device: str) -> None:
    f = lambda x: npg.where(x > 1.0, npg.sqrt(x), 0.0).sum()  # noqa: E731
    second = npg.grad(lambda x: npg.grad(f)(x).sum())(npg.array([0.0, 4.0]))
    np.testing.assert_allclose(second.numpy(), [0.0, -0.25 * 4.0**-1.5])
    x, t = npg.array([0.0, 4.0]), npg.array([1.0, 1.0])
    mixed = npg.jvp(npg.grad(f), (x,), (t,))[1]
    np.testing.assert_allclose(mixed.numpy(), [0.0, -0.25 * 4.0**-1.5])


def test_a_flat_relu_silences_an_infinite_cotangent(device: str) -> None:
    check(lambda x: npg.sqrt(npg.relu(x)), [[-1.0, 4.0]], [[0.0, 0.25]])
    check(lambda x: npg.log(npg.clip(x, 0.0, 10.0)), [[-1.0, 4.0]], [[0.0, 0.25]])
    check(lambda x: npg.sqrt(npg.maximum(x, 0.0)), [[-1.0, 4.0]], [[0.0, 0.25]])


def test_a_genuine_nan_is_not_hidden(device: str) -> None:
    x = npg.array([NAN, 4.0], requires_grad=True)
    npg.sqrt(x).sum().backward()
    assert np.isnan(x.grad.numpy()[0])
    assert x.grad.numpy()[1] == 0.25


def test_a_genuine_infinity_is_not_hidden(device: str) -> None:
    check(lambda x: npg.sqrt(x) * 2.0, [[0.0, 4.0]], [[INF, 0.5]])


# Boundaries of domains


@pytest.mark.parametrize(
    ("function", "points", "slopes"),
    [
        (npg.sqrt, [0.0], [INF]),
        (npg.log, [0.0], [INF]),
        (npg.log2, [0.0], [INF]),
        (npg.log10, [0.0], [INF]),
        (npg.log1p, [-1.0], [INF]),
        (npg.asin, [1.0, -1.0], [INF, INF]),
        (npg.acos, [1.0, -1.0], [-INF, -INF]),
        (npg.acosh, [1.0], [INF]),
        (npg.atanh, [1.0, -1.0], [INF, INF]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_slope_at_the_boundary_is_infinite_as_the_limit_is(
    device: str, function: Function, points: list[float], slopes: list[float]
) -> None:
    check(function, [points], [slopes])


@pytest.mark.parametrize(
    ("function", "point"),
    [(npg.sqrt, 0.0), (npg.asin, 1.0), (npg.acos, 1.0), (npg.acosh, 1.0), (npg.hypot, 0.0)],
    ids=["sqrt", "asin", "acos", "acosh", "hypot"],
)
def test_derivatives_at_the_edge_of_a_domain_do_not_warn(
    device: str, function: Function, point: float
) -> None:
    f = function if function is not npg.hypot else lambda x: npg.hypot(x, x)
    x = npg.array([point], requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = f(x)
        y.backward(npg.array([1.0]), retain_graph=True)
        y.backward(npg.array([1.0]), create_graph=True)
        _, t = npg.jvp(f, (npg.array([point]),), (npg.array([1.0]),))
    np.testing.assert_array_equal(x.grad.detach().numpy(), 2 * t.numpy())


@pytest.mark.parametrize("function", [npg.logsumexp, npg.softmax, npg.log_softmax])
def test_all_negative_infinity_does_not_warn(device: str, function: Function) -> None:
    x = npg.array([-INF, -INF], requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = function(x)
        y.backward(npg.ones_like(y))
    assert not np.any(np.isnan(y.detach().numpy()))
    assert not np.any(np.isnan(x.grad.numpy()))


# Sums of exponentials, angles


def test_logaddexp_of_two_negative_infinities_is_half_and_half(device: str) -> None:
    x1, x2 = [-INF, -INF, 1.0, INF], [-INF, 1.0, -INF, 1.0]
    check(npg.logaddexp, [x1, x2], [[0.5, 0, 1, 1], [0.5, 1, 0, 0]])
    check(npg.logaddexp, [[INF], [INF]], [[0.5], [0.5]])


def test_logaddexp_without_overflow(device: str) -> None:
    check(npg.logaddexp, [[1000.0], [1000.0]], [[0.5], [0.5]])
    check(npg.logaddexp, [[-1000.0], [1000.0]], [[0.0], [1.0]])


def test_logsumexp_of_all_negative_infinity_is_uniform(device: str) -> None:
    check(npg.logsumexp, [[-INF, -INF]], [[0.5, 0.5]])
    check(
        lambda x: npg.logsumexp(x, axis=1),
        [[[-INF, -INF], [-INF, 0.0], [1.0, 1.0]]],
        [[[0.5, 0.5], [0, 1], [0.5, 0.5]]],
    )


def test_logsumexp_and_softmax_without_overflow(device: str) -> None:
    check(npg.logsumexp, [[1000.0, 1000.0]], [[0.5, 0.5]])
    check(lambda x: npg.softmax(x)[0], [[1000.0, 1000.0]], [[0.25, -0.25]])
    check(lambda x: npg.log_softmax(x)[0], [[1000.0, -1000.0]], [[0.0, 0.0]])


def test_atan2_at_the_origin_is_zero(device: str) -> None:
    check(npg.atan2, [[0.0, 1.0, 0.0], [0.0, 0.0, -2.0]], [[0, 0, -0.5], [0, -1, 0]])
    check(npg.atan2, [[3e200], [4e200]], [[4 / 25 * 1e-200 * 1.0], [-3 / 25 * 1e-200]])


@pytest.mark.parametrize("x", [-1000.0, 1000.0])
def test_sigmoid_and_softplus_saturate_without_nan(device: str, x: float) -> None:
    check(npg.sigmoid, [[x]], [[0.0]])
    check(npg.softplus, [[x]], [[float(x > 0)]])
    check(npg.tanh, [[x]], [[0.0]])
    check(npg.gelu, [[x]], [[float(x > 0)]])


def test_second_derivatives_where_a_function_saturates(device: str) -> None:
    for f in (npg.sigmoid, npg.softplus, npg.tanh, npg.logsumexp, npg.relu, npg.abs):
        for x in (-1000.0, 1000.0):
            second = npg.grad(npg.grad(lambda x, f=f: f(x)))(npg.array(x))
            assert second.item() == 0.0, f.__name__


# Steps


@pytest.mark.parametrize(
    "function",
    [
        npg.floor,
        npg.ceil,
        npg.round,
        npg.trunc,
        npg.sign,
        lambda x: x // 2.0,
        lambda x: 2.0 // x,
        lambda x: npg.astype(x > 0.0, "float64"),
        lambda x: npg.astype(npg.astype(x, "int64"), "float64"),
    ],
    ids=["floor", "ceil", "round", "trunc", "sign", "//", "reflected //", ">", "int"],
)
def test_steps_have_zero_gradient_and_are_no_error(device: str, function: Function) -> None:
    check(lambda x: function(x) + 0.0 * x, [[-1.5, 0.5, 2.0]], [[0, 0, 0]])
    check(lambda x: x * function(x), [[2.5]], [function(npg.array([2.5])).numpy()])
    assert npg.grad(lambda x: function(x).sum())(npg.array([1.5])).tolist() == [0.0]


def test_discrete_results_carry_no_gradient(device: str) -> None:
    x = npg.array([1.5, -2.5], requires_grad=True)
    for y in (npg.floor(x), npg.ceil(x), npg.round(x), npg.trunc(x), npg.sign(x), x // 2.0, x > 0):
        assert not y.requires_grad


def test_remainder(device: str) -> None:
    check(npg.remainder, [[7.5, -7.5, 7.5], [2.0, 2.0, -2.0]], [[1, 1, 1], [-3, 4, 4]])


def test_copysign_follows_the_sign(device: str) -> None:
    check(npg.copysign, [[3.0, -3.0, 3.0], [-1.0, -1.0, 1.0]], [[-1, 1, 1], [0, 0, 0]])


# dtypes


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8", "bool"])
def test_integer_and_boolean_arrays_cannot_require_grad(device: str, dtype: str) -> None:
    with pytest.raises(DTypeError, match="floating"):
        npg.array([1, 0], dtype=dtype, requires_grad=True)
    x = npg.array([1, 0], dtype=dtype)
    with pytest.raises(DTypeError, match="floating"):
        x.requires_grad = True
    with pytest.raises(DTypeError, match="floating"):
        npg.zeros(2, dtype=dtype, requires_grad=True)
    assert not x.requires_grad


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_a_gradient_has_its_inputs_dtype_and_shape(device: str, dtype: str) -> None:
    x = npg.array([[1.0, 2.0]], dtype=dtype, requires_grad=True)
    w = npg.array([[3.0], [4.0]], dtype="complex128")
    npg.sum(npg.abs(x * w) ** 2).backward()
    assert x.grad.dtype == dtype
    assert x.grad.shape == (1, 2)
    np.testing.assert_allclose(x.grad.numpy(), [[50.0, 100.0]], rtol=1e-6)


# Functions that write to their arguments


def test_a_function_that_writes_to_its_argument_is_differentiated_as_it_computes(
    device: str,
) -> None:
    def function(x: npg.Array) -> npg.Array:
        x *= 2.0
        x[0] = 5.0
        return x * x

    x = npg.array([1.0, 2.0])
    total = lambda x: npg.sum(function(x))  # noqa: E731
    ones = npg.array([1.0, 1.0])
    assert npg.grad(total)(x).tolist() == [0.0, 16.0]
    assert npg.vjp(function, x)[1](ones)[0].tolist() == [0.0, 16.0]
    assert npg.jvp(function, (x,), (ones,))[1].tolist() == [0.0, 16.0]
    assert npg.jvp(npg.grad(total), (x,), (ones,))[1].tolist() == [0.0, 8.0]
    assert npg.grad(lambda x: npg.sum(npg.grad(total)(x)))(x).tolist() == [0.0, 8.0]
    assert npg.compile(npg.grad(total))(x).tolist() == [0.0, 16.0]
    with npg.lazy():
        assert npg.grad(total)(x).tolist() == [0.0, 16.0]
    assert x.tolist() == [1.0, 2.0]


# Complex numbers


def check_complex(
    function: Function, z: np.ndarray, rng: np.random.Generator, holds: bool = True
) -> None:
    """Reverse and forward mode against differences in the real and imaginary parts."""

    def loss(value: np.ndarray) -> float:
        y = function(npg.array(value)).numpy()
        return float(np.sum(weight.real * y.real + weight.imag * y.imag))

    step = 1e-6
    shape = function(npg.array(z)).shape
    weight = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    leaf = npg.array(z, requires_grad=True)
    y = function(leaf)
    y.backward(weight if y.dtype.kind == "c" else weight.real)
    if y.dtype.kind != "c":
        weight = weight.real + 0j
    expected = np.zeros(z.shape, complex)
    for index in np.ndindex(z.shape):
        for direction in (1.0, 1j):
            moved = z.copy()
            moved[index] += step * direction
            up = loss(moved)
            moved[index] -= 2 * step * direction
            expected[index] += direction * (up - loss(moved)) / (2 * step)
    np.testing.assert_allclose(leaf.grad.numpy(), expected, rtol=1e-5, atol=1e-7)
    t = rng.normal(size=z.shape) + 1j * rng.normal(size=z.shape)
    _, tangent = npg.jvp(function, (npg.array(z),), (npg.array(t),))
    numerical = (function(npg.array(z + step * t)) - function(npg.array(z - step * t))) / (2 * step)
    np.testing.assert_allclose(tangent.numpy(), numerical.numpy(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "function",
    [
        lambda z: z * z * (1 + 2j),
        lambda z: npg.exp(z),
        lambda z: npg.sin(z) / z,
        lambda z: npg.sqrt(z),
        lambda z: npg.log(z),
        lambda z: npg.abs(z),
        lambda z: npg.real(z) * npg.imag(z),
        lambda z: npg.conj(z) * 2j + z,
        lambda z: npg.sum(npg.abs(z) ** 2),
        lambda z: z**3,
        lambda z: z**1.5,
        lambda z: npg.prod(z),
        lambda z: npg.cumulative_prod(z),
        lambda z: npg.vecdot(z, z * 1j),
        lambda z: npg.matmul(z[None], z[:, None] * 2j),
        lambda z: npg.tanh(z) - npg.atan(z),
        lambda z: npg.sign(z),
        lambda z: npg.where(npg.real(z) > 0, z * z, npg.conj(z)),
        lambda z: npg.reciprocal(z),
        lambda z: npg.mean(z) * z,
        lambda z: npg.acosh(z) + npg.asinh(z) + npg.atanh(z),
        lambda z: npg.expm1(z) + npg.log1p(z),
    ],
    ids=[
        *("square", "exp", "sinc", "sqrt", "log", "abs", "parts", "conj", "norm", "cube", "power"),
        *("prod", "cumprod", "vecdot", "matmul", "tanh", "sign", "where", "reciprocal", "mean"),
        *("inverse", "expm1"),
    ],
)
def test_complex_gradients_are_conjugate_wirtinger_gradients(
    device: str, function: Function, rng: np.random.Generator
) -> None:
    check_complex(function, np.array([0.6 + 0.3j, 1.2 - 0.8j, -0.7 + 1.1j]), rng)


def test_a_step_against_the_gradient_descends(device: str) -> None:
    z = npg.array([1.0 + 2.0j], requires_grad=True)
    loss = lambda z: npg.sum(npg.abs(z * z - 1j) ** 2)  # noqa: E731
    loss(z).backward()
    assert loss(z - 1e-4 * z.grad).item() < loss(z).item()


def test_the_gradient_of_the_modulus_at_zero_is_zero(device: str) -> None:
    z = npg.array([0.0 + 0.0j, 3.0 + 4.0j], requires_grad=True)
    npg.abs(z).sum().backward()
    np.testing.assert_allclose(z.grad.numpy(), [0.0, 0.6 + 0.8j])


def test_the_gradient_of_the_square_modulus_is_twice_the_number(device: str) -> None:
    z = npg.array([3.0 + 4.0j], requires_grad=True)
    (npg.real(z) ** 2 + npg.imag(z) ** 2).sum().backward()
    np.testing.assert_allclose(z.grad.numpy(), [6.0 + 8.0j])


def test_the_complex_convention_is_pytorchs(device: str, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    z0 = rng.normal(size=4) + 1j * rng.normal(size=4)
    z = npg.array(z0, requires_grad=True)
    t = torch.tensor(z0, requires_grad=True)
    npg.real(npg.sum(npg.exp(z) * z * (1 + 2j))).backward()
    (torch.exp(t) * t * (1 + 2j)).sum().real.backward()
    np.testing.assert_allclose(z.grad.numpy(), t.grad.numpy())


def test_second_derivatives_of_real_losses_of_complex_numbers(device: str) -> None:
    # |z|**4 = (a**2 + b**2)**2, along a real direction
    f = lambda a: npg.sum(npg.abs(a * (1.0 + 1.0j)) ** 4)  # noqa: E731
    second = npg.grad(npg.grad(f))(npg.array(1.5))
    np.testing.assert_allclose(second.item(), 4 * 12 * 1.5**2)


# Where others give NaN


TORCH_NANS: dict[str, tuple[Function, Callable[..., Any], list[float]]] = {
    "norm at 0": (
        lambda x: npg.where(x.sum() > 1.0, npg.sqrt(npg.sum(x * x)), 0.0),
        lambda torch, x: torch.where(x.sum() > 1.0, torch.sqrt(torch.sum(x * x)), 0.0),
        [0.0, 0.0],
    ),
    "where sqrt": (
        lambda x: npg.where(x > 0.0, npg.sqrt(x), 0.0),
        lambda torch, x: torch.where(x > 0.0, torch.sqrt(x), 0.0),
        [0.0, 4.0],
    ),
    "logaddexp": (
        lambda x: npg.logaddexp(x, x),
        lambda torch, x: torch.logaddexp(x, x),
        [-INF, 1.0],
    ),
    "logsumexp": (
        lambda x: npg.logsumexp(x, axis=0),
        lambda torch, x: torch.logsumexp(x, 0),
        [-INF, -INF],
    ),
    "atan2": (
        lambda x: npg.atan2(x, x),
        lambda torch, x: torch.atan2(x, x),
        [0.0, 1.0],
    ),
    "std": (
        lambda x: npg.std(x),
        lambda torch, x: torch.std(x, correction=0),
        [2.0, 2.0],
    ),
    "softmax": (
        lambda x: npg.softmax(x) * npg.array([1.0, 2.0]),
        lambda torch, x: torch.softmax(x, 0) * torch.tensor([1.0, 2.0]),
        [-INF, -INF],
    ),
    "hypot": (
        lambda x: npg.hypot(x, x),
        lambda torch, x: torch.hypot(x, x),
        [0.0, 1.0],
    ),
}


@pytest.mark.parametrize("name", TORCH_NANS)
def test_no_nan_where_pytorch_gives_one(device: str, name: str) -> None:
    torch = pytest.importorskip("torch")
    function, peers, values = TORCH_NANS[name]
    x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    peers(torch, x).sum().backward()
    for mode in (reverse, forward):
        found = mode(function, [npg.array(values)])[0]
        assert np.all(np.isfinite(found)), mode.__name__
    finite = np.isfinite(x.grad.numpy())
    np.testing.assert_allclose(
        reverse(function, [npg.array(values)])[0][finite], x.grad.numpy()[finite]
    )


def test_pytorch_gives_nan_somewhere_here() -> None:
    torch = pytest.importorskip("torch")
    nans = []
    for name, (_, peers, values) in TORCH_NANS.items():
        x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        peers(torch, x).sum().backward()
        if not torch.all(torch.isfinite(x.grad)):
            nans.append(name)
    assert {"where sqrt", "logaddexp", "logsumexp"} <= set(nans)


def test_cumulative_prod_with_a_zero_takes_memory_in_proportion() -> None:
    n = 100_000
    values = np.ones(n)
    values[n // 2] = 0.0
    found = npg.grad(lambda x: npg.sum(npg.cumulative_prod(x)))(npg.asarray(values))
    before = np.arange(n // 2, 0, -1.0)
    np.testing.assert_array_equal(found.numpy(), [*before, n / 2, *[0.0] * (n // 2 - 1)])


def test_cumulative_prod_overflowing_after_a_zero_has_no_nan() -> None:
    values = npg.asarray(np.where(np.arange(2000) == 0, 0.0, 3.0))
    found = npg.grad(lambda x: npg.sum(npg.cumulative_prod(x)))(values)
    assert found[0].item() == np.inf
    assert npg.all(found[1:] == 0.0)
