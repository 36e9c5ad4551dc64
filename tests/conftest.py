"""Fixtures and profiles that all tests share."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import numpygrad as npg

FIRST_DEVICE = {"numpy": "cpu", "jax": "jax:cpu", "strict": "strict:cpu", "cupy": "cuda:0"}
DEVICES = [FIRST_DEVICE[name] for name in npg.installed_backends() if name in FIRST_DEVICE]

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=25,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.register_profile(
    "long",
    deadline=None,
    max_examples=2000,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
settings.load_profile(os.environ.get("NUMPYGRAD_HYPOTHESIS_PROFILE", "ci"))


_COMPILED_KEPT = 2000
_count = itertools.count(1)


def pytest_runtest_teardown() -> None:
    """Let JAX forget what it compiled, now and then: a whole run would keep some gigabytes."""
    if next(_count) % _COMPILED_KEPT == 0 and "jax" in sys.modules:
        sys.modules["jax"].clear_caches()


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each installed backend's first device in turn, the default while the test runs."""
    with npg.device(request.param):
        yield request.param


@pytest.fixture(params=[d for d in DEVICES if d != "jax:cpu"])
def quick_device(request: pytest.FixtureRequest) -> Iterator[str]:
    """All but JAX's, which compiles each operation for each shape: where others stand for it."""
    with npg.device(request.param):
        yield request.param


@pytest.fixture(params=[d for d in DEVICES if d in ("cpu", "jax:cpu")])
def promised_device(request: pytest.FixtureRequest) -> Iterator[str]:
    """The devices that every promised feature is tested on."""
    with npg.device(request.param):
        yield request.param


@pytest.fixture
def other_device(device: str) -> str:
    """A device of another backend than `device`."""
    others = [name for name, d in FIRST_DEVICE.items() if d in DEVICES and d != device]
    if not others:
        pytest.skip("needs two backends")
    return f"{others[0]}:cpu"


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in every run."""
    return np.random.default_rng(20251122)
