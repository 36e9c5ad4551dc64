"""Functions and kernels with rules of the user's, and functions that are run again in backward.

`custom_vjp`, `custom_jvp` and `checkpoint` stand for a function by one node (`joint`); `custom_op`
adds a row to the table.
"""
