"""What a build takes and how fast it is: nextpnr's report and the netlist, as report.json and report.md.

netlist, nextpnr's report -> [check] -> BuildError, or Result -> report.json, report.md
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from boards.flows import CLOCKLESS, BuildError

LUTS = ("SB_LUT4", "LUT4", "LUT1", "LUT2", "LUT3")
FLIP_FLOPS = ("SB_DFF", "TRELLIS_FF", "DFF")
# A cell of the carry chain that is two LUTs and their carry on the ECP5, one on Gowin.
_CARRIES = {"CCU2C": 2, "ALU": 1}


_ROUNDING = 5e-3
"""Of a constraint: nextpnr keeps periods in whole steps of its delays."""


class TimingError(BuildError):
    """A clock that is not met. Another placement may meet it."""


@dataclass(frozen=True)
class Clock:
    """A clock of the routed design, in megahertz; `constraint` is None where nothing constrains it."""

    name: str
    constraint: float | None
    achieved: float

    @property
    def met(self) -> bool:
        return self.constraint is not None and self.achieved >= self.constraint


@dataclass(frozen=True)
class Use:
    """Cells of one kind: used of those that the part has."""

    used: int
    available: int


@dataclass(frozen=True)
class Result:
    """What is written to report.json.

    Parameters
    ----------
    luts, flip_flops : as synthesised
    cells : of every kind that nextpnr counts and that is used
    inputs : asynchronous input -> the register that takes it
    critical_path : (cell, nanoseconds from its start), the longest path between registers
    params : of the gateware
    """

    board: str
    part: str
    clocks: list[Clock]
    luts: int
    flip_flops: int
    cells: dict[str, Use]
    inputs: dict[str, str]
    critical_path: list[tuple[str, float]]
    seed: int
    params: dict[str, Any]
    tools: dict[str, str]
    bitstream: str
    sha256: str


def clocks(report: Mapping[str, Any]) -> list[Clock]:
    """Clocks of nextpnr's report, the design's own first."""
    found = [
        Clock(_net(name), None if entry["constraint"] == CLOCKLESS else entry["constraint"], entry["achieved"])
        for name, entry in report["fmax"].items()
    ]
    return sorted(found, key=lambda clock: -(clock.constraint or 0))


def check(report: Mapping[str, Any], megahertz: float) -> list[Clock]:
    """The clocks, when all is well: each constrained and met, one of them the design's, no path between two.

    Raises
    ------
    BuildError : what is wrong.
    """
    found = clocks(report)
    for clock in found:
        if clock.constraint is None:
            raise BuildError(f"clock {clock.name} has no constraint")
    if not any(abs(clock.constraint / megahertz - 1) < _ROUNDING for clock in found if clock.constraint):
        raise BuildError(f"no clock is constrained to the design's {megahertz:g} MHz: {found}")
    for path in report["critical_paths"]:
        ends = {path["from"], path["to"]}
        if len(ends) > 1 and not any("async" in end for end in ends):
            raise BuildError(f"a path crosses from {path['from']} to {path['to']}: there is no synchroniser")
    for clock in found:
        if not clock.met:
            path = " -> ".join(f"{cell} {time:g}" for cell, time in critical_path(report))
            raise TimingError(
                f"clock {clock.name} reaches {clock.achieved:.1f} MHz, {clock.constraint:.4g} MHz is required; "
                f"the critical path, in ns: {path}"
            )
    return found


def _net(name: str) -> str:
    """A net's name without what promotion to a global net adds."""
    return name.removeprefix("$glbnet$").removesuffix("$glb_clk").removesuffix("_$glb_clk").rstrip("_")


def critical_path(report: Mapping[str, Any]) -> list[tuple[str, float]]:
    """(cell, nanoseconds so far) along the longest path between registers, in the names of the gateware.

    Synthesis names what it makes after a signal near it; the rest of such a name is left out.
    """
    inside = [each for each in report["critical_paths"] if "async" not in each["from"] + each["to"]]
    path = max(inside, key=lambda each: sum(step["delay"] for step in each["path"]))["path"]
    found: list[tuple[str, float]] = []
    time = 0.0
    for step in path:
        time += step["delay"]
        cell = re.sub(r"(_(SB|LUT|PFUMX|L6MUX|CCU2C|TRELLIS|DP16KD|DFF|MUX2|ALU)|\$).*$", "", step["to"]["cell"])
        cell = cell.removeprefix("core.").removeprefix("readout.readout.").rstrip(".")
        if not found or found[-1][0] != cell:
            found.append((cell, round(time, 2)))
        else:
            found[-1] = (cell, round(time, 2))
    return found


def area(netlist: Mapping[str, Any], top: str = "top") -> tuple[int, int]:
    """(LUTs, flip-flops) of a synthesised design."""
    kinds = [cell["type"] for cell in netlist["modules"][top]["cells"].values()]
    luts = sum(kind in LUTS for kind in kinds) + sum(each * kinds.count(kind) for kind, each in _CARRIES.items())
    return luts, sum(kind.startswith(FLIP_FLOPS) for kind in kinds)


def inputs(netlist: Mapping[str, Any], names: Sequence[str], top: str = "top") -> dict[str, str]:
    """Input port -> the register that takes it, for the asynchronous inputs `names`.

    Raises
    ------
    BuildError : an input reaches logic, or two registers, which could then differ.
    """
    module = netlist["modules"][top]
    nets: dict[Any, str] = {}
    for name, net in module["netnames"].items():
        if not net["hide_name"]:
            for bit in net["bits"]:
                nets.setdefault(bit, name)
    found = {}
    for name in names:
        (pin,) = module["ports"][name]["bits"]
        (buffer,) = _sinks(module, pin)
        taker = _taker(module, _output(module, buffer, ("D_IN_0", "O")))
        if taker is None:
            raise BuildError(f"input {name} has no synchroniser of its own: more than one register sees it")
        found[name] = nets[_output(module, taker, ("Q",))]
    return found


def _taker(module: Mapping[str, Any], net: Any) -> str | None:
    """The one register that a net goes to; an inverter on the way is that of a register that comes up high."""
    sinks = _sinks(module, net)
    if len(sinks) != 1:
        return None
    (sink,) = sinks
    cell = module["cells"][sink]
    if cell["type"].startswith(FLIP_FLOPS):
        # Neither as its enable nor as its reset.
        return sink if net in cell["connections"].get("D", cell["connections"].get("DI", [])) else None
    inputs = [bits for port, bits in cell["connections"].items() if cell["port_directions"][port] == "input"]
    if cell["type"] not in LUTS or sum(isinstance(bit, int) for bits in inputs for bit in bits) != 1:
        return None
    return _taker(module, _output(module, sink, ("O", "Z", "F")))


def _output(module: Mapping[str, Any], cell: str, ports: tuple[str, ...]) -> Any:
    """The net at a cell's output of one of these names."""
    connections = module["cells"][cell]["connections"]
    return next(connections[port][0] for port in ports if port in connections)


def _sinks(module: Mapping[str, Any], bit: Any) -> list[str]:
    """Cells that a net goes into."""
    return [
        name
        for name, cell in module["cells"].items()
        if any(bit in bits and cell["port_directions"][port] != "output" for port, bits in cell["connections"].items())
    ]


def cells(report: Mapping[str, Any]) -> dict[str, Use]:
    """Cells that are used, by nextpnr's names of their kinds."""
    return {
        kind: Use(entry["used"], entry["available"])
        for kind, entry in report["utilization"].items()
        # Some kinds are not places of the part but ways to use one.
        if entry["used"] and entry["available"]
    }


def as_json(result: Result) -> str:
    return json.dumps(asdict(result), indent=2) + "\n"


def as_page(result: Result) -> str:
    """report.md."""
    lines = [
        f"# {result.board}: {result.part}",
        "",
        f"`{result.bitstream}`, SHA-256 `{result.sha256}`, seed {result.seed} of place and route.",
        "",
        "## Clocks",
        "",
        "| clock | required, MHz | achieved, MHz |",
        "| --- | ---: | ---: |",
        *(f"| {clock.name} | {clock.constraint:.4g} | {clock.achieved:.1f} |" for clock in result.clocks),
        "",
        "There is one clock domain. Asynchronous inputs, each taken by one register of a synchroniser:",
        "",
        "| input | register |",
        "| --- | --- |",
        *(f"| {name} | {register} |" for name, register in result.inputs.items()),
        "",
        "## Area",
        "",
        f"{result.luts} LUTs and {result.flip_flops} flip-flops as synthesised; placed:",
        "",
        "| cell | used | of | % |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {kind} | {use.used} | {use.available} | {100 * use.used / use.available:.1f} |"
            for kind, use in result.cells.items()
        ),
        "",
        "## Critical path",
        "",
        "| cell | ns from the path's start |",
        "| --- | ---: |",
        *(f"| {cell} | {time:g} |" for cell, time in result.critical_path),
        "",
        "## Gateware",
        "",
        "| parameter | value |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in result.params.items()),
        "",
        "## Tools",
        "",
        "| package | version |",
        "| --- | --- |",
        *(f"| {name} | {version} |" for name, version in result.tools.items()),
        "",
    ]
    return "\n".join(lines)
