"""NumPy-like arrays that differentiate, on any array-API backend."""

from __future__ import annotations

import importlib as _importlib
import math as _math
import typing as _typing

from numpy import bool as bool
from numpy import complex64 as complex64
from numpy import complex128 as complex128
from numpy import float32 as float32
from numpy import float64 as float64
from numpy import int8 as int8
from numpy import int16 as int16
from numpy import int32 as int32
from numpy import int64 as int64
from numpy import uint8 as uint8
from numpy import uint16 as uint16
from numpy import uint32 as uint32
from numpy import uint64 as uint64

from numpygrad import _numpy_protocols as _numpy_protocols
from numpygrad import _views as _views
from numpygrad import errors as errors
from numpygrad import linalg as linalg
from numpygrad import ops as ops
from numpygrad._anomaly import detect_anomaly as detect_anomaly
from numpygrad._array import Array as Array
from numpygrad._backend import Backend as Backend
from numpygrad._backend import Device as Device
from numpygrad._backend import Namespace as Namespace
from numpygrad._backend import default_device as default_device
from numpygrad._backend import device as device
from numpygrad._backend import installed_backends as installed_backends
from numpygrad._backend import set_default_device as set_default_device
from numpygrad._info import __array_namespace_info__ as __array_namespace_info__
from numpygrad._modes import enable_grad as enable_grad
from numpygrad._modes import is_grad_enabled as is_grad_enabled
from numpygrad._modes import is_lazy as is_lazy
from numpygrad._modes import lazy as lazy
from numpygrad._modes import mode as mode
from numpygrad._modes import no_grad as no_grad
from numpygrad._transforms import grad as grad
from numpygrad._transforms import jvp as jvp
from numpygrad._transforms import stop_gradient as stop_gradient
from numpygrad._transforms import value_and_grad as value_and_grad
from numpygrad._transforms import vjp as vjp
from numpygrad._tree import register_pytree_node as register_pytree_node
from numpygrad._views import increment_version as increment_version
from numpygrad.ops.aliases import cumprod as cumprod
from numpygrad.ops.aliases import cumsum as cumsum
from numpygrad.ops.aliases import transpose as transpose
from numpygrad.ops.at import at as at
from numpygrad.ops.creation import arange as arange
from numpygrad.ops.creation import array as array
from numpygrad.ops.creation import asarray as asarray
from numpygrad.ops.creation import copy as copy
from numpygrad.ops.creation import empty as empty
from numpygrad.ops.creation import empty_like as empty_like
from numpygrad.ops.creation import eye as eye
from numpygrad.ops.creation import from_dlpack as from_dlpack
from numpygrad.ops.creation import full as full
from numpygrad.ops.creation import full_like as full_like
from numpygrad.ops.creation import linspace as linspace
from numpygrad.ops.creation import meshgrid as meshgrid
from numpygrad.ops.creation import ones as ones
from numpygrad.ops.creation import ones_like as ones_like
from numpygrad.ops.creation import tril as tril
from numpygrad.ops.creation import triu as triu
from numpygrad.ops.creation import zeros as zeros
from numpygrad.ops.creation import zeros_like as zeros_like
from numpygrad.ops.data_types import astype as astype
from numpygrad.ops.data_types import can_cast as can_cast
from numpygrad.ops.data_types import finfo as finfo
from numpygrad.ops.data_types import iinfo as iinfo
from numpygrad.ops.data_types import isdtype as isdtype
from numpygrad.ops.data_types import result_type as result_type
from numpygrad.ops.einsum import einsum as einsum
from numpygrad.ops.elementwise import abs as abs
from numpygrad.ops.elementwise import acos as acos
from numpygrad.ops.elementwise import acosh as acosh
from numpygrad.ops.elementwise import add as add
from numpygrad.ops.elementwise import asin as asin
from numpygrad.ops.elementwise import asinh as asinh
from numpygrad.ops.elementwise import atan as atan
from numpygrad.ops.elementwise import atan2 as atan2
from numpygrad.ops.elementwise import atanh as atanh
from numpygrad.ops.elementwise import bitwise_and as bitwise_and
from numpygrad.ops.elementwise import bitwise_invert as bitwise_invert
from numpygrad.ops.elementwise import bitwise_left_shift as bitwise_left_shift
from numpygrad.ops.elementwise import bitwise_or as bitwise_or
from numpygrad.ops.elementwise import bitwise_right_shift as bitwise_right_shift
from numpygrad.ops.elementwise import bitwise_xor as bitwise_xor
from numpygrad.ops.elementwise import ceil as ceil
from numpygrad.ops.elementwise import clip as clip
from numpygrad.ops.elementwise import conj as conj
from numpygrad.ops.elementwise import copysign as copysign
from numpygrad.ops.elementwise import cos as cos
from numpygrad.ops.elementwise import cosh as cosh
from numpygrad.ops.elementwise import divide as divide
from numpygrad.ops.elementwise import equal as equal
from numpygrad.ops.elementwise import exp as exp
from numpygrad.ops.elementwise import expm1 as expm1
from numpygrad.ops.elementwise import floor as floor
from numpygrad.ops.elementwise import floor_divide as floor_divide
from numpygrad.ops.elementwise import greater as greater
from numpygrad.ops.elementwise import greater_equal as greater_equal
from numpygrad.ops.elementwise import hypot as hypot
from numpygrad.ops.elementwise import imag as imag
from numpygrad.ops.elementwise import isfinite as isfinite
from numpygrad.ops.elementwise import isinf as isinf
from numpygrad.ops.elementwise import isnan as isnan
from numpygrad.ops.elementwise import less as less
from numpygrad.ops.elementwise import less_equal as less_equal
from numpygrad.ops.elementwise import log as log
from numpygrad.ops.elementwise import log1p as log1p
from numpygrad.ops.elementwise import log2 as log2
from numpygrad.ops.elementwise import log10 as log10
from numpygrad.ops.elementwise import logaddexp as logaddexp
from numpygrad.ops.elementwise import logical_and as logical_and
from numpygrad.ops.elementwise import logical_not as logical_not
from numpygrad.ops.elementwise import logical_or as logical_or
from numpygrad.ops.elementwise import logical_xor as logical_xor
from numpygrad.ops.elementwise import maximum as maximum
from numpygrad.ops.elementwise import minimum as minimum
from numpygrad.ops.elementwise import multiply as multiply
from numpygrad.ops.elementwise import negative as negative
from numpygrad.ops.elementwise import nextafter as nextafter
from numpygrad.ops.elementwise import not_equal as not_equal
from numpygrad.ops.elementwise import positive as positive
from numpygrad.ops.elementwise import pow as pow
from numpygrad.ops.elementwise import real as real
from numpygrad.ops.elementwise import reciprocal as reciprocal
from numpygrad.ops.elementwise import remainder as remainder
from numpygrad.ops.elementwise import round as round
from numpygrad.ops.elementwise import sign as sign
from numpygrad.ops.elementwise import signbit as signbit
from numpygrad.ops.elementwise import sin as sin
from numpygrad.ops.elementwise import sinh as sinh
from numpygrad.ops.elementwise import sqrt as sqrt
from numpygrad.ops.elementwise import square as square
from numpygrad.ops.elementwise import subtract as subtract
from numpygrad.ops.elementwise import tan as tan
from numpygrad.ops.elementwise import tanh as tanh
from numpygrad.ops.elementwise import trunc as trunc
from numpygrad.ops.indexing import take as take
from numpygrad.ops.indexing import take_along_axis as take_along_axis
from numpygrad.ops.linear_algebra import matmul as matmul
from numpygrad.ops.linear_algebra import matrix_transpose as matrix_transpose
from numpygrad.ops.linear_algebra import tensordot as tensordot
from numpygrad.ops.linear_algebra import vecdot as vecdot
from numpygrad.ops.manipulation import broadcast_arrays as broadcast_arrays
from numpygrad.ops.manipulation import broadcast_shapes as broadcast_shapes
from numpygrad.ops.manipulation import broadcast_to as broadcast_to
from numpygrad.ops.manipulation import concat as concat
from numpygrad.ops.manipulation import expand_dims as expand_dims
from numpygrad.ops.manipulation import flip as flip
from numpygrad.ops.manipulation import moveaxis as moveaxis
from numpygrad.ops.manipulation import permute_dims as permute_dims
from numpygrad.ops.manipulation import repeat as repeat
from numpygrad.ops.manipulation import reshape as reshape
from numpygrad.ops.manipulation import roll as roll
from numpygrad.ops.manipulation import squeeze as squeeze
from numpygrad.ops.manipulation import stack as stack
from numpygrad.ops.manipulation import tile as tile
from numpygrad.ops.manipulation import unstack as unstack
from numpygrad.ops.numpy_names import allclose as allclose
from numpygrad.ops.numpy_names import array_equal as array_equal
from numpygrad.ops.numpy_names import atleast_1d as atleast_1d
from numpygrad.ops.numpy_names import atleast_2d as atleast_2d
from numpygrad.ops.numpy_names import column_stack as column_stack
from numpygrad.ops.numpy_names import diag as diag
from numpygrad.ops.numpy_names import dot as dot
from numpygrad.ops.numpy_names import hstack as hstack
from numpygrad.ops.numpy_names import inner as inner
from numpygrad.ops.numpy_names import isclose as isclose
from numpygrad.ops.numpy_names import outer as outer
from numpygrad.ops.numpy_names import pad as pad
from numpygrad.ops.numpy_names import ravel as ravel
from numpygrad.ops.numpy_names import split as split
from numpygrad.ops.numpy_names import swapaxes as swapaxes
from numpygrad.ops.numpy_names import vstack as vstack
from numpygrad.ops.order_statistics import average as average
from numpygrad.ops.order_statistics import median as median
from numpygrad.ops.order_statistics import nanmean as nanmean
from numpygrad.ops.order_statistics import nansum as nansum
from numpygrad.ops.order_statistics import percentile as percentile
from numpygrad.ops.order_statistics import quantile as quantile
from numpygrad.ops.searching import argmax as argmax
from numpygrad.ops.searching import argmin as argmin
from numpygrad.ops.searching import count_nonzero as count_nonzero
from numpygrad.ops.searching import nonzero as nonzero
from numpygrad.ops.searching import searchsorted as searchsorted
from numpygrad.ops.searching import where as where
from numpygrad.ops.sets import isin as isin
from numpygrad.ops.sets import unique_all as unique_all
from numpygrad.ops.sets import unique_counts as unique_counts
from numpygrad.ops.sets import unique_inverse as unique_inverse
from numpygrad.ops.sets import unique_values as unique_values
from numpygrad.ops.sorting import argsort as argsort
from numpygrad.ops.sorting import sort as sort
from numpygrad.ops.special import erf as erf
from numpygrad.ops.special import gelu as gelu
from numpygrad.ops.special import log_softmax as log_softmax
from numpygrad.ops.special import logsumexp as logsumexp
from numpygrad.ops.special import relu as relu
from numpygrad.ops.special import sigmoid as sigmoid
from numpygrad.ops.special import softmax as softmax
from numpygrad.ops.special import softplus as softplus
from numpygrad.ops.statistical import cumulative_prod as cumulative_prod
from numpygrad.ops.statistical import cumulative_sum as cumulative_sum
from numpygrad.ops.statistical import max as max
from numpygrad.ops.statistical import mean as mean
from numpygrad.ops.statistical import min as min
from numpygrad.ops.statistical import prod as prod
from numpygrad.ops.statistical import std as std
from numpygrad.ops.statistical import sum as sum
from numpygrad.ops.statistical import var as var
from numpygrad.ops.utility import all as all
from numpygrad.ops.utility import any as any
from numpygrad.ops.utility import diff as diff

if _typing.TYPE_CHECKING:
    from numpygrad import fft as fft
    from numpygrad import io as io
    from numpygrad import optimize as optimize
    from numpygrad import random as random
    from numpygrad import scipy as scipy
    from numpygrad import testing as testing
    from numpygrad._batching import vmap as vmap
    from numpygrad._compile import compile as compile
    from numpygrad._custom.checkpoint import checkpoint as checkpoint
    from numpygrad._custom.jvp import custom_jvp as custom_jvp
    from numpygrad._custom.op import custom_op as custom_op
    from numpygrad._custom.vjp import custom_vjp as custom_vjp
    from numpygrad._drawing import visualize as visualize
    from numpygrad._equations.implicit import fixed_point as fixed_point
    from numpygrad._equations.implicit import root as root
    from numpygrad._equations.odeint import odeint as odeint
    from numpygrad._jacobians import divergence as divergence
    from numpygrad._jacobians import elementwise_grad as elementwise_grad
    from numpygrad._jacobians import gvp as gvp
    from numpygrad._jacobians import hessian as hessian
    from numpygrad._jacobians import hvp as hvp
    from numpygrad._jacobians import jacobian as jacobian
    from numpygrad._jacobians import laplacian as laplacian
    from numpygrad._lazy.realize import lazy_stats as lazy_stats
    from numpygrad._linearize import linearize as linearize
    from numpygrad.scipy import special as special

_MODULES = ("fft", "io", "optimize", "random", "scipy", "testing")
_HOMES = {
    "checkpoint": "_custom.checkpoint",
    "compile": "_compile",
    "custom_jvp": "_custom.jvp",
    "custom_op": "_custom.op",
    "custom_vjp": "_custom.vjp",
    "divergence": "_jacobians",
    "elementwise_grad": "_jacobians",
    "fixed_point": "_equations.implicit",
    "gvp": "_jacobians",
    "hessian": "_jacobians",
    "hvp": "_jacobians",
    "jacobian": "_jacobians",
    "laplacian": "_jacobians",
    "lazy_stats": "_lazy.realize",
    "linearize": "_linearize",
    "odeint": "_equations.odeint",
    "root": "_equations.implicit",
    "special": "scipy",
    "visualize": "_drawing",
    "vmap": "_batching",
}


def __getattr__(name: str) -> _typing.Any:
    """What is imported when it is first used: modules, and functions from others."""
    if name in _MODULES:
        return _importlib.import_module(f"numpygrad.{name}")
    if name in _HOMES:
        return getattr(_importlib.import_module(f"numpygrad.{_HOMES[name]}"), name)
    hint: str = _importlib.import_module("numpygrad._foreign_names").hint(name)
    raise AttributeError(f"module 'numpygrad' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_HOMES})


Tensor = Array
"""The same class under its other name."""

absolute = abs
arccos = acos
arccosh = acosh
arcsin = asin
arcsinh = asinh
arctan = atan
arctan2 = atan2
arctanh = atanh
cat = concat
clamp = clip
concatenate = concat
conjugate = conj
div = divide
invert = bitwise_invert
mod = remainder
mul = multiply
neg = negative
permute = permute_dims
power = pow
sub = subtract
unsqueeze = expand_dims

e = _math.e
inf = _math.inf
nan = _math.nan
newaxis = None
pi = _math.pi

__array_api_version__ = "2025.12"
__version__ = "0.1.0"
