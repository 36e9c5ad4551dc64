"""Parameters in files: nested arrays as safetensors, which PyTorch and JAX programs read and write.

Needs `safetensors`, of the extra by that name. NumPy's own files need nothing: `numpy.save` takes
`x.detach()` or an untracked Array, and `npg.array(numpy.load(path))` is it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from numpygrad._array import Array
from numpygrad._backend import find_device
from numpygrad._dtypes import STANDARD, as_dtype, is_kind
from numpygrad._tree import Tree, leaves_of, names_of, rebuilt
from numpygrad.errors import BackendError, DTypeError, ShapeError
from numpygrad.ops.creation import array, asarray
from numpygrad.typing import DTypeLike, Shape

_HALF = {"F16": "float16", "BF16": "bfloat16"}
"""Floating dtypes of files that the array API standard lacks, but whose values float32 holds."""


def save(
    path: str | os.PathLike[str], tree: Tree, *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write the arrays of a nested structure to one safetensors file.

    Names are the keys, indices and fields on the way to an array, joined by dots, as in PyTorch's
    state dicts: `{"layers": [{"weight": w}]}` has `layers.0.weight`. Values and dtypes are kept;
    history, `requires_grad`, labels and the device are not. Arrays that share memory are each
    written whole.

    Parameters
    ----------
    path
        Where to; a file that is there is replaced once all is written.
    tree
        Nested dicts, lists, tuples and dataclasses of arrays.
    metadata
        Texts to keep in the file, as `metadata` gives back.

    Raises
    ------
    BackendError
        If `safetensors` is not installed.
    DTypeError
        If the format lacks a dtype: complex128.
    ValueError
        If two arrays have one name, or one is not in a structure and has none.

    Examples
    --------
    >>> import numpygrad as npg, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "line.safetensors")
    >>> model = {"slope": npg.array([2.0], requires_grad=True), "offsets": [npg.array(1.0)]}
    >>> npg.io.save(path, model, metadata={"step": "100"})
    >>> npg.io.load(path)
    {'offsets.0': Array(1.), 'slope': Array([2.])}
    >>> npg.io.load(path, like=model)
    {'slope': Array([2.], requires_grad=True), 'offsets': [Array(1.)]}
    """
    library = _safetensors()
    names = names_of(tree)
    _require_names("save", names)
    for key, text in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise TypeError(f"metadata is of texts by text, not {key!r}: {text!r}; use str()")
    values = dict(zip(names, map(_host_values, names, leaves_of(tree)), strict=True))
    try:
        library.numpy.save_file(values, os.fspath(path), metadata=dict(metadata or {}) or None)
    except library.SafetensorError as error:
        raise OSError(f"save() to {os.fspath(path)!r}: {error}") from error


def load(
    path: str | os.PathLike[str],
    *,
    like: Tree = None,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool | None = None,
) -> Tree:
    """The arrays of a safetensors file: nested as `like`, or else in one dict by name.

    Parameters
    ----------
    path
        The file, of `save` or of any other program.
    like
        A structure of arrays with the names and shapes that are in the file. The result is nested
        so, each array with the device and `requires_grad` of the one in its place.
    dtype
        What real floating arrays are converted to, float16 and bfloat16 among them, which are
        refused otherwise; others stay.
    device, requires_grad
        Of all arrays; the latter only of floating ones.

    Raises
    ------
    BackendError
        If `safetensors` is not installed.
    DTypeError
        If the standard lacks a dtype of the file, or `like` has another one; `dtype` converts.
    ShapeError
        If an array of `like` has another shape.
    ValueError
        If it is no such file, or the names in it are not those of `like`.
    """
    wanted = None if dtype is None else as_dtype(dtype)
    if wanted is not None and not is_kind(wanted, "real floating"):
        raise DTypeError(f"load() converts to a real floating dtype, not to {wanted}")
    found = dict(_read(path, wanted))
    if like is None:
        return {name: _made(values, device, bool(requires_grad)) for name, values in found.items()}
    names = names_of(like)
    _require_names("load", names)
    missing, unknown = set(names) - set(found), set(found) - set(names)
    if missing or unknown:
        raise ValueError(
            f"load() of {os.fspath(path)!r}: like= has {sorted(missing)}, which the file lacks, "
            f"and the file {sorted(unknown)}, which like= lacks"
        )
    leaves = []
    for name, leaf in zip(names, map(asarray, leaves_of(like)), strict=True):
        values = found[name]
        _require_like(name, leaf.shape, str(leaf.dtype), values)
        tracked = leaf.requires_grad if requires_grad is None else requires_grad
        leaves.append(_made(values, device or leaf.device, tracked))
    return rebuilt(like, leaves)


def metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The texts that are kept in a safetensors file."""
    with _opened(path) as file:
        return dict(file.metadata() or {})


def _safetensors() -> Any:
    """The library; `BackendError` with the command that installs it."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise BackendError(
            f"numpygrad.io needs safetensors ({error}). Install it with: "
            "pip install 'numpygrad[safetensors]'"
        ) from error
    return safetensors


def _opened(path: str | os.PathLike[str]) -> Any:
    library = _safetensors()
    try:
        return library.safe_open(os.fspath(path), framework="np")
    except library.SafetensorError as error:
        raise ValueError(f"{os.fspath(path)!r} is no safetensors file ({error})") from error


def _require_names(what: str, names: list[str]) -> None:
    """`ValueError` if an array has no name of its own."""
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{what}(): two arrays have one name, {repeated}; rename a key")
    if "" in names:
        raise ValueError(f"{what}() takes arrays by name; put it in a dict, as in {{'x': x}}")


def _host_values(name: str, leaf: Any) -> np.ndarray[Any, Any]:
    """The values of a leaf in row-major order and native bytes, as all that the library writes."""
    values = leaf.numpy() if isinstance(leaf, Array) else asarray(leaf, device="numpy:cpu").numpy()
    if values.dtype == np.complex128:
        raise DTypeError(
            f"save() of {name!r}: safetensors has no complex128; convert it with "
            "astype('complex64'), or save its real and imaginary parts"
        )
    return np.array(values, order="C")


def _read(
    path: str | os.PathLike[str], wanted: np.dtype[Any] | None
) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Names and values; floating values in the dtype `wanted`."""
    with _opened(path) as file:
        for name in sorted(file.keys()):
            kind = file.get_slice(name).get_dtype()
            if kind in _HALF and wanted is None:
                raise DTypeError(
                    f"load() of {name!r}: the array API standard has no {_HALF[kind]}; pass "
                    "dtype='float32' to convert it"
                )
            values = _bfloat16(path, name) if kind == "BF16" else _values(file, name, kind)
            is_real = values.dtype.kind == "f"
            yield name, values.astype(wanted) if is_real and wanted is not None else values


def _values(file: Any, name: str, kind: str) -> np.ndarray[Any, Any]:
    try:
        values: np.ndarray[Any, Any] = file.get_tensor(name)
    except (AttributeError, TypeError) as error:
        raise DTypeError(f"load() of {name!r}: the standard has no dtype {kind}") from error
    if values.dtype not in STANDARD and kind not in _HALF:
        raise DTypeError(f"load() of {name!r}: the standard has no dtype {kind}")
    return values


def _bfloat16(path: str | os.PathLike[str], name: str) -> np.ndarray[Any, Any]:
    """Values that NumPy has no dtype for, as float32: the first half of its bytes."""
    tensors = dict(_safetensors().deserialize(Path(path).read_bytes()))
    halves = np.frombuffer(tensors[name]["data"], dtype="<u2").astype(np.uint32)
    return (halves << 16).view(np.float32).reshape(tensors[name]["shape"])


def _require_like(name: str, shape: Shape, dtype: str, values: np.ndarray[Any, Any]) -> None:
    if values.shape != shape:
        raise ShapeError(f"load() of {name!r}: shape {values.shape} in the file, {shape} in like=")
    if values.dtype != dtype:
        raise DTypeError(
            f"load() of {name!r}: {values.dtype} in the file, {dtype} in like=; pass dtype= to "
            "convert floating arrays, or load without like="
        )


def _made(values: np.ndarray[Any, Any], device: str | None, requires_grad: bool) -> Array:
    tracked = requires_grad and values.dtype.kind in "fc"
    return array(values, device=find_device(device), requires_grad=tracked)
