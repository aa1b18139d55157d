"""A board as the user sees it: registers, settings, correction table, captures."""

import contextlib
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from edgeray.capture import DEFAULT, Capture, DefaultTimeout, header_of
from edgeray.channel import REPLY_TIMEOUT, Channel, Command
from edgeray.closing import Closing
from edgeray.consumer import Consumer
from edgeray.errors import CommandRefused, EdgerayError, UploadError
from edgeray.identity import identify
from edgeray.injection import Injection
from edgeray.ledger import Ledger
from edgeray.link import DEFAULT_BAUDRATE, Link
from edgeray.protocol.registers import BY_ADDRESS, BY_NAME, COMMAND_BITS, Access, Register
from edgeray.protocol.settings import SettingError, Settings
from edgeray.recording import Recording
from edgeray.replay_channel import SCHEME, ReplayChannel
from edgeray.series import FrameKind
from edgeray.splitter import Splitter
from edgeray.state import State
from edgeray.upload import CorrectionEntries, load_correction, upload

if TYPE_CHECKING:
    from edgeray.calibration import Calibration
    from edgeray.configuration import Configuration, Setting
    from edgeray.instrument import Instrument


class Device(Closing):
    """An open board; `edgeray.open` makes one. A context manager that ends what it started and closes the link.

    Parameters
    ----------
    url, baudrate : see `Link`; replay://file plays a recording.
    reply_timeout : seconds that one try of a command waits for its reply.

    Members
    -------
    identity : what the board says of itself.
    detector, tick_rate : of these, the geometry, and ticks a second of all times in registers and META.
    state : what it is doing.
    ledger : of the latest capture.
    calibration : whose table the correction stage holds, where this session loaded it.

    Raises
    ------
    NoDeviceError : nothing at the URL, or nothing there that answers as an edgeray board.
    VersionMismatch : the board's packets or registers are not those of this library.
    """

    def __init__(self, url: str, *, baudrate: int = DEFAULT_BAUDRATE, reply_timeout: float = REPLY_TIMEOUT) -> None:
        self.url = url
        self.ledger = Ledger()
        self.state = State.NA
        self.calibration: Calibration | None = None
        self._requested: Configuration | None = None
        self._known: dict[int, int] = {}
        # Weak: a capture that its user let go of is to end, which its generator does when nobody holds it.
        self._capture: weakref.ref[Capture] | None = None
        self.channel: Channel | ReplayChannel
        if url.startswith(SCHEME):
            self.channel = ReplayChannel(url.removeprefix(SCHEME))
        else:
            self.channel = Channel(Link(url, baudrate=baudrate), reply_timeout=reply_timeout)
        self.state = State.INITIALIZE
        try:
            self.identity = identify(self.channel, url)
        except BaseException:
            self.channel.close()
            raise
        self.detector, self.tick_rate = self.identity.detector, self.identity.tick_rate
        self.channel.splitter = Splitter(self.detector.packet_bytes)
        self.state = State.IDLE

    def read(self, name: str, index: int = 0) -> int:
        """Value of register `name` (number `index` of a group), in its unit.

        Raises SettingError where there is no such register; CommandRefused, DeviceTimeout, LinkError.
        """
        register = _register(name, index)
        (word,) = self.channel.run([Command(name, register.address + index)])
        return register.from_word(word)

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

    @property
    def settings(self) -> Settings:
        """All settings as the board holds them, in ticks and codes: those in force, or after the next `apply`."""
        settings = Settings.from_registers(self._read_settings(), self.detector)
        for address, value in settings.registers(self.detector):
            self._known[address] = value
        return settings

    @property
    def configuration(self) -> "Configuration":
        """All settings as the board holds them, in seconds and names; change some and hand it to `configure`."""
        from edgeray.configuration import Configuration

        return Configuration.from_settings(self.settings, self.tick_rate)

    def describe(self) -> "list[Setting]":
        """Every setting: requested in this session, actual on the board, limits, unit."""
        from edgeray.configuration import Configuration, describe

        return describe(self.settings, self.detector, self.tick_rate, self._requested or Configuration())

    def configure(self, settings: "Settings | Configuration | None" = None, /, **changes: Any) -> None:
        """Write every setting that differs from what this session wrote before; `capture` (or `apply`) takes them over.

        The reply to each write carries the register's value, which is compared.

        Parameters
        ----------
        settings : all settings, in ticks; or some, in seconds and names, the others stay as they are.
        changes : some settings by name, in seconds and names, over those: count_time="900us", kernel="sobel-x".

        Raises SettingError where the settings do not fit this detector (nothing is written then); CommandRefused,
        DeviceTimeout, LinkError.
        """
        state, self.state = self.state, State.CONFIGURE
        try:
            wanted = self._resolve(settings, changes)
            pairs = list(wanted.registers(self.detector))
            changed = [
                (BY_ADDRESS[address], address, value) for address, value in pairs if self._known.get(address) != value
            ]
            self._write(changed)
        finally:
            self.state = State.IDLE if state is State.ERROR else state

    def _resolve(self, settings: "Settings | Configuration | None", changes: dict[str, Any]) -> Settings:
        """The settings that `configure` is to write."""
        if isinstance(settings, Settings) and not changes:
            return settings
        from edgeray.configuration import Configuration

        base = settings if isinstance(settings, Settings) else self.settings
        said = {} if settings is None or isinstance(settings, Settings) else settings.said
        asked = Configuration.of(said | changes)
        wanted = asked.settings(base, self.detector, self.tick_rate)
        before = self._requested.said if self._requested is not None else {}
        self._requested = Configuration.of(before | asked.said)
        return wanted

    def apply(self) -> None:
        """Bring all written settings into force together, between two frames."""
        self.command("apply")

    def trigger(self) -> None:
        """One frame, where trigger_mode is SOFTWARE."""
        self.command("trigger")

    def disarm(self) -> None:
        """End the series after the frame under way."""
        self.command("disarm")

    def cancel(self) -> None:
        """End the series after the frame under way: that of this session's capture, else whatever the board is at."""
        if (capture := self._under_way) is None:
            self.disarm()
        else:
            capture.cancel()

    def abort(self) -> None:
        """End the series now; see `Capture.abort`."""
        if (capture := self._under_way) is None:
            self.disarm()
        else:
            capture.abort()

    @property
    def _under_way(self) -> Capture | None:
        """The capture of this session that somebody still holds."""
        return self._capture() if self._capture is not None else None

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
        self.calibration = None
        load_correction(self.channel, self.detector, table)

    def capture(
        self,
        nimages: int | None = None,
        *,
        timeout: float | DefaultTimeout | None = DEFAULT,
        record: BinaryIO | None = None,
        consumers: Sequence[Consumer] = (),
        kind: FrameKind = FrameKind.IMAGE,
        instrument: "Instrument | None" = None,
    ) -> Capture:
        """Apply the settings, arm, and iterate over the frames of one series as they come; see `Capture`.

        Parameters
        ----------
        nimages : frames; 0 is until the iterator is closed; None takes the setting.
        timeout : seconds without a frame packet after which DeviceTimeout is raised; None waits for ever (as long as
            the board answers). By default 5 s and ten frames for internal triggers, None for the others.
        record : binary file that takes every byte received during the capture, for `edgeray.replay`.
        consumers : who follow the series beside the caller: files, viewers.
        kind, instrument : what the consumers are told of the exposure, see `SeriesHeader`.

        Raises
        ------
        SettingError : nimages is negative or over 32 bits.
        DeviceTimeout, LinkError, CommandRefused, CaptureFileError : here or while iterating.
        EdgerayError : what a consumer raises; before the first exposure where it cannot begin.
        """
        self._end_capture()
        if nimages is not None:
            self.write("nimages", nimages)
        asked = self.setting("nimages")
        following = (Recording(record), *consumers) if record is not None else tuple(consumers)
        header = header_of(self, asked, kind, instrument) if following else None
        capture = Capture(self, asked, timeout, following, header)
        self._capture = weakref.ref(capture)
        return capture

    arm = capture
    """SIMPLON's word: the series is armed when `capture` returns."""

    def read_all(self) -> dict[str, list[int]]:
        """Every register's values by name, a list a name; a recording of this session has them too."""
        addresses = [
            address
            for address, one in BY_ADDRESS.items()
            if one.access is not Access.PULSE
            and (one.name != "kernel_weights" or address - one.address < self.detector.kernel_size**2)
        ]
        values: dict[str, list[int]] = {}
        for at, value in self._read_at(addresses).items():
            values.setdefault(BY_ADDRESS[at].name, []).append(value)
        return values

    def ticks(self) -> int:
        """Ticks since the board's reset. Raises DeviceTimeout, LinkError."""
        high = self.read("ticks_high")
        while True:
            low, after = self.read("ticks_low"), self.read("ticks_high")
            if after == high:  # the low half did not overflow between
                return high << 32 | low
            high = after

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
        upload(self.channel, self.detector, reset, signal)

    def _upload_memory(self) -> int:
        address = BY_NAME["upload_memory"].address
        if address not in self._known:
            self._known[address] = self.read("upload_memory")
        return self._known[address]

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
        before = [(BY_ADDRESS[at], at, value) for at, value in self._read_settings().items()]

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

    def _read_settings(self) -> dict[int, int]:
        """Address -> value of every setting register of this detector, read from the board."""
        return self._read_at([address for address, _ in Settings().registers(self.detector)])

    def _read_at(self, addresses: Sequence[int]) -> dict[int, int]:
        """Address -> value of these registers, many reads under way at once."""
        words = self.channel.run([Command(_label(BY_ADDRESS[at], at), at) for at in addresses])
        return {at: BY_ADDRESS[at].from_word(word) for at, word in zip(addresses, words, strict=True)}

    def _end_capture(self) -> None:
        capture, self._capture = self._under_way, None
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
            values.append(register.from_word(word))
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
            self.channel.close()
            self.state = State.NA


def _label(register: Register, address: int) -> str:
    return register.name if register.count == 1 else f"{register.name}[{address - register.address}]"


def _register(name: str, index: int) -> Register:
    register = BY_NAME.get(name)
    if register is None:
        raise SettingError(f"there is no register {name!r}")
    if not 0 <= index < register.count:
        raise SettingError(f"{name} has {register.count} registers, there is no number {index}")
    return register
