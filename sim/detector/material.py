"""Records of detector materials: one TOML file a crystal, so that another one is a data file and no code.

materials/*.toml, or the user's own file -> [load] -> Material -> charge, response, dark, lag, linearity
                                         <- [write] <- sim.materials.record, for a crystal that has no record

A record names the crystal and gives each quantity with its source:

    name = "CdTe"
    formula = "CdTe"
    density_g_cm3 = { value = 5.85, source = "textbook value" }

What is not known is left out; whatever needs it says so.
"""

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from sim.detector.attenuation import Substance
from sim.detector.errors import DetectorError, MaterialError

FOLDER = Path(__file__).parent / "materials"


def _quantity(low: float = 0.0, high: float = math.inf, *, required: bool = False) -> Any:
    """A field of a record with its limits: over `low`, at most `high`."""
    return field(default=MISSING if required else None, metadata={"low": low, "high": high})


@dataclass(frozen=True, kw_only=True)
class Material:
    """One crystal, as a record gives it; None is what the record does not say.

    Members
    -------
    name, formula : what users call it; the sum formula, such as CsPbBr3.
    density_g_cm3, gap_ev : mass density, band gap.
    pair_energy_ev, pair_energy_field_ev_v_um : mean energy of an electron-hole pair is the first plus, where it depends
        on the field F, the second divided by F in V/um.
    fano_factor : variance of the pairs of a photon over their mean.
    mu_tau_e_cm2_v, mu_tau_h_cm2_v : mobility times lifetime of electrons and holes.
    mobility_e_cm2_v_s, mobility_h_cm2_v_s : mobilities.
    surface_e_cm_s, surface_h_cm_s : surface recombination velocity that electrons (holes) meet when they cross.
    dark_positive_na_cm2, dark_negative_na_cm2, dark_bias_v : dark current density at plus and minus that bias.
    resistivity_ohm_cm : for materials without these.
    dark_activation_ev, dark_temperature_k : activation energy of either, temperature that they hold for.
    lag_fraction, lag_time_s : part of the charge that comes late, and with which time constant.
    linear_low_ugy_s, linear_high_ugy_s : ends of the linear range; linear_range_db where only their ratio is known.
    exponent_low, exponent_high : current ~ rate**exponent far below and far above that range.
    thickness_mm : of the device that the record describes.
    sources : where each value comes from, by key.
    path : the file.
    """

    name: str
    formula: str
    density_g_cm3: float = _quantity(high=30, required=True)
    gap_ev: float | None = _quantity(high=15)
    pair_energy_ev: float | None = _quantity(high=100)
    pair_energy_field_ev_v_um: float | None = _quantity()
    fano_factor: float | None = _quantity(high=1)
    mu_tau_e_cm2_v: float | None = _quantity()
    mu_tau_h_cm2_v: float | None = _quantity()
    mobility_e_cm2_v_s: float | None = _quantity()
    mobility_h_cm2_v_s: float | None = _quantity()
    surface_e_cm_s: float | None = _quantity(low=-math.ulp(0))
    surface_h_cm_s: float | None = _quantity(low=-math.ulp(0))
    dark_positive_na_cm2: float | None = _quantity()
    dark_negative_na_cm2: float | None = _quantity()
    dark_bias_v: float | None = _quantity()
    resistivity_ohm_cm: float | None = _quantity()
    dark_activation_ev: float | None = _quantity(high=15)
    dark_temperature_k: float | None = _quantity()
    lag_fraction: float | None = _quantity(low=-math.ulp(0), high=1)
    lag_time_s: float | None = _quantity()
    linear_low_ugy_s: float | None = _quantity()
    linear_high_ugy_s: float | None = _quantity()
    linear_range_db: float | None = _quantity()
    exponent_low: float | None = _quantity(high=1)
    exponent_high: float | None = _quantity(high=1)
    thickness_mm: float | None = _quantity()
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
    path: Path | None = field(default=None, compare=False)

    def need(self, key: str) -> float:
        """The quantity `key`, a name above; MaterialError where the record does not give it."""
        value = getattr(self, key)
        if value is None:
            raise MaterialError(f"{self.name} has no {key}; add it, with its source, to {self.path or 'its record'}")
        return float(value)

    @property
    def substance(self) -> Substance:
        """What attenuates."""
        return Substance(self.formula, self.density_g_cm3)

    def pair_energy_at_ev(self, bias_v: float, thickness_mm: float) -> float:
        """Energy of a pair, eV, at that bias. MaterialError where the record has none."""
        energy = self.need("pair_energy_ev")
        if self.pair_energy_field_ev_v_um is None:
            return energy
        if bias_v == 0:
            raise DetectorError(f"{self.name} needs a bias: without a field its pair energy has no limit")
        return energy + self.pair_energy_field_ev_v_um * (1000 * thickness_mm) / abs(bias_v)


_QUANTITIES = {each.name: each for each in fields(Material) if "low" in each.metadata}


def names() -> tuple[str, ...]:
    """Names of the records that come with the project."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load(name: str | Path) -> Material:
    """The material of that name, or of the TOML file at that path.

    Raises MaterialError: no such record, not readable, an unknown or missing key, a value outside its limits.
    """
    path = Path(name)
    if path.suffix != ".toml":
        if str(name) not in names():
            raise MaterialError(
                f"there is no material {str(name)!r}; there are {', '.join(names())}, or give a .toml file"
            )
        path = FOLDER / f"{name}.toml"
    try:
        record = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MaterialError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MaterialError(f"{path} is no TOML file: {error}") from None
    return _from_record(record, path)


def write(material: Material, path: Path) -> None:
    """Write the record that `load` reads back equal. Raises MaterialError for a value without a source, OSError."""
    lines = [f"{key} = {_text(getattr(material, key))}" for key in ("name", "formula")]
    for key in _QUANTITIES:
        value = getattr(material, key)
        if value is None:
            continue
        if not material.sources.get(key, "").strip():
            raise MaterialError(f"{material.name}: {key} has no source, which a record gives of every value")
        lines.append(f"{key} = {{ value = {float(value)!r}, source = {_text(material.sources[key])} }}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _text(text: str) -> str:
    """A basic string of TOML: JSON's, and the one control character more that has to be escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _from_record(record: dict[str, Any], path: Path) -> Material:
    for key in ("name", "formula", "density_g_cm3"):
        if key not in record:
            raise MaterialError(f"{path}: {key} is missing")
    values: dict[str, Any] = {}
    sources = {}
    for key, entry in record.items():
        if key in ("name", "formula"):
            if not isinstance(entry, str) or not entry:
                raise MaterialError(f"{path}: {key} takes a text, not {entry!r}")
            values[key] = entry
        elif key in _QUANTITIES:
            values[key], sources[key] = _value(key, entry, path)
        else:
            raise MaterialError(f"{path}: {key} is unknown; a record has name, formula, {', '.join(_QUANTITIES)}")
    try:
        Substance(values["formula"], values["density_g_cm3"])
    except DetectorError as error:
        raise MaterialError(f"{path}: formula: {error}") from None
    return Material(**values, sources=sources, path=path)


def _value(key: str, entry: Any, path: Path) -> tuple[float, str]:
    if not isinstance(entry, dict) or set(entry) != {"value", "source"}:
        raise MaterialError(f"{path}: {key} takes {{ value = ..., source = ... }}, not {entry!r}")
    value, source = entry["value"], entry["source"]
    if not isinstance(source, str) or not source.strip():
        raise MaterialError(f"{path}: {key}: source takes a text, not {source!r}")
    low, high = (_QUANTITIES[key].metadata[limit] for limit in ("low", "high"))
    if isinstance(value, bool) or not isinstance(value, int | float) or not low < value <= high or math.isinf(value):
        limits = f"{'0 or more' if low else 'more than 0'}{'' if math.isinf(high) else f', at most {high:g}'}"
        raise MaterialError(f"{path}: {key}: value takes a number, {limits}, not {value!r}")
    return float(value), source
