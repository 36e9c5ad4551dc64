"""`vmap` gives what a loop over the examples gives: for every op, its derivatives, and programs."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import operator as op
from typing import Any

import numpy as np
import pytest
from conftest import DEVICES

import numpygrad as npg
from numpygrad import Array
from numpygrad._batching.fitting import named
from numpygrad._batching.mapped import Mapped, UnmappedError
from numpygrad._batching.rules import RULES
from numpygrad._batching.sweep import _namespace
from numpygrad._lazy.shapes import RULES as SHAPES
from numpygrad._tree import leaves_of
from numpygrad.errors import CaptureError, DerivativeError, ShapeError
from numpygrad.ops import RULE_NAMESPACE
from numpygrad.testing import REAL_ONLY, Sample, samples

SAMPLES = list(samples())
SIZE = 3

LOOPED = frozenset({"arange", "empty", "eye", "isin", "linspace", "ones", "searchsorted", "zeros"})
"""Kernels without a rule: made of no array, or done for one example after the other."""


def test_every_kernel_has_a_rule_or_is_looped() -> None:
    fixed = {name for name in SHAPES if name in LOOPED or "freq" in name}
    assert set(RULES) | fixed == set(SHAPES) | {"joint"}
    assert not set(RULES) & fixed


def patterns(sample: Sample) -> list[tuple[bool, ...]]:
    """Which operands are mapped: all, and each alone."""
    n = len(sample.shapes)
    alone = [tuple(i == j for j in range(n)) for i in range(n)] if n > 1 else []
    return [(True,) * n, *alone]


def examples(sample: Sample, mapped: tuple[bool, ...], dtype: str = "float64") -> list[Any]:
    """Operands for each example, along axis 0 of those that are mapped."""
    drawn = [sample.operands(dtype, seed) for seed in range(SIZE)]
    return [
        npg.asarray(np.stack([values[i] for values in drawn]) if is_mapped else drawn[0][i])
        for i, is_mapped in enumerate(mapped)
    ]


def one(args: list[Array], mapped: tuple[bool, ...], i: int) -> list[Array]:
    return [x[i] if is_mapped else x for x, is_mapped in zip(args, mapped, strict=True)]


def axes_of(mapped: tuple[bool, ...]) -> tuple[int | None, ...]:
    return tuple(0 if is_mapped else None for is_mapped in mapped)


def assert_same(found: Any, wanted: list[Any], tolerance: float = 1e-12) -> None:
    """A mapped result against those of the loop."""
    parts = zip(*map(leaves_of, wanted), strict=True)
    for mine, theirs in zip(leaves_of(found), parts, strict=True):
        expected = np.stack([x.numpy() for x in theirs])
        assert (mine.shape, mine.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(mine.numpy(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_values_are_those_of_a_loop(sample: Sample, quick_device: str) -> None:
    for mapped in patterns(sample):
        args = examples(sample, mapped)
        found = npg.vmap(sample.call, axes_of(mapped))(*args)
        assert_same(found, [sample.call(*one(args, mapped, i)) for i in range(SIZE)])


OF_EACH_OP = list({sample.op.name: sample for sample in SAMPLES}.values())


@pytest.mark.skipif("jax:cpu" not in DEVICES, reason="needs JAX")
@pytest.mark.parametrize("sample", OF_EACH_OP, ids=str)
def test_values_on_jax_are_those_of_a_loop(sample: Sample) -> None:
    with npg.device("jax:cpu"):
        args = examples(sample, (True,) * len(sample.shapes))
        wanted = [sample.call(*[x[i] for x in args]) for i in range(SIZE)]
        assert_same(npg.vmap(sample.call)(*args), wanted)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.op.name not in REAL_ONLY], ids=str)
def test_complex_values_are_those_of_a_loop(sample: Sample) -> None:
    mapped = (True,) * len(sample.shapes)
    args = examples(sample, mapped, "complex128")
    try:
        wanted = [sample.call(*one(args, mapped, i)) for i in range(SIZE)]
    except npg.errors.DTypeError:
        return  # of real arrays alone
    assert_same(npg.vmap(sample.call)(*args), wanted)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.op.differentiable], ids=str)
def test_derivatives_inside_are_those_of_a_loop(sample: Sample) -> None:
    def derivatives(*args: Array) -> Any:
        y, pullback = npg.vjp(sample.call, *args)
        cotangents = pullback(y)
        return cotangents, npg.jvp(sample.call, args, cotangents)[1]

    for mapped in patterns(sample):
        args = examples(sample, mapped)
        found = npg.vmap(derivatives, axes_of(mapped))(*args)
        assert_same(found, [derivatives(*one(args, mapped, i)) for i in range(SIZE)], 1e-9)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.op.differentiable], ids=str)
def test_derivatives_outside_are_those_of_a_loop(sample: Sample) -> None:
    for mapped in patterns(sample):
        args = examples(sample, mapped)

        def total(found: Any) -> Array:
            weighted = (npg.real(y * npg.conj(y)) for y in leaves_of(found))
            return npg.stack([npg.sum(y) for y in weighted]).sum()

        def at_once(*args: Array, mapped: Any = mapped) -> Array:
            return total(npg.vmap(sample.call, axes_of(mapped))(*args))

        def in_turn(*args: Array, mapped: Any = mapped) -> Array:
            every = [total(sample.call(*one(list(args), mapped, i))) for i in range(SIZE)]
            return npg.stack(every).sum()

        which = tuple(range(len(args)))
        found, wanted = npg.grad(at_once, which)(*args), npg.grad(in_turn, which)(*args)
        for mine, theirs in zip(found, wanted, strict=True):
            np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-9)


# Axes of arguments and results.


def test_axes_of_arguments_and_results(device: str) -> None:
    x = npg.reshape(npg.arange(24.0), (2, 3, 4))
    for axis in (0, 1, 2, -1):
        for out in (0, 1, -1):
            found = npg.vmap(lambda x: x * 2 + x[0, 0], axis, out)(x).numpy()
            moved = np.moveaxis(x.numpy(), axis, 0)
            wanted = moved * 2 + moved[:, :1, :1]
            np.testing.assert_array_equal(found, np.moveaxis(wanted, 0, out))


def test_nested_arguments_and_results(device: str) -> None:
    def f(p: dict[str, Any], x: Array, *, scale: Array) -> dict[str, Any]:
        return {"y": p["w"] @ x * scale, "all": [p["w"], None]}

    w, x = npg.array([[1.0, 2.0], [3.0, 4.0]]), npg.array([[1.0, 1.0], [2.0, 0.0], [0.0, 3.0]])
    scale = npg.array([1.0, 10.0, 100.0])
    mapped = npg.vmap(f, in_axes=({"w": None}, 0), out_axes={"y": 1, "all": None})
    found = mapped({"w": w}, x, scale=scale)
    wanted = (x.numpy() @ w.numpy().T * scale.numpy()[:, None]).T
    np.testing.assert_array_equal(found["y"].numpy(), wanted)
    np.testing.assert_array_equal(found["all"][0].numpy(), w.numpy())
    assert found["all"][1] is None


def test_results_that_are_the_same_for_all(device: str) -> None:
    x = npg.ones((3, 2))
    assert npg.vmap(lambda x: npg.zeros(4))(x).shape == (3, 4)
    assert npg.vmap(lambda x: 2.5)(x).numpy().tolist() == [2.5, 2.5, 2.5]
    assert npg.vmap(lambda x: npg.zeros(4), out_axes=None)(x).shape == (4,)


def test_results_share_no_memory_with_arguments(device: str) -> None:
    x = npg.ones((3, 2))
    for function in (lambda x: x, lambda x: x[0], lambda x: x.T, lambda x: x.detach()):
        found = npg.vmap(function)(x)
        found[...] = 5.0
        assert x.numpy().tolist() == [[1.0, 1.0]] * 3


def test_no_examples_at_all(device: str) -> None:
    x = npg.zeros((0, 3))
    assert npg.vmap(lambda x: x @ x)(x).shape == (0,)
    assert npg.vmap(lambda x: npg.searchsorted(npg.arange(4.0), x))(x).shape == (0, 3)


def test_one_call_for_all_examples(device: str) -> None:
    calls = []
    npg.vmap(lambda x: calls.append(x.shape) or x * 2)(npg.ones((5, 2)))
    assert calls == [(2,)]


# With itself and the other transformations.


def test_mapped_twice(device: str) -> None:
    x, y = npg.array([1.0, 2.0]), npg.array([10.0, 20.0, 30.0])
    table = npg.vmap(npg.vmap(lambda a, b: a * b, (None, 0)), (0, None))
    np.testing.assert_array_equal(table(x, y).numpy(), np.outer(x.numpy(), y.numpy()))
    inside = npg.vmap(lambda a: npg.vmap(lambda b: a * b + x[0])(y))
    np.testing.assert_array_equal(inside(x).numpy(), np.outer(x.numpy(), y.numpy()) + 1)


def test_gradients_of_each_example_through_what_is_closed_over(device: str) -> None:
    w = npg.array([1.0, -1.0], requires_grad=True)
    x = npg.array([[1.0, 2.0], [3.0, 5.0]])
    found = npg.vmap(npg.grad(lambda x: npg.sum(npg.sin(w * x))))(x)
    np.testing.assert_allclose(found.numpy(), w.numpy() * np.cos(w.numpy() * x.numpy()))
    found.sum().backward()
    inner = w.numpy() * x.numpy()
    wanted = (np.cos(inner) - inner * np.sin(inner)).sum(axis=0)
    np.testing.assert_allclose(w.grad.numpy(), wanted)  # type: ignore[union-attr]


@pytest.mark.parametrize("mode", ["eager", "lazy", "compiled"])
def test_everywhere(mode: str, device: str) -> None:
    x = npg.reshape(npg.linspace(0.1, 2.0, 6), (3, 2))
    w = npg.array([[1.0, 2.0], [0.5, -1.0]])

    def loss(w: Array, x: Array) -> Array:
        y = w @ x
        y[0] *= 2
        return npg.sum(npg.softmax(npg.tanh(y)) * x)

    def step(w: Array, x: Array) -> tuple[Array, Array]:
        each = npg.vmap(npg.grad(loss), (None, 0))(w, x)
        of_all = npg.grad(lambda w: npg.vmap(loss, (None, 0))(w, x).sum())(w)
        return each, of_all

    with npg.lazy() if mode == "lazy" else contextlib.nullcontext():
        each, of_all = (npg.compile(step) if mode == "compiled" else step)(w, x)
        wanted = [npg.grad(loss)(w, x[i]).numpy() for i in range(3)]
        np.testing.assert_allclose(each.numpy(), wanted, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(of_all.numpy(), np.sum(wanted, axis=0), atol=1e-15)


def test_pullbacks_and_pushforwards_from_outside(device: str) -> None:
    x = npg.array([0.5, 1.5, 2.5], requires_grad=True)
    a = npg.reshape(npg.arange(9.0), (3, 3))
    _, pullback = npg.vjp(lambda x: npg.matmul(a, npg.exp(x)), x)
    (rows,) = npg.vmap(pullback)(npg.eye(3))
    np.testing.assert_allclose(rows.numpy(), a.numpy() * np.exp(x.numpy()))
    rows.sum().backward()  # what the pullback had saved is differentiated too
    np.testing.assert_allclose(x.grad.numpy(), a.numpy().sum(axis=0) * np.exp(x.numpy()))  # type: ignore[union-attr]
    _, pushforward = npg.linearize(lambda x: npg.matmul(a, npg.exp(x)), x.detach())
    columns = npg.vmap(pushforward)(npg.eye(3))
    np.testing.assert_allclose(columns.numpy().T, rows.numpy())


def test_subgradients_are_those_of_one_example(device: str) -> None:
    x = npg.array([[-1.0, 0.0], [0.0, 2.0]])
    for function in (npg.relu, npg.abs, lambda x: npg.clip(x, 0.0, 1.0), npg.sigmoid):
        at_once = npg.grad(lambda x, f=function: npg.vmap(f)(x).sum())(x)
        np.testing.assert_array_equal(
            at_once.numpy(), npg.grad(lambda x, f=function: f(x).sum())(x).numpy()
        )


def test_derivatives_stop_where_one_example_stops_them(device: str) -> None:
    x = npg.array([[1.0, 2.0], [3.0, 4.0]])

    def detached(x: Array) -> Array:
        return npg.sum(x.detach() * x)

    def without_history(x: Array) -> Array:
        with npg.no_grad():
            y = x * x
        return npg.sum(y * x)

    def backward_inside(x: Array) -> Array:
        z = npg.array([5.0, 6.0], requires_grad=True)
        npg.sum(z * x).backward(retain_graph=True)
        return npg.sum(z.grad * x)  # type: ignore[operator]

    def sharing_memory(x: Array) -> Array:
        y = npg.zeros(2)
        z = y.detach()
        with npg.no_grad():
            y += x
        return npg.sum(z * x)

    def of_a_view(x: Array) -> Array:
        y, z = npg.zeros(2), x * x
        with npg.no_grad():
            y[...] = z[::-1]
        return npg.sum(y * x)

    for function in (detached, without_history, backward_inside, sharing_memory, of_a_view):
        at_once = npg.grad(lambda x, f=function: npg.vmap(f)(x).sum())(x)
        in_turn = npg.stack([npg.grad(function)(x[i]) for i in range(2)])
        np.testing.assert_array_equal(at_once.numpy(), in_turn.numpy())


def cube(x: Array) -> Array:
    return npg.sum(x**3)


DERIVATIVES: dict[str, Any] = {
    "value": lambda x: npg.value_and_grad(cube)(x)[0],
    "gradient": lambda x: npg.value_and_grad(cube)(x)[1],
    "beside": lambda x: npg.grad(lambda x: (cube(x), x * 3), has_aux=True)(x)[1],
    "of a closure": lambda x: npg.grad(lambda z: npg.sum(z**2 * x))(npg.ones(2)),
    "pullback": lambda x: npg.vjp(npg.exp, x)[1](x)[0],
    "its value": lambda x: npg.vjp(npg.exp, x)[0],
    "pushforward": lambda x: npg.linearize(npg.exp, x)[1](x),
    "along itself": lambda x: npg.jvp(lambda z: z, (x,), (x,))[1],
    "tangent": lambda x: npg.jvp(lambda z: z**2 * x, (npg.ones(2),), (npg.ones(2),))[1],
    "reverse": lambda x: npg.jacobian(npg.exp, mode="reverse")(x)[0],
    "forward": lambda x: npg.jacobian(npg.exp, mode="forward")(x)[0],
    "hvp": lambda x: npg.hvp(cube, x, x),
    "divergence": lambda x: npg.divergence(npg.exp)(x),
    "fixed point": lambda x: npg.fixed_point(lambda z, x: npg.cos(z) * 0.3 + x, npg.zeros(2), x),
    "root": lambda x: npg.root(lambda z, x: z**3 + z - x, npg.zeros(2), x),
    "odeint": lambda x: npg.odeint(
        lambda y, t, x: -y * x, npg.ones(2), npg.array([0.0, 0.5]), x, adjoint=True
    )[-1],
    "constant": lambda x: npg.grad(lambda z: npg.sum(npg.ones(2)))(x),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_under_no_grad_are_constants(name: str, device: str) -> None:
    def f(x: Array) -> Array:
        with npg.no_grad():
            constant = DERIVATIVES[name](x)
        return npg.sum(constant * x * npg.array([1.0, 2.0]))

    x = npg.array([[1.0, 2.0], [0.5, -1.0]])
    wanted = np.stack([npg.grad(f)(x[i]).numpy() for i in range(2)])
    at_once = npg.grad(lambda x: npg.vmap(f)(x).sum())(x)
    np.testing.assert_allclose(at_once.numpy(), wanted, rtol=1e-12)
    np.testing.assert_allclose(npg.vmap(npg.grad(f))(x).numpy(), wanted, rtol=1e-12)


def test_custom_rules_are_mapped(device: str) -> None:
    @npg.custom_vjp
    def f(x: Array) -> Array:
        return x * x

    f.defvjp(lambda x: (f(x), x), lambda x, g: (g * x * 100,))
    x = npg.array([[1.0, 2.0], [3.0, 4.0]])
    at_once = npg.grad(lambda x: npg.vmap(f)(x).sum())(x)
    np.testing.assert_array_equal(at_once.numpy(), 100 * x.numpy())
    np.testing.assert_array_equal(
        npg.vmap(npg.grad(lambda x: f(x).sum()))(x).numpy(), 100 * x.numpy()
    )


def test_writes_in_place_inside(device: str) -> None:
    def running(x: Array) -> Array:
        out = npg.zeros(4)
        total = x[0] * 0
        for i in range(4):
            total += x[i]
            out[i] = total
        out[1:] -= out[:-1].copy()
        return out

    x = npg.reshape(npg.arange(8.0), (2, 4))
    np.testing.assert_array_equal(npg.vmap(running)(x).numpy(), x.numpy())
    slope = npg.vmap(npg.grad(lambda x: npg.sum(running(x) ** 2)))(x)
    np.testing.assert_allclose(slope.numpy(), 2 * x.numpy())


def test_indices_that_differ_between_examples(device: str) -> None:
    x = npg.reshape(npg.arange(12.0), (4, 3))
    i = npg.array([[0, 3], [2, 2]])
    np.testing.assert_array_equal(npg.vmap(lambda i: x[i])(i).numpy(), x.numpy()[i.numpy()])
    np.testing.assert_array_equal(
        npg.vmap(lambda i: x[1:, i[0] % 3])(i).numpy(), x.numpy()[1:, [0, 2]].T
    )
    counted = npg.vmap(lambda i: npg.at(npg.zeros(4))[i].add(1.0))(i)
    np.testing.assert_array_equal(counted.numpy(), [[1, 0, 0, 1], [0, 0, 2, 0]])


def test_keys_of_all_kinds() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 4, 5, 6))
    i, j = np.array([2, 0]), np.array([[1], [3]])
    keys: list[Any] = [
        (i,), (slice(1, 3), i), (i, slice(None), i), (0, slice(None), i), (..., i), (i, j),
        (slice(None), i, j % 2), (i, None, j), (None, i, ..., j), (..., j, 1), (1, i),
        (i, ..., None),
    ]  # fmt: skip
    for key in keys:
        of_one = x[0][key]
        per_example = tuple(
            np.stack([(k + n) % 2 for n in range(3)]) if isinstance(k, np.ndarray) else k
            for k in key
        )

        def taken(x: Array, *indices: Array, key: Any = key) -> Array:
            rest = iter(indices)
            return x[tuple(next(rest) if isinstance(k, np.ndarray) else k for k in key)]

        def written(x: Array, *indices: Array, key: Any = key) -> Array:
            y = x * 1
            rest = iter(indices)
            y[tuple(next(rest) if isinstance(k, np.ndarray) else k for k in key)] = 7.0
            return y

        arrays = [npg.asarray(k) for k in per_example if isinstance(k, np.ndarray)]
        for whole in (x[:3], x[0]):
            axes = (0 if whole.ndim == 4 else None, *[0] * len(arrays))
            for function in (taken, written):
                found = npg.vmap(function, axes)(npg.asarray(whole), *arrays)
                each = [
                    function(
                        npg.asarray(whole[n] if whole.ndim == 4 else whole), *[a[n] for a in arrays]
                    )
                    for n in range(3)
                ]
                assert_same(found, each)
        found = npg.vmap(lambda x, key=key: x[key])(npg.asarray(x))
        assert found.shape[1:] == of_one.shape
        assert_same(found, [npg.asarray(x[n][key]) for n in range(3)])


# Rules that samples of differentiable ops do not reach: of constants, defaults and raw arrays.


def stacked(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal((SIZE, *shape))


M34, M44, M23, V3, V4, N = (
    *(stacked(3, 4), stacked(4, 4), stacked(2, 3)),
    *(stacked(3), stacked(4), stacked()),
)
W34, W3, W4, W43 = M34[0], V3[0], V4[0], stacked(4, 3)[0]
INDEX = np.array([[0, 2, 1], [2, 2, 0], [1, 0, 0]])

DIRECT: list[tuple[str, list[tuple[np.ndarray, bool]], dict[str, Any]]] = [
    ("diff", [(M34, True)], {}),
    ("diff", [(M34, True)], {"axis": 0, "n": 2}),
    ("diff", [(V3, True)], {"prepend": W4, "append": W3}),
    ("meshgrid", [(V3, True), (W4, False), (V4, True)], {}),
    ("meshgrid", [(V3, True), (W4, False), (N, True)], {"indexing": "ij"}),
    ("meshgrid", [(V3, True)], {}),
    ("full_like", [(M34, True), (N, True)], {}),
    ("full_like", [(W34, False), (N, True)], {"dtype": np.dtype("float32")}),
    ("full_like", [(M34.astype("float32"), True), (N, True)], {}),
    ("full_like", [(M34, True)], {"fill_value": 2.0}),
    ("full", [], {"shape": (2, 3), "fill_value": (N, True)}),
    ("full", [], {"shape": 2, "fill_value": (N, True), "dtype": np.dtype("float32")}),
    ("ones_like", [(M34, True)], {"dtype": np.dtype("int64")}),
    ("zeros_like", [(M34, True)], {}),
    ("unstack", [(M34, True)], {}),
    ("unstack", [(M34, True)], {"axis": -1}),
    ("repeat", [(M23, True)], {"repeats": 2}),
    ("repeat", [(M34, True)], {"repeats": 2, "axis": -1}),
    ("roll", [(M34, True)], {"shift": 5}),
    ("roll", [(M34, True)], {"shift": 1, "axis": (0, -1)}),
    ("reshape", [(M34, True)], {"shape": (2, -1)}),
    ("reshape", [(M34, True)], {"shape": (4, 3)}),
    ("concat", [], {"arrays": [(M34, True), (W3, False)], "axis": None}),
    ("stack", [], {"arrays": [(V3, True), (W3, False)]}),
    ("stack", [], {"arrays": [(V3, True), (W3, False)], "axis": -1}),
    ("expand_dims", [(V3, True)], {"axis": (0, 2)}),
    ("tile", [(V3, True)], {"repetitions": (2, 3)}),
    ("tile", [(M34, True)], {"repetitions": (2,)}),
    ("tensordot", [(M34, True), (M44, True)], {"axes": 1}),
    ("tensordot", [(stacked(2, 4), True), (M44, True)], {"axes": 1}),
    ("tensordot", [(M34, True), (M23, True)], {"axes": ([0], [-1])}),
    ("tensordot", [(M34, True), (stacked(4, 3, 2), True)], {"axes": ((0, 1), (1, 0))}),
    ("tensordot", [(M34, True), (W34, False)], {}),
    ("tensordot", [(M34, True), (W43, False)], {"axes": 1}),
    ("tensordot", [(W34, False), (M44, True)], {"axes": 1}),
    ("linalg.outer", [(V3, True), (V4, True)], {}),
    ("linalg.outer", [(W3, False), (V4, True)], {}),
    ("linalg.outer", [(V3, True), (W4, False)], {}),
    ("linalg.solve", [(M44, True), (V4, True)], {}),
    ("linalg.solve", [(M44, True), (W4, False)], {}),
    ("linalg.solve", [(M44[0], False), (V4, True)], {}),
    ("linalg.solve", [(M44[0], False), (stacked(4, 2), True)], {}),
    ("linalg.solve", [(stacked(2, 4, 4), True), (V4, True)], {}),
    ("linalg.solve", [(stacked(2, 4, 4)[0], False), (V4, True)], {}),
    ("linalg.cross", [(V3, True), (M23, True)], {}),
    ("linalg.cross", [(M34, True), (W34, False)], {"axis": 0}),
    ("vecdot", [(M34, True), (W4, False)], {}),
    ("linalg.svdvals", [(M34, True)], {}),
    ("linalg.matrix_rank", [(M34, True)], {}),
    ("linalg.pinv", [(M34, True)], {"rtol": 1e-3}),
    ("matmul", [(stacked(3, 2, 4), True), (V4, True)], {}),
    ("matmul", [(V4, True), (stacked(3, 4, 2), True)], {}),
    ("matmul", [(V4, True), (stacked(3, 4, 2)[0], False)], {}),
    ("matmul", [(stacked(3, 2, 4)[0], False), (V4, True)], {}),
    ("matmul", [(V4, True), (V4, True)], {}),
    ("matmul", [(M34, True), (stacked(2, 4, 3), True)], {}),
    ("matmul", [(stacked(2, 3, 4), True), (W43, False)], {}),
    ("matmul", [(W34, False), (stacked(4, 20), True)], {}),
    ("matmul", [(W34, False), (stacked(2, 4, 2), True)], {}),
    ("matmul", [(W3, False), (stacked(2, 3, 4), True)], {}),
    ("matmul", [(M34[:, :0], True), (W43, False)], {}),
    ("sum", [(N, True)], {"keepdims": True}),
    ("sum", [(M34, True)], {"axis": ()}),
    ("std", [(M34, True)], {"axis": (0, -1), "keepdims": True, "correction": 1.0}),
    *((name, [(M34, True)], {}) for name in ("argmax", "argmin", "max", "prod")),
    ("argmin", [(M34, True)], {"keepdims": True}),
    ("argmax", [(M34, True)], {"axis": -1}),
    ("argmax", [(N, True)], {}),
    ("argmax", [(M34, True)], {"axis": 0, "keepdims": True}),
    ("sort", [(M34, True)], {"axis": 0, "descending": True}),
    ("argsort", [(M34, True)], {}),
    ("softmax", [(M34, True)], {"axis": (0, 1)}),
    ("cumulative_sum", [(V3, True)], {"include_initial": True}),
    ("cumulative_prod", [(M34, True)], {"axis": -2}),
    ("fft.fft", [(M34, True)], {}),
    ("fft.rfft", [(M34, True)], {"n": 3, "axis": 0, "norm": "ortho"}),
    ("fft.fftn", [(M34, True)], {}),
    ("fft.fftn", [(M34, True)], {"s": (2, 3), "axes": (1, 0)}),
    ("fft.fftshift", [(M34, True)], {}),
    ("fft.ifftshift", [(M34, True)], {"axes": 1}),
    ("take", [(M34, True)], {"indices": (INDEX, True), "axis": 1}),
    ("take", [(V3, True)], {"indices": (INDEX, True)}),
    ("take", [(W34, False)], {"indices": (INDEX, True), "axis": 0}),
    ("take", [(M34, True)], {"indices": (INDEX[0], False), "axis": -1}),
    ("take_along_axis", [(stacked(3, 3), True), (INDEX[:, None], True)], {}),
    ("take_along_axis", [(stacked(3, 3)[0], False), (INDEX[:, None], True)], {"axis": 0}),
    ("diagonals", [(M34, True)], {"offset": 1}),
    ("put", [(M34, True), (N, True)], {"key": (M34 > 0, True)}),
    ("put", [(M34, True), (N, True)], {"key": (V3 > 0, True)}),
    ("add_at", [(M34, True), (N, True)], {"key": (W3 > 0, False)}),
    ("add_at", [(W34, False), (N, True)], {"key": (M34 > 0, True)}),
    ("scatter", [(M34, True)], {"key": (INDEX, True), "shape": (5, 4)}),
    ("scatter", [(W4, False)], {"key": ((INDEX[:, 0], True),), "shape": (5, 4)}),
    ("scatter", [(M34[:, :2], True)], {"key": (np.array([True, False, True]), False),
                                       "shape": (3, 4)}),
    ("clip", [(M34, True)], {"min": (V4, True)}),
    ("clip", [(M34, True)], {"max": (W4, False)}),
    ("clip", [(W34, False)], {"min": (N, True), "max": 1.0}),
]  # fmt: skip


def filled(item: Any, make: Any) -> Any:
    """An argument of `DIRECT` with its arrays made by `make(values, mapped)`."""
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], np.ndarray):
        return make(*item)
    if isinstance(item, (list, tuple)):
        return type(item)(filled(part, make) for part in item)
    return make(item, False) if isinstance(item, np.ndarray) else item


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(("name", "args", "params"), DIRECT)
def test_rules_give_what_their_kernels_give(
    name: str, args: list[Any], params: dict[str, Any], raw: bool
) -> None:
    xp: Any = npg.ones(1)._type.xp if raw else RULE_NAMESPACE
    array: Any = (lambda x: x) if raw else npg.asarray
    positional = [params[key] for key in ("arrays", "shape", "repeats", "shift") if key in params]
    positional += [params[key] for key in ("repetitions", "indices", "fill_value") if key in params]
    if name == "scatter":
        positional = []
    named_only = {k: v for k, v in params.items() if not any(v is p for p in positional)}

    def whole(values: np.ndarray, mapped: bool) -> Any:
        return Mapped(array(values)) if mapped else array(values)

    found = RULES[name](
        xp,
        *filled(args, whole),
        *filled(positional, whole),
        **{key: filled(item, whole) for key, item in named_only.items()},
    )
    each = []
    for i in range(SIZE):

        def one(values: np.ndarray, mapped: bool, i: int = i) -> Any:
            return array(values[i] if mapped else values)

        result = named(xp, name)(
            *filled(args, one),
            *filled(positional, one),
            **{key: filled(item, one) for key, item in named_only.items()},
        )
        each.append(list(result) if isinstance(result, (list, tuple)) else [result])
    parts = list(found) if isinstance(found, (list, tuple)) else [found]
    assert len(parts) == len(each[0])
    for k, part in enumerate(parts):
        wanted = np.stack([np.asarray(e[k] if raw else e[k].numpy()) for e in each])
        mine = np.asarray(part if raw else part.numpy())
        assert (mine.shape, mine.dtype) == (wanted.shape, wanted.dtype)
        np.testing.assert_allclose(mine, wanted, rtol=1e-12, atol=1e-12)


def test_operators_of_what_differs_between_examples() -> None:
    xp = _namespace(npg.ones(1)._type)
    x, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[3.0, 2.0], [1.0, 0.5]])
    mine = Mapped(x, xp)
    for operator in (*("add", "sub", "mul", "truediv", "pow", "lt", "le", "gt", "ge", "eq", "ne"),):
        function = getattr(op, operator)
        for other in (Mapped(y, xp), 2.0, y[0]):
            theirs = other.array if isinstance(other, Mapped) else other
            np.testing.assert_array_equal(function(mine, other).array, function(x, theirs))
            np.testing.assert_array_equal(function(other, mine).array, function(theirs, x))
    some, others = Mapped(x > 1, xp), Mapped(y > 1, xp)
    for function in (op.and_, op.or_):
        np.testing.assert_array_equal(
            function(some, others).array, function(some.array, others.array)
        )
        np.testing.assert_array_equal(
            function(others.array[0], some).array, function(others.array[0], some.array)
        )
    np.testing.assert_array_equal((~some).array, ~some.array)
    np.testing.assert_array_equal((-mine).array, -x)
    np.testing.assert_array_equal(abs(-mine).array, x)
    np.testing.assert_array_equal((mine @ np.eye(2)).array, x)
    np.testing.assert_array_equal((np.eye(2) @ mine).array, x)
    matrices = Mapped(np.arange(12.0).reshape(2, 2, 3), xp)
    np.testing.assert_array_equal(matrices.T.array, matrices.array.swapaxes(1, 2))
    np.testing.assert_array_equal(matrices.mT.array, matrices.array.swapaxes(1, 2))
    np.testing.assert_array_equal(matrices[:, 1].array, matrices.array[:, :, 1])
    np.testing.assert_array_equal(matrices[np.array([1, 1])].array, matrices.array[:, [1, 1]])
    assert matrices.device == "cpu"
    assert not Mapped(np.array([False, False]), xp)
    assert not Mapped(np.zeros((0,), bool), xp)
    with pytest.raises(UnmappedError):
        bool(Mapped(np.array([True, False]), xp))
    square = Mapped(np.stack([np.eye(2), 2 * np.eye(2)]), xp)
    np.testing.assert_allclose(abs(xp.linalg.qr(square).R.array), square.array)
    with pytest.raises(UnmappedError, match="pinv"):
        xp.linalg.pinv(square, rtol=Mapped(np.ones(2), xp))
    with pytest.raises(UnmappedError, match="searchsorted"):
        xp.searchsorted(np.arange(3.0), mine)


def test_indices_computed_inside_reach_rules_of_pullbacks(device: str) -> None:
    """A rule keeps an index as a raw array: in a program, one that has no value yet."""
    x = npg.array([0.5, -1.0, 2.0, 1.5])
    which = npg.array([[3, 1], [2, 2]])

    def sorted_squares(x: Array) -> Array:
        return (x * x)[npg.argsort(x)]

    def written(x: Array) -> Array:
        y = x * 1
        y[npg.argsort(x)[:2]] = x[2:]
        return y

    for mode in ("reverse", "forward"):
        for function in (sorted_squares, written):
            jacobian = npg.jacobian(function, mode=mode)
            wanted = np.stack([jacobian(x).numpy(), jacobian(2 * x).numpy()])
            mapped = npg.vmap(jacobian)(npg.stack([x, 2 * x]))
            np.testing.assert_array_equal(mapped.numpy(), wanted)
            np.testing.assert_array_equal(npg.compile(jacobian)(x).numpy(), wanted[0])
            with npg.lazy():
                np.testing.assert_array_equal(jacobian(x).numpy(), wanted[0])

        of_chosen = functools.partial(_jacobian_of_chosen, mode)
        table = functools.partial(_for_each, of_chosen)
        wanted = np.stack([[of_chosen(i, npg.array(s)).numpy() for s in (1.0, 2.0)] for i in which])
        np.testing.assert_array_equal(table(which).numpy(), wanted)
        np.testing.assert_array_equal(npg.compile(table)(which).numpy(), wanted)
        with npg.lazy():
            np.testing.assert_array_equal(table(which).numpy(), wanted)


def test_indices_of_an_outer_map_reach_a_pullback_two_levels_further_in(device: str) -> None:
    x, scales = npg.arange(4.0), npg.array([1.0, 2.0])

    def f(i: Array) -> Array:
        _, pullback = npg.vjp(lambda x: x[i] * x[:2], x)
        return npg.vmap(lambda s: npg.vmap(lambda g: pullback(g * s)[0])(npg.eye(2)))(scales)

    which = npg.array([[3, 1], [2, 2]])
    wanted = np.stack([f(i).numpy() for i in which])
    np.testing.assert_array_equal(npg.vmap(f)(which).numpy(), wanted)


def _jacobian_of_chosen(mode: str, i: Array, scale: Array) -> Array:
    return npg.jacobian(lambda x: x[i] * x[:2] * scale, mode=mode)(npg.arange(4.0))


def _for_each(function: Any, which: Array) -> Array:
    scales = npg.array([1.0, 2.0])
    return npg.vmap(lambda i: npg.vmap(lambda s: function(i, s))(scales))(which)


def test_gradients_that_some_examples_share_are_added_to_each_lazily(device: str) -> None:
    def f(x: Array) -> Array:
        y = npg.zeros(4)
        y[:1] = x[:1] ** 2
        rest = y[1:]
        rest += x[0]
        return npg.sum(y * npg.arange(4.0))

    x = npg.array([[0.5, 1.0], [2.0, 3.0]])
    wanted = np.stack([npg.grad(f)(x[i]).numpy() for i in range(2)])
    with npg.lazy():
        np.testing.assert_array_equal(npg.vmap(npg.grad(f))(x).numpy(), wanted)


@dataclasses.dataclass
class Model:
    weights: Any
    bias: Any


def test_axes_in_place_of_any_part(device: str) -> None:
    w, b, x = npg.ones((3, 2)), npg.array([1.0, 2.0]), npg.reshape(npg.arange(6.0), (3, 2))

    def f(model: Model, x: Array) -> Model:
        return Model(model.weights * x, model.bias + x)

    found = npg.vmap(f, (Model(0, None), 0), Model(1, np.int64(0)))(Model(w, b), x)
    np.testing.assert_array_equal(found.weights.numpy(), x.numpy().T)
    np.testing.assert_array_equal(found.bias.numpy(), x.numpy() + b.numpy())
    mixed = npg.vmap(lambda d: d["a"] * d["b"][0], [{"b": (None, None), "a": np.int64(1)}])
    np.testing.assert_array_equal(mixed({"a": x.T, "b": [b, b]}).numpy(), x.numpy() * b.numpy())
    paired = npg.vmap(lambda p: p.x * p.y, ((0, None),))(Pair(x, b))
    np.testing.assert_array_equal(paired.numpy(), x.numpy() * b.numpy())


def test_results_that_are_no_arrays() -> None:
    x = npg.ones((3, 2))
    found = npg.vmap(lambda x: {"y": x, "name": "f"}, out_axes={"y": 0, "name": None})(x)
    assert found["name"] == "f"
    for number in (True, 2, 1.5, 1j, np.float32(2), np.ones(2)):
        assert npg.vmap(lambda x, n=number: n)(x).shape[0] == 3


def test_host_arrays_are_arguments_too(device: str) -> None:
    x, w = np.arange(6.0).reshape(3, 2), np.array([1.0, 2.0])
    np.testing.assert_array_equal(npg.vmap(npg.multiply, (0, None))(x, w).numpy(), x * w)
    np.testing.assert_array_equal(npg.vmap(lambda x: x * w)(x).numpy(), x * w)


def test_what_is_written_under_no_grad_has_no_history(device: str) -> None:
    x = npg.array([[1.0, 2.0], [3.0, 4.0]])

    def f(x: Array) -> Array:
        y = npg.zeros(2)
        with npg.no_grad():
            y[...] = x * x
            y += x
        return npg.sum(y * x)

    at_once = npg.grad(lambda x: npg.vmap(f)(x).sum())(x)
    in_turn = npg.stack([npg.grad(f)(x[i]) for i in range(2)])
    np.testing.assert_array_equal(at_once.numpy(), in_turn.numpy())

    def several(x: Array) -> Array:
        a = npg.stack([npg.stack([x[0], x[1]]), npg.stack([x[1], -x[0]])])
        with npg.no_grad():
            values = npg.linalg.eigh(a).eigenvalues
        return npg.sum(values * x)

    at_once = npg.grad(lambda x: npg.vmap(several)(x).sum())(x)
    in_turn = npg.stack([npg.grad(several)(x[i]) for i in range(2)])
    np.testing.assert_allclose(at_once.numpy(), in_turn.numpy(), rtol=1e-12)


# What cannot be mapped.


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda x: x if x[0] > 0 else -x, CaptureError, r"test_vmap\.py:\d+: .*vmap\(\) maps"),
        (lambda x: float(x[0]), CaptureError, "another one in each example"),
        (lambda x: x[x > 0], CaptureError, "mask"),
        (lambda x: npg.random.randn(2) * x, CaptureError, "random numbers"),
        (lambda x: x.__iadd__(1), CaptureError, "writes into its argument"),
        (lambda x: x * 1 if x.register_hook(print) else x, npg.errors.GraphError, "require grad"),
        (lambda x: x.reshape(3), ShapeError, r"\(2,\)"),
    ],
)
def test_what_one_example_cannot_do_is_refused(
    function: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        npg.vmap(function)(npg.ones((3, 2)))


def test_masks_that_have_no_values_are_refused(device: str) -> None:
    mask = npg.array([True, False])
    for function in (
        lambda x: npg.at(x)[mask].add(1.0),
        lambda x: npg.at(x)[x > 0].set(0.0),
        lambda x: x[x > 0],
    ):
        with pytest.raises(CaptureError, match=r"test_vmap\.py"):
            npg.compile(function)(npg.ones(2))


def test_tolerances_that_differ_between_examples(device: str) -> None:
    a = npg.stack([npg.asarray(np.diag([1.0, 0.1, 0.01]))] * 2)
    rtol = npg.array([0.5, 0.05])
    found = npg.vmap(lambda a, r: npg.linalg.pinv(a, rtol=r))(a, rtol).numpy()
    np.testing.assert_allclose(found[0], np.diag([1.0, 0.0, 0.0]), atol=1e-12)
    np.testing.assert_allclose(found[1], np.diag([1.0, 10.0, 0.0]), atol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda: npg.empty(2),
        lambda: npg.zeros(2),
        lambda: npg.ones(2),
        lambda: npg.full(2, 3.0),
        lambda: npg.arange(2.0),
        lambda: npg.linspace(0.0, 1.0, 2),
        lambda: npg.eye(2)[0],
    ],
)
def test_what_is_made_inside_is_made_anew(make: Any, device: str) -> None:
    x = npg.array([[1.0, 2.0], [3.0, 4.0]])

    def f(x: Array) -> tuple[Array, Array]:
        y = make()
        y[1] = 5.0
        before = y * 1
        y[:] = x
        return y, before

    compiled = npg.compile(f)
    for i in range(2):
        found, before = compiled(x[i])
        np.testing.assert_array_equal(found.numpy(), x[i].numpy())
        assert before[1].item() == 5.0
    np.testing.assert_array_equal(npg.vmap(f)(x)[0].numpy(), x.numpy())


def test_gradients_of_outside_may_be_read(device: str) -> None:
    w = npg.array([1.0, 2.0], requires_grad=True)
    (w * w).sum().backward()
    found = npg.vmap(lambda x: x * w.grad)(npg.ones((3, 2)))
    np.testing.assert_array_equal(found.numpy(), [[2.0, 4.0]] * 3)


def test_masks_that_are_the_same_for_all(device: str) -> None:
    mask = npg.array([True, False, True])
    x = npg.reshape(npg.arange(6.0), (2, 3))

    def written(x: Array) -> Array:
        y = x * 1
        y[mask] = x[1:]
        y[np.array([False, True, True])] *= 3
        return npg.at(y)[mask].add(x[0] + 1)

    assert_same(npg.vmap(written)(x), [written(x[i]) for i in range(2)])
    assert_same(npg.vmap(lambda x: x[mask])(x), [x[i][mask] for i in range(2)])


def test_results_of_several_devices_are_refused(device: str, other_device: str) -> None:
    with pytest.raises(CaptureError, match="one device"):
        npg.vmap(lambda x: (x, npg.ones(2, device=other_device) * 2))(npg.ones((3, 2)))


def test_effects_outside_are_refused(device: str) -> None:
    x, outside = npg.ones((3, 2)), npg.zeros(2)
    w = npg.array([1.0, 2.0], requires_grad=True)

    def write(x: Array) -> Array:
        outside[0] = x[0]
        return x

    def accumulate(x: Array) -> Array:
        (w * x).sum().backward()
        return x

    def hook(x: Array) -> Array:
        y = w * x
        y.register_hook(lambda g: g * 2)
        return y

    for function, message in (
        (write, "made outside"),
        (accumulate, "npg.grad inside"),
        (hook, "would not be called"),
    ):
        with pytest.raises(CaptureError, match=message):
            npg.vmap(function)(x)
    assert outside.numpy().tolist() == [0.0, 0.0]
    assert w.grad is None


def test_writes_under_no_grad_that_would_part_values_from_history_are_refused(device: str) -> None:
    def f(x: Array) -> Array:
        y = x * 2
        with npg.no_grad():
            y[0] = 0.0
        return npg.sum(y)

    def of_a_view(x: Array) -> Array:
        y, z = npg.zeros(2), x * x
        view = z[::-1]
        with npg.no_grad():
            y[...] = view
        return npg.sum(y * x)

    x = npg.ones((3, 2))
    assert npg.vmap(f)(x).numpy().tolist() == [2.0] * 3
    assert npg.vmap(of_a_view)(x).numpy().tolist() == [2.0] * 3
    with pytest.raises(DerivativeError, match="values and history would part"):
        npg.grad(lambda x: npg.vmap(of_a_view)(x).sum())(x)
    with pytest.raises(DerivativeError, match="values and history would part"):
        npg.grad(lambda x: npg.vmap(f)(x).sum())(x)


Pair = collections.namedtuple("Pair", "x y")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: npg.vmap(npg.add)(x, npg.ones((4, 2))), ShapeError, r"\[3, 4\] examples"),
        (lambda x: npg.vmap(npg.add, None)(x, x), ShapeError, "None for all"),
        (lambda x: npg.vmap(npg.add, (0,))(x, x), ValueError, "1 entries for 2"),
        (lambda x: npg.vmap(npg.sum, 5)(x), ShapeError, "axis 5"),
        (lambda x: npg.vmap(npg.multiply)(x, 2.0), TypeError, "float.*None in in_axes"),
        (lambda x: npg.vmap(npg.sin, out_axes=None)(x), ValueError, "out_axes is None"),
        (lambda x: npg.vmap(npg.sin, 0, 2)(x), ShapeError, "axis 2 .* 2 axes"),
        (lambda x: npg.vmap(npg.sin, 0, -3)(x), ShapeError, "axis -3"),
        (lambda x: npg.vmap(npg.sin, 0, 0.5)(x), ValueError, "0.5 does not fit"),
        (lambda x: npg.vmap(npg.sin, "a")(x), ValueError, "'a' does not fit"),
        (lambda x: npg.vmap(lambda x: "y")(x), TypeError, "not str; .*None in out_axes"),
        (lambda x: npg.vmap(lambda x, n: x)(x, n=2), TypeError, "functools.partial"),
        (lambda x: npg.vmap(lambda d: d, ({"a": 0},))({"b": x}), ValueError, "does not fit dict"),
        (lambda x: npg.vmap(lambda a, b: a, ((0, 0), 0))((x,), x), ValueError, "fit tuple"),
        (
            lambda x: npg.vmap(lambda p: p.x, ({"x": 0},))(Pair(x, x)),
            ValueError,
            "does not fit Pair",
        ),
    ],
)
def test_axes_that_do_not_fit_are_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(npg.ones((3, 2)))
