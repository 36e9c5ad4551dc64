"""Passes give the same bits with fewer calls."""

from __future__ import annotations

import operator
import time
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpygrad._backend import find_device
from numpygrad._lazy.folding import with_folded_constants
from numpygrad._lazy.passes import (
    argument_text,
    explained,
    in_bytes,
    simplified,
    without_common_subexpressions,
    without_dead_code,
)
from numpygrad._lazy.program import Aval, Instruction, Program, Report, Value, interpreter, mapped

Raw = np.ndarray[Any, Any]

SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.5, np.nan, np.inf, -np.inf, 5e-324, 1e-40, 1e308, 3e38]
DTYPES = ["float64", "float32", "complex128", "int32", "uint8", "bool"]


class Recorder:
    """A program in the making, run as it is recorded, so that shapes and dtypes are known."""

    def __init__(self, *inputs: Raw) -> None:
        self.xp = find_device("cpu").backend.xp
        self.inputs = list(inputs)
        self.values: list[Any] = list(inputs)
        self.calls: list[Instruction] = []

    def __call__(self, name: str, *args: Any, kernel: Any = None, **params: Any) -> Value:
        """The value of one more call."""
        kernel = kernel or getattr(self.xp, name)
        given = {key: mapped(item, self.values.__getitem__) for key, item in params.items()}
        with np.errstate(all="ignore"):
            y = kernel(*mapped(args, self.values.__getitem__), **given)
        aval = Aval(y.shape, y.dtype) if hasattr(y, "dtype") else None
        self.calls.append(Instruction(name, kernel, args, params, aval))
        self.values.append(y)
        return Value(len(self.values) - 1)

    def program(self, *outputs: Value, **options: Any) -> Program:
        """What was recorded, giving `outputs`."""
        inputs = tuple(Aval(x.shape, x.dtype) for x in self.inputs)
        return Program(inputs, tuple(self.calls), tuple(y.index for y in outputs), **options)


def special(dtype: str = "float64", shape: tuple[int, ...] = (3, 4)) -> Raw:
    """Numbers at the edges of a dtype."""
    values = np.resize(np.array(SPECIAL), shape)
    with np.errstate(all="ignore"):
        if dtype.startswith("complex"):
            return (values + 1j * values[..., ::-1]).astype(dtype)
        if dtype in ("float64", "float32"):
            return values.astype(dtype)
        return np.resize(np.array([0, 1, 2, 127]), shape).astype(dtype)


def run(program: Program, inputs: list[Raw]) -> list[Raw]:
    """The outputs, and what the inputs are afterwards."""
    copies = [np.array(x) for x in inputs]
    with np.errstate(all="ignore"):
        return [np.array(y) for y in interpreter(program)(copies)] + copies


def assert_same_bits(program: Program, other: Program, inputs: list[Raw]) -> None:
    for x, y in zip(run(program, inputs), run(other, inputs), strict=True):
        assert x.shape == y.shape
        assert x.dtype == y.dtype
        assert x.tobytes() == y.tobytes()


def names(program: Program) -> list[str]:
    return [call.name for call in program.instructions]


def lines(program: Program) -> list[str]:
    """The calls that are left when a pass and its dead code are done."""
    text = explained(program).split("\n\n")[-1].splitlines()
    return [line for line in text if "= input" not in line and "return" not in line]


# Dead code


def test_what_nothing_needs_is_taken_out_and_the_rest_renumbered() -> None:
    record = Recorder(np.ones(3), np.ones(3))
    record("exp", Value(0))
    a = record("sin", Value(1))
    record("add", a, a)
    b = record("concat", [a, Value(1)], axis=0)
    program = record.program(
        b, Value(0), updates=((a.index, 0),), names={3: "a", 2: "gone", 0: "x"}
    )
    found = without_dead_code(program)
    assert names(found) == ["sin", "concat"]
    assert found.instructions[1].args == ([Value(2), Value(1)],)
    assert found.inputs == program.inputs
    assert found.outputs == (3, 0)
    assert found.updates == ((2, 0),)
    assert found.names == {2: "a", 0: "x"}
    assert_same_bits(program, found, record.inputs)


def test_what_only_an_update_needs_stays() -> None:
    record = Recorder(np.ones(3))
    record("exp", Value(0))
    a = record("sin", Value(0))
    found = without_dead_code(record.program(updates=((a.index, 0),)))
    assert names(found) == ["sin"]
    assert found.updates == ((1, 0),)


def test_values_in_keys_are_needed() -> None:
    record = Recorder(np.ones((3, 4)), np.array([True, False, True]))
    record("exp", Value(0))
    rows = record("logical_not", Value(1))
    y = record("gather", Value(0), key=(rows, slice(None)))
    found = without_dead_code(record.program(y))
    assert names(found) == ["logical_not", "gather"]
    assert found.instructions[1].params == {"key": (Value(2), slice(None))}


def test_a_program_without_dead_code_comes_back_as_it_was() -> None:
    record = Recorder(np.ones(3))
    program = record.program(record("exp", Value(0)))
    assert without_dead_code(program) is program
    assert with_folded_constants(program) is program
    assert without_common_subexpressions(program) is program
    assert simplified(program) is program


# Common subexpressions


def merged(*calls: tuple[Any, ...], **params: Any) -> int:
    """How many of two calls of `reshape` or the like are left."""
    record = Recorder(special())
    kernel = params.pop("kernel", lambda x, *args: x)
    outputs = [record("unknown", Value(0), *args, kernel=kernel, **params) for args in calls]
    program = without_common_subexpressions(record.program(*outputs))
    assert len(program.instructions) == len(calls)
    return len(without_dead_code(program).instructions)


@pytest.mark.parametrize(
    "args",
    [
        (1.0,),
        (float("nan"),),
        (slice(None),),
        ((0, slice(1, None), [1, 2]),),
        (np.dtype("float32"), None, ...),
        (np.float32(0.1), 1j),
    ],
    ids=repr,
)
def test_calls_with_the_same_arguments_are_made_once(args: tuple[Any, ...]) -> None:
    assert merged(args, args) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (0.0, -0.0),
        (0.0, float("nan")),
        (np.float64(0.0), np.float64(-0.0)),
        (np.float32(0.0), np.float32(-0.0)),
        (1, 1.0),
        (1, True),
        (1.0, True),
        (0j, complex(0.0, -0.0)),
        (slice(1), slice(True)),
        (slice(0, 1), (0, 1, None)),
        ((1, 2), [1, 2]),
        (np.dtype("float32"), np.dtype("float64")),
        (Value(0), 0),
        (np.ones(2), np.ones(2)),
    ],
    ids=repr,
)
def test_calls_with_other_arguments_are_not_merged(first: Any, second: Any) -> None:
    assert merged((first,), (second,)) == 2


def test_calls_of_other_kernels_are_not_merged() -> None:
    record = Recorder(special())
    outputs = [record("f", Value(0), kernel=lambda x, c=c: x + c) for c in (1, 2)]
    program = record.program(*outputs)
    assert without_common_subexpressions(program) is program


def test_params_are_compared_whatever_their_order() -> None:
    record = Recorder(special())
    options = [{"axis": 0, "keepdims": True}, {"keepdims": True, "axis": 0}, {"axis": 0}]
    outputs = [record("sum", Value(0), **given) for given in options]
    program = simplified(record.program(*outputs))
    assert names(program) == ["sum", "sum"]
    assert program.outputs == (1, 1, 2)


def test_what_reads_merged_values_is_merged_too_and_names_go_along() -> None:
    record = Recorder(special())
    a, b = record("sin", Value(0)), record("sin", Value(0))
    c, d = record("concat", [a, b], axis=0), record("concat", [b, a], axis=0)
    program = record.program(c, d, updates=((b.index, 0),), names={d.index: "d"})
    found = simplified(program)
    assert names(found) == ["sin", "concat"]
    assert found.outputs == (2, 2)
    assert found.updates == ((1, 0),)
    assert found.names == {2: "d"}
    assert_same_bits(program, found, record.inputs)


def test_a_function_that_the_user_had_called_twice_is_called_twice() -> None:
    record = Recorder(special())
    outputs = [record("deferred", Value(0), kernel=np.copy) for _ in range(2)]
    assert names(simplified(record.program(*outputs))) == ["deferred", "deferred"]


# Constant folding


def left(record: Recorder, *outputs: Value) -> list[str]:
    """The names of the calls that are left, which give the same bits as all."""
    program = record.program(*outputs)
    found = simplified(program)
    assert_same_bits(program, found, record.inputs)
    return names(found)


IDENTITIES: dict[str, Any] = {
    "reshape": lambda r, x: r("reshape", x, (3, 4)),
    "reshape there and back": lambda r, x: r("reshape", r("reshape", x, (2, 6)), (3, -1)),
    "expand and squeeze": lambda r, x: r("squeeze", r("expand_dims", x, axis=(0,)), 0),
    "broadcast_to": lambda r, x: r("broadcast_to", x, (3, 4)),
    "spread": lambda r, x: r("spread", x, (3, 4)),
    "permute_dims": lambda r, x: r("permute_dims", x, (0, -1)),
    "permutations": lambda r, x: r("permute_dims", r("permute_dims", x, (1, 0)), (1, 0)),
    "transposes": lambda r, x: r("matrix_transpose", r("permute_dims", x, (1, 0))),
    "select": lambda r, x: r("select", x, key=(slice(None), ...)),
    "positive": lambda r, x: r("positive", x),
    "a copy": lambda r, x: r("asarray", x, copy=True),
    "negative twice": lambda r, x: r("negative", r("negative", x)),
    "conj twice": lambda r, x: r("conj", r("conj", x)),
    "where of the same": lambda r, x: r("where", r("equal", x, x), x, x),
    "where always": lambda r, x: r("where", r("ones", (3, 4), dtype=np.bool), x, 0),
    "where never": lambda r, x: r("where", r("zeros", (), dtype=np.bool), 1, x),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", IDENTITIES)
def test_calls_that_change_nothing_go(name: str, dtype: str) -> None:
    if dtype == "bool" and name in ("negative twice", "positive"):
        dtype = "int32"  # NumPy negates no booleans
    record = Recorder(special(dtype))
    y = IDENTITIES[name](record, Value(0))
    if record.values[-1].dtype != record.inputs[0].dtype:
        return
    assert left(record, y) == []


NEUTRAL = [
    ("multiply", 1.0),
    ("divide", 1.0),
    ("subtract", 0.0),
    ("add", -0.0),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("form", ["scalar", "array", "one element"])
@pytest.mark.parametrize(("name", "c"), NEUTRAL)
def test_neutral_numbers_go(name: str, c: float, form: str, dtype: str) -> None:
    record = Recorder(special(dtype))
    shape = (3, 4) if form == "array" else ()
    other: Any = c if form == "scalar" else record("full", shape, c, dtype=np.dtype(dtype))
    assert left(record, record(name, Value(0), other)) == []
    if name in ("add", "multiply"):
        assert left(record, record(name, other, Value(0))) == []


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize(
    ("name", "c", "first"),
    [
        ("add", 0.0, False),
        ("add", 0, False),
        ("subtract", -0.0, False),
        ("multiply", 0.0, False),
        ("multiply", -1.0, False),
        ("subtract", 0.0, True),
        ("divide", 1.0, True),
    ],
)
def test_numbers_that_change_some_bits_stay(name: str, c: float, first: bool, dtype: str) -> None:
    record = Recorder(special(dtype))
    args = (c, Value(0)) if first else (Value(0), c)
    assert left(record, record(name, *args)) == [name]


def test_complex_numbers_times_one_stay() -> None:
    record = Recorder(special("complex128"))
    assert left(record, record("multiply", Value(0), 1.0)) == ["multiply"]


@pytest.mark.parametrize(("name", "c"), NEUTRAL)
def test_beside_neutral_numbers_spread_out_small_arrays_are_spread(name: str, c: float) -> None:
    record = Recorder(special("float64")[0, 0], special("float32")[0, 0])
    one = record("full", (), c, dtype=np.dtype("float64"))
    spread = record("broadcast_to", one, (5, 4))
    assert left(record, record(name, Value(0), spread)) == ["broadcast_to"]
    if name in ("add", "multiply"):
        assert left(record, record(name, spread, Value(0))) == ["broadcast_to"]
    else:
        assert name in left(record, record(name, spread, Value(0)))
    assert name in left(record, record(name, Value(1), spread))  # of another dtype


@pytest.mark.parametrize(("name", "c"), [("add", 0), ("subtract", 0), ("multiply", 1)])
def test_neutral_integers_go(name: str, c: int) -> None:
    record = Recorder(special("int32"))
    assert left(record, record(name, Value(0), c)) == []
    ones = record("ones", (2, 3, 4), dtype=np.dtype("int32"))
    assert left(record, record("multiply", ones, Value(0))) != []


def test_what_changes_dtype_or_shape_stays() -> None:
    record = Recorder(special("float32"), special("int32"))
    assert left(record, record("multiply", Value(1), 1.0)) == ["multiply"]
    ones = record("ones", (2, 1, 1), dtype=np.dtype("float32"))
    assert left(record, record("multiply", ones, Value(0))) == ["ones", "multiply"]
    wide = record("ones", (), dtype=np.dtype("float64"))
    wide = record("reshape", wide, (1,))
    assert left(record, record("multiply", wide, Value(0)))[-1] == "multiply"
    assert left(record, record("expand_dims", Value(0), axis=(0,))) == ["expand_dims"]
    assert left(record, record("reshape", Value(0), (4, 3))) == ["reshape"]
    assert left(record, record("permute_dims", Value(0), (1, 0))) == ["permute_dims"]
    assert left(record, record("select", Value(0), key=(slice(None), slice(2)))) == ["select"]
    assert left(record, record("conj", record("sin", Value(0)))) == ["sin"]


@pytest.mark.parametrize(
    ("dtype", "through", "to", "count"),
    [
        ("float32", "float32", "float32", 0),
        ("float32", "float64", "float32", 0),
        ("float64", "float32", "float64", 2),
        ("int32", "float64", "int32", 2),
        ("uint8", "int32", "uint8", 2),
        ("float32", "float64", "float64", 1),
    ],
)
def test_casts_go_where_they_lose_nothing(dtype: str, through: str, to: str, count: int) -> None:
    record = Recorder(special(dtype))
    wide = record("cast", Value(0), dtype=np.dtype(through))
    assert len(left(record, record("astype", wide, np.dtype(to)))) == count


def test_chains_of_reshapes_and_broadcasts_and_permutations_are_one() -> None:
    record = Recorder(special(shape=(3, 1)), special(shape=(2, 3, 4)))
    a = record("reshape", record("expand_dims", Value(0), axis=(0,)), (3,))
    b = record("spread", record("broadcast_to", Value(0), (3, 4)), (2, 3, 4))
    c = record("permute_dims", record("permute_dims", Value(1), (2, 0, 1)), (0, 2, 1))
    found = simplified(record.program(a, b, c))
    assert lines(found) == [
        "%2 = reshape(%0, (3,))  float64[3]",
        "%3 = spread(%0, (2, 3, 4))  float64[2, 3, 4]",
        "%4 = permute_dims(%1, (2, 1, 0))  float64[4, 3, 2]",
    ]
    assert_same_bits(record.program(a, b, c), found, record.inputs)


def test_reshapes_and_permutations_that_lead_elsewhere_keep_their_own_arguments() -> None:
    record = Recorder(special(shape=(2, 3, 4)))
    there = record("squeeze", record("reshape", Value(0), (1, 6, 4)), 0)
    assert left(record, there) == ["reshape", "squeeze"]
    turned = record("matrix_transpose", record("permute_dims", Value(0), (1, 0, 2)))
    assert left(record, turned) == ["permute_dims", "matrix_transpose"]


def test_what_might_move_to_a_device_stays() -> None:
    record = Recorder(special())
    assert left(record, record("asarray", Value(0), device="cpu", copy=True)) == ["asarray"]
    full = record("asarray", record("full", (3, 4), 2.0), device="cpu")
    assert left(record, record("maximum", Value(0), full)) == ["full", "asarray", "maximum"]


@pytest.mark.parametrize("prefix", ["logical", "bitwise"])
def test_conditions_that_always_or_never_hold_go(prefix: str) -> None:
    record = Recorder(special(), special() > 0, special())
    always, never = (record("full", (3, 4), c, dtype=np.dtype("bool")) for c in (True, False))
    conjunction, disjunction = f"{prefix}_and", f"{prefix}_or"

    def chosen(condition: Value) -> list[str]:
        return left(record, record("where", condition, Value(0), Value(2)))

    assert chosen(record(conjunction, Value(1), always)) == ["where"]
    assert chosen(record(disjunction, never, Value(1))) == ["where"]
    assert chosen(record(conjunction, never, Value(1))) == []
    assert chosen(record(disjunction, Value(1), always)) == []
    assert chosen(record(disjunction, never, always)) == []
    assert chosen(record(disjunction, never, never)) == []
    row = record("select", Value(1), key=0)
    assert chosen(record(conjunction, row, always)) == ["full", "select", conjunction, "where"]


def test_comparisons_of_numbers_are_made_in_the_dtype_of_the_arrays() -> None:
    record = Recorder(special(), special())
    narrow, wide = (record("full", (), 0.1, dtype=np.dtype(d)) for d in ("float32", "float64"))
    two = record("full", (3, 4), 2, dtype=np.dtype("int32"))
    for condition, count in (
        (record("equal", wide, narrow), 4),
        (record("less", two, 2.5), 3),
        (record("less", two, 3), 0),
        (record("logical_or", two, Value(0)), 0),
    ):
        assert len(left(record, record("where", condition, Value(0), Value(1)))) == count


def test_a_number_that_is_chosen_everywhere_is_known() -> None:
    record = Recorder(special())
    never = record("zeros", (3, 4), dtype=np.dtype("bool"))
    one = record("where", never, 2.0, record("ones", (), dtype=np.dtype("float64")))
    assert left(record, record("multiply", one, Value(0))) == []


@pytest.mark.parametrize(("c", "dtype"), [(0.1, "float32"), (2.0**-130, "float32"), (2.5, "int32")])
def test_numbers_that_a_dtype_does_not_hold_stay(c: float, dtype: str) -> None:
    record = Recorder(special(dtype))
    cast = record("cast", record("full", (), c), dtype=np.dtype(dtype))
    assert left(record, record("multiply", Value(0), cast)) == ["full", "cast", "multiply"]


def test_complex_numbers_are_left_alone() -> None:
    record = Recorder(special())
    zeros = record("zeros", (3, 4), dtype=np.dtype("complex128"))
    with warnings.catch_warnings(action="ignore"):
        y = record("maximum", Value(0), record("astype", zeros, np.dtype("float64")))
    assert names(simplified(record.program(y))) == ["zeros", "astype", "maximum"]


def test_what_merging_brings_about_is_folded() -> None:
    record = Recorder(special(), special() > 0)
    branches = record("sin", Value(0)), record("sin", Value(0))
    assert left(record, record("where", Value(1), *branches)) == ["sin"]


def test_a_seed_of_ones_leaves_no_trace() -> None:
    record = Recorder(special(shape=(2, 3)))
    seed = record("ones", (), dtype=np.dtype("float64"), device=None)
    mean = record("divide", seed, 4.0)
    g = record("spread", record("reshape", mean, (1, 1)), (2, 3))
    y = record("multiply", record("cos", Value(0)), g)
    one = record("multiply", record("spread", seed, (2, 3)), record("sin", Value(0)))
    found = simplified(record.program(y, one))
    assert lines(found) == [
        "%1 = cos(%0)  float64[2, 3]",
        "%2 = multiply(%1, 0.25)  float64[2, 3]",
        "%3 = sin(%0)  float64[2, 3]",
    ]
    assert_same_bits(record.program(y, one), found, record.inputs)


def test_a_guarded_product_with_ones_leaves_no_guard() -> None:
    record = Recorder(special())
    g = record("spread", record("ones", (), dtype=np.dtype("float64")), (3, 4))
    partial = record("exp", Value(0))
    finite = record("bitwise_invert", record("isfinite", partial))
    silent = record("bitwise_and", record("equal", g, 0), finite)
    infinite = record("bitwise_invert", record("isfinite", g))
    flat = record("bitwise_and", record("equal", partial, 0), infinite)
    factors = record("where", flat, 0.0, g), record("where", silent, 0.0, partial)
    assert left(record, record("multiply", *factors)) == ["exp"]


def test_numbers_stand_for_arrays_full_of_them() -> None:
    record = Recorder(special(), special() > 0)
    zeros = record("zeros_like", Value(0))
    outputs = [
        record("maximum", Value(0), zeros),
        record("where", Value(1), Value(0), zeros),
        record("where", Value(1), zeros, Value(0)),
        record("less", zeros, Value(0)),
        record("subtract", record("full_like", Value(0), -0.0), Value(0)),
    ]
    program = record.program(*outputs)
    assert lines(program) == [
        "%2 = maximum(%0, 0.0)  float64[3, 4]",
        "%3 = where(%1, %0, 0.0)  float64[3, 4]",
        "%4 = where(%1, 0.0, %0)  float64[3, 4]",
        "%5 = less(0.0, %0)  bool[3, 4]",
        "%6 = subtract(-0.0, %0)  float64[3, 4]",
    ]
    assert_same_bits(program, simplified(program), record.inputs)


def test_an_array_full_of_a_number_stays_where_it_gives_shape_or_dtype() -> None:
    record = Recorder(special("float32", (4,)), special("float32", (4,)) > 0)
    zeros = record("zeros", (3, 4), dtype=np.dtype("float32"))
    wide = record("zeros", (4,), dtype=np.dtype("float64"))
    for y in (
        record("maximum", Value(0), zeros),
        record("maximum", Value(0), wide),
        record("where", Value(1), zeros, Value(0)),
        record("where", Value(1), wide, Value(0)),
        record("where", Value(1), wide, wide),
        record("maximum", wide, wide),
        record("matmul", zeros, Value(0)),
    ):
        assert "zeros" in left(record, y)


@pytest.mark.parametrize("c", [np.nan, np.inf, 1e308, 5e-324, 1e-160])
def test_numbers_that_not_all_backends_compute_alike_are_not_computed(c: float) -> None:
    record = Recorder(special())
    full = record("full", (), c)
    y = record("multiply", record("multiply", full, full), Value(0))
    assert left(record, y) == ["full", "multiply", "multiply"]


def test_no_number_stands_for_an_array_of_nan_whose_bits_it_might_not_have() -> None:
    record = Recorder(special())
    nan = record("full", (3, 4), np.nan)
    assert left(record, record("maximum", Value(0), nan)) == ["full", "maximum"]


def test_integers_wrap_around_as_arrays_do() -> None:
    record = Recorder(special("uint8"))
    full = record("full", (), 200, dtype=np.dtype("uint8"))
    y = record("add", record("add", full, full), Value(0))
    assert lines(record.program(y)) == ["%1 = add(144, %0)  uint8[3, 4]"]
    assert left(record, y) == ["add"]


def test_an_input_that_would_be_written_into_itself_is_not() -> None:
    record = Recorder(special())
    same = record("multiply", Value(0), 1.0)
    other = record("sin", Value(0))
    program = record.program(same, updates=((same.index, 0), (other.index, 0)))
    found = simplified(program)
    assert found.outputs == (0,)
    assert found.updates == ((1, 0),)


def test_kernels_with_several_results_are_kept_whole() -> None:
    record = Recorder(np.eye(3))
    both = record("linalg.eigh", Value(0), kernel=np.linalg.eigh)
    parts = [record("part", both, i, kernel=operator.getitem) for i in (0, 1, 1)]
    assert left(record, *parts) == ["linalg.eigh", "part", "part"]


# All passes


UNARY = ["negative", "positive", "square", "zeros_like", "ones_like", "isfinite", "conj", "exp"]
BINARY = ["add", "subtract", "multiply", "divide", "maximum", "equal", "less", "logical_and"]
MOVING = ["reshape", "spread", "permute_dims", "matrix_transpose", "expand_dims", "select", "cast"]


@st.composite
def programs(draw: st.DrawFn) -> tuple[Program, list[Raw]]:
    """Random programs over few shapes and many special numbers."""
    dtype = draw(st.sampled_from(DTYPES))
    record = Recorder(special(dtype, (2, 2)), special("float64", (2, 2)), special("float32", ()))
    constants = st.sampled_from([*SPECIAL, 0, 1, True])
    for _ in range(draw(st.integers(2, 12))):
        value = st.integers(0, len(record.values) - 1).map(Value)
        x, name = draw(value), draw(st.sampled_from([*UNARY, *BINARY, *MOVING, "where", "full"]))
        shape = record.values[x.index].shape
        try:
            if name in UNARY:
                record(name, x)
            elif name in BINARY:
                args = [x, draw(value | constants)]
                record(name, *draw(st.permutations(args)))
            elif name == "where":
                condition = record("not_equal", draw(value), draw(value | constants))
                record("where", condition, x, draw(value | constants))
            elif name == "full":
                dtypes = st.sampled_from(["float64", "float32", "bool"])
                given = np.dtype(draw(dtypes))
                record("full", draw(st.sampled_from([(), (2, 2)])), draw(constants), dtype=given)
            elif name == "reshape":
                record(name, x, draw(st.sampled_from([shape, (-1,), (2, 2), (4,), (1, *shape)])))
            elif name == "spread":
                record(name, x, draw(st.sampled_from([shape, (2, 2), (2, 2, 2), (1, *shape)])))
            elif name == "permute_dims":
                record(name, x, tuple(draw(st.permutations(range(len(shape))))))
            elif name == "expand_dims":
                record(name, x, axis=(0,))
            elif name == "select":
                record(name, x, key=draw(st.sampled_from([..., (slice(None), ...), (0, ...)])))
            elif name == "cast" and record.values[x.index].dtype.kind != "c":
                record(name, x, dtype=np.dtype(draw(st.sampled_from(["float32", "float64"]))))
            elif name == "matrix_transpose":
                record(name, x)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue  # a call that NumPy refuses is not recorded
    count = len(record.values)
    outputs = draw(st.lists(st.integers(0, count - 1).map(Value), min_size=1, max_size=4))
    return record.program(*outputs, Value(count - 1)), record.inputs


@given(programs())
def test_a_simplified_program_gives_the_same_bits(case: tuple[Program, list[Raw]]) -> None:
    program, inputs = case
    for pass_ in (with_folded_constants, without_common_subexpressions, without_dead_code):
        assert_same_bits(program, pass_(program), inputs)
    found = simplified(program)
    assert_same_bits(program, found, inputs)
    assert simplified(found) is found
    assert len(found.instructions) <= len(program.instructions)


def long_program(length: int) -> tuple[Program, list[Raw]]:
    """Such as a training step is: products, sums, repeats, ones, spread and reshaped."""
    record = Recorder(special(), special())
    x = Value(0)
    g = record("ones", (), dtype=np.dtype("float64"))
    while len(record.calls) < length:
        x = record("tanh", record("add", record("multiply", x, Value(1)), 0.5))
        g = record("multiply", record("spread", g, (3, 4)), record("multiply", x, Value(1)))
        record("reshape", record("reshape", x, (12,)), (3, 4))
        g = record("sum", record("multiply", g, record("multiply", x, Value(1))), axis=(0, 1))
    return record.program(x, g), record.inputs


def test_a_long_program_is_simplified_in_few_milliseconds() -> None:
    program, inputs = long_program(300)
    times = []
    for _ in range(5):
        start = time.process_time()
        found = simplified(program)
        times.append(time.process_time() - start)
    assert_same_bits(program, found, inputs)
    assert min(times) < 0.05, "2.5 ms where it was measured"


# Explanations


def test_an_explanation_tells_passes_report_and_calls() -> None:
    record = Recorder(special("float32"))
    a = record("multiply", record("positive", Value(0)), record("positive", Value(0)))
    record("exp", a)
    y = record("sum", a, axis=(0,), keepdims=True)
    z = record("select", y, key=(0, slice(1, None, 2), ...))
    program = record.program(z, updates=((a.index, 0),), names={0: "x", z.index: "loss"})
    runner = interpreter(simplified(program))
    runner.report = Report(((0, 1),), 3, 1500, 4_000_000)  # type: ignore[attr-defined]
    assert explained(program, runner) == "\n".join(
        [
            "pass                      before   after   (instructions)",
            "dead code                      6       5",
            "constant folding               5       3",
            "common subexpressions          3       3",
            "",
            "groups    1, of 2 instructions together",
            "buffers   3, in an arena of 1.5 kB",
            "moved     4 MB between whole arrays in one run",
            "",
            "%0 'x' = input  float32[3, 4]",
            "%1 = multiply(%0, %0)  float32[3, 4]  group 1",
            "%2 = sum(%1, axis=(0,), keepdims=True)  float32[1, 4]  group 1",
            "%3 'loss' = select(%2, key=(0, 1::2, ...))  float32[2]",
            "%0 <- %1",
            "return %3",
        ]
    )


def test_an_explanation_without_a_report_has_none() -> None:
    record = Recorder(special())
    program = record.program(record("exp", Value(0)))
    assert "groups" not in explained(program, interpreter(program))
    both = record("linalg.eigh", record("matmul", Value(0), record("matrix_transpose", Value(0))),
                  kernel=lambda x: (x, x))  # fmt: skip
    assert "several results" in explained(record.program(both))


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (np.dtype("float32"), "float32"),
        ((slice(None), slice(1, -1), None), "(:, 1:-1, None)"),
        ([Value(3), (2,)], "[%3, (2,)]"),
        (-0.0, "-0.0"),
        (np.ones((2, 3)), "float64[2, 3]"),
        (np.float32(2), "np.float32(2.0)"),
        pytest.param(Recorder(), "<Recorder>", id="an object"),
        ("ij", "'ij'"),
    ],
    ids=repr,
)
def test_arguments_are_short(item: Any, text: str) -> None:
    assert argument_text(item) == text


def test_bytes_are_told_in_units() -> None:
    sizes = (0, 999, 1000, 123_456, 5_000_000, 7.25e12)
    assert [in_bytes(n) for n in sizes] == [
        *("0 bytes", "999 bytes", "1 kB", "123.5 kB", "5 MB", "7250 GB"),
    ]
