"""Scenes: image files -> numbers -> codes of the ADC, the first step of every simulated exposure.

A file's content, not its suffix, says what it is. Larger numbers are brighter; X-ray images keep the film's look, in
which what absorbs more is brighter.
"""

import io
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[Any]

RADIOGRAPH = "RG3_UNCR.dcm"
"""Lower leg, 1760 x 1760 pixels of 10 bits, from the package pydicom-data."""
PNG_END = b"IEND"
LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue: ITU-R BT.601."""


class SceneError(ValueError):
    """An image that cannot be shown; says which, what is wrong with it and what would do."""


def radiograph() -> Path:
    """Path of the real radiograph that is shown by default; never asks the network.

    Raises SceneError where pydicom or pydicom-data is not installed.
    """
    found = _library("pydicom.data", "a radiograph").get_testdata_file(RADIOGRAPH, download=False)
    if not isinstance(found, str):
        raise SceneError(f"{RADIOGRAPH} is not here; install the package that has it: pip install edgeray[demo]")
    return Path(found)


def read_image(path: str | Path) -> Image:
    """The image in a PNG, TIFF, DICOM or .npy file as [rows, columns], integers or floats as stored.

    Colour becomes luminance (0.299 red + 0.587 green + 0.114 blue, as floats; transparency is ignored), a palette is
    looked up first. TIFF's MINISWHITE is inverted, DICOM's MONOCHROME1 to MONOCHROME2 (stored value v -> largest +
    smallest storable value - v); then DICOM's rescale slope and intercept are applied.

    Raises SceneError: no such file, unreadable, empty, of an unknown kind, several images, not two dimensions, not
    real numbers, NaN or infinite; or the library that reads the kind is not installed.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SceneError(f"{path} cannot be read: {error.strerror}") from None
    if not data:
        raise SceneError(f"{path} is empty")
    kind, read = _reader(data, path)
    try:
        # What the libraries warn about (damaged tags, huge images) either fails below or does no harm.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = read(data)
    except SceneError as error:
        raise SceneError(f"{path}: {error}") from None
    except Exception as error:  # the libraries raise whatever a damaged file leads them to
        raise SceneError(f"{path} is not a readable {kind} file: {error}") from None
    return check(image, str(path))


def check(image: Image, name: str = "the image") -> Image:
    """`image` itself where it is a non-empty 2-D array of finite real numbers; SceneError calls it `name`."""
    if not (np.issubdtype(image.dtype, np.integer) or np.issubdtype(image.dtype, np.floating)):
        raise SceneError(f"{name} holds {image.dtype}; an image is made of integers or floats")
    if image.ndim != 2:
        raise SceneError(f"{name} has the shape {image.shape}; an image has two dimensions, rows and columns")
    if not image.size:
        raise SceneError(f"{name} has no pixels: its shape is {image.shape}")
    bad = np.argwhere(~np.isfinite(image))
    if len(bad):
        where = "row {}, column {}".format(*bad[0])
        raise SceneError(f"{name} has {len(bad)} pixels that are NaN or infinite, the first at {where}")
    return image


def to_codes(image: Image, bits: int, headroom: float = 0.125) -> npt.NDArray[np.uint16]:
    """Codes uint16 of `image`'s shape: its smallest value becomes 0, its largest (1 - headroom) * (2**bits - 1).

    Linear between them, rounded half up. `headroom` is the part of full scale left free, for the reset level that the
    readout chip adds. An image with one value everywhere becomes 0. Raises SceneError as `check` does.
    """
    # Halved before it is subtracted: the span of floats near their limits would be infinite.
    values = check(image).astype(np.float64) / 2
    low, high = values.min(), values.max()
    if low == high:
        return np.zeros(image.shape, np.uint16)
    top = (1 - headroom) * ((1 << bits) - 1)
    codes = np.floor((values - low) / (high - low) * top + 0.5)
    return np.asarray(codes, np.uint16)


def _reader(data: bytes, path: Path) -> tuple[str, Callable[[bytes], Image]]:
    """(name of the kind, function that reads it), told from the first bytes."""
    # First: the preamble of a DICOM file may be the start of a TIFF file.
    if data[128:132] == b"DICM":
        return "DICOM", _dicom
    if data.startswith(b"\x89PNG"):
        return "PNG", _png
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF", _tiff
    if data.startswith(b"\x93NUMPY"):
        return ".npy", lambda data: np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
    raise SceneError(f"{path} is neither PNG, TIFF, DICOM nor .npy; convert it to one of these")


def _png(data: bytes) -> Image:
    if PNG_END not in data:
        # Pillow fills what is missing of a small image without a word.
        raise SceneError("ends in the middle")
    with _library("PIL.Image", "PNG").open(io.BytesIO(data), formats=["PNG"]) as picture:
        if picture.mode.startswith("I"):  # 16 bits
            return np.asarray(picture)
        grey = picture.mode in ("1", "L", "LA") and "transparency" not in picture.info
        return np.asarray(picture.convert("L")) if grey else _luminance(np.asarray(picture.convert("RGB")))


def _tiff(data: bytes) -> Image:
    tifffile = _library("tifffile", "TIFF")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        if len(file.pages) != 1:
            raise SceneError(f"holds {len(file.pages)} images; give a file with one")
        page = file.pages[0]
        image = np.asarray(page.asarray())
        if page.photometric == tifffile.PHOTOMETRIC.RGB and image.ndim == 3:
            # Separate planes come first instead of last.
            return _luminance(np.moveaxis(image, 0, -1) if page.planarconfig == 2 else image)
        if image.dtype == np.bool_:
            image = image.astype(np.uint8)
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and np.issubdtype(image.dtype, np.unsignedinteger):
            return np.asarray((1 << page.bitspersample) - 1 - image, image.dtype)
        return image


def _dicom(data: bytes) -> Image:
    dataset = _library("pydicom", "DICOM").dcmread(io.BytesIO(data))
    photometric = str(dataset.PhotometricInterpretation)
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise SceneError(f"is {photometric}; a radiograph is MONOCHROME1 or MONOCHROME2")
    image = np.asarray(dataset.pixel_array)
    if photometric == "MONOCHROME1":
        # Smallest + largest storable value: 2**bits - 1 unsigned, -1 in two's complement.
        image = np.asarray((-1 if dataset.PixelRepresentation else (1 << dataset.BitsStored) - 1) - image, image.dtype)
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    return image if (slope, intercept) == (1, 0) else image * slope + intercept


def _luminance(colours: Image) -> Image:
    return np.asarray(colours[..., :3] @ np.array(LUMINANCE))


def _library(module: str, kind: str) -> Any:
    """A library that only the demo needs, imported when it is used."""
    try:
        return import_module(module)
    except ImportError:
        package = {"PIL.Image": "pillow"}.get(module, module.partition(".")[0])
        raise SceneError(f"{kind} needs the package {package}: pip install edgeray[demo]") from None
