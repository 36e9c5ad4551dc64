"""Ops of the user's own, rows of the table like any other: `custom_op`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import numpygrad as npg
from numpygrad._op import BY_NAME, TABLE
from numpygrad.errors import BackendError, CaptureError, VersionError
from numpygrad.testing import check_grads

Raw = np.ndarray


@pytest.fixture(autouse=True)
def _table_as_it_was() -> Iterator[None]:
    """Take away the rows a test adds: laws over the table are not about them."""
    registries: list[dict[Any, Any]] = [TABLE, BY_NAME]
    before = [set(registry) for registry in registries]
    yield
    for registry, known in zip(registries, before, strict=True):
        for name in set(registry) - known:
            del registry[name]


def cube(*, host: bool = True) -> Any:
    @npg.custom_op(kind="elementwise", rules=(lambda x: 3 * x * x,), host=host)
    def op(x: Raw) -> Raw:
        """Doc."""
        assert not host or type(x) is np.ndarray
        return x**3

    return op


def scaled_difference() -> Any:
    """Neighbours' differences, halved or more, of rows; and their transpose."""

    @npg.custom_op(
        kind="linear",
        rules=(
            lambda xp, g, factor: (
                factor * (xp.concat([-g[..., :1], g[..., :-1] - g[..., 1:], g[..., -1:]], axis=-1))
            ),
        ),
        shape=lambda x, factor: (*x.shape[:-1], x.shape[-1] - 1),
        host=True,
    )
    def op(x: Raw, /, *, factor: float = 0.5) -> Raw:
        return factor * np.diff(x, axis=-1)

    return op


class Moments(NamedTuple):
    mean: Any
    power: Any


def moments() -> Any:
    def pullback(xp: Any, g: Any, x: Any) -> Any:
        total = xp.zeros_like(x)
        if g.mean is not None:
            total = total + g.mean[..., None] / x.shape[-1]
        return total if g.power is None else total + 2 * g.power[..., None] * x

    @npg.custom_op(
        kind="nonlinear",
        rules=(pullback,),
        outputs=Moments,
        shape=lambda x: (x.shape[:-1], (x.shape[:-1], x.dtype)),
        host=True,
    )
    def op(x: Raw) -> Moments:
        return Moments(np.mean(x, axis=-1), np.sum(x * x, axis=-1))

    return op


def program(x: npg.Array, ops: tuple[Any, Any, Any]) -> npg.Array:
    """Something of all three."""
    cubed, differences, several = ops
    y = cubed(x) + x
    found = several(differences(y * x, factor=2.0))
    assert type(found) is Moments
    return (found.mean * found.power).sum()


def by_hand(x: npg.Array) -> npg.Array:
    d = 2.0 * npg.diff((x**3 + x) * x)
    return (npg.mean(d, axis=-1) * (d * d).sum(axis=-1)).sum()


def test_derivatives(device: str) -> None:
    ops = (cube(), scaled_difference(), moments())
    x = np.asarray([[0.3, -0.7, 1.1], [0.2, 0.5, -0.4]])
    check_grads(lambda x: program(x, ops), (x,), order=2, device=device)


@pytest.mark.parametrize("mode", ["eager", "lazy", "compiled"])
def test_values_and_gradients(device: str, mode: str) -> None:
    ops = (cube(), scaled_difference(), moments())
    x = npg.array([[0.3, -0.7, 1.1], [0.2, 0.5, -0.4]])

    def derivatives(f: Any) -> Any:
        second = npg.grad(lambda x: (npg.grad(f)(x) * x).sum())
        return [f(x), npg.grad(f)(x), second(x), npg.jvp(f, (x,), (x,))[1]]

    def run() -> Any:
        return derivatives(lambda x: program(x, ops))

    found = (
        npg.lazy()(run)() if mode == "lazy" else npg.compile(run)() if mode == "compiled" else run()
    )
    for a, b in zip(found, derivatives(by_hand), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)


def test_it_is_a_row_of_the_table(device: str) -> None:
    op = cube()
    assert op.__doc__ == "Doc."
    assert repr(op).startswith("<elementwise op op")
    assert BY_NAME[op._row.name].function is op.__wrapped__
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = op(x)
    x_again = npg.asarray([2, 3])
    assert op(x_again).dtype == "float64"
    assert op(2.0).item() == 8.0
    with npg.no_grad():
        x[0] = 5.0
    with pytest.raises(VersionError, match=r"op\w*: its saved x"):
        y.sum().backward()


def test_only_what_a_rule_reads_is_saved(device: str) -> None:
    @npg.custom_op(kind="elementwise", rules=(lambda y: y,), host=True)
    def exponential(x: Raw) -> Raw:
        return np.exp(x)

    x = npg.array([1.0, 2.0], requires_grad=True)
    y = exponential(x)
    with npg.no_grad():
        x[...] = 0.0
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([1.0, 2.0]))


def test_rules_may_name_other_ops(device: str) -> None:
    @npg.custom_op(
        kind="elementwise", rules=(lambda xp, x: getattr(xp, my_cos._row.name)(x),), host=True
    )
    def my_sin(x: Raw) -> Raw:
        return np.sin(x)

    @npg.custom_op(
        kind="elementwise", rules=(lambda xp, x: -getattr(xp, my_sin._row.name)(x),), host=True
    )
    def my_cos(x: Raw) -> Raw:
        return np.cos(x)

    f = my_sin
    for _ in range(3):
        f = npg.grad(f)
    np.testing.assert_allclose(f(npg.array(0.3)).item(), -np.cos(0.3))
    with npg.lazy():
        np.testing.assert_allclose(f(npg.array(0.3)).item(), -np.cos(0.3))


def test_discrete_ops_have_no_derivative(device: str) -> None:
    @npg.custom_op(kind="discrete", shape=lambda x: (x.shape, "bool"), host=True)
    def positive(x: Raw) -> Raw:
        return x > 0

    x = npg.array([-1.0, 2.0], requires_grad=True)
    assert positive(x).dtype == "bool"
    npg.where(positive(x), x * x, 0.0).sum().backward()
    assert x.grad.tolist() == [0.0, 4.0]
    compiled = npg.compile(lambda x: npg.where(positive(x), 1.0, 0.0))
    assert compiled(npg.array([-1.0, 2.0])).tolist() == [0.0, 1.0]


def test_operands_are_made_alike(device: str) -> None:
    @npg.custom_op(kind="elementwise", rules=(lambda x2: x2, lambda x1: x1), host=True)
    def product(x1: Raw, x2: Raw) -> Raw:
        assert x1.dtype == x2.dtype == np.float64
        return x1 * x2

    x = npg.ones((2, 3), dtype="float32", requires_grad=True)
    y = product(x, npg.asarray([1.0, 2.0, 3.0]))
    y.sum().backward()
    assert (x.grad.dtype, x.grad.tolist()) == ("float32", [[1.0, 2.0, 3.0]] * 2)


def test_complex_rules_are_written_without_conjugates(device: str) -> None:
    op = cube()
    x = npg.array([1.0 + 2.0j, -0.5j])
    found = npg.grad(lambda x: npg.real(op(x)).sum())(x)
    np.testing.assert_allclose(found.numpy(), np.conj(3 * x.numpy() ** 2), rtol=1e-12)


def test_a_kernel_for_one_backend(device: str) -> None:
    op = cube()
    name = npg.ones(1).device.backend.name
    seen = []

    @op.kernel(name)
    def own(x: Any) -> Any:
        seen.append(type(x))
        return x * x * x

    assert op(npg.array([2.0])).tolist() == [8.0]
    assert (np.ndarray in seen) is (name == "numpy")
    with pytest.raises(BackendError, match="unknown backend 'nonsense'"):
        op.kernel("nonsense")


def test_a_kernel_of_array_api_code_runs_everywhere(device: str) -> None:
    op = cube(host=False)
    f = npg.compile(npg.grad(lambda x: op(x).sum()))
    assert f(npg.array([1.0, 2.0])).tolist() == [3.0, 12.0]
    assert npg.compile(op)(npg.array([1.0, 2.0])).tolist() == [1.0, 8.0]


def test_without_a_shape_it_runs_at_once(device: str) -> None:
    @npg.custom_op(kind="nonlinear", rules=(lambda xp, g, x: g * xp.ones_like(x),), host=True)
    def total(x: Raw) -> Raw:
        return np.sum(x)

    with npg.lazy():
        y = total(npg.array([1.0, 2.0]) * 2.0)
        assert y.item() == 6.0
    with pytest.raises(CaptureError, match=r"total\w* asked for"):
        npg.compile(total)(npg.array([1.0, 2.0]))


def test_jax_has_to_know_the_shape_inside_its_own_jit() -> None:
    jax = pytest.importorskip("jax")

    @npg.custom_op(kind="nonlinear", rules=(lambda xp, g, x: g * xp.ones_like(x),), host=True)
    def total(x: Raw) -> Raw:
        return np.sum(x)

    with pytest.raises(
        CaptureError, match=r"total\w*\(\) runs on the host, .* declare it with shape="
    ):
        jax.jit(lambda data: total(npg.asarray(data)).data)(jax.numpy.ones(2))


def test_a_result_shares_no_memory(device: str) -> None:
    @npg.custom_op(kind="linear", rules=(lambda g: g,), shape=lambda x: x.shape, host=True)
    def same(x: Raw) -> Raw:
        return x

    x = npg.array([1.0, 2.0])
    y = same(x)
    y[0] = 7.0
    assert x.tolist() == [1.0, 2.0]


def test_a_result_in_another_order_is_put_right(device: str) -> None:
    @npg.custom_op(
        kind="linear",
        rules=(lambda xp, g: xp.matrix_transpose(g),),
        shape=lambda x: x.shape[::-1],
        host=True,
    )
    def turned(x: Raw) -> Raw:
        return np.asfortranarray(x).T.copy(order="F")

    y = turned(npg.array([[1.0, 2.0], [3.0, 4.0]]))
    flat = npg.reshape(y, (4,))
    y[0, 1] = 9.0
    assert flat.tolist() == [1.0, 9.0, 2.0, 4.0]


def test_a_definition_run_twice_gives_two_ops(device: str) -> None:
    first, second = cube(), cube()
    assert first._row.name != second._row.name
    kernel = named("inverse")
    kernel.__module__ = "some.linalg"
    assert npg.custom_op(kind="elementwise", rules=(lambda y: y,))(kernel)(2.0).item() == 2.0
    sin = npg.custom_op(kind="elementwise", rules=(lambda y: y,))(named("sin"))
    linspace = npg.custom_op(kind="elementwise", rules=(lambda y: y,))(named("linspace"))
    assert sin._row.name.startswith("sin_")
    assert linspace._row.name.startswith("linspace_")
    assert npg.linspace(0.0, 1.0, 2).tolist() == [0.0, 1.0]


def named(name: str) -> Any:
    def kernel(x: Raw) -> Raw:
        return x

    kernel.__name__ = name
    return kernel


def test_vmap_loops_over_it(device: str) -> None:
    ops = (cube(), scaled_difference(), moments())
    x = npg.array([[0.3, -0.7, 1.1], [0.2, 0.5, -0.4]])
    found = npg.vmap(npg.grad(lambda x: program(x, ops)))(x)
    np.testing.assert_allclose(found.numpy(), npg.vmap(npg.grad(by_hand))(x).numpy(), rtol=1e-12)
    jacobian = npg.jacobian(lambda x: ops[1](ops[0](x)))(x[0])
    expected = npg.jacobian(lambda x: 0.5 * npg.diff(x**3))(x[0])
    np.testing.assert_allclose(jacobian.numpy(), expected.numpy(), rtol=1e-12)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(TypeError, match="ops of kind elementwise, linear, nonlinear, discrete"):
        npg.custom_op(kind="composite")
    with pytest.raises(TypeError, match="2 rules for 1 arrays"):
        npg.custom_op(kind="elementwise", rules=(None, None))(named("f"))
    with pytest.raises(TypeError, match=r"rule 0 names \{'z'\}"):
        npg.custom_op(kind="elementwise", rules=(lambda z: z,))(named("f"))

    for kernel in (lambda *, n: n, lambda *x: x, lambda x, **options: x):
        with pytest.raises(TypeError, match="takes arrays by position, one by one"):
            npg.custom_op(kind="discrete")(kernel)
    op = scaled_difference()
    with pytest.raises(TypeError, match=r"op\w*\(\) takes 1 arrays, x, got 2"):
        op(npg.ones(2), npg.ones(2))
    with pytest.raises(TypeError, match=r"op\w*\(\) misses or does not know scale"):
        op(npg.ones(2), scale=2.0)
