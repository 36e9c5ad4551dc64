"""What the executor knows of kernels: their ufuncs, and how they are written with `out=`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from numpygrad._kernels import is_basic
from numpygrad._lazy.fusion import ELEMENTWISE, REDUCTIONS, reduced_axes
from numpygrad._lazy.program import Instruction, Program, Value
from numpygrad_numpy import _kernels
from numpygrad_numpy._programs.products import SUMMED_PRODUCTS

Raw = Any


class Sizes(NamedTuple):
    """From where on what pays."""

    out_pays: int = 4096
    """Elements beyond which `out=` beats a new array: NumPy takes 200 ns longer to parse it."""
    numbers: int = 8
    """How many calls of a few numbers make Python's floats worth it."""
    fused: int = 1 << 18
    """Elements from which on calls run tile by tile; below, whole arrays stay in the cache."""
    row_pays: int = 64
    """How long a row is at least that stands for a number."""
    row_bytes: int = 1 << 16
    """How large rows may be that are reduced and read again within a tile."""
    tile_bytes: int = 1 << 22
    """What the arrays of one tile take altogether: a share of the third cache. Of tiles for the
    second there are so many that the calls take a sixth of the time, and that threads, which hand
    over Python's lock at each call, wait for each other: two were slower than one."""
    fewest_tiles: int = 8
    """Into how many tiles a group is cut at least, as those it works in are memory too."""
    tile_least: int = 2048
    """Elements of a tile at least: a call costs as much as so many."""
    chunks: int = 64
    """Into how many parts a group is divided, for threads and for sums."""
    parallel: int = 1 << 19
    """Elements from which on a group is worth a second thread."""


REDUCERS: dict[str, Any] = {
    "max": np.maximum,
    "mean": np.add,
    "min": np.minimum,
    "prod": np.multiply,
    "sum": np.add,
}
OPERATORS = {"add": "+", "divide": "/", "multiply": "*", "subtract": "-"}
"""Of real floating arrays they are the ufuncs, found faster; of NumPy's scalars they are faster."""

REAL_UFUNCS: dict[str, Callable[..., Raw]] = {
    "ceil": np.ceil,
    "floor": np.floor,
    "round": np.rint,
    "sign": np.sign,
    "trunc": np.trunc,
}
"""What kernels that tell dtypes apart do to real floating arrays."""

BITS: dict[Any, Any] = {np.dtype("f4"): np.dtype("i4"), np.dtype("f8"): np.dtype("i8")}
"""Integers of the size of floating-point numbers."""

LAID_OUT = "laid_out"
"""The name of a `reshape` that has to copy, which it does into memory that is given."""

FRESH = frozenset(
    {
        *(LAID_OUT, SUMMED_PRODUCTS),
        *("add_at", "all", "any", "arange", "argmax", "argmin", "argsort", "concat"),
        *("count_nonzero", "cumulative_prod", "cumulative_sum", "eye", "full", "full_like"),
        *("gather", "linalg.cholesky", "linalg.cross", "linalg.det", "linalg.eigh"),
        *("linalg.eigvalsh", "linalg.inv", "linalg.outer", "linalg.pinv", "linalg.slogdet"),
        *("linalg.solve", "linalg.svd", "linalg.svdvals", "linspace", "matmul", "ones"),
        *("ones_like", "put", "roll", "scatter", "searchsorted", "sort", "stack", "std"),
        *("take", "take_along_axis", "tril", "triu", "var", "vecdot", "where", "zeros"),
        *("zeros_like"),
    }
)
"""Kernels whose results share no memory with what they are given, beside the elementwise ones."""


def elementwise_function(call: Instruction) -> Callable[..., Raw] | None:
    """What computes an elementwise call: the ufunc, where there is one; `None` of other calls."""
    if call.name not in ELEMENTWISE or call.aval is None:
        return None
    if call.name == "cast":
        return None if call.aval.dtype.kind == "c" else call.kernel
    if isinstance(call.kernel, np.ufunc):
        return None if call.kernel.nout > 1 else call.kernel
    if call.aval.dtype.kind == "f":
        if call.name in REAL_UFUNCS:
            return REAL_UFUNCS[call.name]
        if call.name == "erf":
            return _kernels._best_erf()
    return call.kernel


def works_in_place(function: Any) -> bool:
    """Whether a function may write where it reads: ufuncs, though `sign` takes 9 times as long."""
    return isinstance(function, np.ufunc) and function is not np.sign


def into(function: Any, out: str) -> str:
    """`out` as the last argument of a ufunc: by name where NumPy wants that, as it takes longer."""
    return f"out={out}" if function is np.maximum or function is np.minimum else out


def guarded_multiply(g: Raw, partial: Raw, out: Raw) -> None:
    """The kernel of that name, for real floating arrays, into `out`."""
    np.multiply(g, partial, out)
    if not _kernels.scales(partial) and _kernels.has_nan(out):
        out[...] = _kernels.guarded_multiply(g, partial)


def excess(x: Raw, top: Raw, out: Raw) -> None:
    """The kernel of that name, for real floating arrays, into `out`."""
    if _kernels.is_moderate(top):
        np.subtract(x, top, out)
    else:
        out[...] = _kernels.excess(x, top)


GIVEN_MEMORY = {"excess": excess, "guarded_multiply": guarded_multiply}
"""What writes kernels that are no ufuncs, of real floating arrays, into memory that it is given."""


def choose(condition: Raw, x1: Raw, x2: Raw, out: Raw) -> None:
    """`where`, into memory that nothing else is in, by arithmetic on bits.

    16,384 float32 numbers take 12 us, and 26 by NumPy's function, which branches at each of them.
    """
    integers = BITS[out.dtype]
    bits, bits1, bits2 = out.view(integers), x1.view(integers), x2.view(integers)
    np.subtract(bits1, bits2, bits)
    np.multiply(bits, condition, bits)
    np.add(bits, bits2, bits)


def choose_or_zero(condition: Raw, x: Raw, out: Raw) -> None:
    """`where(condition, x, 0.0)` as `choose`; 6 us."""
    integers = BITS[out.dtype]
    np.multiply(x.view(integers), condition, out.view(integers))


def choosing(program: Program, call: Instruction) -> bool:
    """Whether a call is a `where` that `choose` does."""
    if call.name != "where" or call.aval is None or call.aval.dtype not in BITS:
        return False
    condition, *values = call.args
    dtypes = [program.aval(x.index) for x in values if type(x) is Value]
    known = all(type(x) in {Value, float, int, bool} for x in values)
    same = all(aval is not None and aval.dtype == call.aval.dtype for aval in dtypes)
    mask = program.aval(condition.index) if type(condition) is Value else None
    return known and same and mask is not None and mask.dtype.kind == "b"


def choice(program: Program, call: Instruction, given: Sequence[str]) -> tuple[Any, list[str]]:
    """The function that writes a `where`, and of the names of its arguments those it takes."""
    last = call.args[2]
    if type(last) is not Value and last == 0 and not np.signbit(float(last)):
        return choose_or_zero, [*given[:2]]
    return choose, [*given]


def can_tile(call: Instruction) -> bool:
    """Whether a call may be computed tile by tile."""
    if call.name in REDUCTIONS:
        return call.kernel is getattr(_kernels, call.name)
    return call.name == "vecdot" or elementwise_function(call) is not None


def in_row(function: Any, x: Any, length: int, sizes: Sizes) -> Any:
    """A row of a number beside which `maximum` takes NumPy three times as long as beside a row."""
    if function is not np.maximum and function is not np.minimum:
        return x
    return np.full(length, x) if type(x) is np.ndarray and length >= sizes.row_pays else x


def constant(program: Program, call: Instruction, x: Any) -> Any:
    """A Python scalar as it is passed on to a ufunc: an array of the dtype it is taken for there.

    That saves 300 ns a call. Where it might mean something else, it stays what it is.
    """
    if call.aval is None or call.name in {"cast", "pow"} or type(x) not in {float, int, bool}:
        return x
    dtypes = {aval.dtype for v in call.reads if (aval := program.aval(v)) is not None}
    if call.name == "where":
        dtypes = {call.aval.dtype}
    if len(dtypes) != 1:
        return x
    (dtype,) = dtypes
    try:
        return np.asarray(x, dtype) if dtype.kind == "f" else x
    except OverflowError:
        return x


def reduction_axes(call: Instruction, ndim: int) -> Any:
    """The axes of a reduction as ufuncs take them."""
    axes = reduced_axes(call, ndim)
    return axes[0] if len(axes) == 1 else axes


def is_plain_reduction(call: Instruction) -> bool:
    """Whether a reduction is the ufunc's, with nothing else asked."""
    return (
        call.name in REDUCTIONS
        and call.kernel is getattr(_kernels, call.name)
        and call.params.keys() <= {"axis", "keepdims"}
    )


def is_basic_gather(call: Instruction) -> bool:
    """Whether a call is a `gather` that gives a view."""
    return call.name == "gather" and basic_key(call)


def basic_key(call: Instruction) -> bool:
    """Whether a call that takes a key takes one of ints and slices."""
    key = call.params.get("key")
    return is_basic(key) and not isinstance(key, Value)
