"""Functions that look at values, inside of `vmap`: called for one example after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from numpygrad import _modes
from numpygrad._array import Array
from numpygrad._custom.joint import Whole, called
from numpygrad._dtypes import DType
from numpygrad._lazy.program import Aval
from numpygrad.errors import CaptureError
from numpygrad.ops.creation import zeros
from numpygrad.ops.manipulation import stack
from numpygrad.typing import Shape


@dataclass(frozen=True, eq=False)
class OneByOne:
    """A call of a function of Arrays that gives one, as `vmap` puts it into its program."""

    function: Callable[..., Array]
    """Differentiable: an outer derivative flows through the program's run."""
    arrays: Sequence[Array]
    shape: Shape
    dtype: DType
    """Of what it gives for one example."""

    def whole(self) -> tuple[Whole, Sequence[Array]]:
        """What `attached` asks for."""
        whole = Whole(
            lambda *arrays: (self.function(*arrays),),
            lambda axes: lambda *arrays: (self._mapped(axes, arrays),),
            (Aval(self.shape, self.dtype),),
        )
        return whole, self.arrays

    def captured(self) -> Array:
        """The result in the program that is being captured."""
        (y,) = called(*self.whole())
        return y

    def _mapped(self, axes: tuple[int | None, ...], arrays: Sequence[Array]) -> Array:
        """The results for all examples, along the first axis."""
        count = next(x.shape[0] for x, axis in zip(arrays, axes, strict=True) if axis is not None)
        rows = [
            self.function(
                *[x if axis is None else x[i, ...] for x, axis in zip(arrays, axes, strict=True)]
            )
            for i in range(count)
        ]
        if not rows:
            return zeros((0, *self.shape), dtype=self.dtype, device=arrays[0].device)
        return stack(rows)


def refuse_examples(name: str, evaluate: Callable[[], Array]) -> None:
    """Raise if what a function gives for other arguments depends on what `vmap` maps."""
    trace: Any = _modes.mapping()
    todo = [evaluate()._data]
    while todo:
        x = todo.pop()
        if trace.inputs.get(id(x), True) is None:
            raise CaptureError(
                f"{name}(): the function closes over an array that vmap() maps, and is called when "
                "there are examples. Pass it as an argument"
            )
        todo += getattr(x, "arrays", ())
