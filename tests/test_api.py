"""Names, parameters, kinds and defaults, against the standard's own data."""

from __future__ import annotations

import inspect
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numpygrad as npg

ROOT = Path(__file__).parent.parent
PATHS = [
    ROOT / "conformance" / "array_api_2025_12.json",
    ROOT.parent / "shared" / "data" / "array_api_2025_12.json",
]
FOUND = [path for path in PATHS if path.exists()]
if not FOUND:
    pytest.skip("the standard's data is not here", allow_module_level=True)
STANDARD = json.loads(FOUND[0].read_text())

KINDS = {
    "pos_only": inspect.Parameter.POSITIONAL_ONLY,
    "pos_or_kw": inspect.Parameter.POSITIONAL_OR_KEYWORD,
    "var_pos": inspect.Parameter.VAR_POSITIONAL,
    "kw_only": inspect.Parameter.KEYWORD_ONLY,
    "var_kw": inspect.Parameter.VAR_KEYWORD,
}

PAGES_TO_COME = {page for page in ("linalg", "fft") if not hasattr(npg, page)}
"""Extensions of the standard that are not written yet: all of a page is there, or nothing."""

EXTRA_KEYWORDS = {"requires_grad"}
"""What numpygrad's functions take beside the standard's parameters."""


def function_named(entry: dict[str, Any]) -> Any:
    """The function, or `None` if it is not there yet."""
    namespace = getattr(npg, entry["extension"], None) if entry["extension"] else npg
    return getattr(namespace, entry["name"], None)


def filter_existing(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries whose function is there."""
    return [entry for entry in entries if function_named(entry) is not None]


def name_of(entry: dict[str, Any]) -> str:
    """`linalg.det`, `sin`."""
    return f"{entry['extension']}.{entry['name']}".lstrip(".")


def default_of(parameter: dict[str, Any]) -> Any:
    """The default in the data, `inspect.Parameter.empty` for none."""
    return parameter.get("default", inspect.Parameter.empty)


def assert_signature(function: Any, entry: dict[str, Any]) -> None:
    """Names, order, kinds and defaults are the standard's; only optional keywords come on top."""
    found = list(inspect.signature(function).parameters.values())
    wanted = entry["params"]
    extra = found[len(wanted) :]
    assert {p.name for p in extra} <= EXTRA_KEYWORDS, "parameters the standard does not have"
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in extra)
    assert [p.name for p in found[: len(wanted)]] == [p["name"] for p in wanted]
    for mine, parameter in zip(found, wanted, strict=False):
        kind = KINDS[parameter["kind"]]
        wider = mine.kind is mine.POSITIONAL_OR_KEYWORD and kind is mine.POSITIONAL_ONLY
        assert mine.kind is kind or wider, f"{mine.name}: {mine.kind.name}"
        assert mine.default == default_of(parameter), f"{mine.name}={mine.default!r}"


@pytest.mark.parametrize("entry", STANDARD["functions"], ids=name_of)
def test_every_function_has_the_standards_signature(entry: dict[str, Any]) -> None:
    function = function_named(entry)
    if entry["extension"] in PAGES_TO_COME:
        pytest.skip(f"the page {entry['category']} is not written yet")
    assert function is not None, "missing"
    assert_signature(function, entry)


@pytest.mark.parametrize("entry", filter_existing(STANDARD["functions"]), ids=name_of)
def test_every_function_has_a_docstring_and_annotations(entry: dict[str, Any]) -> None:
    function = function_named(entry)
    first = (inspect.getdoc(function) or "").split("\n")[0]
    assert first.strip()
    signature = inspect.signature(function)
    assert signature.return_annotation is not signature.empty
    assert all(p.annotation is not p.empty for p in signature.parameters.values())


def test_the_data_has_all_functions() -> None:
    assert len(STANDARD["functions"]) == STANDARD["counts"]["functions"] == 175
    missing = {f["extension"] for f in STANDARD["functions"] if function_named(f) is None}
    assert missing <= PAGES_TO_COME


@pytest.mark.parametrize("extension", ["linalg", "fft"])
def test_what_an_extension_exports_is_the_standards(extension: str) -> None:
    if extension in PAGES_TO_COME:
        pytest.skip("the extension is not written yet")
    wanted = {f["name"] for f in STANDARD["functions"] if f["extension"] == extension}
    module = getattr(npg, extension)
    functions = {name for name in wanted if inspect.isfunction(getattr(module, name, None))}
    assert functions == wanted


@pytest.mark.parametrize("entry", STANDARD["array_methods"], ids=lambda e: e["name"])
def test_every_method_of_the_standards_array_has_its_signature(entry: dict[str, Any]) -> None:
    method = getattr(npg.Array, entry["name"], None)
    assert method is not None, "missing"
    found = list(inspect.signature(method).parameters.values())
    wanted = entry["params"]
    assert len(found) >= len(wanted)
    for mine, parameter in zip(found, wanted, strict=False):
        if KINDS[parameter["kind"]] is not mine.POSITIONAL_ONLY:
            assert mine.name == parameter["name"]
            assert mine.kind is KINDS[parameter["kind"]]
        else:
            assert mine.kind in (mine.POSITIONAL_ONLY, mine.POSITIONAL_OR_KEYWORD)
        assert mine.default == default_of(parameter)
    assert all(p.default is not p.empty for p in found[len(wanted) :])


@pytest.mark.parametrize(
    "name", STANDARD["array_inplace_operators"] + STANDARD["array_reflected_operators"]
)
def test_every_in_place_and_reflected_operator_is_there(name: str) -> None:
    assert callable(getattr(npg.Array, name))
    assert list(inspect.signature(getattr(npg.Array, name)).parameters) == ["self", "other"]


@pytest.mark.parametrize("entry", STANDARD["array_attributes"], ids=lambda e: e["name"])
def test_every_attribute_of_the_standards_array_is_a_property(entry: dict[str, Any]) -> None:
    found = getattr(npg.Array, entry["name"])
    assert isinstance(found, property)
    assert found.__doc__


SHARED = sorted(
    name
    for name, method in vars(npg.Array).items()
    if inspect.isfunction(method)
    and not name.startswith("_")
    and inspect.isfunction(getattr(npg, name, None))
    and name not in {"sort", "round", "reshape", "squeeze", "transpose"}
)
"""Methods that are their namespace's function. Those left out follow NumPy's method instead."""


@pytest.mark.parametrize("name", SHARED)
def test_a_methods_parameters_are_those_of_its_function(name: str) -> None:
    function = list(inspect.signature(getattr(npg, name)).parameters.values())[1:]
    method = list(inspect.signature(getattr(npg.Array, name)).parameters.values())[1:]
    of_function = {p.name: p.default for p in function}
    of_method = {p.name: p.default for p in method if p.name != "ddof"}
    assert of_method.items() <= of_function.items()
    missing = set(of_function) - set(of_method)
    assert missing <= {"dtype", "include_initial"}
    keyword_only = {p.name for p in method if p.kind is p.KEYWORD_ONLY}
    assert keyword_only <= {p.name for p in function if p.kind is p.KEYWORD_ONLY} | {"ddof"}


def test_the_list_of_shared_methods_is_not_empty() -> None:
    assert {"sum", "mean", "exp", "clip", "astype", "repeat", "cumsum"} <= set(SHARED)


def test_every_name_of_the_namespace_is_exported_on_purpose() -> None:
    modules = {name for name, value in vars(npg).items() if inspect.ismodule(value)}
    public = {name for name in modules if not name.startswith("_")}
    assert public <= {
        "errors",
        "ops",
        "typing",
        "linalg",
        "fft",
        "scipy",
        "io",
        "optimize",
        "random",
        "testing",
        "annotations",
    }


# Constants, dtypes, inspection


@pytest.mark.parametrize("entry", STANDARD["constants"], ids=lambda e: e["name"])
def test_constants(entry: dict[str, Any]) -> None:
    found = getattr(npg, entry["name"])
    if entry["value"] is None:
        assert found is None
    else:
        assert type(found) is float
        wanted = float(entry["value"])
        assert found == wanted or (math.isnan(found) and math.isnan(wanted))


@pytest.mark.parametrize("entry", STANDARD["dtypes"], ids=lambda e: e["name"])
def test_dtypes_are_numpys_own_names(entry: dict[str, Any]) -> None:
    dtype = getattr(npg, entry["name"])
    x = npg.zeros(2, dtype=dtype)
    assert dtype is getattr(np, entry["name"])
    assert isinstance(x.dtype, np.dtype)
    assert x.dtype == dtype == x.dtype == entry["name"]
    assert x.astype(dtype).dtype == dtype
    others = [getattr(npg, e["name"]) for e in STANDARD["dtypes"] if e is not entry]
    assert dtype not in others
    assert x.dtype not in others
    assert dtype is not None


@pytest.mark.parametrize("entry", STANDARD["dtypes"], ids=lambda e: e["name"])
def test_no_dtype_equals_none(entry: dict[str, Any]) -> None:
    assert (None == getattr(npg, entry["name"])) is False  # noqa: E711, SIM300 (`==` is what is tested)
    assert (getattr(npg, entry["name"]) == None) is False  # noqa: E711 (the same)


def test_none_is_no_dtype() -> None:
    for function in (npg.finfo, npg.result_type, lambda d: npg.isdtype(d, "numeric")):
        with pytest.raises(npg.errors.DTypeError, match="None"):
            function(None)


@pytest.mark.parametrize("name", STANDARD["module_attributes"])
def test_attributes_of_the_module(name: str) -> None:
    if name in PAGES_TO_COME:
        pytest.skip("the extension is not written yet")
    assert hasattr(npg, name)


def test_the_version_of_the_standard() -> None:
    assert npg.__array_api_version__ == STANDARD["spec"]
    assert isinstance(npg.__version__, str)


@pytest.mark.parametrize("entry", STANDARD["info"], ids=lambda e: e["name"])
def test_the_inspection_object_has_the_standards_methods(entry: dict[str, Any]) -> None:
    method = getattr(npg.__array_namespace_info__(), entry["name"])
    assert_signature(method, entry)


def test_the_inspection_object_tells_the_truth(device: str) -> None:
    info = npg.__array_namespace_info__()
    assert info.default_device() == npg.default_device()
    assert npg.default_device() in info.devices()
    assert type(info.devices()) is tuple
    capabilities = info.capabilities()
    assert set(capabilities) == {"boolean indexing", "data-dependent shapes", "max dimensions"}
    defaults = info.default_dtypes(device=info.default_device())
    assert defaults["real floating"] == npg.zeros(1).dtype
    assert defaults["integral"] == npg.arange(1).dtype
    assert defaults["complex floating"] == npg.asarray(1j).dtype
    assert defaults["indexing"] == npg.argmax(npg.zeros(1)).dtype
    names = {d["name"] for d in STANDARD["dtypes"]}
    assert set(info.dtypes()) == names
    assert set(info.dtypes(kind="real floating")) == {"float32", "float64"}
    assert set(info.dtypes(kind=("bool", "complex floating"))) == {
        *("bool", "complex64", "complex128")
    }
    assert set(info.dtypes(kind="integral")) == {n for n in names if "int" in n}
    assert set(info.dtypes(kind="numeric")) == names - {"bool"}
    assert info.dtypes(kind=()) == {}
    for wrong in ("float64", ("bool", "real")):
        with pytest.raises(ValueError, match="a kind is one of"):
            info.dtypes(kind=wrong)
    with pytest.raises(npg.errors.DeviceError, match="nowhere"):
        info.dtypes(device="nowhere")
    with pytest.raises(npg.errors.DeviceError, match="nowhere"):
        info.default_dtypes(device="nowhere")
    for name, dtype in info.dtypes(device=info.default_device()).items():
        assert npg.zeros(1, dtype=dtype).dtype == name


def test_the_capabilities_it_promises_are_there(device: str) -> None:
    capabilities = npg.__array_namespace_info__().capabilities()
    most = capabilities["max dimensions"]
    x = npg.zeros((1,) * most)
    assert (x + 1).ndim == most
    assert x.numpy().ndim == most
    with pytest.raises(ValueError, match="dim"):
        npg.zeros((1,) * (most + 1)).numpy()
    values = npg.asarray([3.0, 1.0, 3.0])
    assert capabilities["boolean indexing"] is (values[values > 2].shape == (2,))
    assert capabilities["data-dependent shapes"] is (npg.unique_values(values).shape == (2,))


@pytest.mark.parametrize("version", [None, "2021.12", "2024.12", "2025.12"])
def test_array_namespace_gives_numpygrad(device: str, version: str | None) -> None:
    assert npg.zeros(1).__array_namespace__(api_version=version) is npg


def test_array_api_compat_finds_numpygrad() -> None:
    compat = pytest.importorskip("array_api_compat")
    x = npg.zeros(2)
    assert compat.is_array_api_obj(x)
    assert compat.array_namespace(x) is npg
    assert compat.device(x) == "cpu"
    assert compat.size(x) == 2


def test_every_public_name_of_the_package_pickles() -> None:
    import pickle

    for function in (npg.sin, npg.matmul, npg.Array, npg.grad, npg.no_grad, npg.float32):
        assert pickle.loads(pickle.dumps(function)) is function


def test_numpys_integers_are_axes_shapes_and_shifts(device: str) -> None:
    x, one = npg.asarray([[1.0, 2.0], [3.0, 4.0]]), np.int64(1)
    assert npg.sum(x, axis=one).tolist() == [3.0, 7.0]
    assert npg.flip(x, axis=one).tolist() == [[2.0, 1.0], [4.0, 3.0]]
    assert npg.roll(x, one, axis=one).tolist() == [[2.0, 1.0], [4.0, 3.0]]
    assert npg.reshape(x, np.int64(4)).shape == (4,)
    assert npg.expand_dims(x, one).shape == (2, 1, 2)
    assert npg.repeat(x, one, axis=one).shape == (2, 2)
    assert npg.arange(np.int64(3)).dtype == npg.int64
    assert npg.arange(np.float64(3)).dtype == npg.float64


def test_full_and_linspace_of_arrays_give_leaves_where_asked(device: str) -> None:
    value = npg.array(2.0, requires_grad=True)
    for x in (npg.full((2,), value, requires_grad=True), npg.linspace(0.0, value, 2)):
        assert x.requires_grad
    assert npg.full((2,), value, requires_grad=True).is_leaf
    assert npg.linspace(0.0, value, 2, requires_grad=True).is_leaf
    assert not npg.full((2,), value).is_leaf


def test_result_type_takes_numpys_scalars_at_their_word() -> None:
    x = npg.zeros(1, dtype="float32")
    assert npg.result_type(x, 1.0) == npg.float32
    assert npg.result_type(x, np.float64(1.0)) == npg.float64
    assert npg.result_type(np.zeros(1, dtype="int8"), npg.int16) == npg.int16
    assert npg.result_type(npg.int8, 1, 1j) == npg.complex128
    with pytest.raises(ValueError, match="at least one"):
        npg.result_type(1, 2.0)


def test_expand_dims_takes_several_axes(device: str) -> None:
    x = npg.zeros((2, 3))
    assert npg.expand_dims(x, (0, 2)).shape == (1, 2, 1, 3)
    assert npg.expand_dims(x, axis=(-1, 0)).shape == (1, 2, 3, 1)
    with pytest.raises((ValueError, IndexError)):
        npg.expand_dims(x, (0, 0))
