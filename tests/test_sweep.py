"""Slow sweep: many builds of the compiled gateware against the golden model, `make test-slow`."""

import numpy as np
import pytest

import edgeray
from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.registers import Polarity, ReadoutMode, ThresholdMode
from edgeray.protocol.settings import Settings
from hdl.params import Params
from sim.golden.pipeline import read_out
from sim.virtual_board import VirtualBoard

FRAMES = 12
BUILDS = (
    Params(sample_bits=8),
    Params(sample_bits=10, multipliers=3),
    Params(sample_bits=14, multipliers=1),
    Params(kernel_size=5, multipliers=5),
    Params(rows=1, columns=4, guard_ring=0, adc_latency=0),
    Params(rows=33, columns=70, guard_ring=2, kernel_size=5),
    Params(rows=3, columns=4096, guard_ring=0),
    Params(rows=18, columns=1040, sample_bits=14, kernel_size=5),  # two packets a frame
)


@pytest.mark.slow
@pytest.mark.parametrize("params", BUILDS, ids=str)
def test_every_build_and_setting_is_the_golden_models(params: Params) -> None:
    """Random samples, rails among them; every kernel that fits; every stride, mode and polarity, chosen at random."""
    random = np.random.default_rng(params.columns)
    samples = random.integers(0, params.full_scale + 1, (FRAMES, 2, params.rows, params.columns), np.uint16)
    samples[0, 0], samples[0, 1] = 0, params.full_scale
    kernels = [kernel for kernel in KERNELS.values() if kernel.size <= params.kernel_size]
    with VirtualBoard(params, samples) as board, edgeray.open(board.url) as device:
        for number, kernel in enumerate(kernels):
            settings = Settings(
                nimages=FRAMES,
                kernel=kernel,
                stride=int(random.choice(params.strides)),
                readout_mode=ReadoutMode(int(random.integers(8)) == 0),
                threshold_mode=ThresholdMode(int(random.integers(3))),
                edge_threshold=int(random.integers(1, params.full_scale)),
                cds_enabled=bool(random.integers(2)),
                cds_polarity=Polarity(int(random.integers(2))),
                pga_gain=int(random.integers(6)),
                pga_offset=int(random.integers(-500, 500)),
                meta_period=int(random.integers(5)),
                audit_period=int(random.integers(4)),
            )
            device.configure(settings)
            golden = read_out(samples[:, 0], samples[:, 1], detector=params, settings=settings)
            frames = list(device.capture(timeout=60))
            assert device.ledger.complete, f"{kernel.name}: {device.ledger}"
            for frame in frames:
                where = f"{params}, {settings}, frame {frame.image_id}"
                expected = np.where(golden.kept, golden.responses, 0)[frame.image_id]
                np.testing.assert_array_equal(frame.values, expected, where)
                np.testing.assert_array_equal(frame.kept, golden.kept[frame.image_id], where)
                period = settings.audit_period if settings.readout_mode == ReadoutMode.EDGE else 0
                assert (frame.pixels is not None) == (period > 0 and frame.image_id % period == 0), where
                if frame.pixels is not None:
                    np.testing.assert_array_equal(frame.pixels, golden.pixels[frame.image_id], where)
            totals = {name: device.read(name) for name in vars(golden.counters)}
            assert totals == vars(golden.counters), f"{params}, {kernel.name}, series {number}"
