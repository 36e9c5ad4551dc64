"""CuPy as far as its executor needs it, over NumPy: kernels are run by reading their C."""

from __future__ import annotations

import contextlib
import operator
import re
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

from numpygrad_cupy._programs.expressions import TYPES

C_TYPES = {text: dtype for dtype, text in TYPES.items()}
LEVELS: list[dict[str, Callable[..., Any]]] = [
    {"||": np.logical_or},
    {"&&": np.logical_and},
    {"|": operator.or_},
    {"^": operator.xor},
    {"&": operator.and_},
    {"==": operator.eq, "!=": operator.ne},
    {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge},
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.truediv},
]
"""Binary operators of C, those that bind least first."""
PREFIXES = {"!": np.logical_not, "-": operator.neg, "~": np.invert}
NUMPY_NAMES = {"fabs": "abs", "pow": "power", "atan2": "arctan2"}
TOKEN = re.compile(
    r"\s*((?:\d+\.?\d*(?:e[+-]?\d+)?|0x[0-9a-f]+)(?:LL)?(?![\w.])|\w+|&&|\|\||[=!<>]=|.)"
)


def erf(x: Any) -> Any:
    import math

    return np.vectorize(math.erf, otypes=[x.dtype])(x)


def function(name: str) -> Callable[..., Any]:
    """A function of CUDA's mathematics."""
    if name == "erf":
        return erf
    if name == "__longlong_as_double":
        return lambda bits: float(np.uint64(bits).view(np.float64))
    if name[0] == "a" and name not in NUMPY_NAMES and hasattr(np, f"arc{name[1:]}"):
        return getattr(np, f"arc{name[1:]}")  # type: ignore[no-any-return]  # any ufunc
    return getattr(np, NUMPY_NAMES.get(name, name))  # type: ignore[no-any-return]  # as before


class Expression:
    """A reader of expressions in C, which gives their values for those of names."""

    def __init__(self, text: str, names: dict[str, Any]) -> None:
        self.tokens = TOKEN.findall(text)
        self.names = names | {"false": np.False_, "true": np.True_}
        self.value = self.choice()
        assert not self.tokens, self.tokens

    def take(self, *wanted: str) -> str:
        """The next word, if it is one of some; else nothing."""
        return self.tokens.pop(0) if self.tokens and self.tokens[0] in wanted else ""

    def choice(self) -> Any:
        condition = self.binary(0)
        if not self.take("?"):
            return condition
        yes = self.choice()
        assert self.take(":")
        return np.where(condition, yes, self.choice())

    def binary(self, level: int) -> Any:
        if level == len(LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while sign := self.take(*LEVELS[level]):
            left = LEVELS[level][sign](left, self.binary(level + 1))
        return left

    def unary(self) -> Any:
        if sign := self.take(*PREFIXES):
            return PREFIXES[sign](self.unary())
        if self.take("("):
            words = []
            while self.tokens[0] in {*" ".join(C_TYPES).split()}:
                words.append(self.tokens.pop(0))
            if words:
                assert self.take(")")
                return np.asarray(self.unary()).astype(C_TYPES[" ".join(words)])
            inner = self.choice()
            assert self.take(")")
            return inner
        word = self.tokens.pop(0)
        if word[0].isdigit():
            number = word.removesuffix("LL")
            whole = number.startswith("0x") or not {*".e"} & {*number}
            return int(number, 0) if whole else float(number)
        if self.take("("):
            given = [self.choice()]
            while self.take(","):
                given.append(self.choice())
            assert self.take(")")
            return function(word)(*given)
        return self.names[word]


def parameters(text: str) -> list[tuple[Any, str]]:
    """Dtypes and names of the parameters of a kernel."""
    pairs = [item.split() for item in text.split(",")]
    return [(np.dtype(dtype), name) for dtype, name in pairs]


def run_body(body: str, names: dict[str, Any]) -> None:
    """Runs statements: definitions of constants, and assignments to what has a name."""
    for line in body.splitlines():
        target, text = line.removesuffix(";").split(" = ", 1)
        with np.errstate(all="ignore"):
            value = Expression(text, names).value
        *words, name = target.split()
        if words:
            assert words[0] == "const"
            names[name] = np.asarray(value).astype(C_TYPES[" ".join(words[1:])])
        else:
            names[name][...] = value


class ElementwiseKernel:
    """As CuPy's, for arguments that include the outputs."""

    made: ClassVar[list[ElementwiseKernel]] = []

    def __init__(
        self, in_params: str, out_params: str, operation: str, name: str, **options: Any
    ) -> None:
        assert re.fullmatch(r"\w+", name)
        assert options == {"no_return": True, "options": ("-fmad=false",)}
        self.parameters = [*parameters(in_params), *parameters(out_params)]
        self.outputs = len(parameters(out_params))
        self.operation = operation
        self.made.append(self)

    def __call__(self, *arrays: Any) -> None:
        assert len(arrays) == len(self.parameters)
        shape = np.broadcast_shapes(*(x.shape for x in arrays))
        for (dtype, _), x in zip(self.parameters, arrays, strict=True):
            assert x.dtype == dtype
        assert all(x.shape == shape for x in arrays[-self.outputs :])

        def run() -> None:
            names = {name: x for (_, name), x in zip(self.parameters, arrays, strict=True)}
            run_body(self.operation, names)

        launched(run)


class ReductionKernel:
    """As CuPy's, for sums."""

    made: ClassVar[list[ReductionKernel]] = []

    def __init__(
        self,
        in_params: str,
        out_params: str,
        map_expr: str,
        reduce_expr: str,
        post_map_expr: str,
        identity: str,
        name: str,
        *,
        preamble: str,
        options: Any,
    ) -> None:
        assert re.fullmatch(r"\w+", name)
        assert (reduce_expr, identity, options) == ("a + b", "0", ("-fmad=false",))
        self.parameters = parameters(in_params)
        ((self.dtype, self.output),) = parameters(out_params)
        first, *lines, last, end = preamble.splitlines()
        assert first.startswith("__device__ inline ")
        assert end == "}"
        taken = ", ".join(f"const {TYPES[dtype]} {name}" for dtype, name in self.parameters)
        assert f"({taken})" in first
        assert map_expr == f"mapped({', '.join(name for _, name in self.parameters)})"
        self.body, self.result = "\n".join(lines), last.removeprefix("return ").removesuffix(";")
        self.post_map_expr = post_map_expr
        self.preamble = preamble
        self.made.append(self)

    def __call__(self, *arrays: Any, axis: Any = None, keepdims: bool = False) -> Any:
        def run() -> Any:
            names = {name: x for (_, name), x in zip(self.parameters, arrays, strict=True)}
            run_body(self.body, names)
            shape = np.broadcast_shapes(*(x.shape for x in arrays))
            mapped = np.broadcast_to(names[self.result], shape)
            names["a"] = np.asarray(np.sum(mapped, axis=axis, keepdims=keepdims))
            names[self.output] = np.empty(names["a"].shape, self.dtype)
            run_body(self.post_map_expr, names)
            return names[self.output]

        return launched(run)


_captured: list[tuple[Callable[[], Any], Any]] | None = None


def launched(run: Callable[[], Any]) -> Any:
    """What a kernel gives; while a stream is captured, it is noted down."""
    out = run()
    if _captured is not None:
        _captured.append((run, out))
    return out


def launching(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel of NumPy as one that streams see."""
    return lambda *args, **params: launched(lambda: kernel(*args, **params))


class Graph:
    """Runs what was noted down, into the same memory."""

    def __init__(self, calls: list[tuple[Callable[[], Any], Any]]) -> None:
        self.calls = calls
        self.launches = 0

    def launch(self, stream: Any) -> None:
        self.launches += 1
        for run, out in self.calls:
            again = run()
            if out is not None and not np.shares_memory(again, out):
                out[...] = again


class Stream:
    """In order with every other; captured, it notes down what is launched."""

    graphs: ClassVar[list[Graph]] = []

    def __init__(self, **options: Any) -> None:
        pass

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def synchronize(self) -> None:
        if _captured is not None:
            raise RuntimeError("a stream that is captured cannot be waited for")

    def wait_event(self, event: Any) -> None:
        pass

    def begin_capture(self) -> None:
        global _captured
        _captured = []

    def end_capture(self) -> Graph:
        global _captured
        calls, _captured = _captured, None
        assert calls is not None
        self.graphs.append(Graph(calls))
        return self.graphs[-1]


@contextlib.contextmanager
def using_allocator(allocator: Callable[[int], Any]) -> Iterator[None]:
    yield


def stand_in() -> types.ModuleType:
    """The module."""
    module = types.ModuleType("cupy")
    cuda = types.SimpleNamespace(
        Device=lambda device: contextlib.nullcontext(),
        Event=lambda **options: types.SimpleNamespace(record=lambda stream: None),
        MemoryPool=lambda: None,
        Stream=Stream,
        get_current_stream=Stream,
        using_allocator=using_allocator,
    )
    vars(module).update(
        cuda=cuda,
        empty=np.empty,
        ElementwiseKernel=ElementwiseKernel,
        ReductionKernel=ReductionKernel,
    )
    return module


NEEDING = ("numpygrad_cupy._programs.executor", "numpygrad_cupy._programs.graph")


@contextlib.contextmanager
def standing_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """The executor, imported over the stand-in."""
    import importlib

    monkeypatch.setitem(sys.modules, "cupy", stand_in())
    for name in NEEDING:
        monkeypatch.delitem(sys.modules, name, raising=False)
    ElementwiseKernel.made.clear()
    ReductionKernel.made.clear()
    Stream.graphs.clear()
    yield importlib.import_module(NEEDING[0])
    for name in NEEDING:
        sys.modules.pop(name, None)
