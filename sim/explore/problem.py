"""What is to be seen, and by what: the part of an exploration that does not change.

beam, crystal, phantom -> [Problem] -> charge that every sub-pixel gets, and where the edges are -> evaluate

The phantom is a plate of aluminium with holes that are more and less deep, steel wires, and letters in steel. Its edges
are known from its geometry: the edge map without noise, whatever kernel is chosen.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from edgeray.protocol.detector import Detector
from sim.detector.attenuation import Layer, substance
from sim.detector.errors import Floats, positive
from sim.detector.macro_pixel import views
from sim.detector.material import Material
from sim.detector.response import Response
from sim.detector.signal import Signal, expose
from sim.detector.spectrum import Spectrum, tube
from sim.paper.reticle import letters

FINE = 4
"""Samples of the phantom a pixel."""
ROWS, COLUMNS = 90, 150
"""Pixels of the phantom: three rows of five windows of 30 x 30."""
PLATE_MM, STEEL_MM = 1.0, 0.3
HOLES_MM = (0.9, 0.75, 0.5, 0.25, 0.1)
"""Aluminium that is left in the holes."""
WIRES_PX = (0.7, 2.0)
"""Widths of two wires: one along the columns, one along the rows, a few degrees off."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Crystal, beam, array and link. The defaults of what the paper does not give are assumptions.

    Parameters
    ----------
    material : the crystal.
    full_bias_v : of a pixel that is read by itself, and of a kernel's largest weight; see `sim.explore.bias`.
    kilovolts, filter_mm : tungsten tube and its aluminium.
    dose_rate_ugy_s : air kerma rate without an object; with the dose of a frame it makes the exposure.
    pitch_mm : of the square sub-pixels.
    capacitance_ff : of the readout chip.
    rows, columns, guard_ring : of the array.
    tick_rate : of the board, Hz.
    baudrate : of the link: 10 bits a byte.
    tolerance_px : how far from an edge a pixel may be that has found it.
    seed : of the noise, the same for every choice, so that choices differ by more than luck.

    Raises DetectorError for a number that is not positive.
    """

    material: Material
    full_bias_v: float = 95.0
    kilovolts: int = 70
    filter_mm: float = 1.0
    dose_rate_ugy_s: float = 1000.0
    pitch_mm: float = 0.1
    capacitance_ff: float = 500.0
    rows: int = 32
    columns: int = 32
    guard_ring: int = 1
    tick_rate: int = 24_000_000
    baudrate: int = 1_000_000
    tolerance_px: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, unit in (
            ("full_bias_v", "V"), ("filter_mm", "mm"), ("dose_rate_ugy_s", "uGy/s"), ("pitch_mm", "mm"),
            ("capacitance_ff", "fF"), ("tick_rate", "Hz"), ("baudrate", "baud"), ("tolerance_px", "pixels"),
        ):  # fmt: skip
            positive(getattr(self, name), name, unit)
        Detector(rows=self.rows, columns=self.columns, guard_ring=self.guard_ring)

    @property
    def spectrum(self) -> Spectrum:
        """The beam, of 1 uGy."""
        return tube(self.kilovolts, Layer(substance("Al"), self.filter_mm)).scaled_to(1.0)

    @property
    def response(self) -> Response:
        """Crystal and beam. Raises MaterialError without a thickness, DetectorError for a bias over 100 V."""
        return Response(self.material, self.material.need("thickness_mm"), self.spectrum, self.full_bias_v)


@dataclass(frozen=True, eq=False)
class Scene:
    """The phantom as the crystal sees it.

    Parameters
    ----------
    response : crystal and beam.
    flat : charge of a sub-pixel at the full bias for 1 uGy without an object.
    transmission : float[ROWS * FINE, COLUMNS * FINE], part of that charge.
    edges : bool[ROWS, COLUMNS], pixels that an edge runs through or along.
    """

    response: Response
    flat: Signal
    transmission: Floats
    edges: npt.NDArray[np.bool_]

    def seen(self, size: int) -> Floats:
        """Part of the charge that each of size x size sub-pixels gets: float64[size, size, ROWS, COLUMNS]."""
        return _seen(self, size)


@lru_cache(maxsize=8)
def _seen(scene: Scene, size: int) -> Floats:
    padded = np.pad(scene.transmission, size // 2 * FINE, mode="edge")
    return views(padded, size, pitch=FINE)


@lru_cache(maxsize=4)
def scene(problem: Problem) -> Scene:
    """The phantom of a problem; computed once a process. Raises MaterialError where the record lacks what is needed."""
    response = problem.response
    material, thickness_mm, spectrum = response.material, response.thickness_mm, response.spectrum
    aluminium_mm, steel_mm = phantom()
    pairs, label = np.unique(np.stack((aluminium_mm, steel_mm)).reshape(2, -1), axis=1, return_inverse=True)
    layers = [Layer(substance("Al"), pairs[0]), Layer(substance("steel"), pairs[1])]
    area_mm2 = problem.pitch_mm**2
    behind = expose(spectrum, layers, material, response.full_bias_v, thickness_mm, area_mm2).mean_e
    flat = expose(spectrum, (), material, response.full_bias_v, thickness_mm, area_mm2)
    labels = label.reshape(aluminium_mm.shape)
    return Scene(response, flat, (behind / flat.mean_e)[labels], edges_of(labels))


def phantom() -> tuple[Floats, Floats]:
    """Thickness of aluminium and of steel, mm: float64[ROWS * FINE, COLUMNS * FINE] each."""
    y, x = np.mgrid[: ROWS * FINE, : COLUMNS * FINE] / FINE + 0.5 / FINE
    aluminium, steel = np.zeros_like(x), np.zeros_like(x)
    # A few degrees off the grid, so that edges meet the pixels at every place.
    tilt = np.tan(np.radians(3))
    aluminium[(y + tilt * x > 14) & (y + tilt * x < 62) & (x - tilt * y > 8)] = PLATE_MM
    for number, left_mm in enumerate(HOLES_MM):
        hole = (y - 32) ** 2 + (x - 26 - 24 * number) ** 2 < 8.5**2
        aluminium[hole & (aluminium > 0)] = left_mm
    for width, distance in zip(WIRES_PX, (x - 137 - 0.06 * y, y - 50 - 0.05 * x), strict=True):
        steel[np.abs(distance) < width / 2] = STEEL_MM
    bottom = np.s_[64 * FINE :]
    steel[bottom][letters("edgeray", steel[bottom].shape)] = STEEL_MM
    return aluminium, steel


def edges_of(labels: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Pixels, of FINE x FINE samples each, with more than one label in them or another one beyond their border."""
    rows, columns = (length // FINE for length in labels.shape)
    blocks = labels.reshape(rows, FINE, columns, FINE)
    low, high = blocks.min(axis=(1, 3)), blocks.max(axis=(1, 3))
    edges = np.asarray(low != high, np.bool_)
    edges[:, :-1] |= (high[:, :-1] != high[:, 1:]) & ~edges[:, 1:]
    edges[:-1] |= (high[:-1] != high[1:]) & ~edges[1:]
    return edges
