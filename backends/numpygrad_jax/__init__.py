"""JAX as a backend: the devices `"jax:cpu:0"`, `"jax:gpu:0"`, `"jax:tpu:0"`, ...

JAX computes in 32 bits unless its process-wide switch is set. numpygrad computes in 64 and leaves
the switch alone: every kernel runs inside `jax.enable_x64(True)`, which is local to the thread.
"""

from __future__ import annotations

import re
import sys
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from numpygrad._backend import Backend, Extension, Namespace, RandomSource
from numpygrad._lazy.program import Program, Runner

Raw = Any


def _load() -> Namespace:
    import jax

    from numpygrad_jax import _fft, _linalg, _scipy_linalg, _special
    from numpygrad_jax._kernels import COMPLEX_KERNELS, KERNELS, in_64_bits, register

    register()
    extensions: dict[str, Extension] = {
        "linalg": _linalg.KERNELS,
        "fft": _fft.KERNELS,
        "scipy.special": _special.load,
        "scipy.linalg": _scipy_linalg.load,
    }
    return Namespace(
        jax.numpy,
        KERNELS,
        complex_kernels=COMPLEX_KERNELS,
        extensions=extensions,
        wrap=in_64_bits,
    )


def _resolve(specification: str) -> str | None:
    if specification == "":
        import jax

        specification = jax.default_backend()
    match = re.fullmatch(r"(cpu|gpu|tpu)(?::(\d+))?", specification)
    return f"jax:{match[1]}:{match[2] or 0}" if match else None


def _raw_device(name: str) -> Any:
    import jax

    from numpygrad.errors import DeviceError

    _, platform, index = name.split(":")
    try:
        return jax.devices(platform)[int(index)]
    except (RuntimeError, IndexError) as error:
        raise DeviceError(
            f"JAX has no device {platform}:{index} here; it has {[str(d) for d in jax.devices()]}"
        ) from error


def _device_name(data: Raw) -> str:
    import jax

    if isinstance(data, jax.core.Tracer):
        return str(_resolve(""))
    (device,) = data.devices()
    return f"jax:{device.platform}:{device.id}"


def _is_raw(data: Any) -> bool:
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(data, jax.Array)


def _assign(data: Raw, key: Any, value: Raw) -> Raw:
    from numpygrad_jax._blocks import write

    with _scope():
        return write(data, key, value)


def _specifications() -> list[str]:
    import jax

    platforms = dict.fromkeys((jax.default_backend(), "cpu"))
    return [f"{p}:{index}" for p in platforms for index in range(len(jax.devices(p)))]


def _to_dlpack(data: Raw, *, max_version: Any, **options: Any) -> Any:
    """A capsule of the oldest kind is all JAX makes, but it refuses to be asked for one by name."""
    if max_version is not None and max_version < (0, 5):
        max_version = None
    return data.__dlpack__(max_version=max_version, **options)


def _scope() -> AbstractContextManager[Any]:
    import jax

    context: AbstractContextManager[Any] = jax.enable_x64(True)
    return context


def _random_source(seeds: np.random.SeedSequence, device: Any) -> RandomSource:
    from numpygrad_jax._random import KeySource

    return KeySource(seeds, device)


def _execute(program: Program) -> Runner:
    from numpygrad_jax._executor import execute

    return execute(program)


def _host_call(function: Any, avals: Any, arrays: Any) -> Any:
    from numpygrad_jax._kernels import host_call

    return host_call(function, avals, arrays)


backend = Backend(
    name="jax",
    install="pip install 'numpygrad[jax]'",
    load=_load,
    resolve=_resolve,
    is_raw=_is_raw,
    raw_device=_raw_device,
    device_name=_device_name,
    specifications=_specifications,
    to_numpy=lambda data: np.array(data),
    to_dlpack=_to_dlpack,
    assign=_assign,
    mutable=False,
    owned=lambda data: True,
    scope=_scope,
    executor=_execute,
    host_call=_host_call,
    random_source=_random_source,
)
