"""NumPy's executor of programs, against the interpreter that calls kernel after kernel."""

from __future__ import annotations

import itertools
import sys
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from drawn_programs import Builder, itself, programs
from hypothesis import given, settings
from hypothesis import strategies as st

import numpygrad as npg
from numpygrad._lazy.program import Aval, Instruction, Program, Runner, Value, interpreter
from numpygrad_numpy import _kernels
from numpygrad_numpy._programs import threads as limits
from numpygrad_numpy._programs.calls import Sizes, guarded_multiply
from numpygrad_numpy._programs.executor import execute
from numpygrad_numpy._programs.memory import Request, laid_out
from numpygrad_numpy._programs.tiles import Tiles

SMALL = Sizes(
    out_pays=0,
    numbers=10**6,
    fused=8,
    row_bytes=10**6,
    tile_bytes=64,
    row_pays=2,
    tile_least=2,
    chunks=3,
    parallel=0,
)
"""Everything that is done to large arrays, done to small ones."""

SIZES = {
    "as they are": Sizes(),
    "numbers": Sizes(numbers=0),
    "one block": SMALL._replace(fused=10**9),
    "tiles": SMALL,
    "short rows": SMALL._replace(row_bytes=16, numbers=0),
    "large tiles": SMALL._replace(fused=2, tile_bytes=512, tile_least=4, chunks=64),
}

each_size = pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())


def expected(program: Program, inputs: list[Any]) -> tuple[list[Any], dict[int, Any]]:
    """The outputs, and what inputs hold afterwards."""
    wanted = (*program.outputs, *(v for v, _ in program.updates))
    with np.errstate(all="ignore"):
        found = interpreter(Program(program.inputs, program.instructions, wanted))(inputs)
    count = len(program.outputs)
    updated = [k for _, k in program.updates]
    return found[:count], dict(zip(updated, found[count:], strict=True))


def copies(inputs: list[Any]) -> list[Any]:
    return [np.array(x) if np.ndim(x) else x for x in inputs]


def check(program: Program, inputs: list[Any], sizes: Sizes = SMALL, **tolerance: float) -> Runner:
    """What runs the program, having done so twice as it should."""
    run = execute(program, sizes)
    earlier: list[Any] = []
    for _ in range(2):
        outputs, updated = expected(program, copies(inputs))
        mine = copies(inputs)
        found = run(mine)
        for x, y in zip(found, outputs, strict=True):
            assert (np.shape(x), x.dtype) == (np.shape(y), y.dtype)
            np.testing.assert_allclose(x, y, **{"rtol": 0, **tolerance})
        for k, x in enumerate(mine):
            np.testing.assert_array_equal(x, updated.get(k, inputs[k]))
        require_own_memory(found, [*mine, *earlier])
        earlier = found
    return run


def require_own_memory(outputs: list[Any], others: list[Any]) -> None:
    """Each array in row-major order, and in memory that no other shares."""
    for position, x in enumerate(outputs):
        if isinstance(x, np.ndarray):
            assert x.flags.c_contiguous
            for other in (*outputs[:position], *others):
                assert not np.shares_memory(x, other)


def tiles_of(run: Any) -> list[Tiles]:
    return [x for x in run._run.__globals__.values() if isinstance(x, Tiles)]


def numbers(*shape: int, dtype: str = "f4", seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@settings(max_examples=250, deadline=None)
@given(programs(), st.sampled_from([*SIZES.values()]))
def test_any_program_gives_what_its_calls_give(drawn: Any, sizes: Sizes) -> None:
    program, inputs = drawn
    check(program, inputs, sizes)


ELEMENTWISE = [
    *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "erf"),
    *("exp", "expm1", "floor", "isfinite", "isinf", "isnan", "log", "log10", "log1p", "log2"),
    *("logical_not", "negative", "positive", "reciprocal", "round", "sign", "signbit", "sin"),
    *("sinh", "sqrt", "square", "tan", "tanh", "trunc"),
]
OF_TWO = [
    *("add", "atan2", "copysign", "divide", "equal", "floor_divide", "greater"),
    *("excess", "greater_equal", "guarded_multiply", "hypot", "less", "less_equal", "logaddexp"),
    *("logical_and", "logical_or", "logical_xor", "maximum", "minimum", "multiply"),
    *("nextafter", "not_equal", "pow", "remainder", "subtract"),
]
WITH_SCALARS = {*OF_TWO} - {"excess", "floor_divide", "guarded_multiply"}
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 0.3, -2.5, 1e-40, 3e38, 2.0])


@each_size
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_elementwise_calls_give_the_bits_of_the_kernels(sizes: Sizes, dtype: str) -> None:
    x, y = (a.astype(dtype) for a in np.meshgrid(SPECIAL, SPECIAL))
    builder = Builder(x, y)
    first, second = builder.given
    outputs = [builder.call(name, first) for name in ELEMENTWISE]
    outputs += [builder.call(name, first, second) for name in OF_TWO]
    outputs += [builder.call(name, 2.0, second) for name in OF_TWO if name in WITH_SCALARS]
    mask = builder.call("greater", first, second)
    outputs += [builder.call("where", mask, *pair) for pair in CHOICES(first, second)]
    outputs.append(builder.call("clip_both", first, second, builder.call("exp", first)))
    outputs.append(builder.call("cast", mask, dtype=np.dtype(dtype)))
    for v, found in zip(outputs, execute(builder.program(*outputs), sizes)([x, y]), strict=True):
        wanted = np.ascontiguousarray(builder.values[v.index])
        there = wanted == wanted  # noqa: PLR0124 (only NaN differs from itself)
        name = builder.calls[v.index - 2].name
        assert (np.isnan(found) == ~there).all(), name
        assert found[there].tobytes() == wanted[there].tobytes(), name


def CHOICES(x: Value, y: Value) -> list[tuple[Any, Any]]:  # noqa: N802 (a table with two gaps)
    return [(x, y), (x, 0.0), (x, -0.0), (0.0, y), (1, 2.5)]


@each_size
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod"])
@pytest.mark.parametrize("axis", [None, (0,), (1,), (2,), (0, 1), (1, 2), (0, 2), ()])
def test_reductions(name: str, axis: Any, sizes: Sizes) -> None:
    x = numbers(4, 3, 5)
    builder = Builder(x)
    e = builder.call("exp", *builder.given)
    kept = builder.call(name, e, axis=axis, keepdims=True)
    less = builder.call(name, e, axis=axis, keepdims=False)
    check(builder.program(kept, less), [x], sizes, rtol=1e-6)


def layer(builder: Builder, x: Value, gain: Value) -> tuple[Value, Value]:
    """Layer norm and softmax of it."""
    call = builder.call
    centred = call("subtract", x, call("mean", x, axis=(2,), keepdims=True))
    variance = call("mean", call("square", centred), axis=(2,), keepdims=True)
    normed = call("divide", centred, call("sqrt", call("add", variance, 1e-5)))
    y = call("multiply", normed, gain)
    e = call("exp", call("subtract", y, call("max", y, axis=(2,), keepdims=True)))
    return y, call("divide", e, call("sum", e, axis=(2,), keepdims=True))


def test_row_sums_within_a_group_are_numpys_to_the_bit() -> None:
    x, gain = numbers(8, 6, 300), numbers(300)
    builder = Builder(x, gain)
    outputs = layer(builder, *builder.given)
    sizes = Sizes(fused=8, tile_bytes=1 << 14, tile_least=4)
    run = check(builder.program(*outputs), [x, gain], sizes)
    (tiles,) = tiles_of(run)
    assert len(tiles.source.geometry.keys()[0]) > 8


def test_sums_over_all_elements_do_not_depend_on_the_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = numbers(100, 70)
    builder = Builder(x)
    e = builder.call("exp", *builder.given)
    total = builder.call("sum", e, axis=None)
    columns = builder.call("sum", e, axis=(0,))
    run = execute(builder.program(total, columns, e), SMALL._replace(chunks=16))
    found = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("NUMPYGRAD_NUM_THREADS", threads)
        found.append(run([x]))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(found[0][0], np.exp(x).sum(), rtol=1e-5)


def test_an_operand_in_another_order_is_read_where_it_is() -> None:
    x, y = numbers(6, 8), numbers(8, 6)
    builder = Builder(x, y)
    turned = builder.call("permute_dims", builder.given[0], (1, 0))
    z = builder.call("exp", builder.call("multiply", turned, builder.given[1]))
    run = check(builder.program(z), [x, y])
    check(builder.program(z), [np.asfortranarray(x), y[::1].T.copy().T])
    assert run.report.buffers == 0  # type: ignore[attr-defined]  # of this executor


def test_a_stack_of_matrices_times_a_matrix_is_one_product() -> None:
    x, w = numbers(3, 4, 5), numbers(5, 6)
    builder = Builder(x, w)
    e = builder.call("add", builder.given[0], 1.0)
    y = builder.call("matmul", e, builder.given[1])
    run = check(builder.program(y), [x, w], SMALL._replace(fused=10**9), rtol=1e-5)
    (array,) = [b for b in run._buffers if b.source is not None]  # type: ignore[attr-defined]  # of this executor
    assert array.shape == (12, 5)


@each_size
def test_updates_are_written_last(sizes: Sizes) -> None:
    x, y = numbers(4, 8), numbers(4, 8, seed=1)
    builder = Builder(x, y)
    a, b = builder.given
    old = builder.call("exp", a)
    new = builder.call("subtract", a, builder.call("multiply", b, 0.5))
    late = builder.call("multiply", old, a)
    check(builder.program(late, new, updates=((new, a),)), [x, y], sizes, rtol=1e-6)
    check(builder.program(old, updates=((b, a), (a, b))), [x, y], sizes)
    check(builder.program(late, updates=((new, a), (builder.call("square", a), b))), [x, y], sizes)


@each_size
def test_an_update_goes_where_it_belongs_at_once_if_that_can_be(sizes: Sizes) -> None:
    x, g = numbers(4, 8), numbers(4, 8, seed=1)
    builder = Builder(x, g)
    w, gradient = builder.given
    new = builder.call("subtract", w, builder.call("multiply", gradient, 0.5))
    run: Any = check(builder.program(updates=((new, w),)), [x, g], sizes)
    assert run.report.arena <= x.nbytes
    strided = np.asfortranarray(x)
    run([strided, g])
    np.testing.assert_array_equal(strided, x - g * np.float32(0.5))


def test_an_update_waits_for_calls_that_may_fail() -> None:
    def failing(x: Any) -> Any:
        raise ZeroDivisionError

    x = numbers(4, 8)
    builder = Builder(x)
    (a,) = builder.given
    new = builder.call("multiply", a, 0.5)
    wrong = builder.add(Instruction("wrong", failing, (new,), {}, Aval((), x.dtype)), None)
    run = execute(builder.program(wrong, updates=((new, a),)), SMALL)
    mine = x.copy()
    with pytest.raises(ZeroDivisionError):
        run([mine])
    np.testing.assert_array_equal(mine, x)


@each_size
def test_writes_are_made_in_place_where_nobody_sees_it(sizes: Sizes) -> None:
    x, rows = numbers(6, 8), numbers(3, 8)
    builder = Builder(x, rows)
    a, r = builder.given
    first = builder.call("add", a, a)
    written = first
    for i in range(3):
        written = builder.call("put", written, builder.call("select", r, key=(i,)), key=(2 * i,))
        grown = builder.call("scatter", builder.call("select", r, key=(i,)), key=(1,), shape=(6, 8))
        written = builder.call("add", written, grown)
    check(builder.program(written), [x, rows], sizes)
    check(builder.program(written, first), [x, rows], sizes)
    run: Any = check(builder.program(builder.call("exp", written)), [x, rows], sizes)
    if sizes is SIZES["one block"]:
        assert run.report.buffers == 1


def test_a_result_nobody_holds_any_more_is_used_again() -> None:
    x = numbers(512, 512)
    builder = Builder(x)
    run = execute(builder.program(builder.call("exp", *builder.given)))
    first = run([x])[0]
    place = first.ctypes.data
    view = first[3]
    del first
    second = run([x])[0]
    assert second.ctypes.data != place
    del view
    assert run([x])[0].ctypes.data == place
    assert sys.getrefcount(second) == 3  # it, the call, and the executor


def test_several_threads_may_run_a_program() -> None:
    x = numbers(64, 96)
    builder = Builder(x)
    (a,) = builder.given
    y = builder.call("matmul", builder.call("exp", a), builder.call("permute_dims", a, (1, 0)))
    z = builder.call("sum", builder.call("multiply", y, y), axis=(1,))
    run = execute(builder.program(y, z), SMALL._replace(fused=1000))
    wrong: list[Any] = []

    def work(seed: int) -> None:
        mine = numbers(64, 96, seed=seed)
        wanted, _ = expected(builder.program(y, z), [mine])
        for _ in range(20):
            for found, right in zip(run([mine]), wanted, strict=True):
                if not np.allclose(found, right, rtol=1e-5):
                    wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_limits_of_threadpoolctl_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    library = SimpleNamespace(user_api="blas", num_threads=1)
    controller = SimpleNamespace(lib_controllers=[library])
    module = SimpleNamespace(ThreadpoolController=lambda: controller)
    monkeypatch.setenv("NUMPYGRAD_NUM_THREADS", "7")
    monkeypatch.setitem(sys.modules, "threadpoolctl", module)
    limits._controllers.cache_clear()
    try:
        assert limits.thread_count() == 1
        library.num_threads = 3
        assert limits.thread_count() == 3
        monkeypatch.delitem(sys.modules, "threadpoolctl")
        assert limits.thread_count() == 7
    finally:
        limits._controllers.cache_clear()


def test_what_the_environment_asks_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "threadpoolctl", raising=False)
    monkeypatch.delenv("NUMPYGRAD_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert limits.thread_count() == 3
    monkeypatch.setenv("NUMPYGRAD_NUM_THREADS", "2")
    assert limits.thread_count() == 2
    monkeypatch.setenv("NUMPYGRAD_NUM_THREADS", "many")
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert limits.thread_count() >= 1


def test_a_program_runs_quietly() -> None:
    builder = Builder(np.zeros(3), np.zeros((4, 4), "f4"))
    a, b = builder.given
    outputs = [builder.call(name, x) for x in (a, b) for name in ("log", "reciprocal")]
    check(builder.program(*outputs), [np.zeros(3), np.zeros((4, 4), "f4")])


def test_numbers_are_numpys_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    values = [*rng.standard_normal(3), 0.0, -0.0, np.inf, np.nan]
    for a in values:
        for b in values:
            v = np.array([a, b, 1.5])
            builder = Builder(v, np.float64(b))
            x, s = builder.given
            first, second = (builder.call("select", x, key=i) for i in (0, 1))
            found = [first, builder.call("gather", x, key=(2,))]
            names = ("add", "subtract", "multiply", "divide", "guarded_multiply")
            found += [builder.call(name, first, second) for name in names]
            found += [builder.call(name, x, s) for name in names]
            found += [builder.call("divide", x, 0), builder.call("negative", x)]
            stacked = builder.call("stack", found[:3])
            placed = builder.call("scatter", found[5], key=(1,), shape=(3,))
            grown = builder.call("add", builder.call("add", placed, stacked), placed)
            done = builder.call("square", builder.call("multiply", grown, x))
            program = builder.program(*found, stacked, placed, grown, done, x)
            run: Any = check(program, [v, np.float64(b)], Sizes(numbers=0))
            assert ".tolist()" in run.source
            for y, number in zip(run([v, np.float64(b)]), program.outputs, strict=True):
                right = builder.values[number]
                there = ~np.isnan(right)
                assert (np.signbit(y) == np.signbit(right))[there].all()


def test_a_few_large_numbers_stay_arrays() -> None:
    x = numbers(3, dtype="f8")
    builder = Builder(x)
    (a,) = builder.given
    for _ in range(10):
        a = builder.call("exp", builder.call("multiply", a, 0.5))
    run: Any = check(builder.program(a), [x], Sizes())
    assert "tolist" not in run.source


def test_several_results_and_lists_of_arrays() -> None:
    x = numbers(4, 4, dtype="f8") + 4 * np.eye(4)
    builder = Builder(x)
    (a,) = builder.given
    pair = builder.call("linalg.slogdet", a)
    logarithm = builder.call_of("part", lambda results, i: results[i], pair, 1)
    joined = builder.call("concat", [a, builder.call("linalg.inv", a)], axis=1)
    check(builder.program(logarithm, joined, a), [x])


def test_unknown_kernels_may_give_what_they_were_given() -> None:
    x = numbers(4, 8)
    builder = Builder(x)
    (a,) = builder.given
    e = builder.call("exp", a)
    same = builder.call_of("itself", itself, e)
    later = [builder.call("multiply", e, float(i)) for i in range(2, 5)]
    total = builder.call("add", builder.call("add", *later[:2]), later[2])
    outputs = [total, same, same, builder.call_of("itself", itself, a), e]
    check(builder.program(*outputs), [x])
    check(builder.program(*outputs), [x], SMALL._replace(fused=10**9))


def test_unknown_kernels_may_give_what_they_keep() -> None:
    kept = np.arange(4.0)
    builder = Builder(kept)
    (a,) = builder.given
    outputs = [builder.call_of("kept", lambda x: kept[:4], a) for _ in range(2)]
    outputs.append(builder.call_of("kept", lambda x: kept, a))
    found = execute(builder.program(*outputs))([kept + 1])
    require_own_memory(found, [kept])


@each_size
def test_memory_is_not_written_to_while_somebody_reads_it_later(sizes: Sizes) -> None:
    x = numbers(8, 8)
    builder = Builder(x)
    (a,) = builder.given
    y = builder.call("exp", a)
    z = builder.call("matmul", builder.call("add", y, 1.0), a)
    first = builder.call("put", y, a, key=(slice(0, 8),))
    second = builder.call("put", first, builder.call("exp", y), key=(slice(0, 8),))
    third = builder.call("multiply", builder.call("matmul", first, z), builder.call("sqrt", y))
    check(builder.program(builder.call("multiply", z, y), second, third), [x], sizes, rtol=1e-5)


@each_size
def test_an_update_may_read_the_array_in_another_order(sizes: Sizes) -> None:
    x, b = numbers(8, 8), numbers(8)
    builder = Builder(x, b)
    a, total = builder.given
    turned = builder.call("permute_dims", a, (1, 0))
    new = builder.call("subtract", a, builder.call("multiply", turned, 2.0))
    check(builder.program(updates=((new, a),)), [x, b], sizes)
    grown = builder.call("add", a, total)
    columns = builder.call("max", builder.call("exp", grown), axis=(0,))
    check(builder.program(new, updates=((columns, total),)), [x, b], sizes)
    unread = builder.call("max", builder.call("exp", a), axis=(0,))
    check(builder.program(updates=((unread, total),)), [x, b], sizes)


@each_size
@pytest.mark.parametrize("shape", [(101,), (7, 13), (3, 37)])
def test_bounds_that_are_numbers(sizes: Sizes, shape: tuple[int, ...]) -> None:
    x = numbers(*shape)
    builder = Builder(x)
    (a,) = builder.given
    low = builder.call("maximum", builder.call("exp", a), 1.5)
    high = builder.call("minimum", 0.25, a)
    check(builder.program(builder.call("add", low, high), low), [x], sizes)


@each_size
def test_rows_are_copied_into_order_once(sizes: Sizes) -> None:
    x = numbers(4, 6, 8)
    builder = Builder(x)
    (a,) = builder.given
    product = builder.call("matmul", a, builder.call("permute_dims", a, (0, 2, 1)))
    turned = builder.call("permute_dims", product, (1, 0, 2))
    whole, rows = (builder.call("reshape", turned, shape) for shape in ((6, 24), (144,)))
    kept = builder.call("reshape", builder.call("permute_dims", turned, (1, 0, 2)), (24, 6))
    outputs = builder.call("exp", whole), builder.call("sum", rows), rows, kept
    run: Any = check(builder.program(*outputs), [x], sizes, rtol=1e-5)
    if sizes.out_pays < 144:
        assert run.source.count("[...] = ") == 1


@each_size
@pytest.mark.parametrize("infinite", [False, True])
def test_softmax_of_rows_with_infinite_maxima(sizes: Sizes, infinite: bool) -> None:
    x = numbers(12, 16, dtype="f8")
    if infinite:
        x[3], x[7, 2], x[8, :4], x[11, 0] = -np.inf, np.inf, np.inf, np.nan
    builder = Builder(x)
    (a,) = builder.given
    top = builder.call("max", a, axis=(1,), keepdims=True)
    e = builder.call("exp", builder.call("excess", a, top))
    y = builder.call("divide", e, builder.call("sum", e, axis=(1,), keepdims=True))
    run = execute(builder.program(y), sizes)
    np.testing.assert_allclose(run([x])[0], npg.softmax(npg.asarray(x)).numpy(), rtol=1e-15)


@each_size
def test_choices_and_products_do_not_overwrite_what_they_read(sizes: Sizes) -> None:
    x, y = numbers(8, 9), numbers(8, 9, seed=1)
    y[0] = np.inf
    builder = Builder(x, y)
    a, b = builder.given
    mask = builder.call("greater", a, 0.5)
    outputs = []
    for first, second in [("exp", "square"), ("square", "exp")]:
        made = [builder.call(first, a), builder.call(second, a)]
        outputs.append(builder.call("where", mask, *made))
        outputs.append(builder.call("guarded_multiply", b, builder.call("floor", made[0])))
        outputs.append(builder.call("guarded_multiply", builder.call("floor", made[1]), b))
        outputs.append(builder.call("sign", builder.call("subtract", *made)))
    later = [builder.call("negative", v) for v in outputs]
    check(builder.program(*outputs), [x, y], sizes)
    check(builder.program(*later), [x, y], sizes)


@each_size
def test_rows_are_not_taken_for_columns(sizes: Sizes) -> None:
    x = numbers(8, 8)
    builder = Builder(x)
    (a,) = builder.given
    rows = builder.call("sum", a, axis=(1,))
    y = builder.call("subtract", a, builder.call("reshape", rows, (8, 1)))
    z = builder.call("subtract", y, rows)
    repeated = builder.call("sum", builder.call("spread", rows, (8, 8)), axis=(0,))
    check(builder.program(z), [x], sizes, rtol=1e-5)
    check(builder.program(repeated), [x], sizes, rtol=1e-5)


def guarded_factor(builder: Builder, g: Value, other: Value) -> Value:
    """`g`, but 0 where it is infinite and the other factor 0, as a recorded pass has it."""
    infinite = builder.call("bitwise_invert", builder.call("isfinite", g))
    both = builder.call("bitwise_and", builder.call("equal", other, 0), infinite)
    return builder.call("where", both, 0.0, g)


@each_size
def test_only_guarded_products_are_taken_for_such(sizes: Sizes) -> None:
    special = np.array([0.0, 1.0, np.inf, np.nan, -np.inf, -0.0, 2.0, 0.0])
    x, y, z = (a.reshape(8, 64) for a in np.meshgrid(special, special, special))
    builder = Builder(x, y, z)
    a, b, c = builder.given

    others = [(b, a), (b, c), (c, a)]
    pairs = [(guarded_factor(builder, a, x), guarded_factor(builder, b, y)) for x, y in others]
    outputs = [builder.call("multiply", *pair) for pair in pairs]
    run: Any = check(builder.program(*outputs), [x, y, z], sizes)
    functions = [*run._run.__globals__.values()]
    for tiles in tiles_of(run):
        functions += tiles.source._globals.values()
    assert _kernels.guarded_multiply in functions or guarded_multiply in functions


@each_size
def test_guarded_products_of_what_was_broadcast(sizes: Sizes) -> None:
    x, y = np.array([[0.0], [np.inf], [2.0]]), np.array([np.inf, 0.0, 1.0, np.nan])
    builder = Builder(x, y)
    first, second = (builder.call("spread", v, (3, 4)) for v in builder.given)
    outputs = []
    for a, b in itertools.product((first, second), repeat=2):
        pair = guarded_factor(builder, a, b), guarded_factor(builder, b, a)
        outputs.append(builder.call("multiply", *pair))
    check(builder.program(*outputs), [x, y], sizes)


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 9), st.integers(0, 5)), max_size=12))
def test_buffers_needed_at_a_time_do_not_overlap(drawn: list[tuple[int, int, int]]) -> None:
    requests = [Request(size, first, first + length) for size, first, length in drawn]
    offsets, total = laid_out(requests)
    for i, a in enumerate(requests):
        assert offsets[i] % 64 == 0
        assert offsets[i] + a.size <= total
        for j, b in enumerate(requests[:i]):
            if a.first <= b.last and b.first <= a.last:
                assert offsets[i] + a.size <= offsets[j] or offsets[j] + b.size <= offsets[i]


def test_a_chain_takes_the_memory_of_two_arrays() -> None:
    x = numbers(64, 64)
    builder = Builder(x)
    (a,) = builder.given
    for _ in range(10):
        a = builder.call("matmul", a, builder.given[0])
        a = builder.call("tanh", a)
    run: Any = check(builder.program(builder.call("sum", a)), [x], SMALL._replace(fused=10**9))
    assert run.report.arena == 2 * x.nbytes


def test_kernels_of_no_arrays_and_of_large_results() -> None:
    x = numbers(3, 4, dtype="f8")
    builder = Builder(x)
    (a,) = builder.given
    outputs = [builder.call("sort", a), builder.call("full", (2, 2), 3.5)]
    outputs.append(builder.call("cumulative_sum", a, axis=1))
    mask = builder.call("greater", a, 0)
    outputs.append(builder.call("where", mask, a, builder.call("ones", (1,))))
    check(builder.program(*outputs), [x])


@each_size
@pytest.mark.parametrize("name", ["sum", "mean"])
@pytest.mark.parametrize("keepdims", [False, True])
def test_products_that_are_added_up_along_rows(sizes: Sizes, name: str, keepdims: bool) -> None:
    x, y = numbers(3, 4, 8), numbers(3, 4, 8, seed=1)
    y[0, 1, 2], x[0, 1, 2] = np.inf, 0.0
    x[1, 0, 0], y[2, 3, 3] = np.inf, np.nan
    builder = Builder(x, y)
    a, b = builder.given
    products = [
        builder.call("guarded_multiply", a, b),
        builder.call("multiply", a, b),
        builder.call("square", b),
    ]
    rows = [builder.call(name, p, axis=(2,), keepdims=keepdims) for p in products]
    run: Any = check(builder.program(*rows), [x, y], sizes, rtol=1e-5)
    in_one_pass = sizes.out_pays < x.size < sizes.fused
    assert run.source.count("guarded=") == 3 * in_one_pass


@each_size
def test_other_products_are_made(sizes: Sizes) -> None:
    x, row, long = numbers(3, 4, 8), numbers(8), numbers(2, 5000)
    z = x + 1j * x[::-1]
    builder = Builder(x, row, long, z)
    a, r, w, c = builder.given
    product = builder.call("multiply", a, a)
    outputs = [
        product,
        builder.call("sum", product, axis=(2,)),
        builder.call("sum", builder.call("multiply", a, r), axis=(2,)),
        builder.call("sum", builder.call("square", a), axis=(0, 1)),
        builder.call("sum", builder.call("square", a), axis=(1, 2)),
        builder.call("max", builder.call("square", a), axis=(2,)),
        builder.call("sum", builder.call("square", w), axis=(1,)),
        builder.call("sum", builder.call("multiply", c, c), axis=(2,)),
    ]
    run: Any = check(builder.program(*outputs), [x, row, long, z], sizes, rtol=1e-5)
    assert "guarded=" not in run.source
