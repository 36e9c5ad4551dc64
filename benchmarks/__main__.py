"""The command line: `python -m benchmarks [--quick] [--only ops,mlp] ...`, or `--help`."""

import argparse
import importlib
import platform
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.report import Measurement, as_json, markdown, text
from benchmarks.timing import QUICK, THOROUGH

GROUPS = {
    "ops": "small_ops",
    "forward": "forward",
    "mlp": "mlp",
    "transformer": "transformer",
    "runge_kutta": "runge_kutta",
    "writes": "writes",
    "lazy": "lazy",
    "derivatives": "derivatives",
    "long_chain": "long_chain",
    "memory": "memory",
    "import": "import_time",
}
COMPARED = ("numpygrad", "numpy", "torch", "jax", "autograd", "mygrad")


def main() -> None:
    """Measure the chosen groups and print their tables."""
    arguments = parser().parse_args()
    effort = replace(
        QUICK if arguments.quick else THOROUGH, collects_garbage=not arguments.without_gc
    )
    measured: list[Measurement] = []
    for group in arguments.only:
        module = importlib.import_module(f"benchmarks.{GROUPS[group]}")
        measured.extend(module.measurements(effort))
    found = versions()
    print(", ".join(f"{name} {number}" for name, number in found.items()), end="\n\n")
    print(text(measured))
    if arguments.json is not None:
        arguments.json.write_text(as_json(measured, found), encoding="utf-8")
    if arguments.markdown is not None:
        arguments.markdown.write_text(markdown(measured), encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    """The command line's options."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time numpygrad against its peers, on one thread. Targets are reported, "
        "never enforced.",
    )
    options.add_argument("--quick", action="store_true", help="fewer rounds: under a minute")
    options.add_argument(
        "--without-gc", action="store_true", help="time with garbage collection off, as timeit does"
    )
    options.add_argument(
        "--only",
        type=groups,
        default=list(GROUPS),
        metavar="GROUPS",
        help=f"some of {','.join(GROUPS)}",
    )
    options.add_argument("--json", type=Path, metavar="PATH", help="write every figure here")
    options.add_argument("--markdown", type=Path, metavar="PATH", help="write the tables here")
    return options


def groups(names: str) -> list[str]:
    """The groups named, separated by commas."""
    chosen = names.split(",")
    unknown = [name for name in chosen if name not in GROUPS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no group is called {', '.join(unknown)}: choose from {', '.join(GROUPS)}."
        )
    return chosen


def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that are installed."""
    found = {"Python": platform.python_version()}
    for name in COMPARED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main()
