"""The reference: a page for each group of public names, written anew at each build."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpygrad as npg

DOCS = Path(__file__).parents[1]
sys.path.insert(0, str(DOCS))

import generate_functions  # noqa: E402 (found by the line above)

BEYOND = {
    "derivatives": (
        "Derivatives",
        "Functions that take a function and give its derivative. Methods of arrays, such as "
        "`Array.backward`, are with :doc:`array`.",
        "grad value_and_grad vjp jvp linearize jacobian hessian hvp gvp elementwise_grad "
        "divergence laplacian stop_gradient no_grad enable_grad is_grad_enabled",
    ),
    "functions-of-functions": (
        "Functions of functions",
        "Many examples at once, rules of your own, solutions of equations.",
        "vmap checkpoint custom_vjp custom_jvp custom_op root fixed_point odeint "
        "register_pytree_node",
    ),
    "execution": (
        "Execution",
        "Lazy and compiled programs, and looking inside.",
        "lazy is_lazy mode compile lazy_stats visualize detect_anomaly increment_version",
    ),
    "devices": (
        "Devices and backends",
        "Where arrays live, and what a library must supply to be a backend.",
        "device default_device set_default_device installed_backends Device Backend Namespace",
    ),
}
"""By file name: the title, what the page says first, and the names on it."""

ARRAY = ("Array",)
DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float32", "float64", "complex64", "complex128"),
)
CONSTANTS = ("e", "inf", "nan", "newaxis", "pi")


RESULTS = (
    *(f"numpygrad.linalg.{n}Result" for n in ("Eig", "Eigh", "QR", "SVD", "Slogdet")),
    *(f"numpygrad.ops.sets.Unique{n}Result" for n in ("All", "Counts", "Inverse")),
    *(f"numpygrad.ops.data_types.{n}_object" for n in ("finfo", "iinfo")),
    *("numpygrad._custom.op.CustomOp", "numpygrad._diagram.Drawing"),
    *("numpygrad._lazy.realize.LazyStats", "numpygrad._engine.HookHandle"),
)
"""What functions give, and nobody makes: by the module at home."""


class Page(NamedTuple):
    """One page of the reference."""

    file: str
    title: str
    text: str
    names: list[str]
    """Below `numpygrad`."""


def own(module: ModuleType) -> list[str]:
    """The public names of a module that are functions or classes of numpygrad, defined for it."""
    if hasattr(module, "__all__"):
        return [n for n in module.__all__ if callable(getattr(module, n))]
    found = []
    for name, value in vars(module).items():
        home = getattr(value, "__module__", None) or ""
        is_ours = home == _private(module, name) or f"{home}.".startswith(f"{module.__name__}.")
        if not name.startswith("_") and callable(value) and is_ours and _is_named(value, name):
            found.append(name)
    return found


def _private(module: ModuleType, name: str) -> str:
    """The private module that a module gives a public name to."""
    return {"Generator": "numpygrad._generator"}.get(name, module.__name__)


def _is_named(value: Any, name: str) -> bool:
    return getattr(value, "__name__", name) == name


def pages() -> Iterator[Page]:
    """All pages: those of the standard, in its order, then those beyond it."""
    groups = {title: [s.name for s in found] for title, found in generate_functions.subjects()}
    beyond = groups.pop("Beyond the standard")
    del groups["Inspection"]
    for title, names in groups.items():
        yield _of_standard(title, names, [n for n in beyond if _home(n) == "creation"])
    special = [n for n in beyond if _home(n) == "special"]
    yield Page("special", "Special functions", "What the standard lacks.", special)
    yield Page(
        "aliases-and-at",
        "NumPy's own and `at`",
        "Functions that the standard lacks or has with another signature, and updates that "
        "leave their array as it is. Plain other names of a function are in :doc:`/aliases`.",
        [*(n for n in beyond if _home(n) not in ("creation", "special")), "at"],
    )
    for file, (title, text, names) in BEYOND.items():
        yield Page(file, title, text, names.split())
    for name in ("random", "optimize", "io", "testing"):
        yield _of_module(name)
    if importlib.util.find_spec("numpygrad.scipy") is not None:
        package = importlib.import_module("numpygrad.scipy")
        public = (info.name for info in pkgutil.iter_modules(package.__path__))
        yield from (_of_module(f"scipy.{name}") for name in public if not name.startswith("_"))


def _of_standard(title: str, names: list[str], created: list[str]) -> Page:
    """The page that has a page of the standard, and what numpygrad adds to it."""
    file = title.lower().replace("`", "").replace(", ", "-").replace(" ", "-")
    prefix = names[0].rpartition(".")[0]
    if prefix:
        text = f"The extension `{prefix}` of the array API standard."
        names = [*names, *(f"{prefix}.{n}" for n in _unlisted(prefix, names))]
    elif title == "Creation":
        text = "The page *Creation* of the array API standard, and NumPy's own."
        names = sorted([*names, *created])
    else:
        text = f"The page *{title.partition(',')[0]}* of the array API standard."
    return Page(file, title.replace("`", ""), text, names)


def _of_module(name: str) -> Page:
    """The page of a module below `numpygrad`."""
    module = importlib.import_module(f"numpygrad.{name}")
    names = [f"{name}.{n}" for n in own(module)]
    text = inspect.getdoc(module) or ""
    return Page(name.replace(".", "-"), f"`numpygrad.{name}`", text, names)


def _home(name: str) -> str:
    return str(getattr(npg, name).__module__.rpartition(".")[2])


def _unlisted(prefix: str, names: list[str]) -> list[str]:
    """What a namespace of the standard has besides: `linalg.adjugate`."""
    module = importlib.import_module(f"numpygrad.{prefix}")
    found = [n for n in own(module) if f"{prefix}.{n}" not in names]
    functions = (n for n in found if inspect.isfunction(getattr(module, n)))
    return [n for n in functions if not n.endswith(("_pull", "_push", "_transpose"))]


def value_of(name: str) -> Any:
    """What a name below `numpygrad` stands for."""
    module, _, last = f"numpygrad.{name}".rpartition(".")
    return getattr(importlib.import_module(module), last)


def source(page: Page) -> str:
    """A page as reStructuredText."""
    rows = "\n".join(f"   {name}" for name in page.names)
    entries = "\n".join(map(_entry, page.names))
    title = page.title.replace("`", "``")
    return (
        f"{title}\n{'=' * len(title)}\n\n{page.text}\n\n.. currentmodule:: numpygrad\n\n"
        f".. autosummary::\n   :nosignatures:\n\n{rows}\n\n{entries}"
    )


def _entry(name: str) -> str:
    value = value_of(name)
    if not inspect.isclass(value):
        return f".. autofunction:: numpygrad.{name}\n"
    if issubclass(value, tuple):
        return f".. autoclass:: numpygrad.{name}\n   :no-members:\n"
    return f".. autoclass:: numpygrad.{name}\n   :members:\n   :member-order: bysource\n"


def array_page() -> str:
    """The page of `Array`: its attributes, its methods, its operators."""
    members = {n: v for n, v in vars(npg.Array).items() if not n.startswith("_")}
    kinds = [(n, isinstance(v, property)) for n, v in members.items()]
    attributes = [n for n, is_property in kinds if is_property]
    methods = [n for n, is_property in kinds if not is_property and callable(members[n])]
    methods += [n for n in members if isinstance(members[n], classmethod)]
    table = ".. autosummary::\n   :nosignatures:\n\n{}\n"

    def rows(names: list[str]) -> str:
        return table.format("\n".join(f"   Array.{n}" for n in dict.fromkeys(names)))

    return (
        "Array\n=====\n\n"
        "Operators are functions of the namespace: ``x + y`` is ``numpygrad.add(x, y)``, "
        "``x @ y`` is ``numpygrad.matmul(x, y)``, ``x += y`` writes the sum into ``x``. "
        "``numpygrad.Tensor`` is the same class.\n\n.. currentmodule:: numpygrad\n\n"
        f"Attributes\n----------\n\n{rows(attributes)}\n"
        f"Methods\n-------\n\n{rows(methods)}\n"
        "The class\n---------\n\n"
        ".. autoclass:: numpygrad.Array\n   :members:\n   :member-order: groupwise\n"
    )


def errors_page() -> str:
    """The page of errors: their tree, and each of them."""
    errors = npg.errors
    tree = inspect.getdoc(errors) or ""
    entries = "\n".join(
        f".. autoexception:: numpygrad.errors.{n}\n   :members:\n   :show-inheritance:\n"
        for n in own(errors)
    )
    return f"Errors\n======\n\n.. currentmodule:: numpygrad.errors\n\n{tree}\n\n{entries}"


def results_page() -> str:
    """The page of what functions give that is no Array."""
    entries = "\n".join(
        f".. autoclass:: {name}()\n   :members:\n   :member-order: bysource\n" for name in RESULTS
    )
    return (
        "What functions give\n===================\n\n"
        "Results that are no Array. They are read, not made: the modules in front of the names are "
        f"private, and may change.\n\n{entries}"
    )


def types_page() -> str:
    """The page of dtypes, constants, and the names of types in signatures."""
    dtypes = ", ".join(f"``{n}``" for n in DTYPES)
    constants = ", ".join(f"``{n}``" for n in CONSTANTS)
    typing = importlib.import_module("numpygrad.typing")
    comments = _comments(Path(str(typing.__file__)))
    comments["Operand"] = "An Array, a Python scalar, or a NumPy array or scalar."
    comments["Tree"] = "An Array or number, or nested lists, tuples, dicts and dataclasses of them."
    entries = "\n".join(f".. py:data:: {n}\n\n   {text}\n" for n, text in comments.items())
    return (
        "Dtypes, constants, types\n========================\n\n"
        f"Dtypes are NumPy's scalar types: {dtypes}. "
        "``x.dtype`` is a ``numpy.dtype`` on every backend.\n\n"
        f"Constants: {constants}.\n\n"
        "Names in signatures\n-------------------\n\n.. py:module:: numpygrad.typing\n\n"
        f"{entries}"
    )


PLAIN = {
    "Shape": "The length of each axis, a tuple of ints.",
    "Axis": "An axis, a tuple of axes, or ``None`` for all.",
    "NestedSequence": "Nested lists or tuples of numbers and Arrays.",
}


def _comments(path: Path) -> dict[str, str]:
    """The names that a module defines, with the strings below them."""
    import ast

    body = ast.parse(path.read_text()).body
    found = {}
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            text = PLAIN.get(statement.target.id, "")
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                text = str(following.value.value).replace("`", "``")
            found[statement.target.id] = " ".join(text.split())
    return found


def texts() -> dict[str, str]:
    """Every generated page by its file name."""
    found = {"array": array_page()}
    found |= {page.file: source(page) for page in pages()}
    return found | {"results": results_page(), "errors": errors_page(), "types": types_page()}


def missing() -> list[str]:
    """Public names of numpygrad that are on no page."""
    listed = {name for page in pages() for name in page.names}
    listed |= {*ARRAY, "Tensor", *DTYPES, *CONSTANTS}
    public = {n for n in dir(npg) if not n.startswith("_") and n != "annotations"}
    named = {n for n in public if callable(getattr(npg, n))}
    values = {id(value_of(n)) for n in listed}
    return sorted(n for n in named if n not in listed and id(getattr(npg, n)) not in values)


def write() -> list[str]:
    """Write the pages, where they changed; their names."""
    made = texts()
    for name, text in made.items():
        path = DOCS / "reference" / f"{name}.rst"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    return list(made)
