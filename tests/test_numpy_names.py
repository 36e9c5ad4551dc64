"""Functions under NumPy's names: values are NumPy's, derivatives those of finite differences."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import DTypeError, GraphError, ShapeError
from numpygrad.ops import numpy_names, order_statistics
from numpygrad.testing import check_grads


class Case(NamedTuple):
    """A call that NumPy and numpygrad take alike, and the shapes of its operands."""

    name: str
    call: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]


M, V = (3, 2), (3,)
CASES = [
    Case("atleast_1d-0", lambda xp, x: xp.atleast_1d(x), ((),)),
    Case("atleast_1d-2", lambda xp, x: xp.atleast_1d(x), (M,)),
    Case("atleast_2d-0", lambda xp, x: xp.atleast_2d(x), ((),)),
    Case("atleast_2d-1", lambda xp, x: xp.atleast_2d(x), (V,)),
    Case("average-all", lambda xp, x: xp.average(x), (M,)),
    Case("average-same", lambda xp, x, w: xp.average(x, axis=1, weights=2 + w), (M, M)),
    Case("average-vector", lambda xp, x, w: xp.average(x, 0, 2 + w), (M, V)),
    Case("column_stack", lambda xp, x, y: xp.column_stack([x, y, x]), (V, M)),
    Case("diag-vector", lambda xp, x: xp.diag(x), (V,)),
    Case("diag-above", lambda xp, x: xp.diag(x, 1), (V,)),
    Case("diag-below", lambda xp, x: xp.diag(x, k=-2), (V,)),
    Case("diag-matrix", lambda xp, x: xp.diag(x, -1), (M,)),
    Case("dot-scalar", lambda xp, x, y: xp.dot(x, y), ((), M)),
    Case("dot-vectors", lambda xp, x, y: xp.dot(x, y), (V, V)),
    Case("dot-matrices", lambda xp, x, y: xp.dot(x, y), (M, (2, 2))),
    Case("dot-row", lambda xp, x, y: xp.dot(x, y), (V, M)),
    Case("dot-stack-vector", lambda xp, x, y: xp.dot(x, y), ((2, 2, 3), V)),
    Case("dot-stacks", lambda xp, x, y: xp.dot(x, y), (M, (2, 2, 3))),
    Case("dot-vector-stack", lambda xp, x, y: xp.dot(x, y), (V, (2, 3, 1))),
    Case("hstack-vectors", lambda xp, x, y: xp.hstack([x, y]), (V, (2,))),
    Case("hstack-matrices", lambda xp, x, y: xp.hstack([x, y]), (M, (3, 1))),
    Case("inner-vectors", lambda xp, x, y: xp.inner(x, y), (V, V)),
    Case("inner-matrices", lambda xp, x, y: xp.inner(x, y), (M, (4, 2))),
    Case("inner-scalar", lambda xp, x, y: xp.inner(x, y), (V, ())),
    Case("median-odd", lambda xp, x: xp.median(x), (V,)),
    Case("median-even", lambda xp, x: xp.median(x, axis=0), ((4, 2),)),
    Case("median-axes", lambda xp, x: xp.median(x, axis=(0, 2), keepdims=True), ((2, 2, 3),)),
    Case("nanmean", lambda xp, x: xp.nanmean(x, axis=0, keepdims=True), (M,)),
    Case("nansum", lambda xp, x: xp.nansum(x, axis=1), (M,)),
    Case("outer", lambda xp, x, y: xp.outer(x, y), (V, (2, 2))),
    Case("pad-all", lambda xp, x: xp.pad(x, 1), (M,)),
    Case("pad-pairs", lambda xp, x: xp.pad(x, ((0, 2), (1, 0)), constant_values=3.0), (M,)),
    Case("pad-edge", lambda xp, x: xp.pad(x, (2, 1), mode="edge"), (M,)),
    Case("pad-reflect", lambda xp, x: xp.pad(x, ((3, 1), (0, 2)), mode="reflect"), (M,)),
    Case("pad-symmetric", lambda xp, x: xp.pad(x, 2, mode="symmetric"), (V,)),
    Case("pad-wrap", lambda xp, x: xp.pad(x, (4, 2), mode="wrap"), (V,)),
    Case("percentile", lambda xp, x: xp.percentile(x, 30), ((5,),)),
    Case("percentile-several", lambda xp, x: xp.percentile(x, [0, 62.5, 100], axis=1), ((2, 3),)),
    Case("quantile", lambda xp, x: xp.quantile(x, 0.2, axis=-1, keepdims=True), ((2, 4),)),
    Case("quantile-grid", lambda xp, x: xp.quantile(x, [[0.1, 0.5], [0.9, 1.0]]), (M,)),
    Case("ravel", lambda xp, x: xp.ravel(x), (M,)),
    Case("split-parts", lambda xp, x: xp.split(x, 2, axis=1)[1], ((2, 4),)),
    Case("split-cuts", lambda xp, x: xp.split(x, [1, 3])[1], ((4, 2),)),
    Case("swapaxes", lambda xp, x: xp.swapaxes(x, 0, -1), ((2, 1, 3),)),
    Case("vstack", lambda xp, x, y: xp.vstack([x, y]), ((2,), M)),
    Case("norm-all", lambda xp, x: xp.linalg.norm(x), ((2, 2, 2),)),
    Case("norm-vector", lambda xp, x: xp.linalg.norm(x, 3), (V,)),
    Case("norm-axis", lambda xp, x: xp.linalg.norm(x, axis=0, keepdims=True), (M,)),
    Case("norm-axis-1", lambda xp, x: xp.linalg.norm(x, ord=1, axis=-1), (M,)),
    Case("norm-matrix", lambda xp, x: xp.linalg.norm(x, "nuc"), (M,)),
    Case("norm-axes", lambda xp, x: xp.linalg.norm(x, 1, (2, 0), keepdims=True), ((2, 2, 3),)),
    Case("norm-fro", lambda xp, x: xp.linalg.norm(x, axis=(0, 2)), ((2, 2, 3),)),
]
"""Every function that is differentiable, with each way it goes."""


def operands(case: Case) -> list[np.ndarray]:
    """Numbers that are apart, none of them 0."""
    rng = np.random.default_rng(len(case.name))
    return [np.asarray(rng.permutation(math.prod(s)) + rng.uniform(0.2, 0.6)).reshape(s) / 4
            for s in case.shapes]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_the_value_is_numpys(device: str, case: Case) -> None:
    values = operands(case)
    expected = np.asarray(case.call(np, *values))
    found = case.call(npg, *map(npg.asarray, values))
    assert isinstance(found, npg.Array)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_single_precision_is_kept(quick_device: str, case: Case) -> None:
    xs = [npg.array(v, dtype="float32", requires_grad=True) for v in operands(case)]
    y = case.call(npg, *xs)
    assert y.dtype == "float32"
    y.sum().backward()
    assert all(x.grad is not None and x.grad.dtype == "float32" for x in xs)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_derivatives_are_those_of_finite_differences(case: Case) -> None:
    def call(*xs: npg.Array) -> npg.Array:
        return case.call(npg, *xs)

    check_grads(call, [npg.asarray(v, device="numpy:cpu") for v in operands(case)], order=2)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_gradients_are_the_same_everywhere(quick_device: str, case: Case) -> None:
    """On another backend, lazily and compiled."""

    def gradients(device: str) -> list[np.ndarray]:
        xs = [npg.array(v, device=device, requires_grad=True) for v in operands(case)]
        y = case.call(npg, *xs)
        (y * y).sum().backward()
        return [x.grad.numpy() for x in xs if x.grad is not None]

    expected = gradients("numpy:cpu")
    with npg.lazy():
        lazily = gradients(quick_device)
    loss = npg.compile(npg.grad(lambda xs: (case.call(npg, *xs) ** 2).sum()))
    compiled = [g.numpy() for g in loss([npg.asarray(v) for v in operands(case)])]
    for found in (gradients(quick_device), lazily, compiled):
        assert len(found) == len(expected) == len(case.shapes)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_every_function_is_tried() -> None:
    tried = {case.name.partition("-")[0] for case in CASES} - {"norm"}
    functions = {
        name
        for module in (numpy_names, order_statistics)
        for name, f in vars(module).items()
        if inspect.isfunction(f) and f.__module__ == module.__name__ and not name.startswith("_")
    }
    assert functions - tried == {"allclose", "array_equal", "isclose"}
    assert all(getattr(npg, name).__name__ == name for name in functions)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32", "complex128", "bool"])
@pytest.mark.parametrize("equal_nan", [False, True])
def test_isclose_is_numpys(device: str, dtype: str, equal_nan: bool) -> None:
    a = np.array([0, 1, 3, 200, 1]).astype(dtype)
    b = np.array([0, 1, 2, 100, 0]).astype(dtype)
    if a.dtype.kind in "fc":
        a[:4], b[:4] = [np.inf, np.nan, -np.inf, 1.0], [np.inf, np.nan, np.inf, 1.0 + 1e-6]
    x, y = npg.asarray(a), npg.asarray(b)
    expected = np.isclose(a, b, equal_nan=equal_nan)
    found = npg.isclose(x, y, equal_nan=equal_nan)
    assert found.tolist() == expected.tolist()
    assert bool(npg.allclose(x, y, equal_nan=equal_nan)) == expected.all()
    assert npg.isclose(y, x, atol=1000.0).tolist() == np.isclose(b, a, atol=1000.0).tolist()


def test_isclose_of_the_largest_and_smallest_numbers(quick_device: str) -> None:
    a = np.array([1e308, 1.7e308, -1e308, 1e308, 1e-320, np.inf, 1.0])
    b = np.array([-1e308, 1.7e308, -1.000001e308, 1.1e308, 0.0, 1e308, 1e308])
    x, y = npg.array(a), npg.array(b)
    with np.errstate(over="ignore"):
        for tolerances in ((1e-5, 1e-8), (0.0, 0.0), (0.1, 0.0)):
            assert npg.isclose(x, y, *tolerances).tolist() == np.isclose(a, b, *tolerances).tolist()
    assert not npg.allclose(x, y)


def test_weights_that_sum_to_zero_are_refused_where_they_are_known(quick_device: str) -> None:
    x, w = npg.array([[1.0, 2.0], [1.0, 3.0]]), npg.array([[1.0, 1.0], [1.0, -1.0]])

    with pytest.raises(ZeroDivisionError, match="sum to 0"):
        npg.average(x, axis=1, weights=w)
    assert npg.average(x, axis=0, weights=w + 2.0).tolist() == [1.0, 2.25]
    assert npg.average(x[:, :0], axis=0, weights=w[:, :0]).shape == (0,)
    with npg.lazy(), pytest.raises(ZeroDivisionError, match="sum to 0"):
        npg.average(x, axis=1, weights=w)
    compiled = npg.compile(lambda w: npg.average(x, axis=1, weights=w))
    with np.errstate(all="ignore"):
        assert compiled(w)[0].item() == 1.5


def test_no_quantiles_are_an_empty_array(quick_device: str) -> None:
    x = npg.ones((3, 2), dtype="float32")
    for axis in (None, 0):
        found = npg.quantile(x, [], axis=axis)
        assert found.shape == np.quantile(x.numpy(), [], axis=axis).shape
        assert found.dtype == npg.float32


def test_isclose_and_allclose_take_numbers(device: str) -> None:
    x = npg.array([1.0, 1.0 + 1e-7])
    assert npg.allclose(x, 1.0)
    assert not npg.allclose(x, 1.0, rtol=1e-9)
    assert npg.isclose(x, np.array([1.0, 2.0])).tolist() == [True, False]


def test_array_equal_is_of_shapes_and_elements(device: str) -> None:
    x = npg.array([[1.0, 2.0]])
    assert npg.array_equal(x, npg.array([[1, 2]])) is True
    assert npg.array_equal(x, npg.array([1.0, 2.0])) is False
    assert npg.array_equal(x, npg.array([[1.0, 3.0]])) is False


def test_nan_is_left_out_or_spoils(device: str) -> None:
    x = npg.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]], requires_grad=True)
    assert npg.nansum(x, axis=1).tolist() == [4.0, 0.0]
    means = npg.nanmean(x, axis=1)
    assert means[0].item() == 2.0
    assert np.isnan(means[1].item())
    npg.nanmean(x[0]).backward()
    assert x.grad.tolist() == [[0.5, 0.0, 0.5], [0.0, 0.0, 0.0]]
    assert np.isnan(npg.median(x, axis=1).numpy()).all()
    assert np.isnan(npg.quantile(x.detach(), 0.0).item())
    assert npg.nansum(npg.array([1, 2])).tolist() == 3


def test_quantiles_of_infinities_and_integers(device: str) -> None:
    x = npg.array([np.inf, 1.0, -np.inf, 2.0])
    assert npg.quantile(x, [0.0, 1.0]).tolist() == [-np.inf, np.inf]
    assert npg.median(x).item() == 1.5
    assert npg.median(npg.array([np.inf, np.inf])).item() == np.inf
    y = npg.median(npg.array([1, 2, 4, 9]))
    assert (y.item(), y.dtype) == (3.0, "float64")


def test_equal_elements_take_the_gradient_in_their_order() -> None:
    x = npg.array([2.0, 2.0, 2.0, 1.0], requires_grad=True)
    npg.median(x).backward()
    assert x.grad.tolist() == [0.5, 0.5, 0.0, 0.0]


def test_views_reach_what_they_are_of(device: str) -> None:
    x = npg.zeros((2, 4))
    npg.split(x, 2, axis=1)[1][...] = 1.0
    npg.swapaxes(x, 0, 1)[0] = 2.0
    npg.ravel(x)[1] = 3.0
    npg.diag(x)[1] = 5.0
    assert x.tolist() == [[2.0, 3.0, 1.0, 1.0], [2.0, 5.0, 1.0, 1.0]]


def test_methods_are_the_functions(device: str) -> None:
    values = np.array([[3.0, 1.0], [2.0, 4.0]])
    x = npg.array(values)
    assert x.ravel().tolist() == values.ravel().tolist()
    assert x.swapaxes(0, 1).tolist() == values.swapaxes(0, 1).tolist()
    assert x.dot(x).tolist() == values.dot(values).tolist()
    assert x.argsort().tolist() == values.argsort().tolist()
    assert x.argsort(axis=0).tolist() == values.argsort(axis=0).tolist()
    assert x.take(npg.array([3, 0])).tolist() == values.take([3, 0]).tolist()
    assert x.take([1, 1], axis=0).tolist() == values.take([1, 1], axis=0).tolist()
    assert round(x * 1.25, 1).tolist() == (x * 1.25).round(1).tolist() != (x * 1.25).tolist()
    assert round(x).tolist() == values.tolist()
    assert x.at[0].add(1.0).tolist() == [[4.0, 2.0], [2.0, 4.0]]
    assert x.at[:, 1].set(0.0).tolist() == [[3.0, 0.0], [2.0, 0.0]]
    assert x.tolist() == values.tolist()


def test_what_does_not_fit_is_told(device: str) -> None:
    x, q = npg.zeros((2, 3)), npg.array(0.5, requires_grad=True)
    for error, words, call in [
        (ShapeError, r"split\(\) of 3 .* 2", lambda: npg.split(x, 2, axis=1)),
        (ShapeError, "vector or a matrix", lambda: npg.diag(npg.zeros((1, 1, 1)))),
        (ShapeError, "weights of that shape", lambda: npg.average(x, weights=npg.zeros(3))),
        (ShapeError, "weights of that shape", lambda: npg.average(x, 0, npg.zeros(3))),
        (ShapeError, "pad", lambda: npg.pad(x, (1, 2, 3))),
        (ValueError, ">= 0", lambda: npg.pad(x, -1)),
        (ValueError, "constant, edge", lambda: npg.pad(x, 1, mode="mean")),
        (ValueError, "0 to 1", lambda: npg.quantile(x, 1.5)),
        (ValueError, "0 to 1", lambda: npg.percentile(x, -1)),
        (ShapeError, "no elements", lambda: npg.median(x[:0])),
        (DTypeError, "order", lambda: npg.median(npg.array([1j]))),
        (GraphError, "detach", lambda: npg.quantile(x, q)),
        (ShapeError, "dot|matmul", lambda: npg.dot(x, x)),
        (ShapeError, "tensordot", lambda: npg.inner(x, npg.zeros(2))),
        (IndexError, "swapaxes", lambda: npg.swapaxes(x, 0, 2)),
        (ValueError, "needs axis=", lambda: npg.linalg.norm(npg.zeros((1, 1, 1)), 2)),
        (ValueError, "one axis, or two", lambda: npg.linalg.norm(x[None], axis=(0, 1, 2))),
        (ValueError, "fro", lambda: npg.linalg.norm(x, "fro", axis=0)),
    ]:
        with pytest.raises(error, match=words):
            call()
