"""`vmap` gives what a loop over the examples gives: for every op, its derivatives, and programs."""

from __future__ import annotations

import collections
import contextlib
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad import Array
from numpygrad._batching.running import RULES
from numpygrad._lazy.shapes import RULES as SHAPES
from numpygrad._tree import leaves_of
from numpygrad.errors import CaptureError, DerivativeError, ShapeError
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
def test_values_are_those_of_a_loop(sample: Sample, device: str) -> None:
    for mapped in patterns(sample)[: 1 if device.startswith("jax") else None]:
        args = examples(sample, mapped)
        found = npg.vmap(sample.call, axes_of(mapped))(*args)
        assert_same(found, [sample.call(*one(args, mapped, i)) for i in range(SIZE)])


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

    for function in (detached, without_history, backward_inside):
        at_once = npg.grad(lambda x, f=function: npg.vmap(f)(x).sum())(x)
        in_turn = npg.stack([npg.grad(function)(x[i]) for i in range(2)])
        np.testing.assert_array_equal(at_once.numpy(), in_turn.numpy())


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

    x = npg.ones((3, 2))
    assert npg.vmap(f)(x).numpy().tolist() == [2.0] * 3
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
