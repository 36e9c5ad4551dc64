"""Shape and dtype of every kernel's result before it runs: `infer`.

A rule has the kernel's own parameters and gives an `Aval`, a tuple of them for a kernel with
several results, or `None` where values decide. Where shapes do not fit it raises what eager
execution raises.
"""

from __future__ import annotations

from typing import Any

from numpygrad._lazy.shapes import (
    _creation,
    _elementwise,
    _fourier,
    _indexing,
    _linear_algebra,
    _manipulation,
    _reductions,
)
from numpygrad._lazy.shapes._elementwise import BINARY as BINARY
from numpygrad._lazy.shapes._elementwise import COMPARISONS as COMPARISONS
from numpygrad._lazy.shapes._elementwise import PREDICATES as PREDICATES
from numpygrad._lazy.shapes._elementwise import TERNARY as TERNARY
from numpygrad._lazy.shapes._elementwise import UNARY as UNARY
from numpygrad._lazy.shapes._fitting import Result, Rule
from numpygrad._lazy.shapes._fourier import points_along as points_along
from numpygrad._lazy.shapes._indexing import region as region

RULES: dict[str, Rule] = {
    **_elementwise.RULES,
    **_reductions.RULES,
    **_manipulation.RULES,
    **_creation.RULES,
    **_indexing.RULES,
    **_linear_algebra.RULES,
    **_fourier.RULES,
}
"""The rule of every kernel by its name in a backend's namespace."""

MORE_RULES: dict[str, Rule] = {}
"""Those of the user's own ops, and of whatever else has a name in programs and is no kernel."""


def infer(name: str, args: tuple[Any, ...], params: dict[str, Any]) -> Result:
    """What is known of the result of `name(*args, **params)`, a kernel of a backend's namespace.

    In place of arrays stand objects that have `shape` and `dtype`. `None` if values decide the
    shape, or if the kernel gives no array, or is unknown.

    Raises
    ------
    ShapeError
        If shapes do not fit.
    IndexError
        If an axis, or an index that is a Python int, does not exist.
    """
    rule = RULES.get(name) or MORE_RULES.get(name)
    return None if rule is None else rule(*args, **params)
