"""How the pages' pictures are drawn: one style, PNG bytes, no window system.

numbers -> [charts] -> PNG
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Shown: TypeAlias = tuple[str, npt.NDArray[Any], Mapping[str, Any]]
"""Title, image, and keywords of imshow."""

BLUE, RED, GREEN, GREY, ORANGE = "#1f5fa8", "#b3261e", "#2b7a4b", "#7d8794", "#c77700"
DPI = 110


def canvas(rows: int = 1, columns: int = 1, *, width: float = 10, height: float = 4.2) -> tuple[Figure, list[Axes]]:
    """A figure of `width` x `height` inches and its axes, row by row."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    found = figure.subplots(rows, columns, squeeze=False)
    for axes in found.flat:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, list(found.flat)


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI, format="png")
    return buffer.getvalue()


def images(pictures: Sequence[Shown], *, columns: int, width: float = 10) -> bytes:
    """A gallery as PNG, in rows of `columns`; grey unless the keywords say so."""
    rows = -(-len(pictures) // columns)
    tall = max(image.shape[0] / image.shape[1] for _, image, _ in pictures)
    figure, axes = canvas(rows, columns, width=width, height=rows * (width / columns * tall + 0.45))
    for one in axes:
        one.set_axis_off()
    for one, (title, image, keywords) in zip(axes, pictures, strict=False):
        one.imshow(image, **{"cmap": "gray", "interpolation": "nearest", **keywords})
        one.set_title(title, fontsize=10)
    return png(figure)
