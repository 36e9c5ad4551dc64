"""Special values as the standard has them: zeros with their sign, infinities and NaN."""

from __future__ import annotations

import importlib
import itertools
import math
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

import numpygrad as npg

INF, NAN, PI = math.inf, math.nan, math.pi

OPERANDS: dict[str, tuple[float, ...]] = {
    "0": (0.0,),
    "+-0": (0.0, -0.0),
    "-0": (-0.0,),
    "0.5": (0.5,),
    "-0.5": (-0.5,),
    "1": (1.0,),
    "-1": (-1.0,),
    "2": (2.0,),
    "-2": (-2.0,),
    "positive": (0.5, 2.0),
    "negative": (-0.5, -2.0),
    "nonzero": (0.5, 2.0, -0.5, -2.0),
    "finite": (0.0, -0.0, 0.5, 2.0, -0.5, -2.0),
    "inf": (INF,),
    "-inf": (-INF,),
    "+-inf": (INF, -INF),
    "nan": (NAN,),
}
"""What a word in the tables' first two columns stands for."""

RESULTS: dict[str, Callable[[float], float]] = {
    "0": lambda b: 0.0,
    "-0": lambda b: -0.0,
    "1": lambda b: 1.0,
    "-1": lambda b: -1.0,
    "pi": lambda b: PI,
    "pi/2": lambda b: PI / 2,
    "pi/4": lambda b: PI / 4,
    "3pi/4": lambda b: 3 * PI / 4,
    "inf": lambda b: INF,
    "-inf": lambda b: -INF,
    "nan": lambda b: NAN,
    "0cos": lambda b: 0.0 * math.cos(b),
    "0sin": lambda b: 0.0 * math.sin(b),
    "cos": lambda b: INF * math.cos(b),
    "sin": lambda b: INF * math.sin(b),
}
"""What a word in the tables' last two columns stands for, given `b`; `~` leaves the sign free."""

TABLES = {
    "acos": """
        +-0      0         pi/2   -0
        +-0      nan       pi/2   nan
        finite   inf       pi/2   -inf
        nonzero  nan       nan    nan
        -inf     positive  pi     -inf
        inf      positive  0      -inf
        -inf     inf       3pi/4  -inf
        inf      inf       pi/4   -inf
        +-inf    nan       nan    ~inf
        nan      finite    nan    nan
        nan      inf       nan    -inf
        nan      nan       nan    nan
    """,
    "acosh": """
        +-0      0         0      pi/2
        finite   inf       inf    pi/2
        nonzero  nan       nan    nan
        +-0      nan       nan    ~pi/2
        -inf     positive  inf    pi
        inf      positive  inf    0
        -inf     inf       inf    3pi/4
        inf      inf       inf    pi/4
        +-inf    nan       inf    nan
        nan      finite    nan    nan
        nan      inf       inf    nan
        nan      nan       nan    nan
    """,
    "asinh": """
        0         0         0     0
        positive  inf       inf   pi/2
        finite    nan       nan   nan
        inf       positive  inf   0
        inf       inf       inf   pi/4
        nan       0         nan   0
        nan       nonzero   nan   nan
        nan       inf       ~inf  nan
        nan       nan       nan   nan
    """,
    "atanh": """
        0         0         0    0
        0         nan       0    nan
        1         0         inf  0
        positive  inf       0    pi/2
        nonzero   nan       nan  nan
        inf       positive  0    pi/2
        inf       inf       0    pi/2
        inf       nan       0    nan
        nan       finite    nan  nan
        nan       inf       ~0   pi/2
        nan       nan       nan  nan
    """,
    "cosh": """
        0        0        1     0
        0        inf      nan   ~0
        0        nan      nan   ~0
        nonzero  inf      nan   nan
        nonzero  nan      nan   nan
        inf      0        inf   0
        inf      nonzero  cos   sin
        inf      inf      ~inf  nan
        inf      nan      inf   nan
        nan      +-0      nan   ~0
        nan      nonzero  nan   nan
        nan      nan      nan   nan
    """,
    "exp": """
        +-0     0        1     0
        finite  inf      nan   nan
        finite  nan      nan   nan
        inf     0        inf   0
        -inf    finite   0cos  0sin
        inf     nonzero  cos   sin
        -inf    inf      ~0    ~0
        inf     inf      ~inf  nan
        -inf    nan      ~0    ~0
        inf     nan      ~inf  nan
        nan     0        nan   0
        nan     nonzero  nan   nan
        nan     inf      nan   nan
        nan     nan      nan   nan
    """,
    "expm1": """
        +-0     0        0     0
        finite  inf      nan   nan
        finite  nan      nan   nan
        inf     0        inf   0
        -inf    finite   -1    0sin
        inf     nonzero  cos   sin
        -inf    inf      -1    ~0
        inf     inf      ~inf  nan
        -inf    nan      -1    ~0
        inf     nan      ~inf  nan
        nan     0        nan   0
        nan     nonzero  nan   nan
        nan     inf      nan   nan
        nan     nan      nan   nan
    """,
    "log": """
        0       0         -inf  0
        finite  inf       inf   pi/2
        finite  nan       nan   nan
        -inf    positive  inf   pi
        inf     positive  inf   0
        -inf    inf       inf   3pi/4
        inf     inf       inf   pi/4
        +-inf   nan       inf   nan
        nan     finite    nan   nan
        nan     inf       inf   nan
        nan     nan       nan   nan
    """,
    "log1p": """
        -1      0         -inf  0
        finite  inf       inf   pi/2
        finite  nan       nan   nan
        -inf    positive  inf   pi
        inf     positive  inf   0
        -inf    inf       inf   3pi/4
        inf     inf       inf   pi/4
        +-inf   nan       inf   nan
        nan     finite    nan   nan
        nan     inf       inf   nan
        nan     nan       nan   nan
    """,
    "sinh": """
        0         0         0     0
        0         inf       ~0    nan
        0         nan       ~0    nan
        positive  inf       nan   nan
        positive  nan       nan   nan
        inf       0         inf   0
        inf       positive  cos   sin
        inf       inf       ~inf  nan
        inf       nan       ~inf  nan
        nan       0         nan   0
        nan       nonzero   nan   nan
        nan       nan       nan   nan
    """,
    "sqrt": """
        +-0     0         0    0
        finite  inf       inf  inf
        +-inf   inf       inf  inf
        nan     inf       inf  inf
        finite  nan       nan  nan
        -inf    positive  0    inf
        inf     positive  inf  0
        -inf    nan       nan  ~inf
        inf     nan       inf  nan
        nan     finite    nan  nan
        nan     nan       nan  nan
    """,
    "tanh": """
        0        0         0    0
        nonzero  inf       nan  nan
        0        inf       0    nan
        nonzero  nan       nan  nan
        0        nan       0    nan
        inf      positive  1    0
        inf      inf       1    ~0
        inf      nan       1    ~0
        nan      0         nan  0
        nan      nonzero   nan  nan
        nan      nan       nan  nan
    """,
}
"""By function: real and imaginary part of an argument, then of the result, in the standard's order.

Further rows follow by `f(conj(x)) == conj(f(x))`, and from the parity of hyperbolic functions.
"""

PARITY = {"asinh": -1.0, "atanh": -1.0, "cosh": 1.0, "sinh": -1.0, "tanh": -1.0}
TURNED = {"asin": "asinh", "atan": "atanh", "cos": "cosh", "sin": "sinh", "tan": "tanh"}
"""Functions that the standard defines by one of the tables' at `x * 1j`."""


class Part(NamedTuple):
    """A real or imaginary part of a result."""

    value: float
    free: bool = False
    """Whether either sign will do."""

    def negated(self) -> Part:
        return Part(-self.value, self.free)

    def meets(self, found: float) -> bool:
        if math.isnan(self.value):
            return math.isnan(found)
        if self.free:
            found = math.copysign(found, self.value)
        same_sign = math.copysign(1.0, found) == math.copysign(1.0, self.value)
        return same_sign and math.isclose(found, self.value, rel_tol=1e-6)


class Case(NamedTuple):
    """An argument `a + bj`, and the parts of the result."""

    a: float
    b: float
    real: Part
    imag: Part

    def conjugated(self) -> Case:
        return Case(self.a, -self.b, self.real, self.imag.negated())

    def mirrored(self, sign: float) -> Case:
        return Case(-self.a, -self.b, *((p if sign > 0 else p.negated()) for p in self[2:]))


def part(word: str, b: float) -> Part:
    return Part(RESULTS[word.removeprefix("~")](b), word.startswith("~"))


def cases(name: str) -> Iterator[Case]:
    """The cases of a table, and those that follow from them."""
    for line in TABLES[name].strip().splitlines():
        first, second, real, imag = line.split()
        for a, b in itertools.product(OPERANDS[first], OPERANDS[second]):
            case = Case(a, b, part(real, b), part(imag, b))
            both = [case, case.mirrored(PARITY[name])] if name in PARITY else [case]
            for each in both:
                yield each
                yield each.conjugated()


def turned_cases(name: str) -> Iterator[Case]:
    """The cases of `-1j * f(x * 1j)`, of `cosh(x * 1j)` for the cosine."""
    for a, b, real, imag in cases(TURNED[name]):
        yield Case(b, -a, real, imag) if name == "cos" else Case(b, -a, imag, real.negated())


def found_by(function: Callable[..., Any], *operands: Any) -> Any:
    """The result as NumPy has it; what NumPy warns of is not the subject here."""
    with np.errstate(all="ignore"):
        return function(*operands).numpy()


def complex_array(points: Sequence[tuple[float, float]], dtype: str = "complex128") -> Any:
    """An array of complex numbers from their parts: `a + 1j * b` would lose some."""
    return np.asarray([complex(a, b) for a, b in points], dtype=dtype)


def deviations(name: str, function: Callable[..., Any], dtype: str = "complex128") -> list[Any]:
    """The cases of `name` that the results of `function` do not meet, with what they are."""
    wanted = list(cases(name) if name in TABLES else turned_cases(name))
    found = function(complex_array([case[:2] for case in wanted], dtype))
    assert found.dtype == dtype
    pairs = zip(wanted, found.tolist(), strict=True)
    return [(c, y) for c, y in pairs if not (c.real.meets(y.real) and c.imag.meets(y.imag))]


@pytest.mark.parametrize("dtype", ["complex128", "complex64"])
@pytest.mark.parametrize("name", [*TABLES, *TURNED])
def test_of_complex_arrays(name: str, dtype: str, device: str) -> None:
    function = getattr(npg, name)

    assert deviations(name, lambda x: found_by(function, npg.asarray(x)), dtype) == []


@pytest.mark.parametrize("name", [*TABLES, *TURNED])
def test_of_a_single_complex_number(name: str, device: str) -> None:
    function = getattr(npg, name)

    def each(x: Any) -> Any:
        return np.stack([found_by(function, npg.asarray(element)) for element in x])

    assert deviations(name, each) == []


@pytest.mark.parametrize("name", [*TABLES, *TURNED])
def test_of_complex_arrays_compiled_by_jax(name: str) -> None:
    jax = pytest.importorskip("jax")
    function = getattr(npg, name)
    compiled = jax.jit(function)

    with jax.enable_x64(True):
        assert (
            deviations(name, lambda x: found_by(compiled, npg.asarray(x, device="jax:cpu"))) == []
        )


def test_of_logarithms_to_other_bases(device: str) -> None:
    x = npg.asarray(complex_array([(c.a, c.b) for c in cases("log")]))

    log = found_by(npg.log, x)
    for function, base in ((npg.log2, 2.0), (npg.log10, 10.0)):
        found = found_by(function, x)
        # By parts, as NaN in one must not enter the other.
        for part_of in (np.real, np.imag):
            np.testing.assert_allclose(part_of(found), part_of(log) / math.log(base), rtol=1e-14)


CUTS = {
    "acos": (2.0, -2.0),
    "acosh": (0.5, -0.5, -2.0),
    "asin": (2.0, -2.0),
    "atanh": (2.0, -2.0),
    "log": (-2.0,),
    "log10": (-2.0,),
    "log1p": (-2.0,),
    "log2": (-2.0,),
    "sqrt": (-2.0,),
}
"""Points on the branch cuts along the real axis."""


@pytest.mark.parametrize("name", CUTS)
def test_the_sign_of_zero_says_which_side_of_a_cut(name: str, device: str) -> None:
    for a in CUTS[name]:
        for b in (0.0, -0.0):
            beside = complex(a, math.copysign(1e-200, b))
            on_cut, near = found_by(
                getattr(npg, name), npg.asarray(complex_array([(a, b), (beside.real, beside.imag)]))
            )
            np.testing.assert_allclose(on_cut, near, rtol=1e-12, atol=1e-12)


def test_inverse_hyperbolic_sine_and_tangent_on_their_cuts_along_the_imaginary_axis(
    device: str,
) -> None:
    for function in (npg.asinh, npg.atan):
        right, left = found_by(function, npg.asarray(complex_array([(0.0, 2.0), (-0.0, 2.0)])))

        assert right.real > 1.0
        assert (left.real, left.imag) == (-right.real, right.imag)


def test_special_elements_leave_the_others_alone(device: str) -> None:
    rng = np.random.default_rng(0)
    plain = rng.standard_normal((3, 4)) + 1j * rng.standard_normal((3, 4))
    mixed = plain.copy()
    mixed[1, 2] = complex(INF, NAN)
    for name in [*TABLES, *TURNED]:
        for order in ("C", "F"):
            function = getattr(npg, name)
            expected = found_by(function, npg.asarray(plain))
            found = found_by(function, npg.asarray(mixed.copy(order=order)))
            found[1, 2] = expected[1, 2]
            np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_finite_values_are_those_of_numpy(device: str) -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(-0.9, 0.9, (40,)) + 1j * rng.uniform(-0.9, 0.9, (40,))
    small = x * 1e-9
    aliases = {n: n.replace("a", "arc", 1) for n in ("acos", "acosh", "asin", "asinh", "atan")}
    aliases["atanh"] = "arctanh"
    for name in [*TABLES, *TURNED, "log2", "log10"]:
        reference = getattr(np, aliases.get(name, name))
        for values in (x, x + 0.5):
            found = found_by(getattr(npg, name), npg.asarray(values))
            np.testing.assert_allclose(found, reference(values), rtol=1e-13, err_msg=name)
        if name in ("cos", "cosh", "expm1", "sin", "sinh", "tan", "tanh"):
            found = found_by(getattr(npg, name), npg.asarray(small))
            for part_of in (np.real, np.imag):
                expected = part_of(reference(small))
                np.testing.assert_allclose(part_of(found), expected, rtol=1e-13, err_msg=name)


def test_expm1_of_zeros_among_finite_numbers(device: str) -> None:
    """Nothing but the zero gives the deviation away."""
    x = complex_array([(-0.0, 0.0), (-0.0, -0.0), (0.5, 0.5)])

    assert [repr(y) for y in npg.expm1(npg.asarray(x)).tolist()[:2]] == ["0j", "-0j"]


def test_kernels_for_complex_arrays_take_real_ones(device: str) -> None:
    """A rule of a complex node may meet them."""
    x = npg.asarray([0.25, 0.5])
    complex_type = npg.asarray([1j])._type
    for name in [*TABLES, *TURNED, "sign", "all", "any"]:
        domain = x + 1.0 if name == "acosh" else x
        with npg._modes.no_grad():
            found = npg.asarray(getattr(complex_type.xp, name)(domain.data))
        expected = getattr(npg, name)(domain)
        assert (found.dtype, found.tolist()) == (expected.dtype, expected.tolist())


REAL_TABLES = {
    "floor_divide": """
        nan       finite     nan
        finite    nan        nan
        +-inf     +-inf      nan
        +-0       +-0        nan
        0         positive   0
        -0        positive   -0
        0         negative   -0
        -0        negative   0
        positive  0          inf
        positive  -0         -inf
        negative  0          -inf
        negative  -0         inf
        inf       positive   inf
        inf       negative   -inf
        -inf      positive   -inf
        -inf      negative   inf
        positive  inf        0
        positive  -inf       -0
        negative  inf        -0
        negative  -inf       0
    """,
    "remainder": """
        nan       finite     nan
        finite    nan        nan
        +-inf     +-inf      nan
        +-0       +-0        nan
        +-0       positive   0
        +-0       negative   -0
        positive  +-0        nan
        negative  +-0        nan
        +-inf     positive   nan
        +-inf     negative   nan
        positive  inf        x1
        positive  -inf       -inf
        negative  inf        inf
        negative  -inf       x1
        2         0.5        0
        -2        0.5        0
        2         -0.5       -0
    """,
}
"""Both operands, then the result."""


def real_cases(name: str) -> Iterator[tuple[float, float, Part]]:
    for line in REAL_TABLES[name].strip().splitlines():
        first, second, result = line.split()
        for x1, x2 in itertools.product(OPERANDS[first], OPERANDS[second]):
            yield x1, x2, Part(x1) if result == "x1" else part(result, x2)


def real_deviations(name: str, function: Callable[..., Any], dtype: str = "float64") -> list[Any]:
    wanted = list(real_cases(name))
    first, second = (np.asarray([case[i] for case in wanted], dtype=dtype) for i in (0, 1))
    found = function(first, second)
    assert found.dtype == dtype
    return [(c, y) for c, y in zip(wanted, found.tolist(), strict=True) if not c[2].meets(y)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", REAL_TABLES)
def test_of_two_real_arrays(name: str, dtype: str, device: str) -> None:
    function = getattr(npg, name)

    def with_arrays(first: Any, second: Any) -> Any:
        return found_by(function, npg.asarray(first), npg.asarray(second))

    assert real_deviations(name, with_arrays, dtype) == []


@pytest.mark.parametrize("name", REAL_TABLES)
def test_of_a_real_array_and_a_scalar(name: str, device: str) -> None:
    """By operators, where one operand is 0-d."""
    operator = {"floor_divide": lambda a, b: a // b, "remainder": lambda a, b: a % b}[name]
    for x1, x2, wanted in real_cases(name):
        for x, y in ((npg.asarray([x1, 1.0]), x2), (x1, npg.asarray([x2, 1.0]))):
            found = found_by(operator, x, y)[0]
            assert wanted.meets(found), (x1, x2, wanted, found)


@pytest.mark.parametrize("name", REAL_TABLES)
def test_of_two_real_arrays_compiled_by_jax(name: str) -> None:
    jax = pytest.importorskip("jax")
    compiled = jax.jit(getattr(npg, name))

    def with_arrays(first: Any, second: Any) -> Any:
        arrays = (npg.asarray(x, device="jax:cpu") for x in (first, second))
        return found_by(compiled, *arrays)

    with jax.enable_x64(True):
        assert real_deviations(name, with_arrays) == []


def test_floor_division_elsewhere_is_that_of_numpy(device: str) -> None:
    rng = np.random.default_rng(2)
    x1, x2 = rng.uniform(-9, 9, (2, 50))
    x1[:5] = [1.0, -1.0, 6.0, 1e300, 0.3]
    x2[:5] = [0.1, 0.1, -3.0, 1e-3, 0.1]
    for dtype in ("float64", "float32", "int64", "uint8"):
        first, second = x1[5:].astype(dtype), x2[5:].astype(dtype)
        second[second == 0] = 1
        if dtype == "float64":
            first, second = x1, x2
        found = npg.floor_divide(npg.asarray(first), npg.asarray(second))
        np.testing.assert_array_equal(found.numpy(), np.floor_divide(first, second))
        with_infinity = npg.asarray(np.append(first, np.asarray(7, dtype=dtype)))
        if found.dtype.kind == "f":
            with_infinity[-1] = INF
            second = np.append(second, np.asarray(2, dtype=dtype))
            again = found_by(npg.floor_divide, with_infinity, npg.asarray(second))
            np.testing.assert_array_equal(again[:-1], found.numpy())
            assert again[-1] == INF


def test_floor_division_by_infinity_does_not_warn() -> None:
    """Its results are no NaN any more."""
    x = npg.asarray([INF, -1.0, 1.0])

    assert (x // npg.asarray([2.0, INF, -INF])).tolist() == [INF, 0.0, 0.0]


def test_sign_of_zeros_is_a_positive_zero(device: str) -> None:
    for dtype in ("float32", "float64", "complex64", "complex128"):
        values = complex_array([(0.0, 0.0), (-0.0, 0.0), (0.0, -0.0), (-0.0, -0.0)])
        x = npg.asarray((values if dtype.startswith("c") else values.real).astype(dtype))
        found = npg.sign(x)

        assert found.dtype == dtype
        for y in found.tolist():
            assert y == 0
            assert math.copysign(1.0, y.real) == math.copysign(1.0, y.imag) == 1.0


def test_sign_of_other_complex_numbers(device: str) -> None:
    points = complex_array([(3.0, -4.0), (-2.0, 0.0), (0.0, 1e-300), (NAN, 1.0), (0.0, NAN)])

    found = found_by(npg.sign, npg.asarray(points))

    expected = complex_array([(0.6, -0.8), (-1.0, 0.0), (0.0, 1.0), (NAN, NAN), (NAN, NAN)])
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_derivative_of_the_complex_sign_at_zero_is_zero(device: str) -> None:
    z = npg.asarray(complex_array([(0.0, 0.0), (3.0, 4.0)]), requires_grad=True)

    npg.sum(npg.real(npg.sign(z))).backward()

    assert z.grad is not None
    np.testing.assert_allclose(z.grad.numpy(), [0.0, (1 - 0.6 * (0.6 + 0.8j)) / 5], rtol=1e-12)


@pytest.mark.parametrize("name", ["acosh", "atan", "cosh", "expm1", "sinh", "sqrt", "tanh"])
def test_derivatives_beside_special_elements_stay(name: str, device: str) -> None:
    ordinary = npg.asarray(complex_array([(0.3, 0.2), (0.4, -0.1)]), requires_grad=True)
    mixed = npg.asarray(complex_array([(0.3, 0.2), (0.4, -0.1), (INF, NAN)]), requires_grad=True)
    function = getattr(npg, name)

    with np.errstate(all="ignore"):
        for z in (ordinary, mixed):
            npg.sum(npg.real(function(z))[:2]).backward()

    assert ordinary.grad is not None
    assert mixed.grad is not None
    np.testing.assert_allclose(mixed.grad.numpy()[:2], ordinary.grad.numpy(), rtol=1e-13)


def test_derivative_of_floor_division_under_jax_stays_zero_at_zeros() -> None:
    """The quotient that stands in there must not let its derivative through."""
    jax = pytest.importorskip("jax")

    def total(x1: Any, x2: Any) -> Any:
        return npg.floor_divide(npg.asarray(x1), npg.asarray(x2)).data.sum()

    with jax.enable_x64(True), npg.device("jax:cpu"):
        x1, x2 = jax.numpy.asarray([0.0, 3.0, INF]), jax.numpy.asarray([0.0, 0.0, 2.0])
        for slope in jax.grad(total, (0, 1))(x1, x2):
            assert slope.tolist() == [0.0, 0.0, 0.0]


@pytest.fixture
def cupy_kernels(monkeypatch: pytest.MonkeyPatch) -> Any:
    """CuPy's kernels over NumPy, which is made to lose the sign of zeros where CuPy does."""
    import array_api_compat.numpy as library

    def asarray(x: Any, **options: Any) -> Any:
        out = library.asarray(x, **options)
        return out + 0.0 if out.ndim == 0 else out

    def full(shape: Any, fill_value: Any, **options: Any) -> Any:
        out = library.full(shape, fill_value, **options)
        return np.where(out == 0, np.zeros_like(out), out)

    stand_in = types.ModuleType("array_api_compat.cupy")
    vars(stand_in).update(vars(library) | {"asarray": asarray, "full": full})
    monkeypatch.setitem(sys.modules, "cupy", np)
    monkeypatch.setitem(sys.modules, "array_api_compat.cupy", stand_in)
    monkeypatch.delitem(sys.modules, "numpygrad_cupy._kernels", raising=False)
    module = importlib.import_module("numpygrad_cupy._kernels")
    yield module
    sys.modules.pop("numpygrad_cupy._kernels", None)


def test_cupy_kernels_keep_the_sign_of_zero(cupy_kernels: Any) -> None:
    assert math.copysign(1.0, float(cupy_kernels.asarray(-0.0))) == -1.0
    for value, dtype in ((-0.0, "float32"), (complex(0.0, -0.0), "complex128"), (3.0, "float64")):
        found = cupy_kernels.full((2, 3), value, dtype=np.dtype(dtype))
        assert (found.shape, found.dtype) == ((2, 3), dtype)
        assert found.flags.writeable
        assert repr(found[0, 0].item()) == repr(value)


def test_cupy_kernel_of_the_remainder(cupy_kernels: Any) -> None:
    with np.errstate(all="ignore"):
        assert real_deviations("remainder", cupy_kernels.remainder) == []


def test_cupy_kernels_of_complex_arrays(cupy_kernels: Any) -> None:
    kernels = cupy_kernels.COMPLEX_KERNELS
    with np.errstate(all="ignore"):
        for name in kernels.keys() & {*TABLES, *TURNED}:
            assert deviations(name, kernels[name]) == []
            assert kernels[name](np.asarray([1.5])).dtype == "float64"


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("shape", [(2048,), (5, 613), (2047,), (3, 1, 1024)])
def test_relu_of_many_is_that_of_each(shape: tuple[int, ...], dtype: str) -> None:
    x = np.random.default_rng(0).integers(-3, 4, shape).astype(dtype)
    if dtype != "int64":
        x.flat[[0, 1, 2, 1023, 1024, -1]] = [np.nan, -np.inf, np.inf, -0.0, np.nan, np.nan]
    for given in (x, x.T, x[..., ::2]):
        found = npg.relu(npg.asarray(given)).numpy()
        np.testing.assert_array_equal(found, np.maximum(given, 0))
        assert found.dtype == given.dtype
