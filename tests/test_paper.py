"""The paper's results again: counts, kept parts, curves, and the page they are shown on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from edgeray.protocol.detector import Detector, GeometryError
from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.registers import ReadoutMode
from sim.bench.scenes import radiographs
from sim.detector.material import Material, load
from sim.golden.convolve import convolve
from sim.golden.pipeline import read_out
from sim.golden.window import windows
from sim.paper import blade, ct, device, reticle, sensitivity
from sim.paper.compression import (
    EDGES,
    LAPLACIAN,
    PAPER,
    WHOLE,
    grey_levels,
    measure,
    paper_count,
    responses,
    undivided,
    wire_bits,
)
from sim.paper.gallery import EXAMPLE, gallery
from sim.paper.page import Finding, Part, Picture, Rows, save_page

SEED = 2026


@pytest.fixture(scope="module")
def crystal() -> Material:
    return load("cspbbr3")


def found(part: Part, name: str) -> Finding:
    (one,) = (each for each in part.findings if each.name.startswith(name))
    return one


@pytest.mark.parametrize("name", ["laplacian", "log", "mean", "sobel-x", "kirsch-n"])
def test_responses_are_the_golden_models(name: str) -> None:
    levels = np.random.default_rng(SEED).integers(0, 256, (37, 23), np.uint8)
    kernel = KERNELS[name]
    detector = Detector(rows=37, columns=23, guard_ring=0, sample_bits=8, kernel_size=kernel.size)
    taps, guard = windows(levels[None], detector=detector, stride=1)
    for each in (kernel, undivided(kernel)):
        right, _ = convolve(taps, guard, sample_bits=8, kernel=each)
        np.testing.assert_array_equal(responses(levels, each), right[0])


def test_the_papers_count_is_its_definition() -> None:
    """Convolution in real numbers, clipped to 0 .. 255, at least 1."""
    levels = np.random.default_rng(SEED).integers(100, 104, (50, 60), np.uint8)
    weights = np.full((3, 3), -1.0)
    weights[1, 1] = 8
    plain = np.clip(ndimage.correlate(levels.astype(float), weights, mode="nearest"), 0, 255)
    assert paper_count(levels, LAPLACIAN) == (plain >= 1).sum()


def test_bits_on_the_wire_are_those_of_a_board() -> None:
    """The kept pixels and their bits are what the golden model of the whole readout makes of the same image."""
    levels = np.random.default_rng(SEED).integers(90, 100, (32, 40), np.uint8)
    detector = Detector(rows=32, columns=40, guard_ring=0, sample_bits=8)
    image = levels[None].astype(np.uint16)
    for settings in (PAPER, EDGES, WHOLE):
        golden = read_out(np.zeros_like(image), image, detector=detector, settings=settings)
        sent = 8 * len(golden.stream({0: 0}, tick_rate=24_000_000))
        raw = settings.readout_mode == ReadoutMode.RAW
        values = levels if raw else responses(levels, settings.kernel)
        assert wire_bits(values, golden.kept[0], settings) == sent
    compression = measure(levels)
    golden = read_out(np.zeros_like(image), image, detector=detector, settings=PAPER)
    assert compression.kept == golden.kept.mean()
    assert compression.wire_paper == 8 * len(golden.stream({0: 0}, tick_rate=1)) / (8 * levels.size)


def test_an_image_larger_than_any_detector_is_several_frames() -> None:
    tall = np.random.default_rng(SEED).integers(0, 256, (4097, 8), np.uint8)
    halves = [tall[:2048], tall[2048:]]
    every = np.ones(tall.shape, np.bool_)
    assert wire_bits(tall, every, WHOLE) == sum(wire_bits(half, every[: len(half)], WHOLE) for half in halves)
    with pytest.raises(GeometryError, match="columns"):
        measure(tall[:, :3])


def test_images_of_8_bits_stay_as_they_are() -> None:
    levels = np.arange(100, 120, dtype=np.uint8).reshape(4, 5)
    assert grey_levels(levels) is levels
    stretched = grey_levels(levels.astype(np.uint16) * 7)
    assert (stretched.min(), stretched.max()) == (0, 255)


# The images do not change and nothing here is random: a change of a pixel is a change of the method. RG1's 48.2 % is
# as near as the paper's own image comes (46.6 %); the paper's mean, 58.8 %, is that of other images.
@pytest.mark.parametrize(
    ("name", "kept", "log", "wire", "whole"), [("RG1", 48.23, 49.34, 40.52, 37.38), ("RG3", 27.04, 28.31, 20.45, 16.64)]
)
def test_radiographs_keep_what_they_kept(name: str, kept: float, log: float, wire: float, whole: float) -> None:
    compression = measure(dict(radiographs())[name])
    assert 100 * compression.kept == pytest.approx(kept, abs=0.005)
    assert 100 * compression.kept_log == pytest.approx(log, abs=0.005)
    # A tenth: the coder may get better. That the whole image costs less than the kept pixels is the finding.
    assert 100 * compression.wire_paper == pytest.approx(wire, rel=0.1)
    assert 100 * compression.wire_whole == pytest.approx(whole, rel=0.1)
    assert compression.wire_whole < compression.wire_paper


def test_the_papers_own_image_is_known_by_name_and_size() -> None:
    levels = np.random.default_rng(SEED).integers(0, 256, (900, 1430), np.uint8)
    own = found(gallery(EXAMPLE, levels), "kept with laplacian")
    assert own.paper == pytest.approx(46.64, abs=0.005)  # 600 261 of 1430 x 900
    assert not own.depends
    assert found(gallery(EXAMPLE, levels[:300]), "kept with laplacian").depends
    assert found(gallery("weld", levels), "kept with log").depends


def test_counts_of_the_blade_are_the_papers_per_cent() -> None:
    assert blade.PAPER[blade.HIGH] == pytest.approx(26.8, abs=0.1)  # 275 of 1024; it rounds down
    assert blade.PAPER[blade.LOW] == pytest.approx(40.8, abs=0.05)  # 418 of 1024
    assert pytest.approx(46.4, abs=0.05) == reticle.PAPER_KEPT  # 8990 less 4820


def test_a_blade_without_noise_is_a_line(crystal: Material) -> None:
    dose_ugy = 1e5
    array = blade.twin(crystal, dose_ugy)
    pixels = blade.frames(array, blade.behind_blade(array), dose_ugy)
    clean = blade.parts(pixels, "sobel-y")
    # 32 columns of an edge that falls by 2.8 rows: two or three rows answer.
    assert 100 * 2 / 32 <= clean[blade.HIGH] <= 100 * 3.2 / 32
    assert blade.parts(pixels, "laplacian")[blade.HIGH] < 8


def test_the_other_number_of_the_blade_is_predicted(crystal: Material) -> None:
    part = blade.blade_edge(crystal)
    predicted = found(part, "Laplacian: predicted")
    assert predicted.depends
    # One number fitted, one free: within a sixth of the paper's 40.8 % (36 % here); a clean edge would be at 4 %.
    assert predicted.deviation == pytest.approx(0, abs=1 / 6)
    assert found(part, "Laplacian: part at 10 %").ours < 8


def test_a_fit_is_where_the_curve_crosses() -> None:
    falling = np.linspace(100, 0, len(blade.DOSES_UGY))
    found_fit = blade.fit(falling, falling + 1)
    assert found_fit is not None
    assert found_fit.predicted == pytest.approx(blade.PAPER[blade.HIGH] + 1)
    assert blade.fit(np.zeros_like(falling), falling) is None
    assert blade.fit(falling + 50, falling) is None


def test_the_reticle_has_its_letters_and_positions(crystal: Material) -> None:
    mask = reticle.letters("HUST", (120, 400))
    assert mask.shape == (120, 400)
    assert 0.15 < mask.mean() < 0.5
    assert not mask[[0, -1]].any()
    assert not mask[:, [0, -1]].any()
    assert ndimage.label(mask)[1] == 4
    setup = reticle.bench(crystal)
    assert setup.seen.shape == (3, 3, *reticle.POSITIONS)
    assert np.prod(reticle.POSITIONS) == 8990


def test_the_reticle_is_kept_by_noise(crystal: Material) -> None:
    """Fitted to 46.4 %; without noise only edges are kept, and clipped noise alone keeps nearly half."""
    part = reticle.reticle(crystal)
    assert found(part, "kept at grey level 2, magnitudes").ours == pytest.approx(reticle.PAPER_KEPT, abs=2)
    assert found(part, "kept at 1e7 photons").ours < 25
    assert 40 < found(part, "kept at grey level 2, negative").ours < 50


def test_the_conventional_scan_shows_the_letters(crystal: Material) -> None:
    setup = reticle.bench(crystal)
    image = setup.image("identity", 1e6)
    centre = setup.seen[1, 1]
    assert np.corrcoef(image.ravel(), centre.ravel())[0, 1] > 0.999
    edges = setup.image("laplacian", 1e6)
    inside = (setup.seen > 0.999).all(axis=(0, 1))
    assert np.abs(edges[inside]).mean() < 0.01 * np.abs(edges).max()


def test_the_devices_numbers(crystal: Material) -> None:
    part = device.device(crystal)
    # One per cent noise on 40 points: under one per cent of mu tau, three times that allowed.
    assert found(part, "mu tau of electrons").ours == pytest.approx(2.05, rel=0.03)
    assert found(part, "mu tau of holes").ours == pytest.approx(0.58, rel=0.03)
    assert found(part, "dark current at -100").ours == pytest.approx(-14, rel=1e-3)
    assert found(part, "dark current at +100").ours == pytest.approx(166, rel=1e-3)
    assert found(part, "bias of the same").ours == pytest.approx(-73, abs=0.5)
    assert found(part, "20 log10").ours == pytest.approx(106, abs=0.05)
    # Read off curves that bend at the ends put in: a point of the curve is 0.1 dB.
    assert found(part, "linear range of CsPbBr3, passivated").ours == pytest.approx(106, abs=0.5)
    assert found(part, "linear range of CsPbBr3, not").ours == pytest.approx(68, abs=0.5)


def test_sensitivity_hangs_on_the_filter(crystal: Material) -> None:
    part = sensitivity.sensitivities(crystal)
    here = found(part, "2 mm, 100 V")
    assert here.depends  # 474 must never look reproduced
    assert here.ours == pytest.approx(474, rel=0.04)
    assert found(part, "filter that makes 474").ours == pytest.approx(0.28, abs=0.01)
    less, more = found(part, "filter that makes 15 % less").ours, found(part, "filter that makes 15 % more").ours
    assert [less, more] == pytest.approx([0.235, 0.314], abs=0.005)


@pytest.mark.parametrize("make", [blade.blade_edge, sensitivity.sensitivities], ids=["blade", "sensitivity"])
def test_another_crystal_has_no_number_of_the_papers(make: Callable[[Material], Part]) -> None:
    part = make(load("cdte"))
    assert all(each.paper is None or each.depends or each.agrees for each in part.findings)


def test_ct_rate_is_the_product() -> None:
    scanner = ct.Scanner("x", rows=100, columns=1000, views=1000, rotation_s=0.5, bits=16)
    assert scanner.rate_gbit_s == pytest.approx(100 * 1000 * 1000 * 16 / 0.5 / 1e9)
    assert ct.least_part(40) == 0.25
    assert ct.least_part(4) == 1
    part = ct.ct({"bits": 0.3})
    assert found(part, "40 Gbit/s after bits").ours == pytest.approx(12)
    assert found(part, "rate of").depends


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [(27.04, 3, "27.0 %"), (8745.3, 3, "8 745 %"), (100.0, 3, "100 %"), (0.0, 3, "0.00 %"), (0.28, 3, "0.280 %"),
     (262144, 3, "262 144 %"), (-14.0, 3, "-14.0 %"), (float("nan"), 3, "nan %"), (2.5e12, 3, "2.50e+12 %")],
)  # fmt: skip
def test_numbers_are_shown_with_their_digits(value: float, digits: int, shown: str) -> None:
    assert Finding("x", value, unit="%", digits=digits).shown(value) == shown


def test_a_finding_agrees_deviates_or_depends() -> None:
    assert Finding("x", 1.005, 1.0).agrees
    assert Finding("x", 1.02, 1.0).agrees is False
    assert Finding("x", 1.02, 1.0, tolerance=0.05).agrees
    assert Finding("x", 1.0, 1.0, depends="the dose").agrees is None
    assert Finding("x", 1.0).agrees is None
    assert Finding("x", 1.02, 1.0).deviation == pytest.approx(0.02)


def test_the_page_holds_its_pictures_and_escapes_names(tmp_path: Path) -> None:
    png = b"\x89PNG not really"
    part = Part(
        "<one>", ["a & b"], [Finding("<f>", 2.0, 1.0, depends="<dose>"), Finding("firm", 1.0, 2.0)],
        [Picture("curve", png, 'a "curve"')], [Rows("rows", ["a", "b"], [["<x>", "1"]])],
    )  # fmt: skip
    path = save_page(tmp_path / "out", "title", ["intro"], [part])
    text = path.read_text(encoding="utf-8")
    assert 'src="data:image/png;base64,' in text
    assert (tmp_path / "out" / "curve.png").read_bytes() == png
    assert "<one>" not in text
    assert "&lt;f&gt;" in text
    assert "depends on &lt;dose&gt;" in text
    assert "deviates" in text
    assert "http" not in text  # nothing is fetched
