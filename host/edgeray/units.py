"""Quantities as people write them, "900us" or "100 um", in SI units."""

import math
import re

from edgeray.protocol.errors import EdgerayError

PREFIXES = {"": 1.0, "k": 1e3, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "n": 1e-9, "p": 1e-12}
_WRITTEN = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S*)\s*")
_SHOWN = ("", "m", "u", "n", "p")


class UnitError(EdgerayError, ValueError):
    """A text that is no quantity in the unit that is wanted."""


def quantity(text: str, unit: str) -> float:
    """`text` in `unit`: "900us", "0.9 ms" and "9e-4" are all 9e-4 in "s".

    Raises UnitError for another unit, or what is no finite number.
    """
    found = _WRITTEN.fullmatch(text)
    if found is not None:
        number, written = float(found[1]), found[2]
        prefix = written.removesuffix(unit)
        if math.isfinite(number) and (not written or (written.endswith(unit) and prefix in PREFIXES)):
            # Division keeps 900us what 0.0009 is: 900 / 1e6 is the nearest number, 900 * 1e-6 is not.
            scale = PREFIXES[prefix] if written else 1.0
            return number / round(1 / scale) if scale < 1 else number * scale
    raise UnitError(f"{text!r} is no quantity in {unit}, such as 9e-4, 0.9m{unit} or 900u{unit}")


def shown(value: float, unit: str) -> str:
    """`value`, in `unit`, with the prefix that leaves 1 to 999 before the point: 0.0009 in "s" is "900 us"."""
    if not value or not math.isfinite(value):
        return f"{value:g} {unit}"
    prefix = next((one for one in _SHOWN if abs(value) >= PREFIXES[one] * 0.999_999_5), _SHOWN[-1])
    return f"{value / PREFIXES[prefix]:.9g} {prefix}{unit}"
