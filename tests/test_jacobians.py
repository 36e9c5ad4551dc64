"""Jacobians, Hessians and their products: against one derivative at a time, in every mode."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad import Array, _jacobians
from numpygrad._batching import sweep
from numpygrad.errors import DerivativeError, DTypeError, ShapeError
from numpygrad.testing import REAL_ONLY, Sample, samples

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, of 1 / 0

SAMPLES = [s for s in samples() if s.op.differentiable]


def one_at_a_time(function: Callable[..., Any], *args: Array) -> list[list[np.ndarray]]:
    """For each output and argument the Jacobian, a row for each real and imaginary part."""
    found = []
    outputs = function(*args)
    for k, y in enumerate(outputs):
        units = [1.0, 1j] if y.dtype.kind == "c" else [1.0]
        blocks: list[list[np.ndarray]] = [[] for _ in args]
        for i in range(y.size):
            parts: list[Any] = [0.0] * len(args)
            for unit in units:
                seed = np.zeros(y.size, dtype=y.dtype)
                seed[i] = unit
                _, pullback = npg.vjp(lambda *a, k=k: function(*a)[k], *args)
                pulled = pullback(npg.asarray(seed.reshape(y.shape)))
                for j, (x, p) in enumerate(zip(args, pulled, strict=True)):
                    if x.dtype.kind == "c":
                        parts[j] = np.conj(p.numpy()) if unit == 1.0 else parts[j]
                    else:
                        parts[j] = parts[j] + (p.numpy() if unit == 1.0 else 1j * p.numpy())
            for block, part in zip(blocks, parts, strict=True):
                block.append(part)
        found.append(
            [
                np.stack(block).reshape((*y.shape, *x.shape)) if block else np.zeros(())
                for block, x in zip(blocks, args, strict=True)
            ]
        )
    return found


def as_list(function: Callable[..., Any]) -> Callable[..., list[Array]]:
    def listed(*args: Array) -> list[Array]:
        found = function(*args)
        return list(found) if isinstance(found, (tuple, list)) else [found]

    return listed


def assert_blocks(found: Any, wanted: list[list[np.ndarray]], tolerance: float = 1e-9) -> None:
    for of_output, expected in zip(found, wanted, strict=True):
        for mine, theirs in zip(of_output, expected, strict=True):
            if mine.size:
                assert mine.shape == theirs.shape
                np.testing.assert_allclose(mine.numpy(), theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_every_op_has_the_same_jacobian_in_every_way(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = [npg.asarray(a) for a in sample.operands()]
    function = as_list(sample.call)
    which = tuple(range(len(args)))
    try:
        wanted = one_at_a_time(function, *args)
    except DerivativeError:
        with pytest.raises(DerivativeError):
            npg.jacobian(function, which, mode="reverse")(*args)
        return
    swept = []
    whole = sweep.pulled_at_once
    monkeypatch.setattr(
        _jacobians, "pulled_at_once", lambda *given: swept.append(whole(*given)) or swept[-1]
    )
    outputs = npg.jacobian(function, which, mode="reverse")(*args)
    assert_blocks(outputs, wanted)
    assert swept or all(y.size == 1 for y in function(*args))
    assert None not in swept or sample.op.name in {"eig", "eigvals", "transfer"}
    with npg.lazy():
        assert_blocks(npg.jacobian(function, which, mode="reverse")(*args), wanted)
    assert_blocks(npg.jacobian(function, which, mode="forward")(*args), wanted)


REFUSED = {"svd", "eig", "eigh", "qr"}


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.op.name not in REFUSED][::5], ids=str)
def test_jacobians_are_the_same_everywhere(sample: Sample, quick_device: str) -> None:
    args = [npg.asarray(a) for a in sample.operands()]
    function = as_list(sample.call)
    which = tuple(range(len(args)))
    wanted = one_at_a_time(function, *args)
    assert_blocks(npg.jacobian(function, which)(*args), wanted)
    with npg.lazy():
        assert_blocks(npg.jacobian(function, which)(*args), wanted)
    assert_blocks(npg.compile(npg.jacobian(function, which))(*args), wanted)


HOLOMORPHIC = [s for s in SAMPLES if s.op.name not in REAL_ONLY and s.op.holomorphic]


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_complex_jacobians(mode: str, device: str) -> None:
    z = npg.array([1 + 2j, 3j, -1.0 + 0j])
    x = npg.array([0.5, 2.0])

    def f(z: Array, x: Array) -> list[Array]:
        return [npg.exp(z * x[0]) / (z[0] + 4), x * 1j * x[1] + x]

    jacobian = npg.jacobian(f, (0, 1), mode=mode, holomorphic=True)
    assert_blocks(jacobian(z, x), one_at_a_time(f, z, x))
    with pytest.raises(DTypeError, match="holomorphic=True"):
        npg.jacobian(f, mode=mode)(z, x)


def rosenbrock(x: Array) -> Array:
    return npg.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def hessian_of_rosenbrock(x: np.ndarray) -> np.ndarray:
    diagonal = np.zeros_like(x)
    diagonal[:-1] += 1200 * x[:-1] ** 2 - 400 * x[1:] + 2
    diagonal[1:] += 200
    beside = -400 * x[:-1]
    return np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)


def test_hessians(device: str) -> None:
    x = npg.array([0.5, -1.0, 2.0, 0.25])
    wanted = hessian_of_rosenbrock(x.numpy())
    for hessian in (npg.hessian(rosenbrock), npg.compile(npg.hessian(rosenbrock))):
        np.testing.assert_allclose(hessian(x).numpy(), wanted, rtol=1e-12)
    with npg.lazy():
        np.testing.assert_allclose(npg.hessian(rosenbrock)(x).numpy(), wanted, rtol=1e-12)
    many = npg.vmap(npg.hessian(rosenbrock))(npg.stack([x, x * 2]))
    np.testing.assert_allclose(many[1].numpy(), hessian_of_rosenbrock(2 * x.numpy()), rtol=1e-12)


def test_products_with_hessians_need_no_hessian(device: str) -> None:
    x, v = npg.array([0.5, -1.0, 2.0]), npg.array([1.0, 2.0, -1.0])
    wanted = hessian_of_rosenbrock(x.numpy()) @ v.numpy()
    np.testing.assert_allclose(npg.hvp(rosenbrock, x, v).numpy(), wanted, rtol=1e-12)
    (of_tuple,) = npg.hvp(rosenbrock, (x,), (v,))
    np.testing.assert_allclose(of_tuple.numpy(), wanted, rtol=1e-12)


def test_products_of_several_arguments(device: str) -> None:
    def f(a: Array, p: dict[str, Array]) -> Array:
        return npg.sum(a * p["b"] ** 2)

    a, b = npg.array([1.0, 2.0]), npg.array([3.0, 4.0])
    found, nested = npg.hvp(f, (a, {"b": b}), (npg.ones(2), {"b": npg.zeros(2)}))
    np.testing.assert_array_equal(found.numpy(), [0.0, 0.0])
    np.testing.assert_array_equal(nested["b"].numpy(), [6.0, 8.0])


@pytest.mark.parametrize("loss", [None, lambda y: npg.sum(npg.exp(y))])
def test_gauss_newton_products(loss: Any, device: str) -> None:
    def f(x: Array) -> Array:
        return npg.stack([x[0] * x[1], npg.sin(x[1]), x[0] ** 3])

    x, v = npg.array([0.5, 1.5]), npg.array([1.0, -2.0])
    j = npg.jacobian(f)(x).numpy()
    h = np.eye(3) if loss is None else np.diag(np.exp(f(x).numpy()))
    np.testing.assert_allclose(npg.gvp(f, x, v, loss=loss).numpy(), j.T @ h @ j @ v.numpy())


def test_derivatives_of_elementwise_functions(device: str) -> None:
    x = npg.linspace(-2.0, 2.0, 7)
    slopes = npg.tanh
    tanh = np.tanh(x.numpy())
    for wanted in (1 - tanh**2, -2 * tanh * (1 - tanh**2), (6 * tanh**2 - 2) * (1 - tanh**2)):
        slopes = npg.elementwise_grad(slopes)
        np.testing.assert_allclose(slopes(x).numpy(), wanted, atol=1e-12)


def test_derivatives_of_complex_elementwise_functions(device: str) -> None:
    z = npg.array([1 + 1j, 2j])
    np.testing.assert_allclose(npg.elementwise_grad(npg.exp)(z).numpy(), np.exp(z.numpy()))
    x = npg.array([1.0, 2.0])
    found = npg.elementwise_grad(lambda x: npg.exp(x * 1j))(x)
    np.testing.assert_allclose(found.numpy(), 1j * np.exp(1j * x.numpy()))
    with pytest.raises(DerivativeError, match="not complex differentiable"):
        npg.elementwise_grad(npg.conj)(z)
    with pytest.raises(ShapeError, match=r"\(2,\), not \(\); use jacobian"):
        npg.elementwise_grad(npg.sum)(x)


def test_divergence_and_laplacian(device: str) -> None:
    def field(x: Array) -> Array:
        return npg.stack([x[0] * x[1], x[1] ** 2, x[2] * x[0]])

    points = npg.array([[1.0, 2.0, 3.0], [0.5, -1.0, 2.0]])
    divergence = npg.vmap(npg.divergence(field))(points).numpy()
    np.testing.assert_allclose(divergence, [2 + 4 + 1, -1 - 2 + 0.5])
    assert npg.divergence(field, batch_size=2)(points[0]).item() == 7.0
    radius = npg.laplacian(lambda x: npg.linalg.vector_norm(x))  # 2 / r in three dimensions
    norms = np.linalg.norm(points.numpy(), axis=1)
    np.testing.assert_allclose(npg.vmap(radius)(points).numpy(), 2 / norms)
    with pytest.raises(ShapeError, match="one Array"):
        npg.divergence(npg.sum)(points)


def test_derivatives_of_jacobians(device: str) -> None:
    x = npg.array([1.0, 2.0])
    third = npg.jacobian(npg.hessian(lambda x: x[0] ** 2 * x[1] ** 2))(x).numpy()
    assert third[0, 0, 1] == 8.0
    assert third[1, 1, 1] == 0.0
    log_det = npg.grad(lambda x: npg.linalg.slogdet(npg.jacobian(lambda x: x**3)(x)).logabsdet)
    np.testing.assert_allclose(log_det(x).numpy(), 2 / x.numpy())


def test_jacobians_depend_on_what_the_function_closes_over(device: str) -> None:
    w = npg.array([1.0, 2.0], requires_grad=True)
    x = npg.array([3.0, 4.0])
    for mode in ("reverse", "forward"):
        w.grad = None
        npg.jacobian(lambda x: w**2 * x, mode=mode)(x).sum().backward()
        np.testing.assert_array_equal(w.grad.numpy(), [2.0, 4.0])  # type: ignore[union-attr]
    assert not npg.jacobian(lambda x: x * 2)(x).requires_grad


def test_several_arguments_and_keywords(device: str) -> None:
    def f(a: Array, b: Array, *, power: int = 1) -> tuple[Array, str]:
        return npg.sum(a**power * b), "beside"

    a, b = npg.array([1.0, 2.0]), npg.array([3.0, 4.0])
    blocks, beside = npg.hessian(f, (0, 1), has_aux=True)(a, b, power=2)
    assert beside == "beside"
    np.testing.assert_array_equal(blocks[0][0].numpy(), np.diag([6.0, 8.0]))
    np.testing.assert_array_equal(blocks[0][1].numpy(), np.diag([2.0, 4.0]))
    np.testing.assert_array_equal(blocks[1][1].numpy(), np.zeros((2, 2)))
    of_both = npg.elementwise_grad(lambda a, b, *, power=1: a**power * b, (0, 1))
    for found, wanted in zip(of_both(a, b, power=2), ([6.0, 16.0], [1.0, 4.0]), strict=True):
        np.testing.assert_array_equal(found.numpy(), wanted)
    products = npg.gvp(lambda a, b: a * b, (a, b), (npg.ones(2), npg.zeros(2)))
    np.testing.assert_array_equal(products[0].numpy(), [9.0, 16.0])
    np.testing.assert_array_equal(products[1].numpy(), [3.0, 8.0])


def test_divergences_depend_on_what_the_function_closes_over(device: str) -> None:
    w = npg.array([1.0, 2.0], requires_grad=True)
    npg.divergence(lambda x: w**2 * x)(npg.array([3.0, 4.0])).backward()
    np.testing.assert_array_equal(w.grad.numpy(), [2.0, 4.0])  # type: ignore[union-attr]
    assert not npg.divergence(lambda x: x * 2)(npg.ones(2)).requires_grad


def test_compiled_derivatives_of_complex_elementwise_functions(device: str) -> None:
    z = npg.array([1 + 1j, 2j])
    found = npg.compile(npg.elementwise_grad(npg.exp))(z)
    np.testing.assert_allclose(found.numpy(), np.exp(z.numpy()))


def test_structures_and_what_comes_beside(device: str) -> None:
    def f(p: dict[str, Array], n: int) -> Any:
        return {"a": p["w"] @ p["w"], "b": p["w"] * p["c"]}, n

    w, c = npg.array([1.0, 2.0]), npg.array(3.0)
    found, n = npg.jacobian(f, has_aux=True)({"w": w, "c": c}, 7)
    assert n == 7
    np.testing.assert_array_equal(found["a"]["w"].numpy(), [2.0, 4.0])
    assert found["a"]["c"].item() == 0.0
    np.testing.assert_array_equal(found["b"]["w"].numpy(), 3 * np.eye(2))
    np.testing.assert_array_equal(found["b"]["c"].numpy(), [1.0, 2.0])


@pytest.mark.parametrize(
    ("function", "size", "mode", "first"),
    [
        (lambda x: npg.concat([x, x, x, x]), 10, None, "10%"),
        (lambda x: npg.concat([x, x, x, x]), 10, "reverse", "5%"),
        (lambda x: x[:10] * 2, 40, None, "10%"),
        (lambda x: x[:10] * 2, 40, "forward", "5%"),
    ],
)
def test_whichever_are_fewer_are_sent(
    function: Any,
    size: int,
    mode: str | None,
    first: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of ten the first step of twenty is one, a tenth; of forty it is two."""
    monkeypatch.setitem(sys.modules, "tqdm", None)  # whose line may leave steps out
    npg.jacobian(function, mode=mode, progress=True)(npg.ones(size))
    assert f" {first}" in capsys.readouterr().err.split(",")[0]


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_single_rows_give_the_same(mode: str, device: str) -> None:
    x = npg.array([0.5, 2.0])
    whole = npg.jacobian(npg.exp, mode=mode)(x).numpy()
    np.testing.assert_array_equal(npg.jacobian(npg.exp, mode=mode, batch_size=1)(x).numpy(), whole)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_batches_give_the_same(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    x = npg.linspace(0.0, 1.0, 7)
    f = functools.partial(npg.matmul, npg.reshape(npg.arange(49.0), (7, 7)))
    whole = npg.jacobian(f, mode=mode)(x).numpy()
    batched = npg.jacobian(f, mode=mode, batch_size=3, progress=True)(x).numpy()
    np.testing.assert_array_equal(whole, batched)
    assert "100%" in capsys.readouterr().err


def test_jacobians_of_nothing(device: str) -> None:
    assert npg.jacobian(lambda x: x * 2)(npg.zeros((0,))).shape == (0, 0)
    assert npg.jacobian(lambda x: npg.zeros((0,)) * x.sum())(npg.ones(3)).shape == (0, 3)


@pytest.mark.parametrize("hooked", ["argument", "result"])
def test_hooks_are_called_for_every_row(hooked: str, device: str) -> None:
    a = npg.array([[2.0, 1.0], [1.0, 5.0]])

    def f(x: Array) -> Array:
        y = x * 3
        values = npg.linalg.eigh(a * y).eigenvalues
        (y if hooked == "argument" else values).register_hook(lambda g: g * 10)
        return values

    x = npg.array([1.0, 2.0])
    found = npg.jacobian(f, mode="reverse")(x).numpy()
    rows = [npg.grad(lambda x, i=i: f(x)[i])(x).numpy() for i in range(2)]
    np.testing.assert_allclose(found, rows, rtol=1e-12)


def test_zero_meets_an_infinite_derivative(device: str) -> None:
    x = npg.array([0.0, 4.0])
    for mode in ("reverse", "forward"):
        found = npg.jacobian(npg.sqrt, mode=mode)(x).numpy()
        np.testing.assert_array_equal(found, [[np.inf, 0.0], [0.0, 0.25]])
        masked = npg.jacobian(lambda x: npg.where(x > 0, npg.sqrt(x), 0.0), mode=mode)
        wanted = [[0.0, 0.0], [0.0, 0.25]]
        np.testing.assert_array_equal(masked(x).numpy(), wanted)
        np.testing.assert_array_equal(npg.compile(masked)(x).numpy(), wanted)
        np.testing.assert_array_equal(npg.vmap(masked)(npg.stack([x, x]))[1].numpy(), wanted)
        with npg.lazy():
            np.testing.assert_array_equal(masked(x).numpy(), wanted)


def test_a_zero_cotangent_meets_an_infinite_derivative(device: str) -> None:
    x, g = npg.array([0.0, 4.0]), npg.array([0.0, 1.0])

    def pulled(x: Array, g: Array) -> Array:
        return npg.vjp(lambda x: npg.sqrt(x), x)[1](g)[0]

    assert pulled(x, g).numpy().tolist() == [0.0, 0.25]
    assert npg.compile(pulled)(x, g).numpy().tolist() == [0.0, 0.25]
    assert npg.vmap(pulled)(x[None], g[None]).numpy().tolist() == [[0.0, 0.25]]
    with npg.lazy():
        assert pulled(x, g).numpy().tolist() == [0.0, 0.25]


def test_tangents_share_no_memory(device: str) -> None:
    x, t = npg.array([1.0, 2.0]), npg.array([3.0, 4.0])
    for function in (
        lambda x: (x, x + 1),
        lambda x: (npg.reshape(x, (2, 1)), x),
        lambda x: next((y, y + 1) for y in [x * 1.0]),
    ):
        _, pushforward = npg.linearize(function, x)
        for one, other in (npg.jvp(function, (x,), (t,))[1], pushforward(t)):
            one[...] = 9.0
            np.testing.assert_allclose(other.numpy(), [3.0, 4.0])
            assert t.numpy().tolist() == [3.0, 4.0]
    w = npg.array([3.0, 4.0], requires_grad=True)
    with npg.no_grad():
        assert not npg.jvp(lambda x: x, (x,), (w,))[1].requires_grad


def test_forward_mode_reads_no_factor_that_was_overwritten_since(device: str) -> None:
    def f(x: Array) -> Array:
        a = npg.ones((3, 2))
        y = a[:2] @ x
        a[0] = 5.0
        return y

    with pytest.raises(npg.errors.VersionError, match="matmul"):
        npg.jacobian(f, mode="forward")(npg.ones(2))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: npg.jacobian(npg.sin, mode="sideways")(x), ValueError, "'sideways'"),
        (lambda x: npg.jacobian(npg.sin, batch_size=0)(x), ValueError, "not 0"),
        (lambda x: npg.jacobian(npg.argmax)(x), DTypeError, "gives int64"),
        (lambda x: npg.jacobian(lambda x: 3)(x), DTypeError, "gives int"),
        (lambda x: npg.jacobian(npg.sin, 1)(x), ValueError, "argnums 1"),
        (lambda x: npg.hessian(npg.sin)(x), ShapeError, "one element"),
        (lambda x: npg.hvp(npg.sum, (x,), x), TypeError, "alike"),
        (lambda x: npg.divergence(npg.exp)(x * 1j), DTypeError, "holomorphic"),
    ],
)
def test_what_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(npg.array([1.0, 2.0]))


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_jacobians_have_derivatives_in_both_modes(mode: str, device: str) -> None:
    def f(x: Array) -> Array:
        return npg.concat([x**2, npg.sin(x)])

    x = npg.array([2.0, 0.5])
    of_jacobian = npg.grad(lambda x: npg.sum(npg.jacobian(f, mode=mode)(x) ** 2))(x).numpy()
    t = x.numpy()
    np.testing.assert_allclose(of_jacobian, 8 * t - 2 * np.cos(t) * np.sin(t))


def test_complex_results_of_one_element(device: str) -> None:
    x = npg.array([0.5, 1.0])
    found = npg.jacobian(lambda x: npg.sum(npg.exp(1j * x)))(x).numpy()
    np.testing.assert_allclose(found, 1j * np.exp(1j * x.numpy()))
    z = npg.array([1 + 1j])
    whole = npg.jacobian(lambda z: npg.sum(z * z), holomorphic=True)(z)
    np.testing.assert_allclose(whole.numpy(), [2 + 2j])


def test_complex_differentiability_is_relative_to_the_size() -> None:
    z = npg.array([3 + 4j, 1 - 2j])
    with pytest.raises(DerivativeError):
        npg.elementwise_grad(lambda z: 1e-7 * npg.abs(z))(z)
    single = npg.elementwise_grad(lambda z: npg.cos(z) ** 2 + npg.sin(z) ** 2)
    np.testing.assert_allclose(single(z.astype(npg.complex64)).numpy(), 0, atol=1e-3)
    np.testing.assert_allclose(npg.elementwise_grad(lambda z: z / z)(z).numpy(), 0, atol=1e-15)
    compiled = npg.compile(npg.elementwise_grad(npg.abs))(z)
    assert np.isnan(compiled.numpy()).all()


def test_tangents_and_cotangents_are_paired_by_key() -> None:
    a, b, one, zero = (npg.array(v) for v in (2.0, 3.0, 1.0, 0.0))
    point, along = {"a": a, "b": b}, {"b": one, "a": zero}
    assert npg.jvp(lambda p: p["a"] * p["b"], (point,), (along,))[1].item() == 2.0
    assert npg.linearize(lambda p: p["a"] * p["b"], point)[1](along).item() == 2.0
    assert npg.hvp(lambda p: p["a"] * p["b"] ** 2, point, along)["a"].item() == 6.0
    _, pullback = npg.vjp(lambda x: {"a": x, "b": 10 * x}, one)
    assert pullback({"b": one, "a": zero})[0].item() == 10.0
    with pytest.raises(ShapeError, match="nested as"):
        npg.jvp(lambda p: p["a"] * p["b"], (point,), ([one, zero],))
    assert npg.vjp(lambda x: None, a)[1](None)[0].item() == 0.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: npg.grad(npg.multiply, (0, 0))(x, x), ValueError, "one argument twice"),
        (lambda x: npg.hessian(npg.multiply, (1, -1))(x, x), ValueError, "one argument twice"),
        (lambda x: npg.grad(lambda x: x * 2, has_aux=True)(x), TypeError, "a pair.*not Array"),
        (lambda x: npg.jacobian(lambda x: x, has_aux=True)(x), TypeError, "a pair.*not Array"),
        (lambda x: npg.vjp(lambda x: 1.0, x), TypeError, r"vjp\(\) is of functions.*not float"),
        (lambda x: npg.jvp(lambda x: (a for a in x), (x,), (x,)), TypeError, "not generator"),
        (lambda x: npg.linearize(lambda x: object(), x), TypeError, "not object"),
        (lambda x: npg.jvp(npg.sin, (x,), (x * 1j,)), DTypeError, "is real, not complex128"),
        (lambda x: npg.divergence(npg.sin, batch_size=-1), ValueError, "not -1"),
        (lambda x: npg.divergence(npg.sin, argnums=(0,)), TypeError, "integer"),
        (lambda x: npg.elementwise_grad(npg.sin, 5)(x), ValueError, "argnums 5"),
        (lambda x: npg.divergence(lambda p: p)([x, x]), ShapeError, r"from \[\(2,\), \(2,\)\]"),
    ],
)
def test_what_functions_cannot_give_or_take(
    call: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(npg.array([1.0, 2.0]))


def test_numpy_integers_name_arguments() -> None:
    x = npg.array([1.0, 2.0])
    np.testing.assert_array_equal(
        npg.jacobian(npg.multiply, np.int64(1))(x, x).numpy(), np.diag([1.0, 2.0])
    )


def test_progress_over_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert npg.jacobian(lambda x: x[:0], progress=True)(npg.ones(2)).shape == (0, 2)
    capsys.readouterr()


def test_masks_that_are_the_same_for_all_examples(device: str) -> None:
    mask = npg.array([True, False, True])
    x = npg.reshape(npg.arange(6.0), (2, 3))

    def f(x: Array) -> tuple[Array, Array]:
        y = x * 1
        y[mask] = 0.0
        return x[mask], y

    taken, written = npg.vmap(f)(x)
    np.testing.assert_array_equal(taken.numpy(), x.numpy()[:, mask.numpy()])
    np.testing.assert_array_equal(written.numpy(), x.numpy() * ~mask.numpy())


@pytest.mark.filterwarnings("error")
def test_derivatives_at_poles_are_no_warnings() -> None:
    x = npg.array([0.0, 4.0])
    assert npg.vmap(npg.grad(npg.sqrt))(x).numpy().tolist() == [np.inf, 0.25]
    for mode in ("forward", "reverse"):
        npg.jacobian(npg.sqrt, mode=mode)(x)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_the_jacobian_of_softmax(mode: str, device: str) -> None:
    x = npg.array([0.3, -0.5, 1.1], device=device)
    p = npg.softmax(x).numpy()
    found = npg.jacobian(npg.softmax, mode=mode)(x)
    np.testing.assert_allclose(found.numpy(), np.diag(p) - np.outer(p, p), atol=1e-15)
