"""The doctor and boards that are not as they should be: what is found, which check fails, which exit code tells it."""

import contextlib
import json
import os
import pty
import termios
import threading
import time
import tty
from collections.abc import Iterator
from dataclasses import replace

import pytest

import edgeray
from edgeray.bit_error import BitErrors, ErrorRate
from edgeray.cli import main
from edgeray.doctor import Check, Status
from edgeray.doctor.board import AFTERWARDS, HANDSHAKE, checks
from edgeray.protocol.registers import BY_NAME, REGISTERS, register_map_hash
from edgeray.splitter import Packet, Splitter
from hdl.params import Params
from sim.virtual_board import VirtualBoard
from tests.fake_board import FakeBoard, served


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is looked at for a shorter time."""
    monkeypatch.setattr("edgeray.doctor.board.CLOCK_SECONDS", 0.15)


class Ticking(FakeBoard):
    """A board with a clock, `fast` times as fast as it says."""

    fast = 1.0

    def execute(self, one: Packet, words: list[int]) -> tuple[int, int]:
        ticks = int(time.monotonic() * self.get("tick_rate") * self.fast)
        self.put("ticks_low", ticks & 0xFFFF_FFFF)
        self.put("ticks_high", ticks >> 32)
        return super().execute(one, words)


def found(url: str, *, is_serial: bool = True, seconds: float = 0) -> dict[str, Check]:
    return {one.name: one for one in checks(url, is_serial=is_serial, seconds=seconds)}


def statuses(one: dict[str, Check]) -> dict[str, Status]:
    assert tuple(one) == (*HANDSHAKE, *AFTERWARDS)
    return {name: check.status for name, check in one.items() if check.status not in (Status.OK, Status.SKIPPED)}


def test_a_good_board(capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualBoard(Params()) as board:
        assert main(["doctor", "-d", board.url, "--seconds", "0.4", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    by_name = {one["name"]: one for one in told["checks"]}
    assert told["exit_code"] == 0
    assert {by_name[name]["status"] for name in (*HANDSHAKE, "counters", "link", "frames")} == {"ok"}
    assert by_name["clock"]["status"] == "skipped"
    assert "none wrong: under" in by_name["link"]["found"]


@pytest.mark.parametrize(
    ("register", "value", "check", "code", "texts"),
    [
        ("product_id", 0x1234, "product id", 3, ("0x00001234", "0x45524159")),
        ("protocol_version", 99, "protocol version", 5, ("has 99", "has 3")),
        ("register_map_hash", 0xABC, "register map", 5, ("0x00000abc", f"{register_map_hash():#010x}")),
        ("detector_rows", 0, "detector", 3, ("impossible detector",)),
    ],
)
def test_another_board(
    register: str, value: int, check: str, code: int, texts: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with served(FakeBoard()) as board:
        board.put(register, value)
        one = found(board.url)
        assert main(["doctor", "-d", board.url]) == code
    assert statuses(one) == {check: Status.FAIL}
    assert one[check].fix
    assert all(text in one[check].found for text in texts)
    shown = capsys.readouterr().out
    assert f"fail {check}\n    {one[check].fix}" in shown


def test_nothing_answers() -> None:
    with served(FakeBoard()) as board:
        board.mute = True
        one = found(board.url)
    assert statuses(one) == {"answers": Status.FAIL}
    assert "another program connected" in one["answers"].fix
    one = found(board.url)
    assert statuses(one) == {"opens": Status.FAIL}
    assert "nothing listens" in one["opens"].found


def test_a_board_that_answers_now_and_then() -> None:
    with served(FakeBoard()) as board:
        board.lose_replies = {1, 2, 3}
        one = found(board.url)
    assert statuses(one) == {"answers": Status.FAIL}
    assert one["answers"].found.startswith("at the second time; before, ")


@contextlib.contextmanager
def at_baudrate(speed: int) -> Iterator[str]:
    """A board on a pseudo-terminal, which understands only who set this speed; gives its path."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    board, splitter, ended = FakeBoard(), Splitter(), threading.Event()

    def run() -> None:
        while not ended.is_set():
            try:
                data = os.read(ours, 4096)
            except OSError:  # nobody has it open
                time.sleep(0.01)
                continue
            if termios.tcgetattr(ours)[4] == speed:
                for one in splitter.feed(data):
                    os.write(ours, board.answer(one) or b"")

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        ended.set()
        os.write(theirs, b"\n")
        thread.join(5)
        board.listener.close()
        os.close(ours)
        os.close(theirs)
    assert not thread.is_alive()


def test_another_baud_rate_is_found() -> None:
    with at_baudrate(termios.B2000000) as path:
        one = found(path)
    assert statuses(one) == {"answers": Status.FAIL}
    assert one["answers"].found.startswith("at 2000000 baud, not at 1000000")
    assert "baudrate=2000000" in one["answers"].fix


def test_clock() -> None:
    with served(Ticking()) as board:
        assert statuses(found(board.url)) == {}
        assert found(board.url)["clock"].status is Status.OK
        board.fast = 1.3  # where the machine is busy, replies are late and the check is not that sure
        one = found(board.url)
        assert statuses(one) == {"clock": Status.FAIL}
        assert one["clock"].found.startswith("+")
        assert found(board.url, is_serial=False)["clock"].status is Status.SKIPPED
    with served(FakeBoard()) as board:
        assert "stands still" in found(board.url)["clock"].found


def test_counters_and_baud_rate() -> None:
    with served(Ticking()) as board:
        board.put("command_errors", BY_NAME["command_errors"].maximum)
        board.put("uart_divisor", 25)
        one = found(board.url)
        assert statuses(one) == {"counters": Status.WARN, "baud rate": Status.WARN}
        assert one["counters"].found == "at least 65535 commands thrown away since reset"
        board.put("command_errors", 0)
        board.put("railed", 7)
        assert found(board.url)["counters"].found == "in the latest series: railed 7"


WORDS, FRAMES = ErrorRate(5000, 0, 1_400_000), ErrorRate(500, 0, 3_700_000)
GOOD = BitErrors(WORDS, 0, 0, 0, 1.0, 0.001, 0.002, FRAMES, 0, 2e5)


@pytest.mark.parametrize(
    ("given", "failed", "text"),
    [
        (GOOD, {}, "3700000 bits, none wrong: under 8.1e-07"),
        (replace(GOOD, words=replace(WORDS, damaged=1)), {"link": Status.WARN}, "1 lost; 7.1e-07 wrong bits a bit"),
        (replace(GOOD, words=replace(WORDS, damaged=9), to_board=4, rejected=5), {"link": Status.FAIL},
         "the board threw away 4 commands, the host 5 packets"),
        (replace(GOOD, frames=replace(FRAMES, damaged=9)), {"frames": Status.FAIL}, "500 frames of the pattern, 9 dam"),
        (replace(GOOD, words=replace(WORDS, damaged=900), frames=None), {"link": Status.FAIL}, "too bad for any"),
        (replace(GOOD, wrong_words=2), {"link": Status.FAIL}, "2 values came intact, and wrong"),
        (replace(GOOD, wrong_values=2), {"frames": Status.FAIL}, "2 values came intact, and wrong"),
    ],
)  # fmt: skip
def test_a_bad_link_is_told(
    given: BitErrors, failed: dict[str, Status], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeray.doctor.board.bit_error_test", lambda device, seconds: given)
    with served(Ticking()) as board:
        one = found(board.url, seconds=1)
    assert statuses(one) == failed
    assert text in one["link"].found + one["frames"].found
    assert all(one[name].fix for name in failed)


def test_a_board_lost_on_the_way_is_no_traceback() -> None:
    """It falls silent while its clock is looked at: when it is asked for its ticks the third time."""

    class Dying(Ticking):
        asked = 0

        def execute(self, one: Packet, words: list[int]) -> tuple[int, int]:
            if one.address == BY_NAME["ticks_low"].address:
                self.asked += 1
                self.mute = self.asked >= 3
            return super().execute(one, words)

    with served(Dying()) as board:
        one = found(board.url)
    assert statuses(one) == {"clock": Status.FAIL}
    assert one["counters"].found == "the board was lost"
    assert isinstance(one["clock"].error, edgeray.DeviceTimeout)


def test_the_worst_failure_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a failed check, no device and a mismatch the last one is told."""
    failures = [edgeray.NoDeviceError("none"), edgeray.VersionMismatch("map", "a", "b"), None]
    for known, code in ((3, 5), (1, 3), (0, 0)):
        told = [Check("a", Status.FAIL, "", error=one) for one in failures[:known]] + [Check("b", Status.WARN, "")]
        monkeypatch.setattr("edgeray.doctor.examine", lambda url, seconds, told=told: iter(told))
        assert main(["doctor", "--json"]) == code
        assert json.loads(capsys.readouterr().out)["exit_code"] == code


def test_info_says_what_the_registers_hold(capsys: pytest.CaptureFixture[str]) -> None:
    with served(Ticking()) as board:
        for one in REGISTERS:
            if one.name in ("multipliers", "buffer_bytes", "command_errors", "railed", "generation"):
                board.put(one.name, one.address + 100)
        board.put("upload_memory", 1)
        board.put("state", 0)
        assert main(["info", "-d", board.url, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert main(["info", "-d", board.url]) == 0
    assert told["build"]["multipliers"] == BY_NAME["multipliers"].address + 100
    assert told["counters"]["railed"] == BY_NAME["railed"].address + 100
    assert (told["build"]["upload_memory"], told["build"]["audit_memory"]) == (True, False)
    assert told["uptime"] == pytest.approx(time.monotonic(), abs=5)
    assert told["baudrate"] == 1_000_000
    assert "16 x 8 pixels" in capsys.readouterr().out
