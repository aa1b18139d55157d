"""Compiles a golden model's inner loop where numba is installed; where not, the same text runs as it stands.

golden models -> [compiled] -> golden models
"""

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")

COMPILED = find_spec("numba") is not None and os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")
"""Whether it is; numba's own variable NUMBA_DISABLE_JIT=1 keeps it from being loaded."""


def compiled(function: Callable[Arguments, Value]) -> Callable[Arguments, Value]:
    """`function`, compiled at its first call. It and what it calls keep to numbers, arrays and tuples of numbers."""
    if not COMPILED:
        return function
    import numba

    found: Any = numba.njit(function)
    return found  # type: ignore[no-any-return]
