"""Kernels for `numpygrad.scipy.special` of array-api-strict: SciPy's, through NumPy and back."""

from __future__ import annotations

from numpygrad._backend import Namespace
from numpygrad_strict._kernels import through_numpy


def load() -> Namespace:
    """The namespace; imports SciPy."""
    import scipy.special

    return Namespace(scipy.special, {}, extensions={}, wrap=through_numpy)
