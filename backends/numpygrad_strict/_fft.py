"""Kernels for Fourier transforms where array-api-strict differs from the standard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_strict as library

Raw = Any


def _of_complex(name: str) -> Callable[..., Raw]:
    """The library's transform of complex arrays; real ones, which it refuses, are converted."""
    transform = getattr(library.fft, name)

    def kernel(x: Raw, **options: Any) -> Raw:
        if not library.isdtype(x.dtype, "complex floating"):
            x = library.astype(x, library.result_type(x.dtype, library.complex64))
        return transform(x, **options)

    return kernel


KERNELS: dict[str, Callable[..., Any]] = {
    name: _of_complex(name) for name in ("fft", "ifft", "fftn", "ifftn", "irfft", "irfftn", "hfft")
}
