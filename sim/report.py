"""Pictures of a scan: the radiograph, the edge image, and one page that shows both with histogram and figures.

stitched responses + figures -> PNG files
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[Any]

# The frame of the responses' grey scale: so many of the kept ones reach beyond its ends.
_BEYOND = 0.01


def grey(image: Image, low: float, high: float) -> npt.NDArray[np.uint8]:
    """`image` as grey levels, `low` black and `high` white."""
    scaled = (image.astype(np.float64) - low) / max(high - low, 1e-12)
    return np.asarray(np.rint(np.clip(scaled, 0, 1) * 255), np.uint8)


def response_limit(values: Image, kept: npt.NDArray[np.bool_]) -> float:
    """The magnitude that nearly all kept responses stay under; 1 where nothing was kept."""
    return float(np.quantile(np.abs(values[kept]), 1 - _BEYOND)) if kept.any() else 1.0


def save_png(path: Path, image: npt.NDArray[np.uint8]) -> None:
    """Write grey levels uint8[rows, columns] as PNG."""
    from PIL import Image as picture

    picture.fromarray(image).save(path)


def edge_image(values: Image, kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Kept responses as grey levels: 0 and what was not sent are mid-grey, positive is brighter, negative darker."""
    limit = response_limit(values, kept)
    return grey(np.where(kept, values, 0), -limit, limit)


def save_report(
    path: Path,
    *,
    title: str,
    radiograph: Image,
    values: Image,
    kept: npt.NDArray[np.bool_],
    threshold: int,
    figures: Mapping[str, str],
) -> None:
    """Write the report picture.

    Parameters
    ----------
    radiograph : codes [rows, columns] that the detector saw.
    values, kept : stitched responses and which of them were sent, of the same shape.
    threshold : in codes, drawn into the histogram.
    figures : name -> value, printed as they are.
    """
    # The object-oriented interface: no window system, no state of pyplot that a caller could have.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 11), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=15)
    grid = figure.add_gridspec(2, 2, height_ratios=(2.4, 1))
    limit = response_limit(values, kept)
    for column, (name, image, low, high) in enumerate(
        (
            ("What the detector saw (ADC codes)", radiograph, radiograph.min(), radiograph.max()),
            ("What left the chip (kernel response, codes; grey = not sent)", np.where(kept, values, 0), -limit, limit),
        )
    ):
        axes = figure.add_subplot(grid[0, column])
        shown = axes.imshow(image, cmap="gray", vmin=low, vmax=high)
        axes.set_title(name)
        axes.set_axis_off()
        figure.colorbar(shown, ax=axes, shrink=0.7)

    axes = figure.add_subplot(grid[1, 0])
    span = max(4.0 * threshold, limit)
    # Bins of whole codes, so that none holds more codes than another. Responses that were not sent are not known here:
    # they are the bar between the thresholds.
    width = max(1, round(span / 80))
    bins = np.arange(-span // width * width, span + width, width) - 0.5
    axes.hist(values[kept], bins=list(bins), color="#1f5fa8", label="sent")
    axes.bar(0, np.count_nonzero(~kept), width=2 * threshold, color="#c8ccd2", label="not sent (one bar)")
    for side in (-threshold, threshold):
        axes.axvline(side, color="#b3261e", linewidth=1)
    axes.set(yscale="log", xlabel="kernel response (codes)", ylabel="pixels", title="Histogram; red: threshold")
    axes.legend()

    axes = figure.add_subplot(grid[1, 1])
    axes.set_axis_off()
    table = axes.table(
        [[name, value] for name, value in figures.items()], loc="center", cellLoc="left", edges="horizontal"
    )
    table.auto_set_font_size(False)
    table.set_fontsize(11)
    table.scale(1, 1.45)
    figure.savefig(path, dpi=110)
