"""What users of NumPy, PyTorch and JAX type by habit works, or says what to type instead."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad import _foreign_names
from numpygrad.errors import BackendError, DeviceError, DTypeError, GraphError, ShapeError


def names() -> dict[str, Any]:
    """What an expression may use: a tracked vector, an untracked one, a matrix."""
    return {
        "np": np,
        "npg": npg,
        "math": math,
        "x": npg.array([1.0, 2.0], requires_grad=True),
        "u": npg.array([1.0, 2.0]),
        "m": npg.array([[1.0, 2.0], [3.0, 4.0]]),
    }


WORKS: dict[str, Any] = {
    "m.sum(0)": [4.0, 6.0],
    "m.max(axis=1, keepdims=True)": [[2.0], [4.0]],
    "npg.concatenate([u, u], axis=0)": [1.0, 2.0, 1.0, 2.0],
    "npg.dot(u, u)": 5.0,
    "u.dot(m)": [7.0, 10.0],
    "npg.outer(u, u)": [[1.0, 2.0], [2.0, 4.0]],
    "npg.linalg.norm(m, axis=0)": [math.sqrt(10), math.sqrt(20)],
    "npg.vstack([u, u]).T.ravel()": [1.0, 1.0, 2.0, 2.0],
    "npg.pad(u, 1)": [0.0, 1.0, 2.0, 0.0],
    "npg.percentile(u, 50)": 1.5,
    "npg.clamp(u, 0, 1)": [1.0, 1.0],
    "x.at[0].set(5.0)": [5.0, 2.0],
    "x.view(-1, 1)": [[1.0], [2.0]],
    "x.detach().numpy()": [1.0, 2.0],
    "npg.unsqueeze(u, 0)": [[1.0, 2.0]],
    "npg.random.randn(2, 3).shape": (2, 3),
    "npg.random.rand(2).shape": (2,),
    "npg.grad(lambda a: a**2)(3.0)": 6.0,
    "npg.array([1, 2], dtype=float)": [1.0, 2.0],
    "np.array([1.0, 1.0]) * x": [1.0, 2.0],
    "np.float64(2.0) * x": [2.0, 4.0],
    "sum(x)": 3.0,
    "round(u * 1.25)": [1.0, 2.0],
    "len(x)": 2,
    "x is None": False,
    "f'{x[0]:.1f}'": "1.0",
    "npg.allclose(u, np.array([1.0, 2.0]))": True,
}
"""Expressions and what they give."""


@pytest.mark.parametrize("expression", WORKS)
def test_a_habit_works(device: str, expression: str) -> None:
    found = eval(expression, names())  # noqa: S307 (the table above)
    if isinstance(found, (npg.Array, np.ndarray)):
        assert np.shape(found.tolist()) == np.shape(WORKS[expression])
        np.testing.assert_allclose(found.tolist(), WORKS[expression], rtol=1e-14)
    else:
        assert found == WORKS[expression]


TOLD: dict[str, tuple[type[Exception], str]] = {
    "(x * x).backward()": (ShapeError, r"grad=.*\.sum\(\)"),
    "np.asarray(x)": (GraphError, r"x\.detach\(\).*x\.numpy\(\)"),
    "np.fmax(x, 0)": (GraphError, r"x\.detach\(\)"),
    "math.sin(x[0])": (GraphError, r"x\.item\(\)"),
    "u * [1.0, 2.0]": (TypeError, r"npg\.asarray\(\)"),
    "bool(u)": (ValueError, r"\.any\(\) or \.all\(\)"),
    "x.item()": (ValueError, "one element"),
    "x.to('cuda:0')": (BackendError, "pip install"),
    "x.to('gpu9')": (DeviceError, "'cuda:0'"),
    "npg.array([1], requires_grad=True)": (DTypeError, r"astype\(npg\.float64\)"),
    "npg.array([1.0], dtype='float16')": (DTypeError, "float32"),
    "npg.array([1.0]).backward()": (GraphError, "requires_grad=True"),
    "npg.grad(lambda a: a * 2)(u)": (ShapeError, r"vjp\(\)"),
    "npg.grad(x.sum(), x)": (TypeError, r"grad\(\) takes a function.*backward\(\)"),
    "npg.jacobian(x)(u)": (TypeError, r"jacobian\(\) takes a function"),
    "npg.vjp(x, u)": (TypeError, r"vjp\(\) takes a function"),
    "npg.jvp(x, (u,), (u,))": (TypeError, r"jvp\(\) takes a function"),
    "npg.no_grad(lambda: x)": (TypeError, r"no_grad\(\).*parentheses"),
    "npg.sum(m, dim=0)": (TypeError, "dim"),
    "m.sum(dim=0)": (TypeError, "dim"),
    "x.cpu()": (AttributeError, "cpu"),
    "x.grad.zero_()": (AttributeError, "zero_"),
    "npg.where(u > 1)": (TypeError, "x1"),
}
"""Expressions, the error they raise, and its words."""


@pytest.mark.parametrize("expression", TOLD)
def test_a_habit_is_told(device: str, expression: str) -> None:
    error, words = TOLD[expression]
    if "cuda" in expression and "cupy" in npg.installed_backends():
        pytest.skip("there is one here")
    with pytest.raises(error, match=words):
        eval(expression, names())  # noqa: S307 (the table above)


@pytest.mark.parametrize("name", _foreign_names.INSTEAD)
def test_a_name_of_another_library_is_answered(name: str) -> None:
    module, _, last = name.rpartition(".")
    owner = getattr(npg, module) if module else npg
    assert not hasattr(owner, last)
    instead = _foreign_names.INSTEAD[name]
    with pytest.raises(AttributeError, match=re.escape(f"no attribute {last!r}; use {instead}")):
        getattr(owner, last)


def test_what_is_told_to_be_used_exists() -> None:
    for told in _foreign_names.INSTEAD.values():
        for dotted in re.findall(r"npg\.([\w.]*\w)", told):
            owner: Any = npg
            for part in dotted.split("."):
                owner = getattr(owner, part)


def test_other_names_are_told_plainly() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'nonsense'$"):
        npg.nonsense  # noqa: B018 (an attribute that is not there)
