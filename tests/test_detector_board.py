"""The detector twin in front of the virtual board: real gateware, decoded frames, the golden model."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

import edgeray
from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.registers import Convolution, ReadoutMode
from edgeray.protocol.settings import Settings
from hdl.params import Params
from sim.detector import signal
from sim.detector.array import Twin
from sim.detector.attenuation import Layer, substance
from sim.detector.bias_table import BiasDac
from sim.detector.front_end import FrontEnd
from sim.detector.macro_pixel import MacroPixel, views
from sim.detector.response import Response
from sim.detector.timing import Timing
from sim.golden.pipeline import read_out
from sim.virtual_board import VirtualBoard
from tests.detector_cases import CRYSTAL_MM, beam, crystal

SECONDS = 20.0


def through_the_board(params: Params, settings: Settings, samples: npt.NDArray[np.uint16]) -> list[edgeray.Frame]:
    """Frames of the samples; each is the golden model's."""
    with VirtualBoard(params, samples) as board, edgeray.open(board.url) as device:
        device.configure(settings)
        frames = list(device.capture(len(samples), timeout=SECONDS))
    golden = read_out(samples[:, 0], samples[:, 1], detector=params, settings=settings)
    assert len(frames) == len(samples)
    for index, frame in enumerate(frames):
        assert np.array_equal(frame.values, np.where(golden.kept, golden.responses, 0)[index])
        assert np.array_equal(frame.kept, golden.kept[index])
    return frames


def test_a_steel_edge_from_the_tube_to_the_decoded_frame() -> None:
    params = Params()
    twin = Twin(material=crystal(), spectrum=beam(), detector=params, dead_fraction=0.002, seed=1)
    # Four ticks a pixel are eight time constants of the column lines; one tick would leave an eighth of the last pixel.
    edges = Settings(column_settle_time=3, edge_threshold=400)
    settings = replace(edges, count_time=round(0.02 * params.clock_frequency))
    timing = Timing.of(settings, params, params.clock_frequency)
    plate = np.zeros((3, 32, 32))
    for number, column in enumerate((8, 16, 24)):
        plate[number, :, column:] = 1.0
    samples = twin.expose([Layer(substance("steel"), plate)], 1000.0, timing)
    # The gateware waits out its integration clock by clock: here the samples are ready.
    frames = through_the_board(params, edges, samples)
    for frame, column in zip(frames, (8, 16, 24), strict=True):
        found = np.flatnonzero(frame.kept[1:-1].mean(axis=0) > 0.8)
        assert found.tolist() == [column - 1, column]
    raw = through_the_board(params, replace(edges, readout_mode=ReadoutMode.RAW), samples)
    codes = twin.charge_e([Layer(substance("steel"), plate)], 1000.0, timing) / twin.front_end.electrons_per_code
    assert np.abs(raw[0].values - codes[0]).max() < 8


def test_a_kernel_of_bias_voltages_reads_out_as_the_kernel() -> None:
    """A sensor that convolves: its macro-pixels' samples through a board that takes pixels for responses."""
    params = Params(rows=8, columns=12, guard_ring=0, convolution=Convolution.SENSOR)
    flat = signal.expose(beam().scaled_to(10.0), (), crystal(), 95.0, CRYSTAL_MM, 0.01)
    response = Response(crystal(), CRYSTAL_MM, beam())
    pixel = MacroPixel(response, KERNELS["laplacian"], flat, BiasDac(), FrontEnd())
    scene = np.ones((10, 14))
    scene[:, 7:] = 0.1
    seen = views(scene, 3, pitch=1)
    samples = pixel.samples(seen, np.random.default_rng(3))
    (frame,) = through_the_board(params, Settings(pga_offset=2048, edge_threshold=300), samples)
    assert np.flatnonzero(frame.kept.mean(axis=0) > 0.8).tolist() == [5, 6]
    assert np.sign(frame.values[:, 5:7]).mean(axis=0).tolist() == [1, -1]
