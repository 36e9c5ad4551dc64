"""The fast paths give what the general path gives: result, dtype, node and gradient.

An operator of Array, and `apply_unary`, take a short cut for floats of one type on NumPy. The
general path is `numpygrad._dispatch.apply`; every answer is held against it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad._dispatch import apply

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

OPERATORS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "+": (operator.add, npg.add),
    "-": (operator.sub, npg.subtract),
    "*": (operator.mul, npg.multiply),
    "/": (operator.truediv, npg.divide),
}

UNARY = [
    *("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "exp", "expm1", "log"),
    *("log10", "log1p", "log2", "negative", "sin", "sinh", "sqrt", "square", "tan", "tanh"),
]

SHAPES = [
    ((), ()),
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((), (2,)),
    ((0,), (1,)),
    ((1,), ()),
]

SCALARS = [
    *(0, 1, -1, 2, 3, 2**31, 2**53 + 1, -(2**62)),
    *(0.0, -0.0, 1.0, -2.5, math.pi, 1e308, 5e-324, math.inf, -math.inf, math.nan),
    *(True, False),
]


def bits(x: npg.Array) -> Any:
    """The values, so that -0.0 and 0.0, and NaNs, are told apart."""
    values = x.numpy()
    return (
        values.dtype,
        values.shape,
        values.tobytes() if not np.isnan(values).any() else repr(values),
    )


def assert_same(fast: npg.Array, general: npg.Array) -> None:
    """Equal bits, type, and place in the graph."""
    assert type(fast) is type(general) is npg.Array
    assert bits(fast) == bits(general)
    assert fast.dtype == general.dtype
    assert fast.device is general.device
    assert fast._type is general._type
    assert fast._alias is None
    assert general._alias is None
    assert fast.requires_grad == general.requires_grad
    if fast.requires_grad:
        assert_same_node(fast._node, general._node)


def assert_same_node(fast: Any, general: Any) -> None:
    """Nodes with the same op, parents and saved values, as far as both paths set them."""
    assert fast.op is general.op
    assert fast.type is general.type
    for mine, other in zip(fast.parents, general.parents, strict=True):
        # Operands that are converted get a node for each conversion.
        assert mine is other or (mine.op is other.op and mine.op is not None)
    assert [x is None for x in fast.inputs] == [x is None for x in general.inputs]
    for name in ("shape", "shapes", "params"):
        if hasattr(fast, name) and hasattr(general, name):
            assert getattr(fast, name) == getattr(general, name), name
    kept = [getattr(node, "output", None) is not None for node in (fast, general)]
    assert kept[0] == kept[1]


def gradients(y: npg.Array, leaves: list[npg.Array]) -> list[Any]:
    """Bits of the gradients of a weighted sum."""
    for x in leaves:
        x.grad = None
    y.backward(np.arange(1.0, 1.0 + y.size).reshape(y.shape).astype(y.dtype))
    return [None if x.grad is None else bits(x.grad) for x in leaves]


def values(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    """Numbers between 0.2 and 0.9."""
    return np.asarray(np.random.default_rng(seed).uniform(0.2, 0.9, shape).astype(dtype))


@pytest.mark.parametrize("tracked", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize(
    "dtypes",
    [
        ("float64", "float64"),
        ("float32", "float32"),
        ("float32", "float64"),
        ("int64", "float32"),
        ("complex64", "float64"),
        ("bool", "float64"),
        ("uint8", "int8"),
    ],
)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("name", OPERATORS)
def test_operators_of_two_arrays(
    name: str, shapes: Any, dtypes: tuple[str, str], tracked: tuple[bool, bool]
) -> None:
    operate, function = OPERATORS[name]
    arrays = [
        npg.array(values(s, d, i)) for i, (s, d) in enumerate(zip(shapes, dtypes, strict=True))
    ]
    if name == "-" and dtypes[0] == dtypes[1] == "bool":
        pytest.skip("NumPy has no difference of booleans")
    leaves = []
    for x, wanted in zip(arrays, tracked, strict=True):
        if wanted and x.dtype.kind in "fc":
            x.requires_grad = True
            leaves.append(x)
    fast, general = operate(*arrays), apply(function, *arrays)
    assert_same(fast, general)
    if leaves and fast.requires_grad:
        assert gradients(fast, leaves) == gradients(general, leaves)


@pytest.mark.parametrize("reflected", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "complex128", "bool"])
@pytest.mark.parametrize("scalar", SCALARS, ids=repr)
@pytest.mark.parametrize("name", OPERATORS)
def test_operators_with_a_python_scalar(
    name: str, scalar: Any, dtype: str, reflected: bool
) -> None:
    operate, function = OPERATORS[name]
    x = npg.array(values((3,), dtype, 0))
    if name == "-" and dtype == "bool" and isinstance(scalar, bool):
        pytest.skip("NumPy has no difference of booleans")
    if x.dtype.kind in "fc":
        x.requires_grad = True
    for _ in range(2):  # the second time a kept scalar may be used
        operands = (scalar, x) if reflected else (x, scalar)
        fast, general = operate(*operands), apply(function, *operands)
        assert_same(fast, general)
        if x.requires_grad:
            assert gradients(fast, [x]) == gradients(general, [x])


def test_a_kept_scalar_is_not_confused_with_an_equal_one() -> None:
    x = npg.array([1.0, -1.0])
    for scalar in (1, 1.0, True):
        _ = x * scalar
    for scalar, expected in ((0.0, [0.0, -0.0]), (-0.0, [-0.0, 0.0]), (0, [0.0, -0.0])):
        found = (x * scalar).numpy()
        assert np.signbit(found).tolist() == np.signbit(expected).tolist()
    assert (npg.array([1], dtype="int64") * True).dtype == "int64"
    assert (npg.array([1.0], dtype="float32") * 1.0).dtype == "float32"


def test_a_kept_scalar_cannot_be_written_by_a_user() -> None:
    x = npg.array([1.0])
    y = 3.0 * x
    y *= 2.0
    assert (x * 3.0).tolist() == [3.0]
    z = npg.array(3.0) * x
    z += 1.0
    assert (x * 3.0).tolist() == [3.0]


def test_many_scalars_are_not_kept_for_ever() -> None:
    x = npg.array([1.0])
    for i in range(3000):
        assert (x * float(i + 0.25)).item() == i + 0.25
    assert len(x._type.scalars) <= 1000


@pytest.mark.parametrize(
    "operand",
    [
        np.array([1.0, 2.0, 3.0]),
        np.array([1, 2, 3], dtype="int32"),
        np.array(2.0),
        np.float64(2.0),
        np.float32(2.0),
        np.int64(2),
        np.bool_(True),
        1j,
        np.complex64(1j),
        np.array([1.0, 2.0, 3.0], dtype=">f8"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("reflected", [False, True])
@pytest.mark.parametrize("name", OPERATORS)
def test_operators_with_numpy_operands(name: str, operand: Any, reflected: bool) -> None:
    operate, function = OPERATORS[name]
    x = npg.array([0.5, 1.5, 2.5], requires_grad=True)
    operands = (operand, x) if reflected else (x, operand)
    fast, general = operate(*operands), apply(function, *operands)
    assert_same(fast, general)
    assert gradients(fast, [x]) == gradients(general, [x])


@pytest.mark.parametrize(
    ("dtype", "tracked"),
    [
        *((dtype, False) for dtype in ("float64", "float32", "int64", "complex128", "uint8")),
        *((dtype, True) for dtype in ("float64", "float32", "complex128")),
    ],
)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (0, 2)], ids=str)
@pytest.mark.parametrize("name", UNARY)
def test_unary_functions(name: str, shape: Any, dtype: str, tracked: bool) -> None:
    x = npg.array(values(shape, dtype, 0) + (1 if name == "acosh" else 0), requires_grad=tracked)
    function = getattr(npg, name)
    fast, general = function(x), apply(function, x)
    assert_same(fast, general)
    if tracked:
        assert gradients(fast, [x]) == gradients(general, [x])


@pytest.mark.parametrize("special", [0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 1e308])
@pytest.mark.parametrize("name", UNARY)
def test_unary_functions_of_special_values(name: str, special: float) -> None:
    x = npg.array([special, 0.5], requires_grad=True)
    function = getattr(npg, name)
    fast, general = function(x), apply(function, x)
    assert_same(fast, general)
    assert gradients(fast, [x]) == gradients(general, [x])


@pytest.mark.parametrize(
    "name", ["bitwise_invert", "exp", "floor", "isnan", "logical_not", "signbit", "square"]
)
def test_functions_of_booleans_are_the_same_from_the_second_call_on(name: str) -> None:
    x = npg.array([[True, False], [True, True]])
    function = getattr(npg, name)
    for _ in range(3):
        assert_same(function(x), apply(function, x))


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32", "complex128"])
def test_operands_of_one_type_promote_as_those_of_several(dtype: str) -> None:
    x = npg.array([1.0, 2.0, 5.0]).astype(dtype)
    floating = dtype if dtype in ("float32", "complex128") else "float64"
    assert npg.divide(x, x).dtype == floating
    assert npg.where(x == 2, x, x).dtype == dtype
    if not x._type.is_complex:
        assert npg.atan2(x, x).dtype == floating
        np.testing.assert_array_equal(npg.clip(x, 2, 3).numpy(), [2, 2, 3])
        assert npg.clip(x, 2, 3).dtype == dtype


@pytest.mark.parametrize("name", UNARY)
def test_unary_functions_of_a_zero_dimensional_result(name: str) -> None:
    x = npg.array([0.25, 0.5], requires_grad=True)
    total = x.sum() + (1.0 if name == "acosh" else 0.0)
    function = getattr(npg, name)
    assert_same(function(total), apply(function, total))


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_record_nothing_under_no_grad(name: str) -> None:
    operate, function = OPERATORS[name]
    x = npg.array([1.0, 2.0], requires_grad=True)
    with npg.no_grad():
        fast, general = operate(x, 2.0), apply(function, x, 2.0)
        assert_same(fast, general)
        assert not fast.requires_grad
        with npg.enable_grad():
            assert_same(operate(x, x), apply(function, x, x))


def test_unary_functions_record_nothing_under_no_grad() -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    with npg.no_grad():
        assert not npg.exp(x).requires_grad
        with npg.enable_grad():
            assert npg.exp(x).requires_grad


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "complex128"])
@pytest.mark.parametrize("exponent", [2, 2.0, 3, 0.5, -1, 0, True])
def test_a_power_of_two_is_a_square_like_any_power(dtype: str, exponent: Any) -> None:
    if dtype == "int64" and exponent == -1:
        pytest.skip("NumPy has no negative integer powers of integers")
    x = npg.array([1, 2, 3], dtype=dtype)
    fast, general = x**exponent, apply(npg.pow, x, exponent)
    assert fast.dtype == general.dtype
    np.testing.assert_allclose(fast.numpy(), general.numpy(), rtol=1e-15)
    assert npg.pow(x, exponent).dtype == fast.dtype


def test_operators_on_a_view_see_its_values() -> None:
    x = npg.array([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = x * 1.0
    v = y[1]
    y[1, 0] = 10.0
    assert_same(v * 2.0, apply(npg.multiply, v, 2.0))
    assert (v + v).tolist() == [20.0, 8.0]


def test_the_same_operand_twice() -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    for operate, function in OPERATORS.values():
        fast, general = operate(x, x), apply(function, x, x)
        assert_same(fast, general)
        assert gradients(fast, [x]) == gradients(general, [x])


@pytest.mark.parametrize("name", OPERATORS)
def test_shapes_that_do_not_fit_raise_as_the_general_path(name: str) -> None:
    operate, function = OPERATORS[name]
    x, y = npg.ones(2), npg.ones(3)
    with pytest.raises(npg.errors.ShapeError) as general:
        apply(function, x, y)
    with pytest.raises(npg.errors.ShapeError) as fast:
        operate(x, y)
    assert str(fast.value) == str(general.value)
