"""Import time: CPU time of whole processes that import one library and end."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec

from benchmarks.report import Measurement
from benchmarks.timing import BASELINE, OURS, Contestant, Effort, Workload, measure


def measurements(effort: Effort) -> Iterator[Measurement]:
    """Importing numpygrad against importing NumPy.

    Both read bytecode from a directory of our own, filled before the timing: a checkout that may
    not write bytecode beside its sources would be compiled anew in every process.
    """
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        contestants: Mapping[str, Callable[[], Contestant]] = {
            name: partial(process_importing, name, environment) for name in (BASELINE, OURS)
        }
        yield measure(Workload("import, whole process", contestants, {BASELINE: 1.3}), effort)


def process_importing(library: str, environment: Mapping[str, str]) -> Contestant:
    """A process that imports the library, started away from the checkout's directory."""
    if find_spec(library) is None:
        raise ModuleNotFoundError(f"No module named {library!r}", name=library)
    command = [sys.executable, "-c", f"import {library}"]
    home = tempfile.gettempdir()
    run = partial(subprocess.run, command, env=environment, cwd=home, check=True)
    return Contestant(run, lambda finished: [])
