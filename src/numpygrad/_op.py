"""The table of ops: a row says what kind an op is and gives its rules; all else follows from it.

A rule's parameter names say what it reads, and so what a node saves:

==================== ====================================================================
``xp``               the namespace to compute in: a backend's, or numpygrad itself
``g``                the cotangent of the output (linear and nonlinear ops only)
``y``                the output
an array's name      that operand, e.g. ``x``, ``x1``
``<array>_shape``    only the shape of the rule's own operand; ``<array>_dtype`` and
                     ``<array>_type`` only its dtype, its dtype and device
a parameter's name   a keyword of the op, e.g. ``axis``
``index``            which of a sequence of arrays the rule is asked for
==================== ====================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from enum import IntEnum
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from numpygrad._kernels import guarded_multiply
from numpygrad._node import WIDE, Parts
from numpygrad._storage import check_not_stale, check_output

if TYPE_CHECKING:
    from numpygrad._array import Array
    from numpygrad._node import Node

Rule: TypeAlias = Callable[..., Any]
Reader: TypeAlias = "Callable[[Node, Any], Any]"
Pull: TypeAlias = "Callable[[Node, Any], Any]"
"""From a node and the cotangent of its output to the cotangent of one input."""


class Domain(NamedTuple):
    """Where an elementwise op is smooth: the interval samples are drawn from, but for its kink."""

    low: float
    high: float
    avoid: float | None = None
    """A kink inside the interval that samples keep clear of."""


REAL = Domain(-2.0, 2.0)
NONZERO = Domain(-2.0, 2.0, avoid=0.0)
POSITIVE = Domain(0.3, 3.0)
UNIT = Domain(-0.9, 0.9)
ABOVE_ONE = Domain(1.1, 3.0)


REAL_KINDS = "biuf"
"""The kinds of dtype, by NumPy's letters, of ops that complex numbers have no meaning for."""


class Plan(NamedTuple):
    """What a node saves when a given subset of the operands is tracked."""

    inputs: tuple[bool, ...]
    output: bool


class Mode(IntEnum):
    """Over what rules run, and whether 0 times inf is kept 0.

    That is raw arrays, Arrays, deferred ones, or a raw cotangent for each of many examples.
    """

    RAW = 0
    RAW_CAREFUL = 1
    RECORDED = 2
    RECORDED_CAREFUL = 3
    DEFERRED = 4
    DEFERRED_CAREFUL = 5
    BATCHED = 6
    BATCHED_CAREFUL = 7

    @property
    def recorded(self) -> bool:
        """Whether rules run over Arrays, so that each step is an op."""
        return self in (Mode.RECORDED, Mode.RECORDED_CAREFUL)

    @property
    def deferred(self) -> bool:
        """Whether rules run over deferred arrays, so that each step is part of a program."""
        return self in (Mode.DEFERRED, Mode.DEFERRED_CAREFUL)

    @property
    def careful(self) -> bool:
        """Whether a zero must silence a non-finite factor."""
        return bool(self % 2)


EXTENSIONS = ("linalg", "fft", "scipy.special", "scipy.linalg")
"""The modules whose kernels are in the namespace of that name inside the backend's."""

AVALS = ("shape", "dtype", "type")
"""What a rule can read of its own operand without the values being saved."""

TABLE: dict[Callable[..., Any], Op] = {}
"""The row of every function that has one."""

BY_NAME: dict[str, Op] = {}
"""The same rows by name; with the module in front for SciPy's, as users' own ops have names too."""


class Op:
    """One row of the table."""

    is_joint = False
    """Whether it is a `Joint` op, whose rules are those of each call of it."""

    __slots__ = (
        "_conjugating",
        "_deferred",
        "_forward",
        "_hooked",
        "_plans",
        "_pulls",
        "arrays",
        "differentiable",
        "domain",
        "dtype",
        "extension",
        "function",
        "has_poles",
        "holomorphic",
        "hooked",
        "in_region",
        "is_complex",
        "is_deferred",
        "is_part",
        "is_plain",
        "jvp",
        "keeps_shape",
        "kind",
        "kinds",
        "masks",
        "name",
        "outputs",
        "overwrites",
        "parameters",
        "pull_sets",
        "rules",
        "sparse",
        "unary_saves",
        "variadic",
        "view",
        "width",
    )

    def __init__(
        self,
        kind: str,
        function: Callable[..., Any],
        rules: Sequence[Rule | None],
        *,
        dtype: str,
        domain: Domain | Sequence[Domain] = REAL,
        jvp: Rule | None = None,
        view: bool = False,
        masks: bool = False,
        sparse: bool = False,
        kinds: str | None = None,
        outputs: type[NamedTuple] | None = None,
        holomorphic: bool = True,
        overwrites: bool = False,
        operands: tuple[tuple[str, ...], tuple[str, ...]] | None = None,
    ) -> None:
        self.kind = kind
        self.function = function
        self.name = function.__name__
        module = f"{function.__module__.removeprefix('numpygrad.')}."
        self.extension = next((e for e in EXTENSIONS if module.startswith(f"{e}.")), "")
        self.rules = tuple(rules)
        self.dtype = dtype
        self.jvp = jvp
        self.view = view
        self.masks = masks
        self.sparse = sparse
        self.overwrites = overwrites
        self.kinds = kinds
        self.outputs = outputs
        self.holomorphic = holomorphic
        self.is_part = function is part
        self.hooked = False
        self._hooked: Op | None = None
        self.arrays, self.parameters, self.variadic = (
            (*operands, False) if operands else _operands(function)
        )
        self.in_region = "key" in self.parameters
        self.domain = (domain,) * len(self.arrays) if isinstance(domain, Domain) else tuple(domain)
        self.has_poles = any(d is not REAL for d in self.domain)
        self._plans: dict[tuple[bool, ...], Plan] = {}
        self._pulls: dict[Mode, tuple[Pull | None, ...]] = {}
        self.differentiable = kind != "discrete"
        self.keeps_shape = kind == "elementwise" and len(self.arrays) == 1
        self._check()
        self.width = WIDE if self.variadic else min(len(self.arrays), WIDE)
        self.pull_sets: list[tuple[Pull | None, ...]] = [()] * len(Mode)
        special = self.is_part or self.name == "transfer"
        self.is_plain = not (self.variadic or masks or sparse or special)
        # A plain tuple, as it unpacks faster than a named one.
        self.unary_saves = (False, False)
        if len(self.rules) == 1 and not self.variadic:
            plan = self.plan((True,))
            self.unary_saves = (plan.inputs[0], plan.output)
        self.is_complex = False
        self.is_deferred = False
        self._conjugating: Op | None = None
        self._deferred: Op | None = None
        self._forward: Pull | None = None

    @property
    def conjugating(self) -> Op:
        """The same op for complex arrays: its pullbacks conjugate."""
        if self.is_complex:
            return self
        if self._conjugating is None:
            self._conjugating = copy(self)
            self._conjugating.is_complex = True
            self._conjugating._deferred = None
            self._conjugating._pulls = {}
            self._conjugating.pull_sets = [()] * len(Mode)
        return self._conjugating

    @property
    def path(self) -> str:
        """Where its kernel is in a backend's namespace, such as `linalg.solve`."""
        return f"{self.extension}.{self.name}" if self.extension else self.name

    @property
    def with_hooks(self) -> Op:
        """The same op for a node whose cotangent is shown to hooks first."""
        if self.hooked:
            return self
        if self._hooked is None:
            self._hooked = copy(self)
            self._hooked.hooked = True
            self._hooked.is_plain = False
        return self._hooked

    @property
    def deferred(self) -> Op:
        """The same op for a node whose values are deferred, where the sweep goes on as a program.

        A node of an op like any other, so that sweeps need not look at each for what is seldom.
        """
        if self._deferred is None:
            self._deferred = copy(self)
            self._deferred._hooked = None
            self._deferred.is_deferred = True
            self._deferred.is_plain = False
        return self._deferred

    def __repr__(self) -> str:
        return f"<{self.kind} op {self.name}>"

    def rule(self, index: int) -> Rule | None:
        """The rule for operand `index`; a sequence of arrays has one rule for all."""
        return self.rules[0] if self.variadic else self.rules[index]

    def reads(self, index: int) -> tuple[str, ...]:
        """The names that the rule for operand `index` reads."""
        rule = self.rule(index)
        return () if rule is None else _parameters(rule)

    def plan(self, tracked: tuple[bool, ...]) -> Plan:
        """What to save when the operands marked in `tracked` are tracked.

        Of an op on a sequence of arrays `tracked` is left empty: its rule reads the same of all.
        """
        plan = self._plans.get(tracked)
        if plan is None:
            marked = (True,) if self.variadic else tracked
            names = {name for i, t in enumerate(marked) if t for name in self.reads(i)}
            plan = self._plans[tracked] = Plan(
                inputs=tuple(name in names for name in self.arrays),
                output="y" in names,
            )
        return plan

    def fill(self, mode: int) -> tuple[Pull | None, ...]:
        """The pullbacks of an op of so many operands, kept in `pull_sets` from then on."""
        self.pull_sets[mode] = self.pulls(Mode(mode), len(self.rules))
        return self.pull_sets[mode]

    def pulls(self, mode: Mode, count: int) -> tuple[Pull | None, ...]:
        """The pullbacks to `count` operands and perhaps to further ones, bound to their readers."""
        known = self._pulls.get(mode, ())
        if len(known) < count:
            # Of a sequence of arrays, twice as many: lengths may grow by one, a loop's step each.
            enough = max(count, 2 * len(known)) if self.variadic else count
            more = (
                _pullback(self, i, rule, mode) if (rule := self.rule(i)) is not None else None
                for i in range(len(known), enough)
            )
            known = self._pulls[mode] = (*known, *more)
        return known

    @property
    def forward(self) -> Pull:
        """The op's own forward rule, bound to its readers; it names the tangent `g`."""
        if self.jvp is None:
            raise TypeError(f"{self.name}() has no forward rule of its own")
        if self._forward is None:
            names = _parameters(self.jvp)
            readers = [
                (lambda node, t: t) if name == "g" else _reader(self, name, 0, Mode.RECORDED)
                for name in names
            ]
            self._forward = _bind(self.jvp, readers)
        return self._forward

    def _check(self) -> None:
        """Refuse a row whose rules name what does not exist."""
        if self.differentiable and len(self.rules) != len(self.arrays):
            raise TypeError(
                f"{self.name}: {len(self.rules)} rules for {len(self.arrays)} arrays {self.arrays}"
            )
        if taken := {"xp", "g", "y", "index"} & {*self.arrays, *self.parameters}:
            raise TypeError(f"{self.name}: the name {taken} of a parameter has a meaning in rules")
        everywhere = {"xp", "y", *self.arrays, *self.parameters}
        everywhere |= {"g"} if self.kind != "elementwise" else set()
        for i, own in enumerate(self.arrays[: len(self.rules)]):
            known = everywhere | {f"{own}_{what}" for what in AVALS}
            known |= {"index"} if self.variadic else set()
            if unknown := set(self.reads(i)) - known:
                raise TypeError(f"{self.name}: rule {i} names {unknown}; it may name {known}")


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    """Names of a function's parameters, from its code: `inspect` would double the import's time."""
    code = function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _operands(function: Callable[..., Any]) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Names of array operands and of parameters, by annotation; whether it takes a sequence."""
    hints = {name: str(function.__annotations__.get(name)) for name in _parameters(function)}
    arrays = tuple(name for name, hint in hints.items() if "Array" in hint or "Operand" in hint)
    variadic = len(arrays) == 1 and "Sequence" in hints[arrays[0]]
    return arrays, tuple(name for name in hints if name not in arrays), variadic


def part(x: Array, /, *, position: int) -> Array:
    """One output of an op that has several: what stands between its node and that op's.

    The engine collects the cotangents of all parts, and gives them to the op's rules together.
    """
    raise NotImplementedError("a part is recorded by its op, never applied")


def _readers(op: Op, index: int, mode: Mode) -> list[Reader]:
    return [_reader(op, name, index, mode) for name in op.reads(index)]


def _reader(op: Op, name: str, index: int, mode: Mode) -> Reader:
    """How to get what a rule calls `name` from a node."""
    if name == "g":
        outputs: Any = op.outputs
        return (lambda node, g: outputs._make(g)) if outputs else lambda node, g: g
    if name == "index":
        return lambda node, g: index
    if name == "xp" and mode >= Mode.RECORDED:
        return lambda node, g: g._rule_namespace()
    if name == "xp":
        return lambda node, g: node.type.xp
    if name == "y":
        return _outputs_reader(op, mode) if op.outputs else _output_reader(mode)
    if name in op.arrays:
        return _input_reader(name, op.arrays.index(name), op, mode)
    array, _, what = name.rpartition("_")
    if array in op.arrays and what in AVALS:
        return _aval_reader(op, index, what, mode)
    return lambda node, g: node.params[name]


def _input_reader(name: str, position: int, op: Op, mode: Mode) -> Reader:
    """The saved operand at `position`: its value, or in recorded modes the array."""
    slot = "input1" if op.width == WIDE or position == 0 else "input2"
    saved = attrgetter(slot)

    def array(node: Node, g: Any) -> Any:
        x = saved(node)
        if op.width == WIDE:
            x = x[position]
        if x._alias is not None:
            check_not_stale(node, name, x)
        return x

    if mode.deferred:
        from numpygrad._lazy.lifting import lift_saved

        return lambda node, g: lift_saved(node, array(node, g))
    return array if mode.recorded else lambda node, g: array(node, g)._data


def _output_reader(mode: Mode) -> Reader:
    def raw(node: Node, g: Any) -> Any:
        if node.alias is not None:
            check_output(node, "output", node.alias, g.shape)
        return node.output

    def recorded(node: Node, g: Any) -> Any:
        return g._output_of(node, raw(node, g))

    if mode.deferred:
        from numpygrad._lazy.lifting import lift_output

        return lambda node, g: lift_output(node, raw(node, g))
    return recorded if mode.recorded else raw


def _outputs_reader(op: Op, mode: Mode) -> Reader:
    """The named tuple of the outputs of an op that has several."""
    outputs: Any = op.outputs

    def read(node: Node, g: Any) -> Any:
        for index, storage in node.alias:
            name = f"output {outputs._fields[index]}"
            check_output(node, name, storage, node.output[index].shape)
        return g._parts_of(node, node.output) if mode.recorded else node.output

    if mode.deferred:
        from numpygrad._lazy.lifting import lift_output

        return lambda node, g: outputs._make([lift_output(node, y) for y in read(node, g)])
    return lambda node, g: outputs._make(read(node, g))


def _aval_reader(op: Op, index: int, what: str, mode: Mode) -> Reader:
    """Reader of the shape, dtype or type of operand `index`; of a sequence, all shapes."""
    if op.variadic:
        return lambda node, g: node.shapes
    parent: Callable[[Node], Any] = attrgetter("parent1" if index == 0 else "parent2")
    if op.width == WIDE:
        parent = _wide_parent(index)
    if what == "shape":
        return lambda node, g: parent(node).shape
    if what == "type":
        return lambda node, g: parent(node).type
    if mode.recorded:
        return lambda node, g: parent(node).type.dtype
    return lambda node, g: parent(node).type.raw_dtype


def _wide_parent(index: int) -> Callable[[Node], Any]:
    return lambda node: node.parent1[index]


def _bind(rule: Rule, readers: list[Reader]) -> Pull:
    """`rule` with its arguments read from a node; spelled out by arity, as `*args` costs 100 ns."""
    if len(readers) == 0:
        return lambda node, g: rule()
    if len(readers) == 1:
        (a,) = readers
        return lambda node, g: rule(a(node, g))
    if len(readers) == 2:
        a, b = readers
        return lambda node, g: rule(a(node, g), b(node, g))
    if len(readers) == 3:
        a, b, c = readers
        return lambda node, g: rule(a(node, g), b(node, g), c(node, g))
    return lambda node, g: rule(*[read(node, g) for read in readers])


def _pullback(op: Op, index: int, rule: Rule, mode: Mode) -> Pull:
    reads = op.reads(index)
    if op.kind == "elementwise":
        if mode is Mode.RAW and not op.is_complex and (short := _short_product(op, rule, reads)):
            return short
        pull = _product(rule, _bind(rule, _readers(op, index, mode)), reads, mode)
    else:
        pull = _bind(rule, _readers(op, index, mode))
    return _conjugated(pull, mode) if op.is_complex and op.holomorphic else pull


def _short_product(op: Op, rule: Rule, reads: tuple[str, ...]) -> Pull | None:
    """`_product` of the commonest rules, their readers written out, which saves 70 ns of calls."""
    if op.width == WIDE or not reads:
        return None
    name = reads[-1]
    if reads == ("y",):

        def of_output(node: Node, g: Any) -> Any:
            if node.alias is not None:
                check_output(node, "output", node.alias, node.shape)
            return g * rule(node.output)

        return of_output
    if reads == (op.arrays[0],):

        def of_first(node: Node, g: Any) -> Any:
            x = node.input1
            if x._alias is not None:
                check_not_stale(node, name, x)
            return g * rule(x._data)

        return of_first
    if reads == op.arrays[1:2]:

        def of_second(node: Node, g: Any) -> Any:
            x: Any = node.input2
            if x._alias is not None:
                check_not_stale(node, name, x)
            return g * rule(x._data)

        return of_second
    if reads == ("xp", op.arrays[0]):

        def of_namespace(node: Node, g: Any) -> Any:
            x = node.input1
            if x._alias is not None:
                check_not_stale(node, name, x)
            return g * rule(node.type.xp, x._data)

        return of_namespace
    return None


def _namespace(node: Node, g: Any, mode: Mode) -> Any:
    """What rules compute in: the backend's namespace, or that of what the cotangent is."""
    return g._rule_namespace() if mode >= Mode.RECORDED else node.type.xp


def _product(rule: Rule, partial: Pull, reads: tuple[str, ...], mode: Mode) -> Pull:
    """The cotangent times the partial derivative."""
    if not reads:
        constant = rule()
        return (lambda node, g: g) if constant == 1 else lambda node, g: g * constant
    if mode.careful and mode >= Mode.RECORDED:
        return lambda node, g: guarded_multiply(g._rule_namespace(), g, partial(node, g))
    if mode.careful:
        return lambda node, g: node.type.xp.guarded_multiply(g, partial(node, g))
    return lambda node, g: g * partial(node, g)


def _conjugated(pull: Pull, mode: Mode) -> Pull:
    """The adjoint from the transpose: `conj(pull(conj(g)))`."""

    def adjoint(node: Node, g: Any) -> Any:
        xp = _namespace(node, g, mode)
        return _conj(xp, pull(node, _conj(xp, g)))

    return adjoint


def _conj(xp: Any, x: Any) -> Any:
    if isinstance(x, Parts):
        return Parts(None if part is None else _conj(xp, part) for part in x)
    return xp.conj(x) if xp.isdtype(x.dtype, "complex floating") else x


def elementwise(
    function: Callable[..., Any],
    *partials: Rule | None,
    dtype: str = "promote",
    domain: Domain | Sequence[Domain] = REAL,
    masks: bool = False,
    kinds: str | None = None,
) -> None:
    """Add a row for an op that acts element by element; a rule is the partial derivative.

    `dtype` is how operands are converted: `"promote"` to their common dtype, `"float"` to a
    floating one, `"own"` not at all. `kinds` are the kinds of dtype it takes, all by default.
    """
    _add(
        Op(
            "elementwise",
            function,
            partials,
            dtype=dtype,
            domain=domain,
            masks=masks,
            kinds=kinds,
        )
    )


def linear(
    function: Callable[..., Any],
    *transposes: Rule | None,
    dtype: str = "promote",
    view: bool = False,
    masks: bool = False,
    sparse: bool = False,
    overwrites: bool = False,
) -> None:
    """Add a row for an op linear in each of its arrays; a rule is the transpose.

    `view` says that the result may alias its operand, `masks` that a cotangent meets elements that
    were not used, `sparse` that it meets few of them and can be added into a buffer in place, and
    `overwrites` that it is the write of the second operand at `key` of the first.
    """
    _add(
        Op(
            "linear",
            function,
            transposes,
            dtype=dtype,
            view=view,
            masks=masks,
            sparse=sparse,
            overwrites=overwrites,
        )
    )


def nonlinear(
    function: Callable[..., Any],
    *pullbacks: Rule | None,
    dtype: str = "float",
    jvp: Rule | None = None,
    masks: bool = False,
    domain: Domain | Sequence[Domain] = REAL,
    kinds: str | None = None,
    outputs: type[NamedTuple] | None = None,
    holomorphic: bool = True,
) -> None:
    """Add a row for any other differentiable op; a rule is the pullback.

    `jvp` may give the forward rule where the pullback of the pullback is slow; it names the
    tangent `g`. `outputs` is the named tuple of an op with several results: `y` and `g` are then
    one of outputs and one of cotangents, `None` for an output that nothing depends on. Pullbacks of
    complex arrays are written without conjugates, as the transpose, unless `holomorphic` is false:
    then as the adjoint.
    """
    _add(
        Op(
            "nonlinear",
            function,
            pullbacks,
            dtype=dtype,
            jvp=jvp,
            masks=masks,
            domain=domain,
            kinds=kinds,
            outputs=outputs,
            holomorphic=holomorphic,
        )
    )


def discrete(
    function: Callable[..., Any], dtype: str = "promote", kinds: str | None = None
) -> None:
    """Add a row for an op without a derivative: boolean, index or piecewise constant results."""
    _add(Op("discrete", function, (), dtype=dtype, kinds=kinds))


PART = Op("linear", part, (None,), dtype="own")
"""The op of nodes that stand for one of several outputs."""


def _add(op: Op) -> None:
    TABLE[op.function] = op
    BY_NAME[op.path if "." in op.extension else op.name] = op
