"""A bare board: radiographs through the gateware of the iCEBreaker, which has no detector and no ADC here.

The virtual board shows no scene; all that it knows of an image was uploaded over the link.
"""

import json
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from rich.console import Console

import edgeray
from boards.known import find
from edgeray import Mosaic, SampleSource, Settings, cli, selftest
from edgeray.channel import Command
from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.pattern import pattern_pixels
from edgeray.protocol.registers import ReadoutMode
from sim import demo
from sim.golden.pattern import pattern
from sim.golden.pipeline import read_out
from sim.roic import Roic
from sim.scenes import radiograph, read_image, to_codes
from sim.virtual_board import VirtualBoard

ROOT = Path(__file__).resolve().parents[1]
PARAMS = find("icebreaker").params
SECONDS = 120
TILES = 6

Samples = npt.NDArray[np.uint16]


@pytest.fixture
def device() -> Iterator[edgeray.Device]:
    with VirtualBoard(PARAMS) as board, edgeray.open(board.url) as device:
        yield device


def part(rows: int, columns: int) -> Samples:
    """Codes of a part of the radiograph in which there is something to see."""
    codes = to_codes(read_image(radiograph()), PARAMS.sample_bits)
    return codes[900 : 900 + rows, 700 : 700 + columns]


def tiles() -> Samples:
    codes = part(58, 86)
    samples = Roic(sample_bits=PARAMS.sample_bits).scan(Mosaic(codes.shape, PARAMS, PARAMS.radius), codes)
    assert len(samples) == TILES
    return samples


def assert_golden(frames: list[edgeray.Frame], samples: Samples, settings: Settings) -> None:
    golden = read_out(samples[:, 0], samples[:, 1], detector=PARAMS, settings=settings)
    assert [frame.image_id for frame in frames] == list(range(len(samples)))
    for frame in frames:
        number = frame.image_id
        assert frame.complete
        np.testing.assert_array_equal(frame.kept, golden.kept[number])
        np.testing.assert_array_equal(frame.values, np.where(golden.kept, golden.responses, 0)[number])
        if frame.pixels is not None:
            np.testing.assert_array_equal(frame.pixels, golden.pixels[number])
    # Edges, and not everything: what is compared means something.
    assert settings.readout_mode == ReadoutMode.RAW or 0 < golden.kept.mean() < 1


@pytest.mark.parametrize(
    "settings",
    [
        Settings(audit_period=2),
        Settings(kernel=KERNELS["sobel-x"], edge_threshold=60, stride=3, cds_enabled=False),
        Settings(readout_mode=ReadoutMode.RAW, pga_offset=-7),
    ],
    ids=["edges", "macro-pixels", "raw"],
)
def test_radiographs_go_through_a_bare_board(device: edgeray.Device, settings: Settings) -> None:
    samples = tiles()
    device.configure(settings)
    with device.inject(samples) as frames:
        assert_golden(list(frames), samples, settings)
    assert frames.ledger.complete
    assert frames.ledger.triggered == TILES


def test_one_upload_is_captured_as_often_as_asked(device: edgeray.Device) -> None:
    first, second = tiles()[:2]
    settings = Settings(sample_source=SampleSource.UPLOADED, audit_period=3)
    device.configure(settings)
    for shown in (first, second):
        device.upload(*shown)
        assert_golden(list(device.capture(5)), np.stack([shown] * 5), settings)


def test_settings_are_what_they_were(device: edgeray.Device) -> None:
    """After a series, one that was left early, and one that failed."""
    mine = Settings(pga_offset=5, edge_threshold=99, nimages=3)
    device.configure(mine)
    list(device.inject(tiles()))
    with device.inject(tiles()) as frames:
        assert next(frames).image_id == 0
    assert (frames.ledger.triggered, frames.ledger.received) == (1, 1)
    wrong = tiles()
    wrong[1, 0, 0, 0] = PARAMS.full_scale + 1
    with pytest.raises(edgeray.UploadError, match="reset samples are 0 to 4095"):
        list(device.inject(wrong))
    for address, value in mine.registers(PARAMS):
        (word,) = device.channel.run([Command("", address)])
        assert word == value & 0xFFFF_FFFF, hex(address)
    # In force, too: the ADC's samples, of which there are none.
    frame = next(iter(device.capture(1)))
    assert (frame.meta.sample_source, frame.meta.edge_threshold) == (SampleSource.ADC, 99)
    assert not frame.kept.any()


def test_the_pattern_is_the_golden_one(device: edgeray.Device) -> None:
    """With correlated double sampling and without, where the offsets show."""
    samples = np.array([pattern(PARAMS, image_id) for image_id in range(9)]).astype(np.uint16)
    for cds_enabled in (True, False):
        settings = Settings(sample_source=SampleSource.PATTERN, cds_enabled=cds_enabled, audit_period=1)
        device.configure(settings)
        frames = list(device.capture(len(samples)))
        assert_golden(frames, samples, settings)
        assert device.read("railed") == 0
        for frame in frames:
            assert frame.pixels is not None
            bare = np.array_equal(frame.pixels, pattern_pixels(PARAMS, frame.image_id))
            assert bare == cds_enabled


def test_selftest_finds_what_is_wrong(
    device: edgeray.Device, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = selftest(device)
    assert (found.frames, found.wrong, found.complete) == (16, 0, True)
    assert found.values == 16 * PARAMS.rows * PARAMS.columns
    # A correction left on, as it would be with a broken register: the pixels are others.
    broken = Settings(sample_source=SampleSource.PATTERN, pga_offset=1)
    configure = device.configure
    monkeypatch.setattr(device, "configure", lambda some: configure(replace(broken, readout_mode=some.readout_mode)))
    found = selftest(device, 1)
    assert found.wrong == PARAMS.rows * PARAMS.columns
    assert found.first[0] == ("RAW", 0, 0, 0, 1, 0)


def test_the_commands_that_a_user_types(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m sim.virtual_board --board icebreaker`, `edgeray selftest` and `python -m sim.demo --device`."""
    command = [sys.executable, "-m", "sim.virtual_board", "--board", "icebreaker", "--keep"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], SECONDS)[0]
            url = process.stdout.readline().split()[1]

            assert cli.main(["selftest", "-d", url]) == 0
            assert "16 frames of the pattern, 16384 values compared: all are right" in capsys.readouterr().out
            assert cli.main(["selftest", "-d", url, "--frames", "1", "--json"]) == 0
            assert json.loads(capsys.readouterr().out)["frames"] == 2

            image = tmp_path / "weld.npy"
            np.save(image, part(58, 86))
            with edgeray.open(url) as device:
                assert demo.run(image, "laplacian", 16, tmp_path / "out", Console(quiet=True), device)
            figures = json.loads((tmp_path / "out" / "figures.json").read_text())
            assert figures["frames received"] == str(TILES)
            assert re.match(r"0 of \d+ pixels", figures["mismatches against the golden model"])
        finally:
            process.terminate()


def test_boards_that_there_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        (["--board", "abacus"], "there is no board 'abacus'; there are: icebreaker"),
        (["--board", "icebreaker", "--rows", "8"], "the board icebreaker has its own rows; leave either out"),
    ):
        ran = subprocess.run(
            [sys.executable, "-m", "sim.virtual_board", *arguments],
            cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert (ran.returncode, said in ran.stderr) == (1, True), ran.stderr
