"""Every check there is, each in an environment of its own: `nox -s NAME`, or `nox -l` for the list.

What follows `--` goes to the tool a session runs: `nox -s tests -- -k stack`. Another interpreter
than the one nox runs on: `nox -s tests -P 3.13`.
"""

import os

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["tests"]
nox.options.reuse_existing_virtualenvs = True

MYPY, RUFF = "mypy==2.4.1", "ruff==0.17.6"
PEERS = ("torch==2.13.0", "autograd", "mygrad")
SUITE = ("ndindex", "pytest-json-report")  # what array-api-tests needs besides the extra test
CHECKED = (
    *("src", "backends", "tests", "examples", "benchmarks", "conformance"),
    *("docs/foreign_functions.py", "docs/generate_foreign.py", "docs/generate_functions.py"),
    *("docs/conf.py", "docs/_extensions", "noxfile.py"),
)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; `-- --without-jax` where JAX cannot be installed, then pytest's options."""
    options = list(session.posargs)
    extras = "examples,jax,test"
    if "--without-jax" in options:
        options.remove("--without-jax")
        extras = "examples,test"
    session.install("-e", f".[{extras}]")
    workers = min(os.cpu_count() or 1, 8)
    session.run("pytest", "-n", str(workers), *options)


@nox.session
def mutation(session: nox.Session) -> None:
    """Run 20,000 programs that write in place, others each time, half of them lazily too.

    `-- -k pytorch` for a part.
    """
    session.install("-e", ".[jax,test]", PEERS[0])
    count = {"NUMPYGRAD_MUTATION_PROGRAMS": "20000"}
    session.run("pytest", "-n0", "-s", "tests/test_mutation.py", *session.posargs, env=count)


@nox.session
def demo(session: nox.Session) -> None:
    """Fit the hares and lynx on every backend, and compare."""
    session.install(".[examples,jax,strict]")
    session.run("python", "examples/every_backend.py", *session.posargs)


@nox.session
def types(session: nox.Session) -> None:
    """Check types: mypy, strict, over the sources and the backends."""
    session.install("-e", ".", MYPY)
    session.run("mypy", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and layout: ruff."""
    session.install(RUFF)
    session.run("ruff", "check", "--output-format=concise", *CHECKED, *session.posargs)
    session.run("ruff", "format", "--check", *CHECKED)


@nox.session
def functions(session: nox.Session) -> None:
    """Write docs/functions.md: every function, where it runs, whether it has a derivative."""
    session.install("-e", ".[jax,test]")
    session.run("python", "docs/generate_functions.py")
    session.run("python", "docs/generate_foreign.py")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site into build/docs; a warning is an error."""
    session.install("-e", ".[docs,examples]")
    options = ("-W", "--keep-going", "-n", "-b", "html", *session.posargs)
    session.run("sphinx-build", *options, "docs", "build/docs")


@nox.session
def bench(session: nox.Session) -> None:
    """Time numpygrad and its peers: `nox -s bench -- --quick`."""
    session.install("-e", ".[jax]", *PEERS)
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def conformance(session: nox.Session) -> None:
    """Run the suites we did not write: `nox -s conformance -- --help`."""
    session.install("-e", ".[jax,test]", *SUITE)
    session.run("python", "-m", "conformance", *session.posargs)


@nox.session
def foreign(session: nox.Session) -> None:
    """Run suites of SciPy and array-api-extra on Arrays: `nox -s foreign -- --help`."""
    session.install("-e", ".[jax,test]")
    session.run("python", "-m", "conformance.foreign", *session.posargs)
