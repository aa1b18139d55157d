"""What comes before all tests."""

from importlib.util import find_spec

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Compile the fast decoder once: workers that fill numba's cache at the same time can break each other's files."""
    if not hasattr(config, "workerinput") and find_spec("numba") is not None:
        import edgeray.fast  # noqa: F401
