"""Array: one backend array, its device and dtype, its place in the recorded graph."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

import numpygrad  # the one import upwards: an array's operators are its namespace's functions
from numpygrad import _modes
from numpygrad._backend import ArrayType, Device, default_device
from numpygrad._dtypes import DEFAULT_FLOAT, DEFAULT_INT, DType, as_dtype, bool_
from numpygrad._kernels import device_of
from numpygrad._node import Node, leaf, tick
from numpygrad._op import BY_NAME, Op
from numpygrad.errors import DTypeError, GraphError, ShapeError
from numpygrad.typing import Axis, DTypeLike, Key, RawArray, Scalar, Shape

if TYPE_CHECKING:
    from numpygrad._engine import HookHandle
    from numpygrad._storage import Alias
    from numpygrad.ops.at import at

Operand: TypeAlias = "Array | Scalar | np.ndarray[Any, Any] | np.generic"
UnaryMethod: TypeAlias = "Callable[[Array], Array]"
BinaryMethod: TypeAlias = "Callable[[Array, Operand], Array]"

_OPERANDS = (bool, int, float, complex, np.ndarray, np.generic)
_SCALARS_KEPT = 256


def _general(name: str, x1: Operand, x2: Operand) -> Array:
    """The namespace's function by that name, or NotImplemented for operands it does not know."""
    for x in (x1, x2):
        if type(x) is not Array and not isinstance(x, (Array, *_OPERANDS)):
            if name == "multiply" and isinstance(x, (str, bytes, list, tuple)):  # which `*` repeats
                raise TypeError(
                    f"{name}() takes Arrays, NumPy arrays and Python scalars, not "
                    f"{type(x).__name__}; convert it with npg.asarray()"
                )
            return NotImplemented
    result: Array = getattr(numpygrad, name)(x1, x2)
    return result


def scalar(type_: ArrayType, value: Scalar) -> Array:
    """A 0-d array of `value`, kept for next time: NumPy takes 300 ns less for it than a float."""
    # 0.0 and -0.0, alone or in a complex number, are one key of a dict, but not one number.
    key = value if value and type(value) is not complex else repr(value)
    found: Array | None = type_.scalars.get(key)
    if found is None:
        found = wrap(type_.xp.asarray(value, dtype=type_.raw_dtype, device=type_.device.raw), type_)
        raw = found._data if type_.eager is None else found._data.value
        if device_of(raw) is None:  # it is being traced, and is gone when that ends
            return found
        if len(type_.scalars) >= _SCALARS_KEPT:
            type_.scalars.clear()
        type_.scalars[key] = found
    return found


def _arithmetic(name: str) -> BinaryMethod:
    """The operator `name`, with the eager fast path: both operands real floating, of one type.

    Written out here, once for all arithmetic operators, because each call it would make costs 40 ns
    beside NumPy's 270 ns for four elements. `_dispatch.apply` is the slow general path beside it; a
    test holds their answers together.
    """
    op: Op | None = None
    saves: tuple[tuple[bool, bool, bool], ...] = ()

    def operator(self: Array, other: Operand, /) -> Array:
        nonlocal op, saves
        type_ = self._type
        fast = type_.fast
        if fast is None or _modes.unusual:
            return _general(name, self, other)
        found = None
        if type(other) is Array:
            if other._type is not type_:
                return _general(name, self, other)
        elif type(other) is float or type(other) is int:
            found = type_.scalars.get(other)
            other = scalar(type_, other) if found is None else found
        else:
            return _general(name, self, other)
        try:
            data = fast[name](self._data, other._data)
        except ValueError:  # shapes that do not broadcast: the general path says so
            return _general(name, self, other)
        out = new()
        out._data = data
        out._type = type_
        out._alias = None
        node1 = self._node
        node2 = other._node
        if node1 is node2 is None:
            out._node = None
            return out
        if op is None:
            row = BY_NAME[name]
            plans = [row.plan(t) for t in ((True, False), (False, True), (True, True))]
            # Plain tuples unpack faster than named ones; set before `op`, for other threads.
            saves = tuple((p.inputs[0], p.inputs[1], p.output) for p in plans)
            op = row
        node = Node()
        node.sequence = tick()
        node.op = op
        node.type = type_
        node.parent1 = node1
        node.parent2 = node2
        if node2 is None:
            save1, save2, save_output = saves[0]
            shape = node1.shape if other is found else data.shape  # type: ignore[union-attr]  # one is a node
            fits = shape == node1.shape  # type: ignore[union-attr]  # the same
        elif node1 is None:
            save1, save2, save_output = saves[1]
            shape = data.shape
            fits = shape == node2.shape
        else:
            save1, save2, save_output = saves[2]
            shape = node1.shape
            fits = shape == node2.shape
            if not fits:
                shape = data.shape
        node.shape = shape
        node.input1 = self if save1 else None
        node.input2 = other if save2 else None
        if save_output:
            node.output = data
            node.alias = None
        node.fits = fits
        out._node = node
        return out

    operator.__name__ = operator.__qualname__ = name
    operator.__doc__ = f"`numpygrad.{name}` of both operands."
    return operator


def _reflected(name: str, forward: BinaryMethod | None = None) -> BinaryMethod:
    """The operator with the operands the other way round."""

    def operator(self: Array, other: Operand, /) -> Array:
        type_ = self._type
        if forward is not None and type_.fast and (type(other) is float or type(other) is int):
            return forward(scalar(type_, other), self)
        return _general(name, other, self)

    operator.__name__ = operator.__qualname__ = f"reflected_{name}"
    operator.__doc__ = f"`numpygrad.{name}` with the operands the other way round."
    return operator


def _operator(name: str) -> BinaryMethod:
    """An operator without a fast path."""

    def operator(self: Array, other: Operand, /) -> Array:
        return _general(name, self, other)

    operator.__name__ = operator.__qualname__ = name
    operator.__doc__ = f"`numpygrad.{name}` of both operands."
    return operator


def _method(name: str) -> UnaryMethod:
    """A function of one array as a method."""

    def method(self: Array) -> Array:
        result: Array = vars(numpygrad)[name](self)
        return result

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`numpygrad.{name}` of this array."
    return method


def _in_place(name: str) -> BinaryMethod:
    """The in-place form of an operator: the same value, written into the array."""

    def operator(self: Array, other: Operand, /) -> Array:
        if not isinstance(other, (Array, *_OPERANDS)):
            return NotImplemented
        return numpygrad._views.update(self, name, other)

    operator.__name__ = operator.__qualname__ = f"in_place_{name}"
    operator.__doc__ = f"`numpygrad.{name}`, written into the array; its dtype and shape stay."
    return operator


class Array:
    """An array that differentiates, on any backend.

    `Array(data, ...)` takes what `numpygrad.array` takes, and is the same as it.

    Parameters
    ----------
    data
        Nested lists, a scalar, a NumPy array, an array of a backend, or an Array. Copied.
    requires_grad
        Whether gradients with respect to this array are wanted; floating dtypes only.
    dtype, device
        Of the result; those of `data` by default.
    label
        A name, shown where graphs are drawn.
    values, comp_grad
        Other names of `data` and `requires_grad`.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.Array([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> print(x.grad)
    [2. 4. 6.]
    """

    __slots__ = ("__weakref__", "_alias", "_data", "_label", "_node", "_type")

    _data: RawArray
    _type: ArrayType
    _node: Node | None
    _alias: Alias | None
    _label: str
    _outdated: ClassVar[type[Array]]

    def __init__(
        self,
        data: Any = None,
        /,
        *,
        requires_grad: bool = False,
        dtype: DTypeLike | None = None,
        device: str | None = None,
        label: str | None = None,
        values: Any = None,
        comp_grad: bool = False,
    ) -> None:
        if (data is None) == (values is None):
            raise TypeError("Array() takes the data once, as its first argument or as values=")
        made = numpygrad.array(
            values if data is None else data,
            requires_grad=requires_grad or comp_grad,
            dtype=dtype,
            device=device,
            label=label,
        )
        self._data, self._type, self._node, self._alias = made._data, made._type, made._node, None
        if label is not None:
            self._label = label

    # Properties

    @property
    def shape(self) -> Shape:
        """Length of each axis."""
        return self._data.shape  # type: ignore[no-any-return]  # a cast would take 40 ns

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._data.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self._data.shape)

    @property
    def dtype(self) -> DType:
        """The dtype, a `numpy.dtype` on every backend."""
        return self._type.dtype

    @property
    def device(self) -> Device:
        """The device, a string that knows its backend."""
        return self._type.device

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes from one element to the next along each axis; C-ordered if the backend has none."""
        strides = getattr(self._data, "strides", None)
        if strides is not None:
            return tuple(strides)
        shape = self.shape
        steps = (math.prod(shape[i + 1 :]) for i in range(len(shape)))
        return tuple(step * self.itemsize for step in steps)

    @property
    def T(self) -> Array:
        """All axes reversed; for two, the transpose."""
        return numpygrad.permute_dims(self, tuple(range(self.ndim))[::-1])

    @property
    def mT(self) -> Array:
        """The last two axes exchanged."""
        return numpygrad.matrix_transpose(self)

    @property
    def real(self) -> Array:
        """The real parts, copied: no view, as in NumPy."""
        return numpygrad.real(self)

    @property
    def imag(self) -> Array:
        """The imaginary parts, copied: no view, as in NumPy; zeros of a real array."""
        return numpygrad.imag(self)

    @property
    def data(self) -> RawArray:
        """The backend's own array. What is written into it, the engine does not see.

        Assigning replaces the values, shape and dtype staying, and counts as a write.
        """
        if self._type.eager is not None:
            numpygrad._dispatch.settle([self])
        elif (tracing := _modes.tracing()) is not None:
            tracing.require_values([self], "the values of an array")
        if _modes.unusual and self._node is not None and _modes.is_grad_enabled():
            for watcher in _modes.watching():
                watcher.read(self)
        if isinstance(self._data, np.generic):  # a 0-d result of NumPy, given memory once asked for
            self._data = np.asarray(self._data)
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        with numpygrad.no_grad():
            self[...] = numpygrad.asarray(value, device=self.device)

    @property
    def values(self) -> RawArray:
        """The backend's own array, as `data`; `None` of a deferred array until it is realized."""
        if self._type.eager is not None and self._data.value is None:
            return None
        return self.data

    @property
    def label(self) -> str | None:
        """A name, shown where graphs are drawn."""
        return getattr(self, "_label", None)

    @label.setter
    def label(self, label: str | None) -> None:
        if label is not None:
            self._label = label
        elif hasattr(self, "_label"):
            del self._label
        if self._node is not None and self._node.op is None:
            self._node.label = label or ""

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this array; settable on leaves."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, requires_grad: bool) -> None:
        if not requires_grad:
            if not self.is_leaf:
                raise GraphError(
                    "requires_grad of a computed array is given by its inputs; use x.detach()"
                )
            self._node = None
        elif self._node is None:
            if not self._type.is_floating:
                raise DTypeError(
                    f"only floating arrays can require grad, not {self.dtype}; convert with "
                    "x.astype(npg.float64)"
                )
            self._node = leaf(self._type, self.shape)
            self._node.label = self.label or ""
            if self._alias is not None:
                self._alias.storage.add_independent(self)

    comp_grad = requires_grad

    @property
    def is_leaf(self) -> bool:
        """Whether the array was not computed from tracked ones."""
        return self._node is None or self._node.op is None

    @property
    def grad_fn(self) -> Node | None:
        """The node of the op that computed the array; `None` for leaves."""
        return None if self.is_leaf else self._node

    @property
    def grad(self) -> Array | None:
        """The gradient, accumulated by `backward()`; `None` before."""
        node = self._node
        if node is None or (node.op is not None and not node.op.hooked):
            return None
        if _modes.capturing:
            _modes.saw(node)
        return getattr(node, "grad", None)

    @grad.setter
    def grad(self, grad: Array | None) -> None:
        if grad is None and self._node is None:
            return
        if self._node is None or self._node.op is not None:
            raise GraphError(
                "only leaves that require grad have a gradient; x.requires_grad is False"
            )
        if grad is not None and not isinstance(grad, Array):
            raise TypeError(
                f"x.grad is an Array or None, not {type(grad).__name__}; use npg.asarray"
            )
        if grad is not None and (
            grad.shape != self.shape or grad.dtype != self.dtype or grad.device is not self.device
        ):
            raise numpygrad.errors.ShapeError(
                f"a gradient has its array's shape, dtype and device: {self.shape} {self._type}, "
                f"not {grad.shape} {grad._type}"
            )
        if _modes.capturing:
            _modes.saw(self._node)
        self._node.grad = grad

    # Operators

    __add__ = _arithmetic("add")
    __sub__ = _arithmetic("subtract")
    __mul__ = _arithmetic("multiply")
    __truediv__ = _arithmetic("divide")
    __radd__ = _reflected("add", __add__)
    __rsub__ = _reflected("subtract", __sub__)
    __rmul__ = _reflected("multiply", __mul__)
    __rtruediv__ = _reflected("divide", __truediv__)
    __floordiv__ = _operator("floor_divide")
    __rfloordiv__ = _reflected("floor_divide")
    __mod__ = _operator("remainder")
    __rmod__ = _reflected("remainder")
    __rpow__ = _reflected("pow")
    __rmatmul__ = _reflected("matmul")
    __and__ = _operator("bitwise_and")
    __rand__ = _reflected("bitwise_and")
    __or__ = _operator("bitwise_or")
    __ror__ = _reflected("bitwise_or")
    __xor__ = _operator("bitwise_xor")
    __rxor__ = _reflected("bitwise_xor")
    __lshift__ = _operator("bitwise_left_shift")
    __rlshift__ = _reflected("bitwise_left_shift")
    __rshift__ = _operator("bitwise_right_shift")
    __rrshift__ = _reflected("bitwise_right_shift")
    __lt__ = _operator("less")
    __le__ = _operator("less_equal")
    __gt__ = _operator("greater")
    __ge__ = _operator("greater_equal")
    __iadd__ = _in_place("add")
    __isub__ = _in_place("subtract")
    __imul__ = _in_place("multiply")
    __itruediv__ = _in_place("divide")
    __ifloordiv__ = _in_place("floor_divide")
    __imod__ = _in_place("remainder")
    __ipow__ = _in_place("pow")
    __imatmul__ = _in_place("matmul")
    __iand__ = _in_place("bitwise_and")
    __ior__ = _in_place("bitwise_or")
    __ixor__ = _in_place("bitwise_xor")
    __ilshift__ = _in_place("bitwise_left_shift")
    __irshift__ = _in_place("bitwise_right_shift")

    def __pow__(self, other: Operand, /) -> Array:
        """`numpygrad.pow` of both operands; a square for an exponent of 2."""
        if type(other) is int and other == 2 and self._type.is_floating:
            return numpygrad.square(self)
        return _general("pow", self, other)

    def __matmul__(self, other: Operand, /) -> Array:
        """`numpygrad.matmul` of both operands."""
        return (
            numpygrad.matmul(self, other)
            if type(other) is Array
            else _general("matmul", self, other)
        )

    def __eq__(self, other: Operand, /) -> Array:  # type: ignore[override]  # elementwise
        return _general("equal", self, other)

    def __ne__(self, other: Operand, /) -> Array:  # type: ignore[override]  # elementwise
        return _general("not_equal", self, other)

    __hash__ = object.__hash__

    def __neg__(self, /) -> Array:
        return numpygrad.negative(self)

    def __pos__(self, /) -> Array:
        return numpygrad.positive(self)

    def __abs__(self, /) -> Array:
        return numpygrad.abs(self)

    def __invert__(self, /) -> Array:
        return numpygrad.bitwise_invert(self)

    def __getitem__(self, key: Key, /) -> Array:
        return numpygrad.ops.indexing.getitem(self, key)

    def __setitem__(self, key: Key, value: Operand, /) -> None:
        numpygrad._views.write(self, key, value)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d Array")
        return self.shape[0]

    def __iter__(self) -> Iterator[Array]:
        if not self.shape:
            raise TypeError("iteration over a 0-d Array")
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Operand) -> bool:
        return bool(numpygrad.any(self == value))

    # Conversion

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as a NumPy array, without history; the same memory where the host has it."""
        return self._type.backend.to_numpy(self.data)

    def item(self) -> Scalar:
        """The only element, as a Python scalar; `ValueError` if there is not exactly one."""
        if self.size != 1:
            raise ValueError(f"item() needs an array of one element, got shape {self.shape}")
        value: Scalar = self.numpy().item()
        return value

    def tolist(self) -> Any:
        """The values as nested lists of Python scalars."""
        return self.numpy().tolist()

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> np.ndarray[Any, Any]:
        self._refuse_silent_loss("conversion to NumPy")
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any
    ) -> Any:
        """NumPy's function of the values, which it cannot write to; refused of tracked arrays."""
        return numpygrad._numpy_protocols.of_function(function, args, kwargs)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """The ufunc as the op that it is, so that `np.sin(x)` and `ndarray * x` are recorded."""
        return numpygrad._numpy_protocols.of_ufunc(ufunc, method, inputs, options)

    def __dlpack__(
        self,
        /,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[Any, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        self._refuse_silent_loss("export through DLPack")
        return self._type.backend.to_dlpack(
            self.data, stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
        )

    def __dlpack_device__(self, /) -> tuple[Any, int]:
        device: tuple[Any, int] = self.data.__dlpack_device__()
        return device

    def _refuse_silent_loss(self, what: str) -> None:
        """Raise where others, who do not know of gradients, ask for values to compute with."""
        if self._node is not None and numpygrad.is_grad_enabled():
            values = "x.item() for the number" if "()" in what else "x.numpy() for the values"
            raise GraphError(
                f"{what} of an array that requires grad would lose its gradient silently. "
                f"Use x.detach(), or {values} alone."
            )

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12", "2025.12"):
            raise ValueError(f"numpygrad implements the standard 2025.12, not {api_version!r}")
        return numpygrad

    def __bool__(self, /) -> bool:
        if self.size != 1:
            raise ValueError(
                f"the truth value of an array of shape {self.shape} is ambiguous; "
                "use .any() or .all()"
            )
        if self._node is None:
            return bool(self.item())
        with _modes.no_grad():  # a branch, not a value that is computed with
            return bool(self.item())

    def __int__(self, /) -> int:
        return int(self.item())  # type: ignore[arg-type]  # refuses complex numbers itself

    def __float__(self, /) -> float:
        number = float(self.item())  # type: ignore[arg-type]  # refuses complex numbers itself
        self._refuse_silent_loss("float()")
        return number

    def __complex__(self, /) -> complex:
        number = complex(self.item())
        self._refuse_silent_loss("complex()")
        return number

    def __round__(self, digits: int = 0, /) -> Array:
        return self.round(digits)

    def __index__(self, /) -> int:
        if self.dtype.kind not in "iu" or self.shape:
            raise TypeError(f"only a 0-d integer array is an index, not {self.dtype} {self.shape}")
        return int(self.item())  # type: ignore[arg-type]  # of an integer dtype

    @_modes.no_grad()
    def __str__(self) -> str:
        return str(self.numpy())

    @_modes.no_grad()
    def __repr__(self) -> str:
        body = np.array2string(self.numpy(), separator=", ", prefix="Array(")
        if 0 in self.shape:
            body = f"{body}, shape={self.shape}"
        if self.dtype not in (DEFAULT_FLOAT, DEFAULT_INT, bool_):
            body += f", dtype={self.dtype}"
        if self.device is not default_device():
            body += f", device='{self.device}'"
        if self.requires_grad:
            body += ", requires_grad=True"
        return f"Array({body})"

    @_modes.no_grad()
    def __format__(self, specification: str) -> str:
        if specification and self.size != 1:
            raise ShapeError(
                f"the format {specification!r} is for one element, this array has the shape "
                f"{self.shape}; format its elements one by one, or print x.round(decimals)"
            )
        return format(self.item(), specification) if specification else str(self)

    def __reduce__(self) -> tuple[Callable[..., Array], tuple[Any, ...]]:
        if not self.is_leaf:
            self._refuse_silent_loss("pickling")
        return _rebuild, (
            self.numpy(),
            self.device,
            self.is_leaf and self.requires_grad,
            self.label,
        )

    def __copy__(self) -> Array:
        if not self.is_leaf:
            return numpygrad.copy(self)
        return _rebuild(self.data, self.device, self.is_leaf and self.requires_grad, self.label)

    def __deepcopy__(self, memo: dict[int, Any]) -> Array:
        if not self.is_leaf:
            raise GraphError("deepcopy of a computed array would lose its history; use x.detach()")
        return self.__copy__()

    def astype(self, dtype: DTypeLike, /, *, copy: bool = True, device: str | None = None) -> Array:
        """`numpygrad.astype`: float to float keeps the gradient, to integer drops it."""
        return numpygrad.astype(self, dtype, copy=copy, device=device)

    def convert_to(self, dtype: DTypeLike) -> Array:
        """A new array of another dtype, as `astype`."""
        return numpygrad.astype(self, dtype)

    def to_device(self, device: str, /, *, stream: Any = None) -> Array:
        """A copy on `device`, a new leaf: the gradient does not cross, as it does with `to`."""
        if stream is not None:
            raise ValueError("to_device() copies on the backend's current stream; pass stream=None")
        return numpygrad.ops.creation.transfer(self.detach(), device, copy=True)

    def to(self, device: str | None = None, dtype: DTypeLike | None = None) -> Array:
        """The array on another device or in another dtype; gradients flow back."""
        return numpygrad.asarray(self, dtype=dtype, device=device)

    # Gradients

    def backward(
        self,
        grad: Array | np.ndarray[Any, Any] | RawArray | None = None,
        *,
        retain_graph: bool = False,
        create_graph: bool = False,
    ) -> None:
        """Add the gradient of this array to `grad` of every leaf it was computed from.

        Parameters
        ----------
        grad
            The cotangent to start from, of this array's shape; 1 by default for one element.
        retain_graph
            Keep what was saved, so that backward can be called again; so does `create_graph`.
        create_graph
            Record the backward pass too, so that gradients can be differentiated.

        Raises
        ------
        GraphError
            If nothing here requires grad, or the graph was released by an earlier call.
        ShapeError
            If `grad` is missing for more than one element, or has another shape.
        VersionError
            If a saved value was overwritten.
        """
        numpygrad._engine.backward(
            self, grad, retain_graph=retain_graph or create_graph, create_graph=create_graph
        )

    def zero_grad(self) -> None:
        """Set the gradients of all leaves of the graph behind this array to zeros."""
        numpygrad._engine.zero_grad(self)

    def detach(self) -> Array:
        """The same values and memory, without history."""
        return numpygrad._views.detach(self)

    def requires_grad_(self, requires_grad: bool = True) -> Array:
        """Set `requires_grad`; returns the array."""
        self.requires_grad = requires_grad
        return self

    def retain_grad(self) -> None:
        """Have backward keep the gradient in `grad`, which it does for leaves alone."""
        numpygrad._engine.retain_grad(self)

    def register_hook(self, hook: Callable[[Array], Array | None]) -> HookHandle:
        """Have `hook` called in each backward pass with the gradient of this array.

        The gradient is complete: all that depends on the array has contributed. If the hook returns
        an Array, of the same shape and dtype, it takes the gradient's place. The handle's
        `remove()` takes the hook away.

        Examples
        --------
        >>> import numpygrad as npg
        >>> x = npg.array([3.0, -4.0], requires_grad=True)
        >>> handle = x.register_hook(lambda g: npg.clip(g, -1, 1))
        >>> (x * x).sum().backward()
        >>> print(x.grad)
        [ 1. -1.]
        """
        return numpygrad._engine.register_hook(self, hook)

    def realize(self) -> Array:
        """The array, its values computed; those of eager arrays always are."""
        numpygrad._dispatch.settle([self])
        return self

    @classmethod
    def deferred(
        cls,
        function: Callable[[], Any],
        *,
        shape: int | tuple[int, ...],
        dtype: DTypeLike | None = None,
        device: str | None = None,
    ) -> Array:
        """An array that is not there yet: `function` runs once, when its values are wanted.

        Parameters
        ----------
        function
            Takes nothing; gives an Array, a NumPy array or nested lists.
        shape, dtype, device
            Of what it will give; float64 and the default device by default.

        Raises
        ------
        ShapeError
            When it runs, if the result has another shape or dtype than promised.

        Examples
        --------
        >>> import numpygrad as npg
        >>> x = npg.Array.deferred(lambda: [1.0, 2.0], shape=2)
        >>> x.values is None, x.shape
        (True, (2,))
        >>> x.realize()
        Array([1., 2.])
        """
        made: Array = numpygrad.ops.creation.deferred(
            function, shape=shape, dtype=dtype, device=device
        )
        return made

    def _rule_namespace(self) -> Any:
        """What rules see as `xp` when the backward pass is recorded."""
        return numpygrad.ops.RULE_NAMESPACE

    def _output_of(self, node: Node, data: RawArray) -> Array:
        """The output that `node` saved, as an array again."""
        out = wrap(data, node.type)
        out._node = node
        return out

    def _parts_of(self, node: Node, outputs: Sequence[RawArray]) -> list[Array]:
        """The outputs that the node of an op with several saved, as arrays again."""
        return numpygrad._dispatch.parts_of(node, outputs)

    # Reductions

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Array:
        """The sum over `axis`; all axes by default."""
        return numpygrad.sum(self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Array:
        """The product over `axis`."""
        return numpygrad.prod(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Array:
        """The mean over `axis`."""
        return numpygrad.mean(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Array:
        """The maximum over `axis`."""
        return numpygrad.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Array:
        """The minimum over `axis`."""
        return numpygrad.min(self, axis=axis, keepdims=keepdims)

    def all(self, axis: Axis = None, keepdims: bool = False) -> Array:
        """Whether all elements over `axis` are true."""
        return numpygrad.all(self, axis=axis, keepdims=keepdims)

    def any(self, axis: Axis = None, keepdims: bool = False) -> Array:
        """Whether any element over `axis` is true."""
        return numpygrad.any(self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Array:
        """Index of the first maximum over `axis`, of the flattened array by default."""
        return numpygrad.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Array:
        """Index of the first minimum over `axis`, of the flattened array by default."""
        return numpygrad.argmin(self, axis=axis, keepdims=keepdims)

    def var(
        self,
        axis: Axis = None,
        keepdims: bool = False,
        *,
        correction: float = 0.0,
        ddof: float | None = None,
    ) -> Array:
        """The variance over `axis`; `ddof` is NumPy's name for `correction`."""
        correction = correction if ddof is None else ddof
        return numpygrad.var(self, axis=axis, correction=correction, keepdims=keepdims)

    def std(
        self,
        axis: Axis = None,
        keepdims: bool = False,
        *,
        correction: float = 0.0,
        ddof: float | None = None,
    ) -> Array:
        """The standard deviation over `axis`; `ddof` is NumPy's name for `correction`."""
        correction = correction if ddof is None else ddof
        return numpygrad.std(self, axis=axis, correction=correction, keepdims=keepdims)

    def cumsum(self, axis: int | None = None, *, keepdims: bool = False) -> Array:
        """`numpygrad.cumsum`: along `axis`, of the flattened array by default."""
        return numpygrad.cumsum(self, axis=axis, keepdims=keepdims)

    def cumprod(self, axis: int | None = None, *, keepdims: bool = False) -> Array:
        """`numpygrad.cumprod`: along `axis`, of the flattened array by default."""
        return numpygrad.cumprod(self, axis=axis, keepdims=keepdims)

    # Shapes

    def reshape(self, *shape: int | tuple[int, ...]) -> Array:
        """The elements in another shape, given as a tuple or as separate ints; -1 is worked out."""
        return numpygrad.reshape(self, one_tuple(shape))

    def view(self, *shape: int | tuple[int, ...] | DTypeLike) -> Array:
        """As `reshape`; given its own dtype, as NumPy code may ask for one, the array as it is."""
        if len(shape) != 1 or isinstance(shape[0], (int, np.integer, tuple, list)):
            return numpygrad.reshape(self, one_tuple(shape))  # type: ignore[arg-type]  # no dtype
        if as_dtype(shape[0]) != self.dtype:
            raise DTypeError(
                f"view() does not take {self.dtype} elements for {as_dtype(shape[0])}; convert "
                "them with x.astype(...)"
            )
        return numpygrad.reshape(self, self.shape)

    def flatten(self) -> Array:
        """A copy in one dimension."""
        return numpygrad.reshape(self, (-1,), copy=True)

    def transpose(self, *axes: int | tuple[int, ...]) -> Array:
        """The axes in the given order; reversed by default."""
        return numpygrad.permute_dims(self, one_tuple(axes)) if axes else self.T

    def squeeze(self, axis: Axis = None) -> Array:
        """Without axes of length 1: all of them by default."""
        ones = tuple(i for i, length in enumerate(self.shape) if length == 1)
        return numpygrad.squeeze(self, ones if axis is None else axis)

    def repeat(self, repeats: int | Array, axis: int | None = None) -> Array:
        """Each element repeated; of the flattened array by default."""
        return numpygrad.repeat(self, repeats, axis=axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
        """The diagonal over two axes, as NumPy's method: it becomes the last axis."""
        return numpygrad.ops.indexing.diagonal(self, offset, axis1, axis2)

    def trace(self, offset: int = 0) -> Array:
        """The sum of the diagonal over the first two axes, as NumPy's method."""
        return numpygrad.sum(self.diagonal(offset), axis=-1)

    def nonzero(self) -> tuple[Array, ...]:
        """Indices of the elements that are not zero, an array for each axis."""
        return numpygrad.nonzero(self)

    def ravel(self) -> Array:
        """The elements in one dimension; a view where `reshape` gives one."""
        return numpygrad.ravel(self)

    def swapaxes(self, axis1: int, axis2: int) -> Array:
        """Two axes exchanged; a view."""
        return numpygrad.swapaxes(self, axis1, axis2)

    def take(self, indices: Array, axis: int | None = None) -> Array:
        """The elements at these indices along `axis`; of the flattened array by default."""
        x = numpygrad.ravel(self) if axis is None else self
        return numpygrad.take(x, numpygrad.asarray(indices, device=self.device), axis=axis or 0)

    def argsort(self, axis: int = -1, *, descending: bool = False, stable: bool = True) -> Array:
        """The indices that sort along `axis`; equal elements stay in their order."""
        return numpygrad.argsort(self, axis=axis, descending=descending, stable=stable)

    def dot(self, b: Array) -> Array:
        """`numpygrad.dot` of both arrays."""
        return numpygrad.dot(self, b)

    @property
    def at(self) -> at:
        """`numpygrad.at` of this array: `x.at[key].add(v)` is a new array, `x` stays as it is."""
        return numpygrad.at(self)

    # In place

    def copy(self) -> Array:
        """A copy in new memory; gradients flow back."""
        return numpygrad.copy(self)

    def fill(self, value: Operand) -> None:
        """Write `value` everywhere."""
        self[...] = value

    def sort(self, axis: int = -1) -> Array:
        """Sort in place along `axis`; returns the array. `numpygrad.sort` gives a new one."""
        before = self if self._node is None else numpygrad._views.private(self)
        self[...] = numpygrad.sort(before, axis=axis)
        return self

    # Elementwise

    def clip(self, min: Operand | None = None, max: Operand | None = None) -> Array:
        """`numpygrad.clip` of this array."""
        return numpygrad.clip(self, min, max)

    def round(self, decimals: int = 0) -> Array:
        """Rounded to `decimals` digits, halves to even."""
        if decimals == 0:
            return numpygrad.round(self)
        return numpygrad.round(self * 10.0**decimals) / 10.0**decimals

    abs = _method("abs")
    acos = _method("acos")
    acosh = _method("acosh")
    asin = _method("asin")
    asinh = _method("asinh")
    atan = _method("atan")
    atanh = _method("atanh")
    ceil = _method("ceil")
    conj = _method("conj")
    cos = _method("cos")
    cosh = _method("cosh")
    exp = _method("exp")
    expm1 = _method("expm1")
    floor = _method("floor")
    isfinite = _method("isfinite")
    isinf = _method("isinf")
    isnan = _method("isnan")
    log = _method("log")
    log10 = _method("log10")
    log1p = _method("log1p")
    log2 = _method("log2")
    reciprocal = _method("reciprocal")
    sign = _method("sign")
    sin = _method("sin")
    sinh = _method("sinh")
    sqrt = _method("sqrt")
    square = _method("square")
    tan = _method("tan")
    tanh = _method("tanh")
    trunc = _method("trunc")


new: Callable[[], Array] = functools.partial(object.__new__, Array)
"""An Array without any state: 40 ns less than a call with `__init__`."""


def wrap(data: RawArray, type_: ArrayType) -> Array:
    """An untracked array of a raw one whose type is known."""
    out = new()
    out._data = data
    out._type = type_
    out._node = None
    out._alias = None
    return out


class Outdated(Array):
    """A view that a write has taken data or node from: an Array again once they are asked for.

    A class of its own, as `__getattr__` makes every attribute of its class 30 ns slower to read.
    """

    __slots__ = ()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in ("_data", "_node"):
                numpygrad._views.refresh(self)
                return object.__getattribute__(self, name)
            raise AttributeError(f"'Array' object has no attribute {name!r}")


Array._outdated = Outdated


def one_tuple(values: tuple[int | tuple[int, ...], ...]) -> tuple[int, ...]:
    """`f(2, 3)` and `f((2, 3))` alike."""
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        return tuple(values[0])
    return values  # type: ignore[return-value]  # of ints


def _rebuild(data: Any, device: Device, requires_grad: bool, label: str | None) -> Array:
    """A leaf from what was pickled or copied."""
    return numpygrad.array(data, device=device, requires_grad=requires_grad, label=label)
