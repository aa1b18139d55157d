"""Item 1: kernels on a radiograph, as in the paper's Figs 1a and 4f-i."""

from collections.abc import Sequence

import numpy as np

from edgeray.protocol.kernels import KERNELS
from sim.paper.charts import Shown, images
from sim.paper.compression import Levels, paper_count, responses, undivided
from sim.paper.page import Finding, Part, Picture

TITLE = "1. Kernels on a radiograph"
KERNEL_NAMES = ("laplacian", "log", "mean", "sobel-x", "sobel-y", "kirsch-n")
PAPER_PIXELS = 1430 * 900
"""Of Baggages-0002-0001 (GDXray+), the paper's example."""
PAPER_KEPT = {"laplacian": 600_261, "log": 636_164}
"""Pixels of it that the paper keeps."""
EXAMPLE = "B0002_0001"
"""The same image, as GDXray+ calls its file."""


def gallery(name: str, levels: Levels) -> Part:
    """Responses of the six kernels to one image of 8 bits.

    The numbers are the paper's own where the image is: its file is recognised by its name and size.
    """
    is_example = name.startswith(EXAMPLE) and levels.size == PAPER_PIXELS
    pictures: list[Shown] = [(name, levels, {})]
    findings = []
    for kernel_name in KERNEL_NAMES:
        kernel = KERNELS[kernel_name]
        shown = responses(levels, kernel)
        positive = kernel.array.min() >= 0
        limit = max(4.0, float(np.quantile(np.abs(shown), 0.99)))
        scale = {"vmin": 0, "vmax": 255} if positive else {"vmin": -limit, "vmax": limit}
        pictures.append((kernel_name, shown, scale))
        if not positive:
            kept = 100 * paper_count(levels, undivided(kernel)) / levels.size
            paper = 100 * PAPER_KEPT[kernel_name] / PAPER_PIXELS if kernel_name in PAPER_KEPT else None
            depends = "" if is_example or paper is None else "the image: the paper's is Baggages-0002-0001 of GDXray+"
            findings.append(Finding(f"kept with {kernel_name}", kept, paper, "%", depends, tolerance=0.005))
    text = [
        "Six kernels of the library on a real radiograph: Laplacian and Laplacian of Gaussian (the paper's Fig. 1a), "
        "mean, Sobel in both directions and one of Kirsch's (its Fig. 4f to i). Where a kernel has negative weights, "
        "mid-grey is no response.",
        "Kept by the paper's count: the response of the kernel without division, clipped to 0 .. 255, is 1 or more.",
    ]
    return Part(TITLE, text, findings, [_picture(pictures)])


def _picture(pictures: Sequence[Shown]) -> Picture:
    """Thinned out to what a page can show: every response drawn is one that was computed."""
    step = max(1, max(pictures[0][1].shape) // 600)
    shown = [(title, image[::step, ::step], scale) for title, image, scale in pictures]
    return Picture("kernels", images(shown, columns=4, width=12), "The radiograph and its responses.")
