"""A calibration as a whole: the steps that were taken, and the correction table and pixel mask that follow from them.

dark -> flat -> mask -> threshold, one after the other into one file -> board's correction stage, data files
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeray.calibration.bias import BiasCalibration
from edgeray.calibration.dark import Dark
from edgeray.calibration.errors import CalibrationError, CalibrationMismatch
from edgeray.calibration.flat import Flat
from edgeray.calibration.mask import PixelMask, UserMask, imaging_area
from edgeray.calibration.provenance import check_conditions, checksum, settings_text
from edgeray.calibration.statistics import Mask
from edgeray.calibration.threshold import Threshold
from edgeray.correction import CorrectionTable
from edgeray.protocol.detector import Detector
from edgeray.protocol.registers import GAIN_FRACTION_BITS

if TYPE_CHECKING:
    from edgeray.device import Device

GEOMETRY = ("rows", "columns", "guard_ring", "sample_bits", "convolution")
"""What a calibration is made for."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Calibration:
    """What is known of one detector; each step is None (or missing) until it is taken.

    Parameters
    ----------
    detector : whose it is.
    dark, flat, mask : see there.
    thresholds : `Threshold.name` -> threshold.
    bias : weight-to-bias table of a board that sets the sub-pixels' voltages.
    path : file that it was loaded from or saved to; None: none yet.
    """

    detector: Detector
    dark: Dark | None = None
    flat: Flat | None = None
    mask: UserMask | None = None
    thresholds: dict[str, Threshold] = field(default_factory=dict)
    bias: BiasCalibration | None = None
    path: Path | None = None

    def with_dark(self, dark: Dark) -> "Calibration":
        """With this dark, and without flat and thresholds, which were made with another one."""
        return replace(self, dark=dark, flat=None, thresholds={})

    def with_flat(self, flat: Flat) -> "Calibration":
        """With this flat, and without thresholds, which were made with another one.

        Raises CalibrationError where it was made with another dark.
        """
        if self.dark is None or flat.provenance.parents != {"dark": checksum(self.dark)}:
            raise CalibrationError("this flat was made with another dark: take it with this one")
        return replace(self, flat=flat, thresholds={})

    def with_mask(self, mask: UserMask) -> "Calibration":
        """With this mask, and without thresholds, which were made with another one."""
        return replace(self, mask=mask, thresholds={})

    def with_threshold(self, threshold: Threshold) -> "Calibration":
        """With this threshold in the place of one of its name."""
        return replace(self, thresholds={**self.thresholds, threshold.name: threshold})

    @property
    def pixel_mask(self) -> npt.NDArray[np.uint32]:
        """uint32[rows, columns]: bits of PixelMask; 0 is a good pixel."""
        bits = np.zeros((self.detector.rows, self.detector.columns), np.uint32)
        if self.dark is not None:
            bits[self.dark.hot | self.dark.noisy] |= np.uint32(PixelMask.NOISY)
        if self.flat is not None:
            for bit, found in (
                (PixelMask.DEAD, self.flat.dead), (PixelMask.UNDER, self.flat.under), (PixelMask.OVER, self.flat.over),
            ):  # fmt: skip
                bits[found] |= np.uint32(bit)
        if self.mask is not None:
            bits &= ~np.uint32(self.mask.ignored)
            bits[self.mask.bad] |= np.uint32(PixelMask.USER)
        bits[~imaging_area(self.detector)] |= np.uint32(PixelMask.GAP)
        return bits

    @property
    def good(self) -> Mask:
        """bool[rows, columns]: imaging pixels of which nothing bad is known."""
        return np.asarray(self.pixel_mask == 0)

    @property
    def correction_mask(self) -> Mask:
        """bool[rows, columns]: pixels that the correction replaces: the bad ones, but not the guard ring."""
        return np.asarray((self.pixel_mask & ~np.uint32(PixelMask.GAP)) != 0)

    @property
    def checksums(self) -> dict[str, str]:
        """Step -> checksum, of the steps that the correction is made of."""
        steps = {"dark": self.dark, "flat": self.flat, "mask": self.mask}
        return {name: checksum(step) for name, step in steps.items() if step is not None}

    def correction_table(self) -> CorrectionTable:
        """What the board's correction stage takes: a pixel becomes (pixel - dark) * gain + pedestal, to whole codes.

        Without a flat all gains are 1. What the pixel mask holds is replaced, but for the guard ring, which no kernel
        sees.

        Raises CalibrationError without a dark.
        """
        if self.dark is None:
            raise CalibrationError("this calibration has no dark: take one first (edgeray calibrate dark)")
        masked = self.correction_mask
        scale = 1 << GAIN_FRACTION_BITS
        gain = np.full(masked.shape, scale, np.int64)
        if self.flat is not None:
            gain = np.where(masked, scale, np.rint(self.flat.gain * scale)).astype(np.int64)
        # The pedestal goes through the gain, too.
        offset = np.rint(self.dark.mean - self.dark.pedestal * scale / gain).astype(np.int64)
        return CorrectionTable(offset, gain, masked)

    def check_detector(self, device: "Device") -> None:
        """Raises CalibrationMismatch where this is not for the board's detector."""
        for name in GEOMETRY:
            made, there = getattr(self.detector, name), getattr(device.detector, name)
            if made != there:
                raise CalibrationMismatch(
                    f"{self._name} was made for a detector with {name} {made}; that at {device.url!r} has {there}: "
                    "choose its own, or make one (edgeray calibrate dark)"
                )

    def load_into(self, device: "Device", *, anyway: bool = False) -> None:
        """Load the correction table into the board, and the bias table where there is one for it.

        Corrected is what `correction_enabled` is set for.

        Parameters
        ----------
        anyway : also where the board's settings are others than those it was made with.

        Raises CalibrationMismatch where this is for another detector, or not `anyway`, for other settings;
        CalibrationError without a dark; as `Device.load_correction`.
        """
        table = self.correction_table()
        self.check_detector(device)
        if self.dark is not None and not anyway:
            check_conditions(self.dark.provenance.settings, settings_text(device), self.detector, self._name)
        # A table of a thousand entries takes a UART a second: none that is there already.
        if device.calibration is not self:
            device.load_correction(table)
            device.calibration = self
        if self.bias is not None and device.read("bias_dac"):
            self.bias.table.load_into(device)

    def apply(self, device: "Device", *, anyway: bool = False) -> None:
        """`load_into`, then set `correction_enabled`, in force from the board's next frame on."""
        self.load_into(device, anyway=anyway)
        device.write("correction_enabled", 1)
        device.apply()

    def summary(self) -> dict[str, str | float | int]:
        """Provenance and figures, by name, for data files and screens; what was not taken is left out."""
        from edgeray.calibration.storage import FORMAT

        said: dict[str, str | float | int] = {"calibration": FORMAT}
        if self.path is not None:
            said["calibration_file"] = str(self.path)
        steps: dict[str, tuple[Any, dict[str, float | int]]] = {}
        if (dark := self.dark) is not None:
            steps["dark"] = dark, {
                "noise": float(np.median(dark.noise[self.good])) if self.good.any() else float("nan"),
                "pedestal": dark.pedestal, "column_pattern": dark.column_pattern, "row_pattern": dark.row_pattern,
                "hot_pixels": int(dark.hot.sum()), "noisy_pixels": int(dark.noisy.sum()), "drift": dark.drift,
            }  # fmt: skip
        if (flat := self.flat) is not None:
            steps["flat"] = flat, {
                "level": flat.level, "non_uniformity": flat.non_uniformity, "response_error": flat.response_error,
                "codes_per_quantum": flat.codes_per_quantum, "dead_pixels": int(flat.dead.sum()),
                "under_responding_pixels": int(flat.under.sum()), "over_responding_pixels": int(flat.over.sum()),
            }  # fmt: skip
        if self.mask is not None:
            steps["mask"] = self.mask, {"user_pixels": int(self.mask.bad.sum())}
        for one in self.thresholds.values():
            steps[f"threshold_{one.name}"] = one, {"codes": one.threshold, "predicted_rate": one.predicted}
        for name, (step, figures) in steps.items():
            told = step.provenance
            said |= {f"{name}_date": told.date, f"{name}_source": told.source, f"{name}_checksum": checksum(step)}
            said |= {f"{name}_nimages": told.nimages} if told.nimages else {}
            said |= {f"{name}_{key}": value for key, value in figures.items()}
        said["masked_pixels"] = int(self.correction_mask.sum())
        return said

    def save(self, path: str | Path) -> "Calibration":
        """Write the file at `path`, whole or not at all; returns this calibration with that path.

        Raises CalibrationFileError.
        """
        from edgeray.calibration.storage import write

        write(Path(path), self)
        return replace(self, path=Path(path))

    @classmethod
    def load(cls, path: str | Path) -> "Calibration":
        """The calibration in a file. Raises CalibrationFileError where it is none, damaged, or of another version."""
        from edgeray.calibration.storage import read

        return read(Path(path))

    @property
    def _name(self) -> str:
        return f"the calibration {self.path}" if self.path else "this calibration"
