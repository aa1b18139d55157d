"""A series of frames and what the golden model makes of it: for every bench with a host and the whole readout."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgeray.correction import CorrectionTable
from edgeray.protocol.packets import META, PacketType
from edgeray.protocol.settings import Settings
from hdl.params import Params
from sim.golden import pipeline
from testbench.bench import Bench
from testbench.host import Host, check_packets, split


class Samples(Protocol):
    """What frames are made of, whatever shows it: int[n, rows, columns], codes; frame n shows n modulo their number."""

    @property
    def reset(self) -> npt.NDArray[np.int64]: ...

    @property
    def signal(self) -> npt.NDArray[np.int64]: ...


async def run_series(
    bench: Bench,
    samples: Samples,
    host: Host,
    params: Params,
    settings: Settings,
    limit: int,
    table: CorrectionTable | None = None,
) -> None:
    """Run a series of at most `limit` clocks and compare all of its packets, byte for byte, and the counters."""
    got = await host.series(settings, limit)
    numbers = np.arange(settings.nimages) % len(samples.reset)
    result = pipeline.read_out(
        samples.reset[numbers], samples.signal[numbers], detector=params, settings=settings, table=table,
        generation=host.generation,
    )  # fmt: skip
    metas = [META.unpack(one.payload) for one in got if one.header["type"] == PacketType.META]
    times = {meta["image_id"]: meta["timestamp"] for meta in metas}
    bench.check(sorted(times.values()) == [meta["timestamp"] for meta in metas], f"time stamps {times} go back")
    wanted = dict.fromkeys(range(settings.nimages), 0) | times
    expected, rest = split(result.stream(wanted, tick_rate=params.clock_frequency, applied=True))
    bench.check(not rest, "the golden model's bytes are no whole packets")
    check_packets(bench, expected, got, str(settings))
    bench.figures.frames += settings.nimages
    bench.figures.pixels += settings.nimages * params.rows * params.columns
    # A frame's last packet may be out before the window has pushed its last row through.
    for _ in range(100):
        state = await host.read("state")
        if state == 0:
            break
    bench.check(state == 0, f"state {state} after the series, not 0")
    for name, value in vars(result.counters).items():
        there = await host.read(name)
        bench.check(there == value, f"{settings}: counter {name} is {there}, not {value}")
