"""CuPy's kernels for linear algebra where the library's differ from the standard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Raw = Any

KERNELS: dict[str, Callable[..., Any]] = {}
