"""Tables of materials and formulas: what is refused by row and column, what the paper's own table holds, masses."""

import csv
from pathlib import Path

import molmass
import pytest

from sim.materials import further
from sim.materials.composition import parse
from sim.materials.errors import CompositionError, SchemaError
from sim.materials.features import TARGETS, gain_free_limit, implies_gain, samples, weight
from sim.materials.published import devices, find, tables
from sim.materials.schema import Device, read

# The 23 headings of the paper's Table 1, as printed there.
PAPER = (
    "Perovskite", "Molecular Structure", "Atomic number of A site", "Atomic number of B site",
    "Atomic number of X site", "Total atomic number", "lattice lengths/a(Å)", "lattice lengths/b(Å)",
    "lattice lengths/c(Å)", "lattice angle/α°", "lattice angle/β°", "lattice angle/γ°", "Band gap (eV)",  # noqa: RUF001
    "μτ (cm2V−1)", "μ (cm²V⁻¹s⁻¹)", "Resistivity((Ω cm)", "Trap density(cm−3)", "TRPL(ns)", "Type",  # noqa: RUF001
    "X-ray energy(KeV)", "Applied electric filed (V mm−1)", "Sensitivity (µCGy−1 cm−2)",  # noqa: RUF001
    "Detection limit (µGyair−1 s−1)",  # noqa: RUF001
)  # fmt: skip


def written(path: Path, headings: tuple[str, ...], *rows: tuple[object, ...]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([headings, *rows])
    return path


def test_the_published_table_is_read() -> None:
    known = devices()
    assert len(known) == 113
    assert sum(device.sensitivity_uc_gy_cm2 is not None for device in known) == 92
    paper = known[1]
    assert (paper.row, paper.perovskite, paper.band_gap_ev, paper.band_gap_dft_ev) == (3, "(m-F-PEA)2PbI4", 2.29, 2.1)
    assert (paper.mu_tau_cm2_v, paper.detection_limit_ugy_s, paper.year) == (1.81e-4, 1.41, 2024)


def test_masses_of_every_formula_are_the_tables_and_molmass_s() -> None:
    checked = 0
    for device in devices():
        composition = device.composition
        if device.z_total is None or composition is None:
            continue
        for key in ("z_a", "z_b", "z_x", "z_total"):
            assert getattr(composition, key) == pytest.approx(getattr(device, key), abs=0.02), (device.row, key)
        if "." not in composition.text:  # molmass reads whole numbers only
            assert composition.z_total == pytest.approx(molmass.Formula(composition.text).mass, abs=0.01)
            checked += 1
    assert checked > 70


@pytest.mark.parametrize(
    ("formula", "a", "b", "x", "dimensionality"),
    [
        ("CsPbBr₃", {"Cs": 1}, {"Pb": 1}, {"Br": 3}, 3),
        ("MAPb(I0.8Br0.2)3", {"CH6N": 1}, {"Pb": 1}, {"I": 2.4, "Br": 0.6}, 3),
        ("CH3NH3PbI3", {"CH6N": 1}, {"Pb": 1}, {"I": 3}, 3),
        ("(m-F-PEA)2PbI4", {"C8H11FN": 2}, {"Pb": 1}, {"I": 4}, 2),  # its fluorine is no halide site
        ("(CH5N2PbI3)0.9(CsPbBr3)0.1", {"CH5N2": 0.9, "Cs": 0.1}, {"Pb": 1}, {"I": 2.7, "Br": 0.3}, 3),
        ("(BA)2CsAgBiBr7", {"C4H12N": 2, "Cs": 1}, {"Ag": 1, "Bi": 1}, {"Br": 7}, 2),
        ("Cs2NaInCl6", {"Cs": 2}, {"Na": 1, "In": 1}, {"Cl": 6}, 3),  # the light alkali metal is a B
        ("(C4H10NO)2RbSbI6", {"C4H10NO": 2}, {"Rb": 1, "Sb": 1}, {"I": 6}, 3),
        ("(C7H16N2)NH4I3", {"C7H16N2": 1}, {"H4N": 1}, {"I": 3}, 3),  # metal-free
        ("Tl2TeI6", {"Tl": 2}, {"Te": 1}, {"I": 6}, 0),
        ("Ba2AgIO6", {"Ba": 2}, {"Ag": 1, "I": 1}, {"O": 6}, 3),
    ],
)
def test_sites(
    formula: str, a: dict[str, float], b: dict[str, float], x: dict[str, float], dimensionality: int
) -> None:
    found = parse(formula)
    for site, wanted in ((found.a, a), (found.b, b), (found.x, x)):
        assert {ion.name: ion.count for ion in site} == pytest.approx(wanted)
    assert found.dimensionality == dimensionality


def test_one_material_however_it_is_written() -> None:
    assert len({parse(each).key for each in ("MAPbI3", "CH3NH3PbI3", "(CH6N)2Pb2I6", "C H6 I3 N Pb")}) == 1
    assert parse("CsPbBr2.9Cl0.1").key != parse("CsPbBr3").key


@pytest.mark.parametrize(
    ("formula", "said"),
    [("CsPbBr3)", "closes nothing"), ("Cs(PbBr3", "open"), ("XxPbBr3", "no element"), ("PbI2", "no A site"),
     ("CsI", "no B site"), ("Cs2Pb", "no halide"), ("3CsPbBr3", "counts nothing"), ("", "empty"), ("Cs?I", "means")],
)  # fmt: skip
def test_formulas_that_are_none_are_refused(formula: str, said: str) -> None:
    with pytest.raises(CompositionError, match=said):
        parse(formula)


def test_wrong_cells_are_named_by_row_and_column(tmp_path: Path) -> None:
    path = written(
        tmp_path / "mine.csv", ("perovskite", "formula_normalised", "band_gap_eV", "alpha_deg", "field_V_per_mm"),
        ("CsPbBr3", "CsPbBr3", 2.3, 90, 0), ("a", "CsPbBr3", -1, 90, 5), ("", "", "", "", ""),
        ("b", "Cs(", "wide", 180, -5), ("", "CsPbI3", 1.7, 90, 1),
    )  # fmt: skip
    with pytest.raises(SchemaError) as caught:
        read(path)
    text = str(caught.value)
    for named in (
        "row 3, column 'band_gap_eV': '-1'", "row 5, column 'band_gap_eV': 'wide'", "row 5, column 'alpha_deg': '180'",
        "row 5, column 'field_V_per_mm': '-5'", "row 5, column 'formula_normalised': 'Cs('",
        "row 6, column 'perovskite'",
    ):  # fmt: skip
        assert named in text
    assert "row 2" not in text


@pytest.mark.parametrize(
    ("headings", "row", "said"),
    [
        (("perovskite", "band_gap_meV"), ("x", 1), "no column is called 'band_gap_meV'; did you mean 'band_gap_eV'"),
        (("perovskite", "Eg", "band_gap_eV"), ("x", 1, 1), "'Eg' and 'band_gap_eV' are the same column"),
        (("band_gap_eV",), (1,), "no column 'perovskite'"),
        (("perovskite", "Eg"), ("x", 1, 2), "row 2 has 3 cells, but there are 2 columns"),
        (("perovskite",), (), "no row"),
    ],
)
def test_wrong_headings_are_named(
    tmp_path: Path, headings: tuple[str, ...], row: tuple[object, ...], said: str
) -> None:
    with pytest.raises(SchemaError, match=said):
        read(written(tmp_path / "mine.csv", headings, row))


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="cannot be read"):
        read(tmp_path / "missing.csv")
    (tmp_path / "image.csv").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(SchemaError, match="no CSV file"):
        read(tmp_path / "image.csv")
    (tmp_path / "empty.csv").write_text("\n")
    with pytest.raises(SchemaError, match="is empty"):
        read(tmp_path / "empty.csv")


def test_the_paper_s_own_table_passes_unchanged(tmp_path: Path) -> None:
    """Its 23 headings, and the extremes that its Table 1 prints, some of them surely misprints."""
    names = (
        "CsPbBr3",
        "MAPbI3",
        "(PEA)2PbI4",
        "Cs3Bi2I9",
        "DABCO-NH4I3",
        "unnamed 1",
        "unnamed 2",
        "Cs2AgBiBr6",
        "FAPbI3",
    )
    rows = [
        (name, "3D", 18 + i, 209 - i, 35.5 + i, 6443 - i, 5.9, 4.8, 57, 24.9, 9.6, 9.4, 1 + 0.7 * i, "1.1E-06", 2e-5,
         "1.0E-10", "1.5E-11", 0.5, "SC", 140, 0, 5.2e6, 1200)
        for i, name in enumerate(names)
    ]  # fmt: skip
    found = read(written(tmp_path / "paper.csv", PAPER, *rows))
    assert len(PAPER) == 23
    last = found[-1]
    assert (last.z_b, last.gamma_deg, last.mu_tau_cm2_v, last.mobility_cm2_v_s) == (201, 9.4, 1.1e-6, 2e-5)
    assert (last.resistivity_ohm_cm, last.trap_density_cm3, last.trpl_ns) == (1e-10, 1.5e-11, 0.5)
    assert (last.xray_energy_kev, last.field_v_mm) == (140, 0)
    assert (last.sensitivity_uc_gy_cm2, last.detection_limit_ugy_s, last.type) == (5.2e6, 1200, "SC")
    # Nothing is missing in any row, so that every target has its samples, those without a formula too.
    for target in TARGETS.values():
        assert samples(found, target).materials == len(names)
    # What is unlikely is remarked on, and so are masses that the formula does not have.
    remarks = " ".join(last.remarks)
    assert "gamma_deg: 9.4" in remarks
    assert "Z_B: 201 g/mol, but FAPbI3 has 207.20" in remarks


def test_weights_and_what_is_left_out() -> None:
    gap, sensitivity = TARGETS["band_gap_ev"], TARGETS["sensitivity_uc_gy_cm2"]
    by_row = {device.row: device for device in devices()}
    assert weight(by_row[2], gap) == 0.5  # the gap is of another paper
    assert weight(by_row[2], sensitivity) == 1
    assert weight(by_row[3], gap) == 1
    assert weight(by_row[4], sensitivity) == 0.5  # "larger than 10 000"
    assert weight(Device(perovskite="x", estimated="band_gap_eV"), gap) == 0.5
    assert weight(Device(perovskite="x", estimated="Eg, yes"), sensitivity) == 0.5
    used = samples(devices(), sensitivity)
    assert not any(device.flagged("OXIDE") or device.flagged("MATERIAL ROW") for device in used.devices)
    assert max(used.y) < 8  # the row with photogating, 2.2e8, is not there
    # The gap is one value a material, however many rows repeat it.
    gaps = samples(devices(), gap)
    assert len(gaps.y) == gaps.materials == 13


def test_a_composite_without_a_formula_has_no_composition() -> None:
    (composite,) = find("(BA2PbBr4)0.5FAPbI3")  # two phases: its name reads as a formula, but the cell is empty
    assert composite.composition is None


def test_sensitivities_that_imply_gain() -> None:
    plain = Device(perovskite="x", sensitivity_uc_gy_cm2=8001)
    narrow = Device(perovskite="x", sensitivity_uc_gy_cm2=8001, band_gap_ev=1.2)
    wide = Device(perovskite="x", sensitivity_uc_gy_cm2=7999, band_gap_ev=3.0)
    assert (implies_gain(plain), implies_gain(narrow), implies_gain(wide)) == (True, False, False)
    assert gain_free_limit(narrow) == pytest.approx(8000 * 5.3 / (2 * 1.2 + 1.43))
    without = samples(devices(), TARGETS["sensitivity_uc_gy_cm2"], with_gain=False)
    assert len(without.y) < len(samples(devices(), TARGETS["sensitivity_uc_gy_cm2"]).y)
    assert not any(implies_gain(device) for device in without.devices)


def test_computed_gaps_are_never_among_the_measured(tmp_path: Path) -> None:
    headings = ("composition", "band_gap_eV", "kind", "dimensionality", "form", "source", "doi", "anything")
    path = written(
        tmp_path / "gaps.csv", headings, ("RbPbI3", 1.9, "experimental", "3D", "film", "s", "", ""),
        ("RbPbBr3", 3.3, "DFT", "3D", "", "s", "", ""), ("PbI2", 2.4, "experimental", "", "", "s", "", ""),
    )  # fmt: skip
    given = tables(None, path)
    assert [device.perovskite for device in given.gaps] == ["RbPbI3", "RbPbBr3"]
    assert any("gaps.csv, row 4, is left out" in remark for remark in given.remarks)
    names = [device.perovskite for device in samples(given.everything, TARGETS["band_gap_ev"]).devices]
    assert "RbPbI3" in names
    assert "RbPbBr3" not in names
    wrong = written(tmp_path / "wrong.csv", headings[:3], ("RbPbI3", 1.9, "guess"), ("RbPbI3", 99, "DFT"))
    with pytest.raises(SchemaError, match=r"row 2, column 'kind': 'guess'[\s\S]*row 3, column 'band_gap_eV'"):
        further.gaps(wrong)


def test_lattices_fill_what_has_none(tmp_path: Path) -> None:
    headings = ("composition_formula_sum", "temperature_K", "a_A", "b_A", "c_A", "alpha_deg", "beta_deg", "gamma_deg")
    path = written(
        tmp_path / "cells.csv", headings, ("C H6 Br3 N Pb", 100, 7.9, 8.5, 11.8, 90, 90, 90),
        ("Br3 C1 H6 N1 Pb1", "", 5.93, 5.93, 5.93, 90, 90, 90), ("Cs Pb Br3", "", 1.5, 1.5, 1.5, 90, 90, 90),
    )  # fmt: skip
    given = tables(None, None, path).detectors
    bromides = [device for device in given if device.composition and device.composition.key == parse("MAPbBr3").key]
    assert {device.a_angstrom for device in bromides} == {5.93}  # the one nearest to room temperature
    assert all(device.borrowed("lattice") for device in bromides)
    assert {device.a_angstrom for device in given if device.perovskite == "CsPbBr3"} == {8.207}  # its own


def test_find() -> None:
    assert {device.perovskite for device in find("(m-f-pea)2PbI4")} == {"(m-F-PEA)2PbI4"}
    assert {device.perovskite for device in find("(C8H11FN)2PbI4")} == {"(m-F-PEA)2PbI4", "p-F-PEA2PbI4"}
    assert all(device.source_url or device.doi for device in find("CsPbBr3"))
    assert find("unobtainium") == ()
