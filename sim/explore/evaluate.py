"""What one choice gives: the phantom through the twin and the golden readout, edges and bits counted.

Problem, Choice -> charge -> readout chip -> samples -> golden model -> kept pixels, bytes -> [evaluate] -> Outcome

With `bias_bits` the kernel is in the sensor: weights are bias voltages, currents add up, one sum a pixel is read. With
None every sub-pixel is read and the gateware convolves; the same light falls on both. The chip amplifies by `pga_gain`.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgeray.mosaic import Mosaic, Stitch
from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.registers import Convolution
from edgeray.protocol.settings import Settings
from sim.detector.bias_table import BiasDac
from sim.detector.dark import dark_current_na_cm2, electrons
from sim.detector.errors import Floats
from sim.detector.front_end import FrontEnd
from sim.detector.macro_pixel import MacroPixel
from sim.explore.errors import ExploreError
from sim.explore.problem import COLUMNS, ROWS, Problem, scene
from sim.golden.pipeline import Result, read_out
from sim.image_quality import edge_quality

BITS_A_BYTE = 10
"""On a UART: start, 8 bits, stop."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A design.

    Parameters
    ----------
    kernel : name in the library.
    edge_threshold : codes of the ADC.
    pga_gain : exponent of the chip's gain.
    sample_bits : of the ADC.
    bias_bits : of the bias converters, where the sensor convolves; None: the gateware does.
    dose_ugy : air kerma of a frame.
    """

    kernel: str
    edge_threshold: int
    pga_gain: int
    sample_bits: int
    bias_bits: int | None
    dose_ugy: float

    @property
    def in_sensor(self) -> bool:
        return self.bias_bits is not None

    def detector(self, problem: Problem) -> Detector:
        """The detector of this choice. Raises GeometryError."""
        return Detector(
            rows=problem.rows,
            columns=problem.columns,
            guard_ring=problem.guard_ring,
            sample_bits=self.sample_bits,
            kernel_size=max(3, KERNELS[self.kernel].size),
            convolution=Convolution.SENSOR if self.in_sensor else Convolution.DIGITAL,
        )

    def settings(self, problem: Problem) -> Settings:
        """What a board has to be told, the chip's gain included; the sensor's response of 0 is in the middle."""
        return Settings(
            kernel=KERNELS[self.kernel],
            edge_threshold=self.edge_threshold,
            pga_gain=self.pga_gain,
            pga_offset=1 << (self.sample_bits - 1) if self.in_sensor else 0,
            count_time=max(1, round(self.dose_ugy / problem.dose_rate_ugy_s * problem.tick_rate)),
            column_settle_time=round(1e-6 * problem.tick_rate),
            nimages=0,
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a choice gives.

    Parameters
    ----------
    kept : part of the pixels that is sent.
    bits_a_frame : on the wire, mean: packets, CRCs and META included.
    raw_bits_a_frame : the frame's samples alone.
    precision, recall, f1, localisation_px : of the kept pixels against the edges, see `sim.image_quality`.
    frames_s : that the link carries and the exposure leaves time for.
    """

    kept: float
    bits_a_frame: float
    raw_bits_a_frame: int
    precision: float
    recall: float
    f1: float
    localisation_px: float
    frames_s: float


def evaluate(problem: Problem, choice: Choice) -> Outcome:
    """What `choice` gives.

    Raises MaterialError where the record lacks what is needed, DetectorError for weights that no bias table makes.
    """
    mosaic, samples = exposure(problem, choice)
    result = readout(problem, choice, samples)
    kept = stitched(mosaic, result).kept
    quality = edge_quality(kept, scene(problem).edges, tolerance_px=problem.tolerance_px)
    sent = sum(map(len, result.frames(dict.fromkeys(range(len(result)), 0), tick_rate=problem.tick_rate)))
    bits = 8 * sent / len(result)
    detector = choice.detector(problem)
    return Outcome(
        kept=float(kept.mean()),
        bits_a_frame=bits,
        raw_bits_a_frame=detector.rows * detector.columns * detector.sample_bits,
        precision=quality.precision,
        recall=quality.recall,
        f1=quality.f1,
        localisation_px=quality.localisation_px,
        frames_s=min(link_frames_s(bits, problem.baudrate), problem.dose_rate_ugy_s / choice.dose_ugy),
    )


def least_f1(problem: Problem) -> float:
    """F1 of a readout that keeps every pixel: what finds no more is worth nothing."""
    edges = scene(problem).edges
    return edge_quality(np.ones_like(edges), edges, tolerance_px=problem.tolerance_px).f1


def link_frames_s(bits_a_frame: float, baudrate: float) -> float:
    """Frames a second that a UART carries."""
    return baudrate / BITS_A_BYTE / (bits_a_frame / 8)


def exposure(problem: Problem, choice: Choice) -> tuple[Mosaic, npt.NDArray[np.uint16]]:
    """(plan of the windows, samples uint16[windows, 2, rows, columns]) of the phantom."""
    seen, detector = scene(problem), choice.detector(problem)
    random = np.random.default_rng(problem.seed)
    if choice.in_sensor:
        mosaic = Mosaic((ROWS, COLUMNS), detector, 0)
        image = macro_pixel(problem, choice).samples(seen.seen(KERNELS[choice.kernel].size), random)[0]
        return mosaic, np.stack([np.stack(list(mosaic.cut(each))) for each in image], axis=1)
    mosaic = Mosaic((ROWS, COLUMNS), detector, detector.radius)
    charge = seen.flat.times(choice.dose_ugy).times(seen.seen(1)[0, 0]).draw(random)
    charge += random.poisson(dark_e(problem, problem.full_bias_v, choice.dose_ugy), charge.shape)
    return mosaic, front_end(problem, choice).samples(np.stack(list(mosaic.cut(charge))), random)


def readout(problem: Problem, choice: Choice, samples: npt.NDArray[np.uint16]) -> Result:
    """What the golden model makes of the samples, which the chip has amplified."""
    settings = replace(choice.settings(problem), pga_gain=0)
    return read_out(samples[:, 0], samples[:, 1], detector=choice.detector(problem), settings=settings)


def stitched(mosaic: Mosaic, result: Result) -> Stitch:
    """Responses and kept pixels of all windows side by side."""
    image = Stitch(mosaic)
    for index, (responses, kept) in enumerate(zip(result.responses, result.kept, strict=True)):
        image.place(index, responses, kept)
    return image


def front_end(problem: Problem, choice: Choice) -> FrontEnd:
    """The readout chip of a choice."""
    return FrontEnd(sample_bits=choice.sample_bits, pga_gain=choice.pga_gain, capacitance_ff=problem.capacitance_ff)


def fitting_part(problem: Problem, choice: Choice) -> float:
    """Part of the open field's dose that fits into the chip, 0 to 1: into its capacitor and its converter's range.

    1 where the sensor convolves: a kernel of edges sums the open field up to nothing.
    """
    if choice.in_sensor:
        return 1.0
    chip, open_e = front_end(problem, choice), float(scene(problem).flat.mean_e) * choice.dose_ugy
    room_e = min(chip.full_well_e, (1 - chip.reset_level) * chip.full_scale * chip.electrons_per_code)
    return float(np.clip((room_e - dark_e(problem, problem.full_bias_v, choice.dose_ugy)) / open_e, 0, 1))


def macro_pixel(problem: Problem, choice: Choice) -> MacroPixel:
    """Sub-pixels whose bias voltages are the kernel of a choice. Raises ExploreError where the gateware convolves."""
    if choice.bias_bits is None:
        raise ExploreError("a choice without bias_bits has no kernel in the sensor")
    seen = scene(problem)
    return MacroPixel(
        seen.response,
        KERNELS[choice.kernel],
        seen.flat.times(choice.dose_ugy),
        BiasDac(bits=choice.bias_bits),
        front_end(problem, choice),
        problem.pitch_mm**2,
        choice.dose_ugy / problem.dose_rate_ugy_s,
    )


def dark_e(problem: Problem, bias_v: npt.ArrayLike, dose_ugy: float) -> Floats:
    """Mean dark charge of a sub-pixel in the exposure of a dose, electrons, of `bias_v`'s shape."""
    density = dark_current_na_cm2(problem.material, bias_v, problem.material.need("thickness_mm"))
    return np.abs(electrons(density, problem.pitch_mm**2, dose_ugy / problem.dose_rate_ugy_s))
