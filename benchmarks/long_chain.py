"""Long chains: time an operation, bytes a node, and a million operations without recursion."""

import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import peers
from benchmarks.report import Measurement, Verdict, ratios_to
from benchmarks.timing import (
    BASELINE,
    OURS,
    Contestant,
    Effort,
    Workload,
    announce,
    left_out,
    measure,
)

LENGTH = 100_000
# So close to one that a million products do not overflow.
FACTOR = 1.000001
START = np.array([1.0, 2.0, 3.0, 4.0])

Floats = NDArray[np.float64]


def measurements(effort: Effort) -> Iterator[Measurement]:
    """Time and memory of 100,000 operations, then whether a million run at all."""
    length = LENGTH // 10 if effort.quick else LENGTH
    contestants = {name: partial(build, length) for name, build in CONTESTANTS.items()}
    name = f"{length:,}-op chain, per op"
    yield measure(Workload(name, contestants, operations=length, tolerance=1e-6), effort)
    yield node_sizes(length)
    yield very_long_chain(10 * length)


def chain(x: Any, length: int) -> Any:
    """`length - 1` products and a sum, each on the result of the one before."""
    for _ in range(length - 1):
        x = x * FACTOR
    return x.sum()


def node_sizes(length: int) -> Measurement:
    """Bytes a node of the recorded chain, of what Python and NumPy allocate."""
    figures = {}
    for name, record in RECORDERS.items():
        try:
            chain_of = record()
        except ModuleNotFoundError as error:
            left_out(str(error))
            continue
        chain_of(2)
        tracemalloc.start()
        held = chain_of(length)
        figures[name] = tracemalloc.get_traced_memory()[0] / length
        del held
        tracemalloc.stop()
    return Measurement(f"{length:,}-op chain, bytes a node", "B", figures, {})


def very_long_chain(length: int) -> Measurement:
    """Seconds for so many operations and the way back, in processes of their own.

    Their own, because what this guards against may end the process: recursion in the backward
    pass raises, but recursion in freeing the graph can overflow the C stack.
    """
    name = f"{length:,}-op chain"
    figures, verdicts = {}, []
    for contestant in (BASELINE, OURS):
        try:
            CONTESTANTS[contestant](1)
        except ModuleNotFoundError as error:
            left_out(str(error))
            continue
        finished = subprocess.run(  # noqa: S603 our own module, by our own interpreter
            [sys.executable, "-m", "benchmarks.long_chain", contestant, str(length)],
            cwd=Path(__file__).parent.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        completes = finished.returncode == 0
        if completes:
            figures[contestant] = float(finished.stdout)
        if contestant == OURS:
            exit_line = f"exit {finished.returncode}"
            found = "completes" if completes else f"{exit_line} {finished.stderr}".splitlines()[-1]
            verdicts.append(Verdict(name, "completes", found, completes))
    announce(f"{name}: done")
    return Measurement(name, "s", figures, ratios_to(BASELINE, figures), verdicts)


def by_hand(length: int) -> Contestant:
    """NumPy, which needs to keep nothing for the way back."""

    def run() -> tuple[Any, Floats]:
        loss = chain(START, length)
        g = np.ones_like(START)
        for _ in range(length - 1):
            g = g * FACTOR
        return loss, g

    return Contestant(run, list)


def numpygrad_leaf() -> Any:
    """The start of the chain in numpygrad."""
    return peers.numpygrad().array(START, requires_grad=True)


def torch_leaf() -> Any:
    """The start of the chain in PyTorch."""
    return peers.torch().tensor(START, requires_grad=True)


def mygrad_leaf() -> Any:
    """The start of the chain in MyGrad."""
    return peers.mygrad().tensor(START)


def with_backward(leaf: Callable[[], Any], length: int) -> Contestant:
    """A library whose tensors have `backward()` and `grad`; the graph is freed within the run."""
    x = leaf()

    def run() -> tuple[Any, Any]:
        x.grad = None
        loss = chain(x, length)
        loss.backward()
        return loss.item(), x.grad

    return Contestant(run, lambda result: [np.asarray(result[0]), result[1].numpy()])


def with_autograd(length: int) -> Contestant:
    """HIPS autograd's function transform."""
    differentiated = peers.autograd().value_and_grad(partial(chain, length=length))
    return Contestant(lambda: differentiated(START), list)


def with_mygrad(length: int) -> Contestant:
    """MyGrad, which returns gradients as NumPy arrays."""
    x = mygrad_leaf()

    def run() -> tuple[Any, Any]:
        loss = chain(x, length)
        loss.backward()
        return loss.item(), x.grad

    return Contestant(run, lambda result: [np.asarray(result[0]), result[1]])


def recorder(leaf: Callable[[], Any]) -> Callable[[int], Any]:
    """The last tensor, which holds the graph."""
    return partial(chain, leaf())


def autograd_recorder() -> Callable[[int], Any]:
    """The pullback, which holds the graph."""
    make_vjp = peers.autograd().core.make_vjp
    return lambda length: make_vjp(partial(chain, length=length), START)


CONTESTANTS: Mapping[str, Callable[[int], Contestant]] = {
    "numpy": by_hand,
    "numpygrad": partial(with_backward, numpygrad_leaf),
    "torch": partial(with_backward, torch_leaf),
    "autograd": with_autograd,
    "mygrad": with_mygrad,
}

RECORDERS: Mapping[str, Callable[[], Callable[[int], Any]]] = {
    "numpygrad": partial(recorder, numpygrad_leaf),
    "autograd": autograd_recorder,
    "mygrad": partial(recorder, mygrad_leaf),
}


def main() -> None:
    """Run a contestant's chain, both named on the command line; print its CPU time."""
    contestant = CONTESTANTS[sys.argv[1]](int(sys.argv[2]))
    start = time.process_time()
    contestant.run()
    print(time.process_time() - start)


if __name__ == "__main__":
    main()
