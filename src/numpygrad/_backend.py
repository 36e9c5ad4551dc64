"""A backend as a value: an array-API namespace and the few verbs the standard lacks; and devices.

Backends are found by the entry-point group ``numpygrad.backends``; nothing is imported, and no
entry point read, before a device is first asked for.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from numpygrad import _linalg_kernels
from numpygrad._dtypes import DEFAULT_FLOAT, DType, float32
from numpygrad._kernels import DEFAULTS
from numpygrad.errors import BackendError, DeviceError
from numpygrad.typing import RawArray, Shape

if TYPE_CHECKING:
    from numpygrad._lazy.program import Executor

EXTENSION_DEFAULTS = {"linalg": _linalg_kernels.DEFAULTS}
INSTALL_SCIPY = "pip install 'numpygrad[scipy]'"
ENTRY_POINTS = "numpygrad.backends"
VARIABLE = "NUMPYGRAD_BACKEND"


Extension: TypeAlias = "Mapping[str, Callable[..., Any]] | Callable[[], Namespace]"
"""What is inside a namespace: the kernels of one of the library's, or what makes one, once asked.

The latter may be several levels inside, as `"scipy.special"` is.
"""


class Namespace:
    """An array-API namespace: a backend's own kernels, then the defaults, then the library's own.

    `complex_kernels` come before all of them where arrays are complex. `extensions` gives the
    namespaces inside it, `linalg`, `fft`, `scipy.special` and `scipy.linalg`. `wrap` is put around
    every function. Attributes are looked up once and kept, so `xp.sin` costs an attribute read
    afterwards.
    """

    def __init__(
        self,
        library: Any,
        kernels: Mapping[str, Callable[..., Any]],
        *,
        complex_kernels: Mapping[str, Callable[..., Any]] | None = None,
        extensions: Mapping[str, Extension] | None = None,
        wrap: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
    ) -> None:
        self._library = library
        self._kernels = kernels
        self._complex_kernels = complex_kernels or {}
        self._extensions: Mapping[str, Extension] = (
            {"linalg": {}, "fft": {}} if extensions is None else extensions
        )
        self._defaults: Mapping[str, Callable[..., Any]] = DEFAULTS
        self._root = self
        self._wrap = wrap

    @functools.cached_property
    def for_complex(self) -> Namespace:
        """The namespace of complex arrays: apart, so that kernels for them cost real ones nothing.

        A rule may meet real arrays in it, and the kernels take them too.
        """
        if not self._complex_kernels:
            return self
        return Namespace(
            self._library,
            {**self._kernels, **self._complex_kernels},
            extensions=self._extensions,
            wrap=self._wrap,
        )

    def _inside(self, name: str) -> Namespace | None:
        """The namespace of that name inside this one, if there is one."""
        extension = self._extensions.get(name)
        if callable(extension):
            try:
                found = extension()
            except ImportError as error:
                raise BackendError(
                    f"numpygrad.scipy.{name} needs SciPy, which is not installed ({error}). "
                    f"Install it with: {INSTALL_SCIPY}"
                ) from error
        elif extension is not None:
            found = Namespace(getattr(self._library, name), extension, extensions={})
        else:
            parts = ((*path.partition("."), held) for path, held in self._extensions.items())
            deeper = {rest: held for first, _, rest, held in parts if first == name and rest}
            if not deeper:
                return None
            found = Namespace(None, {}, extensions=deeper)
        found._wrap = found._wrap or self._wrap
        found._defaults = EXTENSION_DEFAULTS.get(name, {}) if not callable(extension) else {}
        found._root = self._root
        return found

    def __getattr__(self, name: str) -> Any:
        found: Any = self._inside(name)
        if found is not None:
            pass
        elif name in self._kernels:
            found = self._kernels[name]
        elif name in self._defaults:
            found = functools.partial(self._defaults[name], self._root)
        else:
            found = getattr(self._library, name)
        if self._wrap is not None and callable(found) and not isinstance(found, type):
            found = self._wrap(found)
        self.__dict__[name] = found
        return found


def _same(data: RawArray) -> RawArray:
    return data


def _assign(data: RawArray, key: Any, value: RawArray) -> RawArray:
    data[key] = value
    return data


def _device_name(data: RawArray) -> str:
    return str(data.device)


def _to_dlpack(data: RawArray, **options: Any) -> Any:
    return data.__dlpack__(**options)


class RandomSource(Protocol):
    """A stream of random numbers on one device: what a `numpygrad.random.Generator` draws from.

    One thread at a time calls it. Dtypes are the library's own.
    """

    state: Any
    """Where the stream is, in plain numbers or bytes; assigned, the stream goes on from there."""

    def random(self, shape: Shape, dtype: Any) -> RawArray:
        """Uniform numbers from 0 up to 1, which is left out."""

    def standard_normal(self, shape: Shape, dtype: Any) -> RawArray:
        """Normal numbers of mean 0 and standard deviation 1."""

    def integers(self, low: int, last: int, shape: Shape, dtype: Any) -> RawArray:
        """Integers from `low` to `last`, both included: all that the dtype holds, if asked to."""

    def permutation(self, n: int) -> RawArray:
        """0 to `n - 1` in any order, of the default integer dtype."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Backend:
    """What numpygrad asks of an array library. Everything but the first four has a default.

    `numpygrad.testing.check_backend(name)` is the contract.
    """

    name: str
    """The name in `NUMPYGRAD_BACKEND` and before the colon of a device."""
    install: str
    """The command that installs what is missing."""
    load: Callable[[], Namespace]
    """Imports the library and gives its namespace; called once, when a device is first used."""
    resolve: Callable[[str], str | None]
    """The canonical device name for a specification without the backend's prefix (`""` is the
    default device), or `None` if this backend has no such device."""

    is_raw: Callable[[Any], bool] = field(default=lambda data: False)
    """Whether an object is an array of this backend. Asked of anything, so it imports nothing."""
    raw_device: Callable[[str], Any] = _same
    """The library's own device object for a canonical name; what `device=` takes."""
    device_name: Callable[[RawArray], str] = _device_name
    """The canonical device name of an array."""
    specifications: Callable[[], Sequence[str]] = field(default=lambda: ("",))
    """Specifications of all devices there are; of the default one alone, unless it can tell."""
    raw_dtype: Callable[[DType], Any] = _same
    """The library's dtype for a `numpy.dtype`."""
    to_numpy: Callable[[RawArray], np.ndarray[Any, Any]] = np.asarray
    """A NumPy array of the values; the same memory where that is host memory."""
    to_dlpack: Callable[..., Any] = _to_dlpack
    """The DLPack capsule of an array, with the options of the standard's `__dlpack__`."""
    assign: Callable[[RawArray, Any, RawArray], RawArray] = _assign
    """Writes `value` at `key`: in place if `mutable`, else gives a new array."""
    mutable: bool = True
    """Whether arrays can be written in place, and basic slices alias memory."""
    owned: Callable[[RawArray], bool] = field(default=lambda data: False)
    """Whether an array that backward made shares memory with no other, and can be handed out."""
    accumulate: Callable[[RawArray, RawArray, bool], RawArray] = field(
        default=lambda total, g, owned: total + g
    )
    """The sum of two cotangents; into the first, if it is `owned` and can be written."""
    add_at: Callable[[RawArray, Any, RawArray], RawArray] | None = None
    """Adds `g` at `key` of a buffer in place, repeats accumulating; `None` if it cannot."""
    scope: Callable[[], AbstractContextManager[Any]] | None = None
    """A context that raw arithmetic outside the namespace (rules, backward) must run in."""
    fast: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    """Kernels by op name that may be called on real floating arrays of one dtype without checks:
    they take raw arrays and 0-d values, and give the standard's result."""
    executor: Executor | None = None
    """Makes of a `Program`, recorded in lazy mode, what runs it; see `numpygrad._lazy.program`.
    Without one, it is run kernel by kernel."""
    host_call: Callable[[Callable[..., Any], Callable[[], Any], Sequence[Any]], Any] | None = None
    """Calls a function of NumPy arrays with the values of raw ones, for a raw result or a tuple of
    them; the second argument gives shapes and dtypes of the results, where arrays are being traced
    and it is called later. `None` if arrays always have values."""
    random_source: Callable[[np.random.SeedSequence, Any], RandomSource] | None = None
    """Random numbers of a seed on a device, the library's own; `None` if NumPy shall draw them on
    the host, from where they are moved."""

    @functools.cached_property
    def xp(self) -> Namespace:
        """The namespace; `BackendError` with the install command if it cannot be loaded."""
        try:
            return self.load()
        except BackendError:
            raise
        except ImportError as error:
            raise BackendError(
                f"backend {self.name!r} is not installed ({error}). Install it with: {self.install}"
            ) from error


class ArrayType:
    """Device and dtype of an array, one object for each pair: equal means identical.

    So the fast path compares device and dtype of two operands with one `is`.
    """

    __slots__ = (
        "_by_raw_dtype",
        "_siblings",
        "backend",
        "deferred",
        "device",
        "dtype",
        "eager",
        "fast",
        "is_complex",
        "is_floating",
        "kernels",
        "raw_dtype",
        "scalars",
        "simple",
        "weak",
        "xp",
    )

    deferred: ArrayType | None
    """The type of arrays that stand for ones of this type to come, once there are any."""
    eager: ArrayType | None
    """Of a type of deferred arrays, that of the arrays they will be; else `None`."""
    weak: bool
    """Whether its arrays promote as Python floats do: those that a compiled function is given."""

    def __init__(
        self,
        device: Device,
        dtype: DType,
        siblings: dict[Any, ArrayType],
        backend: Backend | None = None,
    ) -> None:
        self.deferred = None
        self.weak = False
        self.eager = None if backend is None else device.type(dtype)
        backend = backend or device.backend
        self.device = device
        self.backend = backend
        self.dtype = dtype
        self.raw_dtype = backend.raw_dtype(dtype)
        self.is_floating = dtype.kind in "fc"
        self.is_complex = dtype.kind == "c"
        self.xp = backend.xp.for_complex if self.is_complex else backend.xp
        self.fast: Mapping[str, Callable[..., Any]] | None = (
            backend.fast if backend.fast and dtype in (float32, DEFAULT_FLOAT) else None
        )
        self.kernels: dict[Any, Callable[..., Any]] = {}
        self.simple: dict[Any, Callable[..., Any]] = {}
        self.scalars: dict[Any, Any] = {}
        self._siblings = siblings
        self._by_raw_dtype: dict[Any, ArrayType] = {}

    def __repr__(self) -> str:
        return f"<{self.dtype} on {self.device}>"

    def with_dtype(self, dtype: DType) -> ArrayType:
        """The type of the same device and another dtype."""
        found = self._siblings.get(dtype)
        if found is None:
            backend = None if self.eager is None else self.backend
            found = self._siblings[dtype] = ArrayType(self.device, dtype, self._siblings, backend)
        return found

    def of(self, data: RawArray) -> ArrayType:
        """The type of another array of this device."""
        raw = data.dtype
        if raw is self.raw_dtype:
            return self
        found = self._by_raw_dtype.get(raw)
        if found is None:
            found = self._by_raw_dtype[raw] = self.with_dtype(numpy_dtype(raw))
        return found


def numpy_dtype(raw: Any) -> DType:
    """The `numpy.dtype` of a library's dtype object, which NumPy knows or whose name it knows."""
    if isinstance(raw, np.dtype):
        return raw
    try:
        found: DType = np.dtype(raw)
    except TypeError:
        found = np.dtype(str(raw).rpartition(".")[2])
    return found


class Device(str):
    """Where an array lives: a string such as `"cpu"` or `"cuda:0"` that knows its backend.

    Examples
    --------
    >>> import numpygrad as npg
    >>> x = npg.zeros(3, device="numpy:cpu")
    >>> x.device == "cpu", x.device.backend.name
    (True, 'numpy')
    """

    backend: Backend
    raw: Any
    """The library's own device object."""
    _types: dict[Any, ArrayType]

    def type(self, dtype: DType) -> ArrayType:
        """The `ArrayType` of this device and `dtype`."""
        found = self._types.get(dtype)
        if found is None:
            found = self._types[dtype] = ArrayType(self, dtype, self._types)
        return found

    def type_of(self, data: RawArray) -> ArrayType:
        """The `ArrayType` of a raw array of this device."""
        return self.type(numpy_dtype(data.dtype))

    def __reduce__(self) -> tuple[Callable[[str], Device], tuple[str]]:
        return find_device, (f"{self.backend.name}:{self.removeprefix(self.backend.name + ':')}",)


_devices: dict[tuple[str, str], Device] = {}


def device_of_backend(backend: Backend, canonical: str) -> Device:
    """The one `Device` of a canonical name."""
    found = _devices.get((backend.name, canonical))
    if found is None:
        backend.xp  # noqa: B018 (loads the library, or says what to install)
        found = Device(canonical)
        found.backend = backend
        found.raw = backend.raw_device(canonical)
        found._types = {}
        _devices[backend.name, canonical] = found
    return found


@functools.cache
def _entry_points() -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def backend_names() -> tuple[str, ...]:
    """Names of the backends that are known, installed or not; NumPy's first."""
    return tuple(sorted(_entry_points(), key=lambda name: (name != "numpy", name)))


@functools.cache
def find_backend(name: str) -> Backend:
    """The backend of that name; `BackendError` if there is none."""
    entry = _entry_points().get(name)
    if entry is None:
        raise BackendError(
            f"unknown backend {name!r}; known are {', '.join(backend_names())}. "
            f"A backend is a package with an entry point in the group {ENTRY_POINTS!r}"
        )
    module, _, attribute = entry.value.partition(":")
    backend = getattr(import_module(module), attribute)
    if not isinstance(backend, Backend):
        raise BackendError(f"entry point {name!r} is {backend!r}, not a numpygrad Backend")
    return backend


def installed_backends() -> tuple[str, ...]:
    """Names of the backends that can be used here."""

    def usable(name: str) -> bool:
        try:
            find_backend(name).xp  # noqa: B018 (loads the library)
        except BackendError:
            return False
        return True

    return tuple(filter(usable, backend_names()))


_default_device: ContextVar[Device | None] = ContextVar("default_device", default=None)


@functools.cache
def _environment_device(name: str) -> Device:
    return find_device_of(find_backend(name), "")


def default_device() -> Device:
    """The device that creation functions use when none is given.

    That of the innermost `device()` context or of `set_default_device`, else the default device of
    the backend in the environment variable `NUMPYGRAD_BACKEND`, else `"cpu"` (NumPy).
    """
    return _default_device.get() or _environment_device(os.environ.get(VARIABLE) or "numpy")


def chosen_device() -> Device | None:
    """The default device of this context, if one was chosen."""
    return _default_device.get()


def set_default_device(device: str) -> None:
    """Make `device` the default of this thread or task.

    Raises
    ------
    DeviceError
        If no backend has such a device; the default stays what it was.
    BackendError
        If the backend is not installed.
    """
    _default_device.set(find_device(device))


class device:
    """A context in which `name` is the default device.

    Examples
    --------
    >>> import numpygrad as npg
    >>> with npg.device("cpu"):
    ...     x = npg.zeros(3)
    >>> x.device
    'cpu'
    """

    def __init__(self, name: str) -> None:
        self._device = find_device(name)
        self._tokens: list[Token[Device | None]] = []

    def __enter__(self) -> Device:
        self._tokens.append(_default_device.set(self._device))
        return self._device

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _default_device.reset(self._tokens.pop())


def find_device_of(backend: Backend, specification: str) -> Device:
    """The device of `backend` that `specification` (without its prefix) means."""
    backend.xp  # noqa: B018 (a missing library is told before an unknown device)
    canonical = backend.resolve(specification)
    if canonical is None:
        raise DeviceError(f"backend {backend.name!r} has no device {specification!r}")
    return device_of_backend(backend, canonical)


def find_device(specification: str | None) -> Device:
    """The device a string means.

    A name with a backend's prefix (`"jax:cpu"`) is that backend's. Any other (`"cpu"`, `"cuda:0"`)
    is looked for in the default device's backend first, then in the others.

    Raises
    ------
    DeviceError
        If no backend has such a device.
    BackendError
        If the backend that has it is not installed.
    """
    if specification is None:
        return default_device()
    if isinstance(specification, Device):
        return specification
    if not isinstance(specification, str):
        raise DeviceError(f"a device is a string such as 'cpu' or 'cuda:0', not {specification!r}")
    prefix, _, rest = specification.partition(":")
    if prefix in backend_names():
        return find_device_of(find_backend(prefix), rest)
    first = default_device().backend.name
    for name in sorted(backend_names(), key=lambda name: name != first):
        backend = find_backend(name)
        if backend.resolve(specification) is not None:
            return find_device_of(backend, specification)
    raise DeviceError(
        f"unknown device {specification!r}; devices are named 'cpu', 'cuda:0', or with their "
        f"backend first, as in 'jax:cpu'. Backends: {', '.join(backend_names())}"
    )


def backend_of_raw(data: Any) -> Backend | None:
    """The backend whose array `data` is, if any."""
    backends = map(find_backend, backend_names())
    return next((backend for backend in backends if backend.is_raw(data)), None)
