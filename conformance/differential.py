"""The differential run: numpygrad against array-api-strict, with the same arguments."""

from __future__ import annotations

import functools
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import array_api_strict

import numpygrad
from conformance import libraries
from conformance.calls import Call, draw_call
from conformance.comparison import difference
from conformance.draws import NoRecipeError
from conformance.outcome import Outcome, first_line
from conformance.progress import Progress
from conformance.standard import METHODS, Function, dtypes, functions, methods

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAME = "differential"
PROCESSES = 2
_TASKS_OF_A_PROCESS = 15
"""Then another takes over: JAX keeps what it compiles for each dtype and shape, without a bound."""
EXPECTED_ERRORS = (ValueError, IndexError, TypeError, OverflowError, NotImplementedError)
"""What a wrong argument may raise; anything else is a crash."""
OUT_OF_SCOPE = frozenset({
    "__array_namespace_info__",
    "__array_namespace__",
    "__dlpack__",
    "__dlpack_device__",
    "to_device",
})  # fmt: skip
"""What gives objects that cannot be compared; the official suite covers them."""
WITHOUT_VALUES = frozenset({"empty", "empty_like"})
SIGN_OF_ZERO_OPEN = frozenset({"clip", "maximum", "minimum"})


def run_differential(
    backends: Sequence[str], calls: int, categories: Sequence[str] = ()
) -> list[Outcome]:
    """The outcome for each backend, function and dtype, from `calls` calls each.

    `categories` are those wanted; all by default.
    """
    wanted = [i for i, f in enumerate(_subjects()) if not categories or f.category in categories]
    tasks = [(backend, index) for backend in backends for index in wanted]
    progress = Progress(f"{NAME} on {', '.join(backends)}", total=len(tasks))
    found: dict[tuple[str, int], list[Outcome]] = {}
    with get_context("spawn").Pool(PROCESSES, maxtasksperchild=_TASKS_OF_A_PROCESS) as pool:
        work = functools.partial(_run_task, calls)
        for task, outcomes in pool.imap_unordered(work, tasks, chunksize=1):
            found[task] = outcomes
            progress.done += 1
            progress.failed += any(o.status in ("failed", "absent") for o in outcomes)
            progress.show()
    progress.finish()
    return [outcome for task in tasks for outcome in found[task]]


def _run_task(calls: int, task: tuple[str, int]) -> tuple[tuple[str, int], list[Outcome]]:
    return task, _run_function(*task, calls)


def _subjects() -> list[Function]:
    return [f for f in (*functions(), *methods()) if f.name not in OUT_OF_SCOPE]


def _run_function(backend: str, index: int, calls: int) -> list[Outcome]:
    """The outcomes of one function on one backend, a dtype each."""
    function = _subjects()[index]
    if function.find_in(numpygrad) is None:
        cause = f"numpygrad lacks {_qualified(function)}"
        return [Outcome(NAME, backend, function.category, _qualified(function), "absent", cause)]
    names = dtypes() if function.has_dtype else ("",)
    with numpygrad.device(f"{backend}:"):
        return [_run_dtype(backend, function, dtype, calls) for dtype in names]


def _qualified(function: Function) -> str:
    return f"{function.extension}.{function.name}" if function.extension else function.name


def _run_dtype(backend: str, function: Function, dtype: str, calls: int) -> Outcome:
    """One outcome: failed with the shortest call that differs; skipped if strict took no call."""
    test = f"{_qualified(function)}[{dtype}]" if dtype else _qualified(function)
    about = (NAME, backend, function.category, test)
    try:
        checked = list(_checked(function, dtype, calls))
    except NoRecipeError as error:
        return Outcome(*about, "skipped", str(error))
    causes = sorted((cause for cause in checked if cause), key=len)
    if causes:
        return Outcome(*about, "failed", f"{causes[0]} ({len(causes)} of {len(checked)} calls)")
    if not checked:
        return Outcome(*about, "skipped", "array-api-strict takes no such dtype here")
    return Outcome(*about, "passed")


def _checked(function: Function, dtype: str, calls: int) -> Iterator[str]:
    """The difference, or nothing, for each call that the standard gives a meaning to."""
    for number in range(calls):
        call = draw_call(function, dtype or "float64", number)
        try:
            yield _check(function, call)
        except _BeyondTheStandardError:
            continue


class _BeyondTheStandardError(Exception):
    """array-api-strict takes no such dtypes: what numpygrad does with them is its own affair."""


def _check(function: Function, call: Call) -> str:
    expected, refused = _attempt(
        array_api_strict, function, call, libraries.to_strict, libraries.from_strict
    )
    if isinstance(refused, (TypeError, NotImplementedError)):
        raise _BeyondTheStandardError from refused
    found, error = _attempt(
        numpygrad, function, call, libraries.to_numpygrad, libraries.from_numpygrad
    )
    text = f"{_qualified(function)}({call})"
    if error is not None:
        return _error_difference(text, error, refused)
    if refused is not None:
        return f"{text} raises nothing, strict {type(refused).__name__}: {first_line(str(refused))}"
    zeros = function.category in ("elementwise", METHODS) and function.name not in SIGN_OF_ZERO_OPEN
    differs = difference(found, expected, values=function.name not in WITHOUT_VALUES, zeros=zeros)
    return f"{text} {differs}" if differs else ""


def _attempt(
    namespace: Any, function: Function, call: Call, to: Any, back: Any
) -> tuple[Any, Exception | None]:
    try:
        return libraries.run(namespace, function, call, to, back), None
    except Exception as error:
        return None, error


def _error_difference(text: str, error: Exception, refused: Exception | None) -> str:
    """An error is right where strict raises one too, and it is of a kind a caller can expect."""
    raised = f"{type(error).__name__}: {first_line(str(error), 120)}"
    if refused is None:
        return f"{text} raises {raised}"
    if not isinstance(error, EXPECTED_ERRORS):
        return f"{text} raises {raised}, strict {type(refused).__name__}"
    return ""
