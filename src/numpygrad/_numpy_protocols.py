"""What NumPy does with Arrays: its ufuncs are numpygrad's ops, its other functions take values."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import numpygrad
from numpygrad._array import Array
from numpygrad._backend import backend_of_raw
from numpygrad._op import BY_NAME
from numpygrad.errors import GraphError

RENAMED = {
    "absolute": "abs",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "conjugate": "conj",
    "invert": "bitwise_invert",
    "left_shift": "bitwise_left_shift",
    "power": "pow",
    "right_shift": "bitwise_right_shift",
    "rint": "round",
}
"""The standard's names of ufuncs that have others in NumPy."""

OF_SHAPES = frozenset(
    {
        *("broadcast_shapes", "can_cast", "empty_like", "iscomplexobj", "isrealobj"),
        *("may_share_memory", "ndim", "ones_like", "result_type", "shape", "shares_memory"),
        *("size", "zeros_like"),
    }
)
"""NumPy's functions whose results do not depend on values, so that no gradient is lost."""

_OPERANDS = (Array, np.ndarray, np.generic, bool, int, float, complex, list, tuple)


def of_ufunc(ufunc: np.ufunc, method: str, inputs: Sequence[Any], options: dict[str, Any]) -> Any:
    """`ufunc(*inputs)` as the op of that name; what is no op, of values, as other functions."""
    if not all(isinstance(x, _OPERANDS) or backend_of_raw(x) is not None for x in inputs):
        return NotImplemented
    name = _op_of(ufunc)
    if name is not None and method == "__call__" and not options:
        operands = [np.asarray(x) if isinstance(x, (list, tuple)) else x for x in inputs]
        return BY_NAME[name].function(*operands)
    if any(isinstance(x, Array) for x in options.get("out", ())):
        raise TypeError(
            f"NumPy's {ufunc.__name__}() does not write into an Array; assign x[...] = value"
        )
    if method == "__call__":
        given = [values_of(x, ufunc.__name__, name) for x in inputs]
    else:
        given = [values_of(x, f"{ufunc.__name__}.{method}") for x in inputs]
    return getattr(ufunc, method)(*given, **options)


def _op_of(ufunc: np.ufunc) -> str | None:
    """The name of the op that a ufunc of NumPy or SciPy is."""
    name = ufunc.__name__
    if getattr(np, name, None) is ufunc:
        name = RENAMED.get(name, name)
    elif getattr(sys.modules.get("scipy.special._ufuncs"), name, None) is ufunc:
        importlib.import_module("numpygrad.scipy.special")
        name = f"scipy.special.{name}" if f"scipy.special.{name}" in BY_NAME else name
    else:
        return None
    op = BY_NAME.get(name)
    return name if op is not None and len(op.arrays) == ufunc.nin else None


def of_function(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """NumPy's function of the values."""
    name = function.__name__
    return function(*values_of(args, name), **values_of(kwargs, name))


def values_of(tree: Any, name: str, own: str | None = None) -> Any:
    """What NumPy's function of that name is given: read-only ndarrays in place of Arrays.

    Raises
    ------
    GraphError
        If one is tracked. The message tells of numpygrad's `own` function.
    """
    if isinstance(tree, Array):
        if tree._node is not None and name not in OF_SHAPES and numpygrad.is_grad_enabled():
            own = own or (name if hasattr(numpygrad, name) else None)
            instead = f"numpygrad.{own}()" if own else "numpygrad's functions"
            raise GraphError(
                f"NumPy's {name}() of an array that requires grad would lose its gradient "
                f"silently. Use {instead}, or x.detach(), or x.numpy() for the values alone."
            )
        values = tree.numpy().view()
        values.flags.writeable = False
        return values
    if isinstance(tree, dict):
        return {key: values_of(item, name) for key, item in tree.items()}
    if isinstance(tree, tuple):
        return tuple(values_of(x, name) for x in tree)
    if isinstance(tree, Sequence) and not isinstance(tree, (str, bytes)):
        return [values_of(x, name) for x in tree]
    return tree
