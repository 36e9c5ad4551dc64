"""How calls are written that are given memory for their results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numpygrad._lazy.program import Instruction
from numpygrad_numpy._programs.calls import (
    GIVEN_MEMORY,
    LAID_OUT,
    REDUCERS,
    basic_key,
    choice,
    elementwise_function,
    into,
    is_plain_reduction,
    reduction_axes,
)

if TYPE_CHECKING:
    from numpygrad_numpy._programs.source import Writer


def write(writer: Writer, v: int, given: list[str], out: str) -> None:
    """The lines of a call that is given memory for its result."""
    plan, lines = writer.plan, writer.lines
    call = plan.call(v)
    function = elementwise_function(call)
    if call.name == "cast":
        lines.append(f"{out}[...] = {given[0]}")
    elif call.name in GIVEN_MEMORY:
        lines.append(f"{writer.named(GIVEN_MEMORY[call.name])}({', '.join(given)}, {out})")
    elif call.name == "where":
        chosen, given = choice(plan.program, call, given)
        lines.append(f"{writer.named(chosen)}({', '.join([*given, out])})")
    elif function is not None:
        lines.append(f"{writer.named(function)}({', '.join(given)}, {into(function, out)})")
    elif is_plain_reduction(call):
        ndim = len(plan.avals[call.reads[0]].shape)  # type: ignore[union-attr]  # an array
        axes, keep = reduction_axes(call, ndim), bool(call.params.get("keepdims"))
        reduce = writer.named(REDUCERS[call.name].reduce)
        lines.append(f"{reduce}({given[0]}, {axes}, None, {out}, {keep})")
        if call.name == "mean":
            divide = writer.named(np.divide)
            lines.append(f"{divide}({out}, {writer.reduced(v, call)}, {out})")
    elif call.name == LAID_OUT:
        source = plan.avals[call.reads[0]].shape  # type: ignore[union-attr]  # an array
        lines.append(f"{writer.reshaped(v, source)}[...] = {given[0]}")
    elif call.name == "matmul":
        _matmul(writer, v, given, out)
    elif call.name == "concat":
        axis = call.params.get("axis", 0)
        lines.append(f"{writer.named(np.concatenate)}({given[0]}, {axis}, {out})")
    elif call.name == "stack":
        axis = call.params.get("axis", 0)
        ndim = len(call.aval.shape)  # type: ignore[union-attr]  # written
        before = ":, " * (axis % ndim)
        for position, x in enumerate(call.args[0]):
            lines.append(f"{out}[{before}{position}] = {writer.rendered(x)}")
    elif call.name == "scatter":
        lines.append(f"{out}.fill(0)")
        _add(writer, call, out, given[0], assign=True)
    elif call.name == "put":
        if v not in plan.in_place:
            lines.append(f"{out}[...] = {given[0]}")
        lines.append(f"{out}[{writer.rendered(call.params['key'])}] = {given[1]}")
    else:
        if v not in plan.in_place:
            lines.append(f"{out}[...] = {given[0]}")
        _add(writer, call, out, given[1], assign=False)


def _add(writer: Writer, call: Instruction, out: str, x: str, *, assign: bool) -> None:
    key = writer.rendered(call.params["key"])
    if basic_key(call):
        writer.lines.append(f"{out}[{key}] {'=' if assign else '+='} {x}")
    else:
        writer.lines.append(f"{writer.named(np.add.at)}({out}, {key}, {x})")


def _matmul(writer: Writer, v: int, given: list[str], out: str) -> None:
    plan, call = writer.plan, writer.plan.call(v)
    first, second = (plan.avals[x.index].shape for x in call.args)
    if len(first) > 2 and len(second) == 2 and v in writer.layouts:
        rows = writer.reshaped(call.args[0].index, (-1, first[-1]))
        whole = writer.reshaped(v, (-1, second[-1]))
        if rows and whole:
            given, out = [rows, given[1]], whole
    writer.lines.append(f"{writer.named(np.matmul)}({', '.join(given)}, {out})")
