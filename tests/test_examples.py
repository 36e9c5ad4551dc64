"""The examples give the published numbers, and the README's code what it says it gives."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import numpygrad as npg

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"^\s*print\(.*\)  # (.*)$", flags=re.MULTILINE)


@pytest.fixture(scope="module")
def lynx_hare() -> ModuleType:
    pytest.importorskip("matplotlib")
    pytest.importorskip("scipy")
    path = ROOT / "examples" / "lynx_hare.py"
    spec = importlib.util.spec_from_file_location("lynx_hare", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_lynx_hare_finds_the_published_parameters(lynx_hare: ModuleType) -> None:
    years, pelts = lynx_hare.read_record()

    best, covariance, sigma = lynx_hare.fit(pelts, steps=2, show=lambda line: None)

    published = [row[1] for row in lynx_hare.PARAMETERS]
    errors = np.sqrt(np.diag(covariance.numpy()))
    assert years[0] == 1900
    assert years[-1] == 1920
    np.testing.assert_allclose(npg.exp(best).numpy(), published, rtol=0.05)
    assert np.all(np.abs(best.numpy() - np.log(published)) < errors)
    assert sigma.item() == pytest.approx(0.25, rel=0.1)


def test_lynx_hare_standard_errors_are_those_of_the_second_derivative(
    lynx_hare: ModuleType,
) -> None:
    """The residuals are small at the minimum: Gauss and Newton's matrix is nearly the Hessian."""
    _, pelts = lynx_hare.read_record()
    best, covariance, sigma = lynx_hare.fit(pelts, steps=2, show=lambda line: None)
    gradient = npg.grad(lynx_hare.misfit)
    unit = npg.eye(6)

    columns = [npg.jvp(lambda p: gradient(p, pelts, 2), (best,), (unit[i],))[1] for i in range(6)]

    observed = np.linalg.inv(npg.stack(columns).numpy()) * sigma.item() ** 2
    ratio = np.sqrt(np.diag(observed) / np.diag(covariance.numpy()))
    np.testing.assert_allclose(ratio, 1.0, atol=0.25)


@pytest.mark.parametrize("backend", ["numpy", "jax", "strict"])
def test_lynx_hare_gradient_is_that_of_finite_differences(
    lynx_hare: ModuleType, backend: str
) -> None:
    if backend not in npg.installed_backends():
        pytest.skip(f"{backend} is not installed")
    with npg.device(backend):
        _, pelts = lynx_hare.read_record()
        start = lynx_hare.first_guess(pelts).numpy()

        loss, gradient = npg.value_and_grad(lynx_hare.misfit)(npg.array(start), pelts, 2)

        def at(x: np.ndarray) -> float:
            value: float = lynx_hare.misfit(npg.array(x), pelts, 2).item()
            return value

        h = 1e-5
        steps = h * np.eye(start.size)
        differences = [(at(start + step) - at(start - step)) / (2 * h) for step in steps]
        assert loss.item() == at(start)
    np.testing.assert_allclose(gradient.numpy(), differences, rtol=1e-7)


@pytest.mark.parametrize("backend", ["numpy", "jax", "strict"])
def test_lynx_hare_runs_on_the_backend_of_the_environment(
    lynx_hare: ModuleType, backend: str, tmp_path: Path
) -> None:
    if backend not in npg.installed_backends():
        pytest.skip(f"{backend} is not installed")
    command = [sys.executable, str(lynx_hare.__file__), "--steps", "1", "--plot", "fit.png"]

    done = subprocess.run(
        command,
        env=os.environ | {"NUMPYGRAD_BACKEND": backend},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert f"({backend})" in done.stdout
    assert re.search(r"^alpha +0\.5[3-6]", done.stdout, flags=re.MULTILINE)
    assert (tmp_path / "fit.png").read_bytes().startswith(b"\x89PNG")


def test_readme_code_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    """The blocks run in order, as a reader would; a comment after `print` is what it prints."""
    names: dict[str, object] = {}

    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102 (our own text)
        printed = capsys.readouterr().out.splitlines()
        assert printed == SHOWN.findall(block)

    assert len(BLOCKS) > 1


def test_continuous_integration_runs_the_readme_test_command() -> None:
    commands = re.findall(r"^```sh\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    tests = [line for block in commands for line in block.splitlines() if "-s tests" in line]

    assert len(tests) == 1
    assert tests[0] in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
