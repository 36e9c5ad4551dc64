"""Functions with rules of their own: `custom_vjp` and `custom_jvp`."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import (
    DerivativeError,
    DeviceError,
    DTypeError,
    GraphError,
    ShapeError,
    VersionError,
)

T = npg.Array


def plain(x: T, w: T) -> T:
    return npg.sin(x) * w + npg.exp(-x)


def ruled_backwards(residuals: str) -> Callable[..., T]:
    """`plain` as a `custom_vjp`, its residuals being arguments, results, computed, or all."""

    @npg.custom_vjp
    def f(x: T, w: T) -> T:
        return plain(x, w)

    def forward(x: T, w: T) -> tuple[T, Any]:
        y = f(x, w)
        if residuals == "arguments":
            return y, {"x": x, "w": w}
        if residuals == "result":
            return y, {"x": x, "w": w, "y": y}
        return y, {"c": npg.cos(x), "s": npg.sin(x), "e": npg.exp(-x), "w": w, "n": 1.0}

    def backward(r: Any, g: T) -> tuple[T, T]:
        if residuals == "arguments":
            return g * (npg.cos(r["x"]) * r["w"] - npg.exp(-r["x"])), g * npg.sin(r["x"])
        if residuals == "result":
            e = r["y"] - npg.sin(r["x"]) * r["w"]
            return g * (npg.cos(r["x"]) * r["w"] - e), g * npg.sin(r["x"])
        return g * (r["c"] * r["w"] - r["e"] * r["n"]), g * r["s"]

    f.defvjp(forward, backward)
    return f


def ruled_forwards() -> Callable[..., T]:
    """`plain` as a `custom_jvp`."""

    @npg.custom_jvp
    def f(x: T, w: T) -> T:
        return plain(x, w)

    @f.defjvp
    def rule(primals: tuple[T, T], tangents: tuple[T, T]) -> tuple[T, T]:
        (x, w), (tx, tw) = primals, tangents
        return f(x, w), (npg.cos(x) * w - npg.exp(-x)) * tx + npg.sin(x) * tw

    return f


RULED = {
    "vjp arguments": ruled_backwards("arguments"),
    "vjp result": ruled_backwards("result"),
    "vjp computed": ruled_backwards("computed"),
    "jvp": ruled_forwards(),
}


def along(f: Callable[[T], T]) -> Callable[[T], T]:
    """The derivative of `f` in one direction."""
    return lambda x: npg.jvp(f, (x,), (npg.asarray([1.0, -2.0, 0.5], dtype=x.dtype),))[1]


def slope(f: Callable[[T], T]) -> Callable[[T], T]:
    """The gradient of `f`, summed with weights."""
    return lambda x: (npg.grad(f)(x) * npg.asarray([0.5, 1.0, -1.0], dtype=x.dtype)).sum()


DERIVATIVES = {
    "grad": lambda f: npg.grad(f),
    "jvp": along,
    "grad grad": lambda f: npg.grad(slope(f)),
    "jvp grad": lambda f: along(npg.grad(f)),
    "grad jvp": lambda f: npg.grad(along(f)),
    "jvp jvp": lambda f: along(along(f)),
    "third": lambda f: npg.grad(slope(lambda x: slope(f)(x))),
    "third mixed": lambda f: npg.grad(along(lambda x: slope(f)(x))),
}
MODES = {
    "eager": lambda f, x: f(x),
    "lazy": lambda f, x: npg.lazy()(f)(x),
    "compiled": lambda f, x: npg.compile(f)(x),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("derivative", DERIVATIVES)
@pytest.mark.parametrize("ruled", RULED)
def test_derivatives_are_those_of_the_plain_function(
    device: str, ruled: str, derivative: str, mode: str
) -> None:
    x = npg.array([0.3, 0.7, -0.4])

    def loss(f: Callable[..., T]) -> Callable[[T], T]:
        return lambda x: (f(x, x * x + 1.0) ** 2).sum()

    take = DERIVATIVES[derivative]
    expected = take(loss(plain))(x)
    found = MODES[mode](take(loss(RULED[ruled])), x)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12)
    assert not found.requires_grad


@pytest.mark.parametrize("ruled", RULED)
def test_the_rule_is_what_is_used(device: str, ruled: str) -> None:
    doubled = npg.custom_vjp(lambda x: x)
    doubled.defvjp(lambda x: (x, None), lambda _, g: (2.0 * g,))
    x = npg.array([1.0, 2.0], requires_grad=True)
    doubled(x).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    assert npg.jvp(doubled, (x,), (npg.ones(2),))[1].tolist() == [2.0, 2.0]


@pytest.mark.parametrize("ruled", RULED)
@pytest.mark.parametrize("dtype", ["complex128", "complex64", "float32"])
def test_other_dtypes(device: str, ruled: str, dtype: str) -> None:
    x = npg.asarray([0.3 + 0.2j, 0.7, -0.4j] if dtype[0] == "c" else [0.3, 0.7, -0.4], dtype=dtype)
    t = npg.asarray([1.0, 1j, 0.5] if dtype[0] == "c" else [1.0, 2.0, 0.5], dtype=dtype)

    def conjugating(f: Callable[..., T]) -> Callable[..., T]:
        """The adjoint of a holomorphic function conjugates its derivative."""

        @npg.custom_vjp
        def h(x: T, w: T) -> T:
            return plain(x, w)

        h.defvjp(
            lambda x, w: (h(x, w), (x, w)),
            lambda r, g: (
                g * npg.conj(npg.cos(r[0]) * r[1] - npg.exp(-r[0])),
                g * npg.conj(npg.sin(r[0])),
            ),
        )
        return h

    f = RULED[ruled] if ruled == "jvp" or dtype[0] == "f" else conjugating(plain)
    real = npg.real if dtype[0] == "c" else lambda x: x
    tolerance = 1e-12 if dtype == "complex128" else 1e-5

    def loss(f: Callable[..., T]) -> Callable[[T], T]:
        return lambda x: real((f(x, x * x) ** 2).sum())

    for take in (
        npg.grad,
        lambda f: lambda x: npg.jvp(npg.grad(f), (x,), (t,))[1],
        lambda f: lambda x: npg.jvp(f, (x,), (t,))[1],
    ):
        found, expected = take(loss(f))(x), take(loss(plain))(x)
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("ruled", RULED)
def test_backward_with_and_without_a_graph(device: str, ruled: str) -> None:
    x, w = (npg.array(v, requires_grad=True) for v in ([0.3, 0.7], [2.0, 3.0]))
    y = RULED[ruled](x, w).sum()
    y.backward(create_graph=True)
    np.testing.assert_allclose(
        x.grad.numpy(), np.cos(x.numpy()) * w.numpy() - np.exp(-x.numpy()), rtol=1e-12
    )
    np.testing.assert_allclose(w.grad.numpy(), np.sin(x.numpy()), rtol=1e-12)
    second = x.grad.sum()
    x.grad = w.grad = None
    second.backward()
    np.testing.assert_allclose(
        x.grad.numpy(), np.exp(-x.numpy()) - np.sin(x.numpy()) * w.numpy(), rtol=1e-12
    )


def test_a_second_backward_says_that_residuals_are_gone(device: str) -> None:
    x = npg.array([0.3], requires_grad=True)
    y = RULED["vjp arguments"](x, x)
    y.backward()
    with pytest.raises(GraphError, match="backward through f a second time"):
        y.backward()


def test_residuals_are_let_go_after_backward() -> None:
    kept: list[Any] = []

    @npg.custom_vjp
    def f(x: T) -> T:
        return x * 2.0

    def forward(x: T) -> tuple[T, T]:
        r = npg.ones(3)
        kept.append(weakref.ref(r))
        return x * 2.0, r

    f.defvjp(forward, lambda r, g: (g * r,))
    x = npg.zeros(3, requires_grad=True)
    y = f(x).sum()
    assert kept[0]() is not None
    y.backward()
    gc.collect()
    assert kept[0]() is None


def test_what_no_residual_needs_is_not_kept() -> None:
    x = npg.zeros(3, requires_grad=True)
    f = npg.custom_vjp(npg.exp)
    f.defvjp(lambda x: (y := npg.exp(x), y), lambda y, g: (g * y,))
    inside = x * 1.0
    y = f(inside)
    gone = weakref.ref(inside)
    del inside
    assert gone() is None
    y.sum().backward()
    assert x.grad.tolist() == [1.0] * 3


@dataclasses.dataclass
class Layer:
    weight: T
    bias: T
    name: str = dataclasses.field(default="layer", metadata={"static": True})


def test_structures_of_arguments_and_results(device: str) -> None:
    @npg.custom_vjp
    def f(layer: Layer, batch: dict[str, Any], power: int = 2) -> dict[str, Any]:
        x, (mask, scale) = batch["x"], batch["more"]
        assert layer.name == "layer"
        return {"y": (layer.weight * x + layer.bias) ** power * scale, "rest": [mask, "text", x]}

    def forward(layer: Layer, batch: dict[str, Any], power: int = 2) -> Any:
        return f(layer, batch, power), (layer, batch["x"], batch["more"][1], power)

    def backward(r: Any, g: Any) -> Any:
        layer, x, scale, power = r
        mask, text, gx = g["rest"]
        assert mask is None
        assert text is None
        inner = layer.weight * x + layer.bias
        h = g["y"] * power * inner ** (power - 1) * scale
        return (
            Layer(h * x, h),
            {"x": h * layer.weight + gx, "more": (None, (g["y"] * inner**power).sum())},
            None,
        )

    f.defvjp(forward, backward)
    mask = npg.asarray([True, False])

    def loss(f: Callable[..., Any]) -> Callable[..., T]:
        def run(layer: Layer, x: T, scale: T) -> T:
            found = f(layer, {"x": x, "more": (mask, scale)}, power=3)
            assert found["rest"][1] == "text"
            return (found["y"] + npg.where(found["rest"][0], found["rest"][2], 0.0)).sum()

        return run

    args = (
        Layer(npg.array([1.0, 2.0]), npg.array([0.5, -1.0])),
        npg.array([3.0, 4.0]),
        npg.array(0.5),
    )
    found = npg.grad(loss(f), argnums=(0, 1, 2))(*args)
    expected = npg.grad(loss(f.__wrapped__), argnums=(0, 1, 2))(*args)
    for a, b in zip(
        (found[0].weight, found[0].bias, *found[1:]),
        (expected[0].weight, expected[0].bias, *expected[1:]),
        strict=True,
    ):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)
    pushed = npg.jvp(loss(f), args, args)[1]
    np.testing.assert_allclose(
        pushed.numpy(), npg.jvp(loss(f.__wrapped__), args, args)[1].numpy(), rtol=1e-12
    )


def test_zeros_stand_for_results_that_nothing_depends_on(device: str) -> None:
    f = npg.custom_vjp(lambda x: (x * 1.0, x * 2.0))

    def backward(_: None, g: tuple[T, T]) -> tuple[T]:
        assert g[1].tolist() == [0.0, 0.0]
        return (g[0] + 2.0 * g[1],)

    f.defvjp(lambda x: (f(x), None), backward)
    assert npg.grad(lambda x: f(x)[0].sum())(npg.ones(2)).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("kind", ["vjp", "jvp"])
def test_nondiff_argnums(device: str, kind: str) -> None:
    def power(function: Callable[[T], T], x: T, n: int) -> T:
        return function(x) ** n

    if kind == "vjp":
        f: Any = npg.custom_vjp(power, nondiff_argnums=(0, -1))
        f.defvjp(
            lambda function, x, n: (power(function, x, n), x),
            lambda function, n, x, g: (g * n * function(x) ** (n - 1) * npg.cos(x),),
        )
    else:
        f = npg.custom_jvp(power, nondiff_argnums=(0, 2))
        f.defjvp(
            lambda function, n, p, t: (
                power(function, p[0], n),
                t[0] * n * function(p[0]) ** (n - 1) * npg.cos(p[0]),
            )
        )
    x = npg.array([0.3, 0.4])
    found = npg.grad(lambda x: f(npg.sin, x, 3).sum())(x)
    expected = npg.grad(lambda x: (npg.sin(x) ** 3).sum())(x)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12)
    found = npg.jvp(lambda x: f(npg.sin, x, 3), (x,), (x,))[1]
    expected = npg.jvp(lambda x: npg.sin(x) ** 3, (x,), (x,))[1]
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12)


def test_a_tracked_array_is_refused_among_nondiff_argnums(device: str) -> None:
    f = npg.custom_vjp(lambda x, w: x * w, nondiff_argnums=1)
    f.defvjp(lambda x, w: (x * w, None), lambda w, _, g: (g * w,))
    with pytest.raises(DerivativeError, match="argument 1, one of nondiff_argnums"):
        npg.grad(lambda w: f(npg.ones(2), w).sum())(npg.ones(2))


def test_a_method_with_a_rule(device: str) -> None:
    class Model:
        factor = 3.0

        @npg.custom_jvp
        def scaled(self, x: T) -> T:
            return self.factor * x

        scaled.defjvp(lambda p, t: (p[0].scaled(p[1]), p[0].factor * t[1]))

    assert npg.grad(lambda x: Model().scaled(x).sum())(npg.ones(2)).tolist() == [3.0, 3.0]


def test_a_function_without_a_rule_says_so() -> None:
    for decorator, name in ((npg.custom_vjp, "defvjp"), (npg.custom_jvp, "defjvp")):
        with pytest.raises(TypeError, match=rf"sin\(\) has no rule yet: call sin\.{name}"):
            decorator(npg.sin)(npg.ones(2))


def test_a_keyword_only_argument_is_refused() -> None:
    def scaled(x: T, *, factor: float = 2.0) -> T:
        return x * factor

    f = npg.custom_vjp(scaled)
    f.defvjp(lambda x: (x, None), lambda _, g: (g,))
    assert f(npg.ones(1)).tolist() == [2.0]
    with pytest.raises(TypeError, match="factor by keyword only"):
        f(npg.ones(1), factor=3.0)


@pytest.mark.parametrize("kind", ["function", "forward", "residual", "backward", "rule"])
@pytest.mark.parametrize("mode", MODES)
def test_a_tracked_array_closed_over_is_refused(device: str, kind: str, mode: str) -> None:
    w = npg.array([2.0, 3.0], requires_grad=True)
    scale: Any = dict.fromkeys(("function", "forward", "residual", "backward", "rule"), 1.0)
    scale[kind] = w
    if kind == "rule":
        f: Any = npg.custom_jvp(lambda x: x * 1.0)
        f.defjvp(lambda p, t: (p[0], t[0] * w))
    else:
        f = npg.custom_vjp(lambda x: x * scale["function"])
        f.defvjp(
            lambda x: (x * scale["forward"] * scale["function"], scale["residual"]),
            lambda r, g: (g * r * scale["backward"],),
        )
    with pytest.raises(DerivativeError, match="Pass it as an argument"):
        MODES[mode](lambda x: npg.grad(lambda x: f(x).sum())(x), npg.ones(2))


@pytest.mark.parametrize("nested", [True, False])
def test_a_tracked_array_closed_over_is_refused_in_forward_mode(device: str, nested: bool) -> None:
    w = npg.array([2.0, 3.0], requires_grad=True)
    f = npg.custom_vjp(lambda x: x * 1.0)
    f.defvjp(lambda x: (x * 1.0, None), lambda _, g: (g * w,))
    x = npg.ones(2, requires_grad=nested)
    if nested:  # then the rule's own derivative flows to what it closes over
        npg.jvp(f, (x,), (npg.ones(2),))[1].sum().backward()
        assert w.grad.tolist() == [1.0, 1.0]
        return
    with pytest.raises(DerivativeError, match="Pass it as an argument"):
        npg.jvp(f, (x,), (npg.ones(2),))


def test_a_tracked_array_closed_over_is_refused_when_no_argument_is_tracked(device: str) -> None:
    w = npg.array(2.0, requires_grad=True)
    for f in (npg.custom_vjp(lambda x: x * w), npg.custom_jvp(lambda x: x * w)):
        f.defvjp(lambda x: (x, None), lambda _, g: (g,)) if hasattr(f, "defvjp") else f.defjvp(
            lambda p, t: (p, t)
        )
        with pytest.raises(DerivativeError, match="Pass it as an argument"):
            f(npg.ones(2))
        with npg.no_grad():
            assert f(npg.ones(2)).tolist() == [2.0, 2.0]


def test_the_backward_rule_may_close_over_what_is_not_tracked(device: str) -> None:
    w = npg.array([2.0, 3.0])
    f = npg.custom_vjp(lambda x: x * w)
    f.defvjp(lambda x: (x * w, None), lambda _, g: (g * w,))
    assert npg.grad(lambda x: f(x).sum())(npg.ones(2)).tolist() == [2.0, 3.0]


# Writes


@pytest.mark.parametrize("ruled", RULED)
def test_a_residual_overwritten_since_is_an_error(device: str, ruled: str) -> None:
    x = npg.array([0.3, 0.7], requires_grad=True) * 1.0
    w = npg.ones(2)
    y = RULED[ruled](x, w).sum()
    w[0] = 5.0
    with pytest.raises(VersionError, match=r"f: its saved argument 1 .* \(setitem\)"):
        y.backward()


def test_a_residual_that_is_a_view_of_an_argument_is_watched(device: str) -> None:
    f = npg.custom_vjp(lambda x: x[1:] * x[:-1])
    f.defvjp(
        lambda x: (x[1:] * x[:-1], (x[1:], x[:-1])),
        lambda r, g: (npg.concat([g * r[0], npg.zeros(1)]) + npg.concat([npg.zeros(1), g * r[1]]),),
    )
    x = npg.array([1.0, 2.0, 3.0], requires_grad=True) * 1.0
    y = f(x).sum()
    expected = npg.grad(lambda x: (x[1:] * x[:-1]).sum())(x)
    assert npg.grad(lambda x: f(x).sum())(x).tolist() == expected.tolist()
    x[2] = 7.0
    with pytest.raises(VersionError, match="its saved residual"):
        y.backward()


def test_a_result_that_is_a_residual_may_be_overwritten(device: str) -> None:
    x = npg.array([0.3, 0.7], requires_grad=True)
    f = npg.custom_vjp(npg.exp)
    f.defvjp(lambda x: (y := npg.exp(x), y), lambda y, g: (g * y,))
    y = f(x)
    y[0] = 5.0
    (y * y).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0.0, 2 * np.exp(1.4)])


def test_an_argument_may_be_overwritten_if_no_residual_needs_it(device: str) -> None:
    x = npg.array([0.3, 0.7], requires_grad=True)
    z = x * 1.0
    f = npg.custom_vjp(npg.exp)
    f.defvjp(lambda x: (y := npg.exp(x), y), lambda y, g: (g * y,))
    y = f(z)
    z += 1.0
    (y.sum() + z.sum()).backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([0.3, 0.7]) + 1.0)


def test_a_result_has_memory_of_its_own(device: str) -> None:
    f = npg.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (x, None), lambda _, g: (3.0 * g,))
    x = npg.array([1.0, 2.0], requires_grad=True) * 1.0
    s = npg.sin(x)
    y = f(x)
    y[0] = 7.0
    assert x.tolist() == [1.0, 2.0]

    def loss(x: T) -> T:
        y = f(x)
        y[0] = 7.0
        return y.sum()

    assert npg.grad(loss)(x).tolist() == [0.0, 3.0]
    assert s.tolist() == np.sin([1.0, 2.0]).tolist()


@pytest.mark.parametrize("kind", ["vjp", "jvp"])
@pytest.mark.parametrize("target", ["x", "view", "n"])
def test_a_write_to_an_argument_is_refused(device: str, kind: str, target: str) -> None:
    def function(x: T, n: T) -> T:
        if target == "n":
            n[0] = 0
        else:
            (x[1:] if target == "view" else x)[...] = 0.0
        return x * 2.0

    if kind == "vjp":
        f: Any = npg.custom_vjp(function)
        f.defvjp(lambda x, n: (function(x, n), None), lambda _, g: (g, None))
    else:
        f = npg.custom_jvp(function)
        f.defjvp(lambda p, t: (p[0], t[0]))
    x = npg.array([1.0, 2.0], requires_grad=True) * 1.0
    name = "argument 1" if target == "n" else "argument 0"
    with pytest.raises(DerivativeError, match=f"writes in place to {name}"):
        f(x, npg.asarray([1, 2]))


def test_a_rule_cannot_write_to_its_cotangent(device: str) -> None:
    def backward(_: None, g: T) -> tuple[T]:
        g *= 2.0
        return (g,)

    f = npg.custom_vjp(lambda x: x * 2.0)
    f.defvjp(lambda x: (x * 2.0, None), backward)
    with pytest.raises(ValueError, match="read-only"):
        npg.grad(lambda x: f(x).sum())(npg.ones(2))


# What rules may not give


def giving(given: Any) -> Callable[..., T]:
    """A function of a structure and an array whose backward rule gives something."""
    f = npg.custom_vjp(lambda tree, x: tree["w"] * x)
    f.defvjp(lambda tree, x: (tree["w"] * x, None), lambda _, g: given)
    return f


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (lambda: npg.ones(2), ShapeError, "gives a tuple of 2, one for each argument, not an obj"),
        (lambda: (None,), ShapeError, "gives a tuple of 2, one for each argument, not 1 of them"),
        (lambda: (npg.ones(2), None), ShapeError, r"gave _ for argument 0, expected .*\{'w': _\}"),
        (lambda: ({"v": npg.ones(2)}, None), ShapeError, r"gave \{'v': _\} for argument 0"),
        (lambda: ({"w": npg.ones(3)}, None), ShapeError, r"shape \(3,\) for argument 0\['w'\], e"),
        (lambda: (None, npg.ones((2, 1))), ShapeError, r"for argument 1, expected \(2,\)"),
        (lambda: (None, npg.ones(2, dtype="float32")), DTypeError, "float32 for argument 1, exp"),
        (lambda: (None, npg.ones(2) * 1j), DTypeError, "complex128 for argument 1, expected float"),
        (lambda: (None, "text"), DTypeError, "an object of type str for argument 1"),
        (lambda: (None, 1.0), ShapeError, r"shape \(\) for argument 1, expected \(2,\)"),
    ],
)
def test_what_does_not_fit_is_refused(
    device: str, given: Callable[[], Any], error: type[Exception], words: str
) -> None:
    f = giving(given())
    with pytest.raises(error, match=words):
        npg.grad(lambda w: f({"w": w}, w * 1.0).sum())(npg.ones(2))


def test_a_cotangent_on_another_device_is_refused(device: str, other_device: str) -> None:
    f = giving((None, npg.ones(2, device=other_device)))
    with pytest.raises(DeviceError, match="for argument 1"):
        npg.grad(lambda w: f({"w": w}, w * 1.0).sum())(npg.ones(2))


def test_numbers_and_numpy_arrays_are_cotangents_too(device: str) -> None:
    f = npg.custom_vjp(lambda x, y: x * y.sum())
    f.defvjp(lambda x, y: (x * y.sum(), None), lambda _, g: (2.0, np.asarray([3.0, 4.0])))
    x, y = npg.grad(f, argnums=(0, 1))(npg.array(1.0), npg.ones(2))
    assert (x.tolist(), y.tolist()) == (2.0, [3.0, 4.0])


def test_arrays_of_two_devices_are_refused(device: str, other_device: str) -> None:
    f = npg.custom_vjp(lambda x: x.to(other_device))
    f.defvjp(lambda x: (x.to(other_device), None), lambda _, g: (g.to(device),))
    with pytest.raises(DeviceError, match="takes and gives tracked arrays of one device"):
        npg.grad(lambda x: f(x).sum())(npg.ones(2))


def test_forward_that_gives_no_pair_is_refused(device: str) -> None:
    f = npg.custom_vjp(lambda x: x)
    f.defvjp(lambda x: x, lambda _, g: (g,))
    with pytest.raises(TypeError, match="gives a pair of its result and residuals, not Array"):
        npg.grad(f)(npg.array(1.0))


@pytest.mark.parametrize(
    ("tangent", "error", "words"),
    [
        (lambda: (npg.ones(2),), ShapeError, "for the tangent, expected the structure"),
        (lambda: npg.ones(3), ShapeError, r"shape \(3,\) for the tangent, expected \(2,\)"),
        (lambda: npg.ones(2, dtype="float32"), DTypeError, "float32 for the tangent"),
    ],
)
def test_a_tangent_that_does_not_fit_is_refused(
    device: str, tangent: Callable[[], Any], error: type[Exception], words: str
) -> None:
    f = npg.custom_jvp(lambda x: x * 1.0)
    f.defjvp(lambda p, t: (p[0], tangent()))
    with pytest.raises(error, match=words):
        npg.jvp(f, (npg.ones(2),), (npg.ones(2),))


# What cannot be transposed


def clipped(g: T) -> T:
    return npg.clip(g, -1.0, 1.0)


def masked(g: T) -> T:
    return npg.where(g > 0, g, 0.0)


def branched(g: T) -> T:
    return g * npg.sign(g)


def affine(g: T) -> T:
    return g + 1.0


@npg.custom_vjp
def squared(g: T) -> T:
    return g * g


squared.defvjp(lambda g: (g * g, g), lambda r, g: (2.0 * g * r,))

NONLINEAR = {
    "clip": clipped,
    "comparison": masked,
    "sign": branched,
    "square": lambda g: g * g,
    "reads its output": npg.expm1,
    "quotient": lambda g: g / (1.0 + g),
    "norm": lambda g: g / npg.linalg.vector_norm(g),
    "affine": affine,
    "checkpoint": npg.checkpoint(lambda g: g * g),
    "another rule": lambda g: squared(g),
    "another": lambda g: RULED["vjp arguments"](g, g),
}


@pytest.mark.parametrize("name", NONLINEAR)
def test_forward_mode_refuses_a_rule_that_is_not_linear(device: str, name: str) -> None:
    f = npg.custom_vjp(lambda x: x * 1.0)
    f.defvjp(lambda x: (x * 1.0, None), lambda _, g: (NONLINEAR[name](g),))
    assert npg.grad(lambda x: (f(x) * 0.5).sum())(npg.ones(2)).shape == (2,)
    with pytest.raises(DerivativeError, match="forward mode transposes the backward rule of"):
        npg.jvp(f, (npg.ones(2),), (npg.ones(2),))


@pytest.mark.parametrize("name", NONLINEAR)
def test_reverse_mode_refuses_a_rule_that_is_not_linear(device: str, name: str) -> None:
    f = npg.custom_jvp(lambda x: x * 1.0)
    f.defjvp(lambda p, t: (p[0], NONLINEAR[name](t[0])))
    assert npg.jvp(f, (npg.ones(2),), (npg.ones(2),))[1].shape == (2,)
    with pytest.raises(DerivativeError, match="reverse mode transposes the rule of"):
        npg.grad(lambda x: f(x).sum())(npg.ones(2))


def test_a_linear_rule_may_compare_what_it_is_not_linear_in(device: str) -> None:
    relu = npg.custom_vjp(lambda x: npg.maximum(x, 0.0))
    relu.defvjp(
        lambda x: (npg.maximum(x, 0.0), x), lambda x, g: (npg.where(x > 0, npg.real(g), 0.0),)
    )
    x = npg.array([-1.0, 2.0])
    assert npg.jvp(relu, (x,), (npg.ones(2),))[1].tolist() == [0.0, 1.0]
    assert npg.jvp(npg.grad(lambda x: (relu(x) ** 3).sum()), (x,), (npg.ones(2),))[1].tolist() == [
        0.0,
        12.0,
    ]


def test_a_linear_rule_may_use_ops_of_several_arrays(device: str) -> None:
    a = npg.array([[1.0, 2.0], [3.0, 4.0]])
    f = npg.custom_vjp(lambda x: a @ x)
    f.defvjp(
        lambda x: (a @ x, None),
        lambda _, g: (npg.concat([(a.T @ g)[:1], npg.stack([g @ a[:, 1]])]) + 0.0,),
    )
    found = npg.jvp(f, (npg.ones(2),), (npg.array([1.0, 10.0]),))[1]
    assert found.tolist() == [21.0, 43.0]


def test_a_linear_rule_may_use_another_rule(device: str) -> None:
    scaled = npg.custom_vjp(lambda s, x: s * x)
    scaled.defvjp(lambda s, x: (s * x, s), lambda s, g: (None, s * g))
    f = npg.custom_vjp(lambda x: 3.0 * x)
    f.defvjp(lambda x: (3.0 * x, None), lambda _, g: (scaled(npg.array(3.0), g),))
    assert npg.jvp(f, (npg.ones(2),), (npg.ones(2),))[1].tolist() == [3.0, 3.0]


def outside(x: T) -> T:
    """What is computed where numpygrad does not see it."""
    return npg.asarray(np.array(x.detach().numpy()) * 2.0, device=x.device)


def test_a_rule_computed_outside_has_first_derivatives(device: str) -> None:
    f = npg.custom_vjp(lambda x: x * x)
    f.defvjp(lambda x: (x * x, x), lambda x, g: (outside(g * x),))
    x = npg.array([1.0, 2.0], requires_grad=True)
    assert npg.grad(lambda x: f(x).sum())(x.detach()).tolist() == [2.0, 4.0]
    for take in (
        lambda: npg.grad(lambda x: npg.grad(lambda x: f(x).sum())(x).sum())(x),
        lambda: f(x).sum().backward(create_graph=True),
        lambda: npg.jvp(f, (x,), (x,)),
    ):
        with pytest.raises(DerivativeError, match="outside of numpygrad"):
            take()


def test_a_forward_rule_computed_outside_has_first_derivatives(device: str) -> None:
    f = npg.custom_jvp(lambda x: x * x)
    f.defjvp(lambda p, t: (p[0] * p[0], outside(t[0] * p[0])))
    x = npg.array([1.0, 2.0])
    assert npg.jvp(f, (x,), (x,))[1].tolist() == [2.0, 8.0]
    for take in (
        lambda: npg.grad(lambda x: f(x).sum())(x),
        lambda: npg.jvp(lambda x: npg.jvp(f, (x,), (x,))[1], (x,), (x,)),
    ):
        with pytest.raises(DerivativeError, match="outside of numpygrad"):
            take()


def ruled(kind: str, forward: Callable[[T], Any], backward: Callable[[Any, T], T]) -> Any:
    """The sine with a rule, that gives residuals and a cotangent."""
    if kind == "vjp":
        f = npg.custom_vjp(npg.sin)
        f.defvjp(lambda x: (npg.sin(x), forward(x)), lambda r, g: (backward(r, g),))
        return f
    f = npg.custom_jvp(npg.sin)
    f.defjvp(lambda p, t: (npg.sin(p[0]), backward(forward(p[0]), t[0])))
    return f


def slope_outside(x: T) -> T:
    return npg.asarray(np.cos(x.numpy()), device=x.device)


READING: dict[str, tuple[Callable[[T], Any], Callable[[Any, T], T]]] = {
    "numpy": (lambda x: x, lambda x, g: g * slope_outside(x)),
    "item": (lambda x: x, lambda x, g: g * npg.stack([npg.cos(a.item()) for a in x])),
    "float": (lambda x: x, lambda x, g: g * npg.array([float(npg.cos(a)) for a in x])),
    "residual": (slope_outside, lambda r, g: g * r),
    "in part": (lambda x: x, lambda x, g: g * (npg.cos(x) + 0.0 * x + slope_outside(x)) / 2.0),
}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("name", READING)
@pytest.mark.parametrize("kind", ["vjp", "jvp"])
def test_a_rule_that_reads_values_has_first_derivatives(
    device: str, kind: str, name: str, lazy: bool
) -> None:
    f = ruled(kind, *READING[name])
    x = npg.array([0.3, 0.7, -0.2])
    with npg.lazy() if lazy else contextlib.nullcontext():
        first = npg.grad(lambda x: f(x).sum())(x)
        np.testing.assert_allclose(first.numpy(), np.cos(x.numpy()), rtol=1e-12)
        _, first = npg.jvp(f, (x,), (npg.ones(3),))
        np.testing.assert_allclose(first.numpy(), np.cos(x.numpy()), rtol=1e-12)
        for take in (
            lambda: npg.hessian(lambda x: f(x).sum())(x),
            lambda: npg.grad(slope(lambda x: f(x).sum()))(x),
            lambda: npg.grad(lambda x: along(f)(x).sum())(x),
            lambda: along(along(f))(x),
        ):
            with pytest.raises(DerivativeError, match=r"reads the values of a tracked"):
                take()


@pytest.mark.parametrize("kind", ["vjp", "jvp"])
def test_a_transposed_rule_may_not_read_what_is_transposed(device: str, kind: str) -> None:
    f = ruled(kind, lambda x: None, lambda _, g: g + 2.0 * npg.asarray(g.numpy(), device=g.device))
    x = npg.array([0.3, 0.7, -0.2])
    with pytest.raises(DerivativeError, match="reads the values of a tracked array"):
        npg.jvp(f, (x,), (x,)) if kind == "vjp" else npg.grad(lambda x: f(x).sum())(x)


@pytest.mark.parametrize("kind", ["vjp", "jvp"])
def test_a_rule_that_is_differentiated_may_branch_print_and_move(
    device: str, other_device: str, kind: str
) -> None:
    def backward(x: T, g: T) -> T:
        assert len(f"{x} {x!r} {x[0]:.3f}" + str(x)) > 20
        if not x[0] or not (x > -1).all():
            return g
        return g * npg.cos(x.to(other_device)).to(device) + 0.0 * g * x.detach().numpy().sum()

    x = npg.array([0.3, 0.7, -0.2])
    f = ruled(kind, lambda x: x, backward)
    found = npg.grad(slope(lambda x: f(x).sum()))(x)
    np.testing.assert_allclose(found.numpy(), [-0.5, -1.0, 1.0] * np.sin(x.numpy()), rtol=1e-6)


class Holder:
    """An object of a class that is not registered."""

    def __init__(self, *x: Any) -> None:
        self.x = x


HIDING: dict[str, Callable[[T], Any]] = {
    "generator": lambda x: (npg.sin(a) for a in x),
    "map beside an array": lambda x: (x * 1.0, map(npg.sin, x)),
    "map of maps beside an array": lambda x: (x * 1.0, map(abs, map(abs, map(abs, map(abs, x))))),
    "object": lambda x: Holder(x),
    "object in an object beside an array": lambda x: {"y": x * 1.0, "z": Holder(Holder(x * 1.0))},
    "set": lambda x: {x * 1.0},
    "function": lambda x: (x * 1.0, lambda: x),
    "nothing": lambda x: None,
    "number": lambda x: x.sum().item(),
}


@pytest.mark.parametrize("kind", ["vjp", "jvp"])
@pytest.mark.parametrize("name", HIDING)
def test_a_result_that_hides_arrays_is_refused(device: str, kind: str, name: str) -> None:
    function = HIDING[name]
    if kind == "vjp":
        f = npg.custom_vjp(function)
        f.defvjp(lambda x: (function(x), x), lambda x, g: (x,))
    else:
        f = npg.custom_jvp(function)
        f.defjvp(lambda p, t: (function(p[0]), None))
    x = npg.array([0.3, 0.7])
    with pytest.raises(TypeError, match="gives an Array or lists, tuples"):
        npg.grad(lambda x: (f(x), x.sum())[1])(x)
    f(x)


@pytest.mark.parametrize("kind", ["vjp", "jvp"])
def test_a_result_may_hold_what_holds_no_arrays(
    device: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "constant", npg.ones(2))
    others = ("text", 3, None, npg.float64, Holder("text", npg), npg.sin, npg.argmax(npg.ones(2)))

    def function(x: T) -> Any:
        return x * 2.0, [*others, x.device, npg.random.default_generator(), np.ones(2), lambda: T]

    if kind == "vjp":
        f = npg.custom_vjp(function)
        f.defvjp(lambda x: (function(x), None), lambda _, g: (2.0 * g[0],))
    else:
        f = npg.custom_jvp(function)
        f.defjvp(lambda p, t: (function(p[0]), (2.0 * t[0], [None] * 11)))
    assert npg.grad(lambda x: f(x)[0].sum())(npg.ones(2)).tolist() == [2.0, 2.0]
    whole = npg.custom_vjp(npg.argmax)
    whole.defvjp(lambda x: (npg.argmax(x), None), lambda _, g: (None,))
    assert npg.grad(lambda x: x[whole(x)])(npg.array([1.0, 2.0])).tolist() == [0.0, 1.0]


def test_constants_need_no_history(device: str) -> None:
    f = npg.custom_vjp(lambda x, w: x * 1.0)
    f.defvjp(lambda x, w: (x * 1.0, None), lambda _, g: (g, npg.zeros(2)))
    x = npg.array([1.0, 2.0], requires_grad=True)
    f(x, x * 1.0).sum().backward(create_graph=True)
    assert x.grad.tolist() == [1.0, 1.0]
    assert npg.jvp(lambda x: f(x, x), (x,), (x,))[1].tolist() == [1.0, 2.0]


def test_random_numbers_in_a_forward_rule_that_is_run_again_are_refused(device: str) -> None:
    f = npg.custom_vjp(lambda x: x * x)
    f.defvjp(lambda x: (x * x, x * npg.random.random((2,))), lambda r, g: (g * r,))
    x = npg.array([1.0, 2.0])
    npg.grad(lambda x: f(x).sum())(x)
    with pytest.raises(DerivativeError, match="draws random numbers"):
        npg.grad(lambda x: npg.grad(lambda x: f(x).sum())(x).sum())(x)


# In `vmap`


@pytest.mark.parametrize("kind", ["vjp", "jvp"])
def test_a_rule_is_mapped(device: str, kind: str) -> None:
    if kind == "vjp":
        f: Any = npg.custom_vjp(lambda x, w: npg.sin(x) @ w)
        f.defvjp(
            lambda x, w: (npg.sin(x) @ w, (x, w, npg.sin(x), 3)),
            lambda r, g: (r[3] * g * npg.cos(r[0]) * r[1], g * r[2]),
        )
    else:
        f = npg.custom_jvp(lambda x, w: npg.sin(x) @ w)
        f.defjvp(lambda p, t: (None, (3 * npg.cos(p[0]) * p[1]) @ t[0] + npg.sin(p[0]) @ t[1]))
    x, w = npg.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]), npg.array([2.0, 3.0])
    mapped = npg.vmap(f, in_axes=(0, None))
    gx, gw = npg.grad(lambda x, w: mapped(x, w).sum(), argnums=(0, 1))(x, w)
    np.testing.assert_allclose(gx.numpy(), 3 * np.cos(x.numpy()) * w.numpy(), rtol=1e-12)
    np.testing.assert_allclose(gw.numpy(), np.sin(x.numpy()).sum(0), rtol=1e-12)
    inside = npg.vmap(npg.grad(f), in_axes=(0, None))(x, w)
    np.testing.assert_allclose(inside.numpy(), gx.numpy(), rtol=1e-12)
    pushed = npg.jvp(lambda x: mapped(x, w), (x,), (x,))[1]
    np.testing.assert_allclose(pushed.numpy(), (gx * x).sum(axis=1).numpy(), rtol=1e-12)
    second = npg.grad(lambda x: npg.vmap(npg.grad(f), in_axes=(0, None))(x, w).sum())(x)
    np.testing.assert_allclose(second.numpy(), -3 * np.sin(x.numpy()) * w.numpy(), rtol=1e-12)
    rows = npg.jacobian(lambda x: mapped(x, w))(x)
    for i in range(3):
        np.testing.assert_allclose(rows[i, i].numpy(), gx[i].numpy(), rtol=1e-12)
    compiled = npg.compile(npg.grad(lambda x: mapped(x, w).sum()))(x)
    np.testing.assert_allclose(compiled.numpy(), gx.numpy(), rtol=1e-12)


def test_a_function_named_as_an_op_is_no_op(device: str) -> None:
    @npg.custom_vjp
    def transfer(x: T) -> T:
        return x * 1.0

    transfer.defvjp(lambda x: (x * 1.0, None), lambda _, g: (5.0 * g,))
    x = npg.ones(2)
    assert npg.grad(lambda x: transfer(x).sum())(x).tolist() == [5.0, 5.0]
    assert npg.jacobian(transfer)(x).tolist() == [[5.0, 0.0], [0.0, 5.0]]


def test_anomalies_are_found_behind_a_rule(device: str) -> None:
    f = npg.custom_vjp(lambda x: x * 1.0)
    f.defvjp(lambda x: (x * 1.0, None), lambda _, g: (g * npg.nan,))
    x = npg.ones(2, requires_grad=True)
    with npg.detect_anomaly(), pytest.raises(npg.errors.AnomalyError, match="backward of <lambda>"):
        f(x).sum().backward()


def test_a_rule_is_used_by_jax_transforms() -> None:
    jax = pytest.importorskip("jax")
    f = npg.custom_vjp(lambda x: x * x)
    f.defvjp(lambda x: (x * x, x), lambda x, g: (3.0 * g * x,))

    def gradient(data: Any) -> Any:
        return npg.grad(lambda x: f(x).sum())(npg.asarray(data)).data

    assert jax.jit(gradient)(jax.numpy.ones(2)).tolist() == [3.0, 3.0]
