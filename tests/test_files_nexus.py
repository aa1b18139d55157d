"""NeXus files: what is in them, and what the programs that people open them with find."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import fabio
import h5py
import numpy as np
import pytest
from nexusformat.nexus import nxload
from silx.io.nxdata.parse import get_default
from silx.io.utils import open as silx_open

from edgeray import files
from edgeray.calibration import Calibration, UserMask
from edgeray.decoder import Frame
from edgeray.files.h5 import Column
from edgeray.files.nexus_run import NexusRun
from edgeray.files.times import FrameTimes, TimeSource
from edgeray.instrument import Instrument
from edgeray.ledger import Ledger
from edgeray.protocol.detector import Detector
from edgeray.protocol.registers import ReadoutMode, ThresholdMode
from edgeray.series import FrameKind
from tests.calibration_cases import calibration as of_detector
from tests.calibration_cases import provenance
from tests.file_series import (
    DETECTOR,
    SETTINGS,
    Collected,
    frames_in,
    header,
    ledger_of,
    stack,
    stream,
    write,
)

EVENTS = ("event_id", "pulse_height", "event_index", "event_time_zero", "event_time_offset")
COLLECTION = "entry/instrument/detector/collection"


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of four frames, so that a few frames fill many."""
    monkeypatch.setattr("edgeray.files.frame_writer.CHUNK_FRAMES", 4)


def test_other_programs_find_the_frames(tmp_path: Path) -> None:
    """Catches a default that leads nowhere, or a second dataset that fabio takes for more frames."""
    path, frames = tmp_path / "run.nxs", frames_in(stream(9, audits=[0, 4]))
    write(files.writer(path), frames)
    expected = stack(frames)
    with fabio.open(str(path)) as image:
        assert image.nframes == 9
        assert all(np.array_equal(image.get_frame(at).data, each) for at, each in enumerate(expected))
    with silx_open(str(path)) as root:  # type: ignore[no-untyped-call]
        plot: Any = get_default(root)
        assert plot.is_valid
        assert plot.interpretation == "image"
        assert np.array_equal(plot.signal[()], expected)
        assert np.allclose(plot.axes[0][()], np.arange(9) / 1000)
    loaded = nxload(str(path))
    assert np.array_equal(loaded.plottable_data.nxsignal.nxdata, expected)
    assert loaded.plottable_data.nxaxes[0].nxname == "frame_time"
    with h5py.File(path) as file:
        assert [name for name in file["entry/data"] if name.startswith("data")] == ["data"]


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("step", [1, 3, 50])
def test_frames_come_back_as_they_were(tmp_path: Path, step: int) -> None:
    """Across borders of chunks, with numbers missing, rows missing, and pixels of audit frames."""
    octets = stream(23, gone=[5, 6, 17], cut=[2, 9], audits=[4, 8, 20])
    path, frames = tmp_path / "run.nxs", frames_in(octets)
    write(files.writer(path), frames, step=step)
    found = Collected()
    with files.read(path) as run:
        run.play(found)
    assert found.header == header()
    assert found.ledgers == [ledger_of(frames)]
    same(found.frames, frames)


def same(found: list[Frame], expected: list[Frame]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.meta == other.meta
        assert (one.image_id, one.complete, one.wire_bytes) == (other.image_id, other.complete, other.wire_bytes)
        for name in ("values", "kept", "rows_received", "pixels", "pixel_rows_received"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name


@pytest.mark.usefixtures("small_chunks")
def test_what_is_told_of_every_frame(tmp_path: Path) -> None:
    """image_key of frames with rows missing, numbers, events, and the time that all of them count from."""
    path, frames = tmp_path / "run.nxs", frames_in(stream(11, gone=[3], cut=[6], audits=[8]))
    write(files.writer(path), frames, about=header(kind=FrameKind.FLAT))
    expected = stack(frames)
    with h5py.File(path) as file:
        detector, events = file["entry/instrument/detector"], file["entry/instrument/edge_events"]
        assert detector["sequence_number"][()].tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]
        assert detector["image_key"][()].tolist() == [1, 1, 1, 1, 1, 3, 1, 1, 1, 1]
        assert file[COLLECTION]["frame_status"][()].tolist() == [0, 0, 0, 0, 0, 1, 0, 2, 0, 0]
        assert detector["audit/image_id"][()].tolist() == [8]
        ids, heights, index = (events[name][()] for name in ("event_id", "pulse_height", "event_index"))
        rebuilt = np.zeros((len(expected), expected[0].size), np.int16)
        for frame, (start, stop) in enumerate(zip(index, [*index[1:], len(ids)], strict=True)):
            rebuilt[frame, ids[start:stop]] = heights[start:stop]
        assert np.array_equal(rebuilt.reshape(expected.shape), expected)
        start = "2023-11-14T22:13:20.000042Z"  # EPOCH and 1000 ticks
        assert detector["start_time"].attrs["start"] == events["event_time_zero"].attrs["offset"] == start
        assert file["entry/start_time"].asstr()[()] == start
        assert np.allclose(detector["start_time"][()], detector["sequence_number"][()] / 1000)
        assert np.array_equal(events["event_time_zero"][()], detector["sequence_number"][()] * 1_000_000)
        assert file["entry/end_time"].asstr()[()] == "2023-11-14T22:13:20.010542Z"
        assert detector["count_time"][()] == 0.0005
        assert file[COLLECTION]["n_incomplete"][()] == 1


def test_times_between_metas_are_told_apart() -> None:
    """The tail behind the last META is given again when the next comes; a board that is reset starts over."""
    frames = frames_in(stream(12, without_meta=[4]))
    metas = {frame.image_id: frame.meta for frame in frames}
    times = FrameTimes(10.0)
    ids = np.arange(12)
    first = times.take(ids[:3], [(0, metas[0])])
    assert first.ticks.tolist() == [1000, 1010, 1020]
    assert first.source.tolist() == [TimeSource.MEASURED, TimeSource.EXTRAPOLATED, TimeSource.EXTRAPOLATED]
    second = times.take(ids[3:10], [(5, metas[8])])
    assert second.back == 2
    assert second.ticks.tolist() == [1000 + 24_000 * at for at in range(1, 10)]
    assert second.source.tolist() == [TimeSource.INTERPOLATED] * 7 + [TimeSource.MEASURED, TimeSource.EXTRAPOLATED]
    reset = replace(metas[0], image_id=0, timestamp=5)
    third = times.take(np.array([0, 1]), [(0, reset)])
    assert (third.back, third.ticks.tolist()) == (0, [5, 24_005])


def test_modes_without_edges_have_no_events(tmp_path: Path) -> None:
    """All pixels of every frame as events would be four times the file."""
    for name, settings in (
        ("raw", replace(SETTINGS, readout_mode=ReadoutMode.RAW)),
        ("off", replace(SETTINGS, threshold_mode=ThresholdMode.OFF, edge_threshold=1)),
    ):
        frames = frames_in(stream(3, settings=settings))
        assert frames[0].kept.all()
        write(files.writer(tmp_path / f"{name}.nxs"), frames, about=header(settings))
        with h5py.File(tmp_path / f"{name}.nxs") as file:
            assert "edge_events" not in file["entry/instrument"]
        found = Collected()
        with files.read(tmp_path / f"{name}.nxs") as run:
            run.play(found)
        same(found.frames, frames)


def test_macro_pixels_are_masked_by_their_parts(tmp_path: Path) -> None:
    """A mask of the array's shape over frames of macro-pixels would be refused by every reader."""
    detector = Detector(rows=11, columns=10, guard_ring=1)
    settings = replace(SETTINGS, stride=3)
    bad = np.zeros((11, 10), np.bool_)
    bad[5, 5] = bad[5, 8] = True  # the second in no whole macro-pixel
    mask = UserMask(bad=bad, ignored=0, provenance=provenance(detector))
    calibration = Calibration(detector=detector, mask=mask)
    frames = frames_in(stream(2, settings=settings, detector=detector))
    instrument = Instrument.model_validate({"detector": {"x_pixel_size": "100um", "y_pixel_size": "50 um"}})
    about = header(settings, detector, calibration=calibration, instrument=instrument)
    write(files.writer(tmp_path / "run.nxs"), frames, about=about)
    with h5py.File(tmp_path / "run.nxs") as file:
        mask = file["entry/instrument/detector/pixel_mask"][()]
        assert mask.shape == frames[0].values.shape == (3, 2)
        assert mask.tolist() == [[0, 0], [0, 1 << 8], [0, 0]]
        assert file["entry/instrument/detector/x_pixel_size"][()] == pytest.approx(300e-6)
        assert not file["entry/instrument/detector/pixel_mask_applied"][()]


def test_calibration_and_instrument_go_with_the_data(tmp_path: Path) -> None:
    """As flags and maps for others, and whole for edgeray, also through a conversion."""
    about = header(
        replace(SETTINGS, correction_enabled=True),
        calibration=of_detector(DETECTOR, 3),
        instrument=Instrument.model_validate(
            {
                "title": "weld", "detector": {"sensor_material": "MAPbI3", "sensor_thickness": "0.5mm"},
                "source": {"voltage": "40kV", "filter": "0.5 mm Al"}, "sample": {"name": "weld 7"},
            }
        ),
    )  # fmt: skip
    frames = frames_in(stream(3, settings=about.settings))
    write(files.writer(tmp_path / "first.nxs"), frames, about=about)
    files.convert(tmp_path / "first.nxs", tmp_path / "run.nxs")
    assert about.calibration is not None
    table = about.calibration.correction_table()
    with h5py.File(tmp_path / "run.nxs") as file:
        detector, entry = file["entry/instrument/detector"], file["entry"]
        assert detector["pixel_mask_applied"][()]
        assert detector["flatfield_applied"][()]
        assert np.array_equal(detector["pixel_mask"][()], about.calibration.pixel_mask)
        assert np.allclose(detector["flatfield"][()] * 1024, table.gain)
        assert detector["sensor_thickness"][()] == 5e-4
        assert entry["title"].asstr()[()] == "weld"
        assert entry["source/voltage"][()] == 40_000
        assert entry["sample/name"].asstr()[()] == "weld 7"
    with files.read(tmp_path / "run.nxs") as run:
        assert run.header.instrument == about.instrument
        assert run.header.calibration is not None
        assert run.header.calibration.checksums == about.calibration.checksums


def test_settings_change_is_told_and_what_came_before_is_kept(tmp_path: Path) -> None:
    first, second = frames_in(stream(5)), frames_in(stream(3, settings=replace(SETTINGS, pga_gain=2), first=8))
    writer = files.writer(tmp_path / "run.nxs")
    writer.begin(header())
    with pytest.raises(files.FileWriteError, match="frame 8 was taken with other settings"):
        writer.take(first + second)
    writer.take(second)
    writer.end(ledger_of(first + second))
    with h5py.File(tmp_path / "run.nxs") as file:
        assert np.array_equal(file["entry/data/data"][()], stack(first))
        assert file[COLLECTION]["n_saved"][()] == 5
        assert file[COLLECTION]["n_received"][()] == 8
    other = files.writer(tmp_path / "other.nxs")
    other.begin(header(detector=Detector(rows=8, columns=8)))
    with pytest.raises(files.FileWriteError, match=r"begun for frames of \(8, 8\)"):
        other.take(first)
    other.end(ledger_of(first))


@pytest.mark.parametrize("count", [0, 1])
def test_a_series_that_ends_early(tmp_path: Path, count: int) -> None:
    """A thousand were asked for: the file is cut to what came, and opens."""
    frames = frames_in(stream(1))[:count]
    write(files.writer(tmp_path / "run.nxs"), frames, about=header(nimages=1000))
    with h5py.File(tmp_path / "run.nxs") as file:
        assert file["entry/data/data"].shape == (count, 16, 8)
        assert file["entry/data/frame_time"].shape == (count,)
    with NexusRun(tmp_path / "run.nxs") as run:
        assert run.frames == count
        assert run.finished


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_interrupt_in_the_middle_of_writing(tmp_path: Path, after: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever column Ctrl-C leaves half written, the end writes all of them, and nothing twice."""
    frames = frames_in(stream(9, gone=[3], cut=[2], audits=[4]))
    write(files.writer(tmp_path / "whole.nxs"), frames)
    put, calls = Column.put, 0

    def interrupted(column: Column, at: int, values: Any) -> None:
        nonlocal calls
        calls += 1
        if after:
            put(column, at, values)
        if calls == stop:
            raise KeyboardInterrupt
        if not after:
            put(column, at, values)

    monkeypatch.setattr(Column, "put", interrupted)
    for stop in range(1, 40, 2):
        calls, path = 0, tmp_path / f"{stop}.nxs"
        writer = files.writer(path)
        writer.begin(header())
        with pytest.raises(KeyboardInterrupt):
            writer.take(frames)
        writer.end(ledger_of(frames))
        with h5py.File(path) as file, h5py.File(tmp_path / "whole.nxs") as whole:
            for name in ("data/data", "data/frame_time", *(f"instrument/edge_events/{one}" for one in EVENTS)):
                assert np.array_equal(file["entry"][name][()], whole["entry"][name][()]), (stop, name)
            assert len(file[COLLECTION]["meta/image_id"]) == len(whole[COLLECTION]["meta/image_id"])
            assert file["entry/instrument/detector/audit/image_id"][()].tolist() == [4]


WRITER = """
import sys
from edgeray import files
from tests.file_series import frames_in, header, stream
frames = frames_in(stream(40))
writer = files.writer(sys.argv[1])
writer.begin(header())
for start in range(0, 1000, 40):
    writer.take(frames_in(stream(40, first=start)))
print("written", flush=True)
sys.stdin.read()
"""


def test_a_killed_writer_leaves_a_file_that_opens(tmp_path: Path) -> None:
    """Also while it is written: a viewer can follow. The recovered file is like any other."""
    path, part = tmp_path / "run.nxs", tmp_path / "run.nxs.part"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        assert process.stdout.readline() == b"written\n"
        with h5py.File(part, swmr=True) as live:
            assert live["entry/data/data"].shape[0] >= 768
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    with NexusRun(part) as run:
        assert not run.finished
        assert run.frames >= 768
    ledger = files.convert(part, path)
    assert (ledger.received, ledger.confirmed) == (ledger.triggered, False)
    found = Collected()
    with files.read(path) as run:
        run.play(found)
    expected = [frame for start in range(0, 1000, 40) for frame in frames_in(stream(40, first=start))]
    same(found.frames, expected[: ledger.received])
    with h5py.File(path) as file:  # without any flag
        assert len(file["entry/data/data"]) == ledger.received


def test_memory_is_bounded(tmp_path: Path) -> None:
    """A writer that keeps frames, or their times, grows by as much for every one of them."""
    import tracemalloc

    frames, writer = frames_in(stream(64)), files.writer(tmp_path / "run.nxs")
    writer.begin(header())
    peaks = []
    tracemalloc.start()
    try:
        for _ in range(2):
            tracemalloc.reset_peak()
            for _ in range(40):
                writer.take(frames)
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
        writer.end(Ledger())
    assert peaks[1] < peaks[0] + 40 * 64 * 8
    assert peaks[1] < 4_000_000


def test_detector_is_the_default_of_the_tests() -> None:
    assert frames_in(stream(1))[0].meta.detector == DETECTOR
