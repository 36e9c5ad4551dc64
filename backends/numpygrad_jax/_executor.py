"""Programs on JAX: one `jax.jit` for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from numpygrad._lazy.program import Program, Runner, interpreter


def execute(program: Program) -> Runner:
    """A program as one compiled function, in 64 bits whatever the process has set."""
    compiled = jax.jit(interpreter(program))

    def run(inputs: Sequence[Any]) -> list[Any]:
        with jax.enable_x64(True):
            return compiled(inputs)  # type: ignore[no-any-return]  # as the interpreter

    return run
