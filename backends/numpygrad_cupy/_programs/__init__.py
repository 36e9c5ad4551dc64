"""How CuPy runs programs: one generated kernel for a group of elementwise calls.

`executor` is where it begins; `plan` decides, `expressions` writes CUDA C, `graph` captures.
"""
