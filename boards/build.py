"""From a board to its bitstream and the report on it.

Board -> Top -> RTLIL, constraints -> yosys -> nextpnr, seed after seed -> check -> packer -> out/bitstreams/NAME/

What is made on the way stays in build/boards/NAME/: `top.il` as elaborated, `top.json` as synthesised, `top-SEED.*` as
placed and routed.
"""

import hashlib
import json
import shutil
import warnings
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from boards import report
from boards.board import Board
from boards.flows import BuildError
from boards.top import Top

ROOT = Path(__file__).parent.parent
WORK = ROOT / "build" / "boards"
OUT = ROOT / "out" / "bitstreams"
SEEDS = (1, 2, 3, 4, 5, 6, 7, 8)
"""Of placement, in the order in which they are tried; the first that meets every clock wins."""
ASYNCHRONOUS = ("uart_0__rx__io", "header_roic_0__trigger__io")


def bitstream(board: Board, out: Path = OUT) -> Path:
    """Where a board's bitstream is."""
    return out / board.name / f"{board.name}.{board.flow.bitstream}"


def elaborate(board: Board, directory: Path) -> None:
    """Write top.il and the constraints into `directory`, which is made anew."""
    platform: Any = board.platform()
    with warnings.catch_warnings():
        # amaranth-boards describes pins that no design here uses in a form that Amaranth is about to drop.
        warnings.simplefilter("ignore", DeprecationWarning)
        # Positions in source files would make the result depend on where the project is.
        plan = platform.prepare(Top(board), "top", emit_src=False)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name, content in plan.files.items():
        if Path(name).suffix in (".il", ".pcf", ".lpf", ".cst"):
            (directory / name).write_text(content if isinstance(content, str) else content.decode(), encoding="utf-8")
    if board.flow.constraints[1] == "sdc":
        (directory / "top.sdc").write_text(_timing_constraints(platform), encoding="utf-8")


def _timing_constraints(platform: Any) -> str:
    """The clocks as SDC, for a family whose platform writes none."""
    nets = [(".".join(platform._name_map[net][1:]), hertz) for net, hertz in platform.iter_signal_clock_constraints()]
    ports = [(port.name, hertz) for port, hertz in platform.iter_port_clock_constraints()]
    return "".join(
        f"create_clock -name {{{name}}} -period {1e9 / hertz:.6f} [get_{kind} {{{name}}}]\n"
        for kind, found in (("nets", nets), ("ports", ports))
        for name, hertz in found
    )


def synthesise(board: Board, directory: Path) -> Path:
    """The netlist of a board, `top.json` in `directory`, which is made anew."""
    elaborate(board, directory)
    return board.flow.synthesise(directory)


def route(board: Board, directory: Path, seeds: tuple[int, ...] = SEEDS) -> tuple[int, list[report.Clock]]:
    """(seed, clocks) of the first placement of the netlist in `directory` that meets every clock.

    Raises
    ------
    BuildError : none does, or a clock has no constraint.
    """
    missed: list[BuildError] = []
    for seed in seeds:
        found = json.loads(board.flow.route(directory, seed).read_text(encoding="utf-8"))
        try:
            return seed, report.check(found, board.pll.frequency / 1e6)
        except report.TimingError as error:
            missed.append(error)
    raise BuildError(f"no seed of {', '.join(map(str, seeds))} meets the clock; the first: {missed[0]}")


def build(board: Board, work: Path = WORK, out: Path = OUT, seeds: tuple[int, ...] = SEEDS) -> report.Result:
    """Make a board's bitstream and reports, in `out`/NAME; what was there is gone even where this fails.

    Raises
    ------
    BuildError : why there is no bitstream.
    """
    directory, target = work / board.name, out / board.name
    shutil.rmtree(target, ignore_errors=True)
    netlist = json.loads(synthesise(board, directory).read_text(encoding="utf-8"))
    inputs = report.inputs(netlist, ASYNCHRONOUS)
    seed, clocks = route(board, directory, seeds)
    routed = json.loads((directory / f"top-{seed}.report.json").read_text(encoding="utf-8"))
    packed = board.flow.write(directory, seed)

    luts, flip_flops = report.area(netlist)
    product = bitstream(board, out)
    result = report.Result(
        board=board.title,
        part=board.flow.part,
        clocks=clocks,
        luts=luts,
        flip_flops=flip_flops,
        cells=report.cells(routed),
        inputs=inputs,
        critical_path=report.critical_path(routed),
        seed=seed,
        params={**asdict(board.params), "adc": board.adc.__name__},
        tools={package: version(package) for package in ("amaranth", "amaranth-boards", *board.flow.packages)},
        bitstream=product.name,
        sha256=hashlib.sha256(packed.read_bytes()).hexdigest(),
    )
    target.mkdir(parents=True)
    (target / "report.json").write_text(report.as_json(result), encoding="utf-8")
    (target / "report.md").write_text(report.as_page(result), encoding="utf-8")
    shutil.copyfile(packed, product)
    return result
