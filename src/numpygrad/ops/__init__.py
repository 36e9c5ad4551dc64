"""The ops, a file for each page of the standard."""

from __future__ import annotations

import sys

from numpygrad._array import Array
from numpygrad._backend import Namespace
from numpygrad.ops.elementwise import clip_both, clip_high, clip_low
from numpygrad.ops.indexing import add_at, item_at, put, scatter
from numpygrad.ops.manipulation import broadcast_to
from numpygrad.ops.special import (
    erf,
    log_softmax,
    logsumexp,
    relu,
    sigmoid,
    softmax,
    softplus,
)

RULE_NAMESPACE = Namespace(
    sys.modules["numpygrad"],
    {
        "clip_both": clip_both,
        "add_at": add_at,
        "clip_high": clip_high,
        "clip_low": clip_low,
        "erf": erf,
        "gather": item_at,
        "log_softmax": log_softmax,
        "logsumexp": logsumexp,
        "put": put,
        "relu": relu,
        "scatter": scatter,
        "select": item_at,
        "sigmoid": sigmoid,
        "softmax": softmax,
        "softplus": softplus,
        "spread": broadcast_to,
        "stop_gradient": Array.detach,
    },
    extensions={},
)
"""numpygrad as rules see it when backward is itself recorded: with the extra kernels as ops."""
