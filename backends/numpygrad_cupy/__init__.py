"""CuPy as a backend: the devices `"cuda:0"`, `"cuda:1"`, ..."""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np

from numpygrad._backend import Backend, Extension, Namespace, RandomSource
from numpygrad._lazy.program import Program, Runner

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

    from numpygrad_cupy import _fft, _linalg, _scipy_linalg, _special
    from numpygrad_cupy._kernels import COMPLEX_KERNELS, KERNELS

    extensions: dict[str, Extension] = {
        "linalg": _linalg.KERNELS,
        "fft": _fft.KERNELS,
        "scipy.special": _special.load,
        "scipy.linalg": _scipy_linalg.load,
    }
    return Namespace(library, KERNELS, complex_kernels=COMPLEX_KERNELS, extensions=extensions)


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
    cupy = sys.modules.get("cupy")
    return cupy is not None and isinstance(data, cupy.ndarray)


def _to_numpy(data: Raw) -> np.ndarray[Any, Any]:
    import cupy

    host: np.ndarray[Any, Any] = cupy.asnumpy(data)
    return host


def _specifications() -> list[str]:
    import cupy

    return [f"cuda:{index}" for index in range(cupy.cuda.runtime.getDeviceCount())]


def _to_dlpack(
    data: Raw, *, stream: Any, max_version: Any, dl_device: Any, copy: bool | None
) -> Any:
    """CuPy copies to the host, but refuses to copy to where the array already is."""
    to_host = dl_device is not None and int(dl_device[0]) == 1
    if copy and not to_host:
        data, copy = data.copy(), None
    return data.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)


def _accumulate(total: Raw, g: Raw, owned: bool) -> Raw:
    import cupy

    return cupy.add(total, g, out=total) if owned else total + g


def _add_at(buffer: Raw, key: Any, g: Raw) -> Raw:
    import cupy

    cupy.add.at(buffer, key, g)
    return buffer


def _random_source(seeds: np.random.SeedSequence, device: Any) -> RandomSource:
    from numpygrad_cupy._random import DeviceSource

    return DeviceSource(seeds, device)


def _execute(program: Program) -> Runner:
    from numpygrad_cupy._programs.executor import execute

    return execute(program)


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
    specifications=_specifications,
    to_numpy=_to_numpy,
    to_dlpack=_to_dlpack,
    owned=lambda data: data.base is None,
    accumulate=_accumulate,
    add_at=_add_at,
    random_source=_random_source,
    executor=_execute,
)
