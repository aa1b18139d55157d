"""What a user says of detector, source, beam and sample: a TOML file, and the fields of it that data files carry.

TOML file -> [Instrument] -> SeriesHeader -> NeXus fields; -> pyFAI detector file

[detector]
serial_number = "MAPbI3-07"
sensor_material = "MAPbI3"
sensor_thickness = "500um"
x_pixel_size = "100um"
y_pixel_size = "100um"

[source]
name = "W tube"
voltage = "40kV"
filter = "0.5 mm Al"
"""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from edgeray.errors import EdgerayError
from edgeray.protocol.detector import Detector
from edgeray.units import UnitError, quantity, shown


class InstrumentError(EdgerayError, ValueError):
    """A description of an instrument that cannot be read, or made sense of; names the file and the key."""


def _in(unit: str) -> Callable[[object], object]:
    def converted(value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return quantity(value, unit)
        except UnitError as error:
            raise ValueError(str(error)) from None

    return converted


def _positive(value: float) -> float:
    if not 0 < value < float("inf"):
        raise ValueError(f"should be over 0, not {value:g}")
    return value


Metres: TypeAlias = Annotated[float, BeforeValidator(_in("m")), AfterValidator(_positive)]
ElectronVolts: TypeAlias = Annotated[float, BeforeValidator(_in("eV")), AfterValidator(_positive)]
Volts: TypeAlias = Annotated[float, BeforeValidator(_in("V")), AfterValidator(_positive)]
Amperes: TypeAlias = Annotated[float, BeforeValidator(_in("A")), AfterValidator(_positive)]


UNITS = {"voltage": "V", "current": "A", "energy": "eV"} | dict.fromkeys(
    ("sensor_thickness", "x_pixel_size", "y_pixel_size", "distance"), "m"
)
"""Of the numbers below."""


class _Part(BaseModel):
    """A table of the file; what is not said is None."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DetectorDescription(_Part):
    """The sensor: sizes in metres, those of a pixel for one pixel of the array; names as NXdetector has them.

    The two pixel sizes come together: one alone raises ValidationError.
    """

    description: str | None = None
    serial_number: str | None = None
    local_name: str | None = None
    type: str | None = None
    sensor_material: str | None = None
    sensor_thickness: Metres | None = None
    x_pixel_size: Metres | None = None
    y_pixel_size: Metres | None = None
    distance: Metres | None = None

    @model_validator(mode="after")
    def _both_sizes(self) -> "DetectorDescription":
        if (self.x_pixel_size is None) != (self.y_pixel_size is None):
            raise ValueError("x_pixel_size and y_pixel_size come together")
        return self


class Source(_Part):
    """Where the radiation comes from: of a tube the voltage in volts, the current in amperes, target and filter."""

    name: str | None = None
    type: str | None = None
    voltage: Volts | None = None
    current: Amperes | None = None
    target: str | None = None
    filter: str | None = None


class Beam(_Part):
    """What reaches the sample: `energy` in eV, of monochromatic radiation alone; a tube's spectrum has none."""

    energy: ElectronVolts | None = None

    @property
    def wavelength(self) -> float | None:
        """Ångström; None where there is no one energy."""
        return None if self.energy is None else 12398.419843320026 / self.energy  # h c / e in eV Å, exact in the SI


class Sample(_Part):
    """What was looked at."""

    name: str | None = None
    description: str | None = None


class Instrument(_Part):
    """Everything that a user says of an instrument; all of it may be left out.

    title : of the measurement.
    name : of the instrument.
    """

    title: str | None = None
    name: str | None = None
    detector: DetectorDescription = DetectorDescription()
    source: Source = Source()
    beam: Beam = Beam()
    sample: Sample = Sample()

    @classmethod
    def read(cls, path: str | Path) -> "Instrument":
        """The description in a TOML file; sizes and energies may be texts with a unit, such as "100um" or "17.5keV".

        Raises InstrumentError: no such file, no TOML, an unknown key, a value of another kind.
        """
        try:
            content: dict[str, Any] = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise InstrumentError(f"{path} cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InstrumentError(f"{path} is no TOML file: {error}") from None
        try:
            return cls(**content)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            if first["type"] == "extra_forbidden":
                raise InstrumentError(f"{path}: there is no key {key!r}") from None
            raise InstrumentError(f"{path}: {key}: {first.get('ctx', {}).get('error') or first['msg']}") from None

    @property
    def said(self) -> dict[str, str]:
        """What is said, as people read it: "detector.x_pixel_size" -> "100 um"."""
        found = {name: value for name in ("title", "name") if (value := getattr(self, name)) is not None}
        for table in ("detector", "source", "beam", "sample"):
            for name, value in getattr(self, table).model_dump(exclude_none=True).items():
                found[f"{table}.{name}"] = shown(value, UNITS[name]) if name in UNITS else value
        return found

    def save_pyfai(self, path: str | Path, detector: Detector, *, stride: int = 1) -> None:
        """Write pyFAI's NeXus detector file for frames of `detector`, read with `stride`; pyFAI's factory opens it.

        Raises InstrumentError where the pixel sizes are not said, or the file cannot be written.
        """
        from edgeray.files.pyfai import save

        save(self, path, detector, stride)
