"""Lazy and compiled programs: forward and backward as one, against peers and compilers.

numpygrad takes part in up to four ways: operation by operation ("numpygrad"), lazy, compiled, and
compiled on JAX. Whatever compiles has compiled before it is timed.
"""

from collections.abc import Iterator

from benchmarks import convolution, lazy_costs, programs, step_memory, two_threads
from benchmarks.chains import CHAINS, LENGTH
from benchmarks.report import Measurement
from benchmarks.timing import Effort, Workload, measure

COMPILED, ON_JAX = "compiled", "compiled, jax"


def measurements(effort: Effort) -> Iterator[Measurement]:
    """Chains, models, a loop of small arrays; then costs of recording, memory and threads."""
    for workload in workloads(quick=effort.quick):
        yield measure(workload, effort)
    yield from lazy_costs.measurements(effort)
    yield from step_memory.measurements()
    yield from two_threads.measurements(effort)


def workloads(*, quick: bool) -> Iterator[Workload]:
    """What is timed against the peers, with what it must reach."""
    length = LENGTH // 10 if quick else LENGTH
    for chain in CHAINS:
        yield Workload(
            f"12 {chain.name} ops on {length:,} float32",
            chain.contestants(length),
            {
                (COMPILED, "numpy"): 0.35,
                (COMPILED, "torch"): 0.2,
                (COMPILED, "torch.compile"): 0.55,
                (COMPILED, "jax.jit"): 0.85,
            },
            tolerance=1e-4,
        )
    yield Workload(
        "transformer block, programs",
        programs.block(),
        {
            (COMPILED, "numpy"): 1.02,
            (COMPILED, "torch"): 0.8,
            (COMPILED, "jax.jit"): 1.05,
            (ON_JAX, "jax.jit"): 1.05,
        },
        tolerance=1e-4,
    )
    small = {
        (COMPILED, "numpy"): 1.3,
        (COMPILED, "torch"): 0.95,
        (ON_JAX, "jax.jit"): 1.2,
    }
    for batch, targets in ((64, small), (1024, {(COMPILED, "numpy"): 1.07})):
        name = f"MLP step, batch {batch}, programs"
        yield Workload(name, programs.perceptron(batch), targets, tolerance=1e-4)
    steps = 100 if quick else 1000
    yield Workload(
        f"{steps:,} RK4 steps, programs",
        programs.trajectory(steps),
        {(COMPILED, "numpy"): 1.7, (COMPILED, "torch"): 0.1},
        # The system is chaotic: rounding grows about ten thousand times on the way.
        tolerance=1e-8,
    )
    yield Workload(
        "im2col convolution",
        convolution.contestants(),
        {(COMPILED, "numpy"): 1.15, (COMPILED, "torch"): 0.75},
        tolerance=1e-4,
    )
