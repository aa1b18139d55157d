"""The other formats, conversions, the instrument's description, and the commands on files."""

import io
import json
import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from edgeray import files
from edgeray.cli import files as commands
from edgeray.cli.common import Exit
from edgeray.files.page import page
from edgeray.files.summary import Summary, figures
from edgeray.instrument import Instrument, InstrumentError
from edgeray.protocol.detector import Detector, GeometryError
from edgeray.protocol.registers import ReadoutMode
from edgeray.replay import replay
from edgeray.settings_file import SettingsFileError
from tests.file_series import (
    DETECTOR,
    SETTINGS,
    TICK_RATE,
    Collected,
    frames_in,
    header,
    ledger_of,
    stack,
    stream,
    write,
)
from tests.host_streams import ids


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A recording of 21 frames, of which three are missing and one has rows missing."""
    path = tmp_path / "run.edgeray"
    path.write_bytes(stream(24, gone=[5, 6, 17], cut=[9], audits=[8]))
    return path


def test_every_format_holds_the_same_pixels(tmp_path: Path, recording: Path) -> None:
    """Negative responses above all: PNG has no negative samples, and TIFF has unsigned ones by default."""
    frames = frames_in(recording.read_bytes())
    expected = stack(frames)
    assert expected.min() < -100
    for name in ("run.nxs", "run.tif", "run.npz", "folder"):
        files.convert(recording, tmp_path / name)
    assert np.array_equal(tifffile.imread(tmp_path / "run.tif"), expected)
    with tifffile.TiffFile(tmp_path / "run.tif") as tiff:
        told = json.loads(tiff.pages[0].tags["ImageDescription"].value)  # type: ignore[union-attr]
    with np.load(tmp_path / "run.npz") as arrays:
        assert np.array_equal(arrays["data"], expected)
        packed = json.loads(str(arrays["facts"]))
        ids, key, start_time = (arrays[name].tolist() for name in ("image_id", "image_key", "start_time"))
    side = json.loads((tmp_path / "folder" / "frame.json").read_text())
    for place, values in enumerate(expected):
        sample = np.asarray(Image.open(tmp_path / "folder" / f"frame_{place:06d}.png"))
        assert sample.dtype == np.uint16
        assert np.array_equal(sample.astype(int) - side["zero"], values)
    assert ids == side["frames"]["image_id"] == told["frames"]["image_id"] == [frame.image_id for frame in frames]
    assert key == side["frames"]["image_key"] == [0 if frame.complete else 3 for frame in frames]
    assert np.allclose(start_time, np.array(ids) / 1000)
    for said in (told["edgeray"], packed, side):
        assert said["ledger"]["received"] == said["n_saved"] == 21
        assert said["ledger"]["incomplete"] == 1
        assert "edge_threshold = 100" in said["settings"]
        assert said["finished"]


def test_pixels_of_raw_readout_are_stored_as_they_are(tmp_path: Path) -> None:
    settings = replace(SETTINGS, readout_mode=ReadoutMode.RAW)
    frames = frames_in(stream(2, settings=settings))
    write(files.writer(tmp_path / "name.png"), frames, about=header(settings))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "name_000001.png")), frames[1].values)


def test_a_recording_is_the_bytes_of_the_link(tmp_path: Path) -> None:
    octets = stream(12)
    writer = files.writer(tmp_path / "run.edgeray")
    writer.begin(header())
    for start in range(0, len(octets), 100):
        writer.take_bytes(octets[start : start + 100])
    assert (tmp_path / "run.edgeray.part").read_bytes() == octets  # nothing is kept back
    writer.end(ledger_of(frames_in(octets)))
    with replay(tmp_path / "run.edgeray") as frames:
        assert np.array_equal(stack(list(frames)), stack(frames_in(octets)))
    with pytest.raises(files.FileWriteError, match="copy it"):
        files.convert(tmp_path / "run.edgeray", tmp_path / "other.edgeray")


def test_settings_come_back_for_another_clock(tmp_path: Path) -> None:
    """Times are seconds in the file: with ticks a board of another clock would expose twice as long."""
    write(files.writer(tmp_path / "run.nxs"), frames_in(stream(2)))
    (tmp_path / "run.edgeray").write_bytes(stream(2))
    assert files.settings_of(tmp_path / "run.nxs", DETECTOR, TICK_RATE) == SETTINGS
    for name in ("run.nxs", "run.edgeray"):
        found = files.settings_of(tmp_path / name, DETECTOR, TICK_RATE * 2)
        assert (found.count_time, found.frame_time) == (24_000, 48_000)
        assert found.kernel.weights == SETTINGS.kernel.weights
        with pytest.raises(SettingsFileError, match="rows"):
            files.settings_of(tmp_path / name, Detector(rows=20, columns=8), TICK_RATE)


def test_a_conversion_of_a_conversion_is_the_same(tmp_path: Path, recording: Path) -> None:
    files.convert(recording, tmp_path / "first.nxs")
    files.convert(tmp_path / "first.nxs", tmp_path / "second.nxs")
    found: dict[str, list[tuple[str, object]]] = {}
    for name in ("first", "second"):
        entries: list[tuple[str, object]] = []
        with h5py.File(tmp_path / f"{name}.nxs") as file:
            file.visititems(
                lambda path, item, entries=entries: (
                    entries.append((path, np.asarray(item[()]).tolist())) if isinstance(item, h5py.Dataset) else None
                )
            )
        dated = ("entry/process/date",)
        found[name] = [entry for entry in entries if entry[0] not in dated]
    assert str(found["first"]) == str(found["second"])


def test_summary_adds_up(recording: Path) -> None:
    summary, frames = Summary(), frames_in(recording.read_bytes())
    with files.read(recording) as run:
        run.play(summary)
    whole = [frame for frame in frames if frame.complete]
    assert (summary.frames, summary.incomplete, summary.audits) == (21, 1, 1)
    assert summary.missing == [(5, 6), (17, 17)]
    assert np.array_equal(summary.total, stack(whole).sum(0))
    assert np.array_equal(summary.counts, sum(frame.kept.astype(int) for frame in frames))
    assert summary.duration == pytest.approx(0.023)
    curve = summary.curve
    assert curve.frames.sum() == 21
    assert curve.kept.sum() == sum(frame.kept.sum() for frame in frames)
    assert curve.step * (len(curve.frames) - 1) <= 0.023 < curve.step * len(curve.frames)
    assert figures(summary)["frames_per_second"] == pytest.approx(20 / 0.023)


def test_the_page_needs_nothing_else(tmp_path: Path, recording: Path) -> None:
    """No link to anything, pictures that are pictures, and no text of a file that is taken for HTML."""
    instrument = Instrument.model_validate({"title": "<script>alert(1)</script>"})
    write(files.writer(tmp_path / "run.nxs"), frames_in(recording.read_bytes()), about=header(instrument=instrument))
    summary = Summary()
    with files.read(tmp_path / "run.nxs") as run:
        run.play(summary)
        text = page(run, summary)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"(?:src|href)=\"(?!data:)|url\(|https?://|@import", text)
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert len(pictures) == 4
    assert {Image.open(io.BytesIO(b64decode(one))).size for one in pictures} == {(8, 16)}
    assert "Missing numbers: 5\N{EN DASH}6, 17" in text


def test_inspect_tells_what_is_missing(
    tmp_path: Path, recording: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[Exit] = []
    monkeypatch.setattr(commands, "leave", codes.append)
    commands.inspect(recording, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["ledger"]["received"] == said["frames"] == 21
    assert said["missing_image_ids"] == [[5, 6], [17, 17]]
    assert said["settings"]["edge_threshold"] == 100
    write(files.writer(tmp_path / "whole.nxs"), frames_in(stream(8)))
    commands.inspect(tmp_path / "whole.nxs", html=tmp_path / "page.html")
    assert "8 (0 incomplete, 0 audit frames)" in capsys.readouterr().out
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")
    assert codes == [Exit.INCOMPLETE, Exit.OK]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('[detector]\nthickness = "1um"', "no key 'detector.thickness'"),
        ('[detector]\nsensor_thickness = "1 kg"', "sensor_thickness: '1 kg' is no quantity in m"),
        ("[detector]\nsensor_thickness = -1.0", "should be over 0"),
        ('[detector]\nx_pixel_size = "1um"', "come together"),
        ("title = 3", "title"),
        ("title =", "no TOML"),
    ],
)
def test_a_wrong_description_names_its_key(tmp_path: Path, written: str, told: str) -> None:
    path = tmp_path / "instrument.toml"
    path.write_text(written)
    with pytest.raises(InstrumentError, match=re.escape(told)) as caught:
        Instrument.read(path)
    assert str(path) in str(caught.value)


def test_a_description_has_si_units(tmp_path: Path) -> None:
    path = tmp_path / "instrument.toml"
    path.write_text('[detector]\nx_pixel_size = "100um"\ny_pixel_size = 0.0002\n[beam]\nenergy = "12.4 keV"\n')
    found = Instrument.read(path)
    assert (found.detector.x_pixel_size, found.detector.y_pixel_size) == (1e-4, 2e-4)
    assert found.beam.wavelength == pytest.approx(0.99987, abs=1e-5)
    found.save_pyfai(tmp_path / "detector.h5", DETECTOR)
    with h5py.File(tmp_path / "detector.h5") as file:
        detector = file["entry/instrument/edgeray"]
        assert detector["pixel_size"][()].tolist() == [2e-4, 1e-4]  # slow, fast
        assert detector["mask"].shape == (16, 8)
    with pytest.raises(InstrumentError, match="x_pixel_size"):
        Instrument().save_pyfai(tmp_path / "other.h5", DETECTOR)
    with pytest.raises(GeometryError, match="stride"):
        found.save_pyfai(tmp_path / "other.h5", DETECTOR, stride=4)


def test_one_file_can_be_read_again_and_again(tmp_path: Path, recording: Path) -> None:
    first, second = Collected(), Collected()
    files.convert(recording, tmp_path / "run.nxs")
    for path in (recording, tmp_path / "run.nxs"):
        with files.read(path) as run:
            assert [[frame.image_id for frame in run] for _ in range(2)] == [ids(frames_in(recording.read_bytes()))] * 2
    with files.read(recording) as run:
        assert run.play(first, second).received == 21
        assert run.play(first).received == 21
    assert len(second.frames) == 21
    assert len(first.ledgers) == 2
