"""NumPy's ufuncs and functions, called with Arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad._numpy_protocols import RENAMED
from numpygrad._op import BY_NAME
from numpygrad.errors import GraphError

UFUNCS = {
    name: ufunc
    for name, ufunc in sorted(vars(np).items())
    if isinstance(ufunc, np.ufunc) and ufunc.__name__ == name
}
"""By their own names, each once."""
OF_INTEGERS = {"gcd", "lcm", "left_shift", "right_shift", "bitwise_count", "bitwise_and"}
OF_INTEGERS |= {"bitwise_or", "bitwise_xor", "invert", "ldexp"}
OF_TIMES = {"isnat"}
OF_VALUES = {
    *("bitwise_count", "cbrt", "deg2rad", "degrees", "divmod", "exp2", "fabs", "float_power"),
    *("fmax", "fmin", "fmod", "frexp", "gcd", "heaviside", "lcm", "ldexp", "logaddexp2"),
    *("matvec", "modf", "rad2deg", "radians", "spacing", "vecmat"),
}
"""Those that are no ops: of Arrays they give ndarrays."""


def operands(name: str) -> list[Any]:
    """What a function takes, inside its domain."""
    ufunc = UFUNCS[name]
    first = np.array([[0.3, 0.6, 0.9], [0.2, 0.5, 0.8], [0.7, 0.4, 0.1]]) + (name == "arccosh")
    arrays: list[Any] = [first, first.T][: ufunc.nin]
    if name.startswith("logical_"):
        return [x > 0.45 for x in arrays]
    return [(10 * x).astype(int) for x in arrays] if name in OF_INTEGERS else arrays


@pytest.mark.parametrize("name", sorted(UFUNCS.keys() - OF_TIMES))
def test_a_ufunc_gives_what_it_gives_of_ndarrays(name: str) -> None:
    given = operands(name)
    expected = UFUNCS[name](*given)
    found = UFUNCS[name](*[npg.asarray(x) for x in given])
    results = found if isinstance(found, tuple) else (found,)
    wanted = expected if isinstance(expected, tuple) else (expected,)
    for result, value in zip(results, wanted, strict=True):
        assert type(result) is (np.ndarray if name in OF_VALUES else npg.Array)
        np.testing.assert_allclose(np.asarray(result), value, rtol=1e-14)


@pytest.mark.parametrize("name", sorted(UFUNCS.keys() - OF_TIMES - OF_INTEGERS))
def test_a_ufunc_of_tracked_arrays_differentiates_or_refuses(name: str) -> None:
    given = operands(name)
    if given[0].dtype == "bool":
        return
    arrays, twins = ([npg.array(x, requires_grad=True) for x in given] for _ in range(2))
    if name in OF_VALUES:
        with pytest.raises(GraphError, match=rf"{name}\(\).*lose its gradient"):
            UFUNCS[name](*arrays)
        return
    op = BY_NAME[RENAMED.get(name, name)]
    y, z = UFUNCS[name](*arrays), op.function(*twins)
    assert y.requires_grad is op.differentiable
    if op.differentiable:
        (y * y).sum().backward()
        (z * z).sum().backward()
        for x, twin in zip(arrays, twins, strict=True):
            np.testing.assert_array_equal(x.grad.numpy(), twin.grad.numpy())


def test_ndarrays_lists_and_scalars_stand_beside_arrays() -> None:
    x = npg.array([0.5, 1.0], requires_grad=True)
    for y in (
        np.multiply([2.0, 3.0], x),
        np.array([2.0, 3.0]) * x,
        np.multiply(x, (2.0, 3.0)),
        np.array([2.0, 3.0]) @ npg.eye(2) * x,
    ):
        assert type(y) is npg.Array
        assert y.requires_grad
        np.testing.assert_array_equal(y.detach().numpy(), [1.0, 3.0])
    assert np.power(np.float32(2), npg.array([1.0], dtype="float32")).dtype == "float32"
    assert np.power(2, npg.array([1.0], dtype="float32")).dtype == "float32"


def test_arrays_stay_on_their_device_and_in_their_mode() -> None:
    x = npg.array([0.5, 1.0])
    with npg.device("strict"):
        assert np.sin(npg.ones(2)).device == "strict:cpu"
    with npg.lazy():
        assert np.sin(x).values is None
    np.testing.assert_array_equal(npg.compile(np.sin)(x).numpy(), np.sin([0.5, 1.0]))
    np.testing.assert_array_equal(npg.grad(np.sin)(npg.array(0.5)).item(), np.cos(0.5))
    np.testing.assert_array_equal(npg.vmap(np.sin)(x).numpy(), np.sin([0.5, 1.0]))


def test_what_else_ufuncs_do_is_done_to_values() -> None:
    x = npg.array([1.0, 2.0])
    assert np.add.reduce(x) == 3.0
    np.testing.assert_array_equal(np.multiply.outer(x, x), [[1, 2], [2, 4]])
    assert np.add(x, 1, dtype="float32").dtype == "float32"
    total = np.ones(2)
    total += x
    np.testing.assert_array_equal(total, [2.0, 3.0])
    tracked = npg.array([1.0, 2.0], requires_grad=True)
    for call in (
        lambda: np.add.reduce(tracked),
        lambda: np.add(tracked, 1, dtype="float32"),
        lambda: np.add(total, tracked, out=total),
    ):
        with pytest.raises(GraphError, match="lose its gradient"):
            call()
    np.testing.assert_array_equal(total, [2.0, 3.0])
    with pytest.raises(TypeError, match=r"does not write into an Array; assign x\[\.\.\.\]"):
        np.add(np.ones(2), np.ones(2), out=x)  # type: ignore[call-overload]  # that is the point


def test_scipy_ufuncs_are_ops_too() -> None:
    special = pytest.importorskip("scipy.special")
    x = npg.array([0.5, 1.0], requires_grad=True)
    y = special.erf(x) + special.gammainc(2.0, x)
    y.sum().backward()
    slope = 2 / np.sqrt(np.pi) * np.exp(-(x.detach().numpy() ** 2))
    slope += x.detach().numpy() * np.exp(-x.detach().numpy())
    np.testing.assert_allclose(x.grad.numpy(), slope, rtol=1e-14)
    with pytest.raises(GraphError, match="airy"):
        special.airy(x)
    np.testing.assert_array_equal(special.airy(x.detach()), special.airy([0.5, 1.0]))


def test_a_ufunc_of_a_known_name_that_is_no_op_takes_values() -> None:
    sin = np.frompyfunc(lambda v: v + 1, 1, 1)
    x = npg.array([1.0, 2.0])
    np.testing.assert_array_equal(sin(x), [2.0, 3.0])
    with pytest.raises(GraphError):
        sin(npg.array([1.0], requires_grad=True))


class Other:
    """A class that handles ufuncs itself."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> str:
        return "its own"


def test_other_classes_have_their_turn() -> None:
    assert np.add(npg.ones(2), Other()) == "its own"  # type: ignore[call-overload]  # the same
