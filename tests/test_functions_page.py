"""`docs/functions.md` is what its writer makes, and what it says of derivatives is so."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

import numpygrad as npg


def writer() -> ModuleType:
    """The module that writes the page."""
    path = Path(__file__).parent.parent / "docs" / "generate_functions.py"
    found = importlib.util.spec_from_file_location("generate_functions", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module


WRITER = writer()
SUBJECTS = [subject for _, found in WRITER.subjects() for subject in found]


def test_the_page_is_up_to_date() -> None:
    missing = set(WRITER.MEASURED) - set(npg.installed_backends())
    if missing:
        pytest.skip(f"the page is measured on {', '.join(missing)} too")
    assert WRITER.PAGE.read_text() == WRITER.page(), "write it again: nox -s functions"


def test_the_page_has_every_function_of_the_standard_once() -> None:
    names = [subject.name for subject in SUBJECTS]
    standard = [WRITER._qualified(e) for e in WRITER.STANDARD["functions"]]
    assert set(standard) <= set(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda s: s.name)
def test_a_result_is_tracked_where_the_page_says_so(subject: object) -> None:
    said, condition = WRITER.derivative(subject)
    assert WRITER.is_tracked(subject) is (said != "no")
    assert bool(condition) is (said == "partly")


def test_a_function_that_differs_on_a_backend_is_found() -> None:
    def only_on_numpy(x: npg.Array) -> npg.Array:
        return x if x.device == "cpu" else x + 1

    wrong = WRITER.Subject("positive", only_on_numpy, {})
    assert WRITER.runs(wrong, "numpy")
    for backend in set(WRITER.MEASURED) & set(npg.installed_backends()) - {"numpy"}:
        assert not WRITER.runs(wrong, backend)
