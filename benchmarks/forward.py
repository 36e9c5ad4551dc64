"""Forward time of whole functions, untracked, against the backend's own function in the same run.

Arrays have 1,000 x 1,000 elements (matrices of linear algebra 200 x 200), so what is seen is not
the overhead of a call but passes over memory that numpygrad adds: repairs of special values first.
The figure in brackets is times the backend's own, NumPy's or JAX's.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import peers
from benchmarks.report import Measurement, ratio_verdict
from benchmarks.timing import (
    OURS,
    Contestant,
    Effort,
    announce,
    calls_filling,
    left_out,
    timed_rounds,
)

Operands = Sequence[NDArray[Any]]

UNREPAIRED = 1.05
REPAIRED = 1.3
"""How many times its backend's own time an op may take, and one whose special values are mended."""

COMPLEX = (
    *("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "exp", "expm1", "log"),
    *("log10", "log1p", "log2", "sign", "sin", "sinh", "sqrt", "tan", "tanh"),
)
MENDED: Mapping[str, frozenset[str]] = {
    "numpy": frozenset(
        {"floor_divide", "expm1, complex", "sign, complex", "tan, complex", "tanh, complex"}
    ),
    "jax": frozenset(
        {
            *("floor_divide", "remainder", "sign"),
            *(f"{name}, complex" for name in COMPLEX),
            *(f"linalg.{name}" for name in ("cholesky", "eigh", "eigvalsh", "inv", "solve")),
        }
    ),
}
"""The ops with a kernel of numpygrad's own, by backend: for the sake of special values, or to raise
an error where there is no answer."""


@dataclass(frozen=True)
class Case:
    """One function on one set of operands."""

    name: str
    operands: Operands
    module: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    label: str = ""

    def function(self, library: Any) -> Callable[..., Any] | None:
        """The function in a library's namespace, if it has it."""
        for part in filter(None, self.module.split(".")):
            library = getattr(library, part, None)
        return getattr(library, self.name, None)

    def __str__(self) -> str:
        return self.label or ".".join(filter(None, (self.module, self.name)))


@dataclass(frozen=True)
class Library:
    """A backend's namespace, and its ways to make and await arrays."""

    name: str
    xp: Any
    array: Callable[[Any], Any]
    ready: Callable[[Any], Any]


def measurements(effort: Effort) -> Iterator[Measurement]:
    """Every function on every backend that is installed."""
    brief = replace(effort, budget=effort.budget / 8, slow_rounds=effort.fewest_rounds)
    for load in (numpy_library, jax_library):
        try:
            library = load()
        except ModuleNotFoundError as error:
            left_out(str(error))
            continue
        announce(f"forward on {library.name}")
        for case in cases():
            found = measured(case, library, brief)
            if found is not None:
                yield found


def numpy_library() -> Library:
    """NumPy, whose functions return when they are done."""
    return Library("numpy", np, np.asarray, lambda result: result)


def jax_library() -> Library:
    """JAX, with 64-bit types and each result waited for."""
    jax = peers.jax()

    def ready(result: Any) -> Any:
        parts = result if isinstance(result, (tuple, list)) else (result,)
        for x in parts:
            getattr(x, "data", x).block_until_ready()  # an Array's own; JAX's arrays have no data
        return result

    return Library("jax", jax.numpy, jax.numpy.asarray, ready)


def measured(case: Case, library: Library, effort: Effort) -> Measurement | None:
    """Median times and their ratio; nothing where one of the two lacks the function."""
    npg = peers.numpygrad()
    own, ours = case.function(library.xp), case.function(npg)
    if own is None or ours is None:
        return None
    options = dict(case.options)
    raw = [library.array(x) for x in case.operands]
    arrays = [npg.asarray(x) for x in raw]  # the same memory: JAX's speed depends on where it is
    contestants = {
        library.name: contestant(library, partial(own, *raw, **options)),
        OURS: contestant(library, partial(ours, *arrays, **options)),
    }
    if case.module != "linalg":  # eigenvectors and the like may differ and both be right
        check_agreement(case, contestants)
    turns = {name: calls_filling(c.run, effort.turn) for name, c in contestants.items()}
    rounds = timed_rounds(contestants, turns, effort)
    pairs = zip(rounds[OURS], rounds[library.name], strict=False)
    ratio = median(a / b for a, b in pairs)
    limit = REPAIRED if str(case) in MENDED[library.name] else UNREPAIRED
    name = f"{case}, {library.name}"
    return Measurement(
        workload=name,
        unit="s",
        figures={key: median(times) for key, times in rounds.items()},
        ratios={OURS: ratio},
        verdicts=[ratio_verdict(name, library.name, ratio, limit)],
    )


def contestant(library: Library, call: Callable[[], Any]) -> Contestant:
    """A call, waited for."""
    return Contestant(lambda: library.ready(call()), leaves)


def leaves(result: Any) -> list[NDArray[Any]]:
    """The arrays of a result as NumPy's."""
    parts = result if isinstance(result, (tuple, list)) else (result,)
    return [x.numpy() if hasattr(x, "numpy") else np.asarray(x) for x in parts]


def check_agreement(case: Case, contestants: Mapping[str, Contestant]) -> None:
    """Run both once and compare.

    Raises
    ------
    ValueError
        If numpygrad computes something else than its backend.
    """
    theirs, ours = (c.answer(c.run()) for c in contestants.values())
    for found, expected in zip(ours, theirs, strict=True):
        if not np.allclose(found, expected, rtol=1e-9, atol=1e-12):
            raise ValueError(f"{case}: numpygrad computes something else than its backend")


def cases() -> Iterator[Case]:
    """The functions, on operands inside their domains and without special values."""
    rng = np.random.default_rng(0)
    unit, other = rng.uniform(0.1, 0.9, (2, 1000, 1000))
    whole, shifts = rng.integers(1, 7, (2, 1000, 1000))
    truth, doubt = unit < 0.5, other < 0.5
    inner = unit + 1j * other
    yield from (Case(name, [unit]) for name in UNARY)
    yield Case("acosh", [unit + 1.0])
    yield from (Case(name, [unit, other]) for name in BINARY)
    yield from (Case(f"bitwise_{name}", [whole, shifts]) for name in BITWISE)
    yield Case("bitwise_invert", [whole])
    yield from (Case(f"logical_{name}", [truth, doubt]) for name in ("and", "or", "xor"))
    yield Case("logical_not", [truth])
    yield Case("where", [truth, unit, other])
    yield Case("clip", [unit], options=(("min", 0.3), ("max", 0.6)))
    for name in COMPLEX:
        yield Case(name, [inner], label=f"{name}, complex")
    for name in REDUCTIONS:
        yield Case(name, [unit])
        yield Case(name, [unit], options=(("axis", 0),), label=f"{name}, axis 0")
    for name in ("cumulative_prod", "cumulative_sum"):
        yield Case(name, [unit], options=(("axis", 1),))
    for name in ("argsort", "sort"):
        # The standard's sorts are stable by default, NumPy's not.
        yield Case(name, [unit], options=(("axis", 1), ("stable", True)))
    yield Case("searchsorted", [np.sort(unit[0]), other])
    yield from (Case(name, [unit, other]) for name in ("matmul", "vecdot", "tensordot"))
    yield from (Case(name, [inner], "fft") for name in ("fft", "ifft", "fftn", "ifftn"))
    yield from (Case(name, [unit], "fft") for name in ("rfft", "rfftn", "ihfft", "fftshift"))
    yield from (Case(name, [inner], "fft") for name in ("irfft", "irfftn", "hfft"))
    square = unit[:200, :200] - 0.5
    positive = square @ square.T + np.eye(200)
    yield from (Case(name, [positive], "linalg") for name in MATRIX)
    yield Case("solve", [positive, square], "linalg")
    yield Case("vector_norm", [unit], "linalg")
    yield Case("matrix_norm", [unit], "linalg")


UNARY = (
    *("abs", "acos", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "exp", "expm1"),
    *("floor", "isfinite", "isinf", "isnan", "log", "log10", "log1p", "log2", "negative"),
    *("positive", "reciprocal", "round", "sign", "signbit", "sin", "sinh", "sqrt", "square"),
    *("tan", "tanh", "trunc"),
)
BINARY = (
    *("add", "atan2", "copysign", "divide", "equal", "floor_divide", "greater", "greater_equal"),
    *("hypot", "less", "less_equal", "logaddexp", "maximum", "minimum", "multiply", "nextafter"),
    *("not_equal", "pow", "remainder", "subtract"),
)
BITWISE = ("and", "left_shift", "or", "right_shift", "xor")
REDUCTIONS = (
    *("all", "any", "argmax", "argmin", "count_nonzero", "max", "mean", "min", "prod", "std"),
    *("sum", "var"),
)
MATRIX = (
    *("cholesky", "det", "eigh", "eigvalsh", "inv", "matrix_rank", "pinv", "qr", "slogdet"),
    *("svd", "svdvals"),
)
