"""Linear algebra beyond the standard's, after `scipy.linalg`, of stacks of matrices.

Matrices are the last two axes; leading axes are a stack, and those of two operands broadcast.
`numpygrad.linalg` has what the standard has: `solve`, `inv`, `det`, `cholesky`, `qr`, `svd`, norms.
"""

from numpy.linalg import LinAlgError as LinAlgError

from numpygrad.scipy.linalg._expm import expm as expm
from numpygrad.scipy.linalg._matrices import block_diag as block_diag
from numpygrad.scipy.linalg._matrices import circulant as circulant
from numpygrad.scipy.linalg._matrices import toeplitz as toeplitz
from numpygrad.scipy.linalg._solvers import banded_solution as banded_solution
from numpygrad.scipy.linalg._solvers import cho_factor as cho_factor
from numpygrad.scipy.linalg._solvers import cho_solve as cho_solve
from numpygrad.scipy.linalg._solvers import solve_banded as solve_banded
from numpygrad.scipy.linalg._solvers import solve_sylvester as solve_sylvester
from numpygrad.scipy.linalg._solvers import solve_triangular as solve_triangular
