"""The explorer: the phantom's edges, what a choice gives, the front, and the settings that reach a board."""

import csv
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeray import settings_file
from edgeray.protocol.registers import Convolution
from sim.detector.errors import DetectorError, MaterialError
from sim.detector.material import load
from sim.explore import Choice, ExploreError, Outcome, Problem, Space, Trial, choose, evaluate, explore, front, workers
from sim.explore import search as searching
from sim.explore.__main__ import main, on_virtual_board, params_of
from sim.explore.evaluate import exposure, least_f1, link_frames_s, readout, stitched
from sim.explore.problem import COLUMNS, FINE, ROWS, edges_of, scene
from sim.explore.search import evaluate_all
from sim.explore.sweep import neighbours, sweep
from sim.golden.pipeline import Result, read_out
from sim.paper import twin_on_board

GOOD = Choice(kernel="laplacian", edge_threshold=220, pga_gain=0, sample_bits=12, bias_bits=None, dose_ugy=5.0)
SENSOR = replace(GOOD, bias_bits=12)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem(material=load("cspbbr3"))


class Here(Executor):
    """Evaluates where it stands: the interface that processes and Dask share."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments, **keywords))
        except Exception as error:
            future.set_exception(error)
        return future


def outcome(f1: float, bits: float = 1000.0, frames_s: float = 10.0) -> Outcome:
    return Outcome(
        kept=0.1, bits_a_frame=bits, raw_bits_a_frame=12288, precision=f1, recall=f1, f1=f1, localisation_px=0.5,
        frames_s=frames_s,
    )  # fmt: skip


def test_edges_are_where_the_labels_change() -> None:
    labels = np.zeros((4 * FINE, 6 * FINE), int)
    labels[:, 2 * FINE + 1 :] = 1  # through the pixels of column 2
    labels[:FINE, :] = 2  # along the border of rows 0 and 1
    edges = edges_of(labels)
    assert edges[1:, 2].all()
    assert not edges[2:, [0, 1, 3, 4, 5]].any()
    assert (edges[0] | edges[1]).all()
    assert not edges_of(np.ones_like(labels)).any()


def test_the_phantom_is_seen_by_its_crystal(problem: Problem) -> None:
    found = scene(problem)
    assert found.transmission.shape == (ROWS * FINE, COLUMNS * FINE)
    assert found.transmission.max() == 1
    assert 0 < found.transmission.min() < 0.6
    assert 0.02 < found.edges.mean() < 0.2
    # Wherever the signal of neighbouring pixels differs, there is an edge at one of them.
    seen = found.seen(1)[0, 0]
    step = np.abs(np.diff(seen, axis=1)) > 1e-9
    assert (found.edges[:, 1:] | found.edges[:, :-1])[step].all()
    # The centre of a macro-pixel of any size sees what the pixel sees.
    for size in (3, 5):
        np.testing.assert_allclose(found.seen(size)[size // 2, size // 2], seen)


@pytest.mark.parametrize("choice", [GOOD, SENSOR], ids=["gateware", "sensor"])
def test_a_good_design_finds_edges(problem: Problem, choice: Choice) -> None:
    found = evaluate(problem, choice)
    assert found.f1 > least_f1(problem) + 0.1
    assert found.kept < 0.3
    assert found.bits_a_frame < found.raw_bits_a_frame
    assert found.localisation_px <= problem.tolerance_px
    assert found.frames_s == pytest.approx(
        min(link_frames_s(found.bits_a_frame, problem.baudrate), problem.dose_rate_ugy_s / choice.dose_ugy)
    )


def test_sensor_and_gateware_see_the_same(problem: Problem) -> None:
    """Much dose and fine converters: the responses of both differ by their noise alone."""
    images = []
    # A short exposure: the dark current of a long one fills the capacitor of every pixel that is read by itself.
    large = replace(problem, capacitance_ff=500_000.0, dose_rate_ugy_s=1e6)
    for choice in (replace(GOOD, dose_ugy=4000.0), replace(SENSOR, dose_ugy=4000.0, bias_bits=16)):
        mosaic, samples = exposure(large, choice)
        images.append(stitched(mosaic, readout(large, choice, samples)).values.astype(float))
    assert np.corrcoef(images[0].ravel(), images[1].ravel())[0, 1] > 0.95
    assert images[0].std() == pytest.approx(images[1].std(), rel=0.02)


def test_less_of_anything_is_worse(problem: Problem) -> None:
    best = evaluate(problem, GOOD)
    assert evaluate(problem, replace(GOOD, dose_ugy=0.2, edge_threshold=9)).f1 < best.f1
    lower = evaluate(problem, replace(GOOD, edge_threshold=30))
    assert lower.kept > best.kept
    assert lower.bits_a_frame > best.bits_a_frame
    coarse = evaluate(problem, replace(SENSOR, bias_bits=4))
    assert coarse.f1 < evaluate(problem, SENSOR).f1
    assert evaluate(problem, replace(GOOD, pga_gain=5)).f1 < best.f1  # the chip is full


def test_the_chips_gain_counts_once(problem: Problem) -> None:
    """Twice the gain and twice the threshold keep the same edges; the gateware must not amplify again."""
    once, twice = (evaluate(problem, replace(SENSOR, pga_gain=gain, edge_threshold=220 << gain)) for gain in (0, 1))
    assert twice.kept == pytest.approx(once.kept, rel=0.02)


def test_a_uart_carries_ten_bits_a_byte() -> None:
    assert link_frames_s(8000, 1_000_000) == pytest.approx(100)


def test_settings_of_a_choice(problem: Problem) -> None:
    settings = replace(SENSOR, pga_gain=2).settings(problem)
    assert settings.pga_gain == 2
    assert settings.pga_offset == 2048  # no response is mid-scale
    assert settings.count_time == round(5e-3 * problem.tick_rate)
    assert SENSOR.detector(problem).convolution is Convolution.SENSOR
    assert GOOD.settings(problem).pga_offset == 0


def test_the_front_is_what_no_other_one_beats() -> None:
    random = np.random.default_rng(2026)
    trials = [
        Trial(replace(GOOD, dose_ugy=float(dose)), outcome(float(f1), float(bits)))
        for f1, bits, dose in np.round(random.random((300, 3)), 2) + 0.01
    ]
    found = front(trials)

    def beats(one: Trial, other: Trial) -> bool:
        pairs = list(zip(one.costs, other.costs, strict=True))
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    naive = {trial for trial in trials if not any(beats(other, trial) for other in trials)}
    assert set(found) == naive
    assert len(found) == len(naive)
    assert found[0].outcome.f1 == max(trial.outcome.f1 for trial in trials)


def test_the_choice_is_near_the_best_of_all_and_keeps_demands() -> None:
    cheap = Trial(replace(GOOD, dose_ugy=1.0), outcome(0.5, 100, 900))
    knee = Trial(replace(GOOD, dose_ugy=1.1), outcome(0.85, 150, 500))
    dear = Trial(replace(GOOD, dose_ugy=10.0), outcome(0.9, 5000, 20))
    some = [dear, knee, cheap]
    assert choose(some) is knee
    assert choose(some, wanted_f1=0.88) is dear
    assert choose(some, wanted_f1=0.0, least_frames_s=600) is cheap
    with pytest.raises(ExploreError, match=r"best F1 is 0\.90, the most frames are 900"):
        choose(some, wanted_f1=0.88, least_frames_s=600)
    with pytest.raises(ExploreError, match="no trials"):
        choose([])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kernels": ("laplacien",)}, "no kernel laplacien"),
        ({"kernels": ()}, "no kernel to choose"),
        ({"in_sensor": ()}, "no kernel"),
        ({"dose_ugy": (2.0, 1.0)}, "dose_ugy goes from 2.0 to 1.0"),
    ],
)
def test_spaces_without_a_choice_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ExploreError, match=says):
        Space(**wrong)


def test_a_search_is_the_same_for_any_pool(problem: Problem) -> None:
    space = Space(sample_bits=(10, 12), dose_ugy=(1.0, 5.0))
    with ThreadPoolExecutor(2) as threads:
        first = explore(problem, space, threads, trials=24, seed=3)
    told: list[int] = []
    again = explore(problem, space, Here(), trials=24, seed=3, tell=told.append)
    assert repr(first) == repr(again)  # a localisation error of NaN equals itself
    assert told == [searching.GENERATION, 24 - searching.GENERATION]
    assert repr(explore(problem, space, Here(), trials=4, seed=4)) != repr(first[:4])
    assert {trial.choice.sample_bits for trial in first} <= {10, 11, 12}


def test_designs_that_cannot_be_built_are_left_out(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    def some(problem: Problem, choice: Choice) -> Outcome:
        if choice.kernel == "log":
            raise DetectorError("no table makes these weights")
        return outcome(0.6)

    monkeypatch.setattr(searching, "evaluate", some)
    kernels = ("log", "laplacian")
    found = explore(problem, Space(kernels=kernels), Here(), trials=30)
    assert 0 < len(found) < 30
    assert {trial.choice.kernel for trial in found} == {"laplacian"}
    with pytest.raises(ExploreError, match="none of 5 designs"):
        explore(problem, Space(kernels=("log",)), Here(), trials=5)
    along = sweep(problem, Space(kernels=kernels), found[0].choice, Here())
    assert [trial.choice.kernel for trial in along["kernel"]] == ["laplacian"]
    with pytest.raises(ExploreError, match="needs trials"):
        explore(problem, Space(), Here(), trials=0)


def test_a_material_without_numbers_is_an_error() -> None:
    bare = replace(load("cspbbr3"), mu_tau_e_cm2_v=None)
    with pytest.raises(MaterialError, match="mu_tau_e_cm2_v"):
        explore(Problem(material=bare), Space(), Here(), trials=1)


def test_neighbours_change_one_parameter() -> None:
    along = neighbours(Space(), SENSOR)
    assert set(along) == {"kernel", "edge_threshold", "pga_gain", "sample_bits", "bias_bits", "dose_ugy"}
    assert "bias_bits" not in neighbours(Space(), GOOD)
    for name, choices in along.items():
        assert SENSOR in choices
        for choice in choices:
            if name != "sample_bits":
                assert replace(choice, **{name: getattr(SENSOR, name)}) == SENSOR
    eight = next(one for one in along["sample_bits"] if one.sample_bits == 8)
    assert eight.edge_threshold == round(220 / 16)


def test_processes_evaluate_as_well(problem: Problem) -> None:
    """What is sent has to be pickled: a record's sources are no plain dictionary."""
    with workers(processes=1) as pool:
        (there,) = evaluate_all(problem, [GOOD], pool)
    assert there == Trial(GOOD, evaluate(problem, GOOD))


def test_dask_evaluates_as_well(problem: Problem) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp"
        ) as cluster,
        workers(cluster.scheduler_address) as pool,
    ):
        assert evaluate_all(problem, [GOOD], pool) == [Trial(GOOD, evaluate(problem, GOOD))]


def test_a_scheduler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(searching, "CONNECT_SECONDS", 0.2)
    with (
        pytest.raises(ExploreError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        workers("tcp://127.0.0.1:9"),
    ):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("choice", [GOOD, replace(SENSOR, pga_gain=1)], ids=["gateware", "sensor"])
def test_the_chosen_settings_reach_the_gateware(problem: Problem, tmp_path: Path, choice: Choice) -> None:
    """File, host library, virtual board: what comes back is the golden model's."""
    trial = Trial(choice, outcome(0.8))
    path = tmp_path / "settings.toml"
    params = params_of(problem, trial)
    assert params.roic_pga
    settings_file.write(path, choice.settings(problem), params, problem.tick_rate)
    assert settings_file.read(path, params, problem.tick_rate) == choice.settings(problem)
    assert on_virtual_board(problem, trial, path) == 0


def test_a_response_that_differs_is_counted(problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A golden model that is wrong in one pixel stands for a board that is."""

    def wrong(*arguments: Any, **keywords: Any) -> Result:
        result = read_out(*arguments, **keywords)
        result.responses[3][result.kept[3]] += np.eye(1, result.kept[3].sum(), dtype=np.int16)[0]
        return result

    monkeypatch.setattr(twin_on_board, "read_out", wrong)
    trial, path = Trial(SENSOR, outcome(0.8)), tmp_path / "settings.toml"
    settings_file.write(path, SENSOR.settings(problem), params_of(problem, trial), problem.tick_rate)
    assert on_virtual_board(problem, trial, path) == 1


def test_the_command_writes_page_trials_and_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--trials", "10", "--processes", "1", "--no-board", "--convolution", "gateware", "--least-f1", "0"]
    out = tmp_path / "out"
    assert main([*arguments, "--kernels", "laplacian,sobel-y", "--out", str(out)]) == 0
    assert {"index.html", "front.png", "chosen.png", "sweeps.png", "settings.toml"} <= {p.name for p in out.iterdir()}
    with (out / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert {row["kernel"] for row in rows} <= {"laplacian", "sobel-y"}
    for wrong in (["--material", "nope"], ["--kernels", "nope"]):
        assert main([*arguments, *wrong, "--out", str(out)]) == 1
        assert capsys.readouterr().err.startswith("explore: there is no ")
