"""Machines that run the statements of `mutation_programs`: NumPy, numpygrad and PyTorch."""

from __future__ import annotations

import contextlib
import functools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from mutation_programs import BINARY, UNARY, UPDATES, Statement, all_axes, is_basic, weights

import numpygrad as npg

Call = Callable[..., Any]


class Machine:
    """What all machines share: how a statement is taken apart."""

    def __init__(self) -> None:
        self.arrays: dict[int, Any] = {}

    def run(self, s: Statement) -> None:
        """Run one statement."""
        with self.mode(s):
            found = self.result(s, *(self.arrays[i] for i in s.operands))
        if s.out >= 0:
            self.arrays[s.out] = found
        if s.kind == "drop":
            del self.arrays[s.operands[0]]

    def result(self, s: Statement, *operands: Any) -> Any:
        """What a statement gives, if anything."""
        if s.kind in ("leaf", "constant"):
            return self.create(s.param, leaf=s.kind == "leaf", number=s.out)
        if s.kind == "view":
            return self.view(operands[0], s.name, s.param)
        if s.kind == "op":
            return self.op(s.name, *operands)
        if s.kind == "at":
            return self.at(operands[0], s.param, s.name, self.value(s.source, operands))
        if s.kind == "track":
            self.track(operands[0], s.operands[0])
        elif s.kind == "detach":
            return self.detach(operands[0])
        elif s.kind == "gather":
            return self.gather(operands[0], s.param)
        elif s.kind == "masked":
            self.masked(operands[0], s.param, s.source.literal)  # type: ignore[union-attr]  # it has one
        elif s.kind == "sort":
            self.sort(operands[0])
        elif s.kind == "set":
            self.set(operands[0], s.param, self.value(s.source, operands))
        elif s.kind == "update":
            self.update(operands[0], s.name, self.value(s.source, operands))
        elif s.kind == "update at":
            self.update_at(operands[0], s.param, s.name, self.value(s.source, operands))
        elif s.kind == "backward":
            self.backward(s.operands[0], retain=s.name == "retain")
        elif s.kind == "realize":
            self.realize(operands[0])
        return None

    def value(self, source: Any, operands: Any) -> Any:
        """What is to be written."""
        if source.kind in ("scalar", "constant"):
            return self.literal(source.literal)
        if source.kind == "step":
            return self.step(source.array)
        return operands[1] if source.kind == "array" else self.op("sum", operands[1])

    def mode(self, s: Statement) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext()

    def realize(self, x: Any) -> None:
        pass

    create: Call
    view: Call
    op: Call
    track: Call
    detach: Call
    gather: Call
    masked: Call
    sort: Call
    set: Call
    update: Call
    update_at: Call
    at: Call
    backward: Call
    literal: Call
    step: Call


class Ndarrays(Machine):
    """NumPy's own views and writes; every operand is copied first, as NumPy may overlap them."""

    def __init__(self, gradients: dict[int, np.ndarray | None]) -> None:
        super().__init__()
        self.gradients = gradients

    def create(self, values: np.ndarray, *, leaf: bool, number: int) -> np.ndarray:
        return values.copy()

    def view(self, x: np.ndarray, name: str, param: Any) -> np.ndarray:
        if name == "select":
            return x[all_axes(param)]
        if name == "reshape":
            return x.reshape(param)
        if name == "diagonal":
            part = np.diagonal(x, param, -2, -1)
            part.setflags(write=x.flags.writeable)
            return part
        found: np.ndarray = getattr(np, name)(x, param)
        return found

    def op(self, name: str, *operands: np.ndarray) -> np.ndarray:
        row = UNARY[name][1] if name in UNARY else BINARY[name][1]
        return np.array(row(np, *operands), order="C")

    def track(self, x: np.ndarray, number: int) -> None:
        pass

    def detach(self, x: np.ndarray) -> np.ndarray:
        return x[...]

    def gather(self, x: np.ndarray, key: Any) -> np.ndarray:
        return np.array(x[key], order="C")

    def masked(self, x: np.ndarray, bound: float, value: float) -> None:
        x[x > bound] = value

    def sort(self, x: np.ndarray) -> None:
        x.sort(kind="stable")

    def set(self, x: np.ndarray, key: Any, value: Any) -> None:
        x[key] = np.array(value)

    def update(self, x: np.ndarray, name: str, value: Any) -> None:
        x[...] = UPDATES[name][1](x, value)

    def update_at(self, x: np.ndarray, key: Any, name: str, value: Any) -> None:
        x[key] = UPDATES[name][1](x[key], value)

    def at(self, x: np.ndarray, key: Any, name: str, value: Any) -> np.ndarray:
        found = x.copy(order="C")
        if name == "add":
            np.add.at(found, key, np.broadcast_to(value, found[key].shape))  # it does so wrongly
        else:
            found[key] = value
        return found

    def backward(self, number: int, *, retain: bool) -> None:
        pass

    def literal(self, value: Any) -> Any:
        return value

    def step(self, number: int) -> Any:
        return 0.1 * self.gradients[number]  # type: ignore[operator]  # it has one


class Arrays(Machine):
    """numpygrad on a device: `eager`, `lazy`, or `mixed`, as each statement says."""

    def __init__(self, device: str, execution: str = "eager") -> None:
        super().__init__()
        self.device = device
        self.execution = execution

    def __str__(self) -> str:
        return f"{self.execution} on {self.device}"

    @contextlib.contextmanager
    def mode(self, s: Statement) -> Iterator[None]:
        with npg.no_grad() if s.quiet else contextlib.nullcontext(), self.executing(s):
            yield

    def executing(self, s: Statement) -> contextlib.AbstractContextManager[Any]:
        """The mode that a statement is run in."""
        is_lazy = self.execution == "lazy" or (self.execution == "mixed" and s.lazy)
        return npg.lazy() if is_lazy else contextlib.nullcontext()

    def realize(self, x: npg.Array) -> None:
        assert x.realize() is x
        assert x.values is not None

    def create(self, values: np.ndarray, *, leaf: bool, number: int) -> npg.Array:
        return npg.array(values, requires_grad=leaf, device=self.device)

    def view(self, x: npg.Array, name: str, param: Any) -> npg.Array:
        if name == "select":
            return x[param]
        if name == "diagonal":
            return npg.linalg.diagonal(x, offset=param)
        found: npg.Array = (
            npg.flip(x, axis=param) if name == "flip" else getattr(npg, name)(x, param)
        )
        return found

    def op(self, name: str, *operands: npg.Array) -> npg.Array:
        row = UNARY[name][1] if name in UNARY else BINARY[name][1]
        found: npg.Array = row(npg, *operands)
        return found

    def track(self, x: npg.Array, number: int) -> None:
        x.requires_grad_()

    def detach(self, x: npg.Array) -> npg.Array:
        return x.detach()

    def gather(self, x: npg.Array, key: Any) -> npg.Array:
        return x[key]

    def masked(self, x: npg.Array, bound: float, value: float) -> None:
        x[x > bound] = value

    def sort(self, x: npg.Array) -> None:
        x.sort()

    def set(self, x: npg.Array, key: Any, value: Any) -> None:
        x[key] = value

    def update(self, x: npg.Array, name: str, value: Any) -> None:
        assert UPDATES[name][2](x, value) is x

    def update_at(self, x: npg.Array, key: Any, name: str, value: Any) -> None:
        x[key] = UPDATES[name][2](x[key], value)

    def at(self, x: npg.Array, key: Any, name: str, value: Any) -> npg.Array:
        found: npg.Array = getattr(npg.at(x)[key], name)(value)
        return found

    def backward(self, number: int, *, retain: bool) -> None:
        self.loss([number]).backward(retain_graph=retain)

    def literal(self, value: Any) -> Any:
        return value

    def step(self, number: int) -> Any:
        return 0.1 * self.arrays[number].grad

    def loss(self, numbers: list[int]) -> npg.Array:
        """The sum of some arrays' weighted elements."""
        terms = [npg.sum(self.arrays[i] * weights(i, self.arrays[i].shape)) for i in numbers]
        return functools.reduce(operator.add, terms)

    def gradients(self, numbers: Iterable[int]) -> dict[int, Any]:
        """What is in the gradients of some arrays, which lose them; of those that have one."""
        found = {}
        for i in numbers:
            if self.arrays[i].grad is not None:
                found[i] = self.arrays[i].grad
            self.arrays[i].grad = None
        return found

    def along(self, gradients: dict[int, npg.Array]) -> npg.Array:
        """The derivative along the direction of the replay."""
        total = npg.asarray(0.0, device=self.device)
        for g in gradients.values():
            total = total + npg.sum(npg.reshape(g, (-1,)) * weights(5, (g.size,)))
        return total

    def compare_gradients(self, expected: dict[int, np.ndarray | None]) -> None:
        """The leaves that are alive have these gradients."""
        for i, gradient in expected.items():
            if i in self.arrays:
                x = self.arrays[i]
                found = np.zeros(x.shape) if x.grad is None else x.grad.numpy()
                wanted = np.zeros(x.shape) if gradient is None else gradient
                close(found, wanted, f"gradient of a{i} on {self.device}")


class Tensors(Machine):
    """PyTorch, where it can say the statement; `InexpressibleError` where it cannot."""

    def __init__(self, torch: Any) -> None:
        super().__init__()
        self.torch = torch
        self.gradients: dict[int, np.ndarray | None] = {}

    def mode(self, s: Statement) -> contextlib.AbstractContextManager[Any]:
        mode: contextlib.AbstractContextManager[Any] = self.torch.set_grad_enabled(not s.quiet)
        return mode

    def create(self, values: np.ndarray, *, leaf: bool, number: int) -> Any:
        return self.torch.tensor(values, requires_grad=leaf)

    def view(self, x: Any, name: str, param: Any) -> Any:
        if name == "select":
            return x[self.key(param)]
        if name == "flip":
            raise InexpressibleError
        if name == "diagonal":
            return self.torch.diagonal(x, param, -2, -1)
        if name == "reshape":
            return x.reshape(param)
        name = {"permute_dims": "permute", "expand_dims": "unsqueeze"}.get(name, name)
        return getattr(self.torch, name)(x, param)

    def key(self, key: Any) -> Any:
        """A key as PyTorch takes it, which has no negative steps."""
        keys = key if isinstance(key, tuple) else (key,)
        if any(isinstance(k, slice) and (k.step or 1) < 0 for k in keys):
            raise InexpressibleError
        found = tuple(self.torch.tensor(k) if isinstance(k, np.ndarray) else k for k in keys)
        return found if isinstance(key, tuple) else found[0]

    def op(self, name: str, *operands: Any) -> Any:
        torch = self.torch
        others: dict[str, Call] = {
            "positive": torch.clone,
            "max": lambda x: torch.amax(x, dim=tuple(range(x.ndim))),
            "running": lambda x: torch.cumsum(x, 0),
            "sorted": lambda x: torch.sort(x, stable=True).values,
            "rows": lambda x: torch.sum(x, dim=0),
            "prod": lambda x: torch.prod(x, dim=-1),
        }
        row = UNARY[name][1] if name in UNARY else BINARY[name][1]
        call = others.get(name, functools.partial(row, torch))
        return call(*operands).contiguous()

    def track(self, x: Any, number: int) -> None:
        memory = x.untyped_storage().data_ptr()
        if any(
            y is not x and y.untyped_storage().data_ptr() == memory for y in self.arrays.values()
        ):
            raise InexpressibleError  # PyTorch's leaves do not share memory so
        x.requires_grad_()

    def detach(self, x: Any) -> Any:
        return x.detach()

    def gather(self, x: Any, key: Any) -> Any:
        return x[self.key(key)].contiguous()

    def masked(self, x: Any, bound: float, value: float) -> None:
        x[x > bound] = value

    def sort(self, x: Any) -> None:
        x[...] = self.op("sorted", x)

    def set(self, x: Any, key: Any, value: Any) -> None:
        places = np.arange(x.numel()).reshape(tuple(x.shape))[key]
        if np.unique(places).size < places.size:
            raise InexpressibleError  # PyTorch gives what is overwritten at once a gradient too
        x[self.key(key)] = self.apart(x, value)

    def update(self, x: Any, name: str, value: Any) -> None:
        UPDATES[name][2](x, self.apart(x, value))

    def update_at(self, x: Any, key: Any, name: str, value: Any) -> None:
        self.set(x, key, UPDATES[name][2](x[self.key(key)], self.apart(x, value)))

    def at(self, x: Any, key: Any, name: str, value: Any) -> Any:
        found = x.clone(memory_format=self.torch.contiguous_format)
        if name == "set":
            self.set(found, key, value)
        elif is_basic(key):
            self.update_at(found, key, "+=", value)
        else:
            raise InexpressibleError
        return found

    def apart(self, x: Any, value: Any) -> Any:
        """A copy of what overlaps, which PyTorch refuses or gets wrong."""
        if not isinstance(value, self.torch.Tensor):
            return value
        memory = [a.untyped_storage().data_ptr() for a in (x, value)]
        return value.clone() if memory[0] == memory[1] else value

    def backward(self, number: int, *, retain: bool) -> None:
        self.loss([number]).backward(retain_graph=retain)

    def literal(self, value: Any) -> Any:
        return self.torch.tensor(value) if isinstance(value, np.ndarray) else value

    def step(self, number: int) -> Any:
        return self.torch.tensor(0.1 * self.gradients[number])

    def gradient(self, number: int) -> np.ndarray:
        """The gradient of a leaf; zeros before it has one."""
        x = self.arrays[number]
        found: np.ndarray = np.zeros(x.shape) if x.grad is None else x.grad.numpy().copy()
        return found

    def loss(self, numbers: list[int]) -> Any:
        """The sum of some tensors' weighted elements."""
        tensor = self.torch.tensor
        terms = [(self.arrays[i] * tensor(weights(i, self.arrays[i].shape))).sum() for i in numbers]
        return functools.reduce(operator.add, terms)


class InexpressibleError(Exception):
    """A statement that PyTorch has no words for."""


def close(found: np.ndarray, expected: np.ndarray, what: str, tolerance: float = 1e-8) -> None:
    """The numbers agree, relative to the largest; numbers beyond measure are left out."""
    scale = max(float(np.abs(expected).max(initial=1.0)), 1.0)
    assert found.shape == expected.shape, what
    if not np.isfinite(scale) or scale > 1e8:
        return
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale, err_msg=what)
