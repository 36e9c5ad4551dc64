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
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from mutation_machines import Arrays, InexpressibleError, Ndarrays, Tensors, close
from mutation_modes import REFUSALS, Ending, attempt, compare_compiled, compare_modes, end
from mutation_programs import BINARY, WRITES, Reader, Row, Statement, rows, show, views
from mutation_replay import Replay

from numpygrad.errors import DerivativeError, GraphError, VersionError

PROGRAMS = int(os.environ.get("NUMPYGRAD_MUTATION_PROGRAMS", "300"))
LONG = "NUMPYGRAD_MUTATION_PROGRAMS" in os.environ
LAZY = [d for d in DEVICES if d in ("cpu", "jax:cpu")]
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
        self.asked: list[Ending] = []
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
        self.asked.append(Ending(numbers, []))
        error = end(self.arrays, self.asked[-1]).error
        self.endings.append((numbers, error))
        self.require_reason(error)
        if error is None:
            self.replay.add_gradient(self.replay.loss(numbers))
        self.gradients.append(dict(self.replay.gradients))
        self.compare_gradients()
        return "checked" if error is None else error.__name__

    def finish_twice(self, numbers: list[int]) -> str:
        """The gradient of the gradient along the direction of the replay."""
        leaves = [i for i in self.replay.leaves if i in self.arrays.arrays]
        if len(leaves) < len(self.replay.leaves):
            return "a leaf is gone"
        self.asked.append(Ending(numbers, leaves))
        ended = end(self.arrays, self.asked[-1])
        self.require_reason(ended.error)
        loss = self.replay.loss(numbers)
        for i, g in ended.gradients.items():
            close(g.numpy(), self.replay.gradient(loss, i), f"gradient of a{i}")
        if ended.error is not None:
            return f"{ended.error.__name__} of the second"
        for i in leaves:
            g = ended.second.get(i)
            found = np.zeros(self.replay.shapes[i]) if g is None else g.numpy()
            close(found, self.replay.second_gradient(loss, i), f"second gradient of a{i}", 2e-4)
        return "checked twice"

    def repeated(self, place: str, choice: int) -> str:
        """How the program went in another place."""
        how, _, device = place.rpartition(" ")
        if place == "PyTorch":
            return self.repeat_in_pytorch().partition(" of ")[0]
        if how == "compiled":
            return compare_compiled(device, self.statements, choice)
        if how:
            compare_modes(device, how, self.statements, self.asked, watch=self.looks(how))
        else:
            self.repeat(device)
        return place

    def looks(self, how: str) -> bool:
        """Whether to look at values between statements: when all is lazy nothing is to run yet."""
        return self.watch and how != "lazy"

    def repeat(self, device: str) -> None:
        """Run the same statements on another device, which does and refuses the same."""
        arrays = Arrays(device)
        for position, (s, expected) in enumerate(self.statements):
            error = attempt(arrays, s)
            assert error is expected, f"{device}: {s}: {error} instead of {expected}"
            if self.shows(position) or position == len(self.statements) - 1:
                for i, x in arrays.arrays.items():
                    close(x.numpy(), self.values[position][i], f"value of a{i} on {device}")
            if s.kind == "backward":
                arrays.compare_gradients(self.gradients[position])
        for position, (numbers, expected) in enumerate(self.endings, len(self.statements)):
            error = end(arrays, Ending(numbers, [])).error
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


def check(program: list[Row], watch: bool, second: int, choice: int, *places: str) -> str:
    """How a program ended; what it was, if it went wrong."""
    trial = Trial(program, watch=watch, second=second == 6)
    with np.errstate(all="ignore"):
        try:
            trial.run()
            for place in places:
                event(trial.repeated(place, choice))
        except Exception as error:
            error.add_note(show(trial.statements))
            raise
    event(trial.outcome)
    return trial.outcome


STACK = list(BINARY).index("stack")
BROADCAST = views((2, 3)).index(("broadcast_to", (2, 2, 3)))
ROTATE = views((2, 2, 2, 3)).index(("permute_dims", (1, 2, 3, 0)))
FOUND = [
    # A broadcast view that becomes a leaf has a gradient for each of its elements.
    [
        Row("constant", 1, 0, 0, 0, 0),
        Row("view", 0, BROADCAST, 0, 0, 0),
        Row("track", 0, 0, 0, 0, 0),
    ],
    # Stacked twice, arrays have four axes.
    [*[Row("binary", 0, STACK, 0, 0, 0)] * 2, Row("view", 0, ROTATE, 0, 0, 0)],
]
"""Programs that were once wrong, or wrongly thought to be."""


def run_programs(count: int, *places: str) -> None:
    """Run so many programs; most end with a gradient that was compared, and not with an error."""
    outcomes: collections.Counter[str] = collections.Counter()

    @settings(max_examples=count, derandomize=not LONG)
    @given(
        program=rows(),
        watch=st.booleans(),
        second=st.integers(0, 6),
        choice=st.integers(0, 2**16 - 1),
    )
    def run(program: list[Row], watch: bool, second: int, choice: int) -> None:
        outcomes[check(program, watch, second, choice, *places)] += 1
        if LONG and outcomes.total() % 500 == 0:
            print(*places, dict(outcomes), file=sys.stderr, flush=True)

    for known in FOUND:
        run = example(program=known, watch=True, second=0, choice=0)(run)
    run()
    checked = outcomes["checked"] + outcomes["checked twice"]
    assert checked > 0.6 * outcomes.total(), outcomes


def test_programs_that_write_have_the_right_gradient_or_raise() -> None:
    run_programs(PROGRAMS)


@pytest.mark.parametrize("where", [d for d in DEVICES if d != "cpu"])
def test_programs_that_write_do_and_refuse_the_same_on_every_backend(where: str) -> None:
    run_programs(PROGRAMS // (10 if where.startswith("jax") else 2), where)


@pytest.mark.parametrize("where", LAZY)
def test_programs_that_write_do_and_refuse_the_same_in_lazy_mode(where: str) -> None:
    run_programs(count(where, 2), f"lazy {where}", f"mixed {where}")


@pytest.mark.parametrize("where", LAZY)
def test_programs_that_write_do_the_same_compiled_or_are_refused(where: str) -> None:
    run_programs(count(where, 20), f"compiled {where}")


def count(where: str, part: int) -> int:
    """How many programs to run in a mode: JAX takes a second to compile one."""
    programs = PROGRAMS // part if LONG else 300
    return programs // 40 if where.startswith("jax") else programs


def test_programs_that_write_have_pytorchs_gradients() -> None:
    pytest.importorskip("torch")
    run_programs(PROGRAMS // 2, "PyTorch")
