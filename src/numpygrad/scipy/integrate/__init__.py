"""Integrals, after `scipy.integrate`: of functions, and of samples.

`quad`, `quad_vec` and `fixed_quad` integrate a function; derivatives are with respect to the limits
and to whatever tracked arrays the function takes or closes over. `trapezoid`,
`cumulative_trapezoid` and `simpson` integrate samples. The counterpart of `solve_ivp` is
`numpygrad.odeint`.
"""

from numpygrad.scipy.integrate._quadrature import fixed_quad as fixed_quad
from numpygrad.scipy.integrate._quadrature import quad as quad
from numpygrad.scipy.integrate._quadrature import quad_vec as quad_vec
from numpygrad.scipy.integrate._sampled import cumulative_trapezoid as cumulative_trapezoid
from numpygrad.scipy.integrate._sampled import simpson as simpson
from numpygrad.scipy.integrate._sampled import trapezoid as trapezoid
