"""The beam of the paper's sensitivity, as far as it is known: 70 kVp. Target and filter here are stand-ins.

The paper's tube has a gold target and a filter that its text does not give. Tungsten stands for gold, whose spectra
spekpy has to 50 kV alone; 0.28 mm of aluminium is what makes the paper's own 474 uC/Gy_air/cm2.
"""

from sim.detector.attenuation import Layer, substance
from sim.detector.spectrum import Spectrum, tube

KILOVOLTS = 70
WINDOW_MM = 0.127
"""Beryllium, as tubes of this kind have."""
FILTER_MM = 0.28
"""Aluminium."""
BEAM_TEXT = f"{KILOVOLTS} kVp, tungsten in the place of gold, behind {WINDOW_MM:g} mm Be and {FILTER_MM:g} mm Al"


def beam(filter_mm: float = FILTER_MM) -> Spectrum:
    """The 70 kVp beam behind `filter_mm` of aluminium."""
    return tube(KILOVOLTS, Layer(substance("Be"), WINDOW_MM), Layer(substance("Al"), filter_mm))
