"""JAX's kernels for Fourier transforms where the library's differ from the standard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Raw = Any

KERNELS: dict[str, Callable[..., Any]] = {
    name: jax.jit(getattr(jnp.fft, name), static_argnames=parameters)
    for names, parameters in (
        (("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"), ("n", "axis", "norm")),
        (("fftn", "ifftn", "rfftn", "irfftn"), ("s", "axes", "norm")),
    )
    for name in names
}
"""Compiled: given the number of points, the library's cut and pad even where that changes nothing,
which takes `fftn` of a million numbers 1.7 times as long."""
