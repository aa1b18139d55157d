"""Dark current: what flows without X-rays, at any bias and temperature.

material, bias, temperature -> [density] -> current of a pixel -> array
"""

import numpy as np
import numpy.typing as npt
from scipy.constants import Boltzmann, elementary_charge

from sim.detector.errors import DetectorError, Floats, positive
from sim.detector.material import Material

BOLTZMANN_EV_K = Boltzmann / elementary_charge
ROOM_K = 298.15


def dark_current_na_cm2(
    material: Material, bias_v: npt.ArrayLike, thickness_mm: float, temperature_k: npt.ArrayLike = ROOM_K
) -> Floats:
    """Density of the dark current, nA/cm2, with the bias's sign; `bias_v` and `temperature_k` broadcast.

    Ohm's law through the record's point of that polarity, at its own device's field, else from its resistivity; with
    temperature as exp(-Ea / kT) (S. M. Sze, Physics of Semiconductor Devices, chapter 1).

    Raises MaterialError where the record has neither, or no activation energy where another temperature is asked for.
    """
    thickness_cm = float(positive(thickness_mm, "thickness_mm", "mm")) / 10
    temperature = positive(temperature_k, "temperature_k", "K")
    field = np.asarray(bias_v, np.float64) / thickness_cm
    if not np.isfinite(field).all():
        raise DetectorError("bias_v takes finite voltages")
    if material.dark_positive_na_cm2 is not None:
        known_field = 10 * material.need("dark_bias_v") / material.need("thickness_mm")
        reverse, forward = material.need("dark_negative_na_cm2"), material.need("dark_positive_na_cm2")
        density = np.where(field > 0, forward, reverse) * field / known_field
    else:
        density = 1e9 * field / material.need("resistivity_ohm_cm")
    return np.asarray(density * drift(material, temperature), np.float64)


def drift(material: Material, temperature_k: npt.ArrayLike) -> Floats:
    """Dark current at a temperature over that at the record's: exp(-Ea/k (1/T - 1/T0))."""
    temperature = positive(temperature_k, "temperature_k", "K")
    known = material.dark_temperature_k or ROOM_K
    if (temperature == known).all():
        return np.ones_like(temperature)
    activation = material.need("dark_activation_ev")
    return np.asarray(np.exp(-activation / BOLTZMANN_EV_K * (1 / temperature - 1 / known)), np.float64)


def electrons(density_na_cm2: npt.ArrayLike, area_mm2: float, time_s: float) -> Floats:
    """Charge that a current density brings to a pixel in `time_s`, electrons with its sign, of its shape."""
    area_cm2 = positive(area_mm2, "area_mm2", "mm2") / 100
    charge_c = np.asarray(density_na_cm2, np.float64) * 1e-9 * area_cm2 * positive(time_s, "time_s", "s", zero=True)
    return np.asarray(charge_c / elementary_charge, np.float64)
