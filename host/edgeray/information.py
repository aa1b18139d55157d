"""What a board says of itself: identity, geometry, build, state, counters, link.

registers -> Information -> `edgeray info`, `edgeray doctor`; Probe -> `edgeray devices --probe`
"""

from dataclasses import dataclass

from edgeray.channel import Command
from edgeray.device import Device
from edgeray.errors import EdgerayError
from edgeray.identity import Identity
from edgeray.ports import serial_number
from edgeray.protocol.registers import BY_NAME, STATE_BITS


@dataclass(frozen=True)
class Probe:
    """What answers at a URL: its identity, or why there is none that could be used."""

    identity: Identity | None
    error: str | None


def probe(url: str, *, reply_timeout: float = 0.3) -> Probe:
    """Open `url` and ask who is there."""
    try:
        with Device(url, reply_timeout=reply_timeout) as device:
            return Probe(device.identity, None)
    except EdgerayError as error:
        return Probe(None, str(error))


@dataclass(frozen=True)
class Build:
    """What a build of the gateware has; names and units as in the register map."""

    multipliers: int
    buffer_bytes: int
    rows_per_packet: int
    audit_memory: bool
    upload_memory: bool
    bias_dac: bool


@dataclass(frozen=True)
class Counters:
    """Counts of the latest series; `command_errors` since reset."""

    triggered: int
    dropped: int
    railed: int
    pga_saturated: int
    correction_saturated: int
    convolution_saturated: int
    command_errors: int


@dataclass(frozen=True)
class Information:
    """A board, at one moment.

    identity : versions, detector, tick rate.
    serial_number : of its USB adapter; None where the link has none.
    uptime : seconds since its reset.
    state : names of the state bits that are set.
    generation : settings taken over since reset, modulo 2**16.
    image_id : of the frame in flight, or of the last one.
    baudrate : bits a second of its UART, as `uart_divisor` ticks a bit make it; nothing to a socket.
    """

    url: str
    identity: Identity
    serial_number: str | None
    uptime: float
    build: Build
    state: tuple[str, ...]
    generation: int
    image_id: int
    counters: Counters
    uart_divisor: int
    baudrate: float


_COUNTERS = tuple(Counters.__dataclass_fields__)
_BUILD = tuple(Build.__dataclass_fields__)
_OTHERS = ("state", "generation", "image_id", "uart_divisor")


def information(device: Device) -> Information:
    """Ask the board for all of it. Raises DeviceTimeout, LinkError."""
    names = (*_BUILD, *_COUNTERS, *_OTHERS)
    words = device.channel.run([Command(name, BY_NAME[name].address) for name in names])
    value = dict(zip(names, words, strict=True))
    return Information(
        url=device.url,
        identity=device.identity,
        serial_number=serial_number(device.url),
        uptime=device.ticks() / device.tick_rate,
        build=Build(
            multipliers=value["multipliers"],
            buffer_bytes=value["buffer_bytes"],
            rows_per_packet=value["rows_per_packet"],
            audit_memory=bool(value["audit_memory"]),
            upload_memory=bool(value["upload_memory"]),
            bias_dac=bool(value["bias_dac"]),
        ),
        state=tuple(one.name for one in STATE_BITS if value["state"] >> STATE_BITS.offset(one.name) & 1),
        generation=value["generation"],
        image_id=value["image_id"],
        counters=Counters(**{name: value[name] for name in _COUNTERS}),
        uart_divisor=value["uart_divisor"],
        baudrate=device.tick_rate / value["uart_divisor"] if value["uart_divisor"] else float("nan"),
    )
