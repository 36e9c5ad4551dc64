"""The rules of all kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpygrad._batching import (
    elementwise,
    fourier,
    indexing,
    joint,
    linear_algebra,
    manipulation,
    reductions,
)

RULES: dict[str, Callable[..., Any]] = {
    **elementwise.RULES,
    **reductions.RULES,
    **manipulation.RULES,
    **indexing.RULES,
    **linear_algebra.RULES,
    **fourier.RULES,
    **joint.RULES,
}
"""The rule of a kernel by its name in a backend's namespace.

It has the kernel's own parameters, after the namespace, numpygrad's or a backend's; arguments that
differ between examples come as `Mapped`. It gives the array of all results, or a tuple of them, or
`NotImplemented`.
"""
