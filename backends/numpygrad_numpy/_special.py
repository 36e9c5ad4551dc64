"""NumPy's kernels for `numpygrad.scipy.special`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpygrad._backend import Namespace

KERNELS: dict[str, Callable[..., Any]] = {}


def load() -> Namespace:
    """The namespace; imports the library."""
    import scipy.special

    return Namespace(scipy.special, KERNELS, extensions={})
