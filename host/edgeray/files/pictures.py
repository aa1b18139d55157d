"""Arrays as small PNGs, in colours: what a page has inline.

array -> [picture] -> PNG -> data URL
"""

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

LARGEST = 1024
"""Rows and columns of the largest picture; larger ones are made smaller."""
SIGNED = ((33, 76, 143), (244, 244, 240), (163, 31, 44))
"""Colours of a symmetric scale: negative, 0, positive."""
GREY = ((12, 12, 16), (250, 250, 246))
MASKED = ((238, 238, 234), (163, 31, 44))


@dataclass(frozen=True)
class Picture:
    """A picture with its scale: `low` and `high` are the values of the first and last colour."""

    title: str
    url: str
    low: float
    high: float
    colours: str
    """CSS gradient of the scale."""
    note: str = ""


def picture(title: str, values: npt.NDArray[Any], colours: tuple[tuple[int, int, int], ...], note: str) -> Picture:
    """`values` from their least to their greatest; SIGNED from minus to plus their largest size, MASKED from 0."""
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if colours is not GREY:
        high = max(-low, high)
    high = high if high > low else low + 1.0
    low = {SIGNED: -high, MASKED: 0.0}.get(colours, low)
    place = (values.astype(np.float64) - low) / (high - low) * (len(colours) - 1)
    channels = [np.interp(place, range(len(colours)), channel) for channel in zip(*colours, strict=True)]
    image = Image.fromarray(np.stack(channels, axis=-1).round().astype(np.uint8))
    image.thumbnail((LARGEST, LARGEST))
    written = io.BytesIO()
    image.save(written, format="PNG")
    url = "data:image/png;base64," + base64.b64encode(written.getvalue()).decode()
    gradient = ", ".join(f"rgb{colour}" for colour in colours)
    return Picture(title, url, low, high, f"linear-gradient(to right, {gradient})", note)
