"""The features the project was started for, a test for each line of PROMISES.md.

`S` is the page "Tensor & Autograd", `N` the page "Array".
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import DTypeError, GraphError, ShapeError, VersionError

pytestmark = pytest.mark.usefixtures("promised_device")


def arange(*shape: int) -> np.ndarray:
    """1, 2, 3, ... in a shape."""
    return np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)


# S: Tensor & Autograd


def test_tensor_is_array() -> None:
    assert npg.Tensor is npg.Array


def test_tensor_takes_the_keywords_of_array_and_its_own() -> None:
    x = npg.Tensor([1, 2], requires_grad=True, dtype="float32", label="x")
    y = npg.Tensor(values=[1.0, 2.0], comp_grad=True, label="y", dtype="float64", device="cpu")
    z = npg.Tensor(np.ones(2))
    assert (x.dtype, x.requires_grad, x.label) == ("float32", True, "x")
    assert (y.dtype, y.requires_grad, y.label) == ("float64", True, "y")
    assert (z.requires_grad, z.label) == (False, None)
    with pytest.raises(TypeError, match="values"):
        npg.Tensor()
    with pytest.raises(TypeError, match="values"):
        npg.Tensor([1.0], values=[1.0])


def test_the_first_sample_of_the_page_runs_literally(promised_device: str) -> None:
    code = """
import numpygrad as sg

x = sg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
y = (x * x).sum()
y.backward()
print(x.grad)  # [2. 4. 6.]
"""
    command = [sys.executable, "-c", code]
    backend = {"NUMPYGRAD_BACKEND": {"cpu": "numpy", "jax:cpu": "jax"}[promised_device]}
    finished = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **backend}
    )
    assert finished.stdout == "[2. 4. 6.]\n"


@pytest.mark.parametrize(
    "values", [1.5, [1, 2], [[1.0, -2.5], [3.0, 1e10]], [True, False], [1 + 2j], []], ids=repr
)
def test_print_prints_as_numpy_does(values: Any) -> None:
    assert str(npg.array(values)) == str(np.array(values))


def test_values_is_the_raw_backend_array(promised_device: str) -> None:
    x = npg.array([1.0, 2.0])
    raw = {"cpu": "numpy", "jax:cpu": "jax"}[promised_device]
    assert type(x.values).__module__.startswith(raw)
    assert np.asarray(x.values).tolist() == [1.0, 2.0]


def test_shape_is_a_tuple() -> None:
    x = npg.zeros((2, 3))
    assert x.shape == (2, 3)
    assert type(x.shape) is tuple


def test_dtype_equals_its_string() -> None:
    x = npg.zeros(2, dtype="float32")
    assert x.dtype == "float32"
    assert x.dtype != "float64"


def test_device_is_a_string(promised_device: str) -> None:
    x = npg.zeros(2)
    assert isinstance(x.device, str)
    assert x.device == {"cpu": "cpu", "jax:cpu": "jax:cpu:0"}[promised_device]


def test_comp_grad_is_the_same_flag_as_requires_grad() -> None:
    x = npg.array([1.0])
    x.comp_grad = True
    assert x.requires_grad
    assert x.comp_grad
    x.requires_grad = False
    assert not x.comp_grad


def test_is_leaf() -> None:
    x = npg.array([1.0], requires_grad=True)
    assert x.is_leaf
    assert not (x * 2).is_leaf
    assert (npg.array([1.0]) * 2).is_leaf


def test_grad_is_none_until_backprop_and_then_accumulates() -> None:
    x = npg.array([1.0], requires_grad=True)
    assert x.grad is None
    (x * 2).sum().backward()
    assert isinstance(x.grad, npg.Array)
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5.0]


def test_label_is_none_by_default_and_settable() -> None:
    x = npg.array([1.0])
    assert x.label is None
    x.label = "weights"
    assert x.label == "weights"
    assert npg.array([1.0], label="bias").label == "bias"
    x.label = None
    assert x.label is None


def test_gradients_are_tracked_only_where_asked() -> None:
    assert not npg.array([1.0]).requires_grad
    assert not npg.zeros(2).requires_grad
    assert not (npg.array([1.0]) * 2).requires_grad
    assert npg.array([1.0], requires_grad=True).requires_grad


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_backward_on_one_element_outputs(shape: tuple[int, ...]) -> None:
    x = npg.full(shape, 3.0, requires_grad=True)
    (x * x).backward()
    assert x.grad.shape == shape
    assert x.grad.item() == 6.0


def test_realize_does_nothing_when_eager_and_returns_the_array() -> None:
    x = npg.array([1.0])
    assert x.realize() is x


def test_zero_grad_gives_zeros_to_all_leaves() -> None:
    a, b = npg.array([1.0], requires_grad=True), npg.array([2.0], requires_grad=True)
    loss = (a * b).sum()
    loss.backward()
    loss.zero_grad()
    assert a.grad.tolist() == b.grad.tolist() == [0.0]


def test_convert_to_returns_a_new_array() -> None:
    x = npg.array([1.5, 2.5])
    y = x.convert_to("float32")
    assert y.dtype == "float32"
    assert x.dtype == "float64"
    assert x.convert_to("float64") is not x


def test_to_device_returns_a_new_leaf_that_is_a_copy() -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = (x * 2).to_device("numpy:cpu")
    assert y.is_leaf
    assert y.device == "cpu"
    z = x.to_device(x.device)
    z.detach()[0] = 9.0
    assert x.tolist() == [1.0, 2.0]
    assert not (z * 2).requires_grad


def test_to_and_asarray_are_differentiable_transfers() -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = (x * 2).to("numpy:cpu")
    assert y.device == "cpu"
    (y * y).sum().backward()
    assert x.grad.tolist() == [8.0, 16.0]
    assert x.grad.device == x.device
    z = npg.asarray(x * 3, device="numpy:cpu")
    z.sum().backward()
    assert x.grad.tolist() == [11.0, 19.0]
    w = x.to(dtype="float32")
    w.sum().backward()
    assert x.grad.tolist() == [12.0, 20.0]


def test_operators_with_arrays_and_scalars() -> None:
    a, b = npg.array([1.0, 2.0]), npg.array([4.0, 5.0])
    assert (a + b).tolist() == [5.0, 7.0]
    assert (a + 1).tolist() == [2.0, 3.0]
    assert (a - b).tolist() == [-3.0, -3.0]
    assert (a * b).tolist() == [4.0, 10.0]
    assert (a * 2.5).tolist() == [2.5, 5.0]
    assert (a / b).tolist() == [0.25, 0.4]
    assert (b**2).tolist() == [16.0, 25.0]
    assert (-a).tolist() == [-1.0, -2.0]
    assert (a @ b).item() == 14.0


def test_no_grad_is_a_context_and_a_decorator_nests_and_is_restored_after_errors() -> None:
    x = npg.array([1.0], requires_grad=True)

    @npg.no_grad()
    def f() -> npg.Array:
        return x * 2

    with npg.no_grad():
        with pytest.raises(ZeroDivisionError), npg.no_grad():
            _ = 1 / 0
        assert not (x * 2).requires_grad
    assert not f().requires_grad
    assert (x * 2).requires_grad


# N: Array


@pytest.mark.parametrize(
    "data",
    [
        3.5,
        2,
        [1.0, 2.0],
        [[1, 2], [3, 4]],
        (1.0, 2.0),
        np.arange(3),
        np.float32(2.5),
        True,
        1j,
        [],
        [[]],
    ],
    ids=repr,
)
def test_array_takes_lists_scalars_and_ndarrays(data: Any) -> None:
    x = npg.array(data)
    assert x.shape == np.shape(data)
    assert x.dtype == np.asarray(data).dtype
    assert x.tolist() == np.asarray(data).tolist()


def test_array_takes_arrays_and_nested_lists_of_them() -> None:
    a = npg.array([1.0, 2.0])
    b = npg.array(a)
    a[0] = 9.0
    assert b.tolist() == [1.0, 2.0]
    assert npg.array([a, b]).tolist() == [[9.0, 2.0], [1.0, 2.0]]
    assert npg.array([[a[0], b[1]]]).tolist() == [[9.0, 2.0]]


def test_array_takes_requires_grad_dtype_device_label() -> None:
    x = npg.array([1, 2], requires_grad=True, dtype=npg.float32, device="numpy:cpu", label="x")
    assert x.requires_grad
    assert x.is_leaf
    assert (x.dtype, x.device, x.label) == ("float32", "cpu", "x")


@pytest.mark.parametrize(
    "make",
    [
        lambda **k: npg.zeros((2, 3), **k),
        lambda **k: npg.ones((2, 3), **k),
        lambda **k: npg.empty((2, 3), **k),
        lambda **k: npg.full((2, 3), 7.0, **k),
        lambda **k: npg.zeros_like(npg.ones((2, 3)), **k),
        lambda **k: npg.ones_like(npg.ones((2, 3)), **k),
        lambda **k: npg.empty_like(npg.ones((2, 3)), **k),
        lambda **k: npg.full_like(npg.ones((2, 3)), 7.0, **k),
        lambda **k: npg.arange(0.0, 3.0, **k),
        lambda **k: npg.linspace(0.0, 1.0, 5, **k),
        lambda **k: npg.eye(3, **k),
    ],
    ids=[
        *("zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like", "full_like"),
        *("arange", "linspace", "eye"),
    ],
)
def test_factories_take_requires_grad_and_dtype(make: Callable[..., npg.Array]) -> None:
    x = make(requires_grad=True, dtype="float32")
    assert x.requires_grad
    assert x.is_leaf
    assert x.dtype == "float32"
    assert not make().requires_grad
    assert make().dtype == "float64"
    (x * 2).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full(x.shape, 2.0))


def test_properties() -> None:
    x = npg.array(arange(2, 3), dtype="float32")
    assert (x.shape, x.ndim, x.size) == ((2, 3), 2, 6)
    assert (x.nbytes, x.itemsize, x.strides) == (24, 4, (12, 4))
    assert (x.requires_grad, x.grad, x.grad_fn) == (False, None, None)


def test_strides_of_a_view_are_those_of_a_c_ordered_array_or_of_its_memory() -> None:
    x = npg.array(arange(2, 3))
    assert x.T.strides in {(8, 24), (16, 8)}
    assert npg.zeros(()).strides == ()


def test_dtype_is_a_numpy_dtype() -> None:
    x = npg.zeros(2, dtype=npg.int32)
    assert isinstance(x.dtype, np.dtype)
    assert np.zeros(2, dtype=x.dtype).dtype == np.int32


def test_t_reverses_all_axes() -> None:
    x = npg.array(arange(2, 3, 4))
    assert x.T.shape == (4, 3, 2)
    np.testing.assert_array_equal(x.T.numpy(), arange(2, 3, 4).T)
    np.testing.assert_array_equal(x[0].T.numpy(), arange(2, 3, 4)[0].T)


def test_grad_fn_is_none_on_leaves_and_untracked_arrays() -> None:
    x = npg.array([1.0], requires_grad=True)
    assert x.grad_fn is None
    assert npg.array([1.0]).grad_fn is None
    assert "multiply" in repr((x * 2).grad_fn)


def test_data_is_raw_and_assignable_and_bumps_the_version() -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = npg.sin(x)
    x.data = np.array([5.0, 6.0])
    assert x.tolist() == [5.0, 6.0]
    assert np.asarray(x.data).tolist() == [5.0, 6.0]
    with pytest.raises(VersionError):
        y.sum().backward()


def test_numpy_returns_the_values_without_a_copy_on_the_host() -> None:
    x = npg.array([1.0, 2.0, 3.0])
    assert isinstance(x.numpy(), np.ndarray)
    assert x.numpy().tolist() == [1.0, 2.0, 3.0]
    y = npg.array([1.0], device="numpy:cpu")
    assert y.numpy() is y.data


def test_item_gives_a_python_scalar_of_one_element() -> None:
    assert npg.array([0.42]).item() == 0.42
    assert type(npg.array([0.42]).item()) is float
    assert type(npg.array(3).item()) is int
    assert type(npg.array(True).item()) is bool
    assert type(npg.array(1j).item()) is complex
    with pytest.raises(ValueError, match="one element"):
        npg.array([1.0, 2.0]).item()


def test_tolist() -> None:
    assert npg.array([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert npg.array(2.5).tolist() == 2.5
    assert npg.array([1.0], requires_grad=True).tolist() == [1.0]


KEYS: list[Any] = [
    0,
    -1,
    slice(None, None, 2),
    slice(None, None, -1),
    slice(3, 0, -2),
    (1, 2),
    (slice(1, 3), slice(2, 5)),
    ...,
    (..., 0),
    (0, ...),
    None,
    (slice(None), None, 1),
    [0, 2, 2],
    ([0, 1], [1, 1]),
    np.array([0, 3, -1]),
    (np.array([[0], [1]]), np.array([0, 2])),
    (slice(None), [0, 0, 4]),
    arange(4, 5) > 6.0,
    (np.array([True, False, True, False]), 1),
    (slice(None), np.array([True, False, True, False, True])),
    np.int64(2),
    (),
    True,
    (0, [1, 2]),
    ([0, 1], slice(None), None),
]


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_numpy_indexing_and_its_gradient(key: Any) -> None:
    values = arange(4, 5)
    x = npg.array(values, requires_grad=True)
    y = x[key]
    np.testing.assert_array_equal(y.numpy(), values[key])
    weights = arange(*y.shape)
    y.backward(weights)
    expected = np.zeros((4, 5))
    np.add.at(expected, key, weights)
    np.testing.assert_array_equal(x.grad.numpy(), expected)


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_numpy_assignment(key: Any) -> None:
    expected = arange(4, 5)
    x = npg.array(expected)
    expected[key] = -1.0
    x[key] = -1.0
    np.testing.assert_array_equal(x.numpy(), expected)


def test_arrays_are_keys() -> None:
    x = npg.array(arange(4, 5), requires_grad=True)
    rows = npg.array([0, 2, 0])
    np.testing.assert_array_equal(x[rows].numpy(), arange(4, 5)[[0, 2, 0]])
    np.testing.assert_array_equal(x[x > 7.0].numpy(), arange(4, 5)[arange(4, 5) > 7.0])
    np.testing.assert_array_equal(x[rows[1], npg.array(3)].numpy(), arange(4, 5)[2, 3])
    x[rows].sum().backward()
    assert x.grad[:, 0].tolist() == [2.0, 0.0, 1.0, 0.0]


def test_the_pages_samples_of_slicing() -> None:
    x = npg.array(arange(4, 8), requires_grad=True)
    row, block = x[0], x[1:3, 2:5]
    assert (row.shape, block.shape) == ((8,), (2, 3))
    (row.sum() + (block * 2).sum()).backward()
    assert x.grad.numpy().sum() == 8 + 12


def test_setitem_is_in_place_and_a_backward_that_saved_the_value_raises() -> None:
    x = npg.zeros((3, 3))
    x[1, 1] = 5.0
    assert x[1, 1].item() == 5.0
    w = npg.array([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    w[0] = 3.0
    with pytest.raises(VersionError):
        loss.backward()


def test_an_optimisers_step_keeps_a_leaf_a_leaf() -> None:
    w = npg.array([1.0, 2.0], requires_grad=True)
    for _ in range(3):
        w.grad = None
        (w * w).sum().backward()
        w -= 0.25 * w.grad
    assert w.is_leaf
    assert w.requires_grad
    assert w.tolist() == [0.125, 0.25]


def test_operators_return_new_arrays_and_broadcast() -> None:
    x, y = npg.ones((2, 1)), npg.ones(3)
    z = x + y
    assert z.shape == (2, 3)
    z[0, 0] = 9.0
    assert x.tolist() == [[1.0], [1.0]]
    w = +y
    w[0] = 5.0
    assert y.tolist() == [1.0, 1.0, 1.0]


def test_division_of_integers_is_true_division() -> None:
    y = npg.array([1, 2]) / npg.array([2, 2])
    assert y.dtype == "float64"
    assert y.tolist() == [0.5, 1.0]
    assert (npg.array(1) / 2).item() == 0.5


def test_comparisons_are_boolean_and_untracked() -> None:
    x = npg.array([1.0, 2.0, 3.0], requires_grad=True)
    results = [x > 2, x < 2, x >= 2, x <= 2, x == 2, x != 2]
    assert [y.tolist() for y in results] == [
        [False, False, True],
        [True, False, False],
        [False, True, True],
        [True, True, False],
        [False, True, False],
        [True, False, True],
    ]
    assert all(y.dtype == "bool" and not y.requires_grad for y in results)


def test_reflected_operators() -> None:
    x = npg.array([1.0, 2.0])
    assert (1 + x).tolist() == [2.0, 3.0]
    assert (1 - x).tolist() == [0.0, -1.0]
    assert (3 * x).tolist() == [3.0, 6.0]
    assert (2 / x).tolist() == [2.0, 1.0]
    assert (2**x).tolist() == [2.0, 4.0]
    assert (5 // x).tolist() == [5.0, 2.0]
    assert (5 % x).tolist() == [0.0, 1.0]
    assert (3 > x).tolist() == [True, True]  # noqa: SIM300
    assert (npg.array([1, 2]) | 4).tolist() == (4 | npg.array([1, 2])).tolist() == [5, 6]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), ()])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod", "var", "std"])
def test_reductions_take_axis_and_keepdims(name: str, axis: Any, keepdims: bool) -> None:
    values = arange(2, 3, 2) / 7
    x = npg.array(values)
    expected = getattr(values, name)(axis=axis, keepdims=keepdims)
    found = getattr(x, name)(axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13, atol=1e-15)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(
        getattr(x, name)(axis).numpy(), getattr(values, name)(axis), rtol=1e-13, atol=1e-15
    )


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_argmax_and_argmin(name: str, axis: int | None) -> None:
    values = np.array([[3.0, 1.0, 3.0], [0.0, 5.0, 0.0]])
    x = npg.array(values)
    assert getattr(x, name)(axis).tolist() == getattr(values, name)(axis).tolist()
    kept = getattr(x, name)(axis=axis, keepdims=True)
    assert kept.tolist() == getattr(values, name)(axis=axis, keepdims=True).tolist()
    assert kept.dtype == "int64"


@pytest.mark.parametrize("name", ["var", "std"])
def test_var_and_std_take_correction_and_ddof(name: str) -> None:
    values = arange(5)
    x = npg.array(values)
    expected = getattr(values, name)(ddof=1)
    np.testing.assert_allclose(getattr(x, name)().item(), getattr(values, name)())
    np.testing.assert_allclose(getattr(x, name)(correction=1).item(), expected)
    np.testing.assert_allclose(getattr(x, name)(ddof=1).item(), expected)
    np.testing.assert_allclose(getattr(npg, name)(x, correction=1).item(), expected)


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_cumsum_and_cumprod_flatten_without_axis(name: str) -> None:
    values = arange(2, 3)
    x = npg.array(values)
    assert getattr(x, name)().tolist() == getattr(values, name)().tolist()
    assert getattr(x, name)(1).tolist() == getattr(values, name)(1).tolist()
    assert getattr(x, name)(axis=0).tolist() == getattr(values, name)(axis=0).tolist()
    assert getattr(npg, name)(x, axis=0).tolist() == getattr(values, name)(axis=0).tolist()
    for axis in (0, 1):
        kept = getattr(x, name)(axis=axis, keepdims=True)
        assert kept.tolist() == getattr(values, name)(axis=axis).tolist()
    kept = getattr(x, name)(keepdims=True)
    assert kept.tolist() == getattr(values, name)().reshape(2, 3).tolist()
    standard = getattr(npg, name.replace("cum", "cumulative_"))
    with pytest.raises(ValueError, match="axis"):
        standard(x)


def test_the_namespace_has_clip_pow_cumsum_and_cumprod() -> None:
    for name in ("clip", "pow", "cumsum", "cumprod"):
        assert callable(getattr(npg, name))


def test_reshape_and_view_take_a_tuple_or_ints() -> None:
    x = npg.array(arange(2, 6))
    for shape in ((3, 4), (-1,), (2, -1, 3)):
        expected = arange(2, 6).reshape(shape)
        for found in (x.reshape(shape), x.reshape(*shape), x.view(shape), x.view(*shape)):
            np.testing.assert_array_equal(found.numpy(), expected)
    assert x.reshape([3, 4]).shape == (3, 4)


def test_flatten_is_a_copy_in_one_dimension() -> None:
    x = npg.array(arange(2, 3))
    f = x.flatten()
    f[0] = 9.0
    assert f.shape == (6,)
    assert x[0, 0].item() == 1.0
    assert npg.array(3.0).flatten().shape == (1,)


def test_transpose_takes_a_permutation_and_reverses_without() -> None:
    x = npg.array(arange(2, 3, 4))
    assert x.transpose().shape == (4, 3, 2)
    assert x.transpose((1, 0, 2)).shape == (3, 2, 4)
    assert x.transpose(1, 0, 2).shape == (3, 2, 4)
    assert x.transpose(0, -1, 1).shape == (2, 4, 3)


def test_squeeze_drops_axes_of_length_one() -> None:
    x = npg.zeros((1, 3, 1))
    assert x.squeeze().shape == (3,)
    assert x.squeeze(0).shape == (3, 1)
    assert x.squeeze(axis=(0, 2)).shape == (3,)
    with pytest.raises(ShapeError):
        x.squeeze(1)


def test_repeat_repeats_elements() -> None:
    values = arange(2, 2)
    x = npg.array(values)
    assert x.repeat(2).tolist() == values.repeat(2).tolist()
    assert x.repeat(2, axis=0).tolist() == values.repeat(2, axis=0).tolist()
    assert x.repeat(3, 1).tolist() == values.repeat(3, 1).tolist()
    assert x.repeat(npg.array([1, 2]), axis=0).tolist() == values.repeat([1, 2], axis=0).tolist()
    assert x.repeat(0).tolist() == []


@pytest.mark.parametrize(
    "name",
    [
        *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "conj", "cos", "cosh"),
        *("exp", "expm1", "floor", "isfinite", "isinf", "isnan", "log", "log10", "log1p"),
        *("log2", "reciprocal", "round", "sign", "sin", "sinh", "sqrt", "square", "tan"),
        *("tanh", "trunc", "clip", "sum", "mean", "max", "min", "prod", "var", "std", "all"),
        *("any", "argmax", "argmin", "cumsum", "cumprod"),
    ],
)
def test_elementwise_names_are_methods(name: str) -> None:
    x = npg.array([0.5]) if name != "acosh" else npg.array([1.5])
    assert getattr(x, name)().tolist() == getattr(npg, name)(x).tolist()


def test_real_and_imag_are_properties_as_in_numpy() -> None:
    z = npg.array([1.0 + 2.0j, 3.0 - 1.0j], requires_grad=True)
    assert (z.real.tolist(), z.imag.tolist()) == ([1.0, 3.0], [2.0, -1.0])
    (z.real * z.imag).sum().backward()
    assert z.grad.tolist() == [2.0 + 1.0j, -1.0 + 3.0j]
    assert npg.array([0.5]).real.tolist() == [0.5]
    assert npg.array([0.5]).imag.tolist() == [0.0]


def test_diagonal_and_trace_use_the_first_two_axes_as_numpy() -> None:
    values = arange(3, 4, 2)
    x = npg.array(values, requires_grad=True)
    np.testing.assert_array_equal(x.diagonal().numpy(), values.diagonal())
    np.testing.assert_array_equal(x.diagonal(1).numpy(), values.diagonal(1))
    np.testing.assert_array_equal(x.diagonal(-1, 1, 2).numpy(), values.diagonal(-1, 1, 2))
    np.testing.assert_array_equal(x.diagonal(axis1=2, axis2=0).numpy(), values.diagonal(0, 2, 0))
    np.testing.assert_array_equal(x.trace().numpy(), values.trace())
    np.testing.assert_array_equal(x.trace(offset=-2).numpy(), values.trace(-2))
    assert x.diagonal(9).shape == (2, 0)
    x[:, :, 0].trace().backward()
    np.testing.assert_array_equal(x.grad[:, :, 0].numpy(), np.eye(3, 4))


def test_astype_keeps_the_gradient_to_floats_and_drops_it_to_integers() -> None:
    x = npg.array([1.5, 2.5], requires_grad=True)
    y = x.astype("float32")
    assert y.requires_grad
    assert not x.astype(npg.int64).requires_grad
    (y * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    assert x.grad.dtype == "float64"
    assert x.astype("int32").tolist() == [1, 2]


def test_nonzero_is_a_tuple_of_index_arrays() -> None:
    values = np.array([[0.0, 1.0], [2.0, 0.0]])
    found = npg.array(values).nonzero()
    assert isinstance(found, tuple)
    assert [i.tolist() for i in found] == [i.tolist() for i in values.nonzero()]


def test_all_and_any_take_axis() -> None:
    x = npg.array([[True, False], [True, True]])
    assert (x.all().item(), x.any().item()) == (False, True)
    assert x.all(0).tolist() == [True, False]
    assert x.any(axis=1).tolist() == [True, True]


def test_fill_writes_everywhere_in_place() -> None:
    x = npg.zeros((2, 2))
    v = x[0]
    x.fill(3.0)
    assert x.tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert v.tolist() == [3.0, 3.0]


def test_the_sort_method_sorts_in_place_and_returns_the_array() -> None:
    x = npg.array([[3.0, 1.0, 2.0], [0.0, -1.0, 5.0]])
    assert x.sort() is x
    assert x.tolist() == [[1.0, 2.0, 3.0], [-1.0, 0.0, 5.0]]
    x.sort(axis=0)
    assert x.tolist() == [[-1.0, 0.0, 3.0], [1.0, 2.0, 5.0]]


def test_the_sort_function_gives_a_new_differentiable_array() -> None:
    x = npg.array([3.0, 1.0], requires_grad=True)
    y = npg.sort(x)
    assert x.tolist() == [3.0, 1.0]
    y[0].backward()
    assert x.grad.tolist() == [0.0, 1.0]


def test_round_takes_decimals() -> None:
    x = npg.array([1.25, -2.675, 0.5, 1234.5])
    assert x.round().tolist() == [1.0, -3.0, 0.0, 1234.0]
    np.testing.assert_allclose(x.round(1).numpy(), [1.2, -2.7, 0.5, 1234.5])
    np.testing.assert_allclose(x.round(decimals=-2).numpy(), [0.0, 0.0, 0.0, 1200.0])


def test_backward_takes_an_array_an_ndarray_or_a_raw_array() -> None:
    for seed in (npg.ones((3, 4)), np.ones((3, 4)), npg.ones((3, 4)).data):
        x = npg.array(arange(3, 4), requires_grad=True)
        (x * 2).backward(seed)
        assert x.grad.tolist() == [[2.0] * 4] * 3


def test_the_pages_sample_of_backward_prints_what_it_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    a = npg.array([3.0], requires_grad=True)
    b = npg.array([4.0], requires_grad=True)
    c = (a**2 + b**2).sqrt()
    c.backward()
    print(a.grad)
    print(b.grad)
    assert capsys.readouterr().out == "[0.6]\n[0.8]\n"


def test_backward_of_a_non_scalar_says_what_to_pass() -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    with pytest.raises(ShapeError, match=r"grad=.*\.sum\(\)"):
        (x * 2).backward()
    assert x.grad is None


@pytest.mark.parametrize(
    "name",
    [
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float32", "float64", "complex64", "complex128"),
    ],
)
def test_dtypes_are_usable_where_numpy_takes_one(name: str) -> None:
    dtype = getattr(npg, name)
    assert np.zeros(2, dtype=dtype).dtype == name
    assert npg.zeros(2, dtype=dtype).dtype == name
    assert npg.zeros(2, dtype=name).dtype == name
    assert npg.array([1, 0], dtype=dtype).dtype == dtype
    assert np.array([1, 0]).astype(dtype).dtype == dtype


def test_the_default_float_is_float64() -> None:
    assert npg.array([1.0]).dtype == "float64"
    assert npg.zeros(2).dtype == "float64"
    assert npg.linspace(0, 1, 3).dtype == "float64"
    assert npg.arange(3).dtype == "int64"
    assert npg.array([1]).dtype == "int64"
    assert npg.array(1j).dtype == "complex128"


@pytest.mark.parametrize("name", ["exp", "mean", "sqrt", "sin", "log", "std", "var", "tanh"])
def test_integers_promote_to_the_default_float(name: str) -> None:
    y = getattr(npg, name)(npg.array([1, 2]))
    assert y.dtype == "float64"
    np.testing.assert_allclose(y.numpy(), getattr(np, name)(np.array([1.0, 2.0])))


def test_array_copies_and_asarray_shares() -> None:
    values = np.array([1.0, 2.0])
    copied = npg.array(values, device="numpy:cpu")
    shared = npg.asarray(values, device="numpy:cpu")
    values[0] = 9.0
    assert copied.tolist() == [1.0, 2.0]
    assert shared.tolist() == [9.0, 2.0]
    x = npg.array([1.0])
    assert npg.asarray(x) is x


def test_equality_is_elementwise_and_hashing_by_identity() -> None:
    x, y = npg.array([1.0, 2.0]), npg.array([1.0, 3.0])
    assert (x == y).tolist() == [True, False]
    assert len({x, y, x}) == 2
    assert {x: "x"}[x] == "x"


def test_bool_of_several_elements_is_an_error() -> None:
    with pytest.raises(ValueError, match="ambiguous"):
        bool(npg.array([True, False]))
    with pytest.raises(ValueError, match="ambiguous"):
        bool(npg.array([]))
    assert bool(npg.array([[1.0]])) is True


def test_iteration_runs_over_the_first_axis_and_ends() -> None:
    x = npg.array(arange(3, 2), requires_grad=True)
    rows = list(x)
    assert [r.tolist() for r in rows] == arange(3, 2).tolist()
    a, _, c = x
    (a * c).sum().backward()
    assert x.grad.tolist() == [[5.0, 6.0], [0.0, 0.0], [1.0, 2.0]]
    with pytest.raises(TypeError, match="0-d"):
        iter(npg.array(1.0))
    with pytest.raises(TypeError, match="0-d"):
        len(npg.array(1.0))
    assert len(x) == 3
    assert 5.0 in x
    assert 7.0 not in x


@pytest.mark.parametrize(
    "key", [3, -4, (0, 2), (0, -3), [0, 3], np.array([-4]), (slice(None), [2])], ids=repr
)
def test_an_index_out_of_bounds_is_an_index_error(key: Any) -> None:
    x = npg.array(arange(3, 2))
    with pytest.raises(IndexError):
        x[key]


def test_backward_of_an_untracked_array_is_an_error() -> None:
    with pytest.raises(GraphError, match="requires_grad=True"):
        npg.array(1.0).backward()
    with pytest.raises(GraphError, match="requires_grad=True"):
        npg.array([1.0, 2.0]).sum().backward()


@pytest.mark.parametrize(
    "operate",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a * b,
        lambda a, b: a / b,
        lambda a, b: a**b,
        lambda a, b: a @ b,
        lambda a, b: a // b,
        lambda a, b: a % b,
        lambda a, b: a > b,
        lambda a, b: a == b,
    ],
    ids=["+", "-", "*", "/", "**", "@", "//", "%", ">", "=="],
)
def test_an_ndarray_beside_an_array_gives_an_array(operate: Callable[..., Any]) -> None:
    values, other = np.array([3.0, 5.0]), np.array([2.0, 2.5])
    x = npg.array(other)
    for found, expected in (
        (operate(values, x), operate(values, other)),
        (operate(x, values), operate(other, values)),
        (operate(np.float64(3.0), x), operate(np.float64(3.0), other))
        if expected_takes_scalars(operate)
        else (operate(x, values), operate(other, values)),
    ):
        assert type(found) is npg.Array
        np.testing.assert_allclose(found.numpy(), expected)


def expected_takes_scalars(operate: Callable[..., Any]) -> bool:
    """Whether an operator takes a scalar: all but the matrix product."""
    try:
        operate(np.float64(3.0), np.array([2.0]))
    except ValueError:
        return False
    return True


def test_an_ndarray_beside_a_tracked_array_stays_in_the_graph() -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = np.array([3.0, 4.0]) * x + np.float32(1.0)
    assert type(y) is npg.Array
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 4.0]


def test_a_second_backward_over_a_shared_part_never_double_counts() -> None:
    x = npg.array([2.0], requires_grad=True)
    shared = x * x
    shared.sum().backward(retain_graph=True)
    (shared * 3).sum().backward()
    assert x.grad.tolist() == [4.0 + 12.0]


def test_an_integer_array_cannot_require_grad() -> None:
    with pytest.raises(DTypeError, match="floating"):
        npg.array([1, 2], requires_grad=True)


def test_repr_shows_only_what_is_not_default(promised_device: str) -> None:
    assert repr(npg.array([1.0, 2.0])) == "Array([1., 2.])"
    x = npg.array([1.0], dtype="float32", requires_grad=True)
    assert repr(x) == "Array([1.], dtype=float32, requires_grad=True)"
    other = {"cpu": "strict:cpu", "jax:cpu": "numpy:cpu"}[promised_device]
    assert "device='" in repr(npg.array([1.0], device=other))


def test_lazy_mode_computes_nothing_until_realize(promised_device: str) -> None:
    x = npg.array([1.0, 2.0])
    with npg.lazy():
        assert npg.is_lazy()
        y = x * 3
        assert (y.values, y.shape, y.dtype, y.device) == (None, (2,), "float64", x.device)
        assert y.realize() is y
        assert y.values is not None
    assert not npg.is_lazy()
    np.testing.assert_array_equal(y.numpy(), [3.0, 6.0])


def test_mode_is_eager_or_lazy(promised_device: str) -> None:
    with pytest.raises(ValueError, match="mode"):
        npg.mode("other")
    assert not npg.is_lazy()
    npg.mode("lazy")
    try:
        y = npg.array([1.0]) + 1
        assert y.values is None
    finally:
        npg.mode("eager")
    assert not npg.is_lazy()
    assert y.item() == 2.0


def test_a_deferred_array_runs_its_function_once_at_realize(promised_device: str) -> None:
    runs = []
    x = npg.Array.deferred(
        lambda: runs.append(1) or np.array([1.0, 2.0], dtype="float32"),
        shape=(2,),
        dtype="float32",
        device=promised_device,
    )
    assert (x.values, x.shape, x.dtype, x.device) == (None, (2,), "float32", npg.default_device())
    assert not runs
    x.realize()
    x.realize()
    (x * 2).numpy()
    assert runs == [1]


def test_no_grad_and_lazy_combine(promised_device: str) -> None:
    w = npg.array([1.0, 2.0], requires_grad=True)
    with npg.lazy(), npg.no_grad():
        y = w * 2
    assert (y.requires_grad, y.values) == (False, None)
    with npg.lazy():
        (w * w).sum().backward()
    assert w.grad is not None
    np.testing.assert_array_equal(w.grad.numpy(), [2.0, 4.0])


@pytest.mark.parametrize("use", ["numpy", "item", "tolist"])
def test_conversions_realize(promised_device: str, use: str) -> None:
    with npg.lazy():
        y = npg.array([2.0]) * 2
        assert getattr(y, use)() in ([4.0], 4.0)


# What the two pages show, literally

TENSOR_PAGE = """
import simplegrad as sg

# Disable gradient tracking during inference
with sg.no_grad():
    out = model(x)

# Defer execution until .realize()
with sg.lazy():
    out = model(x)
out.realize()
"""

ARRAY_PAGE = """
x = npg.array([1.0, 2.0, 3.0])
x.numpy() # np.array([1., 2., 3.])
#
loss = npg.array([0.42])
loss.item() # 0.42 (Python float)
#
x = npg.random.randn((4, 8), requires_grad=True)
row = x[0] # differentiable slice
block = x[1:3, 2:5] # differentiable slice
#
x = npg.zeros((3, 3))
x[1, 1] = 5.0 # ok - in-place mutation
#
a = npg.array([3.0], requires_grad=True)
b = npg.array([4.0], requires_grad=True)
c = (a ** 2 + b ** 2).sqrt()
c.backward()
print(a.grad) # [0.6] (= a/c)
print(b.grad) # [0.8] (= b/c)
#
out = npg.random.randn((3, 4), requires_grad=True) * 2
out.backward(npg.ones((3, 4)).data)
#
x = npg.zeros((4,), dtype=npg.float64)
"""


def test_the_samples_of_the_array_page_run_literally(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"npg": npg}
    seen = []
    for sample in ARRAY_PAGE.split("#\n"):
        exec(sample, names)  # noqa: S102 (the page, as it is)
        seen.append(dict(names))
    printed = [
        line.partition("# ")[2].partition(" (")[0]
        for line in ARRAY_PAGE.splitlines()
        if line.startswith("print(")
    ]
    assert capsys.readouterr().out.splitlines() == printed == ["[0.6]", "[0.8]"]
    np.testing.assert_array_equal(seen[0]["x"].numpy(), np.array([1.0, 2.0, 3.0]))
    assert seen[1]["loss"].item() == 0.42
    assert (seen[2]["row"].shape, seen[2]["block"].shape) == ((8,), (2, 3))
    assert seen[2]["row"].requires_grad
    assert seen[3]["x"][1, 1].item() == 5.0
    assert seen[5]["out"].shape == (3, 4)
    assert seen[6]["x"].dtype == np.float64


def test_the_second_sample_of_the_tensor_page_runs_literally() -> None:
    w = npg.array([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    names: dict[str, Any] = {"x": npg.array([1.0, 1.0]), "model": lambda x: (w @ x).sum()}
    untracked, deferred = TENSOR_PAGE.split("\n\n")[1:]
    for sample in ("import numpygrad as sg\n" + untracked, deferred.replace("out.realize()", "")):
        exec(sample, names)  # noqa: S102 (the page, as it is)
        if "no_grad" in sample:
            assert not names["out"].requires_grad
    assert names["out"].values is None
    exec("out.realize()", names)  # noqa: S102 (the same)
    assert names["out"].values is not None
    assert names["out"].item() == 10.0


# Lines that are about several features together


def test_backward_reaches_all_leaves_with_the_flag_and_no_others() -> None:
    a, b, c = (npg.array([v], requires_grad=True) for v in (2.0, 3.0, 5.0))
    plain, unused = npg.array([7.0]), npg.array([1.0], requires_grad=True)
    middle = a * b
    (middle * c + plain * a).backward()
    assert [x.grad.tolist() for x in (a, b, c)] == [[15.0 + 7.0], [10.0], [6.0]]
    assert plain.grad is unused.grad is middle.grad is None


def test_zero_grad_gives_zeros_and_takes_linear_time() -> None:
    """60 diamonds in a row have 2**60 paths."""
    x, unused = npg.array([1.0], requires_grad=True), npg.array([1.0], requires_grad=True)
    y = x
    for _ in range(60):
        y = y * 0.5 + y * 0.5
    y.backward(retain_graph=True)
    unused.sum().backward()
    y.zero_grad()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0]
    assert unused.grad.tolist() == [1.0]


def test_a_label_is_shown_in_drawings_of_the_graph() -> None:
    w = npg.array([1.0], requires_grad=True, label="weights")
    assert "weights" in npg.visualize((w * 2).sum()).dot


def test_in_lazy_mode_only_what_the_result_needs_runs_and_each_once() -> None:
    runs: list[str] = []

    def source(name: str) -> npg.Array:
        return npg.Array.deferred(lambda: runs.append(name) or [1.0, 2.0], shape=2)

    with npg.lazy():
        a, b = source("a"), source("b")
        shared = a * 2
        wanted = shared + shared * shared
        other = b * 3
        assert not runs
        wanted.realize()
    assert runs == ["a"]
    assert other.values is None
    assert shared.realize().tolist() == [2.0, 4.0]
    assert wanted.tolist() == [6.0, 20.0]
    assert runs == ["a"]
    assert other.tolist() == [3.0, 6.0]
    assert runs == ["a", "b"]


def test_in_lazy_mode_backward_runs_what_it_needs() -> None:
    w = npg.array([1.0, 2.0], requires_grad=True)
    with npg.lazy():
        loss = (npg.exp(w) * w).sum()
        assert loss.values is None
        loss.backward()
    np.testing.assert_allclose(w.grad.numpy(), np.exp([1.0, 2.0]) * [2.0, 3.0])


def test_mode_gives_none_persists_and_changes_nothing_where_it_is_refused() -> None:
    try:
        assert npg.mode("lazy") is None
        with pytest.raises(ValueError, match="mode"):
            npg.mode("neither")
        assert npg.is_lazy()
        assert (npg.array([1.0]) * 2).values is None
    finally:
        npg.mode("eager")
    assert not npg.is_lazy()
    assert list(inspect.signature(npg.mode).parameters) == ["mode"]


LAZILY: list[Callable[[npg.Array, npg.Array], npg.Array]] = [
    lambda x, y: (x * y - 1) / 2,
    lambda x, y: npg.exp(x) @ y.T,
    lambda x, y: (x > y).sum(axis=0),
    lambda x, y: npg.concat([x, y])[::2].mean(axis=1),
    lambda x, y: npg.astype(x, "float32") + 1,
    lambda x, y: npg.cumsum(npg.sort(x, axis=1)),
]


@pytest.mark.parametrize("function", LAZILY)
def test_lazy_and_eager_agree_in_values_dtype_and_shape(
    function: Callable[[npg.Array, npg.Array], npg.Array],
) -> None:
    x, y = npg.array(arange(2, 3)), npg.array(arange(2, 3)[::-1])
    expected = function(x, y)
    with npg.lazy():
        found = function(x, y)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-14)


def test_the_signature_of_array_is_the_pages() -> None:
    parameters = inspect.signature(npg.array).parameters
    given = {name: (p.kind.name, p.default) for name, p in list(parameters.items())[1:]}
    assert given == {
        "requires_grad": ("KEYWORD_ONLY", False),
        "dtype": ("KEYWORD_ONLY", None),
        "device": ("KEYWORD_ONLY", None),
        "label": ("KEYWORD_ONLY", None),
    }


def test_random_arrays_may_require_grad() -> None:
    x = npg.random.randn((4, 8), requires_grad=True)
    assert (x.shape, x.dtype, x.requires_grad, x.is_leaf) == ((4, 8), "float64", True, True)


def test_trace_and_diagonal_of_linalg_use_the_last_two_axes() -> None:
    values = arange(2, 3, 3)
    x = npg.array(values)
    np.testing.assert_array_equal(npg.linalg.trace(x).numpy(), values.trace(axis1=1, axis2=2))
    expected = values.diagonal(1, axis1=1, axis2=2)
    np.testing.assert_array_equal(npg.linalg.diagonal(x, offset=1).numpy(), expected)
    np.testing.assert_array_equal(x.trace().numpy(), values.trace())


def test_convert_to_keeps_the_gradient_as_astype() -> None:
    x = npg.array([1.5], requires_grad=True)
    x.convert_to("float32").sum().backward()
    assert x.grad.tolist() == [1.0]
    assert not x.convert_to(npg.int64).requires_grad


def test_a_gradient_does_not_cross_to_device() -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = (x * 2).to_device(x.device)
    assert y.is_leaf
    assert not y.requires_grad
    y.requires_grad = True
    y.sum().backward()
    assert y.grad.tolist() == [1.0, 1.0]
    assert x.grad is None
