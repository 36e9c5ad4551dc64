"""Views and writes in place: what CONVENTIONS.md, section 2, promises of eager arrays."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from finite_differences import gradients
from hypothesis import given
from hypothesis import strategies as st

import numpygrad as npg
from numpygrad._op import BY_NAME
from numpygrad._storage import Storage
from numpygrad.errors import (
    DerivativeError,
    DeviceError,
    DTypeError,
    GraphError,
    ShapeError,
    VersionError,
)

View = Callable[[Any], Any]

VIEWS: dict[str, View] = {
    "int": lambda x: x[1],
    "negative int": lambda x: x[-1],
    "slice": lambda x: x[1:],
    "step": lambda x: x[::2],
    "negative step": lambda x: x[::-1],
    "columns": lambda x: x[:, 1:3],
    "ellipsis": lambda x: x[..., 0],
    "everything": lambda x: x[...],
    "new axis": lambda x: x[:, None],
    "element": lambda x: x[1, 2, ...],
    "T": lambda x: x.T,
    "chain of slices": lambda x: x[1:][:, ::2][0],
    "slice of T": lambda x: x.T[1:],
    "T of slice": lambda x: x[1:].T,
}
"""Views that Arrays and ndarrays spell alike, of an array of shape (3, 4)."""

FUNCTION_VIEWS: dict[str, tuple[View, View]] = {
    "permute_dims": (lambda x: npg.permute_dims(x, (1, 0)), lambda x: x.T),
    "mT": (lambda x: x.mT, lambda x: x.T),
    "matrix_transpose": (npg.matrix_transpose, lambda x: x.T),
    "moveaxis": (lambda x: npg.moveaxis(x, 0, 1), lambda x: x.T),
    "flip": (lambda x: npg.flip(x, axis=1), lambda x: x[:, ::-1]),
    "flip all": (npg.flip, lambda x: x[::-1, ::-1]),
    "expand_dims": (lambda x: npg.expand_dims(x, axis=1), lambda x: x[:, None]),
    "squeeze": (lambda x: npg.squeeze(x[:1], 0), lambda x: x[0]),
    "squeeze method": (lambda x: x[:, :1].squeeze(), lambda x: x[:, 0]),
    "unstack": (lambda x: npg.unstack(x, axis=1)[2], lambda x: x[:, 2]),
    "reshape": (lambda x: npg.reshape(x, (2, 6)), lambda x: x.reshape(2, 6)),
    "view": (lambda x: x.view(-1), lambda x: x.reshape(-1)),
    "reshape of rows": (lambda x: x[1:].reshape(8), lambda x: x[1:].reshape(8)),
    "reshape of every second row": (
        lambda x: x[::2].reshape(2, 2, 2),
        lambda x: x[::2].reshape(2, 2, 2),
    ),
    "reshape of T": (lambda x: x.T.reshape(2, 2, 3), lambda x: x.T.reshape(2, 2, 3)),
    "reshape of flipped": (
        lambda x: npg.flip(x, axis=0).reshape(3, 2, 2),
        lambda x: x[::-1].reshape(3, 2, 2),
    ),
    "diagonal": (lambda x: x.diagonal(1), lambda x: np.einsum("ii->i", x[:, 1:])),
    "linalg.diagonal": (
        lambda x: npg.linalg.diagonal(x, offset=-1),
        lambda x: np.einsum("ii->i", x[1:, :2]),
    ),
    "detach": (lambda x: x.detach(), lambda x: x),
    "detach of slice": (lambda x: x[1:].detach(), lambda x: x[1:]),
    "slice of detach": (lambda x: x.detach()[1:], lambda x: x[1:]),
    "iteration": (lambda x: list(x)[1], lambda x: x[1]),
    "transpose": (lambda x: x.transpose(1, 0), lambda x: x.T),
}
"""Views by function or method, with the same view of an ndarray."""

ALL_VIEWS: dict[str, tuple[View, View]] = {
    **{name: (view, view) for name, view in VIEWS.items()},
    **FUNCTION_VIEWS,
}

COPIES: dict[str, View] = {
    "integer array": lambda x: x[np.array([0, 1, 2])],
    "list": lambda x: x[[0, 1, 2]],
    "mask": lambda x: x[np.ones((3, 4), dtype=bool)],
    "positive": lambda x: +x,
    "add": lambda x: x + 0,
    "copy": npg.copy,
    "array": npg.array,
    "asarray copy": lambda x: npg.asarray(x, copy=True),
    "astype": lambda x: x.astype("float64"),
    "flatten": lambda x: x.flatten(),
    "flatten of a vector": lambda x: x[0].flatten(),
    "reshape copy": lambda x: npg.reshape(x, (12,), copy=True),
    "reshape of T": lambda x: x.T.reshape(12),
    "reshape of columns": lambda x: x[:, :2].reshape(6),
    "reshape of every second row": lambda x: x[::2].reshape(8),
    "reshape of flipped": lambda x: npg.flip(x, axis=0).reshape(12),
    "repeat": lambda x: npg.repeat(x, 2, axis=0),
    "repeat once": lambda x: npg.repeat(x, 1, axis=0),
    "tile": lambda x: npg.tile(x, (2, 1)),
    "tile once": lambda x: npg.tile(x, (1,)),
    "roll": lambda x: npg.roll(x, 1),
    "roll by nothing": lambda x: npg.roll(x, 0),
    "concat": lambda x: npg.concat([x]),
    "stack": lambda x: npg.stack([x]),
    "take": lambda x: npg.take(x, npg.asarray([0, 1]), axis=0),
    "meshgrid": lambda x: npg.meshgrid(x[0], x[1])[0],
    "clip": lambda x: npg.clip(x),
    "conj": npg.conj,
    "real": npg.real,
    "round": lambda x: npg.round(x),
    "where": lambda x: npg.where(npg.asarray(True), x, x),
    "sort": npg.sort,
    "tril": npg.tril,
    "sum over no axis": lambda x: npg.sum(x, axis=()),
    "max over no axis": lambda x: npg.max(x, axis=()),
    "sum of length one": lambda x: npg.sum(x[:1], axis=0),
    "cumsum of length one": lambda x: npg.cumulative_sum(x[:1], axis=0),
    "pow": lambda x: x**1,
    "maximum": lambda x: npg.maximum(x, x),
    "matmul": lambda x: x @ npg.eye(4),
    "mean": lambda x: npg.mean(x[:1], axis=0),
    "broadcast copy": lambda x: npg.copy(npg.broadcast_to(x, (2, 3, 4))),
    "diff of no order": lambda x: npg.diff(x, n=0),
}
"""What gives new memory, of an array of shape (3, 4)."""


def numbers() -> np.ndarray:
    """A fresh ndarray of shape (3, 4), no two elements alike."""
    return np.arange(12.0).reshape(3, 4) + 0.5


def version(x: npg.Array) -> int:
    """How many writes the storage of `x` has seen."""
    return x._alias.storage.version if x._alias is not None else 0


def reachable(x: npg.Array) -> int:
    """The number of nodes of the graph behind `x`."""
    seen, todo = set(), [x._node]
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            todo += node.parents or ()
    return len(seen)


# V1, V2


@pytest.mark.parametrize("name", ALL_VIEWS)
def test_a_view_has_the_values_of_numpys(device: str, name: str) -> None:
    view, expected = ALL_VIEWS[name]
    np.testing.assert_array_equal(view(npg.array(numbers())).numpy(), expected(numbers()))


@pytest.mark.parametrize("name", ALL_VIEWS)
def test_a_write_through_a_view_reaches_the_base(device: str, name: str) -> None:
    view, view_of_ndarray = ALL_VIEWS[name]
    x, expected = npg.array(numbers()), numbers()
    v = view(x)
    v[...] = -1.0
    view_of_ndarray(expected)[...] = -1.0
    np.testing.assert_array_equal(x.numpy(), expected)
    np.testing.assert_array_equal(v.numpy(), view_of_ndarray(expected))


@pytest.mark.parametrize("name", ALL_VIEWS)
def test_an_in_place_operator_on_a_view_reaches_the_base(device: str, name: str) -> None:
    view, view_of_ndarray = ALL_VIEWS[name]
    x, expected = npg.array(numbers()), numbers()
    v = view(x)
    v *= 3.0
    view_of_ndarray(expected)[...] *= 3.0
    np.testing.assert_array_equal(x.numpy(), expected)
    np.testing.assert_array_equal(v.numpy(), view_of_ndarray(expected))


@pytest.mark.parametrize("name", ALL_VIEWS)
def test_a_write_to_the_base_shows_in_its_views(device: str, name: str) -> None:
    view, view_of_ndarray = ALL_VIEWS[name]
    x, expected = npg.array(numbers()), numbers()
    v = view(x)
    x[1:, ::2] = 100.0
    expected[1:, ::2] = 100.0
    np.testing.assert_array_equal(v.numpy(), view_of_ndarray(expected))


@pytest.mark.parametrize("first", ALL_VIEWS)
def test_two_views_of_one_base_show_each_others_writes(device: str, first: str) -> None:
    view, view_of_ndarray = ALL_VIEWS[first]
    x, expected = npg.array(numbers()), numbers()
    v, w = view(x), x.T[::-1]
    w += 10.0
    expected += 10.0
    np.testing.assert_array_equal(v.numpy(), view_of_ndarray(expected))
    v -= 3.0
    view_of_ndarray(expected)[...] -= 3.0
    np.testing.assert_array_equal(w.numpy(), expected.T[::-1])


@pytest.mark.parametrize("name", COPIES)
def test_everything_else_copies(device: str, name: str) -> None:
    x = npg.array(numbers())
    copy = COPIES[name](x)
    before = copy.numpy().copy()
    x[...] = -1.0
    np.testing.assert_array_equal(copy.numpy(), before)


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_can_be_written_and_leaves_its_source(device: str, name: str) -> None:
    x = npg.array(numbers())
    copy = COPIES[name](x)
    copy[...] = 0.0
    np.testing.assert_array_equal(x.numpy(), numbers())
    np.testing.assert_array_equal(copy.numpy(), np.zeros(copy.shape))


def test_broadcast_to_is_read_only(device: str) -> None:
    x = npg.array([1.0, 2.0])
    wide = npg.broadcast_to(x, (3, 2))
    with pytest.raises(ValueError, match="read-only"):
        wide[0, 0] = 5.0
    with pytest.raises(ValueError, match="read-only"):
        wide += 1.0
    with pytest.raises(ValueError, match="read-only"):
        wide[1][...] = 2.0
    np.testing.assert_array_equal(x.numpy(), [1.0, 2.0])
    np.testing.assert_array_equal(wide.numpy(), [[1.0, 2.0]] * 3)


def test_broadcast_to_shows_writes_to_its_base(device: str) -> None:
    x = npg.array([1.0, 2.0])
    wide = npg.broadcast_to(x, (3, 2))
    x[0] = 9.0
    np.testing.assert_array_equal(wide.numpy(), [[9.0, 2.0]] * 3)


def test_a_recorded_write_to_a_read_only_view_is_refused(device: str) -> None:
    x = npg.array([1.0, 2.0])
    t = npg.array(3.0, requires_grad=True)
    wide = npg.broadcast_to(x, (3, 2))
    with pytest.raises(ValueError, match="read-only"):
        wide[0] = t
    assert not x.requires_grad
    np.testing.assert_array_equal(x.numpy(), [1.0, 2.0])


def test_a_view_of_a_zero_dimensional_result_shares_it(device: str) -> None:
    total = npg.array([1.0, 2.0]).sum()
    v = total[...]
    total += 10.0
    assert v.item() == 13.0
    v *= 2.0
    assert total.item() == 26.0


def test_detaching_a_zero_dimensional_result_shares_it(device: str) -> None:
    total = npg.array([1.0, 2.0]).sum()
    d = total.detach()
    total += 10.0
    assert d.item() == 13.0


def test_reshaping_a_zero_dimensional_result_shares_it(device: str) -> None:
    total = npg.array([1.0, 2.0]).sum()
    v = total.reshape(1)
    total += 10.0
    assert v.item() == 13.0


def test_a_write_to_the_base_reaches_the_graphs_of_all_its_views(device: str) -> None:
    x = npg.array([1.0, 2.0, 3.0], requires_grad=True, device=device)
    y = x * 1.0
    views = [y[0:2], y[1:3], y[2]]
    y *= npg.array([2.0, 3.0, 4.0], device=device)
    npg.concat([v.reshape(-1) for v in views]).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2.0, 6.0, 8.0])  # type: ignore[union-attr]  # it has one


def test_no_rule_of_a_view_reads_its_result() -> None:
    for op in BY_NAME.values():
        if op.view:  # so its node need not know where to look whether that was overwritten
            assert not op.plan((True,)).output, op.name


def test_a_graph_keeps_no_storage_of_what_it_did_not_save() -> None:
    def storages() -> int:
        return sum(type(item) is Storage for item in gc.get_objects())

    x = npg.array([1.0, 2.0, 3.0], requires_grad=True)
    y, before = x, storages()
    for _ in range(100):
        y = y + y[0]
    assert storages() - before < 10


def test_views_outlive_the_name_of_their_base(device: str) -> None:
    x = npg.array(numbers())
    row, column = x[1], x[:, 1]
    del x
    row[...] = 0.0
    assert column.tolist() == [1.5, 0.0, 9.5]


def test_integer_array_writes_scatter_and_the_last_repeat_stays(device: str) -> None:
    x = npg.array(np.zeros(4))
    x[np.array([0, 2, 0])] = npg.array([1.0, 2.0, 3.0])
    assert x.tolist() == [3.0, 0.0, 2.0, 0.0]


def test_mask_writes_scatter(device: str) -> None:
    x = npg.array(numbers())
    x[x > 6.0] = 0.0
    np.testing.assert_array_equal(x.numpy(), np.where(numbers() > 6.0, 0.0, numbers()))


@st.composite
def view_programs(draw: st.DrawFn) -> list[tuple[str, int, Any]]:
    """Views of views and writes through them, as data that Arrays and ndarrays can both run."""
    steps: list[tuple[str, int, Any]] = []
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["view", "assign", "add", "multiply"]))
        chosen = draw(st.integers(0, 20))
        if kind == "view":
            steps.append((kind, chosen, draw(st.sampled_from(list(STEPS)))))
        else:
            steps.append((kind, chosen, draw(st.sampled_from([-1.0, 0.5, 2.0]))))
    return steps


STEPS: dict[str, View] = {
    "first": lambda x: x[0],
    "last": lambda x: x[-1],
    "tail": lambda x: x[1:],
    "even": lambda x: x[::2],
    "reversed": lambda x: x[::-1],
    "last axis": lambda x: x[..., ::-1],
    "transposed": lambda x: x.T,
    "new axis": lambda x: x[None],
}


def run_views(program: list[tuple[str, int, Any]], x: Any) -> list[Any]:
    """The base and its views after the program."""
    arrays = [x]
    for kind, chosen, argument in program:
        target = arrays[chosen % len(arrays)]
        if kind == "view":
            if target.ndim and target.shape[0] > 0:
                arrays.append(STEPS[argument](target))
        elif kind == "assign":
            target[...] = argument
        elif kind == "add":
            target += argument
        else:
            target *= argument
    return arrays


class ElementViews(np.ndarray):
    """An ndarray whose every element is a view, too."""

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        return super().__getitem__(keys if ... in keys else (*keys, ...))


@given(program=view_programs())
def test_programs_of_views_and_writes_agree_with_numpy(
    device: str, program: list[tuple[str, int, Any]]
) -> None:
    expected = run_views(program, numbers().view(ElementViews))
    found = run_views(program, npg.array(numbers()))
    assert len(found) == len(expected)
    for array, ndarray in zip(found, expected, strict=True):
        np.testing.assert_array_equal(array.numpy(), np.asarray(ndarray))


# W1: a write is checked whole before anything changes


BAD_WRITES: dict[str, tuple[type[Exception], Callable[[npg.Array], Any]]] = {
    "values too long": (ShapeError, lambda x: x.__setitem__(slice(2), np.zeros(5))),
    "values of too many axes": (ShapeError, lambda x: x.__setitem__(0, np.zeros((2, 4)))),
    "complex values": (DTypeError, lambda x: x.__setitem__(0, 1j)),
    "complex array": (DTypeError, lambda x: x.__setitem__(0, np.zeros(4, complex))),
    "key out of bounds": (IndexError, lambda x: x.__setitem__(3, 0.0)),
    "negative key out of bounds": (IndexError, lambda x: x.__setitem__(-4, 0.0)),
    "second key out of bounds": (IndexError, lambda x: x.__setitem__((0, 4), 0.0)),
    "index array out of bounds": (IndexError, lambda x: x.__setitem__(np.array([0, 3]), 0.0)),
    "index list out of bounds": (IndexError, lambda x: x.__setitem__([0, -4], 0.0)),
    "too many keys": (IndexError, lambda x: x.__setitem__((0, 0, 0), 0.0)),
    "float key": (IndexError, lambda x: x.__setitem__(1.0, 0.0)),
    "float array key": (IndexError, lambda x: x.__setitem__(np.array([1.0]), 0.0)),
    "string key": (IndexError, lambda x: x.__setitem__("a", 0.0)),
    "mask of another shape": (IndexError, lambda x: x.__setitem__(np.ones(4, bool), 0.0)),
    "iadd of a wrong shape": (ShapeError, lambda x: x.__iadd__(np.zeros(3))),
    "iadd that would broadcast": (ShapeError, lambda x: x.__iadd__(np.zeros((2, 3, 4)))),
    "iadd of complex": (DTypeError, lambda x: x.__iadd__(1j)),
    "imatmul of a wrong shape": (ShapeError, lambda x: x.__imatmul__(np.zeros((3, 3)))),
}


@pytest.mark.parametrize("name", BAD_WRITES)
def test_a_refused_write_changes_nothing(device: str, name: str) -> None:
    error, write = BAD_WRITES[name]
    x = npg.array(numbers())
    v = x[1:]
    before = version(x)
    with pytest.raises(error):
        write(x)
    np.testing.assert_array_equal(x.numpy(), numbers())
    np.testing.assert_array_equal(v.numpy(), numbers()[1:])
    assert version(x) == before
    assert x.dtype == "float64"


@pytest.mark.parametrize("name", BAD_WRITES)
def test_a_refused_write_changes_nothing_of_a_recorded_array(device: str, name: str) -> None:
    error, write = BAD_WRITES[name]
    leaf = npg.array(numbers(), requires_grad=True)
    y = npg.sin(leaf)
    z = npg.sin(y)
    node = y._node
    with pytest.raises(error):
        write(y)
    assert y._node is node
    z.sum().backward()
    expected = np.cos(np.sin(numbers())) * np.cos(numbers())
    np.testing.assert_allclose(leaf.grad.numpy(), expected)


def test_values_on_another_device_are_refused(device: str, other_device: str) -> None:
    x = npg.array(numbers())
    with pytest.raises(DeviceError, match="to"):
        x[0] = npg.zeros(4, device=other_device)
    with pytest.raises(DeviceError, match="to"):
        x += npg.zeros(4, device=other_device)
    with pytest.raises(DeviceError):
        x[npg.asarray([0], device=other_device)] = 0.0
    np.testing.assert_array_equal(x.numpy(), numbers())


def test_a_value_of_no_array_type_is_refused(device: str) -> None:
    x = npg.array([1.0, 2.0])
    with pytest.raises((TypeError, ValueError)):
        x[0] = "one"
    with pytest.raises(TypeError):
        x += "one"
    assert x.tolist() == [1.0, 2.0]


# W2: overlap


def test_overlapping_operands_are_read_before_they_are_written(device: str) -> None:
    x = npg.array([1.0, 2.0, 3.0, 4.0])
    x[1:] += x[:-1]
    assert x.tolist() == [1.0, 3.0, 5.0, 7.0]


def test_an_overlapping_assignment_is_read_before_it_is_written(device: str) -> None:
    x = npg.array([1.0, 2.0, 3.0, 4.0])
    x[1:] = x[:-1]
    assert x.tolist() == [1.0, 1.0, 2.0, 3.0]
    x[...] = x[::-1]
    assert x.tolist() == [3.0, 2.0, 1.0, 1.0]


def test_transposing_in_place_is_read_before_it_is_written(device: str) -> None:
    x = npg.array([[1.0, 2.0], [3.0, 4.0]])
    x[...] = x.T
    assert x.tolist() == [[1.0, 3.0], [2.0, 4.0]]
    x += x.T
    assert x.tolist() == [[2.0, 5.0], [5.0, 8.0]]


def test_a_column_is_written_with_a_row_that_crosses_it(device: str) -> None:
    """NumPy itself gets this wrong: of one dimension it copies in place, whatever the strides."""
    x = npg.array(np.arange(9.0).reshape(3, 3))
    column = x.T[2]
    column[...] = x[1]
    assert x.tolist() == [[0.0, 1.0, 3.0], [3.0, 4.0, 4.0], [6.0, 7.0, 5.0]]


def test_an_overlapping_raw_operand_is_read_before_it_is_written() -> None:
    x = npg.array([1.0, 2.0, 3.0, 4.0], device="cpu")
    x[1:] = x.numpy()[:-1]
    assert x.tolist() == [1.0, 1.0, 2.0, 3.0]


def test_an_array_that_shares_a_users_memory_may_overlap_its_operand() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0])
    x, y = npg.asarray(values, device="cpu"), npg.asarray(values, device="cpu")
    x[1:] += y[:-1]
    assert x.tolist() == [1.0, 3.0, 5.0, 7.0]


def test_overlap_is_safe_in_the_recorded_graph_too(device: str) -> None:
    leaf = npg.array([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    y = leaf * 1.0
    y[1:] += y[:-1]
    (y * npg.array([1.0, 10.0, 100.0, 1000.0])).sum().backward()
    assert y.tolist() == [1.0, 3.0, 5.0, 7.0]
    assert leaf.grad.tolist() == [11.0, 110.0, 1100.0, 1000.0]


# W3: dtype and shape stay


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.__iadd__(1.5),
        lambda x: x.__itruediv__(2),
        lambda x: x.__imul__(npg.asarray(1.5)),
        lambda x: x.__setitem__(0, 1.5),
        lambda x: x.__setitem__(0, npg.asarray([1.5, 2.5])),
        lambda x: x.fill(1.5),
    ],
    ids=["iadd", "itruediv", "imul", "setitem", "setitem array", "fill"],
)
def test_a_float_into_an_integer_array_is_refused(device: str, write: Callable[..., Any]) -> None:
    x = npg.array([[1, 2], [3, 4]])
    with pytest.raises(DTypeError, match=r"dtype.*astype"):
        write(x)
    assert x.tolist() == [[1, 2], [3, 4]]
    assert x.dtype == "int64"


def test_an_integer_into_a_boolean_array_is_refused(device: str) -> None:
    x = npg.array([True, False])
    with pytest.raises(DTypeError):
        x[0] = 2
    with pytest.raises(DTypeError):
        x += 1
    assert x.tolist() == [True, False]


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_a_write_keeps_the_dtype(device: str, dtype: str) -> None:
    x = npg.array([1.0, 2.0], dtype=dtype)
    x += 0.5
    x[0] = npg.array(7.0, dtype="float64")
    x *= npg.array([1.0, 2.0], dtype="float64")
    x[1] = 3
    x[1] = True
    assert x.dtype == dtype
    assert x.tolist() == [7.0, 1.0]


def test_an_in_place_operator_cannot_change_the_shape(device: str) -> None:
    x = npg.array([[1.0], [2.0]])
    with pytest.raises(ShapeError, match="shape"):
        x += npg.array([[1.0, 2.0]])
    assert x.tolist() == [[1.0], [2.0]]


def test_in_place_operators_return_the_array_itself(device: str) -> None:
    x = npg.array([[4.0, 2.0], [6.0, 8.0]])
    y = x
    y += 1
    y -= 1
    y *= 2
    y /= 2
    y **= 2
    y //= 2
    y %= 5
    y @= npg.eye(2)
    assert y is x
    assert x.tolist() == [[3.0, 2.0], [3.0, 2.0]]


def test_bitwise_in_place_operators_write_into_the_array(device: str) -> None:
    x = npg.array([12, 10])
    y = x
    y &= 14
    y |= 1
    y ^= 2
    y <<= 2
    y >>= 1
    assert y is x
    assert x.tolist() == [30, 18]


# W4: recorded writes against finite differences of the same program on ndarrays


def _chain(x: Any, w: Any, xp: Any) -> Any:
    y = x * 1.0
    v = y[1:]
    u = v[:, ::2]
    u *= w[:, ::2][1:]
    y[0] = w[2]
    return y


def _rows(x: Any, w: Any, xp: Any) -> Any:
    y = x * 2.0
    for i in range(1, 3):
        y[i] = xp.sin(y[i - 1] + w[i]) + y[i]
    return y


def _transposed(x: Any, w: Any, xp: Any) -> Any:
    y = x + 1.0
    t = y.T
    t[1] = w[:, 0] * x[:, 1]
    t[2:] += t[:-2]
    return y * t.T


def _base_after_view(x: Any, w: Any, xp: Any) -> Any:
    y = x * 1.0
    v = y[1]
    y *= w
    v *= 2.0
    y += xp.cos(v + 1.0)
    return y * v


def _mask(x: Any, w: Any, xp: Any) -> Any:
    y = x * 1.0
    y[np.array([[True, False, True, False]] * 3)] = w[0, 0] * w[1, 1]
    y[np.array([0, 2])] *= w[np.array([1, 1])]
    return y


def _repeated(x: Any, w: Any, xp: Any) -> Any:
    y = x * 1.0
    y[np.array([0, 2, 2]), np.array([0, 1, 3])] += w[0, :3]
    y[:, 1] = 3.0
    return y


def _into_untracked(x: Any, w: Any, xp: Any) -> Any:
    out = xp.zeros((3, 4))
    for i in range(3):
        for j in range(0, 4, 2):
            out[i, j] = x[i, j] * w[j % 3, i]
    return out


def _untracked_view(x: Any, w: Any, xp: Any) -> Any:
    out = xp.ones((3, 4))
    column = out[:, 1]
    column[...] = x[:, 0] * w[:, 3]
    out *= w
    return out * column[:, None]


def _powers(x: Any, w: Any, xp: Any) -> Any:
    y = x * 1.0
    y **= 2
    y *= y
    y -= y.T[0][0]
    y /= w
    return y


def _reversed(x: Any, w: Any, xp: Any) -> Any:
    y = x * 1.0
    r = y[::-1, ::-1]
    r[0] *= w[0]
    r += y
    return r


def _broadcast(x: Any, w: Any, xp: Any) -> Any:
    y = x * 1.0
    y += w[0]
    y[:, :1] = w[:, :1] * 2.0
    y[...] = y + w[0, 0]
    y *= w[:, :1]
    return y


def _overwritten(x: Any, w: Any, xp: Any) -> Any:
    y = x * w
    y[...] = 0.0
    y += x[0]
    return y


def _new_axis(x: Any, w: Any, xp: Any) -> Any:
    y = x * 1.0
    v = y[:, None, 1:3]
    v *= w[:, None, :2]
    z = y.reshape(4, 3)
    z[1] += w[0, :3]
    return y


def _ends(x: Any, w: Any, xp: Any) -> Any:
    y = x * 1.0
    e = y[1, 2:3]
    e += w[0, 0]
    y[0, 0] += y[2, 3]
    y[-1, -1] = w[1, 1]
    return y


RECORDED = [
    _chain,
    _rows,
    _transposed,
    _base_after_view,
    _mask,
    _repeated,
    _into_untracked,
    _untracked_view,
    _powers,
    _reversed,
    _broadcast,
    _overwritten,
    _new_axis,
    _ends,
]


@pytest.mark.parametrize("program", RECORDED, ids=lambda f: f.__name__.strip("_"))
def test_recorded_writes_have_the_values_and_gradients_of_their_replay(
    device: str, program: Callable[..., Any], rng: np.random.Generator
) -> None:
    weight = rng.normal(size=(3, 4))
    x0, w0 = rng.normal(size=(3, 4)) + 3.0, rng.normal(size=(3, 4)) + 2.0
    x, w = npg.array(x0, requires_grad=True), npg.array(w0, requires_grad=True)
    y = program(x, w, npg)
    (y * npg.array(weight)).sum().backward()
    replayed = program(x0.copy(), w0.copy(), np)
    expected = gradients(lambda a, b: (program(a, b, np) * weight).sum(), [x0, w0])
    np.testing.assert_allclose(y.numpy(), replayed)
    np.testing.assert_allclose(x.grad.numpy(), expected[0], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(w.grad.numpy(), expected[1], rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(x.numpy(), x0)


@pytest.mark.parametrize("program", RECORDED, ids=lambda f: f.__name__.strip("_"))
def test_forward_mode_through_recorded_writes_agrees_with_reverse(
    device: str, program: Callable[..., Any], rng: np.random.Generator
) -> None:
    x0, w0, weight, tx, tw = rng.normal(size=(5, 3, 4)) + 2.0
    primals = (npg.array(x0), npg.array(w0))
    _, t = npg.jvp(lambda x, w: program(x, w, npg), primals, (npg.array(tx), npg.array(tw)))
    _, pullback = npg.vjp(lambda x, w: program(x, w, npg), *primals)
    gx, gw = pullback(npg.array(weight))
    forward = (t.numpy() * weight).sum()
    reverse = (gx.numpy() * tx).sum() + (gw.numpy() * tw).sum()
    np.testing.assert_allclose(forward, reverse, rtol=1e-9)


def test_the_second_derivative_through_a_write_is_right(device: str) -> None:
    def f(x: npg.Array) -> npg.Array:
        y = x * 1.0
        y[0] = x[1] ** 3
        y *= x
        return y.sum()

    x = npg.array([2.0, 3.0])
    hessian_times = npg.grad(lambda x: (npg.grad(f)(x) * npg.array([1.0, 1.0])).sum())(x)
    # f = x0 x1**3 + x1**2
    assert hessian_times.tolist() == [27.0, 27.0 + 6 * 2 * 3 + 2]


def test_gradients_with_respect_to_an_untracked_target_stop_at_it(device: str) -> None:
    t = npg.array(2.0, requires_grad=True)
    out = npg.zeros(3)
    out[1] = t * t
    assert out.requires_grad
    assert not out.is_leaf
    (out * npg.array([1.0, 5.0, 1.0])).sum().backward()
    assert t.grad.item() == 20.0


def test_an_overwritten_element_gets_no_gradient(device: str) -> None:
    x = npg.array([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2.0
    y[1] = 0.0
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 2.0]


def test_a_value_read_before_a_write_keeps_its_history(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = x * 3.0
    before = y + 0.0
    y[...] = 0.0
    (before + y).sum().backward()
    assert before.tolist() == [3.0, 6.0]
    assert x.grad.tolist() == [3.0, 3.0]


def test_an_overwritten_nan_or_infinity_leaves_no_trace_in_the_gradient(device: str) -> None:
    x = npg.array([0.0, 4.0], requires_grad=True)
    y = npg.sqrt(x)
    z = y * 1.0
    z[0] = 1.0
    z.sum().backward()
    assert x.grad.tolist() == [0.0, 0.25]


def test_a_loop_of_writes_is_linear_in_time_and_nodes(device: str) -> None:
    x = npg.array(1.0, requires_grad=True)
    out = npg.zeros(50)
    counts = []
    for i in range(50):
        out[i] = x * float(i)
        counts.append(reachable(out))
    steps = {b - a for a, b in itertools.pairwise(counts)}
    out.sum().backward()
    assert len(steps) == 1
    assert x.grad.item() == sum(range(50))


def test_a_recorded_write_does_not_change_a_users_ndarray(device: str) -> None:
    values = np.zeros(3)
    t = npg.array(2.0, requires_grad=True)
    x = npg.asarray(values)
    y = x + t
    y[0] = 5.0
    assert values.tolist() == [0.0, 0.0, 0.0]


def test_a_view_made_before_a_recorded_write_carries_its_gradient(device: str) -> None:
    t = npg.array([2.0, 3.0], requires_grad=True)
    out = npg.zeros((2, 2))
    row = out[1]
    out[1] = t * t
    row.sum().backward()
    assert row.tolist() == [4.0, 9.0]
    assert t.grad.tolist() == [4.0, 6.0]


def test_sort_in_place_is_differentiable(device: str) -> None:
    x = npg.array([3.0, 1.0, 2.0], requires_grad=True)
    y = x * 1.0
    y.sort()
    (y * npg.array([1.0, 10.0, 100.0])).sum().backward()
    assert y.tolist() == [1.0, 2.0, 3.0]
    assert x.grad.tolist() == [100.0, 1.0, 10.0]


def test_fill_cuts_the_gradient(device: str) -> None:
    x = npg.array([3.0, 1.0], requires_grad=True)
    y = x * x
    y.fill(7.0)
    (y + x).sum().backward()
    assert y.tolist() == [7.0, 7.0]
    assert x.grad.tolist() == [1.0, 1.0]


# W5: writes to leaves


def test_untracked_writes_into_a_leaf_are_an_optimisers_step(device: str) -> None:
    w = npg.array([1.0, 2.0, 3.0], requires_grad=True)
    (w * w).sum().backward()
    w -= 0.5 * w.grad
    w[0] = 5.0
    w[1:] *= 3.0
    w[np.array([2])] = 1.0
    assert w.is_leaf
    assert w.requires_grad
    assert w.grad_fn is None
    assert w.tolist() == [5.0, 0.0, 1.0]
    assert w.grad.tolist() == [2.0, 4.0, 6.0]


def test_a_leaf_that_was_written_gives_gradients_at_its_new_value(device: str) -> None:
    w = npg.array([1.0, 2.0], requires_grad=True)
    w[0] = 5.0
    (w * w).sum().backward()
    assert w.grad.tolist() == [10.0, 4.0]


def test_a_view_of_a_leaf_may_be_written_with_untracked_values(device: str) -> None:
    w = npg.array([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    row = w[0]
    row -= 1.0
    w.T[1] = 9.0
    assert w.tolist() == [[0.0, 9.0], [3.0, 9.0]]
    assert row.tolist() == [0.0, 9.0]
    assert w.is_leaf
    (row * row).sum().backward()
    assert w.grad.tolist() == [[0.0, 18.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    "index", [1, -1, np.int64(1), np.intp(-1), slice(1, 2), np.uint8(1)], ids=repr
)
def test_an_element_of_a_leaf_may_be_updated_whatever_the_type_of_its_index(
    device: str, index: Any
) -> None:
    w = npg.array([1.0, 2.0], requires_grad=True)
    w[index] -= 0.5
    assert w.tolist() == [1.0, 1.5]
    assert w.is_leaf


def test_an_element_of_a_leaf_may_be_updated_at_an_array_index(device: str) -> None:
    w = npg.array([1.0, 2.0], requires_grad=True)
    w[npg.asarray(1)] -= 0.5
    assert w.tolist() == [1.0, 1.5]


@pytest.mark.parametrize(
    "write",
    [
        lambda w, t: w.__setitem__(0, t),
        lambda w, t: w.__iadd__(t),
        lambda w, t: w[1:].__imul__(t),
        lambda w, t: w.T.__setitem__(0, t),
        lambda w, t: w.__imul__(w),
        lambda w, t: w.__setitem__(0, w[1]),
        lambda w, t: w.fill(t),
    ],
    ids=["setitem", "iadd", "view imul", "T setitem", "itself", "own element", "fill"],
)
def test_a_tracked_value_into_a_leaf_is_refused(device: str, write: Callable[..., Any]) -> None:
    w = npg.array([1.0, 2.0], requires_grad=True)
    t = npg.array(3.0, requires_grad=True)
    with pytest.raises(VersionError, match=r"leaf.*no_grad"):
        write(w, t)
    assert w.tolist() == [1.0, 2.0]
    assert w.is_leaf
    (w * t).sum().backward()
    assert w.grad.tolist() == [3.0, 3.0]


def test_a_tracked_value_into_a_leaf_is_written_under_no_grad(device: str) -> None:
    w = npg.array([1.0, 2.0], requires_grad=True)
    t = npg.array(3.0, requires_grad=True)
    with npg.no_grad():
        w[0] = t
        w += t
    assert w.tolist() == [6.0, 5.0]
    assert w.is_leaf
    assert w.requires_grad


def test_a_write_to_a_leaf_makes_an_earlier_graph_raise(device: str) -> None:
    w = npg.array([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    w -= 0.1
    with pytest.raises(VersionError, match="multiply"):
        loss.backward()
    assert w.grad is None


# W6


@pytest.mark.parametrize(
    "key",
    [0, -1, slice(1, None), (slice(None), 1), ..., (1, 2), None, (), np.int64(1), (0, np.int64(2))],
    ids=repr,
)
def test_an_update_of_a_part_is_one_version(device: str, key: Any) -> None:
    x = npg.array(numbers())
    x[...] = x.numpy()
    before = version(x)
    x[key] += 1.0
    expected = numbers()
    expected[key] += 1.0
    np.testing.assert_array_equal(x.numpy(), expected)
    assert version(x) == before + 1


def test_an_update_of_a_part_of_a_recorded_array_is_one_version(device: str) -> None:
    x = npg.array(numbers(), requires_grad=True)
    y = x * 1.0
    y[0] += 1.0
    before = version(y)
    y[1:] *= 2.0
    assert version(y) == before + 1


def test_a_write_under_no_grad_changes_values_not_history(device: str) -> None:
    x = npg.array([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2.0
    v = y[1:]
    node = y.grad_fn
    with npg.no_grad():
        y[0] = 100.0
        v *= 10.0
    assert y.tolist() == [100.0, 40.0, 60.0]
    assert v.tolist() == [40.0, 60.0]
    assert y.grad_fn is node
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_a_write_under_no_grad_makes_a_saved_value_stale(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = 2 * x
    z = npg.sin(y)
    with npg.no_grad():
        y *= 0.0
    with pytest.raises(VersionError, match="sin"):
        z.sum().backward()


def test_a_write_under_no_grad_leaves_what_an_op_saved_of_its_own_output(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = npg.exp(x)
    with npg.no_grad():
        y *= 0.0
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([1.0, 2.0]))


# S2, S3


def test_exp_may_be_overwritten_after_use(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = npg.exp(x)
    x[...] = 0.0
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([1.0, 2.0]))


def test_sin_may_not_be_overwritten_after_use(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = npg.sin(x)
    x[...] = 0.0
    with pytest.raises(VersionError, match="sin"):
        y.sum().backward()


def test_both_terms_of_a_sum_may_be_overwritten(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    z = npg.array([3.0, 4.0], requires_grad=True)
    y = x + z
    x *= 0.0
    z[0] = 0.0
    y[...] = y * 2.0
    y.sum().backward()
    assert x.grad.tolist() == z.grad.tolist() == [2.0, 2.0]


def test_an_output_that_a_rule_reads_may_be_overwritten(device: str) -> None:
    """As in `scale = sqrt(v); scale[scale == 0] = 1`; also twice, and through views."""
    x = npg.array([1.0, 2.0, 3.0], requires_grad=True)
    y = npg.exp(x)
    v = y[:1]
    v *= 2.0
    y[1] = 5.0
    y[2:] *= 3.0
    (y * y).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [8 * np.exp(2.0), 0.0, 18 * np.exp(6.0)])


def test_an_overwritten_output_is_kept_for_every_order(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)

    def f(x: npg.Array) -> npg.Array:
        y = npg.exp(x)
        y[y > 5.0] = 1.0
        return (y * y).sum()

    second = npg.grad(lambda x: npg.grad(f)(x).sum())(x)
    np.testing.assert_allclose(second.tolist(), [4 * np.exp(2.0), 0.0])


def test_a_write_through_a_detached_alias_leaves_the_saved_output(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = npg.exp(x)
    y.detach()[0] = 7.0
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([1.0, 2.0]))


def test_only_the_factor_that_a_rule_reads_is_protected(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    constant = npg.array([3.0, 4.0])
    y = x * constant
    x[...] = 0.0
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 4.0]


def test_the_constant_factor_is_protected(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    constant = npg.array([3.0, 4.0])
    y = x * constant
    constant[0] = 0.0
    with pytest.raises(VersionError, match="x2"):
        y.sum().backward()


def test_a_write_through_a_view_protects_the_base(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    v = x[1:]
    y = npg.sin(x)
    v *= 0.0
    with pytest.raises(VersionError, match="sin"):
        y.sum().backward()


def test_a_write_to_the_base_protects_a_view(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = npg.sin(x[1:])
    x *= 0.0
    with pytest.raises(VersionError, match="sin"):
        y.sum().backward()


def test_a_write_through_a_detached_alias_protects_the_original(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = npg.sin(x)
    x.detach()[0] = 0.0
    with pytest.raises(VersionError, match="sin"):
        y.sum().backward()
    assert x.tolist() == [0.0, 2.0]


def test_a_write_before_use_is_no_conflict(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    x[0] = 5.0
    y = npg.sin(x)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.cos([5.0, 2.0]))


def test_a_write_after_backward_is_no_conflict(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = npg.sin(x).sum()
    y.backward()
    x[0] = 5.0
    np.testing.assert_allclose(x.grad.numpy(), np.cos([1.0, 2.0]))


def test_the_error_of_an_overwritten_value_says_what_happened(device: str) -> None:
    x1 = npg.array(np.ones((3, 4)), requires_grad=True)
    x2 = npg.array(np.ones((3, 4)))
    x2[0] = 2.0
    x2[1] = 2.0
    y = x1 * x2
    x2 += 1.0
    with pytest.raises(VersionError) as caught:
        y.sum().backward()
    message = str(caught.value)
    for words in (
        "multiply",
        "x2",
        "(3, 4)",
        "in-place operation",
        "add",
        "saved at version 2",
        "now at version 3",
        "Copy the array before writing to it, or write after backward",
    ):
        assert words in message


def test_the_error_names_the_first_write_after_saving(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = npg.sin(x)
    x[0] = 1.0
    x *= 2.0
    with pytest.raises(VersionError, match="setitem"):
        y.sum().backward()


def test_a_stale_value_raises_in_forward_mode_too(device: str) -> None:
    def f(x: npg.Array) -> npg.Array:
        z = x * 1.0
        y = npg.sin(z)
        z[0] = 0.0
        return y

    x = npg.array([1.0, 2.0])
    with pytest.raises(VersionError, match="sin"):
        npg.jvp(f, (x,), (x,))


def test_a_stale_value_raises_with_create_graph_too(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = npg.sin(x).sum()
    x[0] = 0.0
    with pytest.raises(VersionError, match="sin"):
        y.backward(create_graph=True)
    assert x.grad is None


def test_a_data_assignment_counts_as_a_write(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = npg.sin(x).sum()
    x.data = np.zeros(2)
    assert x.tolist() == [0.0, 0.0]
    assert x.is_leaf
    with pytest.raises(VersionError, match="sin"):
        y.backward()


def test_a_write_to_a_part_that_was_not_saved_raises_or_is_right(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = npg.sin(x[:1]).sum()
    x[1] = 0.0
    try:
        y.backward()
    except VersionError:
        assert x.grad is None
    else:
        np.testing.assert_allclose(x.grad.numpy(), [np.cos(1.0), 0.0])


# S4


@pytest.mark.parametrize(
    ("update", "slope"),
    [
        (lambda y: y.__imul__(y), lambda x: 2 * x),
        (lambda y: y.__ipow__(2), lambda x: 2 * x),
        (lambda y: y.__ipow__(3), lambda x: 3 * x**2),
        (lambda y: y.__ipow__(y), lambda x: x**x * (np.log(x) + 1)),
        (lambda y: y.__itruediv__(y), np.zeros_like),
        (lambda y: y.__iadd__(y), lambda x: np.full_like(x, 2.0)),
        (lambda y: y.__isub__(y), np.zeros_like),
        (lambda y: y.__imul__(y[...]), lambda x: 2 * x),
        (lambda y: y.__imul__(npg.sin(y)), lambda x: np.sin(x) + x * np.cos(x)),
    ],
    ids=["*=y", "**=2", "**=3", "**=y", "/=y", "+=y", "-=y", "*=view", "*=sin"],
)
def test_an_in_place_op_keeps_what_its_own_backward_needs(
    device: str, update: Callable[..., Any], slope: Callable[..., Any]
) -> None:
    values = np.array([1.5, 2.5])
    x = npg.array(values, requires_grad=True)
    y = x * 1.0
    try:
        update(y)
        y.sum().backward()
    except VersionError:
        # sin(y) saved y, which was then written to.
        assert update(npg.array(values)) is not None
        assert x.grad is None
    else:
        np.testing.assert_allclose(x.grad.numpy(), slope(values), atol=1e-12)


def test_an_in_place_product_keeps_both_factors(device: str) -> None:
    x = npg.array([2.0, 3.0], requires_grad=True)
    w = npg.array([5.0, 7.0], requires_grad=True)
    y = x * 1.0
    y *= w
    y.sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]
    assert w.grad.tolist() == [2.0, 3.0]


def test_writes_that_overlap_their_operand_are_right(device: str) -> None:
    x = npg.array([2.0, 3.0, 4.0], requires_grad=True)
    y = x * 1.0
    y[1:] *= y[:-1]
    y.sum().backward()
    assert y.tolist() == [2.0, 6.0, 12.0]
    assert x.grad.tolist() == [4.0, 6.0, 3.0]


# What cannot be done raises and changes nothing


def test_a_recorded_write_beside_a_detached_alias_is_right_or_refused(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = x * 2.0
    d = y.detach()
    try:
        y *= x
    except DerivativeError:
        assert y.tolist() == d.tolist() == [2.0, 4.0]
        y.sum().backward()
        assert x.grad.tolist() == [2.0, 2.0]
    else:
        assert y.tolist() == d.tolist() == [2.0, 8.0]
        assert not d.requires_grad


def test_a_tracked_value_into_a_detached_alias_of_a_leaf_never_loses_its_gradient(
    device: str,
) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    t = npg.array(3.0, requires_grad=True)
    d = x.detach()
    with pytest.raises((VersionError, DerivativeError)):
        d[0] = t
    assert x.tolist() == d.tolist() == [1.0, 2.0]


def test_a_tracked_value_into_a_detached_alias_is_refused_or_tracked(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    t = npg.array(3.0, requires_grad=True)
    y = x * 2.0
    d = y.detach()
    try:
        d[0] = t
    except DerivativeError:
        assert y.tolist() == d.tolist() == [2.0, 4.0]
    else:
        assert y.tolist() == d.tolist() == [3.0, 4.0]
        assert d.requires_grad


def test_a_write_of_several_axes_is_all_or_nothing(device: str) -> None:
    t = npg.array([1.0, 2.0], requires_grad=True)
    out = npg.zeros((2, 2))
    out[0] = t
    before = out.numpy().copy()
    with pytest.raises(IndexError):
        out[[0, 5]] = t
    np.testing.assert_array_equal(out.numpy(), before)
    out.sum().backward()
    assert t.grad.tolist() == [1.0, 1.0]


# R1, R2


def test_implicit_conversion_of_a_tracked_array_is_refused(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    for convert in (np.asarray, np.array, np.from_dlpack, lambda x: x.__dlpack__()):
        with pytest.raises(GraphError, match=r"detach\(\).*numpy\(\)"):
            convert(x)
        with pytest.raises(GraphError, match=r"detach\(\).*numpy\(\)"):
            convert(x * 2)


def test_explicit_conversion_of_a_tracked_array_works(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    assert x.numpy().tolist() == x.tolist() == np.asarray(x.detach()).tolist() == [1.0, 2.0]
    assert x.data is not None
    with npg.no_grad():
        assert np.asarray(x).tolist() == [1.0, 2.0]


def test_an_untracked_array_converts_implicitly(device: str) -> None:
    x = npg.array([1.0, 2.0])
    assert np.asarray(x).tolist() == [1.0, 2.0]
    assert np.asarray(x, dtype="float32").dtype == "float32"
    assert np.sum(np.asarray(x)) == 3.0


def test_numpy_shares_memory_on_numpy() -> None:
    x = npg.array([1.0, 2.0], device="cpu")
    x.numpy()[0] = 5.0
    assert x.tolist() == [5.0, 2.0]
    assert np.shares_memory(x.data, x.numpy())


def test_asarray_shares_the_memory_of_an_ndarray_on_numpy() -> None:
    values = np.array([1.0, 2.0])
    x = npg.asarray(values, device="cpu")
    values[0] = 5.0
    assert x.tolist() == [5.0, 2.0]
    x[1] = 7.0
    assert values.tolist() == [5.0, 7.0]


def test_asarray_that_requires_grad_copies() -> None:
    values = np.array([1.0, 2.0])
    x = npg.asarray(values, device="cpu", requires_grad=True)
    values[0] = 5.0
    assert x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("size", [3, 100_000])
def test_asarray_on_jax_copies_an_ndarray(size: int) -> None:
    pytest.importorskip("jax")
    memory = np.zeros(size + 8)
    start = -memory.ctypes.data % 64 // 8  # JAX would share memory that is aligned so
    values = memory[start : start + size]
    x = npg.asarray(values, device="jax:cpu")
    values[...] = 1.0
    assert not np.any(x.numpy())


@pytest.mark.parametrize("size", [3, 100_000])
def test_what_numpy_gives_on_jax_can_be_written_without_changing_the_array(size: int) -> None:
    pytest.importorskip("jax")
    x = npg.zeros(size, device="jax:cpu")
    x.numpy()[...] = 1.0
    assert not np.any(x.numpy())


def test_array_copies_an_ndarray(device: str) -> None:
    values = np.array([1.0, 2.0])
    x = npg.array(values)
    values[0] = 5.0
    assert x.tolist() == [1.0, 2.0]


# G1, G2


def test_a_gradient_handed_out_never_changes_later(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    (x * 3.0).sum().backward()
    first = x.grad
    (x * 4.0).sum().backward()
    assert first.tolist() == [3.0, 3.0]
    assert x.grad.tolist() == [7.0, 7.0]


def test_writing_to_a_gradient_changes_no_other(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    z = npg.array([3.0, 4.0], requires_grad=True)
    (x + z).sum().backward()
    x.grad[...] = 0.0
    assert z.grad.tolist() == [1.0, 1.0]


def test_detach_shares_storage_and_version_and_has_no_history(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    y = x * 2.0
    d = y.detach()
    assert not d.requires_grad
    assert d.is_leaf
    assert d.grad_fn is None
    with npg.no_grad():
        d[0] = 9.0
    assert y.tolist() == [9.0, 4.0]
    assert version(d) == version(y) == 1


def test_requires_grad_underscore_sets_the_flag_and_returns_the_array(device: str) -> None:
    x = npg.array([1.0, 2.0])
    assert x.requires_grad_() is x
    assert x.requires_grad
    assert x.requires_grad_(False) is x
    assert not x.requires_grad


def test_requires_grad_of_a_detached_alias_is_its_own(device: str) -> None:
    x = npg.array([1.0, 2.0], requires_grad=True)
    d = x.detach().requires_grad_()
    (d * d).sum().backward()
    assert d.grad.tolist() == [2.0, 4.0]
    assert x.grad is None


def test_views_of_a_result_in_another_order_share_its_memory(device: str) -> None:
    x = npg.array([[0.0, 1.0], [2.0, 3.0]], requires_grad=True)
    y = npg.square(x.T)
    row, flat = y[0], y.reshape(-1)

    flat += 1.0

    assert row.tolist() == [1.0, 5.0]
    assert y.tolist() == [[1.0, 5.0], [2.0, 10.0]]
