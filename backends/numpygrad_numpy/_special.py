"""NumPy's kernels for `numpygrad.scipy.special`."""

from __future__ import annotations

from numpygrad._backend import Namespace


def load() -> Namespace:
    """The namespace; imports the library."""
    import scipy.special

    return Namespace(scipy.special, {}, extensions={})
