"""For authors of ops and backends: samples of every op, gradient checks, a backend's contract."""

from __future__ import annotations

import zlib
from operator import attrgetter
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

import numpygrad as npg
from numpygrad import _backend, _modes
from numpygrad._array import Array
from numpygrad._checking.check_grads import check_grads
from numpygrad._node import RELEASED, Node
from numpygrad._op import Op
from numpygrad._samples import REAL_ONLY, Sample, samples
from numpygrad.errors import BackendError, VersionError

__all__ = ["REAL_ONLY", "Sample", "check_backend", "check_grads", "guard_saved", "samples"]


class guard_saved(_modes.Watching):
    """A context in which backward looks whether what ops saved is still what it was.

    Versions tell of writes that numpygrad makes. Those made into raw memory, through `x.numpy()`,
    `x.data` or an ndarray shared with `asarray`, only a checksum can tell: it is taken when an op
    is recorded, and again before each backward pass. For looking for errors; every saved value is
    read twice.

    Raises
    ------
    VersionError
        In `backward()`, that names the op and what it saved.

    Examples
    --------
    >>> import numpygrad as npg
    >>> from numpygrad.testing import guard_saved
    >>> x = npg.array([1.0, 2.0], requires_grad=True)
    >>> with guard_saved():
    ...     y = npg.sin(x)
    ...     x.numpy()[0] = 5.0
    ...     try:
    ...         y.sum().backward()
    ...     except npg.errors.VersionError as error:
    ...         print(str(error).partition(" (")[0])
    sin: its saved x
    """

    def __init__(self) -> None:
        super().__init__()
        self._sums: WeakKeyDictionary[Node, list[int]] = WeakKeyDictionary()

    def recorded(self, node: Node) -> None:
        """Take the checksums of what a node saved."""
        self._sums[node] = [_checksum(node, data) for _, data in _saved(node)]

    def before_sweep(self, root: Node, seed: Array) -> None:
        """Compare them, of all nodes behind the root."""
        seen, todo = {root}, [root]
        while todo:
            node = todo.pop()
            new = {parent for parent in node.parents if parent is not None} - seen
            seen |= new
            todo += new
            for (name, data), before in zip(_saved(node), self._sums.get(node, ()), strict=False):
                if _checksum(node, data) != before and not _told(node):
                    raise VersionError(
                        f"{node.op.name if node.op else ''}: its saved {name} (shape {data.shape}) "
                        "was changed since without numpygrad's knowledge: a write through "
                        "x.numpy(), x.data or shared memory. Copy the array before writing there, "
                        "or say so with npg.increment_version(x)"
                    )


def _saved(node: Node) -> list[tuple[str, Any]]:
    """What a node saved, by name; nothing once it is released."""
    if node.op is None or node.op.is_part or node.input1 is RELEASED:
        return []
    names = node.op.arrays if not node.op.variadic else [node.op.arrays[0]] * len(node.inputs)
    found = [(name, x._data) for name, x in zip(names, node.inputs, strict=True) if x is not None]
    plan = node.op.plan(() if node.op.variadic else tuple(p is not None for p in node.parents))
    if plan.output:
        outputs = node.output if node.op.outputs else (node.output,)
        found += [("output", data) for data in outputs]
    return found


def _told(node: Node) -> bool:
    """Whether the version of a saved value says that it was written to: then backward will."""
    aliases = [x._alias for x in node.inputs if x is not None and x._alias is not None]
    return any(alias.storage.written > node.sequence for alias in aliases)


def _checksum(node: Node, data: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(node.type.backend.to_numpy(data)).tobytes())


def check_backend(name: str) -> None:
    """The contract of a backend: its verbs, and every op's values and derivatives against NumPy's.

    The ops of `numpygrad.scipy` are left out where it has no kernels for them.

    Raises
    ------
    BackendError
        If the backend is unknown or not installed.
    AssertionError
        That names the verb or the sample, if the contract is broken.
    """
    backend = _backend.find_backend(name)
    device = _backend.find_device_of(backend, "")
    _check_verbs(backend, device)
    _check_random(device)
    for sample in samples():
        if _is_lacking(sample.op, backend):
            continue
        for dtype in ("float64", "float32"):
            operands = sample.operands(dtype)
            reference = sample.call(*(npg.asarray(v, device="numpy:cpu") for v in operands))
            found = sample.call(*(npg.asarray(v, device=device) for v in operands))
            _agree(f"{sample} in {dtype}", found, reference)
        check_grads(sample.call, sample.operands(), order=1, device=device)


def _is_lacking(op: Op, backend: _backend.Backend) -> bool:
    """Whether an op of `numpygrad.scipy` has no kernel there, as it need not have."""
    if not op.extension.startswith("scipy"):
        return False
    try:
        attrgetter(op.path)(backend.xp)
    except (AttributeError, BackendError):
        return True
    return False


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _check_verbs(backend: _backend.Backend, device: _backend.Device) -> None:
    """Round trips, names and writes, on small arrays of every dtype."""
    _require(
        backend.resolve(device.removeprefix(f"{backend.name}:")) == str(device),
        "resolve() of a canonical name is not itself",
    )
    for dtype in npg.__array_namespace_info__().dtypes():
        values = np.asarray([[0, 1], [1, 0]], dtype=dtype)
        x = npg.asarray(values, device=device)
        _require(backend.is_raw(x.data), f"is_raw() is false of its own {dtype} array")
        _require(backend.device_name(x.data) == str(device), f"device_name() is not {device!r}")
        _require(x.dtype == dtype, f"asarray() of {dtype} gives {x.dtype}")
        _require(bool(np.all(x.numpy() == values)), f"to_numpy() of {dtype} changed the values")
        x[0] = x[1]
        _require(
            x.tolist() == [values[1].tolist()] * 2, f"assign() of {dtype} wrote something else"
        )
    total = npg.asarray([1.0, 2.0], device=device)
    added = backend.accumulate(npg.copy(total).data, total.data, True)
    _require(backend.to_numpy(added).tolist() == [2.0, 4.0], "accumulate() does not add")


def _check_random(device: _backend.Device) -> None:
    """Shape, dtype and range of random numbers; the same ones of the same seed and state."""
    rng, again = (npg.random.Generator(7, device=device) for _ in range(2))
    for dtype in ("float32", "float64", "int8", "int64", "uint64"):
        found, repeated = _random_numbers(rng, dtype), _random_numbers(again, dtype)
        for x in found:
            given = device.type_of(x.data).dtype
            _require(
                x.shape == (2, 3) and given == dtype,
                f"random numbers of shape (2, 3) and {dtype} have {x.shape} and {given}",
            )
        low, high = (0, 1) if dtype.startswith("float") else (npg.iinfo(dtype).max - 3, np.inf)
        within = [low <= value <= high for value in found[0].numpy().ravel().tolist()]
        _require(all(within), f"random numbers of {dtype} are out of their range: {found[0]}")
        same = [x.tolist() == y.tolist() for x, y in zip(found, repeated, strict=True)]
        _require(all(same), f"random numbers of {dtype} differ for the same seed")
    _require(sorted(rng.permutation(5).tolist()) == [*range(5)], "permutation() leaves out some")
    again.state = rng.state
    _require(again.random(3).tolist() == rng.random(3).tolist(), "a state does not resume")
    _require(rng.random(3).tolist() != rng.random(3).tolist(), "random() repeats itself")


def _random_numbers(rng: npg.random.Generator, dtype: str) -> list[Array]:
    """Six of a dtype by each verb that gives it; of integers, the first are the dtype's largest."""
    if dtype.startswith("float"):
        return [rng.random((2, 3), dtype=dtype), rng.standard_normal((2, 3), dtype=dtype)]
    limits = npg.iinfo(dtype)
    lows = (limits.max - 3, limits.min)
    return [rng.integers(low, limits.max, (2, 3), dtype=dtype, endpoint=True) for low in lows]


def _agree(what: str, found: Array, reference: Array) -> None:
    _require(
        found.dtype == reference.dtype, f"{what}: dtype {found.dtype}, NumPy's {reference.dtype}"
    )
    _require(
        found.shape == reference.shape, f"{what}: shape {found.shape}, NumPy's {reference.shape}"
    )
    tolerance = 1e-5 if found.dtype in (npg.float32, npg.complex64) else 1e-12
    close = np.allclose(
        found.numpy(), reference.numpy(), rtol=tolerance, atol=tolerance, equal_nan=True
    )
    _require(close, f"{what}: {found.numpy()} differs from NumPy's {reference.numpy()}")
