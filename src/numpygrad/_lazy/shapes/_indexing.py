"""Results of indexing, and the shape that a key selects."""

from __future__ import annotations

from typing import Any

from numpygrad._lazy.program import Aval
from numpygrad._lazy.shapes._fitting import Rule, aval, axis_of, broadcast, fits, shape_of
from numpygrad.errors import ShapeError
from numpygrad.typing import Shape


def region(shape: Shape, key: Any) -> Shape | None:
    """The shape that `key` selects of an array of `shape`; `None` if a mask decides it.

    Raises
    ------
    IndexError
        If the key names more axes than there are, or an int or a mask lies outside.
    """
    parts = key if type(key) is tuple else (key,)
    taken, ellipses, arrays = 0, 0, False
    for part in parts:
        if type(part) is slice or type(part) is int:
            taken += 1
        elif part is ...:
            ellipses += 1
        elif part is not None:
            arrays = True
            taken += len(part.shape) if part.dtype.kind == "b" else 1
    if taken > len(shape):
        raise IndexError(f"too many indices: {taken} for an array of {len(shape)} dimensions")
    if ellipses > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if not ellipses:
        parts = (*parts, ...)
    return _advanced(shape, parts, taken) if arrays else _basic(shape, parts, taken)


def _basic(shape: Shape, parts: tuple[Any, ...], taken: int) -> Shape:
    found: list[int] = []
    axis = 0
    for part in parts:
        if type(part) is slice:
            found.append(len(range(*part.indices(shape[axis]))))
            axis += 1
        elif type(part) is int:
            _require_inside(part, shape[axis], axis)
            axis += 1
        elif part is None:
            found.append(1)
        else:
            rest = len(shape) - taken
            found += shape[axis : axis + rest]
            axis += rest
    return tuple(found)


def _advanced(shape: Shape, parts: tuple[Any, ...], taken: int) -> Shape | None:
    """The axes of the indices' common shape where these stand; first, if that is no one place.

    So NumPy has it. Ints count as indices here; a slice, `...` or `None` in between parts them.
    """
    found: list[int] = []
    indices: list[Shape] = []
    axis, masked = 0, False
    place: int | None = None
    adjacent = True
    for part in parts:
        if part is None or part is ... or type(part) is slice:
            if part is None:
                found.append(1)
            elif part is ...:
                rest = len(shape) - taken
                found += shape[axis : axis + rest]
                axis += rest
            else:
                found.append(len(range(*part.indices(shape[axis]))))
                axis += 1
            continue
        if place is None:
            place = len(found)
        elif place != len(found):
            adjacent = False
        if type(part) is int:
            _require_inside(part, shape[axis], axis)
            axis += 1
        elif part.dtype.kind == "b":
            _require_mask(part.shape, shape, axis)
            axis += len(part.shape)
            masked = True
        else:
            indices.append(part.shape)
            axis += 1
    if masked:
        return None
    try:
        common = broadcast("index", *indices)
    except ShapeError as error:
        raise IndexError(
            f"index arrays need shapes that broadcast, got {' and '.join(map(str, indices))}"
        ) from error
    start = place if adjacent and place is not None else 0
    return (*found[:start], *common, *found[start:])


def _require_inside(index: int, length: int, axis: int) -> None:
    if not -length <= index < length:
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {length}")


def _require_mask(mask: Shape, shape: Shape, axis: int) -> None:
    for i, n in enumerate(mask, axis):
        if n not in (0, shape[i]):  # an axis of length 0 fits every other, in NumPy and JAX
            raise IndexError(
                f"boolean index did not match indexed array along axis {i}; size of axis is "
                f"{shape[i]} but size of corresponding boolean axis is {n}"
            )


def _gather(x: Any, /, key: Any) -> Aval | None:
    shape = region(x.shape, key)
    return None if shape is None else aval(shape, x.dtype)


def _require_fit(name: str, value: Shape, shape: Shape, key: Any) -> None:
    """`ShapeError` if a value cannot be written at a key."""
    target = region(shape, key)
    if target is not None and not fits(value, target):
        raise ShapeError(f"{name}() of values of shape {value} into a region of shape {target}")


def _writing(name: str) -> Rule:
    def rule(x: Any, value: Any, /, key: Any) -> Aval:
        _require_fit(name, shape_of(value), x.shape, key)
        return aval(x.shape, x.dtype)

    return rule


def _scatter(g: Any, /, key: Any, shape: Any) -> Aval:
    shape = tuple(shape)
    _require_fit("scatter", g.shape, shape, key)
    return aval(shape, g.dtype)


def _take(x: Any, indices: Any, /, axis: int | None = None) -> Aval:
    shape = x.shape
    if axis is None:
        if len(shape) != 1:
            raise ValueError(f"take() needs axis= for an array of {len(shape)} dimensions")
        axis = 0
    axis = axis_of("take", axis, len(shape))
    return aval((*shape[:axis], *shape_of(indices), *shape[axis + 1 :]), x.dtype)


def _take_along_axis(x: Any, indices: Any, /, axis: int = -1) -> Aval:
    shape, chosen = x.shape, indices.shape
    axis = axis_of("take_along_axis", axis, len(shape))
    if len(chosen) != len(shape):
        raise ShapeError(
            f"take_along_axis() needs as many dimensions in indices as in x, got {chosen} "
            f"and {shape}"
        )
    around = broadcast(
        "take_along_axis",
        (*shape[:axis], 1, *shape[axis + 1 :]),
        (*chosen[:axis], 1, *chosen[axis + 1 :]),
        of=(shape, chosen),
    )
    return aval((*around[:axis], chosen[axis], *around[axis + 1 :]), x.dtype)


def diagonal_length(shape: Shape, offset: int) -> int:
    """The number of elements on a diagonal of matrices."""
    rows, columns = shape[-2:]
    return max(min(rows - max(-offset, 0), columns - max(offset, 0)), 0)


def _diagonals(x: Any, /, offset: int = 0) -> Aval:
    shape = x.shape
    if len(shape) < 2:
        raise ShapeError(f"diagonals() needs matrices, two dimensions or more, got shape {shape}")
    return aval((*shape[:-2], diagonal_length(shape, offset)), x.dtype)


RULES: dict[str, Rule] = {
    "add_at": _writing("add_at"),
    "diagonals": _diagonals,
    "gather": _gather,
    "put": _writing("put"),
    "scatter": _scatter,
    "select": _gather,
    "take": _take,
    "take_along_axis": _take_along_axis,
}
