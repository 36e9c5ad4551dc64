"""The libraries compared, each imported when a contestant asks for it and set up for a fair run.

A library that is not installed raises `ModuleNotFoundError`, upon which its contestant is left out.
The modules are `Any`: the benchmarks are type checked where no peer is installed.
"""

import warnings
from functools import cache, partial
from importlib import import_module
from typing import Any


class UnableError(Exception):
    """An installed library that cannot do here what it is asked; says why in a few words."""


@cache
def numpygrad() -> Any:
    """Our own library, as a user imports it."""
    return import_module("numpygrad")


@cache
def torch() -> Any:
    """PyTorch on one thread."""
    module = import_module("torch")
    module.set_num_threads(1)
    return module


@cache
def torch_compile() -> Any:
    """PyTorch's compiler for fixed shapes, which compiles in this process.

    Raises
    ------
    UnableError
        Where it finds no C++ compiler.
    """
    module = torch()
    module._inductor.config.compile_threads = 1
    # It says of each of the functions here that it traces through their caches.
    warnings.filterwarnings("ignore", "Dynamo detected a call to a `functools.lru_cache`")
    compiled = partial(module.compile, dynamic=False)
    try:
        compiled(module.exp)(module.zeros(2))
    except module._dynamo.exc.BackendCompilerFailed as error:
        raise UnableError("no C++ compiler") from error
    return compiled


@cache
def jax() -> Any:
    """JAX with 64-bit types, which the float64 workloads need; float32 arrays stay float32."""
    module = import_module("jax")
    module.config.update("jax_enable_x64", True)
    return module


@cache
def autograd() -> Any:
    """HIPS autograd, with the submodules that the contestants use."""
    module = import_module("autograd")
    for name in ("autograd.numpy", "autograd.core", "autograd.tracer"):
        import_module(name)
    return module


@cache
def mygrad() -> Any:
    """MyGrad without memory guarding, as its documentation advises where speed counts."""
    module = import_module("mygrad")
    import_module("mygrad.nnet")
    module.turn_memory_guarding_off()
    return module
