"""What a bug report needs: versions, backends and devices, threads, what is missing.

`python -m numpygrad` prints it. A backend that fails is a line of the report, never its end.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

import numpy as np

import numpygrad
from numpygrad._backend import (
    VARIABLE,
    Backend,
    backend_names,
    chosen_device,
    default_device,
    find_backend,
    find_device_of,
)
from numpygrad.errors import BackendError

OPTIONAL = {
    "scipy": ("numpygrad.scipy, numpygrad.optimize", "pip install 'numpygrad[scipy]'"),
    "matplotlib": ("plots of arrays", "pip install 'numpygrad[plot]'"),
    "safetensors": ("numpygrad.io", "pip install 'numpygrad[safetensors]'"),
    "tqdm": ("progress bars", "pip install tqdm"),
    "threadpoolctl": ("limits on threads", "pip install threadpoolctl"),
}
"""Packages that are used where they are installed: what for, and how to install them."""

GRAPHVIZ = (
    "drawings of graphs as pictures",
    "apt install graphviz, brew install graphviz or conda install graphviz",
)

THREAD_VARIABLES = ("NUMPYGRAD_NUM_THREADS", "OMP_NUM_THREADS")


def report() -> dict[str, Any]:
    """All of it, as what JSON can say."""
    return {
        "numpygrad": numpygrad.__version__,
        "array API": numpygrad.__array_api_version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "platform": platform.platform(),
        "numpy": np.__version__,
        "array-api-compat": _version("array-api-compat"),
        "backends": {name: _backend(name) for name in backend_names()},
        "default device": _default_device(),
        "threads": _threads(),
        "optional": dict(_optional()),
    }


def _attempt(ask: Callable[[], Any]) -> tuple[Any, str | None]:
    """What a question gives, or what its error says, on one line."""
    try:
        return ask(), None
    except Exception as error:  # whatever is broken is what the report is for
        told = " ".join(str(error).split()) or "no message"
        return None, told if isinstance(error, BackendError) else f"{type(error).__name__}: {told}"


def _version(distribution: str) -> str | None:
    """The version of an installed distribution, which is not imported."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _backend(name: str) -> dict[str, Any]:
    """One backend: whether it can be used, its version, its devices, or else why not."""
    backend, error = _attempt(lambda: find_backend(name))
    if backend is None:
        return {"installed": False, "error": error}
    _, error = _attempt(lambda: backend.xp)
    if error is not None:
        return {"installed": False, "error": error, "install": backend.install}
    devices, error = _attempt(lambda: _devices(backend))
    known = {
        "installed": True,
        "version": _attempt(lambda: _library_version(backend))[0],
        "devices": devices or [],
        "gpu": _attempt(lambda: _sees_gpu(backend, devices or []))[0],
    }
    return known if error is None else {**known, "error": error}


def _devices(backend: Backend) -> list[str]:
    return [str(find_device_of(backend, name)) for name in backend.specifications()]


def _sees_gpu(backend: Backend, devices: list[str]) -> bool | None:
    """Whether a GPU is among the devices; `None` of a backend that has none in any case."""
    if any("gpu" in name or "cuda" in name for name in devices):
        return True
    return None if backend.resolve("gpu") is None else False


def _library_version(backend: Backend) -> str | None:
    """The version of the library behind a backend's namespace."""
    name = backend.xp._library.__name__.removeprefix("array_api_compat.").partition(".")[0]
    version = getattr(sys.modules.get(name), "__version__", None)
    return None if version is None else str(version)


def _default_device() -> dict[str, Any]:
    """The default device, and who chose it."""
    given = os.environ.get(VARIABLE)
    if chosen_device() is not None:
        source = "set_default_device() or device()"
    else:
        source = f"{VARIABLE}={given}" if given else f"{VARIABLE} is not set"
    found, error = _attempt(default_device)
    if error is not None:
        return {"device": None, "from": source, "error": error}
    return {"device": str(found), "from": source}


def _threads() -> dict[str, Any]:
    """Cores, what the environment says of threads, the libraries that use them."""
    affinity = getattr(os, "sched_getaffinity", None)
    libraries, error = _attempt(_pools)
    return {
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        **{name: os.environ.get(name) for name in THREAD_VARIABLES},
        "blas": _attempt(_blas)[0],
        "libraries": libraries if error is None else [],
    }


def _pools() -> list[str]:
    """The thread pools that threadpoolctl sees, if it is installed."""
    if _version("threadpoolctl") is None:
        return []
    from threadpoolctl import threadpool_info

    return [
        f"{pool['internal_api']} {pool.get('version') or ''}: {pool['num_threads']}".replace(
            " :", ":"
        )
        for pool in threadpool_info()
    ]


def _blas() -> str:
    """The library of linear algebra that NumPy was built with."""
    found: Any = np.show_config(mode="dicts")
    blas = found["Build Dependencies"]["blas"]
    return f"{blas['name']} {blas['version']}"


def _optional() -> Iterator[tuple[str, dict[str, Any]]]:
    """What is used where it is installed."""
    import shutil

    for name, (use, install) in OPTIONAL.items():
        version = _version(name)
        yield (
            name,
            {
                "installed": version is not None,
                "version": version,
                "for": use,
                **({} if version else {"install": install}),
            },
        )
    dot, (use, install) = shutil.which("dot"), GRAPHVIZ
    found = {"installed": dot is not None, "version": None, "for": use}
    yield "graphviz", found if dot else {**found, "install": install}


def shown(found: dict[str, Any]) -> str:
    """A report as text, a line for each thing."""
    names = ("numpygrad", "array API", "python", "platform", "numpy", "array-api-compat")
    rows = [(name, str(found[name] or "not installed")) for name in names]
    default = found["default device"]
    device = default["device"] or f"none: {default['error']}"
    rows.append(("default device", f"{device} ({default['from']})"))
    threads = found["threads"]
    said = ", ".join(f"{n}={threads[n]}" for n in THREAD_VARIABLES if threads[n] is not None)
    rows.append(("threads", f"{threads['cores']} cores; {said or 'no limit in the environment'}"))
    rows.append(("BLAS", "; ".join([threads["blas"] or "unknown", *threads["libraries"]])))
    lines = [f"{name:<18}{text}" for name, text in rows]
    lines += ["", "backends", *_lines(found["backends"], _of_backend)]
    lines += ["", "optional", *_lines(found["optional"], _of_package)]
    return "\n".join(lines)


def _lines(items: dict[str, Any], described: Callable[[dict[str, Any]], str]) -> Iterator[str]:
    for name, item in items.items():
        yield f"  {name:<16}{described(item)}"


def _of_backend(item: dict[str, Any]) -> str:
    if not item["installed"]:
        error, install = item["error"], item.get("install")
        told = install is None or install in error
        return f"no: {error}" if told else f"no: {error}. Installed by: {install}"
    parts = [item["version"] or "version unknown", ", ".join(item["devices"]) or "no device"]
    if item["gpu"] is False:
        parts.append("sees no GPU")
    return "; ".join([*parts, item["error"]] if "error" in item else parts)


def _of_package(item: dict[str, Any]) -> str:
    if not item["installed"]:
        return f"no, for {item['for']}: {item['install']}"
    return f"{item['version'] or 'yes'}, for {item['for']}"
