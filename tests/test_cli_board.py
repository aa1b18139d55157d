"""The capture command in a lab and here: the real gateware on the virtual board, through the command, to a file."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from edgeray import cli
from edgeray.protocol.settings import Settings
from hdl.params import Params
from sim.golden.pipeline import read_out
from sim.virtual_board import VirtualBoard

IMAGES, SEED, THRESHOLD = 7, 20261128, 300
SECONDS = 30


def test_what_the_gateware_computes_is_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    params, path = Params(), tmp_path / "run.nxs"
    samples = np.random.default_rng(SEED).integers(0, 1 << 11, (IMAGES, 2, 32, 32), np.uint16)
    golden = read_out(
        samples[:, 0], samples[:, 1], detector=params, settings=Settings(edge_threshold=THRESHOLD, pga_gain=1)
    )
    expected = np.where(golden.kept, golden.responses, 0)
    assert expected.any()
    with VirtualBoard(params, samples, keep=True) as board:
        words = ["capture", "-d", board.url, "-n", "300", "-o", str(path), "--threshold", str(THRESHOLD)]
        assert cli.main([*words, "--set", "pga_gain=1", "--json"]) == 0, capsys.readouterr().err
        assert json.loads(capsys.readouterr().out)["ledger"]["complete"]
        with h5py.File(path) as file:
            frames = file["entry/data/data"][()]
            assert file["entry/instrument/detector/sequence_number"][()].tolist() == list(range(300))
        assert np.array_equal(frames, expected[np.arange(300) % IMAGES])

        def kill() -> None:
            limit = time.monotonic() + SECONDS
            while not (tmp_path / "endless.nxs.part").exists() and time.monotonic() < limit:
                time.sleep(0.01)
            time.sleep(0.3)
            os.kill(board.pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        code = cli.main(["capture", "-d", board.url, "-n", "0", "-o", str(tmp_path / "endless.nxs"), "--json"])
        killer.join()
    told = json.loads(capsys.readouterr().out)
    assert (code, told["error"].partition(":")[0]) == (4, "LinkError")
    with h5py.File(tmp_path / "endless.nxs") as file:
        frames = file["entry/data/data"][()]
        assert not file["entry/instrument/detector/collection/ledger_confirmed"][()]
    assert len(frames) == told["ledger"]["received"]
    assert np.array_equal(frames, expected[np.arange(len(frames)) % IMAGES])
