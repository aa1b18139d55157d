"""From a formula to a crystal of the twin: published, predicted or estimated, and what the explorer makes of it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from sim.detector.errors import MaterialError
from sim.detector.material import load, names
from sim.explore import Choice, Problem, Space, evaluate
from sim.explore.__main__ import main
from sim.explore.bias import bias_curve
from sim.explore.evaluate import least_f1
from sim.materials import estimate, predict
from sim.materials.predict import Estimate, Prediction
from sim.materials.published import devices
from sim.materials.record import OUTSIDE, ends, estimated, known_sensitivity, record, resolve, warnings, write

DOMAIN = "Tm on the B site: no material learnt from has it there"


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Predictions without the half minute that the models take to learn; the formulas that were asked for."""
    asked: list[str] = []

    def answer(formula: str, *, table: Path | None = None) -> Prediction:
        asked.append(formula)
        targets = {
            "band_gap_ev": Estimate(2.0, 1.5, 2.5, True, "a forest"),
            "mu_tau_cm2_v": Estimate(1e-3, 1e-5, 1e-1, False, "mean"),
            "sensitivity_uc_gy_cm2": Estimate(2000.0, 30.0, 1e5, False, "mean"),
        }
        return Prediction(formula, targets, ("Cs2AgBiBr6",), (DOMAIN,) if "Tm" in formula else ())

    monkeypatch.setattr(predict, "predict", answer)
    return asked


# Of the shipped records; the paper's 4.85 g/cm3 is rounded up by 0.3 %.
@pytest.mark.parametrize(
    ("key", "factor"),
    [
        ("density_g_cm3", 1.01),
        ("gap_ev", 1.001),
        ("pair_energy_ev", 1.15),
        ("mu_tau_e_cm2_v", 2),
        ("mu_tau_h_cm2_v", 3),
    ],
)
def test_the_table_alone_gives_the_shipped_record_nearly(key: str, factor: float, predicted: list[str]) -> None:
    ours, shipped = record("CsPbBr3").need(key), load("cspbbr3").need(key)
    assert shipped / factor <= ours <= shipped * factor
    assert not predicted, "all of these are published of CsPbBr3"


def test_the_table_alone_gives_the_shipped_dark_current_within_its_polarities() -> None:
    shipped = load("cspbbr3")
    field_v_cm = 10 * shipped.need("dark_bias_v") / shipped.need("thickness_mm")
    density = 1e9 * field_v_cm / record("CsPbBr3").need("resistivity_ohm_cm")
    assert shipped.need("dark_negative_na_cm2") < density < shipped.need("dark_positive_na_cm2")


@pytest.mark.parametrize(("name", "tolerance"), [("cdte", 0.05), ("cdznte", 0.05), ("tlbr", 0.05), ("cspbbr3", 0.15)])
def test_the_rule_of_pair_energies_beside_known_crystals(name: str, tolerance: float) -> None:
    known = load(name)
    assert estimate.pair_energy_ev(known.need("gap_ev")).value == pytest.approx(known.pair_energy_ev, rel=tolerance)


# Unit cells of CCDC 1657142, P63/mmc of J. Synth. Cryst. 50, 1907, HybriD3 225; densities follow from them.
@pytest.mark.parametrize(
    ("formula", "lengths", "angles", "density"),
    [
        ("CsPbBr3", (8.207, 8.255, 11.759), (90, 90, 90), 4.83),
        ("Cs3Bi2I9", (8.4, 8.4, 21.07), (90, 90, 120), 5.05),
        ("(C8H12N)2PbI4", (8.7389, 8.7403, 32.9952), (84.646, 84.657, 89.643), 2.55),
        ("CH5N2PbI3", (6.362, 6.362, 6.362), (90, 90, 90), 4.08),
    ],
)
def test_densities_from_a_cell_and_without_one(
    formula: str, lengths: tuple[float, ...], angles: tuple[float, ...], density: float
) -> None:
    cell_a3 = estimate.cell_volume_a3(lengths, angles)
    assert estimate.density_g_cm3(formula, cell_a3, "here").value == pytest.approx(density, rel=0.003)
    without = estimate.density_g_cm3(formula)
    assert without.value == pytest.approx(density, rel=0.06)
    assert "10.1107/S0108768101021814" in without.source
    # A cell of more formula units than the rule can count does not decide.
    assert estimate.density_g_cm3(formula, 6.5 * cell_a3) == without


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path, predicted: list[str]) -> None:
    path = tmp_path / "mine.toml"
    odd = replace(record("Rb2AgBiBr6"), name='a "name" \\ of\tπ \x7f')
    write(odd, path)
    again = load(path)
    assert again == odd
    assert dict(again.sources) == dict(odd.sources)
    with pytest.raises(MaterialError, match="gap_ev has no source"):
        write(replace(odd, sources={**odd.sources, "gap_ev": " "}), path)


def test_published_beats_predicted_and_every_value_says_which(predicted: list[str]) -> None:
    wafer = record("Cs3Bi2I9")
    assert predicted == []
    assert wafer.gap_ev == 2.05
    assert wafer.mu_tau_e_cm2_v == 8.21e-5
    assert "10.1039/D3RA00365E" in wafer.sources["gap_ev"], "of the text that the gap was borrowed from"
    assert wafer.sources["resistivity_ohm_cm"].startswith("published")
    # No gap of this one is published; its mu tau is.
    half = record("(BA)2CsAgBiBr7")
    assert predicted == [half.formula] or predicted == ["(C4H12N)2CsAgBiBr7"]
    assert half.sources["gap_ev"].startswith("predicted (a forest), 90 % interval 1.5 to 2.5")
    assert "10.1002/anie.201909815" in half.sources["mu_tau_e_cm2_v"]
    for material in (wafer, half):
        given = {key for key, value in vars(material).items() if isinstance(value, float)}
        assert set(material.sources) == given
        for source in material.sources.values():
            assert re.match("published|derived|predicted|estimated|assumption", source)
        assert "Devanathan" in material.sources["pair_energy_ev"]


def test_several_devices_are_their_median() -> None:
    """mu tau of the rows called CsPbBr3: 5.2e-4, 9.5e-4, 1.34e-3, 2.05e-3, 1.7e-2; doped ones have another name."""
    material = record("CsPbBr3")
    assert material.mu_tau_h_cm2_v == 1.34e-3
    assert "median of 5, 0.00052 to 0.017" in material.sources["mu_tau_h_cm2_v"]
    assert "10.1038/s41467-018-04073-3" in material.sources["mu_tau_h_cm2_v"]
    assert record("CsPbBr3-NH4SCN").mu_tau_h_cm2_v == 0.013


def test_an_own_table_is_published_too(tmp_path: Path, predicted: list[str]) -> None:
    path = tmp_path / "ours.csv"
    path.write_text("perovskite,band_gap_eV,mu_tau_cm2_per_V,resistivity_ohm_cm,doi\nRb2AgBiBr6,2.1,3e-4,5e9,10.1/x\n")
    material = record("Rb2AgBiBr6", table=path)
    assert (material.gap_ev, material.mu_tau_e_cm2_v, material.resistivity_ohm_cm) == (2.1, 3e-4, 5e9)
    assert material.sources["resistivity_ohm_cm"].endswith("doi 10.1/x")
    assert not predicted
    # A dark current says more than the resistivity beside it: 1000 V/cm over 1 uA/cm2.
    path.write_text(
        "perovskite,band_gap_eV,mu_tau_cm2_per_V,resistivity_ohm_cm,field_V_per_mm,dark_current_nA_per_cm2,estimated\n"
        "Rb2AgBiBr6,2.1,3e-4,5e9,100,1000,band_gap_eV\n"
    )
    devices.cache_clear()
    material = record("Rb2AgBiBr6", table=path)
    assert material.resistivity_ohm_cm == 1e9
    assert material.sources["gap_ev"].startswith("predicted"), "the table itself calls its gap an estimate"


def test_warnings_name_what_nobody_measured(predicted: list[str]) -> None:
    text = " ".join(warnings(record("Cs2TmBiBr6")))
    assert "measured by nobody: gap_ev, mu_tau_e_cm2_v, mu_tau_h_cm2_v." in text
    assert OUTSIDE in text
    assert DOMAIN in record("Cs2TmBiBr6").sources["gap_ev"]
    assert "name: density_g_cm3, pair_energy_ev" in text
    assert OUTSIDE not in " ".join(warnings(record("Rb2AgBiBr6")))
    assert "gap_ev" not in estimated(record("Cs3Bi2I9"))
    assert warnings(replace(load("cdte"), sources={"density_g_cm3": "textbook value"})) == ()


def test_the_ends_of_predicted_intervals(predicted: list[str], tmp_path: Path) -> None:
    """As well of a record that was a file in between."""
    write(record("Rb2AgBiBr6"), tmp_path / "own.toml")
    found = dict(ends(load(tmp_path / "own.toml")))
    assert list(found) == ["gap 1.5 eV", "gap 2.5 eV", "mu tau 1e-05 cm2/V", "mu tau 0.1 cm2/V"]
    assert found["gap 2.5 eV"].pair_energy_ev == pytest.approx(2 * 2.5 + 1.43)
    assert found["gap 2.5 eV"].mu_tau_e_cm2_v == 1e-3
    assert found["mu tau 0.1 cm2/V"].mu_tau_h_cm2_v == found["mu tau 0.1 cm2/V"].mu_tau_e_cm2_v == 0.1
    assert ends(record("Cs3Bi2I9")) == ()


def test_what_a_name_is_taken_for(tmp_path: Path, predicted: list[str]) -> None:
    """A record that ships, whatever its case; a file; then a formula."""
    assert resolve("CsPbBr3") == load("cspbbr3")
    assert resolve("(m-F-PEA)2PbI4").thickness_mm == 0.7
    own = replace(record("Cs3Bi2I9"), density_g_cm3=5.0)
    write(own, tmp_path / "own.toml")
    assert resolve(tmp_path / "own.toml") == own
    assert resolve("MAPbI3").formula == "CH3NH3PbI3"
    assert not predicted
    assert resolve("MA2AgBiBr6").name == "MA2AgBiBr6, predicted"
    assert resolve("MA2AgBiBr6").substance  # a formula that the attenuation tables read
    for wrong in ("Xy2", "", "HgI2", "cdzte"):
        with pytest.raises(MaterialError, match=f"there is no material '{wrong}': it is no record"):
            resolve(wrong)
    with pytest.raises(MaterialError, match="no atomic volume is known of Kr"):
        resolve("Cs2KrBr6")
    with pytest.raises(MaterialError, match="published without its composition"):
        resolve("all-inorganic perovskite heterojunction")


@pytest.mark.parametrize("name", names())
def test_shipped_records_are_completed_only_by_what_they_imply(name: str) -> None:
    shipped, completed = load(name), resolve(name)
    added = {key for key in completed.sources if key not in shipped.sources}
    assert added <= {"pair_energy_ev", "thickness_mm"}
    assert set(estimated(completed)) >= added
    assert completed == replace(shipped, **{key: getattr(completed, key) for key in added})


def test_sensitivities_that_are_known(predicted: list[str]) -> None:
    iodide = known_sensitivity(record("Cs3Bi2I9"))
    assert iodide is not None
    assert (iodide.value, iodide.low, iodide.high) == (1652, 230.46, 29386.2)
    rubidium = known_sensitivity(record("Rb2AgBiBr6"))
    assert rubidium is not None
    assert rubidium.value == 2000
    assert (rubidium.kind, iodide.kind) == ("predicted", "published")
    assert known_sensitivity(load("cdte")) is None


def test_a_predicted_crystal_sees_edges(predicted: list[str]) -> None:
    problem = Problem(material=record("Rb2AgBiBr6"))
    problem = replace(problem, full_bias_v=bias_curve(problem, 0.05).recommended_v)
    choice = Choice(kernel="laplacian", edge_threshold=80, pga_gain=0, sample_bits=12, bias_bits=None, dose_ugy=1.0)
    assert evaluate(problem, choice).f1 > least_f1(problem) + 0.1


ARGUMENTS = ["--processes", "1", "--convolution", "gateware", "--kernels", "laplacian", "--least-f1", "0"]


def test_the_command_takes_a_formula(tmp_path: Path, predicted: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ARGUMENTS, "--material", "Cs2TmBiBr6", "--trials", "6", "--no-board", "--out", str(tmp_path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    bias_v = bias_curve(Problem(material=record("Cs2TmBiBr6")), Space().dose_ugy[0]).recommended_v
    assert bias_v < 95
    assert f"recommended: bias {bias_v:g} V" in said
    for text in (
        "warning: Cs2TmBiBr6, predicted: predicted by a model", OUTSIDE, "gain", "threshold",
        "noise:", "electrons", "predicted sensitivity: 2000",
    ):  # fmt: skip
        assert text in said
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    for text in (
        "measured by nobody: gap_ev", DOMAIN, "recommended bias", "Devanathan", "amplifiers of the chip", "the frame",
        "mu tau 1e-05 cm2/V",
    ):  # fmt: skip
        assert text in page
    assert (tmp_path / "bias.png").stat().st_size > 10_000


def test_the_command_says_what_is_no_material(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ARGUMENTS, "--material", "Xy2", "--no-board", "--out", str(tmp_path)]) == 1
    assert "Xy is no element" in capsys.readouterr().err


@pytest.mark.slow
def test_a_predicted_crystal_through_the_gateware(tmp_path: Path, predicted: list[str]) -> None:
    """The virtual board sends what the golden model says: main returns 1 otherwise."""
    assert main([*ARGUMENTS, "--material", "Rb2AgBiBr6", "--bias", "40", "--trials", "6", "--out", str(tmp_path)]) == 0
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "responses of the virtual board that differ" in page
    assert "It was given" in page
