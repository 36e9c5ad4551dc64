"""Ops of the user's own: a kernel that is no array-API code, and a row like those of the table."""

from __future__ import annotations

import functools
import inspect
import itertools
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from numpygrad._array import Operand
from numpygrad._backend import Backend, backend_of_raw, find_backend, numpy_dtype
from numpygrad._dispatch import apply, apply_several
from numpygrad._dtypes import as_dtype, promote
from numpygrad._kernels import DEFAULTS, device_of
from numpygrad._lazy.program import Aval
from numpygrad._lazy.shapes import MORE_RULES, RULES
from numpygrad._op import BY_NAME, TABLE, Op, Rule
from numpygrad.errors import CaptureError
from numpygrad.ops import RULE_NAMESPACE
from numpygrad.typing import RawArray

KINDS = ("elementwise", "linear", "nonlinear", "discrete")

F = TypeVar("F", bound=Callable[..., Any])


class CustomOp:
    """What `custom_op` makes of a kernel: a function of Arrays, and a row of the table."""

    def __init__(self, row: Op, kernel: Callable[..., Any], shape: Any, *, host: bool) -> None:
        functools.update_wrapper(self, kernel)
        self._row = row
        self._default = kernel
        self._host = host
        self._declared = shape
        self._kernels: dict[str, Callable[..., Any]] = {}
        self._options = dict(kernel.__kwdefaults__ or {})

    def __repr__(self) -> str:
        return repr(self._row)

    def __call__(self, *arrays: Operand, **params: Any) -> Any:
        """The op's result, recorded if an array is tracked."""
        row = self._row
        if len(arrays) != len(row.arrays):
            raise TypeError(
                f"{row.name}() takes {len(row.arrays)} arrays, {', '.join(row.arrays)}, "
                f"got {len(arrays)}"
            )
        given = {**self._options, **params}
        if given.keys() != {*row.parameters}:
            wrong = sorted(given.keys() ^ {*row.parameters})
            raise TypeError(f"{row.name}() misses or does not know {', '.join(wrong)}")
        call = apply if row.outputs is None else apply_several
        return call(row.function, *arrays, **given)

    def kernel(self, backend: str) -> Callable[[F], F]:
        """Decorator of the kernel for one backend, by name: a function of its raw arrays.

        Raises
        ------
        BackendError
            If there is no such backend.
        """
        find_backend(backend)

        def register(kernel: F) -> F:
            self._kernels[backend] = kernel
            return kernel

        return register

    def _run(self, xp: Any, *arrays: RawArray, **params: Any) -> Any:
        """The kernel of the arrays' backend, on raw arrays."""
        backend = backend_of_raw(arrays[0])
        own = None if backend is None else self._kernels.get(backend.name)
        if own is not None or not self._host or backend is None:
            return (own or self._default)(*arrays, **params)
        avals = functools.partial(self._avals, backend, arrays, params)
        call = functools.partial(self._on_host, params)
        if backend.host_call is not None:
            return backend.host_call(call, avals, arrays)
        return _host_call(xp, backend, call, arrays)

    def _on_host(self, params: dict[str, Any], *values: np.ndarray[Any, Any]) -> Any:
        """The kernel's result as NumPy arrays in memory of their own."""
        made = self._default(*values, **params)
        if self._row.outputs is None:
            return _own(made, values)
        return tuple(_own(part, values) for part in made)

    def _avals(
        self, backend: Backend, arrays: Sequence[RawArray], params: dict[str, Any]
    ) -> list[Aval]:
        """Shape and dtype of the results, for a backend that has to know before."""
        known = self._inferred(*[Aval(x.shape, numpy_dtype(x.dtype)) for x in arrays], **params)
        if known is None:
            raise CaptureError(
                f"{self._row.name}() runs on the host, inside a program of backend "
                f"{backend.name!r}, which has to know its shape before: declare it with shape="
            )
        return [known] if isinstance(known, Aval) else list(known)

    def _inferred(self, *arrays: Any, **params: Any) -> Any:
        """What is known of the result before it is computed; `None` if that is nothing."""
        dtypes = [
            numpy_dtype(x.dtype) if hasattr(x, "dtype") else np.dtype(type(x)) for x in arrays
        ]
        dtype = functools.reduce(promote, dtypes)
        if self._declared is None:
            if self._row.kind != "elementwise":
                return None
            return Aval(np.broadcast_shapes(*(getattr(x, "shape", ()) for x in arrays)), dtype)
        found = self._declared(*arrays, **params)
        if self._row.outputs is not None:
            return tuple(_aval(part, dtype) for part in found)
        return _aval(found, dtype)


def _aval(declared: Any, dtype: Any) -> Aval:
    """A shape, or a pair of shape and dtype, as it was declared."""
    if len(declared) == 2 and isinstance(declared[0], tuple):
        return Aval(declared[0], as_dtype(declared[1]))
    return Aval(tuple(declared), dtype)


def _host_call(
    xp: Any,
    backend: Backend,
    function: Callable[..., Any],
    arrays: Sequence[RawArray],
) -> Any:
    """A function of NumPy arrays, called with the values of raw ones."""
    found = function(*[backend.to_numpy(x) for x in arrays])
    device = device_of(arrays[0])

    def moved(values: Any) -> RawArray:
        dtype = backend.raw_dtype(values.dtype)
        return xp.asarray(values, dtype=dtype, device=device)

    return tuple(map(moved, found)) if isinstance(found, tuple) else moved(found)


def _own(made: Any, values: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    found = np.asarray(made)
    return found.copy() if any(np.may_share_memory(found, x) for x in values) else found


def custom_op(
    *,
    kind: str,
    rules: Sequence[Rule | None] = (),
    shape: Callable[..., Any] | None = None,
    host: bool = False,
    dtype: str | None = None,
    jvp: Rule | None = None,
    outputs: type[NamedTuple] | None = None,
    holomorphic: bool = True,
) -> Callable[[Callable[..., Any]], CustomOp]:
    """Decorator that makes an op of a kernel, a function of raw arrays.

    The kernel is a plain function whose positional parameters are arrays; what is keyword-only is
    an option. It is called with the arrays of the backend in use, or of NumPy with `host=True`,
    must not write to them, and gives new ones. `op.kernel("jax")` is the decorator of another one
    for a single backend. In rules of this and other ops it is `xp.<its name>`.

    Parameters
    ----------
    kind
        `"elementwise"`: a rule is the partial derivative. `"linear"` in each array: the transpose.
        `"nonlinear"`: the pullback. `"discrete"`: no derivative.
    rules
        One for each array, or `None` where there is none. The names of its parameters say what it
        reads, and so what is saved: `xp`, the namespace to compute in, `g`, the cotangent (not of
        elementwise ops), `y`, the result, the arrays and options by name, `<array>_shape`.
    shape
        Takes what the kernel takes, arrays standing for their `shape` and `dtype`, and gives the
        shape of the result, or a pair of shape and dtype; for several outputs a tuple of those. By
        default elementwise ops broadcast. Without one, `lazy` computes the op at once.
    host
        Whether the kernel is for NumPy arrays: those of other backends are moved to the host and
        back. Inside a program of JAX it is called back.
    dtype
        `"promote"` converts the arrays to their common dtype, `"float"` to a floating one, `"own"`
        not at all. By default `"float"`; for linear and discrete ops `"promote"`.
    jvp
        Of a nonlinear op of one array, the forward rule: it names the tangent `g`.
    outputs
        The named tuple of an op with several results: `y` and `g` are then such tuples, `None` in
        `g` for a result that nothing depends on.
    holomorphic
        Whether pullbacks of complex arrays are written without conjugates, as the transpose.

    Raises
    ------
    TypeError
        If kind or rules do not fit the kernel.
    CaptureError
        Inside `compile` if the shape is not known.

    Examples
    --------
    >>> import numpy as np
    >>> import numpygrad as npg
    >>> @npg.custom_op(kind="elementwise", rules=(lambda xp, x: xp.cos(x),), host=True)
    ... def my_sin(x: np.ndarray) -> np.ndarray:
    ...     return np.sin(x)
    >>> print(npg.grad(lambda x: my_sin(x).sum())(npg.array([0.0, 1.0])))
    [1.         0.54030231]
    """
    if kind not in KINDS:
        raise TypeError(f"custom_op() makes ops of kind {', '.join(KINDS)}, not {kind!r}")

    def decorate(kernel: Callable[..., Any]) -> CustomOp:
        row = Op(
            kind,
            kernel,
            () if kind == "discrete" else tuple(rules),
            dtype=dtype or ("promote" if kind in ("linear", "discrete") else "float"),
            jvp=jvp,
            outputs=outputs,
            holomorphic=holomorphic,
            operands=_operands(kernel),
        )
        row.extension = ""
        row.name = _free_name(row.name)
        op = CustomOp(row, kernel, shape, host=host)
        _register(op)
        return op

    return decorate


def _operands(kernel: Callable[..., Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of a kernel's arrays, which are positional, and of its options, which are not."""
    parameters = inspect.signature(kernel).parameters.values()
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    arrays = tuple(p.name for p in parameters if p.kind in by_position)
    options = tuple(p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY)
    if not arrays or len(arrays) + len(options) < len(parameters):
        raise TypeError(
            f"the kernel of {kernel.__name__}() takes arrays by position, one by one, and options "
            "by keyword only: def kernel(x, /, *, option=1)"
        )
    return arrays, options


def _free_name(name: str) -> str:
    """A name that no op, kernel or function of numpygrad has: a definition may be run twice."""
    taken = (BY_NAME, DEFAULTS, RULES, vars(sys.modules["numpygrad"]))
    numbered = itertools.chain([name], (f"{name}_{i}" for i in itertools.count(2)))
    return next(n for n in numbered if not any(n in names for names in taken))


def _register(op: CustomOp) -> None:
    """Add the row, and what finds kernel and shape of an op by its name."""
    row = op._row
    DEFAULTS[row.name] = op._run
    MORE_RULES[row.name] = op._inferred
    RULE_NAMESPACE._kernels[row.name] = op  # type: ignore[index]  # a dict
    TABLE[row.function] = row
    BY_NAME[row.name] = row
