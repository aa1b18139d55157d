"""Records of materials: what ships, and what a user's own file is told."""

from pathlib import Path

import pytest

from sim.detector.errors import MaterialError
from sim.detector.lag import release_time_s
from sim.detector.material import FOLDER, load, names

RECORD = """
name = "Silicon"
formula = "Si"
density_g_cm3 = { value = 2.33, source = "a book" }
pair_energy_ev = { value = 3.65, source = "the same book" }
"""


def test_the_papers_numbers() -> None:
    """Its Results and Fig. 3; (electrons, holes) in cm2/V."""
    published = {
        "cspbbr3": (2.05e-3, 0.58e-3),
        "cdznte": (7e-3, 9e-5),
        "cdte": (1.9e-3, 7.5e-5),
        "a-se": (4e-7, 2e-5),
        "tlbr": (1e-2, 4e-4),
    }
    for name, both in published.items():
        assert (load(name).mu_tau_e_cm2_v, load(name).mu_tau_h_cm2_v) == both


@pytest.mark.parametrize("name", names())
def test_every_shipped_value_has_a_source(name: str) -> None:
    material = load(name)
    assert material.sources["density_g_cm3"]
    assert all(getattr(material, key) is not None for key in material.sources)
    assert material.substance.formula == material.formula


def test_seven_materials_ship() -> None:
    assert names() == ("a-se", "cdte", "cdznte", "cspbbr3", "cspbbr3-unpassivated", "m-f-pea2pbi4", "tlbr")


def test_selenium_needs_a_field() -> None:
    """S. O. Kasap: 45 to 50 eV a pair at 10 V/um; less in stronger fields."""
    selenium = load("a-se")
    assert selenium.pair_energy_at_ev(5000, 0.5) == pytest.approx(50, abs=5)
    assert selenium.pair_energy_at_ev(-10_000, 0.5) < 30
    assert load("cdte").pair_energy_at_ev(0, 1.0) == 4.43
    with pytest.raises(ValueError, match="needs a bias"):
        selenium.pair_energy_at_ev(0, 0.5)


def test_the_control_devices_lag_is_that_of_its_deep_trap() -> None:
    """The paper's thermally stimulated current: 0.48 eV."""
    assert load("cspbbr3-unpassivated").lag_time_s == pytest.approx(release_time_s(0.48, 298.15), rel=0.02)


def test_an_own_record(tmp_path: Path) -> None:
    path = tmp_path / "silicon.toml"
    path.write_text(RECORD, encoding="utf-8")
    silicon = load(path)
    assert (silicon.name, silicon.pair_energy_ev, silicon.sources["pair_energy_ev"]) == (
        "Silicon",
        3.65,
        "the same book",
    )
    with pytest.raises(MaterialError, match=r"Silicon has no mu_tau_e_cm2_v; add it.*silicon\.toml"):
        silicon.need("mu_tau_e_cm2_v")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (RECORD.replace("density_g_cm3", "density"), "density_g_cm3 is missing"),
        (RECORD + 'mobility = { value = 1, source = "x" }', "mobility is unknown"),
        (RECORD.replace("2.33", "-2.33"), "density_g_cm3: value takes a number, more than 0, at most 30, not -2.33"),
        (RECORD + 'fano_factor = { value = 1.5, source = "x" }', "fano_factor: value takes .* at most 1, not 1.5"),
        (RECORD.replace("3.65", "nan"), "pair_energy_ev: value takes a number"),
        (RECORD.replace("3.65", "true"), "pair_energy_ev: value takes a number"),
        (RECORD.replace('{ value = 3.65, source = "the same book" }', "3.65"), "pair_energy_ev takes { value = "),
        (RECORD.replace('"the same book"', '""'), "pair_energy_ev: source takes a text"),
        (RECORD.replace('"Si"', '"Sx"'), "formula: 'Sx' is no formula"),
        (RECORD.replace('"Silicon"', "7"), "name takes a text"),
        ("name = ", "is no TOML file"),
    ],
)
def test_a_wrong_record_names_file_and_key(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MaterialError, match=says) as error:
        load(path)
    assert str(path) in str(error.value)


def test_a_missing_record_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(MaterialError, match=r"no material 'unobtainium'; there are a-se, cdte"):
        load("unobtainium")
    with pytest.raises(MaterialError, match="cannot be read"):
        load(tmp_path / "none.toml")
    assert load(FOLDER / "cdte.toml") == load("cdte")
