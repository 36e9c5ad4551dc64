"""Functions of SciPy that leave Python for C, with derivatives, on every backend.

Modules, functions, arguments and defaults have SciPy's names: `scipy.linalg.expm` is
`numpygrad.scipy.linalg.expm`. What is here takes Arrays, keeps float32, and is differentiated to
any order. What SciPy writes in array-API Python takes Arrays by itself, and is not here.

Modules: `fft`, `integrate`, `interpolate`, `linalg`, `ndimage`, `signal`, `special`.
"""

from __future__ import annotations

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from numpygrad.scipy import fft as fft
    from numpygrad.scipy import integrate as integrate
    from numpygrad.scipy import interpolate as interpolate
    from numpygrad.scipy import linalg as linalg
    from numpygrad.scipy import ndimage as ndimage
    from numpygrad.scipy import signal as signal
    from numpygrad.scipy import special as special

_MODULES = ("fft", "integrate", "interpolate", "linalg", "ndimage", "signal", "special")


def __getattr__(name: str) -> _Any:
    """A module, imported when it is first used."""
    if name in _MODULES:
        return _importlib.import_module(f"numpygrad.scipy.{name}")
    raise AttributeError(f"module 'numpygrad.scipy' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
