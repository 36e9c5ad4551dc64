"""Backends and devices: the contract, defaults, transfers, copies, sharing, and JAX both ways."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad import testing
from numpygrad.errors import BackendError, DeviceError

CANONICAL = {"cpu": "cpu", "jax:cpu": "jax:cpu:0", "strict:cpu": "strict:cpu", "cuda:0": "cuda:0"}


def run_python(code: str, **environment: str) -> str:
    """What a fresh interpreter prints."""
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "", **environment},
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


# The contract


LONG = os.environ.get("NUMPYGRAD_HYPOTHESIS_PROFILE") == "long"


@pytest.mark.parametrize("name", npg.installed_backends())
def test_an_installed_backend_keeps_the_contract(name: str) -> None:
    if name == "jax" and not LONG:
        pytest.skip(
            "a minute of compiling; test_ops.py holds JAX to the same laws in smaller parts"
        )
    testing.check_backend(name)
    assert name in npg.installed_backends()


@pytest.mark.parametrize(
    ("name", "library"), [("jax", "jax.numpy"), ("strict", "array_api_strict")]
)
def test_arrays_of_a_library_stay_where_they_are_from_the_first(name: str, library: str) -> None:
    pytest.importorskip(library)
    code = f"""
import numpygrad as npg, {library} as library
x = npg.asarray(library.ones(2))  # before anything loaded the backend
print(x.device == npg.ones(2, device="{name}").device)
print(npg.asarray(library.ones(2), device="cpu").device)
"""
    assert run_python(code).split() == ["True", "cpu"]


def test_numpy_is_always_installed() -> None:
    assert npg.installed_backends()[0] == "numpy"


@pytest.mark.parametrize("name", npg._backend.backend_names())
def test_every_backend_says_how_it_is_installed(name: str) -> None:
    backend = npg._backend.find_backend(name)
    assert backend.name == name
    assert "pip install" in backend.install


def test_an_unknown_backend_is_named_with_those_that_exist() -> None:
    with pytest.raises(BackendError, match=r"nothing.*numpy"):
        npg._backend.find_backend("nothing")


# Devices


def test_a_device_is_its_canonical_string(device: str) -> None:
    x = npg.zeros(2)
    assert isinstance(x.device, npg.Device)
    assert x.device == CANONICAL[device]
    assert x.device.backend.name == device.partition(":")[0].replace("cuda", "cupy").replace(
        "cpu", "numpy"
    )


def test_a_device_is_one_object(device: str) -> None:
    assert npg.zeros(2).device is npg.ones(3).device is npg.default_device()


def test_a_device_pickles_and_copies_to_itself(device: str) -> None:
    d = npg.zeros(2).device
    assert pickle.loads(pickle.dumps(d)) is d
    assert copy.copy(d) is d
    assert copy.deepcopy(d) is d


@pytest.mark.parametrize("name", ["numpy:cpu", "numpy", "numpy:"])
def test_names_of_numpys_device(name: str) -> None:
    assert npg.zeros(1, device=name).device == "cpu"


@pytest.mark.parametrize("name", ["jax:cpu", "jax:cpu:0", "jax"])
def test_names_of_jaxs_device(name: str) -> None:
    jax = pytest.importorskip("jax")
    if name == "jax" and jax.default_backend() != "cpu":
        pytest.skip("JAX has an accelerator")
    assert npg.zeros(1, device=name).device == "jax:cpu:0"


def test_an_unqualified_name_is_the_default_backends_first() -> None:
    pytest.importorskip("jax")
    with npg.device("jax:cpu"):
        assert npg.zeros(1, device="cpu").device == "jax:cpu:0"
        assert npg.zeros(1, device="numpy:cpu").device == "cpu"
    assert npg.zeros(1, device="cpu").device == "cpu"


def test_a_device_string_of_an_array_means_that_device(device: str, other_device: str) -> None:
    x = npg.zeros(2, device=other_device)
    assert npg.zeros(2, device=x.device).device is x.device


# The default device


def test_the_default_device_is_numpys() -> None:
    assert npg.default_device() == "cpu"
    assert npg.default_device().backend.name == "numpy"


def test_a_device_context_sets_the_default_and_restores_it() -> None:
    pytest.importorskip("array_api_strict")
    with npg.device("strict:cpu") as d:
        assert d == "strict:cpu"
        assert npg.zeros(1).device is d
        with npg.device("numpy:cpu"):
            assert npg.array([1.0]).device == "cpu"
        assert npg.arange(3).device is d
    assert npg.zeros(1).device == "cpu"
    with pytest.raises(ZeroDivisionError), npg.device("strict:cpu"):
        _ = 1 / 0
    assert npg.default_device() == "cpu"


def test_a_device_context_may_be_entered_twice() -> None:
    pytest.importorskip("array_api_strict")
    context = npg.device("strict:cpu")
    with context, context:
        assert npg.default_device() == "strict:cpu"
    assert npg.default_device() == "cpu"


def test_set_default_device() -> None:
    code = (
        "import numpygrad as npg; npg.set_default_device('strict:cpu'); "
        "print(npg.default_device(), npg.zeros(1).device, npg.zeros(1, device='numpy:cpu').device)"
    )
    pytest.importorskip("array_api_strict")
    assert run_python(code) == "strict:cpu strict:cpu cpu"


def test_another_thread_has_the_default_of_the_process() -> None:
    pytest.importorskip("array_api_strict")
    with npg.device("strict:cpu"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(npg.default_device).result() == "cpu"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("jax", "jax:cpu:0"), ("strict", "strict:cpu"), ("numpy", "cpu"), ("", "cpu")],
)
def test_the_environment_variable_sets_the_default_backend(name: str, expected: str) -> None:
    if name and name not in npg.installed_backends():
        pytest.skip("not installed")
    code = (
        "import numpygrad as npg; x = npg.array([1.0], requires_grad=True); "
        "(x * x).sum().backward(); y = npg.zeros(1, device='cpu'); "
        "print(x.device, x.grad.device, y.device)"
    )
    assert run_python(code, NUMPYGRAD_BACKEND=name, JAX_PLATFORMS="cpu") == " ".join([expected] * 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda d: npg.array([1.0], device=d),
        lambda d: npg.asarray([1.0], device=d),
        lambda d: npg.asarray(np.ones(2), device=d),
        lambda d: npg.asarray(1.0, device=d),
        lambda d: npg.zeros(2, device=d),
        lambda d: npg.ones(2, device=d),
        lambda d: npg.empty(2, device=d),
        lambda d: npg.full(2, 3.0, device=d),
        lambda d: npg.arange(3, device=d),
        lambda d: npg.linspace(0, 1, 3, device=d),
        lambda d: npg.eye(2, device=d),
        lambda d: npg.zeros_like(npg.ones(2), device=d),
        lambda d: npg.full_like(npg.ones(2), 3, device=d),
        lambda d: npg.astype(npg.ones(2), "float32", device=d),
        lambda d: npg.from_dlpack(np.ones(2), device=d),
        lambda d: npg.asarray(npg.ones(2), device=d),
        lambda d: npg.ones(2).to(d),
        lambda d: npg.ones(2).to_device(d),
        lambda d: npg.Array([1.0], device=d),
        lambda d: npg.asarray([npg.ones(2), npg.ones(2)], device=d),
    ],
)
def test_every_creation_function_takes_a_device(other_device: str, make: Any) -> None:
    assert make(other_device).device == npg.zeros(1, device=other_device).device


# Transfers


def test_transfers_keep_values_and_dtypes(device: str, other_device: str) -> None:
    for dtype in ("float32", "int8", "uint64", "bool", "complex64"):
        x = npg.array([[1, 0], [1, 1]], dtype=dtype)
        y = x.to(other_device)
        assert (y.dtype, y.tolist()) == (x.dtype, x.tolist())
        z = y.to_device(x.device)
        assert z.device is x.device
        assert z.tolist() == x.tolist()


def test_a_transfer_to_the_same_device_is_the_array_itself(device: str) -> None:
    x = npg.array([1.0])
    assert x.to(x.device) is x
    assert npg.asarray(x, device=x.device) is x


def test_to_device_is_always_a_copy(device: str) -> None:
    x = npg.array([1.0])
    y = x.to_device(x.device)
    y[0] = 5.0
    assert x.tolist() == [1.0]


def test_a_transferred_array_shares_nothing(device: str, other_device: str) -> None:
    x = npg.array([1.0, 2.0])
    y = x.to(other_device)
    y[0] = 5.0
    x[1] = 7.0
    assert x.tolist() == [1.0, 7.0]
    assert y.tolist() == [5.0, 2.0]


def test_gradients_cross_devices_and_back(device: str, other_device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    w = npg.array([3.0, 4.0], device=other_device, requires_grad=True)
    y = (x * 2.0).to(other_device) * w
    z = y.to(x.device) * x
    z.sum().backward()
    assert x.grad.tolist() == [4.0 * 3.0, 8.0 * 4.0]
    assert w.grad.tolist() == [2.0, 8.0]
    assert x.grad.device is x.device
    assert w.grad.device is w.device


def test_higher_derivatives_and_forward_mode_cross_devices(device: str, other_device: str) -> None:
    def f(x: npg.Array) -> npg.Array:
        return ((x * x).to(other_device) * 3.0).to(x.device) * x

    x = npg.array(2.0)
    assert npg.grad(npg.grad(f))(x).item() == 36.0
    assert npg.jvp(f, (x,), (npg.array(1.0),))[1].item() == 36.0
    assert npg.jvp(npg.grad(f), (x,), (npg.array(1.0),))[1].item() == 36.0


# Pickling, copies


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "bool", "complex128"])
def test_arrays_pickle(device: str, dtype: str) -> None:
    x = npg.array([[1, 0], [2, 3]], dtype=dtype, label="x")
    y = pickle.loads(pickle.dumps(x))
    assert (y.tolist(), y.dtype, y.device, y.label) == (x.tolist(), x.dtype, x.device, "x")
    y[0, 0] = y[0, 1]
    assert x[0, 0].item() == 1


def test_pickling_keeps_the_flag_of_a_leaf(device: str) -> None:
    x = npg.array([1.0], requires_grad=True)
    y = pickle.loads(pickle.dumps(x))
    assert y.requires_grad
    assert y.is_leaf
    (y * y).sum().backward()
    assert x.grad is None


def test_a_view_pickles_as_its_values(device: str) -> None:
    x = npg.array([[1.0, 2.0], [3.0, 4.0]])
    assert pickle.loads(pickle.dumps(x.T)).tolist() == [[1.0, 3.0], [2.0, 4.0]]
    assert pickle.loads(pickle.dumps(x[1, 1])).shape == ()


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy, npg.copy, npg.array])
def test_a_copy_has_memory_of_its_own(device: str, copier: Any) -> None:
    x = npg.array([1.0, 2.0], label="x")
    y = copier(x)
    y[0] = 9.0
    assert x.tolist() == [1.0, 2.0]
    assert (y.dtype, y.device) == (x.dtype, x.device)


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy])
def test_a_copy_of_a_leaf_is_a_leaf_of_its_own(device: str, copier: Any) -> None:
    x = npg.array([1.0], requires_grad=True, label="w")
    y = copier(x)
    (y * 3.0).sum().backward()
    assert x.grad is None
    assert y.grad.tolist() == [3.0]
    assert y.label == "w"


def test_a_deepcopy_of_a_model_keeps_shared_parameters_shared(device: str) -> None:
    w = npg.array([1.0], requires_grad=True)
    model = copy.deepcopy({"a": w, "b": w})
    assert model["a"] is model["b"]
    assert model["a"] is not w


# asarray, sharing, DLPack


def test_asarray_of_an_array_is_itself(device: str) -> None:
    x = npg.array([1.0])
    assert npg.asarray(x) is x
    assert npg.asarray(x, copy=False) is x
    assert npg.asarray(x, dtype="float64") is x
    assert npg.asarray(x, copy=True) is not x
    with pytest.raises(ValueError, match="copy"):
        npg.asarray(x, dtype="float32", copy=False)


def test_asarray_of_an_array_keeps_its_history(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    npg.asarray(x * 2.0, copy=True).sum().backward()
    npg.asarray([x[0], x[1]]).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_asarray_without_a_copy_on_numpy_shares_or_refuses() -> None:
    values = np.ones(2)
    x = npg.asarray(values, device="cpu", copy=False)
    values[0] = 5.0
    assert x.tolist() == [5.0, 1.0]
    with pytest.raises(ValueError, match="copy"):
        npg.asarray(values, device="cpu", dtype="float32", copy=False)
    with pytest.raises(ValueError, match="copy"):
        npg.asarray([1.0], device="cpu", copy=False)


def test_asarray_of_a_read_only_ndarray_is_never_written() -> None:
    values = np.ones(2)
    values.flags.writeable = False
    x = npg.asarray(values, device="cpu")
    try:
        x[0] = 5.0
    except ValueError:
        assert x.tolist() == [1.0, 1.0]
    assert values.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("layout", ["F", "strided", "reversed", "big-endian", "0-d"])
def test_asarray_takes_ndarrays_of_any_layout(device: str, layout: str) -> None:
    base = np.arange(12.0).reshape(3, 4)
    values = {
        "F": np.asfortranarray(base),
        "strided": base[::2, ::3],
        "reversed": base[::-1],
        "big-endian": base.astype(">f8"),
        "0-d": np.array(3.0),
    }[layout]
    for x in (npg.asarray(values), npg.array(values)):
        assert x.tolist() == values.tolist()
        assert x.dtype == "float64"
        assert (x + 1).tolist() == (values + 1).tolist()


def test_a_raw_array_of_a_backend_becomes_an_array_on_its_device(device: str) -> None:
    raw = npg.array([1.0, 2.0]).data
    with npg.device("numpy:cpu"):
        x = npg.asarray(raw)
        assert x.tolist() == [1.0, 2.0]
        assert x.device == CANONICAL[device]
        assert npg.array(raw).device == CANONICAL[device]


def test_dlpack_from_a_library(device: str) -> None:
    x = npg.from_dlpack(np.arange(3.0))
    assert x.tolist() == [0.0, 1.0, 2.0]
    torch = pytest.importorskip("torch")
    y = npg.from_dlpack(torch.arange(3.0))
    assert (y.tolist(), y.dtype) == ([0.0, 1.0, 2.0], "float32")


def test_dlpack_to_a_library(device: str) -> None:
    x = npg.array([1.0, 2.0])
    assert x.__dlpack_device__()[0] == 1
    assert np.from_dlpack(x).tolist() == [1.0, 2.0]
    torch = pytest.importorskip("torch")
    assert torch.from_dlpack(x).tolist() == [1.0, 2.0]
    assert npg.from_dlpack(x).tolist() == [1.0, 2.0]


def test_dlpack_shares_memory_on_numpy_unless_told_to_copy() -> None:
    values = np.arange(3.0)
    shared, copied = npg.from_dlpack(values), npg.from_dlpack(values, copy=True)
    values[0] = 9.0
    assert shared.tolist() == [9.0, 1.0, 2.0]
    assert copied.tolist() == [0.0, 1.0, 2.0]


def test_numpy_functions_take_an_untracked_array(device: str) -> None:
    x = npg.array([1.0, 2.0])
    assert np.asarray(x).tolist() == [1.0, 2.0]
    assert np.stack([np.asarray(x), np.ones(2)]).tolist() == [[1.0, 2.0], [1.0, 1.0]]
    assert np.array(x, dtype="float32").dtype == "float32"
    assert np.concatenate([x, x]).tolist() == [1.0, 2.0, 1.0, 2.0]


def test_format_of_one_element(device: str) -> None:
    assert f"{npg.array(3.14159):.2f}" == "3.14"
    with pytest.raises(npg.errors.ShapeError, match=r"'\.2f' is for one element.*x\.round"):
        f"{npg.array([1.0, 2.0]):.2f}"
    assert f"{npg.array([2.0])}" == "[2.]"


# JAX


@pytest.fixture
def jax() -> Any:
    """The library, with its process-wide switch as it is by default."""
    return pytest.importorskip("jax")


def test_jit_takes_and_gives_arrays(jax: Any) -> None:
    @jax.jit
    def f(x: npg.Array) -> npg.Array:
        assert isinstance(x, npg.Array)
        return npg.sin(x) * 2.0 + npg.sum(x)

    with jax.enable_x64(True):
        y = f(npg.array([1.0, 2.0], device="jax:cpu"))
    assert isinstance(y, npg.Array)
    assert y.device == "jax:cpu:0"
    np.testing.assert_allclose(y.numpy(), np.sin([1.0, 2.0]) * 2 + 3, rtol=1e-14)


def test_jit_wraps_a_numpygrad_gradient(jax: Any) -> None:
    with jax.enable_x64(True):
        f = jax.jit(npg.grad(lambda x: npg.sum(npg.exp(x) * x)))
        x = npg.array([1.0, 2.0], device="jax:cpu")
        np.testing.assert_allclose(f(x).numpy(), np.exp([1.0, 2.0]) * np.array([2.0, 3.0]))


def test_jax_differentiates_numpygrad_code(jax: Any) -> None:
    with jax.enable_x64(True):
        loss = lambda a: npg.sum(npg.tanh(npg.asarray(a)) ** 2).data  # noqa: E731
        g = jax.grad(loss)(jax.numpy.asarray([0.5, 1.0]))
    expected = npg.grad(lambda x: npg.sum(npg.tanh(x) ** 2))(npg.array([0.5, 1.0], device="cpu"))
    np.testing.assert_allclose(np.asarray(g), expected.numpy())


def test_vmap_wraps_numpygrad_code(jax: Any) -> None:
    with jax.enable_x64(True):
        rows = npg.array([[1.0, 2.0], [3.0, 4.0]], device="jax:cpu")
        found = jax.vmap(lambda x: npg.sum(x * x))(rows)
    assert found.tolist() == [5.0, 25.0]


def test_an_array_is_a_pytree(jax: Any) -> None:
    x = npg.array([1.0, 2.0], device="jax:cpu")
    leaves, structure = jax.tree_util.tree_flatten({"x": x})
    assert len(leaves) == 1
    again = jax.tree_util.tree_unflatten(structure, leaves)["x"]
    assert isinstance(again, npg.Array)
    assert again.tolist() == [1.0, 2.0]
    with jax.enable_x64(True):
        doubled = jax.tree_util.tree_map(lambda leaf: leaf * 2, x)
    assert doubled.tolist() == [2.0, 4.0]


def test_jaxs_switch_of_64_bits_is_left_alone() -> None:
    pytest.importorskip("jax")
    code = """
import jax, jax.numpy as jnp
import numpygrad as npg
before = jax.config.jax_enable_x64
x = npg.array([1.0, 2.0], device="jax:cpu", requires_grad=True)
y = (npg.exp(x) * x)[0] + npg.sum(x)
y.backward(create_graph=True)
x.grad.sum().backward()
x[0] = 3.0
assert x.dtype == x.grad.dtype == "float64"
print(before, jax.config.jax_enable_x64, jnp.asarray([1.0]).dtype, x.data.dtype)
"""
    assert run_python(code, JAX_PLATFORMS="cpu") == "False False float32 float64"


def test_the_switch_is_left_alone_after_an_error() -> None:
    pytest.importorskip("jax")
    code = """
import jax, jax.numpy as jnp
import numpygrad as npg
x = npg.array([1.0, 2.0], device="jax:cpu")
try:
    x[5]
except IndexError:
    print(jnp.asarray([1.0]).dtype)
"""
    assert run_python(code, JAX_PLATFORMS="cpu") == "float32"


def test_a_jax_array_of_32_bits_keeps_its_dtype(jax: Any) -> None:
    x = npg.asarray(jax.numpy.asarray([1.0, 2.0], dtype="float32"))
    assert x.dtype == "float32"
    assert (x * 2).dtype == "float32"
    assert npg.exp(x).dtype == "float32"


def test_writing_to_an_array_never_changes_a_users_jax_array(jax: Any) -> None:
    raw = jax.numpy.asarray([1.0, 2.0])
    x = npg.asarray(raw)
    x[0] = 9.0
    x *= 2.0
    assert np.asarray(raw).tolist() == [1.0, 2.0]
    assert x.tolist() == [18.0, 4.0]


def test_a_device_of_another_backend_is_refused_with_both_names(jax: Any) -> None:
    with pytest.raises(DeviceError, match=r"cpu.*jax:cpu:0|jax:cpu:0.*cpu"):
        npg.ones(2, device="cpu") + npg.ones(2, device="jax:cpu")
