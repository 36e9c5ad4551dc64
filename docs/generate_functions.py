"""Writer of `functions.md`: every function, where it runs, and whether it has a derivative.

`nox -s functions` writes the page; `tests/test_functions_page.py` checks that it is up to date.
"""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import numpygrad as npg
from numpygrad._op import TABLE

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "functions.md"
STANDARD = json.loads((ROOT / "conformance" / "array_api_2025_12.json").read_text())

MEASURED = {"numpy": "cpu", "jax": "jax:cpu", "strict": "strict:cpu"}
"""The backends whose columns are measured, and the device each is measured on."""

PAGES = {
    "creation": "Creation",
    "data_type": "Data types",
    "elementwise": "Elementwise",
    "indexing": "Indexing",
    "linear_algebra": "Linear algebra, main namespace",
    "manipulation": "Manipulation",
    "searching": "Searching",
    "set": "Sets",
    "sorting": "Sorting",
    "statistical": "Statistics",
    "utility": "Utilities",
    "linalg": "Linear algebra, `linalg`",
    "fft": "Fourier transforms, `fft`",
    "info": "Inspection",
}
"""The standard's pages by their name in its data."""

INTRODUCTION = """\
# Functions

Every function of the [array API standard 2025.12](https://data-apis.org/array-api/2025.12/), by
page, then those beyond it. `nox -s functions` writes this page; a test compares the two.

**numpy**, **jax**, **strict**: whether the function runs on that backend and gives what it gives on
NumPy, tried with small arrays. **cupy**: not run, as this page is made where there is no GPU;
`numpygrad.testing.check_backend("cupy")` tries it where there is one.

**derivative**: whether gradients flow through, in both modes and to any order. *partly*: the last
column says of what, or when. *no*: the result is boolean, an index, constant by steps, or no array;
it is never tracked.
"""


class Subject(NamedTuple):
    """A function on the page."""

    name: str
    """With its extension in front, as in `linalg.det`."""
    function: Callable[..., Any]
    entry: dict[str, Any]
    """What the standard's data says of it; nothing, of functions beyond it."""


Operand = Callable[..., npg.Array]
"""Makes an argument: `make([1.0])` is an array on the device that is measured."""


def _matrix(make: Operand) -> npg.Array:
    """A symmetric, positive definite matrix: most functions take it."""
    return make([[0.75, 0.25], [0.25, 0.5]])


def _vector(make: Operand) -> npg.Array:
    return make([0.25, 0.5, 0.75])


def _signal(make: Operand) -> npg.Array:
    return make([0.5 + 0.25j, 0.25 - 0.5j, 0.75 + 0j])


def _whole(make: Operand) -> npg.Array:
    return make([1, 2, 3])


_VECTOR_CALLS = ("cumulative_prod", "cumulative_sum", "meshgrid", "linalg.outer")
_WHOLE_CALLS = tuple(
    f"bitwise_{name}" for name in ("and", "invert", "left_shift", "or", "right_shift", "xor")
)
_LOGICAL_CALLS = tuple(f"logical_{name}" for name in ("and", "not", "or", "xor"))
_SIGNAL_CALLS = (
    *(f"fft.{name}" for name in ("fft", "ifft", "fftn", "ifftn", "irfft", "irfftn", "hfft")),
    *("conj", "imag", "real"),
)

CALLS: dict[str, Callable[[Callable[..., Any], Operand], Any]] = {
    "arange": lambda f, make: f(3),
    "asarray": lambda f, make: f([_vector(make), 2 * _vector(make)]),
    "astype": lambda f, make: f(_matrix(make), "float32"),
    "broadcast_shapes": lambda f, make: f((2, 1), (3,)),
    "broadcast_to": lambda f, make: f(_matrix(make), (2, 2, 2)),
    "can_cast": lambda f, make: f(_matrix(make), "complex128"),
    "concat": lambda f, make: f([_matrix(make), _matrix(make)]),
    "clip": lambda f, make: f(_matrix(make), 0.3, 0.6),
    "einsum": lambda f, make: f("ij,jk->ik", _matrix(make), _matrix(make)),
    "empty": lambda f, make: f((2, 3)).shape,
    "empty_like": lambda f, make: f(_matrix(make)).shape,
    "expand_dims": lambda f, make: f(_matrix(make), 0),
    "eye": lambda f, make: f(2, 3),
    "fft.fftfreq": lambda f, make: f(5),
    "fft.rfftfreq": lambda f, make: f(5),
    "finfo": lambda f, make: f(_matrix(make)).bits,
    "from_dlpack": lambda f, make: f(_matrix(make)),
    "full": lambda f, make: f((2, 3), make(0.5)),
    "full_like": lambda f, make: f(_matrix(make), make(0.5)),
    "iinfo": lambda f, make: f(_whole(make)).bits,
    "isdtype": lambda f, make: f(_matrix(make).dtype, "real floating"),
    "isin": lambda f, make: f(_whole(make), make([2, 5])),
    "linalg.cross": lambda f, make: f(_vector(make), 1 - _vector(make)),
    "linalg.matrix_power": lambda f, make: f(_matrix(make), 3),
    "linspace": lambda f, make: f(0.0, make(1.0), 3),
    "pad": lambda f, make: f(_matrix(make), 1),
    "percentile": lambda f, make: f(_matrix(make), 40),
    "quantile": lambda f, make: f(_matrix(make), 0.4),
    "split": lambda f, make: f(_matrix(make), 2),
    "swapaxes": lambda f, make: f(_matrix(make), 0, 1),
    "moveaxis": lambda f, make: f(_matrix(make), 0, 1),
    "ones": lambda f, make: f((2, 3)),
    "permute_dims": lambda f, make: f(_matrix(make), (1, 0)),
    "repeat": lambda f, make: f(_matrix(make), 2),
    "reshape": lambda f, make: f(_matrix(make), (4,)),
    "roll": lambda f, make: f(_matrix(make), 1),
    "searchsorted": lambda f, make: f(_vector(make), _matrix(make)),
    "squeeze": lambda f, make: f(make([[0.5, 0.25]]), 0),
    "stack": lambda f, make: f([_matrix(make), _matrix(make)]),
    "take": lambda f, make: f(_vector(make), make([2, 0])),
    "take_along_axis": lambda f, make: f(_matrix(make), make([[1, 0], [0, 0]])),
    "tile": lambda f, make: f(_matrix(make), (2, 1)),
    "where": lambda f, make: f(_matrix(make) > 0.3, _matrix(make), 0.0),
    "zeros": lambda f, make: f((2, 3)),
    "__array_namespace_info__": lambda f, make: f().capabilities(),
    **dict.fromkeys(_VECTOR_CALLS, lambda f, make: _called(f, _vector(make))),
    **dict.fromkeys(_WHOLE_CALLS, lambda f, make: _called(f, _whole(make))),
    **dict.fromkeys(_LOGICAL_CALLS, lambda f, make: _called(f, make([True, False]))),
    **dict.fromkeys(_SIGNAL_CALLS, lambda f, make: f(_signal(make))),
}
"""How to call the functions that do not simply take the matrix for each array."""


def _called(function: Callable[..., Any], x: npg.Array) -> Any:
    """The function with `x` for each of its positional arguments that has no default."""
    required = [
        p
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and p.kind is not p.KEYWORD_ONLY
    ]
    return function(*[x for _ in required])


def call(subject: Subject, device: str, *, tracked: bool = False) -> list[Any]:
    """The results of the function for small arrays on `device`, as a flat list."""

    def make(values: Any) -> npg.Array:
        x = npg.asarray(values, device=device)
        return npg.array(x, requires_grad=tracked and x.dtype.kind in "fc")

    with npg.device(device), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        special = CALLS.get(subject.name)
        found = special(subject.function, make) if special else None
        if special is None:
            found = _called(subject.function, _matrix(make))
    return list(found) if isinstance(found, (tuple, list)) else [found]


def _plain(values: list[Any]) -> list[Any]:
    return [v.numpy() if isinstance(v, npg.Array) else v for v in values]


def runs(subject: Subject, backend: str) -> bool:
    """Whether the function gives on a backend what it gives on NumPy."""
    expected = _plain(call(subject, "numpy:cpu"))
    try:
        found = _plain(call(subject, MEASURED[backend]))
    except Exception:
        return False
    return len(found) == len(expected) and all(map(_agree, found, expected))


def _agree(found: Any, expected: Any) -> bool:
    if not isinstance(expected, np.ndarray):
        return bool(found == expected)
    same = found.dtype == expected.dtype and found.shape == expected.shape
    return same and bool(np.allclose(found, expected, rtol=1e-6, atol=1e-12, equal_nan=True))


def is_tracked(subject: Subject) -> bool:
    """Whether a result for tracked arrays is tracked."""
    results = call(subject, "numpy:cpu", tracked=True)
    return any(isinstance(r, npg.Array) and r.requires_grad for r in results)


def derivative(subject: Subject) -> tuple[str, str]:
    """`"yes"`, `"no"` or `"partly"`, and of what or when: by the op's row, else by the standard."""
    row = TABLE.get(subject.function)
    if row is not None and not row.differentiable:
        return "no", ""
    if row is not None:
        without = [name for name, rule in zip(row.arrays, row.rules, strict=False) if rule is None]
        if not without:
            return "yes", ""
        if len(without) == len(row.arrays):
            return "no", ""
        return "partly", f"not of {', '.join(f'`{name}`' for name in without)}"
    if subject.name in CONDITIONS:
        return "partly", CONDITIONS[subject.name]
    said = subject.entry.get("differentiable")
    if said is None:
        return ("yes" if is_tracked(subject) else "no"), ""
    if said == "partly":
        return "partly", subject.entry["diff_note"]
    return ("yes" if said else "no"), ""


CONDITIONS = {
    "astype": "between floating dtypes",
    "clip": "0 where clipped; of a bound, where it clips",
    "unique_all": "of the values, to where they first occur",
    "unique_counts": "of the values, to where they first occur",
    "unique_inverse": "of the values, to where they first occur",
    "unique_values": "to where the values first occur",
    "asarray": "of Arrays and of lists that hold some, between floating dtypes",
    "from_dlpack": "of Arrays; of nothing else, as DLPack carries no history",
    "repeat": "not of `repeats`",
    "full": "of a 0-d Array given to fill with",
    "full_like": "of a 0-d Array given to fill with",
    "linspace": "of 0-d Arrays given for the ends",
}
"""Where numpygrad does more than the standard's data says, or says it in other words."""


def subjects() -> Iterator[tuple[str, list[Subject]]]:
    """The functions of each page of the standard, then those beyond it, with the page's title."""
    for category, title in PAGES.items():
        entries = [e for e in STANDARD["functions"] if e["category"] == category]
        found = [(_qualified(e), _function(e), e) for e in entries]
        yield title, [Subject(name, f, e) for name, f, e in found if f is not None]
    known = {e["name"] for e in STANDARD["functions"] if not e["extension"]}
    names = sorted(set(vars(npg)) - known)
    extras = [Subject(name, getattr(npg, name), {}) for name in names]
    yield "Beyond the standard", [s for s in extras if _is_op(s.function) and _own_name(s)]


def _qualified(entry: dict[str, Any]) -> str:
    return f"{entry['extension']}.{entry['name']}".lstrip(".")


def _function(entry: dict[str, Any]) -> Any:
    namespace = getattr(npg, entry["extension"], None) if entry["extension"] else npg
    return getattr(namespace, entry["name"], None)


def _is_op(function: Any) -> bool:
    return inspect.isfunction(function) and function.__module__.startswith("numpygrad.ops.")


def _own_name(subject: Subject) -> bool:
    return subject.function.__name__ == subject.name


def page() -> str:
    """The text of the page."""
    parts = [INTRODUCTION]
    for title, found in subjects():
        if found:
            parts.append(f"## {title}\n\n{_table(found)}")
    parts.append("## Other names\n\n[Other names](aliases.md) that functions and methods have.\n")
    return "\n".join(parts)


def _table(found: list[Subject]) -> str:
    head = f"| function | {' | '.join(MEASURED)} | cupy | derivative | |\n"
    rows = [head, "|---" * (len(MEASURED) + 4) + "|\n"]
    for subject in found:
        columns = ["yes" if runs(subject, backend) else "no" for backend in MEASURED]
        cells = [f"`{subject.name}`", *columns, "not run", *derivative(subject)]
        rows.append(f"| {' | '.join(cells)} |\n")
    return "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page())
