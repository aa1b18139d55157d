"""Convolution against its golden model: kernels, shifts, clipping, and every kind of build."""

from functools import partial

import numpy as np

from edgeray.protocol.kernels import KERNELS, SHIFT_MAX, WEIGHT_MAX, WEIGHT_MIN, Kernel
from hdl.convolve import Convolve
from hdl.params import Params
from sim.golden import convolve, window
from testbench.bench import Bench, params, simulated
from testbench.runner import Build
from testbench.stages import Frames, Stage, packed
from testbench.stimulus import images
from testbench.streams import Packer


def _build(size: int, multipliers: int, bits: int = 12) -> Build:
    params = Params(rows=7, columns=9, sample_bits=bits, kernel_size=size, multipliers=multipliers)
    return Build(f"{size}x{size} {params.multipliers} of {size**2} {bits} bit", partial(Convolve, params))


BUILDS = (_build(3, 0), _build(3, 1), _build(3, 4, 8), _build(5, 0), _build(5, 1, 14))


def _kernels(bench: Bench) -> list[Kernel]:
    """All built-in kernels that fit, both extremes of every weight, and random ones with every shift."""
    size = params().kernel_size
    built_in = [kernel.padded(size) for kernel in KERNELS.values() if kernel.size <= size]
    extreme = [
        Kernel("highest", ((WEIGHT_MAX,) * size,) * size, 0),
        Kernel("lowest", ((WEIGHT_MIN,) * size,) * size, 0),
        Kernel("lowest, scaled", ((WEIGHT_MIN,) * size,) * size, SHIFT_MAX),
    ]
    chances = [
        Kernel(
            f"random {shift}",
            tuple(tuple(bench.random.randint(WEIGHT_MIN, WEIGHT_MAX) for _ in range(size)) for _ in range(size)),
            shift,
        )
        for shift in range(SHIFT_MAX + 1)
    ]
    return built_in + extreme + chances


def _set_kernel(bench: Bench, kernel: Kernel) -> None:
    weights = Packer(bench.component.kernel_weights.shape())
    bench.set(kernel_weights=weights.pack(kernel.flat), kernel_shift=kernel.shift)


def _windows(bench: Bench, stage: Stage) -> tuple[list[tuple[np.ndarray, np.ndarray]], Frames]:
    """Neighbourhoods and guard flags of some images, and the same packed."""
    frames = list(images(params().rows, params().columns, params().sample_bits, bench.random))
    # Time-shared builds take long: noise, a rail, the checkerboard and the tile are enough there.
    frames = frames if params().steps == 1 else [frames[kind] for kind in (0, 2, 3, -1)]
    pairs = [window.windows(frame, detector=params(), stride=1) for frame in frames]
    return pairs, [_offers(stage, taps, guard) for taps, guard in pairs]


def _offers(stage: Stage, taps: np.ndarray, guard: np.ndarray) -> list[int]:
    """One offer for each window, or with one multiplier one for each tap."""
    if params().is_pipelined:
        return packed(stage.source.packer.pack, taps=taps, guard=guard)
    planes = [packed(stage.source.packer.pack, taps=taps[..., n : n + 1], guard=guard) for n in range(taps.shape[-1])]
    return [tap for one_window in zip(*planes, strict=True) for tap in one_window]


@simulated(cycles=1_000_000)
async def every_kernel(bench: Bench) -> None:
    """Responses and saturation counts of all kernels."""
    stage, saturated = Stage(bench, params().columns), bench.pulses("saturated")
    pairs, inputs = _windows(bench, stage)
    for kernel in _kernels(bench):
        _set_kernel(bench, kernel)
        results = [
            convolve.convolve(taps, guard, sample_bits=params().sample_bits, kernel=kernel) for taps, guard in pairs
        ]
        expected = [
            packed(stage.sink.packer.pack, value=responses, guard=guard)
            for (responses, _), (_, guard) in zip(results, pairs, strict=True)
        ]
        saturated.count = 0
        await stage.transfer(inputs, expected, what=f"kernel {kernel.name!r}")
        count = sum(int(clipped.sum()) for _, clipped in results)
        bench.check(saturated.count == count, f"kernel {kernel.name!r}: saturated {saturated.count}, not {count}")


@simulated(cycles=200_000)
async def every_pace(bench: Bench) -> None:
    """Random valid and ready and a full stall lose, repeat and miscount nothing."""
    stage, saturated = Stage(bench, params().columns), bench.pulses("saturated")
    pairs, inputs = _windows(bench, stage)
    kernel = Kernel("steep", KERNELS["laplacian"].weights, 1).padded(params().kernel_size)
    _set_kernel(bench, kernel)
    results = [convolve.convolve(taps, guard, sample_bits=params().sample_bits, kernel=kernel) for taps, guard in pairs]
    await stage.all_paces(
        inputs,
        [
            packed(stage.sink.packer.pack, value=responses, guard=guard)
            for (responses, _), (_, guard) in zip(results, pairs, strict=True)
        ],
    )
    count = 5 * sum(int(clipped.sum()) for _, clipped in results)
    bench.check(saturated.count == count, f"saturated {saturated.count}, not {count}")


@simulated(cycles=10_000)
async def latency_and_rate(bench: Bench) -> None:
    """A window every `period` clocks, each after `latency` clocks."""
    stage = Stage(bench, params().columns)
    pairs, inputs = _windows(bench, stage)
    kernel = KERNELS["identity"].padded(params().kernel_size)
    _set_kernel(bench, kernel)
    responses, _ = convolve.convolve(*pairs[0], sample_bits=params().sample_bits, kernel=kernel)
    await stage.transfer(inputs[:1], [packed(stage.sink.packer.pack, value=responses, guard=pairs[0][1])])
    if not params().is_pipelined:
        # The first tap of each window counts, when it is taken.
        stage.source.accepted = stage.source.accepted[:: params().kernel_size ** 2]
        stage.source.offered = stage.source.accepted
    stage.check_latency(bench.component.latency)
    stage.check_rate(bench.component.period)
