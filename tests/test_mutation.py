"""Programs that write in place: the right gradient or an error, never a wrong one.

Every program runs beside NumPy's own views and writes, which say what its values are, and beside a
pure replay, which says what its gradients are; then again on every other backend, and on PyTorch.
`nox -s mutation` runs many more programs than the tests do.
"""

from __future__ import annotations

import collections
import os
import sys

import numpy as np
import pytest
from conftest import DEVICES
from hypothesis import event, given, settings
from hypothesis import strategies as st
from mutation_machines import Arrays, InexpressibleError, Ndarrays, Tensors, close
from mutation_programs import WRITES, Reader, Row, Statement, rows, show, weights
from mutation_replay import Replay

import numpygrad as npg
from numpygrad.errors import DerivativeError, GraphError, VersionError

REFUSALS = (VersionError, DerivativeError, GraphError)
PROGRAMS = int(os.environ.get("NUMPYGRAD_MUTATION_PROGRAMS", "300"))
LONG = "NUMPYGRAD_MUTATION_PROGRAMS" in os.environ
REFUSED_AS = {
    "leaf": (VersionError,),
    "detached leaf": (VersionError, DerivativeError),
    "read-only": (ValueError, VersionError, DerivativeError),
}


class Trial:
    """One program, run on `cpu` beside NumPy and the replay; what it came to is kept."""

    def __init__(self, program: list[Row], *, watch: bool, second: bool) -> None:
        self.watch = watch
        self.replay = Replay(second=second)
        self.ndarrays = Ndarrays(self.replay.gradients)
        self.arrays = Arrays("cpu")
        self.statements: list[tuple[Statement, type[Exception] | None]] = []
        self.unrecorded: list[bool] = []
        self.values: list[dict[int, np.ndarray]] = []
        self.gradients: list[dict[int, np.ndarray | None]] = []
        self.endings: list[tuple[list[int], type[Exception] | None]] = []
        self.program = program
        self.outcome = ""

    def run(self) -> None:
        """Run the program, statement by statement, and end it with the gradient of everything."""
        reader = Reader(self.ndarrays, self.replay)
        for statement in reader.start(self.program[0].first):
            self.do(statement)
        for row in self.program:
            read = reader.read(row)
            if read is not None:
                self.do(read)
        self.compare()
        self.outcome = self.finish()

    def do(self, s: Statement) -> None:
        """Run a statement everywhere; if it is refused, nowhere."""
        refusal = self.replay.refusal(s)
        self.statements.append((s, None))
        self.unrecorded.append(refusal == "must not" and self.replay.is_of_leaf(s))
        try:
            self.arrays.run(s)
        except (*REFUSALS, ValueError) as error:
            if refusal != "may" and type(error) not in REFUSED_AS.get(refusal, ()):
                raise AssertionError("this should not have been refused so") from error
            self.statements[-1] = (s, type(error))
            self.require_reason(type(error))
        else:
            assert refusal not in REFUSED_AS, "this was not refused"
            self.ndarrays.run(s)
            self.replay.run(s)
        self.values.append({i: x.copy() for i, x in self.ndarrays.arrays.items()})
        self.gradients.append(dict(self.replay.gradients))
        if self.shows(-1):
            self.compare()
        if s.kind == "backward":
            self.compare_gradients()

    def require_reason(self, error: type[Exception] | None) -> None:
        """What a backward pass is refused for has happened: a write, or the release of a graph."""
        names = {s.name for s, _ in self.statements}
        kinds = {s.kind for s, _ in self.statements}
        assert error is not GraphError or "release" in names
        assert error is not VersionError or kinds & {*WRITES}

    def shows(self, position: int) -> bool:
        """Whether values are looked at after a statement: after a refused write at the latest."""
        s, error = self.statements[position]
        return self.watch or (s.kind in WRITES and error is not None)

    def compare(self) -> None:
        """All arrays have NumPy's values, and are tracked if the replay's are."""
        for i, x in self.arrays.arrays.items():
            close(x.numpy(), self.ndarrays.arrays[i], f"value of a{i}")
            close(self.replay.base(self.replay.arrays[i]), self.ndarrays.arrays[i], f"replay {i}")
            assert x.requires_grad == self.replay.tracked(i), f"a{i}.requires_grad"

    def compare_gradients(self) -> None:
        """All leaves have the gradients of the replay."""
        self.arrays.compare_gradients(self.replay.gradients)

    def finish(self) -> str:
        """How it ended, after the gradients of everything alive."""
        numbers = [i for i in self.arrays.arrays if self.replay.tracked(i)]
        if not numbers:
            return "nothing tracked"
        if self.replay.second:
            return self.finish_twice(numbers)
        outcome = self.end(numbers)
        if outcome == "checked":
            return outcome
        parts = {self.end([i]) for i in numbers}
        return "partly checked" if "checked" in parts else outcome

    def end(self, numbers: list[int]) -> str:
        """Backward from a loss of some arrays."""
        error = attempt(self.arrays, numbers)
        self.endings.append((numbers, error))
        self.require_reason(error)
        if error is None:
            self.replay.add_gradient(self.replay.loss(numbers))
        self.gradients.append(dict(self.replay.gradients))
        self.compare_gradients()
        return "checked" if error is None else error.__name__

    def finish_twice(self, numbers: list[int]) -> str:
        """The gradient of the gradient along the direction of the replay."""
        leaves = {i: self.arrays.arrays[i] for i in self.replay.leaves if i in self.arrays.arrays}
        if len(leaves) < len(self.replay.leaves):
            return "a leaf is gone"
        for x in leaves.values():
            x.grad = None
        loss = self.replay.loss(numbers)
        try:
            self.arrays.loss(numbers).backward(create_graph=True)
            along = npg.asarray(0.0, device="cpu")
            for i, x in leaves.items():
                if x.grad is not None:
                    close(x.grad.numpy(), self.replay.gradient(loss, i), f"gradient of a{i}")
                    along = along + npg.sum(npg.reshape(x.grad, (-1,)) * weights(5, (x.size,)))
                x.grad = None
            if along.requires_grad:
                along.backward()
        except REFUSALS as error:
            self.require_reason(type(error))
            return f"{type(error).__name__} of the second"
        for i, x in leaves.items():
            found = np.zeros(x.shape) if x.grad is None else x.grad.numpy()
            close(found, self.replay.second_gradient(loss, i), f"second gradient of a{i}", 2e-4)
        return "checked twice"

    def repeat(self, device: str) -> None:
        """Run the same statements on another device, which does and refuses the same."""
        arrays = Arrays(device)
        for position, (s, expected) in enumerate(self.statements):
            error = None
            try:
                arrays.run(s)
            except (*REFUSALS, ValueError) as refused:
                error = type(refused)
            assert error is expected, f"{device}: {s}: {error} instead of {expected}"
            if self.shows(position) or position == len(self.statements) - 1:
                for i, x in arrays.arrays.items():
                    close(x.numpy(), self.values[position][i], f"value of a{i} on {device}")
            if s.kind == "backward":
                arrays.compare_gradients(self.gradients[position])
        for position, (numbers, expected) in enumerate(self.endings, len(self.statements)):
            error = attempt(arrays, numbers)
            assert error is expected, f"{device}: {error} instead of {expected}"
            arrays.compare_gradients(self.gradients[position])

    def repeat_in_pytorch(self) -> str:
        """Run the same statements in PyTorch, whose gradients are the same where it has some."""
        import torch

        tensors = Tensors(torch)
        try:
            for position, (s, error) in enumerate(self.statements):
                if error is not None:
                    continue
                if s.kind == "view" and s.quiet:
                    raise InexpressibleError  # writing through it is an error there
                tensors.gradients = self.gradients[position]
                tensors.run(s._replace(quiet=s.quiet or self.unrecorded[position]))
                if s.kind in WRITES:
                    for i, x in tensors.arrays.items():
                        close(x.detach().numpy(), self.values[position][i], f"PyTorch's a{i}")
        except InexpressibleError:
            return "inexpressible in PyTorch"
        except RuntimeError:
            return "refused by PyTorch"
        outcome = "refused by PyTorch"
        for numbers, error in self.endings:
            before = {i: tensors.gradient(i) for i in self.replay.leaves if i in tensors.arrays}
            expected = {i: self.replay.gradient(self.replay.loss(numbers), i) for i in before}
            try:
                tensors.loss(numbers).backward(retain_graph=True)
            except RuntimeError:
                continue
            if error is not None:
                return f"PyTorch alone gives a gradient of {numbers}"
            outcome = "checked by PyTorch"
            for i, known in before.items():
                close(tensors.gradient(i) - known, expected[i], f"PyTorch's gradient of a{i}")
        return outcome


def attempt(arrays: Arrays, numbers: list[int]) -> type[Exception] | None:
    """Backward from a loss of some arrays; how it was refused, if it was."""
    try:
        arrays.loss(numbers).backward(retain_graph=True)
    except REFUSALS as error:
        return type(error)
    return None


def check(program: list[Row], watch: bool, second: int, *places: str) -> str:
    """How a program ended; what it was, if it went wrong."""
    trial = Trial(program, watch=watch, second=second == 6)
    with np.errstate(all="ignore"):
        try:
            trial.run()
            for place in places:
                if place == "PyTorch":
                    event(trial.repeat_in_pytorch().partition(" of ")[0])
                else:
                    trial.repeat(place)
        except Exception as error:
            error.add_note(show(trial.statements))
            raise
    event(trial.outcome)
    return trial.outcome


def run_programs(count: int, *places: str) -> None:
    """Run so many programs; most end with a gradient that was compared, and not with an error."""
    outcomes: collections.Counter[str] = collections.Counter()

    @settings(max_examples=count, derandomize=not LONG)
    @given(program=rows(), watch=st.booleans(), second=st.integers(0, 6))
    def run(program: list[Row], watch: bool, second: int) -> None:
        outcomes[check(program, watch, second, *places)] += 1
        if LONG and outcomes.total() % 500 == 0:
            print(*places, dict(outcomes), file=sys.stderr, flush=True)

    run()
    checked = outcomes["checked"] + outcomes["checked twice"]
    assert checked > 0.6 * outcomes.total(), outcomes


def test_programs_that_write_have_the_right_gradient_or_raise() -> None:
    run_programs(PROGRAMS)


@pytest.mark.parametrize("where", [d for d in DEVICES if d != "cpu"])
def test_programs_that_write_do_and_refuse_the_same_on_every_backend(where: str) -> None:
    run_programs(PROGRAMS // (10 if where.startswith("jax") else 2), where)


def test_programs_that_write_have_pytorchs_gradients() -> None:
    pytest.importorskip("torch")
    run_programs(PROGRAMS // 2, "PyTorch")
