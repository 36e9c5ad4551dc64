"""Interpolation, after `scipy.interpolate`: linear, by cubic splines, monotone, and on grids.

Derivatives are with respect to the points where a function is evaluated, its values, and the places
where these are known.
"""

from numpygrad.scipy.interpolate._cubic import CubicSpline as CubicSpline
from numpygrad.scipy.interpolate._cubic import PchipInterpolator as PchipInterpolator
from numpygrad.scipy.interpolate._linear import RegularGridInterpolator as RegularGridInterpolator
from numpygrad.scipy.interpolate._linear import interp as interp
from numpygrad.scipy.interpolate._pieces import PPoly as PPoly
