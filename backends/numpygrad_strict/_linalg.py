"""Kernels for linear algebra where array-api-strict differs from the standard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Raw = Any

KERNELS: dict[str, Callable[..., Any]] = {}
