"""Images in, codes and samples out: what is read, what is refused and how it says so."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
import tifffile
from PIL import Image as Pillow
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from edgeray.protocol.registers import Polarity
from sim import scenes
from sim.roic import RESET, SIGNAL, Roic
from sim.scenes import SceneError, radiograph, read_image, to_codes

GREY = np.arange(6, dtype=np.uint16).reshape(2, 3) * 40


def write_dicom(path: Path, pixels: npt.NDArray[Any], photometric: str = "MONOCHROME2", **more: Any) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid(entropy_srcs=["edgeray"])
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        dataset.NumberOfFrames = len(pixels)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, photometric
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for name, value in more.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_reads_every_kind(tmp_path: Path) -> None:
    small = GREY.astype(np.uint8)
    Pillow.fromarray(small).save(tmp_path / "8.png")
    Pillow.fromarray(GREY).save(tmp_path / "16.png")
    tifffile.imwrite(tmp_path / "a.tiff", GREY)
    tifffile.imwrite(tmp_path / "float.tif", GREY / 3)
    np.save(tmp_path / "a.npy", GREY - 7.5)
    write_dicom(tmp_path / "a.dcm", GREY)
    np.testing.assert_array_equal(read_image(tmp_path / "8.png"), small)
    np.testing.assert_array_equal(read_image(tmp_path / "16.png"), GREY)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tiff"), GREY)
    np.testing.assert_array_equal(read_image(tmp_path / "float.tif"), GREY / 3)
    np.testing.assert_array_equal(read_image(tmp_path / "a.npy"), GREY - 7.5)
    np.testing.assert_array_equal(read_image(tmp_path / "a.dcm"), GREY)


def test_content_counts_and_not_the_suffix(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_image(write_dicom(tmp_path / "IMG0001", GREY)), GREY)
    Pillow.fromarray(GREY).save(tmp_path / "x.dcm", format="PNG")
    np.testing.assert_array_equal(read_image(tmp_path / "x.dcm"), GREY)


def test_colour_becomes_luminance(tmp_path: Path) -> None:
    colours = np.zeros((2, 3, 3), np.uint8)
    colours[0, 0], colours[0, 1], colours[0, 2], colours[1] = (200, 0, 0), (0, 200, 0), (0, 0, 200), 100
    want: list[list[float]] = [[59.8, 117.4, 22.8], [100, 100, 100]]
    Pillow.fromarray(colours).save(tmp_path / "rgb.png")
    Pillow.fromarray(np.dstack([colours, np.full((2, 3), 9, np.uint8)])).save(tmp_path / "rgba.png")
    tifffile.imwrite(tmp_path / "rgb.tif", colours, photometric="rgb")
    tifffile.imwrite(tmp_path / "planes.tif", np.moveaxis(colours, -1, 0), photometric="rgb", planarconfig="separate")
    for name in ("rgb.png", "rgba.png", "rgb.tif", "planes.tif"):
        np.testing.assert_allclose(read_image(tmp_path / name), want, err_msg=name)
    # A palette of three colours, in which the index says nothing about the brightness.
    palette = Pillow.fromarray(np.array([[2, 1, 0]], np.uint8), mode=None)
    palette.putpalette([100, 100, 100, 50, 50, 50, 0, 0, 0])
    palette.save(tmp_path / "palette.png")
    np.testing.assert_allclose(read_image(tmp_path / "palette.png"), [[0, 50, 100]])


def test_inverted_kinds_come_out_upright(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_image(write_dicom(tmp_path / "a", GREY, "MONOCHROME1")), 4095 - GREY)
    signed = GREY.astype(np.int16) - 100
    np.testing.assert_array_equal(read_image(write_dicom(tmp_path / "b", signed, "MONOCHROME1")), -1 - signed)
    tifffile.imwrite(tmp_path / "c.tif", GREY, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "c.tif"), 65535 - GREY)


def test_dicom_rescale(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a", GREY, RescaleSlope=2.5, RescaleIntercept=-1024)
    np.testing.assert_allclose(read_image(path), GREY * 2.5 - 1024)


def test_the_default_is_a_real_radiograph_and_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr("socket.create_connection", refuse)
    monkeypatch.setattr("pydicom.data.data_manager.data_path_with_download", refuse)
    image = read_image(radiograph())
    assert image.shape == (1760, 1760)
    assert image.max() <= 1023
    # Stored as MONOCHROME1 with a border of 0 (white): without the inversion the border would be black.
    assert np.median(image[800:900, :40]) == 1023


BAD_ARRAYS = {
    "complex": (np.ones((2, 2), complex), "complex128"),
    "bool": (np.ones((2, 2), bool), "bool"),
    "text": (np.array([["a"]]), "<U1"),
    "nan": (np.array([[1.0, np.nan]]), "row 0, column 1"),
    "infinite": (np.array([[1.0], [np.inf]]), "row 1, column 0"),
    "empty": (np.ones((0, 4)), "no pixels"),
    "line": (np.ones(4), "two dimensions"),
    "stack": (np.ones((2, 2, 2)), "two dimensions"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_bad_arrays_are_refused(name: str, tmp_path: Path) -> None:
    array, message = BAD_ARRAYS[name]
    np.save(tmp_path / "bad.npy", array)
    with pytest.raises(SceneError, match=message) as caught:
        read_image(tmp_path / "bad.npy")
    assert "bad.npy" in str(caught.value)
    assert "\n" not in str(caught.value)


def bad_files(folder: Path) -> dict[str, str]:
    """Files that cannot be shown -> a part of what is to be said about them."""
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("no image")
    Pillow.fromarray(GREY).save(folder / "cut.png")
    np.save(folder / "cut.npy", GREY)
    tifffile.imwrite(folder / "cut.tif", GREY)
    write_dicom(folder / "cut.dcm", GREY)
    for path in folder.glob("cut.*"):
        path.write_bytes(path.read_bytes()[:-9])
    np.save(folder / "objects.npy", np.array([[None]]), allow_pickle=True)
    tifffile.imwrite(folder / "pages.tif", np.stack([GREY, GREY]), photometric="minisblack")
    write_dicom(folder / "frames.dcm", np.stack([GREY, GREY]))
    write_dicom(folder / "palette.dcm", GREY, "PALETTE COLOR")
    write_dicom(folder / "no-pixels.dcm", GREY)
    dataset = pydicom.dcmread(folder / "no-pixels.dcm")
    del dataset.PixelData
    dataset.save_as(folder / "no-pixels.dcm")
    (folder / "folder.png").mkdir()
    return {
        "missing.png": "No such file", "empty.png": "is empty", "text.png": "neither PNG, TIFF, DICOM nor .npy",
        "cut.png": "ends in the middle", "cut.npy": "not a readable .npy", "cut.tif": "not a readable TIFF",
        "cut.dcm": "not a readable DICOM", "objects.npy": "not a readable .npy", "pages.tif": "2 images",
        "frames.dcm": "two dimensions", "palette.dcm": "PALETTE COLOR", "no-pixels.dcm": "not a readable DICOM",
        "folder.png": "cannot be read",
    }  # fmt: skip


def test_bad_files_are_refused(tmp_path: Path) -> None:
    for name, message in bad_files(tmp_path).items():
        with pytest.raises(SceneError) as caught:
            read_image(tmp_path / name)
        assert message in str(caught.value), name
        assert str(tmp_path / name) in str(caught.value)


def test_a_missing_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Pillow.fromarray(GREY).save(tmp_path / "a.png")

    def absent(module: str) -> None:
        raise ImportError(module)

    monkeypatch.setattr(scenes, "import_module", absent)
    with pytest.raises(SceneError, match=r"pillow: pip install edgeray\[demo\]"):
        read_image(tmp_path / "a.png")


def test_codes_span_what_the_headroom_leaves() -> None:
    codes = to_codes(np.array([[-1.0, 0.0, 1.0]]), 12, headroom=0)
    assert codes.dtype == np.uint16
    np.testing.assert_array_equal(codes, [[0, 2048, 4095]])  # 2047.5 rounds up
    assert to_codes(GREY, 8, headroom=0.5).max() == 128
    np.testing.assert_array_equal(to_codes(np.full((2, 2), 7), 12), 0)
    np.testing.assert_array_equal(to_codes(np.array([[-1.7e308, 1.7e308]]), 12, headroom=0), [[0, 4095]])
    np.testing.assert_array_equal(to_codes(np.array([[-128, 127]], np.int8), 8, headroom=0), [[0, 255]])


@pytest.mark.parametrize("bits", [8, 12, 14])
@pytest.mark.parametrize("polarity", Polarity)
def test_correlated_double_sampling_gives_the_scene_back(bits: int, polarity: Polarity) -> None:
    random = np.random.default_rng(5)
    scene = to_codes(random.normal(size=(4, 300)), bits).reshape(3, 20, 20)
    samples = Roic(sample_bits=bits, polarity=polarity).samples(scene).astype(int)
    sign = 1 if polarity == Polarity.SIGNAL_MINUS_RESET else -1
    np.testing.assert_array_equal(sign * (samples[:, SIGNAL] - samples[:, RESET]), scene)
    # The level differs from column to column and from frame to frame, or there would be nothing to remove.
    assert np.ptp(samples[0, RESET].mean(axis=0)) > 0
    assert (samples[0, RESET] != samples[1, RESET]).any()


def test_samples_clip_at_full_scale_and_repeat_with_the_seed() -> None:
    scene = np.full((2, 4, 4), 4095, np.uint16)
    samples = Roic(sample_bits=12).samples(scene)
    assert (samples[:, SIGNAL] == 4095).all()
    down = Roic(sample_bits=12, polarity=Polarity.RESET_MINUS_SIGNAL).samples(scene)
    assert (down[:, SIGNAL] == 0).all()
    wild = Roic(sample_bits=8, reset_noise=1000).samples(scene)[:, RESET]
    assert (wild.min(), wild.max()) == (1, 254)
    np.testing.assert_array_equal(samples, Roic(sample_bits=12).samples(scene))
    assert (samples != Roic(sample_bits=12, seed=1).samples(scene)).any()
    # A frame's noise does not depend on the number of frames.
    np.testing.assert_array_equal(samples[:1], Roic(sample_bits=12).samples(scene[:1]))
    with pytest.raises(ValueError, match="float64"):
        Roic(sample_bits=12).samples(scene.astype(float))
