"""The suites of other libraries that run here, module by module, and how to run one."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.outcome import Outcome, Status, first_line
from conformance.processes import run_pytest
from conformance.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMESPACES = ("numpygrad", "array_api_strict")
"""What the tests run with: ours, and for comparison the standard with nothing beyond it."""

MODULES = {
    "array_api_extra": ("tests/main",),
    "scipy.cluster": ("cluster/tests/test_vq.py", "cluster/tests/test_hierarchy.py"),
    "scipy.constants": ("constants/tests/test_constants.py",),
    "scipy.differentiate": ("differentiate/tests/test_differentiate.py",),
    "scipy.fft": (
        *("fft/tests/test_basic.py", "fft/tests/test_helper.py"),
        *("fft/tests/test_fftlog.py", "fft/tests/test_real_transforms.py"),
    ),
    "scipy.integrate": (
        *("integrate/tests/test_cubature.py", "integrate/tests/test_quadrature.py"),
        "integrate/tests/test_tanhsinh.py",
    ),
    "scipy.interpolate": (
        *("interpolate/tests/test_bsplines.py", "interpolate/tests/test_interpolate.py"),
        *("interpolate/tests/test_polyint.py", "interpolate/tests/test_rbfinterp.py"),
        "interpolate/tests/test_rgi.py",
    ),
    "scipy.linalg": ("linalg/tests/test_procrustes.py", "linalg/tests/test_special_matrices.py"),
    "scipy.ndimage": (
        *("ndimage/tests/test_filters.py", "ndimage/tests/test_fourier.py"),
        *("ndimage/tests/test_interpolation.py", "ndimage/tests/test_measurements.py"),
        *("ndimage/tests/test_morphology.py", "ndimage/tests/test_splines.py"),
    ),
    "scipy.optimize": (
        *("optimize/tests/test_bracket.py", "optimize/tests/test_chandrupatla.py"),
        "optimize/tests/test_optimize.py",
    ),
    "scipy.signal": ("signal/tests",),
    "scipy.spatial": ("spatial/transform/tests",),
    "scipy.special": (
        *("special/tests/test_logsumexp.py", "special/tests/test_support_alternative_backends.py"),
    ),
    "scipy.stats": (
        *("stats/tests/test_continued_fraction.py", "stats/tests/test_correlation.py"),
        *("stats/tests/test_device_dtype.py", "stats/tests/test_entropy.py"),
        *("stats/tests/test_hypotests.py", "stats/tests/test_morestats.py"),
        *("stats/tests/test_quantile.py", "stats/tests/test_rank.py"),
        *("stats/tests/test_resampling.py", "stats/tests/test_stats.py"),
        "stats/tests/test_variation.py",
    ),
}
"""The files of each module, from its library's folder, whose tests take any namespace."""


class LibraryError(ImportError):
    """A library whose suite is wanted is not installed, or came without its tests."""


def run_module(module: str, backend: str, namespaces: Sequence[str] = NAMESPACES) -> list[Outcome]:
    """The outcomes of a module's tests, numpygrad's with the default backend `backend`.

    Raises
    ------
    LibraryError
        If the library is not installed, or without its tests.
    """
    library, _, part = module.partition(".")
    folder = _folder(library)
    files = [folder / file for file in MODULES[module]]
    lacking = [str(file) for file in files if not file.exists()]
    if lacking:
        raise LibraryError(f"{library} is installed without its tests: {', '.join(lacking)}")
    settings = {
        "NUMPYGRAD_BACKEND": backend,
        "CONFORMANCE_CATEGORIES": "",
        "FOREIGN_NAMESPACES": ",".join(namespaces),
        "SCIPY_ARRAY_API": '["array_api_strict"]',
    }
    with tempfile.TemporaryDirectory() as configuration:
        # One of its own: pytest would look for it in the folders above, and find another project's.
        file = Path(configuration) / "pytest.ini"
        file.write_text("[pytest]\n", encoding="utf-8")
        place = ["-c", str(file), f"--rootdir={folder.parent}"]
        arguments = ["-p", "conformance.foreign.plugin", *place, *map(str, files)]
        entries = run_pytest(Progress(module), arguments, folder.parent, settings)
    return [_outcome(library, backend, part or "all of it", entry) for entry in entries]


def _folder(library: str) -> Path:
    found = importlib.util.find_spec(library)
    if found is None or found.origin is None:
        raise LibraryError(
            f"{library} is not installed: pip install scipy array-api-extra array-api-strict"
        )
    return Path(found.origin).parent


def _outcome(library: str, backend: str, part: str, entry: dict[str, Any]) -> Outcome:
    """The outcome of a test: its parameters say with which namespace it ran."""
    test: str = entry["test"]
    status: Status = entry["outcome"]
    ours = "numpygrad" in test.rpartition("[")[2]
    place = f"numpygrad, {backend}" if ours else "array-api-strict"
    cause = "" if status == "passed" else first_line(entry["message"])
    return Outcome(library, place, part, test, status, cause)
