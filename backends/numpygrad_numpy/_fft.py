"""NumPy's kernels for Fourier transforms where the library's differ from the standard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Raw = Any

NAMES = ("fft", "ifft", "fftn", "ifftn", "rfft", "irfft", "rfftn", "irfftn", "hfft", "ihfft")

KERNELS: dict[str, Callable[..., Any]] = {name: getattr(np.fft, name) for name in NAMES}
"""NumPy's own: they keep single precision, which array-api-compat's wrappers see to again."""
