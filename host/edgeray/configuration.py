"""Settings in the units of a lab: seconds, names of modes and kernels, codes; checked, and some or all of them.

text of a user, settings file -> [Configuration] -> Settings (ticks) -> board
                                        ^------------------------------'
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo

from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import KERNELS, WEIGHT_MAX, WEIGHT_MIN, Kernel, KernelError
from edgeray.protocol.registers import BY_NAME, Polarity, ReadoutMode, SampleSource, ThresholdMode, TriggerMode
from edgeray.protocol.settings import SettingError, Settings
from edgeray.units import UnitError, quantity, shown

TIMES = frozenset(one.name for one in fields(Settings) if one.name in BY_NAME and BY_NAME[one.name].unit == "tick")
"""Settings that are ticks on the board and seconds here."""
_FLAGS = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}


def _seconds(value: object, info: ValidationInfo) -> float:
    if isinstance(value, str):
        try:
            value = quantity(value, "s")
        except UnitError as error:
            raise ValueError(f"{info.field_name} is a time in seconds, 0 or more: {error}") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError(f"{info.field_name} is a time in seconds, 0 or more, not {value!r}")
    return float(value)


def _whole(value: object, info: ValidationInfo) -> int:
    if isinstance(value, str):
        try:
            return int(value, 0)
        except ValueError:
            pass
    elif isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    raise ValueError(f"{info.field_name} is a whole number, not {value!r}")


def _flag(value: object, info: ValidationInfo) -> bool:
    flag = _FLAGS.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(flag, bool):
        raise ValueError(f"{info.field_name} is true or false, not {value!r}")
    return flag


def _mode(kind: type[IntEnum]) -> Callable[[object, ValidationInfo], IntEnum]:
    def by_name(value: object, info: ValidationInfo) -> IntEnum:
        mode = kind.__members__.get(value.upper()) if isinstance(value, str) else value
        if not isinstance(mode, kind):
            raise ValueError(f"{info.field_name} is one of {', '.join(kind.__members__)}, not {value!r}")
        return mode

    return by_name


def _kernel(value: object, info: ValidationInfo) -> Kernel:
    if isinstance(value, Kernel):
        return value
    if isinstance(value, str):
        if value not in KERNELS:
            raise ValueError(f"kernel is one of {', '.join(KERNELS)}, or a table of weights, not {value!r}")
        return KERNELS[value]
    if not isinstance(value, dict) or not {"name", "weights"} <= set(value) <= {"name", "weights", "shift", "source"}:
        raise ValueError(f"kernel is a table of name, weights, shift and source, not {value!r}")
    weights, shift = value["weights"], value.get("shift", 0)
    rows = isinstance(weights, list | tuple) and all(isinstance(row, list | tuple) for row in weights)
    if not rows or type(shift) is not int:
        raise ValueError("kernel has rows of weights and a whole shift")
    try:
        return Kernel(str(value["name"]), tuple(map(tuple, weights)), shift, str(value.get("source", "user")))
    except KernelError as error:
        raise ValueError(str(error)) from None


Seconds: TypeAlias = Annotated[float, BeforeValidator(_seconds)]
Whole: TypeAlias = Annotated[int, BeforeValidator(_whole)]
Flag: TypeAlias = Annotated[bool, BeforeValidator(_flag)]


class Configuration(BaseModel):
    """Some or all settings of a readout; None is one that is not said.

    A field has the name of its register, which says what it means (`edgeray.protocol.registers`, docs/reference.md).
    Times are seconds, or texts such as "900us"; modes are members or their names; `kernel` is a Kernel, a name from
    KERNELS, or a table of name, weights, shift, source. Texts such as "on" or "12" are taken for flags and numbers.

    Assignments are checked too. Raises pydantic.ValidationError; `Configuration.of` raises SettingError instead.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    trigger_mode: Annotated[TriggerMode, BeforeValidator(_mode(TriggerMode))] | None = None
    nimages: Whole | None = None
    count_time: Seconds | None = None
    frame_time: Seconds | None = None
    reset_time: Seconds | None = None
    sample_reset_time: Seconds | None = None
    sample_signal_time: Seconds | None = None
    gap_time: Seconds | None = None
    row_settle_time: Seconds | None = None
    column_settle_time: Seconds | None = None
    bias_settle_time: Seconds | None = None
    sample_source: Annotated[SampleSource, BeforeValidator(_mode(SampleSource))] | None = None
    cds_enabled: Flag | None = None
    cds_polarity: Annotated[Polarity, BeforeValidator(_mode(Polarity))] | None = None
    pga_gain: Whole | None = None
    pga_offset: Whole | None = None
    correction_enabled: Flag | None = None
    readout_mode: Annotated[ReadoutMode, BeforeValidator(_mode(ReadoutMode))] | None = None
    stride: Whole | None = None
    threshold_mode: Annotated[ThresholdMode, BeforeValidator(_mode(ThresholdMode))] | None = None
    edge_threshold: Whole | None = None
    meta_period: Whole | None = None
    audit_period: Whole | None = None
    kernel: Annotated[Kernel, BeforeValidator(_kernel)] | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Configuration":
        """The configuration that says `values`, by name.

        Raises SettingError for a setting that there is not, or a value of the wrong kind; names it.
        """
        for name in values:
            if name not in cls.model_fields:
                raise SettingError(f"there is no setting {name!r}; there are {', '.join(cls.model_fields)}")
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            raise SettingError(str(first.get("ctx", {}).get("error") or f"{first['loc'][0]}: {first['msg']}")) from None

    @classmethod
    def from_settings(cls, settings: Settings, tick_rate: int) -> "Configuration":
        """All settings of a board with `tick_rate` ticks a second."""
        values = {one.name: getattr(settings, one.name) for one in fields(settings)}
        return cls(**{name: one / tick_rate if name in TIMES else one for name, one in values.items()})

    @property
    def said(self) -> dict[str, Any]:
        """Name -> value of the settings that are said."""
        return {name: one for name in type(self).model_fields if (one := getattr(self, name)) is not None}

    def settings(self, base: Settings, detector: Detector, tick_rate: int) -> Settings:
        """`base` with what this says, times to the nearest tick; one that is not 0 is a tick at least.

        Raises SettingError where a value is none that a board with `detector` can take.
        """
        values = self.said
        for name in TIMES & set(values):
            values[name] = ticks(name, values[name], tick_rate)
        settings = replace(base, **values)
        for _ in settings.registers(detector):
            pass  # raises where a setting is wrong
        return settings


def ticks(name: str, seconds: float, tick_rate: int) -> int:
    """`seconds` of the setting `name` as ticks; SettingError where the register holds no such time."""
    nearest, register = max(round(seconds * tick_rate), 1 if seconds else 0), BY_NAME[name]
    if not register.accepts(nearest):
        least, most = register.minimum / tick_rate, register.maximum / tick_rate
        raise SettingError(f"{name} takes {least:.9g} to {most:.9g} s on this board, not {seconds:.9g} s")
    return nearest


@dataclass(frozen=True)
class Setting:
    """One setting as it stands.

    name, unit, meaning : of its register; times are in s.
    requested : what was asked for in its unit; None where that is not known.
    actual : what the board holds.
    minimum, maximum : limits; None for flags and modes.
    choices : the values that there are, where there are few; else empty.
    """

    name: str
    requested: Any
    actual: Any
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]
    unit: str
    meaning: str


def describe(settings: Settings, detector: Detector, tick_rate: int, requested: Configuration) -> list[Setting]:
    """Every setting of a board: what was requested, what it holds, what it could take."""
    actual = Configuration.from_settings(settings, tick_rate).said
    asked = requested.said
    return [_setting(name, asked.get(name), actual[name], detector, tick_rate) for name in actual]


def _setting(name: str, requested: Any, actual: Any, detector: Detector, tick_rate: int) -> Setting:
    if name == "kernel":
        size = detector.kernel_size
        meaning = f"a name, or up to {size}x{size} weights of {WEIGHT_MIN} to {WEIGHT_MAX} and a shift"
        return Setting(name, requested, actual, None, None, tuple(KERNELS), "", meaning)
    register = BY_NAME[name]
    if isinstance(actual, bool | IntEnum):
        choices = ("false", "true") if isinstance(actual, bool) else tuple(type(actual).__members__)
        return Setting(name, requested, actual, None, None, choices, register.unit, register.meaning)
    if name in TIMES:
        least, most = register.minimum / tick_rate, register.maximum / tick_rate
        return Setting(name, requested, actual, least, most, (), "s", register.meaning)
    allowed = detector.strides if name == "stride" else register.choices
    return Setting(
        name, requested, actual, min(allowed, default=register.minimum), max(allowed, default=register.maximum),
        tuple(map(str, allowed)), register.unit, register.meaning,
    )  # fmt: skip


def setting_text(value: object) -> str:
    """A setting's value: times with their prefix, modes by name."""
    if isinstance(value, bool):
        return str(value).lower()
    return shown(value, "s") if isinstance(value, float) else str(getattr(value, "name", value))
