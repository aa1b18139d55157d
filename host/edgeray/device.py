"""A board as the user sees it: registers, settings, correction table, captures."""

import contextlib
import weakref
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from edgeray.capture import DEFAULT, Capture, DefaultTimeout
from edgeray.channel import REPLY_TIMEOUT, Channel, Command
from edgeray.closing import Closing
from edgeray.errors import CommandRefused, DeviceTimeout, EdgerayError, NoDeviceError, UploadError, VersionMismatch
from edgeray.injection import Injection
from edgeray.ledger import Ledger
from edgeray.link import DEFAULT_BAUDRATE, Link
from edgeray.protocol.detector import Detector, GeometryError
from edgeray.protocol.packets import BLOCK_WORDS, VERSION
from edgeray.protocol.registers import (
    BY_NAME,
    COMMAND_BITS,
    PRODUCT_ID,
    PROTOCOL_VERSION,
    REGISTERS,
    Access,
    Register,
    register_map_hash,
)
from edgeray.protocol.settings import SettingError, Settings
from edgeray.splitter import Splitter

CORRECTION_BLOCK = 256


class CorrectionEntries(Protocol):
    """What `Device.load_correction` takes: anything with the words of a correction table."""

    def entries(self) -> npt.NDArray[np.uint32]:
        """uint32[rows * columns], one `CORRECTION_ENTRY` a pixel in raster order."""


class Device(Closing):
    """An open board; `edgeray.open` makes one. A context manager that ends what it started and closes the link.

    Parameters
    ----------
    url, baudrate : see `Link`.
    reply_timeout : seconds that one try of a command waits for its reply.

    Members
    -------
    detector : geometry, as the board says it.
    tick_rate : ticks a second of all times in registers and META.
    ledger : of the latest capture.

    Raises
    ------
    NoDeviceError : nothing at the URL, or nothing there that answers as an edgeray board.
    VersionMismatch : the board's packets or registers are not those of this library.
    """

    def __init__(self, url: str, *, baudrate: int = DEFAULT_BAUDRATE, reply_timeout: float = REPLY_TIMEOUT) -> None:
        self.url = url
        self.ledger = Ledger()
        self._known: dict[int, int] = {}
        # Weak: a capture that its user let go of is to end, which its generator does when nobody holds it.
        self._capture: weakref.ref[Capture] | None = None
        self._link = Link(url, baudrate=baudrate)
        self.channel = Channel(self._link, reply_timeout=reply_timeout)
        try:
            self._handshake()
        except BaseException:
            self._link.close()
            raise
        self.channel.splitter = Splitter(self.detector.packet_bytes)

    def _handshake(self) -> None:
        try:
            product = self.read("product_id")
        except (DeviceTimeout, CommandRefused) as error:
            if self.channel.splitter.counts.unknown_version:
                raise VersionMismatch("packet version", "another", str(VERSION)) from None
            raise NoDeviceError(f"{self.url!r} opens, but no edgeray board answers there: {error}") from None
        if product != PRODUCT_ID:
            raise NoDeviceError(
                f"{self.url!r} is no edgeray board: its product id is {product:#010x}, not {PRODUCT_ID:#010x}"
            )
        version = self.read("protocol_version")
        if version != PROTOCOL_VERSION:
            raise VersionMismatch("protocol version", str(version), str(PROTOCOL_VERSION))
        map_hash = self.read("register_map_hash")
        if map_hash != register_map_hash():
            raise VersionMismatch("register map", f"{map_hash:#010x}", f"{register_map_hash():#010x}")
        names = ("detector_rows", "detector_columns", "guard_ring", "sample_bits", "kernel_size", "tick_rate")
        rows, columns, guard_ring, sample_bits, kernel_size, self.tick_rate = self.channel.run(
            [Command(name, BY_NAME[name].address) for name in names]
        )
        try:
            self.detector = Detector(
                rows=rows, columns=columns, guard_ring=guard_ring, sample_bits=sample_bits, kernel_size=kernel_size
            )
        except GeometryError as error:
            raise NoDeviceError(f"the board at {self.url!r} describes an impossible detector: {error}") from None
        if not self.tick_rate:
            raise NoDeviceError(f"the board at {self.url!r} says that its tick rate is 0")

    def read(self, name: str, index: int = 0) -> int:
        """Value of register `name` (number `index` of a group), in its unit.

        Raises SettingError where there is no such register; CommandRefused, DeviceTimeout, LinkError.
        """
        register = _register(name, index)
        (word,) = self.channel.run([Command(name, register.address + index)])
        return _signed(register, word)

    def write(self, name: str, value: int, index: int = 0) -> int:
        """Write register `name`; returns its value afterwards. A setting comes into force with the next `apply`.

        Raises SettingError where there is no such register or the value is no 32-bit number; CommandRefused where the
        board does not take the value; DeviceTimeout, LinkError.
        """
        register = _register(name, index)
        # The board judges the value; what would reach it as another number is caught here.
        if not (-(1 << 31) if register.signed else 0) <= value < 1 << 32:
            raise SettingError(f"{name} takes {register.minimum} to {register.maximum}, not {value}")
        return self._write([(register, register.address + index, value)])[0]

    def configure(self, settings: Settings) -> None:
        """Write every setting that differs from what this session wrote before; `capture` (or `apply`) takes them over.

        The reply to each write carries the register's value, which is compared.

        Raises SettingError where the settings do not fit this detector (nothing is written then); CommandRefused,
        DeviceTimeout, LinkError.
        """
        wanted = list(settings.registers(self.detector))
        changed = [(_AT[address], address, value) for address, value in wanted if self._known.get(address) != value]
        self._write(changed)

    def apply(self) -> None:
        """Bring all written settings into force together, between two frames."""
        self.command("apply")

    def trigger(self) -> None:
        """One frame, where trigger_mode is SOFTWARE."""
        self.command("trigger")

    def disarm(self) -> None:
        """End the series after the frame under way."""
        self.command("disarm")

    def command(self, *names: str, tries: int = 3) -> None:
        """Write the bits `names` of the command register in one go. The board acts on them at most once.

        DeviceTimeout : whether it did is not known.
        """
        bits = sum(1 << COMMAND_BITS.offset(name) for name in names)
        self.channel.run([Command("command", BY_NAME["command"].address, bits, once=True)], tries=tries)

    def load_correction(self, table: CorrectionEntries) -> None:
        """Load the correction table of the whole array; `correction_enabled` puts it to use.

        Raises SettingError where the table is not one entry a pixel; CommandRefused, DeviceTimeout, LinkError.
        """
        entries, pixels = table.entries(), self.detector.rows * self.detector.columns
        if entries.shape != (pixels,):
            raise SettingError(
                f"a correction table for this detector has {pixels} entries, not an array of shape {entries.shape}"
            )
        words = entries.tolist()
        for start in range(0, pixels, CORRECTION_BLOCK):
            self._load_block(start, words[start : start + CORRECTION_BLOCK])

    def _load_block(self, start: int, words: list[int]) -> None:
        """Load entries from `start` on.

        The board counts the entry's number up by itself, so that after a lost entry all that follow would go to the
        wrong place. Many are under way at once and none is repeated; where one is lost, the block is written again, an
        entry at a time.
        """
        data = BY_NAME["correction_data"].address
        seat = Command("table_index", BY_NAME["table_index"].address, start)
        self.channel.run([seat])
        try:
            self.channel.run([Command("correction_data", data, word) for word in words], tries=1)
        except DeviceTimeout:
            self.channel.run([seat, *(Command("correction_data", data, word, once=True) for word in words)])

    def capture(
        self,
        nimages: int | None = None,
        *,
        timeout: float | DefaultTimeout | None = DEFAULT,
        record: BinaryIO | None = None,
    ) -> Capture:
        """Apply the settings, arm, and iterate over the frames of one series as they come; see `Capture`.

        Parameters
        ----------
        nimages : frames; 0 is until the iterator is closed; None takes the setting.
        timeout : seconds without a frame packet after which DeviceTimeout is raised; None waits for ever (as long as
            the board answers). By default 5 s and ten frames for internal triggers, None for the others.
        record : binary file that takes every byte received during the capture, for `edgeray.replay`.

        Raises
        ------
        SettingError : nimages is negative or over 32 bits.
        DeviceTimeout, LinkError, CommandRefused, CaptureFileError : here or while iterating.
        """
        self._end_capture()
        if nimages is not None:
            self.write("nimages", nimages)
        capture = Capture(self, self.setting("nimages"), timeout, record)
        self._capture = weakref.ref(capture)
        return capture

    def upload(self, reset: npt.NDArray[np.uint16], signal: npt.NDArray[np.uint16]) -> None:
        """Load the samples of one frame into the board, which shows them with sample_source UPLOADED, in every frame.

        A frame that is being read meanwhile may show some of both.

        Parameters
        ----------
        reset, signal : uint16[rows, columns], codes, 0 to full scale.

        Raises UploadError where they are not that, the board has no memory for them, or some did not arrive;
        DeviceTimeout, LinkError.
        """
        if not self._upload_memory():
            raise UploadError(
                f"the build of the board at {self.url!r} has no memory for uploaded samples; sample_source PATTERN "
                "needs none"
            )
        pairs = self._samples("signal", signal).astype(np.uint32) << 16 | self._samples("reset", reset)
        words = pairs.ravel().tolist()
        try:
            taken = self._upload(words)
        except DeviceTimeout:
            # One was lost, and what came after it went to the wrong pixels: again, each when the one before is there.
            self.write("table_index", 0)
            self.channel.write_block(BY_NAME["upload_data"].address, words, name="upload_data")
            taken = self.read("table_index")
        if taken != len(words):
            raise UploadError(
                f"the board took the samples of {taken} pixels instead of {len(words)}; upload them again"
            )

    def _upload(self, words: list[int]) -> int:
        """Send all blocks at once, none of them twice; returns how many words the board took."""
        index, data = BY_NAME["table_index"].address, BY_NAME["upload_data"].address
        blocks = [tuple(words[start : start + BLOCK_WORDS]) for start in range(0, len(words), BLOCK_WORDS)]
        commands = [
            Command("table_index", index, 0),
            *(Command("upload_data", data, words=block) for block in blocks),
            Command("table_index", index),
        ]
        return self.channel.run(commands, tries=1)[-1]

    def _upload_memory(self) -> int:
        address = BY_NAME["upload_memory"].address
        if address not in self._known:
            self._known[address] = self.read("upload_memory")
        return self._known[address]

    def _samples(self, name: str, samples: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
        """`samples` where they are a frame of this detector; UploadError calls them by their name."""
        shape, full = (self.detector.rows, self.detector.columns), self.detector.full_scale
        if samples.dtype != np.uint16 or samples.shape != shape:
            raise UploadError(
                f"{name} samples of this detector are uint16{list(shape)}, not {samples.dtype}{list(samples.shape)}"
            )
        if samples.max() > full:
            row, column = np.argwhere(samples > full)[0]
            raise UploadError(
                f"{name} samples are 0 to {full}, but that of row {row}, column {column} is {samples[row, column]}"
            )
        return samples

    def inject(
        self, samples: npt.NDArray[np.uint16], *, timeout: float = 10.0, record: BinaryIO | None = None
    ) -> Injection:
        """One series in which frame n is made of the samples n instead of the ADC's; an iterator as `capture` is.

        The board has its other settings; trigger_mode, nimages and sample_source are what they were when it is over.

        Parameters
        ----------
        samples : uint16[n, 2, rows, columns], codes: [:, 0] the reset samples, [:, 1] the signal samples.
        timeout : seconds after which DeviceTimeout is raised where the board is still busy with a frame.
        record : see `capture`.

        Raises UploadError as `upload` does; otherwise as `capture`.
        """
        return Injection(self, samples, timeout, record)

    @contextlib.contextmanager
    def keeping_settings(self) -> Iterator[None]:
        """Whatever is set within the `with` block: at its end all settings are what they were, and in force."""
        addresses = [address for address, _ in Settings().registers(self.detector)]
        words = self.channel.run([Command(_label(_AT[address], address), address) for address in addresses])
        before = [(_AT[at], at, _signed(_AT[at], word)) for at, word in zip(addresses, words, strict=True)]

        def restore() -> None:
            self._end_capture()
            self._write(before)
            self.apply()

        try:
            yield
        except BaseException:
            # What ended the block is what the caller is to hear of.
            with contextlib.suppress(EdgerayError):
                restore()
            raise
        restore()

    def _end_capture(self) -> None:
        capture = self._capture() if self._capture is not None else None
        self._capture = None
        if capture is not None:
            capture.close()

    def setting(self, name: str) -> int:
        """Value of a setting register, from memory where this session wrote it."""
        address = BY_NAME[name].address
        if address not in self._known:
            self._known[address] = self.read(name)
        return self._known[address]

    def _write(self, writes: Iterable[tuple[Register, int, int]]) -> list[int]:
        """Write (register, address, value)s; returns the values afterwards and remembers those of settings."""
        writes = list(writes)
        for _, address, _ in writes:
            self._known.pop(address, None)
        words = self.channel.run(
            [
                Command(_label(one, address), address, value, once=one.access is Access.PULSE)
                for one, address, value in writes
            ]
        )
        values = []
        for (register, address, value), word in zip(writes, words, strict=True):
            values.append(_signed(register, word))
            if register.access is Access.SETTING:
                if values[-1] != value:
                    raise CommandRefused(
                        f"{_label(register, address)} was set to {value}, but the board holds {values[-1]}"
                    )
                self._known[address] = value
        return values

    def close(self) -> None:
        """End a capture that is under way and close the link."""
        try:
            with contextlib.suppress(EdgerayError):
                self._end_capture()
        finally:
            self._link.close()


_AT: dict[int, Register] = {one.address + index: one for one in REGISTERS for index in range(one.count)}


def _label(register: Register, address: int) -> str:
    return register.name if register.count == 1 else f"{register.name}[{address - register.address}]"


def _register(name: str, index: int) -> Register:
    register = BY_NAME.get(name)
    if register is None:
        raise SettingError(f"there is no register {name!r}")
    if not 0 <= index < register.count:
        raise SettingError(f"{name} has {register.count} registers, there is no number {index}")
    return register


def _signed(register: Register, word: int) -> int:
    return word - (1 << 32) if register.signed and word >> 31 else word
