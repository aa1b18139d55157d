"""Item 7: the data rate of a CT detector against the slip ring, before and after, as in the paper's Fig. 1b.

rate = rows * columns * views a rotation * bits / rotation time

The paper's scanners are in a supplement that is not at hand. The ones here are typical of their class, as the usual
textbooks and data sheets describe them, and say only how the rate grows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sim.paper.charts import BLUE, GREEN, GREY, ORANGE, RED, canvas, png
from sim.paper.page import Finding, Part, Picture, Rows

TITLE = "7. CT data rate against the slip ring"
SLIP_RING_GBIT_S = 10.0
"""The paper's limit of a slip ring."""
PAPER_RATE_GBIT_S = 40.0
"""What high-end detectors exceed, as the paper says."""
PAPER_KEPT = 0.588
"""The paper's mean kept part over GDXray+."""


@dataclass(frozen=True)
class Scanner:
    """A CT detector: rows, columns (channels), views a rotation, seconds a rotation, bits a sample."""

    name: str
    rows: int
    columns: int
    views: int
    rotation_s: float
    bits: int

    @property
    def rate_gbit_s(self) -> float:
        """Bits a second that the detector makes, in 10**9."""
        return self.rows * self.columns * self.views * self.bits / self.rotation_s / 1e9


SCANNERS = (
    Scanner("4 rows, 0.5 s", 4, 900, 1000, 0.5, 20),
    Scanner("16 rows, 0.42 s", 16, 900, 1100, 0.42, 20),
    Scanner("64 rows, 0.33 s", 64, 900, 1100, 0.33, 20),
    Scanner("128 rows, 0.28 s", 128, 900, 1100, 0.28, 20),
    Scanner("256 rows, 0.28 s", 256, 900, 1100, 0.28, 20),
    Scanner("320 rows, 0.25 s, 1800 views", 320, 900, 1800, 0.25, 20),
)


def least_part(rate_gbit_s: float, link_gbit_s: float = SLIP_RING_GBIT_S) -> float:
    """The part of the data that the link carries at most; 1 where it carries all."""
    return min(1.0, link_gbit_s / rate_gbit_s)


def ct(parts: Mapping[str, float]) -> Part:
    """`parts`: what is sent, over the raw data, under the names it is to be shown by."""
    largest = SCANNERS[-1]
    depends = "the scanner, which the paper has in its supplement"
    findings = [
        Finding(f"rate of {largest.name}", largest.rate_gbit_s, PAPER_RATE_GBIT_S, "Gbit/s", depends),
        Finding("part of 40 Gbit/s that 10 Gbit/s carry", 100 * least_part(PAPER_RATE_GBIT_S), None, "%"),
        Finding("40 Gbit/s after the paper's mean kept part, 58.8 %", PAPER_RATE_GBIT_S * PAPER_KEPT, None, "Gbit/s"),
    ]
    findings += [
        Finding(f"40 Gbit/s after {name}", PAPER_RATE_GBIT_S * part, None, "Gbit/s") for name, part in parts.items()
    ]
    text = [
        "rate = rows x columns x views a rotation x bits / rotation time. The detectors are typical of their class, "
        "not the paper's: its list is in its supplement. All samples have 20 bits.",
        "A kept part of about one half does not bring 40 Gbit/s under the 10 Gbit/s of a slip ring: that needs a "
        "quarter. It moves the limit by one class of scanners. The bits on the wire are those of radiographs in 8 "
        "bits: what views of a CT scanner take has not been measured.",
    ]
    rows = [
        [
            one.name,
            f"{one.rows} x {one.columns}",
            str(one.views),
            f"{one.rate_gbit_s:.2f}",
            f"{one.rate_gbit_s * PAPER_KEPT:.2f}",
            *(f"{one.rate_gbit_s * part:.2f}" for part in parts.values()),
        ]
        for one in SCANNERS
    ]
    columns = ["detector", "pixels", "views", "raw", "58.8 % kept", *parts]
    return Part(
        TITLE,
        text,
        findings,
        [_picture(parts)],
        [Rows("Gbit/s", columns, rows)],
    )


def _picture(parts: Mapping[str, float]) -> Picture:
    figure, (axes,) = canvas(1, 1)
    places = np.arange(len(SCANNERS))
    rates = np.array([one.rate_gbit_s for one in SCANNERS])
    axes.plot(places, rates, "o-", color=BLUE, label="raw")
    axes.plot(places, rates * PAPER_KEPT, "s--", color=ORANGE, label="paper's mean kept part, 58.8 %")
    for (name, part), colour in zip(parts.items(), (GREEN, GREY), strict=False):
        axes.plot(places, rates * part, "^:", color=colour, label=name)
    axes.axhline(SLIP_RING_GBIT_S, color=RED, label="slip ring, 10 Gbit/s")
    axes.axhline(PAPER_RATE_GBIT_S, color=RED, linestyle=":", label="paper: over 40 Gbit/s")
    axes.set_xticks(places, [one.name.replace(", ", "\n") for one in SCANNERS], fontsize=8)
    axes.set(yscale="log", ylabel="Gbit/s")
    axes.legend(fontsize=8)
    return Picture("ct", png(figure), "Data rate of detectors typical of their class, raw and after the kernel.")
