"""SciPy's special functions, differentiable, on every backend.

Names and arguments are SciPy's, but for `out`; arrays are given by position. They take real
arrays, and give float32 for float32, else float64.
"""

from __future__ import annotations

from numpygrad.ops.elementwise import expm1 as expm1
from numpygrad.ops.elementwise import log1p as log1p
from numpygrad.ops.special import erf as erf
from numpygrad.scipy.special._bessel import i0 as i0
from numpygrad.scipy.special._bessel import i0e as i0e
from numpygrad.scipy.special._bessel import i1 as i1
from numpygrad.scipy.special._bessel import i1e as i1e
from numpygrad.scipy.special._bessel import j0 as j0
from numpygrad.scipy.special._bessel import j1 as j1
from numpygrad.scipy.special._bessel import y0 as y0
from numpygrad.scipy.special._bessel import y1 as y1
from numpygrad.scipy.special._error_function import erfc as erfc
from numpygrad.scipy.special._error_function import erfcinv as erfcinv
from numpygrad.scipy.special._error_function import erfcx as erfcx
from numpygrad.scipy.special._error_function import erfinv as erfinv
from numpygrad.scipy.special._error_function import log_ndtr as log_ndtr
from numpygrad.scipy.special._error_function import ndtr as ndtr
from numpygrad.scipy.special._error_function import ndtri as ndtri
from numpygrad.scipy.special._exponentials import log_softmax as log_softmax
from numpygrad.scipy.special._exponentials import logsumexp as logsumexp
from numpygrad.scipy.special._exponentials import softmax as softmax
from numpygrad.scipy.special._gamma import beta as beta
from numpygrad.scipy.special._gamma import betaln as betaln
from numpygrad.scipy.special._gamma import digamma as digamma
from numpygrad.scipy.special._gamma import gamma as gamma
from numpygrad.scipy.special._gamma import gammaln as gammaln
from numpygrad.scipy.special._gamma import loggamma as loggamma
from numpygrad.scipy.special._gamma import polygamma as polygamma
from numpygrad.scipy.special._gamma import psi as psi
from numpygrad.scipy.special._gamma import zeta as zeta
from numpygrad.scipy.special._incomplete import betainc as betainc
from numpygrad.scipy.special._incomplete import gammainc as gammainc
from numpygrad.scipy.special._incomplete import gammaincc as gammaincc
from numpygrad.scipy.special._information import entr as entr
from numpygrad.scipy.special._information import expit as expit
from numpygrad.scipy.special._information import kl_div as kl_div
from numpygrad.scipy.special._information import log_expit as log_expit
from numpygrad.scipy.special._information import logit as logit
from numpygrad.scipy.special._information import rel_entr as rel_entr
from numpygrad.scipy.special._information import xlog1py as xlog1py
from numpygrad.scipy.special._information import xlogy as xlogy
