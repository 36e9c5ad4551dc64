"""What is known of a kernel's result before it runs is what the kernel then gives."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import numpygrad as npg
import numpygrad.fft  # whose rows are in the table once it is imported
from numpygrad import _kernels, _linalg_kernels
from numpygrad._backend import Device, Namespace, device_of_backend, find_backend, numpy_dtype
from numpygrad._lazy.program import Aval
from numpygrad._lazy.shapes import (
    BINARY,
    COMPARISONS,
    MORE_RULES,
    PREDICATES,
    RULES,
    UNARY,
    infer,
    region,
)
from numpygrad._op import BY_NAME
from numpygrad.errors import BackendError, ShapeError
from numpygrad.testing import REAL_ONLY, Sample, samples

BACKENDS = ["numpy", "jax", "strict"]
CANONICAL = {"numpy": "cpu", "jax": "jax:cpu:0", "strict": "strict:cpu"}
SAMPLES = list(samples())

VALUES_DECIDE = frozenset({"nonzero", "unique_all", "unique_counts", "unique_inverse"}) | {
    "unique_values"
}
"""Kernels whose results have a length that is found in values."""

NO_ARRAYS = frozenset({"has_nan", "isdtype", "finfo", "iinfo", "from_dlpack", "lifted"})
"""Kernels that give no array, or take what is none."""

UNKNOWN = VALUES_DECIDE | NO_ARRAYS


# A backend that shows every kernel call.


FLOAT64 = np.dtype("float64")


@dataclasses.dataclass(frozen=True)
class Stand:
    """Stands for an array."""

    shape: tuple[int, ...]
    dtype: Any = FLOAT64

    def __repr__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


def is_array(x: Any) -> bool:
    return hasattr(x, "shape") and hasattr(x, "dtype")


def stands(tree: Any) -> Any:
    """The same arguments with stand-ins for arrays."""
    if is_array(tree):
        return Stand(tuple(tree.shape), numpy_dtype(tree.dtype))
    if isinstance(tree, (tuple, list)):
        return type(tree)(stands(item) for item in tree)
    return tree


def avals(result: Any) -> Any:
    """Shapes and dtypes of what a kernel gave; `None` if that is no array."""
    if is_array(result):
        return Aval(tuple(result.shape), numpy_dtype(result.dtype))
    if isinstance(result, (tuple, list)):
        return tuple(avals(item) for item in result)
    return None


class Watch:
    """Collects calls whose results were not foreseen, and the names of all calls."""

    def __init__(self) -> None:
        self.wrong: set[str] = set()
        self.names: set[str] = set()
        self.unknown: set[str] = set()

    def call(self, name: str, kernel: Callable[..., Any], args: Any, params: Any) -> Any:
        result = kernel(*args, **params)
        given_args = stands(args)
        given_params = {key: stands(value) for key, value in params.items()}
        try:
            found: Any = infer(name, given_args, given_params)
        except Exception as error:
            found = error
        call = f"{name}{given_args} {given_params}"
        self.names.add(name)
        if found is None and not (name == "gather" and "bool" in call):
            self.unknown.add(name)
        if found is not None and (found != avals(result) or not is_whole(found)):
            self.wrong.add(f"{call}: {avals(result)}, not {found!r}")
        return result


def is_whole(found: Any) -> bool:
    """Whether it is made of Avals, their shapes of Python ints and their dtypes NumPy's."""
    if type(found) is tuple:
        return all(is_whole(item) for item in found)
    return (
        type(found) is Aval
        and type(found.shape) is tuple
        and all(type(n) is int for n in found.shape)
        and isinstance(found.dtype, np.dtype)
    )


WATCH = Watch()


class Spied(Namespace):
    """A namespace whose kernels show their calls to `WATCH`."""

    prefix = ""

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        if isinstance(found, Namespace):
            found.__class__ = Spied
            found.prefix = f"{self.prefix}{name}."  # type: ignore[attr-defined]  # of the class
        elif callable(found) and not isinstance(found, type):
            kernel, full = found, self.prefix + name

            def found(*args: Any, **params: Any) -> Any:
                return WATCH.call(full, kernel, args, params)

        self.__dict__[name] = found
        return found

    @functools.cached_property
    def for_complex(self) -> Namespace:
        found: Namespace = Namespace.for_complex.func(self)
        found.__class__ = Spied
        return found


@functools.cache
def spied_device(name: str) -> Device:
    """The first device of a backend whose kernels show their calls."""
    backend = find_backend(name)
    try:
        backend.xp  # noqa: B018 (loads the library)
    except BackendError as error:
        pytest.skip(str(error))

    def load() -> Namespace:
        namespace = backend.load()
        namespace.__class__ = Spied
        return namespace

    spied = dataclasses.replace(backend, name=f"spied-{name}", load=load, fast={})
    return device_of_backend(spied, CANONICAL[name])


def carry_out(device: Device, call: Callable[[], object]) -> None:
    """Call; on JAX let it only be traced, where it can be, as to compile each step takes long."""
    scope = device.backend.scope or contextlib.nullcontext
    with np.errstate(all="ignore"), scope():
        if device.backend.name != "spied-jax":
            call()
            return
        import jax

        try:
            jax.eval_shape(lambda: [call(), None][1])
        except jax.errors.NonConcreteBooleanIndexError:
            call()
        except jax.errors.TracerArrayConversionError:
            pass  # a gradient on its way to another device: to this one, of JAX's real backend


@pytest.fixture(params=BACKENDS)
def spied(request: pytest.FixtureRequest) -> Iterator[Device]:
    """A device of each backend, with nothing wrong seen of it by the end of the test."""
    device = spied_device(request.param)
    WATCH.wrong.clear()
    WATCH.unknown.clear()
    with npg.device(device):
        yield device
    assert not WATCH.wrong, "\n".join(sorted(WATCH.wrong))
    assert WATCH.unknown <= UNKNOWN


# The law: what every op and every rule calls.


def dtypes_of(name: str) -> list[str]:
    if name == "imag":
        return ["complex128"]
    return ["float32"] if name in REAL_ONLY else ["float32", "complex128"]


CALLS = [
    (backend, sample, dtype)
    for backend in BACKENDS
    for sample in SAMPLES
    for dtype in dtypes_of(sample.op.name)
    # What complex kernels give is compared below, and JAX takes a minute to trace these.
    if not (backend == "jax" and dtype == "complex128" and sample.op.kind == "elementwise")
]


def magnitude(x: npg.Array) -> npg.Array:
    """A real number that depends on all elements."""
    return npg.sum(npg.square(npg.real(x)))


@pytest.mark.parametrize(
    ("spied", "sample", "dtype"),
    CALLS,
    indirect=["spied"],
    ids=["-".join(map(str, c)) for c in CALLS],
)
def test_results_of_all_kernels_are_foreseen(spied: Device, sample: Sample, dtype: str) -> None:
    def call() -> None:
        operands = [npg.array(v, device=spied, requires_grad=True) for v in sample.operands(dtype)]
        y = sample.call(*operands)
        seed = np.random.default_rng(0).normal(size=y.shape)
        y.backward(seed, retain_graph=True)
        y.backward(seed, create_graph=True)
        total = sum(magnitude(x.grad) for x in operands)
        if total.requires_grad:
            total.backward()
        primals = [x.detach() for x in operands]
        npg.jvp(sample.call, primals, primals)

    carry_out(spied, call)


def rows() -> Iterator[str]:
    for op in BY_NAME.values():
        yield f"{op.extension}.{op.name}" if op.extension else op.name


def kernels_of(name: str) -> Iterator[str]:
    """The names of the kernels that a backend brings itself."""
    namespace: Any = find_backend(name).xp
    yield from namespace._kernels
    yield from namespace._complex_kernels
    for extension, found in namespace._extensions.items():
        kernels = found()._kernels if callable(found) else found
        yield from (f"{extension}.{kernel}" for kernel in kernels)


def test_every_row_and_every_kernel_of_ours_has_a_rule() -> None:
    ours = {*_kernels.DEFAULTS, *(f"linalg.{name}" for name in _linalg_kernels.DEFAULTS)}
    # The host copies what goes from device to device.
    known = {*RULES, *MORE_RULES, *UNKNOWN, "transfer"}
    assert not {*rows(), *ours} - known


@pytest.mark.parametrize("name", BACKENDS)
def test_every_kernel_of_a_backend_has_a_rule(name: str) -> None:
    spied_device(name)
    assert not {*kernels_of(name)} - {*RULES, *UNKNOWN}


def named(path: Path) -> Iterator[str]:
    """The functions that a module calls on a namespace, `xp` or `node.type.xp`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            parts = ast.unparse(node.func).split(".")
            if "xp" in parts[:-1]:
                name = ".".join(parts[parts.index("xp") + 1 :])
                if not name.startswith("_"):
                    yield name


def test_every_function_that_a_rule_calls_has_a_rule() -> None:
    source = Path(_kernels.__file__).parent
    names = {name for path in source.rglob("*.py") for name in named(path)}
    assert {"where", "linalg.svd", "guarded_multiply"} <= names
    assert not names - {*RULES, *UNKNOWN}


# Each rule by itself.

REAL_DTYPES = ["float32", "float64"]
FLOATING_DTYPES = [*REAL_DTYPES, "complex64", "complex128"]
INTEGER_DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
REAL_FUNCTIONS = frozenset(
    {"atan2", "ceil", "clip_high", "clip_low", "copysign", "erf", "floor", "floor_divide"}
    | {"greater", "greater_equal", "hypot", "less", "less_equal", "log_softmax", "logaddexp"}
    | {"maximum", "minimum", "nextafter", "relu", "remainder", "sigmoid", "signbit", "softmax"}
    | {"softplus", "trunc", "isin"}
)
BITWISE = frozenset(name for name in UNARY | BINARY if name.startswith("bitwise"))
KEEPS_INTEGERS = (
    frozenset(
        {"abs", "add", "ceil", "conj", "contiguous", "floor", "floor_divide", "maximum", "minimum"}
        | {
            "multiply",
            "negative",
            "positive",
            "pow",
            "real",
            "remainder",
            "round",
            "sign",
            "square",
        }
        | {"subtract", "trunc", "clip_low", "clip_high"}
    )
    | BITWISE
)


def dtypes_taken(name: str) -> list[str]:
    """The dtypes that all libraries take, and give the standard's results for."""
    if name in BITWISE:
        return INTEGER_DTYPES
    is_real = name in REAL_FUNCTIONS or name.startswith("scipy.special.")
    found = REAL_DTYPES if is_real else FLOATING_DTYPES
    if name in KEEPS_INTEGERS or name in COMPARISONS:
        found = found + INTEGER_DTYPES
    return [*found, "bool"] if name in {"equal", "not_equal"} else found


NOT_LOGICAL = frozenset({"logical_and", "logical_or", "logical_xor", "logical_not"})


def raw(stand: Any, device: Device) -> Any:
    """Arguments with arrays of the device in place of the stand-ins."""
    if isinstance(stand, Stand):
        dtype = np.dtype(stand.dtype)
        values = np.ones(stand.shape, dtype)
        if dtype.kind in "fc" and len(stand.shape) > 1:
            m, n = stand.shape[-2:]
            values = values + 3 * np.eye(m, n)
        type_ = device.type(dtype)
        return type_.xp.asarray(
            values.astype(dtype), dtype=type_.raw_dtype, device=type_.device.raw
        )
    if isinstance(stand, np.dtype):
        return device.type(stand).raw_dtype
    if isinstance(stand, (tuple, list)):
        return type(stand)(raw(item, device) for item in stand)
    return stand


def run(device: Device, name: str, *args: Any, **params: Any) -> None:
    """Call a kernel, which shows itself to `WATCH`."""
    complex_ = any(isinstance(x, Stand) and np.dtype(x.dtype).kind == "c" for x in args)
    xp: Any = device.backend.xp.for_complex if complex_ else device.backend.xp
    kernel = attrgetter(name)(xp)

    def call() -> None:
        kernel(*raw(args, device), **{key: raw(value, device) for key, value in params.items()})

    carry_out(device, call)


@pytest.mark.parametrize("name", sorted(UNARY | PREDICATES))
def test_elementwise_of_one_array(name: str, spied: Device) -> None:
    dtypes = ["bool"] if name in NOT_LOGICAL else dtypes_taken(name)
    if name == "imag":
        dtypes = ["complex64", "complex128"]
    for dtype in dtypes:
        for shape in ((2, 3), (), (0, 2)):
            run(spied, name, Stand(shape, dtype))


@pytest.mark.parametrize("name", sorted(BINARY | COMPARISONS))
def test_elementwise_of_two_arrays(name: str, spied: Device) -> None:
    shapes = [((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2,)), ((0, 1), (1, 2))]
    dtypes = ["bool"] if name in NOT_LOGICAL else dtypes_taken(name)
    for dtype in dtypes:
        for shape1, shape2 in shapes:
            run(spied, name, Stand(shape1, dtype), Stand(shape2, dtype))


@pytest.mark.parametrize("name", sorted((BINARY | COMPARISONS) - NOT_LOGICAL))
def test_elementwise_of_two_dtypes_of_one_kind(name: str, spied: Device) -> None:
    for dtype1, dtype2 in itertools.permutations(dtypes_taken(name), 2):
        kinds = {np.dtype(dtype1).kind, np.dtype(dtype2).kind}
        if kinds in ({"i"}, {"u"}, {"f"}, {"c"}):
            run(spied, name, Stand((2,), dtype1), Stand((2,), dtype2))


SCALAR_FUNCTIONS = ["add", "multiply", "pow", "equal", "maximum", "divide", "less"]


@pytest.mark.parametrize("name", SCALAR_FUNCTIONS)
@pytest.mark.parametrize("scalar", [True, 2, 2.5, 2j], ids=str)
@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "uint16", *FLOATING_DTYPES])
def test_a_python_scalar_is_weak_as_in_numpy(name: str, scalar: Any, dtype: str) -> None:
    x = np.ones((2, 3), dtype)
    function = getattr(np, {"pow": "power"}.get(name, name))
    if name == "divide" and x.dtype.kind not in "fc":
        x = x.astype(np.promote_types(dtype, "float32"))  # as ops hand integers to it
    if name in {"maximum", "less"} and (isinstance(scalar, complex) or x.dtype.kind == "c"):
        return
    if name == "pow" and scalar is True and dtype == "bool":
        return  # NumPy's is int8

    for args in ((x, scalar), (scalar, x)):
        assert infer(name, stands(args), {}) == avals(function(*args))


def test_of_two_python_scalars() -> None:
    mask = Stand((2,), np.dtype("bool"))
    for x1, x2 in itertools.product([True, 1, 1.0, 1j], repeat=2):
        expected = np.where(np.ones(2, bool), x1, x2).dtype
        assert infer("where", (mask, x1, x2), {}) == ((2,), expected)
    assert infer("add", (1, 2.0), {}) == ((), np.dtype("float64"))


def arrays(*shapes: tuple[int, ...], dtype: str = "float64") -> tuple[Stand, ...]:
    return tuple(Stand(shape, dtype) for shape in shapes)


F, INT, B, C = (np.dtype(name) for name in ("float32", "int64", "bool", "complex64"))
X = Stand((2, 3, 4), F)
SQUARE, TALL, WIDE = Stand((2, 3, 3), F), Stand((4, 3), F), Stand((2, 3, 4), C)
MATRICES = [SQUARE, Stand((3, 3), C), Stand((0, 2, 2), F)]
AXES: list[Any] = [None, (0,), (0, 2), (-1,), ()]
INDICES = Stand((2,), INT)

SMALL = [Stand((2, 3), np.dtype(name)) for name in ("int8", "int32", "uint8", "uint64", "int64")]
REDUCTIONS = {"all", "any", "max", "min", "mean", "std", "var", "count_nonzero"}
KEPT = [{"axis": axis, "keepdims": k} for axis in AXES for k in (False, True)]

Case = tuple[tuple[Any, ...], dict[str, Any]]


def case(*args: Any, **params: Any) -> Case:
    return args, params


CASES: dict[str, list[Case]] = {
    **{name: [case(X, **p) for p in KEPT] for name in REDUCTIONS | {"logsumexp"}},
    **{
        name: [case(X, axis=axis, keepdims=k) for axis in (None, 1, -1) for k in (False, True)]
        for name in ("argmax", "argmin")
    },
    **{
        name: [
            *(case(X, axis=1), case(X, axis=-1, include_initial=True), case(Stand((3,)))),
            *(case(x, axis=0) for x in SMALL[-2:]),
            case(SMALL[0], axis=1, dtype=np.dtype("int16")),
        ]
        for name in ("cumulative_sum", "cumulative_prod")
    },
    **{
        name: [
            *(case(X, **p) for p in KEPT),
            *(case(x, axis=(0,)) for x in SMALL),
            case(X, dtype=np.dtype("float64")),
            case(SMALL[0], dtype=np.dtype("int8")),
        ]
        for name in ("sum", "prod")
    },
    "linalg.vector_norm": [case(x, **p) for x in (X, WIDE) for p in KEPT],
    "linalg.matrix_norm": [case(X), case(WIDE, keepdims=True)],
    "sort": [case(X), case(X, axis=0, descending=True)],
    "argsort": [case(X), case(X, axis=0, descending=True)],
    "searchsorted": [case(Stand((5,)), Stand((2, 3)), side="right"), case(*arrays((4,), ()))],
    "isin": [case(Stand((2, 3)), Stand((4,)), invert=True)],
    "where": [
        case(Stand((2, 3), B), *arrays((2, 3), (2, 3))),
        case(Stand((3,), B), *arrays((2, 1), ())),
        case(Stand((2, 3), B), Stand((2, 3), F), 0.0),
        case(Stand((2, 3), B), 1.0, Stand((), F)),
    ],
    "clip": [case(X, 0.0, 1.0), case(X)],
    "clip_both": [case(X, Stand((4,), F), Stand((), F))],
    "cast": [case(X, dtype=np.dtype("int32")), case(X, dtype=F)],
    "astype": [case(X, np.dtype("complex64"))],
    "reshape": [
        case(X, (4, 6)),
        case(X, (-1,)),
        case(X, (2, -1, 2)),
        case(Stand(()), (1, 1)),
        case(Stand((0, 3)), (3, 0)),
        case(Stand((1,)), ()),
        case(X, (6, 4), copy=True),
    ],
    "permute_dims": [case(X, (2, 0, 1)), case(X, (0, -1, 1)), case(Stand(()), ())],
    "matrix_transpose": [case(X)],
    "moveaxis": [case(X, 0, -1), case(X, (0, 2), (1, 0))],
    "expand_dims": [case(X, axis=(0,)), case(X, axis=(1, 3)), case(Stand(()), axis=(0,))],
    "squeeze": [case(Stand((1, 3, 1)), (0, 2)), case(Stand((1, 3, 1)), -1), case(X, ())],
    "flip": [case(X), case(X, axis=1), case(X, axis=(0, -1))],
    "roll": [case(X, 2), case(X, (1, -2), axis=(0, 1)), case(X, 1, axis=-1)],
    "broadcast_to": [case(Stand((2, 1)), (4, 2, 3)), case(Stand(()), ()), case(Stand((1,)), (0,))],
    "spread": [case(Stand((2, 1)), (4, 2, 3)), case(Stand((3,)), (3,))],
    "broadcast_arrays": [case(Stand((2, 1), F), Stand((3,), INT))],
    "concat": [
        case([Stand((2, 3)), Stand((1, 3))]),
        case([Stand((2, 3)), Stand((2, 1))], axis=-1),
        case([Stand((2, 3), F), Stand((2,))], axis=None),
    ],
    "stack": [case(list(arrays((2, 3), (2, 3))), axis=axis) for axis in (0, 1, 2, -1)],
    "unstack": [case(X), case(X, axis=-1), case(Stand((0, 2)))],
    "repeat": [case(X, 2), case(X, 3, axis=1), case(X, 0, axis=-1)],
    "tile": [case(X, (2,)), case(X, (2, 1, 1, 3)), case(Stand(()), (2, 2))],
    "diff": [case(X), case(X, axis=0, n=3), case(Stand((4,)), n=2, prepend=Stand((1,)))],
    "zeros": [case((2, 3), dtype=F), case((), dtype=INT), case(3)],
    "ones": [case((2, 3), dtype=F), case((), dtype=INT), case(3)],
    "empty": [case((2, 3), dtype=F)],
    "full": [case((2, 3), 1.5, dtype=F), case((2,), 1), case((2,), 1.0), case((), True)],
    **{f"{name}_like": [case(X), case(X, dtype=INT)] for name in ("zeros", "ones", "empty")},
    "full_like": [case(X, 2.0), case(X, 2, dtype=INT)],
    "asarray": [case(X, copy=True), case(X), case(1.5), case([[1, 2], [3, 4]]), case(1, dtype=F)],
    "arange": [
        case(5),
        case(1, 7, 2),
        case(7, 1, -2),
        case(3, 1),
        case(0.0, 1.0, 0.3),
        case(5, dtype=F),
    ],
    "linspace": [case(0.0, 1.0, 5), case(0.0, 1.0, 5, dtype=F, endpoint=False), case(0, 1j, 3)],
    "eye": [case(3), case(2, 3, k=1, dtype=F)],
    "tril": [case(X), case(X, k=-1)],
    "triu": [case(X), case(X, k=1)],
    "meshgrid": [
        case(Stand((2,), F), Stand((3,), F)),
        case(Stand((2,)), Stand((3,)), Stand((4,)), indexing="ij"),
        case(Stand((2,)), Stand((3,)), Stand((4,))),
    ],
    "select": [
        case(X, key=key)
        for key in (
            0,
            slice(1, None),
            (0, 1, 2),
            (..., -1),
            (None, 1),
            (slice(None, None, -2), 0),
            (),
        )
    ],
    "gather": [
        case(X, key=INDICES),
        case(X, key=(slice(None), INDICES)),
        case(X, key=(INDICES, slice(None), INDICES)),
        case(X, key=(0, slice(None), INDICES)),
        case(X, key=(0, INDICES)),
        case(X, key=(..., Stand((3, 1), INT), INDICES)),
        case(X, key=(None, INDICES, 1)),
        case(X, key=Stand((2, 3), B)),
        case(X, key=(1, slice(0, 2))),
    ],
    "scatter": [
        case(Stand((2,)), key=INDICES, shape=(4,)),
        case(Stand(()), key=(0, slice(1, 2)), shape=(2, 3)),
        case(Stand((6, 4)), key=Stand((2, 3), B), shape=(2, 3, 4)),
    ],
    "put": [
        case(X, Stand((4,), F), key=(0, 1)),
        case(X, Stand((), F), key=Stand((2, 3, 4), B)),
        case(X, Stand((1, 4), F), key=(INDICES, INDICES)),
    ],
    "add_at": [case(X, Stand((4,), F), key=(0, 1)), case(X, Stand((2, 1, 1), F), key=INDICES)],
    "take": [case(X, INDICES, axis=1), case(Stand((3,)), INDICES)],
    "take_along_axis": [
        case(X, Stand((2, 3, 2), INT)),
        case(X, Stand((5, 3, 4), INT), axis=0),
        case(X, Stand((2, 1, 4), INT), axis=1),
    ],
    "diagonals": [case(X, offset=offset) for offset in (0, 1, -1, 5, -5)],
    "excess": [case(X, X), case(X, Stand((2, 3, 1), F))],
    "guarded_multiply": [case(X, X), case(X, Stand((4,), F))],
    "softmax": [case(X, axis=(0, 1)), case(X)],
    "log_softmax": [case(X, axis=(0, 1)), case(X)],
    "matmul": [
        case(*arrays((2, 3), (3, 4))),
        case(*arrays((2, 1, 2, 3), (4, 3, 2))),
        case(*arrays((3,), (3,))),
        case(*arrays((3,), (2, 3, 4))),
        case(*arrays((2, 2, 3), (3,))),
    ],
    "vecdot": [
        case(*arrays((3,), (3,))),
        case(*arrays((2, 1, 3), (4, 3))),
        case(*arrays((2, 1, 3), (3,))),
    ],
    "tensordot": [
        case(*arrays((2, 3, 4), (3, 4, 5))),
        case(*arrays((2,), (3,)), axes=0),
        case(*arrays((2, 3, 4), (4, 2)), axes=((0, 2), (1, 0))),
    ],
    **{
        f"linalg.{name}": [case(x) for x in MATRICES]
        for name in ("adjugate", "det", "eig", "eigh", "eigvals", "eigvalsh", "inv", "slogdet")
    },
    "linalg.cholesky": [case(SQUARE), case(SQUARE, upper=True)],
    "linalg.matrix_power": [case(SQUARE, 2)],
    "linalg.cross": [case(*arrays((2, 1, 3), (4, 3))), case(*arrays((3, 2), (3, 2)), axis=-2)],
    "linalg.diagonal": [case(X), case(X, offset=-1)],
    "linalg.matrix_rank": [case(TALL)],
    "linalg.matmul": [case(*arrays((2, 3), (3, 4)))],
    "linalg.matrix_transpose": [case(X)],
    "linalg.outer": [case(*arrays((2,), (3,)))],
    "linalg.pinv": [case(x) for x in (SQUARE, TALL, WIDE)],
    "linalg.qr": [case(x, mode=m) for x in (SQUARE, TALL, WIDE) for m in ("reduced", "complete")],
    "linalg.svd": [case(x, full_matrices=f) for x in (SQUARE, TALL, WIDE) for f in (False, True)],
    "linalg.svdvals": [case(x) for x in (SQUARE, TALL, WIDE)],
    "linalg.solve": [
        case(*arrays((3, 3), (3, 2))),
        case(*arrays((2, 1, 3, 3), (4, 3, 2))),
        case(*arrays((3, 3), (3,))),
    ],
    "linalg.tensordot": [case(*arrays((2, 3, 4), (3, 4, 5)))],
    "scipy.linalg.banded_solution": [
        case(*arrays((3, 4), (2, 4, 2)), lower=1, upper=1),
        case(Stand((2, 1, 2), F), Stand((2, 3), F), lower=0, upper=0),
    ],
    "scipy.linalg.expm": [case(x) for x in MATRICES],
    "scipy.linalg.solve_sylvester": [case(*arrays((2, 3, 3), (2, 2), (3, 2)))],
    "scipy.special.betainc": [case(X, X, X), case(X, *arrays((4,), ()))],
    "scipy.linalg.solve_triangular": [
        case(*arrays((3, 3), (3, 2)), lower=True, unit_diagonal=False),
        case(*arrays((2, 1, 3, 3), (4, 3, 0)), lower=False, unit_diagonal=True),
    ],
    "linalg.trace": [case(X), case(X, offset=1), case(Stand((2, 2), C))],
    **{
        f"fft.{name}": [case(x, **p) for x in (X, WIDE) for p in lengths]
        for name, lengths in (
            *((name, [{}, {"n": 5, "axis": 0}, {"n": 1, "axis": -1}]) for name in ("fft", "ifft")),
            *(
                (name, [{}, {"n": 5, "axis": 0}, {"n": 1, "axis": -1}])
                for name in ("irfft", "hfft")
            ),
            *(
                (name, [{}, {"axes": (2, 0)}, {"s": (5, 2), "axes": (0, 1)}])
                for name in ("fftn", "ifftn", "irfftn")
            ),
        )
    },
    **{
        f"fft.{name}": [case(X), case(X, n=5, axis=0), case(Stand((3,)), n=1)]
        for name in ("rfft", "ihfft")
    },
    "linalg.vecdot": [case(*arrays((3,), (3,)))],
    "fft.rfftn": [case(X), case(X, axes=(2, 0)), case(X, s=(5, 2), axes=(0, 1))],
    "fft.fftshift": [case(X), case(X, axes=(0, 1))],
    "fft.ifftshift": [case(X), case(X, axes=(0, 1))],
    "fft.fftfreq": [case(5), case(4, d=0.5)],
    "fft.rfftfreq": [case(5), case(4, d=0.5)],
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_every_other_kernel(name: str, spied: Device) -> None:
    for args, params in CASES[name]:
        run(spied, name, *args, **params)


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_small_integers_accumulate_in_the_default_integer(name: str) -> None:
    xp: Any = spied_device("numpy").backend.xp
    for x in SMALL:
        found = infer(name, (x,), {"axis": 0})
        assert found == avals(getattr(xp, name)(np.ones(x.shape, x.dtype), axis=0))


def keys(shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    """Keys of ints, slices, `...`, `None` and integer arrays."""
    n = min(shape, default=0)
    if not n:
        return hnp.basic_indices(shape, allow_newaxis=True)
    indices = st.sampled_from([(), (1,), (2,), (3, 1), (3, 2)]).map(lambda s: np.zeros(s, int))
    part = st.one_of(st.integers(-n, n - 1), st.slices(n), st.none(), st.just(...), indices)
    return st.lists(part, max_size=len(shape) + 2).map(tuple)


@given(st.data(), st.sampled_from([(), (3,), (2, 3), (2, 3, 4), (3, 2, 2, 3), (0, 2)]))
@settings(max_examples=300)
def test_a_key_selects_what_it_selects_in_numpy(data: Any, shape: tuple[int, ...]) -> None:
    key = data.draw(keys(shape))
    try:
        expected = np.zeros(shape)[key].shape
    except IndexError:
        with pytest.raises(IndexError):
            region(shape, stands(key))
    else:
        assert region(shape, stands(key)) == expected


def test_every_rule_is_tested() -> None:
    assert {*RULES} == {*CASES} | UNARY | PREDICATES | BINARY | COMPARISONS


# Errors.

A, V, M = Stand((2, 3)), Stand((3,)), Stand((2, 2))
STACKS = arrays((2, 2, 3), (4, 3, 2))


def eager(name: str) -> Any:
    """The function of a kernel's name."""
    return attrgetter(name)(npg)


AS_EAGER: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("add", (A, M), {}),
    ("where", (Stand((4,), B), A, 0.0), {}),
    ("where", (Stand((2, 3), B), A, M), {}),
    ("less", (A, Stand((2,))), {}),
    ("sum", (A,), {"axis": 2}),
    ("sum", (A,), {"axis": (0, -2)}),
    ("mean", (A,), {"axis": (0, 5)}),
    ("max", (Stand((0, 3)),), {"axis": 0}),
    ("argmin", (Stand((0,)),), {}),
    ("logsumexp", (Stand((2, 0)),), {"axis": (1,)}),
    ("softmax", (Stand((2, 0)),), {}),
    ("cumulative_sum", (A,), {}),
    ("sort", (A,), {"axis": 3}),
    ("searchsorted", (A, V), {}),
    ("matmul", (A, A), {}),
    ("matmul", (V, M), {}),
    ("matmul", (A, Stand(())), {}),
    ("matmul", (Stand((2, 3)), Stand((2,))), {}),
    ("matmul", STACKS, {}),
    ("vecdot", (A, M), {}),
    ("vecdot", (A, Stand((4, 3))), {}),
    ("vecdot", (A, A), {"axis": 0}),
    ("tensordot", (A, A), {"axes": 1}),
    ("tensordot", (A, A), {"axes": 3}),
    ("tensordot", (A, A), {"axes": ((0,), (1,))}),
    ("reshape", (A, (4,)), {}),
    ("reshape", (A, (-1, 4)), {}),
    ("reshape", (A, (-1, -1)), {}),
    ("reshape", (A, (-2, -3)), {}),
    ("permute_dims", (A, (0,)), {}),
    ("permute_dims", (A, (0, 0)), {}),
    ("matrix_transpose", (V,), {}),
    ("moveaxis", (A, (0, 1), (0,)), {}),
    ("expand_dims", (A,), {"axis": 4}),
    ("squeeze", (A, 0), {}),
    ("flip", (A,), {"axis": 2}),
    ("roll", (A, 1), {"axis": -3}),
    ("broadcast_to", (A, (3,)), {}),
    ("broadcast_to", (A, (2, 4)), {}),
    ("concat", ([],), {}),
    ("concat", ([A, M],), {}),
    ("concat", ([A, V],), {}),
    ("stack", ([A, A],), {"axis": 4}),
    ("stack", ([],), {}),
    ("unstack", (A,), {"axis": 2}),
    ("repeat", (A, -1), {}),
    ("diff", (A,), {"axis": 2}),
    ("tril", (V,), {}),
    ("meshgrid", (A, V), {}),
    ("take", (A, INDICES), {}),
    ("take", (A, INDICES), {"axis": 2}),
    ("take_along_axis", (A, INDICES), {}),
    ("linalg.inv", (A,), {}),
    ("linalg.det", (V,), {}),
    ("linalg.slogdet", (A,), {}),
    ("linalg.eigh", (A,), {}),
    ("linalg.eigvals", (A,), {}),
    ("linalg.qr", (V,), {}),
    ("linalg.svd", (V,), {}),
    ("linalg.solve", (M, Stand((3, 1))), {}),
    ("linalg.solve", (Stand((2, 2, 2)), Stand((3, 2, 1))), {}),
    ("linalg.cross", (V, Stand((2,))), {}),
    ("linalg.cross", (V, V), {"axis": 1}),
    ("linalg.outer", (A, V), {}),
    ("linalg.trace", (V,), {}),
    ("linalg.vector_norm", (A,), {"axis": 2}),
    ("linalg.matrix_norm", (V,), {}),
    ("fft.fft", (A,), {"axis": 2}),
    ("fft.fft", (Stand((0,)),), {}),
    ("fft.irfft", (Stand((1,)),), {}),
    ("fft.rfft", (A,), {"n": 0}),
    ("fft.fftn", (A,), {"s": (2,), "axes": (0, 1)}),
    ("fft.rfftn", (Stand(()),), {}),
]


@pytest.mark.parametrize(("name", "args", "params"), AS_EAGER, ids=[str(c) for c in AS_EAGER])
def test_the_error_is_that_of_eager_execution(name: str, args: Any, params: Any) -> None:
    def made(item: Any) -> Any:
        if isinstance(item, Stand):
            return npg.asarray(np.zeros(item.shape, item.dtype))
        return [made(x) for x in item] if isinstance(item, list) else item

    with pytest.raises((ValueError, IndexError)) as expected:
        eager(name)(*[made(item) for item in args], **params)

    with pytest.raises((ValueError, IndexError)) as found:
        infer(name, args, params)
    assert type(found.value) is type(expected.value)
    assert str(found.value) == str(expected.value)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (3, "index 3 is out of bounds for axis 0 with size 2"),
        ((0, -4), "index -4 is out of bounds for axis 1 with size 3"),
        ((INDICES, 3), "index 3 is out of bounds for axis 1 with size 3"),
        ((0, 0, 0), "too many indices: 3 for an array of 2 dimensions"),
        ((..., ...), "single ellipsis"),
        ((INDICES, Stand((3,), INT)), r"need shapes that broadcast, got \(2,\) and \(3,\)"),
        (Stand((3,), B), "boolean index did not match indexed array along axis 0"),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["gather", "put"])
def test_a_key_that_does_not_fit(name: str, key: Any, message: str) -> None:
    operands = (A,) if name == "gather" else (A, Stand(()))
    with pytest.raises(IndexError, match=message):
        infer(name, operands, {"key": key})


@pytest.mark.parametrize("name", ["put", "add_at"])
def test_a_value_that_does_not_fit_into_a_region(name: str) -> None:
    with pytest.raises(ShapeError, match=r"values of shape \(2,\) into a region of shape \(3,\)"):
        infer(name, (A, Stand((2,))), {"key": 0})


def test_of_kernels_that_nobody_knows_nothing_is_known() -> None:
    assert infer("no_such_kernel", (A,), {}) is None
    assert infer("nonzero", (A,), {}) is None
    assert infer("repeat", (A, INDICES), {"axis": 0}) is None
    assert infer("gather", (A,), {"key": (0, Stand((3,), B))}) is None
