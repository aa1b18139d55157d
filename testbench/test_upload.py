"""Upload memory: every pixel shows what was written to it last."""

from functools import partial

from hdl.params import Params
from hdl.upload import SIGNAL_PLACE, Upload
from testbench.bench import Bench, params, simulated
from testbench.runner import Build
from testbench.selects import Selects
from testbench.stages import Stage, packed, positions
from testbench.stimulus import Image, generator, images
from testbench.streams import never

BUILDS = (
    Build("", partial(Upload, Params(rows=6, columns=8, upload=True))),
    Build("odd", partial(Upload, Params(rows=7, columns=11, sample_bits=14, upload=True))),
)
INDEX_BITS = 24


async def write(bench: Bench, index: int, reset: int, signal: int) -> None:
    """Write the samples of one pixel."""
    bench.set(table_index=index, upload_data=reset | signal << SIGNAL_PLACE, upload_write=1)
    await bench.clock()
    bench.set(upload_write=0)
    await bench.clock()
    # What the ports show without a write means nothing.
    bench.set(table_index=bench.random.getrandbits(INDEX_BITS), upload_data=bench.random.getrandbits(32))


async def fill(bench: Bench, reset: Image, signal: Image) -> None:
    """Write a frame, in any order."""
    pixels = list(enumerate(zip(reset.ravel().tolist(), signal.ravel().tolist(), strict=True)))
    bench.random.shuffle(pixels)
    for index, pair in pixels:
        await write(bench, index, *pair)


def _start(bench: Bench) -> tuple[Stage, list[int]]:
    """The stage, and a frame's requests."""
    bench.add(Selects(bench))
    stage = Stage(bench, params().columns)
    return stage, [stage.source.packer.pack(flags) for flags in positions((params().rows, params().columns))]


@simulated(cycles=100_000)
async def every_pace(bench: Bench) -> None:
    """Each frame of samples, read again and again at every pace; latency and rate."""
    stage, requests = _start(bench)
    kinds = list(images(params().rows, params().columns, params().sample_bits, bench.random))
    for reset, signal in zip(kinds, kinds[::-1], strict=True):
        await fill(bench, reset, signal)
        expected = packed(stage.sink.packer.pack, reset=reset, signal=signal)
        await stage.all_paces([requests] * 2, [expected] * 2)
        await stage.transfer([requests], [expected])
        stage.check_latency(bench.component.latency)
        stage.check_rate(2)


@simulated(cycles=20_000)
async def what_is_too_large(bench: Bench) -> None:
    """Samples lose the bits over sample_bits; a pixel that there is not is not written."""
    stage, requests = _start(bench)
    wide = generator(bench.seed).integers(0, 1 << 16, (2, params().rows, params().columns))
    await fill(bench, wide[0], wide[1])
    pixels = params().rows * params().columns
    beyond = [index for index in (pixels, pixels + 1, *(1 << bit for bit in range(INDEX_BITS))) if index >= pixels]
    for index in (*beyond, (1 << INDEX_BITS) - 1):
        await write(bench, index, 0xAAA, 0x555)
    right = wide & params().full_scale
    expected = packed(stage.sink.packer.pack, reset=right[0], signal=right[1])
    await stage.transfer([requests], [expected])


@simulated(cycles=20_000)
async def written_while_read(bench: Bench) -> None:
    """In a stalled frame, pixels that are still to be read show what is written; the one that waits does not."""
    stage, requests = _start(bench)
    noise = generator(bench.seed).integers(0, params().full_scale + 1, (4, params().rows, params().columns))
    await fill(bench, noise[0], noise[1])
    stage.sink.pace = never
    stage.source.send(requests)
    await bench.until(lambda: bool(stage.sink.offered), 10, "the first pixel")
    await bench.clock(5)
    await fill(bench, noise[2], noise[3])
    shown = noise[2:].copy()
    shown[:, 0, 0] = noise[:2, 0, 0]
    expected = packed(stage.sink.packer.pack, reset=shown[0], signal=shown[1])
    await stage.transfer([], [expected])
