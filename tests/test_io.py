"""Parameters in safetensors files: what is kept, what is refused, and what others read."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad import _tree
from numpygrad.errors import BackendError, DTypeError, ShapeError

safetensors = pytest.importorskip("safetensors.numpy", reason="the extra test installs it")

DTYPES = sorted(map(str, set(npg.__array_namespace_info__().dtypes()) - {"complex128"}))


@dataclass
class Layer:
    """Parameters with names."""

    weight: Any
    bias: Any


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is not there yet."""
    return tmp_path / "parameters.safetensors"


def model() -> dict[str, Any]:
    """Lists, tuples and dataclasses in a dict."""
    return {
        "layers": [
            Layer(npg.array([[1.0, 2.0]], requires_grad=True), npg.array([0.5], dtype="float32")),
            Layer(npg.array([[3.0], [4.0]], requires_grad=True), None),
        ],
        "steps": (npg.array(7), npg.array([True, False])),
    }


def test_names_are_the_steps_joined_by_dots() -> None:
    names = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "steps.0", "steps.1"]
    assert _tree.names_of(model()) == names
    assert len(_tree.leaves_of(model())) == len(names)
    assert _tree.names_of(npg.array(1.0)) == [""]
    assert _tree.names_of({3: npg.array(1.0)}) == ["3"]


def test_a_structure_comes_back_like_it_was(device: str, path: Path) -> None:
    before = model()
    npg.io.save(path, before, metadata={"step": "12", "note": "ünï"})
    after = npg.io.load(path, like=before)
    assert npg.io.metadata(path) == {"step": "12", "note": "ünï"}
    assert _tree.structure_of(after) == _tree.structure_of(before)
    pairs = zip(_tree.leaves_of(before), _tree.leaves_of(after), strict=True)
    for x, y in pairs:
        assert x is not y
        assert (x.tolist(), x.dtype, x.device) == (y.tolist(), y.dtype, y.device)
        assert x.requires_grad == y.requires_grad
        assert y.is_leaf
    assert isinstance(after["layers"][0], Layer)
    assert after["layers"][1].bias is None


def test_without_like_it_is_one_dict_by_name(device: str, path: Path) -> None:
    npg.io.save(path, model())
    found = npg.io.load(path, requires_grad=True)
    assert list(found) == sorted(_tree.names_of(model()))
    assert found["layers.0.weight"].requires_grad
    assert not found["steps.0"].requires_grad
    assert found["steps.0"].shape == ()
    assert all(x.device == npg.default_device() for x in found.values())
    assert npg.io.load(path, device="numpy:cpu")["steps.0"].device == "cpu"
    assert not npg.io.load(path)["layers.0.weight"].requires_grad
    assert npg.io.metadata(path) == {}


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_of_the_format_is_kept(device: str, path: Path, dtype: str) -> None:
    x = npg.asarray(np.arange(6).reshape(2, 3), dtype=dtype)
    npg.io.save(path, {"x": x, "empty": x[:0], "one": x[1, 1]})
    found = npg.io.load(path)
    for name, expected in (("x", x), ("empty", x[:0]), ("one", x[1, 1])):
        assert (found[name].dtype, found[name].shape) == (dtype, expected.shape)
        assert found[name].tolist() == expected.tolist()


def test_views_and_other_layouts_are_written_as_they_read(device: str, path: Path) -> None:
    x = npg.asarray(np.arange(6.0).reshape(2, 3))
    host = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    swapped = np.arange(3).astype(">f8")
    npg.io.save(path, {"t": x.T, "flip": x[::-1, 1], "fortran": host, "big": swapped, "one": 2.5})
    found = npg.io.load(path)
    assert found["t"].tolist() == x.T.tolist()
    assert found["flip"].tolist() == [4.0, 1.0]
    assert found["fortran"].tolist() == x.tolist()
    assert found["big"].tolist() == [0.0, 1.0, 2.0]
    assert (found["one"].item(), found["one"].dtype) == (2.5, "float64")


def test_lazy_arrays_are_realized(device: str, path: Path) -> None:
    with npg.lazy():
        npg.io.save(path, {"x": npg.array([1.0, 2.0]) * 2})
    assert npg.io.load(path)["x"].tolist() == [2.0, 4.0]


def test_loading_copies_and_leaves_like_as_it_is(device: str, path: Path) -> None:
    w = npg.array([1.0], requires_grad=True)
    npg.io.save(path, {"w": w})
    w.data = [5.0]
    loaded = npg.io.load(path, like={"w": w})["w"]
    loaded.detach()[0] = 9.0
    assert w.tolist() == [5.0]
    assert npg.io.load(path)["w"].tolist() == [1.0]
    assert not npg.io.load(path, like={"w": w}, requires_grad=False)["w"].requires_grad


def test_names_that_do_not_fit_are_listed(path: Path) -> None:
    npg.io.save(path, {"a": npg.zeros(1), "b": npg.zeros(1)})
    with pytest.raises(ValueError, match=r"\['c'\].*\['a'\]"):
        npg.io.load(path, like={"b": npg.zeros(1), "c": npg.zeros(1)})


def test_shapes_and_dtypes_that_do_not_fit_are_refused(path: Path) -> None:
    npg.io.save(path, {"w": npg.zeros((2, 3))})
    with pytest.raises(ShapeError, match=r"'w'.*\(2, 3\).*\(3,\)"):
        npg.io.load(path, like={"w": npg.zeros(3)})
    like = {"w": npg.zeros((2, 3), dtype="float32")}
    with pytest.raises(DTypeError, match=r"float64.*float32.*dtype="):
        npg.io.load(path, like=like)
    assert npg.io.load(path, like=like, dtype="float32")["w"].dtype == "float32"


def test_what_has_no_name_of_its_own_is_refused(path: Path) -> None:
    x = npg.zeros(1)
    with pytest.raises(ValueError, match=r"one name, \['a\.b'\]"):
        npg.io.save(path, {"a": {"b": x}, "a.b": x})
    with pytest.raises(ValueError, match="dict"):
        npg.io.save(path, x)
    assert not path.exists()
    npg.io.save(path, {"x": x})
    with pytest.raises(ValueError, match="dict"):
        npg.io.load(path, like=x)


def test_what_the_format_lacks_is_refused_before_anything_is_written(path: Path) -> None:
    with pytest.raises(DTypeError, match=r"complex128.*complex64"):
        npg.io.save(path, {"a": npg.zeros(1), "z": npg.array([1j])})
    with pytest.raises(TypeError, match=r"texts.*str\(\)"):
        npg.io.save(path, {"a": npg.zeros(1)}, metadata={"step": 3})  # type: ignore[dict-item]
    with pytest.raises(DTypeError, match="standard"):
        npg.io.save(path, {"a": "text"})
    assert not path.exists()


def test_half_precision_is_refused_or_converted_where_asked(device: str, path: Path) -> None:
    bits = np.array([0x3FC0, 0xC000, 0x7F80, 0x0001], dtype="<u2")  # 1.5, -2, inf, the least
    header = (
        b'{"b":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]},'
        b'"h":{"dtype":"F16","shape":[2],"data_offsets":[8,12]},'
        b'"i":{"dtype":"I16","shape":[1],"data_offsets":[12,14]}}'
    )
    half = np.array([0.5, -3.0], dtype="<f2")
    body = bits.tobytes() + half.tobytes() + np.array([4], dtype="<i2").tobytes()
    path.write_bytes(len(header).to_bytes(8, "little") + header + body)
    with pytest.raises(DTypeError, match=r"'b'.*bfloat16.*dtype='float32'"):
        npg.io.load(path)
    for dtype in ("float32", "float64"):
        found = npg.io.load(path, dtype=dtype)
        assert found["b"].tolist() == [[1.5, -2.0], [np.inf, 2.0**-133]]
        assert found["h"].tolist() == [0.5, -3.0]
        assert [str(found[name].dtype) for name in "bhi"] == [dtype, dtype, "int16"]
    with pytest.raises(DTypeError, match="real floating dtype, not to int32"):
        npg.io.load(path, dtype="int32")


def test_other_dtypes_of_the_format_are_refused(path: Path) -> None:
    header = b'{"x":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0")
    with pytest.raises(DTypeError, match=r"'x'.*F8_E4M3"):
        npg.io.load(path, dtype="float32")


def test_files_that_are_none_are_told(path: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        npg.io.load(path)
    path.write_bytes(b"this is a text, and no safetensors")
    for read in (npg.io.load, npg.io.metadata):
        with pytest.raises(ValueError, match="no safetensors file"):
            read(path)
    with pytest.raises(OSError, match="nowhere"):
        npg.io.save(tmp_path / "nowhere" / "x.safetensors", {"x": npg.zeros(1)})


def test_without_the_library_the_install_command_is_told(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(BackendError, match=r"pip install 'numpygrad\[safetensors\]'"):
        npg.io.save(path, {"x": npg.zeros(1)})
    with pytest.raises(BackendError, match="safetensors"):
        npg.io.load(path)


def test_pytorch_reads_and_writes_the_same_files(path: Path) -> None:
    torch = pytest.importorskip("torch", reason="a peer, not a dependency")
    from safetensors.torch import load_file, save_file

    npg.io.save(path, {"layers": [{"weight": npg.array([[1.0, 2.0], [3.0, 4.0]]).T}]})
    assert load_file(path)["layers.0.weight"].tolist() == [[1.0, 3.0], [2.0, 4.0]]
    save_file({"w": torch.tensor([1.5, -2.0], dtype=torch.bfloat16)}, path)
    assert npg.io.load(path, dtype="float32")["w"].tolist() == [1.5, -2.0]
