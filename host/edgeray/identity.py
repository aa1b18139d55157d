"""The handshake: who answers at a URL, whether it speaks as this library does, and what detector it reads."""

from dataclasses import dataclass

from edgeray.channel import Channel, Command
from edgeray.errors import CommandRefused, DeviceTimeout, LinkError, NoDeviceError, VersionMismatch
from edgeray.protocol.detector import Detector, GeometryError
from edgeray.protocol.packets import VERSION
from edgeray.protocol.registers import BY_NAME, PRODUCT_ID, PROTOCOL_VERSION, Convolution, register_map_hash
from edgeray.replay_channel import ReplayChannel


@dataclass(frozen=True)
class Identity:
    """What a board says of itself.

    protocol_version, register_map_hash : those of this library; another board is no `Identity`.
    detector : geometry.
    tick_rate : ticks a second of all times in registers and META.
    """

    protocol_version: int
    register_map_hash: int
    detector: Detector
    tick_rate: int


def identify(channel: Channel | ReplayChannel, url: str) -> Identity:
    """Ask the board at `url` who it is.

    Raises
    ------
    NoDeviceError : nothing that answers as an edgeray board, or one that describes itself as impossible.
    VersionMismatch : packets or registers are not those of this library.
    """

    try:
        (product,) = _read(channel, "product_id")
    except (DeviceTimeout, CommandRefused) as error:
        if channel.splitter.counts.unknown_version:
            raise VersionMismatch("packet version", "another", str(VERSION)) from None
        raise NoDeviceError(f"{url!r} opens, but no edgeray board answers there: {error}") from None
    except LinkError:
        raise NoDeviceError(
            f"{url!r} opens, and closes the link at once: another program may be connected to the board"
        ) from None
    if product != PRODUCT_ID:
        raise NoDeviceError(f"{url!r} is no edgeray board: its product id is {product:#010x}, not {PRODUCT_ID:#010x}")
    (version,) = _read(channel, "protocol_version")
    if version != PROTOCOL_VERSION:
        raise VersionMismatch("protocol version", str(version), str(PROTOCOL_VERSION))
    (map_hash,) = _read(channel, "register_map_hash")
    if map_hash != register_map_hash():
        raise VersionMismatch("register map", f"{map_hash:#010x}", f"{register_map_hash():#010x}")
    return Identity(version, map_hash, *_geometry(channel, url))


def _read(channel: Channel | ReplayChannel, *names: str) -> list[int]:
    return channel.run([Command(name, BY_NAME[name].address) for name in names])


def _geometry(channel: Channel | ReplayChannel, url: str) -> tuple[Detector, int]:
    rows, columns, guard_ring, sample_bits, kernel_size, tick_rate, convolution = _read(
        channel,
        *("detector_rows", "detector_columns", "guard_ring", "sample_bits", "kernel_size", "tick_rate", "convolution"),
    )
    try:
        detector = Detector(
            rows=rows,
            columns=columns,
            guard_ring=guard_ring,
            sample_bits=sample_bits,
            kernel_size=kernel_size,
            convolution=Convolution(convolution),
        )
    except (GeometryError, ValueError) as error:
        raise NoDeviceError(f"the board at {url!r} describes an impossible detector: {error}") from None
    if not tick_rate:
        raise NoDeviceError(f"the board at {url!r} says that its tick rate is 0")
    return detector, tick_rate
