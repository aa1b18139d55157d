"""The readout chip in physical units: charge of a pixel to the reset and signal sample that the gateware takes.

charge -> [direct injection -> capacitor -> reset, noise -> programmable gain -> column line -> ADC] -> samples

The two samples of a pixel share its reset: the kTC noise on the capacitor and the offset of its column. Correlated
double sampling in the gateware takes both away; noise of the amplifiers and the ADC is in each sample anew. With
`pga_gain` 0 the gain is the gateware's; a chip that amplifies itself gets it here.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.constants import Boltzmann, elementary_charge
from scipy.signal import lfilter

from edgeray.protocol.registers import BY_NAME, Polarity
from sim.detector.errors import DetectorError, Floats, positive
from sim.detector.timing import Timing


@dataclass(frozen=True, kw_only=True)
class FrontEnd:
    """A direct-injection readout chip with its ADC. The defaults are assumptions: the paper gives none of them.

    1 pF holds the charge of 1400 photons of a 70 kV beam, whose own noise is then 2.7 %.

    Parameters
    ----------
    sample_bits : bits of the ADC.
    polarity : which way positive charge moves the output; the register `cds_polarity`.
    capacitance_ff : integration capacitor, fF.
    swing_v : how far its voltage can move either way before it is full, V.
    adc_range_v : voltage from code 0 to full scale, V.
    reset_level : output without charge, as part of that range; 0.5 for charge of either sign.
    pga_gain : exponent of the chip's gain, 2**pga_gain; 0 where the gateware amplifies.
    read_noise_e : noise of each sample at the capacitor, electrons rms.
    adc_noise_codes : noise of each conversion behind the gain, codes rms; rounding comes on top.
    column_offset_e : fixed offset of a column, electrons rms over the columns.
    column_time_constant_s : of the column lines; 0 settles at once.
    temperature_k : for kTC noise.
    """

    sample_bits: int = 12
    polarity: Polarity = Polarity.SIGNAL_MINUS_RESET
    capacitance_ff: float = 1000.0
    swing_v: float = 1.25
    adc_range_v: float = 1.25
    reset_level: float = 1 / 32
    pga_gain: int = 0
    read_noise_e: float = 400.0
    adc_noise_codes: float = 0.5
    column_offset_e: float = 30_000.0
    column_time_constant_s: float = 20e-9
    temperature_k: float = 298.15

    def __post_init__(self) -> None:
        for name, unit in (("capacitance_ff", "fF"), ("swing_v", "V"), ("adc_range_v", "V"), ("temperature_k", "K")):
            positive(getattr(self, name), name, unit)
        for name, unit in (
            ("read_noise_e", "electrons"), ("adc_noise_codes", "codes"), ("column_offset_e", "electrons"),
            ("column_time_constant_s", "s"),
        ):  # fmt: skip
            positive(getattr(self, name), name, unit, zero=True)
        if not 8 <= self.sample_bits <= 14:
            raise DetectorError(f"sample_bits takes 8 to 14, not {self.sample_bits!r}")
        if not 0 < self.reset_level < 1:
            raise DetectorError(f"reset_level takes a part of the range between 0 and 1, not {self.reset_level!r}")
        if not BY_NAME["pga_gain"].accepts(self.pga_gain):
            raise DetectorError(f"pga_gain takes 0 to {BY_NAME['pga_gain'].maximum}, not {self.pga_gain!r}")

    @property
    def full_scale(self) -> int:
        """Largest code."""
        return (1 << self.sample_bits) - 1

    @property
    def full_well_e(self) -> float:
        """Charge that fills the capacitor, electrons: C V / e."""
        return self.capacitance_ff * 1e-15 * self.swing_v / elementary_charge

    @property
    def electrons_per_code(self) -> float:
        """Conversion gain, electrons a code of the ADC."""
        range_e = self.capacitance_ff * 1e-15 * self.adc_range_v / elementary_charge
        return range_e / (self.full_scale * (1 << self.pga_gain))

    @property
    def reset_noise_e(self) -> float:
        """kTC noise of the capacitor, electrons rms: sqrt(k T C) / e."""
        charge_c = np.sqrt(Boltzmann * self.temperature_k * self.capacitance_ff * 1e-15)
        return float(charge_c / elementary_charge)

    def pixel_noise_e(self, *, correlated: bool = True) -> float:
        """Noise of a dark pixel, electrons rms, rounding of the ADC (1/12 code**2) included.

        `correlated`: the difference of two samples, in which each one's noise counts and the kTC noise does not; else
        the signal sample alone, with it. Without the columns' fixed pattern.
        """
        codes2 = self.adc_noise_codes**2 + 1 / 12
        once_e2 = self.read_noise_e**2 + codes2 * self.electrons_per_code**2
        return float(np.sqrt(2 * once_e2 if correlated else once_e2 + self.reset_noise_e**2))

    def column_pattern_e(self, columns: int, seed: int) -> Floats:
        """The columns' fixed offsets of the chip with that number, electrons: float64[columns]."""
        return np.random.default_rng((seed, columns)).normal(0, self.column_offset_e, columns)

    def samples(
        self,
        charge_e: npt.NDArray[np.floating],
        random: np.random.Generator,
        timing: Timing | None = None,
        pattern_e: npt.NDArray[np.floating] | float = 0.0,
    ) -> npt.NDArray[np.uint16]:
        """Samples uint16[n, 2, rows, columns] of `charge_e`, float64[n, rows, columns]: reset, then signal.

        Parameters
        ----------
        charge_e : electrons that each pixel integrates; negative ones move the output the other way.
        random : draws kTC, read and ADC noise.
        timing : how long the column lines settle; None: long enough.
        pattern_e : fixed offsets, electrons, of a shape that broadcasts to a frame's.

        Raises DetectorError for another shape.
        """
        if charge_e.ndim != 3:
            raise DetectorError(f"charge is [n, rows, columns], not of shape {charge_e.shape}")
        reset = pattern_e + random.normal(0, self.reset_noise_e, charge_e.shape)
        signal = reset + np.clip(charge_e, -self.full_well_e, self.full_well_e)
        both = np.stack([reset, signal], axis=1)
        both += random.normal(0, self.read_noise_e, both.shape)
        codes = self._settled(both / self.electrons_per_code, timing)
        codes += self.reset_level * self.full_scale + random.normal(0, self.adc_noise_codes, both.shape)
        samples = np.clip(np.rint(codes), 0, self.full_scale).astype(np.uint16)
        return samples if self.polarity == Polarity.SIGNAL_MINUS_RESET else np.uint16(self.full_scale) - samples

    def pixels(self, samples: npt.NDArray[np.uint16], *, correlated: bool = True) -> Floats:
        """What the gateware's double sampling makes of `samples`, in codes with sign: float64[n, rows, columns].

        `correlated`: signal against reset sample; else the signal sample against the reset level.
        """
        values = samples.astype(np.float64)
        level = self.reset_level * self.full_scale
        if self.polarity == Polarity.RESET_MINUS_SIGNAL:
            values = self.full_scale - values
        return values[:, 1] - (values[:, 0] if correlated else level)

    def _settled(self, codes: Floats, timing: Timing | None) -> Floats:
        """What a line shows as it moves from each pixel to the next, with its time constant; a row starts at no charge.

        y[c] = x[c] + (y[c-1] - x[c]) exp(-t / tau), the step response of one pole.
        """
        if timing is None or not self.column_time_constant_s:
            return codes
        left = np.exp(-timing.column_settle_s / self.column_time_constant_s)
        first = np.exp(-(timing.row_settle_s + timing.column_settle_s) / self.column_time_constant_s)
        shown = np.empty_like(codes)
        shown[..., 0] = codes[..., 0] * (1 - first)
        # The filter's state before its first step: what the line showed before, less its share.
        state = left * shown[..., :1]
        shown[..., 1:], _ = lfilter([1 - left], [1, -left], codes[..., 1:], axis=-1, zi=state)
        return shown


def injection_efficiency(
    current_na: npt.ArrayLike, detector_gohm: npt.ArrayLike, slope_factor: float = 1.3, temperature_k: float = 298.15
) -> Floats:
    """Part of a pixel's current that direct injection brings to the capacitor: g R / (1 + g R).

    g = e I / (n k T) is the input transistor's conductance in weak inversion, R the detector's dynamic resistance
    (N. Bluzer, R. Stehlik, IEEE Trans. Electron Devices 25, 160 (1978)). 1 where the detector's resistance is far over
    1/g, 26 mV / I: so it is in a crystal of 1e9 ohm cm and more.
    """
    current_a = positive(current_na, "current_na", "nA", zero=True) * 1e-9
    resistance = positive(detector_gohm, "detector_gohm", "Gohm") * 1e9
    thermal_v = Boltzmann * float(positive(temperature_k, "temperature_k", "K")) / elementary_charge
    gain = current_a / (float(positive(slope_factor, "slope_factor", "1")) * thermal_v) * resistance
    return np.asarray(gain / (1 + gain), np.float64)
