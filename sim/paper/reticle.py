"""Item 4: a steel reticle with HUST cut out, scanned past one macro-pixel, as in the paper's Fig. 4b to 4d.

letters -> steel -> transmission -> [views of 8990 positions] -> macro-pixel -> conventional and in-sensor image

The paper gives neither the dose of a position nor how responses become grey levels. Here the largest response is 255,
and the dose decides how much of the noise counts: it is the one number that is fitted, to the kept part, and what the
fit says is how noisy the paper's image is.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy.constants import elementary_charge

from edgeray.protocol.kernels import KERNELS, Kernel
from sim.detector.attenuation import Layer, substance
from sim.detector.bias_table import BiasDac
from sim.detector.errors import Floats
from sim.detector.front_end import FrontEnd
from sim.detector.macro_pixel import MacroPixel, views
from sim.detector.material import Material
from sim.detector.response import Response
from sim.detector.signal import Signal, expose
from sim.paper.beam import BEAM_TEXT, beam
from sim.paper.charts import BLUE, GREEN, GREY, RED, canvas, images, png
from sim.paper.page import Finding, Part, Picture

TITLE = "4. The reticle, scanned past one macro-pixel"
SEED = 4
POSITIONS = (58, 155)
"""Rows and columns of the scan, 8990 in all; the paper gives their product alone."""
PITCH = 6
"""Samples of the scene a sub-pixel."""
APERTURE = 5
"""Of the collimator, in samples."""
SUB_PIXEL_MM = 0.5
STEEL_MM = 1.0
"""Thickness of the plate: an assumption, as is SUB_PIXEL_MM; neither changes what the fit says."""
GREY_LEVEL = 2
PAPER_KEPT = 100 * (8990 - 4820) / 8990
PHOTONS = np.geomspace(1e1, 1e7, 22)
"""Per sub-pixel and position, without an object."""


def letters(text: str, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """`text` across the middle of bool[rows, columns], True within the letters."""
    font_file = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans-Bold.ttf")
    rows, columns = shape
    size = rows
    while True:
        font = ImageFont.truetype(str(font_file), size)
        left, top, right, bottom = font.getbbox(text)
        if right - left <= 0.86 * columns and bottom - top <= 0.6 * rows:
            break
        size = int(0.95 * size)
    picture = Image.new("1", (columns, rows))
    place = ((columns - (right - left)) / 2 - left, (rows - (bottom - top)) / 2 - top)
    ImageDraw.Draw(picture).text(place, text, fill=1, font=font)
    return np.asarray(picture, np.bool_)


@dataclass(frozen=True, eq=False)
class Bench:
    """The crystal, what its sub-pixels see at each position, and the charge of one photon.

    Parameters
    ----------
    response : crystal and beam.
    seen : float[3, 3, rows, columns], transmission, in charge, of what each sub-pixel sees.
    per_photon : signal of a sub-pixel for one photon that comes without an object.
    """

    response: Response
    seen: Floats
    per_photon: Signal

    def macro_pixel(self, kernel: Kernel, photons: float) -> MacroPixel:
        """Sub-pixels under `kernel` with so many photons each at a position.

        The chip stands for the paper's current meter: its capacitor takes twice the charge of a sub-pixel.
        """
        flat = self.per_photon.times(photons)
        range_e = 4 * abs(float(flat.mean_e))
        chip = FrontEnd(
            sample_bits=14, reset_level=0.5, capacitance_ff=range_e * elementary_charge / 1e-15, swing_v=1.0,
            adc_range_v=1.0, read_noise_e=0.0, column_offset_e=0.0,
        )  # fmt: skip
        return MacroPixel(self.response, kernel, flat, BiasDac(), chip)

    def image(self, kernel: str, photons: float) -> Floats:
        """The kernel's responses at every position, codes: float[rows, columns]."""
        return self.macro_pixel(KERNELS[kernel], photons).analogue(self.seen, np.random.default_rng(SEED))


def bench(material: Material) -> Bench:
    """The plate in front of the macro-pixel. Raises MaterialError where the record lacks what is needed."""
    spectrum = beam()
    rows, columns = (PITCH * (count + 2) for count in POSITIONS)
    steel = np.where(letters("HUST", (rows, columns)), 0.0, STEEL_MM)
    thickness_mm = material.thickness_mm or 2.0
    response = Response(material, thickness_mm, spectrum)
    bias_v = response.full_bias_v
    # One photon a sub-pixel; two points give the map, as the plate has one thickness.
    one = replace(spectrum, photons_mm2=spectrum.photons_mm2 / spectrum.photons_mm2.sum())
    behind = expose(one, [Layer(substance("steel"), np.array([0.0, STEEL_MM]))], material, bias_v, thickness_mm, 1.0)
    opened, covered = behind.mean_e
    scene = np.where(steel > 0, covered / opened, 1.0)
    seen = views(scene, 3, pitch=PITCH, aperture=APERTURE)
    return Bench(response, seen, Signal(behind.mean_e[0], behind.variance_e2[0]))


def grey_levels(response: Floats, *, magnitude: bool) -> Floats:
    """0 .. 255: the largest is 255; negative responses are 0, or count by their `magnitude`."""
    size = np.abs(response) if magnitude else np.clip(response, 0, None)
    return np.asarray(size * (255 / max(float(size.max()), 1e-12)))


def kept_part(response: Floats, *, magnitude: bool) -> float:
    """Part of the positions whose grey level is GREY_LEVEL or more."""
    return float((grey_levels(response, magnitude=magnitude) >= GREY_LEVEL).mean())


def fitted_photons(kept: npt.NDArray[np.floating], wanted: float) -> float:
    """Photons at which the kept part crosses `wanted` for the last time on the way to less noise; NaN where never."""
    over = np.flatnonzero(kept >= wanted)
    if not len(over) or over[-1] == len(kept) - 1:
        return float("nan")
    pair = kept[over[-1] : over[-1] + 2][::-1]
    logs = np.log(PHOTONS[over[-1] : over[-1] + 2])[::-1]
    return float(np.exp(np.interp(wanted, pair, logs)))


def reticle(material: Material) -> Part:
    """The scan, conventional and in-sensor, and the kept part against the dose."""
    setup = bench(material)
    scans = [setup.image("laplacian", photons) for photons in PHOTONS]
    positive, both = (100 * np.array([kept_part(one, magnitude=each) for one in scans]) for each in (False, True))
    photons = fitted_photons(both, PAPER_KEPT)
    edges = setup.image("laplacian", photons)
    quiet = 100 * kept_part(scans[-1], magnitude=True)
    opened = (setup.seen > 0.999).all(axis=(0, 1))
    noise = float(edges[opened].std() * 255 / np.abs(edges).max())
    findings = [
        Finding("positions", edges.size, 8990),
        Finding("kept at grey level 2, magnitudes", 100 * kept_part(edges, magnitude=True), PAPER_KEPT, "%",
                "the dose of a position, fitted to this number"),
        Finding("kept at grey level 2, negative responses 0: most at any dose", float(positive.max()), PAPER_KEPT, "%",
                "the dose of a position"),
        Finding("kept at 1e7 photons: edges alone, magnitudes", quiet, None, "%"),
        Finding("fitted photons a sub-pixel and position", photons),
        Finding("noise of the response there, within a letter (grey levels)", noise),
    ]  # fmt: skip
    text = [
        f"A plate of {STEEL_MM:g} mm steel with HUST cut out, scanned past one macro-pixel of {material.name} at "
        f"{POSITIONS[0]} x {POSITIONS[1]} positions behind a collimator. Conventional: the centre alone has a bias. In "
        "the sensor: centre forward, eight neighbours reverse at an eighth, and the sum of the currents is read.",
        "The kept part hangs on the noise and on how responses become grey levels, and the paper gives neither. Here "
        "the largest response is 255. Where negative ones become 0, as in the paper's count of radiographs, no dose "
        "keeps more than nearly half, and that only where the image is all noise. Where magnitudes count, 46.4 % comes "
        f"out at a noise of {noise:.1f} grey levels; the dose for that is fitted, so that the number agrees by "
        f"construction. What it says: edges alone are {quiet:.0f} % of the positions, and the rest of what was kept is "
        "noise.",
        f"The beam: {BEAM_TEXT}.",
    ]
    limit = float(np.quantile(np.abs(edges), 0.995))
    shown = grey_levels(edges, magnitude=True)
    gallery = images(
        [
            ("conventional: the centre alone", setup.image("identity", photons), {}),
            ("in the sensor: Laplacian", edges, {"vmin": -limit, "vmax": limit}),
            ("the same in grey levels (white: 80 and more)", shown, {"vmin": 0, "vmax": 80}),
            (
                f"kept: grey level {GREY_LEVEL} or more, {100 * (shown >= GREY_LEVEL).mean():.1f} %",
                shown >= GREY_LEVEL,
                {},
            ),
        ],
        columns=2,
        width=11,
    )
    pictures = [
        Picture(
            "reticle", gallery, f"The scan with {photons:.3g} photons a sub-pixel and position (paper: Fig. 4b, 4c)."
        ),
        _curves(positive, both, photons, shown),
    ]
    return Part(TITLE, text, findings, pictures)


def _curves(positive: Floats, both: Floats, photons: float, levels: Floats) -> Picture:
    figure, (left, right) = canvas(1, 2)
    left.plot(PHOTONS, both, "o-", color=BLUE, markersize=3, label="magnitudes")
    left.plot(PHOTONS, positive, "s-", color=GREEN, markersize=3, label="negative responses 0")
    left.axhline(PAPER_KEPT, color=RED, linestyle="--", label=f"paper: {PAPER_KEPT:.1f} %")
    left.axvline(photons, color=GREY, linestyle=":")
    left.set(xscale="log", xlabel="photons a sub-pixel and position", ylabel="kept (%)", ylim=(0, 100),
             title="Kept part and dose")  # fmt: skip
    left.legend(fontsize=8)
    right.hist(levels.ravel(), bins=list(np.arange(0, 81)), color=BLUE)
    right.axvline(GREY_LEVEL, color=RED, linestyle="--")
    right.set(yscale="log", xlabel="grey level", ylabel="positions", title="Histogram (paper: Fig. 4d)")
    return Picture("reticle-kept", png(figure), "What is kept against the dose, and the grey levels at the fitted one.")
