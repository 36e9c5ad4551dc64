"""Imports point down the layers, and nothing heavy is imported before it is asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "numpygrad"
BACKENDS = ROOT / "backends"

LAYERS = {
    0: {"_foreign_names", "_progress", "errors", "typing"},
    1: {
        *("_backend", "_dtypes", "_kernels", "_linalg_kernels", "_modes", "_node", "_op"),
        *("_diagram", "_lazy", "_matrix_kernels", "_series", "_special_values", "_storage"),
        "_tree",
    },
    2: {"_array"},
    3: {"_dispatch"},
    4: {"_engine"},
    5: {"_anomaly"},
    6: {"ops"},
    7: {
        *("_linalg_rules", "linalg", "fft", "_generator", "random"),
        *("_batching", "_compile", "_drawing", "_forward", "_jacobians", "_transforms", "_views"),
        *("_custom", "_linearize"),
        *("_equations", "_flat", "_objective", "io", "optimize", "scipy"),
    },
    8: {"", "_info", "_numpy_protocols"},
    9: {"__main__", "_checking", "_report", "_samples", "testing"},
}
"""The parts of numpygrad by layer; the empty name is the namespace itself."""

EXCEPTIONS = {("_array", "")}
"""An array's operators are its namespace's functions, as `__array_namespace__` implies."""

PUBLIC_FACE = {
    *("_backend", "_dtypes", "_kernels", "_lazy", "_matrix_kernels", "_series"),
    *("_special_values", "errors"),
}
"""What a backend may import of numpygrad."""

BACKEND_EXCEPTIONS = {("numpygrad_jax", "_array")}
"""JAX's registry of pytrees takes the class itself."""

LAYER_OF = {part: layer for layer, parts in LAYERS.items() for part in parts}
MODULES = sorted(SOURCE.rglob("*.py"))
BACKEND_MODULES = sorted(BACKENDS.rglob("*.py"))


def part_of(path: Path) -> str:
    """The part of numpygrad a file belongs to: its module, or its top package."""
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py").replace("__init__", "")


def part_named(dotted: str) -> str:
    """The part that `numpygrad.a.b` belongs to."""
    return [*dotted.split("."), ""][1]


def imported(path: Path) -> list[tuple[int, str]]:
    """Line and dotted name of each import in a file, in functions too, not those for types only."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for statement in block.body
        for node in ast.walk(statement)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            found += [(node.lineno, resolved(str(node.module), a.name)) for a in node.names]
    return found


def resolved(module: str, name: str) -> str:
    """The module that `from module import name` imports."""
    is_part = module == "numpygrad" and name in LAYER_OF and name != ""
    return f"{module}.{name}" if is_part else module


def top(dotted: str) -> str:
    """The package a dotted name begins with."""
    return dotted.split(".", maxsplit=1)[0]


def run_python(code: str) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, "-W", "error", "-c", code]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_every_module_has_a_layer(path: Path) -> None:
    assert part_of(path) in LAYER_OF


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_down_the_layers(path: Path) -> None:
    part = part_of(path)
    upwards = [
        f"{path.relative_to(ROOT)}:{line} imports {name} (layer {LAYER_OF[part_named(name)]})"
        for line, name in imported(path)
        if top(name) == "numpygrad"
        and LAYER_OF[part_named(name)] > LAYER_OF[part]
        and (part, part_named(name)) not in EXCEPTIONS
    ]
    assert not upwards, "\n".join(upwards)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_the_core_imports_no_backend(path: Path) -> None:
    backends = {p.name for p in BACKENDS.iterdir() if p.is_dir()}
    libraries = {"jax", "cupy", "array_api_compat", "array_api_strict", "torch"}
    found = [name for _, name in imported(path) if top(name) in backends | libraries]
    assert not found


@pytest.mark.parametrize("path", BACKEND_MODULES, ids=lambda p: str(p.relative_to(BACKENDS)))
def test_backends_import_only_the_public_face(path: Path) -> None:
    package = path.relative_to(BACKENDS).parts[0]
    beyond = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for line, name in imported(path)
        if top(name) == "numpygrad"
        and part_named(name) not in PUBLIC_FACE
        and (package, part_named(name)) not in BACKEND_EXCEPTIONS
    ]
    assert not beyond, "\n".join(beyond)


@pytest.mark.parametrize("path", BACKEND_MODULES, ids=lambda p: str(p.relative_to(BACKENDS)))
def test_backends_do_not_import_each_other(path: Path) -> None:
    package = path.relative_to(BACKENDS).parts[0]
    others = [
        name
        for _, name in imported(path)
        if top(name).startswith("numpygrad_") and top(name) != package
    ]
    assert not others


def test_the_check_sees_imports_inside_functions(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "def f():\n    from numpygrad import _engine\n    import numpygrad.ops.special\n"
    )
    assert imported(path) == [(2, "numpygrad._engine"), (3, "numpygrad.ops.special")]


def test_scipy_is_imported_when_a_function_of_it_first_runs() -> None:
    code = (
        "import sys, numpygrad as npg; seen = [m in sys.modules for m in ('numpygrad.scipy',)]; "
        "f = npg.scipy.special.gammaln; seen += ['scipy' in sys.modules]; "
        "f(npg.array([1.0])); print([*seen, 'scipy' in sys.modules])"
    )
    assert run_python(code) == "[False, False, True]"


def test_import_numpygrad_imports_nothing_heavy() -> None:
    heavy = ["jax", "cupy", "scipy", "array_api_compat", "array_api_strict", "matplotlib"]
    code = f"import sys, numpygrad; print([m for m in {heavy} if m in sys.modules])"
    assert run_python(code) == "[]"


def test_import_numpygrad_loads_no_backend() -> None:
    code = "import sys, numpygrad; print([m for m in sys.modules if m.startswith('numpygrad_')])"
    assert run_python(code) == "[]"


def test_a_numpy_array_needs_array_api_compat_but_not_jax() -> None:
    code = (
        "import sys, numpygrad as npg; npg.array([1.0]) + 1; "
        "print([m for m in ('array_api_compat', 'jax', 'cupy', 'scipy') if m in sys.modules])"
    )
    assert run_python(code) == "['array_api_compat']"


def test_a_gradient_on_numpy_imports_no_other_library() -> None:
    code = (
        "import sys, numpygrad as npg; x = npg.array([1.0, 2.0], requires_grad=True); "
        "npg.exp(x * x).sum().backward(); x[0] = 3.0; x.to('cpu'); "
        "print([m for m in ('jax', 'cupy', 'scipy', 'array_api_strict') if m in sys.modules])"
    )
    assert run_python(code) == "[]"
