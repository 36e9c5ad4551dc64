"""What is drawn for each parameter of the standard's functions, by its name or its type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from conformance.standard import Function, Parameter
from conformance.values import (
    MATRICES,
    SHAPES,
    HostArray,
    Shape,
    array,
    chance,
    choose,
    partner_shape,
    related_dtype,
    scalar,
)

ONE_ELEMENT = frozenset({"__bool__", "__int__", "__float__", "__complex__", "__index__"})
OF_MATRICES = frozenset({"tril", "triu", "matrix_transpose"})
UNORDERED_WITH_NAN = frozenset({"sort", "argsort", "argmax", "argmin", "searchsorted"})
"""The standard leaves the order of NaN open."""
PRODUCTS = frozenset({"prod", "cumulative_prod"})
"""A factor of 1 more makes NaN of a complex infinity, and libraries differ in it."""
INTEGER_DIVISIONS = frozenset({"floor_divide", "remainder"})
"""The standard leaves division of integers by zero open."""
SHIFTS = frozenset({"bitwise_left_shift", "bitwise_right_shift"})
_LATER = ("x2", "other", "prepend", "append")


class NoRecipeError(LookupError):
    """A parameter this file does not know."""


@dataclass
class Draw:
    """The state of drawing the arguments of one call."""

    rng: np.random.Generator
    function: Function
    dtype: str
    shape: Shape = field(init=False)
    special: bool = field(init=False)

    def __post_init__(self) -> None:
        """Choose the shape, and whether special values are drawn."""
        self.shape = choose(self.rng, _shapes(self.rng, self.function))
        name = self.function.base
        self.special = name not in UNORDERED_WITH_NAN
        if self.kind == "c" and name in PRODUCTS:
            self.special = False

    @property
    def kind(self) -> str:
        """The dtype's kind letter."""
        return np.dtype(self.dtype).kind

    def array(self, shape: Shape | None = None, dtype: str | None = None) -> HostArray:
        """An array of the call's dtype and shape, unless others are given."""
        shape = self.shape if shape is None else shape
        return array(self.rng, dtype or self.dtype, shape, special=self.special)

    def axis(self, extra: int = 0) -> int:
        """An axis counted from the front or the back; rarely out of bounds."""
        ndim = len(self.shape) + extra
        if ndim == 0:
            return 0
        if chance(self.rng, 0.05):
            return choose(self.rng, (ndim, -ndim - 1))
        return int(self.rng.integers(-ndim, ndim))

    def axes(self) -> tuple[int, ...]:
        """Different axes, counted from the front or the back; possibly none."""
        ndim = len(self.shape)
        count = int(self.rng.integers(ndim + 1))
        chosen = self.rng.permutation(ndim)[:count]
        return tuple(int(a) - ndim * chance(self.rng, 0.3) for a in chosen)

    def flag(self) -> bool:
        """A coin."""
        return chance(self.rng, 0.5)

    def integer(self, low: int, high: int) -> int:
        """An int of the range, both ends included."""
        return int(self.rng.integers(low, high + 1))


def _shapes(rng: np.random.Generator, function: Function) -> tuple[Shape, ...]:
    """The shapes a function is tried with; 0-d only where it does not need an axis."""
    if function.base in ONE_ELEMENT:
        return ((), (), (), (1,), (2,))
    if function.base in OF_MATRICES and chance(rng, 0.9):
        return MATRICES
    along_one = any(p.name == "axis" and not p.several for p in function.parameters)
    return tuple(shape for shape in SHAPES if shape or not along_one)


def _axis(draw: Draw, parameter: Parameter) -> Any:
    if parameter.optional and (not draw.shape or chance(draw.rng, 0.3)):
        return None
    if parameter.several and draw.flag():
        return draw.axes()
    return draw.axis()


def _dtype(draw: Draw, parameter: Parameter) -> Any:
    """For creation the call's dtype; for accumulation a wide one of its kind, or its own."""
    if draw.function.category == "creation":
        return np.dtype(draw.dtype)
    wide = {"b": "int64", "i": "int64", "u": "uint64", "f": "float64", "c": "complex128"}
    return np.dtype(choose(draw.rng, (draw.dtype, wide[draw.kind])))


def _operand(draw: Draw, parameter: Parameter) -> Any:
    """A second operand: a Python scalar where the standard takes one, or an array."""
    if "Union" in parameter.type and chance(draw.rng, 0.25):
        return _where_defined(
            draw, scalar(draw.rng, choose(draw.rng, _scalar_kinds(draw, parameter)))
        )
    dtype = related_dtype(draw.rng, draw.dtype)
    out = array(draw.rng, dtype, partner_shape(draw.rng, draw.shape), special=draw.special)
    return np.asarray(_where_defined(draw, out), dtype=dtype)


def _scalar_kinds(draw: Draw, parameter: Parameter) -> tuple[str, ...]:
    """Kinds of the Python scalars that the annotation has; no negative one to shift by."""
    kinds = {"bool": "b", "int": "i", "float": "f", "complex": "c"}
    found = tuple(kind for name, kind in kinds.items() if name in parameter.type)
    return ("u",) if draw.function.base in SHIFTS else found


def _where_defined(draw: Draw, x2: Any) -> Any:
    """The operand without values for which the standard leaves the result open."""
    name = draw.function.base
    if np.asarray(x2).dtype.kind not in "iu":
        return x2
    if name in INTEGER_DIVISIONS:
        return x2 + (x2 == 0)
    if name in SHIFTS or name == "pow":
        return x2 % (7 if name in SHIFTS else 4)
    return x2


def _clip_bound(draw: Draw, sign: int) -> Any:
    """A bound below 1 (`sign` -1) or above, so that the lower is never above the upper."""
    if draw.kind == "u":
        numbers: tuple[Any, ...] = (0, 1) if sign < 0 else (2, 5)
    else:
        numbers = (-3, -1, 0) if sign < 0 else (1, 2, 4)
    number = choose(draw.rng, numbers)
    if draw.kind == "f" and draw.flag():
        number = number + 0.5 * sign
    if draw.flag():
        return number
    return np.full(partner_shape(draw.rng, draw.shape), number).astype(draw.dtype)


Recipe = Callable[[Draw, Parameter], Any]

RECIPES: dict[str, Recipe] = {
    "axis": _axis,
    "dtype": _dtype,
    "device": lambda draw, p: None,
    "copy": lambda draw, p: choose(draw.rng, (True, None) if p.optional else (True, False)),
    "stable": lambda draw, p: True,
    "correction": lambda draw, p: choose(draw.rng, (0, 1, 0.5)),
    "k": lambda draw, p: draw.integer(-2, 2),
    "n_rows": lambda draw, p: draw.integer(0, 3),
    "n_cols": lambda draw, p: choose(draw.rng, (None, 0, 1, 3)),
    "side": lambda draw, p: choose(draw.rng, ("left", "right")),
    "num": lambda draw, p: draw.integer(0, 5),
    "fill_value": lambda draw, p: scalar(draw.rng, draw.kind),
    "arrays_and_dtypes": lambda draw, p: np.dtype(related_dtype(draw.rng, draw.dtype)),
    "shape": lambda draw, p: choose(draw.rng, (draw.shape, draw.integer(0, 3))),
    "shapes": lambda draw, p: partner_shape(draw.rng, draw.shape),
    "from_": lambda draw, p: choose(draw.rng, (np.dtype(draw.dtype), draw.array())),
    "to": lambda draw, p: np.dtype(related_dtype(draw.rng, draw.dtype)),
    "type": lambda draw, p: choose(draw.rng, (np.dtype(draw.dtype), draw.array())),
    "condition": lambda draw, p: draw.array(dtype="bool"),
    "clip.min": lambda draw, p: _clip_bound(draw, -1),
    "clip.max": lambda draw, p: _clip_bound(draw, 1),
    "from_dlpack.x": lambda draw, p: draw.array(),
}
"""By the parameter's name, or where one name means two things, by the function's name too."""


def argument(draw: Draw, parameter: Parameter) -> Any:
    """A value for a parameter: by its function and name, by its name, or by its type."""
    name = parameter.name
    recipe = RECIPES.get(f"{draw.function.base}.{name}") or RECIPES.get(name)
    if recipe is not None:
        return recipe(draw, parameter)
    if name in _LATER or parameter.kind == "var_pos":
        return _operand(draw, parameter)
    if "array" in parameter.type:
        return draw.array()
    if "bool" in parameter.type:
        return draw.flag()
    raise NoRecipeError(f"no recipe for {draw.function.base}.{name}")
