"""Arrays in and out: what `asarray` takes, DLPack, the buffer protocol, Python's own numbers."""

from __future__ import annotations

import array
import copy
import math
import operator
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad.errors import GraphError

DTYPES = list(npg.__array_namespace_info__().dtypes())


def make(dtype: str, shape: tuple[int, ...] = (2, 3)) -> npg.Array:
    """Zeros and ones of a dtype."""
    return npg.asarray(np.arange(math.prod(shape)).reshape(shape) % 2, dtype=dtype)


class Exporter:
    """An array of another library, known by nothing but the two methods of DLPack."""

    def __init__(self, values: Any) -> None:
        self.values = values
        self.asked: dict[str, Any] = {}

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def __dlpack__(self, **options: Any) -> Any:
        self.asked = options
        return self.values.__dlpack__(**options)


class ElsewhereExporter(Exporter):
    """One on an accelerator that no backend reads."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return (8, 0)

    def __dlpack__(self, **options: Any) -> Any:
        raise BufferError("no way out of here")


# asarray: nested sequences


def test_lists_may_hold_arrays_numpy_scalars_and_numbers(device: str) -> None:
    x = npg.asarray([1.0, 2.0])
    out = npg.asarray([x[1], 3, np.float32(4), [5.0][0]])
    assert out.tolist() == [2.0, 3.0, 4.0, 5.0]
    assert out.dtype == npg.float64
    assert npg.asarray([[x[0], 1], [2, x[1]]]).tolist() == [[1.0, 1.0], [2.0, 2.0]]
    assert npg.asarray([x, (3, 4)]).tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_what_a_list_holds_beside_arrays_goes_to_their_device(
    device: str, other_device: str
) -> None:
    x = npg.asarray([1.0, 2.0], device=other_device)
    out = npg.asarray([[x[0], 5], [np.float64(6), x[1]]])
    assert out.device == x.device
    assert out.tolist() == [[1.0, 5.0], [6.0, 2.0]]
    assert npg.asarray([x[0], 5], device=device).device.backend is npg.zeros(1).device.backend


def test_a_list_of_arrays_is_differentiable(device: str) -> None:
    x = npg.array(3.0, requires_grad=True)
    (npg.asarray([[x, 1.0], [x * x, 2]]) * 2).sum().backward()
    assert x.grad is not None
    assert x.grad.item() == 2 + 2 * 2 * 3


def test_a_list_of_numbers_takes_the_standards_default_dtypes(device: str) -> None:
    assert npg.asarray([True, False]).dtype == npg.bool
    assert npg.asarray([True, 2]).dtype == npg.int64
    assert npg.asarray([1, 2.0]).dtype == npg.float64
    assert npg.asarray([1, 2.0, 3j]).dtype == npg.complex128
    assert npg.asarray([]).dtype == npg.float64
    assert npg.asarray([[], []]).shape == (2, 0)
    assert npg.asarray([2**64 - 1, 0], dtype="uint64").tolist() == [2**64 - 1, 0]


def test_what_is_no_array_is_told(device: str) -> None:
    with pytest.raises(npg.errors.DTypeError, match="standard"):
        npg.asarray("text")
    with pytest.raises(npg.errors.DTypeError, match="standard"):
        npg.asarray(None)
    with pytest.raises(npg.errors.DTypeError, match="float16"):
        npg.asarray(np.zeros(2, dtype=np.float16))
    with pytest.raises(ValueError, match="inhomogeneous"):
        npg.asarray([[1, 2], [3]])
    with pytest.raises(npg.errors.ShapeError, match="one shape"):
        npg.asarray([npg.zeros(2), npg.zeros(3)])


# asarray: buffers

BUFFERS: list[tuple[str, Callable[[], Any], str]] = [
    ("memoryview", lambda: memoryview(array.array("d", [1, 2, 3])), "float64"),
    ("array", lambda: array.array("i", [1, 2, 3]), "int32"),
    ("bytearray", lambda: bytearray([1, 2, 3]), "uint8"),
    ("bytes", lambda: bytes([1, 2, 3]), "uint8"),
    ("ndarray", lambda: np.asarray([1, 2, 3], dtype="float32"), "float32"),
    ("big-endian", lambda: np.asarray([1, 2, 3], dtype=">i2"), "int16"),
]


@pytest.mark.parametrize(("made", "dtype"), [b[1:] for b in BUFFERS], ids=[b[0] for b in BUFFERS])
def test_buffers_are_arrays_of_their_own_dtype(
    device: str, made: Callable[[], Any], dtype: str
) -> None:
    x = npg.asarray(made())
    assert x.dtype == dtype
    assert x.tolist() == [1, 2, 3]
    assert npg.asarray(made(), dtype="float32").dtype == npg.float32


def test_buffers_share_memory_on_numpy_unless_copied() -> None:
    raw = array.array("d", [1, 2, 3])
    shared = npg.asarray(raw, device="cpu")
    never = npg.asarray(memoryview(raw), copy=False, device="cpu")
    copied = npg.asarray(raw, copy=True, device="cpu")
    made = npg.array(raw, device="cpu")

    raw[0] = 9.0

    assert shared.tolist() == never.tolist() == [9.0, 2.0, 3.0]
    assert copied.tolist() == made.tolist() == [1.0, 2.0, 3.0]


def test_a_read_only_buffer_stays_so() -> None:
    x = npg.asarray(b"abc", device="cpu")
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 1
    assert npg.asarray(b"abc", device="cpu", copy=True).data.flags.writeable


# asarray: copy=


def test_copy_false_gives_the_same_memory_or_an_error(device: str, other_device: str) -> None:
    x = npg.asarray([1.0, 2.0])
    assert npg.asarray(x, copy=False) is x
    for obj, options in [
        (x, {"dtype": "float32"}),
        (x, {"device": other_device}),
        ([1.0, 2.0], {}),
        ([x[0], x[1]], {}),
        (1.0, {}),
        (np.float64(1.0), {}),
        (np.asarray([1.0]), {"dtype": "float32"}),
        (np.asarray([1.0], dtype=">f8"), {}),
        (np.asarray([1.0]), {"device": "jax:cpu"}),
        (Exporter(np.asarray([1.0])), {"dtype": "float32"}),
        (Exporter(np.asarray([1.0])), {"device": "strict:cpu"}),
        (x.data, {"dtype": "float32"}),
    ]:
        with pytest.raises(ValueError, match="copy"):
            npg.asarray(obj, copy=False, **options)


@pytest.mark.parametrize("dtype", DTYPES)
def test_copy_true_never_shares(device: str, dtype: str) -> None:
    for source in (
        make(dtype),
        make(dtype).data,
        make(dtype).numpy().copy(),
        Exporter(make(dtype).numpy().copy()),
    ):
        x = npg.asarray(source, copy=True)
        before = x.tolist()
        x[...] = npg.asarray(1 - x.numpy().real.astype("int8"), dtype=dtype)
        again = npg.asarray(source.values if isinstance(source, Exporter) else source)
        assert again.tolist() == before


def test_copy_none_shares_ndarrays_and_dlpack_on_numpy() -> None:
    values = np.asarray([1.0, 2.0])
    for obj in (values, Exporter(values)):
        x = npg.asarray(obj, device="cpu")
        x[0] = values[0] + 1
        assert x.tolist() == values.tolist()


def test_raw_arrays_of_every_backend_come_to_their_own_device(device: str) -> None:
    x = npg.asarray([1.0, 2.0])
    with npg.device("numpy:cpu"):
        out = npg.asarray(x.data)
        assert npg.from_dlpack(x.data).device == x.device
    assert out.device == x.device
    assert npg.asarray(x.data, device="numpy:cpu").data.tolist() == [1.0, 2.0]


def test_raw_arrays_that_can_be_written_are_copied_where_asked() -> None:
    strict = pytest.importorskip("array_api_strict")
    npg.zeros(1, device="strict:cpu")
    raw = strict.asarray([1.0, 2.0])
    copied, made = npg.asarray(raw, copy=True), npg.array(raw)
    raw[0] = 5.0
    assert copied.tolist() == made.tolist() == [1.0, 2.0]


def test_raw_arrays_of_a_dtype_the_standard_lacks_are_refused() -> None:
    jnp = pytest.importorskip("jax.numpy")
    npg.zeros(1, device="jax:cpu")
    with pytest.raises(npg.errors.DTypeError, match=r"bfloat16|float16"):
        npg.asarray(jnp.zeros(2, dtype=jnp.bfloat16))


# DLPack


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dlpack_to_numpy_and_back(device: str, dtype: str, shape: tuple[int, ...]) -> None:
    x = make(dtype, shape)
    host = np.from_dlpack(x)
    assert host.dtype == dtype
    assert host.tolist() == x.tolist()
    assert npg.from_dlpack(Exporter(host.copy())).tolist() == x.tolist()


@pytest.mark.parametrize("max_version", [None, (0, 0), (0, 8), (1, 0), (2, 3)])
@pytest.mark.parametrize("wanted", [None, True, False])
@pytest.mark.parametrize("dl_device", [None, (1, 0)])
def test_every_option_of_the_export_is_taken(
    device: str, max_version: Any, wanted: bool | None, dl_device: Any
) -> None:
    x = npg.asarray([1.0, 2.0])
    capsule = x.__dlpack__(max_version=max_version, copy=wanted, dl_device=dl_device)
    assert "dltensor" in repr(capsule)
    assert tuple(map(int, x.__dlpack_device__())) == (1, 0)


def test_an_exported_array_shares_memory_unless_copied() -> None:
    x = npg.asarray([1.0, 2.0], device="cpu")
    shared, copied = np.from_dlpack(x), np.from_dlpack(x, copy=True)
    x[0] = 5.0
    assert shared.tolist() == [5.0, 2.0]
    assert copied.tolist() == [1.0, 2.0]


def test_read_only_memory_is_copied_for_those_who_cannot_be_told() -> None:
    x = npg.broadcast_to(npg.asarray([1.0], device="cpu"), (3,))
    assert "dltensor" in repr(x.__dlpack__())
    assert "versioned" in repr(x.__dlpack__(max_version=(1, 0)))
    assert not np.from_dlpack(x).flags.writeable
    with pytest.raises(BufferError, match="readonly"):
        x.__dlpack__(copy=False)


def test_a_tracked_array_is_not_exported_silently(device: str) -> None:
    x = npg.array([1.0], requires_grad=True)
    for y in (x, x * 2):
        with pytest.raises(npg.errors.GraphError, match="detach"):
            y.__dlpack__()
        with pytest.raises(npg.errors.GraphError, match="detach"):
            np.from_dlpack(y)
    assert np.from_dlpack(x.detach()).tolist() == [1.0]
    with npg.no_grad():
        assert np.from_dlpack(x).tolist() == [1.0]


def test_from_dlpack_shares_memory_on_numpy_unless_copied() -> None:
    values = np.asarray([1.0, 2.0])
    with npg.device("numpy:cpu"):
        shared = npg.from_dlpack(Exporter(values))
        never = npg.from_dlpack(Exporter(values), copy=False)
        copied = npg.from_dlpack(Exporter(values), copy=True)
    values[0] = 7.0
    assert shared.tolist() == never.tolist() == [7.0, 2.0]
    assert copied.tolist() == [1.0, 2.0]


def test_from_dlpack_onto_an_immutable_backend_copies() -> None:
    pytest.importorskip("jax")
    values = np.ones(10_000)
    x = npg.from_dlpack(Exporter(values), device="jax:cpu")
    values[0] = 7.0
    assert x[0].item() == 1.0
    with pytest.raises(ValueError, match="copy"):
        npg.from_dlpack(Exporter(values), device="jax:cpu", copy=False)


def test_from_dlpack_of_an_array_is_that_array(device: str, other_device: str) -> None:
    x = npg.asarray([1.0, 2.0])
    y = npg.from_dlpack(x)
    y[0] = 3.0
    assert x.tolist() == [3.0, 2.0]
    assert npg.from_dlpack(x, device=other_device).device != x.device
    assert npg.from_dlpack(x.data).device == x.device
    with pytest.raises(ValueError, match="copy"):
        npg.from_dlpack(x, device=other_device, copy=False)


def test_from_dlpack_moves_to_the_device_asked_for(device: str) -> None:
    x = npg.from_dlpack(Exporter(np.asarray([1, 2])), device=device)
    assert x.device == npg.zeros(1).device
    assert x.tolist() == [1, 2]


def test_memory_that_no_backend_reads_is_told() -> None:
    with pytest.raises(BufferError, match=r"\(8, 0\).*host"):
        npg.from_dlpack(ElsewhereExporter(np.zeros(1)))
    with pytest.raises(BufferError, match=r"\(8, 0\)"):
        npg.asarray(ElsewhereExporter(np.zeros(1)))
    with pytest.raises(AttributeError, match="__dlpack_device__"):
        npg.from_dlpack([1.0])


def test_memory_elsewhere_goes_to_the_first_backend_that_reads_it() -> None:
    class Pinned(Exporter):
        def __dlpack_device__(self) -> tuple[int, int]:
            return (16, 0)  # where NumPy looks at the capsule, which says the host

    values = np.asarray([1.0, 2.0])
    x = npg.from_dlpack(Pinned(values))
    y = npg.asarray(Pinned(values), dtype="float32", device="strict:cpu")
    values[0] = 5.0
    assert x.tolist() == [5.0, 2.0]
    assert (y.dtype, y.device, y.tolist()) == (npg.float32, "strict:cpu", [1.0, 2.0])
    assert npg.from_dlpack(Pinned(values), copy=True).tolist() == [5.0, 2.0]
    with pytest.raises(ValueError, match="copy"):
        npg.asarray(Pinned(values), dtype="float32", copy=False)


def test_pytorch_tensors_both_ways(device: str) -> None:
    torch = pytest.importorskip("torch")
    for dtype in (torch.float32, torch.int64, torch.bool, torch.complex64):
        tensor = torch.ones(2, dtype=dtype)
        assert npg.asarray(tensor).dtype == str(dtype).removeprefix("torch.")
        assert npg.from_dlpack(tensor).tolist() == [1, 1]
        assert torch.from_dlpack(npg.asarray(tensor, copy=True)).tolist() == [1, 1]
    assert torch.from_dlpack(npg.broadcast_to(npg.asarray(1.0), (2,))).tolist() == [1.0, 1.0]
    shared = torch.zeros(2)
    with npg.device("numpy:cpu"):
        npg.asarray(shared, copy=False)[0] = 4.0
    assert shared.tolist() == [4.0, 0.0]


# Devices


def test_to_device_gives_a_copy_that_is_a_leaf(device: str, other_device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    for target in (x.device, other_device):
        y = (x * 2).to_device(target)
        assert y.is_leaf
        assert not y.requires_grad
        assert y.tolist() == [2.0, 4.0]
    z = x.detach().to_device(x.device)
    z[0] = 9.0
    assert x.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="stream"):
        x.to_device(x.device, stream=1)
    with pytest.raises(npg.errors.DeviceError, match="unknown device"):
        x.to_device("nowhere")


def test_every_device_told_can_be_used(device: str) -> None:
    devices = npg.__array_namespace_info__().devices()
    assert len(set(devices)) == len(devices)
    assert {"cpu", npg.default_device()} <= set(devices)
    x = npg.asarray([1.0, 2.0])
    for target in devices:
        assert npg.zeros(2, device=target).device is target
        y = x.to(target)
        assert y.device is target
        assert npg.asarray(y, device=x.device).tolist() == [1.0, 2.0]
        assert npg.astype(x, "float32", device=target).device is target


def test_all_devices_of_the_strict_backend_are_told() -> None:
    pytest.importorskip("array_api_strict")
    devices = npg.__array_namespace_info__().devices()
    assert {"strict:cpu", "strict:device1", "strict:device2"} <= set(devices)
    with npg.device("strict:device1"):
        assert npg.default_device() in devices


# Python's numbers


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_of_one_element_is_a_number(device: str, dtype: str) -> None:
    one, zero = npg.ones((), dtype=dtype), npg.zeros((), dtype=dtype)
    kind = one.dtype.kind
    assert bool(one) is True
    assert bool(zero) is False
    assert complex(one) == 1
    assert type(complex(one)) is complex
    for convert in (int, float):
        if kind == "c":
            with pytest.raises(TypeError, match="complex"):
                convert(one)
        else:
            assert type(convert(one)) is convert
            assert convert(one) == 1
    if kind in "iu":
        assert operator.index(one) == 1
        assert [5, 6][one] == 6
    else:
        with pytest.raises(TypeError, match="0-d integer"):
            operator.index(one)


@pytest.mark.parametrize("convert", [bool, int, float, complex])
def test_several_elements_are_no_number(device: str, convert: type) -> None:
    for x in (npg.zeros(2), npg.zeros((0,)), npg.zeros((1, 2))):
        with pytest.raises(ValueError, match=r"ambiguous|one element"):
            convert(x)
    with pytest.raises(TypeError, match="0-d integer"):
        operator.index(npg.zeros(1, dtype="int64"))


def test_numbers_that_python_lacks_are_told_as_python_tells_them(device: str) -> None:
    assert math.isnan(float(npg.asarray(math.nan)))
    with pytest.raises(ValueError, match="NaN"):
        int(npg.asarray(math.nan))
    with pytest.raises(OverflowError):
        int(npg.asarray(math.inf))
    assert bool(npg.asarray(math.nan)) is True
    assert bool(npg.asarray(-0.0)) is False
    assert int(npg.asarray(2**64 - 1, dtype="uint64")) == 2**64 - 1


def test_the_namespace_knows_its_versions(device: str) -> None:
    x = npg.zeros(1)
    assert x.__array_namespace__() is npg
    with pytest.raises(ValueError, match="2025"):
        x.__array_namespace__(api_version="2099.12")


def test_copies_stay_on_the_device(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    for y in (copy.copy(x), copy.deepcopy(x)):
        assert y.requires_grad
        assert y.device == x.device
        y.data = [3.0, 4.0]
    assert x.tolist() == [1.0, 2.0]


# Writing with every key the standard allows

KEYS: list[tuple[str, Any]] = [
    ("int", 1),
    ("negative", -1),
    ("numpy-int", np.int64(1)),
    ("ellipsis", ...),
    ("slice", slice(0, 2)),
    ("steps", slice(None, None, -2)),
    ("empty", slice(2, 2)),
    ("tuple", (1, slice(None), 0)),
    ("tuple-ellipsis", (0, ..., slice(1, None))),
    ("all-ints", (1, 2, 3)),
    ("no-key", ()),
    ("mask", "mask"),
    ("row-mask", "row mask"),
    ("0-d-array", "index"),
    ("integers", "integers"),
    ("integers-and-int", ("integers", 1)),
    ("two-arrays", ("integers", "integers")),
    ("array-and-slice", ("integers", slice(1, 3))),
    ("0-d-mask", "true"),
    ("0-d-mask-false", "false"),
]
SHAPE = (3, 4, 5)


def _key(part: Any, as_array: Callable[[Any], Any]) -> Any:
    """The key, its arrays made by one of the two libraries."""
    named: dict[str, Any] = {
        "mask": np.arange(60).reshape(SHAPE) % 3 == 0,
        "row mask": np.asarray([True, False, True]),
        "index": np.asarray(2),
        "integers": np.asarray([2, 0, 2]),
        "true": np.asarray(True),
        "false": np.asarray(False),
    }
    if isinstance(part, tuple):
        return tuple(_key(p, as_array) for p in part)
    return as_array(named[part]) if isinstance(part, str) else part


@pytest.mark.parametrize("value", ["number", "0-d", "full"])
@pytest.mark.parametrize("part", [k[1] for k in KEYS], ids=[k[0] for k in KEYS])
def test_every_key_reads_and_writes_as_in_numpy(device: str, part: Any, value: str) -> None:
    expected = np.arange(60.0).reshape(SHAPE)
    x = npg.asarray(expected.copy())
    theirs, ours = _key(part, np.asarray), _key(part, npg.asarray)
    region = np.asarray(expected[theirs])
    np.testing.assert_array_equal(x[ours].numpy(), region)

    if value == "full":
        # Of a place written to twice, either value may stay: so they are the same.
        new = np.broadcast_to(np.asarray(-7.0), region.shape).copy()
        expected[theirs], x[ours] = new, npg.asarray(new)
    elif value == "0-d":
        expected[theirs], x[ours] = np.asarray(-2.0), npg.asarray(-2.0)
    else:
        expected[theirs], x[ours] = -1, -1

    np.testing.assert_array_equal(x.numpy(), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_writing_keeps_the_dtype(device: str, dtype: str) -> None:
    x = make(dtype)
    x[0, 1] = x[0, 0]
    x[1] = True if dtype == "bool" else 1
    assert x.dtype == dtype
    assert x.tolist() == [[0, 0, 0], [1, 1, 1]]


def test_a_write_that_does_not_fit_changes_nothing(device: str) -> None:
    x = npg.asarray([1, 2, 3])
    for key, value, error in [
        (0, 1.5, TypeError),
        (slice(None), npg.asarray([1, 2]), ValueError),
        (5, 1, IndexError),
        (npg.asarray([0, 7]), 1, IndexError),
        ((0, 0), 1, IndexError),
        ("a", 1, IndexError),
        (npg.asarray([0.5]), 1, IndexError),
        (npg.asarray([True, False]), 1, IndexError),
    ]:
        with pytest.raises(error):
            x[key] = value
    assert x.tolist() == [1, 2, 3]


NUMPY_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sum": np.sum,
    "mean": lambda x: np.mean(x, axis=0),
    "concatenate": lambda x: np.concatenate([x, np.ones((1, 2))]),
    "norm": np.linalg.norm,
    "where": lambda x: np.where(np.ones((2, 2), dtype=bool), x, 0.0),
    "histogram": lambda x: np.histogram(a=x)[0],
    "stack": lambda x: np.stack(deque([x, np.ones((2, 2))])),
    "full_like": lambda x: np.full_like(x, x[0][0]),
    "fft": np.fft.fft,
}


@pytest.mark.parametrize("name", NUMPY_FUNCTIONS)
def test_functions_of_numpy_take_values_and_refuse_tracked_arrays(name: str, device: str) -> None:
    values = np.asarray([[1.0, 4.0], [2.0, 3.0]])
    function = NUMPY_FUNCTIONS[name]
    found = function(npg.asarray(values, device=device))
    assert isinstance(found, (np.ndarray, np.generic))
    np.testing.assert_array_equal(found, function(values))
    with pytest.raises(GraphError, match=rf"NumPy's {name}\(\) of an array that requires grad"):
        function(npg.array(values, device=device, requires_grad=True))


def test_functions_of_numpy_say_which_of_ours_to_use() -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    with pytest.raises(GraphError, match=r"Use numpygrad\.sum\(\)"):
        np.sum(x)


@pytest.mark.parametrize("write", [np.fill_diagonal, lambda x, v: np.put(x, [0], [v])])
def test_functions_of_numpy_cannot_write(write: Callable[..., Any], device: str) -> None:
    x = npg.array([[1.0, 4.0], [2.0, 3.0]], device=device)
    with pytest.raises(ValueError, match="read-only"):
        write(x, 9.0)
    assert x.tolist() == [[1.0, 4.0], [2.0, 3.0]]


def test_functions_of_numpy_that_ask_for_shapes_take_tracked_arrays(device: str) -> None:
    x = npg.array([[1.0, 4.0], [2.0, 3.0]], device=device, requires_grad=True)
    assert (np.shape(x), np.ndim(x), np.size(x)) == ((2, 2), 2, 4)
    assert np.zeros_like(x).tolist() == [[0.0, 0.0], [0.0, 0.0]]
