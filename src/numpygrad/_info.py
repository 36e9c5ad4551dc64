"""What the namespace offers, by the standard's inspection API."""

from __future__ import annotations

from typing import Any

from numpygrad._backend import (
    Device,
    default_device,
    find_backend,
    find_device,
    find_device_of,
    installed_backends,
)
from numpygrad._dtypes import (
    DEFAULT_COMPLEX,
    DEFAULT_FLOAT,
    DEFAULT_INT,
    KINDS,
    STANDARD,
    DType,
    is_kind,
)


class Info:
    """The namespace's inspection object."""

    def capabilities(self) -> dict[str, Any]:
        """Optional behaviour that is available, whatever the backend.

        64 dimensions are NumPy's limit: where a library allows more, they could not be shown.
        """
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> Device:
        """The device used when none is given."""
        return default_device()

    def default_dtypes(self, *, device: str | None = None) -> dict[str, DType]:
        """The dtypes used when none is given; the same on every device."""
        find_device(device)
        return {
            "real floating": DEFAULT_FLOAT,
            "complex floating": DEFAULT_COMPLEX,
            "integral": DEFAULT_INT,
            "indexing": DEFAULT_INT,
        }

    def devices(self) -> tuple[Device, ...]:
        """Every device of every installed backend."""
        backends = [find_backend(name) for name in installed_backends()]
        return tuple(find_device_of(b, name) for b in backends for name in b.specifications())

    def dtypes(
        self, *, device: str | None = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, DType]:
        """The dtypes of a kind by name; all by default."""
        find_device(device)
        kinds = tuple(KINDS) if kind is None else (kind,) if isinstance(kind, str) else kind
        for unknown in set(kinds) - set(KINDS):
            raise ValueError(f"a kind is one of {', '.join(KINDS)}, not {unknown!r}")
        chosen = sorted(STANDARD, key=str)
        return {str(d): d for d in chosen if any(is_kind(d, k) for k in kinds)}


def __array_namespace_info__() -> Info:  # noqa: N807 (named in the standard)
    """The inspection object of this namespace."""
    return Info()
