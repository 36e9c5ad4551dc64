"""A pytest plugin that gives other libraries' suites the namespaces to run with.

`FOREIGN_NAMESPACES` are those wanted, with commas between. SciPy's tests get theirs from its
fixture `xp`, those of array-api-extra from `library`; both take what is given to them here in place
of their own lists, and do the rest themselves. SciPy's marks that skip tests apply as to any
namespace but NumPy; where array-api-extra tells libraries apart, numpygrad is held to what
array-api-strict is held to, which converts nothing silently either.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

import pytest

import numpygrad
from numpygrad._info import Info

if TYPE_CHECKING:
    from types import ModuleType

NAMES = os.environ["FOREIGN_NAMESPACES"].split(",")
FIXTURES = ("library", "xp")


class Library:
    """What array-api-extra's fixtures ask of the libraries in its own list."""

    def __init__(self, modname: str) -> None:
        self.modname = modname

    def like(self, *others: Any) -> bool:
        """Whether what a test knows of these libraries is to be true of this one."""
        return any(other.modname == "array_api_strict" for other in others)


@pytest.hookimpl
def pytest_configure(config: pytest.Config) -> None:
    """Be what the suites take libraries for, in this process."""
    # SciPy 1.17 is written for the standard of 2024.12, where devices are a list.
    told = Info.devices
    Info.devices = lambda self: list(told(self))  # type: ignore[assignment, method-assign, return-value]
    # array-api-extra sets flags of what is like array-api-strict.
    numpygrad.set_array_api_strict_flags = lambda **flags: None  # type: ignore[attr-defined]


@pytest.hookimpl
def pytest_plugin_registered(plugin: object) -> None:
    """Have SciPy's conftest apply to numpygrad what it says of all namespaces but NumPy."""
    known = getattr(plugin, "xp_known_backends", None)
    if isinstance(known, set):
        known.add(numpygrad.__name__)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize by the namespaces wanted: a mark goes before what a fixture says of itself."""
    fixture = next((name for name in FIXTURES if name in metafunc.fixturenames), None)
    if fixture is not None:
        values = [pytest.param(_value(fixture, name), id=name) for name in NAMES]
        mark = pytest.mark.parametrize(fixture, values, indirect=True)
        metafunc.definition.add_marker(mark)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests that run with a namespace."""
    items[:] = [i for i in items if not set(FIXTURES).isdisjoint(_parameters(i))]


def _parameters(item: pytest.Item) -> dict[str, Any]:
    found: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    return found


def _value(fixture: str, name: str) -> ModuleType | Library | Any:
    """What the fixture takes for a namespace."""
    if fixture == "xp":
        return importlib.import_module(name)
    if name != "array_api_strict":
        return Library(name)
    return importlib.import_module("array_api_extra._lib._backends").Backend.ARRAY_API_STRICT
