"""CuPy as a backend: the devices `"cuda:0"`, `"cuda:1"`, ..."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from numpygrad._backend import Backend, Namespace

Raw = Any


def _load() -> Namespace:
    import cupy

    from numpygrad.errors import BackendError

    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise BackendError(
            f"backend 'cupy' is installed but finds no CUDA device ({error}). Check `nvidia-smi`, "
            "or use the CPU: unset NUMPYGRAD_BACKEND or pass device='cpu'"
        ) from error
    if count == 0:
        raise BackendError("backend 'cupy' is installed but this machine has no CUDA device")

    import array_api_compat.cupy as library

    from numpygrad_cupy import _fft, _linalg
    from numpygrad_cupy._kernels import KERNELS

    extensions = {"linalg": _linalg.KERNELS, "fft": _fft.KERNELS}
    return Namespace(library, KERNELS, extensions=extensions)


def _resolve(specification: str) -> str | None:
    match = re.fullmatch(r"(?:cuda)?:?(\d*)", specification)
    return f"cuda:{match[1] or 0}" if match else None


def _raw_device(name: str) -> Any:
    import cupy

    from numpygrad.errors import DeviceError

    index = int(name.removeprefix("cuda:"))
    count = cupy.cuda.runtime.getDeviceCount()
    if index >= count:
        raise DeviceError(f"no device {name!r}: this machine has {count} CUDA device(s)")
    return cupy.cuda.Device(index)


def _is_raw(data: Any) -> bool:
    import cupy

    return isinstance(data, cupy.ndarray)


def _to_numpy(data: Raw) -> np.ndarray[Any, Any]:
    import cupy

    host: np.ndarray[Any, Any] = cupy.asnumpy(data)
    return host


def _accumulate(total: Raw, g: Raw, owned: bool) -> Raw:
    import cupy

    return cupy.add(total, g, out=total) if owned else total + g


def _add_at(buffer: Raw, key: Any, g: Raw) -> Raw:
    import cupy

    cupy.add.at(buffer, key, g)
    return buffer


backend = Backend(
    name="cupy",
    install=(
        "pip install 'numpygrad[cupy13]' (CUDA 13) or pip install 'numpygrad[cupy12]' (CUDA 12)"
    ),
    load=_load,
    resolve=_resolve,
    is_raw=_is_raw,
    raw_device=_raw_device,
    device_name=lambda data: f"cuda:{data.device.id}",
    to_numpy=_to_numpy,
    owned=lambda data: data.base is None,
    accumulate=_accumulate,
    add_at=_add_at,
)
