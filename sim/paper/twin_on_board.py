"""The twin drives the gateware: samples of the detector's model through the virtual board, against the golden model.

radiograph -> transmission -> sim.detector.array -> samples -> virtual board (gateware) -> host library
                                                       +------> golden model ------------------> compared pixel by pixel
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

import edgeray
from edgeray.ledger import Ledger
from edgeray.mosaic import Mosaic, Stitch
from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.settings import Settings
from hdl.params import Params
from sim.detector.array import Twin
from sim.detector.errors import Floats
from sim.detector.material import Material
from sim.detector.timing import Timing
from sim.golden.pipeline import read_out
from sim.paper.beam import beam
from sim.paper.charts import images
from sim.paper.page import Finding, Part, Picture
from sim.scenes import Image
from sim.virtual_board import VirtualBoard

TITLE = "8. The twin on the gateware"
STEP = 4
"""Every so many pixels of the radiograph: enough windows to mean something, few enough for seconds."""
DOSE_UGY = 12.0
COUNT_TIME_S = 1e-3
LEAST_TRANSMISSION = 0.1
THRESHOLD = 100
SECONDS = 60.0


@dataclass(frozen=True, eq=False)
class Run:
    """What came back from a board.

    Parameters
    ----------
    stitch : image of the responses.
    ledger : of the frames.
    responses, mismatches : compared with the golden model, and different from it; missing frames count as different.
    """

    stitch: Stitch
    ledger: Ledger
    responses: int
    mismatches: int


def show(mosaic: Mosaic, samples: npt.NDArray[np.uint16], params: Params, settings: Settings) -> Run:
    """Samples uint16[windows, 2, rows, columns] through the virtual board, window by window.

    With `params.roic_pga` the samples are taken to be amplified by the chip already.

    Raises BuildError, BoardError, EdgerayError.
    """
    gateware = replace(settings, pga_gain=0) if params.roic_pga else settings
    golden = read_out(samples[:, 0], samples[:, 1], detector=params, settings=gateware)
    stitch = Stitch(mosaic)
    wrong = np.ones(golden.responses.shape, np.bool_)
    with VirtualBoard(params, samples) as board, edgeray.open(board.url) as device:
        device.configure(settings)
        for frame in device.capture(len(samples), timeout=SECONDS):
            right = np.where(golden.kept, golden.responses, 0)[frame.image_id]
            same = (frame.values == right) & (frame.kept == golden.kept[frame.image_id])
            wrong[frame.image_id] = ~(same & frame.rows_received[:, None])
            stitch.place_frame(frame)
        ledger = device.ledger
    return Run(stitch, ledger, wrong.size, int(wrong.sum()))


def transmission(image: Image) -> Floats:
    """A radiograph as the part of the dose that passed, LEAST_TRANSMISSION to 1: darkest where it is 1, as on film."""
    part = (image - image.min()) / max(1.0, float(image.max() - image.min()))
    return np.asarray(LEAST_TRANSMISSION**part, np.float64)


def board(material: Material, image: Image) -> Part:
    """A radiograph as the object of the twin, read out by the gateware."""
    params = Params()
    twin = Twin(material=material, spectrum=beam(), detector=params, dead_fraction=0.002)
    object_ = transmission(image[::STEP, ::STEP])
    mosaic = Mosaic((object_.shape[0], object_.shape[1]), params, params.radius)
    settings = Settings(
        kernel=KERNELS["laplacian"],
        edge_threshold=THRESHOLD,
        nimages=len(mosaic),
        count_time=round(COUNT_TIME_S * params.clock_frequency),
        column_settle_time=23,
    )
    timing = Timing.of(settings, params, params.clock_frequency)
    samples = twin.scan(mosaic, object_, DOSE_UGY / timing.integration_s, timing)
    # The board counts its own clocks through an exposure; a short one shows the same samples sooner.
    run = show(mosaic, samples, params, replace(settings, count_time=1))
    pixels = Stitch(mosaic)
    for index, (reset, signal) in enumerate(samples.astype(np.int16)):
        pixels.place(index, signal - reset)
    findings = [
        Finding("frames", run.ledger.received),
        Finding("frames lost", run.ledger.triggered - run.ledger.received),
        Finding("kernel responses compared with the golden model", run.responses),
        Finding("different ones", run.mismatches),
    ]
    text = [
        f"A leg as the object, every {STEP}th pixel: its radiograph taken for a transmission of "
        f"{LEAST_TRANSMISSION:g} to 1, on the twin of {material.name}, {DOSE_UGY:g} uGy a frame, gain spread 2 %, two "
        "dead pixels in a thousand, dark current, column offsets, kTC and read noise. The samples go through the "
        "gateware, compiled into the virtual board; what the host library decodes is compared with the golden model, "
        "pixel by pixel.",
        "The spread of gains and the dead pixels show as a grid, since every window is seen by the same array: what "
        "the correction table of the gateware is for.",
    ]
    limit = float(np.quantile(np.abs(run.stitch.values), 0.995))
    shown = [
        ("pixels, after double sampling", pixels.values, {}),
        ("kernel responses that left the board", run.stitch.values, {"vmin": -limit, "vmax": limit}),
    ]
    picture = Picture("board", images(shown, columns=2, width=11), "The twin's pixels, and what the gateware sent.")
    return Part(TITLE, text, findings, [picture])
