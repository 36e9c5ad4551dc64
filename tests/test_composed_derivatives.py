"""Random compositions: derivatives by every mode agree, on every backend, by every executor.

Hypothesis draws a program as `test_programs.py` does, without writes. Its gradient, its derivative
along a direction, and its Hessian times that direction, by three mixes of modes, are compared with
each other, and with NumPy's, run op by op. NUMPYGRAD_HYPOTHESIS_PROFILE=long runs long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import DEVICES
from hypothesis import assume, given, settings
from test_programs import PURE, Step, inputs, perform, steps

import numpygrad as npg

LARGEST = 1e5
"""Programs that come to more are left out: their derivatives lose digits."""
EXAMPLES = settings().max_examples
DIRECTION = list(np.random.default_rng(3).normal(size=(2, 3, 3)))
EXECUTORS = ["eager", "lazy", "compiled"]


def derivatives(program: list[Step], x: list[npg.Array], t: list[npg.Array]) -> dict[str, Any]:
    """The gradient, its product with `t` by both modes, and the Hessian's by their mixes."""

    def f(*x: npg.Array) -> npg.Array:
        return perform(program, npg, list(x), npg.copy)[0]

    def along(*x: npg.Array) -> npg.Array:
        return npg.jvp(f, x, t)[1]

    gradient = npg.grad(f, argnums=(0, 1))

    def dot(*x: npg.Array) -> npg.Array:
        return sum(npg.sum(g * d) for g, d in zip(gradient(*x), t, strict=True))

    return {
        "gradient": npg.stack(gradient(*x)),
        "gradient times t": dot(*x),
        "forward": along(*x),
        "forward over reverse": npg.stack(npg.jvp(gradient, x, t)[1]),
        "reverse over reverse": npg.stack(npg.grad(dot, argnums=(0, 1))(*x)),
        "reverse over forward": npg.stack(npg.grad(along, argnums=(0, 1))(*x)),
        "forward over forward": npg.jvp(along, x, t)[1],
    }


def found_on(device: str, executor: str, program: list[Step]) -> dict[str, np.ndarray]:
    """The derivatives, computed somewhere in some way."""
    with npg.device(device):
        x, t = ([npg.array(v) for v in given] for given in (inputs(), DIRECTION))
        if executor == "lazy":
            with npg.lazy():
                found = derivatives(program, x, t)
                return {name: value.numpy() for name, value in found.items()}
        call = npg.compile(derivatives) if executor == "compiled" else derivatives
        return {name: value.numpy() for name, value in call(program, x, t).items()}


def assert_modes_agree(found: dict[str, np.ndarray]) -> None:
    """The same number by each way to it."""
    size = max(1.0, *(float(np.max(np.abs(value))) for value in found.values()))

    def same(first: Any, second: Any) -> None:
        np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-11 * size)

    same(found["forward"], found["gradient times t"])
    same(found["reverse over reverse"], found["forward over reverse"])
    same(found["reverse over forward"], found["forward over reverse"])
    same(found["forward over forward"], np.sum(found["forward over reverse"] * DIRECTION))


@settings(max_examples=2 * EXAMPLES)
@given(program=steps(PURE, 6))
def test_all_modes_agree_on_numpy(program: list[Step]) -> None:
    found = found_on("cpu", "eager", program)
    assume(all(np.all(np.abs(value) < LARGEST) for value in found.values()))
    assert_modes_agree(found)


@settings(max_examples=max(EXAMPLES // 2, 2))
@given(program=steps(PURE, 5))
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("device", [d for d in DEVICES if d != "jax:cpu"])
def test_every_executor_has_the_derivatives_of_numpy(
    device: str, executor: str, program: list[Step]
) -> None:
    assert_as_on_numpy(device, executor, program)


@pytest.mark.skipif("jax:cpu" not in DEVICES, reason="JAX is not installed")
@settings(max_examples=max(EXAMPLES // 10, 2))  # each is compiled by JAX, in lazy mode in parts
@given(program=steps(PURE, 4))
@pytest.mark.parametrize("executor", EXECUTORS)
def test_jax_has_the_derivatives_of_numpy(executor: str, program: list[Step]) -> None:
    assert_as_on_numpy("jax:cpu", executor, program)


def assert_as_on_numpy(device: str, executor: str, program: list[Step]) -> None:
    expected = found_on("cpu", "eager", program)
    assume(all(np.all(np.abs(value) < LARGEST) for value in expected.values()))
    found = found_on(device, executor, program)
    assert_modes_agree(found)
    for name, value in expected.items():
        size = max(1.0, float(np.max(np.abs(value))))
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-11 * size, err_msg=name)
