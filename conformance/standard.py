"""The standard's functions and parameters, from its data file; which names a library lacks."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

METHODS = "array object"
"""The category of array methods."""
DATA = Path(__file__).with_name("array_api_2025_12.json")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a function: `type` is the text of its annotation."""

    name: str
    kind: str
    type: str

    @property
    def by_position(self) -> bool:
        """Whether an argument is given without its name."""
        return self.kind in ("pos_only", "var_pos")

    @property
    def several(self) -> bool:
        """Whether a tuple is an argument, as of several axes."""
        return "Tuple" in self.type

    @property
    def optional(self) -> bool:
        """Whether `None` is an argument."""
        return "None" in self.type or self.type.startswith("Optional")


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the standard, or a method of its array.

    `extension` is empty for the main namespace; `base` is the function that a method stands for.
    """

    name: str
    extension: str
    category: str
    base: str
    parameters: tuple[Parameter, ...]
    required: frozenset[str]

    @property
    def has_dtype(self) -> bool:
        """Whether any argument has a dtype or is one."""
        return any("array" in p.type or "dtype" in p.type for p in self.parameters)

    def find_in(self, namespace: Any) -> Any:
        """The function in a library's namespace; `None` if the library lacks it."""
        if self.category == METHODS:
            namespace = type(namespace.asarray(0.0))
        elif self.extension:
            namespace = getattr(namespace, self.extension, None)
        return getattr(namespace, self.name, None)


@functools.cache
def _data() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))
    return found


def version() -> str:
    """The version of the standard, such as `"2025.12"`."""
    return str(_data()["spec"])


def dtypes() -> tuple[str, ...]:
    """Names of the standard's dtypes."""
    return tuple(entry["name"] for entry in _data()["dtypes"])


def functions() -> tuple[Function, ...]:
    """Every function of the standard, of its extensions too."""
    return tuple(_function(entry) for entry in _data()["functions"])


def methods() -> tuple[Function, ...]:
    """Every method of the standard's array, the array being its first argument."""
    return tuple(_function({"category": METHODS, **e}) for e in _data()["array_methods"])


def _function(entry: dict[str, Any]) -> Function:
    return Function(
        name=entry["name"],
        extension=entry.get("extension", ""),
        category=entry["category"].replace("_", " "),
        base=entry.get("function", entry["name"]),
        parameters=tuple(Parameter(p["name"], p["kind"], p["type"]) for p in entry["params"]),
        required=frozenset(p["name"] for p in entry["params"] if "default" not in p),
    )


def absent_names(namespace: Any) -> frozenset[str]:
    """Names of the standard that a library lacks: functions, extensions, dtypes, array members."""
    data = _data()
    lacking = {f.name for f in functions() if f.find_in(namespace) is None}
    lacking |= {f.extension for f in functions() if not hasattr(namespace, f.extension or f.name)}
    flat = [entry["name"] for entry in (*data["dtypes"], *data["constants"])]
    lacking |= {name for name in flat if not hasattr(namespace, name)}
    # The extension linalg repeats names of the main namespace, which are not absent without it.
    lacking -= {f.name for f in functions() if not f.extension and f.find_in(namespace) is not None}
    array = type(namespace.asarray(0.0))
    members = [*data["array_attributes"], *data["array_methods"]]
    lacking |= {entry["name"] for entry in members if not hasattr(array, entry["name"])}
    return frozenset(lacking - {""})
