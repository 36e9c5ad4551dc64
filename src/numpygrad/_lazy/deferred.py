"""Deferred: what stands for a raw array that has not been computed, and the namespace of them.

Lazy execution is a backend over a backend. An `ArrayType` has a twin, of the same device and dtype,
whose namespace records each call instead of making it, and gives a `Deferred`. Rules, kernels,
views and writes work over it as they do over any immutable backend, so that the backward pass is
recorded by the same code that runs it elsewhere.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Container
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from numpygrad import _modes
from numpygrad._backend import ArrayType, Backend, Device, Namespace
from numpygrad._dtypes import DEFAULT_FLOAT
from numpygrad._kernels import DEFAULTS, is_basic
from numpygrad._lazy.program import Aval, Value
from numpygrad._lazy.shapes import BINARY, UNARY, infer
from numpygrad.typing import RawArray, Shape

next_order = itertools.count().__next__
"""The next number of a deferred array: what it is computed from has lower ones."""


class Kernel(NamedTuple):
    """One of the backend's kernels."""

    name: str
    call: Callable[..., Any]


def _binary(name: str) -> Callable[[Deferred, Any], Any]:
    def operator(self: Deferred, other: Any) -> Any:
        return getattr(self.type.xp, name)(self, other)

    return operator


def _reflected(name: str) -> Callable[[Deferred, Any], Any]:
    def operator(self: Deferred, other: Any) -> Any:
        return getattr(self.type.xp, name)(other, self)

    return operator


def _unary(name: str) -> Callable[[Deferred], Any]:
    def operator(self: Deferred) -> Any:
        return getattr(self.type.xp, name)(self)

    return operator


class Deferred:
    """A raw array to come: the kernel call that gives it, its shape and dtype; then its value.

    Arrays in the call are listed apart, so that what is left, the `form`, is the same for calls
    that differ in their arrays alone, and can be hashed.
    """

    __slots__ = (
        "__weakref__",
        "arrays",
        "form",
        "kernel",
        "order",
        "ran",
        "shape",
        "taken",
        "type",
        "value",
    )

    __array_ufunc__ = None
    """NumPy arrays leave operators to the Deferred beside them."""

    kernel: Kernel | None
    """What gives the value; `None` of a constant."""
    form: Any
    """The arguments with `HOLE`s in place of arrays, hashable; `None` if there are no others."""
    arrays: tuple[Any, ...]
    """The arrays among the arguments, deferred or raw."""
    order: int
    shape: Shape
    """`None` of a kernel's several results together, which nobody but their parts holds."""
    type: ArrayType
    ran: bool
    """Whether it was computed before, on the way to something else, and forgotten."""
    value: Any
    """The raw array, `None` before it is computed."""
    taken: bool
    """Whether the memory of the value belongs to an Array already."""

    @property
    def dtype(self) -> Any:
        """The library's dtype."""
        return self.type.raw_dtype

    @property
    def device(self) -> Any:
        """The library's device."""
        return self.type.device.raw

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def T(self) -> Any:  # noqa: N802 (the standard's name)
        """The axes reversed."""
        return self.type.xp.permute_dims(self, tuple(range(self.ndim))[::-1])

    @property
    def mT(self) -> Any:  # noqa: N802 (the standard's name)
        """The last two axes exchanged."""
        return self.type.xp.matrix_transpose(self)

    def _rule_namespace(self) -> Any:
        return self.type.xp

    def __bool__(self) -> bool:
        if _modes.tracing() is not None:
            # A TypeError, as kernels expect of arrays that are being traced.
            raise TypeError("an array has no values while compile() captures a function")
        from numpygrad._lazy.realize import values_of

        return bool(values_of([self])[0])

    def __getitem__(self, key: Any) -> Any:
        xp = self.type.xp
        return xp.select(self, key=key) if is_basic(key) else xp.gather(self, key=key)

    def __repr__(self) -> str:
        name = "constant" if self.kernel is None else self.kernel.name
        return f"<deferred {name} {self.type.dtype}{list(self.shape)}>"

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Any:
        return self.type.xp.equal(self, other)

    def __ne__(self, other: object) -> Any:
        return self.type.xp.not_equal(self, other)

    __lt__ = _binary("less")
    __le__ = _binary("less_equal")
    __gt__ = _binary("greater")
    __ge__ = _binary("greater_equal")
    __neg__ = _unary("negative")
    __pos__ = _unary("positive")
    __abs__ = _unary("abs")
    __invert__ = _unary("bitwise_invert")
    __add__ = _binary("add")
    __sub__ = _binary("subtract")
    __mul__ = _binary("multiply")
    __truediv__ = _binary("divide")
    __floordiv__ = _binary("floor_divide")
    __mod__ = _binary("remainder")
    __pow__ = _binary("pow")
    __matmul__ = _binary("matmul")
    __and__ = _binary("bitwise_and")
    __or__ = _binary("bitwise_or")
    __xor__ = _binary("bitwise_xor")
    __lshift__ = _binary("bitwise_left_shift")
    __rshift__ = _binary("bitwise_right_shift")
    __radd__ = _reflected("add")
    __rsub__ = _reflected("subtract")
    __rmul__ = _reflected("multiply")
    __rtruediv__ = _reflected("divide")
    __rfloordiv__ = _reflected("floor_divide")
    __rmod__ = _reflected("remainder")
    __rpow__ = _reflected("pow")
    __rmatmul__ = _reflected("matmul")
    __rand__ = _reflected("bitwise_and")
    __ror__ = _reflected("bitwise_or")
    __rxor__ = _reflected("bitwise_xor")


_new: Callable[[], Deferred] = functools.partial(object.__new__, Deferred)


def _deferred(
    kernel: Kernel, form: Any, arrays: tuple[Any, ...], shape: Any, type_: ArrayType
) -> Deferred:
    out = _new()
    out.kernel = kernel
    out.form = form
    out.arrays = arrays
    out.order = next_order()
    out.shape = shape
    out.type = type_
    out.value = None
    out.taken = out.ran = False
    return out


def call_of(name: str, call: Callable[[], RawArray], shape: Shape, type_: ArrayType) -> Deferred:
    """What a function without arguments will give, an array of the eager type `type_`."""
    return _deferred(Kernel(name, call), None, (), shape, deferred_type(type_))


def constant(value: RawArray, type_: ArrayType) -> Deferred:
    """What stands for a raw array that is there already, of the deferred type `type_`."""
    out = _new()
    out.kernel = out.form = None
    out.arrays = ()
    out.order = next_order()
    out.shape = value.shape
    out.type = type_
    out.value = value
    out.taken = True
    return out


class Hole:
    """Stands in the form of a call for an array."""

    def __repr__(self) -> str:
        return "_"


HOLE = Hole()


def _frozen(item: Any, arrays: list[Any]) -> Any:
    """An argument, hashable; equal to another only where the other means the same."""
    kind = type(item)
    if kind is Deferred:
        arrays.append(item)
        return HOLE
    if kind is int or item is None or item is ...:
        return item
    if kind is tuple or kind is list:
        return (kind, *[_frozen(part, arrays) for part in item])
    if kind is slice:
        return (slice, item.start, item.stop, item.step)
    if kind is float or kind is complex or kind is bool:
        return (kind, repr(item))  # which tells 1.0 from True, and 0.0 from -0.0
    if hasattr(item, "shape") and hasattr(item, "dtype"):
        arrays.append(item)
        return HOLE
    if isinstance(item, tuple):  # a named one
        return (tuple, *[_frozen(part, arrays) for part in item])
    return item


_SCALARS: dict[Any, Callable[[str], Any]] = {
    float: float,
    complex: complex,
    bool: lambda text: text == "True",
}


def thawed(form: Any, holes: Any) -> Any:
    """The argument that was frozen, with `next(holes)` for each array."""
    if form is HOLE:
        return next(holes)
    if type(form) is not tuple:
        return form
    kind, *parts = form
    if kind is slice:
        return slice(*parts)
    if kind in _SCALARS:
        return _SCALARS[kind](parts[0])
    return kind([thawed(part, holes) for part in parts])


def arguments(deferred: Deferred, numbers: list[Value]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of its kernel, positional and by name, with `numbers` in place of arrays."""
    if deferred.form is None:
        return tuple(numbers), {}
    holes = iter(numbers)
    args, params = deferred.form
    return thawed(args, holes), {name: thawed(form, holes) for name, form in params}


PART = Kernel("part", lambda results, position: results[position])
"""Takes one of several results."""

DECOMPOSED = frozenset(
    {"log_softmax", "logsumexp", "relu", "sigmoid", "softmax", "softplus", "clip_low", "clip_high"}
)
"""Kernels recorded as the calls that the default ones are made of, so that they can be fused."""

_WITHOUT_ARRAYS = frozenset({"can_cast", "finfo", "iinfo", "isdtype", "result_type"})


_AT_KEYS = frozenset({"add_at", "gather", "put", "scatter"})
_PLAIN = frozenset({int, bool, type(None), str, tuple})
_CALLS_KEPT = 1024


def _holds_arrays(key: Any) -> bool:
    """Whether an array, or a float, hides in nested tuples."""
    if type(key) is tuple:
        return any(map(_holds_arrays, key))
    return type(key) is float or (hasattr(key, "shape") and not isinstance(key, np.dtype))


class Recorder:
    """The namespace of deferred arrays: each call is recorded, with what is known of its result.

    As `Namespace`, it keeps what it has been asked for.
    """

    def __init__(self, library: Any, device: Device, extension: str = "") -> None:
        self._library = library
        self._device = device
        self._extension = extension

    @functools.cached_property
    def _family(self) -> ArrayType:
        return _family(self._device)

    @functools.cached_property
    def for_complex(self) -> Recorder:
        """The namespace of complex arrays."""
        return Recorder(self._library.for_complex, self._device)

    def __getattr__(self, name: str) -> Any:
        if name in _OWN and not self._extension:
            found: Any = functools.partial(_OWN[name], self)
        elif name in DECOMPOSED and not self._extension:
            found = self._decomposing(Kernel(name, getattr(self._library, name)))
        else:
            found = getattr(self._library, name)
            if isinstance(found, Namespace):
                found = Recorder(found, self._device, f"{self._extension}{name}.")
            elif callable(found) and not isinstance(found, type) and name not in _WITHOUT_ARRAYS:
                found = self._recording(Kernel(self._extension + name, found))
        self.__dict__[name] = found
        return found

    def _decomposing(self, kernel: Kernel) -> Callable[..., Any]:
        """Records the calls that a kernel is made of; but the kernel where its own rules count."""
        whole = self._recording(kernel)
        decomposed = functools.partial(DEFAULTS[kernel.name], self)

        def record(*args: Any, **params: Any) -> Any:
            if _modes.capturing and _modes.mapping() is not None:
                return whole(*args, **params)
            return decomposed(*args, **params)

        return record

    def _recording(self, kernel: Kernel) -> Callable[..., Any]:
        known: dict[tuple[Any, ...], tuple[Any, Shape, ArrayType]] = {}

        def record(*args: Any, **params: Any) -> Any:
            # Form and shape of calls like one before are looked up: 2 us less than working them
            # out. Only of calls whose arguments tell all by value and type.
            arrays = []
            key: list[Any] = []
            for x in args:
                kind = type(x)
                if kind is Deferred:
                    arrays.append(x)
                    key += (x.shape, x.type)
                elif kind is float:
                    key.append(repr(x))
                elif kind in _PLAIN:
                    key += (kind, x)
                else:
                    return self._recorded(kernel, args, params)
            for name, x in params.items():
                kind = type(x)
                if kind not in _PLAIN and not isinstance(x, np.dtype):
                    return self._recorded(kernel, args, params)
                key += (name, kind, x)
            whole = tuple(key)
            try:
                found = known.get(whole)
            except TypeError:  # slices cannot be hashed everywhere
                return self._recorded(kernel, args, params)
            if found is not None:
                return _deferred(kernel, found[0], tuple(arrays), found[1], found[2])
            made = self._recorded(kernel, args, params)
            if type(made) is Deferred and made.kernel is kernel and not _holds_arrays(whole):
                if len(known) >= _CALLS_KEPT:
                    known.clear()
                known[whole] = (made.form, made.shape, made.type)
            return made

        def record_unary(x: Any, /, **params: Any) -> Any:
            if type(x) is Deferred and not params:
                type_ = x.type
                if type_.is_floating and not type_.is_complex:
                    return _deferred(kernel, None, (x,), x.shape, type_)
            return record(x, **params)

        def record_binary(x1: Any, x2: Any, /) -> Any:
            if type(x1) is Deferred and type(x2) is Deferred:
                type_ = x1.type
                if x2.type is type_ and type_.is_floating:
                    if x2.shape in (x1.shape, ()):
                        return _deferred(kernel, None, (x1, x2), x1.shape, type_)
                    if x1.shape == ():
                        return _deferred(kernel, None, (x1, x2), x2.shape, type_)
            return record(x1, x2)

        if kernel.name in UNARY:
            return record_unary
        return record_binary if kernel.name in BINARY else record

    def _recorded(self, kernel: Kernel, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        if kernel.name in _AT_KEYS:
            params = {**params, "key": self._without_masks(kernel.name, params["key"])}
        known = infer(kernel.name, *_avals(args, params, self._family))
        if known is None:
            return self._computed(kernel, args, params)
        arrays: list[Any] = []
        form = (
            _frozen(args, arrays),
            tuple([(name, _frozen(params[name], arrays)) for name in sorted(params)]),
        )
        of_arrays_alone = len(arrays) == len(args) and not params and list not in form[0]
        if of_arrays_alone:
            form = None  # type: ignore[assignment]  # the commonest form, in short
        if isinstance(known, Aval):
            type_ = self._family.with_dtype(known.dtype)
            if arrays and all(type(x) is Deferred and x.type.weak for x in arrays):
                type_ = arrays[0].type.with_dtype(known.dtype)
            return _deferred(kernel, form, tuple(arrays), known.shape, type_)
        joint = _deferred(kernel, form, tuple(arrays), None, self._family)
        return tuple(
            _deferred(
                PART,
                ((tuple, HOLE, position), ()),
                (joint,),
                part.shape,
                self._family.with_dtype(part.dtype),
            )
            for position, part in enumerate(known)
        )

    def _without_masks(self, name: str, key: Any) -> Any:
        """The key with positions for masks, as a compiled program has to know how many there are.

        A mask alone is left to the kernels of writes, which need not know.
        """
        parts = key if type(key) is tuple else (key,)
        if name in ("add_at", "put") and parts is not key:
            return key
        masks = [k for k in parts if hasattr(k, "shape") and self._is_mask(k)]
        if not masks:
            return key
        from numpygrad._lazy.realize import values_of

        values = iter(values_of(masks, why="a mask in a key"))
        found: list[Any] = []
        for k in parts:
            is_mask = any(k is mask for mask in masks)
            found += self._library.nonzero(next(values)) if is_mask else [k]
        return tuple(found)

    def _is_mask(self, k: Any) -> bool:
        type_ = k.type if type(k) is Deferred else self._type_of(k)
        return bool(k.shape) and type_.dtype.kind == "b"

    def _computed(self, kernel: Kernel, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """The result of a kernel whose shape depends on values, or is not known: computed now."""
        from numpygrad._lazy.realize import values_of

        arrays: list[Any] = []
        frozen = [_frozen(item, arrays) for item in (args, *params.values())]
        holes = iter(values_of(arrays, why=kernel.name))
        raw, *by_name = (thawed(form, holes) for form in frozen)
        found = kernel.call(*raw, **dict(zip(params, by_name, strict=True)))
        if isinstance(found, (tuple, list)):
            parts = [constant(part, self._type_of(part)) for part in found]
            named = hasattr(found, "_make")
            return found._make(parts) if named else tuple(parts)  # type: ignore[union-attr]  # a named tuple
        return constant(found, self._type_of(found)) if hasattr(found, "shape") else found

    def _type_of(self, data: RawArray) -> ArrayType:
        return self._family.of(data)

    def lifted(self, x: RawArray) -> Deferred:
        """A raw array as a constant; a deferred one as it is."""
        return x if type(x) is Deferred else constant(x, self._type_of(x))


def _avals(
    args: tuple[Any, ...], params: dict[str, Any], family: ArrayType
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments as inference takes them: with NumPy's dtypes."""
    if isinstance(family.raw_dtype, np.dtype):
        return args, params
    return aval_of(args, family), {name: aval_of(item, family) for name, item in params.items()}


def aval_of(item: Any, family: ArrayType) -> Any:
    """An argument with what is known of arrays in their place; `family` is of their device."""
    if type(item) is Deferred:
        return Aval(item.shape, item.type.dtype)
    if type(item) is tuple or type(item) is list:
        return type(item)(aval_of(part, family) for part in item)
    if hasattr(item, "shape") and hasattr(item, "dtype"):
        return Aval(item.shape, family.of(item).dtype)
    return item


def _asarray(
    xp: Recorder, x: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None
) -> Any:
    """Deferred arrays are never written to, so that a copy is the array itself."""
    if type(x) is not Deferred:
        made = xp._library.asarray(x, dtype=dtype, device=device, copy=copy)
        return constant(made, xp._type_of(made))
    return x if dtype is None or dtype == x.dtype else xp.astype(x, dtype)


def _astype(xp: Recorder, x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """One name for all conversions, and none where there is nothing to convert."""
    return xp.cast(x, dtype=dtype)


def _itself(xp: Recorder, x: Any, /) -> Any:
    return xp.lifted(x)


_OWN: dict[str, Callable[..., Any]] = {
    "asarray": _asarray,
    "astype": _astype,
    "contiguous": _itself,
    # Whether there is one cannot be known: as under `jax.jit`, there may be.
    "has_nan": lambda xp, x: True,
}


def reads_any(x: Any, inputs: Container[int]) -> bool:
    """Whether a deferred array is computed from an input, given by its identity."""
    todo = [x]
    while todo:
        x = todo.pop()
        if id(x) in inputs:
            return True
        todo += x.arrays if type(x) is Deferred else ()
    return False


def deferred_type(type_: ArrayType) -> ArrayType:
    """The type of deferred arrays of the same device and dtype; of such a one itself."""
    if type_.eager is not None:
        return type_
    found = type_.deferred
    if found is None:
        found = type_.deferred = _family(type_.device).with_dtype(type_.dtype)
    return found


@functools.cache
def weak_type(device: Device) -> ArrayType:
    """The type of floats that a compiled function is given: they promote as Python floats do."""
    family = _family(device)
    siblings = {**family._siblings}
    found = ArrayType(device, family.dtype, siblings, family.backend)
    found.weak = True
    siblings[family.dtype] = found
    return found


@functools.cache
def _family(device: Device) -> ArrayType:
    """The deferred type of a device and float64, which knows those of other dtypes."""
    eager = device.backend

    def load() -> Namespace:
        return Recorder(eager.xp, device)  # type: ignore[return-value]  # it acts as one

    def to_numpy(data: Any) -> np.ndarray[Any, Any]:
        from numpygrad._lazy.realize import values_of

        return eager.to_numpy(*values_of([data]))

    def assign(data: Any, key: Any, value: Any) -> Any:
        return backend.xp.put(data, value, key=key)

    backend: Backend = replace(
        eager,
        load=load,
        is_raw=lambda data: type(data) is Deferred or eager.is_raw(data),
        to_numpy=to_numpy,
        assign=assign,
        mutable=False,
        owned=lambda data: True,
        accumulate=lambda total, g, owned: total + g,
        add_at=None,
        fast={},
    )
    siblings: dict[Any, ArrayType] = {}
    found = siblings[DEFAULT_FLOAT] = ArrayType(device, DEFAULT_FLOAT, siblings, backend)
    return found
