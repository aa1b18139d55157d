"""The same data in other formats: bits that each peer needs for thresholded responses or for raw pixels.

kept responses, pixels -> [peers] -> bits of each -> wire

Every peer gets the best of what is tried for it. None is charged for packets, checksums or resynchronising.

    naive       address and value of every kept pixel: ceil(log2(pixels of a frame)) + sample_bits + 1 bits; at 8 bits
                31 for 2 to 4 million pixels, 27 for 512 x 512, 19 for 32 x 32
    EVT3        the fewest EVT 3.0 words that can say where events are, and the values behind them at fixed width; the
                sign as the events' polarity and sample_bits a value, or in sample_bits + 1 of it, whichever is shorter
    EVT3 camera   the words that a camera is taken to make, group of 32 pixels by group, the sign as polarity; and the
                values in sample_bits each (both: `sim.bench.events`)
    bitmap      a bit a pixel, and sample_bits + 1 bits a kept value
    PNG         level 9, zlib's strategy for filtered data; pixels with the adaptive filters, responses without
                filter, which is shorter
    libaec      blocks of 8, 16, 32 and 64 samples; with its predictor, and for zigzag without
    CharLS, JPEG-XL (effort 7), zstd (level 19)

Codecs of images see responses as offset binary and as zigzag (0, -1, 1, -2, ... to 0, 1, 2, 3, ...), in 8-bit samples
where those fit and else in 16; the gap between 0 and the threshold, in which no kept value lies, is closed beforehand,
because our code makes use of it too. A series of 32 x 32 frames is shown to them as ONE tall image, which spares them a
file header for each frame; no readout could do that, for it would have to keep the frames back.
"""

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from math import ceil, log2
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.bench import events
from sim.golden.fixed_point import Mask

Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

CODECS = {"PNG": "PNG", "libaec": "AEC", "CharLS": "JPEGLS", "JPEG-XL": "JPEGXL", "zstd": "ZSTD"}
"""Peer -> what imagecodecs calls it."""
AEC_BLOCKS = (8, 16, 32, 64)
_AEC_PREDICT = 8


def codecs() -> Any:
    """The package imagecodecs, or None where it is not installed."""
    return import_module("imagecodecs") if find_spec("imagecodecs") else None


def missing() -> list[str]:
    """Peers that cannot be asked here, each with what it lacks."""
    library = codecs()
    if library is None:
        return [f"{name} (imagecodecs is not installed)" for name in CODECS]
    return [
        f"{name} (this imagecodecs has no {codec})"
        for name, codec in CODECS.items()
        if not getattr(library, codec).available
    ]


def naive_bits(kept: Mask, sample_bits: int) -> int:
    """Address events of a series, kept bool[n, rows, columns]."""
    address = ceil(log2(kept[0].size))
    return int(kept.sum()) * (address + sample_bits + 1)


def evt3_bits(values: npt.NDArray[np.int16], kept: Mask, sample_bits: int) -> int:
    """The fewest EVT 3.0 words, and values, of a series, int16 and bool[n, rows, columns]."""
    count = int(kept.sum())
    signed = sum(events.evt3_words_signed(each > 0, each < 0) for each in values)
    plain = sum(events.evt3_words(each) for each in kept)
    return min(
        signed * events.WORD_BITS + count * sample_bits,
        plain * events.WORD_BITS + count * (sample_bits + 1),
    )


def evt3_camera_bits(values: npt.NDArray[np.int16], kept: Mask, sample_bits: int) -> int:
    """EVT 3.0 words as a camera is taken to make them, and values, of a series, int16 and bool[n, rows, columns]."""
    words = sum(events.evt3_camera_words(each > 0, each < 0) for each in values)
    return words * events.WORD_BITS + int(kept.sum()) * sample_bits


def bitmap_bits(kept: Mask, sample_bits: int) -> int:
    return kept.size + int(kept.sum()) * (sample_bits + 1)


def mappings(values: npt.NDArray[np.int16], threshold: int, sample_bits: int) -> dict[str, Samples]:
    """Responses, 0 where not kept, as samples of an image, uint8 or uint16 of their shape: "offset" and "zigzag"."""
    wide = values.astype(np.int32)
    closed = np.sign(wide) * (np.abs(wide) - (threshold - 1) * (wide != 0))
    small = closed.min() >= -128 and closed.max() <= 127
    offset = closed + (128 if small else 1 << sample_bits)
    zigzag = np.where(closed >= 0, 2 * closed, -2 * closed - 1)
    return {name: narrow(each) for name, each in (("offset", offset), ("zigzag", zigzag))}


def narrow(samples: npt.NDArray[np.integer]) -> Samples:
    """Samples that are not negative as uint8 where they fit, else as uint16."""
    return samples.astype(np.uint8) if samples.max() < 256 else samples.astype(np.uint16)


def codec_bytes(name: str, samples: Samples, kind: str) -> int:
    """Bytes that the codec `name` of CODECS makes of an image, [rows, columns]; `kind` is a mapping or pixels."""
    library: Any = codecs()
    if name == "PNG":
        filters = library.PNG.FILTER.ALL if kind == "pixels" else library.PNG.FILTER.NONE
        return len(library.png_encode(samples, level=9, filter=filters, strategy=library.PNG.STRATEGY.FILTERED))
    if name == "libaec":
        return len(libaec(samples, kind)[0])
    if name == "CharLS":
        return len(library.jpegls_encode(samples))
    if name == "JPEG-XL":
        return len(library.jpegxl_encode(samples, lossless=True, effort=7, numthreads=1))
    return len(library.zstd_encode(samples.tobytes(), level=19))


def libaec(samples: Samples, kind: str) -> tuple[bytes, dict[str, int]]:
    """(libaec's shortest code of `samples`, the settings that its decoder wants)."""
    library: Any = codecs()
    found = []
    for flags, size in product((_AEC_PREDICT, 0) if kind == "zigzag" else (_AEC_PREDICT,), AEC_BLOCKS):
        settings = {"flags": flags, "blocksize": size, "rsi": 128}
        found.append((bytes(library.aec_encode(samples, **settings)), settings))
    return min(found, key=lambda pair: len(pair[0]))


def _available() -> Iterator[str]:
    library = codecs()
    yield from (name for name, codec in CODECS.items() if library and getattr(library, codec).available)


def edge_bits(values: npt.NDArray[np.int16], kept: Mask, *, sample_bits: int, threshold: int) -> dict[str, int]:
    """Bits of each peer for a series of thresholded frames, int16 and bool[n, rows, columns]."""
    found = {
        "naive": naive_bits(kept, sample_bits),
        "EVT3": evt3_bits(values, kept, sample_bits),
        "EVT3 camera": evt3_camera_bits(values, kept, sample_bits),
        "bitmap": bitmap_bits(kept, sample_bits),
    }
    images = mappings(values, threshold, sample_bits)
    for name in _available():
        found[name] = 8 * min(codec_bytes(name, tall(image), mapping) for mapping, image in images.items())
    return found


def raw_bits(pixels: npt.NDArray[np.uint16]) -> dict[str, int]:
    """Bits of each codec for a series of frames of pixels, uint16[n, rows, columns]."""
    image = tall(narrow(pixels))
    return {name: 8 * codec_bytes(name, image, "pixels") for name in _available()}


def tall(frames: Samples) -> Samples:
    """A series [n, rows, columns] as one image [n * rows, columns]."""
    return frames.reshape(-1, frames.shape[-1])
