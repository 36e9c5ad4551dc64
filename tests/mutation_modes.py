"""Programs of writes run in other modes than eager: lazy, mixed, and their ends compiled."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from mutation_machines import Arrays, close
from mutation_programs import WRITES, Statement

import numpygrad as npg
from numpygrad import Array
from numpygrad.errors import CaptureError, DerivativeError, GraphError, VersionError

REFUSALS = (VersionError, DerivativeError, GraphError)
TOLERANCE = 1e-12
"""Between modes, which do the same arithmetic in the same order, or nearly."""

Error: TypeAlias = "type[Exception] | None"
Statements: TypeAlias = "list[tuple[Statement, Error]]"
CALLS = 3


class Ending(NamedTuple):
    """What is asked for at the end: gradients of the loss of some arrays, or second ones."""

    numbers: list[int]
    leaves: list[int]
    """Of which second derivatives are wanted; else empty."""


class Ended(NamedTuple):
    """What an ending gave."""

    error: Error
    gradients: dict[int, Any]
    second: dict[int, Any]


def attempt(arrays: Arrays, s: Statement) -> Error:
    """Run a statement; how it was refused, if it was."""
    try:
        arrays.run(s)
    except (*REFUSALS, ValueError) as error:
        return type(error)
    return None


def end(arrays: Arrays, ending: Ending) -> Ended:
    """Backward from a loss: into the gradients of leaves, or twice, and then out of them."""
    gradients: dict[int, Any] = {}
    second: dict[int, Any] = {}
    try:
        if not ending.leaves:
            arrays.loss(ending.numbers).backward(retain_graph=True)
            return Ended(None, {}, {})
        arrays.gradients(ending.leaves)
        arrays.loss(ending.numbers).backward(create_graph=True)
        gradients = arrays.gradients(ending.leaves)
        along = arrays.along(gradients)
        if along.requires_grad:
            along.backward()
        second = arrays.gradients(ending.leaves)
    except REFUSALS as error:
        return Ended(type(error), gradients, second)
    return Ended(None, gradients, second)


def compare_modes(
    device: str, execution: str, statements: Statements, endings: list[Ending], *, watch: bool
) -> None:
    """A program does and refuses in a mode what it does and refuses eagerly.

    Values are looked at after each statement if `watch`, otherwise only when all is done.
    """
    eager, other = Arrays(device), Arrays(device, execution)
    for s, expected in statements:
        for machine in (eager, other):
            error = attempt(machine, s)
            assert error is expected, f"{machine}: {s}: {error} instead of {expected}"
        if watch:
            _compare(eager, other)
        if s.kind == "backward":
            _compare_gradients(eager, other)
    for ending in endings:
        expected_end = end(eager, ending)
        with other.executing(statements[-1][0]):
            found = end(other, ending)
        assert found.error is expected_end.error, f"{other}: {ending}: {found.error}"
        _compare_all(found.gradients, expected_end.gradients, "gradient")
        _compare_all(found.second, expected_end.second, "second gradient")
        _compare_gradients(eager, other)
    _compare(eager, other)


def _compare(eager: Arrays, other: Arrays) -> None:
    for i, x in eager.arrays.items():
        y = other.arrays[i]
        assert (x.shape, x.dtype, x.requires_grad) == (y.shape, y.dtype, y.requires_grad), f"a{i}"
        close(y.numpy(), x.numpy(), f"a{i}, {other}", TOLERANCE)


def _compare_gradients(eager: Arrays, other: Arrays) -> None:
    found, expected = (
        {i: x.grad for i, x in machine.arrays.items() if _is_leaf(x) and x.grad is not None}
        for machine in (other, eager)
    )
    _compare_all(found, expected, "gradient")


def _compare_all(found: dict[Any, Array], expected: dict[Any, Array], what: str) -> None:
    assert found.keys() == expected.keys(), what
    for i, y in found.items():
        close(y.numpy(), expected[i].numpy(), f"{what} {i}", TOLERANCE)


def _is_leaf(x: Array) -> bool:
    return x._node is not None and x._node.op is None


class Tail:
    """The last statements of a program as a function, which closes over the arrays before them."""

    def __init__(self, head: Arrays, statements: list[Statement], given: list[int], last: str):
        self.head = head
        self.statements = statements
        self.given = given
        self.last = last
        self.errors: list[list[Error]] = []
        """What was refused, for each time that the body ran."""

    def run(self, *arguments: Array) -> dict[str, Any]:
        """The arrays that the statements make, gradients, and which run of the body it was."""
        own = Arrays(self.head.device)
        own.arrays = self.head.arrays | dict(zip(self.given, arguments, strict=True))
        outside = own.arrays.copy()
        errors = [self._attempt(own, s) for s in self.statements]
        made = {i: x for i, x in own.arrays.items() if outside.get(i) is not x}
        found: dict[str, Any] = {f"a{i}": x for i, x in made.items()}
        found["run"] = len(self.errors)
        if self.last != "nothing":
            numbers = [i for i, x in own.arrays.items() if x.requires_grad]
            leaves = [i for i, x in own.arrays.items() if _is_leaf(x)]
            if numbers:
                ending = Ending(numbers, leaves if self.last == "second" else [])
                ended = end(own, ending)
                errors.append(ended.error)
                found |= {f"gradient of a{i}": g for i, g in ended.gradients.items()}
                found |= {f"second gradient of a{i}": g for i, g in ended.second.items()}
        self.errors.append(errors)
        grads = {f"a{i}.grad": x.grad for i, x in made.items() if _is_leaf(x)}
        return found | {name: g for name, g in grads.items() if g is not None}

    @staticmethod
    def _attempt(arrays: Arrays, s: Statement) -> Error:
        try:
            error = attempt(arrays, s)
        except (KeyError, TypeError) as missing:  # an array, or a gradient, that is not there
            return type(missing)
        # Which of the two a write is refused with may depend on aliases yet to be collected.
        return VersionError if error is DerivativeError and s.kind in WRITES else error


def compare_compiled(device: str, statements: Statements, choice: int) -> str:
    """The end of a program does the same compiled; or it is refused, and why."""
    rng = np.random.default_rng(choice)
    start = 2 if rng.random() < 0.5 else int(rng.integers(2, len(statements)))
    worlds = [Arrays(device, "mixed") for _ in range(2)]
    for world in worlds:
        for s, expected in statements[:start]:
            assert attempt(world, s) is expected
    outside = [*worlds[0].arrays]
    given = [i for i in outside if rng.random() < 0.5]
    last = str(rng.choice(["nothing", "first", "second"]))
    rest = [s for s, _ in statements[start:] if _fits(s, outside)]
    plain, traced = (Tail(world, rest, given, last) for world in worlds)
    compiled = npg.compile(traced.run)
    with _noted(f"from statement {start} on compiled, of {given}, last {last}"):
        for call in range(CALLS):
            if call:
                _change(worlds, [i for i in outside if rng.random() < 0.5])
            fresh = bool(rng.random() < 0.5)
            arguments = [_arguments(world, given, fresh=fresh) for world in worlds]
            before = _state(worlds[0], arguments[0])  # to look into the other would compute it
            try:
                found = compiled(*arguments[1])
            except CaptureError as error:
                _compare_states(_state(worlds[1], arguments[1]), before)
                return _reason(error, rest, outside)
            expected = plain.run(*arguments[0])
            wanted, errors = plain.errors[expected.pop("run")], traced.errors[found.pop("run")]
            if GraphError in wanted and wanted != errors:
                return "compiled, until eagerly a graph outside is released"
            assert errors == wanted, f"call {call}"
            _compare_all(found, expected, f"call {call}:")
            del found, expected  # an array with a detached alias is not written to
            after = [_state(w, a) for w, a in zip(worlds, arguments, strict=True)]
            _compare_states(after[1], after[0])
        _compare_after(worlds, written=any(s.kind in WRITES for s in rest))
    return "compiled"


@contextlib.contextmanager
def _noted(note: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(note)
        raise


def _fits(s: Statement, outside: Iterable[int]) -> bool:
    """Whether a statement may be in a compiled function: it makes no leaf of an array outside."""
    return s.kind != "realize" and not (s.kind == "track" and s.operands[0] in outside)


def _arguments(world: Arrays, given: list[int], *, fresh: bool) -> list[Array]:
    """The arrays that are given, or others of other values."""
    found = [world.arrays[i] for i in given]
    if not fresh:
        return found
    return [
        npg.array(1.03125 * x.numpy(), device=x.device, requires_grad=x.requires_grad)
        for x in found
    ]


def _change(worlds: list[Arrays], numbers: list[int]) -> None:
    """Give arrays other values."""
    for world, i in itertools.product(worlds, numbers):
        with npg.no_grad(), contextlib.suppress(ValueError):  # those that are read-only keep theirs
            world.arrays[i] *= 1.0625


State: TypeAlias = "dict[str, np.ndarray]"


def _state(world: Arrays, arguments: list[Array]) -> State:
    """What can be seen of arrays outside of a function."""
    arrays = {f"a{i}": x for i, x in world.arrays.items()}
    arrays |= {f"argument {i}": x for i, x in enumerate(arguments)}
    grads = {f"{name}.grad": x.grad for name, x in arrays.items() if _is_leaf(x)}
    arrays |= {name: g for name, g in grads.items() if g is not None}
    return {name: x.numpy().copy() for name, x in arrays.items()}


def _compare_states(found: State, expected: State) -> None:
    assert found.keys() == expected.keys()
    for name, values in found.items():
        close(values, expected[name], name, TOLERANCE)


def _compare_after(worlds: list[Arrays], *, written: bool) -> None:
    """Graphs outside give the same gradients after all calls, or know of the writes."""
    for i, x in worlds[0].arrays.items():
        if not x.requires_grad:
            continue
        expected, found = (end(world, Ending([i], [])).error for world in worlds)
        if found is not expected:
            assert found is VersionError, f"a{i}: {found} instead of {expected}"
            assert written, f"a{i}: {found} instead of {expected}"
            return
        _compare_states(_state(worlds[1], []), _state(worlds[0], []))


def _reason(error: CaptureError, statements: list[Statement], outside: list[int]) -> str:
    """What a function was not captured for, if it does that."""
    message = str(error)
    kinds = {s.kind for s in statements}
    written = bool(kinds & {*WRITES})
    reasons = {
        "view of it that was made outside": written,
        "its history would be lost": written,
        "asked for at": True,
    }
    found = [reason for reason, possible in reasons.items() if reason in message and possible]
    assert found, message
    return f"not compiled: {message.partition(found[0])[0]}{found[0]}"
