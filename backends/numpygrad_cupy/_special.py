"""CuPy's kernels for `numpygrad.scipy.special`."""

from __future__ import annotations

from numpygrad._backend import Namespace


def load() -> Namespace:
    """The namespace; imports the library."""
    import cupyx.scipy.special

    return Namespace(cupyx.scipy.special, {}, extensions={})
