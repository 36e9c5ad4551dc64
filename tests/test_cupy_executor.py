"""CuPy's executor of programs, over a stand-in for CuPy that reads the kernels it is given."""

from __future__ import annotations

import ctypes
import math
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from drawn_programs import Builder, itself, kernel, programs
from hypothesis import given, settings
from stand_in_for_cupy import ElementwiseKernel, ReductionKernel, Stream, launching, standing_in

import numpygrad as npg
from numpygrad._lazy.program import Aval, Instruction, Program, Value, interpreter
from numpygrad_cupy._programs.expressions import TYPES, formula

INF, NAN = math.inf, math.nan
SPECIAL = [0.0, -0.0, 1.0, -1.0, INF, -INF, NAN, 0.3, -2.5, 1.5, 3e38, 2.0]

UNARY = [
    *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "erf"),
    *("exp", "expm1", "floor", "isfinite", "isinf", "isnan", "log", "log10", "log1p", "log2"),
    *("negative", "positive", "reciprocal", "round", "sign", "signbit", "sin", "sinh", "sqrt"),
    *("square", "tan", "tanh", "trunc"),
]
BINARY = [
    *("add", "atan2", "copysign", "divide", "equal", "greater", "greater_equal"),
    *("excess", "guarded_multiply", "hypot", "less", "less_equal", "maximum", "minimum"),
    "multiply",
    *("not_equal", "pow", "subtract"),
]
LEFT_OUT = ["floor_divide", "logaddexp", "nextafter", "remainder"]
INTEGER = [
    *("add", "bitwise_and", "bitwise_or", "bitwise_xor", "equal", "less", "maximum", "minimum"),
    *("multiply", "not_equal", "subtract"),
]
LOGICAL = ["logical_and", "logical_or", "logical_xor", "bitwise_and", "equal", "not_equal"]


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, over the stand-in."""
    with standing_in(monkeypatch) as module:
        yield module


@pytest.fixture(scope="module")
def shared() -> Iterator[ModuleType]:
    """The same for many examples."""
    with pytest.MonkeyPatch.context() as monkeypatch, standing_in(monkeypatch) as module:
        yield module


def numbers(*shape: int, dtype: str = "f4", seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def check(run: Any, program: Program, inputs: list[Any], **tolerance: float) -> None:
    """Run a program thrice, against the interpreter."""
    earlier: list[Any] = []
    for _ in range(3):
        wanted = (*program.outputs, *(v for v, _ in program.updates))
        with np.errstate(all="ignore"):
            right = interpreter(replace(program, outputs=wanted, updates=()))(inputs)
            mine = [np.array(x) for x in inputs]
            found = run(mine)
        for x, y in zip(found, right[: len(program.outputs)], strict=True):
            assert (x.shape, x.dtype) == (np.shape(y), y.dtype)
            np.testing.assert_allclose(x, y, **{"rtol": 0, **tolerance})
        updated = {k: y for (_, k), y in zip(program.updates, right[len(found) :], strict=True)}
        for k, x in enumerate(mine):
            np.testing.assert_allclose(x, updated.get(k, inputs[k]), **{"rtol": 0, **tolerance})
        for place, x in enumerate(found):
            assert x.flags.c_contiguous
            for other in (*found[:place], *mine, *earlier):
                assert not np.shares_memory(x, other)
        earlier = found


def special(dtype: str) -> list[Any]:
    """Every pair of special values."""
    return [np.ascontiguousarray(a).astype(dtype) for a in np.meshgrid(SPECIAL, SPECIAL)]


def of_every_kind(dtype: str) -> tuple[Builder, list[Value]]:
    """A program with each call that kernels are made of."""
    builder = Builder(*special(dtype), np.arange(-72, 72, dtype="i8").reshape(12, 12))
    x, y, k = builder.given
    call = builder.call
    out = [call(name, x) for name in UNARY]
    out += [call(name, x, y) for name in BINARY]
    out += [call(name, x, y) for name in LEFT_OUT]
    out += [call(name, x, s) for name in BINARY[:6] for s in (2.5, -0.0, INF, NAN, 3, True)]
    out += [call("subtract", 0.1, y), call("divide", 1, y)]
    mask, other = call("greater", x, y), call("less", x, 0.5)
    out += [call(name, mask, other) for name in LOGICAL]
    out += [
        call("logical_not", mask),
        call("bitwise_invert", mask),
        call("logical_and", mask, True),
    ]
    pairs: list[Any] = [(x, y), (x, 0.0), (x, -0.0), (NAN, y), (1, 2.5)]
    out += [call("where", mask, *pair) for pair in pairs if Value in map(type, pair)]
    out += [call("where", mask, other, False), call("where", mask, k, 7)]
    out.append(call("clip_both", x, y, call("add", y, 1.0)))
    out += [call(name, k, call("multiply", k, 3)) for name in INTEGER]
    out += [call("negative", k), call("bitwise_invert", k), call("less", k, 5)]
    small = call("cast", k, dtype=np.dtype("i1"))
    out += [small, call("multiply", small, small), call("cast", mask, dtype=np.dtype("u1"))]
    out += [call("cast", z, dtype=np.dtype(d)) for z in (x, mask, k) for d in ("f4", "f8", "?")]
    wide = call("cast", y, dtype=np.dtype("f8"))
    out += [call("sum", call("exp", call("divide", x, y)), axis=(1,), keepdims=True)]
    out += [call("add", x, wide), call("less", x, wide), call("where", mask, x, wide)]
    return builder, out


OPEN = {"clip_both", "maximum", "minimum"}
"""Calls of which C leaves open which zero is the larger one."""


def require_same(name: str, found: Any, wanted: Any) -> None:
    """NaN where NaN is wanted; otherwise a few last bits apart, with the same sign."""
    if wanted.dtype.kind != "f":
        np.testing.assert_array_equal(found, wanted, err_msg=name)
        return
    there = ~np.isnan(wanted)
    assert (np.isnan(found) == ~there).all(), name
    np.testing.assert_allclose(found, wanted, rtol=8 * np.finfo(wanted.dtype).eps, err_msg=name)
    if name.partition("(")[0] not in OPEN:
        assert (np.signbit(found) == np.signbit(wanted))[there].all(), name


def require_same_results(builder: Builder, out: list[Value], run: Any) -> None:
    count = len(builder.inputs)
    with np.errstate(all="ignore"):
        found = run([x.copy() for x in builder.values[:count]])
    for v, x in zip(out, found, strict=True):
        call = builder.calls[v.index - count]
        require_same(f"{call.name}{call.args}", x, np.asarray(builder.values[v.index]))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_calls_in_kernels_give_what_they_give_alone(executor: ModuleType, dtype: str) -> None:
    builder, out = of_every_kind(dtype)
    program = builder.program(*out)
    run = executor.execute(program)
    fused = {i for group in run.report.groups for i in group}
    alone = {program.instructions[i].name for i in {*range(len(program.instructions))} - fused}
    assert alone == {*LEFT_OUT}
    require_same_results(builder, out, run)


PRELUDE = """
#define __device__
#include <cmath>
#include <cstring>
using namespace std;
static double __longlong_as_double(long long x) { double y; memcpy(&y, &x, 8); return y; }
"""


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiles the kernels for the host")
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_compiler_reads_kernels_as_the_stand_in_does(
    executor: ModuleType, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder, out = of_every_kind(dtype)
    executor.execute(builder.program(*out))
    functions = []
    for number, made in enumerate(ElementwiseKernel.made):
        types = [(TYPES[d], name) for d, name in made.parameters]
        given = ", ".join(f"{t} *{name}s" for t, name in types)
        one = "".join(f"{t} &{name} = {name}s[at];\n" for t, name in types)
        functions.append(
            f'extern "C" void kernel{number}(long size, {given}) {{\n'
            f"for (long at = 0; at < size; at++) {{\n{one}{made.operation}\n}}}}"
        )
    functions += [
        f"namespace sums{n} {{ {k.preamble} }}" for n, k in enumerate(ReductionKernel.made)
    ]
    source, library = tmp_path / "kernels.cc", tmp_path / "kernels.so"
    source.write_text(PRELUDE + "\n".join(functions))
    options = ["-O1", "-ffp-contract=off", "-fwrapv", "-shared", "-fPIC"]
    subprocess.run(["g++", *options, str(source), "-o", str(library)], check=True)  # noqa: S607 (whichever there is)
    compiled = ctypes.CDLL(str(library))

    def launch(self: ElementwiseKernel, *arrays: Any) -> None:
        shape = np.broadcast_shapes(*(x.shape for x in arrays))
        given = [np.ascontiguousarray(np.broadcast_to(x, shape)) for x in arrays[: -self.outputs]]
        pointers = [ctypes.c_void_p(x.ctypes.data) for x in (*given, *arrays[-self.outputs :])]
        number = first.index(self.operation)
        compiled[f"kernel{number}"](ctypes.c_long(math.prod(shape)), *pointers)

    first = [made.operation for made in ElementwiseKernel.made]
    monkeypatch.setattr(ElementwiseKernel, "__call__", launch)
    run = executor.execute(builder.program(*out))
    require_same_results(builder, out, run)


@settings(max_examples=250, deadline=None)
@given(drawn=programs())
def test_any_program_gives_what_its_calls_give(shared: ModuleType, drawn: Any) -> None:
    program, inputs = drawn
    check(shared.execute(program), program, inputs)


def names(program: Program, group: tuple[int, ...]) -> list[str]:
    return [program.instructions[i].name for i in group]


def test_a_chain_is_one_kernel_that_reads_and_writes_each_array_once(
    executor: ModuleType,
) -> None:
    builder = Builder(numbers(6, 8), numbers(8), numbers(6, 1))
    x, row, column = builder.given
    y = builder.call(
        "multiply", builder.call("add", x, row), builder.call("spread", column, (6, 8))
    )
    z = builder.call("exp", builder.call("reshape", builder.call("tanh", y), (2, 3, 8)))
    program = builder.program(y, z)
    run = executor.execute(program)
    check(run, program, builder.values[:3], rtol=1e-6)
    (group,) = run.report.groups
    assert names(program, group) == ["add", "multiply", "tanh", "exp"]
    (made,) = ElementwiseKernel.made
    assert [str(dtype) for dtype, _ in made.parameters] == ["float32"] * 5
    assert made.operation.splitlines()[0] == "const float v0 = x0 + x1;"
    assert run.report.buffers == 0
    assert run.report.moved == 4 * (48 + 8 + 6 + 48 + 48)


def test_one_call_alone_is_cupys_own(executor: ModuleType) -> None:
    builder = Builder(numbers(6, 8))
    e = builder.call("exp", *builder.given)
    program = builder.program(builder.call("matmul", e, builder.call("permute_dims", e, (1, 0))))
    check(executor.execute(program), program, builder.values[:1], rtol=1e-6)
    assert not ElementwiseKernel.made


@pytest.mark.parametrize("name", ["sum", "mean"])
@pytest.mark.parametrize("axis", [None, (0,), (1,), (2,), (0, 2)])
@pytest.mark.parametrize("keepdims", [True, False])
def test_what_only_a_sum_reads_is_computed_by_it(
    executor: ModuleType, name: str, axis: Any, keepdims: bool
) -> None:
    builder = Builder(numbers(4, 3, 5), numbers(3, 1))
    x, y = builder.given
    d = builder.call("subtract", x, y)
    total = builder.call(name, builder.call("multiply", d, d), axis=axis, keepdims=keepdims)
    program = builder.program(total)
    run = executor.execute(program)
    check(run, program, builder.values[:2], rtol=1e-5)
    assert not ElementwiseKernel.made
    assert len(ReductionKernel.made) == 1
    (group,) = run.report.groups
    assert names(program, group) == ["subtract", "multiply", name]


def test_a_sum_reads_what_is_written_anyway(executor: ModuleType) -> None:
    builder = Builder(numbers(4, 8), numbers(4, 8, seed=1))
    d = builder.call("exp", builder.call("subtract", *builder.given))
    total = builder.call("sum", builder.call("multiply", d, d), axis=None)
    program = builder.program(d, total)
    check(executor.execute(program), program, builder.values[:2], rtol=1e-5)
    (sums,) = ReductionKernel.made
    assert len(sums.parameters) == 1
    (made,) = ElementwiseKernel.made
    assert made.operation.count("const") == 2


@pytest.mark.parametrize("name", ["sum", "max"])
def test_reductions_that_are_left_as_they_are(executor: ModuleType, name: str) -> None:
    """Maxima; sums of what others read, of more than is saved, of two shapes, over no axes."""
    builder = Builder(*(numbers(4, 8, seed=i) for i in range(5)))
    x, *others = builder.given
    e = builder.call("exp", builder.call("square", x))
    y = x
    for other in others:
        y = builder.call("add", y, other)
    flat = builder.call("exp", builder.call("reshape", x, (32,)))
    z = builder.call("multiply", builder.call("reshape", flat, (4, 8)), others[0])
    pairs: list[Any] = [(e, (0,)), (e, (1,)), (y, None), (z, (1,)), (builder.call("abs", x), ())]
    out = [builder.call(name, w, axis=axis) for w, axis in pairs]
    program = builder.program(*out)
    check(executor.execute(program), program, builder.values[:5], rtol=1e-5)
    assert not ReductionKernel.made


def test_a_sum_over_what_operands_are_repeated_along(executor: ModuleType) -> None:
    builder = Builder(numbers(8))
    wide = builder.call("spread", *builder.given, (4, 8))
    total = builder.call("sum", builder.call("exp", wide), axis=(0,))
    program = builder.program(total)
    check(executor.execute(program), program, builder.values[:1], rtol=1e-6)


@pytest.mark.parametrize(("count", "scaled", "lengths"), [(90, True, [96, 82]), (160, False, None)])
def test_long_groups_are_several_kernels(
    executor: ModuleType, count: int, scaled: bool, lengths: list[int] | None
) -> None:
    inputs = [numbers(4, 8, seed=i)[:, : 8 - 7 * (i % 2)] for i in range(count)]
    builder = Builder(*inputs)
    y = builder.given[0]
    for x in builder.given[1:]:
        y = builder.call("add", builder.call("multiply", y, 0.5) if scaled else y, x)
    program = builder.program(y)
    check(executor.execute(program), program, inputs, rtol=1e-5, atol=1e-6)
    found = [made.operation.count("const") for made in ElementwiseKernel.made]
    assert sum(found) == len(program.instructions)
    assert lengths is None or found == lengths
    for made in ElementwiseKernel.made:
        assert len(made.parameters) * (16 + 16 * 2) <= 4000


def test_kernels_with_many_results_are_several(executor: ModuleType) -> None:
    builder = Builder(numbers(4, 8), numbers(8))
    y, row = builder.given
    out = [y := builder.call("add", y, row) for _ in range(90)]
    program = builder.program(*out)
    check(executor.execute(program), program, builder.values[:2], rtol=1e-5, atol=1e-6)
    assert len(ElementwiseKernel.made) == 2
    for made in ElementwiseKernel.made:
        assert len(made.parameters) * (16 + 16 * 2) <= 4000


def test_values_are_dropped_after_their_last_use(executor: ModuleType) -> None:
    alive: list[int] = []
    held: list[Any] = []

    def watching(x: Any, y: Any) -> Any:
        import weakref

        alive.append(sum(ref() is not None for ref in held))
        out = x @ y
        held.append(weakref.ref(out))
        return out

    builder = Builder(numbers(8, 8))
    x = y = builder.given[0]
    for _ in range(6):
        y = builder.call_of("matmul", watching, y, x)
    alive.clear()
    held.clear()
    run = executor.execute(builder.program(builder.call("sum", y)))
    run([numbers(8, 8)])
    assert max(alive) == 1
    assert run.report.buffers == 2


def test_updates_are_written_last(executor: ModuleType) -> None:
    builder = Builder(numbers(4, 8), numbers(4, 8, seed=1))
    a, b = builder.given
    new = builder.call("subtract", a, builder.call("multiply", b, 0.5))
    turned = builder.call("flip", b)
    late = builder.call("matmul", a, builder.call("permute_dims", b, (1, 0)))
    for outputs, updates in [
        ((late, new), ((new, a),)),
        ((a,), ((b, a), (a, b))),
        ((), ((turned, a), (new, b))),
        ((new,), ((new, a), (new, b))),
    ]:
        program = builder.program(*outputs, updates=updates)
        check(executor.execute(program), program, builder.values[:2], rtol=1e-6)


def test_an_input_that_is_a_view_is_not_handed_out(executor: ModuleType) -> None:
    builder = Builder(numbers(4, 8))
    (x,) = builder.given
    program = builder.program(x, builder.call("reshape", x, (32,)), builder.call("flip", x))
    whole = numbers(6, 8)
    outputs = executor.execute(program)([whole[1:5]])
    for y in outputs:
        assert not np.shares_memory(y, whole)


def test_a_reshaped_result_is_handed_out_as_it_is(executor: ModuleType) -> None:
    made: list[Any] = []

    def making(x: Any) -> Any:
        made.append(x @ x)
        return made[-1]

    builder = Builder(numbers(8, 8))
    y = builder.call_of("matmul", making, *builder.given)
    flat = builder.call("reshape", y, (64,))
    for outputs, shared in [((flat,), 1), ((flat, y), 1), ((builder.call("select", y, key=0),), 0)]:
        found = executor.execute(builder.program(*outputs))([numbers(8, 8)])
        assert sum(np.shares_memory(x, made[-1]) for x in found) == shared


def test_calls_of_types_that_kernels_are_not_made_for(executor: ModuleType) -> None:
    c, k, x = numbers(4, 8, dtype="c16"), np.arange(32).reshape(4, 8), numbers(4, 8)
    builder = Builder(c, k, x, k.astype("i4"), x > 0)
    c, k, x, small, mask = builder.given
    call = builder.call
    call("exp", call("multiply", c, c))
    call("multiply", c, x)
    call("abs", c)
    for dtype in ("i4", "u1", "c8"):
        call("cast", x, dtype=np.dtype(dtype))
    call("add", k, small)
    call("add", k, x)
    call("where", mask, k, x)
    call("where", k, x, x)
    call("where", mask, k, 2.5)
    call("divide", k, k)
    call("floor_divide", k, 3)
    call("exp", k)
    call("greater", k, 2.5)
    call("less", small, 2**40)
    call("add", mask, mask)
    call("sum", mask)
    program = builder.program(*(Value(5 + i) for i in range(len(builder.calls))))
    avals = [*program.inputs, *(made.aval for made in program.instructions)]
    assert [made.name for made in program.instructions if formula(made, avals)] == []
    check(executor.execute(program), program, builder.values[:5])


def test_operands_of_two_types_are_converted_to_the_wider_one(executor: ModuleType) -> None:
    """CUDA has no `fmax` of a float and a double."""
    builder = Builder(numbers(4, 8), numbers(4, 8, dtype="f8"))
    x, y = builder.given
    program = builder.program(builder.call("exp", builder.call("maximum", x, y)))
    check(executor.execute(program), program, builder.values[:2], rtol=1e-13)
    (made,) = ElementwiseKernel.made
    assert "fmax((double)x0, x1)" in made.operation


def test_several_results_and_lists_of_arrays(executor: ModuleType) -> None:
    x = numbers(4, 4, dtype="f8") + 4 * np.eye(4)
    builder = Builder(x)
    (a,) = builder.given
    pair = builder.call("linalg.slogdet", a)
    logarithm = builder.call_of("part", lambda results, i: np.asarray(results[i]), pair, 1)
    joined = builder.call("concat", [a, builder.call("linalg.inv", a)], axis=1)
    same = builder.call_of("itself", itself, joined)
    program = builder.program(logarithm, joined, same)
    check(executor.execute(program), program, [x])


def captured(builder: Builder) -> Builder:
    """The program of kernels that streams see."""
    views = {"permute_dims", "reshape", "select", "spread", "flip"}
    builder.calls = [
        c if c.name in views else replace(c, kernel=launching(c.kernel)) for c in builder.calls
    ]
    return builder


def training(builder: Builder) -> Program:
    """A step: a loss, and new weights."""
    x, w, rate = builder.given
    call = builder.call
    d = call("tanh", call("matmul", x, w))
    loss = call("sum", call("square", d), axis=None)
    slope = call("matmul", call("permute_dims", x, (1, 0)), d)
    new = call("subtract", w, call("multiply", slope, rate))
    return captured(builder).program(loss, w, call("permute_dims", d, (1, 0)), updates=((new, w),))


def test_a_captured_graph_gives_what_the_program_does(
    executor: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMPYGRAD_CUDA_GRAPH", "1")
    inputs = [numbers(6, 4), numbers(4, 3), np.asarray(0.1, "f4")]
    builder = Builder(*inputs)
    program = training(builder)
    run = executor.execute(program)
    check(run, program, inputs, rtol=1e-5)
    other = [numbers(6, 4, seed=3), numbers(4, 3, seed=4), np.asarray(0.2, "f4")]
    check(run, program, other, rtol=1e-5)
    (graph,) = Stream.graphs
    assert graph.launches == 6


def test_without_being_asked_nothing_is_captured(
    executor: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NUMPYGRAD_CUDA_GRAPH", raising=False)
    inputs = [numbers(6, 4), numbers(4, 3), np.asarray(0.1, "f4")]
    program = training(Builder(*inputs))
    check(executor.execute(program), program, inputs, rtol=1e-5)
    assert not Stream.graphs


@pytest.mark.parametrize("name", ["linalg.inv", "sort", "unknown"])
def test_calls_that_may_wait_are_not_captured(
    executor: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("NUMPYGRAD_CUDA_GRAPH", "1")
    x = numbers(4, 4, dtype="f8") + 4 * np.eye(4)
    builder = Builder(x)
    y = builder.call_of(name, itself if name == "unknown" else kernel(name), *builder.given)
    program = captured(builder).program(builder.call("exp", y))
    check(executor.execute(program), program, [x])
    assert not Stream.graphs


def test_stacks_of_matrices_are_not_captured(
    executor: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMPYGRAD_CUDA_GRAPH", "1")
    builder = Builder(numbers(2, 3, 4), numbers(4, 3))
    program = captured(builder).program(builder.call("matmul", *builder.given))
    check(executor.execute(program), program, builder.values[:2], rtol=1e-5)
    assert not Stream.graphs


def test_a_program_runs_without_a_graph_where_capture_fails(
    executor: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMPYGRAD_CUDA_GRAPH", "1")

    def waiting(x: Any, y: Any) -> Any:
        Stream().synchronize()
        return x @ y

    builder = Builder(numbers(4, 4))
    (x,) = builder.given
    program = builder.program(builder.call("exp", builder.call_of("matmul", waiting, x, x)))
    run = executor.execute(program)
    check(run, program, builder.values[:1])
    (graph,) = Stream.graphs
    assert graph.launches == 0


def test_an_error_of_a_captured_program_is_its_own(
    executor: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMPYGRAD_CUDA_GRAPH", "1")

    def failing(x: Any) -> Any:
        raise ZeroDivisionError

    x = numbers(4, 4)
    builder = Builder(x)
    (a,) = builder.given
    new = builder.call("exp", a)
    wrong = builder.add(Instruction("sum", failing, (new,), {}, Aval((), x.dtype)), None)
    run = executor.execute(builder.program(wrong, updates=((new, a),)))
    mine = x.copy()
    with pytest.raises(ZeroDivisionError):
        run([mine])
    np.testing.assert_array_equal(mine, x)


needs_gpu = pytest.mark.skipif(
    "cupy" not in npg.installed_backends(), reason="needs CuPy and a GPU"
)


@needs_gpu
@pytest.mark.parametrize("graph", ["0", "1"])
def test_lazy_results_on_a_gpu_are_those_of_eager_mode(
    monkeypatch: pytest.MonkeyPatch, graph: str
) -> None:
    monkeypatch.setenv("NUMPYGRAD_CUDA_GRAPH", graph)
    data = numbers(32, 64)

    def step(x: Any, w: Any) -> Any:
        w = npg.asarray(w, requires_grad=True)
        d = npg.softmax(npg.tanh(x @ w), axis=-1)
        loss = npg.sum(d * d) + npg.mean(npg.exp(-npg.abs(w)))
        loss.backward()
        return loss, w.grad

    with npg.device("cuda:0"):
        x, w = npg.asarray(data), npg.asarray(numbers(64, 16, seed=1))
        eager = [y.numpy() for y in step(x, w)]
        replayed = npg.compile(step)
        for _ in range(3):
            with npg.lazy():
                lazy = step(x, w)
            for y, z, right in zip(lazy, replayed(x, w), eager, strict=True):
                np.testing.assert_allclose(y.numpy(), right, rtol=2e-5, atol=1e-6)
                np.testing.assert_allclose(z.numpy(), right, rtol=2e-5, atol=1e-6)


@needs_gpu
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_kernels_on_a_gpu_give_what_calls_give_alone(dtype: str) -> None:
    from numpygrad._backend import find_backend
    from numpygrad_cupy._programs.executor import execute

    builder, out = of_every_kind(dtype)
    xp = find_backend("cupy").xp
    own = [replace(c, kernel=getattr(xp, c.name)) for c in builder.calls]
    program = replace(builder.program(*out), instructions=tuple(own))
    inputs = [xp.asarray(x) for x in builder.values[:3]]
    for v, x, right in zip(
        out, execute(program)(inputs), interpreter(program)(inputs), strict=True
    ):
        call = builder.calls[v.index - 3]
        require_same(f"{call.name}{call.args}", xp.asnumpy(x), xp.asnumpy(right))
