"""The errors numpygrad raises; each is also the builtin a caller would catch.

::

    NumpygradError
    ├── ShapeError       (ValueError)            shapes that do not fit the operation
    ├── DTypeError       (TypeError)             a dtype the operation does not take
    ├── DeviceError      (ValueError)            arrays on two devices, or an unknown device
    ├── BackendError     (ImportError)           a backend or library that is not installed
    ├── VersionError     (RuntimeError)          a saved value overwritten, or an unrecordable write
    ├── GraphError       (RuntimeError)          backward() of nothing recorded, or a second time
    ├── DerivativeError  (NotImplementedError)   a derivative that is not defined or not available
    ├── ConvergenceError (RuntimeError)          an iteration that did not reach its tolerance
    ├── CaptureError     (RuntimeError)          what a compiled function cannot capture
    └── AnomalyError     (ArithmeticError)       a NaN that backward made, under detect_anomaly()
"""


class NumpygradError(Exception):
    """Base of every error numpygrad raises on purpose."""


class ShapeError(NumpygradError, ValueError):
    """Shapes that do not fit the operation."""


class DTypeError(NumpygradError, TypeError):
    """A dtype the operation does not take."""


class DeviceError(NumpygradError, ValueError):
    """Arrays on two devices, or a device string nobody knows."""


class BackendError(NumpygradError, ImportError):
    """A backend that is unknown or without its hardware; or it, or SciPy, is not installed."""


class VersionError(NumpygradError, RuntimeError):
    """A value that backward needs was overwritten, or a write that cannot be recorded."""

    stamp: int | None = None
    """When it was overwritten, by the clock that numbers ops and writes."""


class GraphError(NumpygradError, RuntimeError):
    """A backward pass over a graph that is absent or already released."""


class DerivativeError(NumpygradError, NotImplementedError):
    """A derivative that is not defined, or not available; never a wrong number instead."""


class ConvergenceError(NumpygradError, RuntimeError):
    """An iteration that did not reach its tolerance; its last state is no result."""


class CaptureError(NumpygradError, RuntimeError):
    """What a function cannot do while `compile` captures it, with the line that does it."""


class AnomalyError(NumpygradError, ArithmeticError):
    """A NaN that a backward pass made, with the op and the line that it came from."""
