"""Which instructions run as one."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_programs import Builder, programs
from hypothesis import given, settings
from hypothesis import strategies as st

from numpygrad._lazy.fusion import FINAL, FULL, ROW, cuts_of, runs, seen_through
from numpygrad._lazy.grouping import Step, steps
from numpygrad._lazy.program import Program, Value


def grouped(program: Program, *, smallest: int = 2, row_bytes: int = 1 << 16) -> list[Step]:
    return steps(program, smallest=smallest, row_bytes=row_bytes)


def names(builder: Builder, step: Step) -> list[str]:
    return [builder.calls[i].name for i in step.instructions]


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, "f4")


@pytest.mark.parametrize(
    ("operand", "shape", "wanted"),
    [
        ((4, 3), (4, 3), [(12, True)]),
        ((3,), (4, 3), [(4, False), (3, True)]),
        ((4, 1), (4, 3), [(4, True), (3, False)]),
        ((2, 1, 5), (2, 3, 5), [(2, True), (3, False), (5, True)]),
        ((1, 5), (2, 3, 5), [(6, False), (5, True)]),
        ((), (2, 3), [(6, False)]),
        ((1, 4, 1), (1, 4, 1), [(4, True)]),
    ],
)
def test_runs_of_axes_that_an_operand_has(operand: tuple, shape: tuple, wanted: list) -> None:  # type: ignore[type-arg]  # short
    assert runs(operand, shape) == wanted


def test_cuts_are_the_elements_behind_each_boundary() -> None:
    assert cuts_of([2, 3, 5]) == {15, 5}
    assert cuts_of([7]) == cuts_of([]) == set()


def test_views_are_seen_through_as_far_as_they_keep_the_order() -> None:
    builder = Builder(zeros(6))
    (x,) = builder.given
    rows = builder.call("reshape", x, (2, 1, 3))
    wide = builder.call("spread", rows, (2, 4, 3))
    wider = builder.call("broadcast_to", wide, (5, 2, 4, 3))
    lost = builder.call("reshape", wide, (24,))
    turned = builder.call("permute_dims", rows, (2, 1, 0))
    found = seen_through(builder.program(wider))
    for v in (rows, wide, wider):
        assert found[v.index] == (0, (2, 1, 3))
    assert found[lost.index] == (lost.index, (24,))
    assert found[turned.index] == (turned.index, (3, 1, 2))


def test_a_chain_with_row_reductions_is_one_group() -> None:
    builder = Builder(zeros(6, 5, 8), zeros(8))
    x, gain = builder.given
    mean = builder.call("mean", x, axis=(2,), keepdims=True)
    y = builder.call("multiply", builder.call("subtract", x, mean), gain)
    flat = builder.call("reshape", y, (30, 8))
    norm = builder.call("vecdot", flat, flat)
    z = builder.call("divide", flat, builder.call("reshape", norm, (30, 1)))
    total = builder.call("sum", z, axis=None)
    columns = builder.call("sum", z, axis=(0,))
    (step,) = grouped(builder.program(z, total, columns))
    assert names(builder, step) == [
        *("mean", "subtract", "multiply", "vecdot", "divide", "sum", "sum"),
    ]
    assert step.roles == (ROW, FULL, FULL, ROW, FULL, FINAL, FINAL)
    assert (step.size, step.row, step.cuts) == (240, 8, (8,))


def test_rows_that_are_too_long_are_not_read_again() -> None:
    builder = Builder(zeros(4, 100))
    (x,) = builder.given
    top = builder.call("max", x, axis=(1,), keepdims=True)
    y = builder.call("exp", builder.call("subtract", x, top))
    program = builder.program(y)
    assert len(grouped(program, row_bytes=400)) == 1
    assert [names(builder, s) for s in grouped(program, row_bytes=396)] == [
        ["max"],
        ["subtract", "exp"],
    ]


def test_what_reads_a_sum_over_everything_comes_after_the_group() -> None:
    builder = Builder(zeros(4, 8))
    (x,) = builder.given
    e = builder.call("exp", x)
    share = builder.call("divide", e, builder.call("sum", e, axis=None))
    found = grouped(builder.program(share))
    assert [names(builder, s) for s in found] == [["exp", "sum"], ["divide"]]


def test_sums_go_where_what_they_add_up_is_made() -> None:
    builder = Builder(zeros(4, 8), zeros(8, 8))
    x, w = builder.given
    g = builder.call("multiply", builder.call("exp", x), x)
    product = builder.call("matmul", g, w)
    bias = builder.call("sum", g, axis=(0,))
    found = grouped(builder.program(product, bias))
    assert [names(builder, s) for s in found] == [["exp", "multiply", "sum"], ["matmul"]]


def test_sums_wait_for_all_that_they_add_up() -> None:
    builder = Builder(zeros(8, 8), zeros(8, 8))
    x, w = builder.given
    g = builder.call("exp", x)
    product = builder.call("multiply", g, builder.call("matmul", g, w))
    found = grouped(builder.program(builder.call("sum", product, axis=(0,))))
    assert [names(builder, s) for s in found] == [["exp"], ["matmul"], ["multiply", "sum"]]


def test_a_call_waits_for_the_group_that_reads_it() -> None:
    builder = Builder(zeros(8, 8), zeros(8, 8))
    x, w = builder.given
    early = builder.call("exp", x)
    product = builder.call("matmul", x, w)
    y = builder.call("add", early, product)
    assert [names(builder, s) for s in grouped(builder.program(y))] == [["matmul"], ["exp", "add"]]


def test_a_call_does_not_wait_where_that_keeps_more_alive() -> None:
    builder = Builder(zeros(8, 8))
    (x,) = builder.given
    products = [builder.call("matmul", x, x) for _ in range(2)]
    early = builder.call("add", *products)
    late = builder.call("matmul", x, x)
    y = builder.call("add", early, late)
    found = [names(builder, s) for s in grouped(builder.program(y))]
    assert found == [["matmul"], ["matmul"], ["add"], ["matmul"], ["add"]]


def test_forward_and_backward_of_a_chain_are_one_group() -> None:
    builder = Builder(zeros(64), zeros(64))
    x, w = builder.given
    y = builder.call("tanh", builder.call("multiply", x, w))
    loss = builder.call("sum", y, axis=None)
    slope = builder.call("subtract", 1.0, builder.call("multiply", y, y))
    outputs = [loss, builder.call("multiply", slope, w), builder.call("multiply", slope, x)]
    (step,) = grouped(builder.program(*outputs))
    assert len(step.instructions) == len(builder.calls)


def test_operands_that_cut_across_each_other_do_not_meet() -> None:
    builder = Builder(zeros(12), zeros(4), zeros(3))
    x, four, three = builder.given
    y = builder.call("add", builder.call("reshape", x, (3, 4)), four)
    z = builder.call("add", builder.call("reshape", y, (4, 3)), three)
    found = [names(builder, s) for s in grouped(builder.program(z))]
    assert found == [["add"], ["add"]]


def test_small_arrays_run_by_themselves() -> None:
    builder = Builder(zeros(8))
    (x,) = builder.given
    y = builder.call("exp", builder.call("exp", x))
    assert [s.size for s in grouped(builder.program(y), smallest=9)] == [0, 0]


def test_what_the_executor_does_not_take_runs_by_itself() -> None:
    builder = Builder(zeros(8))
    (x,) = builder.given
    y = builder.call("exp", builder.call("tanh", builder.call("exp", x)))
    program = builder.program(y)
    found = steps(program, smallest=2, row_bytes=8, accepts=lambda call: call.name == "exp")
    assert [s.size for s in found] == [8, 0, 8]


def test_nothing_is_run_that_nobody_reads() -> None:
    builder = Builder(zeros(8))
    (x,) = builder.given
    builder.call("exp", x)
    builder.call("reshape", x, (2, 4))
    assert grouped(builder.program(x)) == []


@settings(max_examples=300, deadline=None)
@given(programs(), st.sampled_from([2, 8, 10**9]), st.sampled_from([0, 32, 10**6]))
def test_steps_run_in_an_order_that_is_possible(
    drawn: tuple[Program, list[object]], smallest: int, row_bytes: int
) -> None:
    program, inputs = drawn
    count = len(inputs)
    found = grouped(program, smallest=smallest, row_bytes=row_bytes)
    operands = seen_through(program)
    ready = set(range(count))
    for step in found:
        here = {count + i for i in step.instructions}
        assert list(step.instructions) == sorted(step.instructions)
        for i in step.instructions:
            reads = program.instructions[i].reads
            read = {operands[v].base for v in reads} if step.size else {*reads}
            assert read <= ready | here
        finals = {
            count + i for i, r in zip(step.instructions, step.roles, strict=True) if r == FINAL
        }
        for i in step.instructions:
            assert not finals & {operands[v].base for v in program.instructions[i].reads}
        assert all(step.size % cut == 0 for cut in step.cuts)
        assert not ready & here
        ready |= here
    assert {*program.outputs, *(v for v, _ in program.updates)} <= ready


def test_very_many_calls_are_placed_in_reasonable_time() -> None:
    builder = Builder(zeros(4), zeros(4))
    x, y = builder.given
    z = x
    for _ in range(3000):
        z = Value(builder.call("add", z, y).index)
    (step,) = grouped(builder.program(z))
    assert len(step.instructions) == 3000
    assert step.size == 4
