"""array-api-strict as a backend: what runs here uses the standard and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpygrad._backend import Backend, Extension, Namespace
from numpygrad._dtypes import DType

Raw = Any

NAMES = {"cpu": "CPU_DEVICE", "device1": "device1", "device2": "device2"}


def _load() -> Namespace:
    import array_api_strict

    from numpygrad_strict import _fft, _linalg, _scipy_linalg, _sets, _special
    from numpygrad_strict._kernels import COMPLEX_KERNELS, KERNELS

    extensions: dict[str, Extension] = {
        "linalg": _linalg.KERNELS,
        "fft": _fft.KERNELS,
        "scipy.special": _special.load,
        "scipy.linalg": _scipy_linalg.load,
    }
    kernels = KERNELS | _sets.KERNELS
    return Namespace(
        array_api_strict, kernels, complex_kernels=COMPLEX_KERNELS, extensions=extensions
    )


def _resolve(specification: str) -> str | None:
    name = specification or "cpu"
    return f"strict:{name}" if name in NAMES else None


def _raw_device(name: str) -> Any:
    import array_api_strict

    return array_api_strict.Device(NAMES[name.removeprefix("strict:")])


def _device_name(data: Raw) -> str:
    names = {raw: name for name, raw in NAMES.items()}
    return f"strict:{names[data.device._device]}"


def _raw_dtype(dtype: DType) -> Any:
    import array_api_strict

    return getattr(array_api_strict, dtype.name)


def _is_raw(data: Any) -> bool:
    return type(data).__module__.startswith("array_api_strict")


def _to_numpy(data: Raw) -> np.ndarray[Any, Any]:
    return np.asarray(np.from_dlpack(data.to_device(_raw_device("strict:cpu"))))


def _assign(data: Raw, key: Any, value: Raw) -> Raw:
    return backend.xp.put(data, value, key=key)


backend = Backend(
    name="strict",
    install="pip install array-api-strict",
    load=_load,
    resolve=_resolve,
    is_raw=_is_raw,
    raw_device=_raw_device,
    device_name=_device_name,
    specifications=lambda: tuple(NAMES),
    raw_dtype=_raw_dtype,
    to_numpy=_to_numpy,
    assign=_assign,
    mutable=False,
    scope=lambda: np.errstate(all="ignore"),
)
