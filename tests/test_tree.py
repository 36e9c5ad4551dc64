"""Structures of arrays that derivatives are taken with respect to, and that programs take."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any

import numpy as np
import pytest

import numpygrad as npg
from numpygrad import Array
from numpygrad._tree import leaves_like, leaves_of, rebuilt, shown, structure_of
from numpygrad.errors import ShapeError


@dataclasses.dataclass(frozen=True)
class Layer:
    weight: Any
    bias: Any
    activation: str = dataclasses.field(default="tanh", metadata={"static": True})

    def __post_init__(self) -> None:
        if self.activation not in ("tanh", "relu"):
            raise ValueError("no such activation")


class Line:
    def __init__(self, slope: Any, intercept: Any) -> None:
        self.slope, self.intercept = slope, intercept


npg.register_pytree_node(
    Line, lambda x: ((x.slope, x.intercept), None), lambda _, parts: Line(*parts)
)

Point = collections.namedtuple("Point", "x y")

TREES = [
    1.0,
    None,
    [1.0, (2.0, None), {"b": 3.0, "a": [4.0]}],
    Point(1.0, [2.0]),
    collections.OrderedDict(b=1.0, a=2.0),
    Layer(1.0, (2.0, 3.0), "relu"),
    {"layers": [Layer(1.0, None), Line(2.0, [3.0])]},
]


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: type(tree).__name__)
def test_trees_are_rebuilt_with_other_leaves(tree: Any) -> None:
    leaves = leaves_of(tree)
    moved = rebuilt(tree, [x + 10.0 for x in leaves])
    assert leaves_of(moved) == [x + 10.0 for x in leaves]
    assert structure_of(moved) == structure_of(tree)
    assert hash(structure_of(moved)) == hash(structure_of(tree))


def test_structures_that_differ_are_told_apart() -> None:
    found = [structure_of(tree) for tree in [*TREES, Layer(1.0, (2.0, 3.0), "tanh")]]
    assert len(set(found)) == len(found)


def test_gradients_have_the_arguments_structure() -> None:
    def f(layer: Layer, line: Line) -> Array:
        return npg.tanh(layer.weight * line.slope + layer.bias).sum()

    w, b = npg.array([1.0, 2.0]), npg.array(0.5)
    layer, line = npg.grad(f, argnums=(0, 1))(Layer(w, b), Line(2.0, 3.0))
    slope = 1 - np.tanh(np.array([2.5, 4.5])) ** 2
    np.testing.assert_allclose(layer.weight.numpy(), 2 * slope)
    np.testing.assert_allclose(layer.bias.numpy(), slope.sum())
    np.testing.assert_allclose(line.slope.numpy(), (slope * [1.0, 2.0]).sum())
    assert layer.activation == "tanh"
    assert line.intercept.item() == 0.0


def test_compiled_functions_take_and_give_structures() -> None:
    traced = []

    @npg.compile
    def f(layer: Layer, line: Line) -> Any:
        traced.append(layer.activation)
        made = layer.weight * line.slope + layer.bias
        return Layer(made, line, layer.activation), Line(made * 2, 1.0)

    w = npg.array([1.0, 2.0])
    for slope in (2.0, 3.0):
        layer, line = f(Layer(w, 1.0, "relu"), Line(slope, None))
        np.testing.assert_array_equal(layer.weight.numpy(), [slope + 1, 2 * slope + 1])
        assert isinstance(layer.bias, Line)
        assert layer.activation == "relu"
        np.testing.assert_array_equal(line.slope.numpy(), layer.weight.numpy() * 2)
    assert traced == ["relu"]
    f(Layer(w, 1.0, "tanh"), Line(2.0, None))
    assert traced == ["relu", "tanh"]


def test_what_is_no_array_in_an_argument_is_refused() -> None:
    @dataclasses.dataclass
    class Named:
        name: str
        x: Any

    with pytest.raises(TypeError, match=r"not str.*static"):
        npg.grad(lambda named: named.x)(Named("a", 1.0))


def test_a_class_is_registered_once() -> None:
    with pytest.raises(ValueError, match="Line is registered already"):
        npg.register_pytree_node(Line, lambda x: ((), None), lambda _, parts: Line(0, 0))


def test_structures_in_messages() -> None:
    tree = {"layers": [Layer(1.0, None), (2.0,)], "line": Line(1.0, [2.0])}
    assert shown(tree) == "{'layers': [Layer(weight=*, bias=None), (*,)], 'line': Line(*, [*])}"


def test_leaves_are_matched_by_key_and_structure() -> None:
    tree = {"a": 1.0, "b": [Layer(2.0, 3.0), Line(4.0, None)]}
    given = {"b": (Layer(20.0, 30.0), Line(40.0, None)), "a": 10.0}
    assert leaves_like(tree, given, "it is") == [10.0, 20.0, 30.0, 40.0]
    for wrong in ({"a": 1.0}, {"a": [1.0], "b": tree["b"]}, {"a": 1.0, "b": [Line(1, 2), None]}):
        with pytest.raises(ShapeError, match=r"it is nested as \{'a': \*"):
            leaves_like(tree, wrong, "it is")
