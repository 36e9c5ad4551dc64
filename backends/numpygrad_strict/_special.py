"""Kernels for `numpygrad.scipy.special` of array-api-strict: SciPy's, through NumPy and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpygrad._backend import Namespace
from numpygrad_strict._kernels import through_numpy

KERNELS: dict[str, Callable[..., Any]] = {}


def load() -> Namespace:
    """The namespace; imports SciPy."""
    import scipy.special

    return Namespace(scipy.special, KERNELS, extensions={}, wrap=through_numpy)
