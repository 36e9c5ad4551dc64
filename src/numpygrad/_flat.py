"""Structures of arrays as one real vector: what solvers work on."""

from __future__ import annotations

import itertools
import math
from typing import Any

from numpygrad._array import Array
from numpygrad._dispatch import convert
from numpygrad._dtypes import DType, promote
from numpygrad._transforms import array_of
from numpygrad._tree import Tree, leaves_of, rebuilt, structure_of
from numpygrad.errors import DTypeError, ShapeError
from numpygrad.ops.data_types import finfo
from numpygrad.ops.elementwise import imag, real
from numpygrad.ops.manipulation import concat, reshape


def _array_in(what: str, x: Any) -> Array:
    found = array_of(x)
    if found is None:
        raise TypeError(f"{what} holds Arrays and numbers, not {type(x).__name__}")
    return found


class Layout:
    """How the arrays of a structure lie one after another in a vector of their common real dtype.

    Of a complex array the real parts come first, then the imaginary ones: what is smooth in these
    need not be holomorphic, and the gradient of a real function is the conjugate Wirtinger one.

    Parameters
    ----------
    tree
        The structure, of floating arrays of one device.
    what
        Its name in messages.

    Raises
    ------
    DTypeError
        If an array is of integers or booleans.
    ShapeError
        If there is no array.
    """

    def __init__(self, tree: Tree, what: str) -> None:
        arrays = [_array_in(what, x) for x in leaves_of(tree)]
        if not arrays:
            raise ShapeError(f"{what} holds no array")
        for x in arrays:
            if x.dtype.kind not in "fc":
                raise DTypeError(
                    f"{what} holds floating arrays, not {x.dtype}; convert with "
                    "x.astype(npg.float64)"
                )
        self.what = what
        self.device = arrays[0].device
        self.dtypes = [x.dtype for x in arrays]
        self.dtype: DType = _real_of(self.dtypes[0])
        for dtype in self.dtypes[1:]:
            self.dtype = promote(self.dtype, _real_of(dtype))
        self.shapes = [x.shape for x in arrays]
        self.is_complex = any(dtype.kind == "c" for dtype in self.dtypes)
        self._example = rebuilt(tree, range(len(arrays)))
        self._structure = structure_of(self._example)
        self.is_array = self._structure is True
        """Whether the structure is an array and nothing else."""
        sizes = [x.size * (1 + (x.dtype.kind == "c")) for x in arrays]
        self._starts = [0, *itertools.accumulate(sizes)]
        self.size = self._starts[-1]
        self.is_vector = self.is_array and not self.is_complex and len(self.shapes[0]) == 1

    def parts(self, tree: Tree, what: str) -> list[Any]:
        """The leaves of a structure that is nested like the one this was made of.

        Raises
        ------
        ShapeError
            If it is nested otherwise; the message names it `what`.
        """
        leaves = leaves_of(tree)
        if structure_of(tree) != self._structure:
            raise ShapeError(
                f"{what} has the structure {self._example!r} of {self.what}, a number for each "
                f"array, not {rebuilt(tree, range(len(leaves)))!r}"
            )
        return leaves

    def vector(self, tree: Tree, what: str = "") -> Array:
        """The arrays of such a structure in one vector.

        Raises
        ------
        ShapeError
            If nesting or shapes are others; the message names the structure `what`.
        DTypeError
            If an array is complex where the structure has a real one.
        """
        what = what or self.what
        flat: list[Array] = []
        for number, leaf in enumerate(self.parts(tree, what)):
            x = _array_in(what, leaf)
            if x.shape != self.shapes[number]:
                raise ShapeError(
                    f"array {number} of {what} has shape {self.shapes[number]}, not {x.shape}"
                )
            if self.dtypes[number].kind == "c":
                flat += [real(x), imag(x)] if x.dtype.kind == "c" else [x, 0 * x]
            elif x.dtype.kind == "c":
                raise DTypeError(f"array {number} of {what} is real, not {x.dtype}")
            else:
                flat.append(x)
        flat = [x if x.dtype == self.dtype else convert(x, self.dtype) for x in flat]
        flat = [x if x.ndim == 1 else reshape(x, (-1,)) for x in flat]
        return flat[0] if len(flat) == 1 else concat(flat)

    def tree(self, vector: Array) -> Tree:
        """The structure whose arrays lie in the last axis of `vector`; other axes come first."""
        if self.is_vector:
            return vector
        leaves = []
        for start, shape, dtype in zip(self._starts, self.shapes, self.dtypes, strict=False):
            size = math.prod(shape)
            x = self._part(vector, start, shape)
            if dtype.kind == "c":
                x = x + 1j * self._part(vector, start + size, shape)
            leaves.append(x if x.dtype == dtype else convert(x, dtype))
        return rebuilt(self._example, leaves)

    def _part(self, vector: Array, start: int, shape: tuple[int, ...]) -> Array:
        size = math.prod(shape)
        part = vector if size == self.size else vector[..., start : start + size]
        return reshape(part, (*vector.shape[:-1], *shape))


def _real_of(dtype: DType) -> DType:
    found: DType = finfo(dtype).dtype if dtype.kind == "c" else dtype
    return found
