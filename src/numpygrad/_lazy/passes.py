"""Passes: functions from a program to a program that gives the same bits with fewer calls.

A program that a pass cannot better comes back as the object it was.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numpygrad._lazy.folding import with_folded_constants
from numpygrad._lazy.program import Aval, Instruction, Program, Report, Runner, Value
from numpygrad._lazy.rewriting import reads, redirected, rewritten

ROUNDS = 4
"""How often folding and merging take turns at most; what one brings the other is soon done."""

RUNS_EACH = frozenset({"deferred"})
"""Calls of a user's own function, which runs as often as it was called."""


def without_dead_code(program: Program) -> Program:
    """The program without the instructions that no output and no update needs; inputs stay."""
    n = len(program.inputs)
    needed = _needed(program)
    if all(needed[n:]):
        return program
    values = [Value(index) for index in range(n)]
    kept: list[Instruction] = []
    for call, is_needed in zip(program.instructions, needed[n:], strict=True):
        if is_needed:
            number = n + len(kept)
            kept.append(call if number == len(values) else call.replaced(values.__getitem__))
            values.append(Value(number))
        else:
            values.append(_NOWHERE)
    return Program(
        program.inputs,
        tuple(kept),
        tuple(values[index].index for index in program.outputs),
        tuple((values[index].index, written) for index, written in program.updates),
        {values[i].index: name for i, name in program.names.items() if values[i] is not _NOWHERE},
    )


_NOWHERE = Value(-1)


def _needed(program: Program) -> bytearray:
    """For each value, whether an output or an update needs it."""
    n = len(program.inputs)
    needed = bytearray(n + len(program.instructions))
    for index in program.outputs:
        needed[index] = True
    for index, _ in program.updates:
        needed[index] = True
    for index in range(len(needed) - 1, n - 1, -1):
        if needed[index]:
            for read in reads(program.instructions[index - n]):
                needed[read] = True
    return needed


def without_common_subexpressions(program: Program) -> Program:
    """The program with each call made once: later ones that give the same are not read any more.

    They stay in their places, for `without_dead_code` to take out.
    """
    first: dict[Any, int] = {}
    moved: dict[int, int] = {}
    calls = []
    for number, recorded in enumerate(program.instructions, len(program.inputs)):
        call = redirected(recorded, moved) if moved else recorded
        calls.append(call)
        if call.name not in RUNS_EACH:
            found = first.setdefault(_key(call), number)
            if found != number:
                moved[number] = found
    return rewritten(program, calls, moved) if moved else program


def _key(call: Instruction) -> Any:
    """What two calls that give the same have in common."""
    params = [(name, _by_value(given)) for name, given in sorted(call.params.items())]
    return (_by_value(call.kernel), _by_value(call.args), *params)


def _by_value(item: Any) -> Any:
    """A hashable that is equal for arguments that are the same, and for no others.

    Types tell 1 from 1.0 and True, and texts tell 0.0 from -0.0 and find NaN equal to itself.
    """
    kind = type(item)
    if kind is Value:
        return item.index
    if kind is tuple or kind is list:
        return (kind, *map(_by_value, item))
    if kind is slice:  # hashable from Python 3.12 only
        return (kind, _by_value(item.start), _by_value(item.stop), _by_value(item.step))
    if kind is str or kind is int:
        return (kind, item)
    if isinstance(item, (float, complex, np.generic)):
        return (kind, repr(item))
    try:
        hash(item)
    except TypeError:  # the same object, such as an array, is the same argument
        return (kind, "at", id(item))
    return (kind, item)


def simplified(program: Program) -> Program:
    """The program after all passes, repeated as long as they find something."""
    program = without_dead_code(program)
    for turn in range(ROUNDS):
        folded = with_folded_constants(program)
        if folded is program and turn > 0:
            break
        program = without_dead_code(without_common_subexpressions(folded))
    return program


PASSES = {
    "dead code": without_dead_code,
    "constant folding": with_folded_constants,
    "common subexpressions": without_common_subexpressions,
}


def explained(program: Program, runner: Runner | None = None) -> str:
    """What the passes make of a recorded program, and how a runner of the result runs it."""
    lines = [f"{'pass':24}{'before':>8}{'after':>8}   (instructions)"]
    after = program
    for turn in range(ROUNDS):
        start = after
        for name, pass_ in PASSES.items():
            before, after = after, without_dead_code(pass_(after))
            if turn == 0 or after is not before:
                counts = len(before.instructions), len(after.instructions)
                lines.append(f"{name:24}{counts[0]:8}{counts[1]:8}")
        if after is start:
            break
    report: Report | None = getattr(runner, "report", None)
    groups = report.groups if report else ()
    if report is not None:
        grouped = sum(map(len, groups))
        lines += [
            "",
            f"groups    {len(groups)}, of {grouped} instructions together",
            f"buffers   {report.buffers}, in an arena of {in_bytes(report.arena)}",
            f"moved     {in_bytes(report.moved)} between whole arrays in one run",
        ]
    return "\n".join([*lines, "", *_listed(simplified(program), groups)])


def _listed(program: Program, groups: tuple[tuple[int, ...], ...]) -> list[str]:
    """A program line by line, each instruction marked with the group that it runs in."""
    n = len(program.inputs)
    group_of = {index: number for number, group in enumerate(groups, 1) for index in group}
    lines = []
    for index in range(n + len(program.instructions)):
        call = "input" if index < n else call_text(program.instructions[index - n])
        name = f" {program.names[index]!r}" if index in program.names else ""
        group = f"  group {group_of[index - n]}" if index - n in group_of else ""
        lines.append(f"%{index}{name} = {call}  {aval_text(program.aval(index))}{group}")
    lines += [f"%{written} <- %{index}" for index, written in program.updates]
    return [*lines, "return " + ", ".join(f"%{index}" for index in program.outputs)]


def call_text(call: Instruction) -> str:
    """A call as it would be written: `multiply(%3, 2.0)`."""
    args = [argument_text(item) for item in call.args]
    args += [f"{name}={argument_text(item)}" for name, item in call.params.items()]
    return f"{call.name}({', '.join(args)})"


def argument_text(item: Any) -> str:
    """An argument in one short line; `dtype('float32')` as `float32`."""
    if isinstance(item, np.dtype):
        return str(item)
    if type(item) is slice:
        ends = ["" if end is None else str(end) for end in (item.start, item.stop)]
        return ":".join(ends if item.step is None else [*ends, str(item.step)])
    if type(item) is tuple or type(item) is list:
        open_, close = "()" if type(item) is tuple else "[]"
        comma = "," if type(item) is tuple and len(item) == 1 else ""
        return f"{open_}{', '.join(map(argument_text, item))}{comma}{close}"
    if item is ...:
        return "..."
    if hasattr(item, "shape") and hasattr(item, "dtype") and not isinstance(item, np.generic):
        return f"{item.dtype}{list(item.shape)}"  # its values may be far away, or not computed yet
    text = repr(item)
    return text if len(text) <= 40 and "\n" not in text else f"<{type(item).__name__}>"


def aval_text(aval: Aval | None) -> str:
    """A dtype with the lengths of the axes: `float32[64, 128]`."""
    return "several results" if aval is None else f"{aval.dtype}{list(aval.shape)}"


def in_bytes(size: float) -> str:
    """A number of bytes in the unit it is best read in: `1.5 MB`."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.4g} {unit}"
        size /= 1000
    return f"{size:.4g} GB"
