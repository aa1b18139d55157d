"""META against its golden model: registers anywhere in their limits, and at both ends."""

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any

from edgeray.protocol.kernels import SHIFT_MAX, WEIGHT_MAX, WEIGHT_MIN, Kernel
from edgeray.protocol.packets import META, PacketType
from edgeray.protocol.registers import BY_NAME, Access
from edgeray.protocol.settings import Settings
from hdl.meta import Meta
from hdl.params import Params
from hdl.registers import IN_FORCE
from sim.golden import meta
from sim.golden.encode import Payload
from testbench.bench import Bench, params, simulated
from testbench.lookup import Lookup
from testbench.payloads import check_payloads, written
from testbench.runner import Build

BUILDS = (
    # META is longer than any other payload.
    Build("1x4", partial(Meta, Params(rows=1, columns=4, guard_ring=0, sample_bits=8))),
    Build("4096x4096", partial(Meta, Params(rows=4096, columns=4096, guard_ring=16, sample_bits=14, kernel_size=5))),
)
Choice = Callable[[int, int], int]
"""One of the numbers from the first to the second."""


def _settings(choose: Choice, size: int) -> Settings:
    values: dict[str, Any] = {}
    for field in fields(Settings):
        if field.name != "kernel":
            register = BY_NAME[field.name]
            kind: Callable[[int], Any] = type(field.default)  # an enumeration, int or bool
            choices = (1, 3, size) if field.name == "stride" else register.choices
            value = choices[choose(0, len(choices) - 1)] if choices else choose(register.minimum, register.maximum)
            values[field.name] = kind(value)
    weights = tuple(tuple(choose(WEIGHT_MIN, WEIGHT_MAX) for _ in range(size)) for _ in range(size))
    return Settings(**values, kernel=Kernel("any", weights, choose(0, SHIFT_MAX)))


def _payload(choose: Choice) -> tuple[bytes, Kernel]:
    """What META has to say of anything, and the kernel in it."""
    built = params()
    settings = _settings(choose, built.kernel_size)
    word = (1 << 32) - 1
    data = meta.payload(
        detector=built,
        settings=settings,
        image_id=choose(0, word),
        timestamp=choose(0, (1 << 64) - 1),
        tick_rate=choose(0, word),
        counters=meta.Counters(*(choose(0, meta.COUNTER_MAXIMUM) for _ in fields(meta.Counters))),
        dropped=choose(0, word),
    )
    return data, settings.kernel


def _registers(values: dict[str, int], kernel: Kernel) -> dict[int, int]:
    """What the register bank shows at each address of which META tells."""
    named = {name: value for name, value in values.items() if name in BY_NAME}
    named |= {"detector_columns": values["columns"], "detector_rows": values["rows"]}
    named |= {"ticks_low": values["timestamp"] & 0xFFFFFFFF, "ticks_high": values["timestamp"] >> 32}
    shown = {}
    for name, value in named.items():
        in_force = IN_FORCE if BY_NAME[name].access is Access.SETTING else 0
        shown[BY_NAME[name].address + in_force] = value
    first = BY_NAME["kernel_weights"].address + IN_FORCE
    return shown | {first + place: weight for place, weight in enumerate(kernel.flat)}


@simulated(cycles=20_000)
async def every_field(bench: Bench) -> None:
    """A word every 4 clocks from the seventh clock after `start` on; `busy` until the end is out."""
    sink, bank = bench.sink(), bench.add(Lookup(bench.dut.look_address, bench.dut.looked_up, clocks=2))
    choices: list[Choice] = [min, max, *[bench.random.randint] * 30]
    for number, choose in enumerate(choices):
        data, kernel = _payload(choose)
        bank.values = _registers(META.unpack(data[: META.size]), kernel)
        for log in (sink.items, sink.offered):
            log.clear()
        bench.set(start=1)
        await bench.clock()
        bench.set(start=0)
        started = bench.clocks - 1
        await bench.until(lambda: bench.dut.busy.value == 0, 400, f"the end of payload {number}")
        took = bench.clocks - started
        await bench.clock(bench.random.randint(0, 5))
        check_payloads(bench, [Payload(PacketType.META, 0, False, data)], written(bench, sink), f"payload {number}")
        clocks = [started + 8 + 4 * place for place in range(len(data) // 4)]
        clocks.append(clocks[-1] + 1)
        bench.check(sink.offered == clocks, f"payload {number}: words in clocks {sink.offered}, not {clocks}")
        bench.check(took == clocks[-1] + 1 - started, f"payload {number}: busy for {took} clocks")
