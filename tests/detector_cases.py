"""The paper's device and beams, as the tests of the detector twin use them."""

from sim.detector.attenuation import Layer, substance
from sim.detector.material import Material, load
from sim.detector.spectrum import Spectrum, tube

CRYSTAL_MM = 2.0
WINDOW = Layer(substance("Be"), 0.127)
"""Window of the paper's tube, an Amptek Mini-X2."""


def crystal() -> Material:
    """The paper's device."""
    return load("cspbbr3")


def beam(aluminium_mm: float = 0.28) -> Spectrum:
    """70 kV behind the window and aluminium; 0.28 mm is what the paper's theoretical sensitivity is consistent with."""
    return tube(70, WINDOW, Layer(substance("Al"), aluminium_mm))
