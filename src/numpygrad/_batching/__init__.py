"""`vmap`: a function of one example, applied to many at once.

The function is captured as a program, as lazy execution and `compile` do it, for the shapes of one
example. The program is then run over Arrays that hold all examples, by a rule for each kernel; so
it is recorded, differentiated, deferred and compiled as if it had been written for many.
"""

from numpygrad._batching.transform import vmap as vmap
