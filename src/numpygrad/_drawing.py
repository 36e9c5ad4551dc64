"""Drawings of graphs: the recorded ops behind an array, or the program that lazy mode makes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from operator import attrgetter
from typing import Any

from numpygrad._array import Array
from numpygrad._diagram import Arrow, Box, Drawing, cut
from numpygrad._lazy.deferred import Deferred
from numpygrad._lazy.lifting import any_deferred
from numpygrad._lazy.passes import argument_text, aval_text, call_text, simplified
from numpygrad._lazy.program import Aval, Program, Report, interpreter
from numpygrad._lazy.realize import capture, program_of
from numpygrad._node import Node
from numpygrad.errors import DeviceError, GraphError

MAX_NODES = 200
"""Beyond it a drawing is hard to read, and Mermaid, which takes 500 arrows, may refuse it."""


def visualize(*arrays: Array, max_nodes: int = MAX_NODES) -> Drawing:
    """A drawing of the graph behind arrays, which a notebook shows.

    Of deferred arrays, the program that computes them, as it is run; of others, the ops that
    `backward()` will go through. Inputs that require grad are shown by their `label`; so are other
    operands that are among `arrays` or saved for `backward()`.

    Parameters
    ----------
    arrays
        The results. Inputs may be given too, so that their labels are known.
    max_nodes
        How many nodes to draw at most: those nearest to the results.

    Raises
    ------
    GraphError
        If there is nothing behind any of the arrays.
    DeviceError
        If deferred arrays are on two devices, as each has a program of its own.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.array([1.0, 2.0], requires_grad=True, label="x")
    >>> print(npg.visualize(npg.sum(npg.sin(x))))
    flowchart TD
      n0(["x<br/>float64[2]"]):::leaf
      n1["sin<br/>float64[2]"]:::op
      n2["sum<br/>float64[]"]:::output
      n0 --> n1
      n1 --> n2
      classDef leaf fill:#ffffe0
      classDef output stroke-width:3px
    <BLANKLINE>
    """
    for x in arrays:
        if not isinstance(x, Array):
            raise TypeError(f"visualize() takes Arrays, not {type(x).__name__}")
    if max_nodes < 1:
        raise ValueError(f"visualize() draws at least one node, not max_nodes={max_nodes}")
    if any_deferred(arrays):
        return drawing_of_program(*_program_behind(arrays), max_nodes)
    if all(x._node is None for x in arrays):
        raise GraphError(
            "visualize() of arrays that are neither deferred nor computed from any that requires "
            "grad: there is no graph; create the inputs with requires_grad=True, or compute under "
            "lazy()"
        )
    return drawing_of_nodes(arrays, max_nodes)


def _program_behind(arrays: Sequence[Array]) -> tuple[Program, Report | None]:
    """The program that computes deferred arrays, with labels for names, and how it is run."""
    deferred = [x for x in arrays if any_deferred((x,))]
    device = deferred[0].device
    for x in deferred:
        if x.device != device:
            raise DeviceError(
                f"visualize() draws the program of one device, not of {device!r} and {x.device!r}; "
                "call it for the arrays of each"
            )
    captured = capture(device, [x._data for x in deferred], keep=False)
    program = simplified(program_of(captured))
    names = program.names
    for number, given in enumerate(captured.inputs):
        raw = given.value if type(given) is Deferred else given
        known = [x.label for x in arrays if x._data is raw and x.label]
        if type(given) is Deferred:
            known += [str(c) for c, x in given.type.scalars.items() if x._data is given]
        if known:
            names[number] = known[0]
    labels = zip(program.outputs, (x.label for x in deferred), strict=True)
    names |= {number: label for number, label in labels if label}
    executor = device.backend.executor or interpreter
    return program, getattr(executor(program), "report", None)


def drawing_of_program(
    program: Program, report: Report | None = None, max_nodes: int = MAX_NODES
) -> Drawing:
    """A drawing of a program, with what runs as one framed if a report tells it."""
    count = len(program.inputs)
    group_of = {
        count + index: number
        for number, group in enumerate(report.groups if report else (), 1)
        for index in group
    }
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    for index in range(count + len(program.instructions)):
        call = None if index < count else program.instructions[index - count]
        text = f"%{index}" if call is None else f"%{index} = {call_text(call)}"
        named = (program.names[index],) if index in program.names else ()
        kind = "output" if index in program.outputs and call else "op" if call else "leaf"
        lines = (*named, text, aval_text(program.aval(index)))
        boxes.append(Box(lines, kind, group_of.get(index)))
        arrows += [Arrow(read, index) for read in (call.reads if call else ())]
    arrows += [Arrow(index, written, "writes", dashed=True) for index, written in program.updates]
    return cut(boxes, arrows, max_nodes)


def drawing_of_nodes(arrays: Sequence[Array], max_nodes: int = MAX_NODES) -> Drawing:
    """A drawing of the recorded ops behind arrays."""
    nodes = _behind(arrays)
    labels = _labels(arrays, nodes)
    results = {x._node for x in arrays}
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    numbers: dict[int, int] = {}
    for node in nodes:
        operands = []
        for position, parent, saved in _operands(node):
            if parent is None and id(saved) not in numbers:
                numbers[id(saved)] = len(boxes)
                boxes.append(Box(_constant_text(saved), "constant"))
            operands.append((numbers[id(saved if parent is None else parent)], position))
        numbers[id(node)] = end = len(boxes)
        label = (labels[node],) if node in labels else ()
        kind = "leaf" if node.op is None else "output" if node in results else "op"
        boxes.append(Box((*label, *_node_text(node)), kind))
        arrows += [Arrow(start, end, _operand_name(node, i)) for start, i in operands]
    return cut(boxes, arrows, max_nodes)


def _behind(arrays: Sequence[Array]) -> list[Node]:
    """The nodes that arrays were computed through, in the order they were made."""
    todo = [x._node for x in arrays]
    found: set[Node] = set()
    while todo:
        node = todo.pop()
        if node is not None and node not in found:
            found.add(node)
            todo += node.parents
    return sorted(found, key=attrgetter("sequence"))


def _operands(node: Node) -> list[tuple[int, Node | None, Any]]:
    """Position, node and saved array of each operand that has one of them."""
    pairs = enumerate(zip_longest(node.parents, node.inputs))
    return [(i, parent, saved) for i, (parent, saved) in pairs if (parent, saved) != (None, None)]


def _labels(arrays: Sequence[Array], nodes: Sequence[Node]) -> dict[Node, str]:
    """Labels by node: of leaves, and of the other arrays that are known, those given and saved."""
    known = [(x._node, x) for x in arrays]
    known += [(parent, x) for node in nodes for _, parent, x in _operands(node) if x is not None]
    found = {node: x.label for node, x in known if node is not None and x.label}
    return found | {node: node.label for node in nodes if getattr(node, "label", "")}


def _node_text(node: Node) -> tuple[str, ...]:
    aval = aval_text(Aval(node.shape, node.type.dtype))
    op = node.op
    if op is None:
        return (aval,)
    if op.is_part:
        outputs: Any = node.parent1.op.outputs
        return (outputs._fields[node.params["position"]], aval)
    given = {k: v for k, v in getattr(node, "params", {}).items() if v is not None}
    options = ", ".join(f"{k}={argument_text(v)}" for k, v in given.items() if v is not False)
    return tuple(filter(None, (op.path, options, "" if op.outputs else aval)))


def _constant_text(x: Array) -> tuple[str, ...]:
    """Label, dtype and shape; of a Python scalar itself."""
    numbers = (str(number) for number, kept in x._type.scalars.items() if kept is x)
    label = x.label or next(numbers, None)
    return tuple(filter(None, (label, aval_text(Aval(x.shape, x.dtype)))))


def _operand_name(node: Node, position: int) -> str:
    """What the op calls an operand, if it has several."""
    op = node.op
    if op is None or op.is_part or op.width == 1:
        return ""
    return str(position) if op.variadic else op.arrays[position]
