"""Which core splits and decodes: the fast one (`edgeray.fast`) where numba is installed, else plain Python."""

from functools import cache
from types import ModuleType


@cache
def fast() -> ModuleType | None:
    """`edgeray.fast`, imported at the first call; None where numba is not installed (`pip install edgeray[fast]`)."""
    try:
        from edgeray import fast as module
    except ImportError:
        return None
    return module
