"""Loading bitstreams: which FPGA a file is for, which program gets which arguments, what is said where it fails.

There is no board here: the programs are scripts that write down what they were called with.
"""

import hashlib
import json
from pathlib import Path

import pytest

from boards import known
from edgeray.cli import main
from edgeray.errors import NoDeviceError, VersionMismatch
from edgeray.programmer import TARGETS, Memory, ProgrammingError, identify, program, reopen
from tests.fake_board import FakeBoard, served, within

_GOWIN = ("1" * 160, "1" * 16, f"{0xA5C3:016b}", f"{0x06 << 56 | 0x1100481B:064b}", f"{0x10 << 56 | 0xAE0000:064b}")
HEADS = {
    "iCE40 UP5K": bytes.fromhex("ff0000ff7eaa997e51000105920020 6202b3 820000 720150 110001 01010000000000"),
    "iCE40 HX8K": bytes.fromhex("ff0000ff7eaa997e51000105920020 620367 720110 820000 110001 01010000000000"),
    "ECP5 LFE5U-85F": b"\xff\0Part: LFE5U-85F-6CABGA381\0"
    + bytes.fromhex("ffffffbdb3ffffffff3b000000e20000004111304322000000400000004600000002000000"),
    "Gowin GW1N-9C": ("//Tool Version: x\n" + "\n".join(_GOWIN) + "\n").encode(),
}
"""How icepack, ecppack and gowin_pack begin the bitstreams of our boards' parts."""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(tools: Path, name: str, code: int = 0) -> None:
    script = tools / name
    script.write_text(f'#!/bin/sh\necho "{name} $@" >> {tools}/called\necho loading\nexit {code}\n')
    script.chmod(0o755)


def built(folder: Path, board: str) -> Path:
    file = folder / "a bitstream"
    file.write_bytes(HEADS[TARGETS[board].part] + bytes(100))
    return file


def test_every_board_has_a_target() -> None:
    assert {name: one.title for name, one in TARGETS.items()} == {
        name: board.title for name, board in known.BOARDS.items()
    }
    assert {one.part for one in TARGETS.values()} == set(HEADS)


@pytest.mark.parametrize("part", HEADS)
def test_a_bitstream_says_its_part(part: str) -> None:
    assert identify(HEADS[part]) == part


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (HEADS["iCE40 UP5K"].replace(b"\x62\x02\xb3", b"\x62\x01\x4b"), "iCE40 with banks of 332 columns"),
        (HEADS["ECP5 LFE5U-85F"].replace(b"\x41\x11\x30\x43", b"\x41\x11\x10\x43"), "ECP5 LFE5U-25F"),
        (HEADS["Gowin GW1N-9C"].replace(f"{0x1100481B:032b}".encode(), f"{0x0900281B:032b}".encode()),
         "Gowin with IDCODE 0x0900281b"),
        (HEADS["iCE40 UP5K"][:11], "iCE40"),
        (b"\x7f\xaa\x99\x7e" + bytes(50), None),
        (b"\x89PNG\r\n\x1a\n", None),
        (b"", None),
        (b"ff\n10102\n" + _GOWIN[2].encode(), None),
    ],
)  # fmt: skip
def test_others_are_told_apart(head: bytes, part: str | None) -> None:
    assert identify(head) == part


@pytest.mark.parametrize(
    ("board", "flash", "installed", "called"),
    [
        ("icebreaker", False, ("iceprog", "openFPGALoader"), "iceprog {}"),
        ("icebreaker", False, ("openFPGALoader",), "openFPGALoader -b ice40_generic -f {}"),
        ("ice40_hx8k", False, ("iceprog",), "iceprog -S {}"),
        ("ice40_hx8k", True, ("iceprog",), "iceprog {}"),
        ("ulx3s", False, ("iceprog", "openFPGALoader"), "openFPGALoader -b ulx3s {}"),
        ("ulx3s_parallel", True, ("openFPGALoader",), "openFPGALoader -b ulx3s -f {}"),
        ("tang_nano_9k", True, ("openFPGALoader",), "openFPGALoader -b tangnano9k -f {}"),
    ],
)
def test_the_program_is_called(tools: Path, board: str, flash: bool, installed: tuple[str, ...], called: str) -> None:
    for name in installed:
        install(tools, name)
    file = built(tools, board)
    done = program(file, board, flash=flash)
    assert (tools / "called").read_text() == called.format(file) + "\n"
    assert " ".join(done.command) == called.format(file)
    assert done.memory is (Memory.FLASH if flash or board == "icebreaker" else Memory.VOLATILE)
    assert done.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_wrong_bitstream_is_not_loaded(tools: Path) -> None:
    install(tools, "iceprog")
    file = built(tools, "ice40_hx8k")
    with pytest.raises(ProgrammingError, match="is a bitstream for iCE40 HX8K; the iCEBreaker has iCE40 UP5K"):
        program(file, "icebreaker")
    file.write_bytes(b"text")
    with pytest.raises(ProgrammingError, match=r"is no bitstream .* takes one for iCE40 UP5K: `make bitstream"):
        program(file, "icebreaker")
    with pytest.raises(ProgrammingError, match=r"cannot read .*: No such file"):
        program(tools / "none", "icebreaker")
    with pytest.raises(ProgrammingError, match="there is no board 'fomu'; there are: icebreaker, "):
        program(file, "fomu")
    assert not (tools / "called").exists()


def test_what_is_missing_or_fails_is_said(tools: Path) -> None:
    file = built(tools, "ice40_hx8k")
    with pytest.raises(ProgrammingError, match=r"(?s)no program .*apt-get install fpga-icestorm.*openfpgaloader"):
        program(file, "ice40_hx8k")
    install(tools, "iceprog", code=3)
    with pytest.raises(ProgrammingError, match=r"iceprog ended with exit code 3; .*doctor.* J6 and J7"):
        program(file, "ice40_hx8k")


def test_a_board_is_waited_for_after_programming() -> None:
    """One that does not answer yet is asked again; one of another version is no reason to wait."""
    with served(FakeBoard()) as board:
        board.lose_replies = {1, 2, 3}
        with reopen(board.url, 10) as device:
            assert device.detector.rows == 16
        board.put("protocol_version", 99)
        within(1, lambda: reopen(board.url, 10), VersionMismatch, "has 99")
    within(2, lambda: reopen(board.url, 0.5), NoDeviceError, "nothing listens")


def test_the_command_loads_and_asks_the_board(tools: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What the program says is no part of the JSON document; a board of another version is exit code 5."""
    install(tools, "openFPGALoader")
    file = str(built(tools, "ulx3s"))
    with served(FakeBoard()) as board:
        arguments = ["program", file, "--board", "ulx3s", "--device", board.url]
        assert main([*arguments, "--json"]) == 0
        out, err = capfd.readouterr()
        told = json.loads(out)
        assert (told["board"], told["memory"]) == ("ulx3s", "VOLATILE")
        assert told["device"]["identity"]["detector"]["rows"] == 16
        assert f"openFPGALoader -b ulx3s {file}\nloading\n" in err
        board.put("register_map_hash", 1)
        assert main(arguments) == 5
    assert main(["program", file, "--board", "fomu"]) == 2
    assert main(["program", file, "--board", "icebreaker", "--json"]) == 1
    assert "is a bitstream for ECP5" in json.loads(capfd.readouterr().out)["message"]
