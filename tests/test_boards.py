"""Boards: every one elaborates, pins are told once, clocks are what the PLL makes, the build refuses what it has to."""

import gc
import json
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from boards import build, known, page, program, report
from boards.board import Board
from boards.clocks import ECP5PLL, ICE40PLL, PLL, ClockError, GowinPLL, ICE40PadPLL
from boards.flows import CLOCKLESS, BuildError
from boards.pins import PMOD, Connector, Header, PinError
from boards.ulx3s import PARALLEL
from tests.test_programmer import HEADS

ROOT = Path(__file__).parent.parent
BOARDS = list(known.BOARDS.values())
RECORDED = ROOT / "tests" / "nextpnr-report.json"


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_every_board_elaborates(board: Board, tmp_path: Path) -> None:
    """The design, its pins, and a constraint on its clock of the frequency that frames carry."""
    build.elaborate(board, tmp_path / "board")
    assert "module \\top" in (tmp_path / "board" / "top.il").read_text()
    text = "".join(path.read_text() for path in (tmp_path / "board").iterdir() if path.suffix != ".il")
    megahertz = board.params.clock_frequency / 1e6
    stated = [float(hertz) / 1e6 for hertz in re.findall(r'FREQUENCY NET "clocks.generated" (\S+) HZ', text)]
    stated += [float(each) for each in re.findall(r"set_frequency clocks.generated (\S+)", text)]
    stated += [1000 / float(period) for period in re.findall(r"-period (\S+) \[get_nets {clocks.generated}\]", text)]
    assert stated == [pytest.approx(megahertz)]
    located = re.findall(r'(?:set_io \S+|SITE|IO_LOC "[^"]+") "?([A-Z0-9]+)"?', text)
    assert len(set(located)) == len(located) >= len(list(board.header.wires())) + 3


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_pages_are_current(board: Board) -> None:
    text = (ROOT / "docs" / "boards" / f"{board.name}.md").read_text(encoding="utf-8")
    assert text == page.page(board), f"docs/boards/{board.name}.md is not current: run `make docs`"


def test_no_page_is_left_of_a_board_that_is_gone() -> None:
    assert {path.stem for path in (ROOT / "docs" / "boards").glob("*.md")} == set(known.BOARDS)


@pytest.mark.parametrize("action", ["build", "program", "again"])
def test_unknown_board_lists_the_known_ones(action: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "boards", action, "nano"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 2
    assert all(name in ran.stderr for name in ("'nano'", *known.BOARDS))
    assert "Traceback" not in ran.stderr


def _ice40(reference: int, settings: dict[str, int]) -> float:
    return reference * (settings["DIVF"] + 1) / (settings["DIVR"] + 1) / float(2 ** settings["DIVQ"])


def _ecp5(reference: int, settings: dict[str, int]) -> float:
    return reference * settings["CLKFB_DIV"] / settings["CLKI_DIV"]


def _gowin(reference: int, settings: dict[str, int]) -> float:
    return reference * (settings["FBDIV_SEL"] + 1) / (settings["IDIV_SEL"] + 1)


@pytest.mark.parametrize(
    ("pll", "formula", "limits"),
    [
        (ICE40PadPLL("", 12_000_000, 24_000_000), _ice40, (533, 1066)),
        (ICE40PLL("", 12_000_000, 84_000_000), _ice40, (533, 1066)),
        (ECP5PLL("", 25_000_000, 100_000_000), _ecp5, (400, 800)),
        (ECP5PLL("", 25_000_000, 150_000_000), _ecp5, (400, 800)),
        (GowinPLL("", 27_000_000, 54_000_000), _gowin, (400, 1200)),
        (GowinPLL("", 27_000_000, 60_000_000), _gowin, (400, 1200)),
    ],
)
def test_pll_makes_its_frequency(pll: PLL, formula: Any, limits: tuple[int, int]) -> None:
    """By the data sheet's formulas, written once more."""
    settings = pll.settings()
    assert formula(pll.reference, settings) == pll.frequency
    multiple = settings.get("CLKOP_DIV") or settings.get("ODIV_SEL") or 2 ** settings["DIVQ"]
    assert limits[0] <= pll.frequency * multiple / 1e6 <= limits[1]


def test_pll_settings_are_those_of_the_vendors_tool() -> None:
    """What icepll says of 12 to 24 MHz and ecppll of 25 to 100 MHz."""
    assert ICE40PadPLL("", 12_000_000, 24_000_000).settings() == {
        "DIVR": 0, "DIVF": 63, "DIVQ": 5, "FILTER_RANGE": 1,
    }  # fmt: skip
    assert ECP5PLL("", 25_000_000, 100_000_000).settings() == {"CLKI_DIV": 1, "CLKFB_DIV": 4, "CLKOP_DIV": 6}


def test_pll_refuses_what_it_cannot_make() -> None:
    with pytest.raises(ClockError, match=r"no 80 MHz from 12 MHz; nearest: 78, 79\.5, 81, 82\.5"):
        ICE40PLL("", 12_000_000, 80_000_000)


def test_a_board_counts_time_in_its_own_clock() -> None:
    with pytest.raises(ValueError, match="clock_frequency says 24000000"):
        replace(PARALLEL, params=replace(PARALLEL.params, clock_frequency=24_000_000))


@pytest.mark.parametrize(
    ("wiring", "message"),
    [
        ({"roic.reset": "A 1", "roic.busy": "A 1"}, "both at A 1"),
        ({"roic.reset": "A 5"}, "no '5' at A"),
        ({"roic.reset": "B 1"}, "no 'B'"),
        ({"roic.rest": "A 1"}, "no signal 'roic.rest'"),
    ],
)
def test_impossible_headers_are_refused(wiring: dict[str, str], message: str) -> None:
    with pytest.raises(PinError, match=message):
        Header((Connector("A", PMOD, "pmod_0:"),), wiring, {})


def test_supplies_carry_no_signal() -> None:
    for board in BOARDS:
        assert not {wire.label for wire in board.header.wires()} & {"GND", "3V3", "5V"}


def test_a_header_without_a_signal_is_refused(tmp_path: Path) -> None:
    wiring = {name: place for name, place in PARALLEL.header.wiring.items() if name != "roic.busy"}
    board = replace(PARALLEL, header=replace(PARALLEL.header, wiring=wiring))
    with warnings.catch_warnings():
        # Amaranth complains of what was made and then not used.
        warnings.simplefilter("ignore")
        with pytest.raises(PinError, match="differ in roic: busy"):
            build.elaborate(board, tmp_path / "board")
        gc.collect()


@pytest.fixture
def recorded() -> Any:
    """What nextpnr wrote of a small design: one clock of 24 MHz."""
    return json.loads(RECORDED.read_text())


def test_report_of_a_design_that_is_well(recorded: Any) -> None:
    (clock,) = report.check(recorded, 24)
    assert (clock.name, clock.met) == ("clk", True)
    assert clock.constraint == pytest.approx(24, rel=1e-3)
    path = report.critical_path(recorded)
    assert all(before < after for (_, before), (_, after) in pairwise(path))
    assert report.cells(recorded)["ICESTORM_LC"].available == 5280


def test_report_refuses_a_clock_without_constraint(recorded: Any) -> None:
    (entry,) = recorded["fmax"].values()
    entry["constraint"] = CLOCKLESS
    with pytest.raises(BuildError, match=r"clock clk has no constraint"):
        report.check(recorded, 24)


def test_report_refuses_a_constraint_that_is_not_the_clock(recorded: Any) -> None:
    with pytest.raises(BuildError, match="no clock is constrained to the design's 48 MHz"):
        report.check(recorded, 48)


def test_report_refuses_a_clock_that_is_missed(recorded: Any) -> None:
    (entry,) = recorded["fmax"].values()
    entry["achieved"] = 23.9
    with pytest.raises(report.TimingError, match=r"reaches 23\.9 MHz, 24 MHz is required; the critical path"):
        report.check(recorded, 24)


def test_report_refuses_a_path_between_clocks(recorded: Any) -> None:
    recorded["critical_paths"][0]["from"] = "posedge other"
    with pytest.raises(BuildError, match="a path crosses from posedge other"):
        report.check(recorded, 24)


def _netlist(takers: dict[str, str]) -> dict[str, Any]:
    """A netlist whose input goes through a buffer into cells: name -> kind."""
    cells: dict[str, Any] = {
        "buffer": {
            "type": "SB_IO",
            "port_directions": {"PACKAGE_PIN": "inout", "D_IN_0": "output"},
            "connections": {"PACKAGE_PIN": [2], "D_IN_0": [3]},
        }
    }
    for place, (name, kind) in enumerate(takers.items()):
        cells[name] = {
            "type": kind,
            "port_directions": {"D": "input", "Q": "output", "O": "output"},
            "connections": {"D": [3, "0"], "Q": [10 + place], "O": [20 + place]},
        }
    names = {f"stage{place}": {"hide_name": 0, "bits": [10 + place]} for place in range(len(takers))}
    return {"modules": {"top": {"ports": {"rx": {"bits": [2]}}, "cells": cells, "netnames": names}}}


def test_synchroniser_is_found() -> None:
    assert report.inputs(_netlist({"one": "SB_DFF"}), ["rx"]) == {"rx": "stage0"}


def test_synchroniser_may_be_inverted() -> None:
    """Registers of the iCE40 come up low; one that is to come up high stands between inverters."""
    netlist = _netlist({"inverter": "SB_LUT4"})
    cells = netlist["modules"]["top"]["cells"]
    cells["register"] = {
        "type": "SB_DFF", "port_directions": {"D": "input", "Q": "output"}, "connections": {"D": [20], "Q": [10]},
    }  # fmt: skip
    assert report.inputs(netlist, ["rx"]) == {"rx": "stage0"}
    cells["inverter"]["connections"]["D"].append(99)
    with pytest.raises(BuildError, match="input rx has no synchroniser"):
        report.inputs(netlist, ["rx"])


@pytest.mark.parametrize("takers", [{"one": "SB_LUT4"}, {"one": "SB_DFF", "two": "SB_DFF"}, {}])
def test_input_without_synchroniser_is_refused(takers: dict[str, str]) -> None:
    with pytest.raises(BuildError, match="input rx has no synchroniser"):
        report.inputs(_netlist(takers), ["rx"])


def test_programming_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = known.find("icebreaker")
    with pytest.raises(BuildError, match="run `make bitstream BOARD=icebreaker` first"):
        program.program(board, tmp_path)
    product = build.bitstream(board, tmp_path)
    product.parent.mkdir()
    product.write_bytes(HEADS["iCE40 UP5K"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"(?s)no program that loads this board is installed.*iceprog.*openFPGALoader"):
        program.program(board, tmp_path)


def test_programming_takes_the_program_that_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = known.find("tang_nano_9k")
    product = build.bitstream(board, tmp_path)
    product.parent.mkdir()
    product.write_bytes(HEADS["Gowin GW1N-9C"])
    loader = tmp_path / "openFPGALoader"
    monkeypatch.setenv("PATH", str(tmp_path))
    for code in (0, 3):
        loader.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\nexit {code}\n')
        loader.chmod(0o755)
        if code:
            with pytest.raises(BuildError, match="exit code 3"):
                program.program(board, tmp_path)
        else:
            program.program(board, tmp_path)
        assert (tmp_path / "said").read_text().split() == ["-b", "tangnano9k", str(product)]
