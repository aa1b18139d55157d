"""`edgeray capture`, `replay`, `rerun` and `config` as a user types them: files, ledger, signals, exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import edgeray
from edgeray import cli
from edgeray.protocol.kernels import KERNELS
from tests.fake_board import THRESHOLD, FakeBoard, picture, served

SECONDS = 30
"""That a command may take, on a machine with much else to do."""


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBoard]:
    with served(FakeBoard()) as one:
        monkeypatch.setenv("EDGERAY_DEVICE", one.url)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        yield one


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.out)
        return content


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def command(*words: object) -> Ran:
        code = cli.main([str(one) for one in words])
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return command


def stored(path: Path) -> tuple[list[int], dict[str, int]]:
    """(image_ids, counters) of a NeXus file; its frames are compared with what the board made."""
    with h5py.File(path) as file:
        detector = file["entry/instrument/detector"]
        numbers = detector["sequence_number"][()].tolist()
        for number, values in zip(numbers, file["entry/data/data"][()], strict=True):
            assert np.array_equal(values, picture(number)), number
        counters = {name: int(one[()]) for name, one in detector["collection"].items() if name.startswith("n_")}
    return numbers, counters


def test_a_capture_is_in_every_file_and_accounted_for(board: FakeBoard, run: Any, tmp_path: Path) -> None:
    nexus, raw = tmp_path / "run.nxs", tmp_path / "run.edgeray"
    ran = run("capture", "-n", 300, "-o", nexus, "-o", raw, "--count-time", "1ms", "--set", "pga_gain=3", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["ledger"]["complete"]
    assert ran.json["ledger"]["received"] == ran.json["nimages"] == 300
    assert ran.json["files"] == [str(nexus), str(raw)]
    assert board.get("count_time") == 24_000
    assert board.get("pga_gain") == 3
    numbers, counters = stored(nexus)
    assert numbers == list(range(300))
    assert (counters["n_triggered"], counters["n_received"]) == (300, 300)
    assert [frame.image_id for frame in edgeray.replay(raw)] == list(range(300))
    assert not list(tmp_path.glob("*.part"))
    shown = run("replay", raw, "-n", 20, "-o", tmp_path / "again.nxs")
    assert shown.code == 0
    assert "20 │ by the board's own count" in shown.out
    assert stored(tmp_path / "again.nxs")[0] == list(range(20))


def test_missing_frames_are_in_file_screen_and_exit_code(board: FakeBoard, run: Any, tmp_path: Path) -> None:
    board.dropped, board.swallowed = {3, 9}, {5}
    ran = run("capture", "-n", 20, "-o", tmp_path / "run.nxs")
    assert ran.code == cli.common.Exit.INCOMPLETE
    assert "2 dropped on chip + 1 lost on the link" in ran.err
    numbers, counters = stored(tmp_path / "run.nxs")
    assert numbers == [n for n in range(20) if n not in (3, 5, 9)]
    assert (counters["n_triggered"], counters["n_dropped_chip"], counters["n_lost_link"]) == (20, 2, 1)


@pytest.mark.parametrize(
    ("what", "value", "error"),
    [("vanish_at", 7, "LinkError"), ("hang_at", 7, "DeviceTimeout")],
)
def test_what_arrived_before_the_end_is_saved(
    board: FakeBoard, run: Any, tmp_path: Path, what: str, value: int, error: str
) -> None:
    setattr(board, what, value)
    ran = run("capture", "-n", 20, "-o", tmp_path / "run.nxs", "--timeout", "500ms", "--json")
    assert ran.code == cli.common.Exit.INCOMPLETE
    assert ran.json["error"].startswith(error)
    assert ran.json["ledger"]["received"] == 7
    numbers, counters = stored(tmp_path / "run.nxs")
    assert numbers == list(range(7))
    assert counters["n_received"] == 7


def started(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "edgeray.cli", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


@pytest.mark.parametrize(
    ("number", "asked", "code"), [(signal.SIGINT, 0, 0), (signal.SIGTERM, 0, 0), (signal.SIGINT, 10**9, 4)]
)
def test_a_signal_ends_a_capture_in_order(board: FakeBoard, tmp_path: Path, number: int, asked: int, code: int) -> None:
    path = tmp_path / "run.nxs"
    with started("capture", "-n", str(asked), "-o", str(path), "--json") as process:
        limit = time.monotonic() + SECONDS
        while board.image_id < 100 and time.monotonic() < limit:
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == code, err
    assert not board.armed
    result = json.loads(out)
    assert result["stopped_by"] == signal.Signals(number).name
    numbers, counters = stored(path)
    assert numbers == list(range(board.image_id))
    assert counters["n_triggered"] == counters["n_received"] == board.image_id == result["ledger"]["received"]


def test_nothing_is_exposed_for_a_file_that_cannot_be(board: FakeBoard, run: Any, tmp_path: Path) -> None:
    there = tmp_path / "there.nxs"
    there.write_bytes(b"precious")
    for path, says in ((there, "exists"), (tmp_path / "no" / "run.nxs", "no folder"), (tmp_path / "x.pdf", ".pdf")):
        ran = run("capture", "-n", 5, "-o", path)
        assert (ran.code, says in ran.err) == (1, True), ran.err
    assert there.read_bytes() == b"precious"
    assert not any(one.name == "command" and one.value and one.value & 1 for one in board.log)
    assert run("capture", "-n", 5, "-o", there, "--overwrite").code == 0
    assert stored(there)[0] == list(range(5))


def test_exit_codes_tell_what_is_wrong(board: FakeBoard, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for words, code, says in (
        (("capture", "--count-time", "10 parsec"), 2, "count_time is a time"),
        (("capture", "--set", "stride=7"), 2, "stride takes 1, 3"),
        (("capture", "--set", "stride"), 2, "NAME=VALUE"),
        (("capture", "--kind", "x"), 2, "image, flat, dark"),
        (("capture", "--nonsense"), 2, "nonsense"),
        (("capture", "-d", "/dev/nothing"), 3, "no such port"),
        (("capture", "-d", "replay:///nothing"), 3, "No such file"),
    ):
        ran = run(*words)
        assert (ran.code, says in ran.err) == (code, True), (words, ran)
    told = run("info", "-d", "/dev/nothing", "--json")
    assert told.json["exit_code"] == told.code == 3
    assert told.json["error"] == "NoDeviceError"
    board.put("protocol_version", 2)
    ran = run("capture")
    assert (ran.code, "protocol version: the other side has 2" in ran.err) == (5, True)
    monkeypatch.delenv("EDGERAY_DEVICE")
    assert run("capture").code == 2


def test_a_series_is_taken_again_with_the_settings_in_its_file(board: FakeBoard, run: Any, tmp_path: Path) -> None:
    for name in ("first.nxs", "first.edgeray"):
        path = tmp_path / name
        changed = ("--kernel", "sobel-x", "--edge-threshold", THRESHOLD, "--set", "gap_time=5us", "--overwrite")
        assert run("capture", "-n", 7, "-o", path, *changed).code == 0
        assert run("config", "set", "kernel=mean", "edge_threshold=9", "gap_time=1us", "nimages=3").code == 0
        ran = run("rerun", path, "-o", tmp_path / "second.nxs", "--overwrite", "--json")
        assert (ran.code, ran.json["nimages"]) == (0, 7), ran.err
        with edgeray.open(board.url) as device:
            settings = device.settings
        assert (settings.kernel, settings.edge_threshold, settings.gap_time) == (KERNELS["sobel-x"], THRESHOLD, 120)


def test_settings_are_shown_as_asked_and_as_they_are(board: FakeBoard, run: Any, tmp_path: Path) -> None:
    assert run("config", "set", "count_time=900.01us", "kernel=[[0,1,0],[1,-4,1],[0,1,0]]").code == 0
    listed = run("config", "list", "--json").json
    assert listed["count_time"] == {
        "requested": 900.01e-6,
        "actual": 900e-6,
        "minimum": 0.0,
        "maximum": pytest.approx(178.956970625),
        "choices": [],
        "unit": "s",
        "meaning": "integration: from sample-reset to sample-signal",
    }
    assert listed["kernel"]["requested"]["weights"] == [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    assert run("config", "get", "count_time").out.strip() == "900 us"
    saved = tmp_path / "s.toml"
    assert run("config", "save", saved).code == 0
    assert run("config", "diff", saved).code == 0
    # What another program sets is not what was asked for here.
    with edgeray.open(board.url) as device:
        device.configure(count_time="1ms")
    assert run("config", "list", "--json").json["count_time"]["requested"] is None
    ran = run("config", "diff", saved, "--json")
    assert (ran.code, ran.json) == (1, {"count_time": {"device": 1e-3, "file": 900e-6}})
    assert run("config", "load", saved).code == 0
    assert run("config", "diff", saved).code == 0
    board_before = dict(board.registers)
    ran = run("config", "set", "edge_threshold=50", "stride=4")
    assert (ran.code, board.registers) == (2, board_before), "all are taken, or none"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("capt",), ["capture"]),
        (("config", "set", "count_"), ["count_time="]),
        (("config", "set", "kernel=sobel"), ["kernel=sobel-x", "kernel=sobel-y"]),
        (("capture", "--kernel", "mea"), ["mean"]),
    ],
)
def test_the_shell_completes(words: tuple[str, ...], expected: list[str]) -> None:
    asked = {"_EDGERAY_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(("edgeray", *words)), "COMP_CWORD": "9"}
    asked["COMP_CWORD"] = str(len(words))
    program = [sys.executable, "-c", "from edgeray.cli import main; main()"]
    ran = subprocess.run(program, env=os.environ | asked, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ran.stdout.split() == expected, ran.stderr
