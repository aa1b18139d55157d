"""Commands and registers over the link: every register read and written, what is refused, what is thrown away."""

from functools import partial

from edgeray.protocol.packets import VERSION, CommandType, ReplyStatus
from edgeray.protocol.registers import BY_NAME, COMMAND_BITS, REGISTERS, Access
from hdl.params import Params
from hdl.readout import Readout
from hdl.registers import constants
from testbench.bench import Bench, simulated
from testbench.host import Host
from testbench.runner import Build
from testbench.streams import randomly

PARAMS = Params(rows=8, columns=9, upload=True)
BUILDS = (Build("", partial(Readout, PARAMS)),)
WEIGHTS = PARAMS.kernel_size**2
_RUNNING = ("ticks_low", "ticks_high")
"""Registers that count clocks."""
_NOT_IN_MAP = (0x1F, 0x3F, 0x60 + WEIGHTS, 0x7FFF, 0xFFFF)


def _host(bench: Bench) -> Host:
    host = Host(bench, PARAMS)
    host.source.pace = randomly(bench.random, 0.7)
    host.sink.pace = randomly(bench.random, 0.7)
    return host


async def _all_settings(host: Host) -> dict[str, int]:
    return {one.name: await host.read(one.name) for one in REGISTERS if one.access is Access.SETTING}


@simulated(cycles=600_000)
async def reset_values(bench: Bench) -> None:
    """What the registers read after reset: constants, defaults, and counters at 0."""
    host, right = _host(bench), constants(PARAMS)
    for register in REGISTERS:
        if register.count > 1 or register.name == "kernel_shift":
            continue
        value = await host.read(register.name)
        if register.name in _RUNNING:
            continue
        wanted = right[register.name] if register.access is Access.CONSTANT else register.reset
        bench.check(value == wanted, f"{register.name} reads {value}, not {wanted}")


@simulated(cycles=600_000)
async def every_register(bench: Bench) -> None:
    """Writes within limits are kept and answered with the value; outside they are refused and change nothing."""
    host = _host(bench)
    for register in REGISTERS:
        outside = [register.maximum + 1, register.minimum - 1, (1 << 31) - 1, -(1 << 31)]
        for place in range(min(register.count, WEIGHTS)):
            address, name = register.address + place, register.name
            before = await host.read(name, place)
            if register.access in (Access.CONSTANT, Access.STATUS):
                reply = await host.write(address, 1)
                before = reply["value"] if name in _RUNNING else before
                bench.check(
                    reply == {"status": ReplyStatus.READ_ONLY, "value": before & 0xFFFFFFFF}, f"writing {name}: {reply}"
                )
                continue
            if register.access is Access.PULSE or name == "uart_divisor":
                continue
            choices = PARAMS.strides if name == "stride" else register.choices
            some = bench.random.randint(register.minimum, register.maximum)
            for value in choices or (register.minimum, register.maximum, some):
                reply = await host.write(address, value)
                right = {"status": ReplyStatus.OK, "value": value & 0xFFFFFFFF}
                bench.check(reply == right, f"writing {value} to {name}: {reply}, not {right}")
                before = value
            for value in outside:
                # The bus has 32 bits: what is outside must still be so as a register's value of 32 bits.
                as_bits = value & 0xFFFFFFFF
                means = as_bits - (1 << 32) if register.signed and as_bits >> 31 else as_bits
                if register.accepts(means):
                    continue
                reply = await host.write(address, value)
                right = {"status": ReplyStatus.VALUE_REFUSED, "value": before & 0xFFFFFFFF}
                bench.check(reply == right, f"writing {value} to {name}: {reply}, not {right}")
            now = await host.read(name, place)
            bench.check(now == before, f"{name} reads {now} after refused writes, not {before}")


@simulated(cycles=600_000)
async def unknown(bench: Bench) -> None:
    """Addresses outside the map and command types that do not exist are answered as such."""
    host = _host(bench)
    for address in _NOT_IN_MAP:
        for reply in (
            await host.write(address, 1), await host.ask(host.command(CommandType.READ, address))
        ):  # fmt: skip
            bench.check(reply["status"] == ReplyStatus.UNKNOWN_ADDRESS, f"address {address:#x}: {reply}")
    address, before = BY_NAME["nimages"].address, await host.read("nimages")
    wrong = [host.command(kind, address, payload) for kind in range(3, 8) for payload in (b"", bytes(4))]
    wrong += [host.command(CommandType.READ, address, bytes(4)), host.command(CommandType.WRITE, address)]
    wrong += [host.command(CommandType.WRITE, address, bytes(8)), host.command(CommandType.WRITE_BLOCK, address)]
    for data in wrong:
        reply = await host.ask(data)
        bench.check(reply["status"] == ReplyStatus.UNKNOWN_COMMAND, f"{data.hex()}: {reply}")
    bench.check(await host.read("nimages") == before, "an unknown command changed a register")


@simulated(cycles=600_000)
async def damaged(bench: Bench) -> None:
    """A command with any one bit wrong gets no answer, is counted where it was taken for one, and changes nothing."""
    host = _host(bench)
    before = await _all_settings(host)
    address = BY_NAME["nimages"].address
    good = host.command(CommandType.WRITE, address, (7).to_bytes(4, "little"))
    errors = 0
    for bit in range(16, 8 * len(good)):
        data = bytearray(good)
        data[bit // 8] ^= 1 << bit % 8
        await host.no_answer(bytes(data), clocks=30)
        errors += 1
    counted = await host.read("command_errors")
    # What follows a header that was thrown away is searched for the next sync, and holds none here.
    bench.check(counted == errors, f"{counted} command errors, not {errors}")
    for length in (1, 3, 5, 0xFFFF):
        await host.no_answer(host.command(CommandType.WRITE, address, length=length), clocks=30)
        errors += 1
    await host.no_answer(host.command(CommandType.READ, address, version=VERSION ^ 1), clocks=30)
    # Rubbish between commands is no command.
    await host.no_answer(bytes([0x00, 0xE6, 0x00, 0x9A, 0xFF, 0xE6, 0xE6]), clocks=30)
    after = await _all_settings(host)
    bench.check(after == before, f"damaged commands changed settings: {after}, not {before}")
    counted = await host.read("command_errors")
    bench.check(counted == errors + 1, f"{counted} command errors, not {errors + 1}")
    bench.check(await host.read("generation") == 0, "a damaged command changed the generation")


@simulated(cycles=600_000)
async def repeated(bench: Bench) -> None:
    """A command that comes again because its reply was lost is answered and not executed."""
    host = _host(bench)
    apply, entry = (1 << COMMAND_BITS.offset("apply")).to_bytes(4, "little"), bytes(4)
    for number in range(1, 4):
        for name, value, counter in (("command", apply, "generation"), ("correction_data", entry, "table_index")):
            data = host.command(CommandType.WRITE, BY_NAME[name].address, value)
            for _ in range(3):
                reply = await host.ask(data)
                bench.check(reply == {"status": ReplyStatus.OK, "value": 0}, f"the repeated {name}: {reply}")
            count = await host.read(counter)
            bench.check(count == number, f"{counter} is {count}, not {number}, after a repeated {name}")


@simulated(cycles=600_000)
async def generation_and_state(bench: Bench) -> None:
    """apply counts the generation up, and nothing else does; a pulse reads as 0."""
    host = _host(bench)
    for number in range(1, 6):
        await host.set("nimages", number)
        bench.check(await host.read("generation") == number - 1, "writing a setting changed the generation")
        await host.order("apply")
        bench.check(await host.read("generation") == number, f"generation is not {number} after apply")
    bench.check(await host.read("command") == 0, "command does not read 0")
    bench.check(await host.read("state") == 0, "not idle")
