"""`docs/aliases.md` lists every other name there is, and none that there is not."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numpygrad as npg

PAGE = (Path(__file__).parent.parent / "docs" / "aliases.md").read_text()
MODULES = {"": npg, "linalg.": npg.linalg, "fft.": npg.fft, "random.": npg.random}


def table(heading: str) -> list[list[str]]:
    """The rows below a heading, each a list of cells."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" |") for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in rows]


def same_objects(members: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    """Other names of what is reached by its own, as the page writes both."""
    for name, value in members.items():
        own = getattr(value, "__name__", name)
        if own != name and not name.startswith("_") and members.get(own) is value:
            yield f"{prefix}{name}", f"{prefix}{own}"


def in_the_package() -> set[tuple[str, str]]:
    """All other names in the package and of the array's methods."""
    found = {("x.comp_grad", "x.requires_grad")}
    assert vars(npg.Array)["comp_grad"] is vars(npg.Array)["requires_grad"]
    for prefix, module in MODULES.items():
        public = {
            name: value
            for name in dir(module)
            if inspect.isfunction(value := getattr(module, name)) or inspect.isclass(value)
        }
        found |= set(same_objects(public, prefix))
    return found | set(same_objects(dict(vars(npg.Array)), "x."))


def test_the_page_has_each_name_once_and_no_other() -> None:
    rows = [(name.strip("`"), own.strip("`")) for name, own in table("The same function")]
    assert len(set(rows)) == len(rows)
    assert set(rows) == in_the_package()


def test_a_name_that_is_missing_on_the_page_is_found() -> None:
    def area() -> None: ...

    assert list(same_objects({"area": area, "surface": area}, "x.")) == [("x.surface", "x.area")]


X = np.array([[3.0, 1.0], [2.0, 4.0]])


def agree(one: Any, other: Any) -> bool:
    """Whether two arrays have one shape and the same elements."""
    return one.shape == other.shape and bool(npg.all(one == other))


SAYS: dict[str, Callable[[npg.Array], bool]] = {
    "array(data)": lambda x: agree(npg.array(X), npg.asarray(X, copy=True)),
    "cumprod(x, axis)": lambda x: agree(npg.cumprod(x, 1), npg.cumulative_prod(x, axis=1)),
    "cumsum(x, axis)": lambda x: agree(npg.cumsum(x, 0), npg.cumulative_sum(x, axis=0)),
    "dot(a, b)": lambda x: agree(npg.dot(x, x), npg.matmul(x, x)),
    "hstack(arrays)": lambda x: agree(npg.hstack([x, x]), npg.concat([x, x], axis=1)),
    "linalg.norm(x, ord, axis)": lambda x: (
        agree(npg.linalg.norm(x, 1), npg.linalg.matrix_norm(x, ord=1))
        and agree(npg.linalg.norm(x, 1, 0), npg.linalg.vector_norm(x, ord=1, axis=0))
    ),
    "nansum(x)": lambda x: agree(npg.nansum(x), npg.sum(x)),
    "outer(a, b)": lambda x: agree(npg.outer(x[0], x[1]), npg.linalg.outer(x[0], x[1])),
    "ravel(x)": lambda x: agree(npg.ravel(x), npg.reshape(x, (-1,))),
    "swapaxes(x, i, j)": lambda x: agree(npg.swapaxes(x, 0, 1), npg.permute_dims(x, (1, 0))),
    "transpose(x)": lambda x: agree(npg.transpose(x), npg.permute_dims(x, (1, 0))),
    "vstack(arrays)": lambda x: agree(npg.vstack([x, x]), npg.concat([x, x], axis=0)),
    "x.at[key]": lambda x: agree(x.at[0].add(1), npg.at(x)[0].add(1)),
    "x.convert_to(dtype)": lambda x: x.convert_to("float32").dtype == x.astype("float32").dtype,
    "x.diagonal()`, `x.trace()": lambda x: (
        agree(x.diagonal(), npg.linalg.diagonal(x)) and agree(x.trace(), npg.linalg.trace(x))
    ),
    "x.flatten()": lambda x: agree(x.flatten(), npg.reshape(x, (-1,), copy=True)),
    "x.sort()": lambda x: agree(npg.sort(x), x.copy().sort()),
    "x.T": lambda x: agree(x.T, x.mT),
    "x.to(device, dtype)": lambda x: agree(x.to(x.device), npg.asarray(x, device=x.device)),
    "x.transpose(1, 0)": lambda x: agree(x.transpose(1, 0), npg.permute_dims(x, (1, 0))),
    "x.values": lambda x: x.values is x.data,
    "x.view(-1)": lambda x: agree(x.view(-1), x.reshape(-1)) and x.view("float64") is not None,
    "values=": lambda x: agree(npg.Array(values=X), npg.Array(X)),
    "comp_grad=": lambda x: npg.Tensor(X, comp_grad=True).requires_grad,
    "ddof=": lambda x: agree(x.var(ddof=1), x.var(correction=1)),
}
"""For each row of the other tables, whether it is so."""


def test_every_row_that_says_more_is_tried_and_every_try_is_a_row() -> None:
    names = [row[0] for row in table("The same but for the signature")]
    keywords = [row[1] for row in table("Keywords")]
    assert {cell.strip("`") for cell in names + keywords} == set(SAYS)


@pytest.mark.parametrize("name", SAYS)
def test_it_is_the_same(device: str, name: str) -> None:
    assert SAYS[name](npg.array(X))


def test_every_name_on_the_page_exists() -> None:
    names = {name for row in table("The same but for the signature") for name in
             re.findall(r"`([\w.]+)", " ".join(row[:2]))}  # fmt: skip
    for name in names:
        owner: Any = npg
        for part in name.split("."):
            owner = npg.Array if part == "x" else getattr(owner, part)
    assert len(names) > 30
