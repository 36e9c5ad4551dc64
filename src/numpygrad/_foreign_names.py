"""What to write for names of NumPy, PyTorch and JAX that numpygrad does not have."""

from __future__ import annotations

_DTYPE = "'float32' or 'float64': the standard has no others"
_LINALG = "npg.linalg.{}"
_RANDOM = "npg.random.{}"

INSTEAD = {
    "amax": "npg.max(x, axis=...)",
    "amin": "npg.min(x, axis=...)",
    "argwhere": "npg.nonzero",
    "as_tensor": "npg.asarray",
    "bfloat16": _DTYPE,
    "cuda": "device='cuda:0', or npg.set_default_device('cuda')",
    "cross": _LINALG.format("cross"),
    "det": _LINALG.format("det"),
    "diagonal": "x.diagonal(), or npg.linalg.diagonal of the last two axes",
    "double": "npg.float64",
    "float": "npg.float64, or Python's float",
    "float16": _DTYPE,
    "from_numpy": "npg.asarray",
    "gather": "npg.take_along_axis",
    "half": _DTYPE,
    "index_select": "npg.take",
    "int": "npg.int64, or Python's int",
    "inv": _LINALG.format("inv"),
    "jacfwd": "npg.jacobian(f, mode='forward')",
    "jacrev": "npg.jacobian(f, mode='reverse')",
    "jit": "npg.compile",
    "load": "npg.io.load, or npg.array(numpy.load(path))",
    "long": "npg.int64",
    "manual_seed": _RANDOM.format("seed"),
    "masked_fill": "npg.where(mask, value, x)",
    "mm": "npg.matmul, or x @ y",
    "ndarray": "npg.Array",
    "nn": "arrays in a dict: numpygrad has derivatives and no layers; see the examples",
    "norm": _LINALG.format("norm"),
    "normal": _RANDOM.format("normal"),
    "optim": "w -= rate * w.grad, or numpygrad.optimize; see the examples",
    "rand": _RANDOM.format("rand"),
    "randint": _RANDOM.format("randint"),
    "randn": _RANDOM.format("randn"),
    "save": "npg.io.save, or numpy.save(path, x.detach())",
    "set_grad_enabled": "with npg.no_grad(): and with npg.enable_grad():",
    "solve": _LINALG.format("solve"),
    "svd": _LINALG.format("svd"),
    "tensor": "npg.array",
    "trace": "x.trace(), or npg.linalg.trace of the last two axes",
    "unique": "npg.unique_values, unique_counts, unique_inverse or unique_all",
}
"""By the name that was asked for; read when there is no such attribute."""


def hint(name: str) -> str:
    """What to add to the message of an `AttributeError`."""
    return f"; use {INSTEAD[name]}" if name in INSTEAD else ""
