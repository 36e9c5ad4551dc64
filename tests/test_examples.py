"""The examples find what is known to be right, and the README's code gives what it says."""

from __future__ import annotations

import importlib.util
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
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
EXAMPLES = ROOT / "examples"
SMALL = {
    "bayesian_regression": ("--count", "10"),
    "bilevel": ("--steps", "5", "--examples", "60"),
    "digits": ("--epochs", "4"),
    "gaussian_process": ("--every", "4"),
    "inverse_problem": ("--size", "8"),
}
"""Settings under which an example takes about a second on NumPy."""
QUICK_ON_JAX = ("digits", "inverse_problem")
"""Those that take at most some five seconds there; the others compile for ten."""


@pytest.fixture(scope="module")
def lynx_hare() -> ModuleType:
    pytest.importorskip("matplotlib")
    pytest.importorskip("scipy")
    path = EXAMPLES / "lynx_hare.py"
    spec = importlib.util.spec_from_file_location("lynx_hare", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_lynx_hare_finds_the_published_parameters(lynx_hare: ModuleType) -> None:
    years, pelts = lynx_hare.read_record()

    best, covariance, sigma = lynx_hare.fit(pelts, steps=2)

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
    best, covariance, sigma = lynx_hare.fit(pelts, steps=2)
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
        start = np.log([row[1] for row in lynx_hare.PARAMETERS])

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


def on_backends(name: str) -> pytest.MarkDecorator:
    """A test of an example, once on each backend where that does not take long."""
    backends = ["numpy", "strict", *(["jax"] if name in QUICK_ON_JAX else [])]
    return pytest.mark.parametrize("backend", backends)


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., str]:
    """What an example prints with small settings on a backend."""
    pytest.importorskip("sklearn", reason="the examples' data are those of scikit-learn")
    pytest.importorskip("matplotlib", reason="the examples' pictures are made by matplotlib")

    def run(name: str, backend: str = "numpy") -> str:
        if backend not in npg.installed_backends():
            pytest.skip(f"{backend} is not installed")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *SMALL[name]])
        with npg.device(backend):
            runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return run


def number(pattern: str, text: str) -> float:
    """The one number that is printed where the pattern has its group."""
    (found,) = re.findall(pattern, text)
    return float(found)


@on_backends("digits")
def test_digits_are_read(run: Callable[..., str], backend: str) -> None:
    printed = run("digits", backend)

    assert number(r"([\d.]+)% of 450 digits", printed) > 95
    assert f"({backend})" in printed


@on_backends("gaussian_process")
def test_gaussian_process_learns_a_kernel_that_predicts(
    run: Callable[..., str], backend: str
) -> None:
    printed = run("gaussian_process", backend)

    before, after = re.findall(r"-log p\(y\) from ([\d.]+) to ([\d.]+)", printed)[0]
    off = number(r"([\d.]+) ppm off", printed)
    stated = number(r"([\d.]+) stated", printed)
    assert float(after) < float(before) / 2
    assert off < 0.45
    assert stated < 0.6
    assert number(r"(\d+)% within two", printed) > 90


@on_backends("inverse_problem")
def test_inverse_problem_recovers_the_field(run: Callable[..., str], backend: str) -> None:
    printed = run("inverse_problem", backend)

    size, off, stated = map(float, re.findall(r"size (\S+), is (\S+) off, where (\S+)", printed)[0])
    last = float(re.findall(r"misfit +([\d.]+)", printed)[-1])
    assert off < 0.25 * size
    assert 0.5 < off / stated < 2
    assert 0.8 < last < 1.2
    assert number(r"(\d+)% of the cells", printed) > 85


@on_backends("bayesian_regression")
def test_bayesian_regression_samples_the_posterior(run: Callable[..., str], backend: str) -> None:
    printed = run("bayesian_regression", backend)

    rows = re.findall(r"^(.+\b) +means off by +(\S+) .* (\S+) as large", printed, re.MULTILINE)
    off = {label: float(means) for label, means, _ in rows}
    ratio = {label: float(deviations) for label, _, deviations in rows}
    assert off["normal noise, sampled"] < 0.2
    assert ratio["normal noise, sampled"] == pytest.approx(1, abs=0.06)
    assert off["errors in y, normal noise, exact"] > 10
    assert off["errors in y, Student noise, sampled"] < 1.5
    assert all(float(found) < 1.03 for found in re.findall(r"R-hat ([\d.]+)", printed))
    assert all(float(found) > 200 for found in re.findall(r"effective draws (\d+)", printed))


@on_backends("bilevel")
def test_bilevel_finds_the_false_labels(run: Callable[..., str], backend: str) -> None:
    printed = run("bilevel", backend)

    slope, differences = re.findall(r"slope (\S+), by finite differences (\S+)", printed)[0]
    equal, learned = map(float, re.findall(r"weights: ([\d.]+)% of unseen", printed))
    assert float(slope) == pytest.approx(float(differences), rel=1e-4)
    assert learned > equal + 3
    assert learned > 94
    assert number(r"([\d.]+)% of the labels told", printed) > 80


@pytest.mark.parametrize("name", SMALL)
def test_an_example_saves_a_picture(name: str, run: Callable[..., str], tmp_path: Path) -> None:
    assert run(name).endswith(f"picture in {name}.png\n")
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", SMALL)
def test_an_example_says_that_matplotlib_is_missing(
    name: str, run: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    assert "pip install matplotlib" in run(name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_has_at_most_a_hundred_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 100


def test_the_page_of_examples_lists_each() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")

    listed = re.findall(r"^\| \[`(\w+\.py)`\]\((\w+\.py)\)", page, flags=re.MULTILINE)
    assert sorted(listed) == sorted((path.name, path.name) for path in EXAMPLES.glob("*.py"))


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
