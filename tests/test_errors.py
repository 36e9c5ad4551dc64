"""Errors: their class, the builtin they also are, the words of their message; nothing changes."""

from __future__ import annotations

import builtins
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad import errors

TREE = {
    "ShapeError": ValueError,
    "DTypeError": TypeError,
    "DeviceError": ValueError,
    "BackendError": ImportError,
    "VersionError": RuntimeError,
    "GraphError": RuntimeError,
    "DerivativeError": NotImplementedError,
}


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter, run to its end."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "", **environment},
    )


# The tree


@pytest.mark.parametrize("name", TREE)
def test_each_error_is_also_the_builtin_a_caller_would_catch(name: str) -> None:
    error = getattr(errors, name)
    assert issubclass(error, errors.NumpygradError)
    assert issubclass(error, TREE[name])


def test_the_docstring_shows_every_error_of_the_tree() -> None:
    classes = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.NumpygradError)
    }
    lines = (errors.__doc__ or "").splitlines()
    for name, error in classes.items():
        (line,) = [line for line in lines if name in line]
        bases = [b.__name__ for b in error.__bases__ if b.__name__ in vars(builtins)]
        assert name == "NumpygradError" or all(f"({b})" in line for b in bases)


# Shapes, dtypes, devices


Call = Callable[[], Any]


def ones(*shape: int, **keywords: Any) -> npg.Array:
    """Ones of a shape."""
    return npg.ones(shape, **keywords)


BAD_SHAPES: dict[str, tuple[Call, tuple[str, ...]]] = {
    "add": (lambda: ones(2, 3) + ones(4, 5), ("add", "(2, 3)", "(4, 5)")),
    "subtract": (lambda: npg.subtract(ones(2), ones(3)), ("subtract", "(2,)", "(3,)")),
    "multiply by ndarray": (lambda: ones(2) * np.ones(3), ("multiply", "(2,)", "(3,)")),
    "reflected": (lambda: np.ones(3) / ones(2), ("divide", "(2,)", "(3,)")),
    "maximum": (lambda: npg.maximum(ones(2), ones(3)), ("maximum", "(2,)", "(3,)")),
    "equal": (lambda: ones(2) == ones(3), ("equal", "(2,)", "(3,)")),
    "pow": (lambda: ones(2) ** ones(3), ("pow", "(2,)", "(3,)")),
    "where": (lambda: npg.where(ones(2) > 0, ones(3), ones(3)), ("where", "(2,)", "(3,)")),
    "matmul": (
        lambda: ones(2, 3) @ ones(4, 5),
        ("matmul", "x1.shape[-1] == x2.shape[-2]", "(2, 3)", "(4, 5)"),
    ),
    "matmul of a vector": (lambda: ones(2, 3) @ ones(4), ("matmul", "(2, 3)", "(4,)")),
    "matmul of a scalar": (lambda: npg.matmul(npg.array(1.0), ones(2)), ("matmul", "()")),
    "matmul of stacks": (lambda: ones(2, 3, 4) @ ones(5, 4, 3), ("matmul", "(2, 3, 4)")),
    "tensordot": (lambda: npg.tensordot(ones(2, 3), ones(4, 5)), ("tensordot", "(2, 3)")),
    "vecdot": (lambda: npg.vecdot(ones(2), ones(3)), ("vecdot", "(2,)", "(3,)")),
    "reshape": (lambda: ones(2, 3).reshape(4), ("reshape", "(2, 3)", "(4,)")),
    "reshape with -1": (lambda: ones(2, 3).reshape(4, -1), ("reshape", "(2, 3)")),
    "reshape with two -1": (lambda: ones(2, 3).reshape(-1, -1), ("reshape",)),
    "broadcast_to": (lambda: npg.broadcast_to(ones(3), (2, 2)), ("broadcast_to", "(3,)")),
    "broadcast_to fewer": (lambda: npg.broadcast_to(ones(2, 2), (2,)), ("broadcast_to",)),
    "broadcast_arrays": (lambda: npg.broadcast_arrays(ones(2), ones(3)), ("(2,)", "(3,)")),
    "broadcast_shapes": (lambda: npg.broadcast_shapes((2,), (3,)), ("(2,)", "(3,)")),
    "concat": (lambda: npg.concat([ones(2, 2), ones(2, 3)]), ("concat", "(2, 2)", "(2, 3)")),
    "concat of other ndim": (lambda: npg.concat([ones(2), ones(2, 3)]), ("concat", "(2,)")),
    "concat of nothing": (lambda: npg.concat([]), ("concat", "at least one")),
    "stack": (lambda: npg.stack([ones(2), ones(3)]), ("stack", "(2,)", "(3,)")),
    "stack of nothing": (lambda: npg.stack([]), ("stack", "at least one")),
    "squeeze": (lambda: npg.squeeze(ones(2, 1), 0), ("squeeze", "(2, 1)")),
    "max of nothing": (lambda: npg.max(ones(0)), ("max", "(0,)")),
    "min of nothing": (lambda: npg.min(ones(2, 0), axis=1), ("min", "(2, 0)")),
    "mT of a vector": (lambda: ones(2).mT, ("matrix_transpose", "(2,)")),
    "nonzero of a scalar": (lambda: npg.nonzero(npg.array(1.0)), ("nonzero", "0-d")),
    "take_along_axis": (
        lambda: npg.take_along_axis(ones(2, 2), npg.asarray([0])),
        ("take_along_axis", "(1,)", "(2, 2)"),
    ),
    "backward": (lambda: (leaf() * 2).backward(), ("backward", "(2,)", "grad=", "sum()")),
    "seed": (lambda: (leaf() * 2).backward(np.ones(3)), ("(2,)", "(3,)")),
    "grad": (lambda: setattr(leaf(), "grad", ones(3)), ("(2,)", "(3,)")),
    "ragged list": (lambda: npg.array([ones(2), ones(3)]), ("(2,)", "(3,)")),
    "argmax of nothing": (lambda: npg.argmax(ones(0)), ("argmax",)),
    "tril of a vector": (lambda: npg.tril(ones(3)), ("tril",)),
    "meshgrid of a matrix": (lambda: npg.meshgrid(ones(2, 2), ones(2)), ("meshgrid",)),
}


def leaf() -> npg.Array:
    """Two numbers that require grad."""
    return npg.array([1.0, 2.0], requires_grad=True)


@pytest.mark.parametrize("name", BAD_SHAPES)
def test_shapes_that_do_not_fit(device: str, name: str) -> None:
    call, words = BAD_SHAPES[name]
    with pytest.raises(errors.ShapeError) as caught:
        call()
    assert isinstance(caught.value, ValueError)
    for word in words:
        assert word in str(caught.value)


BAD_DTYPES: dict[str, tuple[Call, tuple[str, ...]]] = {
    "unknown": (lambda: npg.zeros(2, dtype="float37"), ("float37", "dtype")),
    "float16": (lambda: npg.zeros(2, dtype="float16"), ("float16", "float32")),
    "longdouble": (lambda: npg.zeros(2, dtype="U3"), ("float64",)),
    "strings": (lambda: npg.array(["a", "b"]), ("float64",)),
    "objects": (lambda: npg.array([object()]), ("object",)),
    "integer leaf": (lambda: npg.array([1], requires_grad=True), ("floating", "int64", "astype")),
    "boolean leaf": (lambda: npg.array([True], requires_grad=True), ("floating", "bool")),
    "integer flag": (lambda: setattr(npg.array([1]), "requires_grad", True), ("int64",)),
    "integer requires_grad_": (lambda: npg.array([1]).requires_grad_(), ("int64",)),
    "complex to real": (lambda: npg.array([1j]).astype("float64"), ("imaginary", "real")),
    "std of complex": (lambda: npg.std(npg.array([1j, 2.0])), ("std", "complex128")),
    "var of complex": (lambda: npg.var(npg.array([1j, 2.0])), ("var", "complex128")),
    "where": (lambda: npg.where(ones(2), ones(2), ones(2)), ("where", "boolean", "float64")),
    "take": (lambda: npg.take(ones(2), ones(2)), ("take", "integer", "float64")),
    "bitwise": (lambda: npg.array([1.5]) & npg.array([1.5]), ("bitwise_and", "float64")),
    "bitwise not": (lambda: ~npg.array([1.5]), ("bitwise_invert", "float64")),
    "shift": (lambda: npg.array([1.5]) << 1, ("bitwise_left_shift", "float64")),
    "comparison of complex": (lambda: npg.array([1j]) < npg.array([2j]), ("less", "complex128")),
    "max of complex": (lambda: npg.max(npg.array([1j])), ("max", "complex128")),
    "maximum of complex": (
        lambda: npg.maximum(npg.array([1j]), npg.array([1j])),
        ("maximum", "complex128"),
    ),
    "sort of complex": (lambda: npg.sort(npg.array([1j])), ("complex128",)),
    "floor of complex": (lambda: npg.floor(npg.array([1j])), ("floor", "complex128")),
    "atan2 of complex": (lambda: npg.atan2(npg.array([1j]), 1.0), ("atan2", "complex128")),
    "remainder of complex": (lambda: npg.array([1j]) % 2, ("remainder", "complex128")),
    "iadd": (lambda: npg.array([1]).__iadd__(1.5), ("dtype", "astype", "int64")),
    "setitem": (lambda: npg.array([1]).__setitem__(0, 1.5), ("dtype", "astype", "int64")),
    "grad of a complex function": (
        lambda: npg.grad(lambda x: (x * 1j).sum())(ones(2)),
        ("complex", "real"),
    ),
    "finfo": (lambda: npg.finfo("int32"), ("int32",)),
    "iinfo": (lambda: npg.iinfo("float32"), ("float32",)),
}


@pytest.mark.parametrize("name", BAD_DTYPES)
def test_dtypes_that_do_not_fit(device: str, name: str) -> None:
    call, words = BAD_DTYPES[name]
    with pytest.raises(errors.DTypeError) as caught:
        call()
    assert isinstance(caught.value, TypeError)
    for word in words:
        assert word in str(caught.value)


TWO_DEVICES: dict[str, Callable[[npg.Array, npg.Array], Any]] = {
    "+": lambda x, y: x + y,
    "multiply": npg.multiply,
    "matmul": lambda x, y: x @ y,
    "where": lambda x, y: npg.where(x > 0, x, y),
    "condition": lambda x, y: npg.where(y > 0, x, x),
    "concat": lambda x, y: npg.concat([x, y]),
    "stack": lambda x, y: npg.stack([x, y]),
    "==": lambda x, y: x == y,
    "iadd": lambda x, y: x.__iadd__(y),
    "setitem": lambda x, y: x.__setitem__(0, y[0]),
    "take": lambda x, y: npg.take(x, y.astype("int64")),
    "index": lambda x, y: x[y.astype("int64")],
    "clip": lambda x, y: npg.clip(x, y),
    "searchsorted": npg.searchsorted,
}


@pytest.mark.parametrize("name", TWO_DEVICES)
def test_arrays_on_two_devices(device: str, other_device: str, name: str) -> None:
    x = npg.array([0.0, 1.0])
    y = npg.array([0.0, 1.0], device=other_device)
    with pytest.raises(errors.DeviceError) as caught:
        TWO_DEVICES[name](x, y)
    assert isinstance(caught.value, ValueError)
    for word in (str(x.device), str(y.device), ".to("):
        assert word in str(caught.value)
    assert x.tolist() == y.tolist() == [0.0, 1.0]


def test_the_remedy_that_a_device_error_gives_works(device: str, other_device: str) -> None:
    x = npg.array([0.0, 1.0])
    y = npg.array([0.0, 1.0], device=other_device)
    with pytest.raises(errors.DeviceError) as caught:
        x + y
    where = str(caught.value).split(".to('")[1].split("'")[0]
    assert (x.to(where) + y.to(where)).tolist() == [0.0, 2.0]
    assert x.to(where).device is y.to(where).device
    assert x.to(where).device in (x.device, y.device)


HAS_JAX = "jax" in npg.installed_backends()


@pytest.mark.parametrize(
    "name", ["nowhere", "cpu:7", "jax", "tpux", "CPU", "strict:nowhere", "jax:nowhere:0", "gpu:x"]
)
def test_an_unknown_device_string(name: str) -> None:
    if name in npg._backend.backend_names():
        pytest.skip("a backend's name is its default device")
    # Of a device that only JAX could have, a machine without JAX says how to install it.
    expected = (errors.DeviceError,) if HAS_JAX else (errors.DeviceError, errors.BackendError)
    with pytest.raises(expected, match=r"device|pip install"):
        npg.zeros(2, device=name)
    with pytest.raises(expected):
        npg.array([1.0]).to(name)
    with pytest.raises(expected):
        npg.device(name)


def test_an_unknown_device_names_those_that_exist() -> None:
    with pytest.raises(errors.DeviceError, match=r"'nowhere'.*'cpu'.*jax"):
        npg.zeros(2, device="nowhere")


def test_a_device_that_is_no_string() -> None:
    with pytest.raises(errors.DeviceError, match="string"):
        npg.zeros(2, device=3)


def test_a_jax_device_that_is_not_here() -> None:
    jax = pytest.importorskip("jax")
    with pytest.raises(errors.DeviceError, match=r"jax|JAX"):
        npg.zeros(2, device=f"jax:cpu:{len(jax.devices('cpu'))}")
    if not any(d.platform == "tpu" for d in jax.devices()):
        with pytest.raises(errors.DeviceError, match="tpu"):
            npg.zeros(2, device="jax:tpu")


def test_a_refused_default_device_leaves_the_old_one() -> None:
    before = npg.default_device()
    with pytest.raises(errors.DeviceError):
        npg.set_default_device("nowhere")
    assert npg.default_device() is before


# Backends


def test_cuda_without_cupy_says_what_to_install() -> None:
    if "cupy" in npg.installed_backends():
        pytest.skip("CuPy works here")
    for name in ("cuda:0", "cuda", "cupy:0"):
        with pytest.raises(errors.BackendError) as caught:
            npg.zeros(2, device=name)
        assert isinstance(caught.value, ImportError)
        for word in ("cupy", "pip install", "numpygrad[cupy"):
            assert word in str(caught.value)


HIDE = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}")
sys.meta_path.insert(0, Hidden())
import numpygrad as npg
try:
    {statement}
except npg.errors.BackendError as error:
    print(type(error).__name__, isinstance(error, ImportError), str(error))
    print(type(error.__cause__).__name__)
"""


@pytest.mark.parametrize(
    ("hidden", "where", "command"),
    [
        ("jax", "jax:cpu", "pip install 'numpygrad[jax]'"),
        ("jax", "jax", "pip install 'numpygrad[jax]'"),
        ("array_api_strict", "strict:cpu", "pip install array-api-strict"),
        ("cupy", "cuda:0", "pip install 'numpygrad[cupy"),
    ],
)
def test_an_uninstalled_backend_says_what_to_install(hidden: str, where: str, command: str) -> None:
    code = HIDE.format(hidden=(hidden,), statement=f"npg.zeros(2, device={where!r})")
    finished = run_python(code)
    assert finished.returncode == 0, finished.stderr
    assert "BackendError True" in finished.stdout
    assert command in finished.stdout
    assert "ModuleNotFoundError" in finished.stdout


def test_numpy_works_without_the_other_backends() -> None:
    statement = "print((npg.ones(2) + 1).tolist(), npg.installed_backends())"
    code = HIDE.format(hidden=("jax", "array_api_strict", "cupy"), statement=statement)
    assert run_python(code).stdout == "[2.0, 2.0] ('numpy',)\n"


def test_an_uninstalled_default_backend_says_what_to_install() -> None:
    code = HIDE.format(hidden=("jax",), statement="npg.zeros(2)")
    finished = run_python(code, NUMPYGRAD_BACKEND="jax")
    assert "pip install 'numpygrad[jax]'" in finished.stdout


def test_an_unknown_default_backend_names_those_that_exist() -> None:
    code = HIDE.format(hidden=(), statement="npg.zeros(2)")
    finished = run_python(code, NUMPYGRAD_BACKEND="torchx")
    assert "BackendError True" in finished.stdout, finished.stderr
    for word in ("torchx", "numpy", "jax", "cupy", "strict"):
        assert word in finished.stdout


# The graph


def test_backward_of_an_untracked_array_says_how_to_track(device: str) -> None:
    with pytest.raises(errors.GraphError, match=r"requires_grad=True.*no_grad"):
        ones(1).backward()
    with pytest.raises(errors.GraphError, match="requires_grad=True"):
        leaf().detach().sum().backward()


def test_backward_of_an_untracked_array_is_told_before_its_shape(device: str) -> None:
    with pytest.raises(errors.GraphError):
        ones(2).backward()


def test_a_seed_of_no_array_type(device: str) -> None:
    x = leaf()
    with pytest.raises(TypeError, match="grad"):
        (x * 2).backward("ones")
    assert x.grad is None


def test_a_gradient_assigned_to_an_untracked_array(device: str) -> None:
    x = ones(2)
    with pytest.raises(errors.GraphError, match="requires_grad"):
        x.grad = ones(2)
    with pytest.raises(errors.GraphError, match="leaves"):
        (leaf() * 2).grad = ones(2)


@pytest.mark.parametrize("value", [np.ones(2), 1.0, [1.0, 2.0]], ids=["ndarray", "float", "list"])
def test_a_gradient_that_is_no_array(device: str, value: Any) -> None:
    x = leaf()
    with pytest.raises((TypeError, ValueError)):
        x.grad = value
    assert x.grad is None


def test_deepcopy_of_a_computed_array_is_refused(device: str) -> None:
    import copy

    with pytest.raises(errors.GraphError, match="detach"):
        copy.deepcopy(leaf() * 2)


# Axes and indices


BAD_AXES: dict[str, Call] = {
    "sum": lambda: npg.sum(ones(2, 3), axis=2),
    "sum negative": lambda: npg.sum(ones(2, 3), axis=-3),
    "sum of a tuple": lambda: npg.sum(ones(2, 3), axis=(0, 5)),
    "mean": lambda: npg.mean(ones(2), axis=1),
    "max": lambda: npg.max(ones(2), axis=1),
    "argmax": lambda: npg.argmax(ones(2), axis=1),
    "argmin": lambda: npg.argmin(ones(2), axis=-2),
    "cumulative_sum": lambda: npg.cumulative_sum(ones(2), axis=1),
    "concat": lambda: npg.concat([ones(2), ones(2)], axis=1),
    "stack": lambda: npg.stack([ones(2), ones(2)], axis=2),
    "flip": lambda: npg.flip(ones(2), axis=1),
    "roll": lambda: npg.roll(ones(2), 1, axis=1),
    "expand_dims": lambda: npg.expand_dims(ones(2), axis=2),
    "squeeze": lambda: npg.squeeze(ones(1), 1),
    "permute_dims": lambda: npg.permute_dims(ones(2, 2), (0, 2)),
    "moveaxis": lambda: npg.moveaxis(ones(2, 2), 0, 2),
    "take": lambda: npg.take(ones(2), npg.asarray([0]), axis=1),
    "sort": lambda: npg.sort(ones(2), axis=1),
    "unstack": lambda: npg.unstack(ones(2), axis=1),
    "repeat": lambda: npg.repeat(ones(2), 2, axis=1),
    "diff": lambda: npg.diff(ones(2), axis=1),
    "softmax": lambda: npg.softmax(ones(2), axis=1),
    "diagonal": lambda: ones(2, 2).diagonal(0, 0, 2),
    "scalar": lambda: npg.sum(npg.array(1.0), axis=0),
    "tensordot": lambda: npg.tensordot(ones(2, 2), ones(2, 2), axes=((2,), (0,))),
}


@pytest.mark.parametrize("name", BAD_AXES)
def test_an_axis_out_of_bounds_is_an_index_error(device: str, name: str) -> None:
    with pytest.raises(IndexError):
        BAD_AXES[name]()


BAD_ARGUMENTS: dict[str, tuple[Call, str]] = {
    "axis twice": (lambda: npg.sum(ones(2, 2), axis=(0, -2)), "axis"),
    "permute twice": (lambda: npg.permute_dims(ones(2, 2), (0, 0)), "axis"),
    "permute too few": (lambda: npg.permute_dims(ones(2, 2), (0,)), "axes"),
    "diagonal of one axis": (lambda: ones(2, 2).diagonal(0, 1, 1), "axis"),
    "take without axis": (lambda: npg.take(ones(2, 2), npg.asarray([0])), "axis"),
    "cumulative_sum without axis": (lambda: npg.cumulative_sum(ones(2, 2)), "axis"),
    "searchsorted side": (lambda: npg.searchsorted(ones(2), ones(2), side="middle"), "side"),
    "meshgrid indexing": (lambda: npg.meshgrid(ones(2), indexing="yx"), "indexing"),
    "repeat": (lambda: npg.repeat(ones(2), -1), "repeats"),
    "diff": (lambda: npg.diff(ones(2), n=-1), "n"),
    "asarray without copy": (lambda: npg.asarray([1.0], copy=False), "copy"),
    "cast without copy": (lambda: npg.asarray(ones(2), dtype="float32", copy=False), "copy"),
    "argnums": (lambda: npg.grad(lambda x: x.sum(), 3)(ones(2)), "arg"),
    "namespace": (lambda: ones(2).__array_namespace__(api_version="1999.1"), "1999"),
    "kind": (lambda: npg.__array_namespace_info__().dtypes(kind="float"), "kind"),
}


@pytest.mark.parametrize("name", BAD_ARGUMENTS)
def test_other_bad_arguments_are_value_or_index_errors(device: str, name: str) -> None:
    call, word = BAD_ARGUMENTS[name]
    with pytest.raises((ValueError, IndexError), match=word):
        call()


@pytest.mark.parametrize(
    "key",
    [2, -3, (0, 3), (0, 0, 0), "a", 1.0, 1.5, (..., ...), [0, 2], np.array([2]), [0.0], {}],
    ids=repr,
)
def test_bad_indices_are_index_errors(device: str, key: Any) -> None:
    x = ones(2, 3)
    with pytest.raises(IndexError):
        x[key]
    with pytest.raises(IndexError):
        x[key] = 0.0
    assert x.tolist() == [[1.0] * 3] * 2


@pytest.mark.parametrize("function", [npg.max, npg.min, npg.argmax, npg.argmin])
def test_an_extreme_of_nothing_is_a_shape_error(device: str, function: Any) -> None:
    x = npg.zeros((0, 3), device=device)
    for axis in (0, -2):
        with pytest.raises(errors.ShapeError, match="over no elements"):
            function(x, axis=axis)
    assert function(x, axis=1).shape == (0,)


def test_a_mask_of_another_shape_is_an_index_error(device: str) -> None:
    with pytest.raises(IndexError):
        ones(2, 3)[np.array([True, False, True])]
    with pytest.raises(IndexError):
        ones(2, 3)[npg.ones((3, 2)) > 0]


def test_take_out_of_bounds_is_an_index_error(device: str) -> None:
    for index in (2, -3):
        with pytest.raises(IndexError):
            npg.take(ones(2, 3), npg.asarray([index]), axis=0)
        with pytest.raises(IndexError):
            npg.take_along_axis(ones(2), npg.asarray([index]))


@pytest.mark.parametrize("operand", ["a", None, Ellipsis, {}, [1.0], (1.0,)], ids=repr)
def test_an_operand_of_no_array_type_is_a_type_error(device: str, operand: Any) -> None:
    x = ones(1)
    with pytest.raises(TypeError):
        x + operand
    with pytest.raises(TypeError):
        operand * x
    with pytest.raises(TypeError):
        npg.add(x, operand)
    with pytest.raises(TypeError):
        x += operand
    assert x.tolist() == [1.0]


def test_comparison_with_another_type_is_false_not_an_error(device: str) -> None:
    assert (ones(1) == "a") is False
    assert (ones(1) != None) is True  # noqa: E711


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**30])
def test_an_integer_out_of_bounds_is_an_overflow_error(device: str, value: int) -> None:
    x = npg.array([1, 2])
    with pytest.raises(OverflowError):
        x + value
    with pytest.raises(OverflowError):
        x[0] = value
    with pytest.raises(OverflowError):
        npg.array([1], dtype="int8") + 128
    assert x.tolist() == [1, 2]


def test_conversion_of_several_elements_to_a_scalar(device: str) -> None:
    x = ones(2)
    for convert in (bool, int, float, complex, lambda x: x.item()):
        with pytest.raises((TypeError, ValueError)):
            convert(x)
    with pytest.raises(TypeError):
        range(npg.array(1.5))
    with pytest.raises(TypeError):
        [1, 2][npg.array([0])]
