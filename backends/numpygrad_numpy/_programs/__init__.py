"""How NumPy runs programs: one generated function over memory that is laid out ahead.

`executor` is where it begins; `plan` decides, `source` and `tile_source` write the function.
"""
